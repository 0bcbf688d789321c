//! Names of persons: one string, never split.
//!
//! Many Indonesians have one name, and no rule splits the others into given and family name.
//! Permendagri 73/2022 asks new documents for at least two words, at most 60 characters and no
//! digits or punctuation; earlier documents stay valid, so breaking it is a [warning](Remark) here.
//! Titles may stand on some papers and not on others, so a comparison leaves them out.

use rapidfuzz::fuzz;
use serde::{Deserialize, Serialize};

use crate::text::{Rule, Text};

/// The longest name that is taken, characters. Registers cut at 60; papers may have more.
const LONGEST: usize = 100;
/// The length at which registers cut names (Permendagri 73/2022).
const REGISTER_CUT: usize = 60;

/// A person's name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonName(String);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing but spaces.
    #[error("empty")]
    Empty,
    /// More than 100 characters.
    #[error("too long")]
    TooLong,
    /// A character that is not seen (control, direction, zero width), or no letter at all.
    #[error("not letters")]
    NotLetters,
}

impl From<Error> for Rule {
    fn from(error: Error) -> Self {
        match error {
            Error::Empty => Self::new("NAME_EMPTY", "must not be empty", "tidak boleh kosong"),
            Error::TooLong => Self::new(
                "NAME_TOO_LONG",
                "must have at most 100 characters",
                "paling banyak 100 huruf",
            ),
            Error::NotLetters => Self::new(
                "NAME_NOT_LETTERS",
                "must have letters and no control characters",
                "harus berisi huruf dan tanpa karakter kendali",
            ),
        }
    }
}

/// What a new document's name should be and this one is not (Permendagri 73/2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// One word only.
    OneWord,
    /// More than 60 characters.
    LongerThanRegister,
    /// Digits or punctuation.
    DigitsOrPunctuation,
}

impl Remark {
    /// The remark's stable code and texts.
    #[must_use]
    pub const fn code_and_text(self) -> (&'static str, Text) {
        match self {
            Self::OneWord => (
                "NAME_ONE_WORD",
                Text {
                    en: "is one word; documents since 2022 have at least two",
                    id: "hanya satu kata; dokumen sejak 2022 sedikitnya dua kata",
                },
            ),
            Self::LongerThanRegister => (
                "NAME_LONGER_THAN_REGISTER",
                Text {
                    en: "has more than the 60 characters that registers keep",
                    id: "lebih dari 60 huruf yang disimpan dalam register",
                },
            ),
            Self::DigitsOrPunctuation => (
                "NAME_DIGITS_OR_PUNCTUATION",
                Text {
                    en: "has digits or punctuation, which documents since 2022 have not",
                    id: "memuat angka atau tanda baca, yang tidak ada pada dokumen sejak 2022",
                },
            ),
        }
    }
}

impl PersonName {
    /// Reads a name; runs of spaces become one.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            Err(Error::Empty)
        } else if name.chars().count() > LONGEST {
            Err(Error::TooLong)
        } else if name.chars().any(is_unseen) || !name.chars().any(char::is_alphabetic) {
            Err(Error::NotLetters)
        } else {
            Ok(Self(name))
        }
    }

    /// The name. Personal.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What a name on a new document would not be.
    pub fn remarks(&self) -> impl Iterator<Item = Remark> {
        let plain = |c: char| c.is_alphabetic() || c == ' ';
        [
            (!self.0.contains(' '), Remark::OneWord),
            (self.0.chars().count() > REGISTER_CUT, Remark::LongerThanRegister),
            (!self.0.chars().all(plain), Remark::DigitsOrPunctuation),
        ]
        .into_iter()
        .filter_map(|(holds, remark)| holds.then_some(remark))
    }

    /// How alike two names are, 0 to 100: case, punctuation, titles, degrees and what a register
    /// cuts off do not count. 100 is for names that are equal but for these.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> u8 {
        let (mut a, mut b) = (chars(&folded_name(&self.0)), chars(&folded_name(&other.0)));
        let (length_a, length_b) = (a.len(), b.len());
        if may_be_cut(&self.0) {
            b.truncate(length_a);
        }
        if may_be_cut(&other.0) {
            a.truncate(length_b);
        }
        ratio(&a, &b)
    }
}

redacted!(PersonName);

/// Characters that change how a name looks or compares, and that nobody sees.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl TryFrom<String> for PersonName {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<PersonName> for String {
    fn from(name: PersonName) -> Self {
        name.0
    }
}

/// How alike two texts are that are no names of persons, 0 to 100; case and punctuation do not
/// count. A text without letters and digits, such as a register's "-", is like nothing.
#[must_use]
pub fn text_likeness(a: &str, b: &str) -> u8 {
    ratio(&chars(&fold(a)), &chars(&fold(b)))
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Likeness of folded texts; 100 for equal ones alone, whatever rounding does.
fn ratio(a: &[char], b: &[char]) -> u8 {
    if a.is_empty() || b.is_empty() {
        0
    } else if a == b {
        100
    } else {
        let ratio = fuzz::ratio(a.iter().copied(), b.iter().copied());
        // The ratio is 0 to 1, so its hundredfold fits.
        ((ratio * 100.0).round() as u8).min(99)
    }
}

/// Whether a register may have cut this name: it is of the greatest length, or one less where a
/// space stood last. A shorter name is whole, and is not compared with the beginning of another.
fn may_be_cut(name: &str) -> bool {
    (REGISTER_CUT - 1..=REGISTER_CUT).contains(&name.chars().count())
}

/// Upper case, letters and digits only, one space between words.
fn fold(text: &str) -> String {
    let spaced: String = text
        .chars()
        .filter(|c| !matches!(c, '\'' | '\u{2019}' | '`'))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    spaced.to_uppercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A folded name without titles before and degrees after it; never empty where the name is not.
fn folded_name(name: &str) -> String {
    let mut pieces = name.split(',').map(fold);
    let first = pieces.next().unwrap_or_default();
    let mut words: Vec<_> = first.split_whitespace().map(str::to_owned).collect();
    for piece in pieces {
        // "Siti Aminah, S.E." ends in a degree; "Siti, Aminah" has a comma too many.
        let mut of_piece: Vec<_> = piece.split_whitespace().map(str::to_owned).collect();
        drop_degrees(&mut of_piece, true);
        words.append(&mut of_piece);
    }
    drop_degrees(&mut words, false);
    let name_left = without_titles(&words);
    if name_left.is_empty() { fold(name) } else { name_left.join(" ") }
}

/// What stands before a name and is none: haji, kiai haji, academic titles.
const TITLES: [&str; 10] = ["H", "HJ", "KH", "DR", "DRA", "DRG", "DRH", "DRS", "IR", "PROF"];

/// What stands after a name and is none, without its dots.
const DEGREES: [&str; 54] = [
    "AMD", "AMDFAR", "AMDKEB", "AMDKEP", "AMDKOM", "APT", "BA", "BSC", "LC", "MA", "MAG", "MBA",
    "MH", "MHUM", "MKEB", "MKEP", "MKES", "MKM", "MKOM", "MM", "MPD", "MPDI", "MSC", "MSI", "MT",
    "NERS", "NS", "PHD", "SAG", "SE", "SEI", "SFARM", "SGZ", "SH", "SHI", "SHUM", "SIKOM", "SIP",
    "SKEB", "SKEP", "SKM", "SKOM", "SP", "SPD", "SPDI", "SPSI", "SPT", "SS", "SSI", "SSOS", "SST",
    "ST", "STP", "STRKEB",
];

fn without_titles(mut words: &[String]) -> &[String] {
    loop {
        words = match words {
            [k, h, rest @ ..] if k == "K" && h == "H" && !rest.is_empty() => rest,
            [title, rest @ ..] if TITLES.contains(&title.as_str()) && !rest.is_empty() => rest,
            _ => return words,
        };
    }
}

/// Drops from the end what are degrees when written together: "S KOM", "A MD KEB". Two letters
/// alone ("SE") may be part of a name, unless a comma stands before them.
fn drop_degrees(words: &mut Vec<String>, after_comma: bool) {
    let is_degree = |tail: &[String]| {
        let written = tail.concat();
        let plain = after_comma || tail.len() > 1 || written.len() > 2;
        plain && DEGREES.contains(&written.as_str())
    };
    // A name keeps a word; a piece after a comma need not.
    let longest = |words: &[String]| words.len().saturating_sub(usize::from(!after_comma)).min(3);
    while let Some(length) =
        (1..=longest(words)).rev().find(|length| is_degree(&words[words.len() - length..]))
    {
        words.truncate(words.len() - length);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> PersonName {
        PersonName::parse(text).unwrap()
    }

    #[test]
    fn one_word_is_a_name_and_worth_a_remark() {
        assert_eq!(name("Suparti").remarks().collect::<Vec<_>>(), [Remark::OneWord]);
        assert_eq!(name("Siti  Aminah").expose(), "Siti Aminah");
        assert_eq!(name("Siti Aminah").remarks().count(), 0);
        let marked: Vec<_> = name("Muh. Nur").remarks().collect();
        assert_eq!(marked, [Remark::DigitsOrPunctuation]);
        let too_long = "a".repeat(101);
        for (text, error) in [
            (" ", Error::Empty),
            ("123", Error::NotLetters),
            ("a\u{7}b", Error::NotLetters),
            ("Siti\u{202e}hanimA", Error::NotLetters),
            ("Si\u{200b}ti", Error::NotLetters),
            (too_long.as_str(), Error::TooLong),
        ] {
            assert_eq!(PersonName::parse(text).err(), Some(error), "{text:?}");
        }
    }

    #[test]
    fn a_stored_name_is_read_by_the_same_rules_and_cannot_be_printed() {
        let stored = serde_json::to_string(&name("Siti Aminah")).unwrap();
        assert_eq!(stored, "\"Siti Aminah\"");
        assert_eq!(serde_json::from_str::<PersonName>(&stored).unwrap(), name("Siti Aminah"));
        assert!(serde_json::from_str::<PersonName>("\"\"").is_err());
        assert_eq!(format!("{:?}", name("Siti Aminah")), "PersonName(..)");
    }

    #[test]
    fn titles_case_and_quotes_do_not_count() {
        assert_eq!(name("Hj. Siti Nur'aini, S.Kom").likeness(&name("SITI NURAINI")), 100);
        assert_eq!(name("H").likeness(&name("h")), 100, "a title alone is a name");
        assert!(name("Siti Aminah").likeness(&name("Siti Aminha")) >= 90);
        assert!(name("Siti Aminah").likeness(&name("Budi Santoso")) < 50);
    }

    #[test]
    fn titles_and_degrees_are_known_however_they_are_written() {
        let plain = name("Siti Aminah");
        for text in [
            "SITI AMINAH S.Kom",
            "Siti Aminah, S. Kom",
            "Siti Aminah, S.E., M.M.",
            "Siti Aminah SPd",
            "Dr. Hj. Siti Aminah, A.Md.Keb",
            "HJ.SITI AMINAH",
            "K.H. Siti Aminah",
            "Siti, Aminah",
            ", Siti Aminah",
        ] {
            assert_eq!(name(text).likeness(&plain), 100, "{text}");
        }
        assert!(name("Siti Aminah").likeness(&name("Siti Aminah Se")) < 100, "Se may be a name");
        assert!(name(", Siti").likeness(&name(", Budi")) < 50);
        assert!(name("Siti, Budi").likeness(&name("Siti")) < 90);
        assert_eq!(name(", S.Kom").likeness(&name("S.Kom")), 100, "a degree alone is a name");
    }

    const LONG: &str = "Raden Ajeng Kusumawardhani Pudjiastuti Wulandari Ningsih Setyawati Dewi";

    #[test]
    fn what_a_register_cuts_off_does_not_count() {
        let cut: String = LONG.chars().take(60).collect();
        assert_eq!(name(LONG).likeness(&name(&cut)), 100);
        let titled: String = format!("Hj. {LONG}").chars().take(60).collect();
        assert_eq!(name(LONG).likeness(&name(&titled)), 100);
    }

    #[test]
    fn the_beginning_of_a_long_name_is_another_name() {
        for length in [1, 5, 26, 50] {
            let beginning: String = LONG.chars().take(length).collect();
            assert!(name(&beginning).likeness(&name(LONG)) < 90, "{length} characters");
        }
    }

    #[test]
    fn nothing_is_like_nothing() {
        assert_eq!(text_likeness("Kab. Indramayu", "KAB INDRAMAYU"), 100);
        let long = "Desa ".repeat(60);
        assert_eq!(text_likeness(&long, &format!("{long}X")), 99, "100 is for equals alone");
        assert_eq!(text_likeness("-", "?"), 0);
        assert_eq!(text_likeness("", ""), 0);
    }

    proptest! {
        #[test]
        fn likeness_is_symmetric_and_full_only_for_what_folds_alike(
            a in "[A-Za-z ,.']{1,50}", b in "[A-Za-z ,.']{1,50}",
        ) {
            if let (Ok(a), Ok(b)) = (PersonName::parse(&a), PersonName::parse(&b)) {
                prop_assert_eq!(a.likeness(&b), b.likeness(&a));
                prop_assert_eq!(a.likeness(&a), 100);
                prop_assert_eq!(a.likeness(&b) == 100, folded_name(&a.0) == folded_name(&b.0));
            }
        }

        #[test]
        fn a_name_is_itself_under_every_title_and_degree(
            // Words that are no title and no degree.
            words in proptest::collection::vec("([bdlnr][aeiou]){2,4}", 1..4),
            title in proptest::sample::select(TITLES.to_vec()),
            degree in proptest::sample::select(DEGREES.to_vec()),
        ) {
            let plain = words.join(" ");
            let full = format!("{title}. {plain}, {degree}");
            prop_assert_eq!(name(&full).likeness(&name(&plain)), 100);
        }

        #[test]
        fn a_name_is_taken_with_its_spaces_joined_or_refused(text in "\\PC{0,110}") {
            if let Ok(name) = PersonName::parse(&text) {
                let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                prop_assert_eq!(words(name.expose()), words(&text));
                prop_assert!((1..=LONGEST).contains(&name.expose().chars().count()));
                prop_assert!(PersonName::parse(name.expose()).is_ok_and(|again| again == name));
            }
        }
    }
}
