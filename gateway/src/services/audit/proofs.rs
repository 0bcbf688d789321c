//! Checkpoints, their witnesses, and proofs, for the wire.

use desmigratif_core::journal::Hash;
use desmigratif_core::ports::store::log;
use desmigratif_core::text::Rule;
use desmigratif_proto::audit::v1 as wire_v1;
use desmigratif_proto::{Path, Violations};

use super::super::{Failure, wire};
use crate::audit::{Log, LogError, note, tree};
use crate::exchange::Error;

/// A checkpoint with the timestamp on it, for the wire.
pub(super) async fn checkpoint(
    log: &Log,
    checkpoint: log::Checkpoint,
) -> Result<wire_v1::Checkpoint, Failure> {
    let timestamp = log.timestamp(checkpoint.size).await.map_err(failed)?;
    Ok(wire_v1::Checkpoint {
        size: checkpoint.size,
        root_hash: checkpoint.root.to_vec(),
        signed_at: Some(wire::timestamp(checkpoint.at)),
        note: checkpoint.note,
        timestamp: timestamp.unwrap_or_default(),
    })
}

/// How far a checkpoint is witnessed, for the wire.
pub(super) fn witnessing(
    log: &Log,
    checkpoint: &log::Checkpoint,
) -> Result<wire_v1::Witnessing, Failure> {
    let cosigned = log.cosigners(checkpoint).map_err(failed)?;
    let witnesses = log.witnesses();
    Ok(wire_v1::Witnessing {
        witnessed: witnesses.suffice(cosigned.len()),
        cosigned_by: cosigned.iter().map(|key| key.name().to_owned()).collect(),
        witness_keys: witnesses.keys.iter().map(ToString::to_string).collect(),
        quorum: u32::try_from(witnesses.quorum).unwrap_or(u32::MAX),
    })
}

/// Why a cosignature is not added: the request's own fault, or as [`failed`] says.
pub(super) fn not_added(error: LogError) -> Failure {
    let LogError::Cosignature(error) = error else { return failed(error) };
    let rule = match error {
        note::Error::UnknownKey => Rule::new(
            "WITNESS_UNKNOWN",
            "must be by a witness that the gateway knows; ask its operator to add your key",
            "harus dari saksi yang dikenal gateway; minta pengelola menambahkan kunci Anda",
        ),
        note::Error::Forged => Rule::new(
            "COSIGNATURE_FALSE",
            "must hold over the checkpoint of this size",
            "harus sah atas checkpoint dengan ukuran ini",
        ),
        note::Error::Malformed | note::Error::OtherLog => Rule::new(
            "COSIGNATURE_MALFORMED",
            "must be one line of a signed note, without its end",
            "harus satu baris catatan bertanda tangan, tanpa akhir baris",
        ),
    };
    let mut violations = Violations::default();
    violations.add(Path::ROOT.field("cosignature"), rule.reason, rule.text.en, rule.text.id);
    Failure::Invalid(violations)
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
        LogError::Tree(tree::Error::NoSuchSize) => Failure::Exchange(Error::NoSuchEntry),
        LogError::Tree(tree::Error::Store(error)) => Failure::Exchange(error.into()),
        LogError::Tree(tree::Error::Incomplete)
        | LogError::RolledBack { .. }
        | LogError::Forked { .. }
        | LogError::Cosignature(_)
        | LogError::Kept(_)
        | LogError::Stranger => Failure::Exchange(Error::JournalUnavailable(error.to_string())),
    }
}
