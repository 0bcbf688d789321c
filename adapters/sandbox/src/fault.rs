//! What can be wrong with a simulated ministry, and the switch that makes it so while it runs.
//!
//! A fault is in force for a ministry from the request after it is set, on connections that are
//! open already too, until it is lifted or its time has run out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use desmigratif_core::access::AgencyKind;
use tokio::time::Instant;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every request waits this long before it is worked on.
    Latency(Duration),
    /// Every answer comes one byte at a time, with a pause after each.
    Drip,
    /// HTTP 500 with a text that is no protocol's; no work is done.
    Http500,
    /// HTTP 429 with Retry-After, rounded up to seconds; no work is done.
    Http429 {
        /// When to come back.
        retry_after: Duration,
    },
    /// A web page with HTTP 200, as a portal in front of the service sends; no work is done.
    Html,
    /// HTTP 200 with JSON that breaks off; no work is done.
    Garbage,
    /// The work is done; the answer breaks off in the middle by a reset.
    Reset,
    /// Every access token is refused until the fault is lifted, new ones too. Kemendagri, which
    /// has no tokens, refuses the login instead; Kemendes, which has neither, is not affected.
    TokenExpired,
    /// The agreed number of calls is used up.
    Quota,
    /// Every connection is reset before a byte is read.
    Down,
    /// HTTP 200 with a body that never ends; no work is done.
    Endless,
    /// The work is done; instead of an answer comes a reset.
    LostAnswer,
}

impl Fault {
    /// The names of the faults, as the admin endpoint and the command line know them.
    pub const NAMES: [&'static str; 12] = [
        "latency",
        "drip",
        "http-500",
        "http-429",
        "html",
        "garbage",
        "reset",
        "token-expired",
        "quota",
        "down",
        "endless",
        "lost-answer",
    ];

    /// The fault's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Drip => "drip",
            Self::Http500 => "http-500",
            Self::Http429 { .. } => "http-429",
            Self::Html => "html",
            Self::Garbage => "garbage",
            Self::Reset => "reset",
            Self::TokenExpired => "token-expired",
            Self::Quota => "quota",
            Self::Down => "down",
            Self::Endless => "endless",
            Self::LostAnswer => "lost-answer",
        }
    }

    /// The duration that belongs to the fault: the wait of a latency, the time to come back of
    /// HTTP 429.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Latency(duration) | Self::Http429 { retry_after: duration } => Some(duration),
            _ => None,
        }
    }

    /// The fault of a name. A latency needs its duration, HTTP 429 takes one second without one,
    /// and the others take none.
    #[must_use]
    pub fn parse(name: &str, duration: Option<Duration>) -> Option<Self> {
        Some(match (name, duration) {
            ("latency", Some(duration)) => Self::Latency(duration),
            ("http-429", duration) => {
                Self::Http429 { retry_after: duration.unwrap_or(Duration::from_secs(1)) }
            }
            ("drip", None) => Self::Drip,
            ("http-500", None) => Self::Http500,
            ("html", None) => Self::Html,
            ("garbage", None) => Self::Garbage,
            ("reset", None) => Self::Reset,
            ("token-expired", None) => Self::TokenExpired,
            ("quota", None) => Self::Quota,
            ("down", None) => Self::Down,
            ("endless", None) => Self::Endless,
            ("lost-answer", None) => Self::LostAnswer,
            _ => return None,
        })
    }
}

/// The faults in force, by ministry. A clone is the same switch.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<Mutex<HashMap<AgencyKind, InForce>>>);

#[derive(Clone, Copy, Debug)]
struct InForce {
    fault: Fault,
    until: Option<Instant>,
}

impl Switch {
    /// Puts a fault in force in place of any other, or lifts it.
    pub fn set(&self, ministry: AgencyKind, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.lock().insert(ministry, InForce { fault, until: None }),
            None => self.lock().remove(&ministry),
        };
    }

    /// Puts a fault in force for a time. A time too long to reckon with is for good.
    pub fn set_for(&self, ministry: AgencyKind, fault: Fault, time: Duration) {
        let until = Instant::now().checked_add(time);
        self.lock().insert(ministry, InForce { fault, until });
    }

    /// Lifts every fault.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The fault in force.
    #[must_use]
    pub fn get(&self, ministry: AgencyKind) -> Option<Fault> {
        self.with_rest(ministry).map(|(fault, _)| fault)
    }

    /// The fault in force, and after what time it is lifted.
    #[must_use]
    pub fn with_rest(&self, ministry: AgencyKind) -> Option<(Fault, Option<Duration>)> {
        let mut faults = self.lock();
        let InForce { fault, until } = *faults.get(&ministry)?;
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
        if rest == Some(Duration::ZERO) {
            faults.remove(&ministry);
            return None;
        }
        Some((fault, rest))
    }

    /// No holder of the lock leaves half a change behind, so a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, HashMap<AgencyKind, InForce>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_the_fault_that_has_it() {
        for name in Fault::NAMES {
            let duration = (name == "latency").then_some(Duration::from_millis(5));
            assert_eq!(Fault::parse(name, duration).map(Fault::name), Some(name));
        }
        assert_eq!(Fault::parse("latency", None), None);
        assert_eq!(Fault::parse("drip", Some(Duration::from_secs(1))), None);
        assert_eq!(Fault::parse("fire", None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_for_a_time_is_lifted_by_itself_and_leaves_others_alone() {
        let switch = Switch::default();
        switch.set(AgencyKind::Kemendes, Some(Fault::Down));
        switch.set_for(AgencyKind::Kemenkes, Fault::Drip, Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(29)).await;
        let rest = Some(Duration::from_secs(1));
        assert_eq!(switch.with_rest(AgencyKind::Kemenkes), Some((Fault::Drip, rest)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(switch.get(AgencyKind::Kemenkes), None);
        assert_eq!(switch.get(AgencyKind::Kemendes), Some(Fault::Down));
        switch.clear();
        assert_eq!(switch.get(AgencyKind::Kemendes), None);
    }
}
