//! What one agency may ask for: calls per second, and calls under way at once.
//!
//! After identity, since the limits are per agency. Only registered agencies get here, so the
//! table of their limits is as long as the register of agencies.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use desmigratif_core::agency::AgencyId;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Code;

use crate::fault::{ErrorReason, Fault, fault};

/// When a caller with too many calls under way may try again.
const RETRY_CONCURRENCY: Duration = Duration::from_millis(100);

/// The step, for all agencies.
pub(crate) struct Limits {
    rate: Quota,
    concurrency: usize,
    clock: DefaultClock,
    agencies: RwLock<HashMap<AgencyId, Arc<OfAgency>>>,
}

/// The state of one agency's limits.
struct OfAgency {
    rate: DefaultDirectRateLimiter,
    under_way: Arc<Semaphore>,
}

impl Limits {
    /// Limits of `per_second` calls, with bursts up to `burst`, and `concurrency` calls under way,
    /// for each agency.
    pub(crate) fn new(per_second: NonZeroU32, burst: NonZeroU32, concurrency: usize) -> Self {
        Self {
            rate: Quota::per_second(per_second).allow_burst(burst),
            concurrency,
            clock: DefaultClock::default(),
            agencies: RwLock::default(),
        }
    }

    /// Counts a call of `agency`; its place is held until dropped.
    pub(crate) fn admit(&self, agency: &AgencyId) -> Result<OwnedSemaphorePermit, Fault> {
        let limits = self.of(agency);
        // Concurrency first: a call refused for it has not used up any rate.
        let place = limits.under_way.clone().try_acquire_owned().map_err(|_| {
            fault(
                Code::ResourceExhausted,
                ErrorReason::TooManyConcurrentCalls,
                "the agency has too many calls under way",
                "instansi memiliki terlalu banyak panggilan yang sedang berjalan",
            )
            .retry_after(RETRY_CONCURRENCY)
        })?;
        limits.rate.check().map_err(|not_until| {
            fault(
                Code::ResourceExhausted,
                ErrorReason::RateLimited,
                "the agency calls too often",
                "instansi memanggil terlalu sering",
            )
            .retry_after(not_until.wait_time_from(self.clock.now()))
        })?;
        Ok(place)
    }

    fn of(&self, agency: &AgencyId) -> Arc<OfAgency> {
        // Nothing panics while it holds this lock, and the map is whole even if it did.
        if let Some(limits) =
            self.agencies.read().unwrap_or_else(PoisonError::into_inner).get(agency)
        {
            return limits.clone();
        }
        let fresh = || {
            Arc::new(OfAgency {
                rate: RateLimiter::direct_with_clock(self.rate, self.clock.clone()),
                under_way: Arc::new(Semaphore::new(self.concurrency.min(Semaphore::MAX_PERMITS))),
            })
        };
        let mut agencies = self.agencies.write().unwrap_or_else(PoisonError::into_inner);
        agencies.entry(agency.clone()).or_insert_with(fresh).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::reason_of;
    use tonic_types::StatusExt;

    fn id(text: &str) -> AgencyId {
        AgencyId::parse(text).unwrap()
    }

    fn limits(burst: u32, concurrency: usize) -> Limits {
        Limits::new(NonZeroU32::MIN, NonZeroU32::new(burst).unwrap(), concurrency)
    }

    #[test]
    fn too_many_at_once_are_refused_until_one_ends() {
        let limits = limits(10, 1);
        let first = limits.admit(&id("kemnaker")).unwrap();
        let refused = limits.admit(&id("kemnaker")).unwrap_err().into_status();
        assert_eq!(
            (refused.code(), reason_of(&refused).as_str()),
            (Code::ResourceExhausted, "TOO_MANY_CONCURRENT_CALLS")
        );
        assert!(limits.admit(&id("kemenkes")).is_ok(), "others are not touched");
        drop(first);
        assert!(limits.admit(&id("kemnaker")).is_ok());
    }

    #[test]
    fn too_often_is_refused_with_the_time_to_wait() {
        let limits = limits(2, 10);
        for _ in 0..2 {
            drop(limits.admit(&id("kemnaker")).unwrap());
        }
        let refused = limits.admit(&id("kemnaker")).unwrap_err().into_status();
        assert_eq!(
            (refused.code(), reason_of(&refused).as_str()),
            (Code::ResourceExhausted, "RATE_LIMITED")
        );
        let delay = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!(delay > Duration::ZERO && delay <= Duration::from_secs(1), "{delay:?}");
        assert!(limits.admit(&id("kemenkes")).is_ok(), "others are not touched");
    }
}
