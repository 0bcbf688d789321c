//! The stages of a worker before, during and after work abroad, and the guards between them.
//!
//! ```text
//!  Prospective ──► Ready ──► Abroad ──► Returned
//!    ▲   │           │                     │
//!    │   └──► Withdrawn ◄──┘                 │
//!    └───────────┴─────────────────────────┘   (a new placement begins anew)
//! ```
//!
//! Invariant: nobody becomes [`Stage::Ready`] or goes [`Stage::Abroad`] while a guard of UU 18/2017
//! (art. 5: age, health; art. 13: documents) refuses, on whichever way the stage was reached. The
//! guards are judged again at departure, since a clearance may have run out in between.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::clearance::{Clearance, ClearanceStatus, PregnancyResult, ValidityPolicy};
use crate::identity::Sex;
use crate::text::Text;
use crate::worker::{Document, Worker};

/// The least age of a worker (UU 18/2017 art. 5).
const LEAST_AGE: i16 = 18;
/// A pregnancy test holds for so many days up to departure (Perpres 64/2011 art. 14).
const PREGNANCY_TEST_DAYS: i32 = 7;

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before work: registered as a candidate (CPMI).
    Prospective,
    /// Before work: every condition is met.
    Ready,
    /// During work (PMI).
    Abroad,
    /// After work (PMI purna).
    Returned,
    /// Gave up before departure.
    Withdrawn,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] =
        [Self::Prospective, Self::Ready, Self::Abroad, Self::Returned, Self::Withdrawn];

    /// The stage as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prospective => "prospective",
            Self::Ready => "ready",
            Self::Abroad => "abroad",
            Self::Returned => "returned",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The stages that can follow.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Prospective => &[Self::Ready, Self::Withdrawn],
            Self::Ready => &[Self::Abroad, Self::Withdrawn],
            Self::Abroad => &[Self::Returned],
            Self::Returned | Self::Withdrawn => &[Self::Prospective],
        }
    }
}

/// Why a stage cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stage does not follow the one that the worker is in.
    NotNext,
    /// Younger than 18, or perhaps so by what is known of the birth date.
    TooYoung,
    /// The register has not confirmed the identity.
    IdentityNotVerified,
    /// No destination is chosen.
    NoDestination,
    /// No clearance for the destination is valid.
    NoValidClearance,
    /// The valid clearance of a woman has no negative pregnancy test of the last 7 days.
    PregnancyTestTooOld,
    /// A document is missing.
    DocumentMissing(Document),
}

impl Refusal {
    /// Its stable name.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.reason_and_text().0
    }

    /// What it means.
    #[must_use]
    pub const fn text(self) -> Text {
        self.reason_and_text().1
    }

    const fn reason_and_text(self) -> (&'static str, Text) {
        match self {
            Self::NotNext => (
                "STAGE_NOT_NEXT",
                Text {
                    en: "this stage does not follow the present one",
                    id: "tahap ini tidak mengikuti tahap sekarang",
                },
            ),
            Self::TooYoung => (
                "TOO_YOUNG",
                Text {
                    en: "the worker must be at least 18 (UU 18/2017 art. 5)",
                    id: "pekerja harus berusia sedikitnya 18 tahun (UU 18/2017 pasal 5)",
                },
            ),
            Self::IdentityNotVerified => (
                "IDENTITY_NOT_VERIFIED",
                Text {
                    en: "the identity is not verified; call VerifyIdentity first",
                    id: "identitas belum diverifikasi; panggil VerifyIdentity dahulu",
                },
            ),
            Self::NoDestination => (
                "NO_DESTINATION",
                Text { en: "no destination is chosen", id: "negara tujuan belum dipilih" },
            ),
            Self::NoValidClearance => (
                "NO_VALID_CLEARANCE",
                Text {
                    en: "no medical clearance for the destination is valid today",
                    id: "hari ini tidak ada surat keterangan sehat yang berlaku untuk negara tujuan",
                },
            ),
            Self::PregnancyTestTooOld => (
                "PREGNANCY_TEST_TOO_OLD",
                Text {
                    en: "departure needs a negative pregnancy test of the last 7 days \
                         (Perpres 64/2011 art. 14)",
                    id: "keberangkatan memerlukan tes kehamilan negatif dalam 7 hari terakhir \
                         (Perpres 64/2011 pasal 14)",
                },
            ),
            Self::DocumentMissing(document) => document.missing(),
        }
    }
}

/// What the guards are judged by, besides the worker.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The day.
    pub today: Date,
    /// All clearances of the worker, for any destination: one may void another.
    pub clearances: &'a [Clearance],
    /// How long a clearance is valid.
    pub validity: &'a ValidityPolicy,
}

/// Judges whether a worker may enter a stage.
///
/// # Errors
/// Every guard that refuses, not only the first.
pub fn advance(
    worker: &Worker,
    target: Stage,
    evidence: &Evidence<'_>,
) -> Result<(), Vec<Refusal>> {
    let mut refusals = Vec::new();
    if !worker.stage.next().contains(&target) {
        refusals.push(Refusal::NotNext);
    }
    if matches!(target, Stage::Ready | Stage::Abroad) {
        conditions(worker, target, evidence, &mut refusals);
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

fn conditions(
    worker: &Worker,
    target: Stage,
    evidence: &Evidence<'_>,
    refusals: &mut Vec<Refusal>,
) {
    if worker.birth.least_age_on(evidence.today) < LEAST_AGE {
        refusals.push(Refusal::TooYoung);
    }
    if !worker.identity_verified() {
        refusals.push(Refusal::IdentityNotVerified);
    }
    match worker.destination {
        None => refusals.push(Refusal::NoDestination),
        Some(destination) => {
            let valid = |clearance: &&Clearance| {
                clearance.destination == destination
                    && clearance.status_on(evidence.today, evidence.validity)
                        == ClearanceStatus::Valid
                    && !evidence.clearances.iter().any(|other| clearance.voided_by(other))
            };
            let mut valid = evidence.clearances.iter().filter(valid).peekable();
            if valid.peek().is_none() {
                refusals.push(Refusal::NoValidClearance);
            } else if target == Stage::Abroad
                && worker.sex == Sex::Female
                && !valid.any(|clearance| tested_lately(clearance, evidence.today))
            {
                refusals.push(Refusal::PregnancyTestTooOld);
            }
        }
    }
    let missing = Document::ALL.into_iter().filter(|it| !worker.documents.contains(it));
    refusals.extend(missing.map(Refusal::DocumentMissing));
}

fn tested_lately(clearance: &Clearance, today: Date) -> bool {
    clearance.pregnancy_test.is_some_and(|test| {
        let days_ago = (today - test.tested_on).get_days();
        test.result == PregnancyResult::Negative && (0..=PREGNANCY_TEST_DAYS).contains(&days_ago)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::birth::{BirthDate, Precision};
    use crate::clearance::tests::clearance;
    use crate::clearance::{Conclusion, Country, PregnancyTest};
    use crate::worker::tests::worker;

    const TODAY: Date = date(2026, 11, 24);

    fn fit() -> Clearance {
        clearance(date(2026, 11, 1))
    }

    fn judge(worker: &Worker, target: Stage, clearances: &[Clearance]) -> Vec<Refusal> {
        let validity = ValidityPolicy::default();
        let evidence = Evidence { today: TODAY, clearances, validity: &validity };
        advance(worker, target, &evidence).err().unwrap_or_default()
    }

    #[test]
    fn whoever_meets_every_condition_may_go() {
        assert_eq!(judge(&worker(), Stage::Ready, &[fit()]), []);
        let ready = Worker { stage: Stage::Ready, ..worker() };
        assert_eq!(judge(&ready, Stage::Abroad, &[fit()]), []);
    }

    #[test]
    fn all_refusals_come_at_once() {
        let worker = Worker {
            birth: BirthDate::new(date(2010, 1, 1), Precision::Day, TODAY).unwrap(),
            verification: None,
            documents: Document::ALL.into_iter().filter(|it| *it != Document::Passport).collect(),
            stage: Stage::Returned,
            ..worker()
        };
        assert_eq!(
            judge(&worker, Stage::Ready, &[]),
            [
                Refusal::NotNext,
                Refusal::TooYoung,
                Refusal::IdentityNotVerified,
                Refusal::NoValidClearance,
                Refusal::DocumentMissing(Document::Passport),
            ]
        );
    }

    #[test]
    fn a_clearance_must_be_for_the_destination_and_in_force() {
        let elsewhere = Clearance { destination: Country::parse("TW").unwrap(), ..fit() };
        let unfit = Clearance { conclusion: Conclusion::Unfit, ..fit() };
        let expired = clearance(date(2026, 8, 1));
        let refused = judge(&worker(), Stage::Ready, &[elsewhere, unfit, expired]);
        assert_eq!(refused, [Refusal::NoValidClearance]);
    }

    #[test]
    fn a_woman_departs_with_a_test_of_the_last_seven_days() {
        let woman = Worker { sex: Sex::Female, stage: Stage::Ready, ..worker() };
        let tested = |tested_on| Clearance {
            pregnancy_test: Some(PregnancyTest { tested_on, result: PregnancyResult::Negative }),
            ..fit()
        };
        assert_eq!(judge(&woman, Stage::Abroad, &[tested(date(2026, 11, 17))]), []);
        let old = [fit(), tested(date(2026, 11, 16))];
        assert_eq!(judge(&woman, Stage::Abroad, &old), [Refusal::PregnancyTestTooOld]);
        let ahead = [tested(date(2026, 11, 25))];
        assert_eq!(judge(&woman, Stage::Abroad, &ahead), [Refusal::PregnancyTestTooOld]);
        let prospective = Worker { stage: Stage::Prospective, ..woman };
        assert_eq!(judge(&prospective, Stage::Ready, &[fit()]), []);
    }

    #[test]
    fn a_pregnancy_found_by_another_facility_stops_the_departure() {
        let woman = Worker { sex: Sex::Female, stage: Stage::Ready, ..worker() };
        let test = |day, result| Some(PregnancyTest { tested_on: date(2026, 11, day), result });
        let fit = Clearance { pregnancy_test: test(18, PregnancyResult::Negative), ..fit() };
        assert_eq!(judge(&woman, Stage::Abroad, std::slice::from_ref(&fit)), []);
        let found = Clearance {
            pregnancy_test: test(22, PregnancyResult::Positive),
            destination: Country::parse("TW").unwrap(),
            ..clearance(date(2026, 11, 22))
        };
        assert_eq!(judge(&woman, Stage::Abroad, &[fit, found]), [Refusal::NoValidClearance]);
    }

    #[test]
    fn each_guard_alone_refuses_by_its_own_name() {
        let young = BirthDate::new(date(2008, 11, 25), Precision::Day, TODAY).unwrap();
        let mut cases = vec![
            (Worker { birth: young, ..worker() }, Refusal::TooYoung),
            (Worker { verification: None, ..worker() }, Refusal::IdentityNotVerified),
            (Worker { destination: None, ..worker() }, Refusal::NoDestination),
        ];
        cases.extend(Document::ALL.map(|missing| {
            let documents = Document::ALL.into_iter().filter(|it| *it != missing).collect();
            (Worker { documents, ..worker() }, Refusal::DocumentMissing(missing))
        }));
        for (worker, refusal) in cases {
            assert_eq!(judge(&worker, Stage::Ready, &[fit()]), [refusal]);
            let ready = Worker { stage: Stage::Ready, ..worker };
            assert_eq!(judge(&ready, Stage::Abroad, &[fit()]), [refusal]);
        }
        assert_eq!(judge(&worker(), Stage::Ready, &[]), [Refusal::NoValidClearance]);
    }

    #[test]
    fn these_steps_and_no_others_are_allowed() {
        use Stage::{Abroad, Prospective, Ready, Returned, Withdrawn};
        let steps: Vec<_> =
            Stage::ALL.iter().flat_map(|from| from.next().iter().map(|to| (*from, *to))).collect();
        assert_eq!(
            steps,
            [
                (Prospective, Ready),
                (Prospective, Withdrawn),
                (Ready, Abroad),
                (Ready, Withdrawn),
                (Abroad, Returned),
                (Returned, Prospective),
                (Withdrawn, Prospective),
            ]
        );
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        proptest::sample::select(Stage::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn no_walk_through_the_stages_leaves_a_guard_behind(
            targets in proptest::collection::vec(any_stage(), 1..30),
            birth_year in 1960_i16..2012, verified: bool, has_fit: bool,
            documents in proptest::sample::subsequence(Document::ALL.to_vec(), 0..=8),
        ) {
            let mut worker = Worker {
                birth: BirthDate::new(date(birth_year, 1, 1), Precision::Day, TODAY).unwrap(),
                documents: documents.into_iter().collect::<BTreeSet<_>>(),
                ..worker()
            };
            if !verified {
                worker.verification = None;
            }
            let clearances = if has_fit { vec![fit()] } else { vec![] };
            let complete = birth_year <= 2008 && verified && has_fit && worker.documents.len() == 8;
            for target in targets {
                if judge(&worker, target, &clearances).is_empty() {
                    prop_assert!(worker.stage.next().contains(&target));
                    prop_assert!(complete || !matches!(target, Stage::Ready | Stage::Abroad));
                    worker.stage = target;
                }
            }
        }

        #[test]
        fn every_stage_can_be_left_and_none_follows_itself(stage in any_stage()) {
            prop_assert!(!stage.next().is_empty());
            prop_assert!(!stage.next().contains(&stage));
        }
    }
}
