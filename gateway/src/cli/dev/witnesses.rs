//! The witnesses of `dev`: three ministries that watch the journal, in the gateway's own process.
//! Elsewhere each runs `desmigratif witness` on its own machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use desmigratif_core::ports::clock::SystemClock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::keys::{log_keys, witness_key};
use super::super::operate::Profile;
use super::super::witness::{Watch, failed};
use super::{Failure, TRUST_DOMAIN};
use crate::audit::note::SigningKey;
use crate::audit::witness::Witness;
use crate::config::Audit;

/// The agencies that witness.
pub(super) const AGENCIES: [&str; 3] = ["kemnaker", "kemendagri", "kemenkes"];

/// How many of them make a checkpoint witnessed.
pub(super) const QUORUM: u32 = 2;

/// The folder of the witnesses in the data folder.
pub(super) const FOLDER: &str = "witnesses";

/// Where an agency's witness has its key.
pub(super) fn key_file(data: &Path, agency: &str) -> PathBuf {
    data.join(FOLDER).join(format!("{agency}.key"))
}

/// The key of an agency's witness, from its file.
fn key(data: &Path, agency: &str) -> Result<SigningKey, Failure> {
    witness_key(&key_file(data, agency), &format!("{agency}.witness.{TRUST_DOMAIN}"))
}

/// The verifying keys, for the gateway's configuration.
pub(super) fn verifying_keys(data: &Path) -> Result<Vec<String>, Failure> {
    AGENCIES.iter().map(|agency| Ok(key(data, agency)?.witness_key().to_string())).collect()
}

/// Starts the witnesses that the configuration names, each with its agency's certificate beside the
/// operator's own. They end with `stop`.
pub(super) fn start(
    data: &Path,
    audit: &Audit,
    operator: &Profile,
    stop: &CancellationToken,
) -> Result<JoinSet<()>, Failure> {
    let log: Vec<_> = log_keys(audit)?.iter().map(|key| key.log_key()).collect();
    let mut tasks = JoinSet::new();
    for agency in AGENCIES {
        let key = key(data, agency)?;
        if !audit.witnesses.contains(&key.witness_key().to_string()) {
            continue;
        }
        let folder = data.join(FOLDER).join(agency);
        let witness = Witness::open(&folder, key, log.clone(), Arc::new(SystemClock));
        let mut watch = Watch::new(witness.map_err(failed)?, operator.as_agency(agency));
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = watch.run() => {}
                () = stop.cancelled() => {}
            }
        });
    }
    Ok(tasks)
}
