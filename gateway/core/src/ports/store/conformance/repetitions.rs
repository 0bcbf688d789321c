//! The same request again (AIP-155).

use jiff::SignedDuration;

use super::samples::{agency, done, noon, put, request, waiting, whole, worker, worker_key};
use super::together;
use crate::access::AgencyKind;
use crate::ports::clock::SetClock;
use crate::ports::store::{Commit, Error, IDEMPOTENCY_DAYS, Request, Store};
use crate::record::{Kind, Record};

const KEPT: SignedDuration = SignedDuration::from_hours(24 * IDEMPOTENCY_DAYS);
const MICROSECOND: SignedDuration = SignedDuration::from_micros(1);

pub(super) async fn a_repetition_gets_the_first_answer(store: &dyn Store) {
    let first = done(store, whole(1)).await;
    // Also when its expectations no longer hold, and when it would be answered otherwise.
    put(store, Record::Worker(worker(1))).await;
    let again = done(store, Commit { answer: b"other".to_vec(), ..whole(1) }).await;
    assert_eq!((again.receipt, &again.answer), (first.receipt, &first.answer));
    assert!(again.repeated && !first.repeated);
    assert_eq!(store.answered(&request(1)).await, Ok(Some(again)));
    assert_eq!(store.journal_len().await, Ok(2));
    assert_eq!(store.get(&worker_key(1)).await.unwrap().unwrap().version, 2);
    assert_eq!(store.answered(&request(2)).await, Ok(None));
}

pub(super) async fn a_crowd_of_repetitions_has_one_effect(store: &dyn Store) {
    let answers = together((0..32).map(|_| store.commit(whole(1)))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|it| !it.repeated).count(), 1);
    assert!(answers.iter().all(|it| it.receipt == answers[0].receipt));
    assert!(answers.iter().all(|it| it.answer == answers[0].answer));
    assert_eq!(store.journal_len().await, Ok(1));
    assert_eq!(waiting(store).await, [(AgencyKind::Kemnaker, 1), (AgencyKind::Kemenkes, 1)]);
}

pub(super) async fn an_id_is_not_for_another_body(store: &dyn Store) {
    done(store, whole(1)).await;
    let other = Request { digest: [2; 32], ..request(1) };
    let commit = Commit { request: Some(other.clone()), ..whole(2) };
    assert_eq!(store.commit(commit).await, Err(Error::RequestReused));
    assert_eq!(store.answered(&other).await, Err(Error::RequestReused));
    assert_eq!(store.get(&worker_key(2)).await, Ok(None));
    assert_eq!(store.journal_len().await, Ok(1));
}

pub(super) async fn ids_of_different_agencies_never_meet(store: &dyn Store) {
    done(store, whole(1)).await;
    let other = Request { agency: agency("klinik-01"), digest: [2; 32], ..request(1) };
    assert_eq!(store.answered(&other).await, Ok(None));
    let second = done(store, Commit { request: Some(other.clone()), ..whole(2) }).await;
    assert!(!second.repeated);
    let kept = store.answered(&other).await.unwrap().unwrap();
    assert_eq!(kept.receipt, second.receipt);
}

pub(super) async fn a_refused_request_may_come_again(store: &dyn Store) {
    put(store, Record::Worker(worker(1))).await;
    assert_eq!(store.commit(whole(1)).await, Err(Error::Conflict(Kind::Worker)));
    let mended = Commit { request: whole(1).request, ..whole(2) };
    assert!(!done(store, mended).await.repeated);
}

pub(super) async fn an_answer_is_kept_for_thirty_days(store: &dyn Store, clock: &SetClock) {
    let first = done(store, whole(1)).await;
    clock.set(noon() + KEPT - MICROSECOND);
    assert!(store.answered(&request(1)).await.unwrap().is_some());
    assert_eq!(done(store, whole(1)).await.receipt, first.receipt);

    clock.set(noon() + KEPT);
    assert_eq!(store.answered(&request(1)).await, Ok(None));
    // The id is free, also for another body.
    let other = Request { digest: [2; 32], ..request(1) };
    assert_eq!(store.answered(&other).await, Ok(None));
    let second = done(store, Commit { request: Some(other.clone()), ..whole(2) }).await;
    assert!(!second.repeated);
    let kept = store.answered(&other).await.unwrap().unwrap();
    assert_eq!(kept.receipt, second.receipt);
    assert_eq!(store.answered(&request(1)).await, Err(Error::RequestReused));
}

pub(super) async fn expired_answers_make_room(store: &dyn Store, clock: &SetClock) {
    let made = |n: u32| noon() + KEPT / 20 * i32::try_from(n).unwrap();
    for n in 0..=40 {
        clock.set(made(n));
        done(store, whole(n)).await;
    }
    // What expired is forgotten, what did not is kept; records and entries stay.
    for n in 0..=40 {
        let kept = made(n) + KEPT > made(40);
        assert_eq!(store.answered(&request(n)).await.unwrap().is_some(), kept, "{n}");
        assert!(store.get(&worker_key(n)).await.unwrap().is_some());
    }
    assert_eq!(store.verify().await, Ok(41));
}
