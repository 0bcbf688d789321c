//! Telling a ministry's answer from a failure on the way.
//!
//! To tonic both are a `Status`: one that the ministry sent, and one that the client made up because
//! an answer was too long, no protobuf or no gRPC at all. Only the first may be taken by its code.
//! This layer, between client and channel, notes whether a status came over the wire, and turns
//! away what is no gRPC.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{BoxError, Service};

/// The header or trailer by which a gRPC server ends a call.
const GRPC_STATUS: &str = "grpc-status";

/// Whether the ministry itself ended the call. Goes along in a request's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(Arc<AtomicBool>);

impl Answered {
    /// Whether it did.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn note(&self, headers: &HeaderMap) {
        if headers.contains_key(GRPC_STATUS) {
            self.0.store(true, Ordering::Release);
        }
    }
}

/// An answer that is no gRPC: that of a proxy, a portal or another server.
#[derive(Debug, thiserror::Error)]
#[error("the answer is no gRPC (HTTP status {})", status.as_u16())]
pub(super) struct NotGrpc {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// When to come back, if it says so.
    pub(super) retry_after: Option<Duration>,
}

/// The layer.
#[derive(Clone, Debug)]
pub(super) struct Watch(pub(super) Channel);

impl Service<Request<Body>> for Watch {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answered = request.extensions().get::<Answered>().cloned().unwrap_or_default();
        let response = self.0.call(request);
        Box::pin(async move {
            let response = response.await?;
            answered.note(response.headers());
            if !answered.is_set() && !is_grpc(&response) {
                let (status, headers) = (response.status(), response.headers());
                let seconds =
                    headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok()?.parse().ok());
                let retry_after = seconds.map(Duration::from_secs);
                return Err(NotGrpc { status, retry_after }.into());
            }
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    if let Some(trailers) = frame.trailers_ref() {
                        answered.note(trailers);
                    }
                    frame
                }))
            }))
        })
    }
}

fn is_grpc<B>(response: &Response<B>) -> bool {
    let content = response.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let rest = content.and_then(|it| it.strip_prefix(b"application/grpc"));
    response.status() == StatusCode::OK
        && rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
