//! Load: callers that each wait for an answer before they ask again.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tonic::Status;

use crate::process::Server;

/// A caller with its connection and what it needs for the next call.
pub(crate) trait Caller: Send + 'static {
    /// One call; an error unless its grpc-status is OK and the answer is what was asked for.
    fn call(&mut self) -> impl Future<Output = Result<(), Status>> + Send;
}

/// What a load measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Half of the answers came within so many microseconds.
    pub(crate) p50_us: f64,
    /// 99 of 100 answers came within so many microseconds.
    pub(crate) p99_us: f64,
    /// The server's processor time for an answer, microseconds.
    pub(crate) processor_us: f64,
}

/// Lets the callers call for `time`, after a warm-up that does not count.
pub(crate) async fn run<C: Caller>(
    server: &Server,
    callers: Vec<C>,
    warm_up: Duration,
    time: Duration,
) -> Result<(Vec<C>, Load)> {
    let (callers, _) = all_call(callers, warm_up).await?;
    let processor = server.processor_time()?;
    let begun = Instant::now();
    let (callers, mut latencies) = all_call(callers, time).await?;
    let elapsed = begun.elapsed();
    let processor = server.processor_time()? - processor;
    let calls = latencies.len() as f64;
    latencies.sort_unstable();
    let load = Load {
        rate: calls / elapsed.as_secs_f64(),
        p50_us: quantile(&latencies, 0.5),
        p99_us: quantile(&latencies, 0.99),
        processor_us: processor.as_secs_f64() * 1e6 / calls,
    };
    Ok((callers, load))
}

async fn all_call<C: Caller>(callers: Vec<C>, time: Duration) -> Result<(Vec<C>, Vec<Duration>)> {
    let end = Instant::now() + time;
    let tasks: Vec<_> = callers
        .into_iter()
        .map(|mut caller| {
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                let mut begun = Instant::now();
                while begun < end {
                    caller.call().await?;
                    let now = Instant::now();
                    latencies.push(now - begun);
                    begun = now;
                }
                Ok::<_, Status>((caller, latencies))
            })
        })
        .collect();
    let (mut callers, mut all) = (Vec::new(), Vec::new());
    for task in tasks {
        let (caller, latencies) = task.await??;
        callers.push(caller);
        all.extend(latencies);
    }
    if all.is_empty() {
        bail!("no call ended within {time:?}");
    }
    Ok((callers, all))
}

/// A quantile of sorted latencies, microseconds.
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * part).round() as usize;
    sorted.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
}

/// The median of each number over rounds.
pub(crate) fn median(loads: &[Load]) -> Load {
    Load {
        rate: middle(loads.iter().map(|load| load.rate)),
        p50_us: middle(loads.iter().map(|load| load.p50_us)),
        p99_us: middle(loads.iter().map(|load| load.p99_us)),
        processor_us: middle(loads.iter().map(|load| load.processor_us)),
    }
}

/// The middle one of an odd number of values.
pub(crate) fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
