//! The caller's own signature on a call: an HTTP message signature (RFC 9421) with the private key
//! of its TLS certificate, over the method, the path, the purpose and, by its digest (RFC 9530),
//! the content. Mutual TLS proves to the gateway who calls; this proves it to others, and later.
//!
//! It is not how the caller is known, which is [`super::layers`]' affair, nor who must sign, which
//! is policy. One who need not sign and does is held to it: a signature that is wrong is refused.
//!
//! Invariants:
//! - a [`Signed`] exists only for a signature that the key of the connection's certificate has made,
//!   about now, over everything in [`REQUIRED`];
//! - what it says of the content holds once the content has passed its [`Content`], and no service
//!   sees a message before.

mod base;
mod content;
#[cfg(test)]
mod fuzz;
mod key;
#[cfg(test)]
mod tests;

use desmigratif_core::credentials::{CallerSignature, Chain};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use sfv::{BareItem, Parameters};

use base::Described;
pub(crate) use base::Message;
pub(crate) use content::Content;
use key::Key;

/// The field that says what is signed, and how (RFC 9421 section 4.1).
const SIGNATURE_INPUT: &str = "signature-input";

/// The field with the signature itself (RFC 9421 section 4.2).
const SIGNATURE: &str = "signature";

/// The tag by which a signature is known to be meant for the exchange (RFC 9421 section 2.3).
const TAG: &str = "desmigratif";

/// What every signature covers. The purpose is among it where one is stated.
const REQUIRED: [&str; 3] = ["@method", "@path", content::FIELD];

/// The purpose's metadata.
const PURPOSE: &str = super::layers::PURPOSE_METADATA;

/// What a signature may cover beside. The list is closed, since what is covered is kept.
const PERMITTED: [&str; 2] = ["@authority", "content-type"];

/// The parameters that a signature may have; `created`, `keyid` and `tag` it must.
const PARAMETERS: [&str; 6] = ["created", "keyid", "tag", "expires", "nonce", "alg"];

/// How far `created` may be from now, either way: clocks differ, and a signature is no licence to
/// repeat a call for ever.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// The longest signature base, in bytes. One without anything superfluous has about 500.
const LARGEST_BASE: usize = 4096;

/// A signature that counts.
#[derive(Debug)]
pub(crate) struct Signed {
    /// What was signed, and the signature as its algorithm makes it.
    pub(crate) signature: CallerSignature,
    /// What the content must be.
    pub(crate) content: Content,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// A field is no dictionary of RFC 9651.
    #[error("{0} is no dictionary")]
    Unreadable(&'static str),
    /// Not exactly one signature has the tag, or its value is missing.
    #[error("there is not one signature with the tag")]
    NotOne,
    /// It does not cover a component.
    #[error("{0} is not covered")]
    NotCovered(&'static str),
    /// It covers a component twice, one that it may not, one with parameters, or one that the call
    /// does not have.
    #[error("a component is covered that must not be")]
    Foreign,
    /// A parameter is missing or of another type.
    #[error("the parameter {0} is missing or malformed")]
    Parameter(&'static str),
    /// It has a parameter that is none of [`PARAMETERS`].
    #[error("a parameter is unknown")]
    UnknownParameter,
    /// What is signed is too long.
    #[error("the signature base is longer than {LARGEST_BASE} bytes")]
    TooLong,
    /// `Content-Digest` has no SHA-256.
    #[error("there is no sha-256 of the content")]
    NoDigest,
    /// It states another algorithm than those of the certificate's key.
    #[error("the algorithm is none of the key's")]
    AnotherAlgorithm,
    /// It names another key than that of the connection's certificate.
    #[error("the key is not that of the certificate")]
    AnotherKey,
    /// It was not made about now, or has expired.
    #[error("the signature was not made about now")]
    NotNow,
    /// The certificate's key has not made it.
    #[error("the signature does not verify")]
    NotVerified,
}

/// Whether the headers bring a signature, right or wrong.
pub(crate) fn is_there(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE_INPUT) || headers.contains_key(SIGNATURE)
}

/// Verifies the signature of a call that has one, by the first certificate of the caller's chain.
///
/// # Errors
/// [`Refused`].
pub(crate) fn verify(
    message: &Message<'_>,
    chain: &Chain,
    now: Timestamp,
) -> Result<Signed, Refused> {
    let described = Described::read(message.headers, TAG)?;
    covers_enough(&described, message.headers)?;
    let parameters = Stated::read(described.parameters())?;
    if parameters.key_id != hex::encode(chain.fingerprint()) {
        return Err(Refused::AnotherKey);
    }
    if !parameters.count_at(now) {
        return Err(Refused::NotNow);
    }
    let content = Content::stated(message.headers)?;
    let base = described.base(message)?;
    if base.len() > LARGEST_BASE {
        return Err(Refused::TooLong);
    }
    let key = Key::of_chain(chain, parameters.algorithm)?;
    if !key.has_signed(&base, &described.value) {
        return Err(Refused::NotVerified);
    }
    Ok(Signed { signature: CallerSignature { base, value: described.value }, content })
}

/// Checks that a signature covers all that it must and nothing that it may not.
fn covers_enough(described: &Described, headers: &HeaderMap) -> Result<(), Refused> {
    let covered = described.covered()?;
    let stated = headers.contains_key(PURPOSE).then_some(PURPOSE);
    for required in REQUIRED.into_iter().chain(stated) {
        if !covered.contains(&required) {
            return Err(Refused::NotCovered(required));
        }
    }
    let known = |name: &&str| REQUIRED.contains(name) || PERMITTED.contains(name);
    if covered.iter().all(|name| known(name) || *name == PURPOSE) {
        Ok(())
    } else {
        Err(Refused::Foreign)
    }
}

/// What the parameters of a signature state (RFC 9421 section 2.3), those that are known.
struct Stated<'a> {
    created: Timestamp,
    expires: Option<Timestamp>,
    key_id: &'a str,
    algorithm: Option<&'a str>,
}

impl<'a> Stated<'a> {
    fn read(parameters: &'a Parameters) -> Result<Self, Refused> {
        if parameters.keys().any(|name| !PARAMETERS.contains(&name.as_str())) {
            return Err(Refused::UnknownParameter);
        }
        let text = |name: &'static str| match parameters.get(name).map(BareItem::as_string) {
            Some(Some(text)) => Ok(Some(text.as_str())),
            Some(None) => Err(Refused::Parameter(name)),
            None => Ok(None),
        };
        let time = |name: &'static str| {
            let Some(stated) = parameters.get(name) else { return Ok(None) };
            let seconds = stated.as_integer().ok_or(Refused::Parameter(name))?.into();
            Timestamp::from_second(seconds).map(Some).map_err(|_| Refused::Parameter(name))
        };
        text("nonce")?;
        Ok(Self {
            created: time("created")?.ok_or(Refused::Parameter("created"))?,
            expires: time("expires")?,
            key_id: text("keyid")?.ok_or(Refused::Parameter("keyid"))?,
            algorithm: text("alg")?,
        })
    }

    fn count_at(&self, now: Timestamp) -> bool {
        self.created.duration_since(now).abs() <= WINDOW
            && self.expires.is_none_or(|expires| now <= expires)
    }
}
