//! Texts in the two languages that people read, and the rules that they explain.

/// A text in English and Indonesian. Fixed when the code is written: it can repeat no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Indonesian.
    pub id: &'static str,
}

/// A broken rule of the domain: a stable name for programs, a text for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as in `NIK_SERIAL_ZERO`; never renamed.
    pub reason: &'static str,
    /// What the rule asks for. It stands after the field's name: "must be 16 digits".
    pub text: Text,
}

impl Rule {
    /// A rule by name and texts.
    #[must_use]
    pub const fn new(reason: &'static str, en: &'static str, id: &'static str) -> Self {
        Self { reason, text: Text { en, id } }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clearance::{DateError, NotACountry};
    use crate::stage::Refusal;
    use crate::worker::Document;
    use crate::{birth, name, nik};

    /// Every reason and code of the crate with its text.
    fn everything_said() -> Vec<(&'static str, Text)> {
        use crate::facility::DesignationError as Designation;
        use nik::Error as Nik;
        let rules: Vec<Rule> = [
            Nik::NotDigits,
            Nik::Scientific,
            Nik::FifteenDigits,
            Nik::Length,
            Nik::Temporary,
            Nik::Date,
            Nik::SerialZero,
            Nik::SameAsKk,
        ]
        .map(Rule::from)
        .into_iter()
        .chain([name::Error::Empty, name::Error::TooLong, name::Error::NotLetters].map(Rule::from))
        .chain([birth::Error::NotADate, birth::Error::Future, birth::Error::TooOld].map(Rule::from))
        .chain([DateError::NotADate, DateError::Future].map(Rule::from))
        .chain([DateError::IssuedBeforeExamined.into(), NotACountry.into()])
        .chain([Designation::EndsBeforeItBegins, Designation::Overlap].map(Rule::from))
        .collect();
        let refusals = [
            Refusal::NotNext,
            Refusal::TooYoung,
            Refusal::IdentityNotVerified,
            Refusal::NoDestination,
            Refusal::NoValidClearance,
            Refusal::PregnancyTestTooOld,
        ];
        let name_remarks = [
            name::Remark::OneWord,
            name::Remark::LongerThanRegister,
            name::Remark::DigitsOrPunctuation,
        ];
        let nik_remarks = [nik::Remark::RegionRetired, nik::Remark::RegionUnknown];
        rules
            .iter()
            .map(|rule| (rule.reason, rule.text))
            .chain(refusals.map(|refusal| (refusal.reason(), refusal.text())))
            .chain(Document::ALL.map(Document::missing))
            .chain(name_remarks.map(name::Remark::code_and_text))
            .chain(nik_remarks.map(nik::Remark::code_and_text))
            .collect()
    }

    #[test]
    fn each_reason_is_a_constant_name_and_has_one_text_in_two_languages() {
        let mut said = BTreeMap::new();
        for (reason, text) in everything_said() {
            assert!(reason.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{reason}");
            assert!(!text.en.is_empty() && !text.id.is_empty() && text.en != text.id, "{reason}");
            assert!(!text.en.ends_with('.') && !text.id.ends_with('.'), "{reason}");
            assert_eq!(*said.entry(reason).or_insert(text), text, "{reason}");
        }
        // Only a date that is none is said in two places.
        assert_eq!(said.len(), everything_said().len() - 1);
    }
}
