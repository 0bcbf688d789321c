//! Facilities: Kemenkes registers them, they count at once, and the villages far from all of them are
//! told.

use desmigratif_proto::common::v1::LatLng;
use desmigratif_proto::health::v1::facility_service_client::FacilityServiceClient;
use desmigratif_proto::health::v1::{
    DesignationPeriod, FacilityDetails, FindNearestFacilitiesRequest, GetFacilityRequest,
    ListUnderservedVillagesRequest, ListUnderservedVillagesResponse, RegisterFacilityRequest,
    RegisterFacilityResponse,
};
use desmigratif_proto::village::v1::GetVillageRequest;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::calls::facility;
use crate::gateway::{Gateway, KENANGA, new_id, reason, stating};

async fn put(
    kemenkes: &Channel,
    facility: FacilityDetails,
    etag: &str,
) -> Result<RegisterFacilityResponse, Status> {
    let request = RegisterFacilityRequest {
        request_id: new_id(),
        facility: Some(facility),
        etag: etag.into(),
        validate_only: false,
    };
    let mut client = FacilityServiceClient::new(kemenkes.clone());
    Ok(client.register_facility(stating("oversight", request)).await?.into_inner())
}

/// The facility nearest to Kenanga on a day; empty when none is designated on it.
async fn nearest(agency: &Channel, on: &str) -> String {
    let request = FindNearestFacilitiesRequest {
        village_code: KENANGA.into(),
        designated_on: on.into(),
        limit: 1,
    };
    let mut client = FacilityServiceClient::new(agency.clone());
    let found = client.find_nearest_facilities(request).await.unwrap().into_inner();
    let first = found.facilities.into_iter().next();
    first.map(|near| near.facility.unwrap().facility_id).unwrap_or_default()
}

async fn underserved(
    agency: &Channel,
    region: &str,
    beyond_km: f64,
    size: u32,
    token: &str,
) -> ListUnderservedVillagesResponse {
    let request = ListUnderservedVillagesRequest {
        region_code: region.into(),
        beyond_km,
        designated_on: "2026-06-01".into(),
        page_size: size,
        page_token: token.into(),
    };
    let mut client = FacilityServiceClient::new(agency.clone());
    client.list_underserved_villages(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_counts_at_once_for_as_long_as_it_is_designated() {
    let gateway = Gateway::start();
    let kemenkes = gateway.connect("kemenkes").await;
    let other = gateway.connect("kemendes").await;
    // On the spot, so that nothing is nearer.
    let mut details = facility("klinik-tengah");
    assert_ne!(nearest(&other, "2021-06-01").await, "klinik-tengah");
    let request = GetFacilityRequest { facility_id: "klinik-tengah".into() };
    let mut client = FacilityServiceClient::new(other.clone());
    assert_eq!(client.get_facility(request.clone()).await.unwrap_err().code(), Code::NotFound);
    details.location = place(&other, KENANGA).await;
    details.designations = vec![
        DesignationPeriod { from: "2025-01-01".into(), until: String::new() },
        DesignationPeriod { from: "2021-01-01".into(), until: "2021-12-31".into() },
    ];
    assert_eq!(put(&kemenkes, details.clone(), "").await.unwrap().etag, "1");
    for (day, counts) in
        [("2021-06-01", true), ("2021-12-31", true), ("2022-06-01", false), ("2026-06-01", true)]
    {
        assert_eq!(nearest(&other, day).await == "klinik-tengah", counts, "{day}");
    }
    let found = client.get_facility(request.clone()).await.unwrap().into_inner();
    assert_eq!(found.etag, "1");
    let periods = found.facility.unwrap().designations;
    assert_eq!(periods[0].from, "2021-01-01", "oldest first");

    let stale = put(&kemenkes, details.clone(), "7").await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    details.designations.truncate(1);
    details.designations[0].until = "2025-12-31".into();
    assert_eq!(put(&kemenkes, details, "1").await.unwrap().etag, "2");
    assert_ne!(nearest(&other, "2026-06-01").await, "klinik-tengah", "its designation has ended");

    // What the operator's file says does not bring back what Kemenkes has changed.
    let mut known = facility("klinik-indramayu");
    known.capacity_per_day = 7;
    put(&kemenkes, known, "").await.unwrap();
    let gateway = Gateway::start_in(gateway.kill());
    let mut client = FacilityServiceClient::new(gateway.connect("kemendes").await);
    let request = GetFacilityRequest { facility_id: "klinik-indramayu".into() };
    let found = client.get_facility(request).await.unwrap().into_inner().facility.unwrap();
    assert_eq!(found.capacity_per_day, 7);
}

/// Where a village lies.
async fn place(agency: &Channel, code: &str) -> Option<LatLng> {
    let request = GetVillageRequest { code: code.into() };
    let answer = VillageServiceClient::new(agency.clone()).get_village(request).await.unwrap();
    answer.into_inner().village.unwrap().location
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_with_a_facility_is_said() {
    type Change = fn(&mut FacilityDetails);
    let gateway = Gateway::shared();
    let kemenkes = gateway.connect("kemenkes").await;
    let broken = async |change: Change| {
        let mut details = facility("klinik-salah");
        change(&mut details);
        let status = put(&kemenkes, details, "").await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let broken = status.get_details_bad_request().unwrap().field_violations.remove(0);
        (broken.field, broken.reason)
    };
    let cases: [(Change, &str, &str); 5] = [
        (|it| it.facility_id = "Klinik".into(), "facility.facility_id", "string.pattern"),
        (
            |it| it.location.as_mut().unwrap().longitude = 23.53,
            "facility.location",
            "OUTSIDE_INDONESIA",
        ),
        (
            |it| it.designations[0].until = "2019-12-31".into(),
            "facility.designations",
            "DESIGNATION_ENDS_BEFORE_IT_BEGINS",
        ),
        (
            |it| {
                it.designations
                    .push(DesignationPeriod { from: "2026-01-01".into(), until: String::new() });
            },
            "facility.designations",
            "DESIGNATIONS_OVERLAP",
        ),
        (
            |it| it.designations[0].from = "2020-02-30".into(),
            "facility.designations[0].from",
            "DATE_INVALID",
        ),
    ];
    for (change, field, rule) in cases {
        assert_eq!(broken(change).await, (field.to_owned(), rule.to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_villages_far_from_every_facility_are_listed_in_pages() {
    let gateway = Gateway::start();
    let kemenkes = gateway.connect("kemenkes").await;
    let agency = gateway.connect("kemendes").await;
    // A regency of many islands, far from all of the sandbox's facilities.
    let region = "81.07";
    let all = underserved(&agency, region, 25.0, 500, "").await;
    assert!(all.villages.len() > 20 && all.next_page_token.is_empty(), "{}", all.villages.len());
    assert!(all.villages.iter().all(|it| it.distance_km > 25.0 && !it.facility_id.is_empty()));
    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let page = underserved(&agency, region, 25.0, 7, &token).await;
        assert!(page.villages.len() <= 7);
        paged.extend(page.villages);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all.villages);
    assert!(paged.is_sorted_by(|a, b| a.village_code < b.village_code));
    let farther = all.villages.iter().map(|it| it.distance_km).fold(0.0, f64::max);
    let none = underserved(&agency, region, farther + 1.0, 500, "").await;
    assert!(none.villages.is_empty(), "none is farther than the farthest");

    // A facility beside one of them takes it and its neighbours off the list, at once.
    let served = all.villages[0].clone();
    let mut details = facility("klinik-pulau");
    details.village_code.clone_from(&served.village_code);
    details.location = place(&agency, &served.village_code).await;
    put(&kemenkes, details, "").await.unwrap();
    let fewer = underserved(&agency, region, 25.0, 500, "").await;
    assert!(fewer.villages.len() < all.villages.len());
    assert!(fewer.villages.iter().all(|it| it.village_code != served.village_code));

    let mut client = FacilityServiceClient::new(agency);
    let other = ListUnderservedVillagesRequest {
        region_code: region.into(),
        beyond_km: 25.0,
        page_token: "nonsense".into(),
        ..Default::default()
    };
    let status = client.list_underserved_villages(other).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}
