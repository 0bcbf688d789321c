//! What operators see of calls: the metric and the span.

use std::collections::BTreeMap;

use desmigratif_core::access::AgencyKind;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Value, global};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt;

use super::*;

#[tokio::test]
async fn every_attempt_is_measured_and_traced_by_ministry_and_outcome() {
    let metrics = InMemoryMetricExporter::default();
    let meters = SdkMeterProvider::builder().with_periodic_exporter(metrics.clone()).build();
    global::set_meter_provider(meters.clone());
    let spans = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(tracers.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    // No other test calls this ministry: the provider is the process's.
    let upstream = Upstream::new(AgencyKind::Kemnaker, &Settings::default(), clock());
    for result in [
        Ok(()),
        Ok(()),
        Err(fault(FaultKind::Rejected, Retry::Never)),
        Err(fault(FaultKind::Unavailable, Retry::Never)),
    ] {
        let deadline = within(Duration::from_secs(30));
        let attempt = async |_| result.clone();
        assert_eq!(upstream.call(deadline, attempt).await, result);
    }

    meters.force_flush().unwrap();
    let mut counts = BTreeMap::new();
    let exported = metrics.get_finished_metrics().unwrap();
    let last = exported.last().unwrap();
    for metric in last.scope_metrics().flat_map(|scope| scope.metrics()) {
        assert_eq!(metric.name(), "desmigratif.adapter.call.duration");
        assert_eq!(metric.unit(), "s");
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else {
            panic!("no histogram");
        };
        for point in histogram.data_points() {
            let attributes: BTreeMap<_, _> =
                point.attributes().map(|it| (it.key.as_str(), it.value.to_string())).collect();
            assert_eq!(attributes.keys().collect::<Vec<_>>(), [&"ministry", &"outcome"]);
            if attributes["ministry"] == "kemnaker" {
                counts.insert(attributes["outcome"].clone(), point.count());
            }
        }
    }
    let expected = [("ok", 2), ("rejected", 1), ("unavailable", 1)];
    assert_eq!(counts, expected.map(|(outcome, count)| (outcome.to_owned(), count)).into());

    let outcomes: Vec<_> = spans
        .get_finished_spans()
        .unwrap()
        .into_iter()
        .filter(|span| span.name == "adapter call")
        .filter_map(|span| span.attributes.into_iter().find(|it| it.key.as_str() == "outcome"))
        .map(|outcome| match outcome.value {
            Value::String(outcome) => outcome.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(outcomes, ["ok", "ok", "rejected", "unavailable"]);
}
