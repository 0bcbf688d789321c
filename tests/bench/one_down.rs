//! One ministry fails: what that does to callers who need nothing of it.
//!
//! In every round Kemenkes is healthy, then hangs, then is down. All the while, at one pace, others
//! ask for profiles of villages, which ask Kemenkes too, and hand in clearances, which go there.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use desmigratif_core::access::AgencyKind;
use desmigratif_proto::admin::v1::ListAdaptersRequest;
use desmigratif_proto::admin::v1::admin_service_client::AdminServiceClient;
use desmigratif_proto::common::v1 as common;
use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_proto::village::v1::GetVillageProfileRequest;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_sandbox::Fault;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tonic::transport::Channel;

use crate::clients::{
    CLINIC, GetVillage, KEMENDAGRI, KEMENDES, KEMNAKER, OPERATOR, SubmitClearance, VerifyIdentity,
    every_village, register_workers, stating,
};
use crate::closed_loop::{Caller as _, Load, middle, run};
use crate::process::Gateway;
use crate::rounds::KENANGA;
use crate::table::{Table, time};
use crate::{ROUND, ROUNDS, WARM_UP, ministries};

const KEMENKES: AgencyKind = AgencyKind::Kemenkes;
/// Callers of each measured load.
const CALLERS: usize = 4;
/// More than the callers ask for in a second.
const UNLIMITED: u32 = 1_000_000;
/// A profile is asked for so often, whether the last one has come or not.
const PROFILES: Duration = Duration::from_millis(25);
/// A clearance is handed in so often.
const CLEARANCES: Duration = Duration::from_millis(50);
/// How long a caller waits for a profile.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clearances that wait for Kemenkes before a round in which it fails is measured.
const BACKLOG: usize = 100;
/// The longest that the backlog may take until it is delivered.
const DRAIN: Duration = Duration::from_secs(60);

/// How Kemenkes is in the parts of a round.
const PARTS: [(&str, Option<Fault>); 3] = [
    ("healthy", None),
    ("hangs", Some(Fault::Latency(Duration::from_secs(60)))),
    ("down", Some(Fault::Down)),
];

/// The p99 of both loads in one part of a round.
type Both = [f64; 2];

/// Measures GetVillage and VerifyIdentity in every part of every round.
pub(crate) async fn compare(data: &Path, table: &mut Table) -> Result<()> {
    let (server, sandbox) = ministries::start(data)?;
    let connections = ministries::connections(&server, data, UNLIMITED)?;
    let gateway = Gateway::start(data, connections)?;
    let villages = every_village(&gateway).await?;
    let codes: Arc<[String]> = villages.iter().map(|village| village.code.clone()).collect();
    let clinic = gateway.connect(CLINIC).await?;
    let workers = register_workers(&gateway, [KENANGA; CALLERS]).await?;
    let mut clearances: Vec<_> =
        workers.into_iter().map(|nik| SubmitClearance::new(clinic.clone(), nik)).collect();
    let operator = AdminServiceClient::new(gateway.connect(OPERATOR).await?);
    let reader = gateway.connect(KEMNAKER).await?;
    let mut readers: Vec<_> =
        (0..CALLERS).map(|n| GetVillage::new(reader.clone(), codes.clone(), n * 1000)).collect();
    let checker = IdentityServiceClient::new(gateway.connect(KEMENDAGRI).await?);
    let mut checkers: Vec<_> = (0..CALLERS).map(|_| VerifyIdentity(checker.clone())).collect();

    let handing_in = clearances.pop().context("some workers are registered")?;
    let others =
        [others_ask(gateway.connect(KEMENDES).await?, codes.clone()), others_hand_in(handing_in)];
    let mut measured: [Vec<Both>; PARTS.len()] = Default::default();
    let mut backlogs = Vec::new();
    for _ in 0..ROUNDS {
        for ((_, fault), measured) in PARTS.iter().zip(&mut measured) {
            match fault {
                None => {
                    sandbox.lift(Some(KEMENKES)).await?;
                    delivered(&operator).await?;
                }
                Some(fault) => {
                    sandbox.set(KEMENKES, *fault, None).await?;
                    for n in 0..BACKLOG {
                        let caller = n % clearances.len();
                        clearances[caller].call().await?;
                    }
                }
            }
            let load: Load;
            (readers, load) = run(gateway.server(), readers, WARM_UP, ROUND).await?;
            let reading = load.p99_us;
            let load: Load;
            (checkers, load) = run(gateway.server(), checkers, WARM_UP, ROUND).await?;
            measured.push([reading, load.p99_us]);
            if fault.is_some() {
                backlogs.push(backlog(&operator).await?);
            }
        }
    }
    ensure!(others.iter().all(|other| !other.is_finished()), "the other callers have stopped");
    others.iter().for_each(JoinHandle::abort);
    gateway.stop()?;

    let [healthy, failing @ ..] = &measured;
    for (load, name) in ["GetVillage", "VerifyIdentity"].into_iter().enumerate() {
        for ((how, _), failing) in PARTS[1..].iter().zip(failing) {
            let p99 = |part: &[Both]| middle(part.iter().map(|both| both[load]));
            // Neighbours in time are compared, so that what slows the machine down slows both.
            let pairs = healthy.iter().zip(failing);
            let change = middle(pairs.map(|(well, ill)| ill[load] / well[load])) * 100.0 - 100.0;
            table.told(
                &format!("{name}, p99, Kemenkes {how}"),
                time(p99(failing)),
                format!("{} healthy", time(p99(healthy))),
                &format!("{change:+.0} %, target <= +10 %"),
                Some(change <= 10.0),
            );
        }
    }
    let least = backlogs.into_iter().min().unwrap_or_default();
    table.remark(format!(
        "All the while {} profiles and {} clearances a second; while Kemenkes fails, {least} \
         deliveries or\nmore wait for it. The change is the median over rounds.",
        1000 / PROFILES.as_millis(),
        1000 / CLEARANCES.as_millis(),
    ));
    Ok(())
}

/// Asks for one profile after another, at a pace that no slow answer changes.
fn others_ask(channel: Channel, codes: Arc<[String]>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let client = VillageServiceClient::new(channel);
        let mut under_way = JoinSet::new();
        let mut tick = tokio::time::interval(PROFILES);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for code in codes.iter().step_by(101).cycle() {
            tick.tick().await;
            while under_way.try_join_next().is_some() {}
            let freshness = common::Freshness {
                max_age: Some(prost_types::Duration::default()),
                refuse_stale: false,
            };
            let request =
                GetVillageProfileRequest { code: code.clone(), freshness: Some(freshness) };
            let mut request = stating("programme-planning", request);
            request.set_timeout(PATIENCE);
            let mut client = client.clone();
            // That some come too late is what is to be expected of a ministry that hangs.
            under_way.spawn(async move { client.get_village_profile(request).await.is_ok() });
        }
    })
}

/// Hands in one clearance after another, until one is refused.
fn others_hand_in(mut caller: SubmitClearance) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(CLEARANCES);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while caller.call().await.is_ok() {
            tick.tick().await;
        }
    })
}

/// How many deliveries wait for Kemenkes.
async fn backlog(operator: &AdminServiceClient<Channel>) -> Result<u64> {
    let request = stating("operations", ListAdaptersRequest {});
    let adapters = operator.clone().list_adapters(request).await?.into_inner().adapters;
    let kemenkes = adapters.iter().find(|it| it.ministry() == common::AgencyKind::Kemenkes);
    Ok(kemenkes.context("Kemenkes is connected")?.backlog)
}

/// Waits until Kemenkes has what was queued for it.
async fn delivered(operator: &AdminServiceClient<Channel>) -> Result<()> {
    let begun = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    // A few are always on their way.
    while backlog(operator).await? > 10 {
        ensure!(begun.elapsed() < DRAIN, "Kemenkes is back, and yet its backlog stays");
        tick.tick().await;
    }
    Ok(())
}
