//! Codes: 2 digits for a province, 4 for a kabupaten or kota, 6 for a kecamatan, 10 for a village,
//! with a dot between the parts or without (rule text of Permendagri 58/2021).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::Rule;

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither plain digits nor digits with dots between the parts.
    #[error("not a code")]
    Shape,
    /// A part is 00, the regency is 70, or a village's part begins with another digit than 1 to 3.
    #[error("a part out of its range")]
    Range,
}

impl From<Error> for Rule {
    fn from(error: Error) -> Self {
        match error {
            Error::Shape => Self::new(
                "REGION_CODE_SHAPE",
                "must be a Kemendagri code, with dots (32.12.16.2004) or without",
                "harus kode Kemendagri, dengan titik (32.12.16.2004) atau tanpa titik",
            ),
            Error::Range => Self::new(
                "REGION_CODE_RANGE",
                "has a part that no Kemendagri code has",
                "memuat bagian yang tidak ada pada kode Kemendagri",
            ),
        }
    }
}

/// The level of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Provinsi.
    Province,
    /// Kabupaten (01 to 69) or kota (71 to 99).
    Regency,
    /// Kecamatan.
    District,
}

impl Level {
    const fn digits(self) -> usize {
        match self {
            Self::Province => 2,
            Self::Regency => 4,
            Self::District => 6,
        }
    }
}

/// The code of a province, regency or district.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionCode {
    /// The six digits that every code within begins with, missing parts as 00.
    padded: u32,
    level: Level,
}

impl RegionCode {
    /// Reads a code of 2, 4 or 6 digits.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let digits = undotted(text, &[2, 5])?;
        let level = match digits.len() {
            2 => Level::Province,
            4 => Level::Regency,
            6 => Level::District,
            _ => return Err(Error::Shape),
        };
        let padded = format!("{digits:0<6}").parse().map_err(|_| Error::Shape)?;
        let code = Self { padded, level };
        if code.in_range() { Ok(code) } else { Err(Error::Range) }
    }

    const fn in_range(self) -> bool {
        let [province, regency, district] = parts(self.padded);
        let regency_named = regency > 0 && regency != 70;
        match self.level {
            Level::Province => province > 10,
            Level::Regency => province > 10 && regency_named,
            Level::District => province > 10 && regency_named && district > 0,
        }
    }

    /// The level.
    #[must_use]
    pub const fn level(self) -> Level {
        self.level
    }

    /// The region that this one is a part of; `None` for a province.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        match self.level {
            Level::Province => None,
            Level::Regency => Some(self.up_to(Level::Province)),
            Level::District => Some(self.up_to(Level::Regency)),
        }
    }

    /// The region of a level that this one is or lies in. A level below its own changes nothing.
    #[must_use]
    pub const fn up_to(self, level: Level) -> Self {
        let keep = match level {
            Level::Province => 10_000,
            Level::Regency => 100,
            Level::District => 1,
        };
        if (level as u8) < (self.level as u8) {
            Self { padded: self.padded - self.padded % keep, level }
        } else {
            self
        }
    }

    /// Whether a village lies in the region.
    #[must_use]
    pub fn holds(self, village: VillageCode) -> bool {
        village.district().up_to(self.level) == self
    }

    /// The code without dots: "3212".
    #[must_use]
    pub fn digits(self) -> String {
        format!("{:06}", self.padded)[..self.level.digits()].to_owned()
    }

    /// The first village code that could lie in the region, and the first that could not.
    pub(super) const fn village_range(self) -> std::ops::Range<u64> {
        let step = match self.level {
            Level::Province => 10_000,
            Level::Regency => 100,
            Level::District => 1,
        };
        self.padded as u64 * 10_000..(self.padded + step) as u64 * 10_000
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [province, regency, district] = parts(self.padded);
        match self.level {
            Level::Province => write!(f, "{province:02}"),
            Level::Regency => write!(f, "{province:02}.{regency:02}"),
            Level::District => write!(f, "{province:02}.{regency:02}.{district:02}"),
        }
    }
}

/// What a village is in law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VillageKind {
    /// Kelurahan, an urban ward: 1xxx.
    Kelurahan,
    /// Desa: 2xxx.
    Desa,
    /// Desa adat, a customary village: 3xxx.
    DesaAdat,
}

/// The code of a village: desa, desa adat or kelurahan.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VillageCode(u64);

impl VillageCode {
    /// Reads a code of 10 digits.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let digits = undotted(text, &[2, 5, 8])?;
        if digits.len() != 10 {
            return Err(Error::Shape);
        }
        RegionCode::parse(&digits[..6])?;
        let number: u64 = digits.parse().map_err(|_| Error::Shape)?;
        if matches!(number % 10_000 / 1_000, 1..=3) { Ok(Self(number)) } else { Err(Error::Range) }
    }

    /// What the village is in law.
    #[must_use]
    pub const fn kind(self) -> VillageKind {
        match self.0 % 10_000 / 1_000 {
            1 => VillageKind::Kelurahan,
            2 => VillageKind::Desa,
            _ => VillageKind::DesaAdat,
        }
    }

    /// The district that the village lies in.
    #[must_use]
    pub const fn district(self) -> RegionCode {
        // A quotient of ten digits by four is six digits, which fit.
        RegionCode { padded: (self.0 / 10_000) as u32, level: Level::District }
    }

    /// The code without dots: "3212162004".
    #[must_use]
    pub fn digits(self) -> String {
        format!("{:010}", self.0)
    }

    pub(super) const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for VillageCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.district(), self.0 % 10_000)
    }
}

/// Province, regency and district of six digits.
const fn parts(padded: u32) -> [u32; 3] {
    [padded / 10_000, padded / 100 % 100, padded % 100]
}

/// The digits of a code: all dots in their places, or none.
fn undotted(text: &str, dots: &[usize]) -> Result<String, Error> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::Shape);
    }
    let at: Vec<usize> =
        text.bytes().enumerate().filter(|(_, b)| *b == b'.').map(|it| it.0).collect();
    let expected = dots.iter().copied().filter(|dot| dot + 1 < text.len());
    if at.is_empty() || expected.eq(at.iter().copied()) { Ok(digits) } else { Err(Error::Shape) }
}

macro_rules! code_text {
    ($type:ident) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(code: $type) -> Self {
                code.digits()
            }
        }
    };
}

code_text!(RegionCode);
code_text!(VillageCode);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dots_stand_in_their_places_or_nowhere() {
        for text in ["32.12.16.2004", "3212162004"] {
            assert_eq!(VillageCode::parse(text).unwrap().to_string(), "32.12.16.2004");
        }
        for text in
            ["321.2162004", "32.12162004", "32.12.16.2004.", "32 12 16 2004", "", "32121620"]
        {
            assert_eq!(VillageCode::parse(text), Err(Error::Shape), "{text}");
        }
        assert_eq!(RegionCode::parse("32.12").unwrap().digits(), "3212");
        assert_eq!(RegionCode::parse("3.212"), Err(Error::Shape));
    }

    #[test]
    fn parts_out_of_range_are_refused() {
        for text in
            ["32.12.16.4004", "32.70.01.2001", "32.00.01.2001", "32.12.00.2001", "01.01.01.2001"]
        {
            assert_eq!(VillageCode::parse(text), Err(Error::Range), "{text}");
        }
    }

    #[test]
    fn the_kind_is_read_from_the_village_part() {
        let kind = |text| VillageCode::parse(text).unwrap().kind();
        assert_eq!(kind("32.12.16.1004"), VillageKind::Kelurahan);
        assert_eq!(kind("32.12.16.2004"), VillageKind::Desa);
        assert_eq!(kind("32.12.16.3004"), VillageKind::DesaAdat);
    }

    fn village() -> impl Strategy<Value = VillageCode> {
        (11_u64..=99, 1_u64..=69, 1_u64..=99, 1_000_u64..4_000)
            .prop_map(|(p, r, d, v)| VillageCode(((p * 100 + r) * 100 + d) * 10_000 + v))
    }

    proptest! {
        #[test]
        fn a_code_reads_back_from_each_of_its_forms(code in village()) {
            prop_assert_eq!(VillageCode::parse(&code.to_string()), Ok(code));
            prop_assert_eq!(VillageCode::parse(&code.digits()), Ok(code));
            let json = serde_json::to_string(&code).unwrap();
            prop_assert_eq!(serde_json::from_str::<VillageCode>(&json).unwrap(), code);
        }

        #[test]
        fn a_region_holds_its_villages_and_no_others(code in village(), other in village()) {
            for level in [Level::Province, Level::Regency, Level::District] {
                let region = code.district().up_to(level);
                prop_assert_eq!(RegionCode::parse(&region.to_string()), Ok(region));
                prop_assert!(region.holds(code));
                prop_assert_eq!(region.holds(other), other.digits().starts_with(&region.digits()));
                prop_assert_eq!(region.holds(other), region.village_range().contains(&other.number()));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,16}") {
            let _ = VillageCode::parse(&text);
            let _ = RegionCode::parse(&text);
        }
    }
}
