//! The server under test, as the public suite's runner starts, asks, calls and ends it.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Stdio;

use desmigratif_conformance::v1::conformance_service_client::ConformanceServiceClient;
use desmigratif_conformance::v1::{
    HttpVersion, Protocol, ServerCompatRequest, ServerCompatResponse, UnaryRequest,
};
use futures_util::SinkExt as _;
use prost::Message as _;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio_stream::StreamExt as _;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

/// The limit that the runner sets, in bytes.
const LARGEST: usize = 200 * 1024;

/// What the runner asks for where nothing else is said.
fn tls() -> ServerCompatRequest {
    ServerCompatRequest {
        protocol: Protocol::Grpc.into(),
        http_version: HttpVersion::HttpVersion2.into(),
        use_tls: true,
        client_tls_cert: Vec::new(),
        message_receive_limit: LARGEST.try_into().unwrap(),
    }
}

/// The server under test, with what it says when it gives up going to `complaints`.
fn started(complaints: Stdio) -> Child {
    // Beside the folder of this test's own binary.
    let tests = std::env::current_exe().unwrap();
    let server = PathBuf::from(tests.parent().unwrap()).join("../examples/server_under_test");
    Command::new(server)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(complaints)
        .kill_on_drop(true)
        .spawn()
        .expect("cargo builds the example with all tests; for this one alone, build it first")
}

/// Asks as the runner does, standard input closed after it; the answer is none where the server
/// gave up.
async fn ask(server: &mut Child, request: &ServerCompatRequest) -> Option<ServerCompatResponse> {
    let mut input = FramedWrite::new(server.stdin.take().unwrap(), LengthDelimitedCodec::new());
    input.send(&request.encode_to_vec()[..]).await.unwrap();
    drop(input);
    let mut output = FramedRead::new(server.stdout.take().unwrap(), LengthDelimitedCodec::new());
    let answer = output.next().await?.unwrap();
    Some(ServerCompatResponse::decode(answer).unwrap())
}

/// Ends the server as the runner does; it goes of itself.
async fn end(mut server: Child) {
    let pid = Pid::from_raw(server.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(server.wait().await.unwrap().success());
}

/// Opens a connection as a client of the runner does.
async fn connect(
    server: &ServerCompatResponse,
    identity: Option<Identity>,
) -> Result<Channel, tonic::transport::Error> {
    let ServerCompatResponse { host, port, pem_cert } = server;
    if pem_cert.is_empty() {
        return Endpoint::from_shared(format!("http://{host}:{port}"))?.connect().await;
    }
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem_cert));
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    Endpoint::from_shared(format!("https://{host}:{port}"))?.tls_config(tls)?.connect().await
}

/// Calls with a request of about `length` bytes.
async fn call(channel: Channel, length: usize) -> Result<(), Status> {
    let request = UnaryRequest { response_definition: None, request_data: vec![7; length] };
    let response = ConformanceServiceClient::new(channel).unary(request).await?;
    let seen = response.into_inner().payload.unwrap().request_info.unwrap();
    assert_eq!(seen.requests.len(), 1);
    Ok(())
}

#[tokio::test]
async fn it_serves_over_plain_connections_and_over_tls_up_to_the_size_that_was_asked() {
    for request in [ServerCompatRequest { use_tls: false, ..tls() }, tls()] {
        let mut server = started(Stdio::inherit());
        let answer = ask(&mut server, &request).await.unwrap();
        assert_eq!(answer.pem_cert.is_empty(), !request.use_tls);
        let channel = connect(&answer, None).await.unwrap();
        call(channel.clone(), LARGEST - 100).await.unwrap();
        let refused = call(channel, LARGEST).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        end(server).await;
    }
}

#[tokio::test]
async fn with_a_client_certificate_it_serves_that_one_and_no_other() {
    let ((certificate, identity), (_, other)) = (self_signed(), self_signed());
    let mut server = started(Stdio::inherit());
    let request = ServerCompatRequest { client_tls_cert: certificate, ..tls() };
    let answer = ask(&mut server, &request).await.unwrap();
    let channel = connect(&answer, Some(identity)).await.unwrap();
    call(channel, 1).await.unwrap();
    for wrong in [None, Some(other)] {
        // With TLS 1.3 a client learns of its refusal only after its own handshake.
        let served = match connect(&answer, wrong).await {
            Ok(channel) => call(channel, 1).await.is_ok(),
            Err(_) => false,
        };
        assert!(!served);
    }
    end(server).await;
}

/// A certificate such as the runner makes for its clients, which names no agency: PEM, and with its
/// key.
fn self_signed() -> (Vec<u8>, Identity) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Conformance Client");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let identity = Identity::from_pem(&certificate, key.serialize_pem());
    (certificate.into_bytes(), identity)
}

#[tokio::test]
async fn what_the_edge_does_not_speak_it_does_not_promise() {
    for request in [
        ServerCompatRequest { protocol: Protocol::Connect.into(), ..tls() },
        ServerCompatRequest { http_version: HttpVersion::HttpVersion1.into(), ..tls() },
    ] {
        let mut server = started(Stdio::piped());
        assert_eq!(ask(&mut server, &request).await, None);
        let ended = server.wait_with_output().await.unwrap();
        assert!(!ended.status.success());
        assert!(String::from_utf8(ended.stderr).unwrap().contains("alone"));
    }
}
