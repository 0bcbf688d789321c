//! How values lie in columns. Reading is strict: what this store does not write is an error.

use desmigratif_core::access::{Classes, Purpose};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::credentials::Digests;
use desmigratif_core::journal::{Draft, Entry, EntryKind, Hash, LeafVersion, Touched};
use desmigratif_core::ports::store::Error;
use desmigratif_core::record::{Key, Kind, Record, Stored};
use desmigratif_core::subject::Subject;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Result, Row};

use super::keys;
use crate::store::vault::{KeyRow, Place, Vault};

/// The columns from which [`entry`] reads, of the table `entry`.
pub(super) const ENTRY: &str = "idx, at_us, kind, agency, purpose, method, request_digest, \
                                subjects, classes, trace_id, touched, leaf_version, \
    (SELECT c.fingerprint FROM certificate c WHERE c.id = entry.certificate), \
    (SELECT r.digest FROM revocation r WHERE r.id = entry.revocation), \
    (SELECT s.digest FROM entry_signature s WHERE s.idx = entry.idx)";

/// Length of a subject in its blob.
const SUBJECT_LEN: usize = 32;

/// The columns from which [`raw`] reads, of a record `r` and its data key `k`.
pub(super) const RAW: &str =
    "r.body, r.version, r.as_of, r.kind, r.id, r.sealed, k.id, k.subject, k.kek, k.wrapped";

/// What keeps a value.
pub(super) enum Lock {
    /// Nothing: it is in clear.
    Clear,
    /// A data key.
    Sealed(KeyRow),
    /// A data key that was destroyed.
    Erased,
}

impl Lock {
    /// What keeps a value: its data key's id, and the row of that key beginning one column later.
    pub(super) fn read(row: &Row<'_>, column: usize) -> Result<Self> {
        let is_null =
            |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.data_type() == Type::Null);
        Ok(match (is_null(column)?, is_null(column + 1)?) {
            (true, _) => Self::Clear,
            (false, true) => Self::Erased,
            (false, false) => Self::Sealed(keys::read_key(row, column + 1)?),
        })
    }
}

/// A record as it lies in the store.
pub(super) struct Raw {
    body: Vec<u8>,
    key: Key,
    version: u64,
    as_of: Timestamp,
    pub(super) lock: Lock,
}

/// A record as it lies there, from the columns [`RAW`].
pub(super) fn raw(row: &Row<'_>) -> Result<Raw> {
    Ok(Raw {
        body: row.get(0)?,
        version: count(row, 1)?,
        as_of: time(row, 2)?,
        key: Key { kind: named(row, 3, Kind::parse)?, id: row.get(4)? },
        lock: Lock::read(row, 5)?,
    })
}

impl Raw {
    /// The record.
    pub(super) fn open(self, vault: &Vault) -> std::result::Result<Stored, Error> {
        let Self { body, key: Key { kind, id }, version, as_of, lock } = self;
        let unreadable =
            || Error::Corrupt(format!("a {} record is not what this store writes", kind.as_str()));
        let body = match lock {
            Lock::Clear => body,
            Lock::Sealed(row) => {
                let place = Place::Record { kind, id: &id, version };
                let key = vault.unwrap(&row).map_err(|_| unreadable())?;
                key.open(&place, &body).map_err(|_| unreadable())?
            }
            Lock::Erased => return Err(unreadable()),
        };
        let record: Record = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        Ok(Stored { record, version, as_of })
    }
}

/// A line of the journal, from the columns [`ENTRY`].
pub(super) fn entry(row: &Row<'_>) -> Result<Entry> {
    let purpose = match row.get_ref(4)?.as_str_or_null().map_err(|_| unreadable(4))? {
        None => None,
        Some(text) => Some(Purpose::parse(text).ok_or_else(|| unreadable(4))?),
    };
    Ok(Entry {
        index: count(row, 0)?,
        at: time(row, 1)?,
        leaf_version: LeafVersion::of(row.get(11)?).ok_or_else(|| unreadable(11))?,
        draft: Draft {
            kind: named(row, 2, EntryKind::parse)?,
            agency: named(row, 3, |text| AgencyId::parse(text).ok())?,
            purpose,
            method: row.get(5)?,
            request_digest: row.get(6)?,
            subjects: subjects(row, 7)?,
            classes: classes(row, 8)?,
            trace_id: row.get(9)?,
        },
        caller: Digests {
            certificate: row.get(12)?,
            revocation: row.get(13)?,
            signature: row.get(14)?,
        },
        touched: touched_of_json(row, 10)?,
    })
}

/// A set of classes of data.
pub(super) fn classes(row: &Row<'_>, column: usize) -> Result<Classes> {
    Classes::from_bits(row.get(column)?).ok_or_else(|| unreadable(column))
}

/// A count, an index or a version.
pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| unreadable(column))
}

/// A time, in microseconds since 1970.
pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|_| unreadable(column))
}

/// A value of a closed set, by its name.
pub(super) fn named<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T> {
    let text = row.get_ref(column)?.as_str().map_err(|_| unreadable(column))?;
    parse(text).ok_or_else(|| unreadable(column))
}

/// Subjects as one blob, one after the other.
pub(super) fn subjects_to_blob(subjects: &[Subject]) -> Vec<u8> {
    subjects.iter().flat_map(|subject| *subject.as_bytes()).collect()
}

fn subjects(row: &Row<'_>, column: usize) -> Result<Vec<Subject>> {
    let blob = row.get_ref(column)?.as_blob().map_err(|_| unreadable(column))?;
    // A last chunk that is too short is no subject.
    blob.chunks(SUBJECT_LEN)
        .map(|bytes| Subject::from_bytes(bytes).map_err(|_| unreadable(column)))
        .collect()
}

/// One subject.
pub(super) fn subject(row: &Row<'_>, column: usize) -> Result<Subject> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|_| unreadable(column))?;
    Subject::from_bytes(bytes).map_err(|_| unreadable(column))
}

/// Touched records as JSON: kind, id, version and commitment of each.
pub(super) fn touched_to_json(touched: &[Touched]) -> String {
    let rows: Vec<_> = touched
        .iter()
        .map(|t| (t.key.kind.as_str(), &t.key.id, t.version, hex::encode(t.commitment)))
        .collect();
    serde_json::to_string(&rows).expect("strings and numbers are JSON")
}

fn touched_of_json(row: &Row<'_>, column: usize) -> Result<Vec<Touched>> {
    let text = row.get_ref(column)?.as_str().map_err(|_| unreadable(column))?;
    let rows: Vec<(String, String, u64, String)> =
        serde_json::from_str(text).map_err(|_| unreadable(column))?;
    rows.into_iter()
        .map(|(kind, id, version, commitment)| {
            let kind = Kind::parse(&kind)?;
            let mut hash: Hash = [0; 32];
            hex::decode_to_slice(commitment, &mut hash).ok()?;
            Some(Touched { key: Key { kind, id }, version, commitment: hash })
        })
        .collect::<Option<_>>()
        .ok_or_else(|| unreadable(column))
}

/// A column holds what this store does not write.
pub(super) fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        Type::Blob,
        "not what this store writes".into(),
    )
}
