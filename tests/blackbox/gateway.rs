//! A running gateway, started as its user would start it, and clients with agencies' certificates.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_proto::common::v1::{BirthDate, DatePrecision, Sex};
use desmigratif_proto::health::v1::clearance_details::Subject;
use desmigratif_proto::health::v1::{ClearanceDetails, Conclusion, Examiner, Finding};
use desmigratif_proto::worker::v1::{Document, WorkerDetails};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::raw::Identity;

/// The village that tests register workers in: Kenanga in Indramayu, a pilot village of 2016.
pub(crate) const KENANGA: &str = "32.12.16.2004";

/// A gateway of its own: process, data folder, addresses. Killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    data: TempDir,
    /// Where agencies connect.
    pub(crate) agencies: SocketAddr,
    /// Where operators look.
    pub(crate) operators: SocketAddr,
}

impl Gateway {
    /// Starts `dev` in a folder that it made before, and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_in(crate::folder::prepared())
    }

    /// The gateway of all tests that change nothing but records of their own. It ends with the
    /// last test that holds it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Gateway>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let gateway = Arc::new(Self::start());
            *shared = Arc::downgrade(&gateway);
            gateway
        })
    }

    /// Starts `dev` in a folder that an earlier gateway may have used.
    pub(crate) fn start_in(data: TempDir) -> Self {
        let mut command = Command::new(binary());
        command.args(["dev", "--listen", "127.0.0.1:0", "--operators", "127.0.0.1:0"]);
        command.args(["--sandbox", "127.0.0.1:0", "--data"]).arg(data.path());
        Self::wait_until_ready(command, data)
    }

    /// Starts `serve` with the configuration that `dev` made in a folder, some of its keys
    /// overridden by the environment.
    pub(crate) fn serve(data: TempDir, overrides: &[(&str, &str)]) -> Self {
        Self::wait_until_ready(serve(data.path(), overrides), data)
    }

    /// Starts the gateway by a command of its own, and waits until it is ready.
    pub(crate) fn wait_until_ready(mut command: Command, data: TempDir) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(data.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let (mut agencies, mut operators) = (None, None);
        let mut said = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("agencies"), Some(address)) => agencies = address.parse().ok(),
                (Some("operators"), Some(address)) => operators = address.parse().ok(),
                (Some("ready"), _) => break,
                _ => {}
            }
            said.push_str(&line);
            said.push('\n');
        }
        let (Some(agencies), Some(operators)) = (agencies, operators) else {
            let log = std::fs::read_to_string(data.path().join("log")).unwrap_or_default();
            panic!("the gateway did not become ready; it said:\n{said}{log}");
        };
        Self { child, data, agencies, operators }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that the gateway has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data().join("log")).unwrap()
    }

    /// Ends the process without warning, as a power cut would, and gives its folder back.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.data, tempfile::tempdir().unwrap())
    }

    /// Sends a signal by name: "TERM", "INT", "HUP".
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until the process has ended by a signal.
    pub(crate) fn crashed(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        assert!(status.signal().is_some(), "{status}");
        status
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), None, "{}", self.log());
        status
    }

    /// The authority of the gateway's own certificate, PEM.
    pub(crate) fn ca(&self) -> String {
        read(&self.data().join("tls/ca.pem"))
    }

    /// An agency's certificate.
    pub(crate) fn identity(&self, agency: &str) -> Identity {
        let agencies = self.data().join("tls/agencies");
        Identity {
            certificate: read(&agencies.join(format!("{agency}.pem"))),
            key: read(&agencies.join(format!("{agency}-key.pem"))),
        }
    }

    /// An agency's profile for the command line, made in the data folder.
    pub(crate) fn profile(&self, agency: &str) -> String {
        let (path, tls) = (self.data().join(format!("{agency}.toml")), self.data().join("tls"));
        let tls = tls.display();
        let profile = format!(
            "gateway = \"{}\"\nserver_name = \"localhost\"\nca = \"{tls}/ca.pem\"\n\
             certificate = \"{tls}/agencies/{agency}.pem\"\n\
             key = \"{tls}/agencies/{agency}-key.pem\"\n",
            self.agencies
        );
        std::fs::write(&path, profile).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// A connection with an agency's certificate.
    pub(crate) async fn connect(&self, agency: &str) -> Channel {
        self.connect_as(&self.identity(agency)).await
    }

    /// A connection with an agency's certificate, over which little comes that is not read.
    pub(crate) async fn connect_narrow(&self, agency: &str) -> Channel {
        let endpoint = self.endpoint(&self.identity(agency));
        let narrow = endpoint.initial_stream_window_size(1_024);
        narrow.connect().await.unwrap()
    }

    /// A connection with any certificate.
    pub(crate) async fn connect_as(&self, identity: &Identity) -> Channel {
        self.endpoint(identity).connect().await.unwrap()
    }

    fn endpoint(&self, identity: &Identity) -> Endpoint {
        let Identity { certificate, key } = identity;
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(self.ca()))
            .identity(tonic::transport::Identity::from_pem(certificate, key));
        Endpoint::from_shared(format!("https://{}", self.agencies))
            .unwrap()
            .timeout(Duration::from_secs(20))
            .tls_config(tls)
            .unwrap()
    }

    /// The answer of the operators' listener to a GET: status line and body.
    pub(crate) async fn operators_get(&self, path: &str) -> (String, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.operators).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The built binary.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_desmigratif")
}

/// The command that serves what `dev` made in a folder, on free ports.
pub(crate) fn serve(data: &Path, overrides: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("serve")
        .arg("--config")
        .arg(data.join("gateway.toml"))
        .env("DESMIGRATIF_LISTEN__AGENCIES", "127.0.0.1:0")
        .env("DESMIGRATIF_LISTEN__OPERATORS", "127.0.0.1:0")
        .envs(overrides.iter().copied());
    command
}

/// Runs the binary to its end: exit status, stdout, stderr.
pub(crate) fn run(args: &[&str]) -> (Option<i32>, String, String) {
    run_command(Command::new(binary()).args(args))
}

/// Runs a command to its end: exit status, stdout, stderr.
pub(crate) fn run_command(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn read(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A request that states its purpose.
pub(crate) fn stating<M>(purpose: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("desmigratif-purpose", purpose.parse().unwrap());
    request
}

/// The reason that a refusal carries for programs.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// A new request id.
pub(crate) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// A synthetic NIK that no other call in this process gave.
pub(crate) fn fresh_nik() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("9902{:02}550190{:04}", 1 + n / 9_999, 1 + n % 9_999)
}

/// What Kemnaker states of a worker with every document.
pub(crate) fn worker(nik: &str) -> WorkerDetails {
    WorkerDetails {
        nik: nik.into(),
        name: "Contoh Ratna Sari".into(),
        birth_date: Some(BirthDate {
            date: "1990-01-15".into(),
            precision: DatePrecision::Day.into(),
        }),
        sex: Sex::Female.into(),
        village_code: KENANGA.into(),
        phone: "+6281200000001".into(),
        address: "Jalan Contoh 1".into(),
        destination_country: "HK".into(),
        documents: (1..=8).filter(|n| Document::try_from(*n).is_ok()).collect(),
        ..WorkerDetails::default()
    }
}

/// What a clinic states of a fit worker examined today.
pub(crate) fn clearance(nik: &str) -> ClearanceDetails {
    let today = SystemClock.today();
    ClearanceDetails {
        subject: Some(Subject::Nik(nik.into())),
        certificate_number: format!("UJI-{}", Uuid::now_v7().simple()),
        examined_on: today.to_string(),
        issued_on: today.to_string(),
        destination_country: "HK".into(),
        conclusion: Conclusion::Fit.into(),
        examiner: Some(Examiner { name: "dr. Contoh".into(), sip_number: "SIP-1".into() }),
        findings: vec![Finding {
            code: "718-7".into(),
            value: "13.7".into(),
            unit: "g/dL".into(),
            ..Finding::default()
        }],
        ..ClearanceDetails::default()
    }
}
