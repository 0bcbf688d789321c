//! The embedded engine: one SQLite file with its write-ahead log, one process at a time.
//!
//! Writes go through one thread that groups them; reads run on a small pool of read-only
//! connections beside it and never wait for a write. What a call reads is the state after some
//! commit, and includes every commit that was answered before the call.
//!
//! Reads run on the runtime's threads for blocking work (`tokio::task::spawn_blocking`), so a
//! [`Sqlite`] is to be used within a tokio runtime. Few run at a time; the others wait without
//! holding a thread.

mod columns;
mod commit;
mod fault;
mod open;
mod outbox;
mod read;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use desmigratif_core::journal::Entry;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::store::outbox::{Backlog, Filter, Lease, Leased, Settlement, Status};
use desmigratif_core::ports::store::{Commit, Committed, Error, Query, Request, Store, Tally};
use desmigratif_core::record::{Key, Kind, Stored};
use jiff::Timestamp;
use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use commit::{Head, Prepared};
use fault::Failure;
use writer::{Work, Writer, job};

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
    readers: Pool<SqliteConnectionManager>,
    turns: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    /// Keeps other processes out.
    _lock: File,
}

impl Sqlite {
    /// Opens the store at `path`, or makes an empty one there. Beside it lie its log (`-wal`,
    /// `-shm`) and its lock (`.lock`); to copy the store, stop the gateway first.
    ///
    /// # Errors
    /// [`OpenError`]; a file that is refused is left as it was.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let opened = open::open(path, READERS)?;
        let (queue, waiting) = sync_channel(QUEUE);
        let writer = Writer::new(opened.writer, Arc::clone(&clock));
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.serve(&waiting))
            .map_err(|error| OpenError::Io { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(writer),
            readers: opened.readers,
            turns: Arc::new(Semaphore::new(READERS as usize)),
            clock,
            _lock: opened.lock,
        })
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

#[async_trait]
impl Store for Sqlite {
    async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        let commit = Prepared::new(commit, rand::random())?;
        self.write(move |tx, head, now| commit::apply(tx, head, now, &commit)).await
    }

    async fn answered(&self, request: &Request) -> Result<Option<Committed>, Error> {
        let (request, now) = (request.clone(), self.clock.now());
        self.read(move |conn| commit::kept(conn, &request, now)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, Error> {
        let key = key.clone();
        self.read(move |conn| Ok(read::get(conn, &key)?)).await
    }

    async fn get_by_alias(&self, kind: Kind, alias: &str) -> Result<Option<Stored>, Error> {
        let alias = alias.to_owned();
        self.read(move |conn| Ok(read::get_by_alias(conn, kind, &alias)?)).await
    }

    async fn list(&self, query: &Query) -> Result<Vec<Stored>, Error> {
        let query = query.clone();
        self.read(move |conn| Ok(read::list(conn, &query)?)).await
    }

    async fn tally(&self, kind: Kind, place: &str) -> Result<Vec<Tally>, Error> {
        let place = place.to_owned();
        self.read(move |conn| Ok(read::tally(conn, kind, &place)?)).await
    }

    async fn journal_len(&self) -> Result<u64, Error> {
        self.read(|conn| Ok(read::journal_len(conn)?)).await
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        self.read(move |conn| Ok(read::entries(conn, from, limit)?)).await
    }

    async fn lease(&self, lease: Lease) -> Result<Vec<Leased>, Error> {
        self.write(move |tx, _, now| outbox::lease(tx, now, &lease)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), Error> {
        self.write(move |tx, _, now| outbox::settle(tx, now, &settlements)).await
    }

    async fn deliveries(&self, filter: &Filter) -> Result<Vec<Status>, Error> {
        let filter = *filter;
        self.read(move |conn| Ok(outbox::list(conn, &filter)?)).await
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        self.read(|conn| Ok(outbox::backlogs(conn)?)).await
    }

    async fn verify(&self) -> Result<u64, Error> {
        self.read(verify::verify).await
    }
}
