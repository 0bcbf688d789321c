//! The entries about a person, and the people of an agency's entries.

use jiff::SignedDuration;

use super::samples::{agency, done, draft, noon, put, subject, worker};
use crate::access::{Classes, DataClass};
use crate::journal::{Draft, EntryKind};
use crate::ports::clock::{Clock as _, SetClock};
use crate::ports::store::trail::{Caller, Exposure, Span};
use crate::ports::store::{Commit, Store};
use crate::record::Record;

/// Makes an entry of an agency about people, and gives its index.
async fn entry(store: &dyn Store, who: &str, people: &[u32], classes: &[DataClass]) -> u64 {
    let entry = Draft {
        kind: EntryKind::Disclosure,
        agency: agency(who),
        subjects: people.iter().copied().map(subject).collect(),
        classes: Classes::of(classes),
        ..draft()
    };
    done(store, Commit::of(entry)).await.receipt.index
}

/// The indices of the entries about a person, asked for in pages of two.
async fn about(store: &dyn Store, person: u32) -> Vec<u64> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = store.entries_about(&subject(person), before, 2).await.unwrap();
        assert!(page.len() <= 2);
        for entry in &page {
            assert!(entry.draft.subjects.contains(&subject(person)));
        }
        found.extend(page.iter().map(|entry| entry.index));
        before = found.last().copied();
        if page.is_empty() {
            return found;
        }
    }
}

pub(super) async fn entries_about_a_person_come_newest_first(store: &dyn Store) {
    assert_eq!(about(store, 1).await, [] as [u64; 0]);
    for n in 0..9 {
        entry(store, "kemnaker", &[n % 2], &[DataClass::Identity]).await;
    }
    assert_eq!(about(store, 0).await, [8, 6, 4, 2, 0]);
    assert_eq!(about(store, 1).await, [7, 5, 3, 1]);
    assert_eq!(about(store, 2).await, [] as [u64; 0]);
    let all = store.entries(0, 9).await.unwrap();
    assert_eq!(store.entries_about(&subject(1), Some(2), 9).await.unwrap(), all[1..2]);
    for before in [Some(0), Some(1)] {
        assert_eq!(store.entries_about(&subject(1), before, 9).await, Ok(vec![]));
    }
    assert_eq!(store.entries_about(&subject(1), Some(u64::MAX), 1).await.unwrap(), all[7..8]);
    assert_eq!(store.verify().await, Ok(9));
}

pub(super) async fn an_entry_about_several_is_found_by_each_of_them_once(store: &dyn Store) {
    entry(store, "kemnaker", &[3, 1, 3, 2], &[DataClass::Identity]).await;
    entry(store, "kemnaker", &[], &[DataClass::Public]).await;
    put(store, Record::Worker(worker(2))).await;
    for (person, expected) in [(1, &[2, 0][..]), (2, &[0]), (3, &[0]), (4, &[])] {
        assert_eq!(about(store, person).await, expected, "{person}");
    }
    assert_eq!(store.verify().await, Ok(3));
}

pub(super) async fn the_trail_of_an_erased_person_stays(store: &dyn Store) {
    put(store, Record::Worker(worker(1))).await;
    let erase = Commit { erase: Some(subject(1)), ..Commit::of(draft()) };
    done(store, erase).await;
    assert_eq!(about(store, 1).await, [1, 0]);
    let span = span("kemnaker", 0, 60);
    let people = store.exposures(&span).await.unwrap().people;
    assert_eq!((people.len(), &people[0].worker), (1, &None), "the record is erased");
}

/// The entries of an agency from second to second after noon.
fn span(who: &str, from: i64, to: i64) -> Span {
    let after = |seconds| noon() + SignedDuration::from_secs(seconds);
    let caller = Caller::Agency(agency(who));
    Span { caller, from: after(from), to: after(to), after: None, limit: 100 }
}

pub(super) async fn an_agency_s_entries_tell_whom_they_exposed(
    store: &dyn Store,
    clock: &SetClock,
) {
    use DataClass::{Contact, HealthDetail, Identity};
    let mut made = Vec::new();
    let entries: [(&str, &[u32], &[DataClass]); 6] = [
        ("kemnaker", &[1, 2], &[Identity]),
        ("kemenkes", &[1], &[HealthDetail]),
        ("kemnaker", &[2, 3, 2], &[Contact]),
        // Nothing was changed or disclosed.
        ("kemnaker", &[4], &[]),
        ("kemnaker", &[2], &[Identity]),
        ("kemnaker", &[5], &[Identity]),
    ];
    for (second, (who, people, classes)) in (0..).zip(entries) {
        clock.set(noon() + SignedDuration::from_secs(second));
        entry(store, who, people, classes).await;
        made.push(clock.now());
    }
    clock.set(noon() + SignedDuration::from_secs(100));
    put(store, Record::Worker(worker(2))).await;

    let exposure =
        |n, worker: Option<u32>, classes: &[DataClass], entries, first: usize, last| Exposure {
            subject: subject(n),
            worker: worker.map(|n| self::worker(n).id.to_string()),
            classes: Classes::of(classes),
            entries,
            first: made[first],
            last: made[last],
        };
    // The span ends before its last second.
    let span = span("kemnaker", 0, 5);
    let all = store.exposures(&span).await.unwrap();
    let expected = [
        exposure(1, None, &[Identity], 1, 0, 0),
        exposure(2, Some(2), &[Identity, Contact], 3, 0, 4),
        exposure(3, None, &[Contact], 1, 2, 2),
    ];
    assert_eq!((&all.people[..], all.next), (&expected[..], None));
    let later = Span { from: made[1], ..span.clone() };
    let people = store.exposures(&later).await.unwrap().people;
    assert_eq!(people[0], exposure(2, Some(2), &[Identity, Contact], 2, 2, 4));
    let other = Span { caller: Caller::Agency(agency("kemenkes")), ..span.clone() };
    let people = store.exposures(&other).await.unwrap().people;
    assert_eq!(people, [exposure(1, None, &[HealthDetail], 1, 1, 1)]);

    // In pages of one.
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.exposures(&Span { after, limit: 1, ..span.clone() }).await.unwrap();
        assert!(page.people.len() <= 1);
        found.extend(page.people);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, expected);
}
