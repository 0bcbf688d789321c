//! Who may see what: purposes, kinds of agency, regions, and whose clearance it is.

use desmigratif_proto::access::v1::WhoAmIRequest;
use desmigratif_proto::access::v1::access_service_client::AccessServiceClient;
use desmigratif_proto::common::v1::AgencyKind;
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{Clearance, Conclusion, GetClearanceRequest};
use desmigratif_proto::village::v1::GetVillageRequest;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    GetWorkerRequest, LookupWorkerRequest, LookupWorkerResponse, Stage,
};
use prost::Message as _;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::calls::{first_village, look_up, register, registration, submission, submit};
use crate::gateway::{Gateway, KENANGA, fresh_nik, new_id, reason, stating};
use crate::raw::Raw;

async fn clearance_of(agency: &Channel, purpose: &str, id: &str) -> Result<Clearance, Status> {
    let request = stating(purpose, GetClearanceRequest { clearance_id: id.into() });
    let answer = MedicalClearanceServiceClient::new(agency.clone()).get_clearance(request).await?;
    Ok(answer.into_inner().clearance.unwrap())
}

async fn worker_by_id(agency: &Channel, purpose: Option<&str>, id: &str) -> Result<(), Status> {
    let mut request = Request::new(GetWorkerRequest { worker_id: id.into() });
    if let Some(purpose) = purpose {
        request.metadata_mut().insert("desmigratif-purpose", purpose.parse().unwrap());
    }
    WorkerServiceClient::new(agency.clone()).get_worker(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clearance_shows_kemnaker_its_conclusion_and_its_clinic_the_findings() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let clinic = gateway.connect("klinik-indramayu").await;
    let nik = fresh_nik();
    register(&kemnaker, registration(&nik)).await.unwrap();
    let submitted = submit(&clinic, submission(&nik)).await.unwrap();
    let id = &submitted.clearance_id;

    let seen = clearance_of(&kemnaker, "placement-screening", id).await.unwrap();
    assert_eq!(seen.conclusion(), Conclusion::Fit);
    assert_eq!(seen.valid_until, submitted.valid_until);
    assert!(!seen.valid_until.is_empty());
    assert!(seen.findings.is_empty() && seen.examiner.is_none() && seen.pregnancy_test.is_none());

    let seen = clearance_of(&clinic, "clearance-submission", id).await.unwrap();
    assert_eq!(seen.findings.first().unwrap().value, "13.7");
    assert!(seen.examiner.is_some());

    let kemenkes = gateway.connect("kemenkes").await;
    let seen = clearance_of(&kemenkes, "oversight", id).await.unwrap();
    assert_eq!(seen.findings.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clinics_clearance_looks_like_one_that_is_not_there() {
    let gateway = Gateway::shared();
    let nik = fresh_nik();
    register(&gateway.connect("kemnaker").await, registration(&nik)).await.unwrap();
    let mine = submit(&gateway.connect("klinik-indramayu").await, submission(&nik)).await.unwrap();
    let other = gateway.connect("klinik-wonosobo").await;
    let theirs = clearance_of(&other, "clearance-submission", &mine.clearance_id).await;
    let nobodys = clearance_of(&other, "clearance-submission", &new_id()).await;
    let said = [theirs, nobodys].map(|answer| {
        let status = answer.unwrap_err();
        (status.code(), status.message().to_owned(), reason(&status))
    });
    assert_eq!(said[0], said[1]);
    assert_eq!((said[0].0, said[0].2.as_str()), (Code::NotFound, "NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_outside_the_grants_is_refused_with_the_reason() {
    let gateway = Gateway::shared();
    let kemendes = gateway.connect("kemendes").await;
    let kemnaker = gateway.connect("kemnaker").await;
    let id = register(&kemnaker, registration(&fresh_nik())).await.unwrap().worker_id;
    for (agency, purpose, expected) in [
        (&kemendes, Some("programme-planning"), "NOT_PERMITTED"),
        (&kemnaker, Some("programme-planning"), "NOT_PERMITTED"),
        (&kemnaker, None, "PURPOSE_MISSING"),
        (&kemnaker, Some("curiosity"), "PURPOSE_UNKNOWN"),
        (&kemnaker, Some("identity-check"), "PURPOSE_NOT_HELD"),
    ] {
        let status = worker_by_id(agency, purpose, &id).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{purpose:?}: {status:?}");
        assert_eq!(reason(&status), expected);
    }
    worker_by_id(&kemnaker, Some("placement-screening"), &id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regional_office_finds_the_people_of_its_region_only() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let office = gateway.connect("disnaker-indramayu").await;
    let (near, far) = (fresh_nik(), fresh_nik());
    register(&kemnaker, registration(&near)).await.unwrap();
    let mut elsewhere = registration(&far);
    let village = first_village(&kemnaker, "33.07").await.code;
    elsewhere.worker.as_mut().unwrap().village_code = village;
    let elsewhere = register(&kemnaker, elsewhere).await.unwrap();

    let found = look_up(&office, "social-protection", &near).await.unwrap().worker.unwrap();
    assert_eq!((found.nik.as_str(), found.village_code.as_str()), (near.as_str(), KENANGA));
    let hidden = look_up(&office, "social-protection", &far).await.unwrap_err();
    let absent = look_up(&office, "social-protection", &fresh_nik()).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    assert_eq!((hidden.message(), reason(&hidden)), (absent.message(), reason(&absent)));
    let by_id = worker_by_id(&office, Some("social-protection"), &elsewhere.worker_id).await;
    assert_eq!(by_id.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agency_gets_the_stage_and_no_personal_byte() {
    let gateway = Gateway::shared();
    let nik = fresh_nik();
    register(&gateway.connect("kemnaker").await, registration(&nik)).await.unwrap();
    let mut bp2mi = Raw::connect(&gateway, &gateway.identity("bp2mi")).await;
    let answer = bp2mi
        .call(
            "/desmigratif.worker.v1.WorkerService/LookupWorker",
            &[("desmigratif-purpose", "social-protection")],
            &LookupWorkerRequest { nik: nik.clone() }.encode_to_vec(),
        )
        .await;
    assert_eq!(answer.status.unwrap().code(), Code::Ok);
    let worker = LookupWorkerResponse::decode(&answer.body[5..]).unwrap().worker.unwrap();
    assert_eq!(worker.stage(), Stage::Prospective);
    let sent = String::from_utf8_lossy(&answer.body);
    for personal in [nik.as_str(), "Contoh", "1990-01-15", "+6281200000001", "Jalan"] {
        assert!(!sent.contains(personal), "{personal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_public_needs_no_purpose() {
    let gateway = Gateway::shared();
    let office = gateway.connect("kantor-staf-presiden").await;
    let request = GetVillageRequest { code: KENANGA.into() };
    let village = VillageServiceClient::new(office).get_village(request).await.unwrap();
    assert_eq!(village.into_inner().village.unwrap().name, "Kenanga");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_am_i_tells_the_caller_its_own_standing() {
    let gateway = Gateway::shared();
    let who = |channel| async {
        AccessServiceClient::new(channel).who_am_i(WhoAmIRequest {}).await.unwrap().into_inner()
    };
    let clinic = who(gateway.connect("klinik-malang").await).await;
    assert_eq!(clinic.agency_id, "klinik-malang");
    assert_eq!((clinic.kind(), clinic.facility_id.as_str()), (AgencyKind::Clinic, "klinik-malang"));
    assert_eq!(clinic.purposes.len(), 1);
    assert_eq!(clinic.purposes[0].metadata_value, "clearance-submission");
    assert!(clinic.purposes[0].methods.iter().any(|name| name.ends_with("/SubmitClearance")));
    assert_eq!(clinic.certificate_sha256.len(), 64);
    let seconds = |at: Option<prost_types::Timestamp>| at.unwrap().seconds;
    assert!(seconds(clinic.certificate_expires_at) > seconds(clinic.server_time));
    let office = who(gateway.connect("disnaker-indramayu").await).await;
    assert_eq!(office.region_code, "32.12");
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_the_contract_and_health_says_serving() {
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let gateway = Gateway::shared();
    let channel = gateway.connect("kemendes").await;
    let ask = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = ServerReflectionClient::new(channel.clone())
        .server_reflection_info(tokio_stream::once(ask))
        .await
        .unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list: {answer:?}")
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for method in desmigratif_proto::METHODS {
        assert!(names.contains(&method.service), "{} of {names:?}", method.service);
    }
    let health = HealthClient::new(channel)
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await
        .unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);
}
