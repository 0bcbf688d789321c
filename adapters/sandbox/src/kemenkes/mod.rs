//! Kemenkes's SATUSEHAT: OAuth2 client credentials and FHIR R4, as their clients know them.
//!
//! What trips clients is there: a token reply of strings, both spellings of NIK's system, a
//! `POST Patient` that answers in no FHIR, refusals as OperationOutcome, one organisation per
//! client id. It holds the people and facilities of the [`World`] and what transactions add.
//! Refusals of tokens have the shape of the API gateway that SATUSEHAT is known to stand behind;
//! their exact words are the sandbox's.

mod outcome;
mod store;
mod tokens;
mod transaction;
mod validate;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use bytes::Bytes;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::identity::{Person, Sex};
use desmigratif_core::name::PersonName;
use desmigratif_core::ports::clock::Clock;
use http::header::AUTHORIZATION;
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use self::outcome::{Outcome, fhir};
use self::store::{NIK, NIK_OF_MOTHER, NIK_OTHER, Store, identifiers, parameters, tokens as read};
use crate::credentials;
use crate::facilities;
use crate::fault::{Fault, Switch};
use crate::ledger::Ledger;
use crate::people;
use crate::world::World;

pub(crate) use tokens::Tokens;

/// SATUSEHAT's service.
pub(crate) struct Service {
    pub(crate) world: World,
    pub(crate) switch: Switch,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokens: Tokens,
    pub(crate) token_seconds: u32,
}

struct Shared {
    service: Service,
    store: Mutex<Store>,
}

impl Service {
    pub(crate) fn routes(self) -> Router {
        let mut store = Store::new(self.world.clone());
        let now = moment(self.clock.as_ref());
        for n in 0..people::PEOPLE {
            let nik = desmigratif_core::nik::Nik::parse(&people::candidate(n).nik);
            let person = nik.ok().and_then(|nik| self.world.person(&nik));
            if let Some(person) = person.filter(|_| n != people::REFUSED_PATIENT) {
                store.put("Patient", &format!("P9{n:010}"), patient(person, n), &now);
            }
        }
        for facility in self.world.facilities() {
            let organization = json!({
                "resourceType": "Organization",
                "identifier": [{
                    "use": "official",
                    "system": organization_system(),
                    "value": facility.id,
                }],
                "active": facility.id != facilities::CLOSED,
                "name": facility.name,
            });
            store.put("Organization", &facility.id, organization, &now);
        }
        let shared = Arc::new(Shared { service: self, store: Mutex::new(store) });
        Router::new()
            // Clients send a Bundle to the base with and without the slash.
            .route("/fhir-r4/v1", post(bundle))
            .route("/fhir-r4/v1/", post(bundle))
            .route("/fhir-r4/v1/metadata", get(metadata))
            .route("/fhir-r4/v1/Patient", get(search_patient).post(create_patient))
            .route("/fhir-r4/v1/{kind}", get(search))
            .route("/fhir-r4/v1/{kind}/{id}", get(read_one))
            .route_layer(from_fn_with_state(shared.clone(), authenticate))
            .route("/oauth2/v1/accesstoken", post(token))
            .with_state(shared)
    }
}

impl Shared {
    /// A change of the store that panics half way is a bug that its test shows.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The system of the facilities' identifiers.
fn organization_system() -> String {
    format!("http://sys-ids.kemkes.go.id/organization/{}", credentials::SATUSEHAT_ORGANIZATION_ID)
}

fn moment(clock: &dyn Clock) -> String {
    clock.now().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// Person n as a patient. Every second one has NIK's system in the other spelling.
fn patient(person: &Person, n: u32) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{
            "use": "official",
            "system": if n.is_multiple_of(2) { NIK } else { NIK_OTHER },
            "value": person.nik.expose(),
        }],
        "active": true,
        "name": [{ "use": "official", "text": person.name.expose() }],
        "gender": if person.sex == Sex::Female { "female" } else { "male" },
        "birthDate": person.birth.expose().to_string(),
    })
}

/// Whether it is the person whom the ministry does not take.
fn refused_patient(resource: &Value) -> bool {
    let nik = people::candidate(people::REFUSED_PATIENT).nik;
    identifiers(resource).iter().any(|it| it.value == nik)
}

async fn token(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    if query.get("grant_type").map(String::as_str) != Some("client_credentials") {
        let body = json!({ "ErrorCode": "invalid_request", "Error": "grant_type is missing" });
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let is = |name: &str, value: &str| form.get(name).is_some_and(|it| it == value);
    if !is("client_id", credentials::SATUSEHAT_CLIENT_ID)
        || !is("client_secret", credentials::SATUSEHAT_CLIENT_SECRET)
    {
        let body = json!({ "ErrorCode": "invalid_client", "Error": "ClientId is Invalid" });
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    let service = &shared.service;
    let n = service.ledger.issued_token();
    let secret = service.world.id("token", &n.to_string()).simple().to_string();
    let reply = service.tokens.issue(secret, service.clock.now(), service.token_seconds);
    Json(reply).into_response()
}

/// Refuses who has no token in force, and everyone when the quota is used up.
async fn authenticate(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let service = &shared.service;
    let fault = service.switch.get(AgencyKind::Kemenkes);
    let header = request.headers().get(AUTHORIZATION).and_then(|it| it.to_str().ok());
    let token = header.and_then(|it| it.strip_prefix("Bearer ")).unwrap_or_default();
    if fault == Some(Fault::TokenExpired) || !service.tokens.accepts(token, service.clock.now()) {
        let body = json!({ "fault": {
            "faultstring": "Invalid Access Token",
            "detail": { "errorcode": "keymanagement.service.invalid_access_token" },
        }});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    if fault == Some(Fault::Quota) {
        let outcome = Outcome::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "quota used up");
        return outcome.into_response();
    }
    next.run(request).await
}

async fn metadata(State(shared): State<Arc<Shared>>) -> Response {
    fhir(&json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": moment(shared.service.clock.as_ref()),
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{ "mode": "server", "interaction": [{ "code": "transaction" }] }],
    }))
}

async fn bundle(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Ok(bundle) = serde_json::from_slice(&body) else {
        return Outcome::bad("structure", "not JSON").into_response();
    };
    let now = moment(shared.service.clock.as_ref());
    let ledger = &shared.service.ledger;
    match transaction::apply(&mut shared.store(), bundle, &now, ledger) {
        Ok(response) => fhir(&response),
        Err(outcome) => outcome.into_response(),
    }
}

async fn read_one(
    State(shared): State<Arc<Shared>>,
    Path((kind, id)): Path<(String, String)>,
) -> Response {
    match shared.store().get(&kind, &id) {
        Some(stored) => fhir(&stored.resource),
        None => {
            Outcome::new(StatusCode::NOT_FOUND, "not-found", "no such resource").into_response()
        }
    }
}

async fn search(
    State(shared): State<Arc<Shared>>,
    Path(kind): Path<String>,
    uri: Uri,
) -> Result<Response, Outcome> {
    if !validate::is_known(&kind) {
        return Err(Outcome::new(StatusCode::NOT_FOUND, "not-supported", "no such type"));
    }
    let parameters = parameters(&uri.to_string())?;
    let Some((_, identifier)) = parameters.iter().find(|(name, _)| name == "identifier") else {
        return Err(Outcome::bad("required", "the search needs an identifier"));
    };
    let store = shared.store();
    let ids = store.find(&kind, &read(identifier));
    let found = ids.iter().filter_map(|id| store.get(&kind, id)).map(|it| &it.resource);
    Ok(searchset(&kind, found))
}

/// Patients by NIK, or by name, birth date and sex. A name beside a NIK must be the person's.
async fn search_patient(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Outcome> {
    let parameters = parameters(&uri.to_string())?;
    let value = |wanted: &str| {
        parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    let store = shared.store();
    let candidates: Vec<_> = match (value("identifier"), value("name"), value("birthdate")) {
        (Some(identifier), ..) => {
            let ids = store.find("Patient", &read(identifier));
            ids.iter().filter_map(|id| store.get("Patient", id)).map(|it| &it.resource).collect()
        }
        (None, Some(_), Some(_)) => store.all("Patient").collect(),
        _ => {
            let text = "the search needs a NIK, or name and birthdate";
            return Err(Outcome::bad("required", text));
        }
    };
    let same = |resource: &&Value| {
        let field = |name: &str| resource.get(name).and_then(Value::as_str);
        let same_as = |parameter, name| value(parameter).is_none_or(|it| field(name) == Some(it));
        let name = resource["name"][0]["text"].as_str().map(PersonName::parse);
        let name_fits =
            value("name").is_none_or(|wanted| match (PersonName::parse(wanted), &name) {
                (Ok(wanted), Some(Ok(name))) => wanted.likeness(name) == 100,
                _ => false,
            });
        name_fits && same_as("birthdate", "birthDate") && same_as("gender", "gender")
    };
    Ok(searchset("Patient", candidates.into_iter().filter(same)))
}

fn searchset<'a>(kind: &str, found: impl Iterator<Item = &'a Value>) -> Response {
    let entry = |resource: &Value| {
        let id = resource["id"].as_str().unwrap_or_default();
        let url = format!("https://fhir.example.org/{kind}/{id}");
        json!({ "fullUrl": url, "resource": resource, "search": { "mode": "match" } })
    };
    let entries: Vec<_> = found.map(entry).collect();
    fhir(&json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": entries.len(),
        "entry": entries,
    }))
}

/// Registers a patient: one with a NIK once, a newborn under the mother's NIK each time. The
/// answer is no FHIR, and has another shape for newborns.
async fn create_patient(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<Response, Outcome> {
    let patient: Value =
        serde_json::from_slice(&body).map_err(|_| Outcome::bad("structure", "not JSON"))?;
    validate::resource("Patient", &patient)?;
    if refused_patient(&patient) {
        return Err(Outcome::against("business-rule", "the patient cannot be registered"));
    }
    let now = moment(shared.service.clock.as_ref());
    let mut store = shared.store();
    let newborn =
        identifiers(&patient).iter().any(|it| it.system.as_deref() == Some(NIK_OF_MOTHER));
    let there = store.find("Patient", &identifiers(&patient)).pop_first();
    let id = match there.filter(|_| !newborn) {
        Some(id) => id,
        None => {
            let id = store.new_id("Patient", &patient, &BTreeSet::new());
            store.put("Patient", &id, patient, &now);
            id
        }
    };
    let reply = json!({ "success": true, "data": { "patient_id": id } });
    let reply = if newborn { json!({ "create_patient": reply }) } else { reply };
    Ok((StatusCode::CREATED, Json(reply)).into_response())
}
