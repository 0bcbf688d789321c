//! The calls that most tests begin with.

use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{SubmitClearanceRequest, SubmitClearanceResponse};
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::village::v1::{ListVillagesRequest, Village};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    LookupWorkerRequest, LookupWorkerResponse, RegisterWorkerRequest, RegisterWorkerResponse,
};
use tonic::Status;
use tonic::transport::Channel;

use crate::gateway::{clearance, new_id, stating, worker};

/// A request to register a worker with this NIK.
pub(crate) fn registration(nik: &str) -> RegisterWorkerRequest {
    RegisterWorkerRequest { request_id: new_id(), worker: Some(worker(nik)) }
}

/// A request to hand in the clearance of a worker with this NIK.
pub(crate) fn submission(nik: &str) -> SubmitClearanceRequest {
    SubmitClearanceRequest { request_id: new_id(), clearance: Some(clearance(nik)) }
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
