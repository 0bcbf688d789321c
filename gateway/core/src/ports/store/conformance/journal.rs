//! The journal, the deliveries that it causes, and the check of the whole.

use jiff::SignedDuration;

use super::samples::{done, draft, empty, noon, put, subject, waiting, whole, worker, worker_key};
use crate::access::{AgencyKind, Classes, DataClass, Purpose};
use crate::journal::{Draft, EntryKind, leaf_hash};
use crate::ports::clock::SetClock;
use crate::ports::store::outbox::Delivery;
use crate::ports::store::{Commit, Store};
use crate::record::Record;

pub(super) async fn entries_come_in_pages_without_gap(store: &dyn Store) {
    assert_eq!(store.journal_len().await, Ok(0));
    assert_eq!(store.entries(0, 10).await, Ok(vec![]));
    for n in 0..10 {
        put(store, Record::Worker(worker(n))).await;
    }
    let mut seen = Vec::new();
    loop {
        let page = store.entries(seen.len() as u64, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        seen.extend(page.iter().map(|entry| entry.index));
    }
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    assert_eq!(store.journal_len().await, Ok(10));
    assert_eq!(store.entries(9, 10).await.unwrap().len(), 1);
    assert_eq!(store.entries(0, 0).await, Ok(vec![]));
    for beyond in [10, 11, u64::MAX] {
        assert_eq!(store.entries(beyond, 10).await, Ok(vec![]));
    }
}

pub(super) async fn an_entry_keeps_every_part(store: &dyn Store) {
    let drafts = [
        draft(),
        Draft {
            kind: EntryKind::Disclosure,
            purpose: Some(Purpose::DataSubjectRequest),
            // In the order of the answer, and perhaps more than once.
            subjects: vec![subject(3), subject(1), subject(3), subject(2)],
            classes: Classes::of(&DataClass::ALL),
            ..draft()
        },
        Draft {
            kind: EntryKind::Refusal,
            purpose: None,
            subjects: vec![],
            classes: Classes::NONE,
            trace_id: [0; 16],
            request_digest: [0xff; 32],
            ..draft()
        },
    ];
    for entry in &drafts {
        done(store, Commit { entry: entry.clone(), ..empty() }).await;
    }
    let entries = store.entries(0, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| &entry.draft).collect::<Vec<_>>(), drafts.each_ref());
}

pub(super) async fn receipts_prove_entries(store: &dyn Store) {
    let mut receipts = Vec::new();
    for n in 0..5 {
        receipts.push(done(store, whole(n)).await.receipt);
        receipts.push(put(store, Record::Worker(worker(n))).await.receipt);
        receipts.push(done(store, empty()).await.receipt);
    }
    let entries = store.entries(0, 100).await.unwrap();
    assert_eq!(entries.len(), receipts.len());
    for (entry, receipt) in entries.iter().zip(&receipts) {
        assert_eq!(receipt.leaf_hash, leaf_hash(&entry.leaf()));
        assert_eq!(entry.receipt(), *receipt);
    }
    // The same content twice is committed to under different salts.
    let [first, second] = [&entries[0].touched[0], &entries[1].touched[0]];
    assert_eq!((&first.key, first.version, second.version), (&second.key, 1, 2));
    assert_ne!(first.commitment, second.commitment);
}

pub(super) async fn time_never_goes_back(store: &dyn Store, clock: &SetClock) {
    let second = SignedDuration::from_secs(1);
    let mut last = noon();
    for (n, now) in
        [noon(), noon() + second, noon() - second, noon() - second * 3600, noon() + second * 2]
            .into_iter()
            .enumerate()
    {
        clock.set(now);
        let receipt = done(store, whole(u32::try_from(n).unwrap())).await.receipt;
        assert_eq!(receipt.at, now.max(last));
        last = receipt.at;
    }
    // Kept to the microsecond, so that a receipt and its entry agree.
    let odd = noon() + second * 3 + SignedDuration::from_nanos(1789);
    clock.set(odd);
    let receipt = done(store, empty()).await.receipt;
    assert_eq!(receipt.at, noon() + second * 3 + SignedDuration::from_micros(1));
    assert_eq!(store.entries(5, 1).await.unwrap()[0].at, receipt.at);
    assert_eq!(store.verify().await, Ok(6));
}

pub(super) async fn deliveries_wait_for_their_ministry(store: &dyn Store) {
    assert_eq!(waiting(store).await, []);
    for (n, to) in
        [AgencyKind::Kemendes, AgencyKind::Kemnaker, AgencyKind::Kemendes].into_iter().enumerate()
    {
        let n = u32::try_from(n).unwrap();
        let delivery = Delivery { to, subject: subject(n), record: worker_key(n) };
        done(store, Commit { deliveries: vec![delivery], ..whole(n) }).await;
    }
    assert_eq!(waiting(store).await, [(AgencyKind::Kemnaker, 1), (AgencyKind::Kemendes, 2)]);
}

pub(super) async fn a_sound_store_verifies(store: &dyn Store) {
    assert_eq!(store.verify().await, Ok(0));
    assert_eq!(store.writable().await, Ok(()));
    for n in 0..20 {
        done(store, whole(n)).await;
        put(store, Record::Worker(worker(n))).await;
        assert_eq!(store.verify().await, Ok(u64::from(n + 1) * 2));
    }
}
