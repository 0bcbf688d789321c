//! Witnesses: the real binary at a ministry, against the real gateway.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use desmigratif::audit::note::{Head, SigningKey, VerifyingKey, verify};
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{
    AddCosignatureRequest, GetCheckpointRequest, GetCheckpointResponse, Witnessing,
};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

use crate::calls::{register, registration};
use crate::country::eventually;
use crate::folder::{files, prepared};
use crate::gateway::{Gateway, binary, fresh_nik, reason, run_command, serve, stating};

const ORIGIN: &str = "log.desmigratif.test";

/// A checkpoint that the gateway shows now.
async fn checkpoint(channel: &Channel, request: GetCheckpointRequest) -> GetCheckpointResponse {
    let answer = AuditServiceClient::new(channel.clone()).get_checkpoint(request).await;
    answer.unwrap().into_inner()
}

/// How far the last checkpoint is witnessed: of how many entries, by whom, by enough.
async fn last(channel: &Channel) -> (u64, Vec<String>, bool) {
    let answer = checkpoint(channel, GetCheckpointRequest::default()).await;
    let Witnessing { cosigned_by, witnessed, .. } = answer.witnessing.unwrap();
    (answer.checkpoint.unwrap().size, cosigned_by, witnessed)
}

/// Writes `count` entries, and waits until a signed head covers them; gives its size.
async fn grow(channel: &Channel, count: usize) -> u64 {
    let mut last = 0;
    for _ in 0..count {
        let answer = register(channel, registration(&fresh_nik())).await.unwrap();
        last = answer.receipt.unwrap().entry_index;
    }
    let covering = GetCheckpointRequest { size: last + 1, ..Default::default() };
    checkpoint(channel, covering).await.checkpoint.unwrap().size
}

/// What a ministry has on its side: its profile, the witness's key and folder.
struct Ministry {
    agency: &'static str,
    folder: TempDir,
}

impl Ministry {
    fn new(agency: &'static str) -> Self {
        Self { agency, folder: tempfile::tempdir().unwrap() }
    }

    fn name(&self) -> String {
        format!("{}.witness.desmigratif.test", self.agency)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The command that watches, with the key that the gateway's folder has for the witness, or
    /// another.
    fn command(&self, gateway: &Gateway, log: &[String], key: &Path) -> Command {
        let tls = gateway.data().join("tls");
        let (agency, tls) = (self.agency, tls.display());
        let profile = self.folder.path().join("profile.toml");
        let text = format!(
            "gateway = \"{}\"\nserver_name = \"localhost\"\nca = \"{tls}/ca.pem\"\n\
             certificate = \"{tls}/agencies/{agency}.pem\"\n\
             key = \"{tls}/agencies/{agency}-key.pem\"\n",
            gateway.agencies
        );
        std::fs::write(&profile, text).unwrap();
        let mut command = Command::new(binary());
        command.arg("witness").arg("--profile").arg(profile).arg("--key").arg(key);
        command.args(["--name", &self.name(), "--log-key", &log.join(",")]);
        command.arg("--state").arg(self.state());
        command
    }

    /// Runs the witness once.
    fn look(&self, gateway: &Gateway, log: &[String], key: &Path) -> (Option<i32>, String, String) {
        run_command(self.command(gateway, log, key).arg("--once"))
    }

    /// Runs the witness once, as it should be.
    fn cosigns(&self, gateway: &Gateway, log: &[String]) -> String {
        let (status, out, err) = self.look(gateway, log, &key(gateway, self.agency));
        assert_eq!(status, Some(0), "{out}{err}");
        out
    }

    /// Runs the witness once, which must refuse and keep evidence; what it says, and that.
    fn refuses(&self, gateway: &Gateway, log: &[String]) -> (String, Value) {
        let (status, out, err) = self.look(gateway, log, &key(gateway, self.agency));
        assert_eq!(status, Some(1), "{out}{err}");
        let (_, path) = err.split_once("evidence: ").unwrap();
        let evidence = std::fs::read(path.trim()).unwrap();
        assert!(Path::new(path.trim()).starts_with(self.state()));
        (err, serde_json::from_slice(&evidence).unwrap())
    }
}

fn key(gateway: &Gateway, agency: &str) -> PathBuf {
    gateway.data().join(format!("witnesses/{agency}.key"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_two_ministries_have_cosigned_is_witnessed_and_stays_to_be_found() {
    let gateway = Gateway::serve(prepared(), &[]);
    let kemnaker = gateway.connect("kemnaker").await;
    let log = checkpoint(&kemnaker, GetCheckpointRequest::default()).await.verifying_keys;
    let (first, second) = (Ministry::new("kemenkes"), Ministry::new("kemendagri"));

    let size = grow(&kemnaker, 1).await;
    let said = first.cosigns(&gateway, &log);
    assert!(said.contains(&format!("cosigned  {size} entries")), "{said}");
    assert_eq!(last(&kemnaker).await, (size, vec![first.name()], false));
    first.cosigns(&gateway, &log);
    assert_eq!(last(&kemnaker).await, (size, vec![first.name()], false), "counted once");

    second.cosigns(&gateway, &log);
    assert_eq!(last(&kemnaker).await, (size, vec![second.name(), first.name()], true));
    let (_, metrics) = gateway.operators_get("/metrics").await;
    let counted = |line: &str| {
        line.starts_with("desmigratif_audit_checkpoint_witnesses{") && line.ends_with(" 2")
    };
    assert!(metrics.lines().any(counted), "{metrics}");
    let later = grow(&kemnaker, 2).await;
    assert_eq!(last(&kemnaker).await, (later, vec![], false), "no entry but those two");
    assert_eq!(later, size + 2, "a cosignature is no entry");

    let witnessed = GetCheckpointRequest { witnessed: true, ..Default::default() };
    let found = checkpoint(&kemnaker, witnessed).await;
    let (note, witnessing) = (found.checkpoint.unwrap().note, found.witnessing.unwrap());
    assert!(witnessing.witnessed);
    let parse = |keys: &[String]| -> Vec<_> {
        keys.iter().map(|key| VerifyingKey::parse(key).unwrap()).collect()
    };
    let witnesses = parse(&witnessing.witness_keys);
    let (head, by) = verify(&note, ORIGIN, &parse(&log), &witnesses).unwrap();
    assert_eq!((head.size, by.len()), (size, 2), "anyone can verify it");
    let beyond = GetCheckpointRequest { witnessed: true, size: later, ..Default::default() };
    let none = AuditServiceClient::new(kemnaker).get_checkpoint(beyond).await.unwrap_err();
    assert_eq!((none.code(), reason(&none).as_str()), (Code::NotFound, "NOT_FOUND"));

    first.cosigns(&gateway, &log);
    second.cosigns(&gateway, &log);
    let kemenkes = gateway.connect("kemenkes").await;
    assert_eq!(last(&kemenkes).await, (later, vec![second.name(), first.name()], true));
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_runs_on_cosigns_each_head_and_keeps_its_folder_to_itself() {
    let gateway = Gateway::serve(prepared(), &[]);
    let kemnaker = gateway.connect("kemnaker").await;
    let log = checkpoint(&kemnaker, GetCheckpointRequest::default()).await.verifying_keys;
    let ministry = Ministry::new("kemenkes");
    let key = key(&gateway, "kemenkes");
    let mut command = ministry.command(&gateway, &log, &key);
    let said = std::fs::File::create(ministry.folder.path().join("log")).unwrap();
    let running = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
    let _running = Running(running.unwrap());
    for _ in 0..3 {
        let size = grow(&kemnaker, 1).await;
        eventually("the head is cosigned", async || {
            (last(&kemnaker).await == (size, vec![ministry.name()], false)).then_some(())
        })
        .await;
    }
    let (status, _, err) = ministry.look(&gateway, &log, &key);
    assert_eq!(status, Some(1), "{err}");
    assert!(err.contains("in use by another witness"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cosignature_that_does_not_count_is_refused_with_the_reason() {
    let gateway = Gateway::serve(prepared(), &[]);
    let kemenkes = gateway.connect("kemenkes").await;
    let answer = checkpoint(&kemenkes, GetCheckpointRequest::default()).await;
    let shown = answer.checkpoint.unwrap();
    let size = shown.size;
    let ministry = Ministry::new("kemenkes");
    let stranger = key(&gateway, "kemnaker");
    let (status, out, err) = ministry.look(&gateway, &answer.verifying_keys, &stranger);
    assert_eq!(status, Some(1), "{out}{err}");
    assert!(err.contains("must be by a witness that the gateway knows"), "{err}");
    assert!(out.contains(&ministry.name()), "it prints the key that is to be added: {out}");

    // A witness that the gateway knows, over another history.
    let seed = std::fs::read_to_string(key(&gateway, "kemenkes")).unwrap();
    let seed: [u8; 32] = hex::decode(seed.trim()).unwrap().try_into().unwrap();
    let known = SigningKey::new(&ministry.name(), &seed).unwrap();
    let other = Head { root: [7; 32], ..Head::of_note(&shown.note).unwrap() };
    let over_other = known.cosign(&other, Timestamp::now());

    let mut audit = AuditServiceClient::new(kemenkes.clone());
    for (cosignature, rule) in [
        (over_other.as_str(), "COSIGNATURE_FALSE"),
        ("\u{2014} kemenkes.witness.desmigratif.test AAAAAAAA", "WITNESS_UNKNOWN"),
        ("no signature", "COSIGNATURE_MALFORMED"),
        ("", "required"),
    ] {
        let request = AddCosignatureRequest { size, cosignature: cosignature.into() };
        let refused = audit.add_cosignature(stating("oversight", request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{cosignature}");
        let fields = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!((fields.len(), fields[0].field.as_str()), (1, "cosignature"));
        assert_eq!(fields[0].reason.as_str(), rule);
    }
    let after = checkpoint(&kemenkes, GetCheckpointRequest::default()).await;
    assert_eq!(after.checkpoint, Some(shown), "and changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_store_was_rolled_back_and_went_on_is_refused_with_evidence() {
    let folder = prepared();
    let earlier = files(folder.path());
    let gateway = Gateway::serve(folder, &[]);
    let kemnaker = gateway.connect("kemnaker").await;
    let log = checkpoint(&kemnaker, GetCheckpointRequest::default()).await.verifying_keys;
    let ministry = Ministry::new("kemenkes");
    let seen = grow(&kemnaker, 5).await;
    ministry.cosigns(&gateway, &log);
    let folder = gateway.kill();

    // Somebody puts an older copy of the store in place.
    for store in ["store.sqlite", "store.sqlite-wal"] {
        let path = folder.path().join(store);
        match earlier.get(Path::new(store)) {
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
            None => drop(std::fs::remove_file(path)),
        }
    }
    let gateway = Gateway::serve(folder, &[]);
    let kemnaker = gateway.connect("kemnaker").await;
    let shown = grow(&kemnaker, 1).await;
    assert!(shown < seen);
    let (said, evidence) = ministry.refuses(&gateway, &log);
    let told = format!("the log was rolled back: it shows {shown} entries after {seen}");
    assert!(said.contains(&told), "{said}");
    let size =
        |note: &Value| note.as_str().unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap();
    assert_eq!((size(&evidence["seen"]), size(&evidence["shown"])), (seen, shown));

    let forked = grow(&kemnaker, 9).await;
    assert!(forked > seen);
    let (said, evidence) = ministry.refuses(&gateway, &log);
    assert!(said.contains("the log was forked"), "{said}");
    let keys: Vec<_> = log.iter().map(|key| VerifyingKey::parse(key).unwrap()).collect();
    for note in ["seen", "shown"] {
        let note = evidence[note].as_str().unwrap();
        assert!(verify(note, ORIGIN, &keys, &[]).is_ok(), "the log has signed both: {note}");
    }
    assert!(!evidence["proof"].as_array().unwrap().is_empty());
    assert_eq!(last(&kemnaker).await, (forked, vec![], false), "nothing was cosigned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_the_log_needs_the_old_one_behind_it_and_witnesses_follow() {
    let gateway = Gateway::serve(prepared(), &[]);
    let kemnaker = gateway.connect("kemnaker").await;
    let old = checkpoint(&kemnaker, GetCheckpointRequest::default()).await.verifying_keys;
    let ministry = Ministry::new("kemenkes");
    ministry.cosigns(&gateway, &old);
    let folder = gateway.kill();
    std::fs::write(folder.path().join("new.key"), format!("{}\n", "5a".repeat(32))).unwrap();

    let keys = |keys| [("DESMIGRATIF_AUDIT__KEYS", keys)];
    let alone = keys(r#"["new.key"]"#);
    let (status, out, err) = run_command(&mut serve(folder.path(), &alone));
    assert_eq!(status, Some(64), "{out}{err}");
    assert!(err.contains("put the key before behind the new one"), "{err}");

    let gateway = Gateway::serve(folder, &keys(r#"["new.key", "log.key"]"#));
    let kemnaker = gateway.connect("kemnaker").await;
    grow(&kemnaker, 1).await;
    ministry.cosigns(&gateway, &old);
    let gateway = Gateway::serve(gateway.kill(), &alone);
    let kemnaker = gateway.connect("kemnaker").await;
    let size = grow(&kemnaker, 1).await;
    let shown = checkpoint(&kemnaker, GetCheckpointRequest::default()).await;
    assert!(!shown.verifying_keys.contains(&old[0]), "the old key is gone");
    ministry.cosigns(&gateway, &old);
    assert_eq!(last(&kemnaker).await, (size, vec![ministry.name()], false));
}
