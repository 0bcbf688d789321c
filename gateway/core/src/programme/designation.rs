//! The designation of a village.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::region::{VillageCode, VillageKind};
use crate::text::Rule;

/// The first year of the programme: two pilot villages.
pub const FIRST_YEAR: i16 = 2016;

/// A village of the programme. Its id is the village's code: a village is designated once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Designation {
    /// The village: a desa or desa adat.
    pub village: VillageCode,
    /// The programme year that it was designated in, from [`FIRST_YEAR`] on.
    pub year: i16,
    /// The decision that designates it, as it is cited: "Kepmenaker 59/2017".
    pub decree: String,
    /// The day of the decision, where known.
    #[serde(default)]
    pub decided_on: Option<Date>,
    /// Whether it is one of the two pilot villages.
    #[serde(default)]
    pub pilot: bool,
    /// The last day, where the designation was ended.
    #[serde(default)]
    pub ended_on: Option<Date>,
}

/// The village is a kelurahan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only a desa or desa adat can be designated")]
pub struct NotAVillageForIt;

impl From<NotAVillageForIt> for Rule {
    fn from(NotAVillageForIt: NotAVillageForIt) -> Self {
        Self::new(
            "VILLAGE_IS_KELURAHAN",
            "must be a desa or desa adat: a kelurahan cannot be designated",
            "harus desa atau desa adat: kelurahan tidak dapat ditetapkan",
        )
    }
}

impl Designation {
    /// Whether a village can be designated at all.
    ///
    /// # Errors
    /// [`NotAVillageForIt`] for a kelurahan.
    pub const fn possible(village: VillageCode) -> Result<(), NotAVillageForIt> {
        match village.kind() {
            VillageKind::Desa | VillageKind::DesaAdat => Ok(()),
            VillageKind::Kelurahan => Err(NotAVillageForIt),
        }
    }

    /// Whether the village is in the programme on a day; the last day counts.
    #[must_use]
    pub fn in_force_on(&self, day: Date) -> bool {
        self.year <= day.year() && self.ended_on.is_none_or(|last| day <= last)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_desa_and_a_desa_adat_can_be_designated_and_a_kelurahan_cannot() {
        let possible = |code| Designation::possible(VillageCode::parse(code).unwrap());
        assert_eq!(possible("32.12.16.2004"), Ok(()));
        assert_eq!(possible("91.03.01.3001"), Ok(()));
        assert_eq!(possible("32.12.16.1004"), Err(NotAVillageForIt));
    }

    #[test]
    fn a_designation_holds_from_its_year_through_its_last_day() {
        let designation = Designation {
            village: VillageCode::parse("32.12.16.2004").unwrap(),
            year: 2017,
            decree: "Kepmenaker 59/2017".into(),
            decided_on: None,
            pilot: false,
            ended_on: Some(date(2020, 6, 30)),
        };
        for (day, in_force) in [
            (date(2016, 12, 31), false),
            (date(2017, 1, 1), true),
            (date(2020, 6, 30), true),
            (date(2020, 7, 1), false),
        ] {
            assert_eq!(designation.in_force_on(day), in_force, "{day}");
        }
    }
}
