//! Agencies: the organisations that may call, each with one X.509 identity.
//!
//! An agency is what the exchange knows about an organisation; what it may do is policy.
//! Invariant: an [`AgencyId`] is safe in a URI, a file name, a log and a metric label.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::access::{AgencyKind, Purpose};
use crate::region::RegionCode;

/// The name of an agency in its certificate, in the journal and in configuration:
/// 2 to 63 characters of `a-z`, `0-9` and `-`, beginning with a letter.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgencyId(Arc<str>);

/// The text is no agency id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an agency id is 2 to 63 characters of a-z, 0-9 and '-', beginning with a letter")]
pub struct NotAnAgencyId;

impl AgencyId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`NotAnAgencyId`] when the shape above is broken.
    pub fn parse(text: &str) -> Result<Self, NotAnAgencyId> {
        let well_formed = (2..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if well_formed { Ok(Self(text.into())) } else { Err(NotAnAgencyId) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgencyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AgencyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AgencyId {
    type Error = NotAnAgencyId;
    fn try_from(text: String) -> Result<Self, NotAnAgencyId> {
        Self::parse(&text)
    }
}

impl From<AgencyId> for String {
    fn from(id: AgencyId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// Whether an agency may call at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgencyStatus {
    /// May call.
    Active,
    /// May not call until it is made active again.
    Suspended,
    /// May never call again; kept because the journal names it.
    Retired,
}

/// A registered organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agency {
    /// Its id, as in its certificate's URI SAN.
    pub id: AgencyId,
    /// What sort of organisation it is.
    pub kind: AgencyKind,
    /// The name that people know it by.
    pub name: String,
    /// The purposes it may call for.
    pub purposes: BTreeSet<Purpose>,
    /// Whether it may call at present.
    #[serde(default = "active")]
    pub status: AgencyStatus,
    /// The region it serves, for a regional office: it sees people of that region only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionCode>,
    /// The facility it submits for, for a clinic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
}

const fn active() -> AgencyStatus {
    AgencyStatus::Active
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["kemnaker", "klinik-01", "p2"] {
            assert!(AgencyId::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "a", "9lives", "Kemnaker", "a/b", "a b", "-x", long.as_str()] {
            assert_eq!(AgencyId::parse(bad), Err(NotAnAgencyId), "{bad}");
        }
    }
}
