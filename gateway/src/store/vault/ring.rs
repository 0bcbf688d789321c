//! The keys that wrap data keys: key-encryption keys, each under an id.

use aws_lc_rs::aead::LessSafeKey;
use zeroize::Zeroizing;

use super::cipher;

/// The keys are no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKeyRing {
    /// There is no key.
    #[error("there must be at least one key")]
    Empty,
    /// An id is not of the form that files and rows can hold.
    #[error("the id {0:?} is not 1 to 32 letters, digits, dots and hyphens")]
    BadId(String),
    /// Two keys have the same id.
    #[error("two keys have the id \"{0}\"")]
    Twice(String),
}

/// Keys that wrap data keys. The first wraps; every one opens what it has wrapped.
#[derive(Debug)]
pub struct KeyRing(Vec<(String, LessSafeKey)>);

impl KeyRing {
    /// The ring of these keys, which must come from a good source of randomness.
    ///
    /// # Errors
    /// [`NotAKeyRing`].
    pub fn of(
        keys: impl IntoIterator<Item = (String, Zeroizing<[u8; 32]>)>,
    ) -> Result<Self, NotAKeyRing> {
        let mut ring: Vec<(String, LessSafeKey)> = Vec::new();
        for (id, key) in keys {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            if !(1..=32).contains(&id.len()) || !id.bytes().all(fits) {
                return Err(NotAKeyRing::BadId(id));
            }
            if ring.iter().any(|(other, _)| *other == id) {
                return Err(NotAKeyRing::Twice(id));
            }
            ring.push((id, cipher(&key)));
        }
        if ring.is_empty() { Err(NotAKeyRing::Empty) } else { Ok(Self(ring)) }
    }

    /// The key that wraps.
    pub(super) fn first(&self) -> (&str, &LessSafeKey) {
        let (id, key) = self.0.first().expect("a ring has a key");
        (id, key)
    }

    /// The key with an id.
    pub(super) fn get(&self, id: &str) -> Option<&LessSafeKey> {
        self.0.iter().find(|(other, _)| other == id).map(|(_, key)| key)
    }
}

#[cfg(test)]
impl KeyRing {
    /// A ring of one key, the same each time.
    pub(crate) fn of_tests() -> Self {
        Self::of([("test".to_owned(), Zeroizing::new([3; 32]))]).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_has_keys_with_ids_of_their_own() {
        let ring = |ids: &[&str]| {
            KeyRing::of(ids.iter().map(|id| ((*id).to_owned(), Zeroizing::new([1; 32])))).err()
        };
        assert_eq!(ring(&["2026-11", "old.1"]), None);
        assert_eq!(ring(&[]), Some(NotAKeyRing::Empty));
        assert_eq!(ring(&["a", "b", "a"]), Some(NotAKeyRing::Twice("a".into())));
        for bad in ["", "a b", "a/b", &"x".repeat(33)] {
            assert_eq!(ring(&[bad]), Some(NotAKeyRing::BadId(bad.to_owned())));
        }
    }
}
