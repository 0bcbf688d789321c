//! What SATUSEHAT holds: resources by type and id, and by identifier.
//!
//! Ids and versions follow from what was sent, not from chance or time.

use std::collections::{BTreeMap, BTreeSet};

use http::Uri;
use serde_json::{Value, json};

use super::outcome::Outcome;
use crate::world::World;

/// The system of NIK, as it is documented.
pub(super) const NIK: &str = "https://fhir.kemkes.go.id/id/nik";
/// The system of NIK, as several clients spell it.
pub(super) const NIK_OTHER: &str = "http://sys-ids.kemkes.go.id/nik";
/// The system of a mother's NIK, for a newborn without one.
pub(super) const NIK_OF_MOTHER: &str = "https://fhir.kemkes.go.id/id/nik-ibu";

/// A system and a value; `None` for a system is any.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) system: Option<String>,
    pub(super) value: String,
}

/// Everything.
pub(super) struct Store {
    world: World,
    resources: BTreeMap<(String, String), Stored>,
    /// Ids by type and value, with the system of each.
    identifiers: BTreeMap<(String, String), BTreeSet<(String, String)>>,
}

/// A resource with its version.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) version: u64,
    pub(super) resource: Value,
}

impl Store {
    pub(super) fn new(world: World) -> Self {
        Self { world, resources: BTreeMap::new(), identifiers: BTreeMap::new() }
    }

    pub(super) fn get(&self, kind: &str, id: &str) -> Option<&Stored> {
        self.resources.get(&(kind.to_owned(), id.to_owned()))
    }

    /// The resources of a type, by id.
    pub(super) fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.resources.iter().filter(move |((it, _), _)| it == kind).map(|(_, it)| &it.resource)
    }

    /// The ids of the resources of a type that have one of the identifiers.
    pub(super) fn find(&self, kind: &str, tokens: &[Token]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for Token { system, value } in tokens {
            let system = system.as_deref().map(canonical);
            let ids = self.identifiers.get(&(kind.to_owned(), value.clone()));
            for (having, id) in ids.into_iter().flatten() {
                if system.is_none_or(|system| system == having) {
                    found.insert(id.clone());
                }
            }
        }
        found
    }

    /// The ids that a condition finds: the query of a search, `identifier=system|value`.
    pub(super) fn meeting(&self, kind: &str, condition: &str) -> Result<BTreeSet<String>, Outcome> {
        let condition = condition.trim_start_matches('?');
        let parameters = parameters(&format!("/?{condition}"))?;
        match parameters.as_slice() {
            [(name, value)] if name == "identifier" => Ok(self.find(kind, &tokens(value))),
            _ => Err(Outcome::bad("not-supported", "a condition is one identifier")),
        }
    }

    /// Puts a resource in place; answers with its version.
    pub(super) fn put(&mut self, kind: &str, id: &str, mut resource: Value, now: &str) -> u64 {
        let key = (kind.to_owned(), id.to_owned());
        let before = self.resources.get(&key);
        let version = before.map_or(1, |it| it.version + 1);
        for token in before.map(|it| identifiers(&it.resource)).unwrap_or_default() {
            if let Some(ids) = self.identifiers.get_mut(&(kind.to_owned(), token.value)) {
                ids.retain(|(_, it)| it != id);
            }
        }
        for token in identifiers(&resource) {
            let system = token.system.as_deref().map(canonical).unwrap_or_default().to_owned();
            let ids = self.identifiers.entry((kind.to_owned(), token.value)).or_default();
            ids.insert((system, id.to_owned()));
        }
        if let Value::Object(fields) = &mut resource {
            fields.insert("id".to_owned(), id.into());
            let meta = json!({ "versionId": version.to_string(), "lastUpdated": now });
            fields.insert("meta".to_owned(), meta);
        }
        self.resources.insert(key, Stored { version, resource });
        version
    }

    /// An id that is free, in the shape that the type has: patients and practitioners have numbers.
    pub(super) fn new_id(&self, kind: &str, resource: &Value, also: &BTreeSet<String>) -> String {
        let name = identifiers(resource).into_iter().next().map_or_else(String::new, |token| {
            format!("{}|{}", token.system.unwrap_or_default(), token.value)
        });
        let nth = |n: u32| {
            let name = format!("{name} {n}");
            let chance = self.world.chance(kind, &name);
            match kind {
                "Patient" => format!("P8{:010}", chance % 10_000_000_000),
                "Practitioner" => format!("100{:08}", chance % 100_000_000),
                _ => self.world.id(kind, &name).to_string(),
            }
        };
        let free = |id: &String| self.get(kind, id).is_none() && !also.contains(id);
        (0..).map(nth).find(free).unwrap_or_default()
    }
}

/// The identifiers of a resource.
pub(super) fn identifiers(resource: &Value) -> Vec<Token> {
    let token = |identifier: &Value| {
        let system = identifier.get("system").and_then(Value::as_str).map(str::to_owned);
        Some(Token { system, value: identifier.get("value")?.as_str()?.to_owned() })
    };
    let list = resource.get("identifier").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(token).collect()
}

/// Both spellings of NIK's system are one.
fn canonical(system: &str) -> &str {
    if system == NIK_OTHER { NIK } else { system }
}

/// The parameters of a URI, decoded.
pub(super) fn parameters(uri: &str) -> Result<Vec<(String, String)>, Outcome> {
    let malformed = || Outcome::bad("invalid", "the query cannot be read");
    let uri: Uri = uri.parse().map_err(|_| malformed())?;
    axum::extract::Query::try_from_uri(&uri).map(|it| it.0).map_err(|_| malformed())
}

/// Reads a search parameter of type token: `system|value`, several by commas. A backslash takes
/// the meaning from the character after it.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut system, mut value) = (None, String::new());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => value.extend(chars.next()),
            '|' if system.is_none() => system = Some(std::mem::take(&mut value)),
            ',' => tokens.push(Token { system: system.take(), value: std::mem::take(&mut value) }),
            char => value.push(char),
        }
    }
    tokens.push(Token { system, value });
    tokens
}
