//! What the gateway's commits are compared with: SQLite alone, on the same disk, with the
//! gateway's settings, that writes a fixed number of rows per transaction.
//!
//! Two shapes of it: the gateway's own schema with rows like those it has just written, and a
//! table of one column without any index, which is the least that can be had.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use uuid::Uuid;

/// Rows that share a transaction.
pub(crate) const ROWS_PER_TRANSACTION: usize = 64;
/// Rows that the gateway writes for a clearance: the record, the journal's entry, whom it concerns,
/// the kept answer and the deliveries to Kemenkes and Kemnaker.
pub(crate) const ROWS_PER_CLEARANCE: usize = 6;

/// Commits whose rows are copied.
const SAMPLES: i64 = 64;

/// The tables of a commit, in the order in which rows go into them.
const TABLES: [&str; 5] = ["record", "entry", "entry_subject", "request", "delivery"];

/// The rows of a commit: which table, and the values.
type Commit = Vec<(usize, Vec<Value>)>;

/// Both shapes, with the number of the next row.
pub(crate) struct RawStore {
    schema: Connection,
    log: Connection,
    /// The commits that are copied.
    samples: Vec<Commit>,
    inserts: [String; TABLES.len()],
    /// As large as a row of the schema is in the mean.
    blob: Vec<u8>,
    commits: usize,
}

impl RawStore {
    /// Makes both in `folder`, like the gateway's store in the same folder, which holds clearances.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let model = Connection::open_with_flags(
            store_in(folder)?,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        let schema = open(&folder.join("raw-schema.db"))?;
        let log = open(&folder.join("raw-log.db"))?;
        log.execute_batch("CREATE TABLE log (row BLOB NOT NULL) STRICT")?;
        let mut statement = model.prepare(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'
             ORDER BY type = 'index'",
        )?;
        for sql in statement.query_map([], |row| row.get::<_, String>(0))? {
            schema.execute_batch(&sql?)?;
        }
        let mut inserts = [const { String::new() }; TABLES.len()];
        for (insert, table) in inserts.iter_mut().zip(TABLES) {
            let columns = model.prepare(&format!("SELECT * FROM {table}"))?.column_count();
            let values = vec!["?"; columns].join(",");
            *insert = format!("INSERT INTO {table} VALUES ({values})");
        }
        let samples = samples(&model)?;
        let sizes =
            samples.iter().flatten().map(|(_, values)| values.iter().map(size).sum::<usize>());
        let mean = sizes.sum::<usize>() / (samples.len() * ROWS_PER_CLEARANCE);
        Ok(Self { schema, log, samples, inserts, blob: vec![0x5a; mean], commits: 0 })
    }

    /// The mean size of a row's values, bytes.
    pub(crate) fn row_bytes(&self) -> usize {
        self.blob.len()
    }

    /// Rows a second into the gateway's schema.
    pub(crate) fn fill_schema(&mut self, time: Duration) -> Result<f64> {
        let begun = Instant::now();
        let mut rows = 0;
        // Rows of a commit may be parted by the end of a transaction: only rows are counted.
        let mut left = Vec::new().into_iter();
        while begun.elapsed() < time {
            let tx = self.schema.unchecked_transaction()?;
            for _ in 0..ROWS_PER_TRANSACTION {
                let (table, values) = match left.next() {
                    Some(row) => row,
                    None => {
                        let sample = &self.samples[self.commits % self.samples.len()];
                        left = fresh(sample, self.commits)?.into_iter();
                        self.commits += 1;
                        left.next().context("a commit has rows")?
                    }
                };
                let insert: &str = &self.inserts[table];
                tx.prepare_cached(insert)?.execute(params_from_iter(values))?;
                rows += 1;
            }
            tx.commit()?;
        }
        // What was begun is ended, so that the next round finds whole commits.
        for (table, values) in left {
            let insert: &str = &self.inserts[table];
            self.schema.prepare_cached(insert)?.execute(params_from_iter(values))?;
        }
        Ok(f64::from(rows) / begun.elapsed().as_secs_f64())
    }

    /// Rows a second into the table of one column.
    pub(crate) fn fill_log(&self, time: Duration) -> Result<f64> {
        let begun = Instant::now();
        let mut rows = 0;
        while begun.elapsed() < time {
            let tx = self.log.unchecked_transaction()?;
            for _ in 0..ROWS_PER_TRANSACTION {
                tx.prepare_cached("INSERT INTO log VALUES (?)")?.execute([&self.blob])?;
                rows += 1;
            }
            tx.commit()?;
        }
        Ok(f64::from(rows) / begun.elapsed().as_secs_f64())
    }
}

/// The file in a data folder that is an SQLite database.
fn store_in(folder: &Path) -> Result<PathBuf> {
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.is_file() && std::fs::read(&path)?.starts_with(b"SQLite format 3\0") {
            return Ok(path);
        }
    }
    anyhow::bail!("no store in {}", folder.display())
}

/// A new database with the settings of the gateway's writer.
fn open(path: &Path) -> Result<Connection> {
    let conn = Connection::open(path)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 8000;",
    )?;
    Ok(conn)
}

/// The rows of some clearances' commits.
fn samples(model: &Connection) -> Result<Vec<Commit>> {
    let entries: Vec<i64> = model
        .prepare(
            "SELECT delivery.entry FROM delivery JOIN record ON record.id = delivery.record_id
             WHERE record.kind = 'clearance' GROUP BY delivery.entry ORDER BY delivery.entry DESC LIMIT ?",
        )?
        .query_map([SAMPLES], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    ensure!(!entries.is_empty(), "the store holds no clearance");
    let mut samples = Vec::new();
    for entry in entries {
        let mut commit = Vec::new();
        for (table, condition) in [
            "id IN (SELECT record_id FROM delivery WHERE entry = ?)",
            "idx = ?",
            "idx = ?",
            "idx = ?",
            "entry = ?",
        ]
        .into_iter()
        .enumerate()
        {
            let sql = format!("SELECT * FROM {} WHERE {condition}", TABLES[table]);
            let mut statement = model.prepare_cached(&sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query([entry])?;
            while let Some(row) = rows.next()? {
                let values = (0..columns).map(|column| row.get(column));
                commit.push((table, values.collect::<rusqlite::Result<_>>()?));
            }
        }
        ensure!(commit.len() == ROWS_PER_CLEARANCE, "a clearance made {} rows", commit.len());
        samples.push(commit);
    }
    Ok(samples)
}

/// The rows of a commit under new names.
fn fresh(sample: &[(usize, Vec<Value>)], number: usize) -> Result<Commit> {
    let index = Value::Integer(i64::try_from(number)?);
    let id = Value::Text(Uuid::now_v7().to_string());
    let mut rows = sample.to_vec();
    for (table, values) in &mut rows {
        // Columns as the migrations order them.
        match TABLES[*table] {
            "record" => {
                values[1] = id.clone();
                values[9] =
                    Value::Text(format!("klinik-indramayu/UJI-{}", Uuid::now_v7().simple()));
            }
            "entry" => values[0] = index.clone(),
            "entry_subject" => values[1] = index.clone(),
            "request" => {
                values[0] = index.clone();
                values[2] = Value::Blob(Uuid::now_v7().as_bytes().to_vec());
            }
            _ => {
                values[0] = Value::Null;
                values[4] = id.clone();
                values[6] = index.clone();
            }
        }
    }
    Ok(rows)
}

/// The size of a value, bytes.
fn size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 8,
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
    }
}
