//! The feed: the node's one tail of the journal, from which everything on the node reads that
//! follows the journal.
//!
//! It judges nothing: what an entry means, and who may be told of it, is its readers' to say. There
//! are many of them, subscribers of [changes] and views that are kept in memory.
//!
//! Invariants:
//! - a reader gets every entry from its place on, once and in the order of the journal;
//! - however many read, the store is asked once for what is new. A reader that lags behind what is
//!   held in memory reads from the store, and only [`STRAGGLERS`] do so at a time;
//! - a store that fails is asked again until it answers: no entry is passed over.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use desmigratif_core::journal::Entry;
use desmigratif_core::ports::store::{Error, Store};
use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};
use tokio::sync::{Semaphore, watch};

mod changes;
mod records;

pub use changes::{ChangeEvent, ChangeFilter, Changed, Changes, Place};
use records::Records;

/// How often the tail looks for what other nodes have committed.
const LOOK: Duration = Duration::from_millis(100);
/// The pause after the first failure of the store, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Entries that the tail asks for at a time.
const READ: u32 = 512;
/// Entries that a tail begins with, so that the readers of a node that was down for a moment find
/// their places in memory.
const WARM: u64 = 2_048;
/// Readers that read from the store at a time.
const STRAGGLERS: usize = 2;
/// What is held in memory: entries, each heavier by the people and records that it names. A
/// weight is about 32 bytes, an entry without any about 8 of them.
const HELD: usize = 128 * 1_024;

/// The tail, and what it has read last.
pub struct Feed {
    store: Arc<dyn Store>,
    recent: RwLock<Recent>,
    /// Entries that the tail has passed: the index of the next.
    head: watch::Sender<u64>,
    /// Entries that this node knows to be there: one more than the highest index it was told of.
    committed: watch::Sender<u64>,
    stragglers: Semaphore,
    records: Records,
    read: Counter<u64>,
    failing: Gauge<u64>,
}

/// The last entries, without a gap.
struct Recent {
    entries: VecDeque<Arc<Entry>>,
    /// Index of the first of them, or of the next one when there is none.
    first: u64,
    weight: usize,
}

/// Who reads from the store, as the metric names it.
#[derive(Clone, Copy)]
enum Reader {
    Tail,
    Straggler,
}

impl Feed {
    /// A tail that stands just before the entry with an index, and holds nothing.
    #[must_use]
    pub fn at(store: Arc<dyn Store>, index: u64) -> Self {
        let meter = global::meter("desmigratif.feed");
        let read = meter
            .u64_counter("desmigratif.feed.entries.read")
            .with_description("Entries read from the store, by the tail and by who lags behind it.")
            .build();
        let failing = meter
            .u64_gauge("desmigratif.feed.tail.failing")
            .with_description("1 while the tail cannot read the journal, else 0.")
            .build();
        Self {
            records: Records::of(store.clone()),
            store,
            recent: RwLock::new(Recent { entries: VecDeque::new(), first: index, weight: 0 }),
            head: watch::Sender::new(index),
            committed: watch::Sender::new(index),
            stragglers: Semaphore::new(STRAGGLERS),
            read,
            failing,
        }
    }

    /// A tail at the end of the journal, which holds what came last.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open(store: Arc<dyn Store>) -> Result<Arc<Self>, Error> {
        let entries = store.journal_len().await?;
        let feed = Self::at(store, entries.saturating_sub(WARM));
        feed.advance().await?;
        Ok(Arc::new(feed))
    }

    /// Follows the journal for as long as it is polled.
    pub async fn run(&self) {
        let mut committed = self.committed.subscribe();
        let mut pauses = pauses();
        loop {
            match self.advance().await {
                Ok(()) => {
                    self.failing.record(0, &[]);
                    pauses = self::pauses();
                }
                Err(error) => {
                    tracing::error!(%error, "journal cannot be followed, to be tried again");
                    self.failing.record(1, &[]);
                    tokio::time::sleep(pauses.next().unwrap_or(PAUSE.1)).await;
                    continue;
                }
            }
            tokio::select! {
                // The sender is ours.
                _ = committed.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Tells the tail of an entry that this node has committed.
    pub fn committed(&self, index: u64) {
        self.committed.send_if_modified(|known| {
            let news = *known <= index;
            *known = (*known).max(index + 1);
            news
        });
    }

    /// How many entries the tail has passed: the place of a reader that has seen everything.
    #[must_use]
    pub fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Waits until the tail has passed the entry with an index.
    pub async fn reached(&self, index: u64) {
        // The sender is ours, so waiting ends in no other way.
        let _ = self.head.subscribe().wait_for(|head| *head > index).await;
    }

    /// The entries from a place on, `limit` at the most and one at the least: waits for it. The
    /// place of whoever has taken them all is one more than the last one's index. Dropped while it
    /// waits, it has taken nothing.
    ///
    /// # Errors
    /// Those of the store, for a reader that lags behind what is held in memory. It may ask again
    /// from the same place.
    pub async fn after(&self, place: u64, limit: usize) -> Result<Vec<Arc<Entry>>, Error> {
        Ok(self.after_where(place, limit, |_| true).await?.0)
    }

    /// The entries from a place on that are wanted, of `limit` that are looked through at the most
    /// and one at the least, and the place behind those; as [`Feed::after`]. What is not wanted
    /// costs a reader next to nothing.
    ///
    /// # Errors
    /// As [`Feed::after`].
    pub async fn after_where(
        &self,
        place: u64,
        limit: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<(Vec<Arc<Entry>>, u64), Error> {
        self.reached(place).await;
        if let Some(entries) = self.recent().from(place, limit, &wanted) {
            return Ok(entries);
        }
        let _turn = self.stragglers.acquire().await;
        let limit = u32::try_from(limit).unwrap_or(READ).clamp(1, READ);
        let entries = self.read(Reader::Straggler, place, limit).await?;
        if entries.is_empty() {
            // The tail has passed it.
            return Err(Error::Corrupt(format!("entry {place} is not there any more")));
        }
        let next = place + entries.len() as u64;
        Ok((entries.into_iter().filter(wanted).map(Arc::new).collect(), next))
    }

    /// Takes in what is new.
    async fn advance(&self) -> Result<(), Error> {
        let mut head = self.head();
        // What this node has committed is known; what others have, only the store knows.
        if *self.committed.borrow() <= head && self.store.journal_len().await? <= head {
            return Ok(());
        }
        loop {
            let entries = self.read(Reader::Tail, head, READ).await?;
            let last = entries.len() < READ as usize;
            head += entries.len() as u64;
            self.recent.write().unwrap_or_else(PoisonError::into_inner).take(entries);
            self.head.send_replace(head);
            if last {
                return Ok(());
            }
        }
    }

    /// Reads from the store, and refuses a journal with a gap.
    async fn read(&self, reader: Reader, from: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        let entries = self.store.entries(from, limit).await?;
        if let Some((index, _)) = (from..).zip(&entries).find(|(index, it)| it.index != *index) {
            return Err(Error::Corrupt(format!("the journal has no entry {index}")));
        }
        let by = match reader {
            Reader::Tail => "tail",
            Reader::Straggler => "straggler",
        };
        self.read.add(entries.len() as u64, &[KeyValue::new("reader", by)]);
        Ok(entries)
    }

    fn recent(&self) -> std::sync::RwLockReadGuard<'_, Recent> {
        // Nothing panics while it holds this lock, and what is held is whole even if it did.
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    /// Takes entries in behind the last, and lets go of the first for them.
    fn take(&mut self, entries: Vec<Entry>) {
        self.weight += entries.iter().map(weight).sum::<usize>();
        self.entries.extend(entries.into_iter().map(Arc::new));
        while self.weight > HELD
            && let Some(oldest) = self.entries.pop_front()
        {
            self.weight -= weight(&oldest);
            self.first += 1;
        }
    }

    /// Those from a place on that are wanted, and the place behind those looked through; `None` when
    /// the place is no longer held, or not yet.
    fn from(
        &self,
        place: u64,
        limit: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Option<(Vec<Arc<Entry>>, u64)> {
        let skipped = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let end = self.entries.len().min(skipped.saturating_add(limit));
        if skipped >= end {
            return None;
        }
        let entries = self.entries.range(skipped..end).filter(|entry| wanted(entry));
        Some((entries.cloned().collect(), self.first + end as u64))
    }
}

fn weight(entry: &Entry) -> usize {
    8 + entry.draft.subjects.len() + 3 * entry.touched.len()
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(PAUSE.0)
        .with_max_delay(PAUSE.1)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests;
