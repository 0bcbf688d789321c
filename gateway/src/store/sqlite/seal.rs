//! Sealing what a version before schema 3 has left in clear, within the migration's transaction.
//!
//! A record is written anew as its next version, by an entry of the journal as any other write, so
//! that the journal commits to what is stored from then on. Deliveries and kept answers are no
//! part of the journal and are sealed where they lie.

use std::sync::Arc;

use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::Draft;
use desmigratif_core::ports::store::{Commit, Error, Expect, Write};
use desmigratif_core::record::{Kind, Record};
use desmigratif_core::subject::Subject;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::commit::{self, Applied, Head, Prepared};
use super::fault::Failure;
use super::keys::Plan;
use super::{columns, keys};
use crate::store::vault::{Place, Vault};

/// Seals everything personal that lies in clear.
pub(super) fn seal(tx: &Connection, vault: &Vault, now: Timestamp) -> Result<(), Failure> {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_personal()) {
        while let Some((record, version)) = next_record(tx, kind)? {
            let person = person(tx, &record)?;
            let commit = Commit {
                writes: vec![Write { record, expect: Expect::Version(version) }],
                ..Commit::of(draft(person))
            };
            write(tx, vault, commit, now)?;
        }
    }
    seal_deliveries(tx, vault)?;
    seal_answers(tx, vault)
}

/// A record of a kind that lies in clear.
fn next_record(tx: &Connection, kind: Kind) -> Result<Option<(Record, u64)>, Failure> {
    let found = tx
        .prepare_cached(
            "SELECT body, version FROM record WHERE kind = ?1 AND sealed IS NULL LIMIT 1",
        )?
        .query_row([kind.as_str()], |row| Ok((row.get::<_, Vec<u8>>(0)?, columns::count(row, 1)?)))
        .optional()?;
    found.map(|(body, version)| Ok((decode(kind, &body)?, version))).transpose()
}

fn decode(kind: Kind, body: &[u8]) -> Result<Record, Failure> {
    serde_json::from_slice(body)
        .map_err(|_| Error::Corrupt(format!("a {} record cannot be read", kind.as_str())).into())
}

/// The person that a record is about, or else the worker whom it hangs on.
fn person(tx: &Connection, record: &Record) -> Result<Subject, Failure> {
    let index = record.index();
    if let Some(subject) = index.subject {
        return Ok(subject);
    }
    let worker = tx
        .prepare_cached("SELECT subject FROM record WHERE kind = ?1 AND id = ?2")?
        .query_row(params![Kind::Worker.as_str(), index.parent], |row| columns::subject(row, 0))
        .optional()?;
    let kind = record.key().kind;
    worker.ok_or_else(|| {
        Error::Corrupt(format!("a {} record is about nobody known", kind.as_str())).into()
    })
}

fn draft(person: Subject) -> Draft {
    Draft { subjects: vec![person], ..Draft::of_gateway("seal") }
}

/// Makes a commit here and now.
fn write(tx: &Connection, vault: &Vault, commit: Commit, now: Timestamp) -> Result<(), Failure> {
    let plan = planned(tx, vault, &commit)?;
    let prepared = Prepared::new(Arc::new(commit), &plan, vault, rand::random())?;
    let applied = commit::apply(tx, &mut Head::load(tx)?, now, &prepared)?;
    plan.keep(vault);
    match applied {
        Applied::Done(_) => Ok(()),
        Applied::Outdated => Err(Error::Corrupt("a record cannot be sealed".to_owned()).into()),
    }
}

fn planned(tx: &Connection, vault: &Vault, commit: &Commit) -> Result<Plan, Failure> {
    let (mut plan, wanted) = Plan::at_hand(commit, vault, true);
    plan.look_up(tx, vault, &wanted)?;
    Ok(plan)
}

/// Seals the bodies that deliveries keep of their own.
fn seal_deliveries(tx: &Connection, vault: &Vault) -> Result<(), Failure> {
    let mut after = -1;
    loop {
        let found = tx
            .prepare_cached(
                "SELECT seq, kind, record_id, version, body FROM delivery
                 WHERE body IS NOT NULL AND seq > ?1 ORDER BY seq LIMIT 1",
            )?
            .query_row([after], |row| {
                let kind = columns::named(row, 1, Kind::parse)?;
                let (id, body): (String, Vec<u8>) = (row.get(2)?, row.get(4)?);
                Ok((row.get::<_, i64>(0)?, kind, id, columns::count(row, 3)?, body))
            })
            .optional()?;
        let Some((seq, kind, id, version, body)) = found else { return Ok(()) };
        after = seq;
        if kind.is_personal() {
            let person = person(tx, &decode(kind, &body)?)?;
            let key = keys::find_or_make(tx, vault, person)?;
            let sealed = key.seal(&Place::Record { kind, id: &id, version }, &body);
            tx.prepare_cached("UPDATE delivery SET body = ?2, sealed = ?3 WHERE seq = ?1")?
                .execute(params![seq, sealed, key.id])?;
        }
    }
}

/// Seals the kept answers of requests that concerned somebody.
fn seal_answers(tx: &Connection, vault: &Vault) -> Result<(), Failure> {
    let mut after = -1;
    loop {
        let found = tx
            .prepare_cached(
                "SELECT r.idx, r.agency, r.id, r.answer, substr(e.subjects, 1, 32)
                 FROM request r JOIN entry e ON e.idx = r.idx
                 WHERE r.idx > ?1 AND length(r.answer) > 0 AND length(e.subjects) > 0
                 ORDER BY r.idx LIMIT 1",
            )?
            .query_row([after], |row| {
                let agency = columns::named(row, 1, |text| AgencyId::parse(text).ok())?;
                let (id, answer): ([u8; 16], Vec<u8>) = (row.get(2)?, row.get(3)?);
                let person = columns::subject(row, 4)?;
                Ok((row.get::<_, i64>(0)?, agency, Uuid::from_bytes(id), answer, person))
            })
            .optional()?;
        let Some((idx, agency, request, answer, person)) = found else { return Ok(()) };
        after = idx;
        let key = keys::find_or_make(tx, vault, person)?;
        let sealed = key.seal(&Place::Answer { agency: &agency, request }, &answer);
        tx.prepare_cached("UPDATE request SET answer = ?2, sealed = ?3 WHERE idx = ?1")?
            .execute(params![idx, sealed, key.id])?;
    }
}
