//! The one writer: a thread that takes the commits that wait and puts them into one
//! transaction, so that a crowd shares one sync to disk and a lone caller waits for nobody.
//!
//! Invariants: an answer is sent only after the transaction is durable; commits of one batch see
//! each other; one that the engine cannot digest fails alone.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::store::{Committed, Error};
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::commit::{self, Head, Prepared};
use super::fault::{Failure, is_of_the_store, told};

/// At most so many commits share a transaction: more would save little and delay the first.
const BATCH: usize = 256;

/// What the writer answers.
pub(super) type Answer = Result<Committed, Error>;

/// A commit that waits for its turn.
pub(super) struct Waiting {
    /// The commit.
    pub(super) commit: Prepared,
    /// Who waits for it; may be gone.
    pub(super) caller: oneshot::Sender<Answer>,
}

/// The writer and its connection.
pub(super) struct Writer {
    connection: Connection,
    clock: Arc<dyn Clock>,
}

/// What an unexpected error of the engine does to the batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// It ends the batch: nothing of it is written.
    Batch,
    /// It ends the commit at which it shows, each being held by a savepoint. Slower.
    Each,
}

impl Writer {
    pub(super) fn new(connection: Connection, clock: Arc<dyn Clock>) -> Self {
        Self { connection, clock }
    }

    /// Serves the queue until nobody can put anything into it.
    pub(super) fn serve(mut self, queue: &Receiver<Waiting>) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Ok(first) = queue.recv() {
            batch.push(first);
            batch.extend(queue.try_iter().take(BATCH - 1));
            let answers = self.commit(&batch);
            for (waiting, answer) in batch.drain(..).zip(answers) {
                // A caller that stopped waiting learns of its commit by repeating the request.
                let _ = waiting.caller.send(answer);
            }
        }
        // So that the next start has nothing to recover; that it fails costs only time then.
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Makes a batch durable and answers each commit of it.
    fn commit(&mut self, batch: &[Waiting]) -> Vec<Answer> {
        let done = match self.transact(batch, Guard::Batch) {
            Err(error) if !is_of_the_store(&error) => self.transact(batch, Guard::Each),
            done => done,
        };
        done.unwrap_or_else(|error| {
            let error = told(&error);
            tracing::error!(%error, commits = batch.len(), "batch of commits failed");
            vec![Err(error); batch.len()]
        })
    }

    fn transact(&mut self, batch: &[Waiting], guard: Guard) -> rusqlite::Result<Vec<Answer>> {
        let now = Timestamp::from_microsecond(self.clock.now().as_microsecond())
            .expect("a time cut to microseconds is still a time");
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut head = Head::load(&tx)?;
        let mut answers = Vec::with_capacity(batch.len());
        for waiting in batch {
            let done = match guard {
                Guard::Batch => commit::apply(&tx, &mut head, now, &waiting.commit),
                Guard::Each => apply_guarded(&tx, &mut head, now, &waiting.commit)?,
            };
            match done {
                Err(Failure::Engine(error)) if guard == Guard::Batch => return Err(error),
                done => answers.push(done.map_err(Error::from)),
            }
        }
        // Twice as many as can have come, so that the expired do not pile up.
        commit::purge(&tx, now, 2 * batch.len())?;
        tx.commit()?;
        Ok(answers)
    }
}

/// Applies a commit within a savepoint. The outer error ends the batch.
fn apply_guarded(
    tx: &Connection,
    head: &mut Head,
    now: Timestamp,
    commit: &Prepared,
) -> rusqlite::Result<Result<Committed, Failure>> {
    tx.execute_batch("SAVEPOINT one")?;
    let done = match commit::apply(tx, head, now, commit) {
        // SQLite may have rolled the whole transaction back by itself.
        Err(Failure::Engine(error)) if is_of_the_store(&error) || tx.is_autocommit() => {
            return Err(error);
        }
        Err(Failure::Engine(error)) => {
            tracing::error!(error = %told(&error), "commit failed alone");
            tx.execute_batch("ROLLBACK TO one")?;
            Err(Failure::Engine(error))
        }
        done => done,
    };
    tx.execute_batch("RELEASE one")?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use desmigratif_core::ports::clock::SystemClock;
    use tempfile::TempDir;

    use super::super::{open, tests, verify};
    use super::*;

    fn batch(commits: std::ops::Range<u32>) -> Vec<Waiting> {
        commits
            .map(|n| {
                let commit = Prepared::new(tests::commit(n), [0; 16]).unwrap();
                Waiting { commit, caller: oneshot::channel().0 }
            })
            .collect()
    }

    #[test]
    fn a_full_disk_refuses_batches_whole_until_there_is_space() {
        let folder = TempDir::new().unwrap();
        let opened = open::open(&folder.path().join("store.db"), 1).unwrap();
        let mut writer = Writer::new(opened.writer, Arc::new(SystemClock));
        // Stands for the disk: SQLite answers with the same error.
        writer.connection.execute_batch("PRAGMA max_page_count = 40").unwrap();
        let mut next = 0;
        loop {
            let answers = writer.commit(&batch(next..next + 20));
            if answers.iter().any(Result::is_err) {
                assert!(answers.iter().all(|it| matches!(it, Err(Error::Unavailable(_)))));
                break;
            }
            next += 20;
        }
        assert!(next > 0, "something fits");
        for _ in 0..3 {
            let answers = writer.commit(&batch(next..next + 20));
            assert!(answers.iter().all(|it| matches!(it, Err(Error::Unavailable(_)))));
            assert_eq!(verify::verify(&mut writer.connection).unwrap(), u64::from(next));
        }
        writer.connection.execute_batch("PRAGMA max_page_count = 10000").unwrap();
        let answers = writer.commit(&batch(next..next + 20));
        for (index, answer) in (u64::from(next)..).zip(answers) {
            assert_eq!(answer.unwrap().receipt.index, index);
        }
        assert_eq!(verify::verify(&mut writer.connection).unwrap(), u64::from(next) + 20);
    }

    #[test]
    fn a_file_that_a_tool_holds_is_unavailable_until_it_lets_go() {
        let folder = TempDir::new().unwrap();
        let opened = open::open(&folder.path().join("store.db"), 1).unwrap();
        let mut writer = Writer::new(opened.writer, Arc::new(SystemClock));
        writer.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        let tool = Connection::open(folder.path().join("store.db")).unwrap();
        tool.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answers = writer.commit(&batch(0..3));
        assert!(answers.iter().all(|it| matches!(it, Err(Error::Unavailable(_)))));
        tool.execute_batch("ROLLBACK").unwrap();
        assert!(writer.commit(&batch(0..3)).iter().all(Result::is_ok));
    }
}
