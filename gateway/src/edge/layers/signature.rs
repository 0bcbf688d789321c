//! The caller's signature on the call, where there is one.
//!
//! What it says of the content is proven while the body is read, by the guard around it. A call
//! without a signature costs two look-ups of headers.

use std::sync::Arc;

use desmigratif_core::credentials::Chain;
use desmigratif_core::ports::clock::Clock;
use http::Request;
use tonic::Code;

use super::protocol::Method;
pub(crate) use crate::edge::signature::is_there;
use crate::edge::signature::{Message, Refused, Signed, verify};
use crate::fault::{ErrorReason, Fault, fault};

/// The step.
pub(crate) struct Verify {
    clock: Arc<dyn Clock>,
}

impl Verify {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// The signature of a call that is signed, which the owner of the chain has made and which counts
    /// now.
    pub(crate) fn verified<B>(
        &self,
        request: &Request<B>,
        method: &Method,
        chain: &Chain,
    ) -> Result<Signed, Fault> {
        if method.client_streaming {
            return Err(stream());
        }
        let message = Message {
            method: request.method(),
            path: request.uri().path(),
            authority: request.uri().authority(),
            headers: request.headers(),
        };
        verify(&message, chain, self.clock.now()).map_err(|why| {
            tracing::debug!(%why, "signature refused");
            refused(why)
        })
    }
}

/// The answer to content that is not what was signed.
pub(crate) fn other_content() -> Fault {
    fault(
        Code::InvalidArgument,
        ErrorReason::ContentDigestMismatch,
        "the content is not what Content-Digest says; digest the whole content: the five bytes before the message, and the message",
        "isi tidak sesuai dengan Content-Digest; hitung dari seluruh isi: lima byte sebelum pesan, dan pesan itu",
    )
}

fn stream() -> Fault {
    fault(
        Code::InvalidArgument,
        ErrorReason::SignatureUnsupported,
        "a stream of messages cannot be signed; call it without a signature, or the method that takes one message",
        "aliran pesan tidak dapat ditandatangani; panggil tanpa tanda tangan, atau metode yang menerima satu pesan",
    )
}

fn refused(why: Refused) -> Fault {
    let malformed = |english: String, indonesian: String| {
        fault(Code::InvalidArgument, ErrorReason::SignatureMalformed, english, indonesian)
    };
    match why {
        Refused::Unreadable(field) => malformed(
            format!("{field} is missing or no dictionary as RFC 9651 writes it"),
            format!("{field} tidak ada atau bukan dictionary menurut RFC 9651"),
        ),
        Refused::NotOne => malformed(
            "not exactly one signature has the parameter tag=\"desmigratif\" and a value of the same label in Signature".into(),
            "tidak tepat satu tanda tangan memiliki parameter tag=\"desmigratif\" dan nilai berlabel sama di Signature".into(),
        ),
        Refused::NotCovered(component) => malformed(
            format!("the signature does not cover {component}"),
            format!("tanda tangan tidak mencakup {component}"),
        ),
        Refused::Foreign => malformed(
            "the signature covers a component twice, with parameters, one that the call does not have, or one other than @method, @path, @authority, content-digest, content-type and desmigratif-purpose".into(),
            "tanda tangan mencakup komponen dua kali, dengan parameter, yang tidak ada pada panggilan, atau selain @method, @path, @authority, content-digest, content-type dan desmigratif-purpose".into(),
        ),
        Refused::Parameter(name) => malformed(
            format!("the signature's parameter {name} is missing or malformed"),
            format!("parameter {name} pada tanda tangan tidak ada atau salah"),
        ),
        Refused::UnknownParameter => malformed(
            "the signature has a parameter other than created, keyid, tag, expires, nonce and alg".into(),
            "tanda tangan memiliki parameter selain created, keyid, tag, expires, nonce dan alg".into(),
        ),
        Refused::TooLong => malformed(
            "what is signed is too long; leave out of content-digest and of the parameters what is not needed".into(),
            "yang ditandatangani terlalu panjang; hilangkan yang tidak perlu dari content-digest dan parameter".into(),
        ),
        Refused::NoDigest => malformed(
            "Content-Digest has no sha-256 of 32 bytes".into(),
            "Content-Digest tidak memuat sha-256 sepanjang 32 byte".into(),
        ),
        Refused::AnotherAlgorithm => malformed(
            "alg, or the kind of your certificate's key, is none that signs by RFC 9421 here".into(),
            "alg, atau jenis kunci sertifikat Anda, tidak dapat menandatangani menurut RFC 9421 di sini".into(),
        ),
        Refused::AnotherKey => fault(
            Code::Unauthenticated,
            ErrorReason::SignatureInvalid,
            "keyid is not the SHA-256, in hex, of the certificate that you call with",
            "keyid bukan SHA-256, dalam heksadesimal, dari sertifikat yang Anda pakai",
        ),
        Refused::NotVerified => fault(
            Code::Unauthenticated,
            ErrorReason::SignatureInvalid,
            "the key of your certificate has not made this signature of this call",
            "kunci sertifikat Anda tidak membuat tanda tangan ini untuk panggilan ini",
        ),
        Refused::NotNow => fault(
            Code::Unauthenticated,
            ErrorReason::SignatureExpired,
            "the signature was created more than five minutes from now, or has expired; compare your clock and sign anew",
            "tanda tangan dibuat lebih dari lima menit dari sekarang, atau kedaluwarsa; periksa jam Anda dan tanda tangani lagi",
        ),
    }
}
