//! The walk-through of the main job: seven steps over real gRPC with five agencies' certificates.
//!
//! It is a client like any other: it knows the contract, an address and certificates, and none
//! of the gateway's insides. Whatever it prints came over the wire.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use desmigratif_proto::admin::v1::admin_service_client::AdminServiceClient;
use desmigratif_proto::admin::v1::{Delivery, DeliveryState, ListDeliveriesRequest};
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{GetCheckpointRequest, GetCheckpointResponse};
use desmigratif_proto::common::v1::{BirthDate, DatePrecision, Provenance, Receipt, Sex};
use desmigratif_proto::health::v1::clearance_details::Subject;
use desmigratif_proto::health::v1::facility_service_client::FacilityServiceClient;
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{
    ClearanceDetails, Conclusion, Examiner, FindNearestFacilitiesRequest, Finding, Interpretation,
    ListClearancesRequest, PregnancyResult, PregnancyTest, SubmitClearanceRequest,
};
use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_proto::identity::v1::{IdentityElements, IdentityOutcome, VerifyIdentityRequest};
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::village::v1::{GetVillageProfileRequest, SearchVillagesRequest, Village};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    AdvanceStageRequest, Document, Placement, RegisterWorkerRequest, Stage, WorkerDetails,
};
use desmigratif_sandbox::people::Candidate;
use jiff::civil::Date;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::super::operate::Profile;
use super::super::{Failure, say};

/// The village that the walk begins in: one of the two pilot villages of 2016.
const VILLAGE: &str = "Kenanga Indramayu";
/// Where the worker of the walk wants to go.
const DESTINATION: &str = "HK";

/// How long the walk waits for deliveries before it tells where they stand.
const DELIVERY: Duration = Duration::from_secs(5);
/// How long it waits for the witnesses.
const WITNESSES: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);

/// Goes through the main job once, at the gateway of an operator's profile, as the agencies whose
/// certificates lie beside the operator's own. `candidates` are synthetic people of whom the first
/// one not yet registered is taken.
pub(super) async fn walk(
    operator: &Profile,
    candidates: impl Iterator<Item = Candidate>,
    today: Date,
) -> anyhow::Result<()> {
    let kemnaker = connect(operator, "kemnaker").await?;
    let kemendagri = connect(operator, "kemendagri").await?;
    let clinic = connect(operator, "klinik-indramayu").await?;
    let kemendes = connect(operator, "kemendes").await?;

    let village = find_village(&kemnaker).await?;
    let (worker_id, person) = register(&kemnaker, &village, candidates).await?;
    let verified = verify(&kemendagri, &person).await?;
    let clearance_id = submit(&clinic, &village, &person, today).await?;
    advance(&kemnaker, &worker_id, verified).await?;
    let last = profile(&kemendes, &village).await?;
    let operator = connect(operator, "operator").await?;
    deliveries(&operator, &clearance_id).await?;
    witnessed(&operator, last).await?;
    print("")
}

/// A connection with an agency's certificate.
async fn connect(operator: &Profile, agency: &str) -> anyhow::Result<Channel> {
    operator.as_agency(agency).channel().await.map_err(|failure| match failure {
        Failure::Usage(message) | Failure::Other(message) => anyhow::anyhow!(message),
    })
}

/// A request that states its purpose.
pub(super) fn stating<M>(purpose: &'static str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    let purpose = tonic::metadata::MetadataValue::from_static(purpose);
    request.metadata_mut().insert("desmigratif-purpose", purpose);
    request
}

async fn find_village(kemnaker: &Channel) -> anyhow::Result<Village> {
    let request =
        SearchVillagesRequest { query: VILLAGE.into(), page_size: 1, ..Default::default() };
    let hits = VillageServiceClient::new(kemnaker.clone())
        .search_villages(request)
        .await?
        .into_inner()
        .hits;
    let village =
        hits.into_iter().next().and_then(|hit| hit.village).context("no village found")?;
    print(&format!(
        "0  village     \"{VILLAGE}\" is {} {}, kecamatan {}, {}, {}",
        village.code, village.name, village.district, village.regency, village.province
    ))?;
    Ok(village)
}

async fn register(
    kemnaker: &Channel,
    village: &Village,
    candidates: impl Iterator<Item = Candidate>,
) -> anyhow::Result<(String, Candidate)> {
    let mut workers = WorkerServiceClient::new(kemnaker.clone());
    for person in candidates {
        let details = WorkerDetails {
            nik: person.nik.clone(),
            name: person.name.clone(),
            birth_date: Some(birth_date(&person)),
            sex: sex(&person).into(),
            village_code: village.code.clone(),
            destination_country: DESTINATION.into(),
            placement: Placement::P3mi.into(),
            documents: every_document(),
            ..Default::default()
        };
        let worker = Some(details);
        let request = RegisterWorkerRequest { request_id: new_id(), worker, validate_only: false };
        match workers.register_worker(stating("placement-screening", request)).await {
            Ok(response) => {
                let answer = response.into_inner();
                print(&format!(
                    "1  Kemnaker    registers a prospective worker (CPMI) of {}: {}",
                    village.name, answer.worker_id
                ))?;
                for warning in &answer.warnings {
                    print(&format!(
                        "               note: {} {}",
                        warning.field, warning.message_en
                    ))?;
                }
                print_receipt(answer.receipt.as_ref())?;
                return Ok((answer.worker_id, person));
            }
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) => return Err(failed("registering a worker", &status)),
        }
    }
    anyhow::bail!("every synthetic candidate is registered by now; use a fresh --data folder")
}

/// Whether the register answered that the person is who the papers say.
async fn verify(kemendagri: &Channel, person: &Candidate) -> anyhow::Result<bool> {
    let elements = IdentityElements {
        name: person.name.clone(),
        birth_date: Some(birth_date(person)),
        birth_place: person.birth_place.clone(),
        sex: sex(person).into(),
        ..Default::default()
    };
    let request = VerifyIdentityRequest {
        request_id: new_id(),
        nik: person.nik.clone(),
        elements: Some(elements),
        freshness: None,
    };
    let answer = IdentityServiceClient::new(kemendagri.clone())
        .verify_identity(stating("identity-check", request))
        .await
        .map_err(|status| failed("verifying the identity", &status))?
        .into_inner();
    let elements: Vec<_> = answer
        .results
        .iter()
        .map(|result| {
            let element = result.element().as_str_name().trim_start_matches("IDENTITY_ELEMENT_");
            format!("{} {}", element.to_lowercase().replace('_', " "), result.score)
        })
        .collect();
    let outcome = answer.outcome().as_str_name().trim_start_matches("IDENTITY_OUTCOME_");
    let elements = elements.join(", ");
    let details = if elements.is_empty() { String::new() } else { format!(" ({elements})") };
    print(&format!("2  Kemendagri  verifies the identity: {outcome}{details}"))?;
    print_status("identity", answer.status.as_ref())?;
    print_receipt(answer.receipt.as_ref())?;
    Ok(answer.outcome() == IdentityOutcome::Verified)
}

async fn submit(
    clinic: &Channel,
    village: &Village,
    person: &Candidate,
    today: Date,
) -> anyhow::Result<String> {
    let nearest = FacilityServiceClient::new(clinic.clone())
        .find_nearest_facilities(FindNearestFacilitiesRequest {
            village_code: village.code.clone(),
            limit: 3,
            ..Default::default()
        })
        .await
        .map_err(|status| failed("finding facilities", &status))?
        .into_inner();
    print("3  Clinic      finds itself among the nearest designated facilities:")?;
    for near in &nearest.facilities {
        let name = near.facility.as_ref().map_or("", |facility| facility.name.as_str());
        print(&format!("               {:6.1} km  {name}", near.distance_km))?;
    }
    let female = sex(person) == Sex::Female;
    let details = ClearanceDetails {
        subject: Some(Subject::Nik(person.nik.clone())),
        certificate_number: format!("CONTOH-{}", Uuid::now_v7().simple()),
        examined_on: today.to_string(),
        issued_on: today.to_string(),
        destination_country: DESTINATION.into(),
        conclusion: Conclusion::Fit.into(),
        examiner: Some(Examiner {
            name: "dr. Contoh Suryani".into(),
            sip_number: "SIP-CONTOH-0001".into(),
        }),
        findings: vec![
            finding("718-7", "Hemoglobin", "13.4", "g/dL"),
            finding("8480-6", "Systolic blood pressure", "118", "mm[Hg]"),
            finding("8462-4", "Diastolic blood pressure", "76", "mm[Hg]"),
        ],
        pregnancy_test: female.then(|| PregnancyTest {
            tested_on: today.to_string(),
            result: PregnancyResult::Negative.into(),
        }),
    };
    let count = details.findings.len();
    let clearance = Some(details);
    let request = SubmitClearanceRequest { request_id: new_id(), clearance, validate_only: false };
    let answer = MedicalClearanceServiceClient::new(clinic.clone())
        .submit_clearance(stating("clearance-submission", request))
        .await
        .map_err(|status| failed("submitting the clearance", &status))?
        .into_inner();
    print(&format!(
        "               and submits a clearance with {count} findings: {}",
        answer.clearance_id
    ))?;
    print_receipt(answer.receipt.as_ref())?;
    Ok(answer.clearance_id)
}

/// Advances the worker, or says why not: without a verified identity nobody becomes ready.
async fn advance(kemnaker: &Channel, worker_id: &str, verified: bool) -> anyhow::Result<()> {
    let request = ListClearancesRequest { worker_id: worker_id.to_owned(), ..Default::default() };
    let seen = MedicalClearanceServiceClient::new(kemnaker.clone())
        .list_clearances(stating("placement-screening", request))
        .await
        .map_err(|status| failed("reading the clearance", &status))?
        .into_inner();
    let clearance = seen.clearances.first().context("Kemnaker sees no clearance")?;
    ensure!(clearance.findings.is_empty(), "findings must not reach Kemnaker");
    let conclusion = clearance.conclusion().as_str_name().trim_start_matches("CONCLUSION_");
    print(&format!(
        "4  Kemnaker    sees {conclusion}, valid until {} for {}, and {} findings",
        clearance.valid_until,
        clearance.destination_country,
        clearance.findings.len()
    ))?;
    print_receipt(seen.receipt.as_ref())?;
    let request = AdvanceStageRequest {
        request_id: new_id(),
        worker_id: worker_id.to_owned(),
        target: Stage::Ready.into(),
        ..Default::default()
    };
    let answer = WorkerServiceClient::new(kemnaker.clone())
        .advance_stage(stating("placement-screening", request))
        .await;
    let answer = match answer {
        Err(status) if !verified && status.code() == Code::FailedPrecondition => {
            return print(
                "               the worker stays PROSPECTIVE until the identity is verified",
            );
        }
        answer => answer.map_err(|status| failed("advancing the stage", &status))?.into_inner(),
    };
    let stage = answer.stage().as_str_name().trim_start_matches("STAGE_");
    print(&format!("               and advances the worker to {stage}"))?;
    print_receipt(answer.receipt.as_ref())
}

/// Reads the village's profile; returns the index of the entry that records it.
async fn profile(kemendes: &Channel, village: &Village) -> anyhow::Result<u64> {
    let request = GetVillageProfileRequest { code: village.code.clone(), freshness: None };
    let profile = VillageServiceClient::new(kemendes.clone())
        .get_village_profile(stating("programme-planning", request))
        .await
        .map_err(|status| failed("reading the village profile", &status))?
        .into_inner();
    let workforce = profile.workforce.context("the profile has no workforce part")?;
    print(&format!(
        "5  Kemendes    reads the profile of {}: {} prospective, {} ready, {} abroad, {} returned",
        village.name, workforce.prospective, workforce.ready, workforce.abroad, workforce.returned
    ))?;
    let health = profile.health.context("the profile has no health part")?;
    if let Some(nearest) = health.nearest_facilities.first() {
        let (name, km) = (&nearest.name, nearest.distance_km);
        print(&format!("               nearest facility {name}, {km:.1} km"))?;
    }
    let development = profile.development.context("the profile has no development part")?;
    let marked = [
        ("workers", &workforce.status),
        ("facilities", &health.status),
        ("development", &development.status),
    ];
    if development.index_year > 0 {
        print(&format!(
            "               village index {}: {}, score {:.4}",
            development.index_year, development.index_status, development.index_score
        ))?;
    }
    for (part, status) in marked {
        print_status(part, status.as_ref())?;
    }
    print_receipt(profile.receipt.as_ref())?;
    Ok(profile.receipt.unwrap_or_default().entry_index)
}

/// Waits a little for the clearance to reach its ministries, and tells where it stands.
async fn deliveries(operator: &Channel, clearance_id: &str) -> anyhow::Result<()> {
    let mut admin = AdminServiceClient::new(operator.clone());
    let until = Instant::now() + DELIVERY;
    let of_clearance = loop {
        let request = ListDeliveriesRequest { page_size: 500, ..Default::default() };
        let answer = admin.list_deliveries(stating("operations", request)).await;
        let all = answer.map_err(|status| failed("listing deliveries", &status))?.into_inner();
        let of_clearance: Vec<_> =
            all.deliveries.into_iter().filter(|it| it.record_id == clearance_id).collect();
        let waits = |it: &Delivery| it.state() == DeliveryState::Waiting;
        if !of_clearance.iter().any(waits) || Instant::now() >= until {
            break of_clearance;
        }
        tokio::time::sleep(LOOK).await;
    };
    print("6  Operator    sees the clearance on its way:")?;
    for delivery in of_clearance {
        let ministry = delivery.ministry().as_str_name().trim_start_matches("AGENCY_KIND_");
        let state = delivery.state().as_str_name().trim_start_matches("DELIVERY_STATE_");
        let reason = if delivery.reason.is_empty() { "" } else { ": " };
        print(&format!(
            "               {ministry}: {state}, attempt {}{reason}{}",
            delivery.attempts, delivery.reason
        ))?;
    }
    Ok(())
}

/// Waits a little for the witnesses of the journal, once its head covers an entry, and tells how
/// many have cosigned it.
async fn witnessed(operator: &Channel, entry: u64) -> anyhow::Result<()> {
    let mut audit = AuditServiceClient::new(operator.clone());
    let until = Instant::now() + WITNESSES;
    let (size, witnessing) = loop {
        let answer = audit.get_checkpoint(GetCheckpointRequest::default()).await;
        let answer = answer.map_err(|status| failed("reading the checkpoint", &status))?;
        let GetCheckpointResponse { checkpoint, witnessing, .. } = answer.into_inner();
        let size = checkpoint.unwrap_or_default().size;
        let witnessing = witnessing.unwrap_or_default();
        let all = witnessing.cosigned_by.len() == witnessing.witness_keys.len();
        if (size > entry && all) || Instant::now() >= until {
            break (size, witnessing);
        }
        tokio::time::sleep(LOOK).await;
    };
    let (cosigned, known) = (witnessing.cosigned_by.len(), witnessing.witness_keys.len());
    print(&format!(
        "7  Witnesses   the journal's head of {size} entries is witnessed {cosigned} of {known}"
    ))?;
    for name in witnessing.cosigned_by {
        print(&format!("               cosigned by {name}"))?;
    }
    Ok(())
}

/// How far a ministry's answer can be relied on.
fn print_status(part: &str, status: Option<&Provenance>) -> anyhow::Result<()> {
    let status = status.context("every answer says how far it can be relied on")?;
    let availability = status.availability().as_str_name().trim_start_matches("AVAILABILITY_");
    let reason = if status.reason_en.is_empty() { "" } else { ": " };
    print(&format!("               {part}: {availability}{reason}{}", status.reason_en))
}

fn finding(code: &str, display: &str, value: &str, unit: &str) -> Finding {
    Finding {
        code: code.into(),
        display: display.into(),
        value: value.into(),
        unit: unit.into(),
        interpretation: Interpretation::Normal.into(),
    }
}

fn every_document() -> Vec<i32> {
    (1..).map_while(|n| Document::try_from(n).ok()).map(Into::into).collect()
}

fn birth_date(person: &Candidate) -> BirthDate {
    BirthDate { date: person.birth_date.to_string(), precision: DatePrecision::Day.into() }
}

const fn sex(person: &Candidate) -> Sex {
    if person.female { Sex::Female } else { Sex::Male }
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}

fn failed(what: &str, status: &Status) -> anyhow::Error {
    anyhow::anyhow!("{what} failed: {:?}: {}", status.code(), status.message())
}

fn print_receipt(receipt: Option<&Receipt>) -> anyhow::Result<()> {
    let receipt = receipt.context("the answer has no receipt")?;
    print(&format!(
        "               receipt: entry {}, leaf {}",
        receipt.entry_index,
        hex::encode(&receipt.leaf_hash)
    ))
}

pub(super) fn print(line: &str) -> anyhow::Result<()> {
    say(format_args!("{line}")).map_err(|failure| match failure {
        Failure::Usage(message) | Failure::Other(message) => anyhow::anyhow!(message),
    })
}
