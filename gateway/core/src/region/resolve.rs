//! Retired codes: what a code of an earlier decree is called today.
//!
//! In 2022 four laws made new provinces in Papua, and 26 regencies moved into them whole, each
//! under a new number. Between the lists of 2016, 2018, 2020 and 2022 and that of 2025
//! those are the only regencies and districts whose numbers were retired. What became of the
//! digits behind the regency's was measured on those lists, by name:
//!
//! - **Districts.** In 17 of the 26 regencies every district of every list kept its two digits: 324
//!   of 324 (three with another spelling in some list, as Ayip, today Ayib). There the digits under
//!   the new number are the answer. In the other nine the districts were numbered anew: the digits
//!   exist for 190 of 270, and name the same district for 38 of those, one in five. There the
//!   answer is the regency.
//! - **Villages.** The digits exist for 3,720 of 5,535 and name the same village for 2,277 of those,
//!   61 in 100; in only three regencies do they all. So the answer is always the regency.
//!
//! What this does not know: whether an earlier decree really had the code that is asked for; the
//! 1,303 village codes that were retired elsewhere since 2016, as when a desa became a kelurahan;
//! and that a number in force may have named another place before. Since 2016 that befell three
//! districts (Tolala and Katoi, 74.08.13 and 74.08.15, have swapped) and up to 204 villages, whose
//! old name has another number in the same regency today. [`Resolution::Current`] speaks of the
//! number only, so whoever answers with it shows the name and the decree too.

use super::code::{Level, RegionCode, VillageCode};
use super::gazetteer::Gazetteer;

/// What retired codes: those of Papua (91) the first three laws with the decree of 2022; those of
/// Papua Barat (92) UU 29/2022, and the list of 2025 is the first known here with today's, for that
/// of 2022 still has the old.
pub const RETIRED_BY: &str = "UU 14/2022, UU 15/2022, UU 16/2022 (Kepmendagri 100.1.1-6117/2022); \
                              UU 29/2022 (Kepmendagri 300.2.2-2138/2025)";

/// The districts of the regency kept their digits.
const KEPT: bool = true;
/// The districts of the regency were numbered anew.
const ANEW: bool = false;

/// Retired regency codes with today's, and what became of the districts' digits.
const RENUMBERED: [(&str, &str, bool); 26] = [
    ("9101", "9301", KEPT),
    ("9102", "9501", ANEW),
    ("9104", "9401", ANEW),
    ("9107", "9402", ANEW),
    ("9108", "9403", ANEW),
    ("9109", "9404", KEPT),
    ("9112", "9502", KEPT),
    ("9113", "9503", ANEW),
    ("9114", "9504", ANEW),
    ("9116", "9302", KEPT),
    ("9117", "9303", KEPT),
    ("9118", "9304", KEPT),
    ("9121", "9505", KEPT),
    ("9122", "9506", KEPT),
    ("9123", "9507", KEPT),
    ("9124", "9508", KEPT),
    ("9125", "9405", KEPT),
    ("9126", "9406", KEPT),
    ("9127", "9407", KEPT),
    ("9128", "9408", KEPT),
    ("9201", "9601", ANEW),
    ("9204", "9602", ANEW),
    ("9205", "9603", ANEW),
    ("9209", "9604", KEPT),
    ("9210", "9605", KEPT),
    ("9271", "9671", KEPT),
];

/// How a code stands today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is in force.
    Current,
    /// It is retired, and this is today's, of the same level.
    Renumbered(RegionCode),
    /// It is retired, and the place lies in this regency today.
    WithinRegency(RegionCode),
    /// No decree known here has it.
    Unknown,
}

impl Gazetteer {
    /// How the code of a region stands today.
    #[must_use]
    pub fn resolve_region(&self, code: RegionCode) -> Resolution {
        if self.region(code).is_some() {
            return Resolution::Current;
        }
        match (code.level(), self.renumbered(code)) {
            (Level::Regency, Some((regency, _))) => Resolution::Renumbered(regency),
            (Level::District, Some((regency, districts_kept))) => districts_kept
                .then(|| code.moved_to(regency))
                .filter(|today| self.region(*today).is_some())
                .map_or(Resolution::WithinRegency(regency), Resolution::Renumbered),
            _ => Resolution::Unknown,
        }
    }

    /// How the code of a village stands today.
    #[must_use]
    pub fn resolve_village(&self, code: VillageCode) -> Resolution {
        if self.village(code).is_some() {
            return Resolution::Current;
        }
        self.renumbered(code.district())
            .map_or(Resolution::Unknown, |(regency, _)| Resolution::WithinRegency(regency))
    }

    /// Today's code of the retired regency that a code is or lies in, and whether its districts
    /// kept their digits.
    fn renumbered(&self, code: RegionCode) -> Option<(RegionCode, bool)> {
        let retired = code.up_to(Level::Regency).digits();
        let at = RENUMBERED.binary_search_by_key(&retired.as_str(), |row| row.0).ok()?;
        let (_, today, districts_kept) = RENUMBERED[at];
        let today = RegionCode::parse(today).ok()?;
        self.region(today).map(|region| (region.code, districts_kept))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::gazetteer::tests::small;
    use super::*;

    fn region(text: &str) -> RegionCode {
        RegionCode::parse(text).unwrap()
    }

    #[test]
    fn the_table_is_sorted_and_maps_one_to_one() {
        assert!(RENUMBERED.is_sorted());
        let today: BTreeSet<_> = RENUMBERED.iter().map(|row| row.1).collect();
        assert_eq!(today.len(), RENUMBERED.len());
        assert!(RENUMBERED.iter().all(|row| !today.contains(row.0)));
    }

    #[test]
    fn a_retired_regency_is_known_under_its_new_number() {
        let gazetteer = small();
        assert_eq!(
            gazetteer.resolve_region(region("91.01")),
            Resolution::Renumbered(region("93.01"))
        );
        assert_eq!(gazetteer.resolve_region(region("32")), Resolution::Current);
        assert_eq!(gazetteer.resolve_region(region("91")), Resolution::Unknown);
        // Its new number is not in this gazetteer, so nothing is said.
        assert_eq!(gazetteer.resolve_region(region("91.04")), Resolution::Unknown);
    }

    #[test]
    fn a_district_is_known_only_where_all_kept_their_digits_and_it_exists() {
        let gazetteer = small();
        let resolve = |text| gazetteer.resolve_region(region(text));
        assert_eq!(resolve("91.01.01"), Resolution::Renumbered(region("93.01.01")));
        assert_eq!(resolve("91.01.99"), Resolution::WithinRegency(region("93.01")));
        // 91.02.03 was Kurulu; Jayawijaya numbered anew, and 95.01.03 is Asologaima.
        assert_eq!(resolve("91.02.03"), Resolution::WithinRegency(region("95.01")));
    }

    #[test]
    fn a_village_under_a_retired_regency_is_known_only_by_the_regency() {
        let gazetteer = small();
        let village = |text| gazetteer.resolve_village(VillageCode::parse(text).unwrap());
        let merauke = Resolution::WithinRegency(region("93.01"));
        assert_eq!(village("91.01.01.1001"), merauke);
        assert_eq!(village("93.01.01.1001"), Resolution::Current);
        assert_eq!(village("32.12.16.2099"), Resolution::Unknown);
    }
}
