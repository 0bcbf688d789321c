//! What SATUSEHAT answers.
//!
//! One thin structure reads every resource: what is not needed is not looked at, and what is needed
//! and missing makes the answer malformed. An `OperationOutcome` says no wherever it stands: as an
//! answer's body under any status, or as the outcome of one entry of a transaction.
//!
//! Invariant: a fault repeats issue codes of FHIR's own list and nothing else of an answer. The
//! texts beside them may hold a NIK.

use desmigratif_core::nik::Nik;
use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use reqwest::StatusCode;
use serde::Deserialize;

use super::bundle::{NIK, RECORD_VERSION};

/// The system of NIK as several clients spell it.
const NIK_OTHER: &str = "http://sys-ids.kemkes.go.id/nik";

/// Any resource, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Resource {
    pub(super) resource_type: String,
    pub(super) id: String,
    pub(super) fhir_version: String,
    meta: Meta,
    r#type: serde_json::Value,
    identifier: serde_json::Value,
    extension: Vec<Extension>,
    active: Option<bool>,
    entry: Vec<Entry>,
    issue: Vec<Issue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    version_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Identifier {
    system: String,
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Extension {
    url: String,
    value_string: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    resource: Option<Resource>,
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    status: String,
    #[serde(default)]
    outcome: Option<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Issue {
    severity: String,
    code: String,
}

/// The report of a clearance as the server has it.
pub(super) struct Report {
    /// The version of the exchange's record; 0 where the report does not say.
    pub(super) version: u64,
    /// The server's version of the report, for `ifMatch`.
    pub(super) etag: Option<String>,
}

/// What came of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// It was applied whole.
    Whole,
    /// Someone else had created or replaced the report since it was looked for.
    Overtaken,
}

impl Resource {
    /// The fault that the resource says, if it is an outcome that says one.
    pub(super) fn refusal(&self, status: StatusCode) -> Option<Fault> {
        let grave = |issue: &&Issue| matches!(issue.severity.as_str(), "error" | "fatal");
        let outcome = self.resource_type == "OperationOutcome";
        let mut issues = self.issue.iter().filter(|_| outcome).filter(grave).peekable();
        let first = issues.peek().map(|it| fault_of(&it.code, status))?;
        // One refusal for good outweighs any number of passing troubles.
        Some(issues.map(|it| fault_of(&it.code, status)).find(refuses).unwrap_or(first))
    }

    /// Whether the resource is an outcome with an issue of a code.
    pub(super) fn says(&self, code: &str) -> bool {
        self.resource_type == "OperationOutcome" && self.issue.iter().any(|it| it.code == code)
    }

    /// The resources that a search found, of the type that was asked for.
    pub(super) fn found(self, resource_type: &str) -> Result<Vec<Self>, Fault> {
        if self.resource_type != "Bundle" || self.r#type != "searchset" {
            return Err(malformed("an answer to a search that is no searchset"));
        }
        // A searchset may hold notes of the server beside what was found.
        let found = self.entry.into_iter().filter_map(|it| it.resource);
        Ok(found.filter(|it| it.resource_type == resource_type).collect())
    }

    /// Whether the resource has the identifier: a server that overlooks a search parameter answers
    /// with everything it has.
    fn identified(&self, system: &str, value: &str) -> bool {
        self.identifiers().any(|it| it.system == system && it.value == value)
    }

    fn identifiers(&self) -> impl Iterator<Item = Identifier> {
        // Most resources have a list of them, a few have one.
        let list = match &self.identifier {
            serde_json::Value::Array(list) => list.as_slice(),
            other => std::slice::from_ref(other),
        };
        list.iter().filter_map(|it| Identifier::deserialize(it).ok())
    }
}

/// The one person whom a search by NIK found. SATUSEHAT may blank the NIK in its answer, so a
/// person is left out for a different NIK only, not for none.
pub(super) fn patient(found: Vec<Resource>, nik: &Nik) -> Result<Option<String>, Fault> {
    let is_nik = |it: &Identifier| [NIK, NIK_OTHER].contains(&it.system.as_str());
    let other = |it: &Identifier| is_nik(it) && Nik::parse(&it.value).is_ok_and(|it| it != *nik);
    let mut ids: Vec<_> = found
        .into_iter()
        .filter(|person| !person.identifiers().any(|it| other(&it)))
        .map(|person| person.id)
        .collect();
    ids.sort();
    ids.dedup();
    match ids.as_slice() {
        [] => Ok(None),
        [id] if is_id(id) => Ok(Some(id.clone())),
        [_] => Err(malformed("a Patient whose id is none")),
        _ => Err(Fault::new(
            FaultKind::Rejected,
            Retry::Never,
            "more than one Patient has the person's NIK",
        )),
    }
}

/// The report of a clearance among those that a search found; where there are several, the newest
/// of them decides.
pub(super) fn report(found: &[Resource], system: &str, value: &str) -> Option<Report> {
    let reports = found.iter().filter(|it| it.identified(system, value)).map(|it| {
        let version = it.extension.iter().find(|it| it.url == RECORD_VERSION);
        let version = version.and_then(|it| it.value_string.as_ref()?.parse().ok());
        let etag = it.meta.version_id.as_ref().map(|id| format!("W/\"{id}\""));
        Report { version: version.unwrap_or(0), etag }
    });
    reports.max_by_key(|it| it.version)
}

/// Whether the facility of an identifier is in operation, among those that a search found; `None`
/// when it is not there. One without `active` is taken to be, as FHIR has it, and of two that
/// disagree the closed one is believed.
pub(super) fn facility(found: &[Resource], system: &str, value: &str) -> Option<bool> {
    let states = found.iter().filter(|it| it.identified(system, value));
    states.map(|it| it.active.unwrap_or(true)).reduce(|a, b| a && b)
}

/// Reads the answer to a transaction of so many entries, the report last.
pub(super) fn applied(answer: &Resource, sent: usize, created: bool) -> Result<Applied, Fault> {
    if answer.resource_type != "Bundle" || answer.r#type != "transaction-response" {
        return Err(malformed("an answer to a transaction that is no transaction-response"));
    }
    if answer.entry.len() != sent {
        return Err(malformed("an answer to a transaction that has not one entry for each sent"));
    }
    let mut last = StatusCode::OK;
    for entry in &answer.entry {
        let Some(response) = &entry.response else {
            return Err(malformed("an entry of a transaction-response without response"));
        };
        let code = response.status.split_whitespace().next().unwrap_or_default();
        last = code.parse().map_err(|_| malformed("an entry's response without a status"))?;
        if overtaken(last) {
            return Ok(Applied::Overtaken);
        }
        if let Some(fault) = response.outcome.as_ref().and_then(|it| it.refusal(last)) {
            return Err(fault);
        }
        if !last.is_success() {
            return Err(fault_of("", last));
        }
    }
    // A conditional create that finds something answers 200 and changes nothing.
    let made = last == StatusCode::CREATED;
    Ok(if created && !made { Applied::Overtaken } else { Applied::Whole })
}

/// Whether a status says that what the request was conditional on has changed.
pub(super) fn overtaken(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)
}

pub(super) fn malformed(what: &'static str) -> Fault {
    Fault::new(FaultKind::Malformed, Retry::Safe, what)
}

fn refuses(fault: &Fault) -> bool {
    fault.kind == FaultKind::Rejected
}

/// Whether a text can be a resource's id, and so part of a reference.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.'))
}

/// The fault of an issue code (FHIR's value set `issue-type`) under a status.
fn fault_of(code: &str, status: StatusCode) -> Fault {
    let known = ISSUES.iter().find(|(known, ..)| *known == code);
    let (name, kind, retry) = match known {
        // A server in trouble says so by its status, whatever it calls the trouble.
        _ if status.is_server_error() => {
            let name = known.map_or("an unknown code", |(name, ..)| name);
            (name, FaultKind::Unavailable, Retry::Safe)
        }
        Some(&(name, kind, retry)) => (name, kind, retry),
        None => ("an unknown code", FaultKind::Rejected, Retry::Never),
    };
    Fault::new(kind, retry, format!("HTTP {}, issue {name}", status.as_u16()))
}

/// Every issue code, with what it means for a call.
const ISSUES: [(&str, FaultKind, Retry); 31] = {
    const NO: (FaultKind, Retry) = (FaultKind::Rejected, Retry::Never);
    const LATER: (FaultKind, Retry) = (FaultKind::Unavailable, Retry::Safe);
    const US: (FaultKind, Retry) = (FaultKind::Credentials, Retry::Never);
    const fn issue(
        code: &'static str,
        (kind, retry): (FaultKind, Retry),
    ) -> (&'static str, FaultKind, Retry) {
        (code, kind, retry)
    }
    [
        issue("invalid", NO),
        issue("structure", NO),
        issue("required", NO),
        issue("value", NO),
        issue("invariant", NO),
        issue("security", US),
        issue("login", US),
        issue("unknown", US),
        issue("expired", US),
        issue("forbidden", US),
        issue("suppressed", US),
        issue("processing", NO),
        issue("not-supported", NO),
        issue("duplicate", NO),
        issue("multiple-matches", NO),
        issue("not-found", NO),
        issue("deleted", NO),
        issue("too-long", NO),
        issue("code-invalid", NO),
        issue("extension", NO),
        issue("too-costly", NO),
        issue("business-rule", NO),
        issue("conflict", NO),
        issue("transient", LATER),
        issue("lock-error", LATER),
        issue("no-store", LATER),
        issue("exception", LATER),
        issue("timeout", LATER),
        issue("incomplete", LATER),
        issue("throttled", (FaultKind::Quota, Retry::Safe)),
        issue("informational", NO),
    ]
};
