//! Reading a request: gathers every rule that it breaks, of the contract and of the domain, and
//! every warning, so that the caller hears of all of them at once.

use desmigratif_core::text::{Rule, Text};
use desmigratif_proto::common::v1::Warning;
use desmigratif_proto::{Path, Validate, Violation, Violations};

use super::failure::Failure;

/// What reading a request has found so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    violations: Violations,
    warnings: Vec<Warning>,
}

impl Reading {
    /// Begins with the rules that the contract puts on a message.
    pub(super) fn of(message: &impl Validate) -> Self {
        let mut violations = Violations::default();
        message.validate_at(Path::ROOT, &mut violations);
        Self { violations, warnings: Vec::new() }
    }

    /// Whether no rule is broken so far.
    pub(super) fn is_valid(&self) -> bool {
        self.violations.is_empty()
    }

    /// The value of a field, or `None` with the broken rule noted.
    pub(super) fn take<T, E: Into<Rule>>(
        &mut self,
        at: Path<'_>,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.broken(at, error.into());
                None
            }
        }
    }

    /// The value of a field that may be left empty.
    #[allow(clippy::option_option, reason = "the outer is whether reading can go on")]
    pub(super) fn take_if_set<T, E: Into<Rule>>(
        &mut self,
        at: Path<'_>,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { self.take(at, parse(text)).map(Some) }
    }

    /// Forgets broken rules of fields that begin with `prefix` and are none of `kept`: a change
    /// of some fields is not judged by the others.
    pub(super) fn forget_outside(&mut self, prefix: &str, kept: &[String]) {
        self.violations.retain(|violation| {
            violation.field.strip_prefix(prefix).is_none_or(|field| {
                kept.iter().any(|kept| {
                    field
                        .strip_prefix(kept.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                })
            })
        });
    }

    /// Notes a broken rule of the domain. It takes the place of the contract's broken rule for
    /// the same field, since it says more: "15 digits" rather than "must match the pattern". A
    /// field that is missing stays missing.
    pub(super) fn broken(&mut self, at: Path<'_>, rule: Rule) {
        let field = at.to_string();
        let missing =
            |violation: &Violation| violation.field == field && violation.rule == "required";
        if !self.violations.iter().any(missing) {
            self.violations.retain(|violation| violation.field != field);
            self.violations.add(at, rule.reason, rule.text.en, rule.text.id);
        }
    }

    /// Notes something that the caller should know.
    pub(super) fn warn(&mut self, at: Path<'_>, code: &'static str, text: Text) {
        self.warnings.push(Warning {
            field: at.to_string(),
            code: code.into(),
            message_en: text.en.into(),
            message_id: text.id.into(),
        });
    }

    /// The warnings so far.
    pub(super) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The refusal of the request, for the rules that it breaks.
    pub(super) fn into_failure(self) -> Failure {
        Failure::Invalid(self.violations)
    }
}

#[cfg(test)]
mod tests {
    use desmigratif_core::nik::Nik;
    use desmigratif_proto::worker::v1::LookupWorkerRequest;

    use super::*;

    fn violations(nik: &str) -> Vec<(String, &'static str)> {
        let request = LookupWorkerRequest { nik: nik.into() };
        let mut reading = Reading::of(&request);
        reading.take(Path::ROOT.field("nik"), Nik::parse(nik));
        let Failure::Invalid(violations) = reading.into_failure() else { panic!("invalid") };
        violations.iter().map(|violation| (violation.field.clone(), violation.rule)).collect()
    }

    #[test]
    fn the_domain_says_more_than_the_contract_and_neither_says_it_twice() {
        assert_eq!(violations("321216450190001"), [("nik".into(), "NIK_FIFTEEN_DIGITS")]);
        assert_eq!(violations(""), [("nik".into(), "required")]);
        assert_eq!(violations("3212164501900001"), []);
    }
}
