//! The agencies' calls: all valid, all with synthetic people.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_proto::common::v1::{BirthDate, DatePrecision, Sex};
use desmigratif_proto::health::v1::clearance_details::Subject;
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{
    ClearanceDetails, Conclusion, Examiner, Finding, SubmitClearanceRequest,
};
use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_proto::identity::v1::{IdentityElements, IdentityOutcome, VerifyIdentityRequest};
pub(crate) use desmigratif_proto::village::v1::Village;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::village::v1::{
    GetVillageRequest, GetVillageResponse, ListRegionsRequest, ListVillagesRequest,
};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{RegisterWorkerRequest, WorkerDetails};
use desmigratif_sandbox::people;
use prost::Message as _;
use tonic::transport::Channel;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::closed_loop::Caller;
use crate::process::Gateway;

/// The agency that registers workers and reads villages.
pub(crate) const KEMNAKER: &str = "kemnaker";
/// The agency that checks identities.
pub(crate) const KEMENDAGRI: &str = "kemendagri";
/// The agency that asks for villages' profiles.
pub(crate) const KEMENDES: &str = "kemendes";
/// The gateway's operator.
pub(crate) const OPERATOR: &str = "operator";
/// The agency that hands in clearances.
pub(crate) const CLINIC: &str = "klinik-indramayu";

/// All villages, as ListVillages gives them.
pub(crate) async fn every_village(gateway: &Gateway) -> Result<Vec<Village>> {
    let mut client = VillageServiceClient::new(gateway.connect(KEMNAKER).await?);
    let provinces = client.list_regions(ListRegionsRequest::default()).await?.into_inner().regions;
    let mut villages = Vec::new();
    for province in provinces {
        let mut request = ListVillagesRequest {
            region_code: province.code,
            page_size: 1000,
            ..Default::default()
        };
        loop {
            let page = client.list_villages(request.clone()).await?.into_inner();
            villages.extend(page.villages);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
    }
    Ok(villages)
}

/// The encoded answer of GetVillage whose size is nearest to the mean over all villages.
pub(crate) fn answer_of_mean_size(villages: &[Village]) -> Vec<u8> {
    let mean = villages.iter().map(Village::encoded_len).sum::<usize>() / villages.len().max(1);
    let village = villages.iter().min_by_key(|village| village.encoded_len().abs_diff(mean));
    GetVillageResponse { village: village.cloned() }.encode_to_vec()
}

/// Asks for one village after another.
pub(crate) struct GetVillage {
    client: VillageServiceClient<Channel>,
    codes: Arc<[String]>,
    next: usize,
}

impl GetVillage {
    /// A caller that begins at the code with the number `first`.
    pub(crate) fn new(channel: Channel, codes: Arc<[String]>, first: usize) -> Self {
        Self { client: VillageServiceClient::new(channel), codes, next: first }
    }
}

impl Caller for GetVillage {
    async fn call(&mut self) -> Result<(), Status> {
        // A step that shares no factor with the number of villages visits them all, scattered.
        self.next = (self.next + 7919) % self.codes.len();
        let code = self.codes[self.next].clone();
        let answer = self.client.get_village(GetVillageRequest { code }).await?.into_inner();
        answer.village.map(|_| ()).ok_or_else(|| Status::data_loss("an answer without a village"))
    }
}

/// Hands in one clearance after another for one worker.
pub(crate) struct SubmitClearance {
    client: MedicalClearanceServiceClient<Channel>,
    nik: String,
}

impl SubmitClearance {
    /// A caller for the worker with a NIK.
    pub(crate) fn new(channel: Channel, nik: String) -> Self {
        Self { client: MedicalClearanceServiceClient::new(channel), nik }
    }
}

impl Caller for SubmitClearance {
    async fn call(&mut self) -> Result<(), Status> {
        let request = stating("clearance-submission", submission(&self.nik));
        let answer = self.client.submit_clearance(request).await?.into_inner();
        answer.receipt.map(|_| ()).ok_or_else(|| Status::data_loss("an answer without a receipt"))
    }
}

/// Checks the identity of the person of whom everything is right, one time after another.
pub(crate) struct VerifyIdentity(pub(crate) IdentityServiceClient<Channel>);

impl Caller for VerifyIdentity {
    async fn call(&mut self) -> Result<(), Status> {
        let person = people::candidate(people::VERIFIED);
        let elements = IdentityElements {
            name: person.name,
            birth_date: Some(BirthDate {
                date: person.birth_date.to_string(),
                precision: DatePrecision::Day.into(),
            }),
            ..IdentityElements::default()
        };
        let request = VerifyIdentityRequest {
            request_id: Uuid::now_v7().to_string(),
            nik: person.nik,
            elements: Some(elements),
            freshness: None,
        };
        let answer = self.0.verify_identity(stating("identity-check", request)).await?;
        match answer.into_inner().outcome() {
            IdentityOutcome::Verified => Ok(()),
            other => Err(Status::data_loss(format!("not verified but {other:?}"))),
        }
    }
}

/// A request to hand in a clearance of the worker with a NIK.
pub(crate) fn submission(nik: &str) -> SubmitClearanceRequest {
    SubmitClearanceRequest {
        request_id: Uuid::now_v7().to_string(),
        clearance: Some(clearance(nik)),
        validate_only: false,
    }
}

/// Registers a synthetic worker in each village and gives their NIKs.
pub(crate) async fn register_workers<'a>(
    gateway: &Gateway,
    villages: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<String>> {
    let mut client = WorkerServiceClient::new(gateway.connect(KEMNAKER).await?);
    let mut niks = Vec::new();
    for (serial, village) in (1..).zip(villages) {
        let nik = format!("990255150190{serial:04}");
        let request = RegisterWorkerRequest {
            request_id: Uuid::now_v7().to_string(),
            worker: Some(worker(&nik, village)),
            validate_only: false,
        };
        client
            .register_worker(stating("placement-screening", request))
            .await
            .context("registering a worker")?;
        niks.push(nik);
    }
    Ok(niks)
}

/// A request that states its purpose.
pub(crate) fn stating<M>(purpose: &'static str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    let purpose = tonic::metadata::MetadataValue::from_static(purpose);
    request.metadata_mut().insert("desmigratif-purpose", purpose);
    request
}

fn worker(nik: &str, village: &str) -> WorkerDetails {
    WorkerDetails {
        nik: nik.into(),
        name: "Contoh Ratna Sari".into(),
        birth_date: Some(BirthDate {
            date: "1990-01-15".into(),
            precision: DatePrecision::Day.into(),
        }),
        sex: Sex::Male.into(),
        village_code: village.into(),
        destination_country: "HK".into(),
        ..WorkerDetails::default()
    }
}

fn clearance(nik: &str) -> ClearanceDetails {
    let today = SystemClock.today().to_string();
    ClearanceDetails {
        subject: Some(Subject::Nik(nik.into())),
        certificate_number: format!("UJI-{}", Uuid::now_v7().simple()),
        examined_on: today.clone(),
        issued_on: today,
        destination_country: "HK".into(),
        conclusion: Conclusion::Fit.into(),
        examiner: Some(Examiner { name: "dr. Contoh".into(), sip_number: "SIP-1".into() }),
        findings: vec![Finding {
            code: "718-7".into(),
            value: "13.7".into(),
            unit: "g/dL".into(),
            ..Finding::default()
        }],
        ..ClearanceDetails::default()
    }
}
