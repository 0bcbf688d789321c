//! Codes: 2 digits for a province, 4 for a kabupaten or kota, 6 for a kecamatan, 10 for a village,
//! with a dot between the parts or without (rule text of Permendagri 58/2021).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::Rule;

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither plain digits, nor digits with dots between the parts; or too many or too few.
    #[error("not a code")]
    Shape,
    /// The province's part is below 11.
    #[error("no province")]
    Province,
    /// The regency's part is 00 or 70.
    #[error("no kabupaten or kota")]
    Regency,
    /// The district's part is 00.
    #[error("no kecamatan")]
    District,
    /// The village's part begins with another digit than 1 to 3.
    #[error("no desa, desa adat or kelurahan")]
    Village,
}

impl From<Error> for Rule {
    fn from(error: Error) -> Self {
        match error {
            Error::Shape => Self::new(
                "REGION_CODE_SHAPE",
                "must be a Kemendagri code, with dots (32.12.16.2004) or without",
                "harus kode Kemendagri, dengan titik (32.12.16.2004) atau tanpa titik",
            ),
            Error::Province => Self::new(
                "REGION_CODE_PROVINCE",
                "must begin with a province, 11 to 99",
                "harus diawali provinsi, 11 sampai 99",
            ),
            Error::Regency => Self::new(
                "REGION_CODE_REGENCY",
                "must have a kabupaten (01 to 69) or kota (71 to 99) in its second part",
                "harus memuat kabupaten (01 sampai 69) atau kota (71 sampai 99) pada bagian kedua",
            ),
            Error::District => Self::new(
                "REGION_CODE_DISTRICT",
                "must have a kecamatan, 01 to 99, in its third part",
                "harus memuat kecamatan, 01 sampai 99, pada bagian ketiga",
            ),
            Error::Village => Self::new(
                "REGION_CODE_VILLAGE",
                "must begin its last part with 1 (kelurahan), 2 (desa) or 3 (desa adat)",
                "bagian terakhirnya harus diawali 1 (kelurahan), 2 (desa) atau 3 (desa adat)",
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
        let (number, level) = match undotted(text)? {
            (number, 2) => (number * 10_000, Level::Province),
            (number, 4) => (number * 100, Level::Regency),
            (number, 6) => (number, Level::District),
            _ => return Err(Error::Shape),
        };
        // At most six digits, which fit.
        Self { padded: number as u32, level }.checked()
    }

    const fn checked(self) -> Result<Self, Error> {
        let [province, regency, district] = parts(self.padded);
        let below = self.level as u8;
        if province < 11 {
            Err(Error::Province)
        } else if below >= Level::Regency as u8 && (regency == 0 || regency == 70) {
            Err(Error::Regency)
        } else if below >= Level::District as u8 && district == 0 {
            Err(Error::District)
        } else {
            Ok(self)
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

    /// The code with a regency's digits in place of its first four.
    pub(super) const fn moved_to(self, regency: Self) -> Self {
        Self { padded: regency.padded + self.padded % 100, level: self.level }
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
        let (number, 10) = undotted(text)? else { return Err(Error::Shape) };
        let code = Self(number);
        code.district().checked()?;
        if matches!(number % 10_000 / 1_000, 1..=3) { Ok(code) } else { Err(Error::Village) }
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

/// The number that a code's digits make, and how many they are. The dots are all in their places,
/// or there are none.
fn undotted(text: &str) -> Result<(u64, usize), Error> {
    let (mut number, mut digits, mut dots) = (0, 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' if digits < 10 => {
                number = number * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            b'.' if matches!(at, 2 | 5 | 8) => dots += 1,
            _ => return Err(Error::Shape),
        }
    }
    let between_parts = match digits {
        2 => 0,
        4 => 1,
        6 => 2,
        10 => 3,
        _ => return Err(Error::Shape),
    };
    if dots == 0 || dots == between_parts { Ok((number, digits)) } else { Err(Error::Shape) }
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
        for text in ["3.212", "32.", "32.1216", "3212.16", "321", "3212162004", "32.1\u{665}"] {
            assert_eq!(RegionCode::parse(text), Err(Error::Shape), "{text}");
        }
    }

    #[test]
    fn a_part_out_of_its_range_is_named() {
        for (text, error) in [
            ("01.01.01.2001", Error::Province),
            ("32.00.01.2001", Error::Regency),
            ("32.70.01.2001", Error::Regency),
            ("32.12.00.2001", Error::District),
            ("32.12.16.4004", Error::Village),
            ("32.12.16.0004", Error::Village),
        ] {
            assert_eq!(VillageCode::parse(text), Err(error), "{text}");
        }
        assert_eq!(RegionCode::parse("10"), Err(Error::Province));
        assert_eq!(RegionCode::parse("3270"), Err(Error::Regency));
        assert_eq!(RegionCode::parse("32.12.00"), Err(Error::District));
        assert_eq!(RegionCode::parse("3269").map(RegionCode::digits).as_deref(), Ok("3269"));
    }

    #[test]
    fn the_kind_is_read_from_the_village_part() {
        let kind = |text| VillageCode::parse(text).unwrap().kind();
        assert_eq!(kind("32.12.16.1004"), VillageKind::Kelurahan);
        assert_eq!(kind("32.12.16.2004"), VillageKind::Desa);
        assert_eq!(kind("32.12.16.3004"), VillageKind::DesaAdat);
    }

    fn village() -> impl Strategy<Value = VillageCode> {
        let regency = prop_oneof![1_u64..=69, 71_u64..=99];
        (11_u64..=99, regency, 1_u64..=99, 1_000_u64..4_000)
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
        fn a_code_with_a_slip_in_its_dots_is_refused(code in village(), at in 0_usize..13) {
            let mut text = code.to_string();
            if text.as_bytes()[at] == b'.' {
                text.remove(at);
            } else {
                text.insert(at, '.');
            }
            prop_assert_eq!(VillageCode::parse(&text), Err(Error::Shape));
        }

        #[test]
        fn codes_order_as_their_digits_do(one in village(), other in village()) {
            prop_assert_eq!(one.cmp(&other), one.digits().cmp(&other.digits()));
            let (one, other) = (one.district(), other.district().up_to(Level::Regency));
            prop_assert_eq!(one.cmp(&other), one.digits().cmp(&other.digits()));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,16}") {
            let _ = VillageCode::parse(&text);
            let _ = RegionCode::parse(&text);
        }
    }
}
