//! The fuzz target: what the IDM API may answer.

use std::sync::LazyLock;

use desmigratif_fuzzing::fuzz;

use super::*;
use crate::upstream::fuzz::{STATUSES, Vocabulary, reply};

static VOCABULARY: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::of(&[include_str!("answer.rs"), include_str!("mod.rs")]));

#[test]
fn any_answer_is_an_index_of_the_village_or_none_or_a_fault_that_repeats_nothing() {
    fuzz!("answer", answer);
}

fn answer(bytes: &[u8]) {
    let village = default_probe_village();
    for year in [2024, 2025] {
        for status in STATUSES {
            match read(&reply(status, bytes), village, year, 2025) {
                Ok(None) => assert!(matches!(status, 200 | 400), "under HTTP {status}"),
                Ok(Some(index)) => {
                    assert_eq!(status, 200, "an index under a status of failure");
                    assert!(index.village == village, "of another village");
                    assert!((2015..=year).contains(&index.year), "{}", index.year);
                    assert!((0.0..=1.0).contains(&index.score), "{}", index.score);
                }
                Err(fault) => VOCABULARY.holds(&fault),
            }
        }
    }
}
