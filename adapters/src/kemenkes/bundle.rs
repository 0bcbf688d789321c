//! A clearance as a FHIR transaction.
//!
//! Pure: what goes in is a parcel and what is known of the server, what comes out is the Bundle.
//!
//! Invariants:
//! - Every entry is conditional on an identifier that the same clearance always has, so that the
//!   Bundle can be sent any number of times.
//! - A code that a machine would read as "fit" is there only while the conclusion stands: a report
//!   that was withdrawn, or is void by pregnancy, says so in words and has neither code nor
//!   validity.

use desmigratif_core::clearance::{
    Clearance, Conclusion, Finding, Interpretation, PregnancyResult, RevocationReason,
};
use desmigratif_core::ports::ministry::{ClearanceFile, Parcel};
use jiff::civil::Date;
use url::form_urlencoded;
use uuid::Uuid;

use super::fhir::{
    Bundle, CodeableConcept, Coding, DiagnosticReport, Effective, Encounter, Entry, Extension,
    ExtensionValue, Identifier, Observation, Participant, Reference, Request, Resource,
};
use super::mapping::{
    Moments, PREGNANCY, category_of, interpretation_of, organization_of, patient_of,
    practitioner_of, value_of,
};

/// The system of NIK.
pub(super) const NIK: &str = "https://fhir.kemkes.go.id/id/nik";
/// The extension that holds the version of the exchange's record.
pub(super) const RECORD_VERSION: &str = "urn:desmigratif:fhir:record-version";

const CONCLUSION: &str = "urn:desmigratif:fhir:clearance-conclusion";
const EXAMINATION: &str = "urn:desmigratif:fhir:examination";
const LOINC: &str = "http://loinc.org";
const URNS: &str = "urn:ietf:rfc:3986";

/// The identifiers that the exchange gives, each in a system under its own organisation.
pub(super) struct Systems(String);

impl Systems {
    /// The systems of an organisation.
    pub(super) fn of(organization_id: &str) -> Self {
        Self(organization_id.to_owned())
    }

    /// The system of a kind of thing.
    pub(super) fn of_kind(&self, kind: &str) -> String {
        format!("http://sys-ids.kemkes.go.id/{kind}/{}", self.0)
    }
}

/// What the server has of the clearance, and so how the Bundle is to be applied.
pub(super) enum Present {
    /// Nothing: create, and leave alone what someone else made meanwhile.
    Nothing,
    /// An older version: replace it, if it is still the one that was seen.
    Older {
        /// The server's version of the report.
        etag: Option<String>,
    },
}

/// The condition `identifier=system|value`, for a query or `ifNoneExist`.
pub(super) fn by_identifier(system: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("identifier", &token(system, value))
        .finish()
}

/// `system|value` as a search parameter of the type token, where these characters mean something.
pub(super) fn token(system: &str, value: &str) -> String {
    let mut token = format!("{system}|");
    for char in value.chars() {
        if matches!(char, '\\' | '|' | ',' | '$') {
            token.push('\\');
        }
        token.push(char);
    }
    token
}

/// Builds the transaction. `patient` is the person's id with the ministry (IHS number), where it is
/// known; else the person goes along.
pub(super) fn build(
    parcel: &Parcel,
    file: &ClearanceFile,
    systems: &Systems,
    patient: Option<&str>,
    present: &Present,
) -> Bundle {
    Builder { key: parcel.key, systems, present, entries: Vec::new() }.build(parcel, file, patient)
}

struct Builder<'a> {
    key: Uuid,
    systems: &'a Systems,
    present: &'a Present,
    entries: Vec<Entry>,
}

impl Builder<'_> {
    fn build(mut self, parcel: &Parcel, file: &ClearanceFile, patient: Option<&str>) -> Bundle {
        let ClearanceFile { clearance, worker, facility, valid_until } = file;
        let moment = Moments::of(facility.village);
        let subject = match patient {
            Some(id) => Reference { reference: format!("Patient/{id}") },
            None => self.shared(NIK, worker.nik.expose(), patient_of(worker)),
        };
        let system = self.systems.of_kind("organization");
        let organization = organization_of(facility, &system);
        let organization = self.shared(&system, &facility.id, organization);
        let system = self.systems.of_kind("practitioner");
        let practitioner = practitioner_of(clearance, &system);
        let practitioner = self.shared(&system, &clearance.examiner.sip_number, practitioner);
        let standing = Standing::of(clearance);

        let id = clearance.id.to_string();
        let system = self.systems.of_kind("encounter");
        let encounter = Encounter {
            identifier: [Identifier::official(&system, &id)],
            status: if standing.erroneous() { "entered-in-error" } else { "finished" },
            class: Coding {
                system: "http://terminology.hl7.org/CodeSystem/v3-ActCode".into(),
                code: "AMB".into(),
                display: Some("ambulatory".into()),
            },
            subject: subject.clone(),
            participant: [Participant { individual: practitioner.clone() }],
            period: moment.days(clearance.examined_on, clearance.examined_on),
            service_provider: organization.clone(),
        };
        let encounter = self.own(&system, &id, Resource::Encounter(encounter), None);

        let about = About { subject, encounter, practitioner, moment, standing };
        let mut result: Vec<_> = clearance
            .findings
            .iter()
            .zip(1_u32..)
            .map(|(finding, n)| {
                let value = format!("{id}-{n}");
                self.observation(&about, &value, finding, clearance.examined_on)
            })
            .collect();
        if let Some(test) = clearance.pregnancy_test {
            let (value, interpretation) = match test.result {
                PregnancyResult::Negative => ("negative", Interpretation::Normal),
                PregnancyResult::Positive => ("positive", Interpretation::Abnormal),
            };
            let finding = Finding {
                code: PREGNANCY.into(),
                display: "Choriogonadotropin (pregnancy test) [Presence] in Urine".into(),
                value: value.into(),
                unit: String::new(),
                interpretation: Some(interpretation),
            };
            let value = format!("{id}-pregnancy");
            result.push(self.observation(&about, &value, &finding, test.tested_on));
        }

        self.report(parcel, clearance, *valid_until, about, organization, result);
        Bundle {
            resource_type: "Bundle",
            identifier: Identifier {
                r#use: None,
                system: URNS.into(),
                value: format!("urn:uuid:{}", self.key),
            },
            r#type: "transaction",
            timestamp: parcel.at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
            entry: self.entries,
        }
    }

    fn observation(
        &mut self,
        about: &About,
        value: &str,
        finding: &Finding,
        day: Date,
    ) -> Reference {
        let system = self.systems.of_kind("observation");
        let observation = Observation {
            identifier: [Identifier::official(&system, value)],
            status: if about.standing.erroneous() { "entered-in-error" } else { "final" },
            category: category_of(&finding.code).map(|it| [it]),
            code: CodeableConcept::coded(LOINC, &finding.code, &finding.display),
            subject: about.subject.clone(),
            encounter: about.encounter.clone(),
            effective_date_time: about.moment.start(day),
            performer: [about.practitioner.clone()],
            value: value_of(finding),
            interpretation: finding.interpretation.map(|it| [interpretation_of(it)]),
        };
        self.own(&system, value, Resource::Observation(Box::new(observation)), None)
    }

    fn report(
        &mut self,
        parcel: &Parcel,
        clearance: &Clearance,
        valid_until: Option<Date>,
        about: About,
        organization: Reference,
        result: Vec<Reference>,
    ) {
        let About { subject, encounter, practitioner, moment, standing } = about;
        let id = clearance.id.to_string();
        let system = self.systems.of_kind("diagnostic");
        let certificate = format!("{}/{}", clearance.facility_id, clearance.certificate_number);
        let code = clearance.conclusion.as_str();
        let (words, display) = match clearance.conclusion {
            Conclusion::Fit => ("Fit to work", "Fit"),
            Conclusion::Unfit => ("Unfit to work", "Unfit"),
            Conclusion::TemporarilyUnfit => ("Temporarily unfit to work", "Temporarily unfit"),
        };
        let conclusion = match standing {
            Standing::Holds => words.to_owned(),
            Standing::Void => "Void: pregnancy".to_owned(),
            Standing::Withdrawn(reason) => format!("Withdrawn: {}", reason_of(reason)),
        };
        let holds = matches!(standing, Standing::Holds);
        let report = DiagnosticReport {
            extension: [Extension {
                url: RECORD_VERSION.into(),
                value: ExtensionValue::String(parcel.version.to_string()),
            }],
            identifier: [
                Identifier::official(&system, &id),
                Identifier {
                    r#use: Some("secondary"),
                    system: self.systems.of_kind("certificate"),
                    value: certificate,
                },
            ],
            status: match standing {
                Standing::Withdrawn(..) if standing.erroneous() => "entered-in-error",
                Standing::Withdrawn(..) => "amended",
                Standing::Holds | Standing::Void => "final",
            },
            category: [CodeableConcept::coded(
                "http://terminology.hl7.org/CodeSystem/v2-0074",
                "OTH",
                "Other",
            )],
            code: CodeableConcept::coded(EXAMINATION, "migrant-worker", "")
                .with_text("Medical examination of a migrant worker"),
            subject,
            encounter,
            effective: match valid_until {
                Some(until) if holds => Effective::Period(moment.days(clearance.issued_on, until)),
                _ => Effective::DateTime(moment.start(clearance.examined_on)),
            },
            issued: moment.start(clearance.issued_on),
            performer: [organization],
            results_interpreter: [practitioner],
            result,
            conclusion,
            conclusion_code: holds.then(|| [CodeableConcept::coded(CONCLUSION, code, display)]),
        };
        let etag = match self.present {
            Present::Nothing => None,
            Present::Older { etag } => etag.clone(),
        };
        self.own(&system, &id, Resource::DiagnosticReport(Box::new(report)), etag);
    }

    /// Adds what is the ministry's or other agencies' too: made when it is not there, and never
    /// changed.
    fn shared(&mut self, system: &str, value: &str, resource: Resource) -> Reference {
        let condition = by_identifier(system, value);
        self.create(condition, resource)
    }

    /// Adds what belongs to this clearance alone.
    fn own(
        &mut self,
        system: &str,
        value: &str,
        resource: Resource,
        if_match: Option<String>,
    ) -> Reference {
        let condition = by_identifier(system, value);
        match self.present {
            Present::Nothing => self.create(condition, resource),
            Present::Older { .. } => {
                let url = format!("{}?{condition}", type_of(&resource));
                self.add(resource, Request { method: "PUT", url, if_match, if_none_exist: None })
            }
        }
    }

    fn create(&mut self, condition: String, resource: Resource) -> Reference {
        let (url, if_none_exist) = (type_of(&resource).to_owned(), Some(condition));
        self.add(resource, Request { method: "POST", url, if_match: None, if_none_exist })
    }

    /// Adds an entry under a name that follows from the parcel's key, so that every attempt sends
    /// the same.
    fn add(&mut self, resource: Resource, request: Request) -> Reference {
        let n = self.entries.len() as u128 + 1;
        let full_url = format!("urn:uuid:{}", Uuid::from_u128(self.key.as_u128().wrapping_add(n)));
        let reference = Reference { reference: full_url.clone() };
        self.entries.push(Entry { full_url, resource, request });
        reference
    }
}

/// What the observations and the report have in common.
struct About {
    subject: Reference,
    encounter: Reference,
    practitioner: Reference,
    moment: Moments,
    standing: Standing,
}

/// Whether the conclusion stands.
#[derive(Clone, Copy)]
enum Standing {
    Holds,
    /// By pregnancy (Perpres 64/2011 art. 14).
    Void,
    Withdrawn(RevocationReason),
}

impl Standing {
    fn of(clearance: &Clearance) -> Self {
        let pregnant =
            clearance.pregnancy_test.is_some_and(|it| it.result == PregnancyResult::Positive);
        match clearance.revocation {
            Some(revocation) => Self::Withdrawn(revocation.reason),
            None if pregnant && clearance.conclusion == Conclusion::Fit => Self::Void,
            None => Self::Holds,
        }
    }

    /// Whether the findings themselves are not this person's, or not findings at all.
    fn erroneous(self) -> bool {
        match self {
            Self::Holds | Self::Void | Self::Withdrawn(RevocationReason::NewFinding) => false,
            Self::Withdrawn(
                RevocationReason::IssuedInError
                | RevocationReason::Impostor
                | RevocationReason::Forged,
            ) => true,
        }
    }
}

fn type_of(resource: &Resource) -> &'static str {
    match resource {
        Resource::Patient(_) => "Patient",
        Resource::Organization(_) => "Organization",
        Resource::Practitioner(_) => "Practitioner",
        Resource::Encounter(_) => "Encounter",
        Resource::Observation(_) => "Observation",
        Resource::DiagnosticReport(_) => "DiagnosticReport",
    }
}

fn reason_of(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::IssuedInError => "issued in error",
        RevocationReason::Impostor => "someone else was examined",
        RevocationReason::NewFinding => "a finding that came later",
        RevocationReason::Forged => "the certificate is forged",
    }
}
