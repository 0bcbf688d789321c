//! How far the programme has come, in numbers.

use desmigratif_proto::programme::v1::{
    GetCoverageRequest, GetCoverageResponse, GetSectorMapRequest, GetSectorMapResponse,
    RegionCoverage, Role,
};
use tonic::Code;

use super::records::{Office, assignment, planning, this_year};
use super::{DISNAKER, KEMNAKER, pilots, refused};
use crate::calls::{register, registration};
use crate::gateway::{Gateway, KENANGA, fresh_nik, stating};

async fn coverage(office: &Office, request: GetCoverageRequest) -> GetCoverageResponse {
    office.coverage().get_coverage(planning(request)).await.unwrap().into_inner()
}

/// Registers so many workers from a village.
async fn populate(kemnaker: &Office, village: &str, workers: usize) {
    for _ in 0..workers {
        let mut request = registration(&fresh_nik());
        request.worker.as_mut().unwrap().village_code = village.into();
        register(kemnaker.channel(), request).await.unwrap();
    }
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} and not {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_counts_by_year_and_region_against_the_target() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    pilots(&kemnaker).await;
    let desa = kemnaker.desa("32.12").await;
    let mut desa = desa.iter().filter(|code| *code != KENANGA);
    let year = this_year();
    for village in desa.by_ref().take(3) {
        kemnaker.designate(village, year).await;
    }
    for _ in 0..2 {
        kemnaker.assign(assignment(Role::Facilitator, KENANGA, &fresh_nik())).await;
    }
    let target_year = year + 5;
    let request = GetCoverageRequest { target_year, ..Default::default() };
    let before = coverage(&kemnaker, request.clone()).await;
    populate(&kemnaker, KENANGA, 2).await;

    let shown = coverage(&Office::of(&gateway, "kemendagri").await, request.clone()).await;
    let years: Vec<_> =
        shown.years.iter().map(|it| (it.year, it.villages, it.cumulative)).collect();
    assert_eq!(years, [(2016, 2, 2), (year, 3, 5)]);
    assert_eq!((shown.target, shown.pace_years), (4_000, 3));
    near(shown.pace, 1.0);
    near(shown.pace_needed.unwrap(), 3_995.0 / 5.0);
    assert_eq!(shown.target_reached_in, 0, "not within a thousand years");
    let total = shown.total.unwrap();
    assert_eq!((total.designated, total.short_of_facilitators), (5, 4));
    assert_eq!(total.workers, before.total.unwrap().workers + 2);
    near(total.share, 5.0 / f64::from(total.desa));
    let of = |regions: &[RegionCoverage], code: &str| {
        regions.iter().find(|it| it.region_code == code).unwrap().clone()
    };
    let [west, central] = ["32", "33"].map(|code| of(&shown.regions, code));
    assert_eq!(
        (&*west.region_name, west.designated, west.short_of_facilitators),
        ("Jawa Barat", 4, 3)
    );
    assert_eq!((central.designated, central.short_of_facilitators), (1, 1));
    assert_eq!(west.workers, of(&before.regions, "32").workers + 2);
    near(west.share, 4.0 / f64::from(west.desa));
    assert_eq!(shown.regions.iter().map(|it| it.desa).sum::<u32>(), total.desa);

    // What was not yet so on a day is not counted on it; a region has no target of its own.
    let on = format!("{}-12-31", year - 1);
    let region_code = "32.12".into();
    let request = GetCoverageRequest { on, region_code, ..request };
    let before = coverage(&Office::of(&gateway, DISNAKER).await, request).await;
    let years: Vec<_> = before.years.iter().map(|it| (it.year, it.villages)).collect();
    assert_eq!(years, [(2016, 1)]);
    assert_eq!((before.pace_needed, before.total.unwrap().designated), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_villages_are_those_with_the_most_workers() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    // No worker of the sandbox is at home in this province.
    let (ende, kupang) = (kemnaker.desa("53.08").await, kemnaker.desa("53.01").await);
    let [in_programme, few, many, some] = [&ende[0], &ende[1], &ende[2], &kupang[0]];
    kemnaker.designate(in_programme, 2017).await;
    for (village, workers) in [(in_programme, 4), (few, 1), (many, 3), (some, 2)] {
        populate(&kemnaker, village, workers).await;
    }

    let candidates = async |office: &Office, region_code: &str, candidates| {
        let region_code = region_code.into();
        let request = GetCoverageRequest { region_code, candidates, ..Default::default() };
        let shown = coverage(office, request).await.candidates.into_iter();
        shown.map(|it| (it.village_code, it.workers)).collect::<Vec<_>>()
    };
    let [few, many, some] = [(few, 1), (many, 3), (some, 2)].map(|(it, n)| (it.clone(), n));
    let all = [many.clone(), some, few.clone()];
    assert_eq!(candidates(&kemnaker, "53", 0).await, all);
    assert_eq!(candidates(&kemnaker, "53", 1).await, all[..1]);
    assert_eq!(candidates(&kemnaker, "53.08", 0).await, [many, few]);
    let disnaker = Office::of(&gateway, DISNAKER).await;
    let of_office = candidates(&disnaker, "", 0).await;
    assert!(!of_office.is_empty() && of_office.iter().all(|(it, _)| it.starts_with("32.12.")));

    for region_code in ["33.07", "32"] {
        let request = GetCoverageRequest { region_code: region_code.into(), ..Default::default() };
        let outside = disnaker.coverage().get_coverage(planning(request)).await;
        assert_eq!(refused(outside), (Code::NotFound, "NOT_FOUND".into()), "{region_code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_map_are_what_they_were_after_a_power_cut() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let [kenanga, kuripan] = pilots(&kemnaker).await;
    kemnaker.assign(assignment(Role::Facilitator, &kenanga, &fresh_nik())).await;
    kemnaker.report(&kenanga, "migration-service").await;
    Office::of(&gateway, "kemendes").await.report(&kuripan, "village-development").await;
    populate(&kemnaker, &kenanga, 2).await;

    let before = numbers(&gateway).await;
    assert_eq!(before.0.total.as_ref().unwrap().designated, 2);
    let gateway = Gateway::start_in(gateway.kill());
    assert_eq!(numbers(&gateway).await, before);

    // And they go on from there.
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let next = &before.0.candidates[0].village_code;
    kemnaker.designate(next, this_year()).await;
    let (after, _) = numbers(&gateway).await;
    assert_eq!(after.total.unwrap().designated, 3);
    assert!(after.candidates.iter().all(|it| it.village_code != *next));
}

/// Coverage and map of the country as the President's office sees them, without their receipts.
async fn numbers(gateway: &Gateway) -> (GetCoverageResponse, GetSectorMapResponse) {
    let office = Office::of(gateway, "kantor-staf-presiden").await;
    let request = stating("oversight", GetCoverageRequest::default());
    let mut coverage = office.coverage().get_coverage(request).await.unwrap().into_inner();
    let request = stating("oversight", GetSectorMapRequest::default());
    let mut map = office.sectors().get_sector_map(request).await.unwrap().into_inner();
    (coverage.receipt, map.receipt) = (None, None);
    (coverage, map)
}
