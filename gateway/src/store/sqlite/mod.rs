//! The embedded engine: one SQLite file with its write-ahead log, one process at a time.
//!
//! Writes go through one thread that groups them; reads run on a small pool of read-only
//! connections beside it and never wait for a write. What a call reads is the state after some
//! commit, and includes every commit that was answered before the call.
//!
//! Values are sealed before they are handed to the writer and opened after they were read, by the
//! tasks and threads of those who ask: the writer does nobody's cryptography.
//!
//! Reads run on the runtime's threads for blocking work (`tokio::task::spawn_blocking`), so a
//! [`Sqlite`] is to be used within a tokio runtime. Few run at a time; the others wait without
//! holding a thread.

mod archive;
#[cfg(test)]
mod at_rest;
mod columns;
mod commit;
mod credentials;
mod fault;
mod keys;
mod log;
mod open;
mod outbox;
mod read;
mod seal;
mod tally;
#[cfg(test)]
mod tests;
mod trail;
mod verify;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use desmigratif_core::credentials::{CallerSignature, Chain, Revocation};
use desmigratif_core::journal::{Entry, Hash};
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::store::log::{Checkpoint, Tile, TileId};
use desmigratif_core::ports::store::outbox::{Backlog, Filter, Lease, Leased, Settlement, Status};
use desmigratif_core::ports::store::trail::{Exposures, Span};
use desmigratif_core::ports::store::{
    Commit, Committed, Count, Error, Filled, Query, Request, Store, Tally,
};
use desmigratif_core::record::{Key, Kind, Stored};
use desmigratif_core::subject::Subject;
use jiff::Timestamp;
use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use commit::{Applied, Head, Prepared};
use fault::Failure;
use keys::Plan;
use writer::{Work, Writer, job};

use super::vault::{KeyRing, Vault};

pub use archive::Archive;
pub use open::OpenError;

/// How many reads run at a time.
const READERS: u32 = 4;

/// How much work may wait for the writer; more is refused at once, since it would wait for longer
/// than it pays to.
const QUEUE: usize = 1024;

/// A store in one SQLite file.
///
/// Dropping it waits until every commit that was accepted is durable.
pub struct Sqlite {
    /// `None` only while it is being dropped.
    queue: Option<SyncSender<Box<dyn Work>>>,
    writer: Option<JoinHandle<()>>,
    /// Whether the last write failed.
    failing: Arc<AtomicBool>,
    readers: Pool<SqliteConnectionManager>,
    turns: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    vault: Arc<Vault>,
    /// Keeps other processes out.
    _lock: File,
}

impl Sqlite {
    /// Opens the store at `path`, or makes an empty one there. Beside it lie its log (`-wal`,
    /// `-shm`) and its lock (`.lock`); to copy the store, stop the gateway first. What is about
    /// people is sealed with the help of `ring`, which must hold every key that wraps a key in the
    /// store; what an older version has left in clear is sealed now.
    ///
    /// # Errors
    /// [`OpenError`]; a file that is refused is left as it was.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, ring: KeyRing) -> Result<Self, OpenError> {
        let opened = open::open(path, READERS, ring, clock.now())?;
        let (queue, waiting) = sync_channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let writer = Writer::new(opened.writer, Arc::clone(&clock), Arc::clone(&failing));
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.serve(&waiting))
            .map_err(|error| OpenError::Io { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(writer),
            failing,
            readers: opened.readers,
            turns: Arc::new(Semaphore::new(READERS as usize)),
            clock,
            vault: Arc::new(opened.vault),
            _lock: opened.lock,
        })
    }

    /// Wraps every data key with the ring's first key, so that the others are needed no more.
    /// Returns how many were wrapped anew.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`]; what was done stays, and doing it again
    /// completes it.
    pub async fn rewrap_keys(&self) -> Result<usize, Error> {
        let mut all = 0;
        loop {
            let vault = self.vault.clone();
            // What the other keys had wrapped must not stay in the log either.
            let done = self.write(move |tx, head, _| {
                head.erased = true;
                keys::rewrap(tx, &vault)
            });
            match done.await? {
                0 => return Ok(all),
                count => all += count,
            }
        }
    }

    /// What a commit is to be sealed with. Without people nothing has to be looked up, nor when
    /// their keys are at hand and may be `trusted`.
    async fn plan(&self, commit: &Commit, trusted: bool) -> Result<Plan, Error> {
        let (mut plan, wanted) = Plan::at_hand(commit, &self.vault, trusted);
        if wanted.is_nothing() {
            return Ok(plan);
        }
        let vault = self.vault.clone();
        self.read(move |conn| {
            plan.look_up(conn, &vault, &wanted)?;
            Ok(plan)
        })
        .await
    }

    /// Has work done by the writer, and returns once it is durable.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection, &mut Head, Timestamp) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let (work, outcome) = job(work);
        let queue = self.queue.as_ref().expect("the queue is there until the store is dropped");
        queue.try_send(work).map_err(|error| {
            let why = match error {
                TrySendError::Full(_) => "too much work waits already",
                TrySendError::Disconnected(_) => "the writer has stopped",
            };
            Error::Unavailable(why.to_owned())
        })?;
        outcome.await.map_err(|_| Error::Unavailable("the writer has stopped".to_owned()))?
    }

    /// Reads in a thread of its own, once one of the connections is free.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| Error::Unavailable("the store is closed".to_owned()))?;
        let readers = self.readers.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut conn = readers.get().map_err(|_| {
                Error::Unavailable("no connection for reading could be opened".to_owned())
            })?;
            let done = read(&mut conn).map_err(Error::from);
            // Only now may the next one ask for a connection.
            drop((conn, turn));
            done
        });
        task.await.map_err(|_| Error::Unavailable("the read was given up".to_owned()))?
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has answered nobody wrongly; there is nothing to add here.
            let _ = writer.join();
        }
    }
}

/// Does something to a store's file behind its back, for tests.
#[cfg(test)]
pub(crate) fn harm(path: &Path, sql: &str) {
    Connection::open(path).expect("the store is there").execute_batch(sql).expect("it is SQL");
}

#[async_trait]
impl Store for Sqlite {
    async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        let commit = Arc::new(commit);
        let mut trusted = true;
        loop {
            let plan = self.plan(&commit, trusted).await?;
            let prepared = Prepared::new(commit.clone(), &plan, &self.vault, rand::random())?;
            let (vault, erase) = (self.vault.clone(), commit.erase);
            let applied = self.write(move |tx, head, now| {
                let applied = commit::apply(tx, head, now, &prepared)?;
                // Here, since the caller may be gone by the time that it is durable.
                erase.iter().for_each(|subject| vault.forget(subject));
                Ok(applied)
            });
            match applied.await? {
                Applied::Done(done) => {
                    plan.keep(&self.vault);
                    erase.iter().for_each(|subject| self.vault.forget(subject));
                    return done.open(commit.request.as_ref(), &commit.answer, &self.vault);
                }
                // Each time another commit has been made, so this ends.
                Applied::Outdated => trusted = false,
            }
        }
    }

    async fn answered(&self, request: &Request) -> Result<Option<Committed>, Error> {
        let (request, now, vault) = (request.clone(), self.clock.now(), self.vault.clone());
        self.read(move |conn| match commit::kept(conn, &request, now)? {
            Some(done) => Ok(Some(done.open(Some(&request), &[], &vault)?)),
            None => Ok(None),
        })
        .await
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, Error> {
        let (key, vault) = (key.clone(), self.vault.clone());
        self.read(move |conn| match read::get(conn, &key)? {
            Some(raw) => Ok(Some(raw.open(&vault)?)),
            None => Ok(None),
        })
        .await
    }

    async fn get_by_alias(&self, kind: Kind, alias: &str) -> Result<Option<Stored>, Error> {
        let (digest, vault) = (self.vault.alias(kind, alias), self.vault.clone());
        self.read(move |conn| match read::get_by_alias(conn, kind, &digest)? {
            Some(raw) => Ok(Some(raw.open(&vault)?)),
            None => Ok(None),
        })
        .await
    }

    async fn list(&self, query: &Query) -> Result<Vec<Stored>, Error> {
        let (query, vault) = (query.clone(), self.vault.clone());
        self.read(move |conn| {
            let found = read::list(conn, &query)?;
            Ok(found.into_iter().map(|raw| raw.open(&vault)).collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn tally(&self, kind: Kind, place: &str) -> Result<Vec<Tally>, Error> {
        let place = place.to_owned();
        self.read(move |conn| Ok(tally::tally(conn, kind, &place)?)).await
    }

    async fn counts(&self, count: &Count) -> Result<Vec<Filled>, Error> {
        let count = count.clone();
        self.read(move |conn| Ok(tally::counts(conn, &count)?)).await
    }

    async fn fullest(&self, kind: Kind, place: &str, limit: u32) -> Result<Vec<Filled>, Error> {
        let place = place.to_owned();
        self.read(move |conn| Ok(tally::fullest(conn, kind, &place, limit)?)).await
    }

    async fn journal_len(&self) -> Result<u64, Error> {
        self.read(|conn| Ok(read::journal_len(conn)?)).await
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        self.read(move |conn| Ok(read::entries(conn, from, limit)?)).await
    }

    async fn entries_about(
        &self,
        subject: &Subject,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error> {
        let subject = *subject;
        self.read(move |conn| Ok(trail::about(conn, &subject, before, limit)?)).await
    }

    async fn exposures(&self, span: &Span) -> Result<Exposures, Error> {
        let span = span.clone();
        self.read(move |conn| Ok(trail::exposures(conn, &span)?)).await
    }

    async fn chain(&self, fingerprint: &Hash) -> Result<Option<Chain>, Error> {
        let fingerprint = *fingerprint;
        self.read(move |conn| Ok(credentials::chain(conn, &fingerprint)?)).await
    }

    async fn revocation(&self, digest: &Hash) -> Result<Option<Revocation>, Error> {
        let digest = *digest;
        self.read(move |conn| Ok(credentials::revocation(conn, &digest)?)).await
    }

    async fn signature(&self, index: u64) -> Result<Option<CallerSignature>, Error> {
        let vault = self.vault.clone();
        self.read(move |conn| credentials::signature(conn, index, &vault)).await
    }

    async fn leaf_hashes(&self, from: u64, limit: u32) -> Result<Vec<Hash>, Error> {
        self.read(move |conn| Ok(log::leaf_hashes(conn, from, limit)?)).await
    }

    async fn tiles(&self, ids: Vec<TileId>) -> Result<Vec<Tile>, Error> {
        self.read(move |conn| log::tiles(conn, &ids)).await
    }

    async fn keep_checkpoint(&self, tiles: Vec<Tile>, checkpoint: Checkpoint) -> Result<(), Error> {
        self.write(move |tx, _, _| log::keep(tx, &tiles, &checkpoint)).await
    }

    async fn checkpoint(&self, size: Option<u64>) -> Result<Option<Checkpoint>, Error> {
        self.read(move |conn| Ok(log::checkpoint(conn, size)?)).await
    }

    async fn witnessed_checkpoint(&self) -> Result<Option<Checkpoint>, Error> {
        self.read(|conn| Ok(log::witnessed(conn)?)).await
    }

    async fn keep_timestamp(&self, size: u64, token: Vec<u8>) -> Result<(), Error> {
        self.write(move |tx, _, _| log::keep_timestamp(tx, size, &token)).await
    }

    async fn timestamp(&self, size: u64) -> Result<Option<Vec<u8>>, Error> {
        self.read(move |conn| Ok(log::timestamp(conn, size)?)).await
    }

    async fn timestamped_checkpoint(&self, size: u64) -> Result<Option<Checkpoint>, Error> {
        self.read(move |conn| Ok(log::timestamped(conn, size)?)).await
    }

    async fn keep_succession(&self, statement: String) -> Result<(), Error> {
        self.write(move |tx, _, _| log::keep_succession(tx, &statement)).await
    }

    async fn successions(&self) -> Result<Vec<String>, Error> {
        self.read(|conn| Ok(log::successions(conn)?)).await
    }

    async fn lease(&self, lease: Lease) -> Result<Vec<Leased>, Error> {
        let leased = self.write(move |tx, _, now| outbox::lease(tx, now, &lease)).await?;
        leased.into_iter().map(|leased| leased.open(&self.vault)).collect()
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), Error> {
        self.write(move |tx, _, now| outbox::settle(tx, now, &settlements)).await
    }

    async fn deliveries(&self, filter: &Filter) -> Result<Vec<Status>, Error> {
        let filter = *filter;
        self.read(move |conn| Ok(outbox::list(conn, &filter)?)).await
    }

    async fn dead_deliveries(&self, place: &str) -> Result<u64, Error> {
        let place = place.to_owned();
        self.read(move |conn| Ok(outbox::dead_in(conn, &place)?)).await
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        self.read(|conn| Ok(outbox::backlogs(conn)?)).await
    }

    async fn writable(&self) -> Result<(), Error> {
        if !self.failing.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.write(|tx, _, _| {
            tx.execute("INSERT OR REPLACE INTO chore (name) VALUES ('trial')", [])?;
            Ok(())
        })
        .await
    }

    async fn verify(&self) -> Result<u64, Error> {
        self.read(verify::verify).await
    }
}
