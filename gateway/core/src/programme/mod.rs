//! Desmigratif itself (Permenaker 2/2019): the villages designated for it, the people who carry it,
//! what is done there under its four pillars, and which sectors serve which village.
//!
//! What is kept here is about places. The two exceptions are sealed like all that is about people:
//! an [`Officer`] under the officer's own key, a [`ParentingFamily`] under the worker's.

mod activity;
pub mod coverage;
mod designation;
mod enterprise;
mod officer;
mod parenting;
mod rules;
pub mod sector;

use serde::{Deserialize, Serialize};

pub use activity::{Activity, Budget, BudgetSource};
pub use designation::{Designation, FIRST_YEAR, NotAVillageForIt};
pub use enterprise::{Enterprise, EnterpriseKind, EnterpriseStatus};
pub use officer::{Officer, Post, PostRefused, Role, Roster, Station};
pub use parenting::ParentingFamily;
pub use rules::{Invalid, Rules};
pub use sector::{Sector, SectorCode, SectorService};

/// The four pillars of the programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pillar {
    /// Pusat layanan migrasi: information and services before, during and after migration.
    MigrationServiceCentre,
    /// Usaha produktif: businesses of workers and their families.
    ProductiveBusiness,
    /// Community parenting: care for the children whose parents work abroad.
    CommunityParenting,
    /// Koperasi: the cooperative that carries the businesses on.
    Cooperative,
}

impl Pillar {
    /// Every pillar, in the order of the programme.
    pub const ALL: [Self; 4] = [
        Self::MigrationServiceCentre,
        Self::ProductiveBusiness,
        Self::CommunityParenting,
        Self::Cooperative,
    ];

    /// The name under which the pillar is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MigrationServiceCentre => "migration-service-centre",
            Self::ProductiveBusiness => "productive-business",
            Self::CommunityParenting => "community-parenting",
            Self::Cooperative => "cooperative",
        }
    }

    /// Reads what [`Pillar::as_str`] writes; anything else is no pillar.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pillar| pillar.as_str() == text)
    }
}
