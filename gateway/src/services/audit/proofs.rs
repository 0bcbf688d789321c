//! Checkpoints and proofs, for the wire.

use desmigratif_core::journal::Hash;
use desmigratif_core::ports::store::log;
use desmigratif_proto::audit::v1 as wire_v1;

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
