use desmigratif_core::access::AgencyKind::Kemenkes;
use desmigratif_sandbox::fixtures::fixtures;
use desmigratif_sandbox::{Sandbox, credentials, people};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::kemenkes::{NIK, get_by, only, patient, post, token};
use crate::start;

const REPORT: &str = "5e9a4f50-0000-4000-8000-000000000001";

fn system(kind: &str) -> String {
    format!("http://sys-ids.kemkes.go.id/{kind}/{}", credentials::SATUSEHAT_ORGANIZATION_ID)
}

fn entry(n: u8, mut resource: Value, system: &str, value: &str) -> Value {
    resource["identifier"] = json!([{ "use": "official", "system": system, "value": value }]);
    let kind = resource["resourceType"].clone();
    json!({
        "fullUrl": urn(n),
        "resource": resource,
        "request": {
            "method": "POST",
            "url": kind,
            "ifNoneExist": format!("identifier={system}%7C{value}"),
        },
    })
}

fn urn(n: u8) -> String {
    format!("urn:uuid:00000000-0000-4000-8000-0000000000{n:02}")
}

fn reference(n: u8) -> Value {
    json!({ "reference": urn(n) })
}

/// A clearance of a record's version, conditional on nothing being there.
fn clearance(version: u64) -> Value {
    let nik = people::candidate(people::VERIFIED).nik;
    let day = "2026-11-20T00:00:00+07:00";
    let code = json!({ "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] });
    let organization = json!({ "resourceType": "Organization", "name": "Klinik Contoh" });
    let practitioner =
        json!({ "resourceType": "Practitioner", "name": [{ "text": "Contoh Dokter" }] });
    let encounter = json!({
        "resourceType": "Encounter",
        "status": "finished",
        "class": { "code": "AMB" },
        "subject": reference(1),
        "participant": [{ "individual": reference(3) }],
        "period": { "start": day, "end": day },
        "serviceProvider": reference(2),
    });
    let observation = json!({
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        "subject": reference(1),
        "encounter": reference(4),
        "effectiveDateTime": day,
    });
    let report = json!({
        "resourceType": "DiagnosticReport",
        "extension": [{
            "url": "urn:desmigratif:fhir:record-version",
            "valueString": version.to_string(),
        }],
        "status": "final",
        "category": [{ "text": "-" }],
        "code": { "text": "-" },
        "subject": reference(1),
        "encounter": reference(4),
        "issued": day,
        "result": [reference(5)],
        "conclusion": format!("version {version}"),
    });
    json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": "2026-11-20T03:00:00+00:00",
        "entry": [
            entry(1, patient(NIK, &nik), NIK, &nik),
            entry(2, organization, &system("organization"), "klinik-malang"),
            entry(3, practitioner, &system("practitioner"), "SIP-1"),
            entry(4, encounter, &system("encounter"), REPORT),
            entry(5, observation, &system("observation"), "5e9a-1"),
            entry(6, report, &system("diagnostic"), REPORT),
        ],
    })
}

/// The clearance, replacing what is there.
fn replacing(version: u64, if_match: Option<&str>) -> Value {
    let mut bundle = clearance(version);
    for entry in &mut bundle["entry"].as_array_mut().unwrap()[3..] {
        let request = &entry["request"];
        let (kind, condition) = (&request["url"], &request["ifNoneExist"]);
        let url = format!("{}?{}", kind.as_str().unwrap(), condition.as_str().unwrap());
        entry["request"] = json!({ "method": "PUT", "url": url });
    }
    if let Some(etag) = if_match {
        bundle["entry"][5]["request"]["ifMatch"] = etag.into();
    }
    bundle
}

async fn report(sandbox: &Sandbox, token: &str) -> Value {
    let identifier = format!("{}|{REPORT}", system("diagnostic"));
    let query = [("identifier", identifier.as_str())];
    let (_, found) = get_by(sandbox, token, "/DiagnosticReport", &query).await;
    if found["total"] == 0 { Value::Null } else { only(&found).clone() }
}

fn statuses(answer: &Value) -> Vec<&str> {
    let entries = answer["entry"].as_array().unwrap();
    entries.iter().map(|it| it["response"]["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_clearance_sent_again_has_one_effect() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    let (status, answer) = post(&sandbox, &token, "", &clearance(1)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["type"], "transaction-response");
    // The patient and the facility were there.
    let (ok, made) = ("200 OK", "201 Created");
    assert_eq!(statuses(&answer), [ok, ok, made, made, made, made]);
    let stored = report(&sandbox, &token).await;
    let subject = stored["subject"]["reference"].as_str().unwrap();
    assert!(subject.starts_with("Patient/P9"), "{subject}");
    assert!(stored["result"][0]["reference"].as_str().unwrap().starts_with("Observation/"));

    let (_, answer) = post(&sandbox, &token, "/", &clearance(1)).await;
    assert_eq!(statuses(&answer), [ok; 6]);
    assert_eq!(report(&sandbox, &token).await, stored);
    assert_eq!(sandbox.ledger().effects_of(Kemenkes, &format!("{REPORT}/1")), 1);
    assert_eq!(sandbox.ledger().effects(Kemenkes).len(), 1);
}

#[tokio::test]
async fn a_newer_version_replaces_and_an_older_one_never() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    post(&sandbox, &token, "", &clearance(1)).await;
    for (version, seen) in [(3, "version 3"), (2, "version 3"), (3, "version 3"), (4, "version 4")]
    {
        let (status, answer) = post(&sandbox, &token, "", &replacing(version, None)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(report(&sandbox, &token).await["conclusion"], seen);
    }
    let effects: Vec<_> = sandbox.ledger().effects(Kemenkes).into_iter().collect();
    assert_eq!(effects, [1, 3, 4].map(|version| (format!("{REPORT}/{version}"), 1)));
}

#[tokio::test]
async fn a_replacement_of_what_has_changed_meanwhile_is_refused_whole() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    let (status, _) = post(&sandbox, &token, "", &replacing(1, Some("W/\"1\""))).await;
    assert_eq!(status, 412, "there is nothing yet");
    post(&sandbox, &token, "", &clearance(1)).await;
    assert_eq!(report(&sandbox, &token).await["meta"]["versionId"], "1");
    let (status, _) = post(&sandbox, &token, "", &replacing(2, Some("W/\"1\""))).await;
    assert_eq!(status, 200);
    let (status, outcome) = post(&sandbox, &token, "", &replacing(3, Some("W/\"1\""))).await;
    assert_eq!(
        (status, &outcome["issue"][0]["code"]),
        (StatusCode::PRECONDITION_FAILED, &json!("conflict"))
    );
    assert_eq!(report(&sandbox, &token).await["conclusion"], "version 2");
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_an_outcome_and_has_no_effect() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    let refused = fixtures().refused_patient;
    type Break<'a> = (&'a str, Box<dyn Fn(&mut Value)>, u16, &'a str);
    let cases: [Break; 10] = [
        (
            "no offset",
            Box::new(|it| it["entry"][5]["resource"]["issued"] = "2026-11-20T00:00:00".into()),
            400,
            "value",
        ),
        (
            "no timestamp's offset",
            Box::new(|it| it["timestamp"] = "2026-11-20T03:00:00Z".into()),
            400,
            "value",
        ),
        (
            "no status",
            Box::new(|it| it["entry"][4]["resource"]["status"] = Value::Null),
            422,
            "required",
        ),
        (
            "no NIK",
            Box::new(|it| it["entry"][0]["resource"]["identifier"][0]["system"] = "urn:x".into()),
            422,
            "required",
        ),
        (
            "a lost reference",
            Box::new(|it| it["entry"][5]["resource"]["result"][0] = reference(77)),
            400,
            "not-found",
        ),
        (
            "an unknown id",
            Box::new(|it| it["entry"][5]["resource"]["subject"]["reference"] = "Patient/P1".into()),
            400,
            "not-found",
        ),
        (
            "another organisation",
            Box::new(|it| {
                let other = "http://sys-ids.kemkes.go.id/diagnostic/100099002";
                it["entry"][5]["resource"]["identifier"][0]["system"] = other.into();
            }),
            403,
            "business-rule",
        ),
        (
            "two of one name",
            Box::new(|it| it["entry"][4]["fullUrl"] = urn(4).into()),
            400,
            "invalid",
        ),
        ("a batch", Box::new(|it| it["type"] = "batch".into()), 400, "not-supported"),
        (
            "a patient who is refused",
            Box::new(move |it| it["entry"][0] = entry(1, patient(NIK, &refused), NIK, &refused)),
            422,
            "business-rule",
        ),
    ];
    for (what, spoil, status, code) in cases {
        let mut bundle = clearance(1);
        spoil(&mut bundle);
        let (answered, outcome) = post(&sandbox, &token, "", &bundle).await;
        assert_eq!(answered.as_u16(), status, "{what}: {outcome}");
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{what}");
        assert_eq!(outcome["issue"][0]["code"], code, "{what}: {outcome}");
        assert_eq!(report(&sandbox, &token).await, Value::Null, "{what}");
    }
    assert!(sandbox.ledger().effects(Kemenkes).is_empty());
}

#[tokio::test]
async fn a_second_of_a_kind_is_refused_where_no_condition_allows_it() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    post(&sandbox, &token, "", &clearance(1)).await;
    let mut bundle = clearance(1);
    bundle["entry"][5]["request"].as_object_mut().unwrap().remove("ifNoneExist");
    let (status, outcome) = post(&sandbox, &token, "", &bundle).await;
    assert_eq!(
        (status, &outcome["issue"][0]["code"]),
        (StatusCode::BAD_REQUEST, &json!("duplicate"))
    );
}

#[tokio::test]
async fn the_same_transactions_make_the_same_ids() {
    let (one, other) = (start().await, start().await);
    let mut answers = Vec::new();
    for sandbox in [&one, &other] {
        let token = token(sandbox).await;
        let (_, mut answer) = post(sandbox, &token, "", &clearance(1)).await;
        for entry in answer["entry"].as_array_mut().unwrap() {
            entry["response"]["lastModified"] = Value::Null;
        }
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_conditional_reference_leads_to_the_one_that_meets_it() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    let mut bundle = clearance(1);
    let nik = people::candidate(people::FUZZY).nik;
    let condition = format!("Patient?identifier={NIK}%7C{nik}");
    bundle["entry"][5]["resource"]["subject"]["reference"] = condition.into();
    post(&sandbox, &token, "", &bundle).await;
    let expected = format!("Patient/P9{:010}", people::FUZZY);
    assert_eq!(report(&sandbox, &token).await["subject"]["reference"], expected);
}
