//! The part of FHIR R4 that a clearance is written in.
//!
//! Not a model of FHIR: only the elements that [`bundle`](super::bundle) fills, in the order of the
//! specification. The structures hold personal values, so none has a `Debug`.

use serde::Serialize;
use serde_json::value::RawValue;

/// `Bundle` of type `transaction`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundle {
    pub(super) resource_type: &'static str,
    pub(super) identifier: Identifier,
    pub(super) r#type: &'static str,
    pub(super) timestamp: String,
    pub(super) entry: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) full_url: String,
    pub(super) resource: Resource,
    pub(super) request: Request,
}

/// What a server does with an entry. The one field beside method and URL that is there makes the
/// request conditional.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) if_match: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) if_none_exist: Option<String>,
}

#[derive(Serialize)]
#[serde(tag = "resourceType")]
pub(super) enum Resource {
    Patient(Patient),
    Organization(Organization),
    Practitioner(Practitioner),
    Encounter(Encounter),
    Observation(Box<Observation>),
    DiagnosticReport(Box<DiagnosticReport>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patient {
    pub(super) identifier: [Identifier; 1],
    pub(super) active: bool,
    pub(super) name: [HumanName; 1],
    pub(super) gender: &'static str,
    pub(super) birth_date: String,
    pub(super) address: [Address; 1],
}

#[derive(Serialize)]
pub(super) struct Organization {
    pub(super) identifier: [Identifier; 1],
    pub(super) active: bool,
    pub(super) r#type: [CodeableConcept; 1],
    pub(super) name: String,
    pub(super) address: [Address; 1],
}

#[derive(Serialize)]
pub(super) struct Practitioner {
    pub(super) identifier: [Identifier; 1],
    pub(super) active: bool,
    pub(super) name: [HumanName; 1],
    pub(super) qualification: [Qualification; 1],
}

#[derive(Serialize)]
pub(super) struct Qualification {
    pub(super) identifier: [Identifier; 1],
    pub(super) code: CodeableConcept,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Encounter {
    pub(super) identifier: [Identifier; 1],
    pub(super) status: &'static str,
    pub(super) class: Coding,
    pub(super) subject: Reference,
    pub(super) participant: [Participant; 1],
    pub(super) period: Period,
    pub(super) service_provider: Reference,
}

#[derive(Serialize)]
pub(super) struct Participant {
    pub(super) individual: Reference,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Observation {
    pub(super) identifier: [Identifier; 1],
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) category: Option<[CodeableConcept; 1]>,
    pub(super) code: CodeableConcept,
    pub(super) subject: Reference,
    pub(super) encounter: Reference,
    pub(super) effective_date_time: String,
    pub(super) performer: [Reference; 1],
    #[serde(flatten)]
    pub(super) value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interpretation: Option<[CodeableConcept; 1]>,
}

/// `value[x]`.
#[derive(Serialize)]
pub(super) enum Value {
    #[serde(rename = "valueQuantity")]
    Quantity(Quantity),
    #[serde(rename = "valueString")]
    String(String),
}

#[derive(Serialize)]
pub(super) struct Quantity {
    /// The digits as they were written: in FHIR 1.0 and 1.00 differ.
    pub(super) value: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comparator: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DiagnosticReport {
    pub(super) extension: [Extension; 1],
    pub(super) identifier: [Identifier; 2],
    pub(super) status: &'static str,
    pub(super) category: [CodeableConcept; 1],
    pub(super) code: CodeableConcept,
    pub(super) subject: Reference,
    pub(super) encounter: Reference,
    #[serde(flatten)]
    pub(super) effective: Effective,
    pub(super) issued: String,
    pub(super) performer: [Reference; 1],
    pub(super) results_interpreter: [Reference; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) result: Vec<Reference>,
    pub(super) conclusion: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) conclusion_code: Option<[CodeableConcept; 1]>,
}

/// `effective[x]`.
#[derive(Serialize)]
pub(super) enum Effective {
    #[serde(rename = "effectiveDateTime")]
    DateTime(String),
    #[serde(rename = "effectivePeriod")]
    Period(Period),
}

#[derive(Serialize)]
pub(super) struct Identifier {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) r#use: Option<&'static str>,
    pub(super) system: String,
    pub(super) value: String,
}

#[derive(Serialize)]
pub(super) struct HumanName {
    pub(super) r#use: &'static str,
    pub(super) text: String,
}

#[derive(Serialize)]
pub(super) struct Address {
    pub(super) extension: [Extension; 1],
    pub(super) r#use: &'static str,
    pub(super) country: &'static str,
}

#[derive(Serialize)]
pub(super) struct Extension {
    pub(super) url: String,
    #[serde(flatten)]
    pub(super) value: ExtensionValue,
}

#[derive(Serialize)]
pub(super) enum ExtensionValue {
    #[serde(rename = "extension")]
    Nested(Vec<Extension>),
    #[serde(rename = "valueCode")]
    Code(String),
    #[serde(rename = "valueString")]
    String(String),
}

#[derive(Serialize)]
pub(super) struct CodeableConcept {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) coding: Vec<Coding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Coding {
    pub(super) system: String,
    pub(super) code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<String>,
}

#[derive(Clone, Serialize)]
pub(super) struct Reference {
    pub(super) reference: String,
}

#[derive(Serialize)]
pub(super) struct Period {
    pub(super) start: String,
    pub(super) end: String,
}

impl Identifier {
    /// An identifier for official use.
    pub(super) fn official(system: impl Into<String>, value: impl Into<String>) -> Self {
        Self { r#use: Some("official"), system: system.into(), value: value.into() }
    }
}

impl CodeableConcept {
    /// A concept with one coding.
    pub(super) fn coded(system: impl Into<String>, code: impl Into<String>, display: &str) -> Self {
        let display = (!display.is_empty()).then(|| display.to_owned());
        let coding = Coding { system: system.into(), code: code.into(), display };
        Self { coding: vec![coding], text: None }
    }

    /// The same with words for people.
    pub(super) fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }
}
