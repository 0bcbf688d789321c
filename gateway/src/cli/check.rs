//! `check`: everything that can be known before serving, without serving.

use std::path::Path;
use std::sync::Arc;

use desmigratif_core::ports::clock::{Clock, SystemClock};
use desmigratif_core::ports::store::Store as _;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::serve::{key_fits, open, registered, runtime, subject_key, tls_files};
use super::{Failure, say};
use crate::config::Config;
use crate::edge::metrics::Metrics;
use crate::edge::tls::Tls;

/// Checks the configuration at `path`, the files that it names, and the whole journal.
pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::read(path)?;
    say(format_args!("configuration  {}", path.display()))?;
    let key = subject_key(&config.keys.subject)?;
    let records = registered(&config.registry)?;
    say(format_args!("registry       {} agencies and facilities", records.len()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let unread = SdkMeterProvider::default().meter("desmigratif.check");
    Tls::load(tls_files(&config.tls), clock.clone(), Metrics::new(&unread))
        .map_err(|error| Failure::of("cannot use the TLS files", error))?;
    say(format_args!("certificates   good"))?;
    if !config.store.path.exists() {
        return say(format_args!("store          not there yet; serving will make it"));
    }
    let entries = runtime()?.block_on(async {
        let store = open(&config.store.path, clock)?;
        key_fits(&store, &key).await?;
        store.verify().await.map_err(|error| {
            let advice = "keep the file as it is and restore a backup beside it";
            Failure::Other(format!("{}: {error}; {advice}", config.store.path.display()))
        })
    })?;
    say(format_args!("store          {entries} journal entries, every one verified"))
}
