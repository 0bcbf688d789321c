//! The NIK (Nomor Induk Kependudukan) and the number of the family card (KK).
//!
//! A NIK is 16 digits: six of the region of *first* registration, six of the birth date as DDMMYY
//! with 40 added to the day for women, four of a serial. It is lifelong: it does not change when
//! the person moves, and is not re-issued when birth date or sex are corrected (PP 40/2019 art.
//! 30), so region, date and sex read from it are [hints](Nik::hints), never facts, and nothing
//! here corrects a NIK.
//!
//! Invariant: neither number can be printed; [`Nik::expose`] is the one way to its digits.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::birth::full_years;
use crate::region::{RegionCode, Resolution};
use crate::text::{Rule, Text};

/// A NIK of valid shape. Whether a person has it, only the population register knows.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nik(String);

/// The number of a family card (kartu keluarga). It changes when the family does, so it
/// identifies nobody.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KkNumber(String);

/// Why a text is no NIK or KK number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are other characters than digits.
    #[error("not only digits")]
    NotDigits,
    /// A spreadsheet has turned the number into `1.23E+15`.
    #[error("a number in scientific notation")]
    Scientific,
    /// 15 digits: a spreadsheet has dropped a leading digit.
    #[error("15 digits")]
    FifteenDigits,
    /// Neither 15 nor 16 digits.
    #[error("not 16 digits")]
    Length,
    /// It begins with 0: a temporary number of a village system, unknown to the register.
    #[error("a temporary number")]
    Temporary,
    /// Day or month cannot be.
    #[error("no date at digits 7 to 12")]
    Date,
    /// The serial is 0000; serials begin at 0001.
    #[error("serial 0000")]
    SerialZero,
    /// The number of the family card stands where a NIK belongs, or the same number in both.
    #[error("a KK number used as NIK")]
    SameAsKk,
}

impl From<Error> for Rule {
    fn from(error: Error) -> Self {
        let (reason, en, id) = match error {
            Error::NotDigits => {
                ("NIK_NOT_DIGITS", "must be digits only", "hanya boleh berisi angka")
            }
            Error::Scientific => (
                "NIK_SCIENTIFIC",
                "was turned into scientific notation by a spreadsheet; send it as text",
                "telah diubah menjadi notasi ilmiah oleh lembar kerja; kirimkan sebagai teks",
            ),
            Error::FifteenDigits => (
                "NIK_FIFTEEN_DIGITS",
                "has 15 digits: a spreadsheet may have dropped a zero; send it as text",
                "hanya 15 angka: lembar kerja mungkin menghapus angka nol; kirimkan sebagai teks",
            ),
            Error::Length => ("NIK_LENGTH", "must have 16 digits", "harus 16 angka"),
            Error::Temporary => (
                "NIK_TEMPORARY",
                "begins with 0: a temporary number of a village system",
                "diawali 0: nomor sementara dari sistem desa",
            ),
            Error::Date => (
                "NIK_DATE",
                "has no possible date in digits 7 to 12",
                "tidak memuat tanggal yang mungkin pada angka ke-7 sampai ke-12",
            ),
            Error::SerialZero => (
                "NIK_SERIAL_ZERO",
                "ends in 0000; serials begin at 0001",
                "berakhir 0000; nomor urut dimulai dari 0001",
            ),
            Error::SameAsKk => (
                "NIK_SAME_AS_KK",
                "is the same as the KK number; a KK number is not a NIK",
                "sama dengan nomor KK; nomor KK bukan NIK",
            ),
        };
        Self::new(reason, en, id)
    }
}

/// What is odd about a NIK and makes it no less valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The region has another code by now: the NIK is older than the change.
    RegionRetired,
    /// No decree that is known here has the region.
    RegionUnknown,
}

impl Remark {
    /// The remark's stable code and texts.
    #[must_use]
    pub const fn code_and_text(self) -> (&'static str, Text) {
        match self {
            Self::RegionRetired => (
                "NIK_REGION_RETIRED",
                Text {
                    en: "begins with a region code that is retired by now; the NIK stays valid",
                    id: "diawali kode wilayah yang sudah tidak berlaku; NIK tetap berlaku",
                },
            ),
            Self::RegionUnknown => (
                "NIK_REGION_UNKNOWN",
                Text {
                    en: "begins with a region code that no decree known here has",
                    id: "diawali kode wilayah yang tidak ada dalam keputusan yang dikenal",
                },
            ),
        }
    }
}

/// What the digits of a NIK suggest. They may be wrong and the NIK still right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    /// Whether the day has 40 added.
    pub female: bool,
    /// The birth date, with the latest century that the reference date allows; `None` when no
    /// century makes it a date.
    pub born: Option<Date>,
}

impl Nik {
    /// Reads a NIK; spaces around it are allowed.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let digits = dated_digits(text)?;
        if digits.ends_with("0000") {
            return Err(Error::SerialZero);
        }
        Ok(Self(digits))
    }

    /// The 16 digits. Personal: for the register, the store and the owner's answer alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The six digits of the region of first registration: perhaps retired since, and not where
    /// the person lives.
    #[must_use]
    pub fn region_digits(&self) -> &str {
        &self.0[..6]
    }

    /// What the digits suggest of a person who was at least `least_age` years old on `reference`.
    #[must_use]
    pub fn hints(&self, reference: Date, least_age: i16) -> Hints {
        let (day, month, year) = date_parts(&self.0);
        let female = day > 40;
        let day = if female { day - 40 } else { day };
        let latest = reference.year() - least_age;
        let century = latest - latest.rem_euclid(100);
        let born = [century, century - 100]
            .into_iter()
            .filter_map(|century| Date::new(century + i16::from(year), month, day).ok())
            .find(|born| full_years(*born, reference) >= least_age);
        Hints { female, born }
    }

    /// What is odd about the region of first registration, given how a gazetteer resolves it.
    #[must_use]
    pub fn region_remark(&self, resolve: impl FnOnce(RegionCode) -> Resolution) -> Option<Remark> {
        match RegionCode::parse(self.region_digits()).map(resolve) {
            Ok(Resolution::Current) => None,
            Ok(Resolution::Renumbered(_) | Resolution::WithinRegency(_)) => {
                Some(Remark::RegionRetired)
            }
            Ok(Resolution::Unknown) | Err(_) => Some(Remark::RegionUnknown),
        }
    }

    /// Refuses the number of the family card in the place of the NIK.
    ///
    /// # Errors
    /// [`Error::SameAsKk`].
    pub fn distinct_from(&self, kk: &KkNumber) -> Result<(), Error> {
        if self.0 == kk.0 { Err(Error::SameAsKk) } else { Ok(()) }
    }
}

impl KkNumber {
    /// Reads a KK number: region of issue, date of registration, serial. Day numbers above 40
    /// occur and are allowed.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        dated_digits(text).map(Self)
    }

    /// The 16 digits. Personal.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What both numbers have in common: 16 digits, a region's first digit, a date.
fn dated_digits(text: &str) -> Result<String, Error> {
    let digits = sixteen_digits(text)?;
    if digits.starts_with('0') {
        return Err(Error::Temporary);
    }
    check_date(&digits)?;
    Ok(digits)
}

fn sixteen_digits(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.iter().any(|b| matches!(b, b'E' | b'e'))
        && bytes.iter().all(|b| b.is_ascii_digit() || matches!(b, b'E' | b'e' | b'+' | b'.' | b','))
    {
        return Err(Error::Scientific);
    }
    if !bytes.iter().all(u8::is_ascii_digit) {
        return Err(Error::NotDigits);
    }
    match bytes.len() {
        16 => Ok(text.to_owned()),
        15 => Err(Error::FifteenDigits),
        _ => Err(Error::Length),
    }
}

/// Day (40 added for women), month and two-digit year of 16 digits.
fn date_parts(digits: &str) -> (i8, i8, i8) {
    let two = |at: usize| {
        let bytes = &digits.as_bytes()[at..at + 2];
        ((bytes[0] - b'0') * 10 + (bytes[1] - b'0')).cast_signed()
    };
    (two(6), two(8), two(10))
}

fn check_date(digits: &str) -> Result<(), Error> {
    let (day, month, year) = date_parts(digits);
    let day = if day > 40 { day - 40 } else { day };
    // 1900 and 2000 differ in 29 February alone; a NIK may be of either.
    let real = [1900, 2000].iter().any(|c| Date::new(c + i16::from(year), month, day).is_ok());
    if real { Ok(()) } else { Err(Error::Date) }
}

macro_rules! personal_number {
    ($type:ident) => {
        impl Drop for $type {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(number: $type) -> Self {
                number.0.clone()
            }
        }
    };
}

personal_number!(Nik);
personal_number!(KkNumber);
redacted!(Nik, KkNumber, Hints);

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_way_to_spoil_a_nik_has_its_own_error() {
        for (text, error) in [
            ("321218450190000", Error::FifteenDigits),
            ("32121845019000123", Error::Length),
            ("1.23E+15", Error::Scientific),
            ("3,21218E+15", Error::Scientific),
            ("32121845O1900001", Error::NotDigits),
            ("3212.1845.0190.0001", Error::NotDigits),
            ("E", Error::NotDigits),
            ("", Error::Length),
            ("0321216200400001", Error::Temporary),
            ("3212183201900001", Error::Date),
            ("3212184013900001", Error::Date),
            ("3212187201900001", Error::Date),
            ("3212183002900001", Error::Date),
            ("3212184501900000", Error::SerialZero),
        ] {
            assert_eq!(Nik::parse(text).err(), Some(error), "{text}");
        }
        assert!(Nik::parse(" 3212184501900001 ").is_ok());
        assert!(Nik::parse("3212182902000001").is_ok(), "29 February 2000");
    }

    #[test]
    fn the_century_follows_from_the_reference_date_and_the_least_age() {
        let nik = Nik::parse("3212184501250001").unwrap();
        let on = date(2026, 11, 24);
        assert_eq!(nik.hints(on, 0), Hints { female: true, born: Some(date(2025, 1, 5)) });
        assert_eq!(nik.hints(on, 18).born, Some(date(1925, 1, 5)));
    }

    #[test]
    fn a_kk_number_is_told_from_a_nik() {
        let kk = KkNumber::parse("3212180501900001").unwrap();
        let nik = Nik::parse("3212180501900001").unwrap();
        assert_eq!(nik.distinct_from(&kk), Err(Error::SameAsKk));
        assert!(KkNumber::parse("3212184501900001").is_ok(), "days above 40 occur");
        let temporary = KkNumber::parse("0321218010190001").err();
        assert_eq!(temporary, Some(Error::Temporary), "no region begins with 0");
    }

    #[test]
    fn a_retired_or_unknown_region_is_a_remark_and_no_error() {
        let nik = |region| Nik::parse(&format!("{region}4501900001")).unwrap();
        let known = RegionCode::parse("321218").unwrap();
        let resolve = |code| if code == known { Resolution::Current } else { Resolution::Unknown };
        assert_eq!(nik("321218").region_remark(resolve), None);
        assert_eq!(nik("321219").region_remark(resolve), Some(Remark::RegionUnknown));
        assert_eq!(nik("990000").region_remark(resolve), Some(Remark::RegionUnknown));
        let retired = nik("910101").region_remark(|_| Resolution::WithinRegency(known));
        assert_eq!(retired, Some(Remark::RegionRetired));
    }

    #[test]
    fn neither_number_nor_what_it_suggests_can_be_printed() {
        let nik = Nik::parse("3212184501900001").unwrap();
        let kk = KkNumber::parse("3212184501900001").unwrap();
        let hints = nik.hints(date(2026, 11, 24), 0);
        assert_eq!(format!("{nik:?} {kk:?} {hints:?}"), "Nik(..) KkNumber(..) Hints(..)");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_never_changed(text in "\\PC{0,20}") {
            if let Ok(nik) = Nik::parse(&text) {
                prop_assert_eq!(nik.expose(), text.trim());
            }
        }

        #[test]
        fn every_nik_of_a_real_date_is_read_and_its_hints_agree(
            region in 110_101_u32..=969_999, days in 0_i64..36_000, female: bool, serial in 1_u16..=9_999,
        ) {
            let born = date(1927, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let day = i16::from(born.day()) + if female { 40 } else { 0 };
            let year = born.year().rem_euclid(100);
            let text = format!("{region:06}{day:02}{:02}{year:02}{serial:04}", born.month());
            let nik = Nik::parse(&text).unwrap();
            let hints = nik.hints(date(2026, 12, 31), 0);
            prop_assert_eq!(hints.female, female);
            let hinted = hints.born.unwrap();
            prop_assert_eq!((hinted.month(), hinted.day()), (born.month(), born.day()));
            prop_assert_eq!(hinted.year().rem_euclid(100), year);
            prop_assert!(hinted <= date(2026, 12, 31));
            if let Some(adult) = nik.hints(date(2026, 12, 31), 18).born {
                prop_assert!(full_years(adult, date(2026, 12, 31)) >= 18 && adult <= hinted);
            }
        }
    }
}
