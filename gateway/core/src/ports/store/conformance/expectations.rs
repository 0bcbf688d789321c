//! What a commit may expect, and what becomes of it when it expects wrongly.

use super::samples::{
    clearance, done, put, request, subject, waiting, whole, worker, worker_key, write,
};
use crate::access::AgencyKind;
use crate::ports::store::outbox::Delivery;
use crate::ports::store::{Commit, Error, Expect, Store, Write};
use crate::record::{Kind, Record, certificate_alias};
use crate::stage::Stage;

const CONFLICT: Error = Error::Conflict(Kind::Worker);

pub(super) async fn an_absent_record_is_new(store: &dyn Store) {
    let commit = write(Record::Worker(worker(1)), Expect::Absent);
    done(store, commit.clone()).await;
    assert_eq!(store.get(&worker_key(1)).await.unwrap().unwrap().version, 1);
    assert_eq!(store.commit(commit).await, Err(CONFLICT));
    assert_eq!(store.get(&worker_key(2)).await, Ok(None));
}

pub(super) async fn a_version_must_be_the_last(store: &dyn Store) {
    let expecting = |version| write(Record::Worker(worker(1)), Expect::Version(version));
    for version in [0, 1] {
        assert_eq!(store.commit(expecting(version)).await, Err(CONFLICT), "there is none");
    }
    put(store, Record::Worker(worker(1))).await;
    for version in 1..4 {
        for wrong in [0, version - 1, version + 1, u64::MAX] {
            assert_eq!(store.commit(expecting(wrong)).await, Err(CONFLICT));
        }
        done(store, expecting(version)).await;
    }
    let entries = store.entries(0, 10).await.unwrap();
    let versions: Vec<_> = entries.iter().map(|entry| entry.touched[0].version).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    assert_eq!(store.get(&worker_key(1)).await.unwrap().unwrap().version, 4);
}

pub(super) async fn anything_may_be_expected(store: &dyn Store) {
    for version in 1..4 {
        put(store, Record::Worker(worker(1))).await;
        assert_eq!(store.get(&worker_key(1)).await.unwrap().unwrap().version, version);
    }
}

pub(super) async fn what_a_rule_was_judged_by_must_be_unchanged(store: &dyn Store) {
    let judged_by = |n, version| Commit {
        unchanged: vec![(worker_key(n), version)],
        ..write(Record::Clearance(clearance(1, &worker(n))), Expect::Any)
    };
    assert_eq!(store.commit(judged_by(1, 1)).await, Err(CONFLICT), "there is none");
    put(store, Record::Worker(worker(1))).await;
    done(store, judged_by(1, 1)).await;
    put(store, Record::Worker(worker(1))).await;
    assert_eq!(store.commit(judged_by(1, 1)).await, Err(CONFLICT));
    done(store, judged_by(1, 2)).await;
    // What the commit writes itself is judged as it was before.
    let both = Commit {
        unchanged: vec![(worker_key(1), 2)],
        ..write(Record::Worker(worker(1)), Expect::Version(2))
    };
    done(store, both).await;
    assert_eq!(store.get(&worker_key(1)).await.unwrap().unwrap().version, 3);
}

pub(super) async fn an_alias_is_unique_within_its_kind(store: &dyn Store) {
    put(store, Record::Worker(worker(1))).await;
    let mut twin = worker(2);
    twin.subject = subject(1);
    for expect in [Expect::Absent, Expect::Any] {
        let answer = store.commit(write(Record::Worker(twin.clone()), expect)).await;
        assert_eq!(answer, Err(Error::AliasTaken(Kind::Worker)));
    }
    assert_eq!(store.get(&worker_key(2)).await, Ok(None));
    // The record that has the alias may keep it.
    put(store, Record::Worker(worker(1))).await;
    // Another one may not change to it.
    put(store, Record::Worker(worker(2))).await;
    let answer = store.commit(write(Record::Worker(twin), Expect::Version(1))).await;
    assert_eq!(answer, Err(Error::AliasTaken(Kind::Worker)));
    // A clearance is about a worker's person without having that alias.
    put(store, Record::Clearance(clearance(1, &worker(1)))).await;
    assert_eq!(store.get_by_alias(Kind::Clearance, &subject(1).to_string()).await, Ok(None));
}

pub(super) async fn an_alias_follows_its_record(store: &dyn Store) {
    let mut certificate = clearance(1, &worker(1));
    let alias = |number| certificate_alias("klinik-01", number);
    certificate.certificate_number = "A".to_owned();
    put(store, Record::Clearance(certificate.clone())).await;
    certificate.certificate_number = "B".to_owned();
    put(store, Record::Clearance(certificate.clone())).await;
    assert_eq!(store.get_by_alias(Kind::Clearance, &alias("A")).await, Ok(None));
    let found = store.get_by_alias(Kind::Clearance, &alias("B")).await.unwrap().unwrap();
    assert_eq!((found.version, found.record), (2, Record::Clearance(certificate)));
    // The one that was given up is free.
    let mut other = clearance(2, &worker(1));
    other.certificate_number = "A".to_owned();
    done(store, write(Record::Clearance(other), Expect::Absent)).await;
}

pub(super) async fn a_refused_commit_changes_nothing(store: &dyn Store) {
    put(store, Record::Worker(worker(1))).await;
    let mut advanced = worker(1);
    advanced.stage = Stage::Ready;
    let advance = Write { record: Record::Worker(advanced), expect: Expect::Version(1) };
    let alias_taken = {
        let mut twin = worker(3);
        twin.subject = subject(1);
        Write { record: Record::Worker(twin), expect: Expect::Absent }
    };
    let missing = Write { record: Record::Worker(worker(4)), expect: Expect::Version(1) };
    for (spoiler, error) in [(alias_taken, Error::AliasTaken(Kind::Worker)), (missing, CONFLICT)] {
        // Whichever comes first.
        for order in [[0, 1, 2], [2, 1, 0]] {
            let new = Write { record: Record::Worker(worker(2)), expect: Expect::Absent };
            let writes = [advance.clone(), new, spoiler.clone()];
            let commit = Commit { writes: order.map(|i| writes[i].clone()).into(), ..whole(2) };
            assert_eq!(store.commit(commit).await, Err(error.clone()));
        }
    }
    assert_eq!(store.journal_len().await.unwrap(), 1);
    assert_eq!(waiting(store).await, []);
    assert_eq!(store.answered(&request(2)).await, Ok(None));
    assert_eq!(store.get(&worker_key(2)).await, Ok(None));
    let kept = store.get(&worker_key(1)).await.unwrap().unwrap();
    assert_eq!((kept.version, kept.record), (1, Record::Worker(worker(1))));
    assert_eq!(done(store, whole(2)).await.receipt.index, 1);
    assert_eq!(store.verify().await.unwrap(), 2);
}

pub(super) async fn a_commit_that_contradicts_itself_is_refused(store: &dyn Store) {
    let write = |n| Write { record: Record::Worker(worker(n)), expect: Expect::Any };
    let twice = Commit { writes: vec![write(1), write(1)], ..whole(1) };
    assert_eq!(store.commit(twice).await, Err(CONFLICT), "a record is written once");

    let mut twin = write(2);
    if let Record::Worker(worker) = &mut twin.record {
        worker.subject = subject(1);
    }
    let twins = Commit { writes: vec![write(1), twin], ..whole(1) };
    assert_eq!(store.commit(twins).await, Err(Error::AliasTaken(Kind::Worker)));

    let stray = Delivery { to: AgencyKind::Kemnaker, subject: subject(2), record: worker_key(2) };
    let delivering = Commit { deliveries: vec![stray], ..whole(1) };
    assert_eq!(store.commit(delivering).await, Err(CONFLICT), "what is delivered is written");
    assert_eq!(store.journal_len().await, Ok(0));
}
