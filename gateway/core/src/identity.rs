//! Comparing what a caller claims of a person with the population register.
//!
//! As in Dukcapil's verification by element, the answer says for each claimed element whether it
//! agrees, and the register's own values stay inside. Names and places are compared with a score,
//! the rest exactly. An outcome says something of the person or, apart from that, that the
//! register gave no answer: the two are never mixed up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::agency::AgencyId;
use crate::birth::BirthDate;
use crate::name::{PersonName, text_likeness};
use crate::nik::Nik;
use crate::region::VillageCode;
use crate::subject::Subject;

/// Sex as the register records it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sex {
    /// Laki-laki.
    Male,
    /// Perempuan.
    Female,
}

/// Whether a person's record in the register can be used.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterStatus {
    /// It can.
    Active,
    /// The person has died (Dukcapil response 11).
    Deceased,
    /// There is more than one record for the NIK (12).
    Duplicate,
    /// The record is not active; the person should see the Dinas Dukcapil (14).
    Inactive,
}

/// A person in the population register.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// The person's pseudonym.
    pub subject: Subject,
    /// The NIK.
    pub nik: Nik,
    /// The name.
    pub name: PersonName,
    /// The place of birth.
    pub birth_place: String,
    /// The birth date.
    pub birth: BirthDate,
    /// The sex.
    pub sex: Sex,
    /// The village of residence.
    pub village: VillageCode,
    /// The mother's name.
    pub mother_name: Option<PersonName>,
    /// Whether the record can be used.
    pub status: RegisterStatus,
}

/// What a caller claims of a person; only what is there is compared.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct Claim {
    /// The name.
    pub name: Option<PersonName>,
    /// The birth date.
    pub birth: Option<BirthDate>,
    /// The place of birth.
    pub birth_place: Option<String>,
    /// The sex.
    pub sex: Option<Sex>,
    /// The village of residence, under a code in force.
    pub village: Option<VillageCode>,
    /// The mother's name.
    pub mother_name: Option<PersonName>,
}

/// An element of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Element {
    /// The name.
    Name,
    /// The birth date.
    BirthDate,
    /// The place of birth.
    BirthPlace,
    /// The sex.
    Sex,
    /// The village of residence.
    Village,
    /// The mother's name.
    MotherName,
}

/// How a claimed element compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It agrees.
    Match,
    /// It agrees within the threshold; the likeness, 0 to 100.
    Fuzzy(u8),
    /// It disagrees; the likeness, 0 to 100.
    Mismatch(u8),
}

/// What came of a check.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// In the register, active, and every claimed element agrees.
    Verified,
    /// In the register, active; a claimed element disagrees.
    Mismatch,
    /// Not in the register.
    NotFound,
    /// In the register as deceased.
    Deceased,
    /// In the register more than once.
    Duplicate,
    /// In the register, not active.
    Inactive,
    /// The register refuses the NIK as one that it cannot have given out (15).
    Rejected,
    /// The quota of checks is used up; says nothing of the person.
    QuotaExhausted,
    /// No answer; says nothing of the person.
    Unavailable,
}

/// A check's result.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What came of it.
    pub outcome: Outcome,
    /// Each claimed element, in the order of [`Element`]; empty unless the record is active.
    pub elements: Vec<(Element, Verdict)>,
}

/// The register's answer to one claim, kept as the exchange's copy. Holds no value of the claim:
/// it is found by a keyed digest of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityCheck {
    /// Keyed digest of NIK and claim, in hexadecimal.
    pub id: String,
    /// The person.
    pub subject: Subject,
    /// What came of it.
    pub check: Check,
}

/// A check that was recorded with a worker.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// When.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
    /// Who asked for it.
    pub by: AgencyId,
}

/// How alike two values must be to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchRule {
    /// Least likeness of names and places, 0 to 100. Dukcapil's clients use 75 to 100.
    pub threshold: u8,
}

impl Claim {
    /// Whether nothing is claimed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares a claim with a person's record; `None` when the register has no such person. An empty
/// claim verifies nobody.
#[must_use]
pub fn check(person: Option<&Person>, claim: &Claim, rule: MatchRule) -> Check {
    let without_elements = |outcome| Check { outcome, elements: Vec::new() };
    let Some(person) = person else { return without_elements(Outcome::NotFound) };
    match person.status {
        RegisterStatus::Deceased => return without_elements(Outcome::Deceased),
        RegisterStatus::Duplicate => return without_elements(Outcome::Duplicate),
        RegisterStatus::Inactive => return without_elements(Outcome::Inactive),
        RegisterStatus::Active => {}
    }
    let scored = |likeness: u8| match likeness {
        100 => Verdict::Match,
        likeness if likeness >= rule.threshold => Verdict::Fuzzy(likeness),
        likeness => Verdict::Mismatch(likeness),
    };
    let exact = |agrees: bool| if agrees { Verdict::Match } else { Verdict::Mismatch(0) };
    let elements: Vec<_> = [
        (Element::Name, claim.name.as_ref().map(|name| scored(name.likeness(&person.name)))),
        (Element::BirthDate, claim.birth.map(|birth| exact(birth.agrees_with(person.birth)))),
        (
            Element::BirthPlace,
            claim.birth_place.as_ref().map(|it| scored(text_likeness(it, &person.birth_place))),
        ),
        (Element::Sex, claim.sex.map(|sex| exact(sex == person.sex))),
        (Element::Village, claim.village.map(|village| exact(village == person.village))),
        (
            Element::MotherName,
            claim.mother_name.as_ref().map(|claimed| match &person.mother_name {
                Some(name) => scored(claimed.likeness(name)),
                None => Verdict::Mismatch(0),
            }),
        ),
    ]
    .into_iter()
    .filter_map(|(element, verdict)| Some((element, verdict?)))
    .collect();
    let agrees = !claim.is_empty()
        && elements.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Mismatch(_)));
    let outcome = if agrees { Outcome::Verified } else { Outcome::Mismatch };
    Check { outcome, elements }
}

redacted!(Sex, RegisterStatus, Person, Claim, Outcome, Check, IdentityCheck, Verification);

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::birth::Precision;
    use crate::subject::SubjectKey;

    const RULE: MatchRule = MatchRule { threshold: 90 };

    fn person() -> Person {
        let nik = Nik::parse("9901014501900001").unwrap();
        Person {
            subject: SubjectKey::from_bytes([0; 32]).pseudonym(&nik),
            nik,
            name: PersonName::parse("Siti Aminah").unwrap(),
            birth_place: "Indramayu".into(),
            birth: birth(date(1990, 1, 5), Precision::Day),
            sex: Sex::Female,
            village: VillageCode::parse("32.12.16.2004").unwrap(),
            mother_name: None,
            status: RegisterStatus::Active,
        }
    }

    fn birth(date: jiff::civil::Date, precision: Precision) -> BirthDate {
        BirthDate::new(date, precision, jiff::civil::date(2026, 1, 1)).unwrap()
    }

    fn claim(name: &str) -> Claim {
        Claim { name: Some(PersonName::parse(name).unwrap()), ..Claim::default() }
    }

    #[test]
    fn only_what_is_claimed_is_compared() {
        let check = check(Some(&person()), &claim("SITI AMINAH"), RULE);
        assert!(check.outcome == Outcome::Verified);
        assert_eq!(check.elements, [(Element::Name, Verdict::Match)]);
    }

    #[test]
    fn one_disagreement_is_a_mismatch_and_each_element_says_its_own() {
        let claim = Claim {
            birth: Some(birth(date(1990, 7, 1), Precision::Year)),
            sex: Some(Sex::Male),
            birth_place: Some("indramayu".into()),
            ..claim("Siti Aminha")
        };
        let check = check(Some(&person()), &claim, RULE);
        assert!(check.outcome == Outcome::Mismatch);
        assert!(matches!(check.elements[0], (Element::Name, Verdict::Fuzzy(90..100))));
        assert_eq!(check.elements[1], (Element::BirthDate, Verdict::Match));
        assert_eq!(check.elements[2], (Element::BirthPlace, Verdict::Match));
        assert_eq!(check.elements[3], (Element::Sex, Verdict::Mismatch(0)));
    }

    #[test]
    fn a_record_that_cannot_be_used_compares_nothing() {
        for (status, outcome) in [
            (RegisterStatus::Deceased, Outcome::Deceased),
            (RegisterStatus::Duplicate, Outcome::Duplicate),
            (RegisterStatus::Inactive, Outcome::Inactive),
        ] {
            let person = Person { status, ..person() };
            let check = check(Some(&person), &claim("Siti Aminah"), RULE);
            assert!(check.outcome == outcome && check.elements.is_empty());
        }
        assert!(check(None, &claim("Siti"), RULE).outcome == Outcome::NotFound);
    }

    #[test]
    fn what_the_register_does_not_hold_agrees_with_nothing() {
        let unknown = Person { birth_place: "-".into(), ..person() };
        let claim = Claim {
            birth_place: Some("?".into()),
            mother_name: Some(PersonName::parse("Rukmini").unwrap()),
            ..Claim::default()
        };
        assert_eq!(
            check(Some(&unknown), &claim, RULE).elements,
            [
                (Element::BirthPlace, Verdict::Mismatch(0)),
                (Element::MotherName, Verdict::Mismatch(0))
            ]
        );
        assert!(check(Some(&unknown), &Claim::default(), RULE).outcome == Outcome::Mismatch);
    }

    #[test]
    fn nothing_personal_can_be_printed() {
        let check = check(Some(&person()), &claim("Siti Aminah"), RULE);
        assert_eq!(
            format!("{:?} {:?} {check:?} {:?}", person(), Sex::Female, claim("Siti")),
            "Person(..) Sex(..) Check(..) Claim(..)"
        );
    }

    proptest! {
        #[test]
        fn each_claimed_element_is_answered_once_and_one_mismatch_decides(
            name in proptest::option::of(proptest::sample::select(vec!["Siti Aminah", "Siti Aminha", "Budi"])),
            sex in proptest::option::of(proptest::sample::select(vec![Sex::Male, Sex::Female])),
            born_in in proptest::option::of(1989_i16..=1991),
            village in proptest::option::of(proptest::sample::select(vec!["32.12.16.2004", "32.12.16.2005"])),
            threshold in 0_u8..=100,
        ) {
            let claim = Claim {
                name: name.map(|it| PersonName::parse(it).unwrap()),
                birth: born_in.map(|year| birth(date(year, 1, 5), Precision::Day)),
                sex,
                village: village.map(|it| VillageCode::parse(it).unwrap()),
                ..Claim::default()
            };
            let check = check(Some(&person()), &claim, MatchRule { threshold });
            let claimed = [
                (Element::Name, name.is_some()),
                (Element::BirthDate, born_in.is_some()),
                (Element::Sex, sex.is_some()),
                (Element::Village, village.is_some()),
            ];
            let claimed: Vec<_> = claimed.iter().filter(|(_, it)| *it).map(|(element, _)| *element).collect();
            let answered: Vec<_> = check.elements.iter().map(|(element, _)| *element).collect();
            prop_assert_eq!(&answered, &claimed);
            let all_agree = !claimed.is_empty()
                && sex != Some(Sex::Male)
                && born_in.is_none_or(|year| year == 1990)
                && village.is_none_or(|it| it == "32.12.16.2004")
                && name.is_none_or(|it| {
                    PersonName::parse(it).unwrap().likeness(&person().name) >= threshold
                });
            prop_assert_eq!(check.outcome == Outcome::Verified, all_agree);
            prop_assert_eq!(check.outcome == Outcome::Mismatch, !all_agree);
        }
    }
}
