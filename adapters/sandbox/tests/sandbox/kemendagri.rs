use std::collections::BTreeSet;
use std::sync::Arc;

use desmigratif_core::access::AgencyKind::Kemendagri;
use desmigratif_core::identity::Outcome;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::SetClock;
use desmigratif_sandbox::fixtures::{IdentityFixture, IdentityOutcome, fixtures};
use desmigratif_sandbox::{Fault, Sandbox, Settings, credentials};
use serde_json::{Value, json};

use crate::{client, start, start_with, url, world};

/// How many wordings and keys an answer can have.
const TURNS: usize = 16;

fn request(fixture: &IdentityFixture) -> Value {
    json!({
        "USER_ID": credentials::DUKCAPIL_USER_ID,
        "PASSWORD": credentials::DUKCAPIL_PASSWORD,
        "IP_USER": credentials::DUKCAPIL_IP_USER,
        "TRESHOLD": "90",
        "NIK": fixture.nik,
        "NAMA_LGKP": fixture.name,
        "TGL_LHR": fixture.birth_date.strftime("%d-%m-%Y").to_string(),
    })
}

fn verified() -> IdentityFixture {
    fixtures().identities.remove(0)
}

/// The answer's one content, after what every answer has.
pub(crate) async fn ask(sandbox: &Sandbox, request: &Value) -> Value {
    answer(sandbox, request).await["content"][0].clone()
}

async fn answer(sandbox: &Sandbox, request: &Value) -> Value {
    let path = "/dukcapil/get_json/SANDBOX/CALL_VERIFY_BY_ELEMEN";
    let request = client().post(url(sandbox, Kemendagri, path)).json(request);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "every answer is HTTP 200");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["content"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["numberOfElements"], 1);
    answer
}

/// Every text in the content, small and with single spaces.
fn words(content: &Value) -> String {
    let texts = content.as_object().unwrap().values();
    let texts: Vec<_> = texts.map(|it| it.to_string().replace('"', "").to_lowercase()).collect();
    texts.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn expected(outcome: IdentityOutcome) -> &'static str {
    match outcome {
        IdentityOutcome::Outcome(Outcome::Deceased) => "meninggal dunia",
        IdentityOutcome::Outcome(Outcome::Duplicate) => "data ganda",
        IdentityOutcome::Outcome(Outcome::NotFound) => "nik tidak terdapat",
        IdentityOutcome::Outcome(Outcome::Inactive) => "status non aktif",
        IdentityOutcome::IllFormed => "tidak sesuai format",
        IdentityOutcome::LoginRefused => "login gagal",
        IdentityOutcome::AddressUnknown => "ip ",
        IdentityOutcome::Outcome(Outcome::QuotaExhausted) => "kuota akses hari ini telah habis",
        _ => "sesuai",
    }
}

/// The score in brackets, or what a bare word means.
fn score(verdict: &Value) -> u8 {
    let text = verdict.as_str().unwrap().trim().to_lowercase();
    match text.split_once('(') {
        Some((_, rest)) => rest.trim_end_matches(')').trim().parse().unwrap(),
        None if text.starts_with("tidak") => 0,
        None => 100,
    }
}

#[tokio::test]
async fn every_published_nik_has_its_outcome_in_every_wording() {
    let sandbox = start().await;
    for fixture in fixtures().identities {
        let mut keys = BTreeSet::new();
        for _ in 0..TURNS {
            let content = ask(&sandbox, &request(&fixture)).await;
            let expected = expected(fixture.outcome);
            assert!(words(&content).contains(expected), "{expected}: {content}");
            keys.extend(content.as_object().unwrap().keys().cloned());
            match fixture.outcome {
                IdentityOutcome::Outcome(Outcome::Verified) => {
                    assert_eq!(score(&content["NAMA_LGKP"]), 100);
                    assert_eq!(score(&content["TGL_LHR"]), 100);
                }
                IdentityOutcome::FuzzyName => {
                    assert!((90..100).contains(&score(&content["NAMA_LGKP"])), "{content}");
                }
                IdentityOutcome::Outcome(Outcome::Mismatch) => {
                    assert!(score(&content["NAMA_LGKP"]) < 90, "{content}");
                    assert_eq!(score(&content["TGL_LHR"]), 100);
                }
                _ => assert!(content.get("NAMA_LGKP").is_none()),
            }
        }
        let answers = keys.contains("NAMA_LGKP");
        assert!(answers || keys.contains("RESPON") && keys.contains("ResponseDesc"), "{keys:?}");
    }
}

#[tokio::test]
async fn the_same_calls_get_the_same_answers_and_no_two_in_a_row_are_spelt_alike() {
    let (one, other) = (start().await, start().await);
    let dead = fixtures().identities.remove(3);
    let (mut texts, mut echoes) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..TURNS {
        let content = ask(&one, &request(&dead)).await;
        assert_eq!(content, ask(&other, &request(&dead)).await);
        assert!(texts.insert(content.to_string()));
    }
    for _ in 0..TURNS {
        let content = ask(&one, &request(&verified())).await;
        assert_eq!(content, ask(&other, &request(&verified())).await);
        echoes.insert(content["NIK"].is_number());
    }
    assert_eq!(echoes.len(), 2, "the NIK comes as a word and as a number");
}

#[tokio::test]
async fn the_threshold_is_spelt_treshold_and_equality_without() {
    let sandbox = start().await;
    let mut request = request(&fixtures().identities[1]);
    request["THRESHOLD"] = request["TRESHOLD"].take();
    let mut below = BTreeSet::new();
    for _ in 0..4 {
        let content = ask(&sandbox, &request).await;
        below.insert(words(&json!({ "": content["NAMA_LGKP"] })).starts_with("tidak"));
    }
    // Below the threshold the word is no more to be relied on, above it is.
    assert_eq!(below.len(), 2);
    request["TRESHOLD"] = 90.into();
    for _ in 0..4 {
        let content = ask(&sandbox, &request).await;
        assert!(!words(&json!({ "": content["NAMA_LGKP"] })).starts_with("tidak"));
    }
}

#[tokio::test]
async fn who_is_not_known_is_told_so_with_http_200() {
    let sandbox = start().await;
    for (field, expected) in
        [("USER_ID", "login gagal"), ("PASSWORD", "login gagal"), ("IP_USER", "ip ")]
    {
        let mut request = request(&verified());
        request[field] = "other".into();
        let content = ask(&sandbox, &request).await;
        assert!(words(&content).contains(expected), "{content}");
    }
    sandbox.switch().set(Kemendagri, Some(Fault::TokenExpired));
    let content = ask(&sandbox, &request(&verified())).await;
    assert!(words(&content).contains("login gagal"));
}

#[tokio::test]
async fn the_quota_ends_and_the_next_day_begins_another() {
    let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
    let settings =
        Settings { dukcapil_daily_quota: 2, clock: clock.clone(), ..Settings::default() };
    let sandbox = start_with(settings).await;
    let request = request(&verified());
    assert_eq!(answer(&sandbox, &request).await["quotaLimiter"], 1);
    assert_eq!(answer(&sandbox, &request).await["quotaLimiter"], 0);
    assert!(words(&ask(&sandbox, &request).await).contains("kuota akses"));
    clock.set("2026-11-24T17:00:00Z".parse().unwrap());
    assert_eq!(answer(&sandbox, &request).await["quotaLimiter"], 1);
    sandbox.switch().set(Kemendagri, Some(Fault::Quota));
    assert!(words(&ask(&sandbox, &request).await).contains("kuota akses"));
    assert_eq!(sandbox.ledger().calls(Kemendagri), 5);
}

#[tokio::test]
async fn places_are_numbers_per_level_and_each_is_answered_for_itself() {
    let (sandbox, world) = (start().await, world());
    let fixture = verified();
    let person = world.person(&Nik::parse(&fixture.nik).unwrap()).unwrap();
    let digits = person.village.digits();
    let number = |range: std::ops::Range<usize>| digits[range].parse::<u16>().unwrap();
    let mut request = request(&fixture);
    request["NO_PROP"] = number(0..2).into();
    request["NO_KAB"] = number(2..4).into();
    request["NO_KEC"] = number(4..6).into();
    request["NO_KEL"] = (number(6..10) + 1).into();
    request["JENIS_KLMIN"] = "Laki-Laki".into();
    request["NAMA_LGKP_IBU"] = person.mother_name.as_ref().unwrap().expose().into();
    request["AGAMA"] = "-".into();
    let content = ask(&sandbox, &request).await;
    for field in ["NO_PROP", "NO_KAB", "NO_KEC", "JENIS_KLMIN", "NAMA_LGKP_IBU"] {
        assert_eq!(score(&content[field]), 100, "{field}: {content}");
    }
    assert_eq!(score(&content["NO_KEL"]), 0);
    assert_eq!(score(&content["AGAMA"]), 0, "the register holds none");
    assert!(content.get("TRESHOLD").is_none());
    request["NO_PROP"] = digits.into();
    assert_eq!(score(&ask(&sandbox, &request).await["NO_PROP"]), 0, "no code of ten digits");
}
