//! The journal as evidence when it is long: proofs, what a batch of entries costs the tree, and what
//! the tree takes beside its leaves.
//!
//! The journal is copies of an entry that the store's own port has made, a disclosure about one
//! person with both its rows, under new indices and with hashes of their own; they go in beside the
//! port, for that is what takes the time. What is
//! measured is the gateway's: the log in this process, and the proofs as an agency asks for them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use desmigratif::audit::note::SigningKey;
use desmigratif::audit::{Log, Witnesses};
use desmigratif_core::access::{Classes, DataClass, Purpose};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::{Draft, EntryKind, leaf_hash};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::store::{Commit, Store as _};
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{
    GetCheckpointRequest, GetConsistencyProofRequest, GetInclusionProofRequest,
};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::clients::KEMNAKER;
use crate::closed_loop::quantile;
use crate::process::{Gateway, Ministries};
use crate::seed::{self, Opened};
use crate::table::{Table, time};

/// Entries that share a transaction while the journal is filled.
const ROWS: u64 = 50_000;
/// Entries of a batch that the tree takes in.
const BATCH: u64 = 1_000;
/// Batches, and proofs of each kind.
const BATCHES: usize = 20;
const PROOFS: u64 = 2_000;

/// Fills the journal to `count` entries, signs it and asks for proofs.
pub(crate) async fn measure(data: &Path, count: u64, table: &mut Table) -> Result<()> {
    let Opened { store, key, config } = seed::open(data)?;
    // A disclosure about one person: the most frequent entry there is.
    let nik = Nik::parse("9903010101900001").ok().context("it has the form of a NIK")?;
    let draft = Draft {
        kind: EntryKind::Disclosure,
        agency: AgencyId::parse(KEMNAKER)?,
        purpose: Some(Purpose::PlacementScreening),
        method: "desmigratif.worker.v1.WorkerService/LookupWorker".to_owned(),
        request_digest: [7; 32],
        subjects: vec![key.pseudonym(&nik)],
        classes: Classes::of(&[DataClass::Public, DataClass::Programme, DataClass::Identity]),
        trace_id: [9; 16],
    };
    store.commit(Commit::of(draft)).await?;
    let store = Arc::new(store);
    let seed = seed::read_key(config.audit.keys.first().context("dev makes a key")?)?;
    let key = Arc::new(SigningKey::new(&config.audit.origin, &seed)?);
    let log = Log::new(store.clone(), Arc::new(SystemClock), vec![key], Witnesses::default());
    log.advance().await?;

    let filler = Filler::open(&data.join("store.sqlite"))?;
    let short = batches(&log, &filler).await?;
    let (begun, before) = (Instant::now(), filler.bytes()?);
    let first = store.journal_len().await?;
    ensure!(first < count, "{count} entries are fewer than the journal has already");
    filler.fill(first, count)?;
    let leaves = filler.bytes()? - before;
    table.told(
        "Journal filled",
        format!("{count} entries"),
        format!("in {:.0} s", begun.elapsed().as_secs_f64()),
        "",
        None,
    );
    let begun = Instant::now();
    log.advance().await?;
    table.told(
        "First head over all of it",
        format!("{:.1} s", begun.elapsed().as_secs_f64()),
        String::new(),
        "",
        None,
    );
    let tree = filler.bytes()? - before - leaves;
    let ratio = (leaves + tree) as f64 / leaves as f64;
    table.told(
        "Leaves / tree above them",
        format!("{} / {} MB", leaves / 1_000_000, tree / 1_000_000),
        format!("{} bytes an entry", leaves / (count - first)),
        &format!("{ratio:.3}, target <= 1.1"),
        Some(ratio <= 1.1),
    );
    let long = batches(&log, &filler).await?;
    let ratio = quantile(&long, 0.5) / quantile(&short, 0.5);
    table.told(
        "Head over 1,000 more, p50",
        time(quantile(&long, 0.5)),
        format!("{} when short", time(quantile(&short, 0.5))),
        &format!("{ratio:.2}, target <= 3"),
        Some(ratio <= 3.0),
    );
    drop((log, filler));
    // Closing the store waits for its writer.
    tokio::task::spawn_blocking(move || drop(store)).await?;
    proofs(data, table).await
}

/// How long the log takes to sign over a batch more, sorted.
async fn batches(log: &Log, filler: &Filler) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for _ in 0..BATCHES {
        let last = log.checkpoint(None).await?.context("a head is signed")?;
        filler.fill(last.size, last.size + BATCH)?;
        let begun = Instant::now();
        let head = log.advance().await?.context("a head is signed")?;
        took.push(begun.elapsed());
        ensure!(head.size == last.size + BATCH, "the head covers {} entries", head.size);
    }
    took.sort_unstable();
    Ok(took)
}

/// Proofs as an agency asks for them, one after the other.
async fn proofs(data: &Path, table: &mut Table) -> Result<()> {
    let gateway = Gateway::start(data, Ministries::new())?;
    table.told(
        "Start to ready on that journal",
        format!("{} ms", gateway.started_in().as_millis()),
        String::new(),
        "",
        None,
    );
    let mut audit = AuditServiceClient::new(gateway.connect(KEMNAKER).await?);
    let head = audit.get_checkpoint(GetCheckpointRequest::default()).await?.into_inner();
    let size = head.checkpoint.context("a head is signed")?.size;
    let (mut inclusion, mut consistency) = (Vec::new(), Vec::new());
    for n in 1..=PROOFS {
        // A step that shares no factor with most sizes comes everywhere, and in no order.
        let index = n * 1_000_003 % size;
        let begun = Instant::now();
        let request = GetInclusionProofRequest { index, size };
        let hashes = audit.get_inclusion_proof(request).await?.into_inner().hashes;
        inclusion.push(begun.elapsed());
        ensure!(!hashes.is_empty(), "a proof without hashes");
        let begun = Instant::now();
        let request = GetConsistencyProofRequest { earlier_size: index + 1, size };
        audit.get_consistency_proof(request).await?;
        consistency.push(begun.elapsed());
    }
    for (name, mut took) in [("GetInclusionProof", inclusion), ("GetConsistencyProof", consistency)]
    {
        took.sort_unstable();
        let (p50, p99) = (quantile(&took, 0.5), quantile(&took, 0.99));
        table.told(
            &format!("{name}, p50 / p99"),
            format!("{} / {}", time(p50), time(p99)),
            format!("of {size} entries"),
            "p99, target <= 1 ms",
            Some(p99 <= 1_000.0),
        );
    }
    gateway.stop()
}

/// Writes entries beside the port, by a model.
struct Filler {
    conn: Connection,
    /// The rows of an entry: its own, and that of the person whom it concerns.
    models: [Model; 2],
}

/// A row that is copied.
struct Model {
    insert: String,
    row: Vec<Value>,
    /// Where it has the entry's index, and its hash if it has that.
    index: usize,
    leaf_hash: Option<usize>,
}

impl Model {
    /// The row of the last entry in a table.
    fn of(conn: &Connection, table: &str) -> Result<Self> {
        let mut last = conn.prepare(&format!("SELECT * FROM {table} ORDER BY idx DESC LIMIT 1"))?;
        let columns = last.column_count();
        let (index, leaf_hash) = (last.column_index("idx")?, last.column_index("leaf_hash").ok());
        let row = last.query_row([], |row| (0..columns).map(|at| row.get(at)).collect())?;
        let insert = format!("INSERT INTO {table} VALUES ({})", vec!["?"; columns].join(","));
        Ok(Self { insert, row, index, leaf_hash })
    }

    /// The row for another entry.
    fn under(&self, index: u64) -> Result<Vec<Value>> {
        let mut row = self.row.clone();
        row[self.index] = Value::Integer(i64::try_from(index)?);
        if let Some(at) = self.leaf_hash {
            row[at] = Value::Blob(leaf_hash(&index.to_be_bytes()).to_vec());
        }
        Ok(row)
    }
}

impl Filler {
    /// Takes the last entry of a store for the model.
    fn open(path: &Path) -> Result<Self> {
        let conn = Connection::open(path)?;
        conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;")?;
        let models = [Model::of(&conn, "entry")?, Model::of(&conn, "entry_subject")?];
        Ok(Self { conn, models })
    }

    /// Writes the entries from `from` to before `to`.
    fn fill(&self, from: u64, to: u64) -> Result<()> {
        let mut next = from;
        while next < to {
            let tx = self.conn.unchecked_transaction()?;
            for index in next..to.min(next + ROWS) {
                for model in &self.models {
                    let row = model.under(index)?;
                    tx.prepare_cached(&model.insert)?.execute(params_from_iter(row))?;
                }
            }
            tx.commit()?;
            next = to.min(next + ROWS);
        }
        Ok(())
    }

    /// The size of the store without what is free in it, bytes.
    fn bytes(&self) -> Result<u64> {
        let number = |name: &str| -> Result<u64> {
            let sql = format!("PRAGMA {name}");
            Ok(u64::try_from(self.conn.query_row(&sql, [], |row| row.get::<_, i64>(0))?)?)
        };
        Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
    }
}
