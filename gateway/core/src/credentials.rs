//! What shows who called: the certificate that the caller came with, the revocation lists that it
//! was judged by, and the caller's own signature.
//!
//! All of it is bytes here, DER where X.509 says so; nothing is parsed. Entries of the journal name
//! these bytes by digest, so that whoever has the bytes can show which certificate called, and that
//! it was not on the lists at that time. None of it is about a person: certificates are agencies'.
//!
//! Invariant: a digest is that of the bytes beside it, since nobody but the constructors sets it.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::journal::Hash;

/// A certificate chain as a caller has presented it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    fingerprint: Hash,
    certificates: Vec<Vec<u8>>,
}

impl Chain {
    /// A chain of certificates in DER, the caller's own first. `None` without any.
    #[must_use]
    pub fn new(certificates: Vec<Vec<u8>>) -> Option<Self> {
        let fingerprint = Sha256::digest(certificates.first()?).into();
        Some(Self { fingerprint, certificates })
    }

    /// SHA-256 of the caller's own certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> &Hash {
        &self.fingerprint
    }

    /// The certificates, the caller's own first.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }
}

/// The revocation lists in force at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    digest: Hash,
    lists: Vec<Vec<u8>>,
}

impl Revocation {
    /// Lists in DER. `None` without any.
    #[must_use]
    pub fn new(lists: Vec<Vec<u8>>) -> Option<Self> {
        if lists.is_empty() {
            return None;
        }
        let digest = lists.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into();
        Some(Self { digest, lists })
    }

    /// SHA-256 of the lists, one after the other: of a single list its own. DER says where it ends,
    /// so no two sets of lists have the same bytes.
    #[must_use]
    pub const fn digest(&self) -> &Hash {
        &self.digest
    }

    /// The lists.
    #[must_use]
    pub fn lists(&self) -> &[Vec<u8>] {
        &self.lists
    }
}

/// What a call was admitted with. Cheap to clone: chain and lists are shared by many calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The chain of the connection.
    pub chain: Arc<Chain>,
    /// The lists that the chain was judged by; `None` when the gateway has none.
    pub revocation: Option<Arc<Revocation>>,
    /// The caller's signature, when there is one.
    pub signature: Option<Arc<CallerSignature>>,
}

impl Credentials {
    /// The digests by which an entry names them.
    #[must_use]
    pub fn digests(&self) -> Digests {
        Digests {
            certificate: Some(*self.chain.fingerprint()),
            revocation: self.revocation.as_ref().map(|revocation| *revocation.digest()),
            signature: self.signature.as_ref().map(|signature| signature.digest()),
        }
    }
}

/// By which digests an entry names what its caller was admitted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// [`Chain::fingerprint`].
    pub certificate: Option<Hash>,
    /// [`Revocation::digest`].
    pub revocation: Option<Hash>,
    /// [`CallerSignature::digest`].
    pub signature: Option<Hash>,
}

/// A caller's signature over its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerSignature {
    /// The bytes that were signed: the signature base (RFC 9421 section 2.5).
    pub base: Vec<u8>,
    /// The signature.
    pub value: Vec<u8>,
}

impl CallerSignature {
    /// Both parts, each behind its length as a big-endian u32: how the signature is kept.
    ///
    /// # Panics
    /// Never: the edge bounds what a caller sends far below 4 GiB.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        let mut document = Vec::with_capacity(8 + self.base.len() + self.value.len());
        for part in [&self.base, &self.value] {
            let length = u32::try_from(part.len()).expect("the edge bounds what a caller sends");
            document.extend_from_slice(&length.to_be_bytes());
            document.extend_from_slice(part);
        }
        document
    }

    /// Reads what [`CallerSignature::document`] writes; anything else is none.
    #[must_use]
    pub fn of_document(document: &[u8]) -> Option<Self> {
        let part = |bytes: &[u8]| {
            let (length, rest) = bytes.split_first_chunk()?;
            let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            Some((part.to_vec(), rest.to_vec()))
        };
        let (base, rest) = part(document)?;
        let (value, rest) = part(&rest)?;
        rest.is_empty().then_some(Self { base, value })
    }

    /// SHA-256 of the document.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Sha256::digest(self.document()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_of_the_first_certificate_and_of_all_lists() {
        let chain = Chain::new(vec![b"leaf".into(), b"issuer".into()]).unwrap();
        assert_eq!(chain.fingerprint()[..], Sha256::digest(b"leaf")[..]);
        let one = Revocation::new(vec![b"list".into()]).unwrap();
        assert_eq!(one.digest()[..], Sha256::digest(b"list")[..]);
        let two = Revocation::new(vec![b"list".into(), b"other".into()]).unwrap();
        assert_eq!(two.digest()[..], Sha256::digest(b"listother")[..]);
        assert_eq!((Chain::new(vec![]), Revocation::new(vec![])), (None, None));
    }

    #[test]
    fn a_byte_moved_from_base_to_value_is_another_signature() {
        let signature = |base: &[u8], value: &[u8]| {
            CallerSignature { base: base.into(), value: value.into() }.digest()
        };
        assert_eq!(
            signature(b"ab", b"c")[..],
            Sha256::digest(b"\0\0\0\x02ab\0\0\0\x01c")[..],
            "the encoding is as documented"
        );
        assert_ne!(signature(b"ab", b"c"), signature(b"a", b"bc"));
    }

    #[test]
    fn a_document_is_read_as_it_was_written_or_not_at_all() {
        let signature = CallerSignature { base: b"ab".into(), value: b"c".into() };
        let document = signature.document();
        assert_eq!(CallerSignature::of_document(&document), Some(signature));
        for end in 0..document.len() {
            assert_eq!(CallerSignature::of_document(&document[..end]), None);
        }
        assert_eq!(CallerSignature::of_document(&[document, vec![0]].concat()), None);
    }
}
