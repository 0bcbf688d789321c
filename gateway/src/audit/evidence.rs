//! Evidence: one file that proves an exchange to somebody who trusts neither side.
//!
//! It is made by whoever holds the receipt, out of what the log gives to its caller, and verified
//! with the log's public key and the certificate of those who issue agencies' certificates. Its
//! parts: the receipt; the entry's leaf; the request and the answer, each only if its holder wants
//! to show it; the proof that the entry is under a checkpoint; that checkpoint with every signature
//! on it; the timestamp on it, if it has one; what shows who called: certificate chain, revocation
//! lists, the caller's signature, all that the entry names; and the statements by which the log's
//! keys have followed each other, by which one key that is relied on is enough. Each part must
//! verify and belong to the others, and nothing else may be in the file: what cannot be proved has
//! no place in evidence.
//!
//! Version 1 of the file has neither leaf nor anything of the caller, and proves as much less.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use desmigratif_core::credentials::{CallerSignature, Chain, Digests, Revocation};
use desmigratif_core::journal::{Entry, Hash, leaf_hash};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::caller::{self, Doubt, Issuers};
use super::note::{self, Head, VerifyingKey};
use super::receipt::{self, Statement};
use super::succession;
use super::timestamp::{self, Authorities};

/// The format's name and first version.
const FORMAT_1: &str = "desmigratif.evidence/v1";
/// The version that is written today.
const FORMAT_2: &str = "desmigratif.evidence/v2";

/// The file: JSON, byte strings in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    format: String,
    /// The signed note of the receipt.
    receipt: String,
    /// The entry's leaf; from version 2 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaf: Option<String>,
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
    /// The certificate chain that the caller came with, DER, its own first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    certificate_chain: Vec<String>,
    /// The revocation lists in force when the call was admitted, DER.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revocation_lists: Vec<String>,
    /// The caller's signature over its request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
    /// The timestamp on the checkpoint (RFC 3161), DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    /// The statements of the succession of the log's keys, in order: signed notes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    successions: Vec<String>,
}

/// A caller's signature in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    /// The signature base (RFC 9421 section 2.5).
    base: String,
    /// The signature.
    value: String,
}

/// What an exchange leaves with its caller: what the caller keeps itself.
#[derive(Clone, Debug)]
pub struct Kept<'a> {
    /// The signed note of the receipt.
    pub receipt: String,
    /// The request, if it is to be shown.
    pub request: Option<&'a [u8]>,
    /// The answer without its receipt, if it is to be shown.
    pub answer: Option<&'a [u8]>,
}

/// What the log gives for an entry.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// The leaf.
    pub leaf: &'a [u8],
    /// The proof that it is under the checkpoint.
    pub inclusion: &'a [Vec<u8>],
    /// The signed note of the checkpoint.
    pub checkpoint: String,
    /// The caller's certificate chain.
    pub certificate_chain: &'a [Vec<u8>],
    /// The revocation lists.
    pub revocation_lists: &'a [Vec<u8>],
    /// The caller's signature.
    pub signature: Option<&'a CallerSignature>,
}

/// By whom evidence is judged: the keys and issuers that the judge relies on.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// The name of the log.
    pub origin: &'a str,
    /// The log's keys: one is enough, since those that came after it are followed.
    pub log: &'a [VerifyingKey],
    /// The witnesses that count.
    pub witnesses: &'a [VerifyingKey],
    /// Who issues agencies' certificates; `None` when the judge does not know.
    pub issuers: Option<&'a Issuers>,
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
    /// What is shown of the caller.
    pub caller: Caller,
    /// When an authority saw the head at the latest, if it says so.
    pub timestamp: Option<Timestamp>,
}

/// What evidence shows of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No more than that the log names the agency.
    Named,
    /// That the agency's certificate called, by its fingerprint.
    Certified {
        /// SHA-256 of the certificate.
        certificate: Hash,
        /// Whether lists have cleared it.
        cleared: bool,
        /// Whether it has signed the request.
        signed: bool,
    },
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
    /// The leaf does not have the hash that the receipt states.
    #[error("the leaf is not the one of the receipt")]
    Leaf,
    /// The leaf has the hash, and says something else than the receipt.
    #[error("the leaf and the receipt contradict each other")]
    Contradiction,
    /// The chain is not the one that the entry names.
    #[error("the certificate chain is not the one that the entry names")]
    Chain,
    /// The lists are not those that the entry names.
    #[error("the revocation lists are not those that the entry names")]
    Revocation,
    /// The caller's signature is not the one that the entry names.
    #[error("the caller's signature is not the one that the entry names")]
    Signature,
    /// It is not known by whom the chain can be judged.
    #[error("it holds a certificate chain, and no CA is given to judge it by")]
    NoIssuers,
    /// The chain, the lists or the signature do not show that the agency called.
    #[error("{0}")]
    Doubt(#[from] Doubt),
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
    pub fn new(kept: Kept<'_>, given: Given<'_>) -> Self {
        let encode = |bytes: &[u8]| BASE64.encode(bytes);
        let all = |parts: &[Vec<u8>]| parts.iter().map(|part| encode(part)).collect();
        Self {
            format: FORMAT_2.to_owned(),
            receipt: kept.receipt,
            leaf: Some(encode(given.leaf)),
            request: kept.request.map(encode),
            answer: kept.answer.map(encode),
            inclusion: all(given.inclusion),
            checkpoint: given.checkpoint,
            certificate_chain: all(given.certificate_chain),
            revocation_lists: all(given.revocation_lists),
            signature: given.signature.map(|signature| Signature {
                base: encode(&signature.base),
                value: encode(&signature.value),
            }),
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
        // A part is there or not: nothing that is empty is left over.
        let written = serde_json::to_value(&evidence).map_err(|_| Invalid::Malformed)?;
        if serde_json::from_str(text).ok() != Some(written) {
            return Err(Invalid::Malformed);
        }
        let of_version_2 = match evidence.format.as_str() {
            FORMAT_1 => false,
            FORMAT_2 => true,
            _ => return Err(Invalid::Malformed),
        };
        let Self { leaf, certificate_chain, revocation_lists, signature, .. } = &evidence;
        let nothing_more =
            certificate_chain.is_empty() && revocation_lists.is_empty() && signature.is_none();
        if leaf.is_some() == of_version_2 && (of_version_2 || nothing_more) {
            Ok(evidence)
        } else {
            Err(Invalid::Malformed)
        }
    }

    /// Verifies every part, and that all belong together.
    ///
    /// # Errors
    /// [`Invalid`]: then nothing is proved.
    pub fn verify(&self, trust: Trust<'_>) -> Result<Proven, Invalid> {
        let Trust { origin, log, witnesses, issuers, authorities } = trust;
        let log = succession::follow_all(log, &self.successions).ok_or(Invalid::Succession)?;
        let statement = Statement::verify(&self.receipt, origin, &log).map_err(Invalid::Receipt)?;
        let shown = |part: &Option<String>, digest: Hash, other| {
            let Some(part) = part else { return Ok(false) };
            if Hash::from(Sha256::digest(decode(part)?)) == digest { Ok(true) } else { Err(other) }
        };
        let request = shown(&self.request, statement.request, Invalid::Request)?;
        let answer = shown(&self.answer, statement.answer, Invalid::Answer)?;
        let caller = match &self.leaf {
            Some(leaf) => self.caller(&decode(leaf)?, &statement, issuers)?,
            None => Caller::Named,
        };
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
                let at = timestamp::verify(&decode(token)?, &head, authorities);
                Some(at.map_err(Invalid::Timestamp)?)
            }
            None => None,
        };
        Ok(Proven { statement, head, request, answer, witnesses, caller, timestamp })
    }

    /// What the parts that the leaf names show of the caller.
    fn caller(
        &self,
        leaf: &[u8],
        statement: &Statement,
        issuers: Option<&Issuers>,
    ) -> Result<Caller, Invalid> {
        if leaf_hash(leaf) != statement.receipt.leaf_hash {
            return Err(Invalid::Leaf);
        }
        let entry = Entry::of_leaf(leaf).ok_or(Invalid::Malformed)?;
        let agrees = entry.receipt() == statement.receipt
            && entry.draft.agency == statement.agency
            && entry.draft.method == statement.method;
        if !agrees {
            return Err(Invalid::Contradiction);
        }
        let Digests { certificate, revocation, signature } = entry.caller;
        let chain = Chain::new(decode_all(&self.certificate_chain)?);
        if chain.as_ref().map(Chain::fingerprint) != certificate.as_ref() {
            return Err(Invalid::Chain);
        }
        let lists = Revocation::new(decode_all(&self.revocation_lists)?);
        if lists.as_ref().map(Revocation::digest) != revocation.as_ref() {
            return Err(Invalid::Revocation);
        }
        let signed = self.signature.as_ref().map(Signature::read).transpose()?;
        if signed.as_ref().map(CallerSignature::digest) != signature {
            return Err(Invalid::Signature);
        }
        let Some(chain) = chain else {
            // Nothing could be said of them: a log that names them without a chain is none of ours.
            let left_over = lists.is_some() || signed.is_some();
            return if left_over { Err(Invalid::Chain) } else { Ok(Caller::Named) };
        };
        let issuers = issuers.ok_or(Invalid::NoIssuers)?;
        issuers.judge(&chain, lists.as_ref(), &statement.agency, entry.at)?;
        if let Some(signed) = &signed {
            caller::judge_signature(&chain, signed)?;
        }
        Ok(Caller::Certified {
            certificate: *chain.fingerprint(),
            cleared: lists.is_some(),
            signed: signed.is_some(),
        })
    }
}

impl Signature {
    fn read(&self) -> Result<CallerSignature, Invalid> {
        Ok(CallerSignature { base: decode(&self.base)?, value: decode(&self.value)? })
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Invalid> {
    BASE64.decode(text).map_err(|_| Invalid::Malformed)
}

fn decode_all(texts: &[String]) -> Result<Vec<Vec<u8>>, Invalid> {
    texts.iter().map(|text| decode(text)).collect()
}
