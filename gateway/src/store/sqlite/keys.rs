//! The rows of keys: data keys of people, and the keys that wrap them.
//!
//! Invariant: between looking keys up for a commit and its turn another commit may have made,
//! changed or destroyed a key; the commit's turn finds that out ([`hold`]) and writes nothing then.

use std::collections::HashMap;
use std::sync::Arc;

use desmigratif_core::ports::store::{Commit, Error, Expect};
use desmigratif_core::record::Key;
use desmigratif_core::subject::Subject;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::fault::Failure;
use super::{columns, outbox};
use crate::store::vault::{DataKey, DoesNotOpen, KeyId, KeyRow, RingRow, Vault};

/// Data keys that are wrapped anew in one transaction.
const REWRAPPED: u32 = 1_000;

/// What a commit is sealed with, as far as could be known before its turn.
#[derive(Default)]
pub(super) struct Plan {
    keys: HashMap<Subject, Planned>,
    /// The versions that records had which are written whatever their version.
    versions: HashMap<Key, u64>,
}

/// A person's data key, and its row when it is new.
#[derive(Clone)]
struct Planned {
    key: Arc<DataKey>,
    new: Option<KeyRow>,
}

/// A key that a commit was sealed with.
pub(super) struct Used {
    subject: Subject,
    id: KeyId,
    new: Option<KeyRow>,
}

/// What must be looked up before a commit can be sealed.
pub(super) struct Wanted {
    subjects: Vec<Subject>,
    records: Vec<Key>,
}

impl Plan {
    /// Plans by the keys at hand, and says what they do not answer. When the commit's turn has shown
    /// that what was at hand is outdated, nothing at hand is `trusted`.
    pub(super) fn at_hand(commit: &Commit, vault: &Vault, trusted: bool) -> (Self, Wanted) {
        let mut plan = Self::default();
        let mut wanted = Wanted { subjects: Vec::new(), records: Vec::new() };
        let mut person = |subject: Subject| {
            if plan.keys.contains_key(&subject) || wanted.subjects.contains(&subject) {
                return;
            }
            match vault.recent(&subject).filter(|_| trusted) {
                Some(key) => {
                    plan.keys.insert(subject, Planned { key, new: None });
                }
                None => wanted.subjects.push(subject),
            }
        };
        for write in &commit.writes {
            let Some(subject) = commit.person_of(&write.record) else { continue };
            person(subject);
            let known = match write.expect {
                Expect::Version(_) => true,
                // But for a record whose person was erased, which is not there any more.
                Expect::Absent => trusted,
                Expect::Any => false,
            };
            if !known {
                wanted.records.push(write.record.key());
            }
        }
        commit.person_of_answer().into_iter().for_each(&mut person);
        commit.person_of_signature().into_iter().for_each(&mut person);
        (plan, wanted)
    }

    /// Looks up what is wanted, and makes the keys that are not there.
    pub(super) fn look_up(
        &mut self,
        conn: &Connection,
        vault: &Vault,
        wanted: &Wanted,
    ) -> std::result::Result<(), Failure> {
        for subject in &wanted.subjects {
            let row = conn
                .prepare_cached(
                    "SELECT id, subject, kek, wrapped FROM data_key WHERE subject = ?1",
                )?
                .query_row([subject.as_bytes()], |row| read_key(row, 0))
                .optional()?;
            let planned = match row {
                Some(row) => Planned { key: vault.unwrap(&row).map_err(no_key)?, new: None },
                None => {
                    let (key, row) = vault.make(*subject);
                    Planned { key, new: Some(row) }
                }
            };
            self.keys.insert(*subject, planned);
        }
        for key in &wanted.records {
            let version = conn
                .prepare_cached("SELECT version FROM record WHERE kind = ?1 AND id = ?2")?
                .query_row(params![key.kind.as_str(), key.id], |row| columns::count(row, 0))
                .optional()?;
            self.versions.extend(version.map(|version| (key.clone(), version)));
        }
        Ok(())
    }

    /// The version that a write is going to make.
    pub(super) fn version(&self, key: &Key, expect: Expect) -> u64 {
        let replaced = match expect {
            Expect::Version(version) => version,
            Expect::Absent | Expect::Any => self.versions.get(key).copied().unwrap_or(0),
        };
        replaced.saturating_add(1)
    }

    /// A person's data key.
    pub(super) fn key(&self, subject: &Subject) -> &DataKey {
        &self.keys.get(subject).expect("every person of the commit was planned for").key
    }

    /// The keys that a commit was sealed with.
    pub(super) fn used(&self) -> Vec<Used> {
        let used = |(subject, planned): (&Subject, &Planned)| Used {
            subject: *subject,
            id: planned.key.id,
            new: planned.new.clone(),
        };
        self.keys.iter().map(used).collect()
    }

    /// Keeps the keys at hand that a commit has made.
    pub(super) fn keep(&self, vault: &Vault) {
        for (subject, planned) in self.keys.iter().filter(|(_, planned)| planned.new.is_some()) {
            vault.remember(*subject, planned.key.clone());
        }
    }
}

/// A person's data key, made when there is none.
pub(super) fn find_or_make(
    tx: &Connection,
    vault: &Vault,
    subject: Subject,
) -> std::result::Result<Arc<DataKey>, Failure> {
    let mut plan = Plan::default();
    plan.look_up(tx, vault, &Wanted { subjects: vec![subject], records: Vec::new() })?;
    write_new(tx, &plan.used())?;
    plan.keep(vault);
    Ok(plan.keys.remove(&subject).expect("it was just looked up").key)
}

impl Wanted {
    /// Whether nothing is.
    pub(super) const fn is_nothing(&self) -> bool {
        self.subjects.is_empty() && self.records.is_empty()
    }
}

/// Whether the keys that a commit was sealed with are still those of the people.
pub(super) fn hold(tx: &Connection, used: &[Used]) -> Result<bool> {
    for Used { subject, id, new } in used {
        let found: Option<KeyId> = tx
            .prepare_cached("SELECT id FROM data_key WHERE subject = ?1")?
            .query_row([subject.as_bytes()], |row| row.get(0))
            .optional()?;
        if found.map_or(new.is_none(), |found| found != *id) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the keys that a commit has made.
pub(super) fn write_new(tx: &Connection, used: &[Used]) -> Result<()> {
    for row in used.iter().filter_map(|used| used.new.as_ref()) {
        tx.prepare_cached(
            "INSERT INTO data_key (id, subject, kek, wrapped) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![row.id, row.subject.as_bytes(), row.kek, row.wrapped])?;
    }
    Ok(())
}

/// Destroys a person's key: no record of the person is found any more, and what waits for a
/// ministry is discarded. Nothing happens when there is no key.
pub(super) fn erase(tx: &Connection, subject: &Subject, now: Timestamp) -> Result<()> {
    let id: Option<KeyId> = tx
        .prepare_cached("SELECT id FROM data_key WHERE subject = ?1")?
        .query_row([subject.as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(()) };
    outbox::discard_erased(tx, subject, &id, now)?;
    tx.prepare_cached(
        "UPDATE record SET erased = 1, subject = NULL, place = NULL, parent = NULL,
                           holder = NULL, state = NULL, alias = NULL
         WHERE sealed = ?1",
    )?
    .execute([id])?;
    tx.prepare_cached("DELETE FROM data_key WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// A data key, from four columns beginning with `column`: id, subject, kek, wrapped.
pub(super) fn read_key(row: &Row<'_>, column: usize) -> Result<KeyRow> {
    Ok(KeyRow {
        id: row.get(column)?,
        subject: columns::subject(row, column + 1)?,
        kek: row.get(column + 2)?,
        wrapped: row.get(column + 3)?,
    })
}

/// The keys that wrap, as the store knows them.
pub(super) fn ring_rows(conn: &Connection) -> Result<Vec<RingRow>> {
    conn.prepare("SELECT id, aliases FROM kek ORDER BY id")?
        .query_map([], |row| Ok(RingRow { kek: row.get(0)?, aliases: row.get(1)? }))?
        .collect()
}

/// Notes a key that wraps from now on.
pub(super) fn add_ring_row(tx: &Connection, row: &RingRow) -> Result<()> {
    tx.execute("INSERT INTO kek (id, aliases) VALUES (?1, ?2)", params![row.kek, row.aliases])?;
    Ok(())
}

/// Wraps some data keys anew that another key than the ring's first wraps. Returns how many; after
/// the last of them the other keys are needed no more.
pub(super) fn rewrap(tx: &Connection, vault: &Vault) -> std::result::Result<usize, Failure> {
    let rows: Vec<KeyRow> = tx
        .prepare_cached("SELECT id, subject, kek, wrapped FROM data_key WHERE kek <> ?1 LIMIT ?2")?
        .query_map(params![vault.first(), REWRAPPED], |row| read_key(row, 0))?
        .collect::<Result<_>>()?;
    for row in &rows {
        let row = vault.rewrap(row).map_err(no_key)?;
        tx.prepare_cached("UPDATE data_key SET kek = ?2, wrapped = ?3 WHERE id = ?1")?
            .execute(params![row.id, row.kek, row.wrapped])?;
    }
    if rows.is_empty() {
        tx.execute("DELETE FROM kek WHERE id <> ?1", [vault.first()])?;
    }
    Ok(rows.len())
}

fn no_key(_: DoesNotOpen) -> Error {
    Error::Corrupt("a data key does not open".to_owned())
}
