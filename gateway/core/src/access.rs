//! Who may ask, why, and for which classes of data: the vocabulary of access.
//!
//! These are the closed sets that the contract, the policy and the journal share. The rules
//! that combine them are not here: they are policy, in the gateway's `access` module.

use serde::{Deserialize, Serialize};

/// What sort of organisation an agency is. The four ministries are kinds of their own because
/// each owns different records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgencyKind {
    /// Ministry of Manpower (Kementerian Ketenagakerjaan).
    Kemnaker,
    /// Ministry of Home Affairs (Kementerian Dalam Negeri).
    Kemendagri,
    /// Ministry of Health (Kementerian Kesehatan).
    Kemenkes,
    /// Ministry of Villages (Kementerian Desa dan Pembangunan Daerah Tertinggal).
    Kemendes,
    /// Any other national agency with its own system.
    OtherAgency,
    /// A health facility that submits medical clearances.
    Clinic,
    /// A provincial, kabupaten or kota office.
    RegionalOffice,
    /// The President's office, which watches coverage.
    PresidentOffice,
    /// Whoever runs the exchange itself: adapters and deliveries, never anyone's records.
    Operator,
}

impl AgencyKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 9] = [
        Self::Kemnaker,
        Self::Kemendagri,
        Self::Kemenkes,
        Self::Kemendes,
        Self::OtherAgency,
        Self::Clinic,
        Self::RegionalOffice,
        Self::PresidentOffice,
        Self::Operator,
    ];

    /// The four ministries, in the order of [`AgencyKind::ALL`]: each is a kind of one.
    pub const MINISTRIES: [Self; 4] =
        [Self::Kemnaker, Self::Kemendagri, Self::Kemenkes, Self::Kemendes];

    /// The name under which the kind is stored and written in config files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kemnaker => "kemnaker",
            Self::Kemendagri => "kemendagri",
            Self::Kemenkes => "kemenkes",
            Self::Kemendes => "kemendes",
            Self::OtherAgency => "other-agency",
            Self::Clinic => "clinic",
            Self::RegionalOffice => "regional-office",
            Self::PresidentOffice => "president-office",
            Self::Operator => "operator",
        }
    }

    /// Reads what [`AgencyKind::as_str`] writes; anything else is no kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Why a call is made. A closed set: what is not listed is not a lawful purpose here
/// (UU 27/2022 on personal data protection asks for a stated, limited purpose).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Deciding whether a candidate (CPMI) may be placed abroad.
    PlacementScreening,
    /// Handing in or correcting the result of a medical examination.
    ClearanceSubmission,
    /// Checking that a person is who the papers say.
    IdentityCheck,
    /// Planning the Desmigratif programme.
    ProgrammePlanning,
    /// Social protection of workers and their families.
    SocialProtection,
    /// Oversight by an authority that the law names.
    Oversight,
    /// Answering the data subject's own request.
    DataSubjectRequest,
    /// Running the exchange itself.
    Operations,
}

impl Purpose {
    /// Every purpose, in declaration order.
    pub const ALL: [Self; 8] = [
        Self::PlacementScreening,
        Self::ClearanceSubmission,
        Self::IdentityCheck,
        Self::ProgrammePlanning,
        Self::SocialProtection,
        Self::Oversight,
        Self::DataSubjectRequest,
        Self::Operations,
    ];

    /// The purpose as it is written in the `desmigratif-purpose` metadata and in config files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlacementScreening => "placement-screening",
            Self::ClearanceSubmission => "clearance-submission",
            Self::IdentityCheck => "identity-check",
            Self::ProgrammePlanning => "programme-planning",
            Self::SocialProtection => "social-protection",
            Self::Oversight => "oversight",
            Self::DataSubjectRequest => "data-subject-request",
            Self::Operations => "operations",
        }
    }

    /// Reads what [`Purpose::as_str`] writes; anything else is no purpose.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// How sensitive a field is. Policies grant classes; the minimiser removes the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum DataClass {
    /// Open to every registered agency: codes, places, receipts.
    Public = 0,
    /// Programme facts that are not about one person: stages, counts, documents held.
    Programme = 1,
    /// NIK, KK, name, birth, sex.
    Identity = 2,
    /// Address, telephone.
    Contact = 3,
    /// A clearance's conclusion, validity and facility.
    HealthConclusion = 4,
    /// Findings and laboratory values (specific data, UU 27/2022 art. 4).
    HealthDetail = 5,
    /// Family members of a worker.
    Family = 6,
}

impl DataClass {
    /// Every class, in declaration order.
    pub const ALL: [Self; 7] = [
        Self::Public,
        Self::Programme,
        Self::Identity,
        Self::Contact,
        Self::HealthConclusion,
        Self::HealthDetail,
        Self::Family,
    ];
}

/// A set of data classes, as one byte of bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Classes(u8);

impl Classes {
    const COUNT: usize = DataClass::ALL.len();

    /// No class at all.
    pub const NONE: Self = Self(0);

    /// The set of the classes listed.
    #[must_use]
    pub const fn of(classes: &[DataClass]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < classes.len() {
            bits |= 1 << classes[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether `class` is in the set.
    #[must_use]
    pub const fn contains(self, class: DataClass) -> bool {
        self.0 & (1 << class as u8) != 0
    }

    /// The classes in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits, class n at bit n: the order of [`DataClass::ALL`].
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set with these bits; `None` when a bit stands for no class.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits < 1 << Self::COUNT { Some(Self(bits)) } else { None }
    }

    /// The classes of the set, in declaration order.
    pub fn iter(self) -> impl Iterator<Item = DataClass> {
        DataClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

impl std::fmt::Debug for Classes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_reads_back_as_it_is_written() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::parse("curiosity"), None);
    }

    #[test]
    fn a_set_of_classes_holds_what_it_was_made_of() {
        let set = Classes::of(&[DataClass::Public, DataClass::Family]);
        assert!(set.contains(DataClass::Family) && !set.contains(DataClass::Identity));
        assert_eq!(set.iter().collect::<Vec<_>>(), [DataClass::Public, DataClass::Family]);
        assert_eq!(Classes::from_bits(set.bits()), Some(set));
        assert_eq!(Classes::from_bits(0x80), None);
    }
}
