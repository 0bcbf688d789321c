//! Checking a message against the rules that the contract puts on its fields.
//!
//! The rules are declared in the proto files (`buf.validate`); the checks are generated from them.
//! They look at one message alone: whether a NIK exists or a stage may be entered is not theirs.
//!
//! Invariants: all violations of a message are found at once; none repeats a value; a valid
//! message is checked without allocating.

use std::fmt;

/// So many violations are kept; more are only counted, so that a hostile request cannot make the
/// answer larger than the request.
const KEPT: usize = 100;

/// A message with rules. Implemented for every message of the contract.
pub trait Validate {
    /// Adds every violation of this message, which lies at `at`, to `violations`.
    fn validate_at(&self, at: Path<'_>, violations: &mut Violations);

    /// Checks the message as a request of its own.
    ///
    /// # Errors
    /// All violations, in the order of the fields.
    fn validate(&self) -> Result<(), Violations> {
        let mut violations = Violations::default();
        self.validate_at(Path::ROOT, &mut violations);
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}

/// Where a value lies in a request: `clearance.findings[2].code`. Made on the stack; text only
/// when it is displayed.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// The path of the message that holds the field.
    parent: Option<&'a Path<'a>>,
    /// The field's proto name; empty for the request itself.
    field: &'static str,
    /// Which item of a repeated field, counted from 0.
    index: Option<usize>,
}

impl<'a> Path<'a> {
    /// The request itself.
    pub const ROOT: Self = Self { parent: None, field: "", index: None };

    /// A field of the message at this path.
    #[must_use]
    pub const fn field(&'a self, field: &'static str) -> Self {
        Self { parent: Some(self), field, index: None }
    }

    /// An item, counted from 0, of a repeated field of the message at this path.
    #[must_use]
    pub const fn item(&'a self, field: &'static str, index: usize) -> Self {
        Self { parent: Some(self), field, index: Some(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        if parent.parent.is_some() {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.field)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

/// One broken rule. It says where and what, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, in proto field names: `clearance.findings[2].code`.
    pub field: String,
    /// The rule's id as protovalidate spells it: "string.max_len".
    pub rule: &'static str,
    /// What the rule asks for, in English, to stand after the field: "is required".
    pub message_en: &'static str,
    /// The same in Indonesian: "wajib diisi".
    pub message_id: &'static str,
}

/// All broken rules of a message, in the order of its fields.
///
/// At most 100 are kept; [`Violations::omitted`] counts the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    kept: Vec<Violation>,
    omitted: usize,
}

impl Violations {
    /// Adds a broken rule.
    pub fn add(
        &mut self,
        at: Path<'_>,
        rule: &'static str,
        message_en: &'static str,
        message_id: &'static str,
    ) {
        if self.kept.len() == KEPT {
            self.omitted += 1;
        } else {
            self.kept.push(Violation { field: at.to_string(), rule, message_en, message_id });
        }
    }

    /// Whether no rule is broken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Keeps the violations for which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&Violation) -> bool) {
        self.kept.retain(keep);
    }

    /// The violations that were kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.kept.iter()
    }

    /// How many violations were found beyond those kept.
    #[must_use]
    pub const fn omitted(&self) -> usize {
        self.omitted
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, violation) in self.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", violation.field, violation.message_en)?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(f, "; and {omitted} more"),
        }
    }
}

impl std::error::Error for Violations {}

/// Whether `text` has the form of a UUID: 8-4-4-4-12 hexadecimal digits (RFC 9562 section 4).
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
