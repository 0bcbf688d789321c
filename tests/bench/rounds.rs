//! The pairs that run in turn.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tonic::transport::Channel;

use crate::clients::{CLINIC, GetVillage, KEMNAKER, SubmitClearance, Village, register_workers};
use crate::closed_loop::{Load, median, middle, run};
use crate::process::{Gateway, Server};
use crate::raw_store::{ROWS_PER_CLEARANCE, RawStore};
use crate::table::Table;
use crate::{ROUND, ROUNDS, WARM_UP};

/// Connections of a load.
const CONNECTIONS: usize = 4;
/// Callers of a load, spread over the connections.
const CALLERS: usize = 64;

/// GetVillage of the gateway and of the bare server.
pub(crate) async fn get_village(
    gateway: &Gateway,
    bare: &Server,
    villages: &[Village],
    table: &mut Table,
) -> Result<()> {
    let codes: Arc<[String]> = villages.iter().map(|village| village.code.clone()).collect();
    let callers = async |server: &Server| -> Result<Vec<GetVillage>> {
        let channels = connections(server, gateway.tls(), KEMNAKER).await?;
        Ok((0..CALLERS)
            .map(|n| GetVillage::new(channels[n % CONNECTIONS].clone(), codes.clone(), n * 1000))
            .collect())
    };
    let mut ours = callers(gateway.server()).await?;
    let mut theirs = callers(bare).await?;
    let (mut loads, mut bare_loads) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let load: Load;
        (ours, load) = run(gateway.server(), ours, WARM_UP, ROUND).await?;
        loads.push(load);
        let load: Load;
        (theirs, load) = run(bare, theirs, WARM_UP, ROUND).await?;
        bare_loads.push(load);
    }
    table.get_village(&median(&loads), &median(&bare_loads));
    Ok(())
}

/// SubmitClearance of the gateway and rows of SQLite alone.
pub(crate) async fn submit_clearance(
    gateway: &Gateway,
    data: &Path,
    table: &mut Table,
) -> Result<()> {
    let niks = register_workers(gateway, [KENANGA; CALLERS]).await?;
    let channels = connections(gateway.server(), gateway.tls(), CLINIC).await?;
    let callers = niks.into_iter().enumerate();
    let mut callers: Vec<_> = callers
        .map(|(n, nik)| SubmitClearance::new(channels[n % CONNECTIONS].clone(), nik))
        .collect();
    // The rows of the first few are what SQLite alone writes.
    (callers, _) =
        run(gateway.server(), callers, WARM_UP, WARM_UP).await.context("handing in clearances")?;
    let mut raw = RawStore::new(data)?;
    let (mut loads, mut schema, mut log) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let load: Load;
        (callers, load) = run(gateway.server(), callers, WARM_UP, ROUND).await?;
        loads.push(load);
        schema.push(raw.fill_schema(ROUND)?);
        log.push(raw.fill_log(ROUND)?);
    }
    let load = median(&loads);
    table.submit_clearance(
        &load,
        load.rate * ROWS_PER_CLEARANCE as f64,
        middle(schema.into_iter()),
        middle(log.into_iter()),
        raw.row_bytes(),
    );
    Ok(())
}

/// The village of the workers: Kenanga in Indramayu, a pilot village of 2016.
pub(crate) const KENANGA: &str = "32.12.16.2004";

pub(crate) async fn connections(server: &Server, tls: &Path, agency: &str) -> Result<Vec<Channel>> {
    let mut channels = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        channels.push(server.connect(tls, agency).await?);
    }
    Ok(channels)
}
