//! The configuration of `serve`: one TOML file, checked whole before anything is opened.
//!
//! Unknown keys are refused, since a misspelled limit is no limit. Secrets are never in the file:
//! it names the files that hold them. Relative paths are relative to the configuration file.

mod audit;
mod limits;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use desmigratif_adapters::config::Connection;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::clearance::ValidityPolicy;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::{Deserialize, Serialize};

pub use audit::{Audit, Timestamps};
pub use limits::Limits;

/// The whole configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the gateway listens.
    pub listen: Listen,
    /// Its certificate, and whom it trusts.
    pub tls: Tls,
    /// Where it keeps records and journal.
    pub store: Store,
    /// Keys, by file.
    pub keys: Keys,
    /// The journal as evidence.
    pub audit: Audit,
    /// Who and what is registered.
    #[serde(default)]
    pub registry: Registry,
    /// The limits on callers.
    #[serde(default)]
    pub limits: Limits,
    /// The policy files.
    #[serde(default)]
    pub policy: Policy,
    /// The programme's rules.
    #[serde(default)]
    pub programme: Programme,
    /// How long a clearance is valid.
    #[serde(default)]
    pub clearance: ValidityPolicy,
    /// The ministries that are connected, each by its protocol.
    #[serde(default)]
    pub ministry: BTreeMap<AgencyKind, Connection>,
    /// How old answers of ministries may be when the caller does not say.
    #[serde(default)]
    pub freshness: Freshness,
    /// How deliveries are brought to ministries.
    #[serde(default)]
    pub outbox: Outbox,
    /// How changes are told to those who watch them.
    #[serde(default)]
    pub feed: Feed,
    /// Logs, traces and metrics.
    #[serde(default)]
    pub telemetry: Telemetry,
}

/// Where the gateway listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Address for agencies: mutual TLS, gRPC.
    pub agencies: SocketAddr,
    /// Address for operators: readiness and metrics, in clear. Keep it on loopback.
    pub operators: SocketAddr,
}

/// Certificates. All files are PEM and are read again when they change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The server's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that issue agencies' certificates.
    pub client_ca: PathBuf,
    /// Their revocation lists. An expired list refuses everyone: renew it in time.
    #[serde(default)]
    pub crls: Vec<PathBuf>,
    /// The trust domain of agencies' URI SANs: `spiffe://<trust domain>/agency/<id>`.
    pub trust_domain: String,
    /// The authority with which the gateway itself issues agencies' certificates; without one they
    /// are signed elsewhere and registered.
    #[serde(default)]
    pub issuer: Option<Issuer>,
}

/// An issuing authority. It must be one of those in `client_ca`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// For how many days a certificate is issued, 1 to 825.
    #[serde(default = "ninety")]
    pub days: u16,
}

const fn ninety() -> u16 {
    90
}

/// The store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The SQLite file; made when it is absent.
    pub path: PathBuf,
}

/// The programme.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programme {
    /// The file of its rules: target, sectors and what is expected of each. Without one those that
    /// come with the gateway hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<PathBuf>,
}

/// Keys, by file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The key of pseudonyms: 64 hexadecimal digits. Whoever has it and the store can try NIKs,
    /// so it lives apart from the store. It can never change: records are found by it.
    pub subject: PathBuf,
    /// The keys that wrap people's data keys. The first wraps; every one opens what it has wrapped
    /// before. To change keys, put a new one first and run `desmigratif keys rotate`.
    pub encryption: Vec<EncryptionKey>,
}

/// A key that wraps data keys: 64 hexadecimal digits in a file or in the environment, one of both.
/// Whoever has it and the store can read everything, so it lives apart from the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionKey {
    /// Its name, which the store notes: letters, digits, dots, hyphens.
    pub id: String,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The variable of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// Who and what is registered: facilities as their file says at every start, agencies when they
/// are new, since their life cycle is the operators'. Changes are journalled.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registry {
    /// The agencies: a TOML file with `[[agency]]` tables.
    pub agencies: Option<PathBuf>,
    /// The designated facilities: a TOML file with `[[facility]]` tables.
    pub facilities: Option<PathBuf>,
}

/// The policy files: who may do and see what. They are read again when they change; broken ones
/// leave the old set in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// A folder of `*.cedar` files that stand in place of the built-in set.
    pub folder: Option<PathBuf>,
}

/// How old answers of ministries may be when the caller does not say, seconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Freshness {
    /// Checks of identities; 0 asks each time.
    pub identity_seconds: u32,
    /// Numbers of workers in a village.
    pub workforce_seconds: u32,
    /// Development indices of villages.
    pub village_index_seconds: u32,
}

impl Default for Freshness {
    /// An identity is asked for each time, for a death or a correction counts at once.
    fn default() -> Self {
        Self {
            identity_seconds: 0,
            workforce_seconds: 3_600,
            village_index_seconds: 7 * 24 * 3_600,
        }
    }
}

/// How deliveries are brought to ministries.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbox {
    /// How long a delivery is tried before it goes to the dead letter, hours: 72 at least, for
    /// ministries rest on holidays too.
    pub greatest_age_hours: u32,
    /// The pause after the first failed attempt, milliseconds; it doubles with each further one.
    pub first_pause_ms: u32,
    /// The longest pause, seconds.
    pub longest_pause_seconds: u32,
    /// How long an attempt may take, seconds, its own retries included.
    pub attempt_seconds: u32,
    /// Attempts to one ministry at a time.
    pub parallel: u32,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            greatest_age_hours: 72,
            first_pause_ms: 1_000,
            longest_pause_seconds: 600,
            attempt_seconds: 20,
            parallel: 16,
        }
    }
}

/// How changes are told to those who watch them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Feed {
    /// The longest silence on a feed, seconds: then a heartbeat comes. The caller's right is judged
    /// anew at least as often.
    pub heartbeat_seconds: u32,
    /// How long a feed of which nothing is read is kept, seconds.
    pub slow_reader_seconds: u32,
    /// How long a feed may go on until it must be resumed, minutes; a caller's shorter deadline holds.
    pub longest_minutes: u32,
}

impl Default for Feed {
    fn default() -> Self {
        Self { heartbeat_seconds: 5, slow_reader_seconds: 30, longest_minutes: 60 }
    }
}

/// Logs, traces and metrics.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Which log lines are written: `error`, `warn`, `info`, `debug`, or directives such as
    /// `info,desmigratif::edge=debug`.
    pub log: String,
    /// Where traces and metrics go over OTLP/gRPC: `http://127.0.0.1:4317`. Off when absent.
    pub otlp_endpoint: Option<String>,
    /// The share of traces kept when the caller has not decided, 0 to 1.
    pub trace_ratio: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log: "info".into(), otlp_endpoint: None, trace_ratio: 0.1 }
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {0}: {1}; give the path of a configuration file with --config")]
    Unreadable(PathBuf, std::io::Error),
    /// The file breaks the shape; the message names key and file.
    #[error("{0} is not valid: {1}")]
    Invalid(PathBuf, String),
    /// A value breaks a rule.
    #[error("the configuration is not valid: {key} {rule}")]
    Rule {
        /// The key.
        key: &'static str,
        /// What must hold.
        rule: &'static str,
    },
}

impl Config {
    /// Reads a configuration file; `DESMIGRATIF_<SECTION>__<KEY>` in the environment overrides it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        std::fs::File::open(path).map_err(|error| Error::Unreadable(path.to_owned(), error))?;
        let mut config: Self = Figment::from(Toml::file_exact(path))
            .merge(Env::prefixed("DESMIGRATIF_").split("__"))
            .extract()
            .map_err(|error| {
                // The library calls its own top level "default", which nobody has written.
                let message = error.to_string().replace("\"default.", "\"");
                Error::Invalid(path.to_owned(), message)
            })?;
        config.resolve(path.parent().unwrap_or(Path::new(".")));
        config.check()?;
        Ok(config)
    }

    /// Makes relative paths relative to `folder`.
    fn resolve(&mut self, folder: &Path) {
        let Self { tls, store, keys, audit, registry, policy, programme, .. } = &mut *self;
        let paths = [&mut tls.certificate, &mut tls.key, &mut tls.client_ca, &mut store.path]
            .into_iter()
            .chain([&mut keys.subject])
            .chain(audit.paths())
            .chain(keys.encryption.iter_mut().filter_map(|key| key.file.as_mut()))
            .chain(&mut tls.crls)
            .chain(tls.issuer.iter_mut().flat_map(|it| [&mut it.certificate, &mut it.key]))
            .chain(&mut registry.agencies)
            .chain(&mut registry.facilities)
            .chain(&mut policy.folder)
            .chain(&mut programme.rules);
        for path in paths {
            *path = folder.join(&*path);
        }
        for connection in self.ministry.values_mut() {
            connection.resolve(folder);
        }
    }

    fn check(&self) -> Result<(), Error> {
        let rule =
            |holds: bool, key, rule| if holds { Ok(()) } else { Err(Error::Rule { key, rule }) };
        rule(!self.tls.trust_domain.is_empty(), "tls.trust_domain", "must not be empty")?;
        self.audit.check()?;
        rule(
            self.keys.encryption.iter().all(|key| key.file.is_some() != key.environment.is_some()),
            "keys.encryption",
            "must name a file or a variable of the environment for each key, and not both",
        )?;
        self.limits.check()?;
        let days = self.tls.issuer.as_ref().map_or(1, |issuer| issuer.days);
        rule((1..=825).contains(&days), "tls.issuer.days", "must be between 1 and 825")?;
        let outbox = &self.outbox;
        rule(outbox.greatest_age_hours >= 72, "outbox.greatest_age_hours", "must be 72 or more")?;
        rule(outbox.first_pause_ms > 0, "outbox.first_pause_ms", "must be positive")?;
        rule(outbox.longest_pause_seconds > 0, "outbox.longest_pause_seconds", "must be positive")?;
        rule(
            (1..=300).contains(&outbox.attempt_seconds),
            "outbox.attempt_seconds",
            "must be between 1 and 300",
        )?;
        rule((1..=256).contains(&outbox.parallel), "outbox.parallel", "must be between 1 and 256")?;
        let feed = &self.feed;
        rule(
            // A caller who may no longer is to notice within a minute.
            (1..=30).contains(&feed.heartbeat_seconds),
            "feed.heartbeat_seconds",
            "must be between 1 and 30",
        )?;
        rule(
            (1..=300).contains(&feed.slow_reader_seconds),
            "feed.slow_reader_seconds",
            "must be between 1 and 300",
        )?;
        rule(
            // No connection grows older.
            (1..=60).contains(&feed.longest_minutes),
            "feed.longest_minutes",
            "must be between 1 and 60",
        )?;
        rule(
            (0.0..=1.0).contains(&self.telemetry.trace_ratio),
            "telemetry.trace_ratio",
            "must be between 0 and 1",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../gateway.sample.toml");

    fn read(text: &str) -> Result<Config, Error> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, text).expect("a temporary file");
        Config::read(&path)
    }

    #[test]
    fn the_sample_loads_and_states_the_defaults() {
        let sample = read(SAMPLE).expect("the sample is valid");
        assert_eq!(sample.limits.burst, Limits::default().burst);
        assert_eq!(sample.outbox.parallel, Outbox::default().parallel);
        assert_eq!(sample.limits.feeds, Limits::default().feeds);
        assert_eq!(sample.feed.longest_minutes, Feed::default().longest_minutes);
        assert_eq!(
            sample.freshness.village_index_seconds,
            Freshness::default().village_index_seconds
        );
        assert_eq!(sample.ministry.len(), 4, "one of each protocol");
        assert!(sample.store.path.is_absolute(), "paths are relative to the file");
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = read(&format!("{SAMPLE}\n[limits2]\n")).expect_err("an unknown table");
        assert!(error.to_string().contains("limits2"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let text = SAMPLE.replace("deadline_seconds = 30", "deadline_seconds = 3000");
        let error = read(&text).expect_err("too long");
        assert!(error.to_string().contains("limits.deadline_seconds"), "{error}");
    }

    #[test]
    fn a_timestamp_authority_is_checked_and_its_file_found_beside_the_configuration() {
        let with = |url, seconds| {
            let table = format!(
                "[audit.timestamps]\nurl = \"{url}\"\nca = \"tsa.pem\"\nevery_seconds = {seconds}\n"
            );
            read(&SAMPLE.replace("[registry]", &format!("{table}[registry]")))
        };
        let config = with("http://tsa.example/tsr", 60).expect("it is as it should be");
        let timestamps = config.audit.timestamps.expect("it is configured");
        assert!(timestamps.ca.is_absolute());
        for (url, seconds, key) in
            [("ftp://tsa.example", 60, "timestamps.url"), ("http://a", 0, "every_seconds")]
        {
            let error = with(url, seconds).expect_err("out of its range").to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn a_quorum_that_nobody_or_nothing_can_reach_is_refused() {
        for (witnesses, quorum) in [("[]", 1), (r#"["a", "b"]"#, 0), (r#"["a", "b"]"#, 3)] {
            let text = SAMPLE
                .replace("witnesses = []", &format!("witnesses = {witnesses}"))
                .replace("quorum = 0", &format!("quorum = {quorum}"));
            let error = read(&text).expect_err("not between 1 and their number");
            assert!(error.to_string().contains("audit.quorum"), "{error}");
        }
    }
}
