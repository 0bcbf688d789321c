//! The outbox: brings deliveries to their ministries, each until the ministry has it or it is
//! given up for good.
//!
//! One runs for each connected ministry, so that none waits for another. It leases what is due,
//! attempts some at a time, and settles what came of it. Invariants:
//! - at every attempt a delivery has the same key and the same record;
//! - what concerns one person arrives in order, since only heads of lines can be leased;
//! - a fault that may pass never kills a delivery before its greatest age, whatever the number of
//!   attempts; a fault that will not pass kills it at once;
//! - while the ministry's circuit breaker is open nothing is leased: waiting is no attempt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::ministry::{Breaker, Fault, FaultKind, Retry};
use desmigratif_core::ports::store::outbox::{Lease, Leased, Settled, Settlement};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Connected, Error, Exchange};

mod parcel;

/// How an outbox goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a delivery is tried before it goes to the dead letter.
    pub greatest_age: Duration,
    /// The pause after the first failed attempt; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long an attempt may take.
    pub attempt: Duration,
    /// Attempts to one ministry at a time.
    pub parallel: u32,
}

/// Tells outboxes that there is something to look for.
#[derive(Debug)]
pub struct Wake([(AgencyKind, watch::Sender<()>); AgencyKind::MINISTRIES.len()]);

impl Default for Wake {
    fn default() -> Self {
        Self(AgencyKind::MINISTRIES.map(|ministry| (ministry, watch::Sender::new(()))))
    }
}

impl Wake {
    /// Wakes the outboxes of these ministries, and no other's: each that wakes asks the store.
    pub fn wake(&self, ministries: &[AgencyKind]) {
        for (ministry, sender) in &self.0 {
            if ministries.contains(ministry) {
                sender.send_replace(());
            }
        }
    }

    /// What tells the outbox of a ministry; `None` when it is none.
    fn of(&self, ministry: AgencyKind) -> Option<watch::Receiver<()>> {
        self.0.iter().find(|(it, _)| *it == ministry).map(|(_, sender)| sender.subscribe())
    }
}

/// How often an outbox looks without being woken: for what has become due, and for what another
/// node or a lease that ran out has left.
const LOOK: Duration = Duration::from_secs(1);

/// Leased deliveries beyond those under way, so that none has to wait for the store.
const AHEAD: u32 = 3;

/// The outbox of one ministry.
pub struct Outbox {
    exchange: Arc<Exchange>,
    to: AgencyKind,
    connected: Connected,
    settings: Settings,
    /// Leased, and not yet attempted.
    ready: VecDeque<Leased>,
    under_way: JoinSet<Settlement>,
    /// When the first of what failed here is due again.
    due: Option<Timestamp>,
}

impl Outbox {
    /// An outbox for each connected ministry.
    pub fn of_all(exchange: &Arc<Exchange>, settings: Settings) -> Vec<Self> {
        let outbox = |(to, connected): (AgencyKind, &Connected)| Self {
            exchange: exchange.clone(),
            to,
            connected: connected.clone(),
            settings,
            ready: VecDeque::new(),
            under_way: JoinSet::new(),
            due: None,
        };
        exchange.ministries.iter().map(outbox).collect()
    }

    /// Delivers until it is told to stop; then lets attempts under way end, and gives back what was
    /// leased and not attempted.
    pub async fn run(mut self, stop: CancellationToken) {
        let Some(mut woken) = self.exchange.wake.of(self.to) else {
            tracing::error!(to = self.to.as_str(), "outbox of what is no ministry");
            return;
        };
        while !stop.is_cancelled() {
            if let Err(error) = self.lease().await {
                tracing::error!(ministry = self.to.as_str(), %error, "outbox cannot lease");
            }
            self.begin();
            let look = self.until_next_look();
            tokio::select! {
                Some(done) = self.under_way.join_next(), if !self.under_way.is_empty() => {
                    self.settle(done.ok()).await;
                }
                // Nothing ends the sender before the exchange, which we hold.
                _ = woken.changed() => {}
                () = tokio::time::sleep(look) => {}
                () = stop.cancelled() => {}
            }
        }
        while let Some(done) = self.under_way.join_next().await {
            self.settle(done.ok()).await;
        }
        self.give_back().await;
    }

    /// Gives back what was leased and not attempted.
    async fn give_back(&mut self) {
        let at = self.exchange.clock.now();
        let untried = self.ready.drain(..).map(|leased| Settlement {
            id: leased.id,
            token: leased.token,
            outcome: Settled::Untried { at },
        });
        let untried = untried.collect();
        self.note(untried).await;
    }

    /// Leases what is due, as far as there is room for it and the ministry may get it now.
    async fn lease(&mut self) -> Result<(), Error> {
        let now = self.exchange.clock.now();
        self.due = self.due.filter(|due| *due > now);
        let breaker = self.connected.ministry.condition().breaker;
        let paused = self.exchange.paused(self.to).await?.is_some();
        if paused || breaker != Breaker::Closed {
            self.give_back().await;
        }
        let held = u32::try_from(self.ready.len()).unwrap_or(u32::MAX);
        let room = match breaker {
            _ if paused => 0,
            Breaker::Open => 0,
            // One attempt tells whether the ministry is back; more would only be refused.
            Breaker::HalfOpen => u32::from(self.under_way.is_empty()),
            Breaker::Closed => self.settings.parallel * AHEAD,
        };
        if room == 0 || held > room / 2 {
            return Ok(());
        }
        // Long enough for all that is leased ahead to have its turn, one after the other.
        let until = SignedDuration::try_from(self.settings.attempt * (AHEAD + 2))
            .unwrap_or(SignedDuration::from_mins(5));
        let lease = Lease { to: self.to, until: now + until, limit: room - held };
        self.ready.extend(self.exchange.store.lease(lease).await?);
        Ok(())
    }

    fn until_next_look(&self) -> Duration {
        let now = self.exchange.clock.now();
        // What is due already and was not leased may not be, for now.
        let due = self.due.filter(|due| *due > now).map(|due| due.duration_since(now));
        due.and_then(|due| Duration::try_from(due).ok()).map_or(LOOK, |due| due.min(LOOK))
    }

    /// Begins attempts, as many as may be under way.
    fn begin(&mut self) {
        while self.under_way.len() < self.settings.parallel as usize {
            let Some(leased) = self.ready.pop_front() else { return };
            let (exchange, connected) = (self.exchange.clone(), self.connected.clone());
            let (to, settings) = (self.to, self.settings);
            let span = tracing::info_span!(
                "delivery",
                ministry = to.as_str(),
                delivery = leased.id,
                attempt = leased.attempt
            );
            crate::telemetry::follow_trace(&span, leased.trace_id, leased.entry);
            let attempt = async move {
                let delivered = attempt(&exchange, to, &connected, &leased, settings).await;
                let outcome = judge(delivered, &leased, exchange.clock.now(), settings);
                Settlement { id: leased.id, token: leased.token, outcome }
            };
            self.under_way.spawn(attempt.instrument(span));
        }
    }

    /// Notes what came of an attempt, and of all others that have ended. An attempt that panicked
    /// is settled by nobody: its lease runs out.
    async fn settle(&mut self, first: Option<Settlement>) {
        let mut settlements: Vec<_> = first.into_iter().collect();
        while let Some(done) = self.under_way.try_join_next() {
            settlements.extend(done.ok());
        }
        self.note(settlements).await;
    }

    async fn note(&mut self, settlements: Vec<Settlement>) {
        if settlements.is_empty() {
            return;
        }
        let again = settlements.iter().filter_map(|settlement| match settlement.outcome {
            Settled::Again { at, .. } => Some(at),
            _ => None,
        });
        self.due = again.chain(self.due).min();
        if let Err(error) = self.exchange.store.settle(settlements).await {
            // The leases run out and the same keys make other attempts harmless.
            tracing::error!(ministry = self.to.as_str(), %error, "outbox cannot settle");
        }
    }
}

/// Hands a delivery to its ministry.
async fn attempt(
    exchange: &Exchange,
    to: AgencyKind,
    connected: &Connected,
    leased: &Leased,
    settings: Settings,
) -> Result<(), Fault> {
    let parcel = parcel::of(exchange, to, leased).await?;
    connected.ministry.deliver(&parcel, Instant::now() + settings.attempt).await
}

/// What becomes of a delivery after an attempt.
fn judge(
    delivered: Result<(), Fault>,
    leased: &Leased,
    now: Timestamp,
    settings: Settings,
) -> Settled {
    let fault = match delivered {
        Ok(()) => {
            tracing::info!("delivered");
            return Settled::Delivered;
        }
        Err(fault) => fault,
    };
    let age = now.duration_since(leased.queued_at);
    let greatest = SignedDuration::try_from(settings.greatest_age).unwrap_or(SignedDuration::MAX);
    let pause = match fault.retry {
        // What a ministry holds against the gateway itself is no fault of the record's: it waits
        // until an operator has put that right.
        Retry::Never if fault.kind == FaultKind::Credentials => Some(settings.longest_pause),
        Retry::Never => None,
        Retry::Safe => Some(pause(leased.attempt, settings)),
        Retry::After(least) => Some(pause(leased.attempt, settings).max(least)),
    };
    match pause {
        Some(pause) if age < greatest => {
            tracing::warn!(%fault, "not delivered, to be tried again");
            let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
            let at = now.checked_add(pause).unwrap_or(Timestamp::MAX);
            Settled::Again { at, reason: fault.to_string() }
        }
        Some(_) => {
            tracing::error!(%fault, "not delivered, given up for its age");
            Settled::Dead { reason: format!("too old; last: {fault}") }
        }
        None => {
            tracing::error!(%fault, "refused for good");
            Settled::Dead { reason: fault.to_string() }
        }
    }
}

/// The pause after an attempt: doubled each time up to the longest, plus as much again by chance, so that
/// what failed together does not come back together.
fn pause(attempt: u32, settings: Settings) -> Duration {
    let nth = attempt.saturating_sub(1).min(62) as usize;
    ExponentialBuilder::default()
        .with_min_delay(settings.first_pause)
        .with_max_delay(settings.longest_pause)
        .without_max_times()
        .with_jitter()
        .build()
        .nth(nth)
        .unwrap_or(settings.longest_pause)
}

#[cfg(test)]
mod tests;
