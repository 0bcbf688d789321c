//! Checkpoints, proofs and entries, for the wire.

use desmigratif_core::journal::{Entry, EntryKind, Hash};
use desmigratif_core::ports::store::log;
use desmigratif_proto::audit::v1::{self as wire_v1, GetEntryResponse};

use super::super::{Failure, wire};
use crate::audit::{LogError, tree};
use crate::exchange::Error;

/// A checkpoint, for the wire.
pub(super) fn checkpoint(checkpoint: log::Checkpoint) -> wire_v1::Checkpoint {
    wire_v1::Checkpoint {
        size: checkpoint.size,
        root_hash: checkpoint.root.to_vec(),
        signed_at: Some(wire::timestamp(checkpoint.at)),
        note: checkpoint.note,
    }
}

/// The hashes of a proof, for the wire.
pub(super) fn hashes(proof: Vec<Hash>) -> Vec<Vec<u8>> {
    proof.into_iter().map(|hash| hash.to_vec()).collect()
}

/// An entry, for the agency that made it.
pub(super) fn entry(entry: &Entry) -> GetEntryResponse {
    let draft = &entry.draft;
    GetEntryResponse {
        index: entry.index,
        committed_at: Some(wire::timestamp(entry.at)),
        kind: kind(draft.kind).into(),
        agency_id: draft.agency.to_string(),
        purpose: draft.purpose.map(|it| wire::purpose(it).into()).unwrap_or_default(),
        method: draft.method.clone(),
        data_classes: wire::class_set(draft.classes).iter().map(Into::into).collect(),
        people: u32::try_from(draft.subjects.len()).unwrap_or(u32::MAX),
        leaf: entry.leaf(),
    }
}

const fn kind(kind: EntryKind) -> wire_v1::EntryKind {
    match kind {
        EntryKind::Change => wire_v1::EntryKind::Change,
        EntryKind::Disclosure => wire_v1::EntryKind::Disclosure,
        EntryKind::Refusal => wire_v1::EntryKind::Refusal,
    }
}

/// Why there is no checkpoint or proof. That the journal is not what was signed is for operators to
/// know: the caller learns that the journal is unavailable.
pub(super) fn failed(error: impl Into<LogError>) -> Failure {
    let error = error.into();
    match error {
        LogError::Tree(tree::Error::NoSuchSize) => Failure::NoSuchEntry,
        LogError::Tree(tree::Error::Store(error)) => Failure::Exchange(error.into()),
        LogError::Tree(tree::Error::Incomplete)
        | LogError::RolledBack { .. }
        | LogError::Forked { .. } => {
            Failure::Exchange(Error::JournalUnavailable(error.to_string()))
        }
    }
}
