//! What happens to a worker of a story, from registration to return.

use desmigratif_proto::common::v1::{BirthDate, DatePrecision, Sex};
use desmigratif_proto::health::v1::clearance_details::Subject;
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{
    ClearanceDetails, Conclusion, Examiner, Finding, Interpretation, PregnancyResult,
    PregnancyTest, SubmitClearanceRequest,
};
use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_proto::identity::v1::{IdentityElements, VerifyIdentityRequest};
use desmigratif_proto::programme::v1::EnrolFamilyRequest;
use desmigratif_proto::programme::v1::pillar_service_client::PillarServiceClient;
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    AddFamilyMemberRequest, AdvanceStageRequest, Document, FamilyMemberDetails, Placement,
    RegisterWorkerRequest, Relation, Stage, WorkerDetails,
};
use desmigratif_sandbox::people::{self, Candidate};
use jiff::civil::Date;

use super::plan::CLINICS;
use super::{Known, Story, id, placing, stating, stopped, told};

impl Story {
    pub(super) async fn register(
        &self,
        worker: usize,
        village: usize,
        destination: &'static str,
        day: Date,
    ) -> anyhow::Result<()> {
        let person = person(worker);
        let details = WorkerDetails {
            nik: person.nik.clone(),
            name: person.name.clone(),
            birth_date: Some(birth_date(&person)),
            sex: sex(&person).into(),
            village_code: self.village(village),
            destination_country: destination.to_owned(),
            placement: Placement::P3mi.into(),
            documents: (1..).map_while(|n| Document::try_from(n).ok()).map(Into::into).collect(),
            ..WorkerDetails::default()
        };
        let request = RegisterWorkerRequest {
            request_id: of_worker(worker, "register"),
            worker: Some(details),
            validate_only: false,
        };
        let mut client = WorkerServiceClient::new(self.agency("kemnaker")?);
        let answer = client.register_worker(placing(request)).await;
        let worker_id = answer.map_err(|status| stopped("a registration", &status, day))?;
        let worker_id = worker_id.into_inner().worker_id;
        let known = Known { worker_id, destination, children: Vec::new() };
        self.workers().insert(worker, known);
        Ok(())
    }

    pub(super) async fn verify(&self, worker: usize, day: Date) -> anyhow::Result<()> {
        let person = person(worker);
        let elements = IdentityElements {
            name: person.name.clone(),
            birth_date: Some(birth_date(&person)),
            ..IdentityElements::default()
        };
        let request = VerifyIdentityRequest {
            request_id: of_worker(worker, "verify"),
            nik: person.nik.clone(),
            elements: Some(elements),
            ..VerifyIdentityRequest::default()
        };
        let mut client = IdentityServiceClient::new(self.agency("kemendagri")?);
        told(
            "an identity check",
            client.verify_identity(stating("identity-check", request)).await,
            day,
        )
    }

    pub(super) async fn child(&self, worker: usize, day: Date) -> anyhow::Result<()> {
        let member = FamilyMemberDetails {
            name: format!("Contoh Anak {}", ["Bayu", "Citra", "Dian", "Gita"][worker % 4]),
            relation: Relation::Child.into(),
            birth_date: format!("20{:02}-06-15", 10 + worker % 12),
            ..FamilyMemberDetails::default()
        };
        let request = AddFamilyMemberRequest {
            request_id: of_worker(worker, "child"),
            worker_id: self.known(worker)?.worker_id,
            member: Some(member),
        };
        let mut client = WorkerServiceClient::new(self.agency("kemnaker")?);
        let answer = client.add_family_member(placing(request)).await;
        let child = answer.map_err(|status| stopped("a child", &status, day))?.into_inner();
        if let Some(known) = self.workers().get_mut(&worker) {
            known.children.push(child.family_member_id);
        }
        Ok(())
    }

    pub(super) async fn examine(
        &self,
        worker: usize,
        clinic: usize,
        fit: bool,
        day: Date,
    ) -> anyhow::Result<()> {
        let (person, known) = (person(worker), self.known(worker)?);
        let conclusion = if fit { Conclusion::Fit } else { Conclusion::TemporarilyUnfit };
        let haemoglobin = Finding {
            code: "718-7".to_owned(),
            display: "Hemoglobin".to_owned(),
            value: if fit { "13.4" } else { "8.1" }.to_owned(),
            unit: "g/dL".to_owned(),
            interpretation: if fit { Interpretation::Normal } else { Interpretation::Abnormal }
                .into(),
        };
        let details = ClearanceDetails {
            subject: Some(Subject::Nik(person.nik.clone())),
            certificate_number: format!("CERITA-{worker:05}"),
            examined_on: day.to_string(),
            issued_on: day.to_string(),
            destination_country: known.destination.to_owned(),
            conclusion: conclusion.into(),
            examiner: Some(Examiner {
                name: "dr. Contoh Suryani".to_owned(),
                sip_number: "SIP-CONTOH-0001".to_owned(),
            }),
            findings: vec![haemoglobin],
            pregnancy_test: person.female.then(|| PregnancyTest {
                tested_on: day.to_string(),
                result: PregnancyResult::Negative.into(),
            }),
        };
        let request = SubmitClearanceRequest {
            request_id: of_worker(worker, "examine"),
            clearance: Some(details),
            validate_only: false,
        };
        let mut client = MedicalClearanceServiceClient::new(self.agency(CLINICS[clinic])?);
        let answer = client.submit_clearance(stating("clearance-submission", request)).await;
        told("an examination", answer, day)
    }

    pub(super) async fn advance(
        &self,
        worker: usize,
        target: Stage,
        day: Date,
    ) -> anyhow::Result<()> {
        let request = AdvanceStageRequest {
            request_id: of_worker(worker, target.as_str_name()),
            worker_id: self.known(worker)?.worker_id,
            etag: String::new(),
            target: target.into(),
        };
        let mut client = WorkerServiceClient::new(self.agency("kemnaker")?);
        told("a stage", client.advance_stage(placing(request)).await, day)
    }

    pub(super) async fn enrol(&self, worker: usize, day: Date) -> anyhow::Result<()> {
        let known = self.known(worker)?;
        let request = EnrolFamilyRequest {
            request_id: of_worker(worker, "enrol"),
            worker_id: known.worker_id,
            child_ids: known.children,
            from: day.to_string(),
        };
        let mut client = PillarServiceClient::new(self.agency("kemnaker")?);
        told("a family", client.enrol_family(stating("social-protection", request)).await, day)
    }
}

fn of_worker(worker: usize, step: &str) -> String {
    id(&format!("worker {worker} {step}"))
}

/// The person that a worker is. The last candidates are the story's, the first the walk's.
fn person(worker: usize) -> Candidate {
    people::story(u32::try_from(worker).unwrap_or(u32::MAX))
}

fn birth_date(person: &Candidate) -> BirthDate {
    BirthDate { date: person.birth_date.to_string(), precision: DatePrecision::Day.into() }
}

const fn sex(person: &Candidate) -> Sex {
    if person.female { Sex::Female } else { Sex::Male }
}
