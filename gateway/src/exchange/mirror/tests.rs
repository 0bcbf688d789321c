//! The mirror over a real store.

use desmigratif_core::agency::AgencyId;
use desmigratif_core::facility::{Designation as Period, FacilityClass};
use desmigratif_core::geo::Coordinate;
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::programme::SectorCode;
use desmigratif_core::programme::sector::ServiceStatus;
use jiff::civil::date;
use tempfile::TempDir;
use tokio_util::task::AbortOnDropHandle;

use super::super::register;
use super::*;
use crate::store::sqlite::Sqlite;
use crate::store::vault::KeyRing;

struct Stand {
    _folder: TempDir,
    store: Arc<Sqlite>,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
        let path = folder.path().join("store.sqlite");
        let store = Arc::new(Sqlite::open(&path, clock, KeyRing::of_tests()).unwrap());
        Self { _folder: folder, store }
    }

    /// A commit of another node: nobody here is told of it.
    async fn write(&self, record: Record) {
        assert_eq!(register(self.store.as_ref(), [record]).await, Ok(1));
    }

    async fn mirror(&self) -> (Arc<Mirror>, AbortOnDropHandle<()>) {
        let feed = Feed::open(self.store.clone()).await.unwrap();
        let mirror = Arc::new(Mirror::load(self.store.clone(), feed.clone()).await.unwrap());
        let running = mirror.clone();
        let run = tokio::spawn(async move {
            tokio::join!(feed.run(), running.run());
        });
        (mirror, AbortOnDropHandle::new(run))
    }
}

fn village(text: &str) -> VillageCode {
    VillageCode::parse(text).unwrap()
}

fn designation(code: &str, year: i16) -> Record {
    Record::Designation(Designation {
        village: village(code),
        year,
        decree: "Keputusan Contoh".into(),
        decided_on: None,
        pilot: false,
        ended_on: None,
    })
}

fn service(code: &str, provider: &str, status: ServiceStatus) -> Record {
    Record::SectorService(SectorService {
        village: village(code),
        sector: SectorCode::parse("health").unwrap(),
        provider: AgencyId::parse(provider).unwrap(),
        status,
        from: date(2026, 1, 1),
        until: None,
        evidence: String::new(),
        reported_at: "2026-11-24T05:00:00Z".parse().unwrap(),
    })
}

fn facility(id: &str, capacity_per_day: u32) -> Record {
    Record::Facility(Facility {
        id: id.into(),
        name: id.into(),
        class: FacilityClass::KlinikUtama,
        village: village("32.12.16.2004"),
        location: Coordinate::new(-6.4, 108.3).unwrap(),
        designations: vec![Period { from: date(2026, 1, 1), until: None }],
        capacity_per_day,
    })
}

fn years(mirror: &Mirror, region: Option<&str>) -> Vec<i16> {
    let region = region.map(|code| RegionCode::parse(code).unwrap());
    mirror.villages(|villages| villages.designations(region).map(|it| it.year).collect())
}

#[tokio::test]
async fn what_the_store_has_is_there_from_the_beginning() {
    let stand = Stand::new();
    stand.write(designation("33.07.10.2004", 2017)).await;
    stand.write(designation("32.12.16.2004", 2016)).await;
    stand.write(facility("klinik-01", 40)).await;
    let (mirror, _run) = stand.mirror().await;
    assert_eq!(years(&mirror, None), [2016, 2017], "by code, before anything is followed");
    assert_eq!(years(&mirror, Some("33")), [2017]);
    assert_eq!(mirror.facilities().get("klinik-01").map(|it| it.capacity_per_day), Some(40));
}

#[tokio::test]
async fn what_was_committed_before_is_seen_after_it_is_asked_for() {
    let stand = Stand::new();
    let (mirror, _run) = stand.mirror().await;
    mirror.current().await.expect("of an empty journal there is nothing to wait for");
    for year in 2017..2020 {
        stand.write(designation(&format!("32.12.16.{year}"), year)).await;
        mirror.current().await.unwrap();
        assert_eq!(years(&mirror, None), (2017..=year).collect::<Vec<_>>());
    }
    stand.write(designation("32.12.16.2018", 2026)).await;
    mirror.current().await.unwrap();
    assert_eq!(years(&mirror, None), [2017, 2026, 2019], "a change takes the place of what was");
}

#[tokio::test]
async fn a_later_report_takes_the_place_of_the_same_agency_s_earlier_one() {
    let stand = Stand::new();
    let (mirror, _run) = stand.mirror().await;
    let kenanga = "32.12.16.2004";
    for (by, status) in [
        ("kemenkes", ServiceStatus::Planned),
        ("dinkes-indramayu", ServiceStatus::Active),
        ("kemenkes", ServiceStatus::Active),
    ] {
        stand.write(service(kenanga, by, status)).await;
    }
    mirror.current().await.unwrap();
    let reports = |villages: &Villages| -> Vec<_> {
        let reports = villages.services(village(kenanga)).iter();
        reports.map(|it| (it.provider.to_string(), it.status)).collect()
    };
    let mut found = mirror.villages(reports);
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let active = |by: &str| (by.to_owned(), ServiceStatus::Active);
    assert_eq!(found, [active("dinkes-indramayu"), active("kemenkes")]);
    assert_eq!(mirror.villages(|it| it.known(None)), BTreeSet::from([village(kenanga)]));
}

#[tokio::test]
async fn a_facility_counts_as_it_is_now() {
    let stand = Stand::new();
    stand.write(facility("klinik-01", 40)).await;
    let (mirror, _run) = stand.mirror().await;
    let before = mirror.facilities();
    stand.write(facility("klinik-01", 60)).await;
    stand.write(facility("klinik-02", 10)).await;
    mirror.current().await.unwrap();
    let capacity = |facilities: &FacilityIndex| -> Vec<_> {
        facilities.list("", None).map(|it| (it.id.clone(), it.capacity_per_day)).collect()
    };
    assert_eq!(capacity(&before), [("klinik-01".into(), 40)], "who holds the old one keeps it");
    let now = capacity(&mirror.facilities());
    assert_eq!(now, [("klinik-01".into(), 60), ("klinik-02".into(), 10)]);
}
