//! What is done in a designated village, pillar by pillar.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Pillar;
use crate::agency::AgencyId;
use crate::region::VillageCode;

/// Whose money paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetSource {
    /// The state budget (APBN).
    StateBudget,
    /// The budget of the province (APBD provinsi).
    ProvinceBudget,
    /// The budget of the kabupaten or kota (APBD kabupaten/kota).
    RegencyBudget,
    /// The village's own budget, Dana Desa included (APB Desa).
    VillageBudget,
    /// A company's social responsibility (CSR).
    Company,
    /// The participants and the village community themselves (swadaya).
    Community,
}

/// What an activity cost, and who paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Whose money it was.
    pub source: BudgetSource,
    /// How much, in whole rupiah.
    pub amount_idr: u64,
}

/// An activity. It names nobody: participants are numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Its id.
    pub id: Uuid,
    /// The village.
    pub village: VillageCode,
    /// The pillar.
    pub pillar: Pillar,
    /// What it was, in a line.
    pub title: String,
    /// Its first day.
    pub from: Date,
    /// Its last day; none while it goes on.
    pub until: Option<Date>,
    /// Women who took part.
    pub women: u32,
    /// Men who took part.
    pub men: u32,
    /// What it cost, where known.
    pub budget: Option<Budget>,
    /// What came of it; empty until it is known.
    pub outcome: String,
    /// Who recorded it.
    pub recorded_by: AgencyId,
}

impl Activity {
    /// The programme year that the activity counts in: that of its first day.
    #[must_use]
    pub fn year(&self) -> i16 {
        self.from.year()
    }
}
