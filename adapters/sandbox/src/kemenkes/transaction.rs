//! A Bundle of type transaction, by the rules of FHIR R4: all of it takes effect or nothing does.
//!
//! Beyond them one rule is the sandbox's own: a DiagnosticReport that carries the version of the
//! exchange's record is never replaced by one of the same or a lower version; then the whole
//! Bundle is taken and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use desmigratif_core::access::AgencyKind;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::outcome::Outcome;
use super::store::{Store, identifiers};
use super::validate;
use crate::kemenkes::refused_patient;
use crate::ledger::Ledger;

/// The extension in which the exchange states the version of its record.
const RECORD_VERSION: &str = "urn:desmigratif:fhir:record-version";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    resource_type: String,
    r#type: String,
    timestamp: Option<String>,
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    full_url: Option<String>,
    resource: Value,
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    if_none_exist: Option<String>,
    if_match: Option<String>,
}

/// What an entry comes to.
struct Step {
    kind: String,
    id: String,
    resource: Value,
    action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Keep,
    Replace,
}

/// Applies a Bundle; answers with the transaction-response.
pub(super) fn apply(
    store: &mut Store,
    bundle: Value,
    now: &str,
    ledger: &Ledger,
) -> Result<Value, Outcome> {
    let bundle: Bundle = serde_json::from_value(bundle)
        .map_err(|_| Outcome::bad("structure", "not a Bundle whose entries have requests"))?;
    if bundle.resource_type != "Bundle" || bundle.r#type != "transaction" {
        return Err(Outcome::bad("not-supported", "only a Bundle of type transaction is taken"));
    }
    let timestamp = json!({ "timestamp": bundle.timestamp });
    validate::resource("Bundle", &timestamp)?;

    let (mut steps, mut names) = (Vec::new(), BTreeMap::new());
    let mut new_ids = BTreeSet::new();
    for entry in bundle.entry {
        let full_url = entry.full_url.clone();
        let step = plan(store, entry, &new_ids)?;
        if steps.iter().any(|it: &Step| (&it.kind, &it.id) == (&step.kind, &step.id)) {
            return Err(Outcome::bad("invalid", "two entries are of the same resource"));
        }
        if step.action == Action::Create {
            new_ids.insert(step.id.clone());
        }
        let target = format!("{}/{}", step.kind, step.id);
        if full_url.is_some_and(|url| names.insert(url, target).is_some()) {
            return Err(Outcome::bad("invalid", "two entries have the same fullUrl"));
        }
        steps.push(step);
    }
    let made: BTreeSet<_> = names.values().cloned().collect();
    for step in &mut steps {
        resolve(&mut step.resource, &names, &made, store)?;
        validate::resource(&step.kind, &step.resource)?;
        if step.kind == "Patient" && refused_patient(&step.resource) {
            return Err(Outcome::against("business-rule", "the patient cannot be registered"));
        }
    }
    if steps.iter().any(|step| is_stale(store, step)) {
        for step in &mut steps {
            step.action = Action::Keep;
        }
    }
    let answers: Vec<_> = steps.into_iter().map(|it| take(store, it, now, ledger)).collect();
    Ok(json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": answers }))
}

/// What an entry comes to in the store as it is.
fn plan(store: &Store, entry: Entry, new_ids: &BTreeSet<String>) -> Result<Step, Outcome> {
    let Entry { resource, request, .. } = entry;
    let Request { method, url, if_none_exist, if_match } = request;
    let kind: String = url.chars().take_while(char::is_ascii_alphabetic).collect();
    if !validate::is_known(&kind) {
        return Err(Outcome::bad("not-supported", format!("no {kind} is taken")));
    }
    if resource.get("resourceType").and_then(Value::as_str) != Some(kind.as_str()) {
        return Err(Outcome::bad("invalid", "the request's URL is of another resourceType"));
    }
    let one_of = |ids: BTreeSet<String>| match ids.len() {
        0 | 1 => Ok(ids.into_iter().next()),
        _ => Err(Outcome::unmet("multiple-matches", "the condition meets several resources")),
    };
    let rest = &url[kind.len()..];
    let (found, action) = match (method.as_str(), rest.split_at_checked(1)) {
        ("POST", None) => match if_none_exist {
            Some(condition) => (one_of(store.meeting(&kind, &condition)?)?, Action::Keep),
            None if !store.find(&kind, &identifiers(&resource)).is_empty() => {
                return Err(Outcome::bad("duplicate", format!("the {kind} is there already")));
            }
            None => (None, Action::Keep),
        },
        ("PUT", Some(("?", condition))) => {
            (one_of(store.meeting(&kind, condition)?)?, Action::Replace)
        }
        ("PUT", Some(("/", id))) => {
            let there = store.get(&kind, id).map(|_| id.to_owned());
            let missing = || Outcome::new(StatusCode::NOT_FOUND, "not-found", "no such resource");
            (Some(there.ok_or_else(missing)?), Action::Replace)
        }
        _ => return Err(Outcome::bad("not-supported", "only POST and PUT of resources are taken")),
    };
    if let Some(etag) = if_match {
        let version = found.as_ref().and_then(|id| store.get(&kind, id)).map(|it| it.version);
        if version.is_none_or(|version| etag != format!("W/\"{version}\"")) {
            return Err(Outcome::unmet("conflict", "the resource has another version"));
        }
    }
    Ok(match found {
        Some(id) => Step { kind, id, resource, action },
        None => {
            let id = store.new_id(&kind, &resource, new_ids);
            Step { kind, id, resource, action: Action::Create }
        }
    })
}

/// Turns every reference into `Type/id`: to what the Bundle or the store has.
fn resolve(
    value: &mut Value,
    names: &BTreeMap<String, String>,
    made: &BTreeSet<String>,
    store: &Store,
) -> Result<(), Outcome> {
    match value {
        Value::Array(list) => list.iter_mut().try_for_each(|it| resolve(it, names, made, store)),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, value)| match value {
            Value::String(text) if name == "reference" => {
                let missing = || Outcome::bad("not-found", "a reference that leads nowhere");
                if let Some(target) = names.get(text) {
                    *text = target.clone();
                } else if let Some((kind, condition)) = text.split_once('?') {
                    let mut ids = store.meeting(kind, condition)?.into_iter();
                    let (Some(id), None) = (ids.next(), ids.next()) else {
                        let what = "a conditional reference that does not lead to one resource";
                        return Err(Outcome::unmet("multiple-matches", what));
                    };
                    *text = format!("{kind}/{id}");
                } else {
                    let (kind, id) = text.split_once('/').ok_or_else(missing)?;
                    if !made.contains(text) && store.get(kind, id).is_none() {
                        return Err(missing());
                    }
                }
                Ok(())
            }
            value => resolve(value, names, made, store),
        }),
        _ => Ok(()),
    }
}

/// Whether a step would replace a report by one that is not newer.
fn is_stale(store: &Store, step: &Step) -> bool {
    step.kind == "DiagnosticReport"
        && step.action == Action::Replace
        && store.get(&step.kind, &step.id).is_some_and(|there| {
            let newer = |a: Option<u64>, b: Option<u64>| a.zip(b).is_none_or(|(a, b)| a > b);
            !newer(record_version(&step.resource), record_version(&there.resource))
        })
}

/// The version of the exchange's record that a resource states.
fn record_version(resource: &Value) -> Option<u64> {
    let extensions = resource.get("extension")?.as_array()?;
    let ours = extensions.iter().find(|it| it["url"] == RECORD_VERSION)?;
    ours.get("valueString")?.as_str()?.parse().ok()
}

/// Takes a step; answers with its entry of the response.
fn take(store: &mut Store, step: Step, now: &str, ledger: &Ledger) -> Value {
    let Step { kind, id, resource, action } = step;
    if kind == "DiagnosticReport" && action != Action::Keep {
        // By the first identifier and the version: the same twice is a doubled delivery.
        let version = record_version(&resource).unwrap_or_default();
        if let Some(token) = identifiers(&resource).first() {
            ledger.took_effect(AgencyKind::Kemenkes, &format!("{}/{version}", token.value));
        }
    }
    let (status, version) = match action {
        Action::Create => ("201 Created", Some(store.put(&kind, &id, resource, now))),
        Action::Replace => ("200 OK", Some(store.put(&kind, &id, resource, now))),
        Action::Keep => ("200 OK", store.get(&kind, &id).map(|it| it.version)),
    };
    let mut response = json!({ "status": status });
    if let Some(version) = version {
        response["location"] = format!("{kind}/{id}/_history/{version}").into();
        response["etag"] = format!("W/\"{version}\"").into();
        response["lastModified"] = now.into();
    }
    json!({ "response": response })
}
