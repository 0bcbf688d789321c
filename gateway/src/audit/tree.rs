//! The journal as a Merkle tree (RFC 9162 section 2.1): its root at any size, and the proofs that
//! an entry is in it and that one size continues another.
//!
//! The mathematics are `tlog_tiles`'; here is how its hashes are found. Leaf hashes lie with the
//! entries, all above in tiles (see [`desmigratif_core::ports::store::log`]), so a root or a proof
//! costs a tile a level, and the leaves of the last, unfinished tile.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use desmigratif_core::journal::Hash;
use desmigratif_core::ports::store::log::{TILE_WIDTH, Tile, TileId};
use desmigratif_core::ports::store::{self, Store};
use tlog_tiles::{HashReader, split_stored_hash_index};

use super::note::Head;

/// Levels of the tree in one tile: 2 to the power of it is [`TILE_WIDTH`].
const TILE_HEIGHT: u8 = 8;

/// Why a root or a proof cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The journal does not reach so far, or the sizes are in the wrong order.
    #[error("the journal has no such size")]
    NoSuchSize,
    /// The tiles do not hold what they must.
    #[error("the journal's tree is incomplete")]
    Incomplete,
}

/// The tree over a store's journal.
#[derive(Clone)]
pub struct Tree {
    store: Arc<dyn Store>,
    /// Tiles that are not kept yet, in place of those in the store.
    fresh: HashMap<TileId, Tile>,
}

impl Tree {
    /// The tree over the journal of a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, fresh: HashMap::new() }
    }

    /// The same tree with the tiles that are to be kept besides those that are.
    #[must_use]
    pub fn with(&self, fresh: &[Tile]) -> Self {
        let fresh = fresh.iter().map(|tile| (tile.id, tile.clone())).collect();
        Self { store: self.store.clone(), fresh }
    }

    /// The root of the first `size` leaves.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn root(&self, size: u64) -> Result<Hash, Error> {
        let root = self.compute(|reader| tlog_tiles::tree_hash(size, reader)).await?;
        Ok(root.0)
    }

    /// The proof that entry `index` is in the tree of the first `size` leaves (RFC 9162 section
    /// 2.1.3): hashes from the leaf's neighbour up.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn prove_inclusion(&self, size: u64, index: u64) -> Result<Vec<Hash>, Error> {
        if index >= size {
            return Err(Error::NoSuchSize);
        }
        let proof = self.compute(|reader| tlog_tiles::prove_record(size, index, reader)).await?;
        Ok(proof.into_iter().map(|hash| hash.0).collect())
    }

    /// The proof that the tree of `size` leaves continues that of `earlier` (RFC 9162 section
    /// 2.1.4).
    ///
    /// # Errors
    /// [`Error`].
    pub async fn prove_consistency(&self, size: u64, earlier: u64) -> Result<Vec<Hash>, Error> {
        if earlier == 0 || earlier > size {
            return Err(Error::NoSuchSize);
        }
        let proof = self.compute(|reader| tlog_tiles::prove_tree(size, earlier, reader)).await?;
        Ok(proof.into_iter().map(|hash| hash.0).collect())
    }

    /// The tiles that change when the tree grows: those of the leaves that are whole now, and those
    /// above them as far as they go. Costs a hash a leaf.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn grow(&self, from: u64, to: u64) -> Result<Vec<Tile>, Error> {
        let mut grown: BTreeMap<TileId, Tile> = BTreeMap::new();
        for index in from / TILE_WIDTH..to / TILE_WIDTH {
            let width = u32::try_from(TILE_WIDTH).unwrap_or(u32::MAX);
            let hashes = self.store.leaf_hashes(index * TILE_WIDTH, width).await?;
            if hashes.len() as u64 != TILE_WIDTH {
                return Err(Error::NoSuchSize);
            }
            let mut whole = Tile { id: TileId { level: 0, index }, hashes };
            // A whole tile's root is a hash of the tile above, which may be whole by that.
            loop {
                let (id, root) = (whole.id, subtree_root(&whole.hashes));
                grown.insert(id, whole);
                let above = TileId { level: id.level + 1, index: id.index / TILE_WIDTH };
                let mut tile = match grown.remove(&above) {
                    Some(tile) => tile,
                    None => self.tile(above).await?,
                };
                let place = (id.index % TILE_WIDTH) as usize;
                if tile.hashes.len() < place {
                    return Err(Error::Incomplete);
                }
                // A tile that was grown before, and not whole then, has it already.
                tile.hashes.truncate(place);
                tile.hashes.push(root);
                if tile.hashes.len() as u64 == TILE_WIDTH {
                    whole = tile;
                } else {
                    grown.insert(above, tile);
                    break;
                }
            }
        }
        Ok(grown.into_values().collect())
    }

    async fn tile(&self, id: TileId) -> Result<Tile, Error> {
        if let Some(tile) = self.fresh.get(&id) {
            return Ok(tile.clone());
        }
        self.store.tiles(vec![id]).await?.pop().ok_or(Error::Incomplete)
    }

    /// Does a computation twice: first to learn which hashes it needs, then with them.
    async fn compute<T>(
        &self,
        compute: impl Fn(&Hashes) -> Result<T, tlog_tiles::Error>,
    ) -> Result<T, Error> {
        let wanted = Hashes::default();
        // What needs no hash at all succeeds at once.
        if let Ok(done) = compute(&wanted) {
            return Ok(done);
        }
        let known = self.find(&wanted.wanted.take()).await?;
        compute(&Hashes { known, ..Hashes::default() }).map_err(|_| Error::Incomplete)
    }

    /// Finds hashes of the tree by their index in the order of tlog's stored hashes.
    async fn find(&self, wanted: &[u64]) -> Result<HashMap<u64, Hash>, Error> {
        let places: Vec<_> = wanted.iter().map(|index| Place::of(*index)).collect();
        let ids: BTreeSet<_> =
            places.iter().map(|it| it.tile).filter(|id| !self.fresh.contains_key(id)).collect();
        let stored = self.store.tiles(ids.into_iter().collect()).await?;
        let mut tiles = self.fresh.clone();
        tiles.extend(stored.into_iter().map(|tile| (tile.id, tile)));
        let mut known = HashMap::with_capacity(wanted.len());
        for (index, place) in wanted.iter().zip(&places) {
            let kept = tiles.get(&place.tile).and_then(|it| it.hashes.get(place.range()));
            let hash = match kept {
                Some(hashes) => subtree_root(hashes),
                // The leaves of the last tile lie with their entries alone.
                None if place.tile.level == 0 => {
                    let from = place.tile.index * TILE_WIDTH + place.from as u64;
                    let count = u32::try_from(place.count).unwrap_or(u32::MAX);
                    let hashes = self.store.leaf_hashes(from, count).await?;
                    if hashes.len() != place.count {
                        return Err(Error::NoSuchSize);
                    }
                    subtree_root(&hashes)
                }
                None => return Err(Error::NoSuchSize),
            };
            known.insert(*index, hash);
        }
        Ok(known)
    }
}

/// Whether a proof shows that a later tree continues an earlier one (RFC 9162 section 2.1.4.2).
#[must_use]
pub fn continues(earlier: &Head, later: &Head, proof: Vec<Hash>) -> bool {
    let proof = proof.into_iter().map(tlog_tiles::Hash).collect();
    let [new, old] = [later.root, earlier.root].map(tlog_tiles::Hash);
    tlog_tiles::check_tree(&proof, later.size, new, earlier.size, old).is_ok()
}

/// Where the hashes lie that one hash of the tree is made of.
struct Place {
    tile: TileId,
    from: usize,
    count: usize,
}

impl Place {
    fn of(stored_hash: u64) -> Self {
        let (level, n) = split_stored_hash_index(stored_hash);
        let height = level % TILE_HEIGHT;
        let first = n << height;
        Self {
            tile: TileId { level: level / TILE_HEIGHT, index: first / TILE_WIDTH },
            from: (first % TILE_WIDTH) as usize,
            count: 1 << height,
        }
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.from..self.from + self.count
    }
}

/// The root over hashes whose number is a power of two.
fn subtree_root(hashes: &[Hash]) -> Hash {
    tlog_tiles::Tile::subtree_hash(hashes.as_flattened()).0
}

/// The hashes that a computation reads: those that it has, or a note of those that it wants.
#[derive(Default)]
struct Hashes {
    known: HashMap<u64, Hash>,
    wanted: RefCell<Vec<u64>>,
}

impl HashReader for Hashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let known = indexes.iter().map(|index| self.known.get(index).copied());
        known.map(|hash| hash.map(tlog_tiles::Hash)).collect::<Option<_>>().ok_or_else(|| {
            self.wanted.borrow_mut().extend(indexes);
            tlog_tiles::Error::IndexesNotInTree
        })
    }
}
