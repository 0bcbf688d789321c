//! The adapter against a server that answers as Dukcapil does.

use std::time::Duration;

use desmigratif_core::birth::BirthDate;
use desmigratif_core::identity::{Outcome, Verdict};
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::region::VillageCode;
use jiff::civil::date;
use serde_json::json;

use super::*;
use crate::upstream::stub::{Act, Stub};

const NIK: &str = "9901014501900001";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn settings(folder: &Path, url: Url) -> Settings {
    std::fs::write(folder.join("user"), "user-of-a-test\n").unwrap();
    std::fs::write(folder.join("password"), "password-of-a-test\n").unwrap();
    Settings {
        url,
        ca: None,
        user_id: Secret::File(folder.join("user")),
        password: Secret::File(folder.join("password")),
        ip_user: "10.99.0.9".into(),
        threshold: 85,
        upstream: upstream::Settings::default(),
    }
}

fn adapter(url: Url) -> Dukcapil {
    let folder = tempfile::tempdir().unwrap();
    // 23:00 in Jakarta.
    let clock = SetClock::at("2026-11-24T16:00:00Z".parse().unwrap());
    Dukcapil::new(&settings(folder.path(), url), Arc::new(clock)).unwrap()
}

async fn answering(content: Value) -> (Stub, Dukcapil) {
    let body = json!({"content": [content]}).to_string();
    let stub = Stub::start(move |_| Act::json(&body)).await;
    let adapter = adapter(stub.url.clone());
    (stub, adapter)
}

fn claim() -> Claim {
    let born = BirthDate::new(date(1990, 1, 5), Precision::Day, date(2026, 11, 24)).unwrap();
    Claim {
        name: Some(PersonName::parse("Contoh Siti").unwrap()),
        birth: Some(born),
        birth_place: Some("Contohjaya".into()),
        sex: Some(Sex::Female),
        village: Some(VillageCode::parse("32.12.06.2004").unwrap()),
        mother_name: Some(PersonName::parse("Contoh Rukmini").unwrap()),
    }
}

fn question(claim: Claim) -> Question {
    Question::Identity { nik: Nik::parse(NIK).unwrap(), claim: Box::new(claim) }
}

async fn ask(adapter: &Dukcapil, claim: Claim) -> Result<Check, Fault> {
    match adapter.lookup(&question(claim), soon()).await? {
        Answer::Identity(check) => Ok(check),
        _ => panic!("an answer to another question"),
    }
}

fn sent(stub: &Stub) -> Value {
    let request = stub.requests().pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /service HTTP/1.1\r\n"), "{head}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_claim_goes_out_by_its_elements_and_comes_back_as_verdicts() {
    let (stub, adapter) = answering(json!({
        "NIK": NIK, "NAMA_LGKP": "Sesuai (86)", "TGL_LHR": "Sesuai", "TMPT_LHR": "Sesuai (100)",
        "JENIS_KLMIN": "Sesuai", "NO_PROP": "Sesuai", "NO_KAB": "Sesuai", "NO_KEC": "Sesuai",
        "NO_KEL": "Sesuai", "NAMA_LGKP_IBU": "Sesuai (100)",
    }))
    .await;
    let check = ask(&adapter, claim()).await.unwrap();
    assert!(check.outcome == Outcome::Verified);
    let elements = [
        (Element::Name, Verdict::Fuzzy(86)),
        (Element::BirthDate, Verdict::Match),
        (Element::BirthPlace, Verdict::Match),
        (Element::Sex, Verdict::Match),
        (Element::Village, Verdict::Match),
        (Element::MotherName, Verdict::Match),
    ];
    assert_eq!(check.elements, elements);
    assert_eq!(
        sent(&stub),
        json!({
            "USER_ID": "user-of-a-test", "PASSWORD": "password-of-a-test", "IP_USER": "10.99.0.9",
            "TRESHOLD": "85", "NIK": NIK, "NAMA_LGKP": "Contoh Siti", "TGL_LHR": "05-01-1990",
            "TMPT_LHR": "Contohjaya", "JENIS_KLMIN": "Perempuan", "NO_PROP": 32, "NO_KAB": 12,
            "NO_KEC": 6, "NO_KEL": 2004, "NAMA_LGKP_IBU": "Contoh Rukmini",
        })
    );
    assert_eq!(adapter.condition().calls, 1);
}

#[tokio::test]
async fn a_birth_date_that_is_not_whole_is_not_compared() {
    let (stub, adapter) = answering(json!({"NIK": "Sesuai", "NAMA_LGKP": "Sesuai"})).await;
    for precision in [Precision::Month, Precision::Year] {
        let born = BirthDate::new(date(1990, 7, 1), precision, date(2026, 11, 24)).unwrap();
        let only = Claim { birth: Some(born), ..Claim::default() };
        let named = Claim { name: claim().name, ..only.clone() };
        let check = ask(&adapter, named).await.unwrap();
        assert_eq!(check.elements, [(Element::Name, Verdict::Match)]);
        assert_eq!(sent(&stub).get("TGL_LHR"), None);
        let calls = stub.requests().len();
        let fault = ask(&adapter, only).await.unwrap_err();
        assert_eq!((fault.kind, fault.retry), (FaultKind::Rejected, Retry::Never));
        assert_eq!(stub.requests().len(), calls, "nothing was sent");
    }
}

#[tokio::test]
async fn a_used_up_quota_is_renewed_at_midnight_in_jakarta() {
    let (_stub, adapter) = answering(json!({"RESPON": "KUOTA AKSES HARI INI TELAH HABIS"})).await;
    let fault = ask(&adapter, claim()).await.unwrap_err();
    let midnight = Retry::After(Duration::from_secs(3_600));
    assert_eq!((fault.kind, fault.retry), (FaultKind::Quota, midnight));
}

#[tokio::test]
async fn an_outcome_of_a_person_is_no_fault() {
    let (_stub, adapter) = answering(json!({"ResponseCode": "11"})).await;
    let check = ask(&adapter, claim()).await.unwrap();
    assert!(check.outcome == Outcome::Deceased && check.elements.is_empty());
}

#[tokio::test]
async fn no_fault_shows_anything_personal_or_secret() {
    for body in [
        json!({"content": [{"RESPON": format!("{NIK} Contoh Siti tidak dikenal")}]}).to_string(),
        format!("<html>{NIK} Contoh Siti</html>"),
        json!({"content": [{"NIK": "9901014501900002", "NAMA_LGKP": "Sesuai"}]}).to_string(),
        json!({"content": NIK}).to_string(),
    ] {
        let stub = Stub::start(move |_| Act::json(&body)).await;
        let fault = ask(&adapter(stub.url.clone()), claim()).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Malformed);
        let shown = format!("{fault} {fault:?}");
        for personal in ["99010", "Siti", "1990", "password", "localhost"] {
            assert!(!shown.contains(personal), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_probe_asks_for_nobody() {
    for content in [json!({"RESPONSE_CODE": 13}), json!({"RESPONSE_CODE": 15})] {
        let (stub, adapter) = answering(content).await;
        adapter.probe(soon()).await.unwrap();
        assert_eq!(sent(&stub)["NIK"], NOBODY);
    }
    let (_stub, adapter) = answering(json!({"RESPON": "Login Gagal"})).await;
    assert_eq!(adapter.probe(soon()).await.unwrap_err().kind, FaultKind::Credentials);
}

#[tokio::test]
async fn other_questions_are_unsupported() {
    let (stub, adapter) = answering(json!({})).await;
    let question = Question::Facilities { ids: Vec::new() };
    let fault = adapter.lookup(&question, soon()).await.err().unwrap();
    assert_eq!(fault.kind, FaultKind::Unsupported);
    assert_eq!(stub.requests(), [""; 0]);
}

#[test]
fn a_threshold_out_of_range_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clock = || Arc::new(SetClock::at("2026-11-24T16:00:00Z".parse().unwrap()));
    for threshold in [0, 101] {
        let url = "https://dukcapil.example/".parse().unwrap();
        let settings = Settings { threshold, ..settings(folder.path(), url) };
        let refused = Dukcapil::new(&settings, clock()).err().unwrap();
        assert_eq!(refused.to_string(), "threshold must be between 1 and 100");
    }
}
