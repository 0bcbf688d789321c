//! Filling a store by its port, before any gateway runs on it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use desmigratif::config::Config;
use desmigratif::store::sqlite::Sqlite;
use desmigratif::store::vault::KeyRing;
use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::access::{Classes, Purpose};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::{Draft, EntryKind};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_core::ports::store::{Commit, Expect, Write};
use desmigratif_core::record::Record;
use desmigratif_core::region::Gazetteer;
use desmigratif_core::subject::SubjectKey;
use desmigratif_core::worker::Worker;
use desmigratif_sandbox::people;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Records that share a commit.
pub(crate) const BATCH: u32 = 500;

/// The store of a data folder, and what its records are made with.
pub(crate) struct Seed {
    /// The store.
    pub(crate) store: Sqlite,
    /// The villages of the country.
    pub(crate) gazetteer: Gazetteer,
    key: SubjectKey,
    model: Worker,
}

impl Seed {
    /// Opens the store of a folder that was made, with the keys of its gateway.
    pub(crate) fn open(data: &Path) -> Result<Self> {
        let Opened { store, key, .. } = open(data)?;
        let gazetteer = regions::load();
        let model = people::workers(&gazetteer, &key, SystemClock.today()).next();
        let model = model.context("the sandbox has workers")?;
        Ok(Self { store, gazetteer, key, model })
    }

    /// Worker `n`: a person with an id, a NIK and a line of her own.
    pub(crate) fn worker(&self, n: u32) -> Result<Worker> {
        let nik = Nik::parse(&nik(n)).ok().context("a synthetic NIK has the form of one")?;
        Ok(Worker {
            id: worker_id(n),
            subject: self.key.pseudonym(&nik),
            nik,
            ..self.model.clone()
        })
    }

    /// Closes the store, which waits for its writer.
    pub(crate) async fn close(self) -> Result<()> {
        Ok(tokio::task::spawn_blocking(move || drop(self)).await?)
    }
}

/// A store that `dev` has made, and what opened it.
pub(crate) struct Opened {
    /// The store, which no gateway may run on.
    pub(crate) store: Sqlite,
    /// The key of pseudonyms.
    pub(crate) key: SubjectKey,
    /// The configuration.
    pub(crate) config: Config,
}

/// Opens the store in a data folder.
pub(crate) fn open(data: &Path) -> Result<Opened> {
    let config = Config::read(&data.join("gateway.toml"))?;
    let sealing = config.keys.encryption.first().context("dev makes a key")?;
    let file = sealing.file.as_ref().context("dev keeps its key in a file")?;
    let ring = KeyRing::of([(sealing.id.clone(), Zeroizing::new(read_key(file)?))])?;
    let store = Sqlite::open(&data.join("store.sqlite"), Arc::new(SystemClock), ring)?;
    let key = SubjectKey::from_bytes(read_key(&config.keys.subject)?);
    Ok(Opened { store, key, config })
}

/// A key from its file.
pub(crate) fn read_key(path: &Path) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(std::fs::read_to_string(path)?.trim(), &mut key)?;
    Ok(key)
}

/// The NIK of worker `n`: serial numbers of a day, then the next day.
pub(crate) fn nik(n: u32) -> String {
    let (serial, day) = (n % 9_999 + 1, n / 9_999);
    let (day, month) = (day % 28 + 1, day / 28 % 12 + 1);
    format!("990301{day:02}{month:02}90{serial:04}")
}

/// The id of worker `n`.
pub(crate) fn worker_id(n: u32) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8001_0000_0000_0000 | u128::from(n))
}

/// A commit of records, whatever was there before.
pub(crate) fn commit(records: Vec<Record>) -> Result<Commit> {
    let entry = Draft {
        kind: EntryKind::Change,
        agency: AgencyId::parse("bp2mi").ok().context("an agency's id")?,
        purpose: Some(Purpose::PlacementScreening),
        method: "bench".into(),
        request_digest: [0; 32],
        subjects: records.iter().filter_map(|record| record.index().subject).collect(),
        classes: Classes::NONE,
        trace_id: [0; 16],
    };
    let write = |record| Write { record, expect: Expect::Any };
    Ok(Commit { writes: records.into_iter().map(write).collect(), ..Commit::of(entry) })
}
