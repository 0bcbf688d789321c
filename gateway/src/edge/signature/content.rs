//! The content of a signed call, held against the digest that was signed for it (RFC 9530).
//!
//! The content is that of the HTTP request: of a unary gRPC call, the five bytes before the message
//! and the message. It is digested as it passes; nothing is kept of it.

use std::fmt;

use http::HeaderMap;
use sfv::{BareItem, ListEntry};
use sha2::{Digest as _, Sha256};

use super::{Refused, base};

/// The field with the digests.
pub(super) const FIELD: &str = "content-digest";

/// The algorithm among them that is looked at; the others may be there too.
const ALGORITHM: &str = "sha-256";

/// Content that must have a certain digest, while it passes.
pub(crate) struct Content {
    stated: [u8; 32],
    passed: Sha256,
}

impl Content {
    /// Content as the field states it, of which nothing has passed yet.
    pub(super) fn stated(headers: &HeaderMap) -> Result<Self, Refused> {
        let digests = base::dictionary(headers, FIELD)?;
        let Some(ListEntry::Item(digest)) = digests.get(ALGORITHM) else {
            return Err(Refused::NoDigest);
        };
        let BareItem::ByteSequence(digest) = &digest.bare_item else {
            return Err(Refused::NoDigest);
        };
        let stated = digest.as_slice().try_into().map_err(|_| Refused::NoDigest)?;
        Ok(Self { stated, passed: Sha256::new() })
    }

    /// Content that must be these bytes.
    #[cfg(test)]
    pub(crate) fn of_tests(bytes: &[u8]) -> Self {
        Self { stated: Sha256::digest(bytes).into(), passed: Sha256::new() }
    }

    /// Takes note of the next bytes.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        self.passed.update(bytes);
    }

    /// Whether what has passed is the content that was stated.
    pub(crate) fn ended_as_stated(self) -> bool {
        self.passed.finalize().as_slice() == self.stated
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}
