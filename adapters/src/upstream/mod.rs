//! The kit that every adapter calls its ministry through.
//!
//! [`Upstream`] guards calls of any protocol: it limits their rate, their number at one time and in
//! a day, stops calling a ministry that fails, repeats what may be repeated, and keeps count.
//! [`http`] is the client for ministries that speak HTTP. Neither knows a ministry's protocol.
//!
//! Invariants:
//! - A call ends by its deadline.
//! - A call is made again only when its [`Fault`] allows that, and all repetitions together stay
//!   within a share of the calls. Any call may be: every protocol here is idempotent, a question
//!   by nature and a delivery by its key. One that is not has no place behind this kit.
//! - What counts against a ministry is that it was not there, late or unintelligible. A refusal,
//!   a used up quota or bad credentials are answers.

mod breaker;
mod day;
#[cfg(test)]
pub(crate) mod fuzz;
pub(crate) mod http;
mod measure;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
pub(crate) mod trace;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::{Condition, Fault, FaultKind, Retry};
use governor::{Quota, RateLimiter, clock, middleware, state};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time;
use tower::retry::budget::{Budget, TpsBudget};
use tracing::Instrument;

use breaker::{Breaker, Closed};
use day::Day;
use measure::Measure;

use crate::config::ConnectError;

/// How long a call counts towards what may be repeated.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
/// Repetitions a second that are allowed besides the share of the calls, so that one lost answer
/// of a ministry that is seldom asked can be asked for again.
const BUDGET_RESERVE_PER_SECOND: u32 = 1;
/// The pause before the first repetition; it doubles up to the second, and has jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How calls to a ministry are limited and repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The longest that opening a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// The longest that one attempt may take, in milliseconds. A call's own deadline may be
    /// shorter.
    pub timeout_ms: u64,
    /// How many attempts may be on their way at one time; at least 1. Others wait.
    pub concurrency: u32,
    /// How many attempts may begin in a second; at least 1. Others wait.
    pub requests_per_second: u32,
    /// How many attempts may be made from midnight to midnight in Jakarta (WIB); others are refused
    /// until then. 0 when no number is agreed with the ministry.
    pub calls_per_day: u32,
    /// How many further attempts one call may make.
    pub retries: u32,
    /// How many further attempts all calls together may make, per 100 calls; at most 1000. In
    /// effect one in every n calls, and one a second besides. 0 repeats nothing.
    pub retry_percent: u32,
    /// The share of attempts, in percent, from which a ministry is taken to fail and is spared
    /// for a while; 1 to 100.
    pub breaker_failure_percent: u32,
    /// The least number of attempts within half a minute by which a ministry is judged; at
    /// least 1.
    pub breaker_calls: u32,
    /// How long a ministry that fails is spared, in milliseconds, until one call tries it
    /// again.
    pub breaker_open_ms: u64,
    /// The largest answer that is read, in bytes.
    pub response_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            timeout_ms: 10_000,
            concurrency: 32,
            requests_per_second: 50,
            calls_per_day: 0,
            retries: 2,
            retry_percent: 20,
            breaker_failure_percent: 50,
            breaker_calls: 10,
            breaker_open_ms: 5_000,
            response_bytes: 4 << 20,
        }
    }
}

impl Settings {
    /// Refuses values with which nothing could be called.
    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        let refuse = |name, rule| Err(ConnectError::Setting { name, rule });
        match self {
            Self { connect_timeout_ms: 0, .. } => refuse("connect_timeout_ms", "at least 1"),
            Self { timeout_ms: 0, .. } => refuse("timeout_ms", "at least 1"),
            Self { concurrency: 0, .. } => refuse("concurrency", "at least 1"),
            Self { requests_per_second: 0, .. } => refuse("requests_per_second", "at least 1"),
            Self { retry_percent: 1001.., .. } => refuse("retry_percent", "at most 1000"),
            Self { breaker_failure_percent: 0 | 101.., .. } => {
                refuse("breaker_failure_percent", "between 1 and 100")
            }
            Self { breaker_calls: 0, .. } => refuse("breaker_calls", "at least 1"),
            Self { response_bytes: 0, .. } => refuse("response_bytes", "at least 1"),
            _ => Ok(()),
        }
    }
}

/// The guard before one ministry.
pub(crate) struct Upstream {
    ministry: AgencyKind,
    timeout: Duration,
    places: Semaphore,
    rate: RateLimiter<
        state::NotKeyed,
        state::InMemoryState,
        RuntimeClock,
        middleware::NoOpMiddleware<Instant>,
    >,
    day: Day,
    pauses: ExponentialBuilder,
    /// `None` when nothing is to be repeated.
    budget: Option<TpsBudget>,
    breaker: Breaker,
    measure: Measure,
}

/// Why an attempt brought nothing.
enum Stop {
    /// It was made, or not made for lack of time, and may be made again if the fault says so.
    Failed(Fault),
    /// The exchange itself held it back. Trying again within the same call is what it prevents.
    Held(Fault),
}

impl Stop {
    fn into_fault(self) -> Fault {
        match self {
            Self::Failed(fault) | Self::Held(fault) => fault,
        }
    }
}

impl Upstream {
    /// A guard before `ministry`. Settings that [`Settings::check`] refuses count as the nearest
    /// that it does not.
    pub(crate) fn new(ministry: AgencyKind, settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self {
            ministry,
            timeout: Duration::from_millis(settings.timeout_ms),
            places: Semaphore::new(at_least_one(settings.concurrency).get() as usize),
            rate: RateLimiter::direct_with_clock(
                Quota::per_second(at_least_one(settings.requests_per_second)),
                RuntimeClock,
            ),
            day: Day::new(settings.calls_per_day, Arc::clone(&clock)),
            pauses: ExponentialBuilder::new()
                .with_min_delay(FIRST_PAUSE)
                .with_max_delay(LONGEST_PAUSE)
                .with_max_times(settings.retries as usize)
                .with_jitter(),
            budget: (settings.retry_percent > 0).then(|| {
                let share = f64::from(settings.retry_percent.min(1000)) / 100.0;
                #[expect(clippy::cast_possible_truncation, reason = "at most 10.0")]
                TpsBudget::new(BUDGET_WINDOW, BUDGET_RESERVE_PER_SECOND, share as f32)
            }),
            breaker: Breaker::new(ministry, settings),
            measure: Measure::new(ministry, clock),
        }
    }

    /// Makes a call: `attempt` is handed the moment by which it must end, and is cut off there.
    /// It may be run more than once, and even one that failed may have reached the ministry.
    ///
    /// # Errors
    /// What the last attempt met, or [`FaultKind::Timeout`], [`FaultKind::Quota`] or
    /// [`FaultKind::Unavailable`] when the call waited for its turn until it was too late.
    pub(crate) async fn call<T, F>(
        &self,
        deadline: Instant,
        attempt: impl Fn(Instant) -> F + Send + Sync,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>> + Send,
    {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
        (|| self.attempt(deadline, &attempt))
            .retry(self.pauses)
            .sleep(time::sleep)
            .adjust(|stop, pause| match stop {
                Stop::Failed(fault) => self.pause(fault, pause?, deadline),
                Stop::Held(_) => None,
            })
            .await
            .map_err(Stop::into_fault)
    }

    /// How the ministry has been doing. The adapter fills in what expires.
    pub(crate) fn condition(&self) -> Condition {
        let measured = self.measure.summary();
        Condition {
            breaker: self.breaker.state(),
            calls: measured.calls,
            failures: measured.failures,
            p50: measured.p50,
            p95: measured.p95,
            calls_left_today: self.day.left(),
            token_expires: None,
            certificate_expires: None,
        }
    }

    /// How long to pause before the call is made again; `None` when it is not.
    fn pause(&self, fault: &Fault, pause: Duration, deadline: Instant) -> Option<Duration> {
        let pause = match fault.retry {
            Retry::Safe => pause,
            Retry::After(at_least) => pause.max(at_least),
            Retry::Never => return None,
        };
        let in_time = now().checked_add(pause)? < deadline;
        (in_time && self.budget.as_ref().is_some_and(Budget::withdraw)).then_some(pause)
    }

    /// One attempt, in its turn.
    async fn attempt<T, F>(
        &self,
        deadline: Instant,
        attempt: &(impl Fn(Instant) -> F + Send + Sync),
    ) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, Fault>> + Send,
    {
        if deadline <= now() {
            return Err(Stop::Held(late("the deadline had passed before the call")));
        }
        // A look before the wait: what will be refused should be refused at once.
        if let Some(fault) = self.breaker.refusal().or_else(|| self.day.refusal()) {
            return Err(Stop::Held(fault));
        }
        self.turn(deadline).await.map_err(Stop::Held)?;
        let place = time::timeout_at(deadline.into(), self.places.acquire());
        let Ok(place) = place.await else {
            return Err(Stop::Held(late("every place was taken until the deadline")));
        };
        let _place = place.expect("the semaphore is never closed");
        self.day.take().map_err(Stop::Held)?;
        let guarded = self.breaker.guard(async {
            let until = deadline.min(now() + self.timeout);
            let span = tracing::info_span!(
                "adapter call",
                ministry = self.ministry.as_str(),
                outcome = tracing::field::Empty,
            );
            let begun = now();
            let result = time::timeout_at(until.into(), attempt(until))
                .instrument(span.clone())
                .await
                .unwrap_or_else(|_| Err(late("no answer in time")));
            self.measure.record(&span, now() - begun, result.as_ref().err());
            result
        });
        match guarded.await {
            Ok(result) => result.map_err(Stop::Failed),
            Err(Closed) => Err(Stop::Held(self.breaker.open_fault())),
        }
    }

    /// Waits until the rate allows one more attempt.
    async fn turn(&self, deadline: Instant) -> Result<(), Fault> {
        while let Err(early) = self.rate.check() {
            let wait = early.wait_time_from(now());
            if now() + wait >= deadline {
                let retry = Retry::After(wait);
                return Err(Fault::new(FaultKind::Quota, retry, "the exchange's own rate limit"));
            }
            time::sleep(wait).await;
        }
        Ok(())
    }
}

/// Whether a fault counts against the ministry.
fn counts(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Unavailable | FaultKind::Timeout | FaultKind::Malformed => true,
        FaultKind::Rejected
        | FaultKind::Quota
        | FaultKind::Credentials
        | FaultKind::Unsupported => false,
    }
}

fn late(what: &'static str) -> Fault {
    Fault::new(FaultKind::Timeout, Retry::Safe, what)
}

/// The present by the runtime's clock, which a test can pause.
fn now() -> Instant {
    time::Instant::now().into_std()
}

/// The runtime's clock, for the rate limiter.
#[derive(Clone, Debug)]
struct RuntimeClock;

impl clock::Clock for RuntimeClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        now()
    }
}
