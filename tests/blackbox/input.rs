//! What callers send that cannot be taken: everything that is wrong is said, nothing is echoed,
//! nothing is kept.

use std::collections::BTreeMap;

use desmigratif_proto::common::v1::BirthDate;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::village::v1::{CodeSystem, ListVillagesRequest, ResolveCodeRequest};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    AdvanceStageRequest, RegisterWorkerRequest, Stage, UpdateWorkerRequest, WorkerDetails,
};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::calls::{look_up, register, registration};
use crate::gateway::{Gateway, fresh_nik, new_id, reason, stating};

/// The broken fields of a refusal with their rules; each must be explained in two languages.
pub(crate) fn violations(status: &Status) -> BTreeMap<String, String> {
    assert_eq!((status.code(), reason(status).as_str()), (Code::InvalidArgument, "FIELDS_INVALID"));
    let request = status.get_details_bad_request().expect("field violations");
    let explained = request.field_violations.into_iter().map(|violation| {
        let indonesian = violation.localized_message.expect("a translation");
        assert_eq!(indonesian.locale, "id");
        assert!(!violation.description.is_empty() && !indonesian.message.is_empty());
        assert_ne!(violation.description, indonesian.message);
        (violation.field, violation.reason)
    });
    explained.collect()
}

async fn refused(kemnaker: &Channel, change: impl FnOnce(&mut WorkerDetails)) -> Status {
    let nik = fresh_nik();
    let mut request = registration(&nik);
    change(request.worker.as_mut().unwrap());
    let status = register(kemnaker, request).await.unwrap_err();
    let kept = look_up(kemnaker, "placement-screening", &nik).await.unwrap_err();
    assert_eq!(kept.code(), Code::NotFound, "nothing is kept");
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_is_listed_at_once_and_no_value_echoed() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let request = RegisterWorkerRequest {
        request_id: "rahasia-not-a-uuid".into(),
        worker: Some(WorkerDetails {
            nik: "99017788qz".into(),
            kk_number: "778899".into(),
            name: "Rahasiawati".repeat(12),
            birth_date: Some(BirthDate { date: "31-12-1977".into(), precision: 9 }),
            sex: 0,
            village_code: "kenangaku".into(),
            phone: "0812-7788".into(),
            address: "Jalan Sembunyi ".repeat(20),
            destination_country: "hongkong".into(),
            placement: 77,
            documents: vec![1, 0],
        }),
        validate_only: false,
    };
    let status = register(&kemnaker, request).await.unwrap_err();
    let found = violations(&status);
    for (field, rule) in [
        ("request_id", "string.uuid"),
        ("worker.nik", "NIK_NOT_DIGITS"),
        ("worker.kk_number", "NIK_LENGTH"),
        ("worker.name", "NAME_TOO_LONG"),
        ("worker.birth_date.date", "DATE_INVALID"),
        ("worker.birth_date.precision", "enum.defined_only"),
        ("worker.sex", "required"),
        ("worker.village_code", "REGION_CODE_SHAPE"),
        ("worker.phone", "string.pattern"),
        ("worker.address", "string.max_len"),
        ("worker.destination_country", "COUNTRY_INVALID"),
        ("worker.placement", "enum.defined_only"),
        ("worker.documents[1]", "enum.not_in"),
    ] {
        assert_eq!(found.get(field).map(String::as_str), Some(rule), "{field} of {found:?}");
    }
    assert_eq!(found.len(), 13, "{found:?}");
    let details = String::from_utf8_lossy(status.details()).to_lowercase();
    for value in ["rahasia", "7788", "31-12", "kenangaku", "sembunyi", "hongkong"] {
        assert!(!status.message().to_lowercase().contains(value), "{value}");
        assert!(!details.contains(value), "{value}");
    }
    assert!(status.message().is_ascii());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_the_domain_are_named_like_those_of_the_contract() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    type Change = fn(&mut WorkerDetails);
    let cases: [(Change, &str, &str); 5] = [
        (|it| it.nik.replace_range(12.., "0000"), "worker.nik", "NIK_SERIAL_ZERO"),
        (
            |it| it.village_code = "32.12.16.2999".into(),
            "worker.village_code",
            "VILLAGE_CODE_UNKNOWN",
        ),
        (
            |it| it.village_code = "91.01.01.2001".into(),
            "worker.village_code",
            "VILLAGE_CODE_RETIRED",
        ),
        (
            |it| it.birth_date.as_mut().unwrap().date = "2999-01-15".into(),
            "worker.birth_date.date",
            "BIRTH_DATE_FUTURE",
        ),
        (
            |it| it.birth_date.as_mut().unwrap().date = "1990-02-30".into(),
            "worker.birth_date.date",
            "DATE_INVALID",
        ),
    ];
    for (change, field, rule) in cases {
        let found = violations(&refused(&kemnaker, change).await);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(field.into(), rule.into())]);
    }
    let both = refused(&kemnaker, |it| {
        it.village_code = "32.12.16.2999".into();
        it.phone = "0812".into();
    });
    assert_eq!(violations(&both.await).len(), 2, "contract and domain together");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stage_lists_every_guard() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let mut request = registration(&fresh_nik());
    let worker = request.worker.as_mut().unwrap();
    worker.destination_country.clear();
    worker.documents.clear();
    let worker_id = register(&kemnaker, request).await.unwrap().worker_id;
    let advance = AdvanceStageRequest {
        request_id: new_id(),
        worker_id,
        target: Stage::Abroad.into(),
        ..Default::default()
    };
    let status = WorkerServiceClient::new(kemnaker)
        .advance_stage(stating("placement-screening", advance))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(reason(&status), "STAGE_REFUSED");
    let failed = status.get_details_precondition_failure().unwrap().violations;
    let kinds: Vec<_> = failed.iter().map(|it| it.r#type.as_str()).collect();
    for guard in ["STAGE_NOT_NEXT", "IDENTITY_NOT_VERIFIED", "NO_DESTINATION"] {
        assert!(kinds.contains(&guard), "{guard} of {kinds:?}");
    }
    let missing = kinds.iter().filter(|kind| kind.contains("MISSING")).count();
    assert!(missing >= 5, "{kinds:?}");
    assert!(failed.iter().all(|it| it.description.contains(" / ")), "two languages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bps_code_is_not_guessed() {
    let gateway = Gateway::shared();
    let request =
        ResolveCodeRequest { code: "3212160004".into(), code_system: CodeSystem::Bps.into() };
    let status = VillageServiceClient::new(gateway.connect("kemendes").await)
        .resolve_code(request)
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "BPS_TABLE_ABSENT")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_belongs_to_its_list() {
    let gateway = Gateway::shared();
    let mut villages = VillageServiceClient::new(gateway.connect("kemendes").await);
    let list = |region: &str, token: &str| ListVillagesRequest {
        region_code: region.into(),
        page_size: 1,
        page_token: token.into(),
    };
    let first = villages.list_villages(list("32.12", "")).await.unwrap().into_inner();
    let token = first.next_page_token;
    let second = villages.list_villages(list("32.12", &token)).await.unwrap().into_inner();
    assert_ne!(first.villages, second.villages);
    for other in [list("33.07", &token), list("32.12", "nonsense")] {
        let status = villages.list_villages(other).await.unwrap_err();
        assert_eq!(violations(&status)["page_token"], "PAGE_TOKEN_INVALID");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_version_that_was_not_read_is_refused() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let nik = fresh_nik();
    let registered = register(&kemnaker, registration(&nik)).await.unwrap();
    let update = |etag: &str, phone: &str| {
        let request = UpdateWorkerRequest {
            request_id: new_id(),
            worker_id: registered.worker_id.clone(),
            etag: etag.into(),
            worker: Some(WorkerDetails { phone: phone.into(), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["phone".into()] }),
        };
        stating("placement-screening", request)
    };
    let mut workers = WorkerServiceClient::new(kemnaker.clone());
    let first = workers.update_worker(update(&registered.etag, "+62811111111")).await.unwrap();
    for stale in [registered.etag.as_str(), "99", "nonsense"] {
        let status = workers.update_worker(update(stale, "+62822222222")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    }
    let found = look_up(&kemnaker, "placement-screening", &nik).await.unwrap().worker.unwrap();
    assert_eq!(found.phone, "+62811111111");
    assert_eq!(found.etag, first.into_inner().etag);
    assert_eq!(found.name, "Contoh Ratna Sari", "fields outside the mask stay");
}
