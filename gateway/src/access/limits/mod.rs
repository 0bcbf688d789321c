//! What one agency may use: calls per second, calls under way at once, feeds open at once, bytes, and
//! distinct people asked about in an hour.
//!
//! All but the last keep one agency from starving the others; the edge asks them before a call is
//! let in ([`OfAgency::begin`], [`OfAgency::begin_feed`]). The last keeps a stolen or curious identity from copying the
//! register person by person; the use cases ask it when they know whom a call is about
//! ([`OfAgency::look_up`]).
//!
//! Only registered agencies get here, so the table is as long as the register of agencies. All is
//! counted by this process and begins anew with it.

mod refusal;
mod subjects;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use desmigratif_core::agency::{AgencyId, Allowance};
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::subject::Subject;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use subjects::Subjects;

/// When a caller with too many calls under way may try again.
const RETRY_CONCURRENCY: Duration = Duration::from_millis(100);
/// When a caller with too many feeds may try again: they end more seldom.
const RETRY_FEEDS: Duration = Duration::from_secs(5);

/// A limit that an agency has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which.
    pub limit: Limit,
    /// What it allows, in the unit of its name.
    pub allowed: u32,
    /// After how long the same call may pass.
    pub retry_after: Duration,
    /// Whether the call before this one was within the limit: the moment worth a journal entry.
    pub first: bool,
}

/// The limits on an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Allowance::calls_per_second`].
    CallsPerSecond,
    /// [`Allowance::concurrent_calls`].
    ConcurrentCalls,
    /// [`Allowance::feeds`].
    Feeds,
    /// [`Allowance::subjects_per_hour`].
    SubjectsPerHour,
    /// [`Allowance::bytes_per_minute`].
    BytesPerMinute,
}

impl Limit {
    /// The name, as configuration and metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallsPerSecond => "requests_per_second",
            Self::ConcurrentCalls => "concurrent_calls",
            Self::Feeds => "feeds",
            Self::SubjectsPerHour => "subjects_per_hour",
            Self::BytesPerMinute => "bytes_per_minute",
        }
    }
}

/// What is left of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Calls that may begin besides those under way.
    pub concurrent_calls: u32,
    /// Further people in this hour.
    pub subjects: u32,
}

/// The limits, for all agencies.
pub struct Limits {
    usual: Allowance,
    /// The agencies that have an allowance of their own.
    own: HashMap<AgencyId, Allowance>,
    clock: Arc<dyn Clock>,
    refused: Counter<u64>,
    agencies: RwLock<HashMap<AgencyId, Arc<OfAgency>>>,
}

impl Limits {
    /// Limits of `usual` for each agency that has no allowance in `own`.
    #[must_use]
    pub fn new(
        usual: Allowance,
        own: HashMap<AgencyId, Allowance>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let refused = global::meter("desmigratif.access")
            .u64_counter("desmigratif.access.limit.refused")
            .with_description("Calls refused because their agency had reached a limit.")
            .build();
        Arc::new(Self { usual, own, clock, refused, agencies: RwLock::default() })
    }

    /// The limits of an agency.
    #[must_use]
    pub fn of(&self, agency: &AgencyId) -> Arc<OfAgency> {
        // Nothing panics while it holds this lock, and the map is whole even if it did.
        if let Some(limits) =
            self.agencies.read().unwrap_or_else(PoisonError::into_inner).get(agency)
        {
            return limits.clone();
        }
        let fresh = || {
            let allowance = *self.own.get(agency).unwrap_or(&self.usual);
            Arc::new(OfAgency::new(agency, allowance, self.clock.clone(), self.refused.clone()))
        };
        let mut agencies = self.agencies.write().unwrap_or_else(PoisonError::into_inner);
        agencies.entry(agency.clone()).or_insert_with(fresh).clone()
    }
}

/// The state of one agency's limits.
pub struct OfAgency {
    agency: AgencyId,
    allowance: Allowance,
    ticks: DefaultClock,
    rate: DefaultDirectRateLimiter,
    under_way: Arc<Semaphore>,
    feeds: Arc<Semaphore>,
    /// Items of streams that may be decided besides those that are.
    items: Semaphore,
    bytes: DefaultDirectRateLimiter,
    /// Bytes that have passed and are not yet counted.
    unpaid: AtomicU64,
    subjects: Mutex<Subjects>,
    clock: Arc<dyn Clock>,
    refused: Counter<u64>,
}

impl OfAgency {
    fn new(
        agency: &AgencyId,
        allowance: Allowance,
        clock: Arc<dyn Clock>,
        refused: Counter<u64>,
    ) -> Self {
        let ticks = DefaultClock::default();
        let rate = Quota::per_second(allowance.calls_per_second).allow_burst(allowance.burst);
        let bytes = Quota::per_minute(allowance.bytes_per_minute);
        Self {
            agency: agency.clone(),
            allowance,
            rate: RateLimiter::direct_with_clock(rate, ticks.clone()),
            under_way: Arc::new(Semaphore::new(allowance.concurrent_calls as usize)),
            feeds: Arc::new(Semaphore::new(allowance.feeds as usize)),
            items: Semaphore::new(allowance.concurrent_calls as usize),
            bytes: RateLimiter::direct_with_clock(bytes, ticks.clone()),
            unpaid: AtomicU64::new(0),
            subjects: Mutex::new(Subjects::new(allowance.subjects_per_hour)),
            ticks,
            clock,
            refused,
        }
    }

    /// What the agency may use.
    #[must_use]
    pub const fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// What is left of it now.
    #[must_use]
    pub fn left(&self) -> Left {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        Left {
            concurrent_calls: u32::try_from(self.under_way.available_permits()).unwrap_or(u32::MAX),
            subjects: subjects.left(self.clock.now()),
        }
    }

    /// Counts a call that is about to begin; its place is held until dropped.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn begin(&self) -> Result<OwnedSemaphorePermit, Exceeded> {
        // Concurrency first: a call refused for it has not used up any rate.
        let place = self.under_way.clone().try_acquire_owned().map_err(|_| {
            let allowed = self.allowance.concurrent_calls;
            self.exceeded(Limit::ConcurrentCalls, allowed, RETRY_CONCURRENCY, false)
        })?;
        self.pay()?;
        Ok(place)
    }

    /// Counts a feed that is about to begin; its place is held until dropped. It is one more call as
    /// well, and takes no place of those under way.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn begin_feed(&self) -> Result<OwnedSemaphorePermit, Exceeded> {
        let place =
            self.feeds.clone().try_acquire_owned().map_err(|_| {
                self.exceeded(Limit::Feeds, self.allowance.feeds, RETRY_FEEDS, false)
            })?;
        self.pay()?;
        Ok(place)
    }

    /// Pays for one more call, and for the bytes that have passed.
    fn pay(&self) -> Result<(), Exceeded> {
        self.settle()?;
        self.rate.check().map_err(|early| {
            let allowed = self.allowance.calls_per_second.get();
            let wait = early.wait_time_from(self.ticks.now());
            self.exceeded(Limit::CallsPerSecond, allowed, wait, false)
        })
    }

    /// Waits for the place of one item of a stream, held until dropped: of all its streams together
    /// an agency has as many at work as it may have calls, so that a few calls are no way around
    /// that limit.
    pub async fn item(&self) -> SemaphorePermit<'_> {
        self.items.acquire().await.expect("nothing closes the semaphore")
    }

    /// Counts bytes of a request or an answer as they pass. They are held against the agency's
    /// next call, so that no call is cut off in the middle.
    pub fn pass(&self, bytes: usize) {
        self.unpaid.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Pays for the bytes that have passed.
    fn settle(&self) -> Result<(), Exceeded> {
        let allowed = self.allowance.bytes_per_minute;
        let mut due = self.unpaid.swap(0, Ordering::Relaxed);
        while let Some(part) =
            NonZeroU32::new(u32::try_from(due).unwrap_or(u32::MAX).min(allowed.get()))
        {
            // No part is larger than what the limiter can hold, so the outer result is Ok.
            if let Ok(Err(early)) = self.bytes.check_n(part) {
                self.unpaid.fetch_add(due, Ordering::Relaxed);
                let wait = early.wait_time_from(self.ticks.now());
                return Err(self.exceeded(Limit::BytesPerMinute, allowed.get(), wait, false));
            }
            due -= u64::from(part.get());
        }
        Ok(())
    }

    /// Counts the people whom a call names or is about to disclose. Those whom the agency has
    /// asked about within the hour cost nothing.
    ///
    /// # Errors
    /// [`Exceeded`]: then none of them is counted, and nothing of them may be told.
    pub fn look_up(&self, people: &[Subject]) -> Result<(), Exceeded> {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let (retry_after, first) = match subjects.add(people, self.clock.now()) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        drop(subjects);
        let allowed = self.allowance.subjects_per_hour;
        Err(self.exceeded(Limit::SubjectsPerHour, allowed, retry_after, first))
    }

    /// Counts a refusal, for the operators' alerts.
    fn exceeded(&self, limit: Limit, allowed: u32, retry_after: Duration, first: bool) -> Exceeded {
        // Registered agencies are a closed set, and an alert is of use only with a name.
        self.refused.add(
            1,
            &[
                KeyValue::new("limit", limit.name()),
                KeyValue::new("agency", self.agency.to_string()),
            ],
        );
        if first {
            tracing::warn!(agency = %self.agency, limit = limit.name(), "agency reached a limit");
        }
        Exceeded { limit, allowed, retry_after, first }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use desmigratif_core::ports::clock::SetClock;

    use super::*;

    /// Limits that no test of something else reaches.
    pub(crate) fn unreached() -> Arc<OfAgency> {
        limits(Allowance::default()).of(&id("kemnaker"))
    }

    fn id(text: &str) -> AgencyId {
        AgencyId::parse(text).unwrap()
    }

    fn limits(allowance: Allowance) -> Arc<Limits> {
        let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
        Limits::new(allowance, HashMap::new(), clock)
    }

    fn number(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn too_many_at_once_are_refused_until_one_ends() {
        let limits = limits(Allowance { concurrent_calls: 1, ..Allowance::default() });
        let kemnaker = limits.of(&id("kemnaker"));
        assert_eq!(kemnaker.left().concurrent_calls, 1);
        let first = kemnaker.begin().unwrap();
        assert_eq!(kemnaker.left().concurrent_calls, 0);
        assert_eq!(kemnaker.begin().unwrap_err().limit, Limit::ConcurrentCalls);
        assert!(limits.of(&id("kemenkes")).begin().is_ok(), "others are not touched");
        drop(first);
        assert!(limits.of(&id("kemnaker")).begin().is_ok());
    }

    #[tokio::test]
    async fn items_of_streams_wait_for_one_another_and_not_for_calls() {
        use futures_util::FutureExt as _;

        let limits = limits(Allowance { concurrent_calls: 1, ..Allowance::default() });
        let kemnaker = limits.of(&id("kemnaker"));
        let _stream = kemnaker.begin().unwrap();
        let first = kemnaker.item().await;
        assert!(kemnaker.item().now_or_never().is_none());
        assert!(limits.of(&id("kemenkes")).item().now_or_never().is_some());
        drop(first);
        drop(kemnaker.item().await);
    }

    #[test]
    fn feeds_have_places_of_their_own() {
        let allowance = Allowance { concurrent_calls: 1, feeds: 1, ..Allowance::default() };
        let kemnaker = limits(allowance).of(&id("kemnaker"));
        let feed = kemnaker.begin_feed().unwrap();
        assert_eq!(kemnaker.begin_feed().unwrap_err().limit, Limit::Feeds);
        let _call = kemnaker.begin().expect("calls are not touched");
        drop(feed);
        assert!(kemnaker.begin_feed().is_ok());
    }

    #[test]
    fn too_often_is_refused_with_the_time_to_wait() {
        let limits = limits(Allowance {
            calls_per_second: NonZeroU32::MIN,
            burst: number(2),
            ..Allowance::default()
        });
        let kemnaker = limits.of(&id("kemnaker"));
        for _ in 0..2 {
            drop(kemnaker.begin().unwrap());
        }
        let refused = kemnaker.begin().unwrap_err();
        assert_eq!((refused.limit, refused.allowed), (Limit::CallsPerSecond, 1));
        assert!(refused.retry_after > Duration::ZERO);
        assert!(refused.retry_after <= Duration::from_secs(1));
        assert!(limits.of(&id("kemenkes")).begin().is_ok(), "others are not touched");
    }

    #[test]
    fn bytes_are_held_against_the_next_call_until_the_minute_has_paid_for_them() {
        let limits = limits(Allowance { bytes_per_minute: number(6_000), ..Allowance::default() });
        let kemnaker = limits.of(&id("kemnaker"));
        drop(kemnaker.begin().unwrap());
        kemnaker.pass(6_000);
        drop(kemnaker.begin().expect("a minute's worth may pass at once"));
        kemnaker.pass(20_000);
        let refused = kemnaker.begin().unwrap_err();
        assert_eq!(refused.limit, Limit::BytesPerMinute);
        let wait = refused.retry_after.as_secs();
        assert!((50..=60).contains(&wait), "{wait} s for the first part of what is due");
        assert_eq!(kemnaker.begin().unwrap_err().limit, Limit::BytesPerMinute);
        assert!(limits.of(&id("kemenkes")).begin().is_ok(), "others are not touched");
    }

    #[test]
    fn an_agency_may_have_an_allowance_of_its_own() {
        let own = Allowance { subjects_per_hour: 9, ..Allowance::default() };
        let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
        let own = HashMap::from([(id("kemnaker"), own)]);
        let limits = Limits::new(Allowance::default(), own, clock);
        assert_eq!(limits.of(&id("kemnaker")).left().subjects, 9);
        assert_eq!(limits.of(&id("kemenkes")).left().subjects, 2_000);
    }
}
