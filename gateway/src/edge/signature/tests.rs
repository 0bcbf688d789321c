//! What a signature must be to count: one that is right, and everything that can be wrong with it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::Request;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::edge::tests::pki::{Leaf, TestCa};

const CONTENT: &[u8] = b"\0\0\0\0\x02\x08\x01";
const NOW: i64 = 1_795_500_000;
const COVERED: &str = r#""@method" "@path" "content-digest" "desmigratif-purpose""#;

/// A caller with a certificate.
struct Caller {
    key: EcdsaKeyPair,
    chain: Chain,
}

impl Caller {
    fn new() -> Self {
        let (chain, key) = TestCa::new().issue(&Leaf::agency("klinik-01"));
        let chain = Chain::new(vec![chain[0].to_vec()]);
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der());
        Self { key: key.unwrap(), chain: chain.unwrap() }
    }

    /// The parameters of a signature as they should be.
    fn parameters(&self) -> String {
        format!(
            "created={NOW};keyid=\"{}\";tag=\"desmigratif\"",
            hex::encode(self.chain.fingerprint())
        )
    }

    /// Signs a request, covering what is said, whether or not it counts.
    fn sign(&self, request: &mut Request<()>, covered: &str, parameters: &str) {
        let input = format!("sig=({covered});{parameters}");
        let headers = request.headers_mut();
        headers.insert(SIGNATURE_INPUT, input.parse().unwrap());
        headers.insert(SIGNATURE, "sig=:AA==:".parse().unwrap());
        let base = Described::read(headers, TAG).and_then(|it| it.base(&message(request)));
        let signature = self.key.sign(&SystemRandom::new(), &base.unwrap_or_default()).unwrap();
        let signature = format!("sig=:{}:", BASE64_STANDARD.encode(signature));
        request.headers_mut().insert(SIGNATURE, signature.parse().unwrap());
    }

    fn verified(&self, request: &Request<()>, now: i64) -> Result<Signed, Refused> {
        verify(&message(request), &self.chain, Timestamp::from_second(now).unwrap())
    }

    /// The verdict on a signature with such components and parameters.
    fn judged(&self, covered: &str, parameters: &str) -> Result<(), Refused> {
        let mut request = request();
        self.sign(&mut request, covered, parameters);
        self.verified(&request, NOW).map(drop)
    }
}

fn request() -> Request<()> {
    let digest = BASE64_STANDARD.encode(Sha256::digest(CONTENT));
    Request::post("https://localhost/desmigratif.health.v1.MedicalClearanceService/SubmitClearance")
        .header("content-type", "application/grpc")
        .header(content::FIELD, format!("sha-256=:{digest}:"))
        .header(PURPOSE, "clearance-submission")
        .body(())
        .unwrap()
}

fn message(request: &Request<()>) -> Message<'_> {
    Message {
        method: request.method(),
        path: request.uri().path(),
        authority: request.uri().authority(),
        headers: request.headers(),
    }
}

#[test]
fn a_signature_that_is_right_counts_and_is_kept_with_what_it_signed() {
    let caller = Caller::new();
    let mut request = request();
    caller.sign(&mut request, COVERED, &caller.parameters());
    let Signed { signature: CallerSignature { base, value }, mut content } =
        caller.verified(&request, NOW).unwrap();
    let base = String::from_utf8(base).unwrap();
    assert!(base.starts_with("\"@method\": POST\n\"@path\": /desmigratif.health.v1."), "{base}");
    assert!(base.contains("\"desmigratif-purpose\": clearance-submission\n"), "{base}");
    assert_eq!(value.len(), 64);
    for byte in CONTENT.chunks(1) {
        content.pass(byte);
    }
    assert!(content.ended_as_stated());
}

#[test]
fn content_that_differs_in_a_byte_or_ends_early_is_not_as_stated() {
    let stated = |passed: &[u8]| {
        let mut content = Content::stated(request().headers()).unwrap();
        content.pass(passed);
        content.ended_as_stated()
    };
    assert!(stated(CONTENT));
    assert!(!stated(&CONTENT[..6]) && !stated(b"\0\0\0\0\x02\x08\x02") && !stated(b""));
}

#[test]
fn what_may_be_covered_beside_does_no_harm() {
    let caller = Caller::new();
    let more = format!(r#""@authority" {COVERED} "content-type""#);
    let parameters = format!(
        "{};expires={};nonce=\"n-1\";alg=\"ecdsa-p256-sha256\"",
        caller.parameters(),
        NOW + 60
    );
    assert_eq!(caller.judged(&more, &parameters), Ok(()));
}

#[test]
fn a_signature_covers_all_that_it_must_and_nothing_that_it_may_not() {
    let caller = Caller::new();
    for (left_out, name) in [
        ("\"@method\"", "@method"),
        ("\"@path\"", "@path"),
        ("\"content-digest\"", "content-digest"),
        ("\"desmigratif-purpose\"", "desmigratif-purpose"),
    ] {
        let verdict = caller.judged(&COVERED.replace(left_out, ""), &caller.parameters());
        assert_eq!(verdict, Err(Refused::NotCovered(name)));
    }
    for foreign in ["\"te\"", "\"@query\"", "\"@path\"", "\"content-type\";sf", "\"x-absent\""] {
        let verdict = caller.judged(&format!("{COVERED} {foreign}"), &caller.parameters());
        assert_eq!(verdict, Err(Refused::Foreign), "{foreign}");
    }
}

#[test]
fn a_call_without_a_purpose_is_signed_without_one() {
    let caller = Caller::new();
    let mut request = request();
    request.headers_mut().remove(PURPOSE);
    caller.sign(
        &mut request,
        &COVERED.replace("\"desmigratif-purpose\"", ""),
        &caller.parameters(),
    );
    assert!(caller.verified(&request, NOW).is_ok());
}

#[test]
fn parameters_are_there_known_and_of_their_type() {
    let caller = Caller::new();
    let good = caller.parameters();
    let with = |more: &str| format!("{good};{more}");
    for (parameters, name) in [
        (good.replace(&format!("created={NOW};"), ""), "created"),
        (with("created=\"now\""), "created"),
        (with("created=999999999999999"), "created"),
        (with("keyid=1"), "keyid"),
        (with("nonce=1"), "nonce"),
        (with("alg=token"), "alg"),
        (with("expires=1.5"), "expires"),
    ] {
        assert_eq!(
            caller.judged(COVERED, &parameters),
            Err(Refused::Parameter(name)),
            "{parameters}"
        );
    }
    assert_eq!(caller.judged(COVERED, &with("note=\"x\"")), Err(Refused::UnknownParameter));
    assert_eq!(caller.judged(COVERED, &with("alg=\"ed25519\"")), Err(Refused::AnotherAlgorithm));
    assert_eq!(caller.judged(COVERED, &good.replace("desmigratif", "x")), Err(Refused::NotOne));
}

#[test]
fn a_signature_counts_for_five_minutes_either_way_or_until_it_expires() {
    let caller = Caller::new();
    let mut request = request();
    caller.sign(&mut request, COVERED, &caller.parameters());
    for (now, counts) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
        let verdict = caller.verified(&request, NOW + now).map(drop);
        assert_eq!(verdict, if counts { Ok(()) } else { Err(Refused::NotNow) }, "{now}");
    }
    let expires = format!("{};expires={}", caller.parameters(), NOW + 9);
    caller.sign(&mut request, COVERED, &expires);
    assert!(caller.verified(&request, NOW + 9).is_ok());
    assert_eq!(caller.verified(&request, NOW + 10).map(drop), Err(Refused::NotNow));
}

#[test]
fn only_the_key_of_the_connections_certificate_signs() {
    let (caller, other) = (Caller::new(), Caller::new());
    let mut request = request();
    caller.sign(&mut request, COVERED, &other.parameters());
    assert_eq!(caller.verified(&request, NOW).map(drop), Err(Refused::AnotherKey));
    other.sign(&mut request, COVERED, &caller.parameters());
    assert_eq!(caller.verified(&request, NOW).map(drop), Err(Refused::NotVerified));
}

#[test]
fn whatever_of_a_signed_call_is_changed_is_found() {
    let caller = Caller::new();
    let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode([0; 32]));
    type Change<'a> = &'a dyn Fn(&mut Request<()>);
    let changes: [Change<'_>; 4] = [
        &|it| *it.method_mut() = http::Method::PUT,
        &|it| *it.uri_mut() = "https://localhost/a.B/C".parse().unwrap(),
        &|it| drop(it.headers_mut().insert(PURPOSE, "oversight".parse().unwrap())),
        &|it| drop(it.headers_mut().insert(content::FIELD, digest.parse().unwrap())),
    ];
    for change in changes {
        let mut request = request();
        caller.sign(&mut request, COVERED, &caller.parameters());
        change(&mut request);
        assert_eq!(caller.verified(&request, NOW).map(drop), Err(Refused::NotVerified));
    }
}

#[test]
fn a_digest_is_sha_256_and_what_is_signed_is_short() {
    let caller = Caller::new();
    let judged = |digest: String| {
        let mut request = request();
        request.headers_mut().insert(content::FIELD, digest.parse().unwrap());
        caller.sign(&mut request, COVERED, &caller.parameters());
        caller.verified(&request, NOW).map(drop)
    };
    assert_eq!(judged("sha-512=:AA==:".into()), Err(Refused::NoDigest));
    assert_eq!(judged("sha-256=:AA==:".into()), Err(Refused::NoDigest));
    assert_eq!(judged("sha-256=1".into()), Err(Refused::NoDigest));
    assert_eq!(judged("sha-256".into()), Err(Refused::NoDigest));
    assert_eq!(judged("(".into()), Err(Refused::Unreadable(content::FIELD)));
    let good = format!("sha-256=:{}:", BASE64_STANDARD.encode([1; 32]));
    assert_eq!(judged(good.clone()), Ok(()));
    assert_eq!(judged(format!("{good}, x=\"{}\"", "y".repeat(5000))), Err(Refused::TooLong));
}
