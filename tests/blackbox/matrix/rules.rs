//! Calls that are permitted, and refused by the rules of the domain: the refusal says nothing of
//! the person by whose records it was judged.

use desmigratif_core::access::AgencyKind::{self, Clinic, Kemnaker};
use desmigratif_proto::health::v1::SubmitClearancesRequest;
use desmigratif_proto::programme::v1::{Pillar, Role, ServiceStatus};
use desmigratif_proto::worker::v1::{AdvanceStageRequest, Stage, UpdateWorkerRequest};
use desmigratif_proto::{ClassSet, METHODS};
use prost::Message as _;
use tonic::Code;

use super::cast::{Cast, holder};
use super::contract::{Contract, short_name};
use super::{call, holds_only, programme, requests};
use crate::calls::{registration_of, submission};
use crate::gateway::{KENANGA, new_id, reason};
use crate::programme::records::{activity, assignment, service};

/// What is answered without a refusal.
const ANSWERED: &str = "";

/// Who calls which method for which purpose, with which request, and for which reason it is refused.
type Case = (AgencyKind, &'static str, &'static str, Vec<u8>, &'static str);

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
    let cases = [
        ("WorkerService/RegisterWorker", again, "ALREADY_EXISTS"),
        ("WorkerService/AdvanceStage", returned.encode_to_vec(), "STAGE_REFUSED"),
        ("WorkerService/UpdateWorker", outdated.encode_to_vec(), "ETAG_MISMATCH"),
    ];
    of(Kemnaker, "placement-screening", cases)
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
    let cases = [
        (submit, again.encode_to_vec(), "ALREADY_EXISTS"),
        ("MedicalClearanceService/SubmitClearances", item, "ALREADY_EXISTS"),
        (submit, first.encode_to_vec(), ANSWERED),
        (submit, other.encode_to_vec(), "IDEMPOTENCY_MISMATCH"),
        ("MedicalClearanceService/RevokeClearance", revoke(), ANSWERED),
        ("MedicalClearanceService/RevokeClearance", revoke(), "CLEARANCE_REVOKED"),
    ];
    of(Clinic, "clearance-submission", cases)
}

/// Kemnaker's calls about the programme.
fn of_the_programme(cast: &Cast) -> Vec<Case> {
    let undesignated = cast.programme.undesignated.draw();
    let health = service(KENANGA, "health", ServiceStatus::Active).encode_to_vec();
    let again = programme::designate_village(KENANGA);
    let mut outdated = activity(KENANGA, Pillar::Cooperative);
    outdated.activity.as_mut().unwrap().activity_id.clone_from(&cast.programme.activity);
    outdated.etag = "77".into();
    // Somebody is in charge of Kenanga.
    let mut filled = assignment(Role::PersonInCharge, KENANGA, &cast.near.person.nik);
    filled.name.clone_from(&cast.near.person.name);
    let elsewhere = programme::record_activity(&undesignated, "");
    let nowhere = programme::assign_officer(&undesignated, &cast.near.person.nik);
    let cases = [
        ("PillarService/RecordActivity", elsewhere, "VILLAGE_NOT_DESIGNATED"),
        ("PillarService/RecordActivity", outdated.encode_to_vec(), "ETAG_MISMATCH"),
        ("ProgrammeService/AssignOfficer", nowhere, "VILLAGE_NOT_DESIGNATED"),
        ("ProgrammeService/AssignOfficer", filled.encode_to_vec(), "POST_REFUSED"),
        ("ProgrammeService/DesignateVillage", again, "ALREADY_EXISTS"),
        ("SectorMapService/ReportSectorService", health, "SECTOR_NOT_REPORTED"),
    ];
    of(Kemnaker, "programme-planning", cases)
}

/// What an agency of a kind calls for a purpose.
fn of<const N: usize>(
    kind: AgencyKind,
    purpose: &'static str,
    cases: [(&'static str, Vec<u8>, &'static str); N],
) -> Vec<Case> {
    let case = |(method, request, refused)| (kind, purpose, method, request, refused);
    cases.into_iter().map(case).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_the_rules_holds_nothing_of_the_person_it_was_judged_by() {
    let cast = Cast::start().await;
    let contract = Contract::load();
    let cases = [of_workers(&cast), of_clearances(&cast), of_the_programme(&cast)].concat();
    for (kind, purpose, name, request, expected) in cases {
        let method = METHODS.iter().find(|method| short_name(method) == name).unwrap();
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
