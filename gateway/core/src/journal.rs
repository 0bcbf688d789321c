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
use crate::credentials::Digests;
use crate::record::Key;
use crate::setting::Setting;
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

/// Version of the leaf encoding: the leaf's first byte. An entry keeps the one that it was made
/// with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LeafVersion {
    /// Without anything of the caller but its agency's id.
    V1 = 1,
    /// With what shows who called.
    V2 = 2,
}

impl LeafVersion {
    /// The one that entries are made with today.
    pub const CURRENT: Self = Self::V2;

    /// Reads a version byte; anything else is none.
    #[must_use]
    pub const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }
}

impl Entry {
    /// The canonical encoding of the entry: the version byte, then parts in the order below.
    /// Integers are big-endian. Each part but a number of things is a u32 length and its bytes.
    ///
    /// | part | length | bytes |
    /// |---|---|---|
    /// | index | 8 | u64 |
    /// | time | 8 | i64, microseconds since 1970, UTC |
    /// | kind | any | as [`EntryKind::as_str`] |
    /// | agency | any | its id |
    /// | purpose | any | as [`Purpose::as_str`]; empty for none |
    /// | method | any | gRPC path without the leading slash |
    /// | request digest | 32 | HMAC-SHA-256 |
    /// | classes | 1 | the bits of the set |
    /// | trace id | 16 | all zero for none |
    /// | number of subjects | | u32, without a length before it |
    /// | each subject | 32 | the pseudonym |
    /// | number of records | | u32, without a length before it |
    /// | each record's kind, id, version, commitment | any, any, 8, 32 | text, text, u64, HMAC-SHA-256 |
    /// | certificate | 0 or 32 | SHA-256 of the caller's certificate; since version 2 |
    /// | revocation | 0 or 32 | digest of the revocation lists; since version 2 |
    /// | signature | 0 or 32 | digest of the caller's signature; since version 2 |
    ///
    /// What the last three are digests of [`crate::credentials`] says.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        let mut leaf = Leaf(Vec::with_capacity(416));
        leaf.0.push(self.leaf_version as u8);
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
        match self.leaf_version {
            LeafVersion::V1 => {}
            LeafVersion::V2 => {
                let Digests { certificate, revocation, signature } = self.caller;
                for digest in [certificate, revocation, signature] {
                    leaf.part(digest.as_ref().map_or(&[], |digest| &digest[..]));
                }
            }
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
}
