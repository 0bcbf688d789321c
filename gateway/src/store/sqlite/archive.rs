//! A store as evidence: opened to be read and verified, without any key, by whoever has the file.

use std::ops::ControlFlow;
use std::path::Path;

use desmigratif_core::journal::Hash;
use desmigratif_core::ports::store::Error;
use desmigratif_core::ports::store::log::{Checkpoint, TILE_WIDTH, TileId};
use rusqlite::{Connection, OpenFlags};

use super::{log, open, verify};

/// Leaves that a whole tile covers.
const WIDTH: u32 = TILE_WIDTH as u32;

/// A store that is only read.
pub struct Archive(Connection);

impl Archive {
    /// Opens the store at `path`, which may be in use.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be read; [`Error::Corrupt`] when it is no store of
    /// this version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)
            .map_err(|_| Error::Unavailable("it cannot be opened".to_owned()))?;
        let schema: i64 = conn
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|_| Error::Corrupt("it is no store".to_owned()))?;
        if schema == open::SCHEMA {
            Ok(Self(conn))
        } else {
            Err(Error::Corrupt(format!(
                "it has schema {schema}, and this version reads {}",
                open::SCHEMA
            )))
        }
    }

    /// Checks everything that the file says of itself; gives the number of entries.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with what was found first.
    pub fn check(&mut self) -> Result<u64, Error> {
        verify::verify(&mut self.0).map_err(Error::from)
    }

    /// Hands every leaf hash over, in order, for as long as it is wanted.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    pub fn leaves<B>(
        &self,
        mut each: impl FnMut(Hash) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, Error> {
        let failed = |_| Error::Corrupt("the journal cannot be read".to_owned());
        let mut statement =
            self.0.prepare("SELECT leaf_hash FROM entry ORDER BY idx").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if let ControlFlow::Break(done) = each(row.get(0).map_err(failed)?) {
                return Ok(ControlFlow::Break(done));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The first leaf from `from` to before `to` that differs from the tree's own copy of it, where
    /// that is kept: of whole tiles.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn first_rewritten(&self, from: u64, to: u64) -> Result<Option<u64>, Error> {
        let failed = |_| Error::Corrupt("the journal cannot be read".to_owned());
        for index in from / TILE_WIDTH..=to / TILE_WIDTH {
            let id = TileId { level: 0, index };
            let [tile] = &log::tiles(&self.0, &[id]).map_err(Error::from)?[..] else { continue };
            let first = index * TILE_WIDTH;
            let leaves = log::leaf_hashes(&self.0, first, WIDTH).map_err(failed)?;
            let differs = |(copy, leaf): (&Hash, &Hash)| copy != leaf;
            if let Some(at) = tile.hashes.iter().zip(&leaves).position(differs) {
                return Ok(Some(first + at as u64));
            }
        }
        Ok(None)
    }

    /// The statements of the succession of the log's keys, in order.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn successions(&self) -> Result<Vec<String>, Error> {
        log::successions(&self.0)
            .map_err(|_| Error::Corrupt("the succession of keys cannot be read".to_owned()))
    }

    /// The first checkpoint of at least `size` leaves.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn checkpoint(&self, size: u64) -> Result<Option<Checkpoint>, Error> {
        log::checkpoint(&self.0, Some(size))
            .map_err(|_| Error::Corrupt("a checkpoint cannot be read".to_owned()))
    }
}
