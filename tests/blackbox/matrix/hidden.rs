//! What is not the caller's looks like what is not there: in code, text and details, and in what is
//! written for it. How long it takes is measured by a test of its own, which a busy machine spoils.

use std::time::Instant;

use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_proto::audit::v1::{EraseSubjectRequest, ListWithholdingsRequest};
use desmigratif_proto::{METHODS, Method};
use desmigratif_sandbox::people::Candidate;
use prost::Message as _;
use rusqlite::{Connection, OpenFlags};
use tonic::Code;
use tonic_types::{ErrorDetail, StatusExt as _};

use super::cast::{BOUND, Cast, FACILITY, holder};
use super::contract::{Contract, scrub, short_name};
use super::table::Table;
use super::{call, is_open, programme, requests};
use crate::calls::{registration_of, withholding};
use crate::gateway::{KENANGA, new_id};
use crate::raw::{Answer, Raw};

/// What a request asks for.
struct Wanted {
    worker_id: String,
    clearance_id: String,
    facility_id: &'static str,
    certificate_number: String,
    person: Candidate,
    child_id: String,
    village: String,
    officer_id: String,
    activity_id: String,
    enterprise_id: String,
}

impl Wanted {
    /// Somebody who lives in no region of the callers, examined by no clinic of theirs; and what is
    /// in the programme there.
    fn of_others(cast: &Cast) -> Self {
        Self {
            worker_id: cast.far.worker_id.clone(),
            clearance_id: cast.far.clearance_id.clone(),
            facility_id: cast.far.facility_id,
            certificate_number: cast.far.certificate_number.clone(),
            person: cast.far.person.clone(),
            child_id: cast.far.member_id.clone(),
            village: cast.programme.far_village.clone(),
            officer_id: cast.programme.far_officer.clone(),
            activity_id: cast.programme.far_activity.clone(),
            enterprise_id: cast.programme.far_enterprise.clone(),
        }
    }

    /// Somebody of whom the exchange has nothing, and a village out of reach of which it has nothing
    /// either: that there is such a village, everybody knows.
    fn of_nobody(cast: &Cast) -> Self {
        Self {
            worker_id: new_id(),
            clearance_id: new_id(),
            facility_id: FACILITY,
            certificate_number: format!("UJI-{}", new_id()),
            person: cast.strangers.draw(),
            child_id: new_id(),
            village: cast.programme.bare_village.clone(),
            officer_id: new_id(),
            activity_id: new_id(),
            enterprise_id: new_id(),
        }
    }

    /// The kabupaten of the village.
    fn regency(&self) -> &str {
        &self.village[..5]
    }
}

/// The fields of requests that name a record, a person or a place.
const NAMING: [&str; 11] = [
    "nik",
    "worker_id",
    "clearance_id",
    "certificate_number",
    "child_ids",
    "officer_id",
    "activity_id",
    "enterprise_id",
    "village_code",
    "place_code",
    "region_code",
];
/// A field that ends so too, and says how far an agency is to reach.
const REGION_OF_AN_AGENCY: &str = "desmigratif.admin.v1.Agency.region_code";

/// A request for what is wanted: its bytes.
type Asking = fn(&Wanted) -> Vec<u8>;

/// How each method whose request names a record, a person or a place asks for one; in two ways
/// where it names two.
const ASKING: &[(&str, Asking)] = &[
    ("AuditService/EraseSubject", |it| {
        let (request_id, nik) = (new_id(), it.person.nik.clone());
        EraseSubjectRequest { request_id, nik }.encode_to_vec()
    }),
    ("AuditService/ListDisclosures", |it| requests::list_disclosures(&it.person.nik)),
    ("AuditService/ListWithholdings", |it| {
        let nik = it.person.nik.clone();
        ListWithholdingsRequest { nik, ..Default::default() }.encode_to_vec()
    }),
    ("AuditService/WithholdDisclosures", |it| withholding(&it.person.nik).encode_to_vec()),
    ("ChangeFeedService/WatchChanges", |it| requests::watch_workers(it.regency())),
    ("CoverageService/GetCoverage", |it| programme::get_coverage(it.regency())),
    ("CoverageService/GetRegionalBriefing", |it| programme::get_regional_briefing(it.regency())),
    ("FacilityService/RegisterFacility", |it| requests::register_facility(&it.village)),
    ("IdentityService/BatchVerifyIdentities", |it| requests::verify_identities(&it.person)),
    ("IdentityService/VerifyIdentity", |it| requests::verify_identity(&it.person)),
    ("MedicalClearanceService/GetClearance", |it| requests::get_clearance(&it.clearance_id)),
    ("MedicalClearanceService/ListClearances", |it| requests::list_clearances(&it.worker_id)),
    ("MedicalClearanceService/RevokeClearance", |it| requests::revoke_clearance(&it.clearance_id)),
    ("MedicalClearanceService/SubmitClearance", |it| requests::submit_clearance(&it.person.nik)),
    ("MedicalClearanceService/SubmitClearances", |it| requests::submit_clearances(&it.person.nik)),
    ("MedicalClearanceService/VerifyCertificate", |it| {
        requests::verify_certificate(it.facility_id, &it.certificate_number)
    }),
    ("PillarService/EnrolFamily", |it| programme::enrol_family(&it.worker_id, &it.child_id)),
    ("PillarService/ListActivities", |it| programme::list_activities(&it.village)),
    ("PillarService/ListEnterprises", |it| programme::list_enterprises(&it.village)),
    ("PillarService/ListFamilies", |it| programme::list_families(&it.village)),
    ("PillarService/RecordActivity", |it| programme::record_activity(&it.village, "")),
    ("PillarService/RecordActivity", |it| programme::record_activity(KENANGA, &it.activity_id)),
    ("PillarService/RecordEnterprise", |it| programme::record_enterprise(&it.village, "")),
    ("PillarService/RecordEnterprise", |it| {
        programme::record_enterprise(KENANGA, &it.enterprise_id)
    }),
    ("PillarService/WithdrawFamily", |it| programme::withdraw_family(&it.worker_id)),
    ("ProgrammeService/AssignOfficer", |it| programme::assign_officer(&it.village, &it.person.nik)),
    // The post is filled, whoever is to have it.
    ("ProgrammeService/AssignOfficer", |it| programme::assign_officer(KENANGA, &it.person.nik)),
    ("ProgrammeService/DesignateVillage", |it| programme::designate_village(&it.village)),
    ("ProgrammeService/EndDesignation", |it| programme::end_designation(&it.village)),
    ("ProgrammeService/EndOfficer", |it| programme::end_officer(&it.officer_id)),
    ("ProgrammeService/ListOfficers", |it| programme::list_officers(&it.village)),
    ("SectorMapService/GetSectorMap", |it| programme::get_sector_map(it.regency())),
    ("SectorMapService/ReportSectorService", |it| programme::report_sector_service(&it.village)),
    ("WorkerService/AddFamilyMember", |it| requests::add_family_member(&it.worker_id)),
    ("WorkerService/AdvanceStage", |it| requests::advance_stage(&it.worker_id)),
    ("WorkerService/GetWorker", |it| requests::get_worker(&it.worker_id)),
    ("WorkerService/ListFamilyMembers", |it| requests::list_family_members(&it.worker_id)),
    ("WorkerService/ListWorkers", |it| requests::list_workers(&it.village)),
    ("WorkerService/LookupWorker", |it| requests::lookup_worker(&it.person.nik)),
    ("WorkerService/RegisterWorker", |it| registration_of(&it.person).encode_to_vec()),
    ("WorkerService/RegisterWorkers", |it| requests::register_workers(registration_of(&it.person))),
    ("WorkerService/UpdateWorker", |it| requests::update_worker(&it.worker_id)),
];

/// Where the two differ, and why they may. The list may only shrink.
const DIFFERENT: [(&str, &str, &str); 8] = [
    ("operator", "AuditService/ListDisclosures", "whose trail it is, is to learn of it"),
    ("clinic", "MedicalClearanceService/SubmitClearance", "a clinic examines whoever comes"),
    ("clinic", "MedicalClearanceService/SubmitClearances", "a clinic examines whoever comes"),
    (BOUND, "MedicalClearanceService/GetClearance", "Kemnaker reaches all clearances"),
    (BOUND, "MedicalClearanceService/ListClearances", "Kemnaker reaches all clearances"),
    (BOUND, "MedicalClearanceService/VerifyCertificate", "Kemnaker reaches all clearances"),
    (BOUND, "WorkerService/RegisterWorker", "a person is registered once in the whole country"),
    (BOUND, "WorkerService/RegisterWorkers", "a person is registered once in the whole country"),
];

#[test]
fn every_method_that_names_a_record_a_person_or_a_place_is_asked_for_both() {
    let contract = Contract::load();
    for method in METHODS.iter().filter(|method| super::is_served(method) && !is_open(method)) {
        let fields = contract.input_fields(method);
        let names = |field: &String| {
            field != REGION_OF_AN_AGENCY
                && NAMING.iter().any(|name| field.ends_with(&format!(".{name}")))
        };
        let asked = asking(method).next().is_some();
        assert_eq!(
            fields.keys().any(names),
            asked,
            "{}: put it into ASKING (matrix/hidden.rs), or take it off",
            short_name(method)
        );
    }
}

fn asking(method: &Method) -> impl Iterator<Item = Asking> {
    let name = short_name(method);
    ASKING.iter().filter(move |(of, _)| *of == name).map(|(_, asking)| *asking)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_callers_looks_like_what_is_not_there() {
    let cast = Cast::start().await;
    let contract = Contract::load();
    let mut refused = 0;
    for way in ways() {
        let mut caller = cast.caller(&way.agency).await;
        let entries = journal(&cast);
        let others = way.ask(&mut caller, &Wanted::of_others(&cast)).await;
        let of_others = journal(&cast) - entries;
        let nobodys = way.ask(&mut caller, &Wanted::of_nobody(&cast)).await;
        let of_nobodys = journal(&cast) - entries - of_others;
        let said = [others, nobodys].map(|answer| way.read(&contract, &answer));
        let (name, method) = (way.name, short_name(way.method));
        if let Some(why) = way.excuse() {
            assert_ne!(said[0], said[1], "{name} {method}: take it off DIFFERENT ({why})");
            continue;
        }
        assert_eq!(said[0], said[1], "{name} {:?} {method}", way.purpose);
        // A commit on one way alone would show in its time.
        assert_eq!(of_others, of_nobodys, "{name} {:?} {method}", way.purpose);
        refused += usize::from(said[0].0 == Code::NotFound);
    }
    assert_eq!(refused, 41, "so many ways lead to what is not there");
}

/// Both are asked in turns, so that whatever else the machine does slows both alike, and their
/// medians are compared.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, which a busy machine spoils: cargo test --release -p desmigratif --test blackbox takes_as_long -- --ignored --nocapture"]
#[allow(clippy::print_stdout, reason = "what was measured is for whoever asked for it")]
async fn what_is_not_the_callers_takes_as_long_as_what_is_not_there() {
    const TURNS: usize = 401;
    let cast = Cast::start().await;
    for way in ways() {
        let mut caller = cast.caller(&way.agency).await;
        let nobody = Wanted::of_nobody(&cast);
        let answer = way.ask(&mut caller, &nobody).await;
        if way.excuse().is_some() || answer.status.unwrap().code() != Code::NotFound {
            continue;
        }
        let both = [Wanted::of_others(&cast), nobody];
        let mut took = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (wanted, took) in both.iter().zip(&mut took) {
                let begun = Instant::now();
                way.ask(&mut caller, wanted).await;
                took.push(begun.elapsed());
            }
        }
        let [others, nobodys] = took.map(|mut took| {
            took.sort();
            took[TURNS / 2]
        });
        let (name, method) = (way.name, short_name(way.method));
        println!("{name} {method}: {others:?} for another's, {nobodys:?} for nobody's");
        let longer = others.max(nobodys);
        assert!(longer < others.min(nobodys).mul_f64(1.5), "{name} {method}");
    }
}

/// A way to ask for a record or a person: who, what for, and by which method.
struct Way {
    name: &'static str,
    agency: String,
    purpose: Purpose,
    method: &'static Method,
    asking: Asking,
}

/// The ways of those who reach less than everything; and of the operator, to whom an erased person
/// must look like one who was never there. That one comes last.
fn ways() -> Vec<Way> {
    let table = Table::read();
    let callers = [
        ("regional-office", AgencyKind::RegionalOffice, holder(AgencyKind::RegionalOffice)),
        ("clinic", AgencyKind::Clinic, holder(AgencyKind::Clinic)),
        (BOUND, AgencyKind::Kemnaker, BOUND.to_owned()),
        ("operator", AgencyKind::Operator, holder(AgencyKind::Operator)),
    ];
    let mut ways = Vec::new();
    for (name, kind, agency) in callers {
        for purpose in Purpose::ALL {
            let Some(row) = table.row(kind, Some(purpose)) else { continue };
            let listed = METHODS.iter().filter(|method| row.lists(method));
            ways.extend(listed.flat_map(|method| {
                let way = |asking| Way { name, agency: agency.clone(), purpose, method, asking };
                asking(method).map(way)
            }));
        }
    }
    ways
}

/// Code, text and details of an answer, or what it holds, without what differs from call to call.
type Said = (Code, String, String);

impl Way {
    /// Why the two may differ on this way.
    fn excuse(&self) -> Option<&'static str> {
        let method = short_name(self.method);
        let excuse = DIFFERENT.iter().find(|(who, of, _)| *who == self.name && *of == method);
        excuse.map(|(_, _, why)| *why)
    }

    async fn ask(&self, caller: &mut Raw, wanted: &Wanted) -> Answer {
        call(caller, self.method, Some(self.purpose.as_str()), &(self.asking)(wanted)).await
    }

    fn read(&self, contract: &Contract, answer: &Answer) -> Said {
        let status = answer.status.as_ref().unwrap();
        let mut messages = contract.answers(self.method, &answer.body);
        messages.iter_mut().for_each(scrub);
        let messages: Vec<_> = messages.iter().map(ToString::to_string).collect();
        let details = status.get_error_details_vec().into_iter();
        // The id of the trace is each call's own.
        let details = details.filter(|detail| !matches!(detail, ErrorDetail::RequestInfo(_)));
        let details: Vec<_> = details.collect();
        (status.code(), status.message().to_owned(), format!("{details:?} {messages:?}"))
    }
}

/// How many entries the journal has.
fn journal(cast: &Cast) -> i64 {
    let store = cast.gateway.data().join("store.sqlite");
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap()
}
