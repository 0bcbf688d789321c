//! What an operator has decided on the exchange's way to a ministry.

use serde::{Deserialize, Serialize};

use crate::access::AgencyKind;

/// Whether deliveries to a ministry are paused. Look-ups go on: a pause is for a ministry that
/// must not be written to for a while, such as during its own maintenance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// The ministry.
    pub ministry: AgencyKind,
    /// Why deliveries are paused, in the operator's words; `None` when they go on.
    pub paused: Option<String>,
}
