//! What the gateway goes by when it decides who may call what, so far as the journal tells it.

use serde::{Deserialize, Serialize};

use crate::journal::Hash;

/// Which of the things that the gateway goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingName {
    /// The policy files.
    Policy,
    /// The certificates of those who issue agencies' certificates.
    ClientCa,
    /// The revocation lists.
    Revocation,
}

impl SettingName {
    /// The name as it is stored, and as what the journal calls the putting in force.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::ClientCa => "client-ca",
            Self::Revocation => "revocation",
        }
    }
}

/// What is in force of one of them: its content by digest, since that is the operator's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Which.
    pub name: SettingName,
    /// SHA-256 of what is in force; all zero when there is none of it.
    pub digest: Hash,
}
