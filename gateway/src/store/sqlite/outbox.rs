//! The outbox: deliveries leased, settled, listed and put back, each within a transaction of the
//! writer or of a reader.
//!
//! Invariants: of what waits in a line (a ministry and a person), exactly the first has
//! `head = 1`; under a lease `due_us` is the lease's end, so that a lease which nobody settles
//! runs out by itself.
//!
//! Statements about one line name its index: left to itself SQLite takes the one of the list, by
//! ministry and state, and reads a million deliveries to find one person's.

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::store::Error;
use desmigratif_core::ports::store::outbox::{
    Backlog, Delivery, DeliveryState, Filter, Lease, Leased, Order, Settled, Settlement, Status,
};
use desmigratif_core::record::{Key, Kind};
use desmigratif_core::subject::Subject;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns::{self, Lock, Raw};
use super::commit::signed;
use super::fault::Failure;
use crate::store::vault::{KeyId, Vault};

/// Why a delivery whose record is gone is given up.
const RECORD_GONE: &str = "the record is gone";

/// Why a delivery of somebody who was erased is given up.
const ERASED: &str = "the person was erased";

/// Puts a delivery at the end of its line.
pub(super) fn push(
    tx: &Connection,
    delivery: &Delivery,
    version: u64,
    entry: u64,
    at_us: i64,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO delivery (to_ministry, subject, kind, record_id, version, entry, queued_us,
                               head)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NOT EXISTS (
             SELECT 1 FROM delivery INDEXED BY delivery_line
             WHERE to_ministry = ?1 AND subject = ?2 AND state = 'waiting'))",
    )?
    .execute(params![
        delivery.to.as_str(),
        delivery.subject.as_bytes(),
        delivery.record.kind.as_str(),
        delivery.record.id,
        signed(version),
        signed(entry),
        at_us,
    ])?;
    Ok(())
}

/// Keeps the body of a record that is about to be overwritten, for the deliveries that are to
/// bring just this version to a ministry.
pub(super) fn keep_body(tx: &Connection, record_row: i64, key: &Key) -> Result<()> {
    tx.prepare_cached(
        "UPDATE delivery SET (body, sealed) = (SELECT body, sealed FROM record WHERE rowid = ?1)
         WHERE entry = (SELECT entry FROM record WHERE rowid = ?1)
           AND kind = ?2 AND record_id = ?3 AND state IN ('waiting', 'dead')",
    )?
    .execute(params![record_row, key.kind.as_str(), key.id])?;
    Ok(())
}

/// A delivery under a lease, its record as it lies in the store.
pub(super) struct RawLeased {
    raw: Raw,
    id: u64,
    token: u64,
    attempt: u32,
    queued_at: Timestamp,
    entry: u64,
    entry_at: Timestamp,
    trace_id: [u8; 16],
    subject: Subject,
}

impl RawLeased {
    /// The delivery with its record.
    pub(super) fn open(self, vault: &Vault) -> std::result::Result<Leased, Error> {
        let Self { raw, id, token, attempt, queued_at, entry, entry_at, trace_id, subject } = self;
        let stored = raw.open(vault)?;
        Ok(Leased { id, token, attempt, queued_at, entry, entry_at, trace_id, subject, stored })
    }
}

/// Leases what is due. The records are opened by whoever leases, not by the writer.
pub(super) fn lease(
    tx: &Connection,
    now: Timestamp,
    lease: &Lease,
) -> std::result::Result<Vec<RawLeased>, Failure> {
    let due: Vec<i64> = tx
        .prepare_cached(
            "SELECT seq FROM delivery INDEXED BY delivery_due
             WHERE to_ministry = ?1 AND state = 'waiting' AND head = 1 AND due_us <= ?2
             ORDER BY due_us, seq LIMIT ?3",
        )?
        .query_map(params![lease.to.as_str(), now.as_microsecond(), lease.limit], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut leased = Vec::with_capacity(due.len());
    for seq in due {
        tx.prepare_cached(
            "UPDATE delivery SET token = token + 1, attempts = attempts + 1, due_us = ?2
             WHERE seq = ?1",
        )?
        .execute(params![seq, lease.until.as_microsecond()])?;
        let found = tx
            .prepare_cached(
                "SELECT coalesce(d.body, r.body), d.version, e.at_us, d.kind, d.record_id,
                        CASE WHEN d.body IS NULL THEN r.sealed ELSE d.sealed END,
                        k.id, k.subject, k.kek, k.wrapped,
                        d.seq, d.token, d.attempts, d.queued_us, d.entry, e.trace_id, d.subject
                 FROM delivery d JOIN entry e ON e.idx = d.entry
                 LEFT JOIN record r ON r.kind = d.kind AND r.id = d.record_id
                 LEFT JOIN data_key k
                   ON k.id = CASE WHEN d.body IS NULL THEN r.sealed ELSE d.sealed END
                 WHERE d.seq = ?1",
            )?
            .query_row([seq], read_leased)?;
        match found {
            // Erased while it waited in the line of another, as a family member may.
            Some(RawLeased { raw: Raw { lock: Lock::Erased, .. }, .. }) => {
                close(tx, seq, DeliveryState::Discarded, Some(ERASED), now)?;
            }
            Some(found) => leased.push(found),
            None => close(tx, seq, DeliveryState::Dead, Some(RECORD_GONE), now)?,
        }
    }
    Ok(leased)
}

/// A delivery with its record; `None` when there is no record any more.
fn read_leased(row: &Row<'_>) -> Result<Option<RawLeased>> {
    if row.get_ref(0)?.data_type() == Type::Null {
        return Ok(None);
    }
    Ok(Some(RawLeased {
        entry_at: columns::time(row, 2)?,
        raw: columns::raw(row)?,
        id: columns::count(row, 10)?,
        token: columns::count(row, 11)?,
        attempt: row.get(12)?,
        queued_at: columns::time(row, 13)?,
        entry: columns::count(row, 14)?,
        trace_id: row.get(15)?,
        subject: columns::subject(row, 16)?,
    }))
}

/// Notes what came of attempts, as far as their leases still hold.
pub(super) fn settle(
    tx: &Connection,
    now: Timestamp,
    settlements: &[Settlement],
) -> std::result::Result<(), Failure> {
    for Settlement { id, token, outcome } in settlements {
        let seq = signed(*id);
        let held = tx
            .prepare_cached(
                "SELECT 1 FROM delivery WHERE seq = ?1 AND token = ?2 AND state = 'waiting'",
            )?
            .exists(params![seq, signed(*token)])?;
        if !held {
            continue;
        }
        match outcome {
            Settled::Delivered => {
                discard_older(tx, seq, now)?;
                close(tx, seq, DeliveryState::Delivered, None, now)?;
            }
            Settled::Dead { reason } => close(tx, seq, DeliveryState::Dead, Some(reason), now)?,
            Settled::Again { at, reason } => {
                // The token moves on, so that the lease is over now.
                tx.prepare_cached(
                    "UPDATE delivery SET due_us = ?2, reason = ?3, token = token + 1
                     WHERE seq = ?1",
                )?
                .execute(params![seq, at.as_microsecond(), reason])?;
            }
            Settled::Untried { at } => {
                tx.prepare_cached(
                    "UPDATE delivery SET due_us = ?2, attempts = attempts - 1, token = token + 1
                     WHERE seq = ?1",
                )?
                .execute(params![seq, at.as_microsecond()])?;
            }
        }
    }
    Ok(())
}

/// Discards older versions of the record that a delivery has brought to its ministry.
fn discard_older(tx: &Connection, seq: i64, now: Timestamp) -> Result<()> {
    let older: Vec<i64> = tx
        .prepare_cached(
            "SELECT o.seq FROM delivery d, delivery o INDEXED BY delivery_dead
             WHERE d.seq = ?1 AND o.to_ministry = d.to_ministry AND o.subject = d.subject
               AND o.state = 'dead'
               AND o.kind = d.kind AND o.record_id = d.record_id AND o.version < d.version
             UNION ALL
             SELECT o.seq FROM delivery d, delivery o INDEXED BY delivery_line
             WHERE d.seq = ?1 AND o.to_ministry = d.to_ministry AND o.subject = d.subject
               AND o.state = 'waiting'
               AND o.kind = d.kind AND o.record_id = d.record_id AND o.version < d.version",
        )?
        .query_map([seq], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for seq in older {
        close(tx, seq, DeliveryState::Discarded, Some("a newer version was delivered"), now)?;
    }
    Ok(())
}

/// Discards what is sealed under the key of a person who is being erased and has not reached its
/// ministry: all of the person's own lines, and in any other line what is a record's last version.
/// The rest is found when it is leased.
pub(super) fn discard_erased(
    tx: &Connection,
    subject: &Subject,
    key: &KeyId,
    now: Timestamp,
) -> Result<()> {
    let mut found: Vec<i64> = tx
        .prepare_cached(
            "SELECT d.seq FROM record r JOIN delivery d
                ON d.entry = r.entry AND d.kind = r.kind AND d.record_id = r.id
             WHERE r.sealed = ?1 AND d.body IS NULL AND d.state IN ('waiting', 'dead')",
        )?
        .query_map([key], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for to in AgencyKind::ALL {
        for sql in [
            "SELECT seq FROM delivery INDEXED BY delivery_line
             WHERE to_ministry = ?1 AND subject = ?2 AND state = 'waiting' AND sealed = ?3",
            "SELECT seq FROM delivery INDEXED BY delivery_dead
             WHERE to_ministry = ?1 AND subject = ?2 AND state = 'dead' AND sealed = ?3",
        ] {
            let own: Vec<i64> = tx
                .prepare_cached(sql)?
                .query_map(params![to.as_str(), subject.as_bytes(), key], |row| row.get(0))?
                .collect::<Result<_>>()?;
            found.extend(own);
        }
    }
    for seq in found {
        close(tx, seq, DeliveryState::Discarded, Some(ERASED), now)?;
    }
    Ok(())
}

/// Ends a delivery's waiting, and lets the next of its line come forward.
fn close(
    tx: &Connection,
    seq: i64,
    state: DeliveryState,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    // Only the dead letter may need the body again.
    tx.prepare_cached(
        "UPDATE delivery SET state = ?2, head = 0, settled_us = ?3,
                reason = coalesce(?4, reason), body = CASE ?2 WHEN 'dead' THEN body END
         WHERE seq = ?1",
    )?
    .execute(params![seq, state.as_str(), now.as_microsecond(), reason])?;
    bring_head_forward(tx, seq)
}

/// Makes the first that waits in the line of a delivery its head.
fn bring_head_forward(tx: &Connection, seq: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE delivery SET head = 1 WHERE head = 0 AND seq = (
             SELECT min(o.seq) FROM delivery d, delivery o INDEXED BY delivery_line
             WHERE d.seq = ?1 AND o.to_ministry = d.to_ministry AND o.subject = d.subject
               AND o.state = 'waiting')",
    )?
    .execute([seq])?;
    Ok(())
}

/// Whether an operator's order can be carried out.
pub(super) fn judge(tx: &Connection, order: &Order) -> std::result::Result<(), Failure> {
    let (Order::Replay { id } | Order::Discard { id, .. }) = order;
    let state = tx
        .prepare_cached("SELECT state FROM delivery WHERE seq = ?1")?
        .query_row([i64::try_from(*id).unwrap_or(-1)], |row| {
            columns::named(row, 0, DeliveryState::parse)
        })
        .optional()?;
    match (order, state) {
        (_, Some(DeliveryState::Dead)) | (Order::Discard { .. }, Some(DeliveryState::Waiting)) => {
            Ok(())
        }
        (_, None) => Err(Error::NoSuchDelivery.into()),
        _ => Err(Error::DeliverySettled.into()),
    }
}

/// Carries out an order that was judged.
pub(super) fn carry_out(tx: &Connection, now: Timestamp, order: &Order) -> Result<()> {
    match order {
        Order::Replay { id } => {
            // Whoever is head now gives way: what is replayed may be older.
            tx.prepare_cached(
                "UPDATE delivery INDEXED BY delivery_line SET head = 0
                 WHERE state = 'waiting' AND head = 1 AND (to_ministry, subject) =
                       (SELECT to_ministry, subject FROM delivery WHERE seq = ?1)",
            )?
            .execute([signed(*id)])?;
            tx.prepare_cached(
                "UPDATE delivery SET state = 'waiting', attempts = 0, due_us = 0, queued_us = ?2,
                        settled_us = NULL
                 WHERE seq = ?1",
            )?
            .execute(params![signed(*id), now.as_microsecond()])?;
            bring_head_forward(tx, signed(*id))
        }
        Order::Discard { id, reason } => {
            close(tx, signed(*id), DeliveryState::Discarded, Some(reason), now)
        }
    }
}

/// The deliveries that meet a filter, by ascending id.
pub(super) fn list(conn: &Connection, filter: &Filter) -> Result<Vec<Status>> {
    let all_ministries = AgencyKind::ALL;
    let ministries = filter.to.as_ref().map_or(all_ministries.as_slice(), std::slice::from_ref);
    let states = filter.state.as_ref().map_or(DeliveryState::ALL.as_slice(), std::slice::from_ref);
    let after = filter.after.map_or(-1, signed);
    // One index holds each ministry's deliveries of each state in order; what is wanted of
    // several is the first of what each gives.
    let mut found = Vec::new();
    for (to, state) in ministries.iter().flat_map(|to| states.iter().map(move |it| (to, it))) {
        let rows = conn
            .prepare_cached(
                "SELECT seq, to_ministry, kind, record_id, version, entry, state, attempts,
                        reason, queued_us, due_us, settled_us
                 FROM delivery WHERE to_ministry = ?1 AND state = ?2 AND seq > ?3
                 ORDER BY seq LIMIT ?4",
            )?
            .query_map(params![to.as_str(), state.as_str(), after, filter.limit], read_status)?
            .collect::<Result<Vec<_>>>()?;
        found.extend(rows);
    }
    found.sort_unstable_by_key(|status| status.id);
    found.truncate(filter.limit as usize);
    Ok(found)
}

fn read_status(row: &Row<'_>) -> Result<Status> {
    Ok(Status {
        id: columns::count(row, 0)?,
        to: columns::named(row, 1, AgencyKind::parse)?,
        record: Key { kind: columns::named(row, 2, Kind::parse)?, id: row.get(3)? },
        version: columns::count(row, 4)?,
        entry: columns::count(row, 5)?,
        state: columns::named(row, 6, DeliveryState::parse)?,
        attempts: row.get(7)?,
        reason: row.get(8)?,
        queued_at: columns::time(row, 9)?,
        due_at: columns::time(row, 10)?,
        settled_at: match row.get_ref(11)?.data_type() {
            Type::Null => None,
            _ => Some(columns::time(row, 11)?),
        },
    })
}

/// How many deliveries of records in the places that begin with `place` are dead.
pub(super) fn dead_in(conn: &Connection, place: &str) -> Result<u64> {
    conn.prepare_cached(
        "SELECT count(*) FROM delivery d INDEXED BY delivery_dead
         JOIN record r ON r.kind = d.kind AND r.id = d.record_id
         WHERE d.state = 'dead' AND r.place >= ?1 AND r.place < ?1 || ':'",
    )?
    .query_row([place], |row| columns::count(row, 0))
}

/// What has not reached each ministry.
pub(super) fn backlogs(conn: &Connection) -> Result<Vec<Backlog>> {
    let mut count =
        conn.prepare_cached("SELECT count(*) FROM delivery WHERE to_ministry = ?1 AND state = ?2")?;
    let mut oldest = conn.prepare_cached(
        "SELECT queued_us FROM delivery WHERE to_ministry = ?1 AND state = 'waiting'
         ORDER BY seq LIMIT 1",
    )?;
    let mut backlogs = Vec::new();
    for to in AgencyKind::ALL {
        let mut of = |state: DeliveryState| {
            count.query_row(params![to.as_str(), state.as_str()], |row| columns::count(row, 0))
        };
        let (waiting, dead) = (of(DeliveryState::Waiting)?, of(DeliveryState::Dead)?);
        if waiting + dead > 0 {
            let oldest = oldest.query_row([to.as_str()], |row| columns::time(row, 0)).optional()?;
            backlogs.push(Backlog { to, waiting, dead, oldest });
        }
    }
    Ok(backlogs)
}
