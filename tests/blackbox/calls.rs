//! The calls that most tests begin with.

use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_proto::audit::v1::WithholdDisclosuresRequest;
use desmigratif_proto::common::v1::{BirthDate, DatePrecision, Freshness, LatLng, Sex};
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{
    DesignationPeriod, FacilityClass, FacilityDetails, SubmitClearanceRequest,
    SubmitClearanceResponse,
};
use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_proto::identity::v1::{
    IdentityElements, VerifyIdentityRequest, VerifyIdentityResponse,
};
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::village::v1::{ListVillagesRequest, Village};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    LookupWorkerRequest, LookupWorkerResponse, RegisterWorkerRequest, RegisterWorkerResponse,
};
use desmigratif_sandbox::people::Candidate;
use tonic::Status;
use tonic::transport::Channel;

use crate::gateway::{KENANGA, clearance, new_id, stating, worker};

/// A request to register a worker with this NIK.
pub(crate) fn registration(nik: &str) -> RegisterWorkerRequest {
    RegisterWorkerRequest { request_id: new_id(), worker: Some(worker(nik)), validate_only: false }
}

/// A request to hand in the clearance of a worker with this NIK.
pub(crate) fn submission(nik: &str) -> SubmitClearanceRequest {
    SubmitClearanceRequest {
        request_id: new_id(),
        clearance: Some(clearance(nik)),
        validate_only: false,
    }
}

/// A facility in Kenanga, designated since 2020.
pub(crate) fn facility(id: &str) -> FacilityDetails {
    FacilityDetails {
        facility_id: id.into(),
        name: "Klinik Utama Contoh".into(),
        facility_class: FacilityClass::KlinikUtama.into(),
        village_code: KENANGA.into(),
        location: Some(LatLng { latitude: -6.4, longitude: 108.3 }),
        designations: vec![DesignationPeriod { from: "2020-01-01".into(), until: String::new() }],
        capacity_per_day: 40,
    }
}

/// A request to withhold what Kemnaker reads and changes of a person, from yesterday until tomorrow.
pub(crate) fn withholding(nik: &str) -> WithholdDisclosuresRequest {
    WithholdDisclosuresRequest {
        request_id: new_id(),
        nik: nik.into(),
        agency_id: "kemnaker".into(),
        from: Some(in_days(-1)),
        until: Some(in_days(1)),
        ordered_by: "Pengadilan Negeri Contoh".into(),
        legal_reference: "Penetapan 1/2026, UU 27/2022 pasal 15".into(),
    }
}

/// So many days from now.
pub(crate) fn in_days(days: i64) -> prost_types::Timestamp {
    let at = SystemClock.now().as_second() + days * 86_400;
    prost_types::Timestamp { seconds: at, nanos: 0 }
}

/// Kemnaker registers a worker.
pub(crate) async fn register(
    kemnaker: &Channel,
    request: RegisterWorkerRequest,
) -> Result<RegisterWorkerResponse, Status> {
    let mut client = WorkerServiceClient::new(kemnaker.clone());
    let answer = client.register_worker(stating("placement-screening", request)).await?;
    Ok(answer.into_inner())
}

/// A clinic hands in a clearance.
pub(crate) async fn submit(
    clinic: &Channel,
    request: SubmitClearanceRequest,
) -> Result<SubmitClearanceResponse, Status> {
    let mut client = MedicalClearanceServiceClient::new(clinic.clone());
    let answer = client.submit_clearance(stating("clearance-submission", request)).await?;
    Ok(answer.into_inner())
}

/// An agency looks a worker up.
pub(crate) async fn look_up(
    agency: &Channel,
    purpose: &str,
    nik: &str,
) -> Result<LookupWorkerResponse, Status> {
    let request = LookupWorkerRequest { nik: nik.into() };
    let mut client = WorkerServiceClient::new(agency.clone());
    Ok(client.lookup_worker(stating(purpose, request)).await?.into_inner())
}

/// The first village of a region.
pub(crate) async fn first_village(agency: &Channel, region: &str) -> Village {
    let request =
        ListVillagesRequest { region_code: region.into(), page_size: 1, ..Default::default() };
    let answer = VillageServiceClient::new(agency.clone()).list_villages(request).await.unwrap();
    answer.into_inner().villages.remove(0)
}

/// A request to register a synthetic person.
pub(crate) fn registration_of(person: &Candidate) -> RegisterWorkerRequest {
    let mut request = registration(&person.nik);
    let worker = request.worker.as_mut().unwrap();
    worker.name.clone_from(&person.name);
    worker.birth_date = Some(born(person.birth_date));
    worker.sex = if person.female { Sex::Female } else { Sex::Male }.into();
    request
}

/// A request to verify that a person has a NIK, a name and a birth date.
pub(crate) fn verification(nik: &str, name: &str, on: jiff::civil::Date) -> VerifyIdentityRequest {
    VerifyIdentityRequest {
        request_id: new_id(),
        nik: nik.into(),
        elements: Some(IdentityElements {
            name: name.into(),
            birth_date: Some(born(on)),
            ..Default::default()
        }),
        freshness: None,
    }
}

fn born(on: jiff::civil::Date) -> BirthDate {
    BirthDate { date: on.to_string(), precision: DatePrecision::Day.into() }
}

/// At most so many seconds old, and whether none is better than an older one.
pub(crate) fn at_most(seconds: i64, refuse_stale: bool) -> Option<Freshness> {
    let max_age = Some(prost_types::Duration { seconds, nanos: 0 });
    Some(Freshness { max_age, refuse_stale })
}

/// Kemendagri verifies an identity.
pub(crate) async fn verify(
    kemendagri: &Channel,
    request: VerifyIdentityRequest,
) -> Result<VerifyIdentityResponse, Status> {
    let mut client = IdentityServiceClient::new(kemendagri.clone());
    Ok(client.verify_identity(stating("identity-check", request)).await?.into_inner())
}
