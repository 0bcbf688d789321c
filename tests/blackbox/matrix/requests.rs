//! An example request of every method, such that the answer holds what the method can disclose.

use desmigratif_core::access::AgencyKind;
use desmigratif_proto::Method;
use desmigratif_proto::access::v1::WhoAmIRequest;
use desmigratif_proto::admin::v1::{
    ActivateAgencyRequest, CreateAgencyRequest, DiscardDeliveryRequest, IssueCertificateRequest,
    ListAdaptersRequest, ListAgenciesRequest, ListDeliveriesRequest, PauseAdapterRequest,
    RegisterCertificateRequest, RemoveCertificateRequest, ReplayDeliveriesRequest,
    ResumeAdapterRequest, RetireAgencyRequest, SuspendAgencyRequest,
};
use desmigratif_proto::audit::v1::{
    AddCosignatureRequest, EndWithholdingRequest, EraseSubjectRequest, GetCheckpointRequest,
    GetConsistencyProofRequest, GetEntryRequest, GetInclusionProofRequest, ListDisclosuresRequest,
    ListWithholdingsRequest, ReportBreachRequest,
};
use desmigratif_proto::common::v1 as common;
use desmigratif_proto::exchange::v1::{GetHeadRequest, RecordKind, WatchChangesRequest};
use desmigratif_proto::health::v1::{
    FacilityDetails, FindNearestFacilitiesRequest, GetClearanceRequest, GetFacilityRequest,
    ListClearancesRequest, ListFacilitiesRequest, ListUnderservedVillagesRequest,
    RegisterFacilityRequest, RevocationReason, RevokeClearanceRequest, SubmitClearancesRequest,
    VerifyCertificateRequest,
};
use desmigratif_proto::identity::v1::{BatchVerifyIdentitiesRequest, VerifyIdentityRequest};
use desmigratif_proto::village::v1::{
    BatchGetVillagesRequest, GetVillageProfileRequest, GetVillageRequest, ListRegionsRequest,
    ListVillagesRequest, ResolveCodeRequest, SearchVillagesRequest,
};
use desmigratif_proto::worker::v1::{
    AddFamilyMemberRequest, AdvanceStageRequest, GetWorkerRequest, ListFamilyMembersRequest,
    ListWorkersRequest, LookupWorkerRequest, RegisterWorkerRequest, RegisterWorkersRequest, Stage,
    UpdateWorkerRequest,
};
use desmigratif_sandbox::people::Candidate;
use prost::Message as _;

use super::cast::{Cast, agency, member, signing_request};
use super::contract::short_name;
use super::programme;
use crate::calls::{facility, in_days, registration, submission, verification, withholding};
use crate::gateway::{KENANGA, fresh_nik, new_id, worker};

/// An example, made of the cast's records: its bytes.
pub(super) type Example = fn(&Cast) -> Vec<u8>;

/// The methods without an example, each with the reason. The list may only shrink: a method that
/// the gateway serves has an example among [`examples`].
pub(super) const EXCEPTIONS: [(&str, &str); 2] = [
    ("ConnectorService/Deliver", "the gateway calls it on a ministry's side and does not serve it"),
    ("ConnectorService/Lookup", "the gateway calls it on a ministry's side and does not serve it"),
];

/// The example of a method.
pub(super) fn example(method: &Method) -> Option<Example> {
    let name = short_name(method);
    examples().find(|(of, _)| **of == name).map(|(_, example)| *example)
}

/// The examples of all services by the names of their methods.
pub(super) fn examples() -> impl Iterator<Item = &'static (&'static str, Example)> {
    EXAMPLES.iter().chain(programme::EXAMPLES)
}

const KEMENDES: i32 = common::AgencyKind::Kemendes as i32;

/// The examples but the programme's. Those that can be sent once draw what they change from the
/// cast's pools.
const EXAMPLES: &[(&str, Example)] = &[
    ("AccessService/WhoAmI", |_| WhoAmIRequest {}.encode_to_vec()),
    ("AdminService/DiscardDelivery", |cast| {
        let (request_id, delivery_id) = (new_id(), cast.deliveries.draw());
        let reason = "an example".into();
        DiscardDeliveryRequest { request_id, delivery_id, reason }.encode_to_vec()
    }),
    ("AdminService/ListAdapters", |_| ListAdaptersRequest {}.encode_to_vec()),
    ("AdminService/ListDeliveries", |_| ListDeliveriesRequest::default().encode_to_vec()),
    ("AdminService/PauseAdapter", |_| {
        let reason = "an example".into();
        PauseAdapterRequest { request_id: new_id(), ministry: KEMENDES, reason }.encode_to_vec()
    }),
    ("AdminService/ReplayDeliveries", |_| {
        let (request_id, delivery_ids) = (new_id(), Vec::new());
        ReplayDeliveriesRequest { request_id, delivery_ids, ministry: KEMENDES }.encode_to_vec()
    }),
    ("AdminService/ResumeAdapter", |_| {
        ResumeAdapterRequest { request_id: new_id(), ministry: KEMENDES }.encode_to_vec()
    }),
    ("AgencyService/ActivateAgency", |cast| {
        let agency_id = cast.pawns.draw().id;
        ActivateAgencyRequest { request_id: new_id(), agency_id }.encode_to_vec()
    }),
    ("AgencyService/CreateAgency", |_| {
        let request_id = new_id();
        // The end of an id is chance; its beginning is the time.
        let id = format!("new-{}", &request_id[24..]);
        let agency = Some(agency(&id, AgencyKind::OtherAgency, &[]));
        CreateAgencyRequest { request_id, agency }.encode_to_vec()
    }),
    ("AgencyService/IssueCertificate", |cast| {
        let (signing_request_pem, _) = signing_request();
        let agency_id = cast.pawns.draw().id;
        IssueCertificateRequest { request_id: new_id(), agency_id, signing_request_pem }
            .encode_to_vec()
    }),
    ("AgencyService/ListAgencies", |_| ListAgenciesRequest::default().encode_to_vec()),
    ("AgencyService/RegisterCertificate", |cast| {
        let pawn = cast.pawns.draw();
        let certificate_pem = pawn.certificates[0].certificate_pem.clone();
        RegisterCertificateRequest { request_id: new_id(), agency_id: pawn.id, certificate_pem }
            .encode_to_vec()
    }),
    ("AgencyService/RemoveCertificate", |cast| {
        let pawn = cast.pawns.draw();
        let certificate_sha256 = pawn.certificates[0].certificate.as_ref().unwrap().sha256.clone();
        RemoveCertificateRequest { request_id: new_id(), agency_id: pawn.id, certificate_sha256 }
            .encode_to_vec()
    }),
    ("AgencyService/RetireAgency", |cast| {
        let agency_id = cast.pawns.draw().id;
        RetireAgencyRequest { request_id: new_id(), agency_id }.encode_to_vec()
    }),
    ("AgencyService/SuspendAgency", |cast| {
        let agency_id = cast.pawns.draw().id;
        SuspendAgencyRequest { request_id: new_id(), agency_id }.encode_to_vec()
    }),
    ("AuditService/AddCosignature", |cast| {
        let (size, cosignature) = cast.cosignature.clone();
        AddCosignatureRequest { size, cosignature }.encode_to_vec()
    }),
    ("AuditService/EndWithholding", |cast| {
        let withholding_id = cast.withholdings.draw();
        EndWithholdingRequest { request_id: new_id(), withholding_id }.encode_to_vec()
    }),
    ("AuditService/EraseSubject", |cast| {
        EraseSubjectRequest { request_id: new_id(), nik: cast.spare_niks.draw() }.encode_to_vec()
    }),
    ("AuditService/GetCheckpoint", |_| {
        GetCheckpointRequest { size: 1, ..Default::default() }.encode_to_vec()
    }),
    ("AuditService/GetConsistencyProof", |_| {
        GetConsistencyProofRequest { earlier_size: 1, size: 2 }.encode_to_vec()
    }),
    ("AuditService/GetEntry", |cast| GetEntryRequest { index: cast.put_in_force }.encode_to_vec()),
    ("AuditService/GetInclusionProof", |_| {
        GetInclusionProofRequest { index: 1, size: 0 }.encode_to_vec()
    }),
    ("AuditService/ListDisclosures", |cast| list_disclosures(&cast.near.person.nik)),
    ("AuditService/ListWithholdings", |_| ListWithholdingsRequest::default().encode_to_vec()),
    ("AuditService/ReportBreach", |_| {
        let agency_id = "kemnaker".into();
        let (from, to) = (Some(in_days(-1)), Some(in_days(1)));
        ReportBreachRequest { agency_id, from, to, ..Default::default() }.encode_to_vec()
    }),
    ("AuditService/WithholdDisclosures", |_| withholding(&fresh_nik()).encode_to_vec()),
    ("ChangeFeedService/GetHead", |_| GetHeadRequest {}.encode_to_vec()),
    ("ChangeFeedService/WatchChanges", |_| {
        WatchChangesRequest {
            from_beginning: true,
            region_code: "32.12".into(),
            catch_up_only: true,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("FacilityService/FindNearestFacilities", |_| {
        FindNearestFacilitiesRequest { village_code: KENANGA.into(), ..Default::default() }
            .encode_to_vec()
    }),
    ("FacilityService/GetFacility", |cast| {
        GetFacilityRequest { facility_id: cast.near.facility_id.into() }.encode_to_vec()
    }),
    ("FacilityService/ListFacilities", |_| ListFacilitiesRequest::default().encode_to_vec()),
    ("FacilityService/ListUnderservedVillages", |_| {
        let region_code = "32.12".into();
        ListUnderservedVillagesRequest { region_code, beyond_km: 1.0, ..Default::default() }
            .encode_to_vec()
    }),
    ("FacilityService/RegisterFacility", |_| register_facility(KENANGA)),
    ("MedicalClearanceService/GetClearance", |cast| get_clearance(&cast.near.clearance_id)),
    ("MedicalClearanceService/ListClearances", |cast| list_clearances(&cast.near.worker_id)),
    ("MedicalClearanceService/RevokeClearance", |cast| {
        revoke_clearance(&cast.spare_clearances.draw())
    }),
    ("MedicalClearanceService/SubmitClearance", |cast| submit_clearance(&cast.near.person.nik)),
    ("MedicalClearanceService/SubmitClearances", |cast| submit_clearances(&cast.near.person.nik)),
    ("MedicalClearanceService/VerifyCertificate", |cast| {
        verify_certificate(cast.near.facility_id, &cast.near.certificate_number)
    }),
    ("IdentityService/BatchVerifyIdentities", |cast| verify_identities(&cast.near.person)),
    ("IdentityService/VerifyIdentity", |cast| verify_identity(&cast.near.person)),
    ("VillageService/BatchGetVillages", |_| {
        BatchGetVillagesRequest { codes: vec![KENANGA.into(), "32.12.99.2999".into()] }
            .encode_to_vec()
    }),
    ("VillageService/GetVillage", |_| GetVillageRequest { code: KENANGA.into() }.encode_to_vec()),
    ("VillageService/GetVillageProfile", |_| {
        GetVillageProfileRequest { code: KENANGA.into(), freshness: None }.encode_to_vec()
    }),
    ("VillageService/ListRegions", |_| {
        ListRegionsRequest { parent_code: "32".into() }.encode_to_vec()
    }),
    ("VillageService/ListVillages", |_| {
        ListVillagesRequest { region_code: "32.12".into(), ..Default::default() }.encode_to_vec()
    }),
    ("VillageService/ResolveCode", |_| {
        ResolveCodeRequest { code: KENANGA.into(), code_system: 0 }.encode_to_vec()
    }),
    ("VillageService/SearchVillages", |_| {
        SearchVillagesRequest { query: "Kenanga Indramayu".into(), ..Default::default() }
            .encode_to_vec()
    }),
    ("WorkerService/AddFamilyMember", |cast| add_family_member(&cast.near.worker_id)),
    ("WorkerService/AdvanceStage", |cast| advance_stage(&cast.spare_workers.draw())),
    ("WorkerService/GetWorker", |cast| get_worker(&cast.near.worker_id)),
    ("WorkerService/ListFamilyMembers", |cast| list_family_members(&cast.near.worker_id)),
    ("WorkerService/ListWorkers", |_| list_workers(KENANGA)),
    ("WorkerService/LookupWorker", |cast| lookup_worker(&cast.near.person.nik)),
    ("WorkerService/RegisterWorker", |_| registration(&fresh_nik()).encode_to_vec()),
    ("WorkerService/RegisterWorkers", |_| register_workers(registration(&fresh_nik()))),
    ("WorkerService/UpdateWorker", |cast| update_worker(&cast.spare_workers.draw())),
];

pub(super) fn register_facility(village_code: &str) -> Vec<u8> {
    let village_code = village_code.into();
    let facility = Some(FacilityDetails { village_code, ..facility("klinik-contoh") });
    RegisterFacilityRequest { request_id: new_id(), facility, ..Default::default() }.encode_to_vec()
}

/// The changes of a region's workers until now. Facilities and designations are told to everybody.
pub(super) fn watch_workers(region_code: &str) -> Vec<u8> {
    WatchChangesRequest {
        from_beginning: true,
        kinds: vec![RecordKind::Worker.into()],
        region_code: region_code.into(),
        catch_up_only: true,
        ..Default::default()
    }
    .encode_to_vec()
}

pub(super) fn list_disclosures(nik: &str) -> Vec<u8> {
    ListDisclosuresRequest { nik: nik.into(), ..Default::default() }.encode_to_vec()
}

pub(super) fn get_worker(worker_id: &str) -> Vec<u8> {
    GetWorkerRequest { worker_id: worker_id.into() }.encode_to_vec()
}

pub(super) fn list_workers(region_code: &str) -> Vec<u8> {
    let region_code = region_code.into();
    ListWorkersRequest { region_code, page_size: 500, ..Default::default() }.encode_to_vec()
}

pub(super) fn lookup_worker(nik: &str) -> Vec<u8> {
    LookupWorkerRequest { nik: nik.into() }.encode_to_vec()
}

pub(super) fn list_family_members(worker_id: &str) -> Vec<u8> {
    ListFamilyMembersRequest { worker_id: worker_id.into() }.encode_to_vec()
}

pub(super) fn update_worker(worker_id: &str) -> Vec<u8> {
    UpdateWorkerRequest {
        request_id: new_id(),
        worker_id: worker_id.into(),
        etag: String::new(),
        worker: Some(worker("")),
        update_mask: Some(prost_types::FieldMask { paths: vec!["phone".into()] }),
    }
    .encode_to_vec()
}

pub(super) fn advance_stage(worker_id: &str) -> Vec<u8> {
    let target = Stage::Withdrawn.into();
    let (request_id, worker_id, etag) = (new_id(), worker_id.into(), String::new());
    AdvanceStageRequest { request_id, worker_id, etag, target }.encode_to_vec()
}

pub(super) fn add_family_member(worker_id: &str) -> Vec<u8> {
    let member = Some(member(fresh_nik()));
    AddFamilyMemberRequest { request_id: new_id(), worker_id: worker_id.into(), member }
        .encode_to_vec()
}

pub(super) fn get_clearance(clearance_id: &str) -> Vec<u8> {
    GetClearanceRequest { clearance_id: clearance_id.into() }.encode_to_vec()
}

pub(super) fn list_clearances(worker_id: &str) -> Vec<u8> {
    ListClearancesRequest { worker_id: worker_id.into(), ..Default::default() }.encode_to_vec()
}

pub(super) fn revoke_clearance(clearance_id: &str) -> Vec<u8> {
    let reason = RevocationReason::IssuedInError.into();
    let (request_id, clearance_id, etag) = (new_id(), clearance_id.into(), String::new());
    RevokeClearanceRequest { request_id, clearance_id, etag, reason }.encode_to_vec()
}

pub(super) fn submit_clearance(nik: &str) -> Vec<u8> {
    submission(nik).encode_to_vec()
}

pub(super) fn submit_clearances(nik: &str) -> Vec<u8> {
    SubmitClearancesRequest { item: Some(submission(nik)) }.encode_to_vec()
}

pub(super) fn register_workers(registration: RegisterWorkerRequest) -> Vec<u8> {
    RegisterWorkersRequest { item: Some(registration) }.encode_to_vec()
}

pub(super) fn verify_certificate(facility_id: &str, certificate_number: &str) -> Vec<u8> {
    let (facility_id, certificate_number) = (facility_id.into(), certificate_number.into());
    VerifyCertificateRequest { facility_id, certificate_number }.encode_to_vec()
}

pub(super) fn verify_identity(person: &Candidate) -> Vec<u8> {
    claim(person).encode_to_vec()
}

pub(super) fn verify_identities(person: &Candidate) -> Vec<u8> {
    BatchVerifyIdentitiesRequest { item: Some(claim(person)) }.encode_to_vec()
}

fn claim(person: &Candidate) -> VerifyIdentityRequest {
    verification(&person.nik, &person.name, person.birth_date)
}
