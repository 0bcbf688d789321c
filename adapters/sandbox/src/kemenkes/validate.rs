//! The rules that SATUSEHAT checks a resource by, as far as they are known and concern the
//! exchange: no profile validator.

use jiff::fmt::strtime::BrokenDownTime;
use serde_json::Value;

use super::outcome::Outcome;
use super::store::{NIK, NIK_OF_MOTHER, NIK_OTHER, identifiers};
use crate::credentials::SATUSEHAT_ORGANIZATION_ID;

/// Elements of the type dateTime or instant, wherever they stand.
const MOMENTS: [&str; 9] = [
    "effectiveDateTime",
    "issued",
    "start",
    "end",
    "valueDateTime",
    "recordedDate",
    "authoredOn",
    "onsetDateTime",
    "timestamp",
];
/// Types that are taken, with what each needs.
const NEEDED: [(&str, &[&str]); 7] = [
    ("Patient", &["identifier", "name", "gender", "birthDate"]),
    ("Organization", &["identifier", "name"]),
    ("Practitioner", &["identifier", "name"]),
    ("Location", &["identifier", "name", "position"]),
    (
        "Encounter",
        &["identifier", "status", "class", "subject", "participant", "period", "serviceProvider"],
    ),
    ("Observation", &["status", "code", "subject", "encounter", "effectiveDateTime"]),
    (
        "DiagnosticReport",
        &["identifier", "status", "category", "code", "subject", "encounter", "issued"],
    ),
];
/// The beginning of the systems of identifiers that an organisation gives.
const OWN_SYSTEMS: &str = "http://sys-ids.kemkes.go.id/";

/// Whether a type of resource is taken.
pub(super) fn is_known(kind: &str) -> bool {
    NEEDED.iter().any(|(known, _)| *known == kind)
}

/// Checks a resource of a known type.
pub(super) fn resource(kind: &str, resource: &Value) -> Result<(), Outcome> {
    let needed = NEEDED.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, it)| it);
    for field in needed {
        let empty = match resource.get(*field) {
            None | Some(Value::Null) => true,
            Some(Value::Array(list)) => list.is_empty(),
            Some(_) => false,
        };
        if empty {
            return Err(Outcome::against("required", format!("{kind}.{field} is required")));
        }
    }
    moments(resource)?;
    for token in identifiers(resource) {
        let system = token.system.as_deref().unwrap_or_default();
        if system.is_empty() || token.value.is_empty() {
            let text = format!("{kind}.identifier needs system and value");
            return Err(Outcome::against("required", text));
        }
        // One client id is one organisation.
        let own = system.starts_with(OWN_SYSTEMS) && system != NIK_OTHER;
        if own && system.rsplit('/').next() != Some(SATUSEHAT_ORGANIZATION_ID) {
            let text = "resource cannot be accessed due to business rule";
            return Err(Outcome::new(http::StatusCode::FORBIDDEN, "business-rule", text));
        }
    }
    let by_nik = |token: &super::store::Token| {
        let system = token.system.as_deref().unwrap_or_default();
        [NIK, NIK_OTHER, NIK_OF_MOTHER].contains(&system)
    };
    if kind == "Patient" && !identifiers(resource).iter().any(by_nik) {
        return Err(Outcome::against("required", "Patient.identifier needs a NIK"));
    }
    if kind == "Location" {
        let position = resource.get("position");
        let decimal = |field| position.and_then(|it| it.get(field)).is_some_and(Value::is_number);
        if !decimal("longitude") || !decimal("latitude") {
            return Err(Outcome::bad("structure", "Location.position needs decimals"));
        }
    }
    Ok(())
}

/// Every moment has seconds and a numeric offset: YYYY-MM-DDThh:mm:ss+zz:zz.
fn moments(value: &Value) -> Result<(), Outcome> {
    match value {
        Value::Array(list) => list.iter().try_for_each(moments),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| match value {
            Value::String(text) if MOMENTS.contains(&name.as_str()) && !is_moment(text) => {
                let text = format!("{name} must be YYYY-MM-DDThh:mm:ss+zz:zz");
                Err(Outcome::bad("value", text))
            }
            value => moments(value),
        }),
        _ => Ok(()),
    }
}

fn is_moment(text: &str) -> bool {
    let read = BrokenDownTime::parse("%Y-%m-%dT%H:%M:%S%:z", text);
    text.len() == 25 && read.is_ok_and(|it| it.to_timestamp().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_seconds_and_an_offset() {
        for (text, good) in [
            ("2026-11-24T08:00:00+07:00", true),
            ("2026-11-24T08:00:00+00:00", true),
            ("2026-11-24T08:00:00", false),
            ("2026-11-24T08:00:00Z", false),
            ("2026-11-24T08:00+07:00", false),
            ("2026-02-30T08:00:00+07:00", false),
            ("2026-11-24", false),
        ] {
            assert_eq!(is_moment(text), good, "{text}");
        }
    }
}
