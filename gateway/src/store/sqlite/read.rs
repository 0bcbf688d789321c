//! What is read, each in one statement and so from one state of the store.

use desmigratif_core::journal::Entry;
use desmigratif_core::ports::store::{Order, Query};
use desmigratif_core::record::{Key, Kind};
use rusqlite::{Connection, OptionalExtension, Result, ToSql, params, params_from_iter};

use super::columns::{self, RAW, Raw};

pub(super) fn get(conn: &Connection, key: &Key) -> Result<Option<Raw>> {
    conn.prepare_cached(&format!(
        "SELECT {RAW} FROM record r LEFT JOIN data_key k ON k.id = r.sealed
         WHERE r.kind = ?1 AND r.id = ?2 AND r.erased = 0"
    ))?
    .query_row(params![key.kind.as_str(), key.id], columns::raw)
    .optional()
}

/// The record with an alias, of which the digest is given.
pub(super) fn get_by_alias(conn: &Connection, kind: Kind, digest: &str) -> Result<Option<Raw>> {
    conn.prepare_cached(&format!(
        "SELECT {RAW} FROM record r LEFT JOIN data_key k ON k.id = r.sealed
         WHERE r.kind = ?1 AND r.alias = ?2"
    ))?
    .query_row(params![kind.as_str(), digest], columns::raw)
    .optional()
}

/// The statement is put together from fixed parts only; it names its index, since SQLite has
/// no statistics to choose by. The inner statement finds rows in that index; only those that
/// are wanted are then read whole.
pub(super) fn list(conn: &Connection, query: &Query) -> Result<Vec<Raw>> {
    let mut filter = String::new();
    let kind = query.kind.as_str();
    let subject = query.subject.as_ref().map(|subject| subject.as_bytes());
    let mut values: Vec<&dyn ToSql> = vec![&kind];
    let mut narrow = |part: &str, value| {
        filter.push_str(part);
        values.push(value);
    };
    if let Some(subject) = &subject {
        narrow(" AND subject = ?", subject);
    }
    if let Some(parent) = &query.parent {
        narrow(" AND parent = ?", parent);
    }
    if let Some(place) = &query.place {
        // Codes are digits, and ':' follows '9'.
        narrow(" AND place >= ?", place);
        narrow(" AND place < ? || ':'", place);
    }
    if let Some(holder) = &query.holder {
        narrow(" AND holder = ?", holder);
    }
    if let Some(state) = &query.state {
        narrow(" AND state = ?", state);
    }
    let (after, direction) = match query.order {
        Order::Ascending => (" AND id > ?", "ASC"),
        Order::Descending => (" AND id < ?", "DESC"),
    };
    if let Some(id) = &query.after {
        narrow(after, id);
    }
    values.push(&query.limit);
    let index = index_for(query);
    // Those who were erased stand in no other index.
    let erased = if index == BY_ID { " AND erased = 0" } else { "" };
    let sql = format!(
        "SELECT {RAW} FROM record r LEFT JOIN data_key k ON k.id = r.sealed
         WHERE r.rowid IN (
            SELECT rowid FROM record INDEXED BY {index}
            WHERE kind = ?{filter}{erased} ORDER BY id {direction} LIMIT ?)
         ORDER BY r.id {direction}"
    );
    conn.prepare_cached(&sql)?.query_map(params_from_iter(values), columns::raw)?.collect()
}

/// The index of all records of a kind.
const BY_ID: &str = "record_key";

/// The index that leaves the fewest rows to look at: a person or a parent has few records, a
/// region fewer than an agency or a state.
const fn index_for(query: &Query) -> &'static str {
    if query.subject.is_some() {
        "record_subject"
    } else if query.parent.is_some() {
        "record_parent"
    } else if query.place.is_some() {
        "record_place"
    } else if query.holder.is_some() {
        "record_holder"
    } else if query.state.is_some() {
        "record_state"
    } else {
        BY_ID
    }
}

pub(super) fn journal_len(conn: &Connection) -> Result<u64> {
    conn.prepare_cached("SELECT coalesce(max(idx) + 1, 0) FROM entry")?
        .query_row([], |row| columns::count(row, 0))
}

pub(super) fn entries(conn: &Connection, from: u64, limit: u32) -> Result<Vec<Entry>> {
    // No index reaches what SQLite cannot count to.
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let sql = format!("SELECT {} FROM entry WHERE idx >= ?1 ORDER BY idx LIMIT ?2", columns::ENTRY);
    conn.prepare_cached(&sql)?.query_map(params![from, limit], columns::entry)?.collect()
}
