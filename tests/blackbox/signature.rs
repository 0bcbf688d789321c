//! Calls that their callers have signed: what is accepted, what is refused and why, and who must.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use desmigratif::store::sqlite::Sqlite;
use desmigratif::store::vault::KeyRing;
use desmigratif_core::journal::EntryKind;
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_core::ports::store::Store as _;
use desmigratif_proto::health::v1::SubmitClearanceResponse;
use desmigratif_proto::worker::v1::LookupWorkerRequest;
use prost::Message as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tonic::Code;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::calls::{register, registration, submission, submit};
use crate::folder::{files, prepared};
use crate::gateway::{Gateway, binary, fresh_nik, reason, run_command};
use crate::journal::entries;
use crate::raw::{Answer, Identity, Raw, framed};

const CLINIC: &str = "klinik-indramayu";
const SUBMIT: &str = "/desmigratif.health.v1.MedicalClearanceService/SubmitClearance";
const SUBMIT_MANY: &str = "/desmigratif.health.v1.MedicalClearanceService/SubmitClearances";
const LOOK_UP: &str = "/desmigratif.worker.v1.WorkerService/LookupWorker";
const PURPOSE: (&str, &str) = ("desmigratif-purpose", "clearance-submission");

/// A call that is signed, as it will be sent.
#[derive(Clone)]
struct Signed {
    path: &'static str,
    purpose: (&'static str, &'static str),
    body: Vec<u8>,
    digest: String,
    input: String,
    signature: String,
}

impl Signed {
    /// Signs a message so many seconds from now, as an integrator would who has read the README.
    fn by(
        identity: &Identity,
        path: &'static str,
        purpose: (&'static str, &'static str),
        message: &[u8],
        seconds: i64,
    ) -> Self {
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der());
        let body = framed(message);
        let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(&body)));
        let created = SystemClock.now().as_second() + seconds;
        let key_id = hex::encode(Sha256::digest(certificate));
        let stated = format!(
            "(\"@method\" \"@path\" \"content-digest\" \"desmigratif-purpose\");created={created};keyid=\"{key_id}\";tag=\"desmigratif\""
        );
        let base = format!(
            "\"@method\": POST\n\"@path\": {path}\n\"content-digest\": {digest}\n\"desmigratif-purpose\": {}\n\"@signature-params\": {stated}",
            purpose.1
        );
        let signature = key.unwrap().sign(&SystemRandom::new(), base.as_bytes()).unwrap();
        Self {
            path,
            purpose,
            body,
            digest,
            input: format!("sig={stated}"),
            signature: format!("sig=:{}:", BASE64_STANDARD.encode(signature)),
        }
    }

    async fn send(self, client: &mut Raw) -> Answer {
        let fields = [
            self.purpose,
            ("content-digest", self.digest.as_str()),
            ("signature-input", &self.input),
            ("signature", &self.signature),
        ];
        // A field that is left out is empty here.
        let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        client.send(self.path, &fields, self.body).await
    }
}

/// The code and reason of an answer. No refusal repeats anything of the call.
fn verdict(answer: Answer) -> (Code, String) {
    let status = answer.status.unwrap();
    (status.code(), reason(&status))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_change_is_made_and_its_repetition_is_signed_anew() {
    let gateway = Gateway::shared();
    let identity = gateway.identity(CLINIC);
    let nik = fresh_nik();
    register(&gateway.connect("kemnaker").await, registration(&nik)).await.unwrap();
    let message = submission(&nik).encode_to_vec();
    let mut client = Raw::connect(&gateway, &identity).await;
    let mut answers = Vec::new();
    for seconds in [-60, 0] {
        let signed = Signed::by(&identity, SUBMIT, PURPOSE, &message, seconds);
        let answer = signed.send(&mut client).await;
        assert_eq!(answer.status.unwrap().code(), Code::Ok);
        answers.push(SubmitClearanceResponse::decode(&answer.body[5..]).unwrap());
    }
    assert_eq!(answers[0], answers[1], "one effect");
}

/// The store of a gateway that has stopped, opened with its own key.
fn store(data: &Path) -> Sqlite {
    let key = std::fs::read_to_string(data.join("encryption.key")).unwrap();
    let key: [u8; 32] = hex::decode(key.trim()).unwrap().try_into().unwrap();
    let ring = KeyRing::of([("dev".to_owned(), key.into())]).unwrap();
    Sqlite::open(&data.join("store.sqlite"), Arc::new(SystemClock), ring).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_callers_have_signed_lies_sealed_beside_its_entry_and_verifies_by_their_certificate() {
    let mut gateway = Gateway::start();
    let kemnaker = gateway.identity("kemnaker");
    let nik = fresh_nik();
    register(&gateway.connect("kemnaker").await, registration(&nik)).await.unwrap();
    let clinic = gateway.identity(CLINIC);
    let submitted = submission(&nik).encode_to_vec();
    let screening = ("desmigratif-purpose", "placement-screening");
    let looked_up = LookupWorkerRequest { nik }.encode_to_vec();
    let mut signed = Vec::new();
    for (identity, path, purpose, message) in
        [(&clinic, SUBMIT, PURPOSE, &submitted), (&kemnaker, LOOK_UP, screening, &looked_up)]
    {
        let call = Signed::by(identity, path, purpose, message, 0);
        let mut client = Raw::connect(&gateway, identity).await;
        assert_eq!(call.clone().send(&mut client).await.status.unwrap().code(), Code::Ok);
        signed.push(call);
    }
    gateway.signal("TERM");
    assert!(gateway.wait().success());

    let store = store(gateway.data());
    let entries = store.entries(0, 1_000).await.unwrap();
    let mut kept = Vec::new();
    for entry in entries {
        let Some(signature) = store.signature(entry.index).await.unwrap() else { continue };
        assert_eq!(entry.caller.signature, Some(signature.digest()), "the leaf names it");
        let chain = store.chain(&entry.caller.certificate.unwrap()).await.unwrap().unwrap();
        let (_, certificate) = X509Certificate::from_der(&chain.certificates()[0]).unwrap();
        let key = &certificate.public_key().subject_public_key.data;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
        key.verify(&signature.base, &signature.value).expect("the caller has signed it");
        kept.push((entry.draft.kind, String::from_utf8(signature.base).unwrap()));
    }
    assert_eq!(kept.len(), 2, "{kept:?}");
    for ((kind, base), (call, expected)) in
        kept.iter().zip(signed.iter().zip([EntryKind::Change, EntryKind::Disclosure]))
    {
        assert_eq!(*kind, expected);
        assert!(base.contains(call.path) && base.contains(&call.digest), "{base}");
    }
    // A NIK could be guessed from the digest of a request that holds little else.
    drop(store);
    for (path, bytes) in files(gateway.data()) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!signed.iter().any(|it| text.contains(&it.digest)), "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_there_and_wrong_is_refused_and_nothing_is_changed() {
    let gateway = Gateway::shared();
    let identity = gateway.identity(CLINIC);
    let nik = fresh_nik();
    register(&gateway.connect("kemnaker").await, registration(&nik)).await.unwrap();
    let request = submission(&nik);
    let message = request.encode_to_vec();
    let good = Signed::by(&identity, SUBMIT, PURPOSE, &message, 0);
    let at = |seconds| Signed::by(&identity, SUBMIT, PURPOSE, &message, seconds);
    let mut changed = good.body.clone();
    *changed.last_mut().unwrap() ^= 1;
    // Signed by another agency, which calls itself the clinic; and by one that calls itself itself.
    let other = gateway.identity("kemnaker");
    let key_of_other = Identity { key: other.key.clone(), ..identity.clone() };
    let by = |identity: &Identity| Signed::by(identity, SUBMIT, PURPOSE, &message, 0);
    let uncovered = good.input.replace(" \"content-digest\"", "");

    let malformed = (Code::InvalidArgument, "SIGNATURE_MALFORMED");
    let invalid = (Code::Unauthenticated, "SIGNATURE_INVALID");
    let expired = (Code::Unauthenticated, "SIGNATURE_EXPIRED");
    let mismatch = (Code::InvalidArgument, "CONTENT_DIGEST_MISMATCH");
    let unsupported = (Code::InvalidArgument, "SIGNATURE_UNSUPPORTED");
    let mut client = Raw::connect(&gateway, &identity).await;
    for (case, call, (code, expected)) in [
        ("a changed byte", Signed { body: changed, ..good.clone() }, mismatch),
        ("too old", at(-310), expired),
        ("of the future", at(310), expired),
        ("another key", by(&key_of_other), invalid),
        ("another certificate", by(&other), invalid),
        ("another path", Signed::by(&identity, LOOK_UP, PURPOSE, &message, 0), invalid),
        ("a component left out", Signed { input: uncovered, ..good.clone() }, malformed),
        ("no content digest", Signed { digest: String::new(), ..good.clone() }, malformed),
        ("no signature", Signed { signature: String::new(), ..good.clone() }, malformed),
        ("no input", Signed { input: String::new(), ..good.clone() }, malformed),
        ("no dictionary", Signed { input: "sig=(".into(), ..good.clone() }, malformed),
        ("a stream", Signed::by(&identity, SUBMIT_MANY, PURPOSE, &message, 0), unsupported),
    ] {
        let call = Signed { path: if call.path == LOOK_UP { SUBMIT } else { call.path }, ..call };
        let said = call.send(&mut client).await.status.unwrap();
        assert_eq!((said.code(), reason(&said).as_str()), (code, expected), "{case}");
        let echoed = [nik.as_str(), &good.digest, &good.signature, "created="];
        let text = format!("{said:?}{}", String::from_utf8_lossy(said.details()));
        assert!(!echoed.iter().any(|it| text.contains(it)), "{case}: {text}");
    }
    // The request id and the certificate's number are as free as if nothing had come.
    let mut other = request;
    other.clearance.as_mut().unwrap().destination_country = "TW".into();
    submit(&gateway.connect(CLINIC).await, other).await.unwrap();
}

/// The policy that the README shows, beside the built-in ones.
fn write_policies(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(root.join("src/access/policies")).unwrap() {
        let file = file.unwrap();
        if file.path().extension().is_some_and(|extension| extension == "cedar") {
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }
    let readme = std::fs::read_to_string(root.join("../README.md")).unwrap();
    let policy = readme.split("```cedar\n").nth(1).unwrap().split("```").next().unwrap();
    std::fs::write(folder.join("signing.cedar"), policy).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_policy_asks_for_a_signature_an_unsigned_call_is_refused_and_journalled() {
    let policies = tempfile::tempdir().unwrap();
    write_policies(policies.path());
    let folder = ("DESMIGRATIF_POLICY__FOLDER", policies.path().to_str().unwrap());
    let mut gateway = Gateway::serve(prepared(), &[folder]);
    let identity = gateway.identity(CLINIC);
    let nik = fresh_nik();
    register(&gateway.connect("kemnaker").await, registration(&nik)).await.unwrap();
    let refusals = entries(&gateway, "refusal").len();
    let message = submission(&nik).encode_to_vec();
    let mut client = Raw::connect(&gateway, &identity).await;

    let required = (Code::PermissionDenied, "SIGNATURE_REQUIRED".to_owned());
    for path in [SUBMIT, SUBMIT_MANY] {
        assert_eq!(verdict(client.call(path, &[PURPOSE], &message).await), required, "{path}");
    }
    let signed = Signed::by(&identity, SUBMIT, PURPOSE, &message, 0);
    assert_eq!(signed.send(&mut client).await.status.unwrap().code(), Code::Ok);
    // Asked of clinics alone, and of these methods.
    let look_up = LookupWorkerRequest { nik }.encode_to_vec();
    let screening = ("desmigratif-purpose", "placement-screening");
    let mut kemnaker = Raw::connect(&gateway, &gateway.identity("kemnaker")).await;
    let seen = kemnaker.call(LOOK_UP, &[screening], &look_up).await;
    assert_eq!(seen.status.unwrap().code(), Code::Ok);

    // Stopping waits for the entries on their way.
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let entry = |path: &str| (CLINIC.to_owned(), path.trim_start_matches('/').to_owned());
    assert_eq!(entries(&gateway, "refusal")[refusals..], [entry(SUBMIT), entry(SUBMIT_MANY)]);
}

#[test]
fn policy_explain_says_that_a_call_must_be_signed_and_why() {
    let (data, policies) = (prepared(), tempfile::tempdir().unwrap());
    write_policies(policies.path());
    let ask = |more: &[&str]| {
        let mut command = Command::new(binary());
        command
            .args(["policy", "explain", "--agency", CLINIC, "--purpose", PURPOSE.1])
            .args(["--method", "MedicalClearanceService/SubmitClearance", "--config"])
            .arg(data.path().join("gateway.toml"))
            .args(more)
            .env("DESMIGRATIF_POLICY__FOLDER", policies.path());
        let (code, said, errors) = run_command(&mut command);
        assert_eq!(code, Some(0), "{errors}");
        said
    };
    let unsigned = ask(&[]);
    assert!(unsigned.starts_with("refused") && unsigned.contains("give --signed"), "{unsigned}");
    assert!(unsigned.contains("clinic-signs (signing.cedar): A clinic answers"), "{unsigned}");
    let signed = ask(&["--signed"]);
    assert!(signed.starts_with("allowed") && signed.contains("clinic-submission"), "{signed}");
}
