//! What every call passes before its service: the list is in [`Layers::admit`], outermost first.
//!
//! The steps are plain functions called in order, not a tower of services: the order is read in
//! one place and a call costs no allocation per step. Each step is a module with its own tests.
//!
//! Invariant: a service sees only calls that passed every step, with [`PeerIdentity`],
//! `Arc<Agency>`, `Credentials`, [`Deadline`] and the authoriser's permit in the request's
//! extensions; of a call that is signed, the credentials hold the signature, and its content is what
//! was signed; for a method whose answer lasts there is a [`Renewal`] of the permit too.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use tracing::Instrument;

use super::carry::Carried;
use super::connection::Connection;
use super::metrics::Metrics;
use super::signature::Content;
use crate::access::limits::{Limits, OfAgency};
use crate::fault::{self, Fault, reason_name};
use crate::renewal::Renewal;

mod answer;
mod authorise;
mod body;
mod deadline;
mod identity;
mod observe;
mod panics;
mod protocol;
mod shed;
mod signature;

pub use answer::AnswerBody;
use answer::Held;
pub use authorise::{Asking, Attempt, Authorise, PURPOSE_METADATA};
pub use deadline::Deadline;
pub use identity::Directory;
pub use protocol::Methods;

/// How much of what a call may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Calls under way at once, of all agencies together.
    pub concurrent_calls: usize,
    /// Deadline of a call that states none.
    pub default_deadline: Duration,
    /// Longest deadline, whatever a call states.
    pub maximum_deadline: Duration,
    /// Longest deadline of an answer that lasts; see [`Methods::lasting`].
    pub lasting_deadline: Duration,
    /// Largest message of a request, in bytes.
    pub largest_message: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrent_calls: 4096,
            default_deadline: Duration::from_secs(10),
            maximum_deadline: Duration::from_secs(30),
            lasting_deadline: Duration::from_secs(3_600),
            largest_message: 4 * 1024 * 1024,
        }
    }
}

/// A call that goes no further.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is no gRPC call: answered with an HTTP status.
    Http(StatusCode),
    /// It is answered with a gRPC status.
    Grpc(Status),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Grpc(fault.into_status())
    }
}

/// The steps before the services `S`, with the access rules `A`.
pub struct Layers<S, A> {
    services: S,
    authorise: Arc<A>,
    methods: Methods,
    metrics: Arc<Metrics>,
    shed: shed::Shed,
    identify: Arc<identity::Identify>,
    deadlines: deadline::Deadlines,
    limits: Arc<Limits>,
    signatures: signature::Verify,
    largest_message: usize,
}

/// What the steps give to a call that passed them.
struct Admitted<'m> {
    method: &'m protocol::Method,
    deadline: Deadline,
    limits: Arc<OfAgency>,
    places: Places,
    /// What the content must be, of a call that is signed.
    content: Option<Box<Content>>,
}

/// The places that a call holds until its answer has ended: among those of all agencies, which an
/// answer that lasts has given back, and among those of its own.
type Places = (Option<shed::Place>, OwnedSemaphorePermit);

impl<S, A: Authorise> Layers<S, A> {
    /// The steps before the services that are carried.
    pub fn new(carried: Carried<S, A>, metrics: Arc<Metrics>) -> Self {
        let Carried { services, methods, directory, authorise, limits, settings, clock } = carried;
        Self {
            services,
            authorise: Arc::new(authorise),
            methods,
            metrics,
            shed: shed::Shed::new(settings.concurrent_calls),
            identify: Arc::new(identity::Identify::new(directory, clock.clone())),
            deadlines: deadline::Deadlines {
                default: settings.default_deadline,
                maximum: settings.maximum_deadline,
                lasting: settings.lasting_deadline,
            },
            limits,
            signatures: signature::Verify::new(clock),
            largest_message: settings.largest_message,
        }
    }

    /// Feels how loaded the gateway is, for as long as it is polled: what the second step goes by.
    pub(crate) async fn feel_load(&self) {
        self.shed.feel(&self.metrics).await;
    }

    /// The list.
    fn admit<'m, B>(
        &self,
        connection: &Connection,
        method: Option<&'m protocol::Method>,
        request: &mut Request<B>,
        span: &tracing::Span,
    ) -> Result<Admitted<'m>, Refusal> {
        let begun = Instant::now();
        // 1. observe: opened by the caller of this list, so that every refusal below is counted.
        // 2. shed: a crowd must cost nothing more than this when the gateway is full, or overloaded.
        let place = self.counted(self.shed.admit())?;
        // 3. protocol: what is no gRPC call needs no answer about identities.
        let method = protocol::check(request, method)?;
        // 4. identity: everything below is per agency.
        let (peer, agency, mut credentials) = self.identify.caller(connection)?;
        span.record("agency", peer.agency_id.as_str());
        // 5. deadline: known before anything is decoded or waits.
        let deadline = self.deadlines.of(request.headers(), begun, method.lasting)?;
        // 6. limits: what one agency asks for must not starve the others. An answer that lasts costs
        // little at any moment: it holds a place of its agency's feeds, and none of those of calls.
        let limits = self.limits.of(&peer.agency_id);
        let begin = if method.lasting { OfAgency::begin_feed } else { OfAgency::begin };
        let agency_place = self.counted(begin(&limits).map_err(Fault::from))?;
        let place = Some(place).filter(|_| !method.lasting);
        // 7. authorise: default deny, before a byte of the body is read.
        let attempt = Attempt {
            path: request.uri().path(),
            purpose: authorise::stated_purpose(request.headers()),
            signed: signature::is_there(request.headers()),
        };
        let asking = Asking { agency: &agency, attempt, credentials: &credentials };
        let permit = self.authorise.authorise(&asking).map_err(Refusal::Grpc)?;
        // 8. signature: after the cheaper refusals, for it costs the most.
        let mut content = None;
        if attempt.signed {
            let signed = self.signatures.verified(request, method, &credentials.chain)?;
            credentials.signature = Some(Arc::new(signed.signature));
            content = Some(Box::new(signed.content));
        }
        // 9. body guard: put around the body by the caller of this list; works while it is read.

        let peer = peer.clone();
        let extensions = request.extensions_mut();
        extensions.insert(peer);
        extensions.insert(agency);
        extensions.insert(credentials);
        extensions.insert(deadline);
        extensions.insert(permit);
        Ok(Admitted { method, deadline, limits, places: (place, agency_place), content })
    }

    /// The right of a call with these headers to its method, to be asked for again by its service.
    fn renewal<B>(&self, connection: &Arc<Connection>, request: &Request<B>) -> Renewal<A::Permit> {
        let (identify, authorise) = (self.identify.clone(), self.authorise.clone());
        let path = request.uri().path().to_owned();
        let purpose = authorise::stated_purpose(request.headers()).map(str::to_owned);
        let signed = signature::is_there(request.headers());
        let leaving = connection.leaving();
        let connection = connection.clone();
        let ask = move || {
            let (_, agency, credentials) =
                identify.caller(&connection).map_err(Fault::into_status)?;
            let attempt = Attempt { path: &path, purpose: purpose.as_deref(), signed };
            authorise.authorise(&Asking { agency: &agency, attempt, credentials: &credentials })
        };
        Renewal::new(ask, leaving)
    }

    /// Counts a refusal for load by its reason.
    fn counted<T>(&self, admitted: Result<T, Fault>) -> Result<T, Fault> {
        admitted.inspect_err(|fault| self.metrics.refused(reason_name(fault.reason())))
    }
}

impl<S, A> Layers<S, A>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    A: Authorise,
{
    /// Answers one call that came over `connection`.
    pub(crate) async fn call<B>(
        self: Arc<Self>,
        connection: Arc<Connection>,
        mut request: Request<B>,
    ) -> Result<Response<AnswerBody>, Infallible>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let method = self.methods.find(request.uri().path());
        let lasts = method.filter(|method| method.lasting).map(|_| self.deadlines.lasting);
        let under_way = connection.begin_call(lasts.unwrap_or_default());
        let observed = observe::ObservedCall::begin(&self.metrics, method, request.headers());
        let span = observed.span().clone();

        let answered = async {
            let mut admitted = self.admit(&connection, method, &mut request, &span)?;
            if admitted.method.lasting {
                let renewal = self.renewal(&connection, &request);
                request.extensions_mut().insert(renewal);
            }
            let response = self.serve(request, &mut admitted).await?;
            Ok((response, admitted))
        };
        let answered = panics::caught_future(answered.instrument(span.clone())).await;

        let _entered = span.enter();
        Ok(match answered {
            Ok(Ok((response, Admitted { deadline, limits, places, .. }))) => {
                answer::served(response, Held::new(observed, limits, places, under_way), deadline)
            }
            Ok(Err(refusal)) => answer::refused(refusal, observed),
            Err(panics::Panicked) => answer::refused(fault::internal().into(), observed),
        })
    }

    /// Hands the call to its service, until the deadline. The service is dropped where it stands
    /// when the deadline passes or the caller goes away: work that must end once begun runs in a
    /// task of its own.
    async fn serve<B>(
        &self,
        request: Request<B>,
        admitted: &mut Admitted<'_>,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let rules = body::Rules {
            client_streaming: admitted.method.client_streaming,
            largest: self.largest_message,
            content: admitted.content.take(),
        };
        let limits = admitted.limits.clone();
        let request = request.map(|inner| Body::new(body::GuardedBody::new(inner, rules, limits)));
        match tokio::time::timeout_at(admitted.deadline.0, self.services.clone().call(request))
            .await
        {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(never)) => match never {},
            Err(_) => Err(deadline::exceeded().into()),
        }
    }
}
