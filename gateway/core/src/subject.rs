//! Pseudonyms of people, and keyed digests of requests.
//!
//! A plain hash of a NIK is no pseudonym: there are few enough NIKs to hash them all. A
//! [`Subject`] is an HMAC under a key that lives apart from the store, so the store alone tells
//! nobody who is in it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::identity::Claim;
use crate::nik::Nik;

/// A person, to whoever does not hold the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject([u8; 32]);

/// The bytes are no subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subject is 32 bytes, written as 64 hexadecimal digits")]
pub struct NotASubject;

impl Subject {
    /// The pseudonym's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A pseudonym that was made before.
    ///
    /// # Errors
    /// [`NotASubject`] when there are not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotASubject> {
        bytes.try_into().map(Self).map_err(|_| NotASubject)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Subject {
    type Error = NotASubject;
    fn try_from(text: String) -> Result<Self, NotASubject> {
        Self::from_bytes(&hex::decode(text).map_err(|_| NotASubject)?)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

/// The key of pseudonyms and request digests. The same on every node, for as long as the store
/// lives.
#[derive(Clone)]
pub struct SubjectKey([u8; 32]);

impl SubjectKey {
    /// The key with these bytes; they must come from a good source of randomness.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The pseudonym of the person with a NIK.
    #[must_use]
    pub fn pseudonym(&self, nik: &Nik) -> Subject {
        Subject(self.mac(b"subject", &[nik.expose().as_bytes()]))
    }

    /// A digest of a request, to tell a repetition from another request under the same id. Keyed,
    /// since a request may hold little more than a NIK.
    #[must_use]
    pub fn digest(&self, method: &str, body: &[u8]) -> [u8; 32] {
        self.mac(b"request", &[method.as_bytes(), body])
    }

    /// A digest of what is claimed of a person, to find the register's earlier answer by it.
    #[must_use]
    pub fn claim(&self, nik: &Nik, claim: &Claim) -> [u8; 32] {
        let claim = serde_json::to_vec(claim).expect("texts, dates and codes are JSON");
        self.mac(b"claim", &[nik.expose().as_bytes(), &claim])
    }

    /// HMAC-SHA-256 over a domain and parts, each with its length, so that no two inputs meet.
    fn mac(&self, domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0)
            .expect("HMAC takes keys of any length");
        for part in std::iter::once(&domain).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

redacted!(SubjectKey);

impl Drop for SubjectKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_derivation_never_changes() {
        // Reckoned apart from this code. Another value would lose every person in every store.
        let key = SubjectKey::from_bytes([1; 32]);
        assert_eq!(
            key.pseudonym(&Nik::parse("3212184501900001").unwrap()).to_string(),
            "ba74eca9428ad90cc42d96b13057e697737a791762c2590ae5d3c6689be1cac2"
        );
        assert_eq!(
            hex::encode(key.digest("/a/B", b"body")),
            "113666b9097aabe99b28e3ad72c75047acafabacec3b86173961e35e20b47195"
        );
        assert_eq!(format!("{key:?}"), "SubjectKey(..)");
    }

    #[test]
    fn a_pseudonym_depends_on_key_and_nik_alone() {
        let nik = Nik::parse("3212184501900001").unwrap();
        let key = SubjectKey::from_bytes([1; 32]);
        assert_eq!(key.pseudonym(&nik), SubjectKey::from_bytes([1; 32]).pseudonym(&nik));
        assert_ne!(key.pseudonym(&nik), SubjectKey::from_bytes([2; 32]).pseudonym(&nik));
        let text = key.pseudonym(&nik).to_string();
        assert_eq!(Subject::try_from(text), Ok(key.pseudonym(&nik)));
    }

    #[test]
    fn method_and_body_of_a_digest_do_not_run_into_each_other() {
        let key = SubjectKey::from_bytes([1; 32]);
        assert_ne!(key.digest("ab", b"c"), key.digest("a", b"bc"));
    }

    #[test]
    fn a_claim_s_digest_depends_on_person_and_every_element() {
        let key = SubjectKey::from_bytes([1; 32]);
        let nik = |text| Nik::parse(text).unwrap();
        let (a, b) = (nik("3212184501900001"), nik("3212184501900002"));
        let place = |text: &str| Claim { birth_place: Some(text.into()), ..Claim::default() };
        let digests = [
            key.claim(&a, &place("Indramayu")),
            key.claim(&b, &place("Indramayu")),
            key.claim(&a, &place("Wonosobo")),
            key.claim(&a, &Claim::default()),
        ];
        let distinct: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        assert_eq!(digests[0], key.claim(&a, &place("Indramayu")));
    }

    proptest! {
        #[test]
        fn a_subject_reads_back_and_nothing_else_is_one(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let read = Subject::try_from(hex::encode(&bytes));
            prop_assert_eq!(read.is_ok(), bytes.len() == 32);
            if let Ok(subject) = read {
                prop_assert_eq!(subject.as_bytes().as_slice(), bytes.as_slice());
                prop_assert_eq!(subject.to_string(), hex::encode(&bytes));
            }
        }

        #[test]
        fn two_people_never_share_a_pseudonym_and_none_shows_the_nik(a in 1_u16..9_999, b in 1_u16..9_999) {
            let key = SubjectKey::from_bytes([7; 32]);
            let nik = |serial| Nik::parse(&format!("321218450190{serial:04}")).unwrap();
            prop_assert_eq!(key.pseudonym(&nik(a)) == key.pseudonym(&nik(b)), a == b);
            prop_assert!(!key.pseudonym(&nik(a)).to_string().contains(nik(a).expose()));
        }
    }
}
