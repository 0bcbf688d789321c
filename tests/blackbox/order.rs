//! What concerns one person reaches a ministry in the order in which it happened, whatever fails
//! on the way.

use desmigratif_core::access::AgencyKind::Kemnaker;
use desmigratif_core::record::Kind;
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{RevocationReason, RevokeClearanceRequest};
use desmigratif_sandbox::{Fault, people};
use tonic::transport::Channel;

use crate::calls::{at_most, register, registration_of, submission, submit, verification, verify};
use crate::country::{Country, Ways};
use crate::gateway::{new_id, stating};

/// How often each person's record is changed.
const ROUNDS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_changed_many_times_arrives_in_order_though_the_ministry_fails_now_and_then() {
    let country = Country::start(&Ways::default()).await;
    let kemnaker = country.gateway.connect("kemnaker").await;
    let kemendagri = country.gateway.connect("kemendagri").await;
    let clinic = country.gateway.connect("klinik-indramayu").await;
    let persons: Vec<_> = people::candidates().take(3).collect();
    let mut workers = Vec::new();
    for person in &persons {
        workers.push(register(&kemnaker, registration_of(person)).await.unwrap().worker_id);
    }
    let faults = [
        Some(Fault::Down),
        None,
        Some(Fault::LostAnswer),
        Some(Fault::Http500),
        None,
        Some(Fault::Reset),
    ];
    for round in 0..ROUNDS {
        country.sandbox.switch().set(Kemnaker, faults[round % faults.len()]);
        for person in &persons {
            let mut request = verification(&person.nik, &person.name, person.birth_date);
            request.freshness = at_most(0, false);
            verify(&kemendagri, request).await.unwrap();
            let handed_in = submit(&clinic, submission(&person.nik)).await.unwrap();
            if round % 2 == 0 {
                revoke(&clinic, &handed_in.clearance_id).await;
            }
        }
    }
    country.lift();
    country.settled().await;

    for (person, worker) in persons.iter().zip(&workers) {
        let arrivals = country.sandbox.records().arrivals(&person.nik);
        assert_eq!(arrivals.len(), 2 * ROUNDS + ROUNDS / 2, "every change once: {arrivals:?}");
        let in_order = arrivals.is_sorted_by(|one, next| one.entry < next.entry);
        assert!(in_order, "{arrivals:?}");
        assert!(arrivals.iter().all(|it| it.effect), "none came after a newer one: {arrivals:?}");
        let versions: Vec<_> =
            arrivals.iter().filter(|it| it.kind == Kind::Worker).map(|it| it.version).collect();
        assert_eq!(versions.len(), ROUNDS);
        assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
        let last = country.sandbox.records().version(Kind::Worker, worker);
        assert_eq!(last.as_ref(), versions.last());
    }
    let delivered = country.deliveries(&["--ministry", "kemnaker", "--state", "delivered"]).len();
    assert_eq!(country.one_effect_each(Kemnaker), delivered);
    assert_eq!(delivered, country.deliveries(&["--ministry", "kemnaker"]).len());
}

async fn revoke(clinic: &Channel, clearance_id: &str) {
    let request = RevokeClearanceRequest {
        request_id: new_id(),
        clearance_id: clearance_id.to_owned(),
        etag: String::new(),
        reason: (1..).find_map(|n| RevocationReason::try_from(n).ok()).unwrap().into(),
    };
    MedicalClearanceServiceClient::new(clinic.clone())
        .revoke_clearance(stating("clearance-submission", request))
        .await
        .unwrap();
}
