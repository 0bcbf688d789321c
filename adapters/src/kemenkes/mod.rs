//! Kemenkes, the Ministry of Health: its SATUSEHAT platform, over FHIR R4.
//!
//! A clearance goes out as one FHIR transaction. Whether SATUSEHAT knows the person, and which
//! version of the clearance it has, is looked up before; what it has already is not sent again, and
//! what changes between the look and the write makes the write fail and the look be repeated. So a
//! parcel has one effect however often it is delivered, and an older version never follows a newer.
//!
//! Of FHIR only what is used is modelled, in thin structures of our own: the model crates hold the
//! whole standard, and cost more to build than the rest of the exchange.
//!
//! What is taken from SATUSEHAT's public documents and clients: paths, token protocol, identifier
//! systems, extension of addresses. What is not in them, and so has to be agreed with the ministry:
//! that transactions honour `ifNoneExist`, `ifMatch` and conditional updates as FHIR has them, and
//! the code systems under `urn:desmigratif`.

mod answer;
mod bundle;
mod fhir;
#[cfg(test)]
mod fuzz;
mod mapping;
#[cfg(test)]
mod tests;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::{
    Answer, Condition, Content, FacilityStanding, Fault, FaultKind, Ministry, Parcel, Question,
    Retry,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::config::{ConnectError, Secret, resolve};
use crate::upstream::http::{Http, Reply};
use crate::upstream::{self, Upstream};
use answer::{Applied, Report, Resource};
use bundle::{NIK, Present, Systems, by_identifier};
use token::{Granted, Issuer, Token, Tokens};

/// The media type that SATUSEHAT's documents send FHIR under.
const JSON: &str = "application/json";
/// How many facilities are asked for at one time.
const SIDE_BY_SIDE: usize = 4;
/// How often a write is tried that another overtakes.
const ROUNDS: usize = 3;

/// How the exchange reaches SATUSEHAT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The platform's URL: "https://api-satusehat.dto.kemkes.go.id" or the like.
    pub url: Url,
    /// Path of the FHIR service.
    #[serde(default = "default_fhir_path")]
    pub fhir_path: String,
    /// Path of the token service.
    #[serde(default = "default_token_path")]
    pub token_path: String,
    /// PEM file of the one CA that is trusted; by default the system's are.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The Organization ID that the client id belongs to. Identifiers are given under it.
    pub organization_id: String,
    /// Where the client id is.
    pub client_id: Secret,
    /// Where the client secret is.
    pub client_secret: Secret,
    /// How calls are limited and repeated.
    #[serde(default)]
    pub upstream: upstream::Settings,
}

fn default_fhir_path() -> String {
    "/fhir-r4/v1".to_owned()
}

fn default_token_path() -> String {
    "/oauth2/v1/accesstoken".to_owned()
}

impl Settings {
    /// Takes relative paths from `folder` on.
    pub fn resolve(&mut self, folder: &Path) {
        if let Some(ca) = &mut self.ca {
            resolve(ca, folder);
        }
        self.client_id.resolve(folder);
        self.client_secret.resolve(folder);
    }
}

/// Sets up the way to SATUSEHAT. Reads secrets and certificates; calls nobody yet.
///
/// # Errors
/// [`ConnectError`] when the settings are of no use.
pub fn connect(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<impl Ministry + use<>, ConnectError> {
    settings.upstream.check()?;
    Satusehat::new(settings, clock)
}

struct Satusehat {
    http: Arc<Http>,
    upstream: Upstream,
    tokens: Tokens,
    systems: Systems,
    fhir: String,
}

/// A request that may be sent any number of times.
struct Call {
    method: Method,
    path: String,
    body: Option<(Bytes, Uuid)>,
}

impl Satusehat {
    fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        let id = &settings.organization_id;
        if id.is_empty() || !id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
            return Err(ConnectError::Setting {
                name: "organization_id",
                rule: "letters, digits and hyphens, at least one",
            });
        }
        let http = Arc::new(Http::new(&settings.upstream, &settings.url, settings.ca.as_deref())?);
        let door = Door {
            http: Arc::clone(&http),
            path: format!("{}?grant_type=client_credentials", settings.token_path),
            client_id: settings.client_id.read()?,
            client_secret: settings.client_secret.read()?,
            patience: Duration::from_millis(settings.upstream.timeout_ms),
            clock: Arc::clone(&clock),
        };
        Ok(Self {
            http,
            upstream: Upstream::new(AgencyKind::Kemenkes, &settings.upstream, Arc::clone(&clock)),
            tokens: Tokens::new(door, clock),
            systems: Systems::of(id),
            fhir: settings.fhir_path.trim_end_matches('/').to_owned(),
        })
    }

    /// The id of a person, where the ministry has one.
    async fn patient(&self, nik: &Nik, deadline: Instant) -> Result<Option<String>, Fault> {
        let search = self.search("Patient", NIK, nik.expose());
        let read = |reply: &Reply| answer::patient(resource(reply)?.found("Patient")?, nik);
        self.call(&search, deadline, read).await
    }

    /// The report of a clearance, where the ministry has one.
    async fn report(&self, id: Uuid, deadline: Instant) -> Result<Option<Report>, Fault> {
        let (system, value) = (self.systems.of_kind("diagnostic"), id.to_string());
        let search = self.search("DiagnosticReport", &system, &value);
        let read = |reply: &Reply| {
            let found = resource(reply)?.found("DiagnosticReport")?;
            Ok(answer::report(&found, &system, &value))
        };
        self.call(&search, deadline, read).await
    }

    /// How a facility stands; `None` when the ministry does not know it.
    async fn facility(
        &self,
        id: &str,
        deadline: Instant,
    ) -> Result<Option<FacilityStanding>, Fault> {
        let system = self.systems.of_kind("organization");
        let search = self.search("Organization", &system, id);
        let read = |reply: &Reply| {
            let found = resource(reply)?.found("Organization")?;
            let active = answer::facility(&found, &system, id);
            Ok(active.map(|active| FacilityStanding { id: id.to_owned(), active }))
        };
        self.call(&search, deadline, read).await
    }

    fn search(&self, resource_type: &str, system: &str, value: &str) -> Call {
        let path = format!("{}/{resource_type}?{}", self.fhir, by_identifier(system, value));
        Call { method: Method::GET, path, body: None }
    }

    /// Makes a call and reads its answer, as often as the kit has it.
    async fn call<T: Send>(
        &self,
        call: &Call,
        deadline: Instant,
        read: impl Fn(&Reply) -> Result<T, Fault> + Send + Sync,
    ) -> Result<T, Fault> {
        let read = &read;
        let attempt = |until| async move { read(&self.send(call, until).await?) };
        self.upstream.call(deadline, attempt).await
    }

    /// Sends a call with a token, and once more with a new one if the first is not accepted.
    async fn send(&self, call: &Call, until: Instant) -> Result<Reply, Fault> {
        let (token, reply) = self.send_once(call, until).await?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        self.tokens.reject(&token);
        let (_, reply) = self.send_once(call, until).await?;
        Ok(reply)
    }

    async fn send_once(&self, call: &Call, until: Instant) -> Result<(Token, Reply), Fault> {
        let token = self.tokens.get(until).await?;
        let mut request = self
            .http
            .request(call.method.clone(), &call.path)
            .bearer_auth(token.secret.expose_secret())
            .header(ACCEPT, JSON);
        if let Some((body, key)) = &call.body {
            request = request
                .header(CONTENT_TYPE, JSON)
                .header("X-Request-Id", key.to_string())
                .body(body.clone());
        }
        let reply = self.http.send(request, until).await?;
        Ok((token, reply))
    }
}

/// Reads a resource, or the fault that the answer is.
fn resource(reply: &Reply) -> Result<Resource, Fault> {
    if reply.status.is_success() {
        let resource = reply.json::<Resource>()?;
        return match resource.refusal(reply.status) {
            Some(fault) => Err(fault),
            None => Ok(resource),
        };
    }
    // Where the status alone decides, an outcome adds nothing.
    let decided = matches!(reply.status.as_u16(), 401 | 403 | 408 | 429);
    let outcome = serde_json::from_slice::<Resource>(&reply.body).ok();
    let refusal = outcome.and_then(|it| it.refusal(reply.status));
    let by_status = decided || !reply.status.is_client_error();
    Err(refusal.filter(|_| !by_status).unwrap_or_else(|| reply.fault()))
}

/// Whether a transaction failed because what it was conditional on has changed. That a condition is
/// met by several resources has the same status, and does not pass.
fn overtaken(reply: &Reply) -> bool {
    let outcome = serde_json::from_slice::<Resource>(&reply.body).unwrap_or_default();
    answer::overtaken(reply.status) && !outcome.says("multiple-matches")
}

#[async_trait]
impl Ministry for Satusehat {
    async fn lookup(&self, question: &Question, deadline: Instant) -> Result<Answer, Fault> {
        let Question::Facilities { ids } = question else {
            return Err(Fault::unsupported("SATUSEHAT answers questions on facilities alone"));
        };
        let asked = ids.iter().map(|id| self.facility(id, deadline)).collect::<Vec<_>>();
        let standings: Vec<_> = stream::iter(asked).buffered(SIDE_BY_SIDE).try_collect().await?;
        Ok(Answer::Facilities(standings.into_iter().flatten().collect()))
    }

    async fn deliver(&self, parcel: &Parcel, deadline: Instant) -> Result<(), Fault> {
        let Content::Clearance(file) = &parcel.content else {
            return Err(Fault::unsupported("SATUSEHAT takes clearances alone"));
        };
        let patient = self.patient(&file.worker.nik, deadline).await?;
        for _ in 0..ROUNDS {
            let present = match self.report(file.clearance.id, deadline).await? {
                Some(report) if report.version >= parcel.version => return Ok(()),
                Some(report) => Present::Older { etag: report.etag },
                None => Present::Nothing,
            };
            let bundle = bundle::build(parcel, file, &self.systems, patient.as_deref(), &present);
            let body = serde_json::to_vec(&bundle)
                .expect("a Bundle holds texts, flags and numbers that are JSON already");
            let body = Some((Bytes::from(body), parcel.key));
            let call = Call { method: Method::POST, path: self.fhir.clone(), body };
            let (sent, created) = (bundle.entry.len(), matches!(present, Present::Nothing));
            let read = |reply: &Reply| {
                if overtaken(reply) {
                    return Ok(Applied::Overtaken);
                }
                answer::applied(&resource(reply)?, sent, created)
            };
            match self.call(&call, deadline, read).await? {
                Applied::Whole => return Ok(()),
                Applied::Overtaken => {}
            }
        }
        let what = "the report kept changing while it was written";
        Err(Fault::new(FaultKind::Unavailable, Retry::Safe, what))
    }

    async fn probe(&self, deadline: Instant) -> Result<(), Fault> {
        let path = format!("{}/metadata", self.fhir);
        let call = Call { method: Method::GET, path, body: None };
        let read = |reply: &Reply| {
            let statement = resource(reply)?;
            let r4 = statement.fhir_version.starts_with("4.");
            (statement.resource_type == "CapabilityStatement" && r4)
                .then_some(())
                .ok_or_else(|| answer::malformed("metadata that is not of a FHIR R4 service"))
        };
        self.call(&call, deadline, read).await
    }

    fn condition(&self) -> Condition {
        Condition { token_expires: self.tokens.expires(), ..self.upstream.condition() }
    }
}

/// SATUSEHAT's token service.
struct Door {
    http: Arc<Http>,
    path: String,
    client_id: SecretString,
    client_secret: SecretString,
    patience: Duration,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Issuer for Door {
    async fn issue(&self) -> Result<Token, Fault> {
        let until = tokio::time::Instant::now() + self.patience;
        let request = self.http.request(Method::POST, &self.path).header(ACCEPT, JSON).form(&[
            ("client_id", self.client_id.expose_secret()),
            ("client_secret", self.client_secret.expose_secret()),
        ]);
        let reply = self.http.send(request, until.into_std()).await?;
        if reply.status.is_success() {
            return reply.json::<Granted>()?.token(self.clock.now());
        }
        Err(match reply.fault() {
            // All that a request for a token says is who asks.
            Fault { kind: FaultKind::Rejected, retry, what } => {
                Fault::new(FaultKind::Credentials, retry, what)
            }
            fault => fault,
        })
    }
}
