//! Retired codes: what a code of an earlier decree is called today.
//!
//! In 2022 four laws made new provinces in Papua, and 26 regencies moved into them whole, each
//! under a new number. Their districts and villages did not keep the digits behind it: of those
//! whose digits exist under the new number, only 61 in 100 villages and 70 in 100 districts have
//! the same name (measured on the lists of 2022 and 2025). So below the regency nothing is
//! guessed: the answer is the regency that the place lies in today.

use super::code::{Level, RegionCode, VillageCode};
use super::gazetteer::Gazetteer;

/// What retired the codes of [`RENUMBERED`].
pub const RETIRED_BY: &str =
    "UU 14/2022, UU 15/2022, UU 16/2022, UU 29/2022; Kepmendagri 100.1.1-6117/2022";

/// Retired regency codes with today's.
const RENUMBERED: [(&str, &str); 26] = [
    ("9101", "9301"),
    ("9102", "9501"),
    ("9104", "9401"),
    ("9107", "9402"),
    ("9108", "9403"),
    ("9109", "9404"),
    ("9112", "9502"),
    ("9113", "9503"),
    ("9114", "9504"),
    ("9116", "9302"),
    ("9117", "9303"),
    ("9118", "9304"),
    ("9121", "9505"),
    ("9122", "9506"),
    ("9123", "9507"),
    ("9124", "9508"),
    ("9125", "9405"),
    ("9126", "9406"),
    ("9127", "9407"),
    ("9128", "9408"),
    ("9201", "9601"),
    ("9204", "9602"),
    ("9205", "9603"),
    ("9209", "9604"),
    ("9210", "9605"),
    ("9271", "9671"),
];

/// How a code stands today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is in force.
    Current,
    /// It is retired, and this is today's.
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
            (Level::Regency, Some(regency)) => Resolution::Renumbered(regency),
            (Level::District, Some(regency)) => Resolution::WithinRegency(regency),
            _ => Resolution::Unknown,
        }
    }

    /// How the code of a village stands today.
    #[must_use]
    pub fn resolve_village(&self, code: VillageCode) -> Resolution {
        if self.village(code).is_some() {
            return Resolution::Current;
        }
        self.renumbered(code.district()).map_or(Resolution::Unknown, Resolution::WithinRegency)
    }

    /// Today's code of the retired regency that a code is or lies in.
    fn renumbered(&self, code: RegionCode) -> Option<RegionCode> {
        let retired = code.up_to(Level::Regency).digits();
        let at = RENUMBERED.binary_search_by_key(&retired.as_str(), |pair| pair.0).ok()?;
        let today = RegionCode::parse(RENUMBERED[at].1).ok()?;
        self.region(today).map(|region| region.code)
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
        let today: BTreeSet<_> = RENUMBERED.iter().map(|pair| pair.1).collect();
        assert_eq!(today.len(), RENUMBERED.len());
        assert!(RENUMBERED.iter().all(|pair| !today.contains(pair.0)));
    }

    #[test]
    fn a_retired_regency_is_known_under_its_new_number_and_its_parts_only_by_it() {
        let gazetteer = small();
        let merauke = region("93.01");
        assert_eq!(gazetteer.resolve_region(region("91.01")), Resolution::Renumbered(merauke));
        assert_eq!(
            gazetteer.resolve_region(region("91.01.01")),
            Resolution::WithinRegency(merauke)
        );
        let village = |text| gazetteer.resolve_village(VillageCode::parse(text).unwrap());
        assert_eq!(village("91.01.01.1001"), Resolution::WithinRegency(merauke));
        assert_eq!(village("93.01.01.1001"), Resolution::Current);
        assert_eq!(village("32.12.16.2099"), Resolution::Unknown);
        assert_eq!(gazetteer.resolve_region(region("32")), Resolution::Current);
        assert_eq!(gazetteer.resolve_region(region("91")), Resolution::Unknown);
    }
}
