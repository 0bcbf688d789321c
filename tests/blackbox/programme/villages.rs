//! Which villages are in the programme.

use desmigratif_proto::programme::v1::{
    DesignateVillageRequest, Designation, EndDesignationRequest, ListDesignationsRequest,
};
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::village::v1::{ListVillagesRequest, VillageKind};
use tonic::Code;

use super::records::{Office, day, designation, planning, this_year};
use super::{DISNAKER, KEMNAKER, pilots, refused};
use crate::gateway::{Gateway, KENANGA, new_id};
use crate::input::violations;

/// The designations that anybody is told of, page by page.
async fn listed(office: &Office, region_code: &str, year: u32, page_size: u32) -> Vec<Designation> {
    let mut request = ListDesignationsRequest {
        region_code: region_code.into(),
        year,
        page_size,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let page = office.programme().list_designations(request.clone()).await.unwrap();
        let page = page.into_inner();
        assert!(page.designations.len() <= page_size as usize);
        all.extend(page.designations);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

fn codes(designations: &[Designation]) -> Vec<&str> {
    designations.iter().map(|it| it.village_code.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pilot_villages_are_designated_once_and_everybody_may_know() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let [kenanga, kuripan] = pilots(&kemnaker).await;
    assert_eq!(kenanga, KENANGA);
    assert!(kuripan.starts_with("33.07."), "{kuripan}");
    let again = planning(designation(&kenanga, 2017));
    let again = kemnaker.programme().designate_village(again).await;
    assert_eq!(refused(again), (Code::AlreadyExists, "ALREADY_EXISTS".into()));

    let kemendes = Office::of(&gateway, "kemendes").await;
    let other = kemnaker.desa("32.12").await.into_iter().find(|it| *it != kenanga).unwrap();
    kemnaker.designate(&other, this_year()).await;
    let mut of_region = vec![other.as_str(), kenanga.as_str()];
    of_region.sort_unstable();
    assert_eq!(codes(&listed(&kemendes, "32.12", 0, 1).await), of_region);
    assert_eq!(codes(&listed(&kemendes, "", 2016, 1).await), [&*kenanga, &*kuripan]);
    let shown = listed(&kemendes, "33", 0, 50).await.remove(0);
    assert!(shown.pilot);
    let shown = (shown.year, &*shown.decree, &*shown.decided_on, &*shown.village_name);
    assert_eq!(shown, (2016, "Kepmenaker Contoh/2016", "2016-01-02", "Kuripan"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_designated_is_refused_with_its_rule() {
    let gateway = Gateway::shared();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let request =
        ListVillagesRequest { region_code: "32.12".into(), page_size: 500, ..Default::default() };
    let mut villages = VillageServiceClient::new(kemnaker.channel().clone());
    let villages = villages.list_villages(request).await.unwrap().into_inner().villages;
    let kelurahan = villages.into_iter().find(|it| it.kind() == VillageKind::Kelurahan).unwrap();

    let request = designation(&kelurahan.code, this_year());
    let refusal = kemnaker.programme().designate_village(planning(request)).await.unwrap_err();
    assert_eq!(violations(&refusal)["village_code"], "VILLAGE_IS_KELURAHAN");
    for year in [2015, this_year() + 1] {
        let request = DesignateVillageRequest { year, ..designation(KENANGA, 2016) };
        let refusal = kemnaker.programme().designate_village(planning(request)).await.unwrap_err();
        assert_eq!(violations(&refusal)["year"], "PROGRAMME_YEAR", "{year}");
    }

    // That a village is in the programme is the ministry's decision, not an office's.
    let disnaker = Office::of(&gateway, DISNAKER).await;
    let request = planning(designation(KENANGA, 2016));
    let refusal = refused(disnaker.programme().designate_village(request).await);
    assert_eq!(refusal, (Code::PermissionDenied, "NOT_PERMITTED".into()));
    assert_eq!(codes(&listed(&kemnaker, "32.12", 0, 50).await), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_designation_is_ended_by_its_last_day_and_a_later_year_may_begin_anew() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let request = designation(KENANGA, 2016);
    let first = kemnaker.programme().designate_village(planning(request.clone())).await.unwrap();
    let first = first.into_inner();
    let repeated = kemnaker.programme().designate_village(planning(request)).await.unwrap();
    assert_eq!(repeated.into_inner(), first);

    let end = |last_day: &str, etag: &str| {
        let (request_id, village_code) = (new_id(), KENANGA.into());
        let (last_day, etag) = (last_day.into(), etag.into());
        planning(EndDesignationRequest { request_id, village_code, last_day, etag })
    };
    let future = kemnaker.programme().end_designation(end(&day(1), "")).await.unwrap_err();
    assert!(violations(&future).contains_key("last_day"));
    let outdated = kemnaker.programme().end_designation(end("2019-12-31", "77")).await;
    assert_eq!(refused(outdated), (Code::Aborted, "ETAG_MISMATCH".into()));
    kemnaker.programme().end_designation(end("2019-12-31", &first.etag)).await.unwrap();
    assert_eq!(listed(&kemnaker, "", 0, 50).await[0].ended_on, "2019-12-31");
    let twice = kemnaker.programme().end_designation(end(&day(0), "")).await;
    assert_eq!(refused(twice), (Code::FailedPrecondition, "VILLAGE_NOT_DESIGNATED".into()));

    let same_year = planning(designation(KENANGA, 2019));
    let same_year = kemnaker.programme().designate_village(same_year).await;
    assert_eq!(refused(same_year), (Code::AlreadyExists, "ALREADY_EXISTS".into()));
    kemnaker.designate(KENANGA, 2020).await;
    let shown = listed(&kemnaker, "", 0, 50).await.remove(0);
    assert_eq!((shown.year, &*shown.ended_on), (2020, ""));
}
