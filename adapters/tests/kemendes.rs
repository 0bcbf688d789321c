//! The IDM adapter against the sandbox's IDM.

#![allow(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod simulated;

use std::sync::Arc;
use std::time::{Duration, Instant};

use desmigratif_adapters::{kemendagri::regions, kemendes};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::ports::ministry::conformance::{self, Stand};
use desmigratif_core::ports::ministry::{Answer, FaultKind, Ministry, Parcel, Question};
use desmigratif_core::region::VillageCode;
use desmigratif_core::village_index::{IndexKind, VillageIndex};
use desmigratif_sandbox::{Fault as Trouble, Sandbox, Settings, World, kemendes as idm};
use jiff::civil::date;
use serde_json::json;
use uuid::Uuid;

use simulated::simulated;

async fn start() -> (Sandbox, World) {
    let world = World::new(Arc::new(regions::load()), date(2026, 11, 24));
    let sandbox = Sandbox::start(world.clone(), Settings::default()).await.unwrap();
    (sandbox, world)
}

fn adapter(sandbox: &Sandbox) -> impl Ministry + use<> {
    let settings: kemendes::Settings = serde_json::from_value(json!({
        "url": format!("http://{}", sandbox.address(AgencyKind::Kemendes)),
        "upstream": {"timeout_ms": 2_000, "retries": 0},
    }))
    .unwrap();
    let clock = SetClock::at("2026-11-24T03:00:00Z".parse().unwrap());
    kemendes::connect(&settings, Arc::new(clock)).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn village(code: &str) -> VillageCode {
    VillageCode::parse(code).unwrap()
}

async fn index(adapter: &impl Ministry, code: &str) -> Option<VillageIndex> {
    let question = Question::VillageIndex { village: village(code) };
    match adapter.lookup(&question, soon()).await.unwrap() {
        Answer::VillageIndex(index) => index,
        _ => panic!("another question's answer"),
    }
}

#[tokio::test]
async fn the_newest_index_comes_as_the_ministry_has_it() {
    let (sandbox, world) = start().await;
    let adapter = adapter(&sandbox);
    for (code, category) in idm::FIXED {
        let found = index(&adapter, code).await.unwrap();
        assert_eq!(Some(&found), idm::index(&world, village(code), 2025).as_ref());
        assert_eq!((found.category, found.kind), (category, IndexKind::IndeksDesa));
    }
    let older = index(&adapter, idm::WITHOUT_INDEKS_DESA).await.unwrap();
    assert_eq!((older.year, older.kind), (2024, IndexKind::Idm));
    assert_eq!(index(&adapter, idm::UNKNOWN).await, None);
    let asked = sandbox.ledger().calls(AgencyKind::Kemendes);
    assert_eq!(index(&adapter, idm::KELURAHAN).await, None);
    assert_eq!(sandbox.ledger().calls(AgencyKind::Kemendes), asked);
    adapter.probe(soon()).await.unwrap();
}

#[tokio::test]
async fn every_trouble_of_the_service_is_a_fault_of_its_kind() {
    let (sandbox, _) = start().await;
    let adapter = adapter(&sandbox);
    let question = Question::VillageIndex { village: village(idm::FIXED[0].0) };
    for (trouble, kind) in [
        (Trouble::Latency(Duration::from_secs(60)), FaultKind::Timeout),
        (Trouble::Drip, FaultKind::Timeout),
        (Trouble::Http500, FaultKind::Unavailable),
        (Trouble::Http429 { retry_after: Duration::from_secs(1) }, FaultKind::Quota),
        (Trouble::Html, FaultKind::Malformed),
        (Trouble::Garbage, FaultKind::Malformed),
        (Trouble::Reset, FaultKind::Unavailable),
        (Trouble::Quota, FaultKind::Quota),
    ] {
        sandbox.switch().set(AgencyKind::Kemendes, Some(trouble));
        let fault = adapter.lookup(&question, soon()).await.map(drop).unwrap_err();
        assert_eq!(fault.kind, kind, "{trouble:?}: {fault}");
    }
}

struct Bench(Sandbox, World);

impl Stand for Bench {
    fn ministry(&self) -> Arc<dyn Ministry> {
        let settings: kemendes::Settings = serde_json::from_value(json!({
            "url": format!("http://{}", self.0.address(AgencyKind::Kemendes)),
            "upstream": {"timeout_ms": 5_000, "breaker_open_ms": 500},
        }))
        .unwrap();
        let clock = SetClock::at("2026-11-24T03:00:00Z".parse().unwrap());
        Arc::new(kemendes::connect(&settings, Arc::new(clock)).unwrap())
    }

    fn question(&self) -> (Question, Answer) {
        let village = village(idm::FIXED[0].0);
        let answer = Answer::VillageIndex(idm::index(&self.1, village, 2025));
        (Question::VillageIndex { village }, answer)
    }

    fn foreign_question(&self) -> Question {
        Question::Facilities { ids: Vec::new() }
    }

    fn parcel(&self) -> Option<Parcel> {
        None
    }

    fn effects(&self, _: Uuid) -> u64 {
        0
    }

    fn trouble(&self, trouble: Option<conformance::Trouble>) {
        self.0.switch().set(AgencyKind::Kemendes, trouble.map(simulated));
    }

    fn expire_tokens(&self) -> bool {
        false
    }

    fn exempt(&self, trouble: conformance::Trouble) -> Option<&'static str> {
        (trouble == conformance::Trouble::Refused).then_some("the API is open: no credentials")
    }

    fn personal(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_keeps_the_ports_word() {
    let (sandbox, world) = start().await;
    conformance::run_all(&Bench(sandbox, world)).await;
}
