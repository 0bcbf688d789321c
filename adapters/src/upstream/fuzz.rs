//! Fuzz targets: the answers of HTTP servers, as far as every ministry's are read alike; and what
//! the ministries' own targets share.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use desmigratif_fuzzing::fuzz;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::http::{self, Reply};

/// One status of each kind that an answer is read by.
pub(crate) const STATUSES: [u16; 6] = [200, 302, 400, 401, 429, 503];

/// An answer with a body.
pub(crate) fn reply(status: u16, body: &[u8]) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).expect("a status of the list"),
        headers: HeaderMap::new(),
        body: body.to_vec().into(),
    }
}

/// The words that the exchange may say of a ministry's answer: those that stand in the sources that
/// make its faults.
pub(crate) struct Vocabulary(HashSet<&'static str>);

impl Vocabulary {
    /// The words of the sources, and of what all adapters share.
    pub(crate) fn of(sources: &[&'static str]) -> Self {
        let shared = [include_str!("http.rs"), include_str!("mod.rs")];
        Self(sources.iter().chain(&shared).flat_map(|source| words(source)).collect())
    }

    /// Holds a fault against the promise that it repeats nothing of the answer: every word is the
    /// exchange's own, and no number is longer than a status or a response code.
    pub(crate) fn holds(&self, fault: &Fault) {
        let code = |word: &str| word.len() <= 5 && word.bytes().all(|it| it.is_ascii_digit());
        for word in words(&fault.what) {
            assert!(self.0.contains(word) || code(word), "{word:?} is not ours: {}", fault.what);
        }
        if let Retry::After(pause) = fault.retry {
            assert!(pause <= Duration::from_secs(24 * 60 * 60), "{pause:?}");
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[test]
fn the_headers_of_a_refusal_make_no_pause_longer_than_a_day() {
    fuzz!("headers", headers);
}

/// `Retry-After` and, after a line's end, `Date`.
fn headers(bytes: &[u8]) {
    static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::of(&[]));
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for (name, line) in [RETRY_AFTER, DATE].into_iter().zip(&mut lines) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(name, value);
        }
    }
    for status in STATUSES {
        let fault = Reply { headers: headers.clone(), ..reply(status, b"") }.fault();
        VOCABULARY.holds(&fault);
        assert!(status != 429 || fault.kind == FaultKind::Quota);
        assert!(status != 503 || fault.kind == FaultKind::Unavailable);
    }
}

#[test]
fn a_sample_of_an_answer_shows_its_shape_alone() {
    fuzz!("sample", sample);
}

fn sample(bytes: &[u8]) {
    let shape = http::shape(bytes);
    assert!(shape.chars().count() <= 200);
    let shown = |it: char| matches!(it, 'a' | '9' | ' ') || it.is_ascii_punctuation();
    assert!(shape.chars().all(shown), "{shape:?}");
}
