//! A witness's folder: the last checkpoint, and the evidence of what was refused.
//!
//! `checkpoint` is the last note that the witness has seen, replaced as a whole. `evidence` has a
//! file for each thing that was refused. `lock` keeps a second witness away.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::OpenError;

/// Files of evidence that are kept; the first are those that count, and a log that shows something
/// else each second does not fill the disk.
const MOST_EVIDENCE: usize = 1_000;

/// What was refused, and what it stands against.
#[derive(Debug, Serialize)]
pub(super) struct Evidence {
    /// Why.
    pub(super) refused: String,
    /// When.
    pub(super) at: Timestamp,
    /// The witness's verifying key.
    pub(super) witness: String,
    /// The keys by which both notes are verified, they and their successors.
    pub(super) log_keys: Vec<String>,
    /// The last note that was seen before.
    pub(super) seen: Option<String>,
    /// The note that is refused.
    pub(super) shown: String,
    /// The statements by which the log's keys have followed each other.
    pub(super) successions: Vec<String>,
    /// The proof that fails, hashes in hexadecimal.
    pub(super) proof: Option<Vec<String>>,
}

/// The folder. The lock is held as long as it is.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens the folder, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path.join("evidence")).map_err(failed)?;
        let mut lock = OpenOptions::new();
        let lock = lock.create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where the last checkpoint is.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// The note of the last checkpoint; `None` when there was none yet.
    pub(super) fn read(&self) -> Result<Option<String>, OpenError> {
        let path = self.checkpoint();
        match fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| OpenError::Damaged(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    /// Makes a note the last one. It is durable when this returns.
    pub(super) fn write(&self, note: &str) -> io::Result<()> {
        replace(&self.checkpoint(), note.as_bytes())
    }

    /// Keeps evidence, once for each note that is shown. Returns its file.
    pub(super) fn keep(&self, word: &str, evidence: &Evidence) -> io::Result<PathBuf> {
        let folder = self.path.join("evidence");
        let digest = hex::encode(&Sha256::digest(evidence.shown.as_bytes())[..8]);
        let path = folder.join(format!("{word}-{digest}.json"));
        if path.exists() {
            return Ok(path);
        }
        if fs::read_dir(&folder)?.count() >= MOST_EVIDENCE {
            return Err(io::Error::other("there is so much evidence already that no more is kept"));
        }
        replace(&path, &serde_json::to_vec_pretty(evidence)?)?;
        Ok(path)
    }
}

/// Puts a file in the place of what is there, all or nothing, and durably.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    // The name is durable only with its folder.
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
