//! The authority for timestamps that a configuration names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use desmigratif_core::ports::clock::Clock;

use super::Failure;
use crate::audit::Log;
use crate::audit::timestamp::{Authorities, Http, Settings, Stamper};
use crate::config::Audit;

/// The certificates that timestamps must lead to, from their file. `what` names it to the user.
pub(super) fn authorities(what: &str, path: &Path) -> Result<Authorities, Failure> {
    let pem = std::fs::read(path)
        .map_err(|error| Failure::Usage(format!("{what} {}: {error}", path.display())))?;
    Authorities::from_pem(&pem).ok_or_else(|| {
        let advice = "give the certificates of the timestamp authority's CA in PEM";
        Failure::Usage(format!("{what} {}: not certificates; {advice}", path.display()))
    })
}

/// An authority that can be asked.
pub(super) struct Configured {
    authority: Http,
    settings: Settings,
}

/// The authority that a configuration names, if it names one. Nothing is sent to it yet.
pub(super) fn authority(audit: &Audit) -> Result<Option<Configured>, Failure> {
    let Some(timestamps) = &audit.timestamps else { return Ok(None) };
    let known = authorities("audit.timestamps.ca", &timestamps.ca)?;
    let answer = Duration::from_secs(timestamps.answer_seconds.into());
    let authority = Http::new(timestamps.url.clone(), answer)
        .map_err(|error| Failure::of("cannot set up TLS for audit.timestamps", error))?;
    let every = Duration::from_secs(timestamps.every_seconds.into());
    Ok(Some(Configured { authority, settings: Settings { every, known } }))
}

impl Configured {
    /// What asks it about a log.
    pub(super) fn stamper(self, log: Arc<Log>, clock: Arc<dyn Clock>) -> Stamper {
        Stamper::new(log, Box::new(self.authority), clock, self.settings)
    }
}
