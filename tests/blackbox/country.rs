//! A gateway and the four ministries that it is connected to: simulated ones, in the test's own
//! process, so that a test makes them fail and sees what reached them.
//!
//! Whatever takes time is waited for by [`eventually`]: a condition and a deadline, never a pause.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_sandbox::{Fault, Sandbox, Settings, World, connector, credentials};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tempfile::TempDir;

use crate::folder::prepared;
use crate::gateway::{Gateway, run};

/// Time enough for whatever a test waits for, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How the gateway of a test reaches the ministries.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    /// How long an attempt may take.
    pub(crate) timeout_ms: u32,
    /// After how many attempts a ministry is judged.
    pub(crate) breaker_calls: u32,
    /// What is logged.
    pub(crate) log: &'static str,
}

impl Default for Ways {
    fn default() -> Self {
        Self { timeout_ms: 1_000, breaker_calls: 4, log: "info" }
    }
}

/// The simulated ministries, and a data folder whose configuration says how to reach them.
pub(crate) struct Ministries {
    pub(crate) folder: TempDir,
    pub(crate) sandbox: Sandbox,
}

impl Ministries {
    /// Starts them. No gateway runs yet.
    pub(crate) async fn start(ways: &Ways) -> Self {
        let folder = prepared();
        let sandbox = sandbox(&folder.path().join("tls")).await;
        configure(folder.path(), &sandbox, ways);
        Self { folder, sandbox }
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// Starts the gateway.
    pub(crate) fn gateway(self) -> Country {
        let Self { folder, sandbox } = self;
        // The witnesses of `dev` do not run here, and no walk is to wait for them.
        let nobody = [("DESMIGRATIF_AUDIT__WITNESSES", "[]"), ("DESMIGRATIF_AUDIT__QUORUM", "0")];
        let gateway = Gateway::serve(folder, &nobody);
        profile(&gateway, sandbox.admin(), "operator");
        Country { gateway, sandbox }
    }
}

/// A gateway that is connected to the ministries.
pub(crate) struct Country {
    pub(crate) gateway: Gateway,
    pub(crate) sandbox: Sandbox,
}

impl Country {
    /// Starts both.
    pub(crate) async fn start(ways: &Ways) -> Self {
        Ministries::start(ways).await.gateway()
    }

    /// Ends the gateway without warning, as a power cut would. The ministries go on.
    pub(crate) fn kill(self) -> Ministries {
        Ministries { folder: self.gateway.kill(), sandbox: self.sandbox }
    }

    /// Puts a fault in force at a ministry.
    pub(crate) fn fault(&self, ministry: AgencyKind, fault: Fault) {
        self.sandbox.switch().set(ministry, Some(fault));
    }

    /// Lifts every fault.
    pub(crate) fn lift(&self) {
        self.sandbox.switch().clear();
    }

    /// An operator's profile that asks as an agency.
    pub(crate) fn profile(&self, agency: &str) -> PathBuf {
        profile(&self.gateway, self.sandbox.admin(), agency)
    }

    /// What the operator is told by a verb of the command line, which must succeed.
    pub(crate) fn operate(&self, args: &[&str]) -> String {
        let (status, out, err) = self.try_operate(args, "operator");
        assert_eq!(status, Some(0), "{args:?}: {out}{err}");
        out
    }

    /// What comes of a verb of the command line: exit status, stdout, stderr.
    pub(crate) fn try_operate(
        &self,
        args: &[&str],
        as_agency: &str,
    ) -> (Option<i32>, String, String) {
        let profile = self.profile(as_agency);
        run(&[args, &["--profile", profile.to_str().unwrap()]].concat())
    }

    /// The way to a ministry, as `adapters list` shows it.
    pub(crate) fn adapter(&self, ministry: AgencyKind) -> Value {
        let listed = self.operate(&["adapters", "list", "-o", "json"]);
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        listed.into_iter().find(|it| it["ministry"] == ministry.as_str()).unwrap()
    }

    /// What `deliveries list` shows of the deliveries that meet a filter, such as
    /// `["--state", "dead"]`.
    pub(crate) fn deliveries(&self, filter: &[&str]) -> Vec<Delivery> {
        let args = [&["deliveries", "list", "-o", "json", "--limit", "10000"], filter].concat();
        serde_json::from_str(&self.operate(&args)).unwrap()
    }

    /// Waits until nothing waits for any ministry any more.
    pub(crate) async fn settled(&self) {
        eventually("every delivery is settled", async || {
            self.deliveries(&["--state", "waiting"]).is_empty().then_some(())
        })
        .await;
    }

    /// That what a ministry was delivered had one effect by each key; answers with their number.
    pub(crate) fn one_effect_each(&self, ministry: AgencyKind) -> usize {
        let effects = self.sandbox.ledger().effects(ministry);
        let doubled: BTreeMap<_, _> = effects.iter().filter(|(_, count)| **count != 1).collect();
        assert!(doubled.is_empty(), "{}: {doubled:?}", ministry.as_str());
        effects.len()
    }
}

/// A delivery, as `deliveries list` shows it.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: u64,
    pub(crate) ministry: String,
    pub(crate) kind: String,
    pub(crate) record: String,
    pub(crate) entry: u64,
    pub(crate) state: String,
    pub(crate) attempts: u32,
    pub(crate) queued_at: Option<jiff::Timestamp>,
    pub(crate) due_at: Option<jiff::Timestamp>,
    pub(crate) settled_at: Option<jiff::Timestamp>,
    pub(crate) reason: Option<String>,
}

/// Looks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "not so in {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The same country for every test: reading it takes long.
fn world() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::new(Arc::new(regions::load()), SystemClock.today())).clone()
}

/// The ministries, with certificates by the throwaway authority of a data folder.
async fn sandbox(tls: &Path) -> Sandbox {
    let (certificate, key) = (tls.join("server.pem"), tls.join("server-key.pem"));
    let chain = CertificateDer::pem_file_iter(&certificate).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap())
        .unwrap();
    let gateway = "spiffe://desmigratif.test/gateway";
    let connector =
        connector::server_config(&tls.join("ca.pem"), &certificate, &key, gateway).unwrap();
    let settings = Settings {
        tls: Some(Arc::new(server)),
        connector_tls: Some(connector),
        ..Settings::default()
    };
    Sandbox::start(world(), settings).await.unwrap()
}

/// Writes into a folder's configuration how to reach the ministries. Copies count for nothing, so
/// that every question is asked; failures are soon over, and soon tried again.
fn configure(folder: &Path, sandbox: &Sandbox, ways: &Ways) {
    let secrets = folder.join("secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    for (name, secret) in [
        ("dukcapil-user-id", credentials::DUKCAPIL_USER_ID),
        ("dukcapil-password", credentials::DUKCAPIL_PASSWORD),
        ("satusehat-client-id", credentials::SATUSEHAT_CLIENT_ID),
        ("satusehat-client-secret", credentials::SATUSEHAT_CLIENT_SECRET),
    ] {
        std::fs::write(secrets.join(name), secret).unwrap();
    }
    let at = |ministry| sandbox.address(ministry);
    let (agency, ip_user) = (credentials::DUKCAPIL_AGENCY, credentials::DUKCAPIL_IP_USER);
    let (timeout_ms, breaker_calls) = (ways.timeout_ms, ways.breaker_calls);
    let upstream = format!(
        "upstream = {{ timeout_ms = {timeout_ms}, connect_timeout_ms = {timeout_ms}, \
         retries = 1, requests_per_second = 1000, breaker_calls = {breaker_calls}, \
         breaker_open_ms = 200 }}"
    );
    let sections = format!(
        r#"
[freshness]
identity_seconds = 0
workforce_seconds = 0
village_index_seconds = 0

[outbox]
first_pause_ms = 50
longest_pause_seconds = 1
attempt_seconds = 2

[telemetry]
log = "{log}"

[ministry.kemnaker]
protocol = "connector"
url = "https://{kemnaker}"
ca = "tls/ca.pem"
certificate = "tls/gateway.pem"
key = "tls/gateway-key.pem"
{upstream}

[ministry.kemendagri]
protocol = "dukcapil"
url = "https://{kemendagri}/dukcapil/get_json/{agency}/CALL_VERIFY_BY_ELEMEN"
ca = "tls/ca.pem"
user_id = {{ file = "secrets/dukcapil-user-id" }}
password = {{ file = "secrets/dukcapil-password" }}
ip_user = "{ip_user}"
{upstream}

[ministry.kemenkes]
protocol = "satusehat"
url = "https://{kemenkes}"
ca = "tls/ca.pem"
organization_id = "{organization}"
client_id = {{ file = "secrets/satusehat-client-id" }}
client_secret = {{ file = "secrets/satusehat-client-secret" }}
{upstream}

[ministry.kemendes]
protocol = "idm"
url = "https://{kemendes}"
ca = "tls/ca.pem"
{upstream}
"#,
        log = ways.log,
        kemnaker = at(AgencyKind::Kemnaker),
        kemendagri = at(AgencyKind::Kemendagri),
        kemenkes = at(AgencyKind::Kemenkes),
        kemendes = at(AgencyKind::Kemendes),
        organization = credentials::SATUSEHAT_ORGANIZATION_ID,
    );
    let path = folder.join("gateway.toml");
    let mut config: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    let sections: toml::Table = sections.parse().unwrap();
    config.extend(sections);
    std::fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
}

/// Writes an operator's profile that asks as an agency.
fn profile(gateway: &Gateway, sandbox: std::net::SocketAddr, agency: &str) -> PathBuf {
    let path = gateway.data().join(format!("{agency}.toml"));
    let text = format!(
        "gateway = \"{}\"\nserver_name = \"localhost\"\nca = \"tls/ca.pem\"\n\
         certificate = \"tls/agencies/{agency}.pem\"\nkey = \"tls/agencies/{agency}-key.pem\"\n\
         sandbox = \"{sandbox}\"\n",
        gateway.agencies
    );
    std::fs::write(&path, text).unwrap();
    path
}
