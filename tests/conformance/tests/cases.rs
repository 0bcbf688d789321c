//! The case groups of the public conformance suite for gRPC servers, through exactly the gateway's
//! stack: its listener, mutual TLS, and every layer of a call.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use desmigratif::access::limits::Limits;
use desmigratif::access::{Directory, TrustDomain};
use desmigratif::edge::layers::{self, Asking, Authorise, Methods};
use desmigratif::edge::listener::{self, Drained, Listener};
use desmigratif::edge::metrics::Metrics;
use desmigratif::edge::tls::{Files, Tls};
use desmigratif::edge::{Carried, carry};
use desmigratif::pki::DevPki;
use desmigratif_conformance::v1::conformance_payload::RequestInfo;
use desmigratif_conformance::v1::conformance_service_client::ConformanceServiceClient;
use desmigratif_conformance::v1::conformance_service_server::ConformanceServiceServer;
use desmigratif_conformance::v1::unary_response_definition::Response as Wanted;
use desmigratif_conformance::v1::{
    self, BidiStreamRequest, ClientStreamRequest, Header, ServerStreamRequest,
    StreamResponseDefinition, UnaryRequest, UnaryResponseDefinition, UnimplementedRequest,
};
use desmigratif_conformance::{Conformance, FILE_DESCRIPTOR_SET};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus, Allowance};
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_types::pb;

/// The largest message, in bytes.
const LARGEST: usize = 200 * 1024;

/// Every method of the suite's service, for the one agency that the directory knows.
struct TheSuite;

impl Authorise for TheSuite {
    type Permit = ();

    fn authorise(&self, asking: &Asking<'_>) -> Result<(), Status> {
        match asking.attempt.path.starts_with("/connectrpc.conformance.v1.ConformanceService/") {
            true => Ok(()),
            false => Err(Status::permission_denied("another service")),
        }
    }
}

/// A server of the suite behind the edge.
struct Server {
    folder: TempDir,
    pki: DevPki,
    address: SocketAddr,
    drain: CancellationToken,
    serving: JoinHandle<Drained>,
}

fn caller() -> AgencyId {
    AgencyId::parse("suite").unwrap()
}

fn stranger() -> AgencyId {
    AgencyId::parse("stranger").unwrap()
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let domain = TrustDomain::parse("desmigratif.test").unwrap();
        let clock = Arc::new(SystemClock);
        let pki = DevPki::ensure(folder.path(), &domain, &[caller(), stranger()], clock.now());
        let pki = pki.unwrap();
        let metrics = Metrics::new(&opentelemetry::global::meter("conformance"));
        let files = Files {
            certificate_chain: pki.server(),
            private_key: pki.server_key(),
            client_ca: pki.ca(),
            client_crls: Vec::new(),
        };
        let tls = Tls::load(files, clock.clone(), metrics.clone()).unwrap();
        let any_port = "127.0.0.1:0".parse().unwrap();
        let settings = listener::Settings::default();
        let listener = Listener::bind(any_port, settings, tls, domain, metrics).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = ConformanceServiceServer::new(Conformance).max_decoding_message_size(LARGEST);
        let carried = Carried {
            services: Routes::new(service).prepare(),
            methods: Methods::of_descriptors([FILE_DESCRIPTOR_SET]).unwrap(),
            directory: Arc::new(Directory::of([Agency {
                id: caller(),
                kind: AgencyKind::OtherAgency,
                name: "The conformance suite".into(),
                purposes: Default::default(),
                status: AgencyStatus::Active,
                region: None,
                facility: None,
                certificates: Vec::new(),
            }])),
            authorise: TheSuite,
            limits: Limits::new(Allowance::default(), HashMap::new(), clock.clone()),
            settings: layers::Settings { largest_message: LARGEST, ..Default::default() },
            clock,
        };
        let drain = CancellationToken::new();
        let serving = tokio::spawn(carry(listener, carried, drain.clone()));
        Self { folder, pki, address, drain, serving }
    }

    async fn client(&self) -> ConformanceServiceClient<Channel> {
        self.client_of(&caller()).await
    }

    async fn client_of(&self, agency: &AgencyId) -> ConformanceServiceClient<Channel> {
        let read = |path| std::fs::read(path).unwrap();
        let identity =
            Identity::from_pem(read(self.pki.agency(agency)), read(self.pki.agency_key(agency)));
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read(self.pki.ca())))
            .identity(identity)
            .domain_name("localhost");
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).unwrap();
        let channel = endpoint.tls_config(tls).unwrap().connect().await.unwrap();
        ConformanceServiceClient::new(channel)
    }

    /// Ends: every connection is told to go, and none has to be cut.
    async fn stop(self) {
        self.drain.cancel();
        assert_eq!(self.serving.await.unwrap(), Drained { cut: 0 });
        drop(self.folder);
    }
}

fn header(name: &str, values: &[&str]) -> Header {
    Header { name: name.into(), value: values.iter().map(|&it| it.into()).collect() }
}

/// Every name that the suite sends headers under, with two values and a binary one.
fn headers() -> Vec<Header> {
    vec![header("x-custom", &["first", "second"]), header("x-custom-bin", &["AAEC/w"])]
}

fn carries(metadata: &tonic::metadata::MetadataMap) {
    let all: Vec<_> = metadata.get_all("x-custom").iter().map(|it| it.to_str().unwrap()).collect();
    assert_eq!(all, ["first", "second"]);
    let binary = metadata.get_bin("x-custom-bin").unwrap().to_bytes().unwrap();
    assert_eq!(&binary[..], [0, 1, 2, 255]);
}

fn error(code: Code) -> v1::Error {
    let message = Some("an error: \u{00e9} 100 %".to_owned());
    let details = vec![prost_types::Any { type_url: "x/test.Detail".into(), value: vec![1, 2] }];
    v1::Error { code: code as i32, message, details }
}

/// Code, message and details are those that were wanted; the last detail is what was seen.
fn is_wanted(status: &Status, code: Code, seen: bool) {
    assert_eq!((status.code(), status.message()), (code, "an error: \u{00e9} 100 %"));
    let details: pb::Status = prost::Message::decode(status.details()).unwrap();
    assert_eq!((details.code, details.details[0].value.as_slice()), (code as i32, &[1, 2][..]));
    assert_eq!(details.details.len(), if seen { 2 } else { 1 });
}

fn unary(response: Option<Wanted>) -> UnaryRequest {
    let response_definition = UnaryResponseDefinition {
        response_headers: headers(),
        response,
        response_trailers: Vec::new(),
    };
    UnaryRequest { response_definition: Some(response_definition), request_data: b"data".to_vec() }
}

fn stream(data: &[&[u8]], error: Option<v1::Error>) -> StreamResponseDefinition {
    StreamResponseDefinition {
        response_headers: headers(),
        response_data: data.iter().map(|it| it.to_vec()).collect(),
        response_delay_ms: 0,
        error,
        response_trailers: vec![header("x-trailer", &["end"])],
    }
}

fn saw(info: &RequestInfo, name: &str) -> Vec<String> {
    info.request_headers
        .iter()
        .filter(|it| it.name == name)
        .flat_map(|it| it.value.clone())
        .collect()
}

#[tokio::test]
async fn unary_calls_bring_data_metadata_and_what_was_seen() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut request = Request::new(unary(Some(Wanted::ResponseData(b"answer".to_vec()))));
    request.metadata_mut().append("x-asked", "one".parse().unwrap());
    request.metadata_mut().append("x-asked", "two".parse().unwrap());
    request.set_timeout(Duration::from_secs(5));
    let response = client.unary(request).await.unwrap();
    carries(response.metadata());
    let payload = response.into_inner().payload.unwrap();
    assert_eq!(payload.data, b"answer");
    let info = payload.request_info.unwrap();
    assert_eq!(saw(&info, "x-asked"), ["one", "two"]);
    assert!((1..=5_000).contains(&info.timeout_ms.unwrap()));
    assert_eq!(info.requests.len(), 1);
    let empty = client.unary(UnaryRequest::default()).await.unwrap().into_inner();
    assert_eq!(empty.payload.unwrap().data, b"");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn every_error_comes_with_code_message_details_and_trailers() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for code in (1..=16).map(Code::from_i32) {
        let status = client.unary(unary(Some(Wanted::Error(error(code))))).await.unwrap_err();
        is_wanted(&status, code, true);
        carries(status.metadata());
        let wanted = stream(&[], Some(error(code)));
        let request =
            ServerStreamRequest { response_definition: Some(wanted), ..Default::default() };
        let status = match client.server_stream(request).await {
            Ok(response) => response.into_inner().message().await.unwrap_err(),
            Err(status) => status,
        };
        is_wanted(&status, code, true);
        assert_eq!(status.metadata().get("x-trailer").unwrap(), "end");
    }
}

#[tokio::test]
async fn a_server_stream_brings_its_messages_and_then_its_end() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for wanted_error in [None, Some(error(Code::OutOfRange))] {
        let wanted = stream(&[b"1", b"", b"333"], wanted_error.clone());
        let request =
            ServerStreamRequest { response_definition: Some(wanted), ..Default::default() };
        let response = client.server_stream(request).await.unwrap();
        carries(response.metadata());
        let mut messages = response.into_inner();
        for (at, data) in [&b"1"[..], b"", b"333"].into_iter().enumerate() {
            let payload = messages.message().await.unwrap().unwrap().payload.unwrap();
            assert_eq!((payload.data.as_slice(), payload.request_info.is_some()), (data, at == 0));
        }
        match wanted_error {
            None => assert!(messages.message().await.unwrap().is_none()),
            Some(_) => is_wanted(&messages.message().await.unwrap_err(), Code::OutOfRange, false),
        }
    }
    let none = client.server_stream(ServerStreamRequest::default()).await.unwrap().into_inner();
    assert!({ none }.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_client_stream_is_answered_once_with_every_request() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let wanted = UnaryResponseDefinition {
        response_headers: headers(),
        response: Some(Wanted::ResponseData(b"answer".to_vec())),
        response_trailers: Vec::new(),
    };
    let first = ClientStreamRequest { response_definition: Some(wanted), request_data: vec![1] };
    let next = ClientStreamRequest { response_definition: None, request_data: vec![2; 1_000] };
    let requests = [first, next.clone(), next];
    let response = client.client_stream(tokio_stream::iter(requests)).await.unwrap();
    carries(response.metadata());
    let payload = response.into_inner().payload.unwrap();
    assert_eq!(
        (payload.data, payload.request_info.unwrap().requests.len()),
        (b"answer".to_vec(), 3)
    );
    let nothing = client.client_stream(tokio_stream::empty()).await.unwrap().into_inner();
    assert!(nothing.payload.unwrap().request_info.unwrap().requests.is_empty());
}

#[tokio::test]
async fn a_half_duplex_stream_is_answered_after_its_last_request() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let wanted = stream(&[b"a", b"b"], Some(error(Code::Aborted)));
    let first = BidiStreamRequest { response_definition: Some(wanted), ..Default::default() };
    let requests = tokio_stream::iter([first, BidiStreamRequest::default()]);
    let mut answers = client.bidi_stream(requests).await.unwrap().into_inner();
    let payload = answers.message().await.unwrap().unwrap().payload.unwrap();
    assert_eq!(payload.request_info.unwrap().requests.len(), 2);
    assert_eq!(answers.message().await.unwrap().unwrap().payload.unwrap().data, b"b");
    is_wanted(&answers.message().await.unwrap_err(), Code::Aborted, false);
}

#[tokio::test]
async fn a_full_duplex_stream_goes_in_turns() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    let first = BidiStreamRequest {
        response_definition: Some(stream(&[b"a", b"b", b"c"], None)),
        full_duplex: true,
        request_data: Vec::new(),
    };
    requests.send(first).await.unwrap();
    let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let response = client.bidi_stream(receiver).await.unwrap();
    carries(response.metadata());
    let mut answers = response.into_inner();
    for data in [b"a", b"b", b"c"] {
        // Each answer is here before the next request is sent.
        let payload = answers.message().await.unwrap().unwrap().payload.unwrap();
        assert_eq!(
            (&payload.data[..], payload.request_info.unwrap().requests.len()),
            (&data[..], 1)
        );
        let _ = requests.send(BidiStreamRequest::default()).await;
    }
    drop(requests);
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_timeout_ends_calls_of_every_kind() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let slow = StreamResponseDefinition { response_delay_ms: 20_000, ..stream(&[b"late"], None) };
    let mut request = Request::new(ServerStreamRequest {
        response_definition: Some(slow.clone()),
        request_data: Vec::new(),
    });
    // As text: a client that set it would keep the time itself.
    request.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
    let mut answers = client.server_stream(request).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap_err().code(), Code::DeadlineExceeded);
    let first = BidiStreamRequest {
        response_definition: Some(slow),
        full_duplex: true,
        request_data: Vec::new(),
    };
    let mut request = Request::new(tokio_stream::iter([first]));
    request.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
    let mut answers = client.bidi_stream(request).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn messages_up_to_the_limit_pass_and_larger_ones_are_refused_as_such() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let of =
        |length: usize| UnaryRequest { response_definition: None, request_data: vec![7; length] };
    assert!(client.unary(of(LARGEST - 100)).await.is_ok());
    let status = client.unary(of(LARGEST)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(client.unary(UnaryRequest::default()).await.is_ok(), "the connection lives on");
}

/// The edge takes no compressed messages, whatever the service would: as the protocol asks, it says
/// so and names what it takes.
#[tokio::test]
async fn compressed_messages_are_declined_with_what_is_taken() {
    let server = Server::start().await;
    let client = server.client().await.accept_compressed(CompressionEncoding::Gzip);
    let mut compressing = client.clone().send_compressed(CompressionEncoding::Gzip);
    let declined = compressing.unary(UnaryRequest::default()).await.unwrap_err();
    assert_eq!(declined.code(), Code::Unimplemented);
    assert_eq!(declined.metadata().get("grpc-accept-encoding").unwrap(), "identity");
    let mut accepting = client;
    let data = vec![7; 10_000];
    let response = accepting.unary(unary(Some(Wanted::ResponseData(data.clone())))).await.unwrap();
    assert_eq!(response.into_inner().payload.unwrap().data, data);
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented_and_who_is_not_known_is_not_served() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let status = client.unimplemented(UnimplementedRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let mut stranger = server.client_of(&stranger()).await;
    let status = stranger.unary(UnaryRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}
