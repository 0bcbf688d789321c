//! How the exchange reaches each ministry: what an operator writes in the configuration.
//!
//! Secrets are never in it: it says where they are.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use desmigratif_core::access::AgencyKind;

use crate::{connector, kemendagri, kemendes, kemenkes, upstream};

/// The way to a ministry, by the protocol that it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "kebab-case")]
pub enum Connection {
    /// Kemendagri: Dukcapil's verification by element.
    Dukcapil(kemendagri::Settings),
    /// Kemenkes: SATUSEHAT's FHIR R4.
    Satusehat(kemenkes::Settings),
    /// Kemendes: the open interface of the IDM.
    Idm(kemendes::Settings),
    /// Any ministry: the exchange's own contract, on the ministry's side.
    Connector(connector::Settings),
}

impl Connection {
    /// The protocol's name, as the configuration has it.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self {
            Self::Dukcapil(_) => "dukcapil",
            Self::Satusehat(_) => "satusehat",
            Self::Idm(_) => "idm",
            Self::Connector(_) => "connector",
        }
    }

    /// Takes relative paths from `folder` on.
    pub fn resolve(&mut self, folder: &Path) {
        match self {
            Self::Dukcapil(settings) => settings.resolve(folder),
            Self::Satusehat(settings) => settings.resolve(folder),
            Self::Idm(settings) => settings.resolve(folder),
            Self::Connector(settings) => settings.resolve(folder),
        }
    }

    /// How calls are limited and repeated.
    pub(crate) const fn upstream(&self) -> &upstream::Settings {
        match self {
            Self::Dukcapil(settings) => &settings.upstream,
            Self::Satusehat(settings) => &settings.upstream,
            Self::Idm(settings) => &settings.upstream,
            Self::Connector(settings) => &settings.upstream,
        }
    }
}

/// Where a secret is. At most one end of line at its end is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// In a file of its own.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}

impl Secret {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`ConnectError`] when it is not there, not text, or empty.
    pub fn read(&self) -> Result<SecretString, ConnectError> {
        let text = match self {
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| ConnectError::File { path: path.clone(), error })?,
            Self::Env(name) => {
                std::env::var(name).map_err(|_| ConnectError::Variable(name.clone()))?
            }
        };
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.is_empty() {
            return Err(ConnectError::EmptySecret(match self {
                Self::File(path) => format!("file {}", path.display()),
                Self::Env(name) => format!("environment variable {name}"),
            }));
        }
        Ok(SecretString::from(secret))
    }

    /// Takes a relative path from `folder` on.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            resolve(path, folder);
        }
    }
}

/// Takes a relative path from `folder` on.
pub(crate) fn resolve(path: &mut PathBuf, folder: &Path) {
    // An absolute path replaces what it is joined to.
    *path = folder.join(&*path);
}

/// Why no way to a ministry can be set up. One line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}; check the path and its permissions")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// An environment variable is not set.
    #[error("environment variable {0} is not set, or is not text; set it to the secret")]
    Variable(String),
    /// A secret is empty.
    #[error("the secret in {0} is empty; write it there")]
    EmptySecret(String),
    /// A file holds no certificate.
    #[error("{0} holds no certificate; give the ministry's CA in PEM")]
    Ca(PathBuf),
    /// A URL is of no use.
    #[error("url must be an http or https URL")]
    Url,
    /// A setting is out of its range.
    #[error("{name} must be {rule}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its range.
        rule: &'static str,
    },
    /// A protocol that the ministry does not speak.
    #[error("{ministry} does not speak protocol {protocol}; use its own or `connector`", ministry = .ministry.as_str())]
    Protocol {
        /// The ministry.
        ministry: AgencyKind,
        /// The protocol.
        protocol: &'static str,
    },
    /// The client cannot be built.
    #[error("cannot set up TLS: {0}; check the system's certificates, or give `ca`")]
    Client(reqwest::Error),
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, Secret) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (folder, Secret::File(path))
    }

    #[test]
    fn a_secret_is_read_without_its_end_of_line() {
        for (content, secret) in [
            ("s3 cret", "s3 cret"),
            ("s3cret\n", "s3cret"),
            ("s3cret\r\n", "s3cret"),
            (" x\n\n", " x\n"),
        ] {
            let (_folder, at) = file(content.as_bytes());
            assert_eq!(at.read().unwrap().expose_secret(), secret);
        }
    }

    #[test]
    fn a_missing_secret_says_what_to_do_and_shows_nothing() {
        let (folder, at) = file(b"\n");
        let message = at.read().unwrap_err().to_string();
        assert!(message.starts_with("the secret in file ") && message.ends_with("write it there"));
        let missing = Secret::File(folder.path().join("none"));
        assert!(matches!(missing.read(), Err(ConnectError::File { .. })));
        let unset = Secret::Env("DESMIGRATIF_TEST_NEVER_SET".into());
        assert!(matches!(unset.read(), Err(ConnectError::Variable(_))));
        let (_folder, binary) = file(b"\xff\xfe");
        assert!(matches!(binary.read(), Err(ConnectError::File { .. })));
    }

    fn parse(text: &str) -> Result<Connection, serde_json::Error> {
        serde_json::from_str(text)
    }

    const DUKCAPIL: &str = r#"{
        "protocol": "dukcapil",
        "url": "https://dukcapil.example/get_json/99/CALL_VERIFY_BY_ELEMEN",
        "user_id": {"file": "secrets/user"},
        "password": {"env": "DUKCAPIL_PASSWORD"},
        "ip_user": "10.0.0.1"
    }"#;

    #[test]
    fn a_connection_is_read_with_defaults_and_written_back() {
        let mut connection = parse(DUKCAPIL).unwrap();
        assert_eq!(connection.protocol(), "dukcapil");
        assert_eq!(*connection.upstream(), upstream::Settings::default());
        let written = serde_json::to_string(&connection).unwrap();
        assert_eq!(parse(&written).unwrap(), connection);
        connection.resolve(Path::new("/etc/desmigratif"));
        let written = serde_json::to_string(&connection).unwrap();
        assert!(written.contains(r#"{"file":"/etc/desmigratif/secrets/user"}"#));
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let refused = |from, to| parse(&DUKCAPIL.replace(from, to)).unwrap_err().to_string();
        assert!(refused("ip_user", "ip_usr").contains("unknown field `ip_usr`"));
        assert!(
            refused("\"ip_user\"", "\"upstream\": {\"timeout\": 5}, \"ip_user\"")
                .contains("unknown field `timeout`")
        );
        assert!(refused("\"dukcapil\"", "\"dukcapill\"").contains("unknown variant `dukcapill`"));
    }
}
