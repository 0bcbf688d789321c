//! Members of a worker's family, for whom the programme's community parenting is there too.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::birth::BirthDate;
use crate::name::PersonName;
use crate::nik::Nik;
use crate::subject::Subject;

/// How a member is related to the worker.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// Husband or wife.
    Spouse,
    /// Child.
    Child,
    /// Father or mother.
    Parent,
    /// Brother or sister.
    Sibling,
    /// Any other relation.
    Other,
}

/// A member of a worker's family.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyMember {
    /// The record's id.
    pub id: Uuid,
    /// The worker.
    pub worker_id: Uuid,
    /// The member's pseudonym, where the NIK is known.
    pub subject: Option<Subject>,
    /// The name.
    pub name: PersonName,
    /// The relation to the worker.
    pub relation: Relation,
    /// The NIK, where known.
    pub nik: Option<Nik>,
    /// The birth date, where known.
    pub birth: Option<BirthDate>,
    /// Whether the member cares for the worker's children at home.
    pub caretaker: bool,
}

redacted!(Relation);

impl fmt::Debug for FamilyMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FamilyMember").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_comes_back_from_the_store_and_is_printed_by_id_alone() {
        let member = FamilyMember {
            id: Uuid::nil(),
            worker_id: Uuid::nil(),
            subject: None,
            name: PersonName::parse("Contoh Ani").unwrap(),
            relation: Relation::Child,
            nik: None,
            birth: None,
            caretaker: false,
        };
        let body = serde_json::to_string(&member).unwrap();
        assert_eq!(serde_json::from_str::<FamilyMember>(&body).unwrap(), member);
        let text = format!("FamilyMember {{ id: {}, .. }} Relation(..)", Uuid::nil());
        assert_eq!(format!("{member:?} {:?}", member.relation), text);
    }
}
