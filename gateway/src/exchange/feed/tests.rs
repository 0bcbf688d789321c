//! The tail over a real store, in time that passes when nobody has anything to do.

use desmigratif_core::access::{Classes, Purpose};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::{Draft, EntryKind};
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::ports::store::Commit;
use desmigratif_core::subject::Subject;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::store::sqlite::{self, Sqlite};
use crate::store::vault::KeyRing;

struct Stand {
    folder: TempDir,
    store: Arc<Sqlite>,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
        let path = folder.path().join("store.sqlite");
        let store = Sqlite::open(&path, clock, KeyRing::of_tests()).unwrap();
        Self { folder, store: Arc::new(store) }
    }

    /// A commit of another node: nobody here is told of it.
    async fn append(&self, people: usize) -> u64 {
        let entry = Draft {
            kind: EntryKind::Disclosure,
            agency: AgencyId::parse("kemnaker").unwrap(),
            purpose: Some(Purpose::Oversight),
            method: "a.B/C".into(),
            request_digest: [1; 32],
            subjects: (0..people).map(subject).collect(),
            classes: Classes::NONE,
            trace_id: [0; 16],
        };
        self.store.commit(Commit::of(entry)).await.unwrap().receipt.index
    }

    /// A tail that stands before the first entry.
    fn tail(&self) -> (Arc<Feed>, AbortOnDropHandle<()>) {
        running(Feed::at(self.store.clone(), 0))
    }

    /// Does something to the store's file that no gateway would.
    fn harm(&self, sql: &str) {
        sqlite::harm(&self.folder.path().join("store.sqlite"), sql);
    }
}

fn running(feed: Feed) -> (Arc<Feed>, AbortOnDropHandle<()>) {
    let feed = Arc::new(feed);
    let run = tokio::spawn({
        let feed = feed.clone();
        async move { feed.run().await }
    });
    (feed, AbortOnDropHandle::new(run))
}

fn subject(n: usize) -> Subject {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Subject::from_bytes(&bytes).unwrap()
}

/// What a reader gets from a place on until it has reached the end.
async fn read(feed: &Feed, mut place: u64, end: u64, limit: usize) -> Vec<u64> {
    let mut indices = Vec::new();
    while place < end {
        let entries = feed.after(place, limit).await.unwrap();
        assert!((1..=limit).contains(&entries.len()), "one at the least, {limit} at the most");
        indices.extend(entries.iter().map(|entry| entry.index));
        place = indices.last().map_or(place, |last| last + 1);
    }
    indices
}

/// Keeps time from passing by itself until it is dropped, or for some seconds of the real one.
fn time_stands() -> std::sync::mpsc::Sender<()> {
    let (held, let_go) = std::sync::mpsc::channel();
    // Paused time does not pass while a thread for blocking work is busy.
    tokio::task::spawn_blocking(move || let_go.recv_timeout(Duration::from_secs(10)));
    held
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_this_node_wakes_the_tail_before_it_looks_by_itself() {
    let stand = Stand::new();
    let (feed, _run) = stand.tail();
    let (_stands, begun) = (time_stands(), Instant::now());
    for index in 0..3 {
        assert_eq!(stand.append(0).await, index);
        feed.committed(index);
        feed.reached(index).await;
    }
    assert_eq!((feed.head(), begun.elapsed()), (3, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_another_node_commits_is_found_by_looking() {
    let stand = Stand::new();
    let (feed, _run) = stand.tail();
    assert!(timeout(LOOK * 3, feed.after(0, 10)).await.is_err(), "there is nothing yet");
    stand.append(0).await;
    let found = timeout(LOOK * 3, feed.after(0, 10)).await.expect("within two looks").unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_reader_gets_every_entry_once_and_in_order_while_others_write() {
    const ENTRIES: u64 = 300;
    let stand = Stand::new();
    let (feed, _run) = stand.tail();
    let writing = async {
        for n in 0..ENTRIES {
            let index = stand.append(0).await;
            // Some are this node's, some another's.
            if n % 3 == 0 {
                feed.committed(index);
            }
        }
    };
    let reading = [(0, 1), (0, 7), (0, 500), (100, 13), (ENTRIES - 1, 9)].map(|(place, limit)| {
        let feed = &feed;
        async move {
            let expected: Vec<_> = (place..ENTRIES).collect();
            assert_eq!(read(feed, place, ENTRIES, limit).await, expected);
        }
    });
    tokio::join!(writing, futures_util::future::join_all(reading));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_lags_behind_what_is_held_finds_no_gap() {
    const PEOPLE: usize = 1_000;
    let stand = Stand::new();
    let (feed, _run) = stand.tail();
    let entries = (2 * HELD / PEOPLE) as u64;
    for _ in 0..entries {
        stand.append(PEOPLE).await;
    }
    feed.reached(entries - 1).await;
    let (first, weight) = { (feed.recent().first, feed.recent().weight) };
    assert!(first > 0 && weight <= HELD, "the oldest were let go: {first}, {weight}");
    assert_eq!(read(&feed, 0, entries, 50).await, (0..entries).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_is_passed_over_and_the_place_moves_on() {
    let stand = Stand::new();
    for _ in 0..9 {
        stand.append(0).await;
    }
    let held = Feed::open(stand.store.clone()).await.unwrap();
    let behind = Feed::at(stand.store.clone(), 9);
    for feed in [&*held, &behind] {
        let third = |entry: &Entry| entry.index.is_multiple_of(3);
        let (entries, next) = feed.after_where(1, 6, third).await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [3, 6]);
        assert_eq!(next, 7);
        let (entries, next) = feed.after_where(7, 6, |_| false).await.unwrap();
        assert_eq!((entries.len(), next), (0, 9));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tail_begins_with_what_came_last() {
    let stand = Stand::new();
    for _ in 0..5 {
        stand.append(0).await;
    }
    let feed = Feed::open(stand.store.clone()).await.unwrap();
    assert_eq!(feed.head(), 5, "before it runs");
    stand.harm("ALTER TABLE entry RENAME TO lost");
    let held = feed.after(2, 10).await.expect("from memory");
    assert_eq!(held.iter().map(|entry| entry.index).collect::<Vec<_>>(), [2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_until_it_answers() {
    let stand = Stand::new();
    for _ in 0..3 {
        stand.append(0).await;
    }
    stand.harm("ALTER TABLE entry RENAME TO lost");
    let (feed, _run) = stand.tail();
    assert!(timeout(PAUSE.1 * 4, feed.reached(0)).await.is_err());
    stand.harm("ALTER TABLE lost RENAME TO entry");
    assert_eq!(read(&feed, 0, 3, 10).await, [0, 1, 2], "nothing is passed over");
}

#[tokio::test(start_paused = true)]
async fn a_journal_with_a_gap_is_followed_no_further() {
    let stand = Stand::new();
    for _ in 0..3 {
        stand.append(0).await;
    }
    stand.harm("PRAGMA foreign_keys = OFF; DELETE FROM entry WHERE idx = 1");
    let (feed, _run) = stand.tail();
    assert!(timeout(PAUSE.1 * 4, feed.reached(0)).await.is_err());
    assert_eq!(feed.head(), 0);
}
