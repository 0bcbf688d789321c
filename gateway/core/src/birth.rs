//! Birth dates with their precision.
//!
//! Registers fill what is unknown with placeholders: 1 July, before 2004 31 December, and the 15th
//! where only the month is known (annex of Permendagri 19/2010). A placeholder looks like a date,
//! so the precision is kept beside it and comparisons go no further than it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::text::Rule;

/// How much of a birth date is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Only the year.
    Year,
    /// Month and year.
    Month,
    /// The whole date.
    Day,
}

/// A birth date.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BirthDate {
    date: Date,
    precision: Precision,
}

/// Why a birth date is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a calendar date in the form YYYY-MM-DD.
    #[error("not a date")]
    NotADate,
    /// Later than today.
    #[error("in the future")]
    Future,
    /// More than 130 years ago.
    #[error("too long ago")]
    TooOld,
}

impl From<Error> for Rule {
    fn from(error: Error) -> Self {
        match error {
            Error::NotADate => Self::new(
                "DATE_INVALID",
                "must be a calendar date in the form YYYY-MM-DD",
                "harus tanggal kalender dengan bentuk YYYY-MM-DD",
            ),
            Error::Future => Self::new(
                "BIRTH_DATE_FUTURE",
                "must not be in the future",
                "tidak boleh di masa depan",
            ),
            Error::TooOld => Self::new(
                "BIRTH_DATE_TOO_OLD",
                "must not be more than 130 years ago",
                "tidak boleh lebih dari 130 tahun yang lalu",
            ),
        }
    }
}

impl BirthDate {
    /// A birth date as it stands on `today`. A placeholder may lie after `today`, in the year or
    /// month that is known.
    ///
    /// # Errors
    /// [`Error::Future`], [`Error::TooOld`].
    pub fn new(date: Date, precision: Precision, today: Date) -> Result<Self, Error> {
        let birth = Self { date, precision };
        if birth.earliest() > today {
            Err(Error::Future)
        } else if today.year() - date.year() > 130 {
            Err(Error::TooOld)
        } else {
            Ok(birth)
        }
    }

    /// Reads `YYYY-MM-DD`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str, precision: Precision, today: Date) -> Result<Self, Error> {
        Self::new(parse_date(text).ok_or(Error::NotADate)?, precision, today)
    }

    /// The date, with placeholders where it is not known.
    #[must_use]
    pub const fn expose(self) -> Date {
        self.date
    }

    /// How much of it is known.
    #[must_use]
    pub const fn precision(self) -> Precision {
        self.precision
    }

    /// Whether a date that is said to be whole looks like a register's placeholder for a year. The
    /// 15th, the placeholder for a month, is no ground for suspicion: one birth in thirty is real.
    #[must_use]
    pub fn looks_like_placeholder(self) -> bool {
        self.precision == Precision::Day
            && matches!((self.date.month(), self.date.day()), (7, 1) | (12, 31))
    }

    /// Full years of age on a day, at the least that the precision allows: a person of whom only
    /// the year is known is taken to be born on its last day. A birthday on 29 February falls on
    /// 1 March in other years. Never less than 0.
    #[must_use]
    pub fn least_age_on(self, day: Date) -> i16 {
        full_years(self.latest(), day).max(0)
    }

    /// The first day that it can be.
    fn earliest(self) -> Date {
        match self.precision {
            Precision::Day => self.date,
            Precision::Month => self.date.first_of_month(),
            Precision::Year => self.date.first_of_year(),
        }
    }

    /// The last day that it can be.
    fn latest(self) -> Date {
        match self.precision {
            Precision::Day => self.date,
            Precision::Month => self.date.last_of_month(),
            Precision::Year => self.date.last_of_year(),
        }
    }

    /// Whether two birth dates agree as far as both are known.
    #[must_use]
    pub fn agrees_with(self, other: Self) -> bool {
        let (a, b) = (self.date, other.date);
        match self.precision.min(other.precision) {
            Precision::Day => a == b,
            Precision::Month => (a.year(), a.month()) == (b.year(), b.month()),
            Precision::Year => a.year() == b.year(),
        }
    }
}

redacted!(BirthDate);

/// Full years from `born` to `on`; negative when `on` is earlier. A birthday on 29 February falls
/// on 1 March in other years.
pub(crate) fn full_years(born: Date, on: Date) -> i16 {
    let had_birthday = (on.month(), on.day()) >= (born.month(), born.day());
    on.year() - born.year() - i16::from(!had_birthday)
}

/// Reads a calendar date in the form `YYYY-MM-DD` and no other.
#[must_use]
pub fn parse_date(text: &str) -> Option<Date> {
    // The parser reads other forms of ISO 8601 too; this one alone comes back as it was.
    text.parse::<Date>().ok().filter(|date| date.to_string() == text)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const TODAY: Date = date(2026, 11, 24);

    fn born(text: &str, precision: Precision) -> BirthDate {
        BirthDate::parse(text, precision, TODAY).unwrap()
    }

    #[test]
    fn what_cannot_be_a_birth_date_is_refused() {
        let refused = |text| BirthDate::parse(text, Precision::Day, TODAY).err();
        assert_eq!(refused("2026-11-25"), Some(Error::Future));
        assert_eq!(refused("1895-01-01"), Some(Error::TooOld));
        assert_eq!(refused("1990-02-30"), Some(Error::NotADate));
        for text in ["19900130", "1990-01-30T00:00", " 1990-01-30", "1990-1-30", "30-01-1990", ""] {
            assert_eq!(refused(text), Some(Error::NotADate), "{text}");
        }
        assert_eq!(refused("2026-11-24"), None);
    }

    #[test]
    fn a_placeholder_may_lie_ahead_in_the_year_or_month_that_is_known() {
        let today = date(2026, 3, 1);
        let read = |text, precision| BirthDate::parse(text, precision, today);
        let newborn = read("2026-07-01", Precision::Year).unwrap();
        assert_eq!(newborn.least_age_on(today), 0);
        assert!(read("2026-03-15", Precision::Month).is_ok());
        assert_eq!(read("2026-04-15", Precision::Month), Err(Error::Future));
        assert_eq!(read("2027-07-01", Precision::Year), Err(Error::Future));
    }

    #[test]
    fn a_birth_date_cannot_be_printed() {
        assert_eq!(format!("{:?}", born("1990-01-05", Precision::Day)), "BirthDate(..)");
    }

    #[test]
    fn age_is_never_overstated() {
        let leap = born("2008-02-29", Precision::Day);
        assert_eq!(leap.least_age_on(date(2026, 2, 28)), 17);
        assert_eq!(leap.least_age_on(date(2026, 3, 1)), 18);
        assert_eq!(born("2008-07-01", Precision::Year).least_age_on(date(2026, 12, 30)), 17);
        assert_eq!(born("2008-07-15", Precision::Month).least_age_on(date(2026, 7, 30)), 17);
        assert_eq!(born("2008-07-15", Precision::Month).least_age_on(date(2026, 7, 31)), 18);
    }

    #[test]
    fn dates_agree_as_far_as_both_are_known() {
        let day = born("1990-01-15", Precision::Day);
        assert!(day.agrees_with(born("1990-07-01", Precision::Year)));
        assert!(!day.agrees_with(born("1990-07-01", Precision::Day)));
        assert!(day.agrees_with(born("1990-01-02", Precision::Month)));
        assert!(born("1990-07-01", Precision::Day).looks_like_placeholder());
        assert!(!born("1990-07-01", Precision::Year).looks_like_placeholder());
    }

    fn any_precision() -> impl Strategy<Value = Precision> {
        proptest::sample::select(vec![Precision::Year, Precision::Month, Precision::Day])
    }

    proptest! {
        #[test]
        fn any_text_is_a_date_in_one_form_or_none(text in "[0-9TWZ:+-]{0,12}|[0-9]{4}-[01][0-9]-[0-3][0-9]") {
            if let Some(date) = parse_date(&text) {
                prop_assert_eq!(date.to_string(), text);
            }
        }

        #[test]
        fn agreement_is_symmetric_and_a_day_agrees_with_its_own_month_and_year(
            a in 0_i64..40_000, b in 0_i64..40_000, precisions in (any_precision(), any_precision()),
        ) {
            let day = |days| date(1900, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let (one, other) = (
                BirthDate { date: day(a), precision: precisions.0 },
                BirthDate { date: day(b), precision: precisions.1 },
            );
            prop_assert_eq!(one.agrees_with(other), other.agrees_with(one));
            let itself = BirthDate { date: day(a), precision: precisions.1 };
            prop_assert!(one.agrees_with(itself));
            // Where they agree, some day is possible for both.
            if one.agrees_with(other) {
                prop_assert!(one.earliest() <= other.latest() && other.earliest() <= one.latest());
            }
        }

        #[test]
        fn less_precision_never_makes_anyone_older(days in 0_i64..40_000, on in 0_i64..20_000) {
            let birth = date(1900, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let day = birth.checked_add(jiff::Span::new().days(on)).unwrap();
            let age = |precision| BirthDate { date: birth, precision }.least_age_on(day);
            prop_assert!(age(Precision::Year) <= age(Precision::Month));
            prop_assert!(age(Precision::Month) <= age(Precision::Day));
            prop_assert!(age(Precision::Day) >= 0);
        }
    }
}
