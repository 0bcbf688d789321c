//! The client, on real sockets.

use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use reqwest::Method;
use tokio::net::TcpListener;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;
use url::Url;

use super::super::http::{Http, Reply};
use super::super::stub::{Act, Stub};
use super::*;
use crate::config::ConnectError;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);
/// A value that must never be seen in a fault.
const PERSONAL: &str = "9901014501900001";

async fn get(http: &Http, wait: Duration) -> Result<Reply, Fault> {
    http.send(http.request(Method::GET, &format!("find?nik={PERSONAL}")), within(wait)).await
}

fn client(url: &Url) -> Http {
    let settings = Settings { response_bytes: 100_000, ..Settings::default() };
    Http::new(&settings, url, None).unwrap()
}

async fn answered(act: impl Fn() -> Act + Send + Sync + 'static) -> Result<Reply, Fault> {
    let stub = Stub::start(move |_| act()).await;
    get(&client(&stub.url), LONG).await
}

fn shows_nothing(fault: &Fault) {
    let shown = format!("{fault} {fault:?}");
    assert!(!shown.contains(PERSONAL) && !shown.contains("http://"), "{shown}");
}

#[tokio::test]
async fn a_request_goes_below_the_base_and_any_status_is_a_reply() {
    let stub = Stub::start(|_| Act::answer(404, "x-kind: test\r\n", "gone")).await;
    let http = client(&stub.url);
    let reply = get(&http, LONG).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (404, &b"gone"[..]));
    assert_eq!(reply.headers["x-kind"], "test");
    http.send(http.request(Method::POST, ""), within(LONG)).await.unwrap();
    let heads: Vec<_> =
        stub.requests().iter().map(|it| it.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        heads,
        [format!("GET /service/find?nik={PERSONAL} HTTP/1.1"), "POST /service HTTP/1.1".to_owned()]
    );
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_limit() {
    for head in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 10_u64 << 30),
    ] {
        let fault = answered(move || Act::Endless(head.clone())).await.err().unwrap();
        assert_eq!(fault.kind, FaultKind::Malformed);
        shows_nothing(&fault);
    }
}

#[tokio::test]
async fn what_is_late_is_cut_by_the_deadline() {
    for act in [
        || Act::Drip("HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n".into()),
        || Act::Drip("HTTP/1.1 200 OK\r\nx: ".into()),
        || Act::Hang(String::new()),
        || Act::Hang("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".into()),
    ] {
        let stub = Stub::start(move |_| act()).await;
        let begun = now();
        let fault = get(&client(&stub.url), SHORT).await.err().unwrap();
        assert_eq!((fault.kind, fault.retry), (FaultKind::Timeout, Retry::Safe));
        assert!(now() - begun < SHORT + Duration::from_secs(2));
        shows_nothing(&fault);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_or_is_not_there_is_unavailable() {
    for act in [
        || Act::Send(String::new()),
        || Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".into()),
        || Act::Send("\0\0\0not http at all\r\n\r\n".into()),
    ] {
        let fault = answered(act).await.err().unwrap();
        assert_eq!((fault.kind, fault.retry), (FaultKind::Unavailable, Retry::Safe));
        shows_nothing(&fault);
    }
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", free.local_addr().unwrap()).parse().unwrap();
    drop(free);
    let fault = get(&client(&url), LONG).await.err().unwrap();
    assert_eq!((fault.kind, &*fault.what), (FaultKind::Unavailable, "no connection"));
    shows_nothing(&fault);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Stub::start(|_| Act::json("1")).await;
    let location = format!("location: {}\r\n", elsewhere.url);
    let reply = answered(move || Act::answer(302, &location, "")).await.unwrap();
    assert_eq!(reply.status.as_u16(), 302);
    assert_eq!(reply.fault().kind, FaultKind::Malformed);
    assert_eq!(elsewhere.requests(), [""; 0]);
}

#[tokio::test]
async fn only_the_ca_that_is_given_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (stub, own) = Stub::start_tls(&folder).await;
    let (_other_stub, other) = Stub::start_tls(&folder).await;
    let with = |ca| Http::new(&Settings::default(), &stub.url, ca).unwrap();
    assert!(get(&with(Some(&own)), LONG).await.is_ok());
    for ca in [Some(other.as_path()), None] {
        let fault = get(&with(ca), LONG).await.err().unwrap();
        assert_eq!(fault.kind, FaultKind::Unavailable);
        assert_eq!(fault.what, "the ministry's certificate is not trusted");
        shows_nothing(&fault);
    }
}

#[test]
fn a_ca_or_url_of_no_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pem");
    std::fs::write(&path, "no certificate").unwrap();
    let with = |url: &str, ca| {
        Http::new(&Settings::default(), &url.parse().unwrap(), ca).err().expect("refused")
    };
    assert!(matches!(with("https://x.example/", Some(path.as_path())), ConnectError::Ca(_)));
    let missing = folder.path().join("none.pem");
    assert!(matches!(with("https://x.example/", Some(&missing)), ConnectError::File { .. }));
    assert!(matches!(with("ftp://x.example/", None), ConnectError::Url));
    assert!(matches!(with("mailto:a@x.example", None), ConnectError::Url));
}

#[tokio::test]
async fn the_present_trace_goes_along() {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let stub = Stub::start(|_| Act::json("1")).await;
    let span = tracing::info_span!("a call");
    get(&client(&stub.url), LONG).instrument(span).await.unwrap();
    let request = &stub.requests()[0];
    let parent = request.lines().find_map(|line| line.strip_prefix("traceparent: ")).unwrap();
    let parts: Vec<_> = parent.split('-').map(str::len).collect();
    assert_eq!(parts, [2, 32, 16, 2], "{parent}");
}

#[tokio::test]
async fn a_status_is_a_fault_of_its_kind() {
    let seconds = |seconds| Retry::After(Duration::from_secs(seconds));
    let date =
        "date: Tue, 24 Nov 2026 05:00:00 GMT\r\nretry-after: Tue, 24 Nov 2026 05:01:30 GMT\r\n";
    for (status, headers, kind, retry) in [
        (429, "retry-after: 7\r\n", FaultKind::Quota, seconds(7)),
        (429, date, FaultKind::Quota, seconds(90)),
        (429, "retry-after: soon\r\n", FaultKind::Quota, seconds(1)),
        (429, "", FaultKind::Quota, seconds(1)),
        (429, "retry-after: 99999999999\r\n", FaultKind::Quota, seconds(86_400)),
        (401, "", FaultKind::Credentials, Retry::Never),
        (403, "", FaultKind::Credentials, Retry::Never),
        (408, "", FaultKind::Unavailable, Retry::Safe),
        (500, "", FaultKind::Unavailable, Retry::Safe),
        (503, "retry-after: 5\r\n", FaultKind::Unavailable, seconds(5)),
        (400, "", FaultKind::Rejected, Retry::Never),
        (404, "", FaultKind::Rejected, Retry::Never),
        (422, "", FaultKind::Rejected, Retry::Never),
        (200, "", FaultKind::Malformed, Retry::Safe),
    ] {
        let reply = answered(move || Act::answer(status, headers, PERSONAL)).await.unwrap();
        let fault = reply.fault();
        assert_eq!((fault.kind, fault.retry), (kind, retry), "{status} {headers}");
        assert_eq!(fault.what, format!("HTTP {status}"));
    }
}

#[tokio::test]
async fn what_is_not_the_json_expected_is_malformed_and_shows_only_its_shape() {
    #[derive(Debug, serde::Deserialize)]
    struct Expected {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        count: u32,
    }
    use std::io::Write;
    let log = Arc::new(std::sync::Mutex::new(Vec::new()));
    struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || Sink(Arc::clone(&sink)))
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for (body, what) in [
        ("<html>Siti 9901014501900001</html>", "the answer is HTML or XML, not JSON"),
        ("{\"nik\": 9901014501900001, ", "the answer is not JSON"),
        ("{\"count\": \"Siti 9901014501900001\"}", "the answer is JSON of another shape"),
        ("", "the answer is not JSON"),
    ] {
        let reply = answered(move || Act::json(body)).await.unwrap();
        let fault = reply.json::<Expected>().unwrap_err();
        assert_eq!((fault.kind, &*fault.what), (FaultKind::Malformed, what));
    }
    assert!(answered(|| Act::json("{\"count\": 3}")).await.unwrap().json::<Expected>().is_ok());
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(log.contains("<aaaa>aaaa 9999999999999999</aaaa>"), "{log}");
    assert!(!log.contains("Siti") && !log.contains(PERSONAL), "{log}");
}
