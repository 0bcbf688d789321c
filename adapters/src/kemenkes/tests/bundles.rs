//! What goes out.

use std::collections::HashSet;

use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::clearance::{
    Conclusion, PregnancyResult, PregnancyTest, Revocation, RevocationReason,
};
use desmigratif_core::ports::ministry::ClearanceFile;
use desmigratif_core::region::VillageCode;
use jiff::Timestamp;
use jiff::civil::date;
use serde_json::{Value, json};

use super::super::bundle::{Present, Systems, build, by_identifier, token};
use super::super::mapping::value_of;
use super::{NIK, ORGANIZATION, file, finding, parcel};

fn bundle(file: &ClearanceFile, patient: Option<&str>, present: &Present) -> String {
    let parcel = parcel(3, file.clone());
    let bundle = build(&parcel, file, &Systems::of(ORGANIZATION), patient, present);
    serde_json::to_string_pretty(&bundle).unwrap()
}

fn value(file: &ClearanceFile, patient: Option<&str>, present: &Present) -> Value {
    serde_json::from_str(&bundle(file, patient, present)).unwrap()
}

/// The resources of a type.
fn resources<'a>(bundle: &'a Value, resource_type: &str) -> Vec<&'a Value> {
    let entries = bundle["entry"].as_array().unwrap();
    let all = entries.iter().map(|entry| &entry["resource"]);
    all.filter(|it| it["resourceType"] == resource_type).collect()
}

#[test]
fn a_clearance_goes_out_as_the_golden_transaction() {
    // Compared as text: a number must keep its digits.
    let golden = include_str!("../testdata/clearance.json");
    assert_eq!(bundle(&file(), None, &Present::Nothing), golden.trim_end());
}

#[test]
fn what_is_newer_replaces_what_was_seen_and_leaves_shared_records_alone() {
    let present = Present::Older { etag: Some("W/\"4\"".into()) };
    let bundle = value(&file(), Some("P02478375538"), &present);
    assert!(resources(&bundle, "Patient").is_empty());
    for entry in bundle["entry"].as_array().unwrap() {
        let (resource, request) = (&entry["resource"], &entry["request"]);
        let name = resource["resourceType"].as_str().unwrap();
        if ["Organization", "Practitioner"].contains(&name) {
            assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!(name)));
            assert!(request["ifNoneExist"].is_string());
            continue;
        }
        assert_eq!(request["method"], "PUT");
        assert!(request["url"].as_str().unwrap().starts_with(&format!("{name}?identifier=")));
        assert_eq!(request["ifMatch"] == "W/\"4\"", name == "DiagnosticReport");
        assert_eq!(resource["subject"]["reference"], "Patient/P02478375538");
    }
}

#[test]
fn every_attempt_sends_the_same_and_names_each_entry_once() {
    let first = bundle(&file(), None, &Present::Nothing);
    assert_eq!(first, bundle(&file(), None, &Present::Nothing));
    let bundle = value(&file(), None, &Present::Nothing);
    let entries = bundle["entry"].as_array().unwrap();
    let names: HashSet<_> = entries.iter().map(|it| it["fullUrl"].as_str().unwrap()).collect();
    assert_eq!(names.len(), entries.len());
    for report in resources(&bundle, "DiagnosticReport") {
        for result in report["result"].as_array().unwrap() {
            assert!(names.contains(result["reference"].as_str().unwrap()));
        }
    }
}

#[test]
fn a_conclusion_that_does_not_stand_is_never_a_code() {
    let revoked = |reason| {
        let mut file = file();
        file.clearance.revocation = Some(Revocation { at: Timestamp::UNIX_EPOCH, reason });
        file
    };
    let mut pregnant = file();
    pregnant.clearance.pregnancy_test =
        Some(PregnancyTest { tested_on: date(2026, 11, 19), result: PregnancyResult::Positive });
    let mut unfit = file();
    (unfit.clearance.conclusion, unfit.valid_until) = (Conclusion::TemporarilyUnfit, None);
    for (file, report, rest, code, words) in [
        (file(), "final", "final", Some("fit"), "Fit to work"),
        (unfit, "final", "final", Some("temporarily-unfit"), "Temporarily unfit to work"),
        (pregnant, "final", "final", None, "Void: pregnancy"),
        (
            revoked(RevocationReason::NewFinding),
            "amended",
            "final",
            None,
            "Withdrawn: a finding that came later",
        ),
        (
            revoked(RevocationReason::Impostor),
            "entered-in-error",
            "entered-in-error",
            None,
            "Withdrawn: someone else was examined",
        ),
        (
            revoked(RevocationReason::Forged),
            "entered-in-error",
            "entered-in-error",
            None,
            "Withdrawn: the certificate is forged",
        ),
        (
            revoked(RevocationReason::IssuedInError),
            "entered-in-error",
            "entered-in-error",
            None,
            "Withdrawn: issued in error",
        ),
    ] {
        let bundle = value(&file, None, &Present::Nothing);
        let sent = resources(&bundle, "DiagnosticReport")[0];
        assert_eq!(sent["status"], report, "{words}");
        assert_eq!(sent["conclusion"], words);
        assert_eq!(sent["conclusionCode"][0]["coding"][0]["code"].as_str(), code, "{words}");
        assert_eq!(sent["effectivePeriod"].is_object(), code == Some("fit"), "{words}");
        assert_eq!(sent["effectiveDateTime"].is_string(), code != Some("fit"), "{words}");
        for observation in resources(&bundle, "Observation") {
            assert_eq!(observation["status"], rest, "{words}");
        }
        let finished = if rest == "final" { "finished" } else { rest };
        assert_eq!(resources(&bundle, "Encounter")[0]["status"], finished, "{words}");
    }
}

#[test]
fn a_number_keeps_its_digits_and_what_is_none_stays_text() {
    let quantity = |text: &str| format!(r#"{{"valueQuantity":{{{text}}}}}"#);
    let unit = r#""unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL""#;
    for (text, of, expected) in [
        ("12.50", "mg/dL", quantity(&format!(r#""value":12.50,{unit}"#))),
        (" 7 ", "", quantity(r#""value":7"#)),
        ("-0.5", "", quantity(r#""value":-0.5"#)),
        ("< 0.05", "mg/dL", quantity(&format!(r#""value":0.05,"comparator":"<",{unit}"#))),
        (">=100", "", quantity(r#""value":100,"comparator":">=""#)),
        ("12,5", "mg/dL", r#"{"valueString":"12,5 mg/dL"}"#.into()),
        ("120/80", "mm[Hg]", r#"{"valueString":"120/80 mm[Hg]"}"#.into()),
        ("007", "", r#"{"valueString":"007"}"#.into()),
        (".5", "", r#"{"valueString":".5"}"#.into()),
        ("5.", "", r#"{"valueString":"5."}"#.into()),
        ("1.2.3", "", r#"{"valueString":"1.2.3"}"#.into()),
        ("1e5", "", r#"{"valueString":"1e5"}"#.into()),
        ("-", "", r#"{"valueString":"-"}"#.into()),
        ("<", "", r#"{"valueString":"<"}"#.into()),
        ("negatif", "", r#"{"valueString":"negatif"}"#.into()),
    ] {
        let value = value_of(&finding("718-7", "", text, of));
        assert_eq!(serde_json::to_string(&value).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_birth_date_says_no_more_than_is_known() {
    for (precision, expected) in
        [(Precision::Day, "1990-07-01"), (Precision::Month, "1990-07"), (Precision::Year, "1990")]
    {
        let mut file = file();
        let (day, today) = (date(1990, 7, 1), date(2026, 11, 24));
        file.worker.birth = BirthDate::new(day, precision, today).unwrap();
        let bundle = value(&file, None, &Present::Nothing);
        assert_eq!(resources(&bundle, "Patient")[0]["birthDate"], expected);
    }
}

#[test]
fn moments_have_the_offset_of_the_facility() {
    for (village, start) in [
        ("32.12.16.2004", "2026-11-18T00:00:00+07:00"),
        ("52.03.01.2001", "2026-11-18T00:00:00+08:00"),
        ("91.71.01.1001", "2026-11-18T00:00:00+09:00"),
    ] {
        let mut file = file();
        file.facility.village = VillageCode::parse(village).unwrap();
        let bundle = value(&file, None, &Present::Nothing);
        assert_eq!(resources(&bundle, "Encounter")[0]["period"]["start"], start);
    }
}

#[test]
fn an_identifier_is_escaped_for_a_search_and_for_a_url() {
    assert_eq!(token("urn:x", "A,1|$\\"), "urn:x|A\\,1\\|\\$\\\\");
    assert_eq!(by_identifier("urn:x", "A &B"), "identifier=urn%3Ax%7CA+%26B");
}

#[test]
fn only_what_the_report_needs_of_the_worker_goes_along() {
    let bundle = bundle(&file(), None, &Present::Nothing);
    assert_eq!(bundle.matches(NIK).count(), 2, "the identifier and its condition");
    assert!(!bundle.contains("+628120000000"));
    let known = super::bundles::bundle(&file(), Some("P02478375538"), &Present::Nothing);
    assert!(!known.contains(NIK) && !known.contains("Siti Aminah"));
}
