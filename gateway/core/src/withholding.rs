//! Withholdings: what a person is not told yet, since an authority has lawfully ordered it.
//!
//! A withholding hides entries from the person whom they concern, and from nobody else; it always
//! has an end, and then the person is told of the entries, and that they were withheld.
//!
//! It is kept in clear, not under the person's own key: a person who is erased meanwhile must not
//! learn thereby what was to be withheld. So it holds a pseudonym and an order, and nothing of the
//! person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::agency::AgencyId;
use crate::journal::Entry;
use crate::record::{Key, Kind};
use crate::subject::Subject;

/// That a person is not told for a while what one agency reads and changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withholding {
    /// Its id.
    pub id: Uuid,
    /// The person.
    pub subject: Subject,
    /// Whose entries are withheld.
    pub agency: AgencyId,
    /// Those committed then or later.
    pub from: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// The authority that ordered it.
    pub ordered_by: String,
    /// The order and the law that it rests on.
    pub legal_reference: String,
    /// When it was ended before its time, if it was.
    pub ended_at: Option<Timestamp>,
}

impl Withholding {
    /// The key of its record.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { kind: Kind::Withholding, id: self.id.to_string() }
    }

    /// Whether it is in force.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.until
    }

    /// Whether an entry about the person is withheld while it is in force: one of the agency's, or
    /// the one that ordered the withholding.
    #[must_use]
    pub fn covers(&self, entry: &Entry) -> bool {
        let of_agency = entry.draft.agency == self.agency && entry.at >= self.from;
        of_agency || entry.touched.iter().any(|touched| touched.key == self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Classes;
    use crate::credentials::Digests;
    use crate::journal::{Draft, EntryKind, LeafVersion, Touched};

    fn at(minute: i8) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minute.into())
    }

    fn withholding() -> Withholding {
        Withholding {
            id: Uuid::from_u128(7),
            subject: Subject::from_bytes(&[1; 32]).unwrap(),
            agency: AgencyId::parse("kepolisian").unwrap(),
            from: at(10),
            until: at(20),
            ordered_by: "Pengadilan Contoh".to_owned(),
            legal_reference: "Penetapan 1/2026".to_owned(),
            ended_at: None,
        }
    }

    fn entry(agency: &str, at: Timestamp, touched: Vec<Touched>) -> Entry {
        let draft = Draft {
            kind: EntryKind::Disclosure,
            agency: AgencyId::parse(agency).unwrap(),
            purpose: None,
            method: "a.B/C".to_owned(),
            request_digest: [0; 32],
            subjects: vec![withholding().subject],
            classes: Classes::NONE,
            trace_id: [0; 16],
        };
        let (leaf_version, caller) = (LeafVersion::CURRENT, Digests::default());
        Entry { index: 0, at, leaf_version, draft, caller, touched }
    }

    #[test]
    fn it_holds_until_its_end_or_until_it_is_ended() {
        assert!(withholding().holds(at(19)));
        assert!(!withholding().holds(at(20)));
        assert!(!Withholding { ended_at: Some(at(12)), ..withholding() }.holds(at(13)));
    }

    #[test]
    fn it_covers_the_agencys_entries_from_its_beginning_and_its_own() {
        let covers = |agency, minute| withholding().covers(&entry(agency, at(minute), Vec::new()));
        assert!(covers("kepolisian", 10) && covers("kepolisian", 15));
        assert!(!covers("kepolisian", 9) && !covers("kemnaker", 15));
        let order = |id| {
            let key = Key { kind: Kind::Withholding, id: Uuid::from_u128(id).to_string() };
            entry("operator", at(10), vec![Touched { key, version: 1, commitment: [0; 32] }])
        };
        assert!(withholding().covers(&order(7)) && !withholding().covers(&order(8)));
    }
}
