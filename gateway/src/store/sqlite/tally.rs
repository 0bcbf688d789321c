//! Records counted by place: what the triggers of the schema keep, and how it is read.

use desmigratif_core::ports::store::{Count, Error, Filled, Tally};
use desmigratif_core::record::Kind;
use rusqlite::{Connection, Result, Row, params};

use super::columns::{self, RAW};
use super::fault::Failure;
use crate::store::vault::Vault;

/// The digits of a regency's code, by which there is a tally of its own.
const REGENCY: u8 = 4;
/// Those of a village's, or of any place that has a tally by itself.
const VILLAGE: u8 = 10;

/// The records of a kind in the places that begin with `place`, by state and facet.
pub(super) fn tally(conn: &Connection, kind: Kind, place: &str) -> Result<Vec<Tally>> {
    let width = if place.len() > usize::from(REGENCY) { VILLAGE } else { REGENCY };
    conn.prepare_cached(
        // Codes are digits, and ':' follows '9'.
        "SELECT state, facet, sum(count), max(newest_us) FROM tally
         WHERE kind = ?1 AND width = ?2 AND place >= ?3 AND place < ?3 || ':'
         GROUP BY state, facet ORDER BY state, facet",
    )?
    .query_map(params![kind.as_str(), width, place], |row| {
        Ok(Tally {
            state: row.get(0)?,
            facet: row.get(1)?,
            count: columns::count(row, 2)?,
            newest: columns::time(row, 3)?,
        })
    })?
    .collect()
}

/// The records that are meant, counted place by place.
pub(super) fn counts(conn: &Connection, count: &Count) -> Result<Vec<Filled>> {
    let Count { kind, place, by_regency, state, facet } = count;
    if !by_regency && state.is_none() && facet.is_none() {
        return conn
            .prepare_cached(
                "SELECT place, count FROM place_count
                 WHERE kind = ?1 AND place >= ?2 AND place < ?2 || ':' ORDER BY place",
            )?
            .query_map(params![kind.as_str(), place], filled)?
            .collect();
    }
    let width = if *by_regency { REGENCY } else { VILLAGE };
    // In the order of the key, so that nothing is sorted.
    conn.prepare_cached(
        "SELECT place, sum(count) FROM tally
         WHERE kind = ?1 AND width = ?2 AND place >= ?3 AND place < ?3 || ':'
           AND (?4 IS NULL OR state = ?4) AND (?5 IS NULL OR facet = ?5)
         GROUP BY place ORDER BY place",
    )?
    .query_map(params![kind.as_str(), width, place, state, facet], filled)?
    .collect()
}

/// The places with the most records of a kind, of those that begin with `place`.
pub(super) fn fullest(
    conn: &Connection,
    kind: Kind,
    place: &str,
    limit: u32,
) -> Result<Vec<Filled>> {
    // The whole country is read in the order of an index; a region is found and then sorted.
    let sql = if place.is_empty() {
        "SELECT place, count FROM place_count INDEXED BY place_count_order
         WHERE kind = ?1 AND ?2 = '' ORDER BY count DESC, place LIMIT ?3"
    } else {
        "SELECT place, count FROM place_count
         WHERE kind = ?1 AND place >= ?2 AND place < ?2 || ':' ORDER BY count DESC, place LIMIT ?3"
    };
    conn.prepare_cached(sql)?.query_map(params![kind.as_str(), place, limit], filled)?.collect()
}

fn filled(row: &Row<'_>) -> Result<Filled> {
    Ok(Filled { place: row.get(0)?, count: columns::count(row, 1)? })
}

/// Gives records that were written before there were facets theirs.
pub(super) fn fill_facets(tx: &Connection, vault: &Vault) -> std::result::Result<(), Failure> {
    let sql = format!(
        "SELECT {RAW}, r.rowid FROM record r LEFT JOIN data_key k ON k.id = r.sealed
         WHERE r.state IS NOT NULL AND r.rowid > ?1 ORDER BY r.rowid LIMIT 1"
    );
    let mut after = 0;
    loop {
        let found = tx
            .prepare_cached(&sql)?
            .query_map([after], |row| Ok((columns::raw(row)?, row.get::<_, i64>("rowid")?)))?
            .next()
            .transpose()?;
        let Some((raw, rowid)) = found else { return Ok(()) };
        after = rowid;
        if let Some(facet) = raw.open(vault)?.record.index().facet {
            tx.prepare_cached("UPDATE record SET facet = ?2 WHERE rowid = ?1")?
                .execute(params![rowid, facet])?;
        }
    }
}

/// Whether the numbers are those of the records.
pub(super) fn check(tx: &Connection) -> std::result::Result<(), Failure> {
    let counted = "SELECT kind, 10, place, state, facet, count(*) FROM record
         WHERE place IS NOT NULL AND state IS NOT NULL GROUP BY kind, place, state, facet
         UNION ALL
         SELECT kind, 4, substr(place, 1, 4), state, facet, count(*) FROM record
         WHERE place IS NOT NULL AND state IS NOT NULL
         GROUP BY kind, substr(place, 1, 4), state, facet";
    let kept = "SELECT kind, width, place, state, facet, count FROM tally";
    let places = "SELECT kind, place, count(*) FROM record
         WHERE place IS NOT NULL AND state IS NOT NULL GROUP BY kind, place";
    let kept_places = "SELECT kind, place, count FROM place_count";
    for (one, other) in
        [(counted, kept), (kept, counted), (places, kept_places), (kept_places, places)]
    {
        let sql = format!("SELECT 1 FROM (SELECT * FROM ({one}) EXCEPT SELECT * FROM ({other}))");
        if tx.prepare(&sql)?.exists([])? {
            return Err(Error::Corrupt("places are not counted as their records say".into()).into());
        }
    }
    Ok(())
}
