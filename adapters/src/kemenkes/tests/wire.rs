//! The adapter against a small server that answers as a test has it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::ministry::{
    Answer, Content, FacilityStanding, FaultKind, Ministry as _, Question,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::bundle::RECORD_VERSION;
use super::super::{Satusehat, Settings};
use super::{NIK, ORGANIZATION, file, parcel};
use crate::config::ConnectError;

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    /// Method and path, as "GET /path".
    line: String,
    query: String,
    token: String,
    request_id: String,
    body: String,
}

type Script = dyn Fn(&Seen, usize) -> (u16, Value) + Send + Sync;

struct Platform {
    seen: Arc<Mutex<Vec<Seen>>>,
    adapter: Satusehat,
    server: tokio::task::JoinHandle<()>,
    _secrets: TempDir,
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Platform {
    /// A server that gives out the tokens "token-1", "token-2" ..., and else answers by the script,
    /// which is told how often the same method and path was asked before.
    async fn start(script: impl Fn(&Seen, usize) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, record): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let app = axum::Router::new().fallback(move |request: Request| {
            let (script, record) = (Arc::clone(&script), Arc::clone(&record));
            async move { answer(request, &*script, &record).await }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let secrets = tempfile::tempdir().unwrap();
        let adapter = Satusehat::new(&settings(&url, &secrets), Arc::new(SystemClock)).unwrap();
        Self { seen, adapter, server, _secrets: secrets }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|it| it.line).collect()
    }

    async fn deliver(&self, version: u64) -> Result<(), FaultKind> {
        let parcel = parcel(version, file());
        self.adapter.deliver(&parcel, soon()).await.map_err(|it| it.kind)
    }
}

async fn answer(request: Request, script: &Script, record: &Mutex<Vec<Seen>>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let header = |name| {
        let value = parts.headers.get(name).map(|it| it.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let seen = Seen {
        line: format!("{} {}", parts.method, parts.uri.path()),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        token: header("authorization"),
        request_id: header("x-request-id"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let before = {
        let mut record = record.lock().unwrap();
        let before = record.iter().filter(|it| it.line == seen.line).count();
        record.push(seen.clone());
        before
    };
    let (status, body) = match seen.line.as_str() {
        TOKEN => {
            let token = format!("token-{}", before + 1);
            (200, json!({"access_token": token, "expires_in": "14399", "status": "approved"}))
        }
        _ => script(&seen, before),
    };
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

const TOKEN: &str = "POST /oauth2/v1/accesstoken";
const PATIENT: &str = "GET /fhir-r4/v1/Patient";
const REPORT: &str = "GET /fhir-r4/v1/DiagnosticReport";
const TRANSACTION: &str = "POST /fhir-r4/v1";

fn settings(url: &str, secrets: &TempDir) -> Settings {
    let secret = |name: &str| {
        let path = secrets.path().join(name);
        std::fs::write(&path, format!("{name}-secret\n")).unwrap();
        json!({"file": path})
    };
    serde_json::from_value(json!({
        "url": url,
        "organization_id": ORGANIZATION,
        "client_id": secret("id"),
        "client_secret": secret("key"),
        "upstream": {"retries": 0},
    }))
    .unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn searchset(resources: &[Value]) -> Value {
    let entry: Vec<_> = resources.iter().map(|it| json!({"resource": it})).collect();
    json!({"resourceType": "Bundle", "type": "searchset", "entry": entry})
}

/// The report as it stands after the delivery of a version.
fn report(version: u64) -> Value {
    json!({
        "resourceType": "DiagnosticReport", "id": "r1", "meta": {"versionId": version.to_string()},
        "identifier": [{
            "system": "http://sys-ids.kemkes.go.id/diagnostic/100099001",
            "value": "00000000-0000-0000-0000-000000000002",
        }],
        "extension": [{"url": RECORD_VERSION, "valueString": version.to_string()}],
    })
}

/// The answer to a transaction, with one status for all entries.
fn applied(seen: &Seen, status: &str) -> Value {
    let sent: Value = serde_json::from_str(&seen.body).unwrap();
    let entries = sent["entry"].as_array().unwrap();
    let entry: Vec<_> = entries.iter().map(|_| json!({"response": {"status": status}})).collect();
    json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entry})
}

#[tokio::test]
async fn a_clearance_of_a_new_person_is_one_transaction_with_the_person() {
    let platform = Platform::start(|seen, _| match seen.line.as_str() {
        TRANSACTION => (200, applied(seen, "201 Created")),
        _ => (200, searchset(&[])),
    })
    .await;
    platform.deliver(1).await.unwrap();
    assert_eq!(platform.lines(), [TOKEN, PATIENT, REPORT, TRANSACTION].map(str::to_owned));
    let [token, patient, report, sent] = platform.seen().try_into().unwrap();
    assert_eq!(token.query, "grant_type=client_credentials");
    assert_eq!(token.body, "client_id=id-secret&client_secret=key-secret");
    let nik = format!("identifier=https%3A%2F%2Ffhir.kemkes.go.id%2Fid%2Fnik%7C{NIK}");
    assert_eq!(patient.query, nik);
    assert!(report.query.ends_with("%7C00000000-0000-0000-0000-000000000002"));
    assert_eq!(sent.token, "Bearer token-1");
    assert_eq!(sent.request_id, "01900000-0000-7000-8000-000000000000");
    assert_eq!(sent.body.matches(r#""resourceType":"Patient""#).count(), 1);
}

#[tokio::test]
async fn a_version_that_is_there_or_older_is_not_sent() {
    let platform = Platform::start(|seen, _| match seen.line.as_str() {
        REPORT => (200, searchset(&[report(3)])),
        TRANSACTION => (500, json!(null)),
        _ => (200, searchset(&[])),
    })
    .await;
    for version in 1..=3 {
        platform.deliver(version).await.unwrap();
    }
    assert!(!platform.lines().contains(&TRANSACTION.to_owned()));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_looking_again() {
    // The report is there at the second look, as after a first attempt whose answer was lost.
    let platform = Platform::start(|seen, before| match seen.line.as_str() {
        REPORT if before > 0 => (200, searchset(&[report(1)])),
        TRANSACTION => (200, applied(seen, "200 OK")),
        _ => (200, searchset(&[])),
    })
    .await;
    platform.deliver(1).await.unwrap();
    let lines = platform.lines();
    assert_eq!(lines.iter().filter(|it| *it == TRANSACTION).count(), 1);
}

#[tokio::test]
async fn a_write_that_is_overtaken_looks_again_and_replaces_what_it_sees() {
    let platform = Platform::start(|seen, before| match seen.line.as_str() {
        REPORT => (200, searchset(&[report(1 + before as u64)])),
        TRANSACTION if before == 0 => (412, json!({"resourceType": "OperationOutcome"})),
        TRANSACTION => (200, applied(seen, "200 OK")),
        _ => (200, searchset(&[])),
    })
    .await;
    platform.deliver(5).await.unwrap();
    let sent: Vec<_> = platform.seen().into_iter().filter(|it| it.line == TRANSACTION).collect();
    let [first, second] = sent.try_into().unwrap();
    assert!(first.body.contains(r#""ifMatch":"W/\"1\"""#));
    assert!(second.body.contains(r#""ifMatch":"W/\"2\"""#));
}

#[tokio::test]
async fn a_report_that_never_rests_ends_in_a_fault_that_may_be_tried_again() {
    let platform = Platform::start(|seen, _| match seen.line.as_str() {
        TRANSACTION => (409, json!(null)),
        _ => (200, searchset(&[])),
    })
    .await;
    assert_eq!(platform.deliver(1).await, Err(FaultKind::Unavailable));
}

#[tokio::test]
async fn a_condition_that_several_resources_meet_is_refused_for_good() {
    let issue = json!([{"severity": "error", "code": "multiple-matches"}]);
    let outcome = json!({"resourceType": "OperationOutcome", "issue": issue});
    let platform = Platform::start(move |seen, _| match seen.line.as_str() {
        TRANSACTION => (412, outcome.clone()),
        _ => (200, searchset(&[])),
    })
    .await;
    assert_eq!(platform.deliver(1).await, Err(FaultKind::Rejected));
    assert_eq!(platform.lines().iter().filter(|it| *it == TRANSACTION).count(), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let platform = Platform::start(|seen, _| match (seen.line.as_str(), seen.token.as_str()) {
        (_, "Bearer token-1") => (401, json!({"fault": {"faultstring": "Invalid access token"}})),
        (TRANSACTION, _) => (200, applied(seen, "201 Created")),
        _ => (200, searchset(&[])),
    })
    .await;
    platform.deliver(1).await.unwrap();
    assert_eq!(platform.lines().iter().filter(|it| *it == TOKEN).count(), 2);

    let platform = Platform::start(|_, _| (401, json!(null))).await;
    assert_eq!(platform.deliver(1).await, Err(FaultKind::Credentials));
    assert_eq!(platform.lines(), [TOKEN, PATIENT, TOKEN, PATIENT].map(str::to_owned));
}

#[tokio::test]
async fn facilities_are_answered_in_the_order_asked_and_unknown_ones_left_out() {
    let platform = Platform::start(|seen, _| {
        let known = ["a", "b", "c", "d", "e"].into_iter();
        let id = known.filter(|id| seen.query.ends_with(&format!("%7C{id}"))).collect::<String>();
        let system = "http://sys-ids.kemkes.go.id/organization/100099001";
        let resource = json!({"resourceType": "Organization", "id": "1", "active": id != "b",
            "identifier": [{"system": system, "value": id}]});
        (200, searchset(&[resource]))
    })
    .await;
    let ids = ["a", "b", "x", "c", "d", "e"].map(str::to_owned).to_vec();
    let question = Question::Facilities { ids };
    let answer = platform.adapter.lookup(&question, soon()).await.unwrap();
    let expected = ["a", "b", "c", "d", "e"];
    let expected = expected.map(|id| FacilityStanding { id: id.into(), active: id != "b" });
    assert!(answer == Answer::Facilities(expected.into()));
}

#[tokio::test]
async fn a_probe_shows_token_and_service_and_touches_nobody() {
    let platform = Platform::start(|_, before| {
        let version = ["4.0.1", "5.0.0"][before];
        (200, json!({"resourceType": "CapabilityStatement", "fhirVersion": version}))
    })
    .await;
    assert_eq!(platform.adapter.condition().token_expires, None);
    platform.adapter.probe(soon()).await.unwrap();
    assert_eq!(platform.lines(), [TOKEN, "GET /fhir-r4/v1/metadata"].map(str::to_owned));
    assert!(platform.adapter.condition().token_expires.is_some());
    let fault = platform.adapter.probe(soon()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Malformed);
}

#[tokio::test]
async fn what_satusehat_does_not_do_is_not_asked_of_it() {
    let platform = Platform::start(|_, _| (500, json!(null))).await;
    let village = file().worker.village;
    let lookup = platform.adapter.lookup(&Question::VillageIndex { village }, soon()).await;
    assert_eq!(lookup.map(drop).unwrap_err().kind, FaultKind::Unsupported);
    let mut parcel = parcel(1, file());
    parcel.content = Content::Worker(Box::new(file().worker));
    let delivery = platform.adapter.deliver(&parcel, soon()).await;
    assert_eq!(delivery.unwrap_err().kind, FaultKind::Unsupported);
    assert!(platform.lines().is_empty());
}

#[test]
fn settings_have_the_documented_paths_and_refuse_what_breaks_an_identifier() {
    let secrets = tempfile::tempdir().unwrap();
    let mut settings = settings("https://api-satusehat.example", &secrets);
    assert_eq!(settings.fhir_path, "/fhir-r4/v1");
    assert_eq!(settings.token_path, "/oauth2/v1/accesstoken");
    for id in ["", "100|1", "100/1"] {
        settings.organization_id = id.to_owned();
        let refused = Satusehat::new(&settings, Arc::new(SystemClock)).err();
        assert!(matches!(refused, Some(ConnectError::Setting { name: "organization_id", .. })));
    }
}
