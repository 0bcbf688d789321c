//! Streams of changes: an answer for each item, in the order sent; one person's items in order; what
//! is only tried changes nothing.

use desmigratif_proto::health::v1::SubmitClearancesRequest;
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::submit_clearances_response::Answer as Submitted;
use desmigratif_proto::identity::v1::batch_verify_identities_response::Answer as Verified;
use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_proto::identity::v1::{BatchVerifyIdentitiesRequest, IdentityOutcome};
use desmigratif_proto::worker::v1::register_workers_response::Answer;
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    RegisterWorkerRequest, RegisterWorkersRequest, RegisterWorkersResponse,
};
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic::transport::Channel;

use crate::calls::{look_up, register, registration, submission, submit, verification};
use crate::gateway::{Gateway, fresh_nik, new_id, reason, stating};
use crate::journal::entries;

async fn register_all(
    kemnaker: &Channel,
    requests: Vec<RegisterWorkerRequest>,
) -> Vec<RegisterWorkersResponse> {
    let items = requests.into_iter().map(|item| RegisterWorkersRequest { item: Some(item) });
    let items = tokio_stream::iter(items.collect::<Vec<_>>());
    let answers = WorkerServiceClient::new(kemnaker.clone())
        .register_workers(stating("placement-screening", items))
        .await
        .unwrap();
    answers.into_inner().map(Result::unwrap).collect().await
}

/// The reason of a refused item; empty for one that was taken.
fn refusal(answer: &RegisterWorkersResponse) -> &str {
    match answer.answer.as_ref().unwrap() {
        Answer::Error(error) => &error.reason,
        Answer::Result(_) => "",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_is_answered_in_its_place_and_a_bad_one_ends_nothing() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let mut requests: Vec<_> = (0..200).map(|_| registration(&fresh_nik())).collect();
    for bad in requests.iter_mut().step_by(7) {
        bad.worker.as_mut().unwrap().village_code = "32.12.16.2999".into();
    }
    let answers = register_all(&kemnaker, requests.clone()).await;
    assert_eq!(answers.len(), requests.len());
    let mut entries = Vec::new();
    for (index, (request, answer)) in requests.iter().zip(&answers).enumerate() {
        assert_eq!(answer.request_id, request.request_id);
        match answer.answer.as_ref().unwrap() {
            Answer::Error(error) => {
                assert_eq!(index % 7, 0, "{error:?}");
                assert_eq!(error.field_violations[0].rule, "VILLAGE_CODE_UNKNOWN");
            }
            Answer::Result(result) => {
                assert_ne!(index % 7, 0);
                entries.push(result.receipt.as_ref().unwrap().entry_index);
            }
        }
    }
    entries.sort_unstable();
    entries.dedup();
    assert_eq!(entries.len(), 200 - 29, "an entry for each that was taken");
    let again = register_all(&kemnaker, requests).await;
    assert_eq!(again, answers, "the same stream again has the same answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_items_about_one_person_are_decided_in_the_order_sent() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let pairs =
        (0..40).map(|_| fresh_nik()).flat_map(|nik| [registration(&nik), registration(&nik)]);
    let answers = register_all(&kemnaker, pairs.collect()).await;
    for pair in answers.chunks(2) {
        assert_eq!((refusal(&pair[0]), refusal(&pair[1])), ("", "ALREADY_EXISTS"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clearances_and_checks_are_answered_one_by_one_too() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let (known, unknown) = (fresh_nik(), fresh_nik());
    register(&kemnaker, registration(&known)).await.unwrap();
    let requests: Vec<_> =
        (0..60).map(|n| submission(if n % 3 == 0 { &unknown } else { &known })).collect();
    let items = requests.clone().into_iter();
    let items = items.map(|item| SubmitClearancesRequest { item: Some(item) }).collect::<Vec<_>>();
    let clinic = gateway.connect("klinik-indramayu").await;
    let answers: Vec<_> = MedicalClearanceServiceClient::new(clinic)
        .submit_clearances(stating("clearance-submission", tokio_stream::iter(items)))
        .await
        .unwrap()
        .into_inner()
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(answers.len(), 60);
    let mut before = None;
    for (index, (request, answer)) in requests.iter().zip(&answers).enumerate() {
        assert_eq!(answer.request_id, request.request_id);
        match answer.answer.as_ref().unwrap() {
            Submitted::Error(error) => {
                assert_eq!((index % 3, error.reason.as_str()), (0, "NOT_FOUND"));
            }
            Submitted::Result(result) => {
                let entry = result.receipt.as_ref().unwrap().entry_index;
                assert!(before.is_none_or(|before| before < entry), "in the journal's order");
                before = Some(entry);
            }
        }
    }

    let checks: Vec<_> = (0..30)
        .map(|_| {
            let item = verification(&fresh_nik(), "Contoh", jiff::civil::date(1990, 1, 15));
            BatchVerifyIdentitiesRequest { item: Some(item) }
        })
        .collect();
    let ids: Vec<_> =
        checks.iter().map(|it| it.item.as_ref().unwrap().request_id.clone()).collect();
    let answers: Vec<_> = IdentityServiceClient::new(gateway.connect("kemendagri").await)
        .batch_verify_identities(stating("identity-check", tokio_stream::iter(checks)))
        .await
        .unwrap()
        .into_inner()
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(answers.iter().map(|it| it.request_id.clone()).collect::<Vec<_>>(), ids);
    for answer in answers {
        let Some(Verified::Result(result)) = answer.answer else { panic!("a result") };
        assert_eq!(result.outcome(), IdentityOutcome::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_tried_changes_nothing_and_is_an_entry() {
    let gateway = Gateway::start();
    let kemnaker = gateway.connect("kemnaker").await;
    let clinic = gateway.connect("klinik-indramayu").await;
    let nik = fresh_nik();
    let mut trial = registration(&nik);
    trial.validate_only = true;
    let before = entries(&gateway, "disclosure").len();
    let answer = register(&kemnaker, trial.clone()).await.unwrap();
    assert!(answer.worker_id.is_empty() && answer.etag.is_empty());
    assert!(answer.receipt.is_some());
    let missing = look_up(&kemnaker, "placement-screening", &nik).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound, "nothing is kept");
    let method = "desmigratif.worker.v1.WorkerService/RegisterWorker".to_owned();
    let tried = ("kemnaker".to_owned(), method);
    assert_eq!(entries(&gateway, "disclosure")[before..], std::slice::from_ref(&tried)[..]);

    // The same id is free for the real request, and what it would meet is told.
    let mut real = trial.clone();
    real.validate_only = false;
    register(&kemnaker, real).await.unwrap();
    let exists = register(&kemnaker, trial).await.unwrap_err();
    assert_eq!((exists.code(), reason(&exists).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    assert_eq!(
        entries(&gateway, "disclosure")[before..],
        [tried.clone(), tried],
        "told, so an entry"
    );

    let mut bad = registration("9902015501900000");
    (bad.validate_only, bad.request_id) = (true, new_id());
    assert_eq!(register(&kemnaker, bad).await.unwrap_err().code(), Code::InvalidArgument);

    let mut trial = submission(&nik);
    trial.validate_only = true;
    let answer = submit(&clinic, trial.clone()).await.unwrap();
    assert!(answer.clearance_id.is_empty());
    trial.validate_only = false;
    submit(&clinic, trial).await.unwrap();
}
