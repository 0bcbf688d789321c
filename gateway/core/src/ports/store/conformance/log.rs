//! The journal's tree and its checkpoints.

use jiff::SignedDuration;

use super::samples::{done, empty, noon};
use crate::journal::Hash;
use crate::ports::store::log::{Checkpoint, Tile, TileId};
use crate::ports::store::{Error, Store};

fn checkpoint(size: u64, root: u8, note: &str) -> Checkpoint {
    Checkpoint { size, root: [root; 32], at: noon(), note: note.to_owned(), witnessed: false }
}

fn tile(level: u8, index: u64, hashes: &[Hash]) -> Tile {
    Tile { id: TileId { level, index }, hashes: hashes.to_vec() }
}

pub(super) async fn leaf_hashes_are_those_of_the_receipts(store: &dyn Store) {
    let mut hashes = Vec::new();
    for _ in 0..10 {
        hashes.push(done(store, empty()).await.receipt.leaf_hash);
    }
    assert_eq!(store.leaf_hashes(0, 100).await, Ok(hashes.clone()));
    assert_eq!(store.leaf_hashes(3, 4).await.unwrap(), hashes[3..7]);
    for beyond in [10, u64::MAX] {
        assert_eq!(store.leaf_hashes(beyond, 4).await, Ok(vec![]));
    }
}

pub(super) async fn a_tile_grows_and_never_shrinks(store: &dyn Store) {
    let [first, second] = [[1; 32], [2; 32]];
    let keep = async |size, tiles| {
        store.keep_checkpoint(tiles, checkpoint(size, 9, "note")).await.unwrap();
    };
    keep(1, vec![tile(1, 0, &[first]), tile(0, 5, &[first])]).await;
    keep(2, vec![tile(1, 0, &[first, second])]).await;
    keep(3, vec![tile(1, 0, &[second])]).await;
    let wanted = [(1, 0), (0, 5), (7, 7)].map(|(level, index)| TileId { level, index });
    let found = store.tiles(wanted.to_vec()).await.unwrap();
    let expected = [tile(1, 0, &[first, second]), tile(0, 5, &[first]), tile(7, 7, &[])];
    assert_eq!(found, expected, "in the order asked for, empty where none is kept");
}

pub(super) async fn checkpoints_are_found_by_what_they_cover(store: &dyn Store) {
    assert_eq!(store.checkpoint(None).await, Ok(None));
    for size in [4, 9, 20] {
        store.keep_checkpoint(vec![], checkpoint(size, 1, "note")).await.unwrap();
    }
    for (asked, found) in [
        (None, Some(20)),
        (Some(1), Some(4)),
        (Some(9), Some(9)),
        (Some(10), Some(20)),
        (Some(21), None),
    ] {
        let kept = store.checkpoint(asked).await.unwrap();
        assert_eq!(kept.map(|it| it.size), found, "{asked:?}");
    }
    let cosigned = checkpoint(9, 1, "note with another signature");
    store.keep_checkpoint(vec![], cosigned.clone()).await.unwrap();
    assert_eq!(store.checkpoint(Some(9)).await, Ok(Some(cosigned)));
}

pub(super) async fn the_last_witnessed_checkpoint_is_found_behind_later_ones(store: &dyn Store) {
    for size in [4, 9, 20] {
        store.keep_checkpoint(vec![], checkpoint(size, 1, "note")).await.unwrap();
    }
    assert_eq!(store.witnessed_checkpoint().await, Ok(None));
    for (size, last) in [(9, 9), (4, 9), (20, 20)] {
        let witnessed = Checkpoint { witnessed: true, ..checkpoint(size, 1, "cosigned") };
        store.keep_checkpoint(vec![], witnessed.clone()).await.unwrap();
        assert_eq!(store.checkpoint(Some(size)).await, Ok(Some(witnessed)));
        let found = store.witnessed_checkpoint().await.unwrap();
        assert_eq!(found.map(|it| it.size), Some(last));
    }
}

pub(super) async fn of_old_checkpoints_one_an_hour_stays_and_the_last_witnessed(store: &dyn Store) {
    let at = |minute: i64| noon() + SignedDuration::from_mins(minute);
    // Two hours, and the first of a third, by which those of the first are more than one old.
    for (size, minute, witnessed) in [
        (1, 0, false),
        (2, 20, true),
        (3, 40, false),
        (4, 59, false),
        (5, 61, false),
        (6, 90, false),
    ] {
        let kept = Checkpoint { at: at(minute), witnessed, ..checkpoint(size, 1, "note") };
        store.keep_checkpoint(vec![], kept).await.unwrap();
    }
    store
        .keep_checkpoint(vec![], Checkpoint { at: at(125), ..checkpoint(9, 1, "note") })
        .await
        .unwrap();
    let (mut sizes, mut next) = (Vec::new(), 0);
    while let Some(kept) = store.checkpoint(Some(next)).await.unwrap() {
        sizes.push(kept.size);
        next = kept.size + 1;
    }
    assert_eq!(sizes, [2, 4, 6, 9]);
}

pub(super) async fn a_checkpoint_with_a_timestamp_is_found_and_stays(store: &dyn Store) {
    let at = |minute: i64| noon() + SignedDuration::from_mins(minute);
    let kept = |size, minute| Checkpoint { at: at(minute), ..checkpoint(size, 1, "note") };
    for size in [3, 5, 8] {
        store.keep_checkpoint(vec![], kept(size, 0)).await.unwrap();
    }
    for (size, token) in [(5, b"first"), (5, b"again"), (6, b"third")] {
        store.keep_timestamp(size, token.to_vec()).await.unwrap();
    }
    assert_eq!(store.timestamp(5).await, Ok(Some(b"first".to_vec())));
    for without in [3, 6, 8, u64::MAX] {
        assert_eq!(store.timestamp(without).await, Ok(None), "{without}");
    }
    // It outlives its hour, and a signature that comes later.
    store.keep_checkpoint(vec![], kept(5, 0)).await.unwrap();
    store.keep_checkpoint(vec![], kept(9, 125)).await.unwrap();
    store.keep_checkpoint(vec![], kept(10, 185)).await.unwrap();
    assert_eq!(store.checkpoint(Some(1)).await, Ok(Some(kept(5, 0))));
    for (least, found) in [(0, Some(5)), (5, Some(5)), (6, None), (u64::MAX, None)] {
        let first = store.timestamped_checkpoint(least).await.unwrap();
        assert_eq!(first.map(|it| it.size), found, "{least}");
    }
}

pub(super) async fn a_checkpoint_keeps_its_root(store: &dyn Store) {
    let kept = checkpoint(4, 1, "note");
    store.keep_checkpoint(vec![], kept.clone()).await.unwrap();
    let other = store.keep_checkpoint(vec![tile(0, 0, &[[3; 32]])], checkpoint(4, 2, "note")).await;
    assert!(matches!(other, Err(Error::Corrupt(_))), "{other:?}");
    assert_eq!(store.checkpoint(None).await, Ok(Some(kept)));
    let tiles = store.tiles(vec![TileId { level: 0, index: 0 }]).await.unwrap();
    assert!(tiles[0].hashes.is_empty(), "all or nothing");
}

pub(super) async fn successions_are_kept_once_and_in_order(store: &dyn Store) {
    assert_eq!(store.successions().await, Ok(vec![]));
    for statement in ["b", "a", "b"] {
        store.keep_succession(statement.to_owned()).await.unwrap();
    }
    assert_eq!(store.successions().await, Ok(vec!["b".to_owned(), "a".to_owned()]));
}
