//! The journal as evidence: receipts lead to a signed head, and a store that is not what was signed
//! is told apart from one that is.

use std::path::{Path, PathBuf};

use desmigratif::audit::note::{self, SigningKey, VerifyingKey};
use desmigratif::audit::succession;
use desmigratif_core::journal::{Hash, leaf_hash};
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{
    GetCheckpointRequest, GetCheckpointResponse, GetConsistencyProofRequest, GetEntryRequest,
    GetEntryResponse, GetInclusionProofRequest,
};
use desmigratif_proto::common::v1::Receipt;
use rusqlite::Connection;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::authority::{Authority, KEMNAKER, Leaf, in_seconds};
use crate::calls::{register, registration};
use crate::gateway::{Gateway, fresh_nik, reason, run};
use crate::raw::Identity;

const ORIGIN: &str = "log.desmigratif.test";

/// Registers somebody; the receipt.
async fn entry(agency: &Channel) -> Receipt {
    register(agency, registration(&fresh_nik())).await.unwrap().receipt.unwrap()
}

/// A checkpoint that covers at least so many entries, and the log's key.
async fn checkpoint(agency: &Channel, size: u64) -> GetCheckpointResponse {
    let mut audit = AuditServiceClient::new(agency.clone());
    audit
        .get_checkpoint(GetCheckpointRequest { size, ..Default::default() })
        .await
        .unwrap()
        .into_inner()
}

fn join(left: &[u8], right: &[u8]) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root that an inclusion proof leads to, by the algorithm of RFC 9162 section 2.1.3.2; `None`
/// for a proof of another length.
fn root_by(proof: &[Vec<u8>], leaf: &[u8], index: u64, size: u64) -> Option<Vec<u8>> {
    let (mut at, mut last, mut root) = (index, size - 1, leaf.to_vec());
    for hash in proof {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            root = join(hash, &root).to_vec();
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            root = join(&root, hash).to_vec();
        }
        (at, last) = (at / 2, last / 2);
    }
    (last == 0).then_some(root)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_leads_to_a_head_that_the_log_has_signed() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let mut audit = AuditServiceClient::new(kemnaker.clone());
    for _ in 0..3 {
        let receipt = entry(&kemnaker).await;
        let index = receipt.entry_index;
        let request = GetInclusionProofRequest { index, size: 0 };
        let proven = audit.get_inclusion_proof(request).await.unwrap().into_inner();
        let head = proven.checkpoint.unwrap();
        assert!(head.size > index && proven.size == head.size);
        let root = root_by(&proven.hashes, &receipt.leaf_hash, index, head.size);
        assert_eq!(root.as_ref(), Some(&head.root_hash));

        let keys = checkpoint(&kemnaker, 0).await.verifying_keys;
        let keys: Vec<_> = keys.iter().map(|key| VerifyingKey::parse(key).unwrap()).collect();
        let (signed, _) = note::verify(&head.note, ORIGIN, &keys, &[]).unwrap();
        assert_eq!((signed.size, signed.root.to_vec()), (head.size, head.root_hash));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_the_journal_has_no_proof() {
    let gateway = Gateway::shared();
    let kemnaker = gateway.connect("kemnaker").await;
    let mut audit = AuditServiceClient::new(kemnaker.clone());
    let refused = audit
        .get_checkpoint(GetCheckpointRequest { size: u64::MAX, ..Default::default() })
        .await
        .unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "NOT_FOUND"));
    let request = GetInclusionProofRequest { index: u64::MAX, size: 0 };
    let refused = audit.get_inclusion_proof(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let reversed = GetConsistencyProofRequest { earlier_size: 3, size: 2 };
    let refused = audit.get_consistency_proof(reversed).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "FIELDS_INVALID")
    );
}

/// An entry by its index.
async fn get_entry(agency: &Channel, index: u64) -> Result<GetEntryResponse, Status> {
    let mut audit = AuditServiceClient::new(agency.clone());
    Ok(audit.get_entry(GetEntryRequest { index }).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_its_caller_s_with_the_certificate_and_lists_that_admitted_it() {
    let authority = Authority::new();
    let folder = TempDir::new().unwrap();
    let list = folder.path().join("crl.pem");
    let pem = authority.revoke(&[13], in_seconds(3_600));
    std::fs::write(&list, &pem).unwrap();
    let list = format!("[{list:?}]");
    let gateway = authority.gateway(&[("DESMIGRATIF_TLS__CRLS", &list)]);
    let identity = authority.issue(Leaf::naming(&[KEMNAKER]));
    let kemnaker = gateway.connect_as(&identity).await;
    let receipt = entry(&kemnaker).await;

    let found = get_entry(&kemnaker, receipt.entry_index).await.unwrap();
    let der = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let crl = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert_eq!(found.certificate_chain, [der.to_vec()]);
    assert_eq!(found.revocation_lists, [crl.to_vec()]);
    assert_eq!(leaf_hash(&found.leaf)[..], receipt.leaf_hash);
    // As documented, a leaf ends with the digests, and nobody has signed.
    let end = [&[0, 0, 0, 32][..], &Sha256::digest(&der), &[0, 0, 0, 32], &Sha256::digest(&crl)];
    assert!(found.leaf.ends_with(&[&end.concat()[..], &[0, 0, 0, 0]].concat()));

    // The reading is an entry of the same caller, which names nobody and tells no purpose.
    let reading = found.receipt.unwrap().entry_index;
    assert!(reading > receipt.entry_index);
    let told = get_entry(&kemnaker, reading).await.unwrap();
    assert!(told.leaf.windows(8).any(|window| window == b"GetEntry"));
    // What the gateway goes by is for every agency; another's entry looks like none.
    let kemendes = authority.issue(Leaf::naming(&["spiffe://blackbox.test/agency/kemendes"]));
    let kemendes = gateway.connect_as(&kemendes).await;
    let put_in_force = crate::journal::put_in_force(gateway.data())[0].0;
    let setting = get_entry(&kemendes, put_in_force.into()).await.unwrap();
    assert_eq!((setting.certificate_chain.len(), setting.revocation_lists.len()), (0, 0));
    let refusals = [receipt.entry_index, u64::MAX].map(|index| get_entry(&kemendes, index));
    let [anothers, none] = refusals;
    let [anothers, none] = [anothers.await.unwrap_err(), none.await.unwrap_err()];
    assert_eq!((anothers.code(), reason(&anothers).as_str()), (Code::NotFound, "NOT_FOUND"));
    // But for the trace's id, which is another on each call.
    let [first, second] = [&anothers, &none].map(|it| (it.message(), it.details().len()));
    assert_eq!((first, reason(&anothers)), (second, reason(&none)));
    let operator = authority.issue(Leaf::naming(&["spiffe://blackbox.test/agency/operator"]));
    let operator = gateway.connect_as(&operator).await;
    let seen = get_entry(&operator, receipt.entry_index).await.unwrap();
    assert_eq!((seen.leaf, seen.certificate_chain), (found.leaf, found.certificate_chain));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evidence_file_shows_who_called_and_every_tampering_has_its_verdict() {
    let authority = Authority::new();
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let list = path("crl.pem");
    std::fs::write(&list, authority.revoke(&[13], in_seconds(3_600))).unwrap();
    let gateway = authority.gateway(&[("DESMIGRATIF_TLS__CRLS", &format!("[{list:?}]"))]);
    let identity = authority.issue(Leaf::naming(&[KEMNAKER]));
    let kemnaker = gateway.connect_as(&identity).await;
    let receipt = entry(&kemnaker).await;
    let key = checkpoint(&kemnaker, 0).await.verifying_keys.remove(0);
    std::fs::write(path("receipt.note"), &receipt.signed_note).unwrap();
    std::fs::write(path("ca.pem"), authority.pem()).unwrap();
    std::fs::write(path("stranger.pem"), Authority::new().pem()).unwrap();

    let profile = profile(&gateway, &identity);
    let [note, ca, out] = ["receipt.note", "ca.pem", "evidence.json"].map(&path);
    let [note, ca, out] = [&note, &ca, &out].map(|path| path.to_str().unwrap());
    let args = ["audit", "export", note, "--ca", ca, "--out", out, "--profile"];
    let (status, said, err) = run(&[&args[..], &[profile.to_str().unwrap()]].concat());
    assert_eq!(status, Some(0), "{err}");
    let der = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let by = format!("by its certificate {}, not revoked then", hex::encode(Sha256::digest(der)));
    assert!(said.contains("kemnaker called") && said.contains(&by), "{said}");

    let good: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    let verdict = |file: &serde_json::Value, ca: Option<&str>| {
        std::fs::write(path("judged.json"), file.to_string()).unwrap();
        let judged = path("judged.json");
        let mut args = vec!["audit", "verify", judged.to_str().unwrap(), "--log-key", &key];
        args.extend(ca.iter().flat_map(|ca| ["--ca", *ca]));
        let (status, out, err) = run(&args);
        (status, format!("{out}{err}"))
    };
    let (status, told) = verdict(&good, Some(ca));
    assert!(status == Some(0) && told.contains(&by), "{told}");
    let stranger = path("stranger.pem");
    let (status, told) = verdict(&good, stranger.to_str());
    assert_eq!(status, Some(1));
    assert!(told.contains("invalid: a revocation list is not signed by the given CA"), "{told}");
    let (status, told) = verdict(&good, None);
    assert!(status == Some(64) && told.contains("give --ca"), "{told}");

    let without = |part: &str| {
        let mut file = good.clone();
        file.as_object_mut().unwrap().remove(part).unwrap();
        file
    };
    let with = |part: &str, value: serde_json::Value| {
        let mut file = good.clone();
        file[part] = value;
        file
    };
    let malformed = "it is no evidence file of this version";
    for (what, file, says) in [
        ("no leaf", without("leaf"), malformed),
        ("no chain", without("certificate_chain"), "the certificate chain is not the one"),
        ("no lists", without("revocation_lists"), "the revocation lists are not those"),
        ("version 1 with more", with("format", "desmigratif.evidence/v1".into()), malformed),
        ("a remark", with("remark", "paid".into()), malformed),
        ("another leaf", with("leaf", "AAAA".into()), "the leaf is not the one of the receipt"),
        (
            "lists for chain",
            with("certificate_chain", good["revocation_lists"].clone()),
            "the certificate chain is not the one",
        ),
        (
            "a signature",
            with("signature", serde_json::json!({"base": "", "value": ""})),
            "the caller's signature is not the one",
        ),
    ] {
        let (status, told) = verdict(&file, Some(ca));
        assert!(status == Some(1) && told.contains(&format!("invalid: {says}")), "{what}: {told}");
    }
    // As files were before: no more is shown than that the log names the agency.
    let mut first = with("format", "desmigratif.evidence/v1".into());
    for part in ["leaf", "certificate_chain", "revocation_lists"] {
        first.as_object_mut().unwrap().remove(part).unwrap();
    }
    let (status, told) = verdict(&first, None);
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("that the agency's certificate called is not shown"), "{told}");
}

/// A profile that asks with a certificate.
fn profile(gateway: &Gateway, identity: &Identity) -> PathBuf {
    let at = |name: &str| gateway.data().join(name);
    let [certificate, key] = [at("auditor.pem"), at("auditor-key.pem")];
    std::fs::write(&certificate, &identity.certificate).unwrap();
    std::fs::write(&key, &identity.key).unwrap();
    let text = format!(
        "gateway = \"{}\"\nserver_name = \"localhost\"\nca = \"tls/ca.pem\"\n\
         certificate = {certificate:?}\nkey = {key:?}\n",
        gateway.agencies
    );
    std::fs::write(at("auditor.toml"), text).unwrap();
    at("auditor.toml")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_is_told_by_the_certificate_that_was_stolen() {
    let authority = Authority::new();
    let gateway = authority.gateway(&[]);
    let operator = authority.issue(Leaf::naming(&["spiffe://blackbox.test/agency/operator"]));
    // The agency has two certificates, and one of them is stolen.
    let [own, stolen] = [21, 22].map(|serial| {
        let identity = authority.issue(Leaf { serial, ..Leaf::naming(&[KEMNAKER]) });
        let der = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
        let digits = hex::encode_upper(Sha256::digest(der));
        let pairs: Vec<_> = digits.as_bytes().chunks(2).map(String::from_utf8_lossy).collect();
        (identity, pairs.join(":"))
    });
    for ((identity, _), people) in [(&own, 1), (&stolen, 2)] {
        let agency = gateway.connect_as(identity).await;
        for _ in 0..people {
            entry(&agency).await;
        }
    }

    let profile = profile(&gateway, &operator);
    let breach = |caller: [&str; 2]| {
        let span = ["--from", "2026-01-01T00:00:00Z", "--to", "2099-01-01T00:00:00Z"];
        let rest = ["-o", "json", "--profile", profile.to_str().unwrap()];
        run(&[&["audit", "breach"][..], &caller, &span, &rest].concat())
    };
    let people = |fingerprint: &str| {
        let (status, out, err) = breach(["--certificate", fingerprint]);
        assert_eq!(status, Some(0), "{err}");
        let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(shown["certificate"], fingerprint.replace(':', "").to_lowercase());
        shown["people"].as_u64().unwrap()
    };
    assert_eq!([people(&own.1), people(&stolen.1)], [1, 2]);
    let (status, _, err) = breach(["--certificate", &"00".repeat(32)]);
    assert_eq!(status, Some(1));
    assert!(err.contains("no entry of the journal names this certificate"), "{err}");
    assert_eq!(breach(["--certificate", "none"]).0, Some(1));
}

/// A store that a gateway has closed, the log's key, and a checkpoint that was kept elsewhere.
struct Kept {
    folder: TempDir,
    key: String,
    note: PathBuf,
}

impl Kept {
    /// Lets a gateway on a folder write entries, and keeps its last checkpoint.
    async fn after(gateway: Gateway, entries: usize, note: &str) -> Self {
        let mut gateway = gateway;
        let kemnaker = gateway.connect("kemnaker").await;
        let mut size = 0;
        for _ in 0..entries {
            size = entry(&kemnaker).await.entry_index + 1;
        }
        let last = checkpoint(&kemnaker, size).await;
        gateway.signal("TERM");
        assert!(gateway.wait().success());
        let folder = gateway.kill();
        let note = folder.path().join(note);
        std::fs::write(&note, last.checkpoint.unwrap().note).unwrap();
        Self { folder, key: last.verifying_keys[0].clone(), note }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    /// The verdict of the verifier on a store: its exit status, and its line.
    fn verdict(&self, store: &Path, note: Option<&Path>) -> (Option<i32>, String) {
        let mut args = vec!["audit", "verify", store.to_str().unwrap(), "--log-key", &self.key];
        if let Some(note) = note {
            args.extend(["--checkpoint", note.to_str().unwrap()]);
        }
        let (status, out, err) = run(&args);
        (status, format!("{out}{err}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_verifies_offline_and_every_tampering_has_its_own_verdict() {
    let before = crate::folder::prepared();
    let copy = |from: &Path, to: &Path| std::fs::copy(from, to).unwrap();
    let early = before.path().join("early.sqlite");
    let first = Kept::after(Gateway::serve(before, &[]), 3, "first.note").await;
    copy(&first.store(), &early);
    let (key, first_note) = (first.key.clone(), first.note.clone());
    let second = Kept::after(Gateway::serve(first.folder, &[]), 3, "second.note").await;
    assert_eq!(second.key, key);

    for note in [None, Some(first_note.as_path()), Some(second.note.as_path())] {
        let (status, verdict) = second.verdict(&second.store(), note);
        assert!(status == Some(0) && verdict.starts_with("valid: "), "{verdict}");
        assert!(verdict.contains(" 0 entries not signed yet"), "{verdict}");
    }
    let expect = |store: &Path, note: Option<&Path>, says: &str| {
        let (status, verdict) = second.verdict(store, note);
        assert!(status == Some(1) && verdict.contains(says), "no {says:?}: {verdict}");
        assert_eq!(verdict.lines().count(), 1, "{verdict}");
    };
    // The copy from before is sound by itself: only what was kept elsewhere tells.
    assert_eq!(second.verdict(&early, None).0, Some(0));
    expect(&early, Some(&second.note), "rolled back: ");

    let tampered = second.folder.path().join("tampered.sqlite");
    let harm = |sql: &str| {
        copy(&second.store(), &tampered);
        Connection::open(&tampered).unwrap().execute_batch(sql).unwrap();
    };
    harm("UPDATE entry SET method = 'a.B/C' WHERE idx = 2");
    expect(&tampered, None, "damaged: the store is corrupt: entry 2 does not have its hash");
    harm("DELETE FROM checkpoint; DELETE FROM entry WHERE idx = 1");
    expect(&tampered, None, "damaged: ");
    harm("UPDATE checkpoint SET note = replace(note, 'log.', 'lob.')");
    expect(&tampered, None, "not signed: ");
    harm(
        "UPDATE checkpoint SET root = zeroblob(32) WHERE size = (SELECT max(size) FROM checkpoint)",
    );
    expect(&tampered, None, "not signed: ");

    // The same beginning, and then another way.
    let forked = TempDir::new().unwrap();
    for file in std::fs::read_dir(second.folder.path()).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            copy(&file.path(), &forked.path().join(file.file_name()));
        }
    }
    let tls = forked.path().join("tls");
    std::fs::rename(second.folder.path().join("tls"), &tls).unwrap();
    copy(&early, &forked.path().join("store.sqlite"));
    let other = Kept::after(Gateway::serve(forked, &[]), 5, "other.note").await;
    assert_eq!(other.verdict(&other.store(), None).0, Some(0));
    expect(&other.store(), Some(&second.note), "forked: ");

    let nobody = "log.desmigratif.test+00000000+AAAA";
    let (status, ..) = run(&["audit", "verify", early.to_str().unwrap(), "--log-key", nobody]);
    assert_eq!(status, Some(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_relies_on_the_first_key_verifies_what_later_keys_have_signed() {
    let gateway = Gateway::serve(crate::folder::prepared(), &[]);
    let kemnaker = gateway.connect("kemnaker").await;
    let receipt = entry(&kemnaker).await;
    let first = checkpoint(&kemnaker, 0).await.verifying_keys.remove(0);
    let folder = gateway.kill();
    std::fs::write(folder.path().join("new.key"), format!("{}\n", "5a".repeat(32))).unwrap();
    std::fs::write(folder.path().join("receipt"), &receipt.signed_note).unwrap();
    let keys = |keys| [("DESMIGRATIF_AUDIT__KEYS", keys)];
    let folder = Gateway::serve(folder, &keys(r#"["new.key", "log.key"]"#)).kill();
    let mut gateway = Gateway::serve(folder, &keys(r#"["new.key"]"#));
    let kemnaker = gateway.connect("kemnaker").await;
    let covering = checkpoint(&kemnaker, entry(&kemnaker).await.entry_index + 1).await;
    let last = covering.verifying_keys[0].clone();
    assert!(last != first && covering.verifying_keys.len() == 1);

    let path = |gateway: &Gateway, name: &str| gateway.data().join(name).display().to_string();
    let (from, file) = (path(&gateway, "receipt"), path(&gateway, "evidence.json"));
    let profile = gateway.profile("kemnaker");
    let (status, out, err) =
        run(&["audit", "export", &from, "--out", &file, "--profile", &profile]);
    assert_eq!(status, Some(0), "{out}{err}");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let (store, ca) = (path(&gateway, "store.sqlite"), path(&gateway, "tls/ca.pem"));
    let verdict = |file: &str, key: &str| {
        let (status, out, err) = run(&["audit", "verify", file, "--log-key", key, "--ca", &ca]);
        (status, format!("{out}{err}"))
    };
    for verified in [&file, &store] {
        let (status, said) = verdict(verified, &first);
        assert!(status == Some(0) && said.starts_with("valid: "), "{said}");
    }
    let (status, said) = verdict(&file, &last);
    assert!(status == Some(1) && said.contains("the receipt: signed by no known key"), "{said}");

    // Nothing else stands in for the statement, and nothing is left over beside it.
    let mut evidence: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let statements = evidence.as_object_mut().unwrap().remove("successions").unwrap();
    let key = |seed| SigningKey::new(ORIGIN, &[seed; 32]).unwrap();
    let strangers = succession::statement(&key(1), &key(2));
    let both = [statements[0].clone(), strangers.clone().into()];
    for (instead, says) in [
        (None, "invalid: the checkpoint: signed by no known key"),
        (Some(serde_json::json!([])), "invalid: it is no evidence file of this version"),
        (Some(serde_json::json!([strangers])), "invalid: a statement of the succession of keys"),
        (Some(serde_json::json!(both)), "invalid: a statement of the succession of keys"),
    ] {
        if let Some(instead) = instead {
            evidence["successions"] = instead;
        }
        std::fs::write(&file, evidence.to_string()).unwrap();
        let (status, said) = verdict(&file, &first);
        assert!(status == Some(1) && said.contains(says), "{said}");
    }
    Connection::open(&store).unwrap().execute_batch("DELETE FROM succession").unwrap();
    let (status, said) = verdict(&store, &first);
    assert!(status == Some(1) && said.contains("not signed: "), "{said}");
}
