//! What the edge counts: the instruments, their names and their units.
//!
//! Names follow the OpenTelemetry semantic conventions where one exists
//! (`rpc.server.call.duration`); the rest begin with `desmigratif.edge`. No label says who called:
//! labels are methods, codes and reasons, all from closed sets.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};

/// Upper bounds of the duration histogram, in seconds: finer than the convention's advice below
/// 5 ms, since a village read takes well under one.
const SECONDS: [f64; 15] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
    30.0,
];

/// The edge's instruments.
#[derive(Debug)]
pub struct Metrics {
    call_duration: Histogram<f64>,
    refused: Counter<u64>,
    connections: UpDownCounter<i64>,
    handshake_failures: Counter<u64>,
    accept_errors: Counter<u64>,
    tls_reloads: Counter<u64>,
    lateness: Histogram<f64>,
    calls_limit: Gauge<u64>,
}

impl Metrics {
    /// Creates the instruments on `meter`.
    #[must_use]
    pub fn new(meter: &Meter) -> Arc<Self> {
        Arc::new(Self {
            call_duration: meter
                .f64_histogram("rpc.server.call.duration")
                .with_unit("s")
                .with_description(
                    "Duration of incoming calls, from their headers to the end of the answer.",
                )
                .with_boundaries(SECONDS.to_vec())
                .build(),
            refused: meter
                .u64_counter("desmigratif.edge.refused")
                .with_description("Calls refused before their service, by reason.")
                .build(),
            connections: meter
                .i64_up_down_counter("desmigratif.edge.connections")
                .with_description("Connections open now.")
                .build(),
            handshake_failures: meter
                .u64_counter("desmigratif.edge.handshake.failures")
                .with_description("TLS handshakes that failed, by reason.")
                .build(),
            accept_errors: meter
                .u64_counter("desmigratif.edge.accept.errors")
                .with_description(
                    "Errors of accept(2), for instance because file descriptors ran out.",
                )
                .build(),
            tls_reloads: meter
                .u64_counter("desmigratif.edge.tls.reloads")
                .with_description("Reloads of certificates and revocation lists, by outcome.")
                .build(),
            lateness: meter
                .f64_histogram("desmigratif.edge.lateness")
                .with_unit("s")
                .with_description("How late a task that was due was woken: the gateway's load.")
                .with_boundaries(SECONDS[..12].to_vec())
                .build(),
            calls_limit: meter
                .u64_gauge("desmigratif.edge.calls.limit")
                .with_description("Calls that may be under way now; fewer under overload.")
                .build(),
        })
    }

    /// Counts a finished call. `failed` names the code when it means that the server failed.
    pub(crate) fn call(&self, seconds: f64, method: Arc<str>, code: &'static str, failed: bool) {
        let attributes = [
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method),
            KeyValue::new("rpc.response.status_code", code),
            KeyValue::new("error.type", code),
        ];
        let used = if failed { 4 } else { 3 };
        self.call_duration.record(seconds, &attributes[..used]);
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.add(1, &[KeyValue::new("reason", reason)]);
    }

    pub(crate) fn load(&self, late: Duration, limit: usize) {
        self.lateness.record(late.as_secs_f64(), &[]);
        self.calls_limit.record(limit as u64, &[]);
    }

    pub(crate) fn connection(self: &Arc<Self>) -> OpenConnection {
        self.connections.add(1, &[]);
        OpenConnection(self.clone())
    }

    pub(crate) fn handshake_failed(&self, reason: &'static str) {
        self.handshake_failures.add(1, &[KeyValue::new("reason", reason)]);
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_errors.add(1, &[]);
    }

    pub(crate) fn tls_reloaded(&self, outcome: &'static str) {
        self.tls_reloads.add(1, &[KeyValue::new("outcome", outcome)]);
    }
}

/// Counts a connection as open until dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<Metrics>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.add(-1, &[]);
    }
}
