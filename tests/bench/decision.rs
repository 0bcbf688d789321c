//! What it costs to decide whether an agency may call: from what is kept, and by the policies.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use desmigratif::access::{Attempt, Policy, Source};
use desmigratif_core::agency::Agency;
use desmigratif_sandbox::agencies::agencies;

use crate::closed_loop::quantile;
use crate::table::{Table, time};

/// What every agency asks for; most are refused, which costs the same.
const PATH: &str = "/desmigratif.worker.v1.WorkerService/GetWorker";
/// How often all agencies ask.
const ROUNDS: usize = 20_000;
/// How often the policies are loaded anew.
const LOADS: usize = 20;

/// Decides for each of the sandbox's agencies and each purpose that it holds.
pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let policy = Policy::load(Source::BuiltIn)?;
    let agencies: Vec<_> = agencies().into_iter().map(Arc::new).collect();
    let asked: Vec<_> = agencies
        .iter()
        .flat_map(|agency| agency.purposes.iter().map(move |purpose| (agency, purpose.as_str())))
        .collect();
    let allowed = decide(&policy, &asked);
    ensure!((1..asked.len()).contains(&allowed), "{allowed} of {} allowed", asked.len());

    let round = || {
        let begun = Instant::now();
        decide(&policy, &asked);
        begun.elapsed()
    };
    let mut kept: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    let mut first = Vec::with_capacity(LOADS);
    for _ in 0..LOADS {
        policy.reload()?;
        first.push(round());
    }
    kept.sort_unstable();
    first.sort_unstable();
    let kept = quantile(&kept, 0.5) / asked.len() as f64;
    let first = quantile(&first, 0.5) / agencies.len() as f64;
    table.told(
        "Decision from what is kept, p50",
        format!("{kept:.2} us"),
        format!("{} an agency at first", time(first)),
        "target <= 1 us",
        Some(kept <= 1.0),
    );
    Ok(())
}

/// Decides on every question; how many calls are allowed.
fn decide(policy: &Policy, asked: &[(&Arc<Agency>, &'static str)]) -> usize {
    let admit = |(agency, purpose): &&(&Arc<Agency>, &'static str)| {
        let attempt = Attempt { path: PATH, purpose: Some(purpose), signed: false };
        black_box(policy.admit(agency, attempt)).is_ok()
    };
    asked.iter().filter(admit).count()
}
