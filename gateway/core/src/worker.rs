//! Migrant workers: candidates (CPMI) and workers (PMI) as UU 18/2017 knows them.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::agency::AgencyId;
use crate::birth::BirthDate;
use crate::clearance::Country;
use crate::identity::{Outcome, Sex, Verification};
use crate::name::PersonName;
use crate::nik::{KkNumber, Nik};
use crate::region::VillageCode;
use crate::stage::Stage;
use crate::subject::Subject;
use crate::text::Text;

/// Who places the worker (UU 18/2017 art. 49, and workers who go by themselves).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// A licensed placement company (P3MI).
    P3mi,
    /// The government agency, between governments.
    Government,
    /// A company, for its own needs.
    OwnCompany,
    /// The worker alone (perseorangan).
    Individual,
}

/// A document that UU 18/2017 art. 13 asks for before departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// Letter on marital status, with the marriage book where married.
    MaritalStatus,
    /// Permission of spouse, parents or guardian, known to the village head.
    FamilyPermission,
    /// Certificate of competence.
    CompetenceCertificate,
    /// Health letter from the medical and the psychological examination.
    HealthLetter,
    /// Passport.
    Passport,
    /// Work visa.
    WorkVisa,
    /// Placement agreement.
    PlacementAgreement,
    /// Work contract.
    WorkContract,
}

impl Document {
    /// The eight, in the order of the article.
    pub const ALL: [Self; 8] = [
        Self::MaritalStatus,
        Self::FamilyPermission,
        Self::CompetenceCertificate,
        Self::HealthLetter,
        Self::Passport,
        Self::WorkVisa,
        Self::PlacementAgreement,
        Self::WorkContract,
    ];

    /// What is missing when the document is.
    #[must_use]
    pub const fn missing(self) -> (&'static str, Text) {
        match self {
            Self::MaritalStatus => (
                "DOCUMENT_MISSING_MARITAL_STATUS",
                Text {
                    en: "the letter on marital status is missing",
                    id: "surat keterangan status perkawinan belum ada",
                },
            ),
            Self::FamilyPermission => (
                "DOCUMENT_MISSING_FAMILY_PERMISSION",
                Text {
                    en: "the permission of spouse, parents or guardian is missing",
                    id: "surat izin suami, istri, orang tua, atau wali belum ada",
                },
            ),
            Self::CompetenceCertificate => (
                "DOCUMENT_MISSING_COMPETENCE_CERTIFICATE",
                Text {
                    en: "the certificate of competence is missing",
                    id: "sertifikat kompetensi kerja belum ada",
                },
            ),
            Self::HealthLetter => (
                "DOCUMENT_MISSING_HEALTH_LETTER",
                Text { en: "the health letter is missing", id: "surat keterangan sehat belum ada" },
            ),
            Self::Passport => (
                "DOCUMENT_MISSING_PASSPORT",
                Text { en: "the passport is missing", id: "paspor belum ada" },
            ),
            Self::WorkVisa => (
                "DOCUMENT_MISSING_WORK_VISA",
                Text { en: "the work visa is missing", id: "visa kerja belum ada" },
            ),
            Self::PlacementAgreement => (
                "DOCUMENT_MISSING_PLACEMENT_AGREEMENT",
                Text {
                    en: "the placement agreement is missing",
                    id: "perjanjian penempatan belum ada",
                },
            ),
            Self::WorkContract => (
                "DOCUMENT_MISSING_WORK_CONTRACT",
                Text { en: "the work contract is missing", id: "perjanjian kerja belum ada" },
            ),
        }
    }
}

/// How a worker can be reached.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Telephone, international form.
    pub phone: Option<String>,
    /// Street address.
    pub address: Option<String>,
}

/// A worker.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// The record's id.
    pub id: Uuid,
    /// The person's pseudonym.
    pub subject: Subject,
    /// The NIK.
    pub nik: Nik,
    /// The family card's number.
    pub kk: Option<KkNumber>,
    /// The name.
    pub name: PersonName,
    /// The birth date.
    pub birth: BirthDate,
    /// The sex.
    pub sex: Sex,
    /// The home village, under a code in force.
    pub village: VillageCode,
    /// How the worker can be reached.
    pub contact: Contact,
    /// Where the worker stands.
    pub stage: Stage,
    /// The destination.
    pub destination: Option<Country>,
    /// Who places the worker.
    pub placement: Option<Placement>,
    /// The documents held.
    pub documents: BTreeSet<Document>,
    /// The last check of identity that said something of the person.
    pub verification: Option<Verification>,
    /// Who registered the worker.
    pub registered_by: AgencyId,
}

impl Worker {
    /// Whether the register has confirmed the identity.
    #[must_use]
    pub fn identity_verified(&self) -> bool {
        self.verification.as_ref().is_some_and(|it| it.outcome == Outcome::Verified)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("id", &self.id).finish_non_exhaustive()
    }
}

redacted!(Contact);

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;
    use jiff::civil::date;

    use super::*;
    use crate::birth::Precision;
    use crate::subject::SubjectKey;

    /// A verified man from a village in Indramayu with all documents, bound for Hong Kong.
    pub(crate) fn worker() -> Worker {
        let nik = Nik::parse("9901010501900001").unwrap();
        let by = AgencyId::parse("kemendagri").unwrap();
        Worker {
            id: Uuid::nil(),
            subject: SubjectKey::from_bytes([0; 32]).pseudonym(&nik),
            nik,
            kk: None,
            name: PersonName::parse("Contoh Budi").unwrap(),
            birth: BirthDate::new(date(1990, 1, 5), Precision::Day, date(2026, 11, 24)).unwrap(),
            sex: Sex::Male,
            village: VillageCode::parse("32.12.16.2004").unwrap(),
            contact: Contact::default(),
            stage: Stage::Prospective,
            destination: Some(Country::parse("HK").unwrap()),
            placement: None,
            documents: Document::ALL.into(),
            verification: Some(Verification {
                at: Timestamp::UNIX_EPOCH,
                outcome: Outcome::Verified,
                by: by.clone(),
            }),
            registered_by: by,
        }
    }

    #[test]
    fn a_worker_comes_back_from_the_store_as_it_went_in() {
        let phone = Some("+628120000000".to_owned());
        let worker = Worker {
            kk: Some(KkNumber::parse("9901010101100001").unwrap()),
            contact: Contact { phone, address: None },
            placement: Some(Placement::P3mi),
            ..worker()
        };
        let body = serde_json::to_string(&worker).unwrap();
        assert_eq!(serde_json::from_str::<Worker>(&body).unwrap(), worker);
    }

    #[test]
    fn a_worker_is_printed_by_id_alone() {
        let text = format!("{:?} {:?}", worker(), worker().contact);
        assert_eq!(text, format!("Worker {{ id: {}, .. }} Contact(..)", Uuid::nil()));
    }

    #[test]
    fn only_a_check_that_verified_counts() {
        for outcome in [Outcome::Mismatch, Outcome::Deceased, Outcome::Unavailable] {
            let verification = worker().verification.map(|it| Verification { outcome, ..it });
            assert!(!Worker { verification, ..worker() }.identity_verified());
        }
        assert!(worker().identity_verified());
    }
}
