//! Guards a request's body while it is read: message sizes and message counts.
//!
//! It reads the five bytes before every gRPC message (compressed flag and length) and stops the
//! body as soon as they say something that will be refused, before the message itself is taken
//! in. It neither buffers nor copies.
//!
//! Invariant: what passes is a sequence of whole messages, none longer than the limit, and exactly
//! one when the method takes one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};

use super::protocol::Method;
use crate::access::limits::OfAgency;
use crate::fault::{ErrorReason, Fault, fault};

/// Bytes before each message: one flag, four of length (gRPC over HTTP/2).
const PREFIX: usize = 5;

pin_project! {
    /// A request's body that ends with a status when it breaks a rule.
    pub(crate) struct GuardedBody<B> {
        #[pin]
        inner: B,
        messages: Messages,
        limits: Arc<OfAgency>,
        stopped: bool,
    }
}

impl<B> GuardedBody<B> {
    /// Guards `inner`, the body of a call of `method`. Its bytes are counted in `limits`.
    pub(crate) fn new(inner: B, method: &Method, largest: usize, limits: Arc<OfAgency>) -> Self {
        let messages = Messages::new(method.client_streaming, largest);
        Self { inner, messages, limits, stopped: false }
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if *this.stopped {
            return Poll::Ready(None);
        }
        let checked = match std::task::ready!(this.inner.poll_frame(cx)) {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => {
                    this.limits.pass(data.len());
                    this.messages.read(data).map(|()| Some(frame))
                }
                None => this.messages.end().map(|()| Some(frame)),
            },
            None => this.messages.end().map(|()| None),
            Some(Err(error)) => {
                *this.stopped = true;
                return Poll::Ready(Some(Err(Status::from_error(error.into()))));
            }
        };
        Poll::Ready(match checked {
            Ok(frame) => frame.map(Ok),
            Err(refused) => {
                *this.stopped = true;
                Some(Err(refused.into_status()))
            }
        })
    }

    // Never true before the body was polled to its end: an empty body must be seen to be empty.
    fn is_end_stream(&self) -> bool {
        self.stopped
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Follows the messages in a body, whatever chunks they come in.
struct Messages {
    client_streaming: bool,
    largest: usize,
    begun: u64,
    prefix: [u8; PREFIX],
    prefix_read: usize,
    /// Bytes of the present message that are yet to come.
    left: usize,
}

impl Messages {
    fn new(client_streaming: bool, largest: usize) -> Self {
        Self { client_streaming, largest, begun: 0, prefix: [0; PREFIX], prefix_read: 0, left: 0 }
    }

    fn read(&mut self, chunk: &Bytes) -> Result<(), Fault> {
        let mut chunk = chunk.as_ref();
        while !chunk.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(chunk.len());
                self.left -= passed;
                chunk.advance(passed);
                continue;
            }
            if self.prefix_read == 0 {
                self.begun += 1;
                if self.begun > 1 && !self.client_streaming {
                    return Err(too_many());
                }
            }
            self.prefix[self.prefix_read] = chunk.get_u8();
            self.prefix_read += 1;
            if self.prefix_read == PREFIX {
                self.prefix_read = 0;
                self.left = self.length()?;
            }
        }
        Ok(())
    }

    /// What the prefix says of the message's length.
    fn length(&self) -> Result<usize, Fault> {
        let [flag, length @ ..] = self.prefix;
        // No compression is ever agreed on, so that a flag for it is no flag.
        if flag > 0 {
            return Err(malformed());
        }
        // A length that does not fit a usize is larger than any limit.
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > self.largest { Err(too_large()) } else { Ok(length) }
    }

    fn end(&self) -> Result<(), Fault> {
        let whole = self.left == 0 && self.prefix_read == 0;
        let enough = self.client_streaming || self.begun == 1;
        if whole && enough { Ok(()) } else { Err(malformed()) }
    }
}

/// The answer to a message over the limit.
pub(crate) fn too_large() -> Fault {
    fault(
        Code::ResourceExhausted,
        ErrorReason::MessageTooLarge,
        "the message is larger than the gateway takes",
        "pesan melebihi ukuran yang diterima gateway",
    )
}

/// The answer to bytes that are no message.
pub(crate) fn malformed() -> Fault {
    fault(
        Code::InvalidArgument,
        ErrorReason::MessageMalformed,
        "the request is no valid message of its type",
        "permintaan bukan pesan yang sah untuk jenisnya",
    )
}

fn too_many() -> Fault {
    fault(
        Code::InvalidArgument,
        ErrorReason::TooManyMessages,
        "the method takes one message",
        "metode ini hanya menerima satu pesan",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::limits::tests::unreached;
    use crate::fault::tests::reason_of;
    use http_body_util::{BodyExt, StreamBody};
    use proptest::prelude::*;

    const LARGEST: usize = 100;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        bytes.resize(PREFIX + length, 7);
        bytes
    }

    /// Reads chunks through the guard: the bytes that passed, or the code and reason it stopped with.
    fn pass(chunks: Vec<Vec<u8>>, client_streaming: bool) -> Result<Vec<u8>, (Code, String)> {
        let frames =
            chunks.into_iter().map(|chunk| Ok::<_, Status>(Frame::data(Bytes::from(chunk))));
        let method = Method { name: "a.B/C".into(), client_streaming, lasting: false };
        let body = StreamBody::new(tokio_stream::iter(frames));
        let guarded = GuardedBody::new(body, &method, LARGEST, unreached());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let collected = runtime.block_on(guarded.collect());
        collected
            .map(|body| body.to_bytes().to_vec())
            .map_err(|status| (status.code(), reason_of(&status)))
    }

    fn stop(code: Code, reason: &str) -> Result<Vec<u8>, (Code, String)> {
        Err((code, reason.into()))
    }

    #[test]
    fn one_message_passes_untouched() {
        for length in [0, 1, LARGEST] {
            assert_eq!(pass(vec![message(length)], false), Ok(message(length)));
        }
    }

    #[test]
    fn a_long_message_is_stopped_at_its_prefix() {
        let prefix = message(LARGEST + 1)[..PREFIX].to_vec();
        assert_eq!(pass(vec![prefix], false), stop(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
        let four_gib = vec![0, 255, 255, 255, 255];
        assert_eq!(pass(vec![four_gib], true), stop(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    }

    #[test]
    fn a_second_message_is_stopped_where_one_is_taken() {
        let two = [message(3), message(3)].concat();
        let refused = stop(Code::InvalidArgument, "TOO_MANY_MESSAGES");
        assert_eq!(pass(vec![two.clone()], false), refused);
        assert_eq!(pass(vec![message(0), message(0)], false), refused);
        assert_eq!(pass(vec![two.clone()], true), Ok(two));
    }

    #[test]
    fn a_broken_or_missing_message_is_malformed() {
        let refused = stop(Code::InvalidArgument, "MESSAGE_MALFORMED");
        assert_eq!(pass(vec![message(9)[..12].to_vec()], false), refused, "cut short");
        assert_eq!(pass(vec![vec![0, 0]], true), refused, "half a prefix");
        assert_eq!(pass(vec![vec![1, 0, 0, 0, 0]], false), refused, "compressed");
        assert_eq!(pass(vec![vec![2, 0, 0, 0, 0]], false), refused, "no such flag");
        assert_eq!(pass(vec![], false), refused, "no message");
        assert_eq!(pass(vec![], true), Ok(vec![]), "an empty stream is a stream");
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            lengths in proptest::collection::vec(0usize..LARGEST + 3, 0..5),
            size in 1usize..40,
            client_streaming: bool,
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|&length| message(length)).collect();
            let chunks = bytes.chunks(size).map(<[u8]>::to_vec).collect();
            let whole = if bytes.is_empty() { vec![] } else { vec![bytes] };
            prop_assert_eq!(pass(chunks, client_streaming), pass(whole, client_streaming));
        }
    }
}
