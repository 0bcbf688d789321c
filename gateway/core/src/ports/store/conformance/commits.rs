//! What a commit does, alone and in a crowd.

use super::samples::{
    agency, clearance, done, draft, empty, one_of_each, put, request, waiting, whole, worker,
    worker_key, write,
};
use super::together;
use crate::access::AgencyKind;
use crate::journal::{Draft, EntryKind, Touched};
use crate::ports::store::{Commit, Error, Expect, Query, Store};
use crate::record::{Kind, Record, Stored};
use crate::stage::Stage;

pub(super) async fn a_commit_writes_all_its_parts(store: &dyn Store) {
    let commit = whole(1);
    let committed = done(store, commit.clone()).await;
    assert_eq!(committed.answer, commit.answer);
    assert!(!committed.repeated);
    assert_eq!(committed.receipt.index, 0);

    let stored = store.get(&worker_key(1)).await.unwrap();
    let record = Record::Worker(worker(1));
    assert_eq!(stored, Some(Stored { record, version: 1, as_of: committed.receipt.at }));

    let [entry] = store.entries(0, 10).await.unwrap().try_into().unwrap();
    assert_eq!(entry.receipt(), committed.receipt);
    assert_eq!(entry.draft, commit.entry);
    let [Touched { key, version, .. }] = &entry.touched[..] else { panic!("{entry:?}") };
    assert_eq!((key, *version), (&worker_key(1), 1));

    assert_eq!(waiting(store).await, [(AgencyKind::Kemnaker, 1), (AgencyKind::Kemenkes, 1)]);
    let kept = store.answered(&request(1)).await.unwrap().unwrap();
    assert_eq!((kept.receipt, kept.answer), (committed.receipt, commit.answer));
    assert!(kept.repeated);
}

pub(super) async fn a_record_comes_back_as_it_was_written(store: &dyn Store) {
    for record in one_of_each() {
        let at = put(store, record.clone()).await.receipt.at;
        let expected = Stored { record: record.clone(), version: 1, as_of: at };
        assert_eq!(store.get(&record.key()).await.unwrap().unwrap(), expected);
        let listed = store.list(&Query::of(record.key().kind, 10)).await.unwrap();
        assert_eq!(listed, [expected]);
    }
}

pub(super) async fn a_commit_without_records_is_an_entry(store: &dyn Store) {
    let entry = Draft { kind: EntryKind::Disclosure, ..draft() };
    for index in 0..2 {
        let committed = done(store, Commit { entry: entry.clone(), ..empty() }).await;
        assert_eq!(committed.receipt.index, index);
        assert!(!committed.repeated, "without a request nothing is a repetition");
    }
    let entries = store.entries(0, 10).await.unwrap();
    assert!(entries.iter().all(|it| it.draft == entry && it.touched.is_empty()));
}

pub(super) async fn a_crowd_gets_dense_indices(store: &dyn Store) {
    for round in 0..4 {
        let crowd = (0..64).map(|n| store.commit(whole(64 * round + n)));
        let mut receipts: Vec<_> =
            together(crowd).await.into_iter().map(|it| it.unwrap().receipt).collect();
        receipts.sort_by_key(|receipt| receipt.index);
        let first = u64::from(64 * round);
        let entries = store.entries(first, 1000).await.unwrap();
        assert_eq!(entries.len(), receipts.len());
        for ((index, receipt), entry) in (first..).zip(receipts).zip(entries) {
            assert_eq!(receipt.index, index);
            assert_eq!(receipt, entry.receipt());
        }
    }
    assert_eq!(store.journal_len().await.unwrap(), 256);
    assert_eq!(store.verify().await.unwrap(), 256);
}

pub(super) async fn one_of_a_crowd_fails_alone(store: &dyn Store) {
    done(store, whole(0)).await;
    // Every third expects worker 0 to be absent, and would deliver it.
    let crowd = (1..64).map(|n| {
        let commit =
            if n % 3 == 0 { Commit { request: Some(request(n)), ..whole(0) } } else { whole(n) };
        store.commit(commit)
    });
    let answers = together(crowd).await;
    let mut indices = Vec::new();
    for (n, answer) in (1..64).zip(answers) {
        if n % 3 == 0 {
            assert_eq!(answer, Err(Error::Conflict(Kind::Worker)), "{n}");
            assert_eq!(store.answered(&request(n)).await, Ok(None));
        } else {
            indices.push(answer.unwrap().receipt.index);
        }
    }
    indices.sort_unstable();
    assert_eq!(indices, (1..43).collect::<Vec<_>>());
    assert_eq!(store.journal_len().await.unwrap(), 43);
    assert_eq!(waiting(store).await, [(AgencyKind::Kemnaker, 43), (AgencyKind::Kemenkes, 43)]);
    assert_eq!(store.verify().await.unwrap(), 43);
}

pub(super) async fn one_of_many_changes_to_a_version_succeeds(store: &dyn Store) {
    put(store, Record::Worker(worker(1))).await;
    let crowd = (0..16).map(|n| {
        let mut changed = worker(1);
        changed.registered_by = agency(&format!("office-{n}"));
        changed.stage = Stage::Ready;
        store.commit(write(Record::Worker(changed), Expect::Version(1)))
    });
    let answers = together(crowd).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|it| it.is_ok() || *it == Err(Error::Conflict(Kind::Worker))));
    let winner = answers.iter().position(Result::is_ok).unwrap();
    let stored = store.get(&worker_key(1)).await.unwrap().unwrap();
    assert_eq!(stored.version, 2);
    let worker = stored.record.into_worker().unwrap();
    assert_eq!(worker.registered_by, agency(&format!("office-{winner}")));

    // A certificate that a crowd hands in is there once.
    let crowd = (0..16).map(|n| {
        let mut clearance = clearance(n, &worker);
        clearance.certificate_number = "MCU/1".to_owned();
        store.commit(write(Record::Clearance(clearance), Expect::Absent))
    });
    let answers = together(crowd).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|it| it.is_ok() || *it == Err(Error::AliasTaken(Kind::Clearance))));
}
