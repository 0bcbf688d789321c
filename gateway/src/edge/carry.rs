//! The way in for services: any tonic service behind the edge's own listener, TLS and layers.
//!
//! The gateway mounts its own services by it; another program can mount others, a public
//! conformance suite's for instance, and runs them through exactly the same stack. Nothing in it
//! knows the contract of the exchange.
//!
//! Invariant: nothing is open by omission. A method that the descriptors do not list is answered
//! UNIMPLEMENTED, a caller that the directory does not know UNAUTHENTICATED, and there is no
//! [`Authorise`] that allows everything: whoever wants one has to write it.

use std::convert::Infallible;
use std::sync::Arc;

use desmigratif_core::ports::clock::Clock;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::Service;

use super::layers::{self, Authorise, Directory, Layers, Methods};
use super::listener::{Drained, Listener};
use crate::access::limits::Limits;

/// Services, and who may call them.
pub struct Carried<S, A> {
    /// The services: tonic's `Routes`, prepared, or anything that answers as they do. Their codecs'
    /// own limits on messages hold beside those of the settings.
    pub services: S,
    /// The methods that they serve, read from their descriptors.
    pub methods: Methods,
    /// Who is registered.
    pub directory: Arc<dyn Directory>,
    /// Who may call what.
    pub authorise: A,
    /// What each agency may use.
    pub limits: Arc<Limits>,
    /// How much of what a call may use.
    pub settings: layers::Settings,
    /// By which certificates count.
    pub clock: Arc<dyn Clock>,
}

/// Serves at the listener until `drain` is cancelled and every connection has ended or was cut.
///
/// Every call passes the list in [`layers`]: a service sees only calls over mutual TLS, of an active
/// registered agency with a certificate that counts now, within limits and a deadline, which
/// [`Authorise`] allowed; with the caller and that permit in the request's extensions.
pub async fn carry<S, A>(
    listener: Listener,
    carried: Carried<S, A>,
    drain: CancellationToken,
) -> Drained
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    A: Authorise,
{
    let layers = Layers::new(carried, listener.metrics().clone());
    listener.serve(Arc::new(layers), drain).await
}
