//! Adapter and simulated ministry together, over mutual TLS on a real socket.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use desmigratif_adapters::connector::{Settings, connect};
use desmigratif_adapters::kemendagri::regions;
use desmigratif_adapters::upstream;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::agency::AgencyId;
use desmigratif_core::clearance::{Clearance, Conclusion, Country, Examiner};
use desmigratif_core::family::{FamilyMember, Relation};
use desmigratif_core::name::PersonName;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::ministry::{
    Answer, ClearanceFile, Content, Fault as MinistryFault, FaultKind, Ministry, Parcel, Question,
    Retry, Workforce,
};
use desmigratif_core::record::Kind;
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::SubjectKey;
use desmigratif_core::worker::Worker;
use jiff::Timestamp;
use jiff::civil::date;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::server_config;
use crate::{Fault, Sandbox, World, people};

const GATEWAY: &str = "spiffe://desmigratif.test/gateway";
const KEMNAKER: AgencyKind = AgencyKind::Kemnaker;

static WORLD: LazyLock<World> =
    LazyLock::new(|| World::new(Arc::new(regions::load()), date(2026, 11, 24)));

/// A CA and what it issued, in a folder.
struct Pki {
    folder: TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    /// A CA with a certificate for the connector and one for the gateway.
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let pki = Self { folder, ca };
        let name = SanType::DnsName("localhost".try_into().unwrap());
        pki.issue("server", name, ExtendedKeyUsagePurpose::ServerAuth);
        pki.issue_client("gateway", GATEWAY);
        pki
    }

    fn issue_client(&self, file: &str, uri: &str) {
        let name = SanType::URI(uri.try_into().unwrap());
        self.issue(file, name, ExtendedKeyUsagePurpose::ClientAuth);
    }

    fn issue(&self, file: &str, name: SanType, usage: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_after = rcgen::date_time_ymd(2040, 1, 2);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.ca).unwrap();
        std::fs::write(self.file(file), signed.pem()).unwrap();
        std::fs::write(self.key(file), key.serialize_pem()).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }

    fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}-key.pem"))
    }

    /// The sandbox, with its connector behind this CA.
    async fn sandbox(&self) -> Sandbox {
        let (server, key) = (self.file("server"), self.key("server"));
        let tls = server_config(&self.file("ca"), &server, &key, GATEWAY).unwrap();
        let settings = crate::Settings { connector_tls: Some(tls), ..crate::Settings::default() };
        Sandbox::start(WORLD.clone(), settings).await.unwrap()
    }

    /// The adapter with a certificate of this CA, which trusts the server of CA `ca`.
    fn adapter(&self, sandbox: &Sandbox, file: &str, ca: &Path) -> impl Ministry + use<> {
        let port = sandbox.address(KEMNAKER).port();
        let settings = Settings {
            url: format!("https://127.0.0.1:{port}").parse().unwrap(),
            server_name: Some("localhost".to_owned()),
            ca: ca.to_owned(),
            certificate: self.file(file),
            key: self.key(file),
            upstream: upstream::Settings {
                retries: 0,
                breaker_calls: 1_000,
                ..upstream::Settings::default()
            },
        };
        connect(KEMNAKER, &settings, Arc::new(SystemClock)).unwrap()
    }

    fn gateway(&self, sandbox: &Sandbox) -> impl Ministry + use<> {
        self.adapter(sandbox, "gateway", &self.file("ca"))
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn worker() -> Worker {
    let key = SubjectKey::from_bytes([3; 32]);
    people::workers(WORLD.gazetteer(), &key, WORLD.today()).next().unwrap()
}

fn parcel(n: u64, version: u64, content: Content) -> Parcel {
    let key = Uuid::from_u128(u128::from(n) | 0x0190_0000_0000_7000_8000_0000_0000_0000);
    Parcel { key, entry: n, at: Timestamp::UNIX_EPOCH, version, content }
}

fn of_worker(n: u64, version: u64, stage: Stage) -> Parcel {
    parcel(n, version, Content::Worker(Box::new(Worker { stage, ..worker() })))
}

async fn workforce(ministry: &impl Ministry) -> Result<Workforce, MinistryFault> {
    let question = Question::Workforce { village: worker().village };
    match ministry.lookup(&question, soon()).await? {
        Answer::Workforce(workforce) => Ok(workforce),
        _ => panic!("the answer is to another question"),
    }
}

#[tokio::test]
async fn what_is_delivered_arrives_whole_and_in_order_for_each_person() {
    let pki = Pki::new();
    let sandbox = pki.sandbox().await;
    let ministry = pki.gateway(&sandbox);
    let worker = worker();
    let member = FamilyMember {
        id: Uuid::from_u128(5),
        worker_id: worker.id,
        subject: None,
        name: PersonName::parse("Contoh Ani").unwrap(),
        relation: Relation::Child,
        nik: None,
        birth: None,
        caretaker: false,
    };
    let facility = WORLD.facilities()[0].clone();
    let clearance = Clearance {
        id: Uuid::from_u128(6),
        worker_id: worker.id,
        subject: worker.subject,
        facility_id: facility.id.clone(),
        home: None,
        submitted_by: AgencyId::parse("klinik-indramayu").unwrap(),
        certificate_number: "1".into(),
        examined_on: date(2026, 11, 20),
        issued_on: date(2026, 11, 20),
        destination: Country::parse("HK").unwrap(),
        conclusion: Conclusion::Fit,
        examiner: Examiner { name: PersonName::parse("Contoh").unwrap(), sip_number: "1".into() },
        findings: Vec::new(),
        pregnancy_test: None,
        revocation: None,
    };
    let valid_until = Some(date(2027, 2, 20));
    let file = ClearanceFile { clearance, worker: worker.clone(), facility, valid_until };
    let parcels = [
        of_worker(1, 1, Stage::Prospective),
        parcel(2, 1, Content::FamilyMember(Box::new(member))),
        parcel(3, 1, Content::Clearance(Box::new(file))),
        of_worker(4, 2, Stage::Ready),
    ];
    let before = workforce(&ministry).await.unwrap();
    for parcel in &parcels {
        ministry.deliver(parcel, soon()).await.unwrap();
        assert_eq!(sandbox.ledger().effects_of(KEMNAKER, &parcel.key.to_string()), 1);
    }
    let arrived = sandbox.records().arrivals(worker.nik.expose());
    let arrived: Vec<_> = arrived.iter().map(|it| (it.entry, it.kind, it.version)).collect();
    let (w, f, c) = (Kind::Worker, Kind::FamilyMember, Kind::Clearance);
    assert_eq!(arrived, [(1, w, 1), (2, f, 1), (3, c, 1), (4, w, 2)]);
    let after = workforce(&ministry).await.unwrap();
    assert_eq!(after.ready, before.ready + 1, "the delivered stage counts");
    assert_eq!(after.prospective, before.prospective - 1);
}

#[tokio::test]
async fn a_lost_answer_and_the_same_key_again_have_one_effect() {
    let pki = Pki::new();
    let sandbox = pki.sandbox().await;
    let ministry = pki.gateway(&sandbox);
    let parcel = of_worker(1, 1, Stage::Ready);
    sandbox.switch().set(KEMNAKER, Some(Fault::LostAnswer));
    let lost = ministry.deliver(&parcel, soon()).await.unwrap_err();
    assert_eq!((lost.kind, lost.retry), (FaultKind::Unavailable, Retry::Safe));
    sandbox.switch().clear();
    ministry.deliver(&parcel, soon()).await.unwrap();
    assert_eq!(sandbox.ledger().calls(KEMNAKER), 2);
    assert_eq!(sandbox.ledger().effects_of(KEMNAKER, &parcel.key.to_string()), 1);
}

#[tokio::test]
async fn a_version_that_was_overtaken_is_taken_and_changes_nothing() {
    let pki = Pki::new();
    let sandbox = pki.sandbox().await;
    let ministry = pki.gateway(&sandbox);
    ministry.deliver(&of_worker(2, 2, Stage::Ready), soon()).await.unwrap();
    let at_hand = workforce(&ministry).await.unwrap();
    let late = of_worker(1, 1, Stage::Returned);
    ministry.deliver(&late, soon()).await.unwrap();
    assert_eq!(workforce(&ministry).await.unwrap(), at_hand);
    assert_eq!(sandbox.ledger().effects_of(KEMNAKER, &late.key.to_string()), 0);
    let id = worker().id.to_string();
    assert_eq!(sandbox.records().version(Kind::Worker, &id), Some(2));
}

#[tokio::test]
async fn a_server_of_another_ca_is_sent_nothing() {
    let (pki, other) = (Pki::new(), Pki::new());
    let sandbox = pki.sandbox().await;
    let ministry = pki.adapter(&sandbox, "gateway", &other.file("ca"));
    let fault = ministry.deliver(&of_worker(1, 1, Stage::Ready), soon()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert_eq!(fault.what, "the server's certificate is not of the pinned CA");
    assert_eq!(sandbox.ledger().calls(KEMNAKER), 0);
}

#[tokio::test]
async fn a_client_that_is_not_the_gateway_is_refused_until_its_files_are() {
    let (pki, other) = (Pki::new(), Pki::new());
    let sandbox = pki.sandbox().await;
    let stranger = other.adapter(&sandbox, "gateway", &pki.file("ca"));
    let fault = stranger.probe(soon()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Credentials, "{fault}");

    pki.issue_client("clinic", "spiffe://desmigratif.test/agency/klinik");
    let ministry = pki.adapter(&sandbox, "clinic", &pki.file("ca"));
    let fault = ministry.probe(soon()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Credentials, "{fault}");
    assert_eq!(sandbox.ledger().calls(KEMNAKER), 0);
    pki.issue_client("clinic", GATEWAY);
    ministry.probe(soon()).await.unwrap();
}

#[tokio::test]
async fn a_client_without_a_certificate_does_not_get_past_the_handshake() {
    let pki = Pki::new();
    let sandbox = pki.sandbox().await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki.file("ca")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(sandbox.address(KEMNAKER)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let refused = stream.read_u8().await.unwrap_err().to_string();
    assert!(refused.contains("CertificateRequired"), "{refused}");
}

#[tokio::test]
async fn every_fault_ends_in_time_as_what_it_is() {
    let pki = Pki::new();
    let sandbox = pki.sandbox().await;
    let wait = Duration::from_secs(7);
    let pause = Duration::from_secs(10);
    for (fault, kind, retry) in [
        (Fault::Http500, FaultKind::Unavailable, Retry::Safe),
        (Fault::Http429 { retry_after: wait }, FaultKind::Quota, Retry::After(wait)),
        (Fault::Quota, FaultKind::Quota, Retry::After(pause)),
        (Fault::TokenExpired, FaultKind::Credentials, Retry::After(6 * pause)),
        (Fault::Html, FaultKind::Malformed, Retry::Safe),
        (Fault::Garbage, FaultKind::Malformed, Retry::Safe),
        (Fault::Endless, FaultKind::Malformed, Retry::Safe),
        (Fault::Reset, FaultKind::Unavailable, Retry::Safe),
        (Fault::Down, FaultKind::Unavailable, Retry::Safe),
        (Fault::LostAnswer, FaultKind::Unavailable, Retry::Safe),
        (Fault::Drip, FaultKind::Timeout, Retry::Safe),
        (Fault::Latency(Duration::from_secs(60)), FaultKind::Timeout, Retry::Safe),
    ] {
        // A new connection for each: one that drips, for instance, is of no more use.
        let ministry = pki.gateway(&sandbox);
        ministry.probe(soon()).await.unwrap();
        sandbox.switch().set(KEMNAKER, Some(fault));
        let patience = match kind {
            FaultKind::Timeout => Duration::from_millis(500),
            _ => Duration::from_secs(20),
        };
        let begun = Instant::now();
        let met = ministry.probe(begun + patience).await.unwrap_err();
        assert_eq!((met.kind, met.retry), (kind, retry), "{}: {met}", fault.name());
        assert!(begun.elapsed() < patience + Duration::from_secs(2), "{}", fault.name());
        sandbox.switch().clear();
    }
}

#[tokio::test]
async fn a_connection_that_broke_is_made_again_and_others_questions_are_not_asked() {
    let pki = Pki::new();
    let sandbox = pki.sandbox().await;
    let ministry = pki.gateway(&sandbox);
    ministry.probe(soon()).await.unwrap();
    sandbox.switch().set(KEMNAKER, Some(Fault::Down));
    ministry.probe(soon()).await.unwrap_err();
    sandbox.switch().clear();
    ministry.probe(soon()).await.unwrap();

    let calls = sandbox.ledger().calls(KEMNAKER);
    let question = Question::Facilities { ids: vec!["klinik-indramayu".into()] };
    let fault = ministry.lookup(&question, soon()).await.err().unwrap();
    assert_eq!(fault.kind, FaultKind::Unsupported);
    assert_eq!(sandbox.ledger().calls(KEMNAKER), calls);
    let condition = ministry.condition();
    assert_eq!(condition.certificate_expires, Some("2040-01-02T00:00:00Z".parse().unwrap()));
    assert_eq!((condition.calls, condition.failures), (3, 1));
}
