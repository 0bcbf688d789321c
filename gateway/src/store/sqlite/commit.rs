//! One commit within a transaction: first it is judged, then it is written.
//!
//! Invariant: a refused commit has written nothing, so the transaction can go on without it.

use std::collections::HashSet;

use desmigratif_core::journal::{Entry, Hash, Receipt, Touched, commitment};
use desmigratif_core::ports::store::{Commit, Committed, Error, Expect, Request};
use desmigratif_core::record::{Index, Key};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Failure;
use super::{columns, outbox};

/// A commit with all that can be computed before its turn comes, so that the one writer does
/// not have to.
pub(super) struct Prepared {
    /// The commit, without its writes.
    commit: Commit,
    writes: Vec<Filed>,
    salt: [u8; 16],
}

/// A record, encoded.
struct Filed {
    key: Key,
    index: Index,
    expect: Expect,
    body: Vec<u8>,
    commitment: Hash,
}

impl Prepared {
    /// Encodes a commit's records and checks that it does not contradict itself.
    pub(super) fn new(mut commit: Commit, salt: [u8; 16]) -> Result<Self, Error> {
        let mut writes = Vec::with_capacity(commit.writes.len());
        for write in commit.writes.drain(..) {
            let key = write.record.key();
            // The cause is not told: it may quote the record.
            let body = serde_json::to_vec(&write.record).map_err(|_| {
                Error::Corrupt(format!("a {} record cannot be encoded", key.kind.as_str()))
            })?;
            let commitment = commitment(&salt, &body);
            let index = write.record.index();
            writes.push(Filed { key, index, expect: write.expect, body, commitment });
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
        Ok(Self { commit, writes, salt })
    }
}

/// The end of the journal.
#[derive(Clone, Copy)]
pub(super) struct Head {
    next: u64,
    last: Timestamp,
}

impl Head {
    /// The end of the journal as a transaction finds it.
    pub(super) fn load(tx: &Connection) -> rusqlite::Result<Self> {
        tx.prepare_cached("SELECT idx, at_us FROM entry ORDER BY idx DESC LIMIT 1")?
            .query_row([], |row| {
                Ok(Self { next: columns::count(row, 0)? + 1, last: columns::time(row, 1)? })
            })
            .optional()
            .map(|head| head.unwrap_or(Self { next: 0, last: Timestamp::MIN }))
    }
}

/// Judges a commit and writes it at the end of the journal.
pub(super) fn apply(
    tx: &Connection,
    head: &mut Head,
    now: Timestamp,
    prepared: &Prepared,
) -> Result<Committed, Failure> {
    // Time never goes back, whatever the clock does.
    let at = now.max(head.last);
    if let Some(request) = &prepared.commit.request
        && let Some(kept) = kept(tx, request, at)?
    {
        return Ok(kept);
    }
    let found = judge(tx, prepared)?;
    let committed = write(tx, prepared, &found, head.next, at)?;
    *head = Head { next: head.next + 1, last: at };
    Ok(committed)
}

/// The answer kept for a request that is not older than the port promises.
pub(super) fn kept(
    conn: &Connection,
    request: &Request,
    now: Timestamp,
) -> Result<Option<Committed>, Failure> {
    let found = conn
        .prepare_cached(
            "SELECT r.idx, r.at_us, r.digest, r.answer, e.leaf_hash
             FROM request r JOIN entry e ON e.idx = r.idx
             WHERE r.agency = ?1 AND r.id = ?2",
        )?
        .query_row(params![request.agency.as_str(), request.id.as_bytes()], |row| {
            let digest: Hash = row.get(2)?;
            let receipt = Receipt {
                index: columns::count(row, 0)?,
                at: columns::time(row, 1)?,
                leaf_hash: row.get(4)?,
            };
            Ok((digest, Committed { receipt, answer: row.get(3)?, repeated: true }))
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
}

/// Checks what a commit expects; gives for each write the record that it replaces.
fn judge(tx: &Connection, prepared: &Prepared) -> Result<Vec<Option<Found>>, Failure> {
    for (key, version) in &prepared.commit.unchanged {
        if find(tx, key)?.is_none_or(|found| found.version != *version) {
            return Err(Error::Conflict(key.kind).into());
        }
    }
    for order in &prepared.commit.orders {
        outbox::judge(tx, order)?;
    }
    let mut replaced = Vec::with_capacity(prepared.writes.len());
    for Filed { key, index, expect, .. } in &prepared.writes {
        let found = find(tx, key)?;
        let expected = match (expect, &found) {
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
    tx.prepare_cached("SELECT rowid, version FROM record WHERE kind = ?1 AND id = ?2")?
        .query_row(params![key.kind.as_str(), key.id], |row| {
            Ok(Found { row: row.get(0)?, version: columns::count(row, 1)? })
        })
        .optional()
}

fn write(
    tx: &Connection,
    prepared: &Prepared,
    replaced: &[Option<Found>],
    index: u64,
    at: Timestamp,
) -> Result<Committed, Failure> {
    let Prepared { commit, writes, salt } = prepared;
    let at_us = at.as_microsecond();
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
    let entry = Entry { index, at, draft: commit.entry.clone(), touched };
    let receipt = entry.receipt();
    write_entry(tx, &entry, &receipt.leaf_hash, salt)?;
    if let Some(request) = &commit.request {
        // Replaces an answer under the same id whose time is over.
        tx.prepare_cached(
            "INSERT OR REPLACE INTO request (idx, agency, id, digest, at_us, answer)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            signed(index),
            request.agency.as_str(),
            request.id.as_bytes(),
            request.digest,
            at_us,
            commit.answer,
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
    Ok(Committed { receipt, answer: commit.answer.clone(), repeated: false })
}

fn write_record(
    tx: &Connection,
    filed: &Filed,
    replaced: Option<&Found>,
    entry: u64,
    at_us: i64,
) -> rusqlite::Result<()> {
    let Filed { key, index, body, .. } = filed;
    let subject = index.subject.as_ref().map(|subject| subject.as_bytes());
    let Index { place, parent, holder, state, alias, .. } = index;
    match replaced {
        None => tx
            .prepare_cached(
                "INSERT INTO record (kind, id, version, as_of, subject, place, parent, holder,
                                     state, alias, body, entry)
                 VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
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
                alias,
                body,
                signed(entry)
            ])?,
        Some(found) => tx
            .prepare_cached(
                "UPDATE record SET version = version + 1, as_of = ?2, subject = ?3, place = ?4,
                                   parent = ?5, holder = ?6, state = ?7, alias = ?8, body = ?9,
                                   entry = ?10
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
                alias,
                body,
                signed(entry)
            ])?,
    };
    Ok(())
}

fn write_entry(
    tx: &Connection,
    entry: &Entry,
    leaf_hash: &Hash,
    salt: &[u8; 16],
) -> rusqlite::Result<()> {
    let draft = &entry.draft;
    tx.prepare_cached(
        "INSERT INTO entry (idx, at_us, kind, agency, purpose, method, request_digest, subjects,
                            classes, trace_id, touched, salt, leaf_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
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
    ])?;
    Ok(())
}

/// SQLite's integers are signed.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).expect("no store counts to 2^63")
}
