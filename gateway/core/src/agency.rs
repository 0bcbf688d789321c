//! Agencies: the organisations that may call, each with one X.509 identity.
//!
//! An agency is what the exchange knows about an organisation; what it may do is policy.
//! Invariant: an [`AgencyId`] is safe in a URI, a file name, a log and a metric label.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::Timestamp;
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

/// A certificate that an agency may present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// SHA-256 of the certificate, DER encoded, in hexadecimal.
    pub sha256: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// A retired agency stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agency is retired")]
pub struct Retired;

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
    /// The certificates registered for it. When there is none, any that names the agency and is
    /// issued by an authority of the exchange counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
}

impl Agency {
    /// Whether the agency may present a certificate with this SHA-256.
    #[must_use]
    pub fn accepts(&self, sha256: &[u8; 32]) -> bool {
        let mut hex_digits = [0; 64];
        let presented = hex::encode_to_slice(sha256, &mut hex_digits).is_ok();
        self.certificates.is_empty()
            || presented
                && self.certificates.iter().any(|known| known.sha256.as_bytes() == hex_digits)
    }

    /// Moves the agency to a status.
    ///
    /// # Errors
    /// [`Retired`] when it is, and should be something else again.
    pub fn set_status(&mut self, status: AgencyStatus) -> Result<(), Retired> {
        if self.status == AgencyStatus::Retired && status != AgencyStatus::Retired {
            return Err(Retired);
        }
        self.status = status;
        Ok(())
    }
}

const fn active() -> AgencyStatus {
    AgencyStatus::Active
}

/// What an agency may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Calls per second in the long run.
    pub calls_per_second: NonZeroU32,
    /// Calls at once after a pause.
    pub burst: NonZeroU32,
    /// Calls under way at once, feeds not counted.
    pub concurrent_calls: u32,
    /// Change feeds open at once.
    pub feeds: u32,
    /// Distinct people whom its calls name or disclose, within any hour.
    pub subjects_per_hour: u32,
    /// Bytes of requests and answers in a minute, in the long run and at once after a pause.
    pub bytes_per_minute: NonZeroU32,
}

impl Default for Allowance {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            calls_per_second: number(2_000),
            burst: number(4_000),
            concurrent_calls: 200,
            feeds: 8,
            subjects_per_hour: 2_000,
            bytes_per_minute: number(256 << 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency() -> Agency {
        Agency {
            id: AgencyId::parse("klinik-01").unwrap(),
            kind: AgencyKind::Clinic,
            name: "Klinik Contoh".to_owned(),
            purposes: BTreeSet::new(),
            status: AgencyStatus::Active,
            region: None,
            facility: None,
            certificates: Vec::new(),
        }
    }

    #[test]
    fn registered_certificates_shut_out_all_others() {
        let mut agency = agency();
        assert!(agency.accepts(&[1; 32]), "without a registered one any counts");
        let certificate =
            |byte| Certificate { sha256: hex::encode([byte; 32]), expires_at: Timestamp::MAX };
        agency.certificates = vec![certificate(1), certificate(2)];
        assert!(agency.accepts(&[1; 32]) && agency.accepts(&[2; 32]), "rotation with overlap");
        assert!(!agency.accepts(&[3; 32]));
    }

    #[test]
    fn retirement_is_for_good() {
        let mut agency = agency();
        agency.set_status(AgencyStatus::Suspended).unwrap();
        agency.set_status(AgencyStatus::Active).unwrap();
        agency.set_status(AgencyStatus::Retired).unwrap();
        assert_eq!(agency.set_status(AgencyStatus::Active), Err(Retired));
        assert_eq!(agency.set_status(AgencyStatus::Retired), Ok(()));
    }

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
