//! Deliveries, from their commit until they are settled.

use jiff::{SignedDuration, Timestamp};

use super::samples::{done, noon, subject, waiting, whole, worker, write};
use crate::access::AgencyKind::{Kemendes, Kemenkes, Kemnaker};
use crate::ports::clock::SetClock;
use crate::ports::store::outbox::{
    Delivery, DeliveryState, Filter, Lease, Leased, Order, Settled, Settlement, Status,
};
use crate::ports::store::{Commit, Error, Expect, Store};
use crate::record::Record;
use crate::stage::Stage;

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// Leases what is due to Kemnaker for a minute.
async fn lease(store: &dyn Store, clock: &SetClock, limit: u32) -> Vec<Leased> {
    use crate::ports::clock::Clock as _;
    store.lease(Lease { to: Kemnaker, until: clock.now() + MINUTE, limit }).await.unwrap()
}

async fn settle(store: &dyn Store, leased: &Leased, outcome: Settled) {
    let settlement = Settlement { id: leased.id, token: leased.token, outcome };
    store.settle(vec![settlement]).await.unwrap();
}

/// Changes worker `n` with a delivery to Kemnaker: its stage tells which change it was.
async fn change(store: &dyn Store, n: u32, stage: Stage) {
    let mut worker = worker(n);
    worker.stage = stage;
    let record = Record::Worker(worker);
    let delivery = Delivery { to: Kemnaker, subject: subject(n), record: record.key() };
    let commit = Commit { deliveries: vec![delivery], ..write(record, Expect::Any) };
    done(store, commit).await;
}

fn stage_of(leased: &Leased) -> Stage {
    leased.stored.record.clone().into_worker().unwrap().stage
}

async fn all(store: &dyn Store, state: DeliveryState) -> Vec<Status> {
    let filter = Filter { to: Some(Kemnaker), state: Some(state), after: None, limit: 100 };
    store.deliveries(&filter).await.unwrap()
}

async fn order(store: &dyn Store, order: Order) -> Result<(), Error> {
    let commit = Commit { orders: vec![order], ..super::samples::empty() };
    store.commit(commit).await.map(|_| ())
}

fn dead() -> Settled {
    Settled::Dead { reason: "rejected: code 13".to_owned() }
}

pub(super) async fn what_is_due_is_leased_once(store: &dyn Store, clock: &SetClock) {
    for n in 1..=5 {
        done(store, whole(n)).await;
    }
    let first = lease(store, clock, 3).await;
    let second = lease(store, clock, 3).await;
    assert_eq!((first.len(), second.len()), (3, 2));
    assert!(lease(store, clock, 3).await.is_empty());
    let other = store.lease(Lease { to: Kemenkes, until: noon() + MINUTE, limit: 9 }).await;
    assert_eq!(other.unwrap().len(), 5);
    for (n, leased) in (1..).zip(first.iter().chain(&second)) {
        assert_eq!(leased.attempt, 1);
        assert_eq!((leased.queued_at, leased.entry_at, leased.entry), (noon(), noon(), n - 1));
        assert_eq!((leased.trace_id, leased.subject), ([9; 16], subject(n.try_into().unwrap())));
        settle(store, leased, Settled::Delivered).await;
    }
    assert_eq!(waiting(store).await, [(Kemenkes, 5)]);
    let delivered = all(store, DeliveryState::Delivered).await;
    assert_eq!(delivered.len(), 5);
    assert!(delivered.iter().all(|it| it.settled_at == Some(noon()) && it.reason.is_none()));
}

pub(super) async fn a_lease_runs_out(store: &dyn Store, clock: &SetClock) {
    done(store, whole(1)).await;
    let first = lease(store, clock, 1).await;
    clock.set(noon() + MINUTE - SignedDuration::from_micros(1));
    assert!(lease(store, clock, 1).await.is_empty());
    clock.set(noon() + MINUTE);
    let second = lease(store, clock, 1).await;
    assert_eq!((second[0].id, second[0].attempt), (first[0].id, 2));
    assert!(second[0].token > first[0].token);
}

pub(super) async fn a_lease_that_was_lost_settles_nothing(store: &dyn Store, clock: &SetClock) {
    done(store, whole(1)).await;
    let lost = lease(store, clock, 1).await.remove(0);
    clock.set(noon() + MINUTE);
    let held = lease(store, clock, 1).await.remove(0);
    settle(store, &lost, dead()).await;
    settle(store, &lost, Settled::Delivered).await;
    assert_eq!(all(store, DeliveryState::Waiting).await.len(), 1);
    let at = noon() + MINUTE * 2;
    settle(store, &held, Settled::Again { at, reason: "timeout".to_owned() }).await;
    // Settled once, the lease is over.
    settle(store, &held, Settled::Delivered).await;
    let waiting = all(store, DeliveryState::Waiting).await;
    assert_eq!((waiting[0].due_at, waiting[0].reason.as_deref()), (at, Some("timeout")));
}

pub(super) async fn a_person_s_deliveries_keep_their_order(store: &dyn Store, clock: &SetClock) {
    let stages = [Stage::Prospective, Stage::Ready, Stage::Abroad];
    for stage in stages {
        change(store, 1, stage).await;
        change(store, 2, stage).await;
    }
    for stage in stages {
        let leased = lease(store, clock, 10).await;
        assert_eq!(leased.len(), 2, "one of each person");
        assert!(lease(store, clock, 10).await.is_empty());
        for leased in &leased {
            assert_eq!(stage_of(leased), stage);
            settle(store, leased, Settled::Delivered).await;
        }
    }
    assert_eq!(waiting(store).await, []);
}

pub(super) async fn a_failed_one_holds_back_its_own_line_alone(
    store: &dyn Store,
    clock: &SetClock,
) {
    change(store, 1, Stage::Prospective).await;
    change(store, 1, Stage::Ready).await;
    change(store, 2, Stage::Prospective).await;
    let leased = lease(store, clock, 10).await;
    let later = noon() + MINUTE * 5;
    settle(store, &leased[0], Settled::Again { at: later, reason: "quota".to_owned() }).await;
    settle(store, &leased[1], Settled::Delivered).await;
    change(store, 2, Stage::Ready).await;
    let leased = lease(store, clock, 10).await;
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].subject, subject(2));
    settle(store, &leased[0], Settled::Delivered).await;
    clock.set(later);
    let poisoned = lease(store, clock, 1).await.remove(0);
    assert_eq!((poisoned.subject, poisoned.attempt), (subject(1), 2));
    settle(store, &poisoned, dead()).await;
    // Once it is dead, the person's next goes on.
    let next = lease(store, clock, 1).await.remove(0);
    assert_eq!((next.subject, stage_of(&next)), (subject(1), Stage::Ready));
}

pub(super) async fn an_attempt_that_was_none_does_not_count(store: &dyn Store, clock: &SetClock) {
    done(store, whole(1)).await;
    let leased = lease(store, clock, 1).await.remove(0);
    settle(store, &leased, Settled::Untried { at: noon() }).await;
    let again = lease(store, clock, 1).await.remove(0);
    assert_eq!(again.attempt, 1);
    assert!(again.token > leased.token);
}

pub(super) async fn each_delivery_brings_its_own_version(store: &dyn Store, clock: &SetClock) {
    let stages = [Stage::Prospective, Stage::Ready, Stage::Abroad];
    for stage in stages {
        change(store, 1, stage).await;
    }
    for (version, stage) in (1..).zip(stages) {
        let leased = lease(store, clock, 1).await.remove(0);
        assert_eq!((leased.stored.version, stage_of(&leased)), (version, stage));
        settle(store, &leased, Settled::Again { at: noon(), reason: "reset".to_owned() }).await;
        let again = lease(store, clock, 1).await.remove(0);
        assert_eq!(again.stored, leased.stored, "the same at every attempt");
        settle(store, &again, Settled::Delivered).await;
    }
}

pub(super) async fn a_newer_version_makes_older_ones_needless(store: &dyn Store, clock: &SetClock) {
    change(store, 1, Stage::Prospective).await;
    let old = lease(store, clock, 1).await.remove(0);
    settle(store, &old, dead()).await;
    change(store, 1, Stage::Ready).await;
    let new = lease(store, clock, 1).await.remove(0);
    settle(store, &new, Settled::Delivered).await;
    assert_eq!(all(store, DeliveryState::Dead).await, []);
    let discarded = all(store, DeliveryState::Discarded).await;
    assert_eq!(discarded.iter().map(|it| it.id).collect::<Vec<_>>(), [old.id]);
    assert_eq!(order(store, Order::Replay { id: old.id }).await, Err(Error::DeliverySettled));
}

pub(super) async fn the_dead_can_be_put_back(store: &dyn Store, clock: &SetClock) {
    change(store, 1, Stage::Prospective).await;
    let leased = lease(store, clock, 1).await.remove(0);
    assert_eq!(order(store, Order::Replay { id: leased.id }).await, Err(Error::DeliverySettled));
    settle(store, &leased, dead()).await;
    change(store, 1, Stage::Ready).await;
    clock.set(noon() + MINUTE);
    order(store, Order::Replay { id: leased.id }).await.unwrap();
    // It has its old place in the line again, with a new span of attempts.
    let first = lease(store, clock, 10).await;
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].id, first[0].attempt), (leased.id, 1));
    assert_eq!(first[0].queued_at, noon() + MINUTE);
    assert_eq!(stage_of(&first[0]), Stage::Prospective);
    settle(store, &first[0], Settled::Delivered).await;
    assert_eq!(stage_of(&lease(store, clock, 10).await[0]), Stage::Ready);
}

pub(super) async fn a_delivery_can_be_given_up(store: &dyn Store, clock: &SetClock) {
    change(store, 1, Stage::Prospective).await;
    change(store, 1, Stage::Ready).await;
    let head = all(store, DeliveryState::Waiting).await.remove(0);
    let discard = |id| Order::Discard { id, reason: "salah kirim".to_owned() };
    assert_eq!(order(store, discard(999)).await, Err(Error::NoSuchDelivery));
    let under_way = lease(store, clock, 1).await.remove(0);
    order(store, discard(head.id)).await.unwrap();
    settle(store, &under_way, Settled::Delivered).await;
    let discarded = all(store, DeliveryState::Discarded).await;
    assert_eq!(discarded[0].reason.as_deref(), Some("salah kirim"));
    assert_eq!(stage_of(&lease(store, clock, 1).await[0]), Stage::Ready);
    assert_eq!(order(store, discard(head.id)).await, Err(Error::DeliverySettled));
}

pub(super) async fn deliveries_are_listed_in_pages(store: &dyn Store, clock: &SetClock) {
    for n in 1..=7 {
        done(store, whole(n)).await;
    }
    for leased in lease(store, clock, 2).await {
        settle(store, &leased, dead()).await;
    }
    let mut seen: Vec<Status> = Vec::new();
    loop {
        let filter = Filter { limit: 3, after: seen.last().map(|it| it.id), ..Filter::default() };
        let page = store.deliveries(&filter).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.len(), 14);
    assert!(seen.is_sorted_by(|a, b| a.id < b.id));
    let dead = all(store, DeliveryState::Dead).await;
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().all(|it| it.reason.as_deref() == Some("rejected: code 13")));
    assert!(dead.iter().all(|it| (it.attempts, it.version) == (1, 1)));
    let backlogs = store.backlogs().await.unwrap();
    let told: Vec<(_, u64, u64, Option<Timestamp>)> =
        backlogs.iter().map(|it| (it.to, it.waiting, it.dead, it.oldest)).collect();
    assert_eq!(told, [(Kemnaker, 5, 2, Some(noon())), (Kemenkes, 7, 0, Some(noon()))]);
    let none = Filter { to: Some(Kemendes), limit: 9, ..Filter::default() };
    assert_eq!(store.deliveries(&none).await, Ok(vec![]));
}
