//! Businesses of workers and their families, and the cooperatives that carry them on.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::agency::AgencyId;
use crate::region::VillageCode;

/// What sort of enterprise it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnterpriseKind {
    /// A productive business (usaha produktif).
    Business,
    /// A cooperative (koperasi).
    Cooperative,
}

impl EnterpriseKind {
    /// Both, in declaration order.
    pub const ALL: [Self; 2] = [Self::Business, Self::Cooperative];

    /// The name under which the kind is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Business => "business",
            Self::Cooperative => "cooperative",
        }
    }
}

/// How an enterprise stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnterpriseStatus {
    /// Prepared, not trading yet.
    Planned,
    /// Trading.
    Active,
    /// Not trading at present.
    Dormant,
    /// Closed for good.
    Closed,
}

impl EnterpriseStatus {
    /// The name under which the status is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Active => "active",
            Self::Dormant => "dormant",
            Self::Closed => "closed",
        }
    }
}

/// An enterprise. It names nobody: members are a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enterprise {
    /// Its id.
    pub id: Uuid,
    /// The village.
    pub village: VillageCode,
    /// What sort it is.
    pub kind: EnterpriseKind,
    /// Its name.
    pub name: String,
    /// What it makes or trades in.
    pub field: String,
    /// How many members or partners it has.
    pub members: u32,
    /// How it stands.
    pub status: EnterpriseStatus,
    /// The day of its founding, where known.
    pub founded_on: Option<Date>,
    /// Its number in the register of businesses (NIB) or of legal entities; empty until it has one.
    pub registration_number: String,
    /// Whether what it makes is ready for export.
    pub export_ready: bool,
    /// Who recorded it.
    pub recorded_by: AgencyId,
}
