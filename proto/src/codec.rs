//! The codec of the generated servers.
//!
//! It encodes as tonic's own codec does. It decodes as strictly, but blames the right side: a
//! request that is no valid protobuf (malformed, not UTF-8 where a string must be, nested deeper
//! than 100 levels) is the caller's fault, INVALID_ARGUMENT, where tonic answers INTERNAL with the
//! path of the field. The text is fixed and repeats nothing of the request.

use std::fmt;
use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// The message of the status that answers a request which is no valid message of its type.
pub const MALFORMED: &str = "the request is not a valid message of its type";

/// Encodes `T` and decodes `U`, answering what it cannot decode with INVALID_ARGUMENT and
/// [`MALFORMED`].
pub struct StrictCodec<T, U>(PhantomData<fn(T) -> U>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> fmt::Debug for StrictCodec<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StrictCodec")
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(PhantomData)
    }
}

/// The decoder of [`StrictCodec`].
pub struct StrictDecoder<U>(PhantomData<fn() -> U>);

impl<U> fmt::Debug for StrictDecoder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StrictDecoder")
    }
}

impl<U: Message + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buf).map(Some).map_err(|_| Status::invalid_argument(MALFORMED))
    }
}
