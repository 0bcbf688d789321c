//! The programme's numbers of a whole country, and reads of one worker among very many.
//!
//! Two gateways: one with few workers and one with as many as are asked for and the programme in
//! all its villages. What is compared between them runs in turn.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use desmigratif_proto::programme::v1::coverage_service_client::CoverageServiceClient;
use desmigratif_proto::programme::v1::sector_map_service_client::SectorMapServiceClient;
use desmigratif_proto::programme::v1::{
    GetCoverageRequest, GetRegionalBriefingRequest, GetSectorMapRequest,
};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{GetWorkerRequest, LookupWorkerRequest};
use prost::Message as _;
use tonic::Status;
use tonic::transport::Channel;

use crate::clients::{KEMNAKER, stating};
use crate::closed_loop::{Caller, Load, median, run};
use crate::country::{Filling, INDRAMAYU};
use crate::process::{Gateway, Ministries};
use crate::seed::{Seed, nik, worker_id};
use crate::table::{Table, time};
use crate::{ROUND, ROUNDS, WARM_UP};

/// Workers that there are at first.
const FEW: u32 = 10_000;
/// The largest answer: every village of the programme with its sectors.
const LARGEST: usize = 16 << 20;

/// Fills two stores, starts a gateway on each and asks both.
pub(crate) async fn measure(data: &Path, workers: u32, table: &mut Table) -> Result<()> {
    let few = data.join("few");
    std::fs::create_dir(&few)?;
    Gateway::make(&few)?;
    fill(&few, FEW).await?;
    let begun = Instant::now();
    fill(data, workers).await?;
    let filled = format!("in {:.0} s", begun.elapsed().as_secs_f64());
    table.told("Workers registered", workers.to_string(), filled, "", None);

    let few = Gateway::start(&few, Ministries::new())?;
    let many = Gateway::start(data, Ministries::new())?;
    numbers(&many, table).await?;
    reads(&few, &many, workers, table).await?;
    let start = |gateway: &Gateway| format!("{} ms", gateway.started_in().as_millis());
    table.told("Start to ready", start(&many), format!("{} with {FEW}", start(&few)), "", None);
    let memory = |gateway: &Gateway| -> Result<String> {
        Ok(format!("{} MiB", gateway.server().resident_kib()? / 1024))
    };
    let beside = format!("{} with {FEW}", memory(&few)?);
    table.told("Memory after the loads (RSS)", memory(&many)?, beside, "", None);
    few.stop()?;
    many.stop()
}

async fn fill(data: &Path, workers: u32) -> Result<()> {
    let filling = Filling::new(Seed::open(data)?)?;
    filling.programme(workers).await?;
    filling.workers(0..workers).await
}

/// What heads of offices ask for, one caller at a time.
async fn numbers(gateway: &Gateway, table: &mut Table) -> Result<()> {
    let channel = || gateway.connect(KEMNAKER);
    let coverage = GetCoverage { client: CoverageServiceClient::new(channel().await?), bytes: 0 };
    number(gateway, "GetCoverage, country", 50, coverage, table).await?;
    for (name, page_size) in
        [("GetSectorMap, country, a page of 50", 50), ("GetSectorMap, all villages", 5_000)]
    {
        let client = SectorMapServiceClient::new(channel().await?);
        let client = client.max_decoding_message_size(LARGEST);
        number(gateway, name, 50, GetSectorMap { client, page_size, bytes: 0 }, table).await?;
    }
    let client = CoverageServiceClient::new(channel().await?);
    let briefing = GetRegionalBriefing { client, bytes: 0 };
    number(gateway, "GetRegionalBriefing, Indramayu", 20, briefing, table).await
}

/// Measures a call that answers with a number of bytes, against a target of its p99 in ms.
async fn number<C: Caller + Answered>(
    gateway: &Gateway,
    name: &str,
    target_ms: u32,
    caller: C,
    table: &mut Table,
) -> Result<()> {
    let (callers, load) = run(gateway.server(), vec![caller], WARM_UP, ROUND * 3).await?;
    let kib = callers.first().map_or(0, Answered::bytes).div_ceil(1024);
    table.told(
        &format!("{name}, p50 / p99"),
        format!("{} / {}", time(load.p50_us), time(load.p99_us)),
        format!("{kib} KiB, {} CPU", time(load.processor_us)),
        &format!("p99, target <= {target_ms} ms"),
        Some(load.p99_us <= f64::from(target_ms) * 1e3),
    );
    Ok(())
}

/// Reads of one worker after another, with few and with many workers.
async fn reads(few: &Gateway, many: &Gateway, workers: u32, table: &mut Table) -> Result<()> {
    let client = async |gateway: &Gateway| -> Result<_> {
        Ok(WorkerServiceClient::new(gateway.connect(KEMNAKER).await?))
    };
    let (at_few, at_many) = (Next::among(FEW), Next::among(workers));
    let get = |client, next| GetWorker { client, next };
    let (of_few, of_many) = (get(client(few).await?, at_few), get(client(many).await?, at_many));
    let loads = in_turn((few, of_few), (many, of_many)).await?;
    ratio("GetWorker, p50 / p99", loads, table);
    let look_up = |client, next| LookupWorker { client, next };
    let (of_few, of_many) =
        (look_up(client(few).await?, at_few), look_up(client(many).await?, at_many));
    let loads = in_turn((few, of_few), (many, of_many)).await?;
    ratio("LookupWorker, p50 / p99", loads, table);
    Ok(())
}

/// Medians of the rounds of two callers who call in turn.
async fn in_turn<C: Caller>(
    (few, few_caller): (&Gateway, C),
    (many, many_caller): (&Gateway, C),
) -> Result<[Load; 2]> {
    let (mut few_callers, mut many_callers) = (vec![few_caller], vec![many_caller]);
    let (mut few_loads, mut many_loads) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let load: Load;
        (few_callers, load) = run(few.server(), few_callers, WARM_UP, ROUND).await?;
        few_loads.push(load);
        let load: Load;
        (many_callers, load) = run(many.server(), many_callers, WARM_UP, ROUND).await?;
        many_loads.push(load);
    }
    Ok([median(&few_loads), median(&many_loads)])
}

fn ratio(name: &str, [few, many]: [Load; 2], table: &mut Table) {
    let ratio = many.p50_us / few.p50_us;
    let told = |load: &Load| format!("{} / {}", time(load.p50_us), time(load.p99_us));
    let beside = format!("{} with {FEW}", told(&few));
    let target = format!("{ratio:.2}, target <= 1.30");
    table.told(name, told(&many), beside, &target, Some(ratio <= 1.3));
}

/// A caller that knows how large the last answer was.
trait Answered {
    fn bytes(&self) -> usize;
}

struct GetCoverage {
    client: CoverageServiceClient<Channel>,
    bytes: usize,
}

struct GetSectorMap {
    client: SectorMapServiceClient<Channel>,
    page_size: u32,
    bytes: usize,
}

struct GetRegionalBriefing {
    client: CoverageServiceClient<Channel>,
    bytes: usize,
}

impl Answered for GetCoverage {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Answered for GetSectorMap {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Answered for GetRegionalBriefing {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What the answers here are about.
const PURPOSE: &str = "programme-planning";

impl Caller for GetCoverage {
    async fn call(&mut self) -> Result<(), Status> {
        let request = GetCoverageRequest { candidates: 20, ..Default::default() };
        let answer = self.client.get_coverage(stating(PURPOSE, request)).await?.into_inner();
        self.bytes = answer.encoded_len();
        let total = answer.total.unwrap_or_default();
        if total.designated < 4_000 || answer.candidates.len() < 20 {
            return Err(Status::data_loss("an answer without the country's villages"));
        }
        Ok(())
    }
}

impl Caller for GetSectorMap {
    async fn call(&mut self) -> Result<(), Status> {
        let request = GetSectorMapRequest { page_size: self.page_size, ..Default::default() };
        let answer = self.client.get_sector_map(stating(PURPOSE, request)).await?.into_inner();
        self.bytes = answer.encoded_len();
        let designated = answer.total.unwrap_or_default().designated_villages;
        if designated < 4_000 || answer.villages.len() < self.page_size.min(designated) as usize {
            return Err(Status::data_loss("a map without the country's villages"));
        }
        Ok(())
    }
}

impl Caller for GetRegionalBriefing {
    async fn call(&mut self) -> Result<(), Status> {
        let request = GetRegionalBriefingRequest { region_code: INDRAMAYU.into() };
        let answer = self.client.get_regional_briefing(stating(PURPOSE, request)).await?;
        let answer = answer.into_inner();
        self.bytes = answer.encoded_len();
        if answer.villages.is_empty() || answer.clearances_expiring == 0 {
            return Err(Status::data_loss("a briefing without what is in the kabupaten"));
        }
        Ok(())
    }
}

/// Numbers of workers, scattered over all.
#[derive(Clone, Copy)]
struct Next {
    n: u32,
    workers: u32,
}

impl Next {
    const fn among(workers: u32) -> Self {
        Self { n: 0, workers }
    }

    fn take(&mut self) -> u32 {
        // A step that shares no factor with round numbers of workers visits them all.
        self.n = (self.n + 611_953) % self.workers;
        self.n
    }
}

struct GetWorker {
    client: WorkerServiceClient<Channel>,
    next: Next,
}

impl Caller for GetWorker {
    async fn call(&mut self) -> Result<(), Status> {
        let request = GetWorkerRequest { worker_id: worker_id(self.next.take()).to_string() };
        let request = stating("placement-screening", request);
        let answer = self.client.get_worker(request).await?.into_inner();
        answer.worker.map(|_| ()).ok_or_else(|| Status::data_loss("an answer without a worker"))
    }
}

struct LookupWorker {
    client: WorkerServiceClient<Channel>,
    next: Next,
}

impl Caller for LookupWorker {
    async fn call(&mut self) -> Result<(), Status> {
        let request = LookupWorkerRequest { nik: nik(self.next.take()) };
        let request = stating("placement-screening", request);
        let answer = self.client.lookup_worker(request).await?.into_inner();
        answer.worker.map(|_| ()).ok_or_else(|| Status::data_loss("an answer without a worker"))
    }
}
