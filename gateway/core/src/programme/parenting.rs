//! Families in community parenting: the children whose parents work abroad, cared for together.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::region::VillageCode;
use crate::subject::Subject;

/// A worker's family in community parenting. The record is about the worker and the family; its id
/// is the worker's. Outside only counts are told.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentingFamily {
    /// The worker.
    pub worker_id: Uuid,
    /// The worker's pseudonym.
    pub subject: Subject,
    /// The village whose community cares.
    pub village: VillageCode,
    /// The children: family members of the worker, each once.
    pub children: Vec<Uuid>,
    /// The first day.
    pub from: Date,
    /// The last day; none while the family takes part.
    pub until: Option<Date>,
}

impl ParentingFamily {
    /// The state under which families are counted.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        if self.until.is_none() { Self::ENROLLED } else { Self::LEFT }
    }

    /// The state of a family that takes part.
    pub const ENROLLED: &'static str = "enrolled";
    /// The state of a family that took part.
    pub const LEFT: &'static str = "left";
}

impl fmt::Debug for ParentingFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParentingFamily")
            .field("worker_id", &self.worker_id)
            .finish_non_exhaustive()
    }
}
