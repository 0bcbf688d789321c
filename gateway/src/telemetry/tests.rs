use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry::trace::{Span, Tracer};
use tokio::sync::mpsc;
use tonic::Status;

use super::*;

/// What was logged while a test ran.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs `test` with telemetry of its own, as `init` sets it up, and gives what was logged.
fn logged(format: LogFormat, test: impl FnOnce()) -> String {
    let (telemetry, log) = (Telemetry::new(None, 1.0).unwrap(), Log::default());
    let writer = log.clone();
    let subscriber = tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(telemetry.tracer_provider.tracer(SERVICE)))
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(move || writer.clone())
                .event_format(format)
                .fmt_fields(format::NoSpanFields),
        );
    tracing::subscriber::with_default(subscriber, test);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_line_inside_a_call_names_its_trace_and_span() {
    let mut seen = None;
    let text = logged(LogFormat::Json, || {
        tracing::info!("outside");
        tracing::info_span!("rpc").in_scope(|| {
            seen = trace_id();
            tracing::warn!(count = 3, who = "kemnaker", "inside\nwith a line break");
        });
    });
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["message"], "outside");
    assert!(lines[0].get("trace_id").is_none());
    assert_eq!(lines[1]["level"], "WARN");
    assert_eq!((lines[1]["count"].as_u64(), lines[1]["who"].as_str()), (Some(3), Some("kemnaker")));
    assert_eq!(lines[1]["trace_id"], seen.unwrap().to_string());
    assert_eq!(lines[1]["span_id"].as_str().unwrap().len(), 16);
}

#[test]
fn a_line_for_people_stays_one_line() {
    let text = logged(LogFormat::Text, || tracing::info!(who = "a\nb", "one\ntwo"));
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("INFO") && text.contains("who="));
}

#[test]
fn the_trace_of_the_caller_is_continued() {
    let continued = |traceparent: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some(traceparent) = traceparent {
            headers.insert("traceparent", traceparent.parse().unwrap());
        }
        let mut seen = None;
        logged(LogFormat::Json, || {
            let span = tracing::info_span!("rpc");
            continue_trace(&span, &headers);
            seen = span.in_scope(trace_id);
        });
        seen.unwrap().to_string()
    };
    let theirs = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(continued(Some(&format!("00-{theirs}-00f067aa0ba902b7-01"))), theirs);
    for odd in
        [None, Some("noise"), Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01")]
    {
        let own = continued(odd);
        assert!(own != theirs && own.len() == 32 && own != "0".repeat(32), "{odd:?}");
    }
}

#[test]
fn metrics_reach_the_registry() {
    let telemetry = Telemetry::new(None, 1.0).unwrap();
    telemetry.meter("test").u64_counter("desmigratif.test.events").build().add(2, &[]);
    let families = telemetry.registry().gather();
    assert!(families.iter().any(|family| family.name() == "desmigratif_test_events_total"));
}

/// A collector that says thanks to whatever it gets, and passes on where it got it.
async fn collector() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (paths, received) = mpsc::unbounded_channel();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = tcp.accept().await.unwrap();
            let paths = paths.clone();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let paths = paths.clone();
                async move {
                    let (head, body) = request.into_parts();
                    body.collect().await.unwrap();
                    let _ = paths.send(head.uri.path().to_owned());
                    let trailers =
                        HeaderMap::from_iter([(Status::GRPC_STATUS, "0".parse().unwrap())]);
                    let empty = Full::new(Bytes::from_static(&[0; 5]))
                        .with_trailers(async { Some(Ok(trailers)) });
                    let answer =
                        http::Response::builder().header("content-type", "application/grpc");
                    Ok::<_, Infallible>(answer.body(empty).unwrap())
                }
            });
            tokio::spawn(
                http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (address, received)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn with_an_endpoint_spans_and_metrics_are_exported() {
    let (address, mut paths) = collector().await;
    let telemetry = Telemetry::new(Some(&format!("http://{address}")), 1.0).unwrap();
    telemetry.meter("test").u64_counter("desmigratif.test.events").build().add(1, &[]);
    telemetry.tracer_provider.tracer("test").start("a span").end();
    tokio::task::spawn_blocking(|| telemetry.shutdown()).await.unwrap();
    let mut got = [paths.recv().await.unwrap(), paths.recv().await.unwrap()];
    got.sort();
    assert_eq!(
        got,
        [
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ]
    );
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_an_error() {
    assert!(matches!(Telemetry::new(Some("no url"), 1.0), Err(Error::Exporter(_))));
}
