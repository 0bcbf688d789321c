//! The answer on its way out: its deadline, its status, and what is held until it ends.
//!
//! An answer may be a stream that a service is still writing, so the deadline, a panic and the
//! status in the trailers are looked after here as well. When tonic itself has made the status,
//! it is put into the gateway's own terms.
//!
//! Invariant: every answer to a gRPC call ends with a grpc-status, and exactly one is recorded.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use desmigratif_proto::codec::MALFORMED;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};

use super::deadline::{self, Deadline};
use super::observe::ObservedCall;
use super::{Places, Refusal, body, panics, protocol};
use crate::access::limits::OfAgency;
use crate::edge::connection::CallUnderWay;
use crate::fault;

/// What a call holds until its answer has ended, in the order in which it is let go.
pub(crate) struct Held {
    observed: ObservedCall,
    /// Where the answer's bytes are counted.
    limits: Arc<OfAgency>,
    _places: Places,
    _under_way: CallUnderWay,
}

impl Held {
    pub(crate) fn new(
        observed: ObservedCall,
        limits: Arc<OfAgency>,
        places: Places,
        under_way: CallUnderWay,
    ) -> Self {
        Self { observed, limits, _places: places, _under_way: under_way }
    }
}

pin_project! {
    /// The body of an answer.
    pub struct AnswerBody {
        #[pin]
        inner: Body,
        #[pin]
        expiry: Option<Sleep>,
        // None once the answer has ended.
        held: Option<Held>,
    }
}

/// The answer of a service, under its call's deadline.
pub(crate) fn served(
    response: Response<Body>,
    mut held: Held,
    deadline: Deadline,
) -> Response<AnswerBody> {
    let (mut head, inner) = response.into_parts();
    put_in_own_terms(&mut head.headers);
    let held = match status_of(&head.headers) {
        // The status is in the headers: there is nothing to wait for.
        Some(code) => {
            held.observed.finish(code);
            None
        }
        None => Some(held),
    };
    let expiry = held.as_ref().map(|_| tokio::time::sleep_until(deadline.0));
    Response::from_parts(head, AnswerBody { inner, expiry, held })
}

/// The answer to a call that was refused.
pub(crate) fn refused(refusal: Refusal, mut observed: ObservedCall) -> Response<AnswerBody> {
    let ended = AnswerBody { inner: Body::empty(), expiry: None, held: None };
    match refusal {
        Refusal::Http(status) => {
            // What the gRPC protocol makes of such an HTTP status.
            observed.finish(Code::Unknown);
            let mut response = Response::new(ended);
            *response.status_mut() = status;
            if status == StatusCode::METHOD_NOT_ALLOWED {
                response
                    .headers_mut()
                    .insert(http::header::ALLOW, http::HeaderValue::from_static("POST"));
            }
            response
        }
        Refusal::Grpc(status) => {
            observed.finish(status.code());
            status.into_http::<Body>().map(|_| ended)
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut this = self.project();
        let Some(held) = this.held.as_mut() else {
            return Poll::Ready(None);
        };
        let span = held.observed.span().clone();
        let _entered = span.enter();

        let polled = panics::caught(|| this.inner.as_mut().poll_frame(cx));
        let trailers = match polled {
            Ok(Poll::Ready(Some(Ok(frame)))) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    put_in_own_terms(&mut trailers);
                    trailers
                }
                Err(frame) => {
                    held.limits.pass(frame.data_ref().map_or(0, Bytes::len));
                    return Poll::Ready(Some(Ok(frame)));
                }
            },
            Ok(Poll::Ready(Some(Err(status)))) => {
                let mut trailers = trailers(&status);
                put_in_own_terms(&mut trailers);
                trailers
            }
            Ok(Poll::Ready(None)) => {
                tracing::error!("a service ended its answer without a status");
                trailers(&fault::internal().into_status())
            }
            Ok(Poll::Pending) => {
                match this.expiry.as_mut().as_pin_mut().map(|expiry| expiry.poll(cx)) {
                    Some(Poll::Ready(())) => trailers(&deadline::exceeded().into_status()),
                    Some(Poll::Pending) | None => return Poll::Pending,
                }
            }
            Err(panics::Panicked) => trailers(&fault::internal().into_status()),
        };

        held.observed.finish(status_of(&trailers).unwrap_or(Code::Unknown));
        *this.held = None;
        // Ends whatever the service was still doing.
        this.inner.set(Body::empty());
        this.expiry.set(None);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Metadata or message of the status are no header values: the code still is.
        trailers.clear();
        trailers.insert(Status::GRPC_STATUS, http::HeaderValue::from(status.code() as i32));
    }
    trailers
}

fn status_of(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// Statuses that tonic makes itself, told by their fixed texts, become the gateway's own: another
/// code where the contract promises one, a reason always, and no echo of the request.
fn put_in_own_terms(headers: &mut HeaderMap) {
    let Some(code) = status_of(headers) else { return };
    if code == Code::Ok || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else { return };
    let own = match (code, status.message()) {
        (Code::InvalidArgument, MALFORMED) => body::malformed(),
        (Code::Internal, text) if text.starts_with("failed to decode Protobuf message") => {
            body::malformed()
        }
        (Code::OutOfRange, text) if text.starts_with("Error, decoded message length too large") => {
            body::too_large()
        }
        (Code::Unimplemented, "") => protocol::unknown_method(),
        _ => return,
    };
    headers.remove(Status::GRPC_MESSAGE);
    headers.extend(trailers(&own.into_status()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::reason_of;

    fn own_terms(status: &Status) -> Status {
        let mut headers = trailers(status);
        put_in_own_terms(&mut headers);
        Status::from_header_map(&headers).unwrap()
    }

    #[test]
    fn statuses_that_tonic_makes_get_our_code_and_reason() {
        let cases = [
            (Status::invalid_argument(MALFORMED), Code::InvalidArgument, "MESSAGE_MALFORMED"),
            (
                Status::internal(
                    "failed to decode Protobuf message: Worker.nik: invalid string value",
                ),
                Code::InvalidArgument,
                "MESSAGE_MALFORMED",
            ),
            (
                Status::out_of_range(
                    "Error, decoded message length too large: found 9 bytes, the limit is: 8 bytes",
                ),
                Code::ResourceExhausted,
                "MESSAGE_TOO_LARGE",
            ),
            (Status::unimplemented(""), Code::Unimplemented, "METHOD_UNKNOWN"),
        ];
        for (made, code, reason) in cases {
            let own = own_terms(&made);
            assert_eq!((own.code(), reason_of(&own).as_str()), (code, reason));
            assert!(!own.message().contains("nik"), "no echo of the request");
        }
    }

    #[test]
    fn statuses_of_services_are_left_alone() {
        let theirs = Status::internal("something of a service");
        assert_eq!(own_terms(&theirs).message(), theirs.message());
        let ours = fault::internal().into_status();
        assert_eq!(own_terms(&ours).code(), Code::Internal);
        assert_eq!(reason_of(&own_terms(&ours)), "INTERNAL_FAULT");
    }
}
