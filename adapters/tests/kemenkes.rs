//! The SATUSEHAT adapter against the sandbox's SATUSEHAT.

#![allow(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod simulated;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use desmigratif_adapters::{kemendagri::regions, kemenkes};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::agency::AgencyId;
use desmigratif_core::clearance::{
    Clearance, Conclusion, Country, Examiner, Finding, Revocation, RevocationReason,
};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::ministry::conformance::{self, Stand};
use desmigratif_core::ports::ministry::{
    Answer, ClearanceFile, Content, FacilityStanding, Fault, FaultKind, Ministry, Parcel, Question,
};
use desmigratif_core::region::Gazetteer;
use desmigratif_core::subject::SubjectKey;
use desmigratif_sandbox::{Fault as Trouble, Sandbox, Settings, World, credentials};
use desmigratif_sandbox::{facilities, people};
use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::json;
use tempfile::NamedTempFile;
use uuid::Uuid;

use simulated::simulated;

const TODAY: Date = date(2026, 11, 24);

struct Bench {
    sandbox: Sandbox,
    gazetteer: Arc<Gazetteer>,
    _secrets: [NamedTempFile; 2],
    settings: kemenkes::Settings,
}

impl Bench {
    async fn start() -> Self {
        let gazetteer = Arc::new(regions::load());
        let world = World::new(Arc::clone(&gazetteer), TODAY);
        let sandbox = Sandbox::start(world, Settings::default()).await.unwrap();
        let secret = |text: &str| {
            let mut file = NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let id = secret(credentials::SATUSEHAT_CLIENT_ID);
        let key = secret(credentials::SATUSEHAT_CLIENT_SECRET);
        let settings = serde_json::from_value(json!({
            "url": format!("http://{}", sandbox.address(AgencyKind::Kemenkes)),
            "organization_id": credentials::SATUSEHAT_ORGANIZATION_ID,
            "client_id": {"file": id.path()},
            "client_secret": {"file": key.path()},
            "upstream": {"timeout_ms": 2_000, "requests_per_second": 1_000, "breaker_calls": 1_000},
        }))
        .unwrap();
        Self { sandbox, gazetteer, _secrets: [id, key], settings }
    }

    fn adapter(&self) -> impl Ministry + use<> {
        kemenkes::connect(&self.settings, Arc::new(SystemClock)).unwrap()
    }

    /// A clearance of worker n, by the first facility.
    fn file(&self, n: usize) -> ClearanceFile {
        let key = SubjectKey::from_bytes([7; 32]);
        let worker = people::workers(&self.gazetteer, &key, TODAY).nth(n).unwrap();
        let facility = facilities::facilities(&self.gazetteer).remove(0);
        let clearance = Clearance {
            id: Uuid::from_u128(100 + n as u128),
            worker_id: worker.id,
            subject: worker.subject,
            facility_id: facility.id.clone(),
            home: None,
            submitted_by: AgencyId::parse("klinik").unwrap(),
            certificate_number: format!("MC/2026/{n}"),
            examined_on: date(2026, 11, 18),
            issued_on: date(2026, 11, 20),
            destination: Country::parse("HK").unwrap(),
            conclusion: Conclusion::Fit,
            examiner: Examiner {
                name: PersonName::parse("Contoh Dokter Hadi").unwrap(),
                sip_number: "503/SIP/0099".into(),
            },
            findings: vec![Finding {
                code: "718-7".into(),
                display: "Hemoglobin [Mass/volume] in Blood".into(),
                value: "12.5".into(),
                unit: "g/dL".into(),
                interpretation: None,
            }],
            pregnancy_test: None,
            revocation: None,
        };
        ClearanceFile { clearance, worker, facility, valid_until: Some(date(2027, 2, 20)) }
    }

    fn all_effects(&self) -> Vec<(String, u64)> {
        self.sandbox.ledger().effects(AgencyKind::Kemenkes).into_iter().collect()
    }

    fn suffer(&self, trouble: impl Into<Option<Trouble>>) {
        self.sandbox.switch().set(AgencyKind::Kemenkes, trouble.into());
    }
}

fn parcel(version: u64, file: ClearanceFile) -> Parcel {
    Parcel {
        key: Uuid::from_u128(file.clearance.id.as_u128() ^ u128::from(version) << 64),
        entry: version,
        at: "2026-11-20T03:04:05Z".parse().unwrap(),
        version,
        content: Content::Clearance(Box::new(file)),
    }
}

fn revoked(mut file: ClearanceFile) -> ClearanceFile {
    let reason = RevocationReason::Impostor;
    file.clearance.revocation = Some(Revocation { at: Timestamp::UNIX_EPOCH, reason });
    file
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn each_version_has_one_effect_and_an_older_one_has_none_after_it() {
    let (bench, mut expected) = (Bench::start().await, Vec::new());
    let adapter = bench.adapter();
    for (version, has_effect) in [(2, true), (2, false), (1, false), (3, true), (3, false)] {
        let file = bench.file(0);
        let file = if version == 3 { revoked(file) } else { file };
        if has_effect {
            expected.push((format!("{}/{version}", file.clearance.id), 1));
        }
        adapter.deliver(&parcel(version, file), soon()).await.unwrap();
        assert_eq!(bench.all_effects(), expected, "version {version}");
    }
}

#[tokio::test]
async fn a_person_whom_the_ministry_refuses_is_refused_for_good_and_unnamed() {
    let bench = Bench::start().await;
    let mut file = bench.file(0);
    file.worker.nik = Nik::parse(&people::candidate(people::REFUSED_PATIENT).nik).unwrap();
    let fault = bench.adapter().deliver(&parcel(1, file), soon()).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.what.as_ref()),
        (FaultKind::Rejected, "HTTP 422, issue business-rule")
    );
    assert!(bench.all_effects().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_one_effect() {
    let bench = Bench::start().await;
    let (adapter, parcel) = (bench.adapter(), parcel(1, bench.file(0)));
    adapter.probe(soon()).await.unwrap();
    for trouble in [Trouble::LostAnswer, Trouble::Reset] {
        bench.suffer(trouble);
        let fault = adapter.deliver(&parcel, soon()).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable);
    }
    bench.suffer(None);
    adapter.deliver(&parcel, soon()).await.unwrap();
    adapter.deliver(&parcel, soon()).await.unwrap();
    assert_eq!(bench.all_effects().len(), 1);
    assert_eq!(bench.all_effects()[0].1, 1);
}

#[tokio::test]
async fn every_trouble_of_the_platform_is_a_fault_of_its_kind() {
    let bench = Bench::start().await;
    let mut settings = bench.settings.clone();
    settings.upstream.retries = 0;
    let adapter = kemenkes::connect(&settings, Arc::new(SystemClock)).unwrap();
    adapter.probe(soon()).await.unwrap();
    for (trouble, kind) in [
        (Trouble::Latency(Duration::from_secs(60)), FaultKind::Timeout),
        (Trouble::Drip, FaultKind::Timeout),
        (Trouble::Http500, FaultKind::Unavailable),
        (Trouble::Http429 { retry_after: Duration::from_secs(1) }, FaultKind::Quota),
        (Trouble::Html, FaultKind::Malformed),
        (Trouble::Garbage, FaultKind::Malformed),
        (Trouble::TokenExpired, FaultKind::Credentials),
        (Trouble::Quota, FaultKind::Quota),
        (Trouble::Down, FaultKind::Unavailable),
        (Trouble::Endless, FaultKind::Malformed),
    ] {
        bench.suffer(trouble);
        let fault: Fault = adapter.deliver(&parcel(1, bench.file(0)), soon()).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{trouble:?}: {fault}");
    }
    bench.suffer(None);
    adapter.deliver(&parcel(1, bench.file(0)), soon()).await.unwrap();
}

#[tokio::test]
async fn a_crowd_over_expired_tokens_fetches_one() {
    let bench = Bench::start().await;
    let adapter = bench.adapter();
    adapter.probe(soon()).await.unwrap();
    bench.sandbox.expire_tokens();
    let crowd = join_all((0..30).map(|_| adapter.probe(soon()))).await;
    assert!(crowd.iter().all(Result::is_ok));
    assert_eq!(bench.sandbox.ledger().tokens_issued(), 2);
    assert!(adapter.condition().token_expires.is_some());
}

#[tokio::test]
async fn facilities_stand_as_the_platform_has_them() {
    let bench = Bench::start().await;
    let all = facilities::facilities(&bench.gazetteer);
    let mut ids: Vec<_> = all.into_iter().map(|it| it.id).collect();
    let known = ids.clone();
    ids.push("klinik-tak-dikenal".into());
    let answer = bench.adapter().lookup(&Question::Facilities { ids }, soon()).await.unwrap();
    let Answer::Facilities(standings) = answer else { panic!("another question's answer") };
    let found: Vec<_> = standings.iter().map(|it| it.id.clone()).collect();
    assert_eq!(found, known);
    assert!(standings.iter().all(|it| it.active == (it.id != facilities::CLOSED)));
}

impl Stand for Bench {
    fn ministry(&self) -> Arc<dyn Ministry> {
        let mut settings = self.settings.clone();
        settings.upstream.timeout_ms = 5_000;
        settings.upstream.breaker_calls = 10;
        settings.upstream.breaker_open_ms = 500;
        Arc::new(kemenkes::connect(&settings, Arc::new(SystemClock)).unwrap())
    }

    fn question(&self) -> (Question, Answer) {
        let id = facilities::facilities(&self.gazetteer).remove(0).id;
        let active = id != facilities::CLOSED;
        let standing = FacilityStanding { id: id.clone(), active };
        (Question::Facilities { ids: vec![id] }, Answer::Facilities(vec![standing]))
    }

    fn foreign_question(&self) -> Question {
        Question::VillageIndex { village: self.file(0).worker.village }
    }

    fn parcel(&self) -> Option<Parcel> {
        let mut file = self.file(0);
        // One clearance for each key: the sandbox counts by clearance and version.
        file.clearance.id = Uuid::now_v7();
        Some(Parcel { key: file.clearance.id, ..parcel(1, file) })
    }

    fn effects(&self, key: Uuid) -> u64 {
        self.sandbox.ledger().effects_of(AgencyKind::Kemenkes, &format!("{key}/1"))
    }

    fn trouble(&self, trouble: Option<conformance::Trouble>) {
        self.suffer(trouble.map(simulated));
    }

    fn expire_tokens(&self) -> bool {
        self.sandbox.expire_tokens();
        true
    }

    fn exempt(&self, _: conformance::Trouble) -> Option<&'static str> {
        None
    }

    fn personal(&self) -> Vec<String> {
        let worker = self.file(0).worker;
        vec![worker.nik.expose().to_owned(), worker.name.expose().to_owned()]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_keeps_the_ports_word() {
    conformance::run_all(&Bench::start().await).await;
}
