//! Timestamps on checkpoints: the real binary against an authority built on `openssl ts`, honest,
//! silent, lying and dead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{Checkpoint, GetCheckpointRequest};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;

use crate::calls::{register, registration};
use crate::country::eventually;
use crate::folder::prepared;
use crate::gateway::{Gateway, fresh_nik, reason, run, run_command};

/// How an authority behaves.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Honest,
    /// Takes requests and never answers.
    Silent,
    /// Stamps something else than it was asked to.
    OtherHead,
    /// Signs as an authority that nobody knows.
    Stranger,
}

/// An authority for timestamps on a free port.
struct Authority {
    folder: Arc<TempDir>,
    mood: Arc<Mutex<Mood>>,
    port: u16,
    serving: JoinHandle<()>,
}

impl Authority {
    async fn start(mood: Mood) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["known", "stranger"] {
            certify(folder.path(), name);
        }
        let (folder, mood) = (Arc::new(folder), Arc::new(Mutex::new(mood)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = serve(listener, folder.clone(), mood.clone());
        Self { folder, mood, port, serving }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Ends it: its port refuses connections.
    async fn end(&mut self) {
        self.serving.abort();
        assert!((&mut self.serving).await.unwrap_err().is_cancelled());
    }

    async fn come_back(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.serving = serve(listener, self.folder.clone(), self.mood.clone());
    }

    /// The certificate of the authority, or of the one that nobody knows.
    fn ca(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }

    /// A gateway without witnesses that asks it each second.
    fn gateway(&self) -> Gateway {
        let (url, ca) = (format!("http://127.0.0.1:{}/tsr", self.port), self.ca("known"));
        let ca = format!("{:?}", ca.to_str().unwrap());
        let overrides = [
            ("DESMIGRATIF_AUDIT__WITNESSES", "[]"),
            ("DESMIGRATIF_AUDIT__QUORUM", "0"),
            ("DESMIGRATIF_AUDIT__TIMESTAMPS__URL", url.as_str()),
            ("DESMIGRATIF_AUDIT__TIMESTAMPS__CA", ca.as_str()),
            ("DESMIGRATIF_AUDIT__TIMESTAMPS__EVERY_SECONDS", "1"),
            ("DESMIGRATIF_AUDIT__TIMESTAMPS__ANSWER_SECONDS", "1"),
        ];
        Gateway::serve(prepared(), &overrides)
    }
}

/// Runs openssl in a folder.
fn openssl(folder: &Path, args: &str) {
    let mut command = Command::new("openssl");
    let (status, out, err) = run_command(command.args(args.split(' ')).current_dir(folder));
    assert_eq!(status, Some(0), "openssl {args}: {out}{err}");
}

/// Makes an authority's own certificate, and that of its signer.
fn certify(folder: &Path, name: &str) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        folder,
        &format!("req -x509 {key} -keyout {name}-key.pem -out {name}.pem -days 9 -subj /CN={name}"),
    );
    openssl(
        folder,
        &format!("req -new {key} -keyout {name}-signer-key.pem -out {name}.csr -subj /CN=signer"),
    );
    fs::write(folder.join("extensions"), "extendedKeyUsage=critical,timeStamping\n").unwrap();
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA {name}.pem -CAkey {name}-key.pem -CAcreateserial -days 9 \
             -extfile extensions -out {name}-signer.pem"
        ),
    );
}

fn serve(listener: TcpListener, folder: Arc<TempDir>, mood: Arc<Mutex<Mood>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Of those that are never answered, too: to close them would be an answer.
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some(request) = body(&mut stream).await else { continue };
            let mood = *mood.lock().unwrap();
            if mood != Mood::Silent {
                let answer = stamp(folder.path(), &request, mood);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n",
                    answer.len()
                );
                let answer = [head.as_bytes(), &answer].concat();
                // The gateway may have given up.
                let _ = stream.write_all(&answer).await;
            }
            open.push(stream);
        }
    })
}

/// The body of a request; `None` when it breaks off.
async fn body(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            assert!(head.contains("content-type: application/timestamp-query"), "{head}");
            let (_, length) = head.split_once("content-length: ").unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            let begin = head.len() + 4;
            if read.len() >= begin + length {
                return Some(read[begin..begin + length].to_vec());
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

/// The answer of `openssl ts` to a request.
fn stamp(folder: &Path, request: &[u8], mood: Mood) -> Vec<u8> {
    fs::write(folder.join("query"), request).unwrap();
    if mood == Mood::OtherHead {
        openssl(folder, "ts -query -data known.pem -sha256 -cert -out query");
    }
    let config = "[tsa]\ndefault_tsa = t\n[t]\nserial = ./serial\ndefault_policy = 1.2.3.4.1\n\
                  digests = sha256\nsigner_digest = sha256\ness_cert_id_alg = sha256\n";
    fs::write(folder.join("config"), config).unwrap();
    let name = if mood == Mood::Stranger { "stranger" } else { "known" };
    openssl(
        folder,
        &format!(
            "ts -reply -config config -queryfile query -signer {name}-signer.pem \
             -inkey {name}-signer-key.pem -out answer"
        ),
    );
    fs::read(folder.join("answer")).unwrap()
}

/// The first checkpoint with a timestamp that covers so many entries, if there is one.
async fn stamped(agency: &Channel, size: u64) -> Option<Checkpoint> {
    let wanted = GetCheckpointRequest { size, timestamped: true, ..Default::default() };
    match AuditServiceClient::new(agency.clone()).get_checkpoint(wanted).await {
        Ok(found) => found.into_inner().checkpoint,
        Err(status) => {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NOT_FOUND"));
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_shows_when_an_authority_saw_the_checkpoint() {
    let authority = Authority::start(Mood::Honest).await;
    let gateway = authority.gateway();
    let kemnaker = gateway.connect("kemnaker").await;
    let mut files = Vec::new();
    let path = |name: &str| gateway.data().join(name).to_str().unwrap().to_owned();
    let profile = gateway.profile("kemnaker");
    let [known, stranger] =
        ["known", "stranger"].map(|name| authority.ca(name).to_str().unwrap().to_owned());
    for name in ["first", "second"] {
        let receipt = register(&kemnaker, registration(&fresh_nik())).await.unwrap().receipt;
        let receipt = receipt.unwrap();
        let size = receipt.entry_index + 1;
        let found = eventually("it has a timestamp", async || stamped(&kemnaker, size).await).await;
        assert!(found.size >= size && !found.timestamp.is_empty());
        let (note, out) = (path(&format!("{name}.receipt")), path(&format!("{name}.json")));
        fs::write(&note, receipt.signed_note).unwrap();
        let (status, said, err) = run(&[
            "audit",
            "export",
            &note,
            "--out",
            &out,
            "--tsa-ca",
            &known,
            "--profile",
            &profile,
        ]);
        assert_eq!(status, Some(0), "{said}{err}");
        files.push(out);
    }
    let (_, keys, _) = run(&["audit", "key", "--config", &path("gateway.toml")]);
    let ca = path("tls/ca.pem");
    let verify = |file: &str, more: &[&str]| {
        let given = ["audit", "verify", file, "--log-key", keys.trim(), "--ca", &ca];
        let (status, out, err) = run(&[&given, more].concat());
        (status, format!("{out}{err}"))
    };
    let (status, said) = verify(&files[0], &["--tsa-ca", &known]);
    assert!(status == Some(0) && said.contains("which an authority saw at 20"), "{said}");
    let unknown = "the timestamp: its certificate leads to no authority that is known; give";
    for more in [vec![], vec!["--tsa-ca", &stranger]] {
        let (status, said) = verify(&files[0], &more);
        assert!(status == Some(1) && said.contains(unknown), "{said}");
    }

    let read = |file: &str| -> Value { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
    let (mut first, second) = (read(&files[0]), read(&files[1]));
    assert_ne!(first["checkpoint"], second["checkpoint"]);
    first["timestamp"] = second["timestamp"].clone();
    fs::write(&files[0], first.to_string()).unwrap();
    let (status, said) = verify(&files[0], &["--tsa-ca", &known]);
    assert!(
        status == Some(1) && said.contains("timestamp: it is not over this checkpoint"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_fails_or_lies_delays_nothing_and_is_told_of() {
    let mut authority = Authority::start(Mood::Silent).await;
    let gateway = authority.gateway();
    let kemnaker = gateway.connect("kemnaker").await;
    let exchange = async || {
        let answer = register(&kemnaker, registration(&fresh_nik())).await.unwrap();
        answer.receipt.unwrap().entry_index + 1
    };
    let told = async |what: &str| {
        // Each has its answer at once, whatever the authority is at.
        for _ in 0..10 {
            exchange().await;
        }
        eventually(what, async || gateway.log().contains(what).then_some(())).await;
        assert_eq!(stamped(&kemnaker, 0).await, None, "{what}");
    };
    told("it does not answer in time").await;
    authority.is(Mood::OtherHead);
    told("its answer does not count: it is not over this checkpoint").await;
    authority.is(Mood::Stranger);
    told("its answer does not count: its certificate leads to no authority").await;
    authority.end().await;
    told("it cannot be reached").await;
    let (_, metrics) = gateway.operators_get("/metrics").await;
    let failed = |line: &&str| {
        line.starts_with("desmigratif_audit_timestamp_attempts_total")
            && line.contains("outcome=\"failed\"")
    };
    assert!(metrics.lines().any(|line| failed(&line)), "{metrics}");

    authority.is(Mood::Honest);
    authority.come_back().await;
    let size = exchange().await;
    eventually("it is asked again", async || stamped(&kemnaker, size).await).await;
}
