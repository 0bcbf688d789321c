//! The same request again: the same answer, and one effect.

use tonic::Code;

use desmigratif_proto::common::v1::Receipt;

use crate::calls::{look_up, register, registration, submission, submit};
use crate::gateway::{Gateway, fresh_nik, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_the_first_answer_and_has_one_effect() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let nik = fresh_nik();
    let request = registration(&nik);
    let first = register(&kemnaker, request.clone()).await.unwrap();
    assert_eq!(register(&kemnaker, request.clone()).await.unwrap(), first);
    let found = look_up(&kemnaker, "placement-screening", &nik).await.unwrap().worker.unwrap();
    assert_eq!((&found.worker_id, &found.etag), (&first.worker_id, &first.etag));

    let again = register(&kemnaker, registration(&nik)).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_have_one_effect() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let clinic = gateway.connect("klinik-indramayu").await;
    let nik = fresh_nik();
    let request = registration(&nik);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (kemnaker, request) = (kemnaker.clone(), request.clone());
            tokio::spawn(async move { register(&kemnaker, request).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");

    let request = submission(&nik);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (clinic, request) = (clinic.clone(), request.clone());
            tokio::spawn(async move { submit(&clinic, request).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_with_another_body_is_refused() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let nik = fresh_nik();
    let request = registration(&nik);
    let first = register(&kemnaker, request.clone()).await.unwrap();
    let mut other = request.clone();
    other.worker.as_mut().unwrap().phone = "+6281200000002".into();
    let status = register(&kemnaker, other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "IDEMPOTENCY_MISMATCH"));
    let found = look_up(&kemnaker, "placement-screening", &nik).await.unwrap().worker.unwrap();
    assert_eq!(found.phone, "+6281200000001");
    assert_eq!(register(&kemnaker, request).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agencies_may_use_the_same_id() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let nik = fresh_nik();
    let request = registration(&nik);
    let mut clearances = Vec::new();
    register(&kemnaker, request.clone()).await.unwrap();
    for clinic in ["klinik-indramayu", "klinik-wonosobo"] {
        let mut submission = submission(&nik);
        submission.request_id.clone_from(&request.request_id);
        let clinic = gateway.connect(clinic).await;
        clearances.push(submit(&clinic, submission).await.unwrap().clearance_id);
    }
    assert_ne!(clearances[0], clearances[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_survive_a_restart() {
    let gateway = Gateway::start();
    let request = registration(&fresh_nik());
    let first = register(&gateway.connect("kemnaker").await, request.clone()).await.unwrap();
    let gateway = Gateway::start_in(gateway.kill());
    let again = register(&gateway.connect("kemnaker").await, request).await.unwrap();
    assert_eq!(again, first);
    assert!(matches!(&again.receipt, Some(Receipt { leaf_hash, .. }) if leaf_hash.len() == 32));
}
