//! Telemetry: logs, traces and metrics of the process.
//!
//! Logs go to stderr, a JSON object a line, with the trace id and span id of the call they belong
//! to. Every call has a trace id, whether or not traces are exported. Metrics are always kept for
//! the operators' /metrics. Traces and metrics go out over OTLP (gRPC) only when an endpoint is
//! configured.
//!
//! Invariant: nothing here looks at requests. What must not be logged is kept out by types: a
//! personal value has no `Display` and a redacting `Debug`. A panic is logged by its place only,
//! since its message may hold a value.

use std::io::IsTerminal;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

mod format;

pub use format::LogFormat;

/// Name of the service in traces and metrics.
const SERVICE: &str = "desmigratif-gateway";

/// The exporters' own chatter is no news below a warning; what is asked for comes after and wins.
const QUIET: &str = "opentelemetry=warn,opentelemetry_sdk=warn,opentelemetry_otlp=warn";

/// The environment variable of OpenTelemetry that names the collector.
const ENDPOINT_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How long an export may take, also the last one at the end of the process.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is to be told, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Form of the log lines; `None` picks text on a terminal and JSON elsewhere.
    pub log_format: Option<LogFormat>,
    /// Which events are logged, in tracing's directive syntax; `None` means "info".
    pub log_filter: Option<String>,
    /// OTLP collector ("http://localhost:4317"); `None` means what `OTEL_EXPORTER_OTLP_ENDPOINT`
    /// says, and no export when it says nothing.
    pub otlp_endpoint: Option<String>,
    /// The share of traces that is exported when the caller has not decided, 0 to 1.
    pub trace_ratio: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { log_format: None, log_filter: None, otlp_endpoint: None, trace_ratio: 0.1 }
    }
}

/// Why telemetry cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter is no list of directives.
    #[error("the log filter cannot be read: {0}")]
    Filter(#[from] ParseError),
    /// The exporter cannot be built, mostly because the endpoint is no URL.
    #[error("the OTLP exporter cannot be built: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The exporter of /metrics cannot be built.
    #[error("the metrics exporter cannot be built: {0}")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    /// Telemetry was begun before in this process.
    #[error("telemetry has begun already")]
    Twice(#[from] TryInitError),
}

/// The running telemetry. Call [`Telemetry::shutdown`] at the end, or the last spans are lost.
#[derive(Debug)]
pub struct Telemetry {
    tracer_provider: SdkTracerProvider,
    meter_provider: SdkMeterProvider,
    registry: prometheus::Registry,
}

/// Begins logs, traces and metrics for the process. Call once, inside the tokio runtime.
///
/// # Errors
/// [`Error`] when a setting cannot be used or telemetry has begun already.
pub fn init(settings: &Settings) -> Result<Telemetry, Error> {
    let asked = settings.log_filter.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_new(format!("{QUIET},{asked}"))?;
    let from_environment =
        || std::env::var(ENDPOINT_VARIABLE).ok().filter(|endpoint| !endpoint.is_empty());
    let endpoint = settings.otlp_endpoint.clone().or_else(from_environment);
    let telemetry = Telemetry::new(endpoint.as_deref(), settings.trace_ratio)?;

    let format = settings.log_format.unwrap_or_else(|| {
        if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json }
    });
    // For the adapters, which hand traces on and measure their calls.
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    opentelemetry::global::set_meter_provider(telemetry.meter_provider.clone());
    let tracer = telemetry.tracer_provider.tracer(SERVICE);
    tracing_subscriber::registry()
        // The filter is for the lines only: calls have trace ids and are traced whatever is logged.
        .with(
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(LevelFilter::INFO),
        )
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .event_format(format)
                .fmt_fields(format::NoSpanFields)
                .with_filter(filter),
        )
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(telemetry)
}

impl Telemetry {
    fn new(otlp_endpoint: Option<&str>, trace_ratio: f64) -> Result<Self, Error> {
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let registry = prometheus::Registry::new();
        let for_operators = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .build()?;
        let mut meters =
            SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(for_operators);
        let mut tracers = SdkTracerProvider::builder().with_resource(resource);
        if let Some(endpoint) = otlp_endpoint {
            let spans = SpanExporter::builder().with_tonic();
            let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(trace_ratio)));
            tracers = tracers.with_sampler(sampler).with_batch_exporter(
                spans.with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build()?,
            );
            let metrics = MetricExporter::builder().with_tonic();
            meters = meters.with_periodic_exporter(
                metrics.with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build()?,
            );
        } else {
            // Ids for the logs, and nothing recorded.
            tracers = tracers.with_sampler(Sampler::AlwaysOff);
        }
        Ok(Self { tracer_provider: tracers.build(), meter_provider: meters.build(), registry })
    }

    /// A meter for the instruments of one part of the gateway.
    #[must_use]
    pub fn meter(&self, part: &'static str) -> Meter {
        self.meter_provider.meter(part)
    }

    /// The metrics for the operators' /metrics.
    #[must_use]
    pub fn registry(&self) -> prometheus::Registry {
        self.registry.clone()
    }

    /// Sends what is left and stops. Takes at most a few seconds when the collector is gone, and
    /// blocks meanwhile: call it off the runtime's threads or at the very end.
    pub fn shutdown(self) {
        if let Err(error) = self.tracer_provider.shutdown_with_timeout(EXPORT_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
        if let Err(error) = self.meter_provider.shutdown_with_timeout(EXPORT_TIMEOUT) {
            tracing::warn!(%error, "the last metrics were not exported");
        }
    }
}

/// The trace id of the call that this code runs for; `None` outside of any call.
#[must_use]
pub fn trace_id() -> Option<TraceId> {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| span.trace_id())
    })
}

/// Makes `span` a child of the trace that the `traceparent` header names (W3C Trace Context).
/// Without one, or with one that is malformed, the span begins a trace of its own.
pub(crate) fn continue_trace(span: &tracing::Span, headers: &HeaderMap) {
    if headers.contains_key("traceparent") {
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        // Fails only when no telemetry runs, as in unit tests.
        let _ = span.set_parent(parent);
    }
}

/// Makes `span` a part of the trace in which a journal entry was made, so that a delivery is seen
/// with the call that caused it. Nothing when that call had no trace.
pub(crate) fn follow_trace(span: &tracing::Span, trace_id: [u8; 16], entry: u64) {
    let trace_id = TraceId::from_bytes(trace_id);
    if trace_id == TraceId::INVALID {
        return;
    }
    // The entry stands for the call's span, whose id the journal does not keep. Never zero.
    let parent = SpanContext::new(
        trace_id,
        SpanId::from_bytes((entry | 1 << 63).to_be_bytes()),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    // Fails only when no telemetry runs, as in unit tests.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests;
