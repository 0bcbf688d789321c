//! What comes back.

use desmigratif_core::nik::Nik;
use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use serde_json::{Value, json};

use super::super::answer::{self, Applied, Resource};
use super::super::bundle::RECORD_VERSION;
use super::super::resource;
use super::{NIK, reply};

const OFFICIAL: &str = "https://fhir.kemkes.go.id/id/nik";
const OTHER: &str = "http://sys-ids.kemkes.go.id/nik";

fn outcome(severity: &str, code: &str) -> Value {
    let diagnostics = format!("Patient with NIK {NIK} is not accepted");
    let issue = json!({"severity": severity, "code": code, "diagnostics": diagnostics});
    json!({"resourceType": "OperationOutcome", "issue": [issue]})
}

fn searchset(resources: &[Value]) -> Value {
    let entry: Vec<_> = resources.iter().map(|it| json!({"resource": it})).collect();
    json!({"resourceType": "Bundle", "type": "searchset", "total": entry.len(), "entry": entry})
}

fn found(resources: &[Value], resource_type: &str) -> Vec<Resource> {
    let answer = searchset(resources).to_string();
    resource(&reply(200, &answer)).unwrap().found(resource_type).unwrap()
}

fn fault(status: u16, body: &str) -> Fault {
    resource(&reply(status, body)).map(drop).unwrap_err()
}

#[test]
fn a_refusal_is_judged_by_its_status_and_its_code() {
    use FaultKind::{Credentials, Malformed, Quota, Rejected, Unavailable};
    for (status, body, kind, retry, what) in [
        // Rules of the ministry, under any status that is not its own trouble.
        (400, outcome("error", "business-rule"), Rejected, false, "HTTP 400, issue business-rule"),
        (422, outcome("fatal", "invariant"), Rejected, false, "HTTP 422, issue invariant"),
        (404, outcome("error", "not-found"), Rejected, false, "HTTP 404, issue not-found"),
        (200, outcome("error", "value"), Rejected, false, "HTTP 200, issue value"),
        (400, outcome("error", NIK), Rejected, false, "HTTP 400, issue an unknown code"),
        (400, json!({"error": NIK}), Rejected, false, "HTTP 400"),
        // Passing troubles.
        (400, outcome("error", "timeout"), Unavailable, true, "HTTP 400, issue timeout"),
        (200, outcome("error", "exception"), Unavailable, true, "HTTP 200, issue exception"),
        (200, outcome("error", "throttled"), Quota, true, "HTTP 200, issue throttled"),
        (500, outcome("error", "business-rule"), Unavailable, true, "HTTP 500"),
        (502, json!("<html>"), Unavailable, true, "HTTP 502"),
        (429, outcome("error", "throttled"), Quota, true, "HTTP 429"),
        // The exchange itself.
        (401, outcome("error", "login"), Credentials, false, "HTTP 401"),
        (403, outcome("error", "business-rule"), Credentials, false, "HTTP 403"),
        (400, outcome("error", "forbidden"), Credentials, false, "HTTP 400, issue forbidden"),
        // No protocol at all.
        (200, json!("<html>"), Malformed, true, "the answer is JSON of another shape"),
    ] {
        let fault = fault(status, &body.to_string());
        assert_eq!((fault.kind, fault.what.as_ref()), (kind, what), "{status} {what}");
        assert_eq!(fault.retry != Retry::Never, retry, "{status} {what}");
    }
    let html = fault(200, "<html>Sedang dalam pemeliharaan</html>");
    assert_eq!(html.kind, Malformed);
}

#[test]
fn a_refusal_for_good_outweighs_passing_troubles_and_warnings_are_none() {
    let issue = |severity: &str, code: &str| json!({"severity": severity, "code": code});
    let body = json!({"resourceType": "OperationOutcome", "issue": [
        issue("warning", "invariant"), issue("error", "timeout"), issue("error", "required")]});
    assert_eq!(fault(400, &body.to_string()).what, "HTTP 400, issue required");
    let warning = outcome("warning", "business-rule").to_string();
    assert!(resource(&reply(200, &warning)).is_ok());
}

#[test]
fn a_person_is_found_by_either_spelling_and_never_by_another_nik() {
    let nik = Nik::parse(NIK).unwrap();
    let patient = |id: &str, system: &str, value: &str| {
        let identifier = json!([{"system": system, "value": value}]);
        json!({"resourceType": "Patient", "id": id, "identifier": identifier})
    };
    let read = |people: &[Value]| answer::patient(found(people, "Patient"), &nik);
    let of = |system, value| read(&[patient("P02478375538", system, value)]).unwrap();
    let ihs = Some("P02478375538".to_owned());
    assert_eq!(of(OFFICIAL, NIK), ihs);
    assert_eq!(of(OTHER, NIK), ihs);
    assert_eq!(of(OFFICIAL, "################"), ihs);
    assert_eq!(of(OFFICIAL, "9901014501900002"), None);
    assert_eq!(of(OTHER, "9901014501900002"), None);
    assert_eq!(read(&[]).unwrap(), None);

    let twice = read(&[patient("P1", OFFICIAL, NIK), patient("P2", OFFICIAL, NIK)]).unwrap_err();
    assert_eq!((twice.kind, twice.retry), (FaultKind::Rejected, Retry::Never));
    for id in ["", "../Patient", "P 1"] {
        let fault = read(&[patient(id, OFFICIAL, NIK)]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Malformed, "{id}");
    }
}

#[test]
fn the_notes_of_a_server_are_not_what_it_found() {
    let nik = Nik::parse(NIK).unwrap();
    let people = found(&[outcome("warning", "processing")], "Patient");
    assert_eq!(answer::patient(people, &nik).unwrap(), None);
    for body in [json!({"resourceType": "Patient"}), json!({"resourceType": "Bundle"}), json!({})] {
        let answer = resource(&reply(200, &body.to_string())).unwrap();
        assert_eq!(answer.found("Patient").err().unwrap().kind, FaultKind::Malformed);
    }
}

#[test]
fn a_report_is_known_by_its_identifier_and_says_its_version() {
    let report = |value: &str, version: Option<&str>| {
        let extension: Vec<_> =
            version.iter().map(|it| json!({"url": RECORD_VERSION, "valueString": it})).collect();
        json!({"resourceType": "DiagnosticReport", "id": "1", "meta": {"versionId": "4"},
            "identifier": [{"system": "s", "value": value}], "extension": extension})
    };
    let read = |reports: &[Value]| {
        let report = answer::report(&found(reports, "DiagnosticReport"), "s", "a");
        report.map(|it| (it.version, it.etag))
    };
    let etag = Some("W/\"4\"".to_owned());
    assert_eq!(read(&[report("a", Some("3"))]), Some((3, etag.clone())));
    assert_eq!(read(&[report("a", Some("2")), report("a", Some("10"))]).unwrap().0, 10);
    assert_eq!(read(&[report("a", None)]), Some((0, etag)));
    assert_eq!(read(&[report("b", Some("3"))]), None);
    assert_eq!(read(&[]), None);
}

#[test]
fn a_facility_is_open_unless_it_says_that_it_is_not() {
    let facility = |value: &str, active: Value| {
        json!({"resourceType": "Organization", "id": "1", "active": active,
            "identifier": [{"system": "s", "value": value}]})
    };
    let read = |all: &[Value]| answer::facility(&found(all, "Organization"), "s", "a");
    assert_eq!(read(&[facility("a", json!(true))]), Some(true));
    assert_eq!(read(&[facility("a", json!(null))]), Some(true));
    assert_eq!(read(&[facility("a", json!(false))]), Some(false));
    assert_eq!(read(&[facility("a", json!(true)), facility("a", json!(false))]), Some(false));
    assert_eq!(read(&[facility("b", json!(true))]), None);
}

#[test]
fn a_transaction_is_whole_overtaken_refused_or_malformed() {
    let response = |entries: Value| {
        let body = json!({"resourceType": "Bundle", "type": "transaction-response",
            "entry": entries});
        let answer = resource(&reply(200, &body.to_string())).unwrap();
        move |created| answer::applied(&answer, 2, created)
    };
    let status = |status: &str| json!({"response": {"status": status}});
    let both = |a: &str, b: &str| response(json!([status(a), status(b)]));

    assert_eq!(both("201 Created", "201 Created")(true), Ok(Applied::Whole));
    assert_eq!(both("200 OK", "201")(true), Ok(Applied::Whole));
    assert_eq!(both("200 OK", "200 OK")(false), Ok(Applied::Whole));
    assert_eq!(both("201 Created", "200 OK")(true), Ok(Applied::Overtaken));
    assert_eq!(both("200 OK", "412 Precondition Failed")(false), Ok(Applied::Overtaken));
    assert_eq!(both("422 Unprocessable", "201")(true).unwrap_err().kind, FaultKind::Rejected);
    assert_eq!(both("503", "201")(true).unwrap_err().kind, FaultKind::Unavailable);
    let told = json!({"response": {"status": "400", "outcome": outcome("error", "required")}});
    let fault = response(json!([told, status("201")]))(true).unwrap_err();
    assert_eq!(fault.what, "HTTP 400, issue required");
    for entries in [json!([]), json!([status("201")]), json!([{}, {}])] {
        assert_eq!(response(entries)(true).unwrap_err().kind, FaultKind::Malformed);
    }
    assert_eq!(both("", "201")(true).unwrap_err().kind, FaultKind::Malformed);
    let other = resource(&reply(200, &searchset(&[]).to_string())).unwrap();
    assert_eq!(answer::applied(&other, 0, true).unwrap_err().kind, FaultKind::Malformed);
}
