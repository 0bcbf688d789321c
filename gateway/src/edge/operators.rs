//! The operators' listener: is the process alive, may it get calls, and its metrics.
//!
//! Plain HTTP on an address that only operators reach (loopback by default). It shows no record
//! and no agency, and it goes on answering while the edge drains.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{StatusCode, header};
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Whether the gateway may get calls. Shared by whoever knows a part of the answer.
#[derive(Debug, Default)]
pub struct Readiness {
    store_ok: AtomicBool,
    draining: AtomicBool,
    policy_broken: AtomicBool,
    journal_failing: AtomicBool,
}

impl Readiness {
    /// A gateway that is starting: its store is not known to work yet.
    #[must_use]
    pub fn starting() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Says whether the store can be read.
    pub fn set_store_ok(&self, ok: bool) {
        self.store_ok.store(ok, Relaxed);
    }

    /// Says whether the journal can be written. While it cannot, public reads go on.
    pub fn set_journal_ok(&self, ok: bool) {
        self.journal_failing.store(!ok, Relaxed);
    }

    /// Says that the gateway drains and will end.
    pub fn start_draining(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Says whether the policy files can be followed. While they cannot, an old set is in force.
    pub fn set_policy_ok(&self, ok: bool) {
        self.policy_broken.store(!ok, Relaxed);
    }

    /// What is wrong with a gateway that should get calls all the same; `None` when nothing is.
    #[must_use]
    pub fn degraded(&self) -> Option<&'static str> {
        if self.journal_failing.load(Relaxed) {
            Some("the journal cannot be written, nothing personal is read or changed; see the log")
        } else if self.policy_broken.load(Relaxed) {
            Some("the policy files are broken, the old set is in force; see the log")
        } else {
            None
        }
    }

    /// Why the gateway should get no calls; `None` when it should.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        if self.draining.load(Relaxed) {
            Some("draining")
        } else if !self.store_ok.load(Relaxed) {
            Some("store not ready")
        } else {
            None
        }
    }
}

/// The operators' listener, bound but not serving yet.
#[derive(Debug)]
pub struct Operators {
    tcp: TcpListener,
    readiness: Arc<Readiness>,
    registry: Registry,
}

impl Operators {
    /// Binds `address`; port 0 takes a free one. `registry` is what /metrics shows.
    ///
    /// # Errors
    /// The system's, for instance that the port is taken.
    pub async fn bind(
        address: SocketAddr,
        readiness: Arc<Readiness>,
        registry: Registry,
    ) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, readiness, registry })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stop` is cancelled, which should be after the edge has drained.
    ///
    /// # Errors
    /// The system's.
    pub async fn serve(self, stop: CancellationToken) -> io::Result<()> {
        let router = Router::new()
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(readyz).with_state(self.readiness))
            .route("/metrics", get(metrics).with_state(self.registry));
        axum::serve(self.tcp, router).with_graceful_shutdown(stop.cancelled_owned()).await
    }
}

async fn readyz(State(readiness): State<Arc<Readiness>>) -> (StatusCode, String) {
    match readiness.obstacle() {
        None => match readiness.degraded() {
            None => (StatusCode::OK, "ready\n".to_owned()),
            Some(what) => (StatusCode::OK, format!("ready\ndegraded: {what}\n")),
        },
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, format!("{obstacle}\n")),
    }
}

async fn metrics(State(registry): State<Registry>) -> impl IntoResponse {
    let (encoder, mut text) = (TextEncoder::new(), Vec::new());
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => {
            (StatusCode::OK, [(header::CONTENT_TYPE, encoder.format_type().to_owned())], text)
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(header::CONTENT_TYPE, "text/plain".to_owned())],
                Vec::new(),
            )
        }
    }
}
