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
use crate::programme::{
    Activity, Designation, Enterprise, Officer, ParentingFamily, Roster, SectorService,
};
use crate::region::VillageCode;
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
    /// The designation of a village; owner Kemnaker.
    Designation,
    /// The posts of the programme at a place; owner Kemnaker.
    Roster,
    /// An officer of the programme; owner Kemnaker.
    Officer,
    /// An activity of the programme; owner Kemnaker.
    Activity,
    /// A business or cooperative of the programme; owner Kemnaker.
    Enterprise,
    /// A family in community parenting; owner Kemnaker.
    ParentingFamily,
    /// The service of a sector in a village; owner Kemendagri, which keeps the map.
    SectorService,
    /// What the gateway goes by.
    Setting,
}

impl Kind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 17] = [
        Self::Worker,
        Self::FamilyMember,
        Self::Clearance,
        Self::Facility,
        Self::IdentityCheck,
        Self::VillageIndex,
        Self::Agency,
        Self::Adapter,
        Self::Withholding,
        Self::Designation,
        Self::Roster,
        Self::Officer,
        Self::Activity,
        Self::Enterprise,
        Self::ParentingFamily,
        Self::SectorService,
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
            Self::Designation => "designation",
            Self::Roster => "roster",
            Self::Officer => "officer",
            Self::Activity => "activity",
            Self::Enterprise => "enterprise",
            Self::ParentingFamily => "parenting-family",
            Self::SectorService => "sector-service",
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
            Self::Worker
            | Self::FamilyMember
            | Self::Clearance
            | Self::IdentityCheck
            | Self::Officer
            | Self::ParentingFamily => true,
            Self::Facility
            | Self::VillageIndex
            | Self::Agency
            | Self::Adapter
            | Self::Withholding
            | Self::Designation
            | Self::Roster
            | Self::Activity
            | Self::Enterprise
            | Self::SectorService
            | Self::Setting => false,
        }
    }

    /// The ministry that owns records of this kind; `None` for what the exchange owns itself.
    #[must_use]
    pub const fn owner(self) -> Option<AgencyKind> {
        match self {
            Self::Worker
            | Self::FamilyMember
            | Self::Designation
            | Self::Roster
            | Self::Officer
            | Self::Activity
            | Self::Enterprise
            | Self::ParentingFamily => Some(AgencyKind::Kemnaker),
            Self::Clearance | Self::Facility => Some(AgencyKind::Kemenkes),
            Self::IdentityCheck | Self::SectorService => Some(AgencyKind::Kemendagri),
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
    /// The village that it belongs to, or the region: the digits of its code, found by any prefix.
    pub place: Option<String>,
    /// The record that it hangs on: the worker of a clearance or a family member.
    pub parent: Option<String>,
    /// The agency that handed it in.
    pub holder: Option<String>,
    /// Its state: a worker's stage. A clearance has none, for its conclusion is a health value.
    pub state: Option<&'static str>,
    /// What records of a place and state are counted by besides: a worker's destination.
    pub facet: Option<String>,
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
    /// The designation of a village.
    Designation(Designation),
    /// The posts of the programme at a place.
    Roster(Roster),
    /// An officer of the programme.
    Officer(Officer),
    /// An activity of the programme.
    Activity(Activity),
    /// A business or cooperative of the programme.
    Enterprise(Enterprise),
    /// A family in community parenting.
    ParentingFamily(ParentingFamily),
    /// The service of a sector in a village.
    SectorService(SectorService),
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
            Self::Designation(designation) => (Kind::Designation, designation.village.digits()),
            Self::Roster(roster) => (Kind::Roster, roster.station.digits()),
            Self::Officer(officer) => (Kind::Officer, officer.id.to_string()),
            Self::Activity(activity) => (Kind::Activity, activity.id.to_string()),
            Self::Enterprise(enterprise) => (Kind::Enterprise, enterprise.id.to_string()),
            Self::ParentingFamily(family) => (Kind::ParentingFamily, family.worker_id.to_string()),
            Self::SectorService(service) => (Kind::SectorService, service.id()),
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
                facet: worker.destination.map(|country| country.to_string()),
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
                place: clearance.home.map(VillageCode::digits),
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
            Self::Designation(designation) => {
                Index { place: Some(designation.village.digits()), ..Index::default() }
            }
            Self::Roster(roster) => {
                Index { place: Some(roster.station.digits()), ..Index::default() }
            }
            Self::Officer(officer) => Index {
                subject: Some(officer.subject),
                place: Some(officer.station.digits()),
                state: Some(officer.role.as_str()),
                ..Index::default()
            },
            Self::Activity(activity) => Index {
                place: Some(activity.village.digits()),
                holder: Some(activity.recorded_by.to_string()),
                state: Some(activity.pillar.as_str()),
                facet: Some(activity.year().to_string()),
                ..Index::default()
            },
            Self::Enterprise(enterprise) => Index {
                place: Some(enterprise.village.digits()),
                holder: Some(enterprise.recorded_by.to_string()),
                state: Some(enterprise.status.as_str()),
                facet: Some(enterprise.kind.as_str().to_owned()),
                ..Index::default()
            },
            Self::ParentingFamily(family) => Index {
                subject: Some(family.subject),
                place: Some(family.village.digits()),
                parent: Some(family.worker_id.to_string()),
                state: Some(family.state()),
                facet: Some(family.children.len().to_string()),
                ..Index::default()
            },
            Self::SectorService(service) => Index {
                place: Some(service.village.digits()),
                holder: Some(service.provider.to_string()),
                state: Some(service.status.as_str()),
                ..Index::default()
            },
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
    into_withholding -> Withholding,
    into_designation -> Designation,
    into_roster -> Roster,
    into_officer -> Officer,
    into_activity -> Activity,
    into_enterprise -> Enterprise,
    into_parenting_family -> ParentingFamily,
    into_sector_service -> SectorService
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
