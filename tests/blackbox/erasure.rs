//! Erasing a person at the person's own request: over the wire, and by the command line.

use std::io::Write as _;
use std::process::{Command, Stdio};

use desmigratif_proto::admin::v1::admin_service_client::AdminServiceClient;
use desmigratif_proto::admin::v1::{DeliveryState, ListDeliveriesRequest, PauseAdapterRequest};
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{EraseSubjectRequest, EraseSubjectResponse};
use desmigratif_proto::common::v1::{AgencyKind, Receipt};
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{
    GetClearanceRequest, ListClearancesRequest, RevocationReason, RevokeClearanceRequest,
    VerifyCertificateRequest,
};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    AddFamilyMemberRequest, AdvanceStageRequest, FamilyMemberDetails, GetWorkerRequest,
    ListFamilyMembersRequest, ListWorkersRequest, Relation, Stage, UpdateWorkerRequest,
};
use desmigratif_sandbox::people::{self, Candidate};
use rusqlite::{Connection, OpenFlags};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::calls::{
    look_up, register, registration, registration_of, submission, submit, verification, verify,
};
use crate::gateway::{Gateway, KENANGA, binary, fresh_nik, new_id, reason, run, stating, worker};

const PURPOSE: &str = "data-subject-request";
const CLINIC: &str = "klinik-indramayu";

/// A person, and what the exchange may have of her.
struct Subject {
    person: Candidate,
    worker_id: String,
    clearance_id: String,
    certificate_number: String,
}

impl Subject {
    /// Somebody of whom the exchange has nothing.
    fn nobody(person: Candidate) -> Self {
        let certificate_number = format!("UJI-{}", new_id());
        Self { person, worker_id: new_id(), clearance_id: new_id(), certificate_number }
    }
}

/// The agencies of the test.
struct Agencies {
    kemnaker: Channel,
    kemendagri: Channel,
    kemenkes: Channel,
    clinic: Channel,
    operator: Channel,
}

impl Agencies {
    async fn of(gateway: &Gateway) -> Self {
        Self {
            kemnaker: gateway.connect("kemnaker").await,
            kemendagri: gateway.connect("kemendagri").await,
            kemenkes: gateway.connect("kemenkes").await,
            clinic: gateway.connect(CLINIC).await,
            operator: gateway.connect("operator").await,
        }
    }

    fn workers(&self) -> WorkerServiceClient<Channel> {
        WorkerServiceClient::new(self.kemnaker.clone())
    }

    async fn add_member(&self, worker_id: &str) -> Result<(), Status> {
        let member = FamilyMemberDetails {
            name: "Contoh Zubaidah".into(),
            relation: Relation::Child.into(),
            ..FamilyMemberDetails::default()
        };
        let (request_id, worker_id) = (new_id(), worker_id.into());
        let request = AddFamilyMemberRequest { request_id, worker_id, member: Some(member) };
        self.workers().add_family_member(stating("placement-screening", request)).await.map(drop)
    }

    /// What the agencies are told of a person, way by way.
    async fn told(&self, whom: &Subject) -> Vec<(&'static str, String)> {
        let mut ways = self.told_of_worker(whom).await;
        ways.extend(self.told_of_clearances(whom).await);
        let Subject { person, .. } = whom;
        let claim = verification(&person.nik, &person.name, person.birth_date);
        let verified = verify(&self.kemendagri, claim).await.unwrap();
        let recorded = !verified.worker_id.is_empty();
        ways.push(("VerifyIdentity", format!("recorded with a worker: {recorded}")));
        ways
    }

    async fn told_of_worker(&self, whom: &Subject) -> Vec<(&'static str, String)> {
        let mut workers = self.workers();
        let (nik, worker_id) = (&whom.person.nik, whom.worker_id.clone());
        let list = ListWorkersRequest {
            region_code: KENANGA.into(),
            page_size: 500,
            ..Default::default()
        };
        let listed = workers.list_workers(stating("programme-planning", list)).await.unwrap();
        let listed = listed.into_inner().workers.iter().any(|it| it.worker_id == worker_id);
        let get = GetWorkerRequest { worker_id: worker_id.clone() };
        let family = ListFamilyMembersRequest { worker_id: worker_id.clone() };
        let update = UpdateWorkerRequest {
            request_id: new_id(),
            worker_id: worker_id.clone(),
            etag: String::new(),
            worker: Some(worker("")),
            update_mask: Some(prost_types::FieldMask { paths: vec!["phone".into()] }),
        };
        let advance = AdvanceStageRequest {
            request_id: new_id(),
            worker_id: worker_id.clone(),
            etag: String::new(),
            target: Stage::Withdrawn.into(),
        };
        let placement = "placement-screening";
        vec![
            ("ListWorkers", format!("listed: {listed}")),
            ("GetWorker", told(workers.get_worker(stating(placement, get)).await)),
            ("LookupWorker", told(look_up(&self.kemnaker, placement, nik).await)),
            (
                "ListFamilyMembers",
                told(workers.list_family_members(stating(placement, family)).await),
            ),
            ("UpdateWorker", told(workers.update_worker(stating(placement, update)).await)),
            ("AdvanceStage", told(workers.advance_stage(stating(placement, advance)).await)),
            ("AddFamilyMember", told(self.add_member(&worker_id).await)),
        ]
    }

    async fn told_of_clearances(&self, whom: &Subject) -> Vec<(&'static str, String)> {
        let mut kemenkes = MedicalClearanceServiceClient::new(self.kemenkes.clone());
        let mut kemnaker = MedicalClearanceServiceClient::new(self.kemnaker.clone());
        let get = GetClearanceRequest { clearance_id: whom.clearance_id.clone() };
        let list =
            ListClearancesRequest { worker_id: whom.worker_id.clone(), ..Default::default() };
        let listed = kemenkes.list_clearances(stating("oversight", list)).await.unwrap();
        let listed = listed.into_inner().clearances.len();
        let certificate = VerifyCertificateRequest {
            facility_id: CLINIC.into(),
            certificate_number: whom.certificate_number.clone(),
        };
        let certificate = stating("placement-screening", certificate);
        let verdict =
            kemnaker.verify_certificate(certificate).await.unwrap().into_inner().verdict();
        let revoke = RevokeClearanceRequest {
            request_id: new_id(),
            clearance_id: whom.clearance_id.clone(),
            etag: String::new(),
            reason: RevocationReason::IssuedInError.into(),
        };
        vec![
            ("GetClearance", told(kemenkes.get_clearance(stating("oversight", get)).await)),
            ("ListClearances", format!("{listed} listed")),
            ("VerifyCertificate", verdict.as_str_name().to_owned()),
            (
                "RevokeClearance",
                told(kemenkes.revoke_clearance(stating("oversight", revoke)).await),
            ),
            ("SubmitClearance", told(submit(&self.clinic, submission(&whom.person.nik)).await)),
        ]
    }

    async fn erase(&self, request: &EraseSubjectRequest) -> Result<EraseSubjectResponse, Status> {
        erase_as(&self.operator, PURPOSE, request).await
    }
}

/// Whether there was an answer, or else how it was refused.
fn told<T>(answer: Result<T, Status>) -> String {
    match answer {
        Ok(_) => "an answer".to_owned(),
        Err(status) => format!("{:?} {} {}", status.code(), reason(&status), status.message()),
    }
}

async fn erase_as(
    agency: &Channel,
    purpose: &str,
    request: &EraseSubjectRequest,
) -> Result<EraseSubjectResponse, Status> {
    let mut client = AuditServiceClient::new(agency.clone());
    Ok(client.erase_subject(stating(purpose, request.clone())).await?.into_inner())
}

fn erasure(nik: &str) -> EraseSubjectRequest {
    EraseSubjectRequest { request_id: new_id(), nik: nik.into() }
}

/// Registers a person with a family and a clearance.
async fn known(agencies: &Agencies, person: Candidate) -> Subject {
    let registered = register(&agencies.kemnaker, registration_of(&person)).await.unwrap();
    agencies.add_member(&registered.worker_id).await.unwrap();
    let clearance = submission(&person.nik);
    let certificate_number = clearance.clearance.as_ref().unwrap().certificate_number.clone();
    let clearance_id = submit(&agencies.clinic, clearance).await.unwrap().clearance_id;
    Subject { person, worker_id: registered.worker_id, clearance_id, certificate_number }
}

/// Agency, kind, method and leaf of the journal's entry of a receipt.
fn entry(gateway: &Gateway, receipt: &Receipt) -> (String, String, String, Vec<u8>) {
    let store = gateway.data().join("store.sqlite");
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT agency, kind, method, leaf_hash FROM entry WHERE idx = ?1";
    let index = i64::try_from(receipt.entry_index).unwrap();
    let columns =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    store.query_row(sql, [index], columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_looks_like_one_who_was_never_there_and_the_journal_still_reads() {
    let mut gateway = Gateway::start();
    let agencies = Agencies::of(&gateway).await;
    let mut people = people::candidates();
    let subject = known(&agencies, people.next().unwrap()).await;
    let nobody = Subject::nobody(people.next().unwrap());
    let (before, of_nobody) = (agencies.told(&subject).await, agencies.told(&nobody).await);
    for (known, unknown) in before.iter().zip(&of_nobody) {
        assert_ne!(known, unknown, "it would say nothing of an erasure");
    }

    let request = erasure(&subject.person.nik);
    let answer = agencies.erase(&request).await.unwrap();
    assert_eq!(agencies.told(&subject).await, of_nobody);

    let receipt = answer.receipt.as_ref().unwrap();
    let method = "desmigratif.audit.v1.AuditService/EraseSubject".to_owned();
    let expected = ("operator".into(), "change".into(), method, receipt.leaf_hash.clone());
    assert_eq!(entry(&gateway, receipt), expected);
    gateway.signal("TERM");
    assert!(gateway.wait().success(), "{}", gateway.log());
    let config = gateway.data().join("gateway.toml");
    let (status, out, err) = run(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{out}\n{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_may_be_repeated_and_brings_no_earlier_answer_back() {
    let gateway = Gateway::shared();
    let agencies = Agencies::of(&gateway).await;
    let nik = fresh_nik();
    let sent = registration(&nik);
    register(&agencies.kemnaker, sent.clone()).await.unwrap();

    let request = erasure(&nik);
    let answer = agencies.erase(&request).await.unwrap();
    assert_eq!(agencies.erase(&request).await.unwrap(), answer);
    let again = agencies.erase(&erasure(&nik)).await.unwrap();
    assert_ne!(again.receipt, answer.receipt, "another request is another entry");
    let other = EraseSubjectRequest { nik: fresh_nik(), ..request };
    let other = agencies.erase(&other).await.unwrap_err();
    let mismatch = (Code::Aborted, "IDEMPOTENCY_MISMATCH".to_owned());
    assert_eq!((other.code(), reason(&other)), mismatch);

    // The kept answer to what was sent before went with the person, who may come back as new.
    let repeated = register(&agencies.kemnaker, sent).await.unwrap_err();
    assert_eq!(repeated.code(), Code::NotFound);
    register(&agencies.kemnaker, registration(&nik)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_erases_but_an_operator_for_that_purpose() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let nik = fresh_nik();
    register(&kemnaker, registration(&nik)).await.unwrap();
    let others = [
        ("kemnaker", PURPOSE, "PURPOSE_NOT_HELD"),
        ("kemnaker", "placement-screening", "NOT_PERMITTED"),
        ("kemendagri", "identity-check", "NOT_PERMITTED"),
        (CLINIC, "clearance-submission", "NOT_PERMITTED"),
        ("operator", "operations", "NOT_PERMITTED"),
    ];
    for (agency, purpose, why) in others {
        let channel = gateway.connect(agency).await;
        let refused = erase_as(&channel, purpose, &erasure(&nik)).await.unwrap_err();
        let expected = (Code::PermissionDenied, why.to_owned());
        assert_eq!((refused.code(), reason(&refused)), expected, "{agency} {purpose}");
    }
    look_up(&kemnaker, "placement-screening", &nik).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_an_erased_person_waits_for_a_ministry_is_given_up() {
    let gateway = Gateway::start();
    let agencies = Agencies::of(&gateway).await;
    let mut admin = AdminServiceClient::new(agencies.operator.clone());
    let (ministry, request_id) = (AgencyKind::Kemenkes.into(), new_id());
    let pause = PauseAdapterRequest { request_id, ministry, reason: "maintenance".into() };
    admin.pause_adapter(stating("operations", pause)).await.unwrap();
    let mut people = people::candidates();
    let erased = known(&agencies, people.next().unwrap()).await;
    let kept = known(&agencies, people.next().unwrap()).await;
    agencies.erase(&erasure(&erased.person.nik)).await.unwrap();

    let list = ListDeliveriesRequest { ministry, ..ListDeliveriesRequest::default() };
    let listed = admin.list_deliveries(stating("operations", list)).await.unwrap().into_inner();
    let state = |id: &str| {
        let delivery = listed.deliveries.iter().find(|it| it.record_id == id).unwrap();
        (delivery.state(), delivery.reason.as_str())
    };
    let given_up = (DeliveryState::Discarded, "the person was erased");
    assert_eq!(state(&erased.clearance_id), given_up);
    assert_eq!(state(&kept.clearance_id), (DeliveryState::Waiting, ""));
}

/// Runs `subjects erase` with a text on standard input: exit status, stdout, stderr.
fn erase_by_stdin(profile: &str, text: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(binary())
        .args(["subjects", "erase", "--nik-file", "-", "-o", "json", "--profile", profile])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_erases_whom_a_file_or_standard_input_names() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let (by_file, by_stdin) = (fresh_nik(), fresh_nik());
    for nik in [&by_file, &by_stdin] {
        register(&kemnaker, registration(nik)).await.unwrap();
    }
    let profile = gateway.data().join("operator.toml");
    let profile = profile.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nik");
    let path = file.to_str().unwrap();
    let erase =
        |profile: &str| run(&["subjects", "erase", "--nik-file", path, "--profile", profile]);

    // What holds no NIK goes nowhere and is not repeated.
    std::fs::write(&file, format!("{by_file}\n{by_stdin}\n")).unwrap();
    let (status, out, err) = erase(profile);
    assert_eq!((status, out.as_str()), (Some(64), ""));
    assert!(err.contains("it must hold one NIK") && !err.contains(&by_file), "{err}");

    std::fs::write(&file, format!("{by_file}\n")).unwrap();
    let text = std::fs::read_to_string(profile).unwrap();
    let as_kemnaker = gateway.data().join("erasing.toml");
    std::fs::write(&as_kemnaker, text.replace("agencies/operator", "agencies/kemnaker")).unwrap();
    let (status, _, err) = erase(as_kemnaker.to_str().unwrap());
    assert_eq!(status, Some(1));
    assert!(err.contains("PermissionDenied PURPOSE_NOT_HELD"), "{err}");

    for nik in [&by_file, &by_stdin] {
        look_up(&kemnaker, "placement-screening", nik).await.unwrap();
    }
    let (status, out, err) = erase(profile);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.starts_with("the person is erased\nreceipt: entry "), "{out}");
    let (status, out, err) = erase_by_stdin(profile, &by_stdin);
    assert_eq!(status, Some(0), "{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    let receipt = Receipt {
        entry_index: shown["entry"].as_u64().unwrap(),
        leaf_hash: hex::decode(shown["leaf"].as_str().unwrap()).unwrap(),
        ..Receipt::default()
    };
    assert!(shown["committed_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(entry(&gateway, &receipt).3, receipt.leaf_hash);
    for nik in [&by_file, &by_stdin] {
        let gone = look_up(&kemnaker, "placement-screening", nik).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
    }
}
