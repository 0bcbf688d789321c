//! The entries about a person, and the people of a caller's entries: both by the one table that
//! has a row for each person and entry.

use std::collections::BTreeSet;

use desmigratif_core::access::Classes;
use desmigratif_core::journal::Entry;
use desmigratif_core::ports::store::Error;
use desmigratif_core::ports::store::trail::{Caller, Exposure, Exposures, Span};
use desmigratif_core::subject::Subject;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::commit::signed;
use super::fault::Failure;
use super::{columns, credentials};

/// How many rows one look for people goes through: a fraction of a second.
const MOST_ROWS: u32 = 500_000;

/// Notes whom an entry concerns; `certificate` is the row of the one that called.
pub(super) fn write(tx: &Connection, entry: &Entry, certificate: Option<i64>) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO entry_subject (subject, idx, at_us, agency, classes, certificate)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    // Who stands in it twice is noted once.
    for subject in &entry.draft.subjects {
        insert.execute(params![
            subject.as_bytes(),
            signed(entry.index),
            entry.at.as_microsecond(),
            entry.draft.agency.as_str(),
            entry.draft.classes.bits(),
            certificate,
        ])?;
    }
    Ok(())
}

/// The entries about a person before an index, the newest first.
pub(super) fn about(
    conn: &Connection,
    subject: &Subject,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Entry>> {
    // No index reaches what SQLite cannot count to.
    let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {} FROM entry WHERE idx IN (
            SELECT idx FROM entry_subject WHERE subject = ?1 AND idx < ?2
            ORDER BY idx DESC LIMIT ?3)
         ORDER BY idx DESC",
        columns::ENTRY
    );
    conn.prepare_cached(&sql)?
        .query_map(params![subject.as_bytes(), before, limit], columns::entry)?
        .collect()
}

/// The people whom a span of a caller's entries concerns, from as many rows as one look goes through.
/// The table is in the order of people, so that nothing has to be sorted or kept.
pub(super) fn exposures(conn: &Connection, span: &Span) -> Result<Exposures> {
    let certificate = match &span.caller {
        Caller::Agency(_) => None,
        Caller::Certificate(fingerprint) => match credentials::certificate(conn, fingerprint)? {
            Some(row) => Some(row),
            None => return Ok(Exposures::default()),
        },
    };
    let (from, to) = (span.from.as_microsecond(), span.to.as_microsecond());
    let after = span.after.as_ref().map_or(&[][..], |after| after.as_bytes());
    let mut statement = conn.prepare_cached(
        "SELECT subject, at_us, agency, classes, certificate FROM entry_subject
         WHERE subject > ?1 ORDER BY subject, idx",
    )?;
    let mut rows = statement.query([after])?;
    let (mut found, mut seen, mut present) = (Exposures::default(), 0, None);
    while let Some(row) = rows.next()? {
        seen += 1;
        let subject = columns::subject(row, 0)?;
        if present != Some(subject) {
            let full = seen > MOST_ROWS || found.people.len() >= span.limit as usize;
            if present.is_some() && full {
                found.next = present;
                break;
            }
            present = Some(subject);
        }
        let called = match &span.caller {
            Caller::Agency(agency) => row.get_ref(2)?.as_str()? == agency.as_str(),
            Caller::Certificate(_) => row.get::<_, Option<i64>>(4)? == certificate,
        };
        if !called {
            continue;
        }
        let classes = columns::classes(row, 3)?;
        if !(from..to).contains(&row.get(1)?) || classes == Classes::NONE {
            continue;
        }
        let at = columns::time(row, 1)?;
        match found.people.last_mut().filter(|last| last.subject == subject) {
            Some(known) => {
                known.classes = known.classes.union(classes);
                known.entries += 1;
                known.last = at;
            }
            None => found.people.push(Exposure {
                subject,
                worker: None,
                classes,
                entries: 1,
                first: at,
                last: at,
            }),
        }
    }
    for person in &mut found.people {
        person.worker = worker(conn, &person.subject)?;
    }
    Ok(found)
}

/// The id of a person's worker record.
fn worker(conn: &Connection, subject: &Subject) -> Result<Option<String>> {
    conn.prepare_cached(
        "SELECT id FROM record INDEXED BY record_subject
         WHERE kind = 'worker' AND subject = ?1 LIMIT 1",
    )?
    .query_row([subject.as_bytes()], |row| row.get(0))
    .optional()
}

/// Checks that an entry is found by everybody whom it concerns; gives how many they are.
pub(super) fn check(tx: &Connection, entry: &Entry) -> std::result::Result<u64, Failure> {
    let mut find = tx.prepare_cached(
        "SELECT 1 FROM entry_subject
         WHERE subject = ?1 AND idx = ?2 AND at_us = ?3 AND agency = ?4 AND classes = ?5
           AND certificate IS (SELECT id FROM certificate WHERE fingerprint = ?6)",
    )?;
    let people: BTreeSet<_> = entry.draft.subjects.iter().collect();
    for subject in &people {
        let found = find.exists(params![
            subject.as_bytes(),
            signed(entry.index),
            entry.at.as_microsecond(),
            entry.draft.agency.as_str(),
            entry.draft.classes.bits(),
            entry.caller.certificate,
        ])?;
        if !found {
            let what = format!("entry {} is not found by all whom it concerns", entry.index);
            return Err(Error::Corrupt(what).into());
        }
    }
    Ok(people.len() as u64)
}

/// How many rows say whom an entry concerns.
pub(super) fn rows(tx: &Connection) -> Result<u64> {
    tx.query_row("SELECT count(*) FROM entry_subject", [], |row| columns::count(row, 0))
}

#[cfg(test)]
mod tests;
