//! Every rule, on the test-only message that has them all, then the contract's own requests.

use super::*;
use crate::fixture::v1::{Colour, Ruled, RuledLeaf, ruled};
use crate::village::v1::{BatchGetVillagesRequest, SearchVillagesRequest};

fn leaf(value: &str) -> RuledLeaf {
    RuledLeaf { value: value.into() }
}

fn valid() -> Ruled {
    Ruled {
        name: "Siti".into(),
        exact: "abc".into(),
        digits: String::new(),
        id: "0190b6fa-7e0b-7cc2-A5b1-3f0e0d2c4b6a".into(),
        key: None,
        blob: vec![1],
        latitude: -6.3,
        between: 0,
        least: 0,
        most: 1000,
        less: 9,
        colour: Colour::Red.into(),
        red: Colour::Red.into(),
        codes: vec!["ID".into()],
        leaf: Some(leaf("x")),
        leaves: Vec::new(),
        at: Some(prost_types::Timestamp::default()),
        colours: vec![Colour::Blue.into()],
        nickname: None,
        subject: Some(ruled::Subject::Number("1234".into())),
    }
}

/// Field and rule of every violation of the valid message once `change` is made to it.
fn broken(change: impl FnOnce(&mut Ruled)) -> Vec<(String, &'static str)> {
    let mut message = valid();
    change(&mut message);
    match message.validate() {
        Ok(()) => Vec::new(),
        Err(violations) => violations.iter().map(|it| (it.field.clone(), it.rule)).collect(),
    }
}

fn one(field: &str, rule: &'static str) -> Vec<(String, &'static str)> {
    vec![(field.to_owned(), rule)]
}

#[test]
fn a_valid_message_breaks_nothing() {
    assert_eq!(valid().validate(), Ok(()));
}

#[test]
fn a_required_field_that_is_empty_breaks_only_that() {
    assert_eq!(broken(|m| m.name.clear()), one("name", "required"));
    assert_eq!(broken(|m| m.leaf = None), one("leaf", "required"));
    assert_eq!(broken(|m| m.at = None), one("at", "required"));
    assert_eq!(broken(|m| m.colours.clear()), one("colours", "required"));
    assert_eq!(broken(|m| m.subject = None), one("subject", "required"));
}

#[test]
fn lengths_of_strings_count_characters() {
    assert_eq!(broken(|m| m.name = "é".into()), one("name", "string.min_len"));
    assert_eq!(broken(|m| m.name = "éééééé".into()), one("name", "string.max_len"));
    assert_eq!(broken(|m| m.name = "ééééé".into()), []);
    assert_eq!(broken(|m| m.exact.clear()), one("exact", "string.len"));
    assert_eq!(broken(|m| m.exact = "日本語".into()), []);
}

#[test]
fn lengths_of_bytes_count_bytes() {
    assert_eq!(broken(|m| m.blob.clear()), one("blob", "bytes.min_len"));
    assert_eq!(broken(|m| m.blob = vec![0; 5]), one("blob", "bytes.max_len"));
}

#[test]
fn a_field_that_tracks_presence_is_checked_when_set_also_when_empty() {
    assert_eq!(broken(|m| m.key = Some(vec![1, 2])), []);
    assert_eq!(broken(|m| m.key = Some(Vec::new())), one("key", "bytes.len"));
    assert_eq!(broken(|m| m.nickname = Some(String::new())), one("nickname", "string.min_len"));
}

#[test]
fn patterns_and_uuids() {
    assert_eq!(broken(|m| m.digits = "12".into()), []);
    assert_eq!(broken(|m| m.digits = "12x".into()), one("digits", "string.pattern"));
    assert_eq!(broken(|m| m.id.clear()), one("id", "string.uuid_empty"));
    for id in ["0190b6fa7e0b7cc2a5b13f0e0d2c4b6a", "0190b6fa-7e0b-7cc2-a5b1-3f0e0d2c4b6g"] {
        assert_eq!(broken(|m| m.id = id.into()), one("id", "string.uuid"));
    }
}

#[test]
fn numbers_keep_their_bounds() {
    for latitude in [-90.0, 90.0] {
        assert_eq!(broken(|m| m.latitude = latitude), []);
    }
    for latitude in [-90.1, 90.1, f64::INFINITY, f64::NAN] {
        assert_eq!(broken(|m| m.latitude = latitude), one("latitude", "double.gte_lte"));
    }
    for between in [-2, 2] {
        assert_eq!(broken(|m| m.between = between), one("between", "int32.gt_lt"));
    }
    assert_eq!(broken(|m| m.least = -7), []);
    assert_eq!(broken(|m| m.least = -8), one("least", "int64.gte"));
    assert_eq!(broken(|m| m.most = 1001), one("most", "uint32.lte"));
    assert_eq!(broken(|m| m.less = 10), one("less", "uint64.lt"));
}

#[test]
fn enums_take_only_what_they_may() {
    assert_eq!(broken(|m| m.colour = 7), one("colour", "enum.defined_only"));
    assert_eq!(broken(|m| m.colour = 2), one("colour", "enum.not_in"));
    assert_eq!(broken(|m| m.red = 0), one("red", "enum.in"));
    assert_eq!(broken(|m| m.colours.push(7)), one("colours[1]", "enum.defined_only"));
}

#[test]
fn lists_and_their_items() {
    assert_eq!(broken(|m| m.codes.clear()), one("codes", "repeated.min_items"));
    assert_eq!(broken(|m| m.codes = vec!["ID".into(); 4]), one("codes", "repeated.max_items"));
    assert_eq!(
        broken(|m| m.codes = vec!["ID".into(), "id".into(), "MYS".into()]),
        [("codes[1]".to_owned(), "string.pattern"), ("codes[2]".to_owned(), "string.pattern")]
    );
}

#[test]
fn messages_inside_are_checked_under_their_path() {
    assert_eq!(broken(|m| m.leaf = Some(leaf(""))), one("leaf.value", "required"));
    assert_eq!(
        broken(|m| m.leaves = vec![leaf("x"), leaf("")]),
        one("leaves[1].value", "required")
    );
    assert_eq!(
        broken(|m| m.subject = Some(ruled::Subject::Other(leaf("")))),
        one("other.value", "required")
    );
    assert_eq!(
        broken(|m| m.subject = Some(ruled::Subject::Number("12".into()))),
        one("number", "string.pattern")
    );
}

#[test]
fn all_violations_come_at_once_in_both_languages_without_the_value() {
    let secret = "3212150101900001";
    let mut message = valid();
    message.name = secret.into();
    message.latitude = 91.0;
    message.leaf = None;
    let violations = message.validate().unwrap_err();
    let rules: Vec<_> = violations.iter().map(|it| it.rule).collect();
    assert_eq!(rules, ["string.max_len", "double.gte_lte", "required"]);
    let first = violations.iter().next().unwrap();
    assert_eq!(first.message_en, "must have at most 5 characters");
    assert_eq!(first.message_id, "harus memuat paling banyak 5 karakter");
    assert!(!format!("{violations} {violations:?}").contains(secret));
    assert_eq!(
        violations.to_string(),
        "name must have at most 5 characters; latitude must be at least -90 and at most 90; leaf \
         is required"
    );
}

#[test]
fn of_very_many_violations_the_rest_is_only_counted() {
    let codes = vec!["nowhere".to_owned(); 1001];
    let violations = BatchGetVillagesRequest { codes }.validate().unwrap_err();
    assert_eq!(violations.iter().count(), KEPT);
    assert_eq!(violations.omitted(), 1 + 1001 - KEPT);
    assert_eq!(violations.iter().next().unwrap().rule, "repeated.max_items");
    assert!(violations.to_string().ends_with("; and 902 more"));
}

#[test]
fn a_request_of_the_contract_is_checked() {
    let request = SearchVillagesRequest { query: "x".into(), page_size: 101, ..Default::default() };
    let violations = request.validate().unwrap_err();
    let found: Vec<_> = violations.iter().map(|it| (it.field.as_str(), it.rule)).collect();
    assert_eq!(found, [("query", "string.min_len"), ("page_size", "uint32.lte")]);
}
