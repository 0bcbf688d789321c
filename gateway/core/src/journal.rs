//! The journal's line: what was changed or disclosed, by whom, and why.
//!
//! An [`Entry`] is immutable and stands at a dense index. It holds no personal value: people
//! are pseudonyms, records are salted commitments. Its [leaf encoding](Entry::leaf) is canonical,
//! since receipts and, later, proofs are made of its hash.
//!
//! A commitment is over the bytes that the store holds as the record's body, and over nothing
//! else. For a record that is about nobody these are its JSON. For one about a person they are what
//! sealing the JSON gives: a nonce of 12 bytes, the ciphertext, a tag of 16 bytes (AES-256-GCM-SIV,
//! bound to kind, id and version). So journal and store are checked against each other without
//! any key, and also after a person's key was destroyed; whoever has the key can show the content.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::access::{Classes, Purpose};
use crate::agency::AgencyId;
use crate::record::Key;
use crate::subject::Subject;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// What an entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// Records were changed.
    Change,
    /// Personal data was disclosed.
    Disclosure,
    /// A known agency was refused.
    Refusal,
}

impl EntryKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 3] = [Self::Change, Self::Disclosure, Self::Refusal];

    /// The name under which the kind is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Disclosure => "disclosure",
            Self::Refusal => "refusal",
        }
    }

    /// Reads what [`EntryKind::as_str`] writes; anything else is no kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An entry as its author knows it, before it has a place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it records.
    pub kind: EntryKind,
    /// Who called.
    pub agency: AgencyId,
    /// Why; `None` only for a refusal that stated no valid purpose.
    pub purpose: Option<Purpose>,
    /// The method, as a gRPC path without the leading slash.
    pub method: String,
    /// Keyed digest of the request; see [`crate::subject::SubjectKey::digest`].
    pub request_digest: Hash,
    /// The people concerned, in the order of the answer.
    pub subjects: Vec<Subject>,
    /// The classes of data that were changed or left the exchange.
    pub classes: Classes,
    /// The caller's trace, W3C trace id; all zero when there is none.
    pub trace_id: [u8; 16],
}

/// What a caller has signed itself, kept beside the entry of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerSignature {
    /// The bytes that were signed: a signature base (RFC 9421 section 2.5).
    pub base: Vec<u8>,
    /// The signature, as its algorithm makes it.
    pub value: Vec<u8>,
}

/// A record that an entry changed, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The record.
    pub key: Key,
    /// The version that the entry made.
    pub version: u64,
    /// HMAC-SHA-256 of the record's stored body, sealed as it is, under the entry's salt: proves
    /// it to whoever has both, and tells nothing to whoever lacks the salt.
    pub commitment: Hash,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: dense, beginning at 0.
    pub index: u64,
    /// When it was committed; never earlier than the entry before it.
    pub at: Timestamp,
    /// What its author stated.
    pub draft: Draft,
    /// The records that it changed, in the order of the commit.
    pub touched: Vec<Touched>,
}

/// What a caller gets back for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Place of the entry in the journal.
    pub index: u64,
    /// Hash of the entry as a Merkle leaf.
    pub leaf_hash: Hash,
    /// When it was committed.
    pub at: Timestamp,
}

/// Version of the leaf encoding, its first byte.
const LEAF_VERSION: u8 = 1;

impl Entry {
    /// The canonical encoding of the entry, version 1 (sealed bodies changed what is committed to,
    /// not how): the version byte, then each part as a
    /// big-endian u32 length and its bytes, in this order: index (u64), time (i64 microseconds
    /// since 1970, UTC), kind, agency, purpose (empty for none), method, request digest, classes
    /// (u8 bits), trace id, number of subjects (u32) and each subject, number of records (u32)
    /// and for each its kind, id, version (u64) and commitment. Integers are big-endian.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        let mut leaf = Leaf(Vec::with_capacity(320));
        leaf.0.push(LEAF_VERSION);
        leaf.part(&self.index.to_be_bytes());
        leaf.part(&self.at.as_microsecond().to_be_bytes());
        leaf.part(self.draft.kind.as_str().as_bytes());
        leaf.part(self.draft.agency.as_str().as_bytes());
        leaf.part(self.draft.purpose.map_or("", Purpose::as_str).as_bytes());
        leaf.part(self.draft.method.as_bytes());
        leaf.part(&self.draft.request_digest);
        leaf.part(&[self.draft.classes.bits()]);
        leaf.part(&self.draft.trace_id);
        leaf.count(self.draft.subjects.len());
        for subject in &self.draft.subjects {
            leaf.part(subject.as_bytes());
        }
        leaf.count(self.touched.len());
        for touched in &self.touched {
            leaf.part(touched.key.kind.as_str().as_bytes());
            leaf.part(touched.key.id.as_bytes());
            leaf.part(&touched.version.to_be_bytes());
            leaf.part(&touched.commitment);
        }
        leaf.0
    }

    /// The receipt of the entry.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt { index: self.index, leaf_hash: leaf_hash(&self.leaf()), at: self.at }
    }
}

/// Hash of a Merkle leaf: SHA-256 of a zero byte and the leaf (RFC 9162 section 2.1.1).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// The commitment to a record's stored body: HMAC-SHA-256 with the entry's salt as the key.
#[must_use]
pub fn commitment(salt: &[u8; 16], body: &[u8]) -> Hash {
    Hmac::<Sha256>::new_from_slice(salt)
        .expect("HMAC takes a key of any length")
        .chain_update(body)
        .finalize()
        .into_bytes()
        .into()
}

struct Leaf(Vec<u8>);

impl Leaf {
    fn part(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn count(&mut self, n: usize) {
        let n =
            u32::try_from(n).expect("parts of an entry are bounded far below 4 GiB by the edge");
        self.0.extend_from_slice(&n.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::DataClass;
    use crate::record::Kind;

    fn entry() -> Entry {
        Entry {
            index: 7,
            at: Timestamp::from_microsecond(1_700_000_000_000_000).unwrap(),
            draft: Draft {
                kind: EntryKind::Change,
                agency: AgencyId::parse("kemnaker").unwrap(),
                purpose: Some(Purpose::PlacementScreening),
                method: "a.B/C".into(),
                request_digest: [1; 32],
                subjects: vec![],
                classes: Classes::of(&[DataClass::Public]),
                trace_id: [0; 16],
            },
            touched: vec![Touched {
                key: Key { kind: Kind::Worker, id: "x".into() },
                version: 1,
                commitment: [2; 32],
            }],
        }
    }

    #[test]
    fn the_leaf_hash_of_nothing_is_that_of_rfc_9162() {
        assert_eq!(
            hex::encode(leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    #[test]
    fn every_part_of_an_entry_changes_its_leaf() {
        let base = entry();
        let changed: [fn(&mut Entry); 8] = [
            |e| e.index = 8,
            |e| e.at = Timestamp::from_microsecond(1).unwrap(),
            |e| e.draft.kind = EntryKind::Refusal,
            |e| e.draft.purpose = None,
            |e| e.draft.method.push('x'),
            |e| e.draft.classes = Classes::NONE,
            |e| e.touched[0].version = 2,
            |e| e.touched.clear(),
        ];
        for change in changed {
            let mut other = entry();
            change(&mut other);
            assert_ne!(other.leaf(), base.leaf());
        }
        assert_eq!(entry().receipt().leaf_hash, leaf_hash(&base.leaf()));
    }
}
