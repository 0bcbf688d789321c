//! `audit`: the journal as evidence, verified without a server and without trust in one.

use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use desmigratif_core::credentials::CallerSignature;
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{
    Checkpoint, GetCheckpointRequest, GetEntryRequest, GetInclusionProofRequest,
};
use tonic::transport::Channel;

use super::keys::log_keys;
use super::operate::{self, Breach, Profile, refused};
use super::{Failure, say, timestamps};
use crate::audit::caller::Issuers;
use crate::audit::evidence::{Caller, Evidence, Given, Invalid, Kept, Proven, Trust};
use crate::audit::note::VerifyingKey;
use crate::audit::receipt::Statement;
use crate::audit::succession;
use crate::audit::timestamp::{self, Authorities};
use crate::audit::verify::{Verdict, Verifier};
use crate::config::Config;
use crate::store::sqlite::Archive;

/// How a store's file begins: SQLite's.
const STORE: &[u8] = b"SQLite format 3\0";

/// What can be done with the journal as evidence.
#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// Verify an evidence file, or a store: its journal, its records, and what was signed of them
    ///
    /// Needs no key but the log's public one, and neither server nor network. Ends with 0 only when
    /// everything is as it was signed; otherwise the one line on stderr is the verdict: for a
    /// store damaged, rewritten, truncated, rolled back, forked, or not signed.
    Verify {
        /// An evidence file, or a store's file or a copy of it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A verifying key of the log, as `audit key` prints it. The keys that came after it are
        /// followed, by the statements in the store or in the evidence file
        #[arg(long = "log-key", value_name = "KEY", required = true, value_parser = verifying_key)]
        log_keys: Vec<VerifyingKey>,
        /// A checkpoint that somebody else has kept, as AuditService.GetCheckpoint gives its note
        #[arg(long = "checkpoint", value_name = "FILE")]
        checkpoints: Vec<PathBuf>,
        /// The key of a witness that counts
        #[arg(long = "witness", value_name = "KEY", value_parser = verifying_key)]
        witnesses: Vec<VerifyingKey>,
        /// How many of them must have cosigned the checkpoint of an evidence file
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        quorum: usize,
        /// The certificates (PEM) of those who issue agencies' certificates: by them it is judged
        /// whose certificate an evidence file shows
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// The certificates (PEM) that the timestamp of an evidence file must lead to
        #[arg(long, value_name = "FILE")]
        tsa_ca: Option<PathBuf>,
    },
    /// Make an evidence file of a receipt: its entry, the proof of it, and what shows who called
    ///
    /// Asks the gateway for the entry, which is given to the agency that called; the receipt stays
    /// here. Show the request and the answer only to whom you would show them anyway.
    Export {
        /// The receipt: its `signed_note`
        #[arg(value_name = "RECEIPT")]
        receipt: PathBuf,
        /// The request to show, in protobuf's binary encoding
        #[arg(long, value_name = "FILE")]
        request: Option<PathBuf>,
        /// The answer to show, without its receipt, in protobuf's binary encoding
        #[arg(long, value_name = "FILE")]
        answer: Option<PathBuf>,
        /// Where the evidence goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The certificates (PEM) of those who issue agencies' certificates; the profile's `ca` when
        /// it is not given
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Show when an authority saw the checkpoint, if one did: the certificates (PEM) that its
        /// own must lead to
        #[arg(long, value_name = "FILE")]
        tsa_ca: Option<PathBuf>,
        /// The profile of the agency that called, or of an operator
        #[arg(long, value_name = "FILE", default_value = "desmigratif-data/operator.toml")]
        profile: PathBuf,
    },
    Breach(Breach),
    /// Print the verifying keys of the log that a configuration signs with, the present one first
    Key {
        /// The configuration file (TOML)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Does what the verb says.
pub(super) fn run(verb: AuditVerb) -> Result<(), Failure> {
    match verb {
        AuditVerb::Breach(breach) => operate::run(breach.run()),
        AuditVerb::Verify { file, log_keys, checkpoints, witnesses, quorum, ca, tsa_ca } => {
            if is_store(&file)? {
                verify_store(&file, &log_keys, &checkpoints)
            } else {
                let issuers = ca.as_deref().map(issuers).transpose()?;
                let authorities = authorities(tsa_ca.as_deref())?;
                let trust = Trust {
                    origin: log_keys.first().map_or("", VerifyingKey::name),
                    log: &log_keys,
                    witnesses: &witnesses,
                    issuers: issuers.as_ref(),
                    authorities: &authorities.unwrap_or_default(),
                };
                verify_evidence(&file, trust, quorum)
            }
        }
        AuditVerb::Export { receipt, request, answer, out, ca, tsa_ca, profile } => {
            let shown = [request.as_deref(), answer.as_deref()];
            let profile = Profile::read(&profile)?;
            let issuers = issuers(ca.as_deref().unwrap_or(&profile.ca))?;
            let authorities = authorities(tsa_ca.as_deref())?;
            operate::run(export(&receipt, shown, &out, &issuers, authorities, &profile))
        }
        AuditVerb::Key { config } => {
            let keys = log_keys(&Config::read(&config)?.audit)?;
            keys.iter().map(|key| key.log_key()).try_for_each(|key| say(format_args!("{key}")))
        }
    }
}

fn verifying_key(text: &str) -> Result<VerifyingKey, &'static str> {
    VerifyingKey::parse(text).ok_or("it is none; print it with `desmigratif audit key`")
}

/// Reads the certificates of issuers.
fn issuers(path: &Path) -> Result<Issuers, Failure> {
    Issuers::read(path).map_err(|error| Failure::Usage(format!("--ca {}: {error}", path.display())))
}

fn authorities(file: Option<&Path>) -> Result<Option<Authorities>, Failure> {
    file.map(|file| timestamps::authorities("--tsa-ca", file)).transpose()
}

/// Makes an evidence file. With `authorities`, a timestamp of one of them is shown too.
async fn export(
    receipt: &Path,
    [request, answer]: [Option<&Path>; 2],
    out: &Path,
    issuers: &Issuers,
    authorities: Option<Authorities>,
    profile: &Profile,
) -> Result<(), Failure> {
    let receipt = String::from_utf8(read(receipt)?)
        .map_err(|_| Failure::Usage("the receipt is no text; give its signed_note".to_owned()))?;
    let [request, answer] = [request.map(read).transpose()?, answer.map(read).transpose()?];
    let mut log = AuditServiceClient::new(profile.channel().await?);
    let head = log.get_checkpoint(GetCheckpointRequest::default()).await.map_err(refused)?;
    let head = head.into_inner();
    let read_keys = |keys: &[String]| -> Vec<_> {
        keys.iter().filter_map(|key| VerifyingKey::parse(key)).collect()
    };
    let present = read_keys(&head.verifying_keys);
    // The receipt may be older than the present key.
    let keys = succession::trace_back(&present, &head.successions);
    let witnesses = read_keys(&head.witnessing.unwrap_or_default().witness_keys);
    let origin = keys.first().map_or("", VerifyingKey::name);
    let statement = Statement::verify(&receipt, origin, &keys)
        .map_err(|error| Failure::Usage(format!("the receipt: {error}")))?;
    let index = statement.receipt.index;
    let size = covering(&mut log, index, authorities.is_some()).await;
    let wanted = GetInclusionProofRequest { index, size };
    let proof = log.get_inclusion_proof(wanted).await.map_err(refused)?.into_inner();
    let Checkpoint { note, timestamp, .. } = proof.checkpoint.unwrap_or_default();
    let entry = log.get_entry(GetEntryRequest { index }).await.map_err(refused)?.into_inner();
    let signature = entry.signature.map(|it| CallerSignature { base: it.base, value: it.value });
    let kept = Kept { receipt, request: request.as_deref(), answer: answer.as_deref() };
    let given = Given {
        leaf: &entry.leaf,
        inclusion: &proof.hashes,
        checkpoint: note,
        certificate_chain: &entry.certificate_chain,
        revocation_lists: &entry.revocation_lists,
        signature: signature.as_ref(),
    };
    let mut evidence = Evidence::new(kept, given).with_successions(head.successions);
    if authorities.is_some() && !timestamp.is_empty() {
        evidence = evidence.with_timestamp(&timestamp);
    }
    let trust = Trust {
        origin,
        log: &keys,
        witnesses: &witnesses,
        issuers: Some(issuers),
        authorities: &authorities.unwrap_or_default(),
    };
    let proven = evidence
        .verify(trust)
        .map_err(|error| Failure::Other(format!("this would be no evidence: {error}")))?;
    let text = serde_json::to_string_pretty(&evidence)
        .map_err(|error| Failure::of("cannot write the evidence", error))?;
    std::fs::write(out, text + "\n")
        .map_err(|error| Failure::of(&format!("cannot write {}", out.display()), error))?;
    say(format_args!("{}: {}", out.display(), told_of(&proven, witnesses.len())))
}

/// The size of the checkpoint that an entry is best shown under: the first that covers it and has a
/// timestamp, if one is wanted; or the last that enough have cosigned, if it covers it. 0 when there
/// is neither yet, for whichever there is.
async fn covering(log: &mut AuditServiceClient<Channel>, index: u64, timestamped: bool) -> u64 {
    for wanted in [
        GetCheckpointRequest { size: index.saturating_add(1), timestamped, witnessed: true },
        GetCheckpointRequest { size: index.saturating_add(1), timestamped: false, witnessed: true },
    ] {
        if let Ok(found) = log.get_checkpoint(wanted).await {
            return found.into_inner().checkpoint.map_or(0, |checkpoint| checkpoint.size);
        }
    }
    0
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::of(&format!("cannot read {}", path.display()), error))
}

/// What evidence proves, for people, when so many witnesses are known.
fn told_of(proven: &Proven, known: usize) -> String {
    let Proven { statement, head, request, answer, witnesses, caller, timestamp } = proven;
    let cosigned = match known {
        0 => String::new(),
        _ => format!(", which {} of {known} witnesses have cosigned", witnesses.len()),
    };
    let seen = timestamp.map_or_else(String::new, |at| format!(", which an authority saw at {at}"));
    let shown = match (request, answer) {
        (true, true) => "request and answer are shown",
        (true, false) => "the request is shown",
        (false, true) => "the answer is shown",
        (false, false) => "neither request nor answer is shown",
    };
    let by = match caller {
        Caller::Named => "that the agency's certificate called is not shown".to_owned(),
        Caller::Certified { certificate, cleared, signed } => {
            let cleared =
                if *cleared { "not revoked then" } else { "whether revoked is not shown" };
            let signed = if *signed { ", and it has signed the request" } else { "" };
            format!("by its certificate {}, {cleared}{signed}", hex::encode(certificate))
        }
    };
    format!(
        "{} called {} at {}; entry {} under a checkpoint of {}{cosigned}{seen}; {shown}; {by}",
        statement.agency,
        statement.method,
        statement.receipt.at,
        statement.receipt.index,
        head.size,
    )
}

/// Whether a file is a store's.
fn is_store(file: &Path) -> Result<bool, Failure> {
    let mut begin = Vec::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(STORE.len() as u64).read_to_end(&mut begin))
        .map_err(|error| Failure::of(&format!("cannot read {}", file.display()), error))?;
    Ok(begin == STORE)
}

fn verify_evidence(file: &Path, trust: Trust<'_>, quorum: usize) -> Result<(), Failure> {
    let invalid = |why| Failure::Other(format!("{}: invalid: {why}", file.display()));
    let text = String::from_utf8(read(file)?).map_err(|_| Invalid::Malformed);
    let proven = text
        .and_then(|text| Evidence::read(&text))
        .and_then(|evidence| evidence.verify(trust))
        .map_err(|error| match error {
            Invalid::NoIssuers => Failure::Usage(format!("{}: {error}: give --ca", file.display())),
            Invalid::Timestamp(timestamp::Error::UnknownAuthority) => {
                invalid(format!("{error}; give the authority's CA with --tsa-ca"))
            }
            error => invalid(error.to_string()),
        })?;
    let signed = proven.witnesses.len();
    if signed < quorum {
        return Err(invalid(format!("{signed} of {quorum} witnesses have cosigned it")));
    }
    say(format_args!("valid: {}", told_of(&proven, trust.witnesses.len())))
}

fn verify_store(
    store: &Path,
    keys: &[VerifyingKey],
    checkpoints: &[PathBuf],
) -> Result<(), Failure> {
    let at = store.display();
    let unreadable = |error| Failure::Other(format!("{at}: {error}"));
    let mut elsewhere = Vec::with_capacity(checkpoints.len());
    for path in checkpoints {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::of(&format!("cannot read {}", path.display()), error))?;
        elsewhere.push(text);
    }
    let mut archive = Archive::open(store).map_err(unreadable)?;
    let keys = succession::follow(keys, &archive.successions().map_err(unreadable)?);
    let origin = keys.first().map_or("", VerifyingKey::name);
    let verifier = Verifier::new(origin, &keys, &elsewhere).map_err(|error| {
        Failure::Usage(format!("--checkpoint: {error}; give the log's own, and its key"))
    })?;
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
