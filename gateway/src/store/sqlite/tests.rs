use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use desmigratif_core::access::{AgencyKind, Classes, Purpose};
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus};
use desmigratif_core::journal::{Draft, EntryKind};
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::store::{Expect, Write, conformance};
use desmigratif_core::record::Record;
use proptest::prelude::{ProptestConfig, any, proptest};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

/// A folder with a store in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn open(&self) -> Sqlite {
        Sqlite::open(&self.path(), Arc::new(SystemClock), KeyRing::of_tests()).unwrap()
    }

    fn refusal(&self) -> OpenError {
        Sqlite::open(&self.path(), Arc::new(SystemClock), KeyRing::of_tests())
            .err()
            .expect("it is to be refused")
    }

    /// The file as an operator's tool would open it.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn agency(n: u32) -> Record {
    Record::Agency(Agency {
        id: AgencyId::parse(&format!("agency-{n}")).unwrap(),
        kind: AgencyKind::Clinic,
        name: "Klinik Contoh".to_owned(),
        purposes: BTreeSet::from([Purpose::ClearanceSubmission]),
        status: AgencyStatus::Active,
        region: None,
        facility: None,
        certificates: Vec::new(),
    })
}

/// Writes agency `n` for request `n`.
pub(super) fn commit(n: u32) -> Commit {
    let caller = AgencyId::parse("operator").unwrap();
    Commit {
        request: Some(request(n)),
        writes: vec![Write { record: agency(n), expect: Expect::Absent }],
        unchanged: vec![],
        entry: Draft {
            kind: EntryKind::Change,
            agency: caller,
            purpose: Some(Purpose::Operations),
            method: "a.B/C".to_owned(),
            request_digest: [1; 32],
            subjects: vec![],
            classes: Classes::NONE,
            trace_id: [0; 16],
        },
        credentials: None,
        deliveries: vec![],
        orders: vec![],
        erase: None,
        answer: n.to_be_bytes().to_vec(),
    }
}

fn request(n: u32) -> Request {
    let agency = AgencyId::parse("operator").unwrap();
    Request { agency, id: Uuid::from_u128(n.into()), digest: [1; 32] }
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Committed, Error>> + Send + 'a>>;

/// Hands commits in, in this order, and gives those that wait for their answer, and the answers
/// that came at once.
fn hand_in(
    store: &Sqlite,
    commits: impl IntoIterator<Item = Commit>,
) -> (Vec<Answering<'_>>, Vec<Result<Committed, Error>>) {
    let (mut waiting, mut answered) = (Vec::new(), Vec::new());
    for commit in commits {
        let mut answer = store.commit(commit);
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => waiting.push(answer),
            Poll::Ready(answer) => answered.push(answer),
        }
    }
    (waiting, answered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_to_the_port() {
    let places = Mutex::new(Vec::new());
    conformance::run_all(async |clock| {
        let place = Place::new();
        let store = Sqlite::open(&place.path(), clock, KeyRing::of_tests()).unwrap();
        places.lock().unwrap().push(place);
        store
    })
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn agrees_with_the_model(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let place = Place::new();
        runtime.block_on(conformance::agrees_with_a_model(&place.open(), seed, 60));
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let place = Place::new();
    let mut receipts = Vec::new();
    for n in 0..3 {
        let store = place.open();
        receipts.push(store.commit(commit(2 * n)).await.unwrap().receipt);
        receipts.push(store.commit(commit(2 * n + 1)).await.unwrap().receipt);
    }
    let store = place.open();
    let entries = store.entries(0, 100).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.receipt()).collect::<Vec<_>>(), receipts);
    for (n, receipt) in (0..).zip(receipts) {
        assert_eq!(store.get(&agency(n).key()).await.unwrap().unwrap().record, agency(n));
        assert_eq!(store.commit(commit(n)).await.unwrap().receipt, receipt);
    }
    assert_eq!(store.verify().await, Ok(6));
}

#[tokio::test]
async fn a_commit_lands_when_its_caller_is_gone() {
    let place = Place::new();
    let store = place.open();
    let tool = place.raw();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (waiting, answered) = hand_in(&store, (0..3).map(commit));
    assert_eq!((waiting.len(), answered.len()), (3, 0));
    drop(waiting);
    tool.execute_batch("ROLLBACK").unwrap();
    // Dropping waits for the writer.
    drop(store);
    let store = place.open();
    assert_eq!(store.journal_len().await, Ok(3));
    assert!(store.answered(&request(2)).await.unwrap().is_some());
}

#[tokio::test]
async fn too_many_commits_are_refused_at_once() {
    let place = Place::new();
    let store = place.open();
    let tool = place.raw();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The writer may hold a whole batch beside the queue.
    let many = u32::try_from(QUEUE).unwrap() + 256 + 10;
    let (waiting, refused) = hand_in(&store, (0..many).map(commit));
    assert!(refused.len() >= 10, "{}", refused.len());
    assert!(refused.iter().all(|answer| matches!(answer, Err(Error::Unavailable(_)))));
    tool.execute_batch("ROLLBACK").unwrap();
    let accepted = waiting.len() as u64;
    for answer in waiting {
        answer.await.unwrap();
    }
    assert_eq!(store.journal_len().await, Ok(accepted));
}

#[tokio::test]
async fn a_commit_that_the_engine_cannot_digest_fails_alone() {
    let place = Place::new();
    let store = place.open();
    let tool = place.raw();
    // Fails after the record is written, so that the savepoint has something to undo.
    tool.execute_batch(
        "CREATE TRIGGER poison BEFORE INSERT ON request
         WHEN NEW.answer IN (x'00000005', x'00000007')
         BEGIN SELECT RAISE(ABORT, 'poison'); END;
         BEGIN IMMEDIATE;",
    )
    .unwrap();
    let (waiting, _) = hand_in(&store, (0..10).map(commit));
    tool.execute_batch("ROLLBACK").unwrap();
    for (n, answer) in (0..).zip(waiting) {
        match answer.await {
            Err(error) => {
                assert!([5, 7].contains(&n), "{n}: {error}");
                assert!(matches!(error, Error::Corrupt(_)), "retrying would not help");
                assert!(!error.to_string().contains("poison"), "SQLite's words stay inside");
                assert_eq!(store.get(&agency(n).key()).await, Ok(None));
            }
            Ok(committed) => assert_eq!(committed.answer, n.to_be_bytes()),
        }
    }
    tool.execute_batch("DROP TRIGGER poison").unwrap();
    assert_eq!(store.verify().await, Ok(8));
    store.commit(commit(5)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_reads_than_connections_take_turns() {
    let place = Place::new();
    let store = Arc::new(place.open());
    store.commit(commit(0)).await.unwrap();
    let reads: Vec<_> = (0..100)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.get(&agency(0).key()).await })
        })
        .collect();
    for read in reads {
        assert!(read.await.unwrap().unwrap().is_some());
    }
}

#[tokio::test]
async fn verifying_finds_what_was_changed_behind_its_back() {
    for (harm, finding) in [
        ("UPDATE entry SET method = 'a.B/D' WHERE idx = 1", "entry 1 does not have its hash"),
        (
            "UPDATE entry SET at_us = at_us + 60000000 WHERE idx = 1",
            "entry 1 does not have its hash",
        ),
        ("UPDATE entry SET classes = 200 WHERE idx = 1", "column 8"),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM entry WHERE idx = 1; DELETE FROM request WHERE idx = 1",
            "entry 1 is missing",
        ),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM entry WHERE idx = 2",
            "a request refers to no entry",
        ),
        (
            "UPDATE record SET body = CAST(replace(CAST(body AS TEXT), 'Contoh', 'Contho') AS BLOB) WHERE id = 'agency-1'",
            "entry 1 wrote",
        ),
        ("DELETE FROM record WHERE id = 'agency-1'", "entry 1 wrote"),
        ("UPDATE record SET version = 2 WHERE id = 'agency-1'", "2 of 3 records"),
        (
            "INSERT INTO tally VALUES ('worker', 4, '3212', 'abroad', '', 1, 0)",
            "places are not counted",
        ),
        ("INSERT INTO place_count VALUES ('worker', '3212162004', 1)", "places are not counted"),
        (
            "INSERT INTO record (kind, id, version, as_of, body) VALUES ('agency', 'x', 1, 0, x'00')",
            "3 of 4 records",
        ),
    ] {
        let place = Place::new();
        let store = place.open();
        for n in 0..3 {
            store.commit(commit(n)).await.unwrap();
        }
        assert_eq!(store.verify().await, Ok(3));
        place.raw().execute_batch(harm).unwrap();
        let Err(Error::Corrupt(found)) = store.verify().await else { panic!("{harm}") };
        assert!(found.contains(finding), "{harm}: {found}");
    }
}

#[test]
fn a_store_has_one_process() {
    let place = Place::new();
    let store = place.open();
    assert!(matches!(place.refusal(), OpenError::InUse { .. }));
    // Also under another name.
    let alias = place.folder.path().join("alias.db");
    std::os::unix::fs::symlink(place.path(), &alias).unwrap();
    let refusal = Sqlite::open(&alias, Arc::new(SystemClock), KeyRing::of_tests()).err();
    assert!(matches!(refusal, Some(OpenError::InUse { .. })));
    drop(store);
    place.open();
}

/// Refuses the file, and leaves it as it was.
fn refused(place: &Place) -> OpenError {
    let before = fs::read(place.path()).unwrap();
    let refusal = place.refusal();
    assert_eq!(fs::read(place.path()).unwrap(), before, "{refusal}");
    assert_eq!(refusal.to_string().lines().count(), 1, "{refusal}");
    refusal
}

#[test]
fn what_is_no_store_is_refused_and_untouched() {
    let place = Place::new();
    for garbage in [b"x".to_vec(), b"NIK,nama\n".repeat(1000), vec![0; 8192]] {
        fs::write(place.path(), garbage).unwrap();
        assert!(matches!(refused(&place), OpenError::Corrupt { .. }));
    }
    fs::remove_file(place.path()).unwrap();
    place.raw().execute_batch("CREATE TABLE invoice (id INTEGER)").unwrap();
    let refusal = refused(&place);
    assert!(refusal.to_string().contains("another program"), "{refusal}");
}

#[tokio::test]
async fn a_torn_store_is_refused_and_untouched() {
    let place = Place::new();
    let store = place.open();
    for n in 0..50 {
        store.commit(commit(n)).await.unwrap();
    }
    drop(store);
    let whole = fs::read(place.path()).unwrap();
    for kept in [100, 4096, whole.len() / 2, whole.len() - 4096] {
        fs::write(place.path(), &whole[..kept]).unwrap();
        assert!(matches!(refused(&place), OpenError::Corrupt { .. }), "{kept}");
    }
    let mut scribbled = whole.clone();
    scribbled[16..2048].fill(0xa5);
    fs::write(place.path(), &scribbled).unwrap();
    assert!(matches!(refused(&place), OpenError::Corrupt { .. }));
    fs::write(place.path(), &whole).unwrap();
    assert_eq!(place.open().verify().await, Ok(50));
}

#[test]
fn a_newer_schema_is_refused_and_untouched() {
    let place = Place::new();
    drop(place.open());
    let newer = place.raw();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    // As the newer version leaves it when it is killed: the mark is only in the log.
    let killed = Place::new();
    let log = |place: &Place| place.folder.path().join("store.db-wal");
    fs::copy(place.path(), killed.path()).unwrap();
    fs::copy(log(&place), log(&killed)).unwrap();
    let before = fs::read(log(&killed)).unwrap();
    assert!(!before.is_empty());
    drop(newer);
    for place in [&place, &killed] {
        let refusal = refused(place);
        assert!(
            matches!(refusal, OpenError::NewerSchema { found: 99, known: 10, .. }),
            "{refusal}"
        );
        let line = refusal.to_string();
        assert!(line.contains("schema 99") && line.contains("above 10"), "{line}");
    }
    assert_eq!(fs::read(log(&killed)).unwrap(), before);
}

#[test]
fn a_place_that_cannot_hold_a_store_is_named() {
    let place = Place::new();
    let nowhere = place.folder.path().join("none").join("store.db");
    for path in [nowhere.as_path(), place.folder.path()] {
        let refusal = Sqlite::open(path, Arc::new(SystemClock), KeyRing::of_tests()).err().unwrap();
        assert!(matches!(refusal, OpenError::Io { .. }), "{refusal}");
        let line = refusal.to_string();
        assert!(line.starts_with(path.to_str().unwrap()) && line.lines().count() == 1, "{line}");
    }
}

#[test]
fn an_empty_file_becomes_a_store_of_its_owner() {
    let place = Place::new();
    fs::write(place.path(), b"").unwrap();
    drop(place.open());
    fs::remove_file(place.path()).unwrap();
    let _store = place.open();
    for file in ["store.db", "store.db-wal", "store.db.lock"] {
        let mode = fs::metadata(place.folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}
