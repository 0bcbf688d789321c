//! The ministries of a configuration: connecting them, and what it says in the use cases' terms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use desmigratif_adapters::config::Connection;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::Clock;

use super::Failure;
use crate::config;
use crate::exchange::{Bounds, Connected, Ministries, OutboxSettings};

/// The ministries, each behind its adapter. Nothing is sent to them yet.
pub(super) fn connect(
    connections: &BTreeMap<AgencyKind, Connection>,
    clock: &Arc<dyn Clock>,
) -> Result<Ministries, Failure> {
    let mut connected = BTreeMap::new();
    for (kind, connection) in connections {
        let ministry = desmigratif_adapters::connect(*kind, connection, clock.clone())
            .map_err(|error| Failure::Usage(format!("ministry.{}: {error}", kind.as_str())))?;
        connected.insert(*kind, Connected { protocol: connection.protocol(), ministry });
    }
    Ok(Ministries::of(connected))
}

impl config::Freshness {
    /// As the use cases have it.
    pub(super) fn bounds(self) -> Bounds {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Bounds {
            identity: seconds(self.identity_seconds),
            workforce: seconds(self.workforce_seconds),
            village_index: seconds(self.village_index_seconds),
        }
    }
}

impl config::Outbox {
    /// As the outbox has it.
    pub(super) fn settings(self) -> OutboxSettings {
        OutboxSettings {
            greatest_age: Duration::from_secs(3_600 * u64::from(self.greatest_age_hours)),
            first_pause: Duration::from_millis(self.first_pause_ms.into()),
            longest_pause: Duration::from_secs(self.longest_pause_seconds.into()),
            attempt: Duration::from_secs(self.attempt_seconds.into()),
            parallel: self.parallel,
        }
    }
}
