//! The canonical encoding of an entry: what the journal's Merkle tree is made of.
//!
//! A version byte, then parts in the order below. Integers are big-endian. Each part but a number of
//! things is a u32 length and its bytes.
//!
//! | part | length | bytes |
//! |---|---|---|
//! | index | 8 | u64 |
//! | time | 8 | i64, microseconds since 1970, UTC |
//! | kind | any | as [`EntryKind::as_str`] |
//! | agency | any | its id |
//! | purpose | any | as [`Purpose::as_str`]; empty for none |
//! | method | any | gRPC path without the leading slash |
//! | request digest | 32 | HMAC-SHA-256 |
//! | classes | 1 | the bits of the set |
//! | trace id | 16 | all zero for none |
//! | number of subjects | | u32, without a length before it |
//! | each subject | 32 | the pseudonym |
//! | number of records | | u32, without a length before it |
//! | each record's kind, id, version, commitment | any, any, 8, 32 | text, text, u64, HMAC-SHA-256 |
//! | certificate | 0 or 32 | SHA-256 of the caller's certificate; since version 2 |
//! | revocation | 0 or 32 | digest of the revocation lists; since version 2 |
//! | signature | 0 or 32 | digest of the caller's signature; since version 2 |
//!
//! What the last three are digests of [`crate::credentials`] says.
//!
//! Invariant: an entry has one encoding, and bytes that are not exactly that are none.

use jiff::Timestamp;

use super::{Draft, Entry, EntryKind, Hash, Touched};
use crate::access::{Classes, Purpose};
use crate::agency::AgencyId;
use crate::credentials::Digests;
use crate::record::{Key, Kind};
use crate::subject::Subject;

/// Version of the encoding: the leaf's first byte. An entry keeps the one that it was made with.
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

/// Encodes an entry.
pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let mut leaf = Writer(Vec::with_capacity(416));
    leaf.0.push(entry.leaf_version as u8);
    leaf.part(&entry.index.to_be_bytes());
    leaf.part(&entry.at.as_microsecond().to_be_bytes());
    leaf.part(entry.draft.kind.as_str().as_bytes());
    leaf.part(entry.draft.agency.as_str().as_bytes());
    leaf.part(entry.draft.purpose.map_or("", Purpose::as_str).as_bytes());
    leaf.part(entry.draft.method.as_bytes());
    leaf.part(&entry.draft.request_digest);
    leaf.part(&[entry.draft.classes.bits()]);
    leaf.part(&entry.draft.trace_id);
    leaf.count(entry.draft.subjects.len());
    for subject in &entry.draft.subjects {
        leaf.part(subject.as_bytes());
    }
    leaf.count(entry.touched.len());
    for touched in &entry.touched {
        leaf.part(touched.key.kind.as_str().as_bytes());
        leaf.part(touched.key.id.as_bytes());
        leaf.part(&touched.version.to_be_bytes());
        leaf.part(&touched.commitment);
    }
    match entry.leaf_version {
        LeafVersion::V1 => {}
        LeafVersion::V2 => {
            let Digests { certificate, revocation, signature } = entry.caller;
            for digest in [certificate, revocation, signature] {
                leaf.part(digest.as_ref().map_or(&[], |digest| &digest[..]));
            }
        }
    }
    leaf.0
}

/// Reads what [`encode`] writes; `None` for any other bytes.
pub(super) fn decode(bytes: &[u8]) -> Option<Entry> {
    let (version, rest) = bytes.split_first()?;
    let leaf_version = LeafVersion::of(*version)?;
    let mut leaf = Reader(rest);
    let index = u64::from_be_bytes(leaf.array()?);
    let at = Timestamp::from_microsecond(i64::from_be_bytes(leaf.array()?)).ok()?;
    let kind = EntryKind::parse(leaf.text()?)?;
    let agency = AgencyId::parse(leaf.text()?).ok()?;
    let purpose = match leaf.text()? {
        "" => None,
        text => Some(Purpose::parse(text)?),
    };
    let method = leaf.text()?.to_owned();
    let request_digest = leaf.array()?;
    let [classes] = leaf.array()?;
    let classes = Classes::from_bits(classes)?;
    let trace_id = leaf.array()?;
    // What is counted is not reserved for: the count may be anything.
    let mut subjects = Vec::new();
    for _ in 0..leaf.count()? {
        subjects.push(Subject::from_bytes(leaf.part()?).ok()?);
    }
    let mut touched = Vec::new();
    for _ in 0..leaf.count()? {
        let key = Key { kind: Kind::parse(leaf.text()?)?, id: leaf.text()?.to_owned() };
        let version = u64::from_be_bytes(leaf.array()?);
        touched.push(Touched { key, version, commitment: leaf.array()? });
    }
    let caller = match leaf_version {
        LeafVersion::V1 => Digests::default(),
        LeafVersion::V2 => Digests {
            certificate: leaf.digest()?,
            revocation: leaf.digest()?,
            signature: leaf.digest()?,
        },
    };
    let draft =
        Draft { kind, agency, purpose, method, request_digest, subjects, classes, trace_id };
    leaf.0.is_empty().then_some(Entry { index, at, leaf_version, draft, caller, touched })
}

struct Writer(Vec<u8>);

impl Writer {
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

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn count(&mut self) -> Option<u32> {
        let (count, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*count))
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (part, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        Some(part)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.part()?.try_into().ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.part()?).ok()
    }

    fn digest(&mut self) -> Option<Option<Hash>> {
        match self.part()? {
            [] => Some(None),
            digest => Some(Some(digest.try_into().ok()?)),
        }
    }
}
