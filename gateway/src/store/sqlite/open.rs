//! Opening a store: the lock, a look at the file, the migrations, the settings.
//!
//! Invariant: a file that is refused is left as it was.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::fault::Failure;
use super::{keys, seal, tally};
use crate::store::vault::{KeyRing, Unfit, Vault};

/// Why a store was not opened. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the store.
    #[error("{} is in use by another gateway: stop that one, or give this one another store", .path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// A newer version of the gateway has written the store.
    #[error("{} has schema {found}, but this version knows none above {known}: run the newer version, or restore a backup made before the upgrade; the file is untouched", .path.display())]
    NewerSchema {
        /// The store.
        path: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// The file is no store, or damaged.
    #[error("{} cannot be opened as a store ({what}): restore it from a backup, or give another path; the file is untouched", .path.display())]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The store was sealed with other keys.
    #[error("{} cannot be opened: {why}; the file is untouched", .path.display())]
    Keys {
        /// The store.
        path: PathBuf,
        /// What is wrong with the keys.
        why: Unfit,
    },
    /// The file or its folder cannot be used.
    #[error("{} cannot be used as a store ({why}): check that its folder exists, that this user may write there and that the disk has space", .path.display())]
    Io {
        /// The store.
        path: PathBuf,
        /// What the system or the engine said.
        why: String,
    },
}

/// Marks the file as ours in SQLite's header: "DSMG".
const APPLICATION: i64 = 0x4453_4D47;

/// Every SQLite file begins so.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The steps from an empty file to today's schema, in order. Never change one that was released.
const MIGRATIONS: [&str; 10] = [
    include_str!("migrations/0001_store.sql"),
    include_str!("migrations/0002_outbox.sql"),
    include_str!("migrations/0003_sealed.sql"),
    include_str!("migrations/0004_log.sql"),
    include_str!("migrations/0005_trail.sql"),
    include_str!("migrations/0006_witnessed.sql"),
    include_str!("migrations/0007_succession.sql"),
    include_str!("migrations/0008_credentials.sql"),
    include_str!("migrations/0009_tally.sql"),
    include_str!("migrations/0010_timestamp.sql"),
];

/// The first schema under which nothing personal lies in clear.
const SEALED: usize = 3;

/// The first schema that knows by what else records are counted.
const FACETED: usize = 9;

/// The schema that this version writes: the number of migrations.
pub(super) const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// How many statements a connection keeps prepared: more than there are.
const STATEMENTS: usize = 128;

/// Nobody but us opens the file while it is locked, except an operator's tool.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// An opened store. The lock is held as long as the file is.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) readers: Pool<SqliteConnectionManager>,
    pub(super) lock: File,
    pub(super) vault: Vault,
}

/// Opens the store at `path`, or makes it there; `readers` is the number of reading connections.
pub(super) fn open(
    path: &Path,
    readers: u32,
    ring: KeyRing,
    now: Timestamp,
) -> Result<Opened, OpenError> {
    // Two names of one file must find the same lock. A file that is not there has one name.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let lock = lock(path)?;
    look(path)?;
    let engine = |error| engine_error(path, error);
    let mut writer = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(engine)?;
    set_up_writer(&writer).map_err(engine)?;
    let vault = migrate(path, &mut writer, ring, now)?;
    sweep(&writer).map_err(engine)?;
    let manager = SqliteConnectionManager::file(path)
        .with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .with_init(set_up_reader);
    let readers = Pool::builder()
        .max_size(readers)
        .test_on_check_out(false)
        .build(manager)
        .map_err(|error| io_error(path, error))?;
    Ok(Opened { writer, readers, lock, vault })
}

/// Takes the lock beside the store, which the system releases when the process ends.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(PathBuf::from(name))
        .map_err(|error| io_error(path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io_error(path, error)),
    }
}

/// Looks whether the file is a store of ours, without writing; makes it when there is none,
/// readable by its owner only.
fn look(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error(path, error)),
    }
    let head = read_head(path).map_err(|error| io_error(path, error))?;
    if head.is_empty() {
        return Ok(());
    }
    if head != MAGIC {
        return Err(corrupt(path, "it is no SQLite file"));
    }
    let (application, found, tables) = read_marks(path).map_err(|e| engine_error(path, e))?;
    if (application, found, tables) == (0, 0, 0) {
        return Ok(());
    }
    if application != APPLICATION || found < 0 {
        return Err(corrupt(path, "it is another program's database"));
    }
    if found > SCHEMA {
        return Err(OpenError::NewerSchema { path: path.to_owned(), found, known: SCHEMA });
    }
    Ok(())
}

fn read_head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(MAGIC.len());
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The application's mark, the schema and the number of tables and indices.
fn read_marks(path: &Path) -> rusqlite::Result<(i64, i64, i64)> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.query_row(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_application_id, pragma_user_version",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

fn set_up_writer(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // FULL syncs the log at each commit; fullfsync makes that mean the disk on every system.
    // The log is carried over to the file in larger steps than usual, to sync the file less often.
    // secure_delete overwrites what is deleted, so that a key that was destroyed is gone.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 8000;
         PRAGMA journal_size_limit = 67108864;",
    )
}

fn set_up_reader(conn: &mut Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048;")
}

/// Brings the file to today's schema and finds its vault, both or neither.
fn migrate(
    path: &Path,
    conn: &mut Connection,
    ring: KeyRing,
    now: Timestamp,
) -> Result<Vault, OpenError> {
    let engine = |error| engine_error(path, error);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(engine)?;
    let found: u32 =
        tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(engine)?;
    let found = found as usize;
    if found < MIGRATIONS.len() {
        for step in &MIGRATIONS[found..] {
            tx.execute_batch(step).map_err(engine)?;
        }
        tx.pragma_update(None, "user_version", SCHEMA).map_err(engine)?;
        tx.pragma_update(None, "application_id", APPLICATION).map_err(engine)?;
    }
    let rows = keys::ring_rows(&tx).map_err(engine)?;
    let (vault, added) =
        Vault::open(ring, &rows).map_err(|why| OpenError::Keys { path: path.to_owned(), why })?;
    if let Some(row) = added {
        keys::add_ring_row(&tx, &row).map_err(engine)?;
    }
    let failed = |failure| match failure {
        Failure::Engine(error) => engine(error),
        Failure::Refused(error) => corrupt(path, &error.to_string()),
    };
    if found < SEALED {
        seal::seal(&tx, &vault, now).map_err(failed)?;
    }
    if found < FACETED {
        tally::fill_facets(&tx, &vault).map_err(failed)?;
    }
    tx.commit().map_err(engine)?;
    Ok(vault)
}

/// Rewrites a file that has held personal values in clear, so that no free page of it nor its log
/// keeps any. Is done anew at the next start when it was cut short.
fn sweep(conn: &Connection) -> rusqlite::Result<()> {
    if conn.prepare("SELECT 1 FROM chore WHERE name = 'vacuum'")?.exists([])? {
        conn.execute_batch(
            "VACUUM;
             PRAGMA wal_checkpoint(TRUNCATE);
             DELETE FROM chore WHERE name = 'vacuum';",
        )?;
    }
    Ok(())
}

fn engine_error(path: &Path, error: rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            corrupt(path, "the file is damaged")
        }
        _ => io_error(path, error),
    }
}

fn corrupt(path: &Path, what: &str) -> OpenError {
    OpenError::Corrupt { path: path.to_owned(), what: what.to_owned() }
}

fn io_error(path: &Path, error: impl std::fmt::Display) -> OpenError {
    OpenError::Io { path: path.to_owned(), why: error.to_string() }
}
