//! Whom the matrix is asked with: a gateway, agencies of every kind that were registered over the
//! wire, and records in which every field is set.

use std::path::Path;
use std::sync::Mutex;

use desmigratif::audit::note::{Head, SigningKey};
use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_proto::admin::v1::admin_service_client::AdminServiceClient;
use desmigratif_proto::admin::v1::agency_service_client::AgencyServiceClient;
use desmigratif_proto::admin::v1::{
    Agency, CreateAgencyRequest, DeliveryState, IssueCertificateRequest, IssueCertificateResponse,
    ListDeliveriesRequest, PauseAdapterRequest,
};
use desmigratif_proto::audit::v1::GetCheckpointRequest;
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::common::v1 as common;
use desmigratif_proto::health::v1::{
    Examiner, Finding, Interpretation, PregnancyResult, PregnancyTest, SubmitClearanceRequest,
};
use desmigratif_proto::identity::v1::IdentityOutcome;
use desmigratif_proto::options::v1::DataClass;
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    AddFamilyMemberRequest, AdvanceStageRequest, FamilyMemberDetails, Placement, Relation, Stage,
};
use desmigratif_sandbox::people::{self, Candidate};
use rcgen::{CertificateParams, KeyPair};
use tonic::transport::Channel;

use super::programme::Seeded;
use crate::calls::{
    register, registration, registration_of, submission, submit, verification, verify, withholding,
};
use crate::folder::prepared;
use crate::gateway::{Gateway, KENANGA, fresh_nik, new_id, stating};
use crate::journal::put_in_force;
use crate::programme::records::{DUTY_PHONE, OFFICER, Office};
use crate::raw::Raw;

/// An agency of Kemnaker's kind that is bound to a region, as only a file of agencies registers it:
/// no other may change a worker whom it does not reach.
pub(super) const BOUND: &str = "kemnaker-indramayu";
/// The facility of the clinic that holds every purpose.
pub(super) const FACILITY: &str = "klinik-indramayu";
/// The facility of another clinic, outside the region.
pub(super) const ELSEWHERE: &str = "klinik-wonosobo";

const KK: &str = "3212160501210077";
const PHONE: &str = "+6281277665544";
const ADDRESS: &str = "Gang Rahasia 77";
const VALUE: &str = "13.731913";
const EXAMINER: &str = "dr. Contoh Wiraguna";
const LICENCE: &str = "SIP-731913";
const MEMBER: &str = "Contoh Zubaidah Qistina";

/// The agency of a kind that holds every purpose.
pub(super) fn holder(kind: AgencyKind) -> String {
    format!("{}-of-all", kind.as_str())
}

/// The agency of a kind that holds no purpose.
pub(super) fn without(kind: AgencyKind) -> String {
    format!("{}-of-none", kind.as_str())
}

/// A person with the records about her.
pub(super) struct Subject {
    pub(super) person: Candidate,
    pub(super) worker_id: String,
    pub(super) clearance_id: String,
    pub(super) facility_id: &'static str,
    pub(super) certificate_number: String,
    /// A child of hers.
    pub(super) member_id: String,
    member_nik: String,
}

impl Subject {
    fn values(&self) -> [(DataClass, &str); 4] {
        [
            (DataClass::Identity, &self.person.nik),
            (DataClass::Identity, &self.person.name),
            (DataClass::HealthConclusion, &self.certificate_number),
            (DataClass::Family, &self.member_nik),
        ]
    }
}

/// Things of which each is used once.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// Takes one.
    pub(super) fn draw(&self) -> T {
        self.0.lock().unwrap().pop().expect("one is left: seed more of them in cast.rs")
    }
}

impl<T> From<Vec<T>> for Pool<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Mutex::new(values))
    }
}

/// An agency to be operated on, with the certificates issued for it.
pub(super) struct Pawn {
    pub(super) id: String,
    pub(super) certificates: Vec<IssueCertificateResponse>,
}

/// A gateway, the agencies that call it, and what they may ask for.
pub(super) struct Cast {
    pub(super) gateway: Gateway,
    /// At home in Kenanga, examined by the clinic that holds every purpose.
    pub(super) near: Subject,
    /// At home outside the region, examined by another clinic.
    pub(super) far: Subject,
    /// People of the population register who are no workers.
    pub(super) strangers: Pool<Candidate>,
    /// Workers of whom nothing more is asked.
    pub(super) spare_workers: Pool<String>,
    /// NIKs of workers of whom nothing more is asked.
    pub(super) spare_niks: Pool<String>,
    /// Clearances of the clinic that holds every purpose.
    pub(super) spare_clearances: Pool<String>,
    /// Deliveries that wait.
    pub(super) deliveries: Pool<u64>,
    /// The size of a checkpoint, and a cosignature of it by a witness that the gateway knows.
    pub(super) cosignature: (u64, String),
    /// The index of an entry by which the gateway has put something in force.
    pub(super) put_in_force: u64,
    /// Withholdings that are in force.
    pub(super) withholdings: Pool<String>,
    /// Agencies with two certificates each.
    pub(super) pawns: Pool<Pawn>,
    /// Desmigratif: its villages, and what is in them.
    pub(super) programme: Seeded,
}

impl Cast {
    /// Starts the gateway, registers the agencies and writes the records.
    pub(super) async fn start() -> Self {
        let folder = prepared();
        register_bound(folder.path());
        let gateway = Gateway::start_in(folder);
        let operator = gateway.connect("operator").await;
        for kind in AgencyKind::ALL {
            create(&operator, &holder(kind), kind, &Purpose::ALL).await;
            create(&operator, &without(kind), kind, &[]).await;
            certify(&gateway, &operator, &holder(kind)).await;
            certify(&gateway, &operator, &without(kind)).await;
        }
        certify(&gateway, &operator, BOUND).await;
        let mut pawns = Vec::new();
        for n in 0..6 {
            let id = format!("pawn-{n}");
            create(&operator, &id, AgencyKind::OtherAgency, &[]).await;
            let certificates = vec![
                certify(&gateway, &operator, &id).await,
                certify(&gateway, &operator, &id).await,
            ];
            pawns.push(Pawn { id, certificates });
        }

        // What goes to Kemenkes from now on waits.
        let pause = PauseAdapterRequest {
            request_id: new_id(),
            ministry: common::AgencyKind::Kemenkes.into(),
            reason: "to have deliveries that wait".into(),
        };
        let mut audit = AuditServiceClient::new(operator.clone());
        let mut withholdings = Vec::new();
        for _ in 0..3 {
            let request = stating("operations", withholding(&fresh_nik()));
            let withheld = audit.withhold_disclosures(request).await.unwrap();
            withholdings.push(withheld.into_inner().withholding_id);
        }
        let mut admin = AdminServiceClient::new(operator);
        admin.pause_adapter(stating("operations", pause)).await.unwrap();

        let kemnaker = gateway.connect("kemnaker").await;
        let clinic = gateway.connect(&holder(AgencyKind::Clinic)).await;
        let other = gateway.connect(ELSEWHERE).await;
        let mut strangers = people::candidates().filter(|person| person.female);
        let mut draw = || strangers.next().unwrap();
        let (near, away, far) = (draw(), draw(), draw());
        let near = subject(&gateway, near, KENANGA, &clinic, FACILITY).await;
        let away = subject(&gateway, away, KENANGA, &clinic, FACILITY).await;
        let village = Office::of(&gateway, "kemnaker").await.desa("33.07").await.remove(0);
        let far = subject(&gateway, far, &village, &other, ELSEWHERE).await;
        let programme = Seeded::write(&gateway, [&near, &away, &far], village).await;

        let (mut spare_workers, mut spare_niks) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let nik = fresh_nik();
            let worker = register(&kemnaker, registration(&nik)).await.unwrap();
            spare_workers.push(worker.worker_id);
            let nik = fresh_nik();
            register(&kemnaker, registration(&nik)).await.unwrap();
            spare_niks.push(nik);
        }
        let mut spare_clearances = Vec::new();
        for _ in 0..6 {
            let submitted = submit(&clinic, submission(&near.person.nik)).await.unwrap();
            spare_clearances.push(submitted.clearance_id);
        }
        let waiting = ListDeliveriesRequest {
            ministry: common::AgencyKind::Kemenkes.into(),
            state: DeliveryState::Waiting.into(),
            ..ListDeliveriesRequest::default()
        };
        let waiting = admin.list_deliveries(stating("operations", waiting)).await.unwrap();
        let deliveries: Vec<_> =
            waiting.into_inner().deliveries.iter().map(|it| it.delivery_id).collect();
        let cosignature = cosignature(&gateway).await;
        let put_in_force = u64::from(put_in_force(gateway.data())[0].0);
        Self {
            gateway,
            put_in_force,
            near,
            far,
            strangers: strangers.collect::<Vec<_>>().into(),
            spare_workers: spare_workers.into(),
            spare_niks: spare_niks.into(),
            spare_clearances: spare_clearances.into(),
            deliveries: deliveries.into(),
            cosignature,
            withholdings: withholdings.into(),
            pawns: pawns.into(),
            programme,
        }
    }

    /// A connection that takes any bytes, as an agency.
    pub(super) async fn caller(&self, agency: &str) -> Raw {
        Raw::connect(&self.gateway, &self.gateway.identity(agency)).await
    }

    /// Values that the records hold, with the class of the field that each stands in.
    pub(super) fn values(&self) -> Vec<(DataClass, &str)> {
        let of_all = [
            (DataClass::Identity, KK),
            (DataClass::Contact, PHONE),
            (DataClass::Contact, ADDRESS),
            (DataClass::HealthDetail, VALUE),
            (DataClass::HealthDetail, EXAMINER),
            (DataClass::HealthDetail, LICENCE),
            (DataClass::Family, MEMBER),
            (DataClass::Identity, OFFICER),
            (DataClass::Contact, DUTY_PHONE),
        ];
        of_all.into_iter().chain(self.near.values()).chain(self.far.values()).collect()
    }
}

/// Adds the agency that only a file registers.
fn register_bound(folder: &Path) {
    let path = folder.join("agencies.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let purposes = Purpose::ALL.map(Purpose::as_str);
    text.push_str(&format!(
        "\n[[agency]]\nid = \"{BOUND}\"\nkind = \"kemnaker\"\nname = \"Kemnaker Indramayu\"\n\
         purposes = {purposes:?}\nregion = \"32.12\"\n"
    ));
    std::fs::write(path, text).unwrap();
}

/// Registers an agency, as an operator does.
async fn create(operator: &Channel, id: &str, kind: AgencyKind, purposes: &[Purpose]) {
    let request =
        CreateAgencyRequest { request_id: new_id(), agency: Some(agency(id, kind, purposes)) };
    let mut client = AgencyServiceClient::new(operator.clone());
    client.create_agency(stating("operations", request)).await.unwrap();
}

/// An agency of a kind, with the region or the facility that the kind asks for.
pub(super) fn agency(id: &str, kind: AgencyKind, purposes: &[Purpose]) -> Agency {
    let of_kind =
        |wanted, value: &str| if kind == wanted { value.to_owned() } else { String::new() };
    let name =
        |prefix: &str, name: &str| format!("{prefix}_{}", name.to_uppercase().replace('-', "_"));
    let purpose = |purpose: &Purpose| {
        common::Purpose::from_str_name(&name("PURPOSE", purpose.as_str())).unwrap().into()
    };
    let kind_name = name("AGENCY_KIND", kind.as_str());
    Agency {
        agency_id: id.into(),
        kind: common::AgencyKind::from_str_name(&kind_name).unwrap().into(),
        name: format!("Instansi {id}"),
        purposes: purposes.iter().map(purpose).collect(),
        region_code: of_kind(AgencyKind::RegionalOffice, "32.12"),
        facility_id: of_kind(AgencyKind::Clinic, FACILITY),
        ..Agency::default()
    }
}

/// What the witness of Kemenkes says to the last checkpoint.
async fn cosignature(gateway: &Gateway) -> (u64, String) {
    let mut audit = AuditServiceClient::new(gateway.connect("kemenkes").await);
    let answer = audit.get_checkpoint(GetCheckpointRequest::default()).await.unwrap();
    let head = Head::of_note(&answer.into_inner().checkpoint.unwrap().note).unwrap();
    let seed = std::fs::read_to_string(gateway.data().join("witnesses/kemenkes.key")).unwrap();
    let seed: [u8; 32] = hex::decode(seed.trim()).unwrap().try_into().unwrap();
    let witness = SigningKey::new("kemenkes.witness.desmigratif.test", &seed).unwrap();
    (head.size, witness.cosign(&head, SystemClock.now()))
}

/// A signing request with its new key, PEM.
pub(super) fn signing_request() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    (request, key.serialize_pem())
}

/// Issues a certificate for an agency, where [`Gateway::identity`] finds it.
async fn certify(gateway: &Gateway, operator: &Channel, id: &str) -> IssueCertificateResponse {
    let (signing_request_pem, key) = signing_request();
    let request =
        IssueCertificateRequest { request_id: new_id(), agency_id: id.into(), signing_request_pem };
    let mut client = AgencyServiceClient::new(operator.clone());
    let issued = client.issue_certificate(stating("operations", request)).await.unwrap();
    let issued = issued.into_inner();
    let folder = gateway.data().join("tls/agencies");
    std::fs::write(folder.join(format!("{id}.pem")), &issued.certificate_pem).unwrap();
    std::fs::write(folder.join(format!("{id}-key.pem")), key).unwrap();
    issued
}

/// Registers, verifies and examines a person, and brings her to the stage READY.
async fn subject(
    gateway: &Gateway,
    person: Candidate,
    village: &str,
    clinic: &Channel,
    facility_id: &'static str,
) -> Subject {
    let kemnaker = gateway.connect("kemnaker").await;
    let mut request = registration_of(&person);
    let worker = request.worker.as_mut().unwrap();
    worker.kk_number = KK.into();
    worker.village_code = village.into();
    worker.phone = PHONE.into();
    worker.address = ADDRESS.into();
    worker.placement = Placement::P3mi.into();
    let worker_id = register(&kemnaker, request).await.unwrap().worker_id;

    let claim = verification(&person.nik, &person.name, person.birth_date);
    let verified = verify(&gateway.connect("kemendagri").await, claim).await.unwrap();
    assert_eq!(verified.outcome(), IdentityOutcome::Verified);

    let clearance = whole_clearance(&person.nik);
    let certificate_number = clearance.clearance.as_ref().unwrap().certificate_number.clone();
    let clearance_id = submit(clinic, clearance).await.unwrap().clearance_id;

    let mut workers = WorkerServiceClient::new(kemnaker);
    let member = member(fresh_nik());
    let member_nik = member.nik.clone();
    let request = AddFamilyMemberRequest {
        request_id: new_id(),
        worker_id: worker_id.clone(),
        member: Some(member),
    };
    let added = workers.add_family_member(stating("placement-screening", request)).await.unwrap();
    let member_id = added.into_inner().family_member_id;
    let request = AdvanceStageRequest {
        request_id: new_id(),
        worker_id: worker_id.clone(),
        etag: String::new(),
        target: Stage::Ready.into(),
    };
    workers.advance_stage(stating("placement-screening", request)).await.unwrap();
    Subject {
        person,
        worker_id,
        clearance_id,
        facility_id,
        certificate_number,
        member_id,
        member_nik,
    }
}

/// A clearance in which every field is set.
fn whole_clearance(nik: &str) -> SubmitClearanceRequest {
    let mut request = submission(nik);
    let clearance = request.clearance.as_mut().unwrap();
    clearance.examiner = Some(Examiner { name: EXAMINER.into(), sip_number: LICENCE.into() });
    clearance.findings = vec![Finding {
        code: "718-7".into(),
        display: "Hemoglobin".into(),
        value: VALUE.into(),
        unit: "g/dL".into(),
        interpretation: Interpretation::Normal.into(),
    }];
    clearance.pregnancy_test = Some(PregnancyTest {
        tested_on: SystemClock.today().to_string(),
        result: PregnancyResult::Negative.into(),
    });
    request
}

/// A family member of whom everything is known.
pub(super) fn member(nik: String) -> FamilyMemberDetails {
    FamilyMemberDetails {
        name: MEMBER.into(),
        relation: Relation::Child.into(),
        nik,
        birth_date: "2012-03-04".into(),
        caretaker: true,
    }
}
