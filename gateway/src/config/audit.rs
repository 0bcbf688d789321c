//! The journal as evidence: who signs its head, who cosigns it, and who says when.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::Error;

/// The journal as evidence.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The name of the log, the same for as long as the journal lasts: a host name that nobody else
    /// has, without spaces or plus signs.
    pub origin: String,
    /// The keys that sign the head: files with an Ed25519 seed, 64 hexadecimal digits. The first is
    /// the present one. A new one goes first, with the one before behind it at least for a start:
    /// then a statement signed by both tells others to follow.
    pub keys: Vec<PathBuf>,
    /// The verifying keys of the witnesses whose cosignatures count (C2SP tlog-cosignature: name,
    /// id, key), as `desmigratif witness` prints them at each ministry.
    #[serde(default)]
    pub witnesses: Vec<String>,
    /// How many of them must have cosigned a head for it to be witnessed.
    #[serde(default)]
    pub quorum: u32,
    /// The authority that states when a head was there; without one, none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamps: Option<Timestamps>,
}

/// An authority for timestamps (RFC 3161). It is asked in the background: no call waits for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamps {
    /// Where it answers, http or https. It is sent digests, and its answers are signed.
    pub url: Url,
    /// The certificates that its own must lead to, PEM.
    pub ca: PathBuf,
    /// How often the newest head gets a timestamp when there is news, 1 to 86,400 seconds. Each is
    /// kept for good, some thousand bytes.
    #[serde(default = "hourly")]
    pub every_seconds: u32,
    /// How long it may take to answer, 1 to 300 seconds.
    #[serde(default = "half_a_minute")]
    pub answer_seconds: u32,
}

const fn hourly() -> u32 {
    3_600
}

const fn half_a_minute() -> u32 {
    30
}

impl Audit {
    /// The paths of its files, to be made absolute.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.keys.iter_mut().chain(self.timestamps.iter_mut().map(|it| &mut it.ca))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let rule =
            |holds: bool, key, rule| if holds { Ok(()) } else { Err(Error::Rule { key, rule }) };
        rule(!self.keys.is_empty(), "audit.keys", "must name a key")?;
        let (witnesses, quorum) = (self.witnesses.len(), self.quorum as usize);
        rule(witnesses <= 32, "audit.witnesses", "must be 32 or fewer")?;
        rule(
            quorum <= witnesses && (quorum > 0 || witnesses == 0),
            "audit.quorum",
            "must be between 1 and the number of audit.witnesses, and 0 when there are none",
        )?;
        let Some(Timestamps { url, every_seconds, answer_seconds, .. }) = &self.timestamps else {
            return Ok(());
        };
        let http = matches!(url.scheme(), "http" | "https");
        rule(http, "audit.timestamps.url", "must be an http or https URL")?;
        rule(
            (1..=86_400).contains(every_seconds),
            "audit.timestamps.every_seconds",
            "must be between 1 and 86400",
        )?;
        rule(
            (1..=300).contains(answer_seconds),
            "audit.timestamps.answer_seconds",
            "must be between 1 and 300",
        )
    }
}
