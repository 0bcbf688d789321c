//! The journal's tree above its leaves, its checkpoints, and the succession of the keys that sign
//! them.

use desmigratif_core::journal::Hash;
use desmigratif_core::ports::store::Error;
use desmigratif_core::ports::store::log::{Checkpoint, Tile, TileId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns;
use super::commit::signed;
use super::fault::Failure;

/// An hour, as times are kept.
const HOUR_US: i64 = 3_600_000_000;

/// The hashes of at most `limit` leaves from `from` on.
pub(super) fn leaf_hashes(conn: &Connection, from: u64, limit: u32) -> rusqlite::Result<Vec<Hash>> {
    let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
    conn.prepare_cached("SELECT leaf_hash FROM entry WHERE idx >= ?1 ORDER BY idx LIMIT ?2")?
        .query_map(params![from, limit], |row| row.get(0))?
        .collect()
}

/// Tiles, in the order asked for.
pub(super) fn tiles(conn: &Connection, ids: &[TileId]) -> Result<Vec<Tile>, Failure> {
    let mut find = conn.prepare_cached("SELECT hashes FROM tile WHERE level = ?1 AND idx = ?2")?;
    let mut tiles = Vec::with_capacity(ids.len());
    for id in ids {
        let bytes: Option<Vec<u8>> =
            find.query_row(params![id.level, signed(id.index)], |row| row.get(0)).optional()?;
        let (hashes, rest) = bytes.as_deref().unwrap_or_default().as_chunks();
        if !rest.is_empty() {
            return Err(Error::Corrupt("a tile does not hold whole hashes".to_owned()).into());
        }
        tiles.push(Tile { id: *id, hashes: hashes.to_vec() });
    }
    Ok(tiles)
}

/// Keeps tiles and a checkpoint over them.
pub(super) fn keep(
    tx: &Connection,
    tiles: &[Tile],
    checkpoint: &Checkpoint,
) -> Result<(), Failure> {
    let other_root = tx
        .prepare_cached("SELECT 1 FROM checkpoint WHERE size = ?1 AND root <> ?2")?
        .exists(params![signed(checkpoint.size), checkpoint.root])?;
    if other_root {
        let what = "a checkpoint of this size has another root".to_owned();
        return Err(Error::Corrupt(what).into());
    }
    let mut keep = tx.prepare_cached(
        "INSERT INTO tile (level, idx, hashes) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET hashes = excluded.hashes
             WHERE length(excluded.hashes) > length(hashes)",
    )?;
    for Tile { id, hashes } in tiles {
        keep.execute(params![id.level, signed(id.index), hashes.as_flattened()])?;
    }
    thin_out(tx, checkpoint.at.as_microsecond())?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO checkpoint (size, root, at_us, note, witnessed)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        signed(checkpoint.size),
        checkpoint.root,
        checkpoint.at.as_microsecond(),
        checkpoint.note,
        checkpoint.witnessed,
    ])?;
    Ok(())
}

/// Gives up checkpoints that a later one of the same hour covers, once they are an hour old: any
/// size has its proofs all the same. Looks once an hour.
fn thin_out(tx: &Connection, now_us: i64) -> rusqlite::Result<()> {
    let last: Option<i64> = tx
        .prepare_cached("SELECT at_us FROM checkpoint ORDER BY size DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    if last.is_some_and(|last| last / HOUR_US < now_us / HOUR_US) {
        tx.prepare_cached(
            "DELETE FROM checkpoint WHERE at_us < ?1 - ?2
                AND size NOT IN (SELECT max(size) FROM checkpoint GROUP BY at_us / ?2)
                AND size <> (SELECT coalesce(max(size), 0) FROM checkpoint WHERE witnessed = 1)
                AND size NOT IN (SELECT size FROM timestamp)",
        )?
        .execute([now_us, HOUR_US])?;
    }
    Ok(())
}

/// The first checkpoint of at least `size` leaves, or the last one.
pub(super) fn checkpoint(
    conn: &Connection,
    size: Option<u64>,
) -> rusqlite::Result<Option<Checkpoint>> {
    let (sql, least) = match size {
        Some(size) => (
            "SELECT size, root, at_us, note, witnessed FROM checkpoint WHERE size >= ?1
             ORDER BY size LIMIT 1",
            i64::try_from(size).unwrap_or(i64::MAX),
        ),
        None => (
            "SELECT size, root, at_us, note, witnessed FROM checkpoint WHERE size >= ?1
             ORDER BY size DESC LIMIT 1",
            0,
        ),
    };
    conn.prepare_cached(sql)?.query_row([least], read).optional()
}

/// The last checkpoint that is witnessed.
pub(super) fn witnessed(conn: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    conn.prepare_cached(
        "SELECT size, root, at_us, note, witnessed FROM checkpoint WHERE witnessed = 1
         ORDER BY size DESC LIMIT 1",
    )?
    .query_row([], read)
    .optional()
}

/// Keeps a timestamp on the checkpoint of a size, if there is one that has none.
pub(super) fn keep_timestamp(tx: &Connection, size: u64, token: &[u8]) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO timestamp (size, token)
         SELECT size, ?2 FROM checkpoint WHERE size = ?1
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![signed(size), token])?;
    Ok(())
}

/// The timestamp on the checkpoint of a size.
pub(super) fn timestamp(conn: &Connection, size: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    let Ok(size) = i64::try_from(size) else { return Ok(None) };
    conn.prepare_cached("SELECT token FROM timestamp WHERE size = ?1")?
        .query_row([size], |row| row.get(0))
        .optional()
}

/// The first checkpoint of at least `size` leaves that has a timestamp.
pub(super) fn timestamped(conn: &Connection, size: u64) -> rusqlite::Result<Option<Checkpoint>> {
    conn.prepare_cached(
        "SELECT size, root, at_us, note, witnessed FROM checkpoint
         WHERE size = (SELECT min(size) FROM timestamp WHERE size >= ?1)",
    )?
    .query_row([i64::try_from(size).unwrap_or(i64::MAX)], read)
    .optional()
}

/// Keeps a statement of the keys' succession.
pub(super) fn keep_succession(tx: &Connection, statement: &str) -> Result<(), Failure> {
    tx.prepare_cached("INSERT INTO succession (statement) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([statement])?;
    Ok(())
}

/// The statements of the keys' succession.
pub(super) fn successions(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare_cached("SELECT statement FROM succession ORDER BY seq")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    Ok(Checkpoint {
        size: columns::count(row, 0)?,
        root: row.get(1)?,
        at: columns::time(row, 2)?,
        note: row.get(3)?,
        witnessed: row.get(4)?,
    })
}
