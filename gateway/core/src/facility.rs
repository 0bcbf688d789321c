//! Health facilities that are designated to examine migrant workers (Permenkes 29/2013): hospitals
//! of class C or above and klinik utama, for stated periods.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::geo::Coordinate;
use crate::region::VillageCode;
use crate::text::Rule;

/// The class of a facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FacilityClass {
    /// Rumah sakit kelas A.
    HospitalA,
    /// Rumah sakit kelas B.
    HospitalB,
    /// Rumah sakit kelas C.
    HospitalC,
    /// Klinik utama.
    KlinikUtama,
}

/// A period of designation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Designation {
    /// Its first day.
    pub from: Date,
    /// Its last day; none while it is open.
    #[serde(default)]
    pub until: Option<Date>,
}

/// Why periods are no facility's designations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesignationError {
    /// A period ends before it begins.
    #[error("a period ends before it begins")]
    EndsBeforeItBegins,
    /// Two periods have a day in common.
    #[error("two periods have a day in common")]
    Overlap,
}

impl From<DesignationError> for Rule {
    fn from(error: DesignationError) -> Self {
        match error {
            DesignationError::EndsBeforeItBegins => Self::new(
                "DESIGNATION_ENDS_BEFORE_IT_BEGINS",
                "must not end before it begins",
                "tidak boleh berakhir sebelum dimulai",
            ),
            DesignationError::Overlap => Self::new(
                "DESIGNATIONS_OVERLAP",
                "must have no two periods that share a day",
                "tidak boleh memuat dua masa penunjukan yang beririsan",
            ),
        }
    }
}

/// Periods in the order of their first days, if each is one and no two share a day.
///
/// # Errors
/// See [`DesignationError`].
pub fn in_succession(mut periods: Vec<Designation>) -> Result<Vec<Designation>, DesignationError> {
    if periods.iter().any(|it| it.until.is_some_and(|until| until < it.from)) {
        return Err(DesignationError::EndsBeforeItBegins);
    }
    periods.sort_by_key(|it| it.from);
    let overlap =
        periods.windows(2).any(|pair| pair[0].until.is_none_or(|until| until >= pair[1].from));
    if overlap { Err(DesignationError::Overlap) } else { Ok(periods) }
}

/// A facility.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facility {
    /// Its id, shaped like an agency's.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: FacilityClass,
    /// The village that it lies in.
    pub village: VillageCode,
    /// Where it lies.
    pub location: Coordinate,
    /// Its designations, oldest first.
    pub designations: Vec<Designation>,
    /// Examinations in a day; 0 where unknown.
    #[serde(default)]
    pub capacity_per_day: u32,
}

impl Facility {
    /// Whether the facility is designated on a day; first and last day count.
    #[must_use]
    pub fn designated_on(&self, day: Date) -> bool {
        self.designations
            .iter()
            .any(|period| period.from <= day && period.until.is_none_or(|until| day <= until))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Span;
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn facility(designations: Vec<Designation>) -> Facility {
        Facility {
            id: "klinik".into(),
            name: "Klinik".into(),
            class: FacilityClass::KlinikUtama,
            village: VillageCode::parse("32.12.16.2004").unwrap(),
            location: Coordinate::new(-6.4, 108.3).unwrap(),
            designations,
            capacity_per_day: 0,
        }
    }

    #[test]
    fn first_and_last_day_of_a_designation_count() {
        let facility = facility(vec![
            Designation { from: date(2024, 1, 1), until: Some(date(2024, 12, 31)) },
            Designation { from: date(2026, 1, 1), until: None },
        ]);
        for (day, designated) in [
            (date(2023, 12, 31), false),
            (date(2024, 1, 1), true),
            (date(2024, 12, 31), true),
            (date(2025, 6, 1), false),
            (date(2030, 1, 1), true),
        ] {
            assert_eq!(facility.designated_on(day), designated, "{day}");
        }
    }

    #[test]
    fn periods_follow_one_another() {
        let period = |from, until| Designation { from, until };
        let first = period(date(2024, 1, 1), Some(date(2024, 12, 31)));
        let open = period(date(2025, 1, 1), None);
        assert_eq!(in_succession(vec![open, first]), Ok(vec![first, open]));
        assert_eq!(in_succession(Vec::new()), Ok(Vec::new()));
        let touching = period(date(2024, 12, 31), None);
        assert_eq!(in_succession(vec![first, touching]), Err(DesignationError::Overlap));
        let later = period(date(2026, 1, 1), Some(date(2026, 2, 1)));
        assert_eq!(in_succession(vec![open, later]), Err(DesignationError::Overlap));
        let backwards = period(date(2024, 2, 1), Some(date(2024, 1, 31)));
        assert_eq!(in_succession(vec![backwards]), Err(DesignationError::EndsBeforeItBegins));
    }

    proptest! {
        #[test]
        fn a_closed_designation_holds_as_many_days_as_it_has(from in 0_i64..300, days in 0_i64..300) {
            let day = |days| date(2024, 1, 1).saturating_add(Span::new().days(days));
            let until = Some(day(from + days));
            let facility = facility(vec![Designation { from: day(from), until }]);
            let designated: Vec<_> = (0..700).filter(|it| facility.designated_on(day(*it))).collect();
            prop_assert_eq!(designated, (from..=from + days).collect::<Vec<_>>());
        }
    }
}
