//! Records and commits to try an engine with: the same ones at every run, of people who do not
//! exist.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::date;
use uuid::Uuid;

use crate::access::{AgencyKind, Classes, DataClass, Purpose};
use crate::adapter::Adapter;
use crate::agency::{Agency, AgencyId, AgencyStatus};
use crate::birth::{BirthDate, Precision};
use crate::clearance::{Clearance, Conclusion, Country, Examiner, Finding, Interpretation};
use crate::facility::{Designation, Facility, FacilityClass};
use crate::family::{FamilyMember, Relation};
use crate::geo::Coordinate;
use crate::identity::{Check, Element, IdentityCheck, Outcome, Sex, Verdict};
use crate::journal::{Draft, EntryKind};
use crate::name::PersonName;
use crate::nik::Nik;
use crate::ports::store::outbox::Delivery;
use crate::ports::store::{Commit, Committed, Expect, Request, Store, Write};
use crate::programme::sector::ServiceStatus;
use crate::programme::{
    self, Activity, Budget, BudgetSource, Enterprise, EnterpriseKind, EnterpriseStatus, Officer,
    ParentingFamily, Pillar, Post, Role, Roster, SectorCode, SectorService, Station,
};
use crate::record::{Key, Record};
use crate::region::VillageCode;
use crate::setting::{Setting, SettingName};
use crate::stage::Stage;
use crate::subject::Subject;
use crate::village_index::{Category, IndexKind, VillageIndex};
use crate::withholding::Withholding;
use crate::worker::{Contact, Document, Worker};

/// Where the clock stands at first.
pub(super) fn noon() -> Timestamp {
    "2026-11-24T05:00:00.123456Z".parse().unwrap()
}

pub(super) fn agency(id: &str) -> AgencyId {
    AgencyId::parse(id).unwrap()
}

pub(super) fn subject(n: u32) -> Subject {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    Subject::from_bytes(&bytes).unwrap()
}

/// Worker `n`; ids are in the order of `n`.
pub(super) fn worker(n: u32) -> Worker {
    Worker {
        id: id(1, n),
        subject: subject(n),
        nik: nik(n),
        kk: None,
        name: PersonName::parse("Siti Contoh Rahayu").unwrap(),
        birth: birth(),
        sex: Sex::Female,
        village: VillageCode::parse("3212162004").unwrap(),
        contact: Contact { phone: Some("+628110000000".to_owned()), address: None },
        stage: Stage::Prospective,
        destination: Some(Country::parse("SA").unwrap()),
        placement: None,
        documents: BTreeSet::from([Document::Passport, Document::MaritalStatus]),
        verification: None,
        registered_by: agency("kemnaker"),
    }
}

/// Clearance `n`, of worker `worker`.
pub(super) fn clearance(n: u32, worker: &Worker) -> Clearance {
    Clearance {
        id: id(2, n),
        worker_id: worker.id,
        subject: worker.subject,
        facility_id: "klinik-01".to_owned(),
        home: None,
        submitted_by: agency("klinik-01"),
        certificate_number: format!("MCU/2026/{n}"),
        examined_on: date(2026, 11, 20),
        issued_on: date(2026, 11, 21),
        destination: Country::parse("SA").unwrap(),
        conclusion: Conclusion::Fit,
        examiner: Examiner {
            name: PersonName::parse("dr Contoh Wijaya").unwrap(),
            sip_number: "SIP/1".to_owned(),
        },
        findings: vec![Finding {
            code: "8480-6".to_owned(),
            display: "Systolic blood pressure".to_owned(),
            value: "118".to_owned(),
            unit: "mm[Hg]".to_owned(),
            interpretation: Some(Interpretation::Normal),
        }],
        pregnancy_test: None,
        revocation: None,
    }
}

/// Member `n` of the family of `worker`.
pub(super) fn member(n: u32, worker: &Worker) -> FamilyMember {
    FamilyMember {
        id: id(3, n),
        worker_id: worker.id,
        subject: None,
        name: PersonName::parse("Budi Contoh").unwrap(),
        relation: Relation::Child,
        nik: None,
        birth: Some(birth()),
        caretaker: false,
    }
}

/// One record of each kind.
pub(super) fn one_of_each() -> Vec<Record> {
    let village = VillageCode::parse("3212162004").unwrap();
    let worker = worker(1);
    let facility = Facility {
        id: "klinik-01".to_owned(),
        name: "Klinik Contoh".to_owned(),
        class: FacilityClass::KlinikUtama,
        village,
        location: Coordinate::new(-6.412_345_678_9, 108.312_345_678_9).unwrap(),
        designations: vec![Designation { from: date(2026, 1, 1), until: None }],
        capacity_per_day: 40,
    };
    let check = IdentityCheck {
        id: "c0".repeat(32),
        subject: worker.subject,
        check: Check {
            outcome: Outcome::Mismatch,
            elements: vec![
                (Element::Name, Verdict::Fuzzy(93)),
                (Element::BirthDate, Verdict::Match),
                (Element::Sex, Verdict::Mismatch(0)),
            ],
        },
    };
    let index = VillageIndex {
        village,
        year: 2026,
        kind: IndexKind::IndeksDesa,
        score: 0.812_3,
        category: Category::Maju,
    };
    let adapter =
        Adapter { ministry: AgencyKind::Kemenkes, paused: Some("pemeliharaan".to_owned()) };
    let agency = Agency {
        id: agency("klinik-01"),
        kind: AgencyKind::Clinic,
        name: "Klinik Contoh".to_owned(),
        purposes: BTreeSet::from([Purpose::ClearanceSubmission]),
        status: AgencyStatus::Active,
        region: None,
        facility: Some("klinik-01".to_owned()),
        certificates: Vec::new(),
    };
    let withholding = Withholding {
        id: id(4, 1),
        subject: worker.subject,
        agency: agency.id.clone(),
        from: noon(),
        until: noon(),
        ordered_by: "Pengadilan Contoh".to_owned(),
        legal_reference: "Penetapan 1/2026".to_owned(),
        ended_at: Some(noon()),
    };
    vec![
        Record::FamilyMember(member(1, &worker)),
        Record::Clearance(clearance(1, &worker)),
        Record::Worker(worker),
        Record::Facility(facility),
        Record::IdentityCheck(check),
        Record::VillageIndex(index),
        Record::Agency(agency),
        Record::Adapter(adapter),
        Record::Withholding(withholding),
        Record::Setting(Setting { name: SettingName::Policy, digest: [0xab; 32] }),
    ]
    .into_iter()
    .chain(programme())
    .collect()
}

/// One record of each kind of the programme.
fn programme() -> Vec<Record> {
    let village = VillageCode::parse("3212162004").unwrap();
    let day = date(2026, 11, 1);
    let designation = programme::Designation {
        village,
        year: 2016,
        decree: "Kepmenaker 1/2016".to_owned(),
        decided_on: Some(day),
        pilot: true,
        ended_on: None,
    };
    let officer = Officer {
        id: id(5, 1),
        subject: subject(91),
        nik: nik(91),
        name: PersonName::parse("Rina Contoh").unwrap(),
        phone: Some("+628120000091".to_owned()),
        role: Role::Facilitator,
        station: Station::Village(village),
        from: day,
        until: None,
    };
    let post = Post { officer: officer.id, role: officer.role, from: day, until: None };
    let activity = Activity {
        id: id(6, 1),
        village,
        pillar: Pillar::ProductiveBusiness,
        title: "Pelatihan".to_owned(),
        from: day,
        until: Some(day),
        women: 12,
        men: 8,
        budget: Some(Budget { source: BudgetSource::VillageBudget, amount_idr: 15_000_000 }),
        outcome: String::new(),
        recorded_by: agency("kemnaker"),
    };
    let enterprise = Enterprise {
        id: id(7, 1),
        village,
        kind: EnterpriseKind::Cooperative,
        name: "Koperasi Contoh".to_owned(),
        field: "mangga".to_owned(),
        members: 24,
        status: EnterpriseStatus::Active,
        founded_on: None,
        registration_number: String::new(),
        export_ready: false,
        recorded_by: agency("kemnaker"),
    };
    let family = ParentingFamily {
        worker_id: worker(1).id,
        subject: worker(1).subject,
        village,
        children: vec![member(1, &worker(1)).id],
        from: day,
        until: None,
    };
    let service = SectorService {
        village,
        sector: SectorCode::parse("health").unwrap(),
        provider: agency("kemenkes"),
        status: ServiceStatus::Active,
        from: day,
        until: None,
        evidence: "SK 1/2026".to_owned(),
        reported_at: noon(),
    };
    vec![
        Record::Designation(designation),
        Record::Roster(Roster { station: officer.station, posts: vec![post] }),
        Record::Officer(officer),
        Record::Activity(activity),
        Record::Enterprise(enterprise),
        Record::ParentingFamily(family),
        Record::SectorService(service),
    ]
}

/// An entry's draft.
pub(super) fn draft() -> Draft {
    Draft {
        kind: EntryKind::Change,
        agency: agency("kemnaker"),
        purpose: Some(Purpose::PlacementScreening),
        method: "desmigratif.worker.v1.WorkerService/RegisterWorker".to_owned(),
        request_digest: [3; 32],
        subjects: vec![subject(1)],
        classes: Classes::of(&[DataClass::Identity, DataClass::Programme]),
        trace_id: [9; 16],
    }
}

/// A commit of nothing but an entry.
pub(super) fn empty() -> Commit {
    Commit::of(draft())
}

/// A commit that writes a record.
pub(super) fn write(record: Record, expect: Expect) -> Commit {
    Commit { writes: vec![Write { record, expect }], ..empty() }
}

/// A commit that writes worker `n` anew, for request `n`, with a delivery to each of two
/// ministries: one with all its parts.
pub(super) fn whole(n: u32) -> Commit {
    let record = Record::Worker(worker(n));
    let delivery = |to| Delivery { to, subject: subject(n), record: record.key() };
    Commit {
        request: Some(request(n)),
        deliveries: vec![delivery(AgencyKind::Kemnaker), delivery(AgencyKind::Kemenkes)],
        answer: format!("answer {n}").into_bytes(),
        ..write(record, Expect::Absent)
    }
}

/// Request `n` of one agency.
pub(super) fn request(n: u32) -> Request {
    Request { agency: agency("kemnaker"), id: id(9, n), digest: [1; 32] }
}

/// The key of worker `n`.
pub(super) fn worker_key(n: u32) -> Key {
    Record::Worker(worker(n)).key()
}

/// Makes a commit that must succeed.
pub(super) async fn done(store: &dyn Store, commit: Commit) -> Committed {
    store.commit(commit).await.unwrap()
}

/// Writes a record, whatever is there.
pub(super) async fn put(store: &dyn Store, record: Record) -> Committed {
    done(store, write(record, Expect::Any)).await
}

fn id(series: u32, n: u32) -> Uuid {
    Uuid::from_fields(
        series,
        0,
        0x7000,
        &[&[0x80, 0, 0, 0][..], &n.to_be_bytes()].concat().try_into().unwrap(),
    )
}

fn nik(n: u32) -> Nik {
    Nik::parse(&format!("3212165505{:02}{:04}", 70 + n % 30, 1 + n % 9999)).unwrap()
}

fn birth() -> BirthDate {
    BirthDate::new(date(1995, 5, 15), Precision::Day, date(2026, 11, 24)).unwrap()
}

/// How many deliveries wait for each ministry.
pub(super) async fn waiting(store: &dyn Store) -> Vec<(AgencyKind, u64)> {
    let backlogs = store.backlogs().await.unwrap();
    backlogs.into_iter().map(|backlog| (backlog.to, backlog.waiting)).collect()
}
