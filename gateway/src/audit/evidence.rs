//! Evidence: one file that proves an exchange to somebody who trusts neither side.
//!
//! It is made by whoever holds the receipt, out of what anybody may ask of the log, and verified
//! with the log's public key alone. Its parts: the receipt; the request and the answer, each only
//! if its holder wants to show it; the proof that the entry is under a checkpoint; that checkpoint
//! with every signature on it; the timestamp on it, if it has one; the statements by which the log's
//! keys have followed each other, by which one key that is relied on is enough. Each part must verify and belong
//! to the others, and nothing else may be in the file: what cannot be proved has no place in
//! evidence.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use desmigratif_core::journal::Hash;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::note::{self, Head, VerifyingKey};
use super::receipt::{self, Statement};
use super::succession;
use super::timestamp::{self, Authorities};

/// The format's name and version.
const FORMAT: &str = "desmigratif.evidence/v1";

/// The file: JSON, byte strings in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    format: String,
    /// The signed note of the receipt.
    receipt: String,
    /// The request in protobuf's binary encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// The answer, without its receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// The hashes from the leaf to the root (RFC 9162 section 2.1.3).
    inclusion: Vec<String>,
    /// The signed note of the checkpoint.
    checkpoint: String,
    /// The timestamp on the checkpoint (RFC 3161), DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    /// The statements of the succession of the log's keys, in order: signed notes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    successions: Vec<String>,
}

/// By whom evidence is judged: what the judge relies on.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// The name of the log.
    pub origin: &'a str,
    /// The log's keys: one is enough, since those that came after it are followed.
    pub log: &'a [VerifyingKey],
    /// The witnesses that count.
    pub witnesses: &'a [VerifyingKey],
    /// The authorities whose timestamps count.
    pub authorities: &'a Authorities,
}

/// What evidence proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// What the receipt states.
    pub statement: Statement,
    /// The head that the entry is under.
    pub head: Head,
    /// Whether the request is shown.
    pub request: bool,
    /// Whether the answer is shown.
    pub answer: bool,
    /// The witnesses, of those known, that have cosigned the head.
    pub witnesses: Vec<VerifyingKey>,
    /// When an authority saw the head at the latest, if it says so.
    pub timestamp: Option<Timestamp>,
}

/// Why evidence proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The file is none, or has a part that it must not have.
    #[error("it is no evidence file of this version")]
    Malformed,
    /// The receipt does not count.
    #[error("the receipt: {0}")]
    Receipt(note::Error),
    /// The checkpoint does not count.
    #[error("the checkpoint: {0}")]
    Checkpoint(note::Error),
    /// The request is not the one of the receipt.
    #[error("the request is not the one of the receipt")]
    Request,
    /// The answer is not the one of the receipt.
    #[error("the answer is not the one of the receipt")]
    Answer,
    /// The proof does not lead from the receipt to the checkpoint.
    #[error("the entry is not under the checkpoint")]
    Inclusion,
    /// A statement of the succession of keys does not hold, or is about other keys.
    #[error("a statement of the succession of keys does not lead from the keys that are relied on")]
    Succession,
    /// The timestamp does not count.
    #[error("the timestamp: {0}")]
    Timestamp(timestamp::Error),
}

impl Evidence {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        receipt: String,
        request: Option<&[u8]>,
        answer: Option<&[u8]>,
        inclusion: &[Vec<u8>],
        checkpoint: String,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            receipt,
            request: request.map(|bytes| BASE64.encode(bytes)),
            answer: answer.map(|bytes| BASE64.encode(bytes)),
            inclusion: inclusion.iter().map(|hash| BASE64.encode(hash)).collect(),
            checkpoint,
            timestamp: None,
            successions: Vec::new(),
        }
    }

    /// With the timestamp on the checkpoint.
    #[must_use]
    pub fn with_timestamp(mut self, token: &[u8]) -> Self {
        self.timestamp = Some(BASE64.encode(token));
        self
    }

    /// With the statements by which the log's keys have followed each other.
    #[must_use]
    pub fn with_successions(mut self, statements: Vec<String>) -> Self {
        self.successions = statements;
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Invalid::Malformed`].
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let evidence: Self = serde_json::from_str(text).map_err(|_| Invalid::Malformed)?;
        if evidence.format == FORMAT { Ok(evidence) } else { Err(Invalid::Malformed) }
    }

    /// Verifies every part, and that all belong together.
    ///
    /// # Errors
    /// [`Invalid`]: then nothing is proved.
    pub fn verify(&self, trust: Trust<'_>) -> Result<Proven, Invalid> {
        let Trust { origin, log, witnesses, authorities } = trust;
        let log = succession::follow_all(log, &self.successions).ok_or(Invalid::Succession)?;
        let statement = Statement::verify(&self.receipt, origin, &log).map_err(Invalid::Receipt)?;
        let shown = |part: &Option<String>, digest: Hash, other| {
            let Some(part) = part else { return Ok(false) };
            let bytes = BASE64.decode(part).map_err(|_| Invalid::Malformed)?;
            if Hash::from(Sha256::digest(&bytes)) == digest { Ok(true) } else { Err(other) }
        };
        let request = shown(&self.request, statement.request, Invalid::Request)?;
        let answer = shown(&self.answer, statement.answer, Invalid::Answer)?;
        let (head, witnesses) =
            note::verify(&self.checkpoint, origin, &log, witnesses).map_err(Invalid::Checkpoint)?;
        let hashes = self.inclusion.iter().map(|hash| receipt::hash(hash).map(tlog_tiles::Hash));
        let proof = hashes.collect::<Option<_>>().ok_or(Invalid::Malformed)?;
        let leaf = tlog_tiles::Hash(statement.receipt.leaf_hash);
        let (index, root) = (statement.receipt.index, tlog_tiles::Hash(head.root));
        tlog_tiles::check_record(&proof, head.size, root, index, leaf)
            .map_err(|_| Invalid::Inclusion)?;
        let timestamp = match &self.timestamp {
            Some(token) => {
                let token = BASE64.decode(token).map_err(|_| Invalid::Malformed)?;
                let at = timestamp::verify(&token, &head, authorities);
                Some(at.map_err(Invalid::Timestamp)?)
            }
            None => None,
        };
        Ok(Proven { statement, head, request, answer, witnesses, timestamp })
    }
}
