//! The fixtures: people, villages and facilities each of which always has a certain outcome, as
//! data, and as the tables that the README prints.

use std::fmt::Write as _;

use desmigratif_core::identity::Outcome;
use desmigratif_core::village_index::Category;
use jiff::civil::Date;

use crate::kemendagri::niks;
use crate::{facilities, kemendes, people};

/// What a check of identity comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IdentityOutcome {
    /// An outcome of the check itself.
    Outcome(Outcome),
    /// Verified by a name that is alike, not the same.
    FuzzyName,
    /// Dukcapil says that the NIK has not its format (15): not in the register either.
    IllFormed,
    /// Dukcapil refuses the login.
    LoginRefused,
    /// Dukcapil does not know the caller's address.
    AddressUnknown,
}

/// A person to check, and what comes of it.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityFixture {
    /// The NIK.
    pub nik: String,
    /// The name to claim.
    pub name: String,
    /// The birth date to claim.
    pub birth_date: Date,
    /// What comes of it.
    pub outcome: IdentityOutcome,
}

/// What Kemendes has of a village.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VillageOutcome {
    /// Indices of this category, in every year with data.
    Index(Category),
    /// An IDM, and no Indeks Desa.
    OldIndexOnly,
    /// Nothing: it does not know the desa.
    Unknown,
    /// Nothing: it is a kelurahan.
    Kelurahan,
}

/// Every fixture.
#[derive(Clone)]
pub struct Fixtures {
    /// People for Kemendagri.
    pub identities: Vec<IdentityFixture>,
    /// The NIK of the person whom Kemenkes refuses as a patient.
    pub refused_patient: String,
    /// Codes of villages for Kemendes.
    pub villages: Vec<(&'static str, VillageOutcome)>,
    /// The id of the facility that is not in operation; the others are.
    pub closed_facility: &'static str,
}

/// The fixtures.
#[must_use]
pub fn fixtures() -> Fixtures {
    let person = |n, outcome| {
        let people::Candidate { nik, name, birth_date, .. } = people::candidate(n);
        IdentityFixture { nik, name, birth_date, outcome }
    };
    let nobody = |nik: &str, outcome| IdentityFixture {
        nik: nik.to_owned(),
        ..person(people::VERIFIED, outcome)
    };
    let outcome = IdentityOutcome::Outcome;
    let mut identities = vec![
        person(people::VERIFIED, outcome(Outcome::Verified)),
        person(people::FUZZY, IdentityOutcome::FuzzyName),
        person(people::MISMATCHED, outcome(Outcome::Mismatch)),
        person(people::DECEASED, outcome(Outcome::Deceased)),
        person(people::DUPLICATE, outcome(Outcome::Duplicate)),
        nobody(niks::NOT_FOUND, outcome(Outcome::NotFound)),
        person(people::INACTIVE, outcome(Outcome::Inactive)),
        nobody(niks::ILL_FORMED, IdentityOutcome::IllFormed),
        nobody(niks::LOGIN_REFUSED, IdentityOutcome::LoginRefused),
        nobody(niks::ADDRESS_UNKNOWN, IdentityOutcome::AddressUnknown),
        nobody(niks::QUOTA_USED_UP, outcome(Outcome::QuotaExhausted)),
    ];
    // One letter is missing, and another name.
    identities[1].name.pop();
    identities[2].name = "Contoh Nama Lain".to_owned();
    let fixed = kemendes::FIXED.map(|(code, category)| (code, VillageOutcome::Index(category)));
    let others = [
        (kemendes::WITHOUT_INDEKS_DESA, VillageOutcome::OldIndexOnly),
        (kemendes::UNKNOWN, VillageOutcome::Unknown),
        (kemendes::KELURAHAN, VillageOutcome::Kelurahan),
    ];
    Fixtures {
        identities,
        refused_patient: people::candidate(people::REFUSED_PATIENT).nik,
        villages: fixed.into_iter().chain(others).collect(),
        closed_facility: facilities::CLOSED,
    }
}

impl IdentityOutcome {
    fn words(self) -> &'static str {
        match self {
            Self::Outcome(Outcome::Verified) => "verified",
            Self::FuzzyName => "verified, the name by likeness",
            Self::Outcome(Outcome::Mismatch) => "mismatch of the name",
            Self::Outcome(Outcome::Deceased) => "deceased (11)",
            Self::Outcome(Outcome::Duplicate) => "two records (12)",
            Self::Outcome(Outcome::NotFound) => "not found (13)",
            Self::Outcome(Outcome::Inactive) => "not active (14)",
            Self::IllFormed => "not Dukcapil's format (15)",
            Self::LoginRefused => "login refused",
            Self::AddressUnknown => "address not registered",
            Self::Outcome(Outcome::QuotaExhausted) => "quota used up",
            Self::Outcome(Outcome::Rejected) => "refused for its format (15)",
            Self::Outcome(Outcome::Unavailable) => "no answer",
        }
    }
}

impl VillageOutcome {
    fn words(self) -> String {
        match self {
            Self::Index(category) => category.as_str().to_owned(),
            Self::OldIndexOnly => "IDM to 2024, no Indeks Desa".to_owned(),
            Self::Unknown => "unknown to Kemendes".to_owned(),
            Self::Kelurahan => "a kelurahan: no index".to_owned(),
        }
    }
}

impl Fixtures {
    /// The fixtures as tables in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| NIK | Claimed name | Claimed birth date | Kemendagri answers |\n|---|---|---|---|\n",
        );
        // Writing to a String cannot fail.
        for IdentityFixture { nik, name, birth_date, outcome } in &self.identities {
            let words = outcome.words();
            let _ = writeln!(text, "| `{nik}` | {name} | {birth_date} | {words} |");
        }
        text.push_str("\n| Village | Kemendes answers |\n|---|---|\n");
        for (code, outcome) in &self.villages {
            let _ = writeln!(text, "| `{code}` | {} |", outcome.words());
        }
        text.push_str("\n| Of whom or what | Kemenkes answers |\n|---|---|\n");
        let _ = writeln!(text, "| patient `{}` | refused (422) |", self.refused_patient);
        let _ = writeln!(text, "| facility `{}` | not in operation |", self.closed_facility);
        text
    }
}
