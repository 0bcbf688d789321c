//! The operators' listener.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::in_time;
use crate::edge::operators::{Operators, Readiness};

#[tokio::test]
async fn operators_see_life_readiness_and_metrics() {
    let registry = prometheus::Registry::new();
    let counter = prometheus::IntCounter::new("desmigratif_test_total", "A test.").unwrap();
    registry.register(Box::new(counter)).unwrap();
    let (readiness, stop) = (Readiness::starting(), CancellationToken::new());
    let any_port = "127.0.0.1:0".parse().unwrap();
    let operators = Operators::bind(any_port, readiness.clone(), registry).await.unwrap();
    let address = operators.local_addr().unwrap();
    let serving = tokio::spawn(operators.serve(stop.clone()));

    let get = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        in_time(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    };
    assert!(get("/livez").await.starts_with("HTTP/1.1 200"));
    let starting = get("/readyz").await;
    assert!(
        starting.starts_with("HTTP/1.1 503") && starting.ends_with("store not ready\n"),
        "{starting}"
    );
    readiness.set_store_ok(true);
    assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
    readiness.start_draining();
    assert!(get("/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(get("/metrics").await.contains("desmigratif_test_total 0"));
    assert!(get("/else").await.starts_with("HTTP/1.1 404"));

    stop.cancel();
    in_time(serving).await.unwrap().unwrap();
}
