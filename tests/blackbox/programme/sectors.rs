//! The sector map: who serves which village, as each sector's own agencies say it.

use std::collections::BTreeMap;

use desmigratif_proto::programme::v1::{
    EndDesignationRequest, GetSectorMapRequest, GetSectorMapResponse, ListSectorsRequest,
    RegionSectors, SectorServiceReport, ServiceStatus, Standing, StandingReason, VillageSectors,
};
use tonic::Code;

use super::records::{Office, day, planning, service};
use super::{DISNAKER, KEMNAKER, pilots, refused};
use crate::gateway::{Gateway, new_id};
use crate::input::violations;

/// The agencies that report.
struct Offices {
    kemnaker: Office,
    kemendagri: Office,
    kemenkes: Office,
    kemendes: Office,
    disnaker: Office,
}

impl Offices {
    async fn of(gateway: &Gateway) -> Self {
        Self {
            kemnaker: Office::of(gateway, KEMNAKER).await,
            kemendagri: Office::of(gateway, "kemendagri").await,
            kemenkes: Office::of(gateway, "kemenkes").await,
            kemendes: Office::of(gateway, "kemendes").await,
            disnaker: Office::of(gateway, DISNAKER).await,
        }
    }

    /// Each reports what it does in a village: all that can be said of a sector.
    async fn report(&self, village: &str) {
        self.kemendes.report(village, "village-development").await;
        self.kemendagri.report(village, "population-administration").await;
        // One is enough.
        self.kemnaker.report(village, "migration-service").await;
        self.disnaker.report(village, "migration-service").await;
        let planned = |it: &mut SectorServiceReport| {
            it.set_status(ServiceStatus::Planned);
            it.from = day(30);
        };
        let over = |it: &mut SectorServiceReport| (it.from, it.until) = (day(-40), day(-1));
        say(&self.kemenkes, village, "health", planned).await;
        say(&self.disnaker, village, "community-parenting", over).await;
        let suspended = |it: &mut SectorServiceReport| it.set_status(ServiceStatus::Suspended);
        say(&self.disnaker, village, "cooperative", suspended).await;
    }
}

/// Reports a service, changed.
async fn say(
    office: &Office,
    village: &str,
    sector: &str,
    change: impl FnOnce(&mut SectorServiceReport),
) {
    let mut request = service(village, sector, ServiceStatus::Active);
    change(request.service.as_mut().unwrap());
    office.sectors().report_sector_service(planning(request)).await.unwrap();
}

async fn map(office: &Office, region_code: &str, on: String) -> GetSectorMapResponse {
    let request = GetSectorMapRequest { region_code: region_code.into(), on, ..Default::default() };
    office.sectors().get_sector_map(planning(request)).await.unwrap().into_inner()
}

/// Standing, reason, day and providers of each sector of a village.
type Standings = BTreeMap<String, (Standing, StandingReason, String, Vec<String>)>;

fn standings(village: &VillageSectors) -> Standings {
    let standings = village.sectors.iter().map(|it| {
        let how = (it.standing(), it.reason(), it.day.clone(), it.providers.clone());
        (it.sector_code.clone(), how)
    });
    standings.collect()
}

/// Villages where a sector is covered, missing, overlapping and stale.
fn counts(region: &RegionSectors, sector: &str) -> [u32; 4] {
    let it = region.sectors.iter().find(|it| it.sector_code == sector).unwrap();
    [it.covered, it.missing, it.overlapping, it.stale]
}

fn codes(villages: &[VillageSectors]) -> Vec<&str> {
    villages.iter().map(|it| it.village_code.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_says_where_a_sector_is_given_missing_doubled_or_old_and_why() {
    let gateway = Gateway::start();
    let offices = Offices::of(&gateway).await;
    let [kenanga, kuripan] = pilots(&offices.kemnaker).await;
    offices.report(&kenanga).await;
    let shown = map(&offices.kemendagri, "", String::new()).await;
    assert_eq!(codes(&shown.villages), [&*kenanga, &*kuripan]);
    let none = String::new;
    let expected = [
        (
            "village-development",
            Standing::Covered,
            StandingReason::Given,
            none(),
            &["kemendes"][..],
        ),
        (
            "population-administration",
            Standing::Covered,
            StandingReason::Given,
            none(),
            &["kemendagri"],
        ),
        (
            "migration-service",
            Standing::Overlapping,
            StandingReason::TooManyProviders,
            none(),
            &[DISNAKER, KEMNAKER],
        ),
        ("health", Standing::Missing, StandingReason::Planned, day(30), &[]),
        ("community-parenting", Standing::Missing, StandingReason::Ended, day(-1), &[]),
        ("cooperative", Standing::Missing, StandingReason::Suspended, none(), &[]),
        ("productive-business", Standing::Missing, StandingReason::NeverReported, none(), &[]),
    ];
    let expected: Standings = expected
        .into_iter()
        .map(|(sector, standing, reason, day, providers)| {
            let mut providers: Vec<_> = providers.iter().map(|it| (*it).to_owned()).collect();
            providers.sort_unstable();
            (sector.to_owned(), (standing, reason, day, providers))
        })
        .collect();
    let mut found = standings(&shown.villages[0]);
    found.values_mut().for_each(|(_, _, _, providers)| providers.sort_unstable());
    assert_eq!(found, expected);
    let never = (Standing::Missing, StandingReason::NeverReported, String::new(), Vec::new());
    assert!(standings(&shown.villages[1]).values().all(|it| *it == never));

    let total = shown.total.unwrap();
    assert_eq!(total.designated_villages, 2);
    assert_eq!(counts(&total, "village-development"), [1, 1, 0, 0]);
    assert_eq!(counts(&total, "migration-service"), [0, 1, 1, 0]);
    assert_eq!(counts(&total, "health"), [0, 2, 0, 0]);
    let regions: Vec<_> = shown.regions.iter().map(|it| &*it.region_code).collect();
    assert_eq!(regions, ["32", "33"]);
    assert_eq!(counts(&shown.regions[0], "village-development"), [1, 0, 0, 0]);

    // After half a year nobody has said lately that the first is given, and after a year neither.
    let later = map(&offices.kemendagri, "32.12", day(200)).await;
    let stale = (Standing::Stale, StandingReason::ReportRanOut, day(180));
    let found = standings(&later.villages[0]).remove("migration-service").unwrap();
    assert_eq!((found.0, found.1, found.2, found.3.len()), (stale.0, stale.1, stale.2, 2));
    assert_eq!(counts(&later.total.unwrap(), "migration-service"), [0, 0, 0, 1]);
    let later = map(&offices.kemendagri, "32.12", day(366)).await;
    assert_eq!(counts(&later.total.unwrap(), "village-development"), [0, 0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_report_takes_the_place_of_the_earlier_and_a_village_served_is_shown_too() {
    let gateway = Gateway::start();
    let offices = Offices::of(&gateway).await;
    let [kenanga, kuripan] = pilots(&offices.kemnaker).await;
    offices.kemnaker.report(&kenanga, "migration-service").await;
    offices.disnaker.report(&kenanga, "migration-service").await;
    say(&offices.disnaker, &kenanga, "migration-service", |it| {
        it.set_status(ServiceStatus::Ended);
    })
    .await;
    let shown = map(&offices.disnaker, "", String::new()).await;
    let total = shown.total.as_ref().unwrap();
    assert_eq!((&*total.region_code, total.designated_villages), ("32.12", 1));
    assert_eq!(counts(total, "migration-service"), [1, 0, 0, 0]);

    let other = offices.kemnaker.desa("33.07").await.into_iter().find(|it| *it != kuripan).unwrap();
    offices.kemendes.report(&other, "village-development").await;
    let request = |problems_only, page_token: &str| {
        let (page_size, page_token) = (1, page_token.to_owned());
        planning(GetSectorMapRequest { problems_only, page_size, page_token, ..Default::default() })
    };
    let pages = async |problems_only| {
        let (mut villages, mut token) = (Vec::new(), String::new());
        loop {
            let request = request(problems_only, &token);
            let page = offices.kemenkes.sectors().get_sector_map(request).await;
            let page = page.unwrap().into_inner();
            villages.extend(page.villages.into_iter().map(|it| it.village_code));
            token = page.next_page_token;
            if token.is_empty() {
                return villages;
            }
        }
    };
    let mut all = vec![kenanga.clone(), other.clone(), kuripan.clone()];
    all.sort_unstable();
    assert_eq!(pages(false).await, all);
    assert_eq!(pages(true).await, [kenanga, kuripan.clone()], "the other has nothing missing");

    // Nobody serves a village that has left the programme, so that there is nothing to show.
    let end = EndDesignationRequest {
        request_id: new_id(),
        village_code: kuripan,
        last_day: day(-1),
        etag: String::new(),
    };
    offices.kemnaker.programme().end_designation(planning(end)).await.unwrap();
    let shown = map(&offices.kemenkes, "33", String::new()).await;
    assert_eq!(codes(&shown.villages), [&*other]);
    assert_eq!(shown.total.unwrap().designated_villages, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sector_is_reported_by_those_whose_task_it_is() {
    let gateway = Gateway::shared();
    let offices = Offices::of(&gateway).await;
    let listed = offices.kemendes.sectors().list_sectors(ListSectorsRequest {}).await.unwrap();
    let sectors = listed.into_inner().sectors;
    let health = sectors.iter().find(|it| it.sector_code == "health").unwrap();
    assert_eq!((health.expected, health.providers, health.report_counts_days), (true, 2, 180));

    let village = &offices.kemnaker.desa("52.03").await[0];
    let report = async |office: &Office, village: &str, sector: &str| {
        let request = planning(service(village, sector, ServiceStatus::Active));
        office.sectors().report_sector_service(request).await
    };
    let refusal = refused(report(&offices.kemenkes, village, "population-administration").await);
    assert_eq!(refusal, (Code::PermissionDenied, "SECTOR_NOT_REPORTED".into()));
    let outside = refused(report(&offices.disnaker, village, "health").await);
    assert_eq!(outside, (Code::NotFound, "NOT_FOUND".into()));
    let unknown = report(&offices.kemenkes, village, "astrology").await.unwrap_err();
    assert_eq!(violations(&unknown)["service.sector_code"], "SECTOR_UNKNOWN");
    let elsewhere = GetSectorMapRequest { region_code: "52".into(), ..Default::default() };
    let elsewhere = offices.disnaker.sectors().get_sector_map(planning(elsewhere)).await;
    assert_eq!(refused(elsewhere), (Code::NotFound, "NOT_FOUND".into()));
}
