//! The distinct people whom one agency has asked about within the hour.
//!
//! Counted exactly, for there are never more of them than the limit: an estimate would either
//! refuse the honest or let the curious through.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use desmigratif_core::subject::Subject;
use jiff::Timestamp;

/// How long a person counts after the first call about them.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The people of one agency's last hour.
pub(super) struct Subjects {
    allowed: usize,
    /// Who counts now.
    known: HashSet<Subject>,
    /// The same, in the order in which they came, each with the moment.
    came: VecDeque<(Timestamp, Subject)>,
    /// Whether the last call was refused.
    refusing: bool,
}

impl Subjects {
    pub(super) fn new(allowed: u32) -> Self {
        Self {
            allowed: allowed as usize,
            known: HashSet::new(),
            came: VecDeque::new(),
            refusing: false,
        }
    }

    /// How many more may come now.
    pub(super) fn left(&mut self, now: Timestamp) -> u32 {
        self.forget(now);
        u32::try_from(self.allowed.saturating_sub(self.known.len())).unwrap_or(u32::MAX)
    }

    /// Counts people, all of them or none.
    ///
    /// # Errors
    /// How long it takes until they would fit, an hour when they never do, and whether this is
    /// the first refusal in a row.
    pub(super) fn add(
        &mut self,
        people: &[Subject],
        now: Timestamp,
    ) -> Result<(), (Duration, bool)> {
        self.forget(now);
        let new: HashSet<_> = people.iter().filter(|who| !self.known.contains(who)).collect();
        let over = (self.known.len() + new.len()).saturating_sub(self.allowed);
        if over > 0 {
            // Once the first `over` of those who came are forgotten, there is room.
            let wait = self.came.get(over - 1).map_or(HOUR, |(came, _)| HOUR - since(*came, now));
            return Err((wait, !std::mem::replace(&mut self.refusing, true)));
        }
        self.refusing = false;
        self.came.extend(new.iter().map(|who| (now, **who)));
        self.known.extend(new);
        Ok(())
    }

    /// Forgets those who came an hour ago.
    fn forget(&mut self, now: Timestamp) {
        while let Some((_, who)) = self.came.pop_front_if(|(came, _)| since(*came, now) >= HOUR) {
            self.known.remove(&who);
        }
    }
}

/// How long ago something was, at most an hour. Nothing when the clock was put back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or(Duration::ZERO).min(HOUR)
}

#[cfg(test)]
mod tests {
    use desmigratif_core::nik::Nik;
    use desmigratif_core::subject::SubjectKey;
    use proptest::prelude::*;

    use super::*;

    fn person(number: u8) -> Subject {
        let nik = format!("32121611019{:01}{:04}", number % 10, u16::from(number) + 1);
        SubjectKey::from_bytes([1; 32]).pseudonym(&Nik::parse(&nik).expect("it is one"))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn the_same_person_counts_once_and_only_for_an_hour() {
        let mut subjects = Subjects::new(2);
        for second in 0..10 {
            subjects.add(&[person(1), person(1)], at(second)).unwrap();
        }
        assert_eq!(subjects.left(at(10)), 1);
        subjects.add(&[person(2)], at(60)).unwrap();
        assert_eq!(
            subjects.add(&[person(3)], at(100)),
            Err((Duration::from_secs(3_500), true)),
            "until the first is an hour ago"
        );
        assert_eq!(subjects.add(&[person(3)], at(3_599)), Err((Duration::from_secs(1), false)));
        subjects.add(&[person(1)], at(3_599)).expect("who is known costs nothing");
        subjects.add(&[person(3)], at(3_600)).unwrap();
        assert_eq!(subjects.left(at(3_600)), 0);
    }

    #[test]
    fn people_are_counted_together_or_not_at_all() {
        let mut subjects = Subjects::new(2);
        subjects.add(&[person(1)], at(0)).unwrap();
        assert!(subjects.add(&[person(2), person(3)], at(0)).is_err());
        assert_eq!(subjects.left(at(0)), 1);
        let never = subjects.add(&[person(2), person(3), person(4)], at(0));
        assert_eq!(never, Err((HOUR, false)));
    }

    proptest! {
        /// However calls are spread, no hour begins with more people than are allowed, and a
        /// refused call passes after the time that it was told.
        #[test]
        fn in_no_hour_are_more_people_asked_about_for_the_first_time_than_allowed(
            calls in proptest::collection::vec((0_i64..600, 0_u8..30), 1..200),
        ) {
            const ALLOWED: u32 = 5;
            let mut subjects = Subjects::new(ALLOWED);
            let (mut now, mut counted) = (0, Vec::new());
            for (pause, who) in calls {
                now += pause;
                let mut before = subjects.left(at(now));
                if let Err((wait, _)) = subjects.add(&[person(who)], at(now)) {
                    now += i64::try_from(wait.as_secs()).unwrap();
                    before = subjects.left(at(now));
                    prop_assert_eq!(subjects.add(&[person(who)], at(now)), Ok(()));
                }
                if subjects.left(at(now)) < before {
                    counted.push(now);
                }
            }
            for begin in &counted {
                let hour = counted.iter().filter(|at| (*begin..begin + 3_600).contains(at));
                prop_assert!(hour.count() <= ALLOWED as usize);
            }
        }
    }
}
