//! Sealing of personal values at rest, the same for every engine of the store.
//!
//! Each person has a data key of random bytes. What is about the person is sealed under it
//! (AES-256-GCM-SIV), bound to what it is, so that no sealed value can be put in another's place. A
//! data key is stored beside the records, wrapped by the first of the [`KeyRing`]'s keys; whoever
//! destroys it there has erased the person. The engine keeps the rows and asks this module for
//! everything else; no SQL is here.
//!
//! Invariants: no key is ever written in clear; an alias is stored only as a keyed digest; a value
//! that does not open under its own key in its own place is an error, never a guess.

mod ring;

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::Hash;
use desmigratif_core::record::Kind;
use desmigratif_core::subject::Subject;
use moka::sync::Cache;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use ring::{KeyRing, NotAKeyRing};

/// Data keys kept unwrapped: of those people about whom something was read or written last.
const KEPT_KEYS: u64 = 16_384;

/// Names a data key. Random, so that a new key of the same person is another one.
pub type KeyId = [u8; 16];

/// A value does not open: it was changed, lies in another's place, or the key is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed does not open")]
pub struct DoesNotOpen;

/// Why a store cannot be used with a key ring. One line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The ring lacks a key.
    #[error(
        "keys.encryption lacks the key \"{0}\", which this store needs: put it back, after the first if that one is newer"
    )]
    Missing(String),
    /// The ring has another key under the same id.
    #[error(
        "keys.encryption has another key \"{0}\" than the one that sealed this store: put that one back"
    )]
    Wrong(String),
}

/// What a sealed value is: it opens only as that.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The body of a record.
    Record {
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: &'a str,
        /// The version whose body it is.
        version: u64,
    },
    /// The kept answer to a request.
    Answer {
        /// Who asked.
        agency: &'a AgencyId,
        /// The request's id.
        request: Uuid,
    },
    /// The signature of an entry's caller.
    Signature {
        /// The digest by which the entry names it.
        digest: &'a Hash,
    },
}

impl Place<'_> {
    /// The place as associated data: parts with their lengths, so that no two places meet.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Record { kind, id, version } => {
                parts(&[b"record", kind.as_str().as_bytes(), id.as_bytes(), &version.to_be_bytes()])
            }
            Self::Answer { agency, request } => {
                parts(&[b"answer", agency.as_str().as_bytes(), request.as_bytes()])
            }
            Self::Signature { digest } => parts(&[b"signature", *digest]),
        }
    }
}

/// A person's data key, ready for use.
#[derive(Debug)]
pub struct DataKey {
    /// Its name.
    pub id: KeyId,
    key: LessSafeKey,
}

impl DataKey {
    /// Seals a value: nonce, ciphertext, tag.
    #[must_use]
    pub fn seal(&self, place: &Place<'_>, value: &[u8]) -> Vec<u8> {
        seal(&self.key, &place.bytes(), value)
    }

    /// Opens what was sealed in the same place.
    ///
    /// # Errors
    /// [`DoesNotOpen`].
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        open(&self.key, &place.bytes(), sealed)
    }
}

/// A data key as an engine keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name.
    pub id: KeyId,
    /// Whose it is.
    pub subject: Subject,
    /// The id of the key that wraps it.
    pub kek: String,
    /// The key, wrapped.
    pub wrapped: Vec<u8>,
}

/// What an engine keeps for each key of the ring that it was used with: proof that the key fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingRow {
    /// The id of the key.
    pub kek: String,
    /// The store's key of aliases, wrapped by it.
    pub aliases: Vec<u8>,
}

/// The keys of one store.
pub struct Vault {
    ring: KeyRing,
    aliases: hmac::Key,
    recent: Cache<Subject, Arc<DataKey>>,
}

impl Vault {
    /// The vault of a store that keeps these rows, with the row that it must keep from now on if
    /// the ring's first key has none.
    ///
    /// # Errors
    /// [`Unfit`] when the ring cannot open the store.
    pub fn open(ring: KeyRing, rows: &[RingRow]) -> Result<(Self, Option<RingRow>), Unfit> {
        let mut aliases = None;
        for row in rows {
            let kek = ring.get(&row.kek).ok_or_else(|| Unfit::Missing(row.kek.clone()))?;
            let key = open(kek, &aliases_place(&row.kek), &row.aliases)
                .map_err(|_| Unfit::Wrong(row.kek.clone()))?;
            aliases = Some(Zeroizing::new(key));
        }
        let aliases = aliases.unwrap_or_else(|| Zeroizing::new(random_key().to_vec()));
        let (first, kek) = ring.first();
        let missing = rows.iter().all(|row| row.kek != first).then(|| RingRow {
            kek: first.to_owned(),
            aliases: seal(kek, &aliases_place(first), &aliases),
        });
        let vault = Self {
            aliases: hmac::Key::new(hmac::HMAC_SHA256, &aliases),
            recent: Cache::new(KEPT_KEYS),
            ring,
        };
        Ok((vault, missing))
    }

    /// The person's key, if it was used lately. The store may have destroyed it since.
    #[must_use]
    pub fn recent(&self, subject: &Subject) -> Option<Arc<DataKey>> {
        self.recent.get(subject)
    }

    /// Keeps a person's key at hand, once the store has it.
    pub fn remember(&self, subject: Subject, key: Arc<DataKey>) {
        self.recent.insert(subject, key);
    }

    /// Forgets a person's key. Its bytes are wiped with its last use.
    pub fn forget(&self, subject: &Subject) {
        self.recent.invalidate(subject);
    }

    /// Makes a new data key, and the row under which an engine is to keep it.
    #[must_use]
    pub fn make(&self, subject: Subject) -> (Arc<DataKey>, KeyRow) {
        let (bytes, id): (_, KeyId) = (random_key(), rand::random());
        let (first, kek) = self.ring.first();
        let wrapped = seal(kek, &wrap_place(&id, &subject, first), bytes.as_slice());
        let row = KeyRow { id, subject, kek: first.to_owned(), wrapped };
        (Arc::new(DataKey { id, key: cipher(&bytes) }), row)
    }

    /// The data key of a row.
    ///
    /// # Errors
    /// [`DoesNotOpen`].
    pub fn unwrap(&self, row: &KeyRow) -> Result<Arc<DataKey>, DoesNotOpen> {
        if let Some(key) = self.recent(&row.subject).filter(|key| key.id == row.id) {
            return Ok(key);
        }
        let bytes = self.bytes(row)?;
        let key = Arc::new(DataKey { id: row.id, key: cipher(&bytes) });
        self.remember(row.subject, key.clone());
        Ok(key)
    }

    /// The id of the key that wraps from now on.
    #[must_use]
    pub fn first(&self) -> &str {
        self.ring.first().0
    }

    /// The row of a data key, wrapped by the ring's first key.
    ///
    /// # Errors
    /// [`DoesNotOpen`].
    pub fn rewrap(&self, row: &KeyRow) -> Result<KeyRow, DoesNotOpen> {
        let (first, kek) = self.ring.first();
        let place = wrap_place(&row.id, &row.subject, first);
        let wrapped = seal(kek, &place, self.bytes(row)?.as_slice());
        Ok(KeyRow { kek: first.to_owned(), wrapped, ..row.clone() })
    }

    /// What stands for an alias in the store: a keyed digest of 128 bits, in hexadecimal.
    #[must_use]
    pub fn alias(&self, kind: Kind, alias: &str) -> String {
        let digest =
            hmac::sign(&self.aliases, &parts(&[kind.as_str().as_bytes(), alias.as_bytes()]));
        hex::encode(&digest.as_ref()[..16])
    }

    fn bytes(&self, row: &KeyRow) -> Result<Zeroizing<[u8; 32]>, DoesNotOpen> {
        let kek = self.ring.get(&row.kek).ok_or(DoesNotOpen)?;
        let place = wrap_place(&row.id, &row.subject, &row.kek);
        let bytes = Zeroizing::new(open(kek, &place, &row.wrapped)?);
        bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| DoesNotOpen)
    }
}

fn wrap_place(id: &KeyId, subject: &Subject, kek: &str) -> Vec<u8> {
    parts(&[b"data key", id, subject.as_bytes(), kek.as_bytes()])
}

fn aliases_place(kek: &str) -> Vec<u8> {
    parts(&[b"alias key", kek.as_bytes()])
}

/// Parts one after the other, each with its length.
fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::with_capacity(96);
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

fn random_key() -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(key.as_mut_slice()).expect("the system gives randomness");
    key
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(
        UnboundKey::new(&AES_256_GCM_SIV, key).expect("the algorithm takes keys of 32 bytes"),
    )
}

fn seal(key: &LessSafeKey, place: &[u8], value: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = rand::random();
    let mut sealed = Vec::with_capacity(NONCE_LEN + value.len() + AES_256_GCM_SIV.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(value);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place),
            &mut sealed[NONCE_LEN..],
        )
        .expect("a value is far below the algorithm's limit of 64 GiB");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

fn open(key: &LessSafeKey, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(DoesNotOpen)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| DoesNotOpen)?;
    let mut value = rest.to_vec();
    let length =
        key.open_in_place(nonce, Aad::from(place), &mut value).map_err(|_| DoesNotOpen)?.len();
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[(&str, u8)]) -> KeyRing {
        let keys = ids.iter().map(|(id, byte)| ((*id).to_owned(), Zeroizing::new([*byte; 32])));
        KeyRing::of(keys).unwrap()
    }

    fn subject(n: u8) -> Subject {
        Subject::from_bytes(&[n; 32]).unwrap()
    }

    const RECORD: Place<'static> = Place::Record { kind: Kind::Worker, id: "a", version: 1 };

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let (vault, _) = Vault::open(ring(&[("a", 1)]), &[]).unwrap();
        let (key, row) = vault.make(subject(1));
        let sealed = key.seal(&RECORD, b"fit");
        assert_eq!(vault.unwrap(&row).unwrap().open(&RECORD, &sealed).unwrap(), b"fit");
        let agency = AgencyId::parse("klinik-01").unwrap();
        for place in [
            Place::Record { kind: Kind::Clearance, id: "a", version: 1 },
            Place::Record { kind: Kind::Worker, id: "b", version: 1 },
            Place::Record { kind: Kind::Worker, id: "a", version: 2 },
            Place::Answer { agency: &agency, request: Uuid::nil() },
        ] {
            assert_eq!(key.open(&place, &sealed), Err(DoesNotOpen), "{place:?}");
        }
        let (other, _) = vault.make(subject(1));
        assert_eq!(other.open(&RECORD, &sealed), Err(DoesNotOpen), "a new key is another one");
        for n in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[n] ^= 1;
            assert_eq!(key.open(&RECORD, &changed), Err(DoesNotOpen), "byte {n}");
            assert_eq!(key.open(&RECORD, &sealed[..n]), Err(DoesNotOpen), "first {n} bytes");
        }
    }

    #[test]
    fn a_data_key_belongs_to_its_person_and_its_wrapping_key() {
        let (vault, _) = Vault::open(ring(&[("a", 1), ("b", 2)]), &[]).unwrap();
        let (_, row) = vault.make(subject(1));
        assert_eq!(row.kek, "a");
        let strays = [
            KeyRow { subject: subject(2), ..row.clone() },
            KeyRow { id: [0; 16], ..row.clone() },
            KeyRow { kek: "b".into(), ..row.clone() },
            KeyRow { kek: "c".into(), ..row },
        ];
        for stray in strays {
            assert_eq!(vault.unwrap(&stray).err(), Some(DoesNotOpen));
        }
    }

    #[test]
    fn a_new_first_key_wraps_and_the_old_one_still_opens() {
        let (old, made) = Vault::open(ring(&[("a", 1)]), &[]).unwrap();
        let made = made.unwrap();
        let (key, row) = old.make(subject(1));
        let sealed = key.seal(&RECORD, b"fit");
        let both = || ring(&[("b", 2), ("a", 1)]);
        let (vault, added) = Vault::open(both(), std::slice::from_ref(&made)).unwrap();
        let added = added.unwrap();
        assert_eq!(added.kek, "b");
        let rewrapped = vault.rewrap(&row).unwrap();
        // The old key is needed no more; aliases stay what they are.
        let (new, none) = Vault::open(ring(&[("b", 2)]), &[added]).unwrap();
        assert_eq!(none, None);
        assert_eq!(new.unwrap(&rewrapped).unwrap().open(&RECORD, &sealed).unwrap(), b"fit");
        assert_eq!(new.alias(Kind::Worker, "x"), old.alias(Kind::Worker, "x"));
        assert_ne!(new.alias(Kind::Worker, "x"), old.alias(Kind::Clearance, "x"));
        assert!(new.unwrap(&row).is_ok(), "it was unwrapped lately");
        new.forget(&subject(1));
        assert!(new.unwrap(&row).is_err());

        let unfit = |ring| Vault::open(ring, std::slice::from_ref(&made)).err();
        assert_eq!(unfit(ring(&[("b", 2)])), Some(Unfit::Missing("a".into())));
        assert_eq!(unfit(ring(&[("b", 2), ("a", 3)])), Some(Unfit::Wrong("a".into())));
    }
}
