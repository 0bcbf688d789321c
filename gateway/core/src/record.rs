//! Records: what the exchange keeps a copy of, and how the store finds it.
//!
//! Every kind of record is kept in the same way: an id, a version that counts its changes, an
//! index by which it can be found, and a body. The store knows the index and nothing of the
//! body, so a new kind of record needs no new table.
//!
//! Invariant: an index holds no personal value in clear, but for the alias, which engines digest.
//! People are found by [`Subject`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::AgencyKind;
use crate::adapter::Adapter;
use crate::agency::Agency;
use crate::clearance::Clearance;
use crate::facility::Facility;
use crate::family::FamilyMember;
use crate::identity::IdentityCheck;
use crate::setting::Setting;
use crate::subject::Subject;
use crate::village_index::VillageIndex;
use crate::withholding::Withholding;
use crate::worker::Worker;

/// The kinds of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A migrant worker; owner Kemnaker.
    Worker,
    /// A member of a worker's family; owner Kemnaker.
    FamilyMember,
    /// A medical clearance; owner Kemenkes.
    Clearance,
    /// A designated health facility; owner Kemenkes.
    Facility,
    /// An answer of the population register; owner Kemendagri.
    IdentityCheck,
    /// The development index of a village; owner Kemendes.
    VillageIndex,
    /// An agency registered with the exchange.
    Agency,
    /// Whether deliveries to a ministry are paused.
    Adapter,
    /// What a person is not told yet.
    Withholding,
    /// What the gateway goes by.
    Setting,
}

impl Kind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 10] = [
        Self::Worker,
        Self::FamilyMember,
        Self::Clearance,
        Self::Facility,
        Self::IdentityCheck,
        Self::VillageIndex,
        Self::Agency,
        Self::Adapter,
        Self::Withholding,
        Self::Setting,
    ];

    /// The name under which the kind is stored and journalled.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::FamilyMember => "family-member",
            Self::Clearance => "clearance",
            Self::Facility => "facility",
            Self::IdentityCheck => "identity-check",
            Self::VillageIndex => "village-index",
            Self::Agency => "agency",
            Self::Adapter => "adapter",
            Self::Withholding => "withholding",
            Self::Setting => "setting",
        }
    }

    /// Reads what [`Kind::as_str`] writes; anything else is no kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether records of this kind are about a person, so that they are kept sealed under that
    /// person's key. A withholding is not, though it names a pseudonym: it outlives an erasure.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        match self {
            Self::Worker | Self::FamilyMember | Self::Clearance | Self::IdentityCheck => true,
            Self::Facility
            | Self::VillageIndex
            | Self::Agency
            | Self::Adapter
            | Self::Withholding
            | Self::Setting => false,
        }
    }

    /// The ministry that owns records of this kind; `None` for what the exchange owns itself.
    #[must_use]
    pub const fn owner(self) -> Option<AgencyKind> {
        match self {
            Self::Worker | Self::FamilyMember => Some(AgencyKind::Kemnaker),
            Self::Clearance | Self::Facility => Some(AgencyKind::Kemenkes),
            Self::IdentityCheck => Some(AgencyKind::Kemendagri),
            Self::VillageIndex => Some(AgencyKind::Kemendes),
            Self::Agency | Self::Adapter | Self::Withholding | Self::Setting => None,
        }
    }
}

/// The identity of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its id, unique within the kind.
    pub id: String,
}

/// By what a record can be found. Every part is optional; equal parts find a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The person that it is about.
    pub subject: Option<Subject>,
    /// The village that it belongs to: the ten digits of its code, found by any prefix.
    pub place: Option<String>,
    /// The record that it hangs on: the worker of a clearance or a family member.
    pub parent: Option<String>,
    /// The agency that handed it in.
    pub holder: Option<String>,
    /// Its state: a worker's stage. A clearance has none, for its conclusion is a health value.
    pub state: Option<&'static str>,
    /// A second identity, unique within the kind: one worker a person, one certificate a number.
    /// An engine keeps only a keyed digest of it.
    pub alias: Option<String>,
}

/// A record of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "record", rename_all = "kebab-case")]
pub enum Record {
    /// A migrant worker.
    Worker(Worker),
    /// A member of a worker's family.
    FamilyMember(FamilyMember),
    /// A medical clearance.
    Clearance(Clearance),
    /// A designated health facility.
    Facility(Facility),
    /// An answer of the population register.
    IdentityCheck(IdentityCheck),
    /// The development index of a village.
    VillageIndex(VillageIndex),
    /// An agency.
    Agency(Agency),
    /// Whether deliveries to a ministry are paused.
    Adapter(Adapter),
    /// What a person is not told yet.
    Withholding(Withholding),
    /// What the gateway goes by.
    Setting(Setting),
}

impl Record {
    /// The record's identity.
    #[must_use]
    pub fn key(&self) -> Key {
        let (kind, id) = match self {
            Self::Worker(worker) => (Kind::Worker, worker.id.to_string()),
            Self::FamilyMember(member) => (Kind::FamilyMember, member.id.to_string()),
            Self::Clearance(clearance) => (Kind::Clearance, clearance.id.to_string()),
            Self::Facility(facility) => (Kind::Facility, facility.id.clone()),
            Self::IdentityCheck(check) => (Kind::IdentityCheck, check.id.clone()),
            Self::VillageIndex(index) => (Kind::VillageIndex, index.village.digits()),
            Self::Agency(agency) => (Kind::Agency, agency.id.to_string()),
            Self::Adapter(adapter) => (Kind::Adapter, adapter.ministry.as_str().to_owned()),
            Self::Withholding(withholding) => return withholding.key(),
            Self::Setting(setting) => (Kind::Setting, setting.name.as_str().to_owned()),
        };
        Key { kind, id }
    }

    /// By what the record can be found.
    #[must_use]
    pub fn index(&self) -> Index {
        match self {
            Self::Worker(worker) => Index {
                subject: Some(worker.subject),
                place: Some(worker.village.digits()),
                holder: Some(worker.registered_by.to_string()),
                state: Some(worker.stage.as_str()),
                alias: Some(worker.subject.to_string()),
                ..Index::default()
            },
            Self::FamilyMember(member) => Index {
                subject: member.subject,
                parent: Some(member.worker_id.to_string()),
                ..Index::default()
            },
            Self::Clearance(clearance) => Index {
                subject: Some(clearance.subject),
                parent: Some(clearance.worker_id.to_string()),
                holder: Some(clearance.submitted_by.to_string()),
                alias: Some(certificate_alias(
                    &clearance.facility_id,
                    &clearance.certificate_number,
                )),
                ..Index::default()
            },
            Self::Facility(facility) => {
                Index { place: Some(facility.village.digits()), ..Index::default() }
            }
            Self::IdentityCheck(check) => {
                Index { subject: Some(check.subject), ..Index::default() }
            }
            Self::VillageIndex(index) => {
                Index { place: Some(index.village.digits()), ..Index::default() }
            }
            Self::Withholding(withholding) => {
                Index { subject: Some(withholding.subject), ..Index::default() }
            }
            Self::Agency(_) | Self::Adapter(_) | Self::Setting(_) => Index::default(),
        }
    }
}

macro_rules! into_kind {
    ($($method:ident -> $variant:ident),*) => {
        impl Record {
            $(
                #[doc = concat!("The record, if it is a [`Record::", stringify!($variant), "`].")]
                #[must_use]
                pub fn $method(self) -> Option<$variant> {
                    match self {
                        Self::$variant(record) => Some(record),
                        _ => None,
                    }
                }
            )*
        }
    };
}

into_kind!(
    into_worker -> Worker,
    into_family_member -> FamilyMember,
    into_clearance -> Clearance,
    into_facility -> Facility,
    into_identity_check -> IdentityCheck,
    into_village_index -> VillageIndex,
    into_agency -> Agency,
    into_adapter -> Adapter,
    into_withholding -> Withholding
);

/// The alias of a clearance: its certificate's number within its facility.
#[must_use]
pub fn certificate_alias(facility_id: &str, certificate_number: &str) -> String {
    format!("{facility_id}/{certificate_number}")
}

/// A record as the store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// How often it has been written: 1 when it is new.
    pub version: u64,
    /// When it was last written.
    pub as_of: Timestamp,
}
