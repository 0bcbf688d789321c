//! The limits on callers, and their exceptions.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

use desmigratif_core::agency::{AgencyId, Allowance};
use serde::{Deserialize, Serialize};

use super::Error;

/// The least that [`Limits::subjects_per_hour`] may be: as many people as one page of a list names.
const PAGE: u32 = 500;

/// The limits on callers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls per second of one agency in the long run.
    pub requests_per_second: u32,
    /// Calls of one agency that may come at once after a pause.
    pub burst: u32,
    /// Calls of one agency under way at once.
    pub concurrent_calls: u32,
    /// Change feeds of one agency open at once; 0 for none.
    pub feeds: u32,
    /// Distinct people whom one agency may ask about within any hour.
    pub subjects_per_hour: u32,
    /// Bytes of one agency's requests and answers in a minute.
    pub bytes_per_minute: u32,
    /// Calls of all agencies under way at once; more are shed, and sooner when the gateway is
    /// overloaded.
    pub concurrent_calls_in_all: u32,
    /// Open connections.
    pub connections: u32,
    /// The largest request message, bytes.
    pub message_bytes: u32,
    /// The longest time that a call may take, seconds; shorter deadlines of callers hold.
    pub deadline_seconds: u32,
    /// What holds in place of the above for single agencies, by id.
    pub agency: BTreeMap<String, Own>,
}

/// The limits of one agency where they are not the usual ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Own {
    /// See [`Limits::requests_per_second`].
    pub requests_per_second: Option<u32>,
    /// See [`Limits::burst`].
    pub burst: Option<u32>,
    /// See [`Limits::concurrent_calls`].
    pub concurrent_calls: Option<u32>,
    /// See [`Limits::feeds`].
    pub feeds: Option<u32>,
    /// See [`Limits::subjects_per_hour`].
    pub subjects_per_hour: Option<u32>,
    /// See [`Limits::bytes_per_minute`].
    pub bytes_per_minute: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        let usual = Allowance::default();
        Self {
            requests_per_second: usual.calls_per_second.get(),
            burst: usual.burst.get(),
            concurrent_calls: usual.concurrent_calls,
            feeds: usual.feeds,
            subjects_per_hour: usual.subjects_per_hour,
            bytes_per_minute: usual.bytes_per_minute.get(),
            concurrent_calls_in_all: 2_000,
            connections: 20_000,
            message_bytes: 4 << 20,
            deadline_seconds: 30,
            agency: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// What each agency may use that has no exception.
    #[must_use]
    pub fn usual(&self) -> Allowance {
        self.allowance(&Own::default())
    }

    /// What the agencies may use that have exceptions.
    #[must_use]
    pub fn own(&self) -> HashMap<AgencyId, Allowance> {
        let own = self.agency.iter();
        own.filter_map(|(id, own)| Some((AgencyId::parse(id).ok()?, self.allowance(own)))).collect()
    }

    fn allowance(&self, own: &Own) -> Allowance {
        let positive = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Allowance {
            calls_per_second: positive(own.requests_per_second.unwrap_or(self.requests_per_second)),
            burst: positive(own.burst.unwrap_or(self.burst)),
            concurrent_calls: own.concurrent_calls.unwrap_or(self.concurrent_calls),
            feeds: own.feeds.unwrap_or(self.feeds),
            subjects_per_hour: own.subjects_per_hour.unwrap_or(self.subjects_per_hour),
            bytes_per_minute: positive(own.bytes_per_minute.unwrap_or(self.bytes_per_minute)),
        }
    }

    /// Refuses values with which nobody could call, or the gateway could not hold out.
    pub(super) fn check(&self) -> Result<(), Error> {
        let rule =
            |holds: bool, key, rule| if holds { Ok(()) } else { Err(Error::Rule { key, rule }) };
        // The usual value and those of single agencies.
        let all = |usual: u32, own: fn(&Own) -> Option<u32>, least: u32| {
            std::iter::once(usual).chain(self.agency.values().filter_map(own)).all(|n| n >= least)
        };
        rule(
            all(self.requests_per_second, |own| own.requests_per_second, 1),
            "limits.requests_per_second",
            "must be positive",
        )?;
        rule(all(self.burst, |own| own.burst, 1), "limits.burst", "must be positive")?;
        rule(
            all(self.concurrent_calls, |own| own.concurrent_calls, 1),
            "limits.concurrent_calls",
            "must be positive",
        )?;
        rule(
            all(self.subjects_per_hour, |own| own.subjects_per_hour, PAGE),
            "limits.subjects_per_hour",
            "must be 500 or more, the people on one page of a list",
        )?;
        rule(
            all(self.bytes_per_minute, |own| own.bytes_per_minute, self.message_bytes),
            "limits.bytes_per_minute",
            "must be limits.message_bytes or more",
        )?;
        rule(
            self.agency.keys().all(|id| AgencyId::parse(id).is_ok()),
            "limits.agency",
            "must have ids of agencies as its keys",
        )?;
        rule(self.connections > 0, "limits.connections", "must be positive")?;
        rule(
            self.concurrent_calls_in_all > 0,
            "limits.concurrent_calls_in_all",
            "must be positive",
        )?;
        rule(
            (1_024..=64 << 20).contains(&self.message_bytes),
            "limits.message_bytes",
            "must be between 1024 and 67108864",
        )?;
        rule(
            (1..=300).contains(&self.deadline_seconds),
            "limits.deadline_seconds",
            "must be between 1 and 300",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_changes_what_it_names_and_nothing_else() {
        let own = Own { subjects_per_hour: Some(200_000), ..Own::default() };
        let limits = Limits { agency: [("kemnaker".to_owned(), own)].into(), ..Limits::default() };
        limits.check().unwrap();
        let kemnaker = limits.own()[&AgencyId::parse("kemnaker").unwrap()];
        assert_eq!(kemnaker, Allowance { subjects_per_hour: 200_000, ..limits.usual() });
    }

    #[test]
    fn an_exception_keeps_the_rules() {
        let refused = |id: &str, own| {
            let limits = Limits { agency: [(id.to_owned(), own)].into(), ..Limits::default() };
            limits.check().unwrap_err().to_string()
        };
        let few = Own { subjects_per_hour: Some(499), ..Own::default() };
        assert!(refused("kemnaker", few).contains("limits.subjects_per_hour"));
        let none = Own { concurrent_calls: Some(0), ..Own::default() };
        assert!(refused("kemnaker", none).contains("limits.concurrent_calls"));
        assert!(refused("no agency", Own::default()).contains("limits.agency"));
    }
}
