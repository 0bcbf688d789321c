//! Checking the whole store: what the engine says of its file, and what the journal says of
//! itself and of the records. Reads everything once; holds one entry at a time. Needs no key: what
//! the journal commits to is what is stored, sealed as it is.

use desmigratif_core::journal::{Hash, commitment};
use desmigratif_core::ports::store::Error;
use desmigratif_core::record::Kind;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Failure;
use super::{columns, credentials, tally, trail};

/// Checks everything and gives the number of entries, or what was found first.
pub(super) fn verify(conn: &mut Connection) -> Result<u64, Failure> {
    // One state for all that follows, whatever is committed meanwhile.
    let tx = conn.transaction()?;
    check_file(&tx)?;
    credentials::check(&tx)?;
    let Checked { entries, proven, concerned } = check_journal(&tx)?;
    let records = tx.query_row("SELECT count(*) FROM record", [], |row| columns::count(row, 0))?;
    if records != proven {
        let what = format!("{proven} of {records} records stand as their last entry says");
        return Err(corrupt(what));
    }
    let rows = trail::rows(&tx)?;
    if rows != concerned {
        return Err(corrupt(format!(
            "{rows} rows say whom entries concern, {concerned} are right"
        )));
    }
    tally::check(&tx)?;
    Ok(entries)
}

fn check_file(tx: &Connection) -> Result<(), Failure> {
    let verdict: String = tx.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(corrupt(verdict));
    }
    // Deliveries and kept answers refer to entries.
    let stray: Option<String> =
        tx.query_row("PRAGMA foreign_key_check", [], |row| row.get(0)).optional()?;
    if let Some(table) = stray {
        return Err(corrupt(format!("a {table} refers to no entry")));
    }
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_personal()) {
        let in_clear = tx
            .prepare_cached("SELECT 1 FROM record WHERE kind = ?1 AND sealed IS NULL LIMIT 1")?
            .exists([kind.as_str()])?;
        if in_clear {
            return Err(corrupt(format!("a {} record lies in clear", kind.as_str())));
        }
    }
    Ok(())
}

/// What was found in order.
struct Checked {
    /// How many entries there are.
    entries: u64,
    /// How many records stand as their last entry committed to them.
    proven: u64,
    /// How many people all the entries concern, each counted in each of them.
    concerned: u64,
}

/// Checks every entry.
fn check_journal(tx: &Connection) -> Result<Checked, Failure> {
    let (mut next, mut last, mut proven, mut concerned) = (0, Timestamp::MIN, 0, 0);
    let sql = format!("SELECT {}, salt, leaf_hash FROM entry ORDER BY idx", columns::ENTRY);
    let mut statement = tx.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let entry = columns::entry(row)?;
        let (salt, leaf_hash): ([u8; 16], Hash) = (row.get("salt")?, row.get("leaf_hash")?);
        if entry.index != next {
            return Err(corrupt(format!("entry {next} is missing")));
        }
        if entry.at < last {
            return Err(corrupt(format!("entry {next} is earlier than the one before it")));
        }
        if entry.receipt().leaf_hash != leaf_hash {
            return Err(corrupt(format!("entry {next} does not have its hash")));
        }
        for touched in &entry.touched {
            let found = tx
                .prepare_cached("SELECT version, body FROM record WHERE kind = ?1 AND id = ?2")?
                .query_row(params![touched.key.kind.as_str(), touched.key.id], |row| {
                    Ok((columns::count(row, 0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .optional()?;
            match found {
                Some((version, _)) if version > touched.version => {}
                Some((version, body))
                    if version == touched.version
                        && commitment(&salt, &body) == touched.commitment =>
                {
                    proven += 1;
                }
                _ => return Err(corrupt(format!("entry {next} wrote a record that is not so"))),
            }
        }
        concerned += trail::check(tx, &entry)?;
        (next, last) = (next + 1, entry.at);
    }
    Ok(Checked { entries: next, proven, concerned })
}

fn corrupt(what: String) -> Failure {
    Error::Corrupt(what).into()
}
