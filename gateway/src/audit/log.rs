//! The log: signs the journal's head, and proves by it.
//!
//! Invariants: a head is signed only if it continues the last one that was signed, and only after
//! all that it covers is durable. A journal that is shorter than its last checkpoint, or another
//! one, is never signed again until an operator has looked.

use std::sync::Arc;
use std::time::Duration;

use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::store::Store;
use desmigratif_core::ports::store::log::{Checkpoint, TILE_WIDTH};
use opentelemetry::global;
use opentelemetry::metrics::Gauge;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::note::{Head, SigningKey, VerifyingKey, note};
use super::tree::{self, Tree};

/// How often the head is signed when there is news.
const PERIOD: Duration = Duration::from_secs(1);
/// Leaves that one step takes in, so that a journal that was never signed before does not fill the
/// memory: whole tiles.
const STEP: u64 = 1024 * TILE_WIDTH;

/// Why the head is not signed, or a proof not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The tree cannot be had.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The journal is shorter than what was signed.
    #[error("the journal has {entries} entries, and {signed} were signed: it was rolled back")]
    RolledBack {
        /// Entries in the journal.
        entries: u64,
        /// Size of the last checkpoint.
        signed: u64,
    },
    /// The journal is not the one that was signed.
    #[error("the journal's first {signed} entries are not those that were signed")]
    Forked {
        /// Size of the last checkpoint.
        signed: u64,
    },
}

impl From<desmigratif_core::ports::store::Error> for LogError {
    fn from(error: desmigratif_core::ports::store::Error) -> Self {
        Self::Tree(error.into())
    }
}

/// The log over a store's journal.
pub struct Log {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tree: Tree,
    /// The first signs for good; the others too, while those who verify change over.
    keys: Vec<Arc<SigningKey>>,
    /// One signs at a time.
    turn: Mutex<()>,
    size: Gauge<u64>,
}

impl Log {
    /// The log under the keys' name. `keys` is not empty, and all have one name: the origin.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, keys: Vec<Arc<SigningKey>>) -> Self {
        let size = global::meter("desmigratif.audit")
            .u64_gauge("desmigratif.audit.checkpoint.size")
            .with_description("Entries of the journal under the last signed checkpoint.")
            .build();
        let tree = Tree::new(store.clone());
        Self { store, clock, tree, keys, turn: Mutex::new(()), size }
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.keys.first().map_or("", |key| key.name())
    }

    /// What its checkpoints are verified by, the present key first.
    #[must_use]
    pub fn verifying_keys(&self) -> Vec<VerifyingKey> {
        self.keys.iter().map(|key| key.log_key()).collect()
    }

    /// The tree, for proofs.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A checkpoint of at least `size` entries, signed now when there is none; with `None` the
    /// last one, as it is.
    ///
    /// # Errors
    /// [`LogError`]; [`tree::Error::NoSuchSize`] when the journal has fewer entries.
    pub async fn checkpoint(&self, size: Option<u64>) -> Result<Option<Checkpoint>, LogError> {
        let kept = self.store.checkpoint(size).await?;
        let Some(size) = size.filter(|_| kept.is_none()) else { return Ok(kept) };
        let last = self.advance().await?;
        let enough = last.filter(|last| last.size >= size);
        enough.map(Some).ok_or_else(|| tree::Error::NoSuchSize.into())
    }

    /// Signs the head of the journal as it is now, if it is not signed yet. Returns the last
    /// checkpoint; none for an empty journal.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn advance(&self) -> Result<Option<Checkpoint>, LogError> {
        let _turn = self.turn.lock().await;
        let mut last = self.store.checkpoint(None).await?;
        loop {
            let signed = last.as_ref().map_or(0, |last| last.size);
            let entries = self.store.journal_len().await?;
            if entries < signed {
                return Err(LogError::RolledBack { entries, signed });
            }
            if entries == signed {
                return Ok(last);
            }
            last = Some(self.step(last.as_ref(), entries.min(signed + STEP)).await?);
        }
    }

    /// Signs the head at a size beyond the last.
    async fn step(&self, last: Option<&Checkpoint>, size: u64) -> Result<Checkpoint, LogError> {
        let signed = last.map_or(0, |last| last.size);
        let tiles = self.tree.grow(signed, size).await?;
        let tree = self.tree.with(&tiles);
        if let Some(last) = last
            && tree.root(last.size).await? != last.root
        {
            return Err(LogError::Forked { signed });
        }
        let root = tree.root(size).await?;
        let head = Head { origin: self.origin().to_owned(), size, root };
        let signatures: Vec<_> = self.keys.iter().map(|key| key.sign_head(&head)).collect();
        let note = note(&head, &signatures);
        let checkpoint = Checkpoint { size, root, at: self.clock.now(), note };
        self.store.keep_checkpoint(tiles, checkpoint.clone()).await?;
        self.size.record(size, &[]);
        Ok(checkpoint)
    }

    /// Signs the head each second when there is news, until told to stop; then once more.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => {}
            }
            match self.advance().await {
                Ok(_) => failed = None,
                // Told once, not each second.
                Err(error) if failed.as_ref() != Some(&error) => {
                    tracing::error!(%error, "journal's head not signed");
                    failed = Some(error);
                }
                Err(_) => {}
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
