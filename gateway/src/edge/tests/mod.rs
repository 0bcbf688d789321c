//! The edge as a peer sees it: real sockets, real TLS, real HTTP/2, on free ports, with a clock
//! that stands where the test sets it.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus, Allowance};
use desmigratif_core::credentials::Credentials;
use desmigratif_core::ports::clock::SetClock;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prost::Message;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use super::layers::Directory;
use super::layers::{self, Asking, Attempt, Authorise, Deadline, Methods};
use super::listener::{self, Drained, Listener};
use super::metrics::Metrics;
use super::tls::{Files, Tls};
use super::{Carried, carry};
use crate::access::limits::Limits;
use crate::access::{PeerIdentity, TrustDomain};
use crate::renewal::Renewal;
use client::Client;
use pki::{Leaf, TestCa};

mod calls;
mod client;
mod connections;
mod lasting;
mod operators;
pub(crate) mod pki;
mod revocation;

/// The world's clock at the beginning.
const NOW: &str = "2026-11-24T10:00:00Z";

/// An edge that serves, and all that is around it.
struct World {
    ca: TestCa,
    folder: TempDir,
    clock: Arc<SetClock>,
    tls: Arc<Tls>,
    address: SocketAddr,
    drain: CancellationToken,
    serving: JoinHandle<Drained>,
    services: TestServices,
    /// Signals of the services: "slow begun", "slow dropped".
    signals: mpsc::UnboundedReceiver<&'static str>,
    registry: prometheus::Registry,
    _meters: SdkMeterProvider,
}

impl World {
    async fn new() -> Self {
        Self::with(|_, _| ()).await
    }

    /// A world with other settings than the defaults.
    async fn with(set: impl FnOnce(&mut listener::Settings, &mut layers::Settings)) -> Self {
        let (mut listener, mut layers) =
            (listener::Settings::default(), layers::Settings::default());
        set(&mut listener, &mut layers);
        Self::start(TestCa::new(), None, listener, layers, Allowance::default()).await
    }

    /// A world with other limits on agencies than the defaults.
    async fn allowing(allowance: Allowance) -> Self {
        let (listener, layers) = (listener::Settings::default(), layers::Settings::default());
        Self::start(TestCa::new(), None, listener, layers, allowance).await
    }

    /// A world with a revocation list.
    async fn revoking(ca: TestCa, crl: &str) -> Self {
        let (listener, layers) = (listener::Settings::default(), layers::Settings::default());
        Self::start(ca, Some(crl), listener, layers, Allowance::default()).await
    }

    async fn start(
        ca: TestCa,
        crl: Option<&str>,
        listener: listener::Settings,
        layers: layers::Settings,
        allowance: Allowance,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = write_files(&folder, &ca, crl);
        let clock = Arc::new(SetClock::at(NOW.parse().unwrap()));
        let registry = prometheus::Registry::new();
        let reader =
            opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().unwrap();
        let meters = SdkMeterProvider::builder().with_reader(reader).build();
        let metrics = Metrics::new(&meters.meter("edge"));

        let tls = Tls::load(files, clock.clone(), metrics.clone()).unwrap();
        let trust_domain = TrustDomain::parse("desmigratif.test").unwrap();
        let any_port = "127.0.0.1:0".parse().unwrap();
        let bound =
            Listener::bind(any_port, listener, tls.clone(), trust_domain, metrics).await.unwrap();
        let address = bound.local_addr().unwrap();

        let (services, signals) = TestServices::new();
        let carried = Carried {
            services: services.clone(),
            methods: methods(),
            directory: Arc::new(Register),
            authorise: AnyPurposeButCuriosity,
            limits: Limits::new(allowance, HashMap::new(), clock.clone()),
            settings: layers,
            clock: clock.clone(),
        };
        let drain = CancellationToken::new();
        let serving = tokio::spawn(carry(bound, carried, drain.clone()));
        Self {
            ca,
            folder,
            clock,
            tls,
            address,
            drain,
            serving,
            services,
            signals,
            registry,
            _meters: meters,
        }
    }

    /// A connection of an agency.
    async fn client(&self, agency: &str) -> Client {
        Client::connect(self, &Leaf::agency(agency)).await.unwrap()
    }

    async fn signal(&mut self) -> &'static str {
        self.signals.recv().await.unwrap()
    }

    /// How many calls of a method ended with a code, by the metrics.
    fn ended(&self, method: &str, code: &str) -> u64 {
        let families = self.registry.gather();
        let Some(family) =
            families.iter().find(|family| family.name() == "rpc_server_call_duration_seconds")
        else {
            return 0;
        };
        let has = |metric: &prometheus::proto::Metric, name: &str, value: &str| {
            metric.get_label().iter().any(|label| label.name() == name && label.value() == value)
        };
        family
            .get_metric()
            .iter()
            .filter(|metric| {
                has(metric, "rpc_method", method) && has(metric, "rpc_response_status_code", code)
            })
            .map(|metric| metric.get_histogram().get_sample_count())
            .sum()
    }
}

/// Waits for something that another task does. Fails the test when it does not.
async fn in_time<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("not done in time")
}

fn write_files(folder: &TempDir, ca: &TestCa, crl: Option<&str>) -> Files {
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = ca.server((2090, 1, 1));
    Files {
        certificate_chain: write("server.pem", &certificate),
        private_key: write("server-key.pem", &key),
        client_ca: write("ca.pem", &ca.pem()),
        client_crls: crl.map(|crl| write("crl.pem", crl)).into_iter().collect(),
    }
}

/// The methods of the health service and of [`TestServices`].
fn methods() -> Methods {
    let method = |name: &str, streaming: bool| MethodDescriptorProto {
        name: Some(name.into()),
        client_streaming: Some(streaming),
        ..Default::default()
    };
    let service = ServiceDescriptorProto {
        name: Some("Test".into()),
        method: ["Who", "Slow", "Panic", "Stream", "StreamPanic", "Last", "Unserved"]
            .map(|name| method(name, false))
            .into(),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        package: Some("test".into()),
        service: vec![service],
        ..Default::default()
    };
    let set = FileDescriptorSet { file: vec![file] }.encode_to_vec();
    let methods = Methods::of_descriptors([tonic_health::pb::FILE_DESCRIPTOR_SET, &set]);
    methods.unwrap().lasting(["/test.Test/Last"])
}

/// Registered: kemnaker, kemenkes (active) and klinik-01 (suspended).
struct Register;

impl Directory for Register {
    fn agency(&self, id: &AgencyId) -> Option<Arc<Agency>> {
        let status = match id.as_str() {
            "kemnaker" | "kemenkes" => AgencyStatus::Active,
            "klinik-01" => AgencyStatus::Suspended,
            _ => return None,
        };
        Some(Arc::new(Agency {
            id: id.clone(),
            kind: AgencyKind::OtherAgency,
            name: "Test".into(),
            purposes: BTreeSet::new(),
            status,
            region: None,
            facility: None,
            certificates: Vec::new(),
        }))
    }
}

struct AnyPurposeButCuriosity;

#[derive(Clone, Debug, PartialEq)]
struct Permit(String);

impl Authorise for AnyPurposeButCuriosity {
    type Permit = Permit;

    fn authorise(&self, asking: &Asking<'_>) -> Result<Permit, Status> {
        let Asking { agency, attempt: Attempt { path, purpose, .. }, .. } = asking;
        match purpose {
            Some("curiosity") => Err(Status::permission_denied("curiosity")),
            _ => Ok(Permit(format!("{} {path} {purpose:?}", agency.id))),
        }
    }
}

/// Services that do what a test needs, beside the real health service.
#[derive(Clone)]
struct TestServices {
    routes: Routes,
    signals: mpsc::UnboundedSender<&'static str>,
    /// Lets a slow call end.
    finish: Arc<Notify>,
}

impl TestServices {
    fn new() -> (Self, mpsc::UnboundedReceiver<&'static str>) {
        let (signals, received) = mpsc::unbounded_channel();
        let (_, health) = tonic_health::server::health_reporter();
        (Self { routes: Routes::new(health).prepare(), signals, finish: Arc::default() }, received)
    }

    async fn answer(mut self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        Ok(match request.uri().path() {
            "/test.Test/Who" => Status::aborted(who(&request)).into_http(),
            "/test.Test/Slow" => self.slow().await,
            "/test.Test/Panic" => panic!("a panic of a test"),
            "/test.Test/Stream" => stream(false),
            "/test.Test/StreamPanic" => stream(true),
            "/test.Test/Last" => self.last(&request),
            _ => return self.routes.call(request).await,
        })
    }

    /// Sends nothing until its connection is about to end, then a status that says what it is
    /// allowed by then.
    fn last(&self, request: &Request<Body>) -> Response<Body> {
        let renewal = request.extensions().get::<Renewal<Permit>>().unwrap().clone();
        let end = async move {
            renewal.leaving().await;
            let told = renewal.ask().map_or_else(|refused| refused, |it| Status::aborted(it.0));
            Err::<Frame<Bytes>, _>(told)
        };
        let end = futures_util::stream::once(end);
        self.signals.send("last begun").unwrap();
        let mut response = Response::new(Body::new(StreamBody::new(end)));
        response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        response
    }

    /// Answers OK once it is let, and says when it begins and when it is dropped.
    async fn slow(&self) -> Response<Body> {
        struct Dropped<'s>(&'s mpsc::UnboundedSender<&'static str>);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                let _ = self.0.send("slow dropped");
            }
        }
        let _dropped = Dropped(&self.signals);
        self.signals.send("slow begun").unwrap();
        self.finish.notified().await;
        Status::new(tonic::Code::Ok, "").into_http()
    }
}

impl Service<Request<Body>> for TestServices {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

/// What the layers told the service about its caller.
fn who(request: &Request<Body>) -> String {
    let extensions = request.extensions();
    let peer = extensions.get::<PeerIdentity>().unwrap();
    let agency = extensions.get::<Arc<Agency>>().unwrap();
    let deadline = extensions.get::<Deadline>().unwrap();
    let permit = extensions.get::<Permit>().unwrap();
    let credentials = extensions.get::<Credentials>().unwrap();
    assert_eq!(credentials.chain.fingerprint(), &peer.fingerprint_sha256);
    assert_eq!((&peer.agency_id, deadline.left() > Duration::ZERO), (&agency.id, true));
    permit.0.clone()
}

/// One message, then nothing for ever, or a panic.
fn stream(panics: bool) -> Response<Body> {
    use tokio_stream::StreamExt;
    let message =
        tokio_stream::once(Ok::<_, Status>(Frame::data(Bytes::from_static(&[0, 0, 0, 0, 0]))));
    let rest = tokio_stream::iter(panics.then_some(())).map(|()| panic!("a panic of a test"));
    let body = if panics {
        Body::new(StreamBody::new(message.chain(rest)))
    } else {
        Body::new(StreamBody::new(message.chain(tokio_stream::pending())))
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

/// A gRPC frame around a message.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
}
