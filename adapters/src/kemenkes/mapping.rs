//! Single things of the exchange in FHIR: a person, a facility, a day, a laboratory's value.
//!
//! Invariant: a number goes out with the digits that the laboratory wrote, or as text. It is never
//! rounded, and a comma is never taken for a point.

use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::clearance::{Clearance, Finding, Interpretation};
use desmigratif_core::facility::Facility;
use desmigratif_core::identity::Sex;
use desmigratif_core::region::{TimeZone, VillageCode};
use desmigratif_core::worker::Worker;
use jiff::civil::{Date, Time, time};
use serde_json::value::RawValue;

use super::bundle::NIK;
use super::fhir::{
    Address, CodeableConcept, Extension, ExtensionValue, HumanName, Identifier, Organization,
    Patient, Period, Practitioner, Qualification, Quantity, Resource, Value,
};

const ADMINISTRATIVE_CODE: &str =
    "https://fhir.kemkes.go.id/r4/StructureDefinition/administrativeCode";
const UCUM: &str = "http://unitsofmeasure.org";

/// Vital signs among the LOINC codes that SATUSEHAT's own examples use, and weight and height.
const VITAL_SIGNS: [&str; 7] =
    ["8480-6", "8462-4", "8867-4", "8310-5", "9279-1", "29463-7", "8302-2"];
/// hCG in urine.
pub(super) const PREGNANCY: &str = "2106-3";

/// Days as FHIR moments: with the offset of the facility's own clock, as SATUSEHAT wants it.
pub(super) struct Moments {
    /// Hours ahead of UTC.
    offset: u8,
}

impl Moments {
    pub(super) fn of(village: VillageCode) -> Self {
        let offset = match village.district().time_zone() {
            Some(TimeZone::Wit) => 9,
            Some(TimeZone::Wita) => 8,
            Some(TimeZone::Wib) | None => 7,
        };
        Self { offset }
    }

    pub(super) fn start(&self, day: Date) -> String {
        self.at(day, Time::midnight())
    }

    pub(super) fn days(&self, first: Date, last: Date) -> Period {
        Period { start: self.start(first), end: self.at(last, time(23, 59, 59, 0)) }
    }

    fn at(&self, day: Date, time: Time) -> String {
        format!("{day}T{time}+{:02}:00", self.offset)
    }
}

pub(super) fn patient_of(worker: &Worker) -> Resource {
    Resource::Patient(Patient {
        identifier: [Identifier::official(NIK, worker.nik.expose())],
        active: true,
        name: [HumanName { r#use: "official", text: worker.name.expose().to_owned() }],
        gender: match worker.sex {
            Sex::Male => "male",
            Sex::Female => "female",
        },
        birth_date: birth_date(worker.birth),
        address: [address("home", worker.village)],
    })
}

pub(super) fn organization_of(facility: &Facility, system: &str) -> Resource {
    Resource::Organization(Organization {
        identifier: [Identifier::official(system, &facility.id)],
        active: true,
        r#type: [CodeableConcept::coded(
            "http://terminology.hl7.org/CodeSystem/organization-type",
            "prov",
            "Healthcare Provider",
        )],
        name: facility.name.clone(),
        address: [address("work", facility.village)],
    })
}

pub(super) fn practitioner_of(clearance: &Clearance, system: &str) -> Resource {
    let examiner = &clearance.examiner;
    Resource::Practitioner(Practitioner {
        identifier: [Identifier::official(system, &examiner.sip_number)],
        active: true,
        name: [HumanName { r#use: "official", text: examiner.name.expose().to_owned() }],
        qualification: [Qualification {
            identifier: [Identifier::official(system, &examiner.sip_number)],
            code: CodeableConcept { coding: Vec::new(), text: Some("Surat Izin Praktik".into()) },
        }],
    })
}

fn address(r#use: &'static str, village: VillageCode) -> Address {
    let digits = village.digits();
    let part = |url: &str, length: usize| Extension {
        url: url.into(),
        value: ExtensionValue::Code(digits[..length].to_owned()),
    };
    let parts = [("province", 2), ("city", 4), ("district", 6), ("village", 10)];
    let parts = parts.map(|(url, length)| part(url, length)).into();
    let value = ExtensionValue::Nested(parts);
    Address {
        extension: [Extension { url: ADMINISTRATIVE_CODE.into(), value }],
        r#use,
        country: "ID",
    }
}

/// As much of the date as is known: FHIR has a form for each precision.
fn birth_date(birth: BirthDate) -> String {
    let date = birth.expose();
    match birth.precision() {
        Precision::Day => date.to_string(),
        Precision::Month => format!("{:04}-{:02}", date.year(), date.month()),
        Precision::Year => format!("{:04}", date.year()),
    }
}

/// The category, for codes whose category is beyond doubt.
pub(super) fn category_of(code: &str) -> Option<CodeableConcept> {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
    match code {
        code if VITAL_SIGNS.contains(&code) => {
            Some(CodeableConcept::coded(SYSTEM, "vital-signs", "Vital Signs"))
        }
        PREGNANCY => Some(CodeableConcept::coded(SYSTEM, "laboratory", "Laboratory")),
        _ => None,
    }
}

pub(super) fn interpretation_of(interpretation: Interpretation) -> CodeableConcept {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
    match interpretation {
        Interpretation::Normal => CodeableConcept::coded(SYSTEM, "N", "Normal"),
        Interpretation::Abnormal => CodeableConcept::coded(SYSTEM, "A", "Abnormal"),
    }
}

/// A number, with or without a comparator before it, is a quantity. Anything else is text, with its
/// unit: "120/80", "negative", and also "12,5", for whether a comma ends the thousands or the whole
/// the sender alone knows.
pub(super) fn value_of(finding: &Finding) -> Value {
    let text = finding.value.trim();
    let (comparator, number) = ["<=", ">=", "<", ">"]
        .into_iter()
        .find_map(|sign| Some((Some(sign), text.strip_prefix(sign)?.trim_start())))
        .unwrap_or((None, text));
    let unit = (!finding.unit.is_empty()).then(|| finding.unit.clone());
    match (decimal(number), unit) {
        (Some(value), unit) => Value::Quantity(Quantity {
            value,
            comparator,
            system: unit.is_some().then_some(UCUM),
            code: unit.clone(),
            unit,
        }),
        (None, Some(unit)) => Value::String(format!("{text} {unit}")),
        (None, None) => Value::String(text.to_owned()),
    }
}

/// The text as a FHIR decimal, its digits untouched.
fn decimal(text: &str) -> Option<Box<RawValue>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    // JSON itself refuses what is left: "", "007", ".5", "5.", "1.2.3".
    plain.then(|| serde_json::from_str::<Box<RawValue>>(text).ok()).flatten()
}
