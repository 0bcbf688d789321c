use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use desmigratif_core::access::{DataClass, Purpose};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::{Draft, EntryKind, Hash, LeafVersion, Receipt};
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::store::{Commit, Store};
use jiff::Timestamp;
use tempfile::TempDir;

use super::super::{Sqlite, harm, tests};
use super::*;
use crate::store::vault::KeyRing;

fn subject(n: u8) -> Subject {
    Subject::from_bytes(&[n; 32]).unwrap()
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Arc::new(SystemClock), KeyRing::of_tests()).unwrap()
}

/// A disclosure of Kemnaker's about people.
fn about(people: &[u8]) -> Commit {
    Commit::of(Draft {
        kind: EntryKind::Disclosure,
        agency: AgencyId::parse("kemnaker").unwrap(),
        purpose: Some(Purpose::PlacementScreening),
        method: "a.B/C".to_owned(),
        request_digest: [1; 32],
        subjects: people.iter().copied().map(subject).collect(),
        classes: Classes::of(&[DataClass::Identity, DataClass::Contact]),
        trace_id: [0; 16],
    })
}

/// All of an agency's entries up to now.
fn all_of(agency: &str, limit: u32) -> Span {
    Span {
        caller: Caller::Agency(AgencyId::parse(agency).unwrap()),
        from: Timestamp::UNIX_EPOCH,
        to: Timestamp::MAX,
        after: None,
        limit,
    }
}

#[tokio::test]
async fn entries_of_an_older_store_are_found_by_those_whom_they_concern() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path);
    let many: Vec<u8> = (10..=255).collect();
    for people in [&[1, 2, 1][..], &[], &[2], &many] {
        store.commit(about(people)).await.unwrap();
    }
    let mut found = Vec::new();
    for n in 0..=255 {
        found.push(store.entries_about(&subject(n), None, 9).await.unwrap());
    }
    let exposed = store.exposures(&all_of("kemnaker", 999)).await.unwrap();
    assert_eq!((found[1].len(), found[2].len(), found[255].len()), (1, 2, 1));
    assert_eq!(exposed.people.len(), 2 + many.len());
    // As it was before the table, with leaves of that time.
    let old = |entry: Entry| Entry { leaf_version: LeafVersion::V1, ..entry };
    let old_leaves = |entries: Vec<Entry>| entries.into_iter().map(old).collect::<Vec<_>>();
    let leaves: Vec<_> = old_leaves(store.entries(0, 9).await.unwrap());
    found = found.into_iter().map(old_leaves).collect();
    drop(store);
    for entry in leaves {
        let Receipt { index, leaf_hash, .. } = entry.receipt();
        let hash = hex::encode(leaf_hash);
        harm(&path, &format!("UPDATE entry SET leaf_hash = X'{hash}' WHERE idx = {index}"));
    }
    harm(
        &path,
        "DROP TRIGGER record_in; DROP TRIGGER record_moved; DROP TRIGGER record_renewed;
         DROP TABLE timestamp; DROP TABLE tally; DROP TABLE place_count;
         ALTER TABLE record DROP COLUMN facet;
         ALTER TABLE entry_subject DROP COLUMN certificate;
         ALTER TABLE entry DROP COLUMN revocation; ALTER TABLE entry DROP COLUMN certificate;
         ALTER TABLE entry DROP COLUMN leaf_version;
         DROP TABLE entry_signature; DROP TABLE revocation; DROP TABLE certificate;
         DROP TABLE succession; DROP INDEX checkpoint_witnessed;
         ALTER TABLE checkpoint DROP COLUMN witnessed;
         DROP TABLE entry_subject; PRAGMA user_version = 4",
    );

    let store = open(&path);
    assert_eq!(store.verify().await, Ok(4));
    for (n, found) in (0..=255).zip(&found) {
        assert_eq!(&store.entries_about(&subject(n), None, 9).await.unwrap(), found, "{n}");
    }
    assert_eq!(store.exposures(&all_of("kemnaker", 999)).await.unwrap(), exposed);
}

#[tokio::test]
async fn verifying_finds_an_entry_that_its_people_do_not_find() {
    for (change, finding) in [
        ("DELETE FROM entry_subject WHERE idx = 1", "entry 1 is not found"),
        ("UPDATE entry_subject SET idx = 9 WHERE idx = 1", "entry 1 is not found"),
        ("UPDATE entry_subject SET agency = 'kemenkes' WHERE idx = 2", "entry 2 is not found"),
        ("UPDATE entry_subject SET at_us = at_us - 1 WHERE idx = 2", "entry 2 is not found"),
        ("UPDATE entry_subject SET classes = 1 WHERE idx = 0", "entry 0 is not found"),
        (
            "INSERT INTO entry_subject VALUES (zeroblob(32), 1, 1, 'kemenkes', 4, NULL)",
            "5 rows say whom entries concern, 4 are right",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store.db");
        let store = open(&path);
        for people in [&[1, 2][..], &[1], &[3, 3]] {
            store.commit(about(people)).await.unwrap();
        }
        assert_eq!(store.verify().await, Ok(3));
        harm(&path, change);
        let Err(Error::Corrupt(found)) = store.verify().await else { panic!("{change}") };
        assert!(found.contains(finding), "{change}: {found}");
    }
}

#[tokio::test]
async fn a_look_for_people_ends_where_it_has_seen_enough_and_goes_on_there() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path);
    // Another agency's entries alone, about five people: more rows than one look goes through.
    let each = MOST_ROWS / 4;
    harm(
        &path,
        &format!(
            "INSERT INTO entry_subject
             WITH RECURSIVE up (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM up WHERE n < 5 * {each} - 1)
             SELECT CAST(zeroblob(31) || char(1 + n / {each}) AS BLOB), n, n, 'kemenkes', 4, NULL FROM up",
        ),
    );
    let span = all_of("kemnaker", 10);
    let first = store.exposures(&span).await.unwrap();
    assert!(first.people.is_empty());
    let next = first.next.expect("not all of it was seen");
    assert_eq!(next.as_bytes()[31], 4);
    let rest = store.exposures(&Span { after: Some(next), ..span }).await.unwrap();
    assert_eq!((rest.people.len(), rest.next), (0, None));
    let other = store.exposures(&all_of("kemenkes", 10)).await.unwrap();
    assert_eq!(other.people.len(), 4);
    assert!(other.people.iter().all(|person| person.entries == u64::from(each)));
}

/// A million entries about two people each, of three agencies, over half a million people; the file
/// is on the disk, the system's cache is warm.
#[tokio::test]
#[ignore = "a measurement, which a busy machine spoils: cargo test --release -p desmigratif --lib a_breach_in_a_long_journal -- --ignored --nocapture"]
async fn a_breach_in_a_long_journal_is_told_in_seconds() {
    const ENTRIES: u32 = 1_000_000;
    const STOLEN: Hash = [2; 32];
    let stolen = hex::encode(STOLEN);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path);
    store.commit(tests::commit(0)).await.unwrap();
    harm(
        &path,
        &format!(
            "PRAGMA synchronous = OFF;
             BEGIN;
             CREATE TEMP TABLE person AS
                 WITH RECURSIVE up (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM up WHERE n < 499999)
                 SELECT n AS id, randomblob(32) AS subject FROM up;
             CREATE UNIQUE INDEX temp.by_id ON person (id);
             INSERT INTO certificate VALUES (1, zeroblob(32), X''), (2, X'{stolen}', X''), (3, X'03', X'');
             WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < {ENTRIES})
             INSERT INTO entry
             SELECT n, n, 'disclosure', 'agency-' || (n % 3), 'oversight', 'a.B/C', zeroblob(32),
                    CAST(a.subject || b.subject AS BLOB), 4, zeroblob(16), '[]', zeroblob(16), zeroblob(32),
                    2, n % 3 + 1, NULL
             FROM up JOIN person a ON a.id = (n * 7919) % 500000
                     JOIN person b ON b.id = (n * 104729 + 1) % 500000;
             INSERT OR IGNORE INTO entry_subject
             SELECT substr(subjects, 1, 32), idx, at_us, agency, classes, certificate FROM entry WHERE idx > 0;
             INSERT OR IGNORE INTO entry_subject
             SELECT substr(subjects, 33, 32), idx, at_us, agency, classes, certificate FROM entry WHERE idx > 0;
             COMMIT;"
        ),
    );
    let agency = all_of("agency-1", 5_000);
    for span in [agency.clone(), Span { caller: Caller::Certificate(STOLEN), ..agency }] {
        measure(&store, span, ENTRIES).await;
    }
}

/// Asks for everybody in a span that a third of so many entries is in.
#[allow(clippy::print_stdout, reason = "what was measured is for whoever asked for it")]
async fn measure(store: &Sqlite, mut span: Span, all: u32) {
    let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
    let (mut people, mut entries, mut pages) = (0, 0, 0);
    loop {
        let page_begun = Instant::now();
        let page = store.exposures(&span).await.unwrap();
        slowest = slowest.max(page_begun.elapsed());
        people += page.people.len();
        entries += page.people.iter().map(|person| person.entries).sum::<u64>();
        pages += 1;
        span.after = page.next;
        if span.after.is_none() {
            break;
        }
    }
    let took = begun.elapsed();
    println!(
        "{:?}: {people} people, {entries} times, {pages} pages, {took:?}, slowest page {slowest:?}",
        span.caller
    );
    assert!(entries >= u64::from(all) / 3, "a third of the entries is the caller's");
    assert!(took < Duration::from_secs(1), "ten million would take longer than 10 s");
}
