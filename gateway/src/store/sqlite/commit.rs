//! One commit within a transaction: first it is judged, then it is written.
//!
//! Invariant: a commit that is refused, or outdated, has written nothing, so the transaction can go
//! on without it.

use std::collections::HashSet;
use std::sync::Arc;

use desmigratif_core::credentials::Credentials;
use desmigratif_core::journal::{Entry, Hash, LeafVersion, Receipt, Touched, commitment};
use desmigratif_core::ports::store::{Commit, Committed, Error, Expect, Request, Write};
use desmigratif_core::record::{Index, Key};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::columns::Lock;
use super::credentials::{self, KeptSignature, Rows};
use super::fault::Failure;
use super::keys::{Plan, Used};
use super::{columns, keys, outbox, trail};
use crate::store::vault::{KeyId, Place, Vault};

/// A commit with all that can be computed before its turn comes, so that the one writer does
/// not have to.
pub(super) struct Prepared {
    commit: Arc<Commit>,
    writes: Vec<Filed>,
    used: Vec<Used>,
    /// The answer to be kept.
    answer: Option<Sealed>,
    signature: Option<KeptSignature>,
    salt: [u8; 16],
}

/// A record, encoded.
struct Filed {
    key: Key,
    index: Index,
    expect: Expect,
    /// The version for which the body was sealed; `None` when it is in clear and fits any.
    version: Option<u64>,
    body: Sealed,
    commitment: Hash,
}

/// A value with the id of the data key that seals it, if one does.
struct Sealed {
    bytes: Vec<u8>,
    by: Option<KeyId>,
}

impl Prepared {
    /// Encodes and seals a commit's records and checks that it does not contradict itself.
    pub(super) fn new(
        commit: Arc<Commit>,
        plan: &Plan,
        vault: &Vault,
        salt: [u8; 16],
    ) -> Result<Self, Error> {
        let mut writes = Vec::with_capacity(commit.writes.len());
        for write in &commit.writes {
            writes.push(Filed::new(&commit, write, plan, vault, &salt)?);
        }
        let mut keys = HashSet::with_capacity(writes.len());
        let mut aliases = HashSet::new();
        for Filed { key, index, .. } in &writes {
            if !keys.insert(key) {
                return Err(Error::Conflict(key.kind));
            }
            if index.alias.as_ref().is_some_and(|alias| !aliases.insert((key.kind, alias))) {
                return Err(Error::AliasTaken(key.kind));
            }
        }
        if let Some(stray) = commit.deliveries.iter().find(|d| !keys.contains(&d.record)) {
            return Err(Error::Conflict(stray.record.kind));
        }
        let answer = match (commit.person_of_answer(), &commit.request) {
            (Some(person), Some(Request { agency, id, .. })) => {
                let place = Place::Answer { agency, request: *id };
                let key = plan.key(&person);
                let bytes = key.seal(&place, &commit.answer);
                Some(Sealed { bytes, by: Some(key.id) })
            }
            _ => None,
        };
        let signature = KeptSignature::new(&commit, plan);
        Ok(Self { writes, used: plan.used(), answer, signature, salt, commit })
    }
}

impl Filed {
    fn new(
        commit: &Commit,
        write: &Write,
        plan: &Plan,
        vault: &Vault,
        salt: &[u8; 16],
    ) -> Result<Self, Error> {
        let key = write.record.key();
        let of_kind = |what| Error::Corrupt(format!("a {} record {what}", key.kind.as_str()));
        // The cause is not told: it may quote the record.
        let clear = Zeroizing::new(
            serde_json::to_vec(&write.record).map_err(|_| of_kind("cannot be encoded"))?,
        );
        let (version, body) = match commit.person_of(&write.record) {
            Some(person) => {
                let (key, version) = (plan.key(&person), plan.version(&key, write.expect));
                let bytes = key.seal(&place(&write.record.key(), version), &clear);
                (Some(version), Sealed { bytes, by: Some(key.id) })
            }
            None if key.kind.is_personal() => return Err(of_kind("is about nobody known")),
            None => (None, Sealed { bytes: clear.to_vec(), by: None }),
        };
        let commitment = commitment(salt, &body.bytes);
        let mut index = write.record.index();
        index.alias = index.alias.map(|alias| vault.alias(key.kind, &alias));
        Ok(Self { key, index, expect: write.expect, version, body, commitment })
    }
}

/// What a record's body is sealed as.
const fn place(key: &Key, version: u64) -> Place<'_> {
    Place::Record { kind: key.kind, id: key.id.as_str(), version }
}

/// What came of a commit's turn.
pub(super) enum Applied {
    /// It was made, or repeats an earlier one.
    Done(Done),
    /// Nothing was written: another commit has come between, so that its records were sealed
    /// under another key, or as another version, than they must be.
    Outdated,
}

/// A commit that was made.
pub(super) struct Done {
    receipt: Receipt,
    /// The answer kept for a request; `None` for the commit's own.
    kept: Option<Kept>,
}

/// A kept answer as it lies in the store.
struct Kept {
    answer: Vec<u8>,
    lock: Lock,
}

impl Done {
    /// What the caller gets: an answer that was kept is opened.
    pub(super) fn open(
        self,
        request: Option<&Request>,
        own: &[u8],
        vault: &Vault,
    ) -> Result<Committed, Error> {
        let Self { receipt, kept } = self;
        let (Some(Kept { answer, lock }), Some(request)) = (kept, request) else {
            return Ok(Committed { receipt, answer: own.to_vec(), repeated: false });
        };
        let answer = match lock {
            Lock::Clear => answer,
            Lock::Erased => return Err(Error::Erased),
            Lock::Sealed(row) => {
                let place = Place::Answer { agency: &request.agency, request: request.id };
                let opened = vault.unwrap(&row).and_then(|key| key.open(&place, &answer));
                opened.map_err(|_| Error::Corrupt("a kept answer does not open".to_owned()))?
            }
        };
        Ok(Committed { receipt, answer, repeated: true })
    }
}

/// The end of the journal.
#[derive(Clone, Copy)]
pub(super) struct Head {
    next: u64,
    last: Timestamp,
    /// Whether somebody was erased, so that the log must not keep what was there before.
    pub(super) erased: bool,
}

impl Head {
    /// The end of the journal as a transaction finds it.
    pub(super) fn load(tx: &Connection) -> rusqlite::Result<Self> {
        tx.prepare_cached("SELECT idx, at_us FROM entry ORDER BY idx DESC LIMIT 1")?
            .query_row([], |row| {
                let (next, last) = (columns::count(row, 0)? + 1, columns::time(row, 1)?);
                Ok(Self { next, last, erased: false })
            })
            .optional()
            .map(|head| head.unwrap_or(Self { next: 0, last: Timestamp::MIN, erased: false }))
    }
}

/// Judges a commit and writes it at the end of the journal.
pub(super) fn apply(
    tx: &Connection,
    head: &mut Head,
    now: Timestamp,
    prepared: &Prepared,
) -> Result<Applied, Failure> {
    // Time never goes back, whatever the clock does.
    let at = now.max(head.last);
    if let Some(request) = &prepared.commit.request
        && let Some(kept) = kept(tx, request, at)?
    {
        return Ok(Applied::Done(kept));
    }
    let found = judge(tx, prepared)?;
    let sealed_so = found.iter().zip(&prepared.writes).all(|(found, filed)| {
        let version = found.as_ref().map_or(1, |found| found.version + 1);
        filed.version.is_none_or(|sealed| sealed == version)
    });
    if !sealed_so || !keys::hold(tx, &prepared.used)? {
        return Ok(Applied::Outdated);
    }
    let done = write(tx, prepared, &found, head.next, at)?;
    let erased = head.erased || prepared.commit.erase.is_some();
    *head = Head { next: head.next + 1, last: at, erased };
    Ok(Applied::Done(done))
}

/// The answer kept for a request that is not older than the port promises.
pub(super) fn kept(
    conn: &Connection,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Done>, Failure> {
    let found = conn
        .prepare_cached(
            "SELECT r.idx, r.at_us, r.digest, r.answer, e.leaf_hash, r.sealed,
                    k.id, k.subject, k.kek, k.wrapped
             FROM request r JOIN entry e ON e.idx = r.idx
             LEFT JOIN data_key k ON k.id = r.sealed
             WHERE r.agency = ?1 AND r.id = ?2",
        )?
        .query_row(params![request.agency.as_str(), request.id.as_bytes()], |row| {
            let digest: Hash = row.get(2)?;
            let receipt = Receipt {
                index: columns::count(row, 0)?,
                at: columns::time(row, 1)?,
                leaf_hash: row.get(4)?,
            };
            let kept = Kept { answer: row.get(3)?, lock: Lock::read(row, 5)? };
            Ok((digest, Done { receipt, kept: Some(kept) }))
        })
        .optional()?;
    match found {
        Some((_, kept)) if kept.receipt.at <= expiry(now) => Ok(None),
        Some((digest, _)) if digest != request.digest => Err(Error::RequestReused.into()),
        Some((_, kept)) => Ok(Some(kept)),
        None => Ok(None),
    }
}

/// Removes at most `limit` answers whose time is over.
pub(super) fn purge(tx: &Connection, now: Timestamp, limit: usize) -> rusqlite::Result<()> {
    let expiry = expiry(now).as_microsecond();
    let oldest: Option<i64> = tx
        .prepare_cached("SELECT at_us FROM request ORDER BY idx LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    if oldest.is_some_and(|at| at <= expiry) {
        // The oldest come first, so none needs to be sought.
        tx.prepare_cached(
            "DELETE FROM request WHERE idx IN (
                SELECT idx FROM (SELECT idx, at_us FROM request ORDER BY idx LIMIT ?2)
                WHERE at_us <= ?1)",
        )?
        .execute(params![expiry, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    }
    Ok(())
}

/// What was committed then, or before, is no longer kept.
fn expiry(now: Timestamp) -> Timestamp {
    let kept = SignedDuration::from_hours(24 * desmigratif_core::ports::store::IDEMPOTENCY_DAYS);
    now.checked_sub(kept).unwrap_or(Timestamp::MIN)
}

/// A record that is there already.
struct Found {
    row: i64,
    version: u64,
    /// Whether its person was erased: then it is not there for anybody.
    erased: bool,
}

/// Checks what a commit expects; gives for each write the record that it replaces.
fn judge(tx: &Connection, prepared: &Prepared) -> Result<Vec<Option<Found>>, Failure> {
    for (key, version) in &prepared.commit.unchanged {
        if find(tx, key)?.is_none_or(|found| found.erased || found.version != *version) {
            return Err(Error::Conflict(key.kind).into());
        }
    }
    for order in &prepared.commit.orders {
        outbox::judge(tx, order)?;
    }
    let mut replaced = Vec::with_capacity(prepared.writes.len());
    for Filed { key, index, expect, .. } in &prepared.writes {
        let found = find(tx, key)?;
        let there = found.as_ref().filter(|found| !found.erased);
        let expected = match (expect, there) {
            (Expect::Any, _) | (Expect::Absent, None) => true,
            (Expect::Version(version), Some(found)) => found.version == *version,
            (Expect::Absent, Some(_)) | (Expect::Version(_), None) => false,
        };
        if !expected {
            return Err(Error::Conflict(key.kind).into());
        }
        if let Some(alias) = &index.alias {
            let holder: Option<i64> = tx
                .prepare_cached("SELECT rowid FROM record WHERE kind = ?1 AND alias = ?2")?
                .query_row(params![key.kind.as_str(), alias], |row| row.get(0))
                .optional()?;
            if holder.is_some() && holder != found.as_ref().map(|found| found.row) {
                return Err(Error::AliasTaken(key.kind).into());
            }
        }
        replaced.push(found);
    }
    Ok(replaced)
}

fn find(tx: &Connection, key: &Key) -> rusqlite::Result<Option<Found>> {
    tx.prepare_cached("SELECT rowid, version, erased FROM record WHERE kind = ?1 AND id = ?2")?
        .query_row(params![key.kind.as_str(), key.id], |row| {
            Ok(Found { row: row.get(0)?, version: columns::count(row, 1)?, erased: row.get(2)? })
        })
        .optional()
}

fn write(
    tx: &Connection,
    prepared: &Prepared,
    replaced: &[Option<Found>],
    index: u64,
    at: Timestamp,
) -> Result<Done, Failure> {
    let Prepared { commit, writes, used, answer, signature, salt } = prepared;
    let at_us = at.as_microsecond();
    keys::write_new(tx, used)?;
    let mut touched = Vec::with_capacity(writes.len());
    for (filed, replaced) in writes.iter().zip(replaced) {
        if let Some(replaced) = replaced {
            outbox::keep_body(tx, replaced.row, &filed.key)?;
        }
        write_record(tx, filed, replaced.as_ref(), index, at_us)?;
        touched.push(Touched {
            key: filed.key.clone(),
            version: replaced.as_ref().map_or(1, |found| found.version + 1),
            commitment: filed.commitment,
        });
    }
    let entry = Entry {
        index,
        at,
        leaf_version: LeafVersion::CURRENT,
        draft: commit.entry.clone(),
        caller: commit.credentials.as_ref().map(Credentials::digests).unwrap_or_default(),
        touched,
    };
    let receipt = entry.receipt();
    let rows = credentials::keep(tx, commit.credentials.as_ref())?;
    write_entry(tx, &entry, rows, &receipt.leaf_hash, salt)?;
    if let Some(signature) = signature {
        signature.write(tx, index)?;
    }
    trail::write(tx, &entry, rows.certificate)?;
    if let Some(request) = &commit.request {
        // Replaces an answer under the same id whose time is over.
        tx.prepare_cached(
            "INSERT OR REPLACE INTO request (idx, agency, id, digest, at_us, answer, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            signed(index),
            request.agency.as_str(),
            request.id.as_bytes(),
            request.digest,
            at_us,
            answer.as_ref().map_or(&commit.answer, |answer| &answer.bytes),
            answer.as_ref().and_then(|answer| answer.by),
        ])?;
    }
    for delivery in &commit.deliveries {
        let record = entry
            .touched
            .iter()
            .find(|touched| touched.key == delivery.record)
            .expect("a prepared commit writes every record that it delivers");
        outbox::push(tx, delivery, record.version, index, at_us)?;
    }
    for order in &commit.orders {
        outbox::carry_out(tx, at, order)?;
    }
    if let Some(subject) = &commit.erase {
        keys::erase(tx, subject, at)?;
    }
    Ok(Done { receipt, kept: None })
}

fn write_record(
    tx: &Connection,
    filed: &Filed,
    replaced: Option<&Found>,
    entry: u64,
    at_us: i64,
) -> rusqlite::Result<()> {
    let Filed { key, index, body: Sealed { bytes: body, by }, .. } = filed;
    let subject = index.subject.as_ref().map(|subject| subject.as_bytes());
    let Index { place, parent, holder, state, facet, alias, .. } = index;
    let facet = facet.as_deref().unwrap_or_default();
    match replaced {
        None => tx
            .prepare_cached(
                "INSERT INTO record (kind, id, version, as_of, subject, place, parent, holder,
                                     state, facet, alias, body, entry, sealed)
                 VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                key.kind.as_str(),
                key.id,
                at_us,
                subject,
                place,
                parent,
                holder,
                state,
                facet,
                alias,
                body,
                signed(entry),
                by,
            ])?,
        Some(found) => tx
            .prepare_cached(
                "UPDATE record SET version = version + 1, as_of = ?2, subject = ?3, place = ?4,
                                   parent = ?5, holder = ?6, state = ?7, facet = ?8, alias = ?9,
                                   body = ?10, entry = ?11, sealed = ?12, erased = 0
                 WHERE rowid = ?1",
            )?
            .execute(params![
                found.row,
                at_us,
                subject,
                place,
                parent,
                holder,
                state,
                facet,
                alias,
                body,
                signed(entry),
                by,
            ])?,
    };
    Ok(())
}

fn write_entry(
    tx: &Connection,
    entry: &Entry,
    rows: Rows,
    leaf_hash: &Hash,
    salt: &[u8; 16],
) -> rusqlite::Result<()> {
    let draft = &entry.draft;
    tx.prepare_cached(
        "INSERT INTO entry (idx, at_us, kind, agency, purpose, method, request_digest, subjects,
                            classes, trace_id, touched, salt, leaf_hash, leaf_version,
                            certificate, revocation)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params![
        signed(entry.index),
        entry.at.as_microsecond(),
        draft.kind.as_str(),
        draft.agency.as_str(),
        draft.purpose.map(|purpose| purpose.as_str()),
        draft.method,
        draft.request_digest,
        columns::subjects_to_blob(&draft.subjects),
        draft.classes.bits(),
        draft.trace_id,
        columns::touched_to_json(&entry.touched),
        salt,
        leaf_hash,
        entry.leaf_version as u8,
        rows.certificate,
        rows.revocation,
    ])?;
    Ok(())
}

/// SQLite's integers are signed.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).expect("no store counts to 2^63")
}
