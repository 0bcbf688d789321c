//! The connector adapter against the sandbox's Kemnaker, over mutual TLS on a socket.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by stopping where it is")]

mod simulated;

use std::path::Path;
use std::sync::Arc;

use desmigratif_adapters::config::Connection;
use desmigratif_adapters::{connect, connector, kemendagri, upstream};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::ministry::conformance::{self, Stand, Trouble};
use desmigratif_core::ports::ministry::{Answer, Content, Ministry, Parcel, Question, Workforce};
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::SubjectKey;
use desmigratif_core::worker::Worker;
use desmigratif_sandbox::connector::server_config;
use desmigratif_sandbox::{Sandbox, Settings, World, people};
use jiff::Timestamp;
use jiff::civil::date;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use uuid::Uuid;

use simulated::simulated;

const KEMNAKER: AgencyKind = AgencyKind::Kemnaker;
const GATEWAY: &str = "spiffe://desmigratif.test/gateway";

/// The adapter and the sandbox.
struct Kemnaker {
    sandbox: Sandbox,
    world: World,
    connection: Connection,
    _folder: tempfile::TempDir,
}

impl Kemnaker {
    async fn start() -> Self {
        let world = World::new(Arc::new(kemendagri::regions::load()), date(2026, 11, 24));
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let file = |name: &str| folder.path().join(name);
        let tls =
            server_config(&file("ca.pem"), &file("server.pem"), &file("server-key.pem"), GATEWAY);
        let settings = Settings { connector_tls: Some(tls.unwrap()), ..Settings::default() };
        let sandbox = Sandbox::start(world.clone(), settings).await.unwrap();
        let port = sandbox.address(KEMNAKER).port();
        let mut connection = Connection::Connector(connector::Settings {
            url: format!("https://127.0.0.1:{port}").parse().unwrap(),
            server_name: Some("localhost".to_owned()),
            ca: "ca.pem".into(),
            certificate: "gateway.pem".into(),
            key: "gateway-key.pem".into(),
            upstream: upstream::Settings { breaker_open_ms: 100, ..upstream::Settings::default() },
        });
        connection.resolve(folder.path());
        Self { sandbox, world, connection, _folder: folder }
    }

    fn workers(&self) -> Vec<Worker> {
        let key = SubjectKey::from_bytes([3; 32]);
        people::workers(self.world.gazetteer(), &key, self.world.today()).collect()
    }

    fn worker(&self) -> Worker {
        self.workers().swap_remove(0)
    }
}

/// A CA, and what it issued to Kemnaker's server and to the gateway.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    let issue = |file: &str, name, usage| {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &ca).unwrap();
        std::fs::write(folder.join(format!("{file}.pem")), signed.pem()).unwrap();
        std::fs::write(folder.join(format!("{file}-key.pem")), key.serialize_pem()).unwrap();
    };
    let server = SanType::DnsName("localhost".try_into().unwrap());
    issue("server", server, ExtendedKeyUsagePurpose::ServerAuth);
    let gateway = SanType::URI(GATEWAY.try_into().unwrap());
    issue("gateway", gateway, ExtendedKeyUsagePurpose::ClientAuth);
}

impl Stand for Kemnaker {
    fn ministry(&self) -> Arc<dyn Ministry> {
        connect(KEMNAKER, &self.connection, Arc::new(SystemClock)).unwrap()
    }

    fn question(&self) -> (Question, Answer) {
        let village = self.worker().village;
        let mut workforce = Workforce::default();
        for worker in self.workers().iter().filter(|worker| worker.village == village) {
            match worker.stage {
                Stage::Prospective => workforce.prospective += 1,
                Stage::Ready => workforce.ready += 1,
                Stage::Abroad => workforce.abroad += 1,
                Stage::Returned => workforce.returned += 1,
                Stage::Withdrawn => {}
            }
        }
        assert_ne!(workforce, Workforce::default(), "an answer of zeros would be any village's");
        (Question::Workforce { village }, Answer::Workforce(workforce))
    }

    fn foreign_question(&self) -> Question {
        Question::Facilities { ids: vec!["klinik-indramayu".into()] }
    }

    /// A worker as Kemnaker has him, so that the answer about his village stays what it is.
    fn parcel(&self) -> Option<Parcel> {
        let content = Content::Worker(Box::new(self.worker()));
        let at = Timestamp::UNIX_EPOCH;
        Some(Parcel { key: Uuid::now_v7(), entry: 1, at, version: 1, content })
    }

    fn effects(&self, key: Uuid) -> u64 {
        self.sandbox.ledger().effects_of(KEMNAKER, &key.to_string())
    }

    fn trouble(&self, trouble: Option<Trouble>) {
        self.sandbox.switch().set(KEMNAKER, trouble.map(simulated));
    }

    fn expire_tokens(&self) -> bool {
        false
    }

    fn exempt(&self, _: Trouble) -> Option<&'static str> {
        None
    }

    fn personal(&self) -> Vec<String> {
        let worker = self.worker();
        vec![
            worker.nik.expose().to_owned(),
            worker.name.expose().to_owned(),
            worker.village.to_string(),
            worker.subject.to_string(),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_keeps_the_ports_word() {
    conformance::run_all(&Kemnaker::start().await).await;
}
