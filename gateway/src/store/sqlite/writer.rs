//! The one writer: a thread that takes the work that waits and puts it into one transaction, so
//! that a crowd shares one sync to disk and a lone caller waits for nobody.
//!
//! Invariants: an answer is sent only after the transaction is durable; the work of one batch sees
//! what came before it; a piece that the engine cannot digest fails alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::store::Error;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::commit::{self, Head};
use super::fault::{Failure, is_of_the_store, told};
use super::open;

/// At most so many pieces of work share a transaction: more would save little and delay the first.
const BATCH: usize = 256;

/// How long emptying the log waits for readers: others wait for the writer meanwhile.
const PATIENCE: Duration = Duration::from_millis(100);

/// A piece of work that waits for its turn.
pub(super) trait Work: Send {
    /// Does it within a transaction at the end of the journal. May be done anew in another
    /// transaction when the first one fails.
    fn apply(&mut self, tx: &Connection, head: &mut Head, now: Timestamp) -> Result<(), Failure>;

    /// Tells whoever waits for it what came of it.
    fn answer(self: Box<Self>, outcome: Result<(), Error>);
}

/// Work that gives a `T`.
struct Job<T, F> {
    work: F,
    done: Option<T>,
    /// Who waits for it; may be gone.
    caller: oneshot::Sender<Result<T, Error>>,
}

/// Makes a piece of work of a function, with the end at which its outcome can be waited for.
pub(super) fn job<T, F>(work: F) -> (Box<dyn Work>, oneshot::Receiver<Result<T, Error>>)
where
    T: Send + 'static,
    F: FnMut(&Connection, &mut Head, Timestamp) -> Result<T, Failure> + Send + 'static,
{
    let (caller, outcome) = oneshot::channel();
    (Box::new(Job { work, done: None, caller }), outcome)
}

impl<T, F> Work for Job<T, F>
where
    T: Send,
    F: FnMut(&Connection, &mut Head, Timestamp) -> Result<T, Failure> + Send,
{
    fn apply(&mut self, tx: &Connection, head: &mut Head, now: Timestamp) -> Result<(), Failure> {
        self.done = Some((self.work)(tx, head, now)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), Error>) {
        let done = self.done.ok_or_else(|| Error::Unavailable("the work was not done".to_owned()));
        // A caller that stopped waiting learns of its commit by repeating the request.
        let _ = self.caller.send(outcome.and(done));
    }
}

/// The writer and its connection.
pub(super) struct Writer {
    connection: Connection,
    clock: Arc<dyn Clock>,
    /// Whether the last write failed. Transactions that write nothing say nothing of it.
    failing: Arc<AtomicBool>,
    /// Somebody was erased, and the log may still hold what was there before.
    log_outlives: bool,
}

/// What an unexpected error of the engine does to the batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// It ends the batch: nothing of it is written.
    Batch,
    /// It ends the piece of work at which it shows, each being held by a savepoint. Slower.
    Each,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        clock: Arc<dyn Clock>,
        failing: Arc<AtomicBool>,
    ) -> Self {
        Self { connection, clock, failing, log_outlives: false }
    }

    /// Serves the queue until nobody can put anything into it.
    pub(super) fn serve(mut self, queue: &Receiver<Box<dyn Work>>) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Ok(first) = queue.recv() {
            batch.push(first);
            batch.extend(queue.try_iter().take(BATCH - 1));
            let outcomes = self.work(&mut batch);
            if self.log_outlives {
                // Before the answer, which says that nothing is left.
                self.empty_log();
            }
            for (work, outcome) in batch.drain(..).zip(outcomes) {
                work.answer(outcome);
            }
        }
        // So that the next start has nothing to recover; that it fails costs only time then.
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Carries the log over to the file and empties it. While a reader still reads what was there
    /// before it cannot be done: then it is done after a later batch.
    fn empty_log(&mut self) {
        let emptied = self.connection.busy_timeout(PATIENCE).and_then(|()| {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        });
        let restored = self.connection.busy_timeout(open::BUSY);
        let left: i64 = match emptied {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(error = %told(&error), "log cannot be emptied yet");
                1
            }
        };
        if let Err(error) = restored {
            tracing::error!(error = %told(&error), "waiting time cannot be set");
        }
        self.log_outlives = left != 0;
    }

    /// Makes a batch durable, and says what came of each piece.
    fn work(&mut self, batch: &mut [Box<dyn Work>]) -> Vec<Result<(), Error>> {
        let changes = self.connection.total_changes();
        let done = match self.transact(batch, Guard::Batch) {
            Err(error) if !is_of_the_store(&error) => self.transact(batch, Guard::Each),
            done => done,
        };
        if done.is_err() || self.connection.total_changes() > changes {
            self.failing.store(done.is_err(), Ordering::Relaxed);
        }
        done.unwrap_or_else(|error| {
            let error = told(&error);
            tracing::error!(%error, pieces = batch.len(), "batch of work failed");
            vec![Err(error); batch.len()]
        })
    }

    fn transact(
        &mut self,
        batch: &mut [Box<dyn Work>],
        guard: Guard,
    ) -> rusqlite::Result<Vec<Result<(), Error>>> {
        let now = Timestamp::from_microsecond(self.clock.now().as_microsecond())
            .expect("a time cut to microseconds is still a time");
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut head = Head::load(&tx)?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for work in &mut *batch {
            let done = match guard {
                Guard::Batch => work.apply(&tx, &mut head, now),
                Guard::Each => apply_guarded(&tx, &mut head, now, work.as_mut())?,
            };
            match done {
                Err(Failure::Engine(error)) if guard == Guard::Batch => return Err(error),
                done => outcomes.push(done.map_err(Error::from)),
            }
        }
        // Twice as many as can have come, so that the expired do not pile up.
        commit::purge(&tx, now, 2 * batch.len())?;
        tx.commit()?;
        self.log_outlives |= head.erased;
        Ok(outcomes)
    }
}

/// Does a piece of work within a savepoint. The outer error ends the batch.
fn apply_guarded(
    tx: &Connection,
    head: &mut Head,
    now: Timestamp,
    work: &mut dyn Work,
) -> rusqlite::Result<Result<(), Failure>> {
    tx.execute_batch("SAVEPOINT one")?;
    let done = match work.apply(tx, head, now) {
        // SQLite may have rolled the whole transaction back by itself.
        Err(Failure::Engine(error)) if is_of_the_store(&error) || tx.is_autocommit() => {
            return Err(error);
        }
        Err(Failure::Engine(error)) => {
            tracing::error!(error = %told(&error), "one piece of work failed alone");
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
    use desmigratif_core::ports::store::Committed;
    use tempfile::TempDir;

    use super::super::commit::{Applied, Prepared};
    use super::super::keys::Plan;
    use super::super::{open, tests, verify};
    use super::*;
    use crate::store::vault::{KeyRing, Vault};

    /// Commits of a range, each with the end at which its answer comes.
    struct Batch(Vec<Box<dyn Work>>, Vec<oneshot::Receiver<Result<Committed, Error>>>);

    fn opened(path: &std::path::Path) -> open::Opened {
        open::open(path, 1, KeyRing::of_tests(), Timestamp::now()).unwrap()
    }

    fn batch(commits: std::ops::Range<u32>) -> Batch {
        let (works, outcomes) = commits
            .map(|n| {
                let (vault, _) = Vault::open(KeyRing::of_tests(), &[]).unwrap();
                let commit = Arc::new(tests::commit(n));
                let plan = Plan::default();
                let prepared = Prepared::new(commit.clone(), &plan, &vault, [0; 16]).unwrap();
                job(move |tx, head, now| match commit::apply(tx, head, now, &prepared)? {
                    Applied::Done(done) => {
                        Ok(done.open(commit.request.as_ref(), &commit.answer, &vault)?)
                    }
                    Applied::Outdated => panic!("nothing was sealed"),
                })
            })
            .unzip();
        Batch(works, outcomes)
    }

    impl Writer {
        fn commit(&mut self, Batch(mut works, outcomes): Batch) -> Vec<Result<Committed, Error>> {
            let done = self.work(&mut works);
            works.into_iter().zip(done).for_each(|(work, outcome)| work.answer(outcome));
            outcomes.into_iter().map(|mut outcome| outcome.try_recv().unwrap()).collect()
        }
    }

    #[test]
    fn a_full_disk_refuses_batches_whole_until_there_is_space() {
        let folder = TempDir::new().unwrap();
        let opened = opened(&folder.path().join("store.db"));
        let mut writer = Writer::new(opened.writer, Arc::new(SystemClock), Arc::default());
        // Stands for the disk: SQLite answers with the same error.
        writer.connection.execute_batch("PRAGMA max_page_count = 60").unwrap();
        let mut next = 0;
        loop {
            let answers = writer.commit(batch(next..next + 20));
            if answers.iter().any(Result::is_err) {
                assert!(answers.iter().all(|it| matches!(it, Err(Error::Unavailable(_)))));
                break;
            }
            next += 20;
        }
        assert!(next > 0, "something fits");
        for _ in 0..3 {
            let answers = writer.commit(batch(next..next + 20));
            assert!(answers.iter().all(|it| matches!(it, Err(Error::Unavailable(_)))));
            assert_eq!(verify::verify(&mut writer.connection).unwrap(), u64::from(next));
        }
        writer.connection.execute_batch("PRAGMA max_page_count = 10000").unwrap();
        let answers = writer.commit(batch(next..next + 20));
        for (index, answer) in (u64::from(next)..).zip(answers) {
            assert_eq!(answer.unwrap().receipt.index, index);
        }
        assert_eq!(verify::verify(&mut writer.connection).unwrap(), u64::from(next) + 20);
    }

    #[test]
    fn a_file_that_a_tool_holds_is_unavailable_until_it_lets_go() {
        let folder = TempDir::new().unwrap();
        let opened = opened(&folder.path().join("store.db"));
        let mut writer = Writer::new(opened.writer, Arc::new(SystemClock), Arc::default());
        writer.connection.busy_timeout(Duration::ZERO).unwrap();
        let tool = Connection::open(folder.path().join("store.db")).unwrap();
        tool.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answers = writer.commit(batch(0..3));
        assert!(answers.iter().all(|it| matches!(it, Err(Error::Unavailable(_)))));
        tool.execute_batch("ROLLBACK").unwrap();
        assert!(writer.commit(batch(0..3)).iter().all(Result::is_ok));
    }
}
