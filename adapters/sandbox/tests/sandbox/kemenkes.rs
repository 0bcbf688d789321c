use std::sync::Arc;

use desmigratif_core::access::AgencyKind::Kemenkes;
use desmigratif_core::ports::clock::SetClock;
use desmigratif_sandbox::fixtures::fixtures;
use desmigratif_sandbox::{Fault, Sandbox, Settings, credentials, people};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::{client, start, start_with, url, world};

pub(crate) const NIK: &str = "https://fhir.kemkes.go.id/id/nik";
const NIK_OTHER: &str = "http://sys-ids.kemkes.go.id/nik";

async fn grant(sandbox: &Sandbox, query: &str, secret: &str) -> Response {
    let form = [("client_id", credentials::SATUSEHAT_CLIENT_ID), ("client_secret", secret)];
    let address = url(sandbox, Kemenkes, &format!("/oauth2/v1/accesstoken{query}"));
    client().post(address).form(&form).send().await.unwrap()
}

pub(crate) async fn token(sandbox: &Sandbox) -> String {
    let secret = credentials::SATUSEHAT_CLIENT_SECRET;
    let reply = grant(sandbox, "?grant_type=client_credentials", secret).await;
    let reply: Value = reply.json().await.unwrap();
    reply["access_token"].as_str().unwrap().to_owned()
}

pub(crate) async fn get(sandbox: &Sandbox, token: &str, path: &str) -> (StatusCode, Value) {
    get_by(sandbox, token, path, &[]).await
}

pub(crate) async fn get_by(
    sandbox: &Sandbox,
    token: &str,
    path: &str,
    query: &[(&str, &str)],
) -> (StatusCode, Value) {
    let address = url(sandbox, Kemenkes, &format!("/fhir-r4/v1{path}"));
    let request = client().get(address).query(query).bearer_auth(token);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

pub(crate) async fn post(
    sandbox: &Sandbox,
    token: &str,
    path: &str,
    body: &Value,
) -> (StatusCode, Value) {
    let address = url(sandbox, Kemenkes, &format!("/fhir-r4/v1{path}"));
    let request = client().post(address).json(body).bearer_auth(token);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// The one found by a search.
pub(crate) fn only(searchset: &Value) -> &Value {
    assert_eq!(searchset["resourceType"], "Bundle");
    assert_eq!(searchset["type"], "searchset");
    assert_eq!(searchset["total"], 1, "{searchset}");
    &searchset["entry"][0]["resource"]
}

#[tokio::test]
async fn a_token_reply_is_made_of_strings() {
    let sandbox = start().await;
    let secret = credentials::SATUSEHAT_CLIENT_SECRET;
    let reply = grant(&sandbox, "?grant_type=client_credentials", secret).await;
    let reply: Value = reply.json().await.unwrap();
    assert!(reply.as_object().unwrap().values().all(Value::is_string), "{reply}");
    assert_eq!(reply["expires_in"], "14399");
    assert_eq!(reply["token_type"], "BearerToken");
    let token = reply["access_token"].as_str().unwrap();
    let (status, metadata) = get(&sandbox, token, "/metadata").await;
    assert_eq!((status, &metadata["fhirVersion"]), (StatusCode::OK, &json!("4.0.1")));
    assert_eq!(sandbox.ledger().tokens_issued(), 1);

    assert_eq!(grant(&sandbox, "", secret).await.status(), 400);
    let refused = grant(&sandbox, "?grant_type=client_credentials", "other").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(sandbox.ledger().tokens_issued(), 1);
}

#[tokio::test]
async fn a_token_is_refused_once_it_has_expired_by_time_or_by_order() {
    let clock = Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()));
    let settings =
        Settings { satusehat_token_seconds: 60, clock: clock.clone(), ..Settings::default() };
    let sandbox = start_with(settings).await;
    let status = async |token: &str| get(&sandbox, token, "/metadata").await.0;
    let first = token(&sandbox).await;
    clock.set("2026-11-24T05:00:59Z".parse().unwrap());
    assert_eq!(status(&first).await, 200);
    clock.set("2026-11-24T05:01:00Z".parse().unwrap());
    assert_eq!(status(&first).await, 401);

    let second = token(&sandbox).await;
    assert_ne!(first, second);
    sandbox.expire_tokens();
    assert_eq!(status(&second).await, 401);

    let third = token(&sandbox).await;
    sandbox.switch().set(Kemenkes, Some(Fault::TokenExpired));
    assert_eq!(status(&third).await, 401);
    sandbox.switch().set(Kemenkes, Some(Fault::Quota));
    let (status_code, outcome) = get(&sandbox, &third, "/metadata").await;
    assert_eq!(status_code, 429);
    assert_eq!(outcome["issue"][0]["code"], "throttled");
    sandbox.switch().set(Kemenkes, None);
    assert_eq!(status(&third).await, 200);
    assert_eq!(status("none").await, 401);
}

#[tokio::test]
async fn a_patient_is_found_by_either_spelling_of_the_system_and_told_in_either() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    let mut spellings = std::collections::BTreeSet::new();
    for n in [people::VERIFIED, people::FUZZY] {
        let nik = people::candidate(n).nik;
        let mut ids = Vec::new();
        for system in [NIK, NIK_OTHER] {
            let identifier = format!("{system}|{nik}");
            let query = [("identifier", identifier.as_str())];
            let (status, found) = get_by(&sandbox, &token, "/Patient", &query).await;
            assert_eq!(status, 200);
            let patient = only(&found);
            spellings.insert(patient["identifier"][0]["system"].to_string());
            ids.push(patient["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(ids[0], ids[1]);
        let digits = ids[0].strip_prefix('P').unwrap();
        assert!(digits.len() == 11 && digits.bytes().all(|it| it.is_ascii_digit()), "{digits}");
    }
    assert_eq!(spellings.len(), 2);
}

#[tokio::test]
async fn a_name_in_a_search_must_be_the_persons() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    let person = people::candidate(people::VERIFIED);
    let identifier = format!("{NIK}|{}", person.nik);
    let total = async |query: &[(&str, &str)]| {
        get_by(&sandbox, &token, "/Patient", query).await.1["total"].clone()
    };
    assert_eq!(total(&[("identifier", &identifier), ("name", &person.name)]).await, 1);
    assert_eq!(total(&[("identifier", &identifier), ("name", "Orang Lain")]).await, 0);
    let born = person.birth_date.to_string();
    let gender = if person.female { "female" } else { "male" };
    let by_name = [("name", person.name.as_str()), ("birthdate", &born), ("gender", gender)];
    assert_eq!(total(&by_name).await, 1);
    let unknown = format!("{NIK}|{}", fixtures().refused_patient);
    assert_eq!(total(&[("identifier", &unknown)]).await, 0);
    let (status, outcome) = get(&sandbox, &token, "/Patient").await;
    assert_eq!(
        (status, &outcome["resourceType"]),
        (StatusCode::BAD_REQUEST, &json!("OperationOutcome"))
    );
}

pub(crate) fn patient(system: &str, nik: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{ "use": "official", "system": system, "value": nik }],
        "name": [{ "use": "official", "text": "Contoh Baru" }],
        "gender": "female",
        "birthDate": "1990-05",
    })
}

#[tokio::test]
async fn a_posted_patient_is_answered_in_no_fhir() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    let new = patient(NIK, "9901014505900001");
    let (status, answer) = post(&sandbox, &token, "/Patient", &new).await;
    assert_eq!(status, 201);
    assert!(answer.get("resourceType").is_none());
    assert_eq!(answer["success"], true);
    let id = answer["data"]["patient_id"].as_str().unwrap();
    assert!(id.starts_with('P') && id.len() == 12, "{id}");
    // The same NIK is the same patient, in the other spelling too.
    let again = patient(NIK_OTHER, "9901014505900001");
    assert_eq!(post(&sandbox, &token, "/Patient", &again).await.1, answer);

    let newborn = patient("https://fhir.kemkes.go.id/id/nik-ibu", "9901014505900001");
    let (_, first) = post(&sandbox, &token, "/Patient", &newborn).await;
    let (_, second) = post(&sandbox, &token, "/Patient", &newborn).await;
    let id = |answer: &Value| answer["create_patient"]["data"]["patient_id"].clone();
    assert!(id(&first).is_string());
    assert_ne!(id(&first), id(&second), "twins");

    let refused = patient(NIK, &fixtures().refused_patient);
    let (status, outcome) = post(&sandbox, &token, "/Patient", &refused).await;
    assert_eq!(
        (status, &outcome["issue"][0]["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("business-rule"))
    );
}

#[tokio::test]
async fn a_facility_is_found_by_identifier_and_by_id_and_one_is_closed() {
    let sandbox = start().await;
    let token = token(&sandbox).await;
    let system = format!(
        "http://sys-ids.kemkes.go.id/organization/{}",
        credentials::SATUSEHAT_ORGANIZATION_ID
    );
    for facility in world().facilities() {
        let identifier = format!("{system}|{}", facility.id);
        let query = [("identifier", identifier.as_str())];
        let (_, found) = get_by(&sandbox, &token, "/Organization", &query).await;
        let organization = only(&found);
        assert_eq!(organization["active"], facility.id != fixtures().closed_facility);
        let path = format!("/Organization/{}", facility.id);
        assert_eq!(&get(&sandbox, &token, &path).await.1, organization);
    }
    let several = format!("{system}|klinik-malang,{system}|klinik-pati,{system}|none");
    let query = [("identifier", several.as_str())];
    let (_, found) = get_by(&sandbox, &token, "/Organization", &query).await;
    assert_eq!(found["total"], 2);
    assert_eq!(get(&sandbox, &token, "/Organization/none").await.0, 404);
    assert_eq!(get(&sandbox, &token, "/Medication").await.0, 404);
}
