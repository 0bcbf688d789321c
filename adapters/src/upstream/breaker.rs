//! The circuit breaker: a ministry that fails is spared for a while.
//!
//! The library's breaker is a tower layer around a service that owns its requests. A call here
//! borrows, so what goes through the layer is a ticket: the layer admits it, and waits on it for
//! the verdict on the attempt that runs beside. A call that is dropped drops its ticket, which the
//! library takes as no verdict, and frees its place among the probes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::ministry::{self, Fault, FaultKind, Retry};
use tokio::sync::oneshot;
use tower::{ServiceExt, service_fn};
use tower_resilience_circuitbreaker::{
    CircuitBreakerHandle, CircuitBreakerLayer, CircuitState, DefaultClassifier, SlidingWindowType,
};

use super::{Settings, counts};

/// The attempts that a ministry is judged by are those of so long.
const WINDOW: Duration = Duration::from_secs(30);
/// How many attempts try a ministry again, and must succeed. With more than one, probes further
/// apart than the window would never add up in the library, and the breaker would stay half open.
const PROBES: usize = 1;

/// A breaker.
pub(super) struct Breaker {
    layer: CircuitBreakerLayer<DefaultClassifier>,
    handle: CircuitBreakerHandle<DefaultClassifier>,
    open_for: Duration,
    opened: Arc<Mutex<Option<Instant>>>,
}

/// The breaker lets nothing through.
pub(super) struct Closed;

/// What the layer is to let through: it says so on the first channel, and learns from the second
/// how the attempt ended.
struct Ticket {
    admit: oneshot::Sender<()>,
    verdict: oneshot::Receiver<Result<(), ()>>,
}

impl Breaker {
    pub(super) fn new(ministry: AgencyKind, settings: &Settings) -> Self {
        let opened = Arc::new(Mutex::new(None));
        let open_for = Duration::from_millis(settings.breaker_open_ms);
        let (layer, handle) = CircuitBreakerLayer::builder()
            .name(ministry.as_str())
            .sliding_window_type(SlidingWindowType::TimeBased)
            .sliding_window_duration(WINDOW)
            .minimum_number_of_calls(settings.breaker_calls.max(1) as usize)
            .failure_rate_threshold(
                f64::from(settings.breaker_failure_percent.clamp(1, 100)) / 100.0,
            )
            .wait_duration_in_open(open_for)
            .permitted_calls_in_half_open(PROBES)
            .on_state_transition({
                let opened = Arc::clone(&opened);
                move |_, to| {
                    let since = (to == CircuitState::Open).then(Instant::now);
                    *opened.lock().unwrap_or_else(PoisonError::into_inner) = since;
                    let breaker = name(to);
                    tracing::warn!(ministry = ministry.as_str(), breaker, "circuit breaker moved");
                }
            })
            .build_with_handle()
            .expect("a window is given and the percentage lies in 1 to 100");
        Self { layer, handle, open_for, opened }
    }

    /// Runs an attempt, and judges by it, unless the breaker is open.
    pub(super) async fn guard<T>(
        &self,
        attempt: impl Future<Output = Result<T, Fault>>,
    ) -> Result<Result<T, Fault>, Closed> {
        let (admit, admitted) = oneshot::channel();
        let (tell, verdict) = oneshot::channel();
        let judged = self
            .layer
            .layer_fn(service_fn(async |ticket: Ticket| {
                // Who waits for these is polled beside this, or both are dropped.
                let _ = ticket.admit.send(());
                ticket.verdict.await.unwrap_or(Ok(()))
            }))
            .oneshot(Ticket { admit, verdict });
        let attempted = async {
            admitted.await.map_err(|_| Closed)?;
            let result = attempt.await;
            let failed = result.as_ref().is_err_and(counts);
            let _ = tell.send(if failed { Err(()) } else { Ok(()) });
            Ok(result)
        };
        let (_, result) = tokio::join!(judged, attempted);
        result
    }

    /// The fault of a call that would be refused now.
    pub(super) fn refusal(&self) -> Option<Fault> {
        (self.handle.is_open() && !self.until_half_open().is_zero()).then(|| self.open_fault())
    }

    /// The fault of a call that is refused.
    pub(super) fn open_fault(&self) -> Fault {
        let retry = match self.until_half_open() {
            Duration::ZERO => Retry::Safe,
            wait => Retry::After(wait),
        };
        Fault::new(FaultKind::Unavailable, retry, "circuit breaker is open")
    }

    /// Where the breaker stands. The library's moves only when a call comes; whoever waits for it
    /// to let calls through again must see that its time is over.
    pub(super) fn state(&self) -> ministry::Breaker {
        match self.handle.state() {
            CircuitState::Closed => ministry::Breaker::Closed,
            CircuitState::Open if self.until_half_open().is_zero() => ministry::Breaker::HalfOpen,
            CircuitState::Open => ministry::Breaker::Open,
            CircuitState::HalfOpen => ministry::Breaker::HalfOpen,
        }
    }

    fn until_half_open(&self) -> Duration {
        let opened = *self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.map_or(Duration::ZERO, |since| self.open_for.saturating_sub(since.elapsed()))
    }
}

const fn name(state: CircuitState) -> &'static str {
    match state {
        CircuitState::Closed => "closed",
        CircuitState::Open => "open",
        CircuitState::HalfOpen => "half-open",
    }
}
