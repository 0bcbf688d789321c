//! Change feeds: from the commit of a change until its subscribers have it.
//!
//! Clearances are handed in at a steady rate, for workers of every regency. One subscriber follows
//! all of them, or a thousand follow a regency each. Commit and arrival are told by the same
//! machine's clock, and the time of a commit is that of its transaction's beginning, so what is
//! measured is rather too long. Subscribers and writers share the machine with the gateway.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use desmigratif_proto::exchange::v1::change_feed_service_client::ChangeFeedServiceClient;
use desmigratif_proto::exchange::v1::{RecordKind, WatchChangesRequest, WatchChangesResponse};
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::Streaming;

use crate::clients::{CLINIC, KEMNAKER, every_village, register_workers, stating, submission};
use crate::closed_loop::quantile;
use crate::process::{Gateway, Ministries};
use crate::table::{Table, time};

/// Changes a second.
const RATE: u32 = 1_000;
/// Writers that share the rate.
const WRITERS: u32 = 32;
/// Subscribers of one connection, fewer than its streams.
const ON_ONE_CONNECTION: usize = 50;
/// What is left out at the beginning, and how long is measured.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(10);
/// The longest that 99 of 100 events may take.
const TARGET_US: f64 = 100_000.0;

/// Measures with one subscriber and with a thousand.
pub(crate) async fn measure(data: &Path, table: &mut Table) -> Result<()> {
    let gateway = Gateway::start(data, Ministries::new())?;
    let mut villages = Vec::new();
    for village in every_village(&gateway).await? {
        let regency = village.code[..5].to_owned();
        if villages.last().is_none_or(|(last, _)| *last != regency) {
            villages.push((regency, village.code));
        }
    }
    let homes = villages.iter().map(|(_, code)| code.as_str());
    let niks: Arc<[String]> = register_workers(&gateway, homes).await?.into();
    let whole = vec![String::new()];
    let regencies: Vec<_> = villages.iter().map(|(regency, _)| regency.clone()).collect();
    let thousand = regencies.iter().cycle().take(1_000).cloned().collect();
    for regions in [whole, thousand] {
        follow(&gateway, &niks, regions, table).await?;
    }
    table.remark(
        "A subscriber's batch is a journal entry of its own: the journal grows by more than the \
         changes.\nRead from the store is what the tail has read, and what stragglers have.",
    );
    gateway.stop()
}

/// Runs a subscriber for each region while clearances are handed in.
async fn follow(
    gateway: &Gateway,
    niks: &Arc<[String]>,
    regions: Vec<String>,
    table: &mut Table,
) -> Result<()> {
    let name = if regions.len() == 1 { "1 subscriber" } else { "1,000 subscribers" };
    let counted = Counted::default();
    let mut subscribers = JoinSet::new();
    for regions in regions.chunks(ON_ONE_CONNECTION) {
        let channel = gateway.connect(KEMNAKER).await?;
        for region_code in regions {
            let request = WatchChangesRequest {
                kinds: vec![RecordKind::Clearance.into()],
                region_code: region_code.clone(),
                ..WatchChangesRequest::default()
            };
            let mut client = ChangeFeedServiceClient::new(channel.clone());
            let mut feed = client
                .watch_changes(stating("placement-screening", request))
                .await
                .context("opening a feed")?
                .into_inner();
            feed.message().await?.context("it says at once where it begins")?;
            subscribers.spawn(take(feed, counted.clone()));
        }
    }
    let mut writers = JoinSet::new();
    let together = Arc::new(Barrier::new(WRITERS as usize));
    for n in 0..WRITERS {
        let client = MedicalClearanceServiceClient::new(gateway.connect(CLINIC).await?);
        writers.spawn(write(client, niks.clone(), n, together.clone(), counted.clone()));
    }

    tokio::time::sleep(WARM_UP).await;
    let before = (Read::of(gateway).await?, gateway.server().processor_time()?);
    let begun = Instant::now();
    counted.on.store(true, Ordering::Relaxed);
    let so_far = || {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(&counted.written), of(&counted.last_entry))
    };
    let (written, entry) = so_far();
    tokio::time::sleep(MEASURED).await;
    let (written, entries) = (so_far().0 - written, so_far().1 - entry);
    counted.over.store(true, Ordering::Relaxed);
    let elapsed = begun.elapsed().as_secs_f64();
    let after = (Read::of(gateway).await?, gateway.server().processor_time()?);
    for writer in writers.join_all().await {
        writer?;
    }
    // A feed goes on for ever: what has come is what counts.
    let mut latencies = std::mem::take(&mut *counted.latencies.lock().await);
    subscribers.shutdown().await;
    ensure!(!latencies.is_empty(), "no event came");

    latencies.sort_unstable();
    let p99 = quantile(&latencies, 0.99);
    let per_second = |n: f64| n / elapsed;
    table.told(
        &format!("Feed, {name}: p50 / p99"),
        format!("{} / {}", time(quantile(&latencies, 0.5)), time(p99)),
        format!("{:.0} changes/s", per_second(written as f64)),
        "p99, target <= 100 ms",
        Some(p99 <= TARGET_US),
    );
    table.told(
        &format!("Feed, {name}: events/s"),
        format!("{:.0}", per_second(latencies.len() as f64)),
        format!("{:.0} % of a processor", per_second((after.1 - before.1).as_secs_f64()) * 100.0),
        "",
        None,
    );
    let (tail, stragglers) =
        (after.0.tail - before.0.tail, after.0.stragglers - before.0.stragglers);
    table.told(
        &format!("Feed, {name}: entries read/s"),
        format!("{:.0} + {:.0}", per_second(tail), per_second(stragglers)),
        format!("{:.0} committed/s", per_second(entries as f64)),
        "",
        None,
    );
    Ok(())
}

/// What writers and subscribers count.
#[derive(Clone, Default)]
struct Counted {
    /// Whether what comes counts.
    on: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    /// The highest index of an entry that a writer was told.
    last_entry: Arc<AtomicU64>,
    latencies: Arc<tokio::sync::Mutex<Vec<Duration>>>,
}

async fn take(mut feed: Streaming<WatchChangesResponse>, counted: Counted) -> Result<()> {
    while let Some(message) = feed.message().await? {
        let now = SystemTime::now();
        if !counted.on.load(Ordering::Relaxed) || counted.over.load(Ordering::Relaxed) {
            continue;
        }
        let mut latencies = counted.latencies.lock().await;
        for event in message.events {
            let at = SystemTime::try_from(event.committed_at.context("a change has a time")?)?;
            latencies.push(now.duration_since(at).unwrap_or_default());
        }
    }
    Ok(())
}

/// Hands in clearances at this writer's share of the rate.
async fn write(
    mut client: MedicalClearanceServiceClient<tonic::transport::Channel>,
    niks: Arc<[String]>,
    first: u32,
    together: Arc<Barrier>,
    counted: Counted,
) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) * WRITERS / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    together.wait().await;
    let mut next = first as usize;
    while !counted.over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let request = submission(&niks[next % niks.len()]);
        let answer = client.submit_clearance(stating("clearance-submission", request)).await?;
        let receipt = answer.into_inner().receipt.context("a receipt")?;
        counted.last_entry.fetch_max(receipt.entry_index, Ordering::Relaxed);
        counted.written.fetch_add(1, Ordering::Relaxed);
        next += WRITERS as usize;
    }
    Ok(())
}

/// What the gateway's metrics say.
struct Read {
    tail: f64,
    stragglers: f64,
}

impl Read {
    async fn of(gateway: &Gateway) -> Result<Self> {
        let operators = gateway.server().address("operators")?;
        let mut stream = tokio::net::TcpStream::connect(operators).await?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).await?;
        let value = |name: &str, label: &str| {
            let mut lines = metrics.lines();
            let line = lines.find(|line| line.starts_with(name) && line.contains(label));
            line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
        };
        let read = "desmigratif_feed_entries_read_total";
        Ok(Self {
            tail: value(read, "reader=\"tail\""),
            stragglers: value(read, "reader=\"straggler\""),
        })
    }
}
