//! Fuzz targets: what SATUSEHAT may answer to calls and to requests for a token.

use std::sync::LazyLock;

use desmigratif_fuzzing::fuzz;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::upstream::fuzz::{STATUSES, Vocabulary, reply};

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    Vocabulary::of(&[include_str!("answer.rs"), include_str!("mod.rs"), include_str!("token.rs")])
});

const PATIENT: &str = "9901014501900001";
const SYSTEM: &str = "urn:contoh";
const VALUE: &str = "1";

/// What there is, unless it is a fault; then that repeats nothing.
fn held<T>(read: Result<T, Fault>) -> Option<T> {
    read.inspect_err(|fault| VOCABULARY.holds(fault)).ok()
}

#[test]
fn any_answer_is_a_resource_or_a_fault_that_repeats_nothing() {
    fuzz!("resource", a_resource);
}

fn a_resource(bytes: &[u8]) {
    let nik = Nik::parse(PATIENT).expect("it has the form of a NIK");
    for status in STATUSES {
        let reply = reply(status, bytes);
        let read = || held(resource(&reply));
        let Some(first) = read() else { continue };
        assert!(reply.status.is_success(), "a resource under HTTP {status}");
        for (sent, created) in [(1, true), (1, false), (2, true)] {
            if held(answer::applied(&first, sent, created)) == Some(Applied::Whole) {
                assert_eq!(first.resource_type, "Bundle");
            }
        }
        let found = |kind| read().and_then(|it| held(it.found(kind)));
        if let Some(people) = found("Patient")
            && let Some(Some(id)) = held(answer::patient(people, &nik))
        {
            // It becomes a part of references.
            let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.');
            assert!((1..=64).contains(&id.len()) && id.bytes().all(plain), "{id:?}");
        }
        if let Some(reports) = found("DiagnosticReport") {
            let report = answer::report(&reports, SYSTEM, VALUE);
            assert!(report.is_none() || !reports.is_empty());
        }
        if let Some(places) = found("Organization") {
            let standing = answer::facility(&places, SYSTEM, VALUE);
            assert!(standing.is_none() || !places.is_empty());
        }
    }
    // A conflict is told from other failures whatever the body is.
    assert!(!overtaken(&reply(200, bytes)) && !overtaken(&reply(422, bytes)));
}

#[test]
fn any_grant_is_a_token_with_an_end_or_a_fault_that_repeats_nothing() {
    fuzz!("grant", grant);
}

fn grant(bytes: &[u8]) {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 56);
    let granted = reply(200, bytes).json::<Granted>().and_then(|it| it.token(now));
    if let Some(token) = held(granted) {
        let life = token.expires.duration_since(now);
        assert!(life > SignedDuration::ZERO && life <= SignedDuration::from_hours(24 * 366));
    }
}
