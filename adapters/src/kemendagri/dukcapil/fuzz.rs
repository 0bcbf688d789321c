//! The fuzz target: what Dukcapil may answer.

use std::sync::LazyLock;

use desmigratif_core::identity::{Outcome, Verdict};
use desmigratif_fuzzing::fuzz;

use super::*;
use crate::upstream::fuzz::{STATUSES, Vocabulary, reply};

static VOCABULARY: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::of(&[include_str!("answer.rs"), include_str!("mod.rs")]));

#[test]
fn any_answer_is_a_check_of_what_was_asked_or_a_fault_that_repeats_nothing() {
    fuzz!("answer", answer);
}

fn answer(bytes: &[u8]) {
    let nik = Nik::parse(NOBODY).expect("it has the form of a NIK");
    let all = [
        Element::Name,
        Element::BirthDate,
        Element::BirthPlace,
        Element::Sex,
        Element::Village,
        Element::MotherName,
    ];
    for elements in [&all[..], &all[..1]] {
        let asked = Asked { nik: &nik, elements, threshold: 85 };
        for status in STATUSES {
            match read(&reply(status, bytes), &asked, Duration::from_secs(3_600)) {
                Ok(check) => {
                    assert_eq!(status, 200, "an answer under a status of failure");
                    of_what_was_asked(&check, elements);
                }
                Err(fault) => VOCABULARY.holds(&fault),
            }
        }
    }
}

fn of_what_was_asked(check: &Check, elements: &[Element]) {
    let agrees = |verdict: &Verdict| match verdict {
        Verdict::Match => true,
        Verdict::Fuzzy(score) => {
            assert!((85..100).contains(score));
            true
        }
        Verdict::Mismatch(score) => {
            assert!(*score <= 100);
            false
        }
    };
    let compared: Vec<_> = check.elements.iter().map(|(element, _)| *element).collect();
    match check.outcome {
        Outcome::Verified => {
            assert_eq!(compared, elements);
            assert!(check.elements.iter().all(|(_, verdict)| agrees(verdict)));
        }
        Outcome::Mismatch => {
            assert_eq!(compared, elements);
            assert!(!check.elements.iter().all(|(_, verdict)| agrees(verdict)));
        }
        Outcome::Deceased | Outcome::Duplicate | Outcome::NotFound | Outcome::Inactive => {
            assert!(compared.is_empty(), "nothing is compared with a record out of use");
        }
        Outcome::Rejected | Outcome::QuotaExhausted | Outcome::Unavailable => {
            panic!("a fault passes for an outcome of the person");
        }
    }
}
