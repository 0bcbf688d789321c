//! The Dukcapil adapter against the sandbox's Kemendagri, over a socket.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by stopping where it is")]

mod simulated;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use desmigratif_adapters::config::{Connection, Secret};
use desmigratif_adapters::{connect, kemendagri, upstream};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::identity::{Check, Claim, Element, Outcome, Verdict};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::ministry::conformance::{self, Stand, Trouble};
use desmigratif_core::ports::ministry::{Answer, FaultKind, Ministry, Parcel, Question};
use desmigratif_core::region::VillageCode;
use desmigratif_sandbox::fixtures::{IdentityFixture, IdentityOutcome, fixtures};
use desmigratif_sandbox::{Sandbox, Settings, World, credentials, people};
use jiff::civil::date;
use uuid::Uuid;

use simulated::simulated;

const KEMENDAGRI: AgencyKind = AgencyKind::Kemendagri;

/// The adapter and the sandbox.
struct Dukcapil {
    sandbox: Sandbox,
    world: World,
    connection: Connection,
    _folder: tempfile::TempDir,
}

impl Dukcapil {
    async fn start(settings: Settings) -> Self {
        let gazetteer = Arc::new(kemendagri::regions::load());
        let world = World::new(gazetteer, date(2026, 11, 24));
        let sandbox = Sandbox::start(world.clone(), settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let secret = |name: &str, secret: &str| {
            std::fs::write(folder.path().join(name), secret).unwrap();
            Secret::File(PathBuf::from(name))
        };
        let settings = kemendagri::Settings {
            url: format!(
                "http://{}/dukcapil/get_json/{}/CALL_VERIFY_BY_ELEMEN",
                sandbox.address(KEMENDAGRI),
                credentials::DUKCAPIL_AGENCY
            )
            .parse()
            .unwrap(),
            ca: None,
            user_id: secret("user", credentials::DUKCAPIL_USER_ID),
            password: secret("password", credentials::DUKCAPIL_PASSWORD),
            ip_user: credentials::DUKCAPIL_IP_USER.to_owned(),
            threshold: 90,
            upstream: upstream::Settings { breaker_open_ms: 100, ..upstream::Settings::default() },
        };
        let mut connection = Connection::Dukcapil(settings);
        connection.resolve(folder.path());
        Self { sandbox, world, connection, _folder: folder }
    }

    fn claim(&self) -> Claim {
        let person = self.world.person(&verified()).unwrap();
        Claim {
            name: Some(person.name.clone()),
            birth: Some(person.birth),
            birth_place: Some(person.birth_place.clone()),
            sex: Some(person.sex),
            village: Some(person.village),
            mother_name: person.mother_name.clone(),
        }
    }
}

fn verified() -> Nik {
    Nik::parse(&people::candidate(people::VERIFIED).nik).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

impl Stand for Dukcapil {
    fn ministry(&self) -> Arc<dyn Ministry> {
        connect(KEMENDAGRI, &self.connection, Arc::new(SystemClock)).unwrap()
    }

    fn question(&self) -> (Question, Answer) {
        let claim = self.claim();
        let mut elements = vec![
            (Element::Name, Verdict::Match),
            (Element::BirthDate, Verdict::Match),
            (Element::BirthPlace, Verdict::Match),
            (Element::Sex, Verdict::Match),
            (Element::Village, Verdict::Match),
        ];
        if claim.mother_name.is_some() {
            elements.push((Element::MotherName, Verdict::Match));
        }
        let check = Check { outcome: Outcome::Verified, elements };
        let question = Question::Identity { nik: verified(), claim: Box::new(claim) };
        (question, Answer::Identity(check))
    }

    fn foreign_question(&self) -> Question {
        Question::VillageIndex { village: VillageCode::parse("32.12.06.2004").unwrap() }
    }

    fn parcel(&self) -> Option<Parcel> {
        None
    }

    fn effects(&self, key: Uuid) -> u64 {
        self.sandbox.ledger().effects_of(KEMENDAGRI, &key.to_string())
    }

    fn trouble(&self, trouble: Option<Trouble>) {
        self.sandbox.switch().set(KEMENDAGRI, trouble.map(simulated));
    }

    fn expire_tokens(&self) -> bool {
        false
    }

    fn exempt(&self, _: Trouble) -> Option<&'static str> {
        None
    }

    fn personal(&self) -> Vec<String> {
        let candidate = people::candidate(people::VERIFIED);
        vec![
            candidate.nik,
            candidate.name,
            candidate.birth_place,
            candidate.birth_date.to_string(),
            candidate.birth_date.strftime("%d-%m-%Y").to_string(),
            credentials::DUKCAPIL_PASSWORD.to_owned(),
        ]
    }
}

#[tokio::test]
async fn the_adapter_keeps_the_ports_word() {
    conformance::run_all(&Dukcapil::start(Settings::default()).await).await;
}

#[tokio::test]
async fn every_fixture_has_its_outcome_however_the_answer_is_spelt() {
    let stand = Dukcapil::start(Settings::default()).await;
    let ministry = stand.ministry();
    // The sandbox spells answers by the count of calls: 24 ways and more.
    for round in 0..30 {
        for IdentityFixture { nik, name, birth_date, outcome } in fixtures().identities {
            let birth = BirthDate::new(birth_date, Precision::Day, date(2026, 11, 24)).unwrap();
            let claim = Claim {
                name: Some(PersonName::parse(&name).unwrap()),
                birth: Some(birth),
                ..Claim::default()
            };
            let nik = Nik::parse(&nik).unwrap();
            let question = Question::Identity { nik, claim: Box::new(claim) };
            let answer = ministry.lookup(&question, soon()).await;
            let kind = answer.as_ref().err().map(|fault| fault.kind);
            let check = match answer {
                Ok(Answer::Identity(check)) => Some(check),
                _ => None,
            };
            let right = match outcome {
                IdentityOutcome::Outcome(Outcome::QuotaExhausted) => kind == Some(FaultKind::Quota),
                IdentityOutcome::Outcome(outcome) => check.is_some_and(|it| it.outcome == outcome),
                IdentityOutcome::FuzzyName => check.is_some_and(|it| {
                    it.outcome == Outcome::Verified
                        && matches!(it.elements[0], (Element::Name, Verdict::Fuzzy(90..100)))
                }),
                IdentityOutcome::IllFormed => kind == Some(FaultKind::Rejected),
                IdentityOutcome::LoginRefused | IdentityOutcome::AddressUnknown => {
                    kind == Some(FaultKind::Credentials)
                }
            };
            assert!(right, "round {round}, the fixture named {name}: {kind:?}");
        }
    }
}

#[tokio::test]
async fn the_days_quota_is_the_ministrys() {
    let settings = Settings { dukcapil_daily_quota: 2, ..Settings::default() };
    let stand = Dukcapil::start(settings).await;
    let ministry = stand.ministry();
    let (question, _) = stand.question();
    for _ in 0..2 {
        assert!(ministry.lookup(&question, soon()).await.is_ok());
    }
    assert_eq!(ministry.lookup(&question, soon()).await.err().unwrap().kind, FaultKind::Quota);
    assert_eq!(ministry.condition().failures, 0);
}

#[test]
fn dukcapil_is_kemendagris_alone() {
    let text = r#"{"protocol": "dukcapil", "url": "https://dukcapil.example/", "ip_user": "10.0.0.1",
        "user_id": {"env": "NONE"}, "password": {"env": "NONE"}}"#;
    let connection: Connection = serde_json::from_str(text).unwrap();
    let refused = connect(AgencyKind::Kemenkes, &connection, Arc::new(SystemClock)).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "kemenkes does not speak protocol dukcapil; use its own or `connector`"
    );
}
