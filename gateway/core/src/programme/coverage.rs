//! How far the programme has come: by year, against its target, and at which pace.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::Designation;

/// Designations counted by year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    by_year: BTreeMap<i16, u32>,
}

impl Progress {
    /// Counts those in force on a day.
    #[must_use]
    pub fn of<'a>(designations: impl IntoIterator<Item = &'a Designation>, day: Date) -> Self {
        let mut progress = Self::default();
        for designation in designations.into_iter().filter(|it| it.in_force_on(day)) {
            *progress.by_year.entry(designation.year).or_default() += 1;
        }
        progress
    }

    /// How many were designated in each year that had any, oldest first.
    pub fn by_year(&self) -> impl Iterator<Item = (i16, u32)> {
        self.by_year.iter().map(|(year, count)| (*year, *count))
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.by_year.values().sum()
    }

    /// Villages a year over the `years` years that end with `last`, those without any included.
    #[must_use]
    pub fn pace(&self, last: i16, years: u16) -> f64 {
        if years == 0 {
            return 0.0;
        }
        let first = last.saturating_sub(i16::try_from(years).unwrap_or(i16::MAX) - 1);
        let count: u32 = self.by_year.range(first..=last).map(|(_, count)| count).sum();
        f64::from(count) / f64::from(years)
    }

    /// Villages a year that are needed to reach `target` by the end of `goal`, counted from the year
    /// after `now`; 0 once it is reached. `None` when `goal` is not after `now` and it is not.
    #[must_use]
    pub fn pace_needed(&self, target: u32, goal: i16, now: i16) -> Option<f64> {
        let left = target.saturating_sub(self.total());
        if left == 0 {
            return Some(0.0);
        }
        let years = i32::from(goal) - i32::from(now);
        (years > 0).then(|| f64::from(left) / f64::from(years))
    }

    /// The year in which `target` is reached at a pace, counted from `now`; `None` when it is not
    /// within the next thousand years.
    #[must_use]
    pub fn reached_in(&self, target: u32, pace: f64, now: i16) -> Option<i16> {
        let left = target.saturating_sub(self.total());
        if left == 0 {
            return Some(now);
        }
        let years = (f64::from(left) / pace).ceil();
        // No pace at all makes the quotient infinite, which is out of the range too.
        (0.0..=1_000.0).contains(&years).then(|| now.saturating_add(years as i16))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::region::VillageCode;

    /// The programme's history: 2, 120, 130 and 150 villages.
    fn history() -> Progress {
        let years = [(2016, 2), (2017, 120), (2018, 130), (2019, 150)];
        let villages = years.into_iter().flat_map(|(year, count)| (0..count).map(move |_| year));
        let designations: Vec<_> = villages
            .map(|year| Designation {
                village: VillageCode::parse("32.12.16.2004").unwrap(),
                year,
                decree: String::new(),
                decided_on: None,
                pilot: false,
                ended_on: None,
            })
            .collect();
        Progress::of(&designations, date(2026, 11, 24))
    }

    #[test]
    fn the_history_counts_up_to_402() {
        assert_eq!(history().total(), 402);
        let years: Vec<_> = history().by_year().collect();
        assert_eq!(years, [(2016, 2), (2017, 120), (2018, 130), (2019, 150)]);
    }

    #[test]
    fn years_without_a_designation_slow_the_pace() {
        assert_eq!(history().pace(2019, 3), 400.0 / 3.0);
        assert_eq!(history().pace(2020, 2), 75.0);
        assert_eq!(history().pace(2026, 3), 0.0);
    }

    #[test]
    fn the_pace_that_is_needed_spreads_what_is_left_over_the_years_left() {
        assert_eq!(history().pace_needed(4_000, 2030, 2026), Some(3_598.0 / 4.0));
        assert_eq!(history().pace_needed(402, 2026, 2026), Some(0.0));
        assert_eq!(history().pace_needed(4_000, 2026, 2026), None);
    }

    #[test]
    fn the_year_of_the_target_is_told_at_a_pace_and_never_at_none() {
        assert_eq!(history().reached_in(4_000, 100.0, 2026), Some(2062));
        assert_eq!(history().reached_in(4_000, 0.0, 2026), None);
        assert_eq!(history().reached_in(4_000, 0.001, 2026), None);
        assert_eq!(history().reached_in(400, 0.0, 2026), Some(2026));
    }
}
