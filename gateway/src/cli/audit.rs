//! `audit`: the journal as evidence, verified without a server and without trust in one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::keys::log_keys;
use super::{Failure, say};
use crate::audit::note::{SigningKey, VerifyingKey};
use crate::audit::verify::{Verdict, Verifier};
use crate::config::Config;
use crate::store::sqlite::Archive;

/// What can be done with the journal as evidence.
#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// Verify a store: its journal, its records, and what was signed of them
    ///
    /// Needs no key but the log's public one, and neither server nor network. Ends with 0 only when
    /// everything is as it was signed; otherwise the one line on stderr is the verdict: damaged,
    /// rewritten, truncated, rolled back, forked, or signed by no known key.
    Verify {
        /// The store's file, or a copy of it
        #[arg(value_name = "STORE")]
        store: PathBuf,
        /// A verifying key of the log, as `audit key` prints it; more than one after a change of keys
        #[arg(long = "log-key", value_name = "KEY", required = true, value_parser = verifying_key)]
        log_keys: Vec<VerifyingKey>,
        /// A checkpoint that somebody else has kept, as AuditService.GetCheckpoint gives its note
        #[arg(long = "checkpoint", value_name = "FILE")]
        checkpoints: Vec<PathBuf>,
    },
    /// Print the verifying keys of the log that a configuration signs with, the present one first
    Key {
        /// The configuration file (TOML)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Does what the verb says.
pub(super) fn run(verb: &AuditVerb) -> Result<(), Failure> {
    match verb {
        AuditVerb::Verify { store, log_keys, checkpoints } => verify(store, log_keys, checkpoints),
        AuditVerb::Key { config } => {
            let keys = log_keys(&Config::read(config)?.audit)?;
            keys.iter().map(SigningKey::log_key).try_for_each(|key| say(format_args!("{key}")))
        }
    }
}

fn verifying_key(text: &str) -> Result<VerifyingKey, &'static str> {
    VerifyingKey::parse(text).ok_or("it is none; print it with `desmigratif audit key`")
}

fn verify(store: &Path, keys: &[VerifyingKey], checkpoints: &[PathBuf]) -> Result<(), Failure> {
    let at = store.display();
    let unreadable = |error| Failure::Other(format!("{at}: {error}"));
    let mut elsewhere = Vec::with_capacity(checkpoints.len());
    for path in checkpoints {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::of(&format!("cannot read {}", path.display()), error))?;
        elsewhere.push(text);
    }
    let origin = keys.first().map_or("", VerifyingKey::name);
    let verifier = Verifier::new(origin, keys, &elsewhere).map_err(|error| {
        Failure::Usage(format!("--checkpoint: {error}; give the log's own, and its key"))
    })?;
    let mut archive = Archive::open(store).map_err(unreadable)?;
    archive.check().map_err(|error| Failure::Other(format!("{at}: damaged: {error}")))?;
    match judge(&archive, verifier).map_err(unreadable)? {
        Verdict::Valid { entries, checkpoints, unsigned } => say(format_args!(
            "valid: {entries} entries, {checkpoints} checkpoints, {unsigned} entries not signed yet"
        )),
        verdict => Err(Failure::Other(format!("{at}: {}", told(&archive, &verdict)?))),
    }
}

/// Reads a journal and its checkpoints side by side.
fn judge(
    archive: &Archive,
    mut verifier: Verifier<'_>,
) -> Result<Verdict, desmigratif_core::ports::store::Error> {
    let mut next = archive.checkpoint(0)?;
    let mut size = 0;
    let read = archive.leaves(|leaf| {
        size += 1;
        if let Err(verdict) = verifier.leaf(leaf) {
            return ControlFlow::Break(Ok(verdict));
        }
        while let Some(checkpoint) = next.take_if(|it| it.size == size) {
            if let Err(verdict) = verifier.checkpoint(&checkpoint) {
                return ControlFlow::Break(Ok(verdict));
            }
            next = match archive.checkpoint(size + 1) {
                Ok(found) => found,
                Err(error) => return ControlFlow::Break(Err(error)),
            };
        }
        ControlFlow::Continue(())
    })?;
    if let ControlFlow::Break(verdict) = read {
        return verdict;
    }
    // One that is left covers more than there is.
    Ok(match next.map(|checkpoint| verifier.checkpoint(&checkpoint)) {
        Some(Err(verdict)) => verdict,
        Some(Ok(())) | None => verifier.end(),
    })
}

/// A verdict for people.
fn told(archive: &Archive, verdict: &Verdict) -> Result<String, Failure> {
    Ok(match verdict {
        Verdict::Valid { .. } => "valid".to_owned(),
        Verdict::Rewritten { from, to } => {
            let first = archive
                .first_rewritten(*from, *to)
                .map_err(|error| Failure::Other(error.to_string()))?
                .map(|index| format!("; entry {index} is the first"))
                .unwrap_or_default();
            let last = to - 1;
            format!(
                "rewritten: among the entries {from} to {last} are other ones than were signed{first}"
            )
        }
        Verdict::Truncated { entries, signed } => {
            format!("truncated: {entries} entries, and its own last checkpoint covers {signed}")
        }
        Verdict::RolledBack { entries, signed } => format!(
            "rolled back: {entries} entries, and a checkpoint kept elsewhere covers {signed}"
        ),
        Verdict::Forked { size } => {
            format!(
                "forked: the first {size} entries are not those of the checkpoint kept elsewhere"
            )
        }
        Verdict::Unsigned { size, why } => {
            format!("not signed: the checkpoint over {size} entries does not count: {why}")
        }
    })
}
