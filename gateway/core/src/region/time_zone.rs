//! The clock of a region: Indonesia has three times, and each province has one (Keppres 41/1987;
//! provinces made since lie each within one of the old).

use super::code::{Level, RegionCode};

/// One of the three times of Indonesia, none of which has a summer time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeZone {
    /// Waktu Indonesia Barat: Sumatra, Java, West and Central Kalimantan.
    Wib,
    /// Waktu Indonesia Tengah: Bali, Nusa Tenggara, the rest of Kalimantan, Sulawesi.
    Wita,
    /// Waktu Indonesia Timur: Maluku and Papua.
    Wit,
}

impl TimeZone {
    /// Its name in the IANA time zone database.
    #[must_use]
    pub const fn iana_name(self) -> &'static str {
        match self {
            Self::Wib => "Asia/Jakarta",
            Self::Wita => "Asia/Makassar",
            Self::Wit => "Asia/Jayapura",
        }
    }
}

impl RegionCode {
    /// The time of the region; `None` for a number that the rule gives to no island group.
    #[must_use]
    pub const fn time_zone(self) -> Option<TimeZone> {
        // The first digit is the island group, and the second a province of it.
        match self.up_to(Level::Province).village_range().start / 100_000_000 {
            11..=39 | 61 | 62 => Some(TimeZone::Wib),
            51..=59 | 63..=79 => Some(TimeZone::Wita),
            81..=99 => Some(TimeZone::Wit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_the_time_of_its_province() {
        let zone = |code| RegionCode::parse(code).unwrap().time_zone();
        for (code, expected) in [
            ("11", TimeZone::Wib),
            ("32.12", TimeZone::Wib),
            ("33.07.10", TimeZone::Wib),
            ("61", TimeZone::Wib),
            ("62.71", TimeZone::Wib),
            ("51", TimeZone::Wita),
            ("53.07", TimeZone::Wita),
            ("63", TimeZone::Wita),
            ("64", TimeZone::Wita),
            ("65", TimeZone::Wita),
            ("76", TimeZone::Wita),
            ("81", TimeZone::Wit),
            ("82", TimeZone::Wit),
            ("91", TimeZone::Wit),
            ("96.71", TimeZone::Wit),
        ] {
            assert_eq!(zone(code), Some(expected), "{code}");
        }
        assert_eq!(zone("45"), None);
    }
}
