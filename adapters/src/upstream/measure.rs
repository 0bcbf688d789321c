//! What is counted of the calls to one ministry: a metric for the operators' system, and the last
//! few minutes for the exchange's own health pages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::Fault;
use hdrhistogram::Histogram;
use opentelemetry::{KeyValue, global, metrics};
use tracing::Span;

use super::counts;

/// How many minutes back the summary looks, the present one included.
const MINUTES: usize = 5;
/// Times are kept in milliseconds up to so many; longer ones count as this.
const LONGEST_MS: u64 = 600_000;
/// Upper bounds of the metric's buckets, in seconds.
const SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The counts.
pub(super) struct Measure {
    ministry: AgencyKind,
    clock: Arc<dyn Clock>,
    duration: metrics::Histogram<f64>,
    minutes: Mutex<[Minute; MINUTES]>,
}

/// The last few minutes in short.
pub(super) struct Summary {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) p50: Option<Duration>,
    pub(super) p95: Option<Duration>,
}

/// One minute's calls.
struct Minute {
    /// Which, since the epoch.
    number: i64,
    times_ms: Histogram<u32>,
    failures: u64,
}

impl Measure {
    pub(super) fn new(ministry: AgencyKind, clock: Arc<dyn Clock>) -> Self {
        let duration = global::meter("desmigratif.adapter")
            .f64_histogram("desmigratif.adapter.call.duration")
            .with_unit("s")
            .with_description("Duration of attempts to call a ministry, by outcome.")
            .with_boundaries(SECONDS.to_vec())
            .build();
        let minutes =
            std::array::from_fn(|_| Minute { number: i64::MIN, times_ms: times(), failures: 0 });
        Self { ministry, clock, duration, minutes: Mutex::new(minutes) }
    }

    /// Counts one attempt, and writes how it ended on its span.
    pub(super) fn record(&self, span: &Span, took: Duration, fault: Option<&Fault>) {
        let outcome = fault.map_or("ok", |fault| fault.kind.as_str());
        span.record("outcome", outcome);
        if let Some(fault) = fault {
            let _entered = span.enter();
            tracing::debug!(kind = outcome, what = %fault.what, "adapter call failed");
        }
        self.duration.record(
            took.as_secs_f64(),
            &[KeyValue::new("ministry", self.ministry.as_str()), KeyValue::new("outcome", outcome)],
        );
        let number = self.minute();
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = &mut minutes[slot(number)];
        if minute.number != number {
            minute.times_ms.reset();
            minute.failures = 0;
            minute.number = number;
        }
        minute.times_ms.saturating_record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        minute.failures += u64::from(fault.is_some_and(counts));
    }

    pub(super) fn summary(&self) -> Summary {
        let now = self.minute();
        let mut all = times();
        let mut failures = 0;
        for minute in self.minutes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if (0..MINUTES as i64).contains(&now.saturating_sub(minute.number)) {
                all.add(&minute.times_ms).expect("both have the same bounds");
                failures += minute.failures;
            }
        }
        let quantile = |quantile| {
            (!all.is_empty()).then(|| Duration::from_millis(all.value_at_quantile(quantile)))
        };
        Summary { calls: all.len(), failures, p50: quantile(0.5), p95: quantile(0.95) }
    }

    fn minute(&self) -> i64 {
        self.clock.now().as_second().div_euclid(60)
    }
}

fn slot(number: i64) -> usize {
    usize::try_from(number.rem_euclid(MINUTES as i64)).expect("less than MINUTES")
}

fn times() -> Histogram<u32> {
    Histogram::new_with_bounds(1, LONGEST_MS, 2).expect("1 is less than half the upper bound")
}
