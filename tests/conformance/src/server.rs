//! The suite's service behind the gateway's edge: listener, mutual TLS and every layer of a call,
//! exactly as the gateway has them.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use desmigratif::access::limits::Limits;
use desmigratif::access::{Directory, TrustDomain};
use desmigratif::edge::layers::{self, Asking, Authorise, Methods};
use desmigratif::edge::listener::{self, Drained, Listener};
use desmigratif::edge::metrics::Metrics;
use desmigratif::edge::tls::{Files, Tls};
use desmigratif::edge::{Carried, carry};
use desmigratif::pki::DevPki;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus, Allowance};
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;
use tower::util::MapResponse;

use crate::v1::conformance_service_server::ConformanceServiceServer;
use crate::{Conformance, FILE_DESCRIPTOR_SET, trailers};

/// The agency that the directory knows.
const CALLER: &str = "suite";

/// An agency with a certificate, of which the directory does not know.
const STRANGER: &str = "stranger";

/// Calls still under way so long after the end was asked for are cut: sooner than the suite's
/// runner, which waits five seconds, gives the process up.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Every method of the suite's service, for whom the directory knows.
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

/// A server of the suite, serving.
pub struct Server {
    address: SocketAddr,
    pki: DevPki,
    drain: CancellationToken,
    serving: JoinHandle<Drained>,
    /// Where the certificates are, while it serves.
    _folder: TempDir,
}

impl Server {
    /// Serves on a free port of the loopback, with certificates of its own making. Messages larger
    /// than `largest_message`, in bytes, are refused.
    ///
    /// # Errors
    /// When certificates cannot be made or no port can be bound.
    pub async fn start(largest_message: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a folder for certificates")?;
        let (caller, stranger) = (AgencyId::parse(CALLER)?, AgencyId::parse(STRANGER)?);
        let domain = TrustDomain::parse("desmigratif.test")?;
        let clock = Arc::new(SystemClock);
        let pki = DevPki::ensure(folder.path(), &domain, &[caller.clone(), stranger], clock.now())?;
        let metrics = Metrics::new(&opentelemetry::global::meter("conformance"));
        let files = Files {
            certificate_chain: pki.server(),
            private_key: pki.server_key(),
            client_ca: pki.ca(),
            client_crls: Vec::new(),
        };
        let tls = Tls::load(files, clock.clone(), metrics.clone())?;
        let settings =
            listener::Settings { drain_timeout: DRAIN_TIMEOUT, ..listener::Settings::default() };
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::bind(any_port, settings, tls, domain, metrics).await?;
        let address = listener.local_addr()?;
        let service =
            ConformanceServiceServer::new(Conformance).max_decoding_message_size(largest_message);
        let carried = Carried {
            services: MapResponse::new(Routes::new(service).prepare(), trailers::send),
            methods: Methods::of_descriptors([FILE_DESCRIPTOR_SET])?,
            directory: Arc::new(Directory::of([Agency {
                id: caller,
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
            settings: layers::Settings { largest_message, ..Default::default() },
            clock,
        };
        let drain = CancellationToken::new();
        let serving = tokio::spawn(carry(listener, carried, drain.clone()));
        Ok(Self { address, pki, drain, serving, _folder: folder })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its certificates, and those of [`Server::caller`] and [`Server::stranger`].
    #[must_use]
    pub fn pki(&self) -> &DevPki {
        &self.pki
    }

    /// The one agency that it serves.
    #[must_use]
    pub fn caller(&self) -> AgencyId {
        AgencyId::parse(CALLER).expect("a constant, read by `start` already")
    }

    /// An agency that has a certificate and is not served.
    #[must_use]
    pub fn stranger(&self) -> AgencyId {
        AgencyId::parse(STRANGER).expect("a constant, read by `start` already")
    }

    /// Asks every connection to end, and waits until it has or was cut.
    ///
    /// # Errors
    /// When the server has panicked.
    pub async fn stop(self) -> anyhow::Result<Drained> {
        self.drain.cancel();
        self.serving.await.context("the server has panicked")
    }
}
