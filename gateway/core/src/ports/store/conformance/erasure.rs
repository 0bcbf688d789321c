//! Erasing a person: what goes, and what stays.

use jiff::SignedDuration;

use super::samples::{
    clearance, done, draft, member, noon, put, request, subject, whole, worker, worker_key, write,
};
use crate::access::AgencyKind;
use crate::journal::Draft;
use crate::ports::store::outbox::{DeliveryState, Filter, Lease, Settled, Settlement};
use crate::ports::store::{Commit, Committed, Error, Expect, Query, Store};
use crate::record::{Kind, Record};
use crate::stage::Stage;

/// A commit about person `n` alone.
fn about(n: u32, commit: Commit) -> Commit {
    Commit { entry: Draft { subjects: vec![subject(n)], ..draft() }, ..commit }
}

async fn erase(store: &dyn Store, n: u32) -> Committed {
    done(store, Commit { erase: Some(subject(n)), ..about(n, Commit::of(draft())) }).await
}

/// Registers persons 1 and 2, each with a changed record, a clearance and a family member without
/// a NIK; every change waits for ministries.
async fn populate(store: &dyn Store) {
    for n in 1..=2 {
        done(store, about(n, whole(n))).await;
        let mut changed = worker(n);
        changed.stage = Stage::Ready;
        let again = Commit { request: None, ..whole(n) };
        let changed = write(Record::Worker(changed), Expect::Any).writes;
        done(store, about(n, Commit { writes: changed, ..again })).await;
        let records = [
            Record::Clearance(clearance(n, &worker(n))),
            Record::FamilyMember(member(n, &worker(n))),
        ];
        for record in records {
            done(store, about(n, write(record, Expect::Absent))).await;
        }
    }
}

async fn in_state(store: &dyn Store, state: DeliveryState) -> usize {
    let filter = Filter { state: Some(state), limit: 100, ..Filter::default() };
    store.deliveries(&filter).await.unwrap().len()
}

pub(super) async fn an_erased_person_is_gone(store: &dyn Store) {
    populate(store).await;
    let entries = store.journal_len().await.unwrap();
    assert!(store.answered(&request(1)).await.unwrap().is_some());
    assert_eq!(erase(store, 1).await.receipt.index, entries);

    assert_eq!(store.get(&worker_key(1)).await, Ok(None));
    let alias = |n| subject(n).to_string();
    assert_eq!(store.get_by_alias(Kind::Worker, &alias(1)).await, Ok(None));
    assert!(store.get_by_alias(Kind::Worker, &alias(2)).await.unwrap().is_some());
    for kind in [Kind::Worker, Kind::Clearance, Kind::FamilyMember] {
        // The first page is not short of the one who stays.
        assert_eq!(store.list(&Query::of(kind, 1)).await.unwrap().len(), 1, "{kind:?}");
        assert_eq!(store.list(&Query::of(kind, 9)).await.unwrap().len(), 1, "{kind:?}");
        let own = Query { subject: Some(subject(1)), ..Query::of(kind, 9) };
        assert_eq!(store.list(&own).await, Ok(vec![]));
        let parent = Some(worker(1).id.to_string());
        assert_eq!(store.list(&Query { parent, ..Query::of(kind, 9) }).await, Ok(vec![]));
    }
    let counted: u64 =
        store.tally(Kind::Worker, "").await.unwrap().iter().map(|tally| tally.count).sum();
    assert_eq!(counted, 1);
    assert_eq!(store.answered(&request(1)).await, Err(Error::Erased));
    assert_eq!(store.commit(about(1, whole(1))).await, Err(Error::Erased), "nor is it done anew");
    assert!(store.answered(&request(2)).await.unwrap().is_some());
    // The journal keeps its lines.
    assert_eq!(store.journal_len().await, Ok(entries + 1));
    assert_eq!(store.verify().await, Ok(entries + 1));
}

pub(super) async fn what_of_an_erased_person_still_waits_is_discarded(store: &dyn Store) {
    populate(store).await;
    let lease =
        Lease { to: AgencyKind::Kemnaker, until: noon() + SignedDuration::from_secs(60), limit: 9 };
    let under_way = store.lease(lease).await.unwrap().remove(0);
    assert_eq!(under_way.subject, subject(1));
    erase(store, 1).await;
    let filter = Filter { state: Some(DeliveryState::Discarded), limit: 9, ..Filter::default() };
    let discarded = store.deliveries(&filter).await.unwrap();
    assert_eq!(discarded.len(), 4, "two versions for each of two ministries");
    assert!(discarded.iter().all(|it| it.record == worker_key(1)));
    assert!(discarded.iter().all(|it| it.reason.as_deref() == Some("the person was erased")));
    assert_eq!(in_state(store, DeliveryState::Waiting).await, 4);
    // One that was on its way meanwhile settles nothing.
    let (id, token) = (under_way.id, under_way.token);
    let outcome = Settled::Dead { reason: "rejected".to_owned() };
    store.settle(vec![Settlement { id, token, outcome }]).await.unwrap();
    assert_eq!(in_state(store, DeliveryState::Discarded).await, 4);
}

pub(super) async fn erasing_tells_nothing_and_may_be_repeated(store: &dyn Store) {
    populate(store).await;
    let mut answers = Vec::new();
    for (n, of) in [(7, 1), (8, 1), (9, 77)] {
        let erasure = Commit {
            request: Some(request(n)),
            erase: Some(subject(of)),
            answer: b"erased".to_vec(),
            ..about(of, Commit::of(draft()))
        };
        let first = done(store, erasure.clone()).await;
        let again = done(store, erasure).await;
        assert_eq!((again.receipt, &again.answer), (first.receipt, &first.answer));
        answers.push((first.answer, first.repeated, again.repeated));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0], (b"erased".to_vec(), false, true));
}

pub(super) async fn an_erased_person_may_come_back_as_another(store: &dyn Store) {
    populate(store).await;
    erase(store, 1).await;
    // Nothing that was judged before the erasure takes effect after it.
    let late = [
        write(Record::Worker(worker(1)), Expect::Version(2)),
        Commit {
            unchanged: vec![(worker_key(1), 2)],
            ..write(Record::Clearance(clearance(5, &worker(1))), Expect::Absent)
        },
    ];
    for commit in late {
        assert_eq!(store.commit(about(1, commit)).await, Err(Error::Conflict(Kind::Worker)));
    }
    done(store, about(1, Commit { request: Some(request(5)), ..whole(1) })).await;
    let back = store.get(&worker_key(1)).await.unwrap().unwrap();
    assert_eq!(back.record, Record::Worker(worker(1)));
    assert_eq!(store.list(&Query::of(Kind::Clearance, 9)).await.unwrap().len(), 1);
    put(store, Record::Worker(worker(1))).await;
    assert_eq!(store.answered(&request(1)).await, Err(Error::Erased));
    let entries = store.journal_len().await.unwrap();
    assert_eq!(store.verify().await, Ok(entries));
}
