//! The clock of a story: it begins in the past, goes on as time does, and is moved forward from day
//! to day until it is the system's own.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use desmigratif_core::ports::clock::{Clock, SystemClock};
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// The hour at which the days of a story begin, in Jakarta.
const MORNING: i8 = 8;

/// A clock that is behind the system's by so many microseconds.
#[derive(Debug, Default)]
pub(in crate::cli) struct StoryClock {
    behind: AtomicI64,
}

impl StoryClock {
    /// Moves to the morning of a day, never back and never ahead of the system's time.
    pub(super) fn begin(&self, day: Date) {
        let morning = TimeZone::fixed(Offset::constant(7))
            .to_timestamp(day.at(MORNING, 0, 0, 0))
            .unwrap_or(Timestamp::MAX);
        let behind = SystemClock.now().duration_since(morning);
        self.set(i64::try_from(behind.as_micros()).unwrap_or(0));
    }

    /// Moves to the system's time.
    pub(super) fn end(&self) {
        self.set(0);
    }

    fn set(&self, behind: i64) {
        self.behind.store(behind.max(0), Relaxed);
    }
}

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        let behind = SignedDuration::from_micros(self.behind.load(Relaxed));
        SystemClock.now().checked_sub(behind).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_goes_from_day_to_day_to_the_present() {
        let (clock, today) = (StoryClock::default(), SystemClock.today());
        let yesterday = today.yesterday().unwrap();
        clock.begin(yesterday.yesterday().unwrap());
        let first = clock.now();
        assert_eq!(clock.today(), yesterday.yesterday().unwrap());
        clock.begin(yesterday);
        assert!(clock.now() > first);
        assert_eq!(clock.today(), yesterday);
        clock.begin(today.tomorrow().unwrap());
        assert!(clock.now() <= SystemClock.now(), "never ahead");
        clock.end();
        assert!(SystemClock.now().duration_since(clock.now()) < SignedDuration::from_secs(60));
    }
}
