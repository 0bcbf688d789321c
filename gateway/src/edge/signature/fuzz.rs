//! Fuzz target: the fields of a signature, as any caller with a certificate may send them.

use std::str::from_utf8;

use desmigratif_fuzzing::fuzz;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;

const PATH: &str = "/desmigratif.health.v1.MedicalClearanceService/SubmitClearance";

#[test]
fn what_was_signed_says_itself_what_it_is() {
    fuzz!("signature", signature);
}

/// Lines of fields: `signature: sig=:AA==:`.
fn signature(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    let mut headers = HeaderMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(": ") else { return };
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) else { return };
        headers.append(name, value);
    }
    // Whatever it says, no key has signed it.
    let chain = Chain::new(vec![b"noise".to_vec()]).expect("it has a first");
    let now = Timestamp::from_second(1_795_500_000).expect("a day in November 2026");
    assert!(verify(&of(&headers), &chain, now).is_err());

    let Ok(described) = Described::read(&headers, TAG) else { return };
    let Ok(base) = described.base(&of(&headers)) else { return };
    let base = String::from_utf8(base).expect("what was signed is a text");
    let (lines, parameters) =
        base.rsplit_once("\"@signature-params\": ").expect("the parameters end it");
    assert_eq!(lines.lines().count(), described.covered().expect("it has a base").len());
    // The last line alone says what was signed, and how: reading it gives the same base.
    let again = HeaderValue::from_str(&format!("again={parameters}")).expect("it came as a field");
    headers.insert(SIGNATURE_INPUT, again);
    headers.insert(SIGNATURE, HeaderValue::from_static("again=:AA==:"));
    let again = Described::read(&headers, TAG).expect("what is written can be read");
    assert_eq!(again.base(&of(&headers)).expect("the fields are the same"), base.as_bytes());
}

fn of(headers: &HeaderMap) -> Message<'_> {
    Message { method: &Method::POST, path: PATH, authority: None, headers }
}
