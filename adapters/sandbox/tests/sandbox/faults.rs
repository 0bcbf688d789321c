//! Each fault as a socket shows it.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use desmigratif_core::access::AgencyKind::{Kemendagri, Kemendes, Kemenkes};
use desmigratif_sandbox::{Fault, Sandbox, Settings};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kemenkes::token;
use crate::{client, start, start_with, url};

const PATH: &str = "/open/api/desa/rumusan/3212162004/2024";

/// Sends a request that Kemendes answers.
async fn request(stream: &mut TcpStream) {
    let request =
        format!("GET {PATH} HTTP/1.1\r\nhost: sandbox\r\nx-requested-with: XMLHttpRequest\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn connect(sandbox: &Sandbox) -> TcpStream {
    TcpStream::connect(sandbox.address(Kemendes)).await.unwrap()
}

/// What comes until the connection ends, and how it ends.
async fn read(stream: &mut TcpStream) -> (String, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    (String::from_utf8(bytes).unwrap(), ended.err().map(|it| it.kind()))
}

async fn get(sandbox: &Sandbox) -> reqwest::Result<reqwest::Response> {
    let request = client().get(url(sandbox, Kemendes, PATH));
    request.header("x-requested-with", "XMLHttpRequest").send().await
}

#[tokio::test]
async fn down_resets_new_connections_and_open_ones() {
    let sandbox = start().await;
    let mut open = connect(&sandbox).await;
    request(&mut open).await;
    let mut first = [0; 12];
    open.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    sandbox.switch().set(Kemendes, Some(Fault::Down));
    let mut new = connect(&sandbox).await;
    assert_eq!(read(&mut new).await, (String::new(), Some(ErrorKind::ConnectionReset)));
    request(&mut open).await;
    assert_eq!(read(&mut open).await.1, Some(ErrorKind::ConnectionReset));

    sandbox.switch().set(Kemendes, None);
    assert_eq!(get(&sandbox).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_reset_comes_in_the_middle_of_the_answer() {
    let sandbox = start().await;
    let whole = get(&sandbox).await.unwrap().text().await.unwrap();
    sandbox.switch().set(Kemendes, Some(Fault::Reset));
    let mut stream = connect(&sandbox).await;
    request(&mut stream).await;
    let (text, ended) = read(&mut stream).await;
    assert_eq!(ended, Some(ErrorKind::ConnectionReset));
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(body, &whole[..whole.len() / 2]);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_work_done_and_not_a_byte() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    sandbox.switch().set(Kemenkes, Some(Fault::LostAnswer));
    let new = crate::kemenkes::patient(crate::kemenkes::NIK, "9901014505900001");
    let address = url(&sandbox, Kemenkes, "/fhir-r4/v1/Patient");
    let sent = client().post(address).bearer_auth(&token).json(&new).send().await;
    assert!(sent.is_err());
    sandbox.switch().set(Kemenkes, None);
    let identifier = format!("{}|9901014505900001", crate::kemenkes::NIK);
    let query = [("identifier", identifier.as_str())];
    let (_, found) = crate::kemenkes::get_by(&sandbox, &token, "/Patient", &query).await;
    assert_eq!(found["total"], 1);

    sandbox.switch().set(Kemendes, Some(Fault::LostAnswer));
    let mut stream = connect(&sandbox).await;
    request(&mut stream).await;
    assert_eq!(read(&mut stream).await, (String::new(), Some(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn a_drip_comes_byte_by_byte_and_flows_again_when_lifted() {
    let sandbox = start().await;
    sandbox.switch().set(Kemendes, Some(Fault::Drip));
    let mut stream = connect(&sandbox).await;
    request(&mut stream).await;
    let mut bytes = [0; 64];
    let begun = Instant::now();
    for expected in "HTTP".bytes() {
        assert_eq!(stream.read(&mut bytes).await.unwrap(), 1);
        assert_eq!(bytes[0], expected);
    }
    assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
    sandbox.switch().set(Kemendes, None);
    assert_eq!(get(&sandbox).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_endless_body_goes_on_for_as_long_as_one_reads() {
    let sandbox = start().await;
    sandbox.switch().set(Kemendes, Some(Fault::Endless));
    let mut response = get(&sandbox).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.content_length().is_none());
    let mut read = 0;
    while read < 1_000_000 {
        read += response.chunk().await.unwrap().expect("it never ends").len();
    }
}

#[tokio::test]
async fn latency_comes_before_the_answer() {
    let sandbox = start().await;
    let wait = Duration::from_millis(200);
    sandbox.switch().set(Kemendes, Some(Fault::Latency(wait)));
    let begun = Instant::now();
    assert_eq!(get(&sandbox).await.unwrap().status(), 200);
    assert!(begun.elapsed() >= wait);
}

#[tokio::test]
async fn what_a_server_in_front_says_is_no_protocols() {
    let sandbox = start().await;
    sandbox.switch().set(Kemendes, Some(Fault::Http500));
    let response = get(&sandbox).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.text().await.unwrap(), "Internal Server Error");

    let retry_after = Duration::from_millis(1_500);
    sandbox.switch().set(Kemendes, Some(Fault::Http429 { retry_after }));
    let response = get(&sandbox).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "2");

    sandbox.switch().set(Kemendes, Some(Fault::Html));
    let response = get(&sandbox).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().starts_with("<!DOCTYPE html>"));

    sandbox.switch().set(Kemendes, Some(Fault::Garbage));
    let response = get(&sandbox).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.json::<serde_json::Value>().await.is_err());
}

#[tokio::test]
async fn a_fault_is_one_ministrys_and_every_request_is_counted() {
    let sandbox = start().await;
    sandbox.switch().set(Kemendagri, Some(Fault::Http500));
    assert_eq!(get(&sandbox).await.unwrap().status(), 200);
    sandbox.switch().set(Kemendes, Some(Fault::Http500));
    assert_eq!(get(&sandbox).await.unwrap().status(), 500);
    assert_eq!(sandbox.ledger().calls(Kemendes), 2);
    assert_eq!(sandbox.ledger().calls(Kemendagri), 0);
}

#[tokio::test]
async fn over_tls_it_answers_and_fails_alike() {
    let name = "localhost".to_owned();
    let issued = rcgen::generate_simple_self_signed(vec![name]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let settings = Settings { tls: Some(Arc::new(config)), ..Settings::default() };
    let sandbox = start_with(settings).await;
    let trusted = reqwest::Certificate::from_der(issued.cert.der()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let address = format!("https://localhost:{}{PATH}", sandbox.address(Kemendes).port());
    let get = || client.get(&address).header("x-requested-with", "XMLHttpRequest").send();
    assert_eq!(get().await.unwrap().status(), 200);
    sandbox.switch().set(Kemendes, Some(Fault::Reset));
    let broken = async { get().await?.bytes().await };
    assert!(broken.await.is_err());
}

#[tokio::test]
async fn stopping_frees_the_ports() {
    let sandbox = start().await;
    let idle = connect(&sandbox).await;
    let (address, admin) = (sandbox.address(Kemendes), sandbox.admin());
    let mut half = TcpStream::connect(admin).await.unwrap();
    half.write_all(b"GET /status HTTP/1.1\r\n").await.unwrap();
    sandbox.stop().await;
    drop(idle);
    for address in [address, admin] {
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}
