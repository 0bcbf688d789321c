//! The log over a real store.

use desmigratif_core::access::{Classes, Purpose};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::{Draft, EntryKind, Hash, leaf_hash};
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::ports::store::Commit;
use desmigratif_core::ports::store::log::{Tile, TileId};
use tempfile::TempDir;

use super::super::note::{self, verify};
use super::*;
use crate::store::sqlite::{self, Sqlite};
use crate::store::vault::KeyRing;

const ORIGIN: &str = "log.desmigratif.test";

struct Stand {
    folder: TempDir,
    store: Arc<Sqlite>,
    log: Log,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
        let path = folder.path().join("store.sqlite");
        let store = Sqlite::open(&path, clock.clone(), KeyRing::of_tests()).unwrap();
        let store = Arc::new(store);
        let log = Log::new(store.clone(), clock, vec![key(1)], witnesses());
        Self { folder, store, log }
    }

    async fn append(&self, count: usize) {
        for _ in 0..count {
            let entry = Draft {
                kind: EntryKind::Refusal,
                agency: AgencyId::parse("kemnaker").unwrap(),
                purpose: Some(Purpose::Oversight),
                method: "a.B/C".into(),
                request_digest: [1; 32],
                subjects: vec![],
                classes: Classes::NONE,
                trace_id: [0; 16],
            };
            self.store.commit(Commit::of(entry)).await.unwrap();
        }
    }

    async fn leaves(&self) -> Vec<Hash> {
        self.store.leaf_hashes(0, u32::MAX).await.unwrap()
    }

    /// Does something to the store's file that no gateway would.
    fn harm(&self, sql: &str) {
        sqlite::harm(&self.folder.path().join("store.sqlite"), sql);
    }
}

fn key(seed: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::new(ORIGIN, &[seed; 32]).unwrap())
}

/// Three witnesses, of whom two must cosign.
fn witnesses() -> Witnesses {
    let keys = [11, 12, 13].map(|seed| witness(seed).witness_key());
    Witnesses { keys: keys.into(), quorum: 2 }
}

fn witness(seed: u8) -> SigningKey {
    SigningKey::new(&format!("witness-{seed}.test"), &[seed; 32]).unwrap()
}

/// The root by the definition of RFC 9162 section 2.1.1.
fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => unreachable!("no head is signed of nothing"),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let (left, right) = (root_of(left), root_of(right));
            tlog_tiles::node_hash(tlog_tiles::Hash(left), tlog_tiles::Hash(right)).0
        }
    }
}

/// The leaves of the reference implementation of Certificate Transparency, and the roots over the
/// first of them.
#[tokio::test]
async fn roots_are_those_of_certificate_transparency() {
    let leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let hashes = leaves.iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())).collect();
    let tile = Tile { id: TileId { level: 0, index: 0 }, hashes };
    let tree = Stand::new().log.tree.with(&[tile]);
    for (size, root) in (1..).zip(roots) {
        assert_eq!(hex::encode(tree.root(size).await.unwrap()), root, "of {size}");
    }
}

#[tokio::test]
async fn a_journal_that_grows_is_signed_step_by_step_and_every_step_is_provable() {
    let stand = Stand::new();
    assert_eq!(stand.log.advance().await, Ok(None), "nothing is signed of nothing");
    let mut signed = Vec::new();
    // Within a tile, to its end, over several, and by one.
    for count in [1, 2, 252, 1, 1, 700, 67, 1] {
        stand.append(count).await;
        signed.push(stand.log.advance().await.unwrap().unwrap());
    }
    let leaves = stand.leaves().await;
    let last = signed.last().unwrap().clone();
    assert_eq!(last.size, leaves.len() as u64);
    for checkpoint in &signed {
        let covered = usize::try_from(checkpoint.size).unwrap();
        assert_eq!(checkpoint.root, root_of(&leaves[..covered]));
        let keys = stand.log.verifying_keys();
        let (head, witnesses) = verify(&checkpoint.note, ORIGIN, &keys, &[]).unwrap();
        assert_eq!((head.size, head.root), (checkpoint.size, checkpoint.root));
        assert!(witnesses.is_empty());

        let proof = stand.log.tree.prove_consistency(last.size, checkpoint.size).await.unwrap();
        let last = Head::of_note(&last.note).unwrap();
        assert!(tree::continues(&head, &last, proof.clone()));
        let forked = Head { root: [7; 32], ..head };
        assert!(!tree::continues(&forked, &last, proof));
    }
    for index in [0, 1, 255, 256, 511, 767, 768, 1_000, last.size - 1] {
        let proof = stand.log.tree.prove_inclusion(last.size, index).await.unwrap();
        let proof = proof.into_iter().map(tlog_tiles::Hash).collect();
        let leaf = tlog_tiles::Hash(leaves[usize::try_from(index).unwrap()]);
        let root = tlog_tiles::Hash(last.root);
        tlog_tiles::check_record(&proof, last.size, root, index, leaf).unwrap();
    }
    assert_eq!(stand.log.advance().await, Ok(Some(last)), "no news, no new head");
}

#[tokio::test]
async fn a_journal_signed_late_is_signed_as_one_signed_all_along() {
    let (early, late) = (Stand::new(), Stand::new());
    early.append(600).await;
    early.log.advance().await.unwrap();
    early.append(700).await;
    late.append(1_300).await;
    for stand in [&early, &late] {
        let checkpoint = stand.log.advance().await.unwrap().unwrap();
        assert_eq!(checkpoint.root, root_of(&stand.leaves().await));
    }
    let tiles = |stand: &Stand| {
        let wanted = (0..5).map(|index| TileId { level: 0, index });
        let wanted: Vec<_> = wanted.chain([TileId { level: 1, index: 0 }]).collect();
        let store = stand.store.clone();
        async move { store.tiles(wanted).await.unwrap().into_iter().map(|it| it.hashes.len()) }
    };
    let widths: Vec<_> = tiles(&early).await.collect();
    assert_eq!(widths, [256, 256, 256, 256, 256, 5]);
    assert_eq!(widths, tiles(&late).await.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_checkpoint_is_signed_on_demand_and_not_beyond_the_journal() {
    let stand = Stand::new();
    stand.append(3).await;
    assert_eq!(stand.log.checkpoint(None).await, Ok(None));
    let checkpoint = stand.log.checkpoint(Some(2)).await.unwrap().unwrap();
    assert_eq!(checkpoint.size, 3);
    assert_eq!(stand.log.checkpoint(None).await, Ok(Some(checkpoint)));
    assert_eq!(stand.log.checkpoint(Some(4)).await, Err(tree::Error::NoSuchSize.into()));
}

#[tokio::test]
async fn what_was_rolled_back_or_rewritten_is_never_signed_again() {
    let stand = Stand::new();
    stand.append(5).await;
    stand.log.advance().await.unwrap();
    stand.harm("UPDATE entry SET leaf_hash = zeroblob(32) WHERE idx = 2");
    stand.append(1).await;
    assert_eq!(stand.log.advance().await, Err(LogError::Forked { signed: 5 }));

    let stand = Stand::new();
    stand.append(5).await;
    stand.log.advance().await.unwrap();
    stand.harm("DELETE FROM entry WHERE idx > 2");
    let refused = stand.log.advance().await;
    assert_eq!(refused, Err(LogError::RolledBack { entries: 3, signed: 5 }));
}

#[tokio::test]
async fn a_checkpoint_that_enough_have_cosigned_is_witnessed_and_found_behind_later_ones() {
    let stand = Stand::new();
    stand.append(3).await;
    let head = Head::of_note(&stand.log.advance().await.unwrap().unwrap().note).unwrap();
    let at = stand.log.clock.now();
    let names = |checkpoint: &Checkpoint| {
        let keys = stand.log.cosigners(checkpoint).unwrap();
        keys.iter().map(|key| key.name().to_owned()).collect::<Vec<_>>()
    };
    let first = stand.log.add_cosignature(3, &witness(12).cosign(&head, at)).await.unwrap();
    assert_eq!(names(&first), ["witness-12.test"]);
    let later = at + Duration::from_secs(9);
    let again = stand.log.add_cosignature(3, &witness(12).cosign(&head, later)).await.unwrap();
    assert_eq!(again, first, "the first of each stays");
    assert_eq!(stand.log.witnessed().await, Ok(None), "one is not enough");
    let second = stand.log.add_cosignature(3, &witness(11).cosign(&head, at)).await.unwrap();
    assert_eq!(names(&second), ["witness-11.test", "witness-12.test"]);
    stand.append(1).await;
    stand.log.advance().await.unwrap();
    assert_eq!(stand.log.witnessed().await, Ok(Some(second.clone())));

    let keys = stand.log.verifying_keys();
    let (_, verified) = verify(&second.note, ORIGIN, &keys, &witnesses().keys).unwrap();
    assert_eq!(verified.len(), 2, "anyone can verify the note");
    let stricter = Witnesses { quorum: 3, ..witnesses() };
    let clock = stand.log.clock.clone();
    let stricter = Log::new(stand.store.clone(), clock, vec![key(1)], stricter);
    assert_eq!(stricter.witnessed().await, Ok(None), "by today's rule");
}

#[tokio::test]
async fn a_timestamp_is_for_the_last_head_that_is_witnessed() {
    let stand = Stand::new();
    stand.append(3).await;
    let head = Head::of_note(&stand.log.advance().await.unwrap().unwrap().note).unwrap();
    assert_eq!(stand.log.to_be_stamped().await, Ok(None), "nobody has cosigned it");
    for seed in [11, 12] {
        let line = witness(seed).cosign(&head, stand.log.clock.now());
        stand.log.add_cosignature(3, &line).await.unwrap();
    }
    stand.append(1).await;
    stand.log.advance().await.unwrap();
    let wanted = stand.log.to_be_stamped().await.unwrap();
    assert_eq!(wanted.map(|it| it.size), Some(3));
    stand.log.keep_timestamp(3, vec![1]).await.unwrap();
    assert_eq!(stand.log.to_be_stamped().await, Ok(None), "it has one");

    let (store, clock) = (stand.store.clone(), stand.log.clock.clone());
    let alone = Log::new(store, clock, vec![key(1)], Witnesses::default());
    let wanted = alone.to_be_stamped().await.unwrap();
    assert_eq!(wanted.map(|it| it.size), Some(4), "the last at all, where nobody witnesses");
}

#[tokio::test]
async fn a_cosignature_that_does_not_hold_changes_nothing() {
    let stand = Stand::new();
    stand.append(3).await;
    let signed = stand.log.advance().await.unwrap().unwrap();
    let head = Head::of_note(&signed.note).unwrap();
    let at = stand.log.clock.now();
    let forked = Head { root: [9; 32], ..head.clone() };
    for (size, line, refused) in [
        (3, witness(14).cosign(&head, at), LogError::Cosignature(note::Error::UnknownKey)),
        (3, witness(11).cosign(&forked, at), LogError::Cosignature(note::Error::Forged)),
        (3, key(1).sign_head(&head), LogError::Cosignature(note::Error::UnknownKey)),
        (3, "nothing".to_owned(), LogError::Cosignature(note::Error::Malformed)),
        (2, witness(11).cosign(&head, at), tree::Error::NoSuchSize.into()),
        (4, witness(11).cosign(&head, at), tree::Error::NoSuchSize.into()),
    ] {
        assert_eq!(stand.log.add_cosignature(size, &line).await, Err(refused), "{line}");
    }
    assert_eq!(stand.log.checkpoint(None).await, Ok(Some(signed)));
}

#[tokio::test]
async fn while_keys_change_over_both_sign_and_who_relied_on_the_old_one_follows_to_the_new() {
    let stand = Stand::new();
    stand.log.succeed().await.unwrap();
    stand.append(1).await;
    stand.log.advance().await.unwrap();
    let log = |keys| Log::new(stand.store.clone(), stand.log.clock.clone(), keys, witnesses());
    let strange = log(vec![key(2)]).succeed().await;
    assert_eq!(strange, Err(LogError::Stranger), "none stands behind it");

    let both = log(vec![key(2), key(1)]);
    both.succeed().await.unwrap();
    let signed = both.checkpoint(None).await.unwrap().unwrap();
    both.succeed().await.unwrap();
    assert_eq!(both.checkpoint(None).await, Ok(Some(signed)), "done once");
    stand.append(1).await;
    both.advance().await.unwrap();
    let checkpoint = both.checkpoint(None).await.unwrap().unwrap();
    for seed in [1, 2] {
        let known = [key(seed).log_key()];
        assert!(verify(&checkpoint.note, ORIGIN, &known, &[]).is_ok());
    }

    let new = log(vec![key(2)]);
    new.succeed().await.unwrap();
    stand.append(1).await;
    let checkpoint = new.advance().await.unwrap().unwrap();
    let old = [key(1).log_key()];
    let unknown = verify(&checkpoint.note, ORIGIN, &old, &[]);
    assert_eq!(unknown, Err(note::Error::UnknownKey));
    let statements = new.successions().await.unwrap();
    assert_eq!(statements.len(), 1);
    let followed = succession::follow(&old, &statements);
    assert!(verify(&checkpoint.note, ORIGIN, &followed, &[]).is_ok());
}
