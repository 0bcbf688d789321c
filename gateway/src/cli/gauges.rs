//! What the store and its outbox tell of themselves, for readiness and metrics.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::store::outbox::Backlog;
use desmigratif_proto::METHODS;
use desmigratif_proto::options::v1::Effect;
use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Gauge;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::access::Directory;
use crate::edge::operators::Readiness;
use crate::exchange::Exchange;
use crate::telemetry::Telemetry;

/// How often the store is asked whether it can serve.
const STORE_WATCH: Duration = Duration::from_secs(5);

/// What the store tells of itself.
pub(super) struct StoreGauges {
    entries: Gauge<u64>,
    waiting: Gauge<u64>,
    dead: Gauge<u64>,
    age: Gauge<f64>,
}

impl StoreGauges {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let meter = telemetry.meter("desmigratif.store");
        Self {
            entries: meter
                .u64_gauge("desmigratif.journal.entries")
                .with_description("Entries in the journal")
                .build(),
            waiting: meter
                .u64_gauge("desmigratif.outbox.waiting")
                .with_description("Deliveries that wait, by ministry")
                .build(),
            dead: meter
                .u64_gauge("desmigratif.outbox.dead")
                .with_description("Deliveries in the dead letter, by ministry")
                .build(),
            age: meter
                .f64_gauge("desmigratif.outbox.oldest.age")
                .with_unit("s")
                .with_description("Age of the oldest delivery that waits, by ministry")
                .build(),
        }
    }
}

impl StoreGauges {
    /// Records what has not reached each ministry, also where that is nothing any more.
    fn outbox(&self, now: Timestamp, backlogs: &[Backlog]) {
        for to in AgencyKind::MINISTRIES {
            let backlog = backlogs.iter().find(|backlog| backlog.to == to);
            let oldest = backlog.and_then(|backlog| backlog.oldest);
            let age = oldest.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64());
            let ministry = [KeyValue::new("ministry", to.as_str())];
            self.waiting.record(backlog.map_or(0, |backlog| backlog.waiting), &ministry);
            self.dead.record(backlog.map_or(0, |backlog| backlog.dead), &ministry);
            self.age.record(age, &ministry);
        }
    }
}

/// The services that can do nothing while the journal cannot be written: those without a method
/// that is open.
fn of_the_journal() -> BTreeSet<&'static str> {
    let open = |effect| matches!(effect, Effect::ReadPublic | Effect::ReadSelf);
    let (serving, all): (BTreeSet<_>, BTreeSet<_>) = (
        METHODS.iter().filter(|method| open(method.effect)).map(|method| method.service).collect(),
        METHODS.iter().map(|method| method.service).collect(),
    );
    all.difference(&serving).copied().collect()
}

/// Asks the store again and again whether it serves, for readiness, health and metrics.
pub(super) async fn watch_store(
    exchange: Arc<Exchange>,
    directory: Arc<Directory>,
    readiness: Arc<Readiness>,
    health: HealthReporter,
    gauges: StoreGauges,
) {
    let mut tick = tokio::time::interval(STORE_WATCH);
    let mut serving = true;
    loop {
        tick.tick().await;
        let entries = exchange.store.journal_len().await;
        if let Ok(entries) = entries {
            gauges.entries.record(entries, &[]);
        }
        // What another node has changed of agencies holds here within a few seconds.
        if let Err(error) = directory.refresh(exchange.store.as_ref()).await {
            tracing::warn!(%error, "the directory of agencies cannot be read");
        }
        let backlogs = exchange.store.backlogs().await;
        if let Ok(backlogs) = &backlogs {
            gauges.outbox(exchange.clock.now(), backlogs);
        }
        readiness.set_store_ok(entries.is_ok() && backlogs.is_ok());
        let writable = exchange.store.writable().await.is_ok();
        readiness.set_journal_ok(writable);
        if writable != serving {
            serving = writable;
            let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
            for service in of_the_journal() {
                health.set_service_status(service, status).await;
            }
        }
    }
}
