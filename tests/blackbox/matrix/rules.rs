//! Calls that are permitted, and refused by the rules of the domain: the refusal says nothing of
//! the person by whose records it was judged.

use desmigratif_core::access::AgencyKind::{self, Clinic, Kemnaker};
use desmigratif_proto::health::v1::SubmitClearancesRequest;
use desmigratif_proto::worker::v1::{AdvanceStageRequest, Stage, UpdateWorkerRequest};
use desmigratif_proto::{ClassSet, METHODS};
use prost::Message as _;
use tonic::Code;

use super::cast::{Cast, holder};
use super::contract::{Contract, short_name};
use super::{call, holds_only, requests};
use crate::calls::{registration_of, submission};
use crate::gateway::{new_id, reason};

/// What is answered without a refusal.
const ANSWERED: &str = "";

/// Who calls which method, with which request, and for which reason it is refused.
type Case = (AgencyKind, &'static str, Vec<u8>, &'static str);

/// Kemnaker's calls.
fn of_workers(cast: &Cast) -> Vec<Case> {
    let near = &cast.near;
    let returned = AdvanceStageRequest {
        request_id: new_id(),
        worker_id: near.worker_id.clone(),
        etag: String::new(),
        target: Stage::Returned.into(),
    };
    let update = requests::update_worker(&near.worker_id);
    let outdated = UpdateWorkerRequest::decode(update.as_slice()).unwrap();
    let outdated = UpdateWorkerRequest { etag: "77".into(), ..outdated };
    let again = registration_of(&near.person).encode_to_vec();
    vec![
        (Kemnaker, "WorkerService/RegisterWorker", again, "ALREADY_EXISTS"),
        (Kemnaker, "WorkerService/AdvanceStage", returned.encode_to_vec(), "STAGE_REFUSED"),
        (Kemnaker, "WorkerService/UpdateWorker", outdated.encode_to_vec(), "ETAG_MISMATCH"),
    ]
}

/// A clinic's calls.
fn of_clearances(cast: &Cast) -> Vec<Case> {
    let near = &cast.near;
    let mut again = submission(&near.person.nik);
    let number = &mut again.clearance.as_mut().unwrap().certificate_number;
    number.clone_from(&near.certificate_number);
    let item = SubmitClearancesRequest { item: Some(again.clone()) }.encode_to_vec();
    let first = submission(&near.person.nik);
    let mut other = first.clone();
    other.clearance.as_mut().unwrap().findings.clear();
    let revoked = cast.spare_clearances.draw();
    let revoke = || requests::revoke_clearance(&revoked);
    let submit = "MedicalClearanceService/SubmitClearance";
    vec![
        (Clinic, submit, again.encode_to_vec(), "ALREADY_EXISTS"),
        (Clinic, "MedicalClearanceService/SubmitClearances", item, "ALREADY_EXISTS"),
        (Clinic, submit, first.encode_to_vec(), ANSWERED),
        (Clinic, submit, other.encode_to_vec(), "IDEMPOTENCY_MISMATCH"),
        (Clinic, "MedicalClearanceService/RevokeClearance", revoke(), ANSWERED),
        (Clinic, "MedicalClearanceService/RevokeClearance", revoke(), "CLEARANCE_REVOKED"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_the_rules_holds_nothing_of_the_person_it_was_judged_by() {
    let cast = Cast::start().await;
    let contract = Contract::load();
    let cases = [of_workers(&cast), of_clearances(&cast)].concat();
    for (kind, name, request, expected) in cases {
        let method = METHODS.iter().find(|method| short_name(method) == name).unwrap();
        let purpose = if kind == Kemnaker { "placement-screening" } else { "clearance-submission" };
        let mut caller = cast.caller(&holder(kind)).await;
        let answer = call(&mut caller, method, Some(purpose), &request).await;
        let status = answer.status.as_ref().unwrap();
        let refused = if method.server_streaming {
            let item = contract.answers(method, &answer.body).remove(0);
            let error = item.get_field_by_name("error").unwrap().into_owned();
            let error = error.as_message().unwrap().get_field_by_name("reason").unwrap();
            error.as_str().unwrap().to_owned()
        } else {
            reason(status)
        };
        assert_eq!(refused, expected, "{name}");
        assert_eq!(status.code() == Code::Ok, expected == ANSWERED || method.server_streaming);
        if expected != ANSWERED {
            holds_only(ClassSet::NONE, &answer, &cast, name);
        }
    }
}
