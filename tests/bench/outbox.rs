//! A long outbox: very many deliveries to a ministry that is down, and the ministry coming back.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::store::outbox::{Delivery, DeliveryState, Filter};
use desmigratif_core::ports::store::{Commit, Store as _};
use desmigratif_core::record::Record;
use desmigratif_proto::admin::v1::admin_service_client::AdminServiceClient;
use desmigratif_proto::admin::v1::{self as admin, ListAdaptersRequest, ListDeliveriesRequest};
use desmigratif_proto::common::v1 as common;
use desmigratif_sandbox::{Fault, admin::Client};

use crate::clients::{OPERATOR, stating};
use crate::closed_loop::quantile;
use crate::ministries;
use crate::process::{Gateway, Ministries};
use crate::seed::{BATCH, Seed, commit};
use crate::table::{Table, time};

const KEMNAKER: AgencyKind = AgencyKind::Kemnaker;
/// Calls of each kind of list.
const LISTS: usize = 200;
/// Attempts a second that the gateway may make.
const PER_SECOND: u32 = 500;
/// How long deliveries are counted once they flow.
const DRAIN: Duration = Duration::from_secs(20);
/// How long the ministry may be back without a delivery.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fills the outbox, starts the gateway on it, lists it and lets it drain.
pub(crate) async fn measure(data: &Path, count: u32, table: &mut Table) -> Result<()> {
    let gateway = Gateway::start(data, Ministries::new())?;
    let (empty_kib, empty_start) = (gateway.server().resident_kib()?, gateway.started_in());
    gateway.stop()?;

    fill_and_ask(data, count, table).await?;

    let (server, sandbox) = ministries::start(data)?;
    sandbox.set(KEMNAKER, Fault::Down, None).await?;
    let mut connections = ministries::connections(&server, data, PER_SECOND)?;
    connections.retain(|ministry, _| *ministry == KEMNAKER);
    let gateway = Gateway::start(data, connections)?;
    let started = gateway.started_in();
    table.told(
        "Start to ready on that outbox",
        format!("{} ms", started.as_millis()),
        format!("{} ms without", empty_start.as_millis()),
        "",
        None,
    );
    list(&gateway, table).await?;
    let waiting_kib = gateway.server().resident_kib()?;
    table.told(
        "Memory while it waits (RSS)",
        format!("{} MiB", waiting_kib / 1024),
        format!("{} MiB without", empty_kib / 1024),
        "",
        None,
    );
    drain(&gateway, &sandbox, table).await?;
    gateway.stop()
}

/// Fills the store by its port and measures its own queries, before any gateway runs on it.
async fn fill_and_ask(data: &Path, count: u32, table: &mut Table) -> Result<()> {
    let begun = Instant::now();
    let seed = Seed::open(data)?;
    let mut first = 0;
    while first < count {
        let last = count.min(first + BATCH);
        seed.store.commit(deliveries(&seed, first..last)?).await?;
        first = last;
    }
    let filled = begun.elapsed();
    table.told(
        "Deliveries queued",
        format!("{count}"),
        format!("in {:.0} s", filled.as_secs_f64()),
        "",
        None,
    );

    let mut latencies = Vec::new();
    for n in 0..LISTS {
        let after = u64::from(count) * n as u64 / LISTS as u64;
        for (to, state) in [
            (None, None),
            (Some(KEMNAKER), None),
            (Some(KEMNAKER), Some(DeliveryState::Waiting)),
            (None, Some(DeliveryState::Dead)),
        ] {
            let begun = Instant::now();
            seed.store.deliveries(&Filter { to, state, after: Some(after), limit: 501 }).await?;
            latencies.push(begun.elapsed());
        }
    }
    latencies.sort_unstable();
    let (p50, p99) = (quantile(&latencies, 0.5), quantile(&latencies, 0.99));
    let told = format!("{} / {}", time(p50), time(p99));
    table.told("Store: list of 500, p50 / p99", told, String::new(), "", None);
    let mut latencies = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let backlogs = seed.store.backlogs().await?;
        latencies.push(begun.elapsed());
        let waiting: u64 = backlogs.iter().map(|backlog| backlog.waiting).sum();
        ensure!(waiting == u64::from(count), "{waiting} wait instead of {count}");
    }
    latencies.sort_unstable();
    let told = format!("{} / {}", time(quantile(&latencies, 0.5)), time(quantile(&latencies, 1.0)));
    table.told("Store: backlogs, p50 / most", told, "asked every 5 s".into(), "", None);
    seed.close().await
}

/// Workers with a delivery each.
fn deliveries(seed: &Seed, numbers: std::ops::Range<u32>) -> Result<Commit> {
    let workers = numbers.map(|n| Ok(Record::Worker(seed.worker(n)?)));
    let mut commit = commit(workers.collect::<Result<_>>()?)?;
    let deliveries = commit.writes.iter().filter_map(|write| {
        let subject = write.record.index().subject?;
        Some(Delivery { to: KEMNAKER, subject, record: write.record.key() })
    });
    commit.deliveries = deliveries.collect();
    Ok(commit)
}

/// Lists of deliveries as operators ask for them, page after page.
async fn list(gateway: &Gateway, table: &mut Table) -> Result<()> {
    let mut client = AdminServiceClient::new(gateway.connect(OPERATOR).await?);
    let kemnaker = common::AgencyKind::Kemnaker.into();
    let waiting = admin::DeliveryState::Waiting.into();
    let dead = admin::DeliveryState::Dead.into();
    let mut latencies = Vec::new();
    for (ministry, state, page_size) in
        [(0, 0, 50), (kemnaker, 0, 500), (kemnaker, waiting, 50), (0, waiting, 500), (0, dead, 50)]
    {
        let mut request =
            ListDeliveriesRequest { ministry, state, page_size, page_token: String::new() };
        for _ in 0..LISTS {
            let begun = Instant::now();
            let page = client.list_deliveries(stating("operations", request.clone())).await?;
            latencies.push(begun.elapsed());
            let page = page.into_inner();
            ensure!(state == dead || !page.deliveries.is_empty(), "an empty page");
            request.page_token = page.next_page_token;
        }
    }
    latencies.sort_unstable();
    let p99 = quantile(&latencies, 0.99);
    table.told(
        "ListDeliveries, p50 / p99",
        format!("{} / {}", time(quantile(&latencies, 0.5)), time(p99)),
        "pages of 50 and 500".into(),
        "p99, target <= 20 ms",
        Some(p99 <= 20_000.0),
    );
    let mut latencies = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        client.list_adapters(stating("operations", ListAdaptersRequest {})).await?;
        latencies.push(begun.elapsed());
    }
    latencies.sort_unstable();
    let told = format!("{} / {}", time(quantile(&latencies, 0.5)), time(quantile(&latencies, 1.0)));
    table.told("ListAdapters, p50 / most", told, "counts the backlog".into(), "", None);
    Ok(())
}

/// The ministry comes back: how fast it gets what is queued, and what that takes of memory.
async fn drain(gateway: &Gateway, sandbox: &Client, table: &mut Table) -> Result<()> {
    let back = Instant::now();
    sandbox.lift(Some(KEMNAKER)).await?;
    let arrived = async || -> Result<u64> {
        let status = sandbox.status().await?;
        let ministry = status.ministries.get(KEMNAKER.as_str()).context("Kemnaker is there")?;
        ensure!(ministry.effects.most <= 1, "a delivery was doubled");
        Ok(ministry.effects.keys)
    };
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    while arrived().await? == 0 {
        ensure!(back.elapsed() < PATIENCE, "nothing arrives");
        tick.tick().await;
    }
    let noticed = back.elapsed();
    let (begun, first) = (Instant::now(), arrived().await?);
    let mut most_kib = 0;
    while begun.elapsed() < DRAIN {
        tick.tick().await;
        most_kib = most_kib.max(gateway.server().resident_kib()?);
    }
    let rate = (arrived().await? - first) as f64 / begun.elapsed().as_secs_f64();
    table.told(
        "Drain, deliveries/s",
        format!("{rate:.0}"),
        format!("{PER_SECOND} allowed"),
        &format!("first after {:.1} s", noticed.as_secs_f64()),
        None,
    );
    let told = format!("{} MiB", most_kib / 1024);
    table.told("Memory while it drains (RSS, most)", told, String::new(), "", None);
    Ok(())
}
