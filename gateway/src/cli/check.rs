//! `check`: everything that can be known before serving, without serving.

use std::sync::Arc;
use std::time::{Duration, Instant};

use desmigratif_core::ports::clock::{Clock, SystemClock};
use desmigratif_core::ports::ministry::{Fault, FaultKind};
use desmigratif_core::ports::store::Store as _;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::keys::{key_fits, key_ring, log_keys, subject_key, witnesses};
use super::registry::registered;
use super::serve::{open, runtime, tls_files};
use super::{CheckArgs, Failure, ministries, policy, say, timestamps};
use crate::config::Config;
use crate::edge::metrics::Metrics;
use crate::edge::tls::Tls;

/// How long a ministry has to answer a probe.
const PROBE: Duration = Duration::from_secs(10);
/// The pause between two rounds of probes.
const PAUSE: Duration = Duration::from_secs(1);

/// Checks the configuration, the files that it names, the ministries and the whole journal.
pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    say(format_args!("configuration  {}", args.config.display()))?;
    let key = subject_key(&config.keys.subject)?;
    let ring = key_ring(&config.keys.encryption)?;
    let records = registered(&config.registry)?;
    say(format_args!("registry       {} agencies and facilities", records.len()))?;
    say(format_args!("policy         {} policies", policy::load(&config.policy)?.policies()))?;
    for key in log_keys(&config.audit)? {
        say(format_args!("log key        {}", key.log_key()))?;
    }
    let witnesses = witnesses(&config.audit)?;
    match witnesses.keys.len() {
        0 => say(format_args!("witnesses      none"))?,
        count => say(format_args!("witnesses      {count}, of whom {} suffice", witnesses.quorum))?,
    }
    match timestamps::authority(&config.audit)? {
        None => say(format_args!("timestamps     none"))?,
        Some(_) => say(format_args!("timestamps     of an authority whose certificates are read"))?,
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let unread = SdkMeterProvider::default().meter("desmigratif.check");
    Tls::load(tls_files(&config.tls), clock.clone(), Metrics::new(&unread))
        .map_err(|error| Failure::of("cannot use the TLS files", error))?;
    say(format_args!("certificates   good"))?;
    runtime()?.block_on(async {
        let answering = ask_all(&config, &clock, Duration::from_secs(args.wait)).await?;
        if args.no_store {
            say(format_args!("store          not looked at"))?;
        } else if config.store.path.exists() {
            let store = open(&config.store.path, clock, ring)?;
            key_fits(&store, &key).await?;
            let entries = store.verify().await.map_err(|error| {
                let advice = "keep the file as it is and restore a backup beside it";
                Failure::Other(format!("{}: {error}; {advice}", config.store.path.display()))
            })?;
            say(format_args!("store          {entries} journal entries, every one verified"))?;
        } else {
            say(format_args!("store          not there yet; serving will make it"))?;
        }
        answering
    })
}

/// Asks every ministry, again and again until all answer or the time is over. The outer result is
/// whether they could be asked, the inner whether all answer.
async fn ask_all(
    config: &Config,
    clock: &Arc<dyn Clock>,
    wait: Duration,
) -> Result<Result<(), Failure>, Failure> {
    let ministries = ministries::connect(&config.ministry, clock)?;
    let until = Instant::now() + wait;
    loop {
        let probes = ministries.iter().map(async |(kind, connected)| {
            let begun = Instant::now();
            let answer = connected.ministry.probe(begun + PROBE).await;
            (kind, connected.protocol, begun.elapsed(), answer)
        });
        let answers = futures_util::future::join_all(probes).await;
        let silent = answers.iter().filter(|(.., answer)| answer.is_err()).count();
        if silent == 0 || Instant::now() >= until {
            for (kind, protocol, took, answer) in answers {
                let name = kind.as_str();
                let (took, told) = (took.as_millis(), told(answer.err().as_ref()));
                say(format_args!("{name:<14} {protocol}, {took} ms: {told}"))?;
            }
            return Ok(if silent == 0 {
                Ok(())
            } else {
                Err(Failure::Other(format!("{silent} of the ministries cannot be used; see above")))
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What a probe showed: what happened, whose fault it is, and what to do.
fn told(fault: Option<&Fault>) -> String {
    let Some(fault) = fault else { return "answers".to_owned() };
    let advice = match fault.kind {
        FaultKind::Unavailable | FaultKind::Timeout => {
            "the ministry's system or the network between; wait, then call the ministry's help desk"
        }
        FaultKind::Rejected | FaultKind::Unsupported => {
            "this gateway's settings; compare url and protocol with the ministry's documents"
        }
        FaultKind::Malformed => {
            "something else answers at the url, or the ministry's protocol has changed; compare the url, then call its help desk"
        }
        FaultKind::Quota => {
            "the agreed number of calls is used up; wait for the next period, or agree on more"
        }
        FaultKind::Credentials => {
            "the ministry does not accept this gateway; renew its credentials, certificate or registered address"
        }
    };
    format!("{fault}; {advice}")
}
