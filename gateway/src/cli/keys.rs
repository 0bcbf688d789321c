//! The keys that a configuration names, and `keys`: changing the one that seals.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::store::{Query, Store};
use desmigratif_core::record::Kind;
use desmigratif_core::subject::SubjectKey;
use zeroize::Zeroizing;

use super::serve::{open, runtime};
use super::{Failure, say};
use crate::audit::Witnesses;
use crate::audit::note::{SigningKey, VerifyingKey};
use crate::config::{Audit, Config, EncryptionKey};
use crate::store::vault::KeyRing;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeysVerb {
    /// Wrap every person's data key with the first key of keys.encryption
    ///
    /// The gateway must not be running on the store. Records are not rewritten. Afterwards the
    /// other keys can be taken out of the configuration and destroyed; keep them for as long as
    /// a backup needs them.
    Rotate {
        /// The configuration file (TOML)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Does what the verb says.
pub(super) fn run(verb: &KeysVerb) -> Result<(), Failure> {
    let KeysVerb::Rotate { config } = verb;
    let config = Config::read(config)?;
    let ring = key_ring(&config.keys.encryption)?;
    if !config.store.path.exists() {
        return say(format_args!("store  not there yet; there is nothing to rotate"));
    }
    runtime()?.block_on(async {
        let store = open(&config.store.path, Arc::new(SystemClock), ring)?;
        let count = store
            .rewrap_keys()
            .await
            .map_err(|error| Failure::of("cannot rotate, run it again", error))?;
        say(format_args!("store  {count} data keys wrapped anew; only the first key is needed now"))
    })
}

/// Refuses a key that is not the one by which the store's people were filed.
pub(super) async fn key_fits(store: &dyn Store, key: &SubjectKey) -> Result<(), Failure> {
    let first = store.list(&Query::of(Kind::Worker, 1)).await;
    let first = first.map_err(|error| Failure::of("cannot read the store", error))?;
    let filed = first.into_iter().find_map(|stored| stored.record.into_worker());
    match filed {
        Some(worker) if key.pseudonym(&worker.nik) != worker.subject => Err(Failure::Usage(
            "keys.subject is not the key that this store was filled with; put that one back"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// The keys that sign the journal's head, from their files.
pub(super) fn log_keys(audit: &Audit) -> Result<Vec<Arc<SigningKey>>, Failure> {
    let read = |path: &PathBuf| {
        let seed = read_key(path).map_err(|error| {
            let advice =
                "make one with `openssl rand -hex 32`, and keep it: evidence is signed by it";
            Failure::Usage(format!("audit.keys {}: {error:#}; {advice}", path.display()))
        })?;
        SigningKey::new(&audit.origin, &seed)
            .map(Arc::new)
            .map_err(|error| Failure::Usage(format!("audit.origin: {error}")))
    };
    audit.keys.iter().map(read).collect()
}

/// The key of a witness, from its file.
pub(super) fn witness_key(path: &Path, name: &str) -> Result<SigningKey, Failure> {
    let seed = read_key(path).map_err(|error| {
        let advice =
            "make one with `openssl rand -hex 32`, and keep it: the witness is known by it";
        Failure::Usage(format!("{}: {error:#}; {advice}", path.display()))
    })?;
    SigningKey::new(name, &seed)
        .map_err(|error| Failure::Usage(format!("the witness's name {name:?}: {error}")))
}

/// The witnesses whose cosignatures count.
pub(super) fn witnesses(audit: &Audit) -> Result<Witnesses, Failure> {
    let refuse = |key: &str, what| Failure::Usage(format!("audit.witnesses: {key:?} {what}"));
    let mut keys: Vec<VerifyingKey> = Vec::with_capacity(audit.witnesses.len());
    for text in &audit.witnesses {
        let key = VerifyingKey::parse(text).filter(VerifyingKey::is_witness);
        let key = key.ok_or_else(|| {
            refuse(text, "is no witness's verifying key; `desmigratif witness` prints it")
        })?;
        if keys.iter().any(|other| other.name() == key.name() || other.public() == key.public()) {
            return Err(refuse(text, "is there twice, by its name or by its key"));
        }
        keys.push(key);
    }
    Ok(Witnesses { keys, quorum: audit.quorum as usize })
}

/// The keys that wrap data keys, from their files or the environment.
pub(super) fn key_ring(keys: &[EncryptionKey]) -> Result<KeyRing, Failure> {
    let read = |key: &EncryptionKey| {
        let (from, read) = match (&key.file, &key.environment) {
            (Some(path), _) => (path.display().to_string(), read_key(path)),
            (None, Some(name)) => (name.clone(), variable(name)),
            (None, None) => (String::new(), Err(anyhow::anyhow!("no file is named"))),
        };
        read.map(|bytes| (key.id.clone(), bytes)).map_err(|error| {
            let id = &key.id;
            let advice = "put the key back; make one with `openssl rand -hex 32` only for a new store or to rotate";
            Failure::Usage(format!("keys.encryption {id} {from}: {error:#}; {advice}"))
        })
    };
    let keys = keys.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    KeyRing::of(keys).map_err(|error| Failure::Usage(format!("keys.encryption: {error}")))
}

fn variable(name: &str) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let text = Zeroizing::new(std::env::var(name).map_err(|_| {
        // The cause would quote a value that is no text.
        anyhow::anyhow!("the environment has no such variable")
    })?);
    decode(&text)
}

/// The key of pseudonyms, from its file: 64 hexadecimal digits.
pub(super) fn subject_key(path: &Path) -> Result<SubjectKey, Failure> {
    read_key(path).map(|key| SubjectKey::from_bytes(*key)).map_err(|error| {
        let advice = "make one with `openssl rand -hex 32`, and keep it: records are found by it";
        Failure::Usage(format!("keys.subject {}: {error:#}; {advice}", path.display()))
    })
}

fn read_key(path: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let mut text = Zeroizing::new(String::with_capacity(1_024));
    // A key is short; whatever else stands there is not read whole.
    std::fs::File::open(path)?.take(1_024).read_to_string(&mut text)?;
    decode(&text)
}

fn decode(text: &str) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), key.as_mut_slice()).context("not 64 hexadecimal digits")?;
    Ok(key)
}
