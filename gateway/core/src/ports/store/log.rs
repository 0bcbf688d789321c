//! The journal's Merkle tree and its checkpoints, as the store keeps them.
//!
//! The leaves are the journal's own. Above them hashes are kept in tiles of 256 (C2SP tlog-tiles,
//! height 8), about a 256th of what the leaves take: tile (0, n) has the leaf hashes 256 n and
//! following, tile (1, n) the roots of the tiles (0, 256 n) and following, and so on. All of it
//! follows from the leaves, and is written apart from commits, so that no commit waits for it.

use jiff::Timestamp;

use crate::journal::Hash;

/// Hashes in a whole tile.
pub const TILE_WIDTH: u64 = 256;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// How many tiles it stands above the leaves' own.
    pub level: u8,
    /// Its place among those of its level.
    pub index: u64,
}

/// The hashes of a tile, whole or as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Which.
    pub id: TileId,
    /// The hashes, [`TILE_WIDTH`] at the most.
    pub hashes: Vec<Hash>,
}

/// The tree at a size, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of leaves.
    pub size: u64,
    /// The root of their tree (RFC 9162 section 2.1.1).
    pub root: Hash,
    /// When it was signed.
    pub at: Timestamp,
    /// The signed note (C2SP tlog-checkpoint), with every signature that it has so far.
    pub note: String,
    /// Whether so many witnesses have cosigned it as the gateway asked for at that time.
    pub witnessed: bool,
}
