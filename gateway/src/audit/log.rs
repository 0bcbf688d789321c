//! The log: signs the journal's head, gathers the cosignatures of witnesses, and proves by it.
//!
//! Invariants: a head is signed only if it continues the last one that was signed, and only after
//! all that it covers is durable. A journal that is shorter than its last checkpoint, or another
//! one, is never signed again until an operator has looked. Every cosignature that is kept was
//! verified before.

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

use super::note::{self, Head, SigningKey, VerifyingKey, note};
use super::succession;
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
    /// A cosignature does not count.
    #[error("cosignature refused: {0}")]
    Cosignature(note::Error),
    /// No key of the log has signed the last head.
    #[error("the last head was signed by none of these keys")]
    Stranger,
    /// A note that is kept is not the one that was verified.
    #[error("a checkpoint that is kept is {0}")]
    Kept(note::Error),
}

impl From<desmigratif_core::ports::store::Error> for LogError {
    fn from(error: desmigratif_core::ports::store::Error) -> Self {
        Self::Tree(error.into())
    }
}

/// The witnesses whose cosignatures count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// Their keys.
    pub keys: Vec<VerifyingKey>,
    /// How many must have cosigned a checkpoint for it to be witnessed.
    pub quorum: usize,
}

impl Witnesses {
    /// Whether so many have cosigned as must. Without witnesses nothing is witnessed.
    #[must_use]
    pub const fn suffice(&self, cosigned: usize) -> bool {
        self.quorum > 0 && cosigned >= self.quorum
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
    witnesses: Witnesses,
    /// One cosignature at a time is added to a note.
    cosigning: Mutex<()>,
    size: Gauge<u64>,
    cosigned: Gauge<u64>,
}

impl Log {
    /// The log under the keys' name. `keys` is not empty, and all have one name: the origin.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        keys: Vec<Arc<SigningKey>>,
        witnesses: Witnesses,
    ) -> Self {
        let meter = global::meter("desmigratif.audit");
        let size = meter
            .u64_gauge("desmigratif.audit.checkpoint.size")
            .with_description("Entries of the journal under the last signed checkpoint.")
            .build();
        let cosigned = meter
            .u64_gauge("desmigratif.audit.checkpoint.witnesses")
            .with_description(
                "Witnesses of the last checkpoint that was cosigned, or followed without it.",
            )
            .build();
        let tree = Tree::new(store.clone());
        let (turn, cosigning) = (Mutex::new(()), Mutex::new(()));
        Self { store, clock, tree, keys, turn, witnesses, cosigning, size, cosigned }
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

    /// Puts the present key in the place of the one that has signed the last head, unless it has
    /// signed that itself: keeps the statement by which others follow, and signs the head too.
    ///
    /// # Errors
    /// [`LogError`]; [`LogError::Stranger`] when none of the keys has signed the last head, so that
    /// nobody would know why to rely on the present one.
    pub async fn succeed(&self) -> Result<(), LogError> {
        let _turn = self.cosigning.lock().await;
        let Some(mut last) = self.store.checkpoint(None).await? else { return Ok(()) };
        let signed = |key: &&Arc<SigningKey>| {
            let key = [key.log_key()];
            note::signed_by(&last.note, &key).is_ok_and(|by| !by.is_empty())
        };
        let earlier = self.keys.iter().find(signed).ok_or(LogError::Stranger)?;
        let Some(present) = self.keys.first().filter(|key| !signed(key)) else { return Ok(()) };
        self.store.keep_succession(succession::statement(earlier, present)).await?;
        let (origin, size, root) = (self.origin().to_owned(), last.size, last.root);
        last.note.push_str(&present.sign_head(&Head { origin, size, root }));
        last.note.push('\n');
        self.store.keep_checkpoint(Vec::new(), last).await?;
        tracing::info!(key = %present.log_key(), "the log has another key");
        Ok(())
    }

    /// The statements by which its keys have followed each other.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn successions(&self) -> Result<Vec<String>, LogError> {
        Ok(self.store.successions().await?)
    }

    /// The witnesses whose cosignatures count.
    #[must_use]
    pub const fn witnesses(&self) -> &Witnesses {
        &self.witnesses
    }

    /// Which of them have cosigned a checkpoint.
    ///
    /// # Errors
    /// [`LogError::Kept`].
    pub fn cosigners(&self, checkpoint: &Checkpoint) -> Result<Vec<&VerifyingKey>, LogError> {
        note::signed_by(&checkpoint.note, &self.witnesses.keys).map_err(LogError::Kept)
    }

    /// The last checkpoint that is witnessed, by today's rule too.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn witnessed(&self) -> Result<Option<Checkpoint>, LogError> {
        let Some(kept) = self.store.witnessed_checkpoint().await? else { return Ok(None) };
        let suffice = self.witnesses.suffice(self.cosigners(&kept)?.len());
        Ok(Some(kept).filter(|_| suffice))
    }

    /// The last checkpoint that is to have a timestamp and has none: the last witnessed one, or the
    /// last at all where there are no witnesses.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn to_be_stamped(&self) -> Result<Option<Checkpoint>, LogError> {
        let last = if self.witnesses.quorum > 0 {
            self.witnessed().await?
        } else {
            self.store.checkpoint(None).await?
        };
        let Some(last) = last else { return Ok(None) };
        Ok(self.store.timestamp(last.size).await?.is_none().then_some(last))
    }

    /// Keeps a timestamp on the checkpoint of a size. The first stays.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn keep_timestamp(&self, size: u64, token: Vec<u8>) -> Result<(), LogError> {
        Ok(self.store.keep_timestamp(size, token).await?)
    }

    /// The timestamp on the checkpoint of a size (RFC 3161, DER), if it has one.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn timestamp(&self, size: u64) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.store.timestamp(size).await?)
    }

    /// The first checkpoint of at least `size` entries that has a timestamp.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn timestamped(&self, size: u64) -> Result<Option<Checkpoint>, LogError> {
        Ok(self.store.timestamped_checkpoint(size).await?)
    }

    /// Adds a witness's cosignature, the line of a note, to the checkpoint of a size. The first of
    /// each witness stays. Returns the checkpoint.
    ///
    /// # Errors
    /// [`LogError`]; [`tree::Error::NoSuchSize`] when no checkpoint has the size.
    pub async fn add_cosignature(&self, size: u64, line: &str) -> Result<Checkpoint, LogError> {
        let _turn = self.cosigning.lock().await;
        let kept = self.store.checkpoint(Some(size)).await?.filter(|it| it.size == size);
        let mut kept = kept.ok_or(tree::Error::NoSuchSize)?;
        let head = Head { origin: self.origin().to_owned(), size, root: kept.root };
        let witness = note::cosigned_by(&head, line, &self.witnesses.keys);
        let witness = witness.map_err(LogError::Cosignature)?;
        let before = self.cosigners(&kept)?;
        if before.contains(&witness) {
            return Ok(kept);
        }
        let cosigned = before.len() + 1;
        kept.note.push_str(line);
        kept.note.push('\n');
        kept.witnessed |= self.witnesses.suffice(cosigned);
        self.store.keep_checkpoint(Vec::new(), kept.clone()).await?;
        self.cosigned.record(cosigned as u64, &[]);
        Ok(kept)
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
        let checkpoint = Checkpoint { size, root, at: self.clock.now(), note, witnessed: false };
        self.store.keep_checkpoint(tiles, checkpoint.clone()).await?;
        self.size.record(size, &[]);
        if let Some(Ok(0)) = last.map(|last| self.cosigners(last).map(|it| it.len())) {
            self.cosigned.record(0, &[]);
        }
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
