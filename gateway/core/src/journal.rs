//! The journal's line: what was changed or disclosed, by whom, and why.
//!
//! An [`Entry`] is immutable and stands at a dense index. It holds no personal value: people
//! are pseudonyms, records are salted commitments. Its [leaf encoding](leaf) is canonical,
//! since receipts and, later, proofs are made of its hash.
//!
//! A commitment is over the bytes that the store holds as the record's body, and over nothing
//! else. For a record that is about nobody these are its JSON. For one about a person they are what
//! sealing the JSON gives: a nonce of 12 bytes, the ciphertext, a tag of 16 bytes (AES-256-GCM-SIV,
//! bound to kind, id and version). So journal and store are checked against each other without
//! any key, and also after a person's key was destroyed; whoever has the key can show the content.

pub mod leaf;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::access::{Classes, Purpose};
use crate::agency::AgencyId;
use crate::credentials::Digests;
use crate::record::Key;
use crate::setting::Setting;
use crate::subject::Subject;

pub use leaf::LeafVersion;

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
    /// Why; `None` only for a refusal that stated no valid purpose, and for what an agency asks of its
    /// own doings, which needs none.
    pub purpose: Option<Purpose>,
    /// The method, as a gRPC path without the leading slash.
    pub method: String,
    /// Keyed digest of the request; see [`crate::subject::SubjectKey::digest`]. Of an entry that
    /// the gateway makes by itself the digest of what it is about, all zero for none.
    pub request_digest: Hash,
    /// The people concerned, in the order of the answer.
    pub subjects: Vec<Subject>,
    /// The classes of data that were changed or left the exchange.
    pub classes: Classes,
    /// The caller's trace, W3C trace id; all zero when there is none.
    pub trace_id: [u8; 16],
}

/// The agency in whose name the gateway's own entries are made, and its operator's.
const GATEWAY: &str = "gateway";

/// How the methods of the entries begin by which the gateway puts a setting in force.
const PUT_IN_FORCE: &str = "put-in-force/";

impl Draft {
    /// The draft of an entry that the gateway makes by itself: what it did, concerning nobody.
    ///
    /// # Panics
    /// Never: the gateway's id is well formed.
    #[must_use]
    pub fn of_gateway(method: &str) -> Self {
        Self {
            kind: EntryKind::Change,
            agency: AgencyId::parse(GATEWAY).expect("a plain word is an id"),
            purpose: Some(Purpose::Operations),
            method: method.to_owned(),
            request_digest: [0; 32],
            subjects: Vec::new(),
            classes: Classes::NONE,
            trace_id: [0; 16],
        }
    }

    /// The draft of the entry by which the gateway puts a setting in force.
    #[must_use]
    pub fn of_setting(setting: &Setting) -> Self {
        let method = format!("{PUT_IN_FORCE}{}", setting.name.as_str());
        Self { request_digest: setting.digest, ..Self::of_gateway(&method) }
    }

    /// Whether it puts a setting in force. No method of the contract is named so.
    #[must_use]
    pub fn is_of_setting(&self) -> bool {
        self.agency.as_str() == GATEWAY && self.method.starts_with(PUT_IN_FORCE)
    }
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
    /// How its leaf is encoded.
    pub leaf_version: LeafVersion,
    /// What its author stated.
    pub draft: Draft,
    /// What its caller was admitted with; empty when nobody called, as when the gateway itself
    /// makes an entry, and in entries of version 1.
    pub caller: Digests,
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

impl Entry {
    /// The entry in its canonical encoding, which [`leaf`] describes.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        leaf::encode(self)
    }

    /// Reads what [`Entry::leaf`] writes; `None` for any other bytes.
    #[must_use]
    pub fn of_leaf(bytes: &[u8]) -> Option<Self> {
        leaf::decode(bytes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::DataClass;
    use crate::record::Kind;

    fn entry() -> Entry {
        Entry {
            index: 7,
            at: Timestamp::from_microsecond(1_700_000_000_000_000).unwrap(),
            leaf_version: LeafVersion::V2,
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
            caller: Digests { certificate: Some([4; 32]), ..Digests::default() },
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
        let changed: [fn(&mut Entry); 13] = [
            |e| e.index = 8,
            |e| e.at = Timestamp::from_microsecond(1).unwrap(),
            |e| e.draft.kind = EntryKind::Refusal,
            |e| e.draft.purpose = None,
            |e| e.draft.method.push('x'),
            |e| e.draft.classes = Classes::NONE,
            |e| e.touched[0].version = 2,
            |e| e.touched.clear(),
            |e| e.leaf_version = LeafVersion::V1,
            |e| e.caller.certificate = None,
            // The same bytes, said of something else.
            |e| e.caller.revocation = e.caller.certificate.take(),
            |e| e.caller.revocation = Some([4; 32]),
            |e| e.caller.signature = Some([4; 32]),
        ];
        for change in changed {
            let mut other = entry();
            change(&mut other);
            assert_ne!(other.leaf(), base.leaf());
        }
        assert_eq!(entry().receipt().leaf_hash, leaf_hash(&base.leaf()));
    }

    /// The encoding is for ever: what it gives for these entries never changes.
    #[test]
    fn the_leaf_hash_of_each_version_is_as_it_was() {
        let of = |leaf_version| hex::encode(Entry { leaf_version, ..entry() }.receipt().leaf_hash);
        assert_eq!(
            of(LeafVersion::V1),
            "8f0bc9b536d2d94181640b4871c95df26b5b8c8595151ec83333d10cfec7365a"
        );
        assert_eq!(
            of(LeafVersion::V2),
            "92921bbe8e5c759d801b707aff640eee0dfdb33ad039274f76b3f962d52381e3"
        );
    }

    #[test]
    fn a_leaf_reads_back_and_nothing_else_is_one() {
        let rich = Entry {
            draft: Draft {
                purpose: None,
                subjects: vec![Subject::from_bytes(&[5; 32]).unwrap(); 2],
                ..entry().draft
            },
            caller: Digests { signature: Some([6; 32]), ..Digests::default() },
            ..entry()
        };
        let caller = Digests::default();
        let old = Entry { leaf_version: LeafVersion::V1, caller, ..entry() };
        for entry in [entry(), rich, old] {
            let leaf = entry.leaf();
            assert_eq!(Entry::of_leaf(&leaf), Some(entry));
            for end in 0..leaf.len() {
                assert_eq!(Entry::of_leaf(&leaf[..end]), None, "cut at {end}");
            }
            assert_eq!(Entry::of_leaf(&[&leaf[..], &[0]].concat()), None);
            // Whatever is read has one encoding.
            for at in 0..leaf.len() {
                let mut other = leaf.clone();
                other[at] ^= 1;
                if let Some(read) = Entry::of_leaf(&other) {
                    assert_eq!(read.leaf(), other, "byte {at}");
                }
            }
        }
    }
}
