//! A witness: keeps the last checkpoint of a log that it has seen, and cosigns another only when
//! that one continues it.
//!
//! It runs apart from the gateway, in the hands of someone else, and knows no store: what it is
//! shown and its own folder are all that it goes by. Invariants:
//! - a checkpoint is durable here before it is cosigned, so that no restart forgets what the
//!   witness stands for;
//! - it never cosigns two roots of one size, a smaller size after a larger one, or what is not
//!   proven to continue the last;
//! - what it refuses it keeps as evidence, and goes on refusing.

mod folder;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use desmigratif_core::journal::Hash;
use desmigratif_core::ports::clock::Clock;

use super::note::{self, Head, SigningKey, VerifyingKey};
use super::succession;
use super::tree;
use folder::{Evidence, Folder};

/// The log gave no answer, or none that can be used. That alone is no proof of anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// What a log shows first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The note of the last checkpoint.
    pub note: String,
    /// The statements by which its keys have followed each other ([`super::succession`]).
    pub successions: Vec<String>,
}

/// A log as a witness is shown it.
#[async_trait]
pub trait Source: Send + Sync {
    /// The note of the last checkpoint, and how the log's keys have followed each other.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn checkpoint(&self) -> Result<Shown, Unanswered>;

    /// The proof that the tree of `size` leaves continues that of `earlier`.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, Unanswered>;

    /// Hands in a cosignature, the line of a note, for the checkpoint of a size.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn cosign(&self, size: u64, line: String) -> Result<(), Unanswered>;
}

/// Why a checkpoint is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The note does not count.
    #[error("the log shows {0}")]
    Note(#[from] note::Error),
    /// It is signed over nothing.
    #[error("the log shows a checkpoint of no entries")]
    Empty,
    /// It is smaller than the last.
    #[error("the log was rolled back: it shows {shown} entries after {seen}")]
    RolledBack {
        /// Size of the last.
        seen: u64,
        /// Size of this one.
        shown: u64,
    },
    /// It has the size of the last and another root.
    #[error("the log has two histories of {size} entries")]
    Split {
        /// The size of both.
        size: u64,
    },
    /// It is not proven to continue the last.
    #[error("the log was forked: its {shown} entries are not proven to continue the {seen} before")]
    Forked {
        /// Size of the last.
        seen: u64,
        /// Size of this one.
        shown: u64,
    },
}

impl Refusal {
    /// In a word, for the names of files.
    const fn word(self) -> &'static str {
        match self {
            Self::Note(_) => "signature",
            Self::Empty => "empty",
            Self::RolledBack { .. } => "rollback",
            Self::Split { .. } => "split",
            Self::Forked { .. } => "fork",
        }
    }
}

/// Why nothing was cosigned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log gave no answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// What it shows is refused.
    #[error("{why}; {}", evidence.as_ref().map_or_else(|| "the evidence cannot be kept".to_owned(), |path| format!("evidence: {}", path.display())))]
    Refused {
        /// Why.
        why: Refusal,
        /// Where both notes and the proof are; `None` when they cannot be kept.
        evidence: Option<PathBuf>,
    },
    /// The folder cannot be used, so nothing may be cosigned.
    #[error("cannot keep the checkpoint: {0}")]
    Folder(#[from] std::io::Error),
}

/// Why a witness cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The keys are not those of one log.
    #[error("the keys must be those of one log, with one name, and no witness's")]
    Keys,
    /// Another witness works in the folder.
    #[error("{} is in use by another witness: stop that one, or give this one a folder of its own", .0.display())]
    InUse(PathBuf),
    /// What is kept cannot be read.
    #[error("{} is no checkpoint of this log: look at what has happened to it, for without it the witness forgets what it has seen", .0.display())]
    Damaged(PathBuf),
    /// The folder cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What came of a look at the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// The checkpoint of this size is cosigned.
    Cosigned(u64),
    /// The last one, cosigned before, is the last one still.
    NoNews(u64),
}

/// A checkpoint that was seen.
#[derive(Clone, Debug)]
struct Seen {
    head: Head,
    note: String,
}

/// A witness of one log.
pub struct Witness {
    key: SigningKey,
    origin: String,
    log: Vec<VerifyingKey>,
    clock: Arc<dyn Clock>,
    folder: Arc<Folder>,
    seen: Option<Seen>,
    /// The last size whose cosignature the log has taken from this process.
    cosigned: Option<u64>,
}

impl Witness {
    /// The witness that works in a folder, which is made when it is absent. `log` are the keys of
    /// the log that it watches.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        path: &Path,
        key: SigningKey,
        log: Vec<VerifyingKey>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let origin = log.first().map(|key| key.name().to_owned()).ok_or(OpenError::Keys)?;
        if log.iter().any(|key| key.is_witness() || key.name() != origin) {
            return Err(OpenError::Keys);
        }
        let folder = Folder::open(path)?;
        let seen = match folder.read()? {
            None => None,
            Some(note) => {
                let head = Head::of_note(&note).ok().filter(|head| head.origin == origin);
                let head = head.ok_or_else(|| OpenError::Damaged(folder.checkpoint()))?;
                Some(Seen { head, note })
            }
        };
        Ok(Self { key, origin, log, clock, folder: Arc::new(folder), seen, cosigned: None })
    }

    /// Looks at the log once, and cosigns what it shows when that continues the last.
    ///
    /// # Errors
    /// [`Error`]: nothing was cosigned then, or the log has not taken it.
    pub async fn look(&mut self, log: &dyn Source) -> Result<Looked, Error> {
        let shown = log.checkpoint().await?;
        let keys = succession::follow(&self.log, &shown.successions);
        let head = match note::verify(&shown.note, &self.origin, &keys, &[]) {
            Ok((head, _)) => head,
            Err(error) => return Err(self.refuse(error.into(), shown, None).await),
        };
        let size = head.size;
        if size == 0 {
            return Err(self.refuse(Refusal::Empty, shown, None).await);
        }
        let last = self.seen.as_ref().map(|seen| seen.head.clone());
        match last.as_ref().map(|last| (size.cmp(&last.size), last)) {
            Some((Ordering::Less, last)) => {
                let why = Refusal::RolledBack { seen: last.size, shown: size };
                return Err(self.refuse(why, shown, None).await);
            }
            Some((Ordering::Equal, last)) => {
                if last.root != head.root {
                    return Err(self.refuse(Refusal::Split { size }, shown, None).await);
                }
                if self.cosigned == Some(size) {
                    return Ok(Looked::NoNews(size));
                }
            }
            Some((Ordering::Greater, last)) => {
                let proof = log.consistency(last.size, size).await?;
                if !tree::continues(last, &head, proof.clone()) {
                    let why = Refusal::Forked { seen: last.size, shown: size };
                    return Err(self.refuse(why, shown, Some(proof)).await);
                }
                self.keep(&head, shown.note).await?;
            }
            // The first that it sees it has to trust; from then on it need not.
            None => self.keep(&head, shown.note).await?,
        }
        log.cosign(size, self.key.cosign(&head, self.clock.now())).await?;
        self.cosigned = Some(size);
        Ok(Looked::Cosigned(size))
    }

    /// Keeps a checkpoint as the last, durably.
    async fn keep(&mut self, head: &Head, note: String) -> Result<(), Error> {
        let (folder, kept) = (self.folder.clone(), note.clone());
        let writing = tokio::task::spawn_blocking(move || folder.write(&kept));
        writing.await.map_err(std::io::Error::other)??;
        self.seen = Some(Seen { head: head.clone(), note });
        Ok(())
    }

    /// Keeps the evidence of a refusal.
    async fn refuse(&self, why: Refusal, shown: Shown, proof: Option<Vec<Hash>>) -> Error {
        let evidence = Evidence {
            refused: why.to_string(),
            at: self.clock.now(),
            witness: self.key.witness_key().to_string(),
            log_keys: self.log.iter().map(ToString::to_string).collect(),
            seen: self.seen.as_ref().map(|seen| seen.note.clone()),
            shown: shown.note,
            successions: shown.successions,
            proof: proof.map(|proof| proof.iter().map(hex::encode).collect()),
        };
        let folder = self.folder.clone();
        let keeping = tokio::task::spawn_blocking(move || folder.keep(why.word(), &evidence)).await;
        let kept = keeping.map_err(std::io::Error::other).and_then(|kept| kept);
        if let Err(error) = &kept {
            tracing::error!(%error, "evidence not kept");
        }
        Error::Refused { why, evidence: kept.ok() }
    }
}

#[cfg(test)]
mod tests;
