//! Finding records: lists, pages and tallies.

use jiff::SignedDuration;

use super::samples::{agency, clearance, member, noon, put, subject, worker};
use crate::clearance::Conclusion;
use crate::ports::clock::SetClock;
use crate::ports::store::{Count, Order, Query, Store, Tally};
use crate::record::{Kind, Record, Stored};
use crate::region::VillageCode;
use crate::stage::Stage;
use crate::worker::Worker;

/// Workers in two provinces, by two agencies, in two stages; each with a clearance by a clinic of
/// two and, the odd ones, a family member.
async fn populate(store: &dyn Store) -> Vec<Worker> {
    let mut workers = Vec::new();
    for n in 0..12 {
        let mut worker = worker(n);
        let village = ["3212162004", "3212162005", "3212192001", "3301012001"][n as usize % 4];
        worker.village = VillageCode::parse(village).unwrap();
        worker.stage = if n < 6 { Stage::Prospective } else { Stage::Abroad };
        worker.registered_by = agency(if n % 3 == 0 { "kemnaker" } else { "dinas-32" });
        let mut clearance = clearance(n, &worker);
        clearance.conclusion = if n == 5 { Conclusion::Unfit } else { Conclusion::Fit };
        clearance.submitted_by = agency(if n % 2 == 0 { "klinik-01" } else { "klinik-02" });
        if n % 2 == 1 {
            put(store, Record::FamilyMember(member(n, &worker))).await;
        }
        put(store, Record::Clearance(clearance)).await;
        put(store, Record::Worker(worker.clone())).await;
        workers.push(worker);
    }
    workers
}

fn ids(stored: &[Stored]) -> Vec<String> {
    stored.iter().map(|it| it.record.key().id).collect()
}

/// The records that meet a query must be these, by the number of their worker, in this order;
/// whether one asks for all at once or backwards.
async fn finds(store: &dyn Store, query: Query, workers: &[u32]) {
    let all = worker_numbers(&store.list(&query).await.unwrap());
    assert_eq!(all, workers, "{query:?}");
    let backwards = Query { order: Order::Descending, ..query };
    let mut all = worker_numbers(&store.list(&backwards).await.unwrap());
    all.reverse();
    assert_eq!(all, workers, "{backwards:?}");
}

fn worker_numbers(stored: &[Stored]) -> Vec<u32> {
    let of_id = |id: uuid::Uuid| u32::try_from(id.as_u128() & 0xffff_ffff).unwrap();
    stored
        .iter()
        .map(|it| match &it.record {
            Record::Worker(worker) => of_id(worker.id),
            Record::Clearance(clearance) => of_id(clearance.worker_id),
            Record::FamilyMember(member) => of_id(member.worker_id),
            other => panic!("{} was not asked for", other.key().kind.as_str()),
        })
        .collect()
}

pub(super) async fn every_filter_finds_its_own(store: &dyn Store) {
    finds(store, Query::of(Kind::Worker, 100), &[]).await;
    let workers = populate(store).await;
    let all = |kind| Query::of(kind, 100);
    let everyone: Vec<_> = (0..12).collect();
    finds(store, all(Kind::Worker), &everyone).await;
    finds(store, all(Kind::Clearance), &everyone).await;
    finds(store, all(Kind::Facility), &[]).await;

    for kind in [Kind::Worker, Kind::Clearance] {
        finds(store, Query { subject: Some(subject(7)), ..all(kind) }, &[7]).await;
        finds(store, Query { subject: Some(subject(77)), ..all(kind) }, &[]).await;
    }
    for kind in [Kind::Clearance, Kind::FamilyMember] {
        let parent = Some(workers[7].id.to_string());
        finds(store, Query { parent, ..all(kind) }, &[7]).await;
    }
    let place = |code: &str| Query { place: Some(code.to_owned()), ..all(Kind::Worker) };
    finds(store, place(""), &everyone).await;
    finds(store, place("32"), &[0, 1, 2, 4, 5, 6, 8, 9, 10]).await;
    finds(store, place("3212"), &[0, 1, 2, 4, 5, 6, 8, 9, 10]).await;
    // A nine after the prefix lies in it too.
    finds(store, place("32121"), &[0, 1, 2, 4, 5, 6, 8, 9, 10]).await;
    finds(store, place("321216"), &[0, 1, 4, 5, 8, 9]).await;
    finds(store, place("3212162005"), &[1, 5, 9]).await;
    for nowhere in ["34", "3", "321", "32121620050", "3212162009"] {
        let expected: &[u32] = match nowhere {
            "3" => &everyone,
            "321" => &[0, 1, 2, 4, 5, 6, 8, 9, 10],
            _ => &[],
        };
        finds(store, place(nowhere), expected).await;
    }
    let holder = Some("kemnaker".to_owned());
    finds(store, Query { holder, ..all(Kind::Worker) }, &[0, 3, 6, 9]).await;
    let holder = Some("klinik-02".to_owned());
    finds(store, Query { holder, ..all(Kind::Clearance) }, &[1, 3, 5, 7, 9, 11]).await;
    let state = Some(Stage::Abroad.as_str());
    finds(store, Query { state, ..all(Kind::Worker) }, &[6, 7, 8, 9, 10, 11]).await;
    // A conclusion is a health value: nobody finds a clearance by it.
    let state = Some(Conclusion::Unfit.as_str());
    finds(store, Query { state, ..all(Kind::Clearance) }, &[]).await;
}

pub(super) async fn filters_narrow_each_other(store: &dyn Store) {
    let workers = populate(store).await;
    // Every subset of the filters that worker 9 meets, against a filter in plain words.
    let nine = Record::Worker(workers[9].clone()).index();
    for subset in 0_u8..32 {
        let has = |bit: u8| subset & (1 << bit) != 0;
        let query = Query {
            subject: nine.subject.filter(|_| has(0)),
            place: has(1).then(|| "321216".to_owned()),
            holder: nine.holder.clone().filter(|_| has(2)),
            state: nine.state.filter(|_| has(3)),
            after: has(4).then(|| workers[4].id.to_string()),
            ..Query::of(Kind::Worker, 100)
        };
        let expected: Vec<_> = (0..12)
            .zip(&workers)
            .filter(|(n, worker)| {
                (!has(0) || worker.subject == workers[9].subject)
                    && (!has(1) || worker.village.digits().starts_with("321216"))
                    && (!has(2) || worker.registered_by == workers[9].registered_by)
                    && (!has(3) || worker.stage == workers[9].stage)
                    && (!has(4) || *n > 4)
            })
            .map(|(n, _)| n)
            .collect();
        let found = worker_numbers(&store.list(&query).await.unwrap());
        assert_eq!(found, expected, "{query:?}");
    }
    let query = Query {
        parent: Some(workers[4].id.to_string()),
        subject: Some(workers[4].subject),
        holder: Some("klinik-01".to_owned()),
        ..Query::of(Kind::Clearance, 100)
    };
    finds(store, query.clone(), &[4]).await;
    finds(store, Query { holder: Some("klinik-02".to_owned()), ..query }, &[]).await;
}

pub(super) async fn pages_join_without_gap_or_double(store: &dyn Store) {
    populate(store).await;
    let queries = [
        Query::of(Kind::Worker, 100),
        Query { place: Some("32".to_owned()), ..Query::of(Kind::Worker, 100) },
        Query { state: Some(Stage::Abroad.as_str()), ..Query::of(Kind::Worker, 100) },
        Query { holder: Some("klinik-02".to_owned()), ..Query::of(Kind::Clearance, 100) },
    ];
    for query in queries {
        for order in [Order::Ascending, Order::Descending] {
            let query = Query { order, ..query.clone() };
            let whole = ids(&store.list(&query).await.unwrap());
            for limit in [1, 2, 5, 12] {
                let mut joined: Vec<String> = Vec::new();
                loop {
                    let next = Query { after: joined.last().cloned(), limit, ..query.clone() };
                    let page = ids(&store.list(&next).await.unwrap());
                    assert!(page.len() <= limit as usize);
                    if page.is_empty() {
                        break;
                    }
                    joined.extend(page);
                    assert!(joined.len() <= whole.len(), "{query:?} by {limit} goes on and on");
                }
                assert_eq!(joined, whole, "{query:?} by {limit}");
            }
        }
        assert_eq!(store.list(&Query { limit: 0, ..query }).await, Ok(vec![]));
    }
}

pub(super) async fn a_change_moves_a_record_between_lists(store: &dyn Store) {
    let mut moved = worker(1);
    put(store, Record::Worker(moved.clone())).await;
    let before = Record::Worker(moved.clone()).index();
    moved.village = VillageCode::parse("3301012001").unwrap();
    moved.stage = Stage::Returned;
    moved.registered_by = agency("dinas-33");
    put(store, Record::Worker(moved.clone())).await;
    let after = Record::Worker(moved).index();
    for (index, expected) in [(before, &[][..]), (after, &[1][..])] {
        let all = Query::of(Kind::Worker, 10);
        finds(store, Query { place: index.place, ..all.clone() }, expected).await;
        finds(store, Query { holder: index.holder, ..all.clone() }, expected).await;
        finds(store, Query { state: index.state, ..all }, expected).await;
    }
}

pub(super) async fn a_tally_counts_by_state(store: &dyn Store, clock: &SetClock) {
    assert_eq!(store.tally(Kind::Worker, "").await, Ok(vec![]));
    populate(store).await;
    let tally = |state: Stage, count, newest| Tally {
        state: state.as_str().to_owned(),
        facet: "SA".to_owned(),
        count,
        newest,
    };
    let [abroad, prospective] = [Stage::Abroad, Stage::Prospective];
    for (place, at_home, away) in [
        ("", 6, 6),
        ("32", 5, 4),
        ("3212", 5, 4),
        ("32121", 5, 4),
        ("321216", 4, 2),
        ("3301012001", 1, 2),
    ] {
        let found = store.tally(Kind::Worker, place).await.unwrap();
        let expected = [tally(abroad, away, noon()), tally(prospective, at_home, noon())];
        assert_eq!(found, expected, "{place}");
    }
    assert_eq!(store.tally(Kind::Worker, "51").await, Ok(vec![]));
    assert_eq!(store.tally(Kind::FamilyMember, "").await, Ok(vec![]));

    let later = noon() + SignedDuration::from_hours(1);
    clock.set(later);
    let mut returned = worker(0);
    returned.stage = Stage::Returned;
    put(store, Record::Worker(returned.clone())).await;
    let found = store.tally(Kind::Worker, "3212162004").await.unwrap();
    let expected =
        [tally(abroad, 1, noon()), tally(prospective, 1, noon()), tally(Stage::Returned, 1, later)];
    assert_eq!(found, expected);

    // Written again, it is not counted again; but it is newer.
    let latest = later + SignedDuration::from_hours(1);
    clock.set(latest);
    returned.documents.clear();
    put(store, Record::Worker(returned)).await;
    let found = store.tally(Kind::Worker, "3212162004").await.unwrap();
    assert_eq!(found.last(), Some(&tally(Stage::Returned, 1, latest)));
}

pub(super) async fn a_tally_counts_by_facet(store: &dyn Store) {
    populate(store).await;
    let mut moved = worker(0);
    moved.destination = None;
    put(store, Record::Worker(moved.clone())).await;
    let facets = async |place: &str| -> Vec<_> {
        let tallies = store.tally(Kind::Worker, place).await.unwrap();
        tallies.into_iter().map(|it| (it.state, it.facet, it.count)).collect()
    };
    let row =
        |state: Stage, facet: &str, count| (state.as_str().to_owned(), facet.to_owned(), count);
    let [abroad, prospective] = [Stage::Abroad, Stage::Prospective];
    let village = [row(abroad, "SA", 1), row(prospective, "", 1), row(prospective, "SA", 1)];
    assert_eq!(facets("3212162004").await, village);
    let province = [row(abroad, "SA", 4), row(prospective, "", 1), row(prospective, "SA", 4)];
    assert_eq!(facets("32").await, province);
    moved.village = VillageCode::parse("3301012001").unwrap();
    put(store, Record::Worker(moved)).await;
    let province = [row(abroad, "SA", 4), row(prospective, "SA", 4)];
    assert_eq!(facets("32").await, province, "who moves away is counted elsewhere");
    let elsewhere = [row(abroad, "SA", 2), row(prospective, "", 1), row(prospective, "SA", 1)];
    assert_eq!(facets("33").await, elsewhere);
}

pub(super) async fn records_are_counted_place_by_place(store: &dyn Store) {
    let workers = |place: &str| Count::of(Kind::Worker, place.to_owned());
    assert_eq!(store.counts(&workers("")).await, Ok(vec![]));
    populate(store).await;
    let counts = async |count: Count| -> Vec<_> {
        let places = store.counts(&count).await.unwrap();
        places.into_iter().map(|it| (it.place, it.count)).collect()
    };
    let row = |place: &str, count| (place.to_owned(), count);
    let all =
        [row("3212162004", 3), row("3212162005", 3), row("3212192001", 3), row("3301012001", 3)];
    assert_eq!(counts(workers("")).await, all);
    assert_eq!(counts(workers("321216")).await, all[..2]);
    assert_eq!(counts(workers("51")).await, []);
    let by_regency = |place| Count { by_regency: true, ..workers(place) };
    assert_eq!(counts(by_regency("")).await, [row("3212", 9), row("3301", 3)]);
    assert_eq!(counts(by_regency("33")).await, [row("3301", 3)]);

    let mut moved = worker(0);
    moved.destination = None;
    put(store, Record::Worker(moved)).await;
    let prospective = |place| Count { state: Some(Stage::Prospective.as_str()), ..workers(place) };
    assert_eq!(counts(prospective("3212162004")).await, [row("3212162004", 2)]);
    let unbound = Count { facet: Some(String::new()), ..prospective("") };
    assert_eq!(counts(unbound.clone()).await, [row("3212162004", 1)]);
    let unbound = Count { by_regency: true, ..unbound };
    assert_eq!(counts(unbound).await, [row("3212", 1)]);
    // A clearance has no state, and so is not counted.
    assert_eq!(store.counts(&Count::of(Kind::Clearance, String::new())).await, Ok(vec![]));
}

pub(super) async fn the_fullest_places_come_first(store: &dyn Store) {
    assert_eq!(store.fullest(Kind::Worker, "", 9).await, Ok(vec![]));
    populate(store).await;
    let mut moved = worker(0);
    moved.village = VillageCode::parse("3301012001").unwrap();
    put(store, Record::Worker(moved)).await;
    let fullest = async |place: &str, limit| -> Vec<_> {
        let places = store.fullest(Kind::Worker, place, limit).await.unwrap();
        places.into_iter().map(|it| (it.place, it.count)).collect()
    };
    let row = |place: &str, count| (place.to_owned(), count);
    let all =
        [row("3301012001", 4), row("3212162005", 3), row("3212192001", 3), row("3212162004", 2)];
    assert_eq!(fullest("", 9).await, all);
    assert_eq!(fullest("", 2).await, all[..2]);
    assert_eq!(fullest("32", 9).await, all[1..]);
    assert_eq!(fullest("321216", 1).await, all[1..2]);
    assert_eq!(fullest("51", 9).await, []);
    // A clearance has no state, and so is not counted.
    assert_eq!(store.fullest(Kind::Clearance, "", 9).await, Ok(vec![]));
}
