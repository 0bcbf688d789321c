//! What a gateway leaves behind: no personal value in its log, metrics, errors or journal.

use std::os::unix::process::ExitStatusExt as _;

use desmigratif_core::access::AgencyKind;
use desmigratif_proto::common::v1::{BirthDate, DatePrecision, Sex};
use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_proto::identity::v1::{IdentityElements, VerifyIdentityRequest};
use desmigratif_sandbox::{Fault, people};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use tonic::Code;

use crate::calls::{
    look_up, register, registration, registration_of, submission, submit, verification, verify,
};
use crate::country::{Country, Ways, eventually};
use crate::gateway::{Gateway, fresh_nik, new_id, stating};

const NAME: &str = "Contoh Zubaidah Qistina";
const PHONE: &str = "+6281277665544";
const ADDRESS: &str = "Gang Rahasia 77";
const VALUE: &str = "13.731913";
const EXAMINER: &str = "dr. Contoh Wiraguna";

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_value_is_left_in_log_metrics_or_journal() {
    let gateway = Gateway::start();
    let nik = fresh_nik();
    let refused = format!("{}0000", &fresh_nik()[..12]);
    use_the_exchange(&gateway, &nik, &refused).await;

    let personal = [nik.as_str(), &refused, NAME, "Zubaidah", PHONE, ADDRESS, VALUE, EXAMINER];
    let (live, _) = gateway.operators_get("/livez").await;
    let (ready, _) = gateway.operators_get("/readyz").await;
    assert!(live.contains(" 200 ") && ready.contains(" 200 "), "{live} {ready}");
    let (metrics_status, metrics) = gateway.operators_get("/metrics").await;
    assert!(metrics_status.contains(" 200 "), "{metrics_status}");
    assert!(metrics.contains("RegisterWorker"), "{metrics}");
    absent(&personal, "metrics", metrics.as_bytes());

    for table in ["entry", "request", "delivery"] {
        let bytes = dump(&gateway, table);
        assert!(!bytes.is_empty(), "{table}");
        absent(&personal, table, &bytes);
    }

    gateway.signal("TERM");
    let mut gateway = gateway;
    assert!(gateway.wait().success());
    let log = gateway.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|line| line.is_object()), "{line}");
    }
    absent(&personal, "log", log.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_crashes_leaves_no_core_dump() {
    let gateway = Gateway::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);
    gateway.signal("ABRT");
    assert!(!gateway.crashed().core_dumped());
}

/// Registers, verifies, hands in, looks up, and is refused, with the values above.
async fn use_the_exchange(gateway: &Gateway, nik: &str, refused: &str) {
    let kemnaker = gateway.connect("kemnaker").await;
    let clinic = gateway.connect("klinik-indramayu").await;
    let kemendagri = gateway.connect("kemendagri").await;
    let details = |nik: &str| {
        let mut request = registration(nik);
        let worker = request.worker.as_mut().unwrap();
        worker.name = NAME.into();
        worker.phone = PHONE.into();
        worker.address = ADDRESS.into();
        request
    };
    register(&kemnaker, details(nik)).await.unwrap();
    let verify = VerifyIdentityRequest {
        request_id: new_id(),
        nik: nik.into(),
        freshness: None,
        elements: Some(IdentityElements {
            name: NAME.into(),
            birth_date: Some(BirthDate {
                date: "1990-01-15".into(),
                precision: DatePrecision::Day.into(),
            }),
            sex: Sex::Female.into(),
            ..Default::default()
        }),
    };
    IdentityServiceClient::new(kemendagri)
        .verify_identity(stating("identity-check", verify))
        .await
        .unwrap();
    let mut clearance = submission(nik);
    let stated = clearance.clearance.as_mut().unwrap();
    stated.findings[0].value = VALUE.into();
    stated.examiner.as_mut().unwrap().name = EXAMINER.into();
    submit(&clinic, clearance.clone()).await.unwrap();
    look_up(&kemnaker, "placement-screening", nik).await.unwrap();

    // Refusals: a broken NIK, a person registered already, a purpose not held, another body.
    let broken = register(&kemnaker, details(refused)).await.unwrap_err();
    assert_eq!(broken.code(), Code::InvalidArgument);
    let twice = register(&kemnaker, details(nik)).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    let purpose = look_up(&kemnaker, "identity-check", nik).await.unwrap_err();
    assert_eq!(purpose.code(), Code::PermissionDenied);
    clearance.clearance.as_mut().unwrap().findings.clear();
    assert_eq!(submit(&clinic, clearance).await.unwrap_err().code(), Code::Aborted);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_left_behind_when_ministries_answer_with_rubbish() {
    let country = Country::start(&Ways { log: "debug", ..Ways::default() }).await;
    let kemnaker = country.gateway.connect("kemnaker").await;
    let kemendagri = country.gateway.connect("kemendagri").await;
    let clinic = country.gateway.connect("klinik-indramayu").await;
    let mut personal = vec![VALUE.to_owned(), EXAMINER.to_owned()];
    let mut persons = people::candidates();
    let faults = [
        Fault::Garbage,
        Fault::Html,
        Fault::Http500,
        Fault::Reset,
        Fault::LostAnswer,
        Fault::Quota,
        Fault::TokenExpired,
        Fault::Down,
    ];
    for fault in faults.map(Some).into_iter().chain([None]) {
        for ministry in AgencyKind::MINISTRIES {
            country.sandbox.switch().set(ministry, fault);
        }
        let person = persons.next().unwrap();
        register(&kemnaker, registration_of(&person)).await.unwrap();
        let claim = verification(&person.nik, &person.name, person.birth_date);
        verify(&kemendagri, claim).await.unwrap();
        let mut clearance = submission(&person.nik);
        let stated = clearance.clearance.as_mut().unwrap();
        stated.findings[0].value = VALUE.into();
        stated.examiner.as_mut().unwrap().name = EXAMINER.into();
        let handed_in = submit(&clinic, clearance).await.unwrap().clearance_id;
        personal.extend([person.nik, person.name]);
        // Each ministry has been tried with it.
        for ministry in ["kemenkes", "kemnaker"] {
            eventually("the clearance is tried", async || {
                let all = country.deliveries(&["--ministry", ministry]);
                all.iter().any(|it| it.record == handed_in && it.attempts > 0).then_some(())
            })
            .await;
        }
    }
    // One that Kemenkes refuses, with the words of its refusal.
    let refused = people::candidate(people::REFUSED_PATIENT);
    register(&kemnaker, registration_of(&refused)).await.unwrap();
    submit(&clinic, submission(&refused.nik)).await.unwrap();
    personal.extend([refused.nik, refused.name]);
    eventually("it is dead", async || {
        (!country.deliveries(&["--state", "dead"]).is_empty()).then_some(())
    })
    .await;

    let personal: Vec<_> = personal.iter().map(String::as_str).collect();
    for args in [
        &["deliveries", "list"][..],
        &["deliveries", "list", "-o", "json"],
        &["adapters", "list"],
        &["adapters", "list", "-o", "json"],
    ] {
        absent(&personal, &args.join(" "), country.operate(args).as_bytes());
    }
    let (_, metrics) = country.gateway.operators_get("/metrics").await;
    assert!(metrics.contains("kemenkes"), "{metrics}");
    absent(&personal, "metrics", metrics.as_bytes());
    absent(&personal, "delivery", &dump_columns(&country.gateway, "SELECT reason FROM delivery"));
    let mut gateway = country.gateway;
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let log = gateway.log();
    assert!(log.contains("\"level\":\"DEBUG\""), "debug lines are among it");
    assert!(log.contains("no answer") && log.contains("not delivered"));
    absent(&personal, "log", log.as_bytes());
}

fn absent(personal: &[&str], place: &str, bytes: &[u8]) {
    for value in personal {
        let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "{value} is in the {place}");
    }
}

/// Every value of a table, one after the other.
fn dump(gateway: &Gateway, table: &str) -> Vec<u8> {
    dump_columns(gateway, &format!("SELECT * FROM {table}"))
}

/// Every value that a query finds, one after the other.
fn dump_columns(gateway: &Gateway, sql: &str) -> Vec<u8> {
    let store = gateway.data().join("store.sqlite");
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = store.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut bytes = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            match row.get_ref(column).unwrap() {
                ValueRef::Text(value) | ValueRef::Blob(value) => bytes.extend(value),
                ValueRef::Integer(value) => bytes.extend(value.to_string().bytes()),
                ValueRef::Real(_) | ValueRef::Null => {}
            }
            bytes.push(b'\n');
        }
    }
    bytes
}
