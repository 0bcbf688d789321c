//! The clock port: what time it is, so that tests can say.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

/// A source of the present time.
pub trait Clock: Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// Today in the capital's time (WIB, UTC+7), by which dates of validity are counted.
    fn today(&self) -> Date {
        TimeZone::fixed(Offset::constant(7)).to_datetime(self.now()).date()
    }

    /// How long it is until the next day begins in the capital, and with it the next quota of
    /// Dukcapil: more than nothing, to the second.
    fn until_tomorrow(&self) -> Duration {
        const DAY: i64 = 24 * 60 * 60;
        const WIB: i64 = 7 * 60 * 60;
        let second = (self.now().as_second() + WIB).rem_euclid(DAY);
        Duration::from_secs((DAY - second).unsigned_abs())
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands where a test sets it.
#[cfg(any(test, feature = "conformance"))]
#[derive(Debug)]
pub struct SetClock(std::sync::Mutex<Timestamp>);

#[cfg(any(test, feature = "conformance"))]
impl SetClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(std::sync::Mutex::new(now))
    }

    /// Moves the clock to `now`.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().expect("no holder of this lock can panic") = now;
    }
}

#[cfg(any(test, feature = "conformance"))]
impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_turns_at_midnight_in_jakarta() {
        let clock = SetClock::at("2026-11-24T16:59:59Z".parse().unwrap());
        assert_eq!(clock.today(), jiff::civil::date(2026, 11, 24));
        assert_eq!(clock.until_tomorrow(), Duration::from_secs(1));
        clock.set("2026-11-24T17:00:00Z".parse().unwrap());
        assert_eq!(clock.today(), jiff::civil::date(2026, 11, 25));
        assert_eq!(clock.until_tomorrow(), Duration::from_secs(24 * 60 * 60));
    }
}
