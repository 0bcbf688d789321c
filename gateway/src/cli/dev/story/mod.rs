//! The story: a year of the programme, told through the gateway by the agencies of the sandbox, so
//! that every service has something to show.
//!
//! It is a client like any other: each step is a call over real gRPC, made by the agency whose task
//! it is, on the day on which it happens by the gateway's [clock](clock::StoryClock). What happens
//! is [planned](plan) and the same at every run; all people are synthetic.

mod clock;
mod plan;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_core::region::Gazetteer;
use desmigratif_proto::programme::v1::coverage_service_client::CoverageServiceClient;
use desmigratif_proto::programme::v1::pillar_service_client::PillarServiceClient;
use desmigratif_proto::programme::v1::programme_service_client::ProgrammeServiceClient;
use desmigratif_proto::programme::v1::sector_map_service_client::SectorMapServiceClient;
use desmigratif_proto::programme::v1::{
    Activity, AssignOfficerRequest, BudgetSource, DesignateVillageRequest, Enterprise,
    EnterpriseKind, EnterpriseStatus, GetCoverageRequest, Pillar, RecordActivityRequest,
    RecordEnterpriseRequest, ReportSectorServiceRequest, Role, SectorServiceReport, ServiceStatus,
};
use desmigratif_proto::worker::v1::Stage;
use desmigratif_sandbox::people;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Span;
use jiff::civil::Date;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use super::super::Failure;
use super::super::operate::Profile;
use super::walk::print;
use plan::{CLINICS, Event, Plan};

pub(super) use clock::StoryClock;

/// Steps that are under way at once.
const AT_ONCE: usize = 48;
/// What every request of a story is called by: the same at every run, so that a story that was
/// stopped is told on without telling anything twice.
const NAMESPACE: Uuid = Uuid::from_u128(0x2016_0000_0000_5000_8000_0000_0000_0001);
/// The decisions by which villages were designated.
const DECREES: [(u32, &str); 4] = [
    (2016, "Percontohan Desmigratif 2016"),
    (2017, "Kepmenaker 59/2017"),
    (2018, "Kepmenaker 59/2017"),
    (2019, "Permenaker 2/2019"),
];

/// The first day of a story that ends yesterday.
pub(super) fn begin(clock: &StoryClock) -> Date {
    let first = SystemClock.today().saturating_sub(Span::new().days(i64::from(plan::DAYS)));
    clock.begin(first);
    first
}

/// Tells the story of so many villages, from its first day to today.
pub(super) async fn tell(
    operator: &Profile,
    gazetteer: &Gazetteer,
    clock: &StoryClock,
    first: Date,
    villages: usize,
) -> Result<(), Failure> {
    let told = async {
        let story = Story::new(operator, Plan::new(gazetteer, villages)).await?;
        story.tell(clock, first).await
    };
    let told = told.await;
    // Whatever has happened: the gateway serves in the present.
    clock.end();
    told.map_err(|error: anyhow::Error| Failure::of("the story stopped", error))
}

/// A story while it is told.
struct Story {
    plan: Plan,
    /// Connections by agency.
    agencies: BTreeMap<&'static str, Channel>,
    workers: Mutex<BTreeMap<usize, Known>>,
}

/// What is known of a worker.
#[derive(Clone, Default)]
struct Known {
    worker_id: String,
    destination: &'static str,
    children: Vec<String>,
}

impl Story {
    async fn new(operator: &Profile, plan: Plan) -> anyhow::Result<Self> {
        let mut agencies = BTreeMap::new();
        let others = ["kemnaker", "kemendagri", "kemenkes", "kemendes", "kemenkop"];
        for agency in others.into_iter().chain(CLINICS) {
            let channel = operator.as_agency(agency).channel().await;
            let channel = channel.map_err(|failure| match failure {
                Failure::Usage(message) | Failure::Other(message) => anyhow!(message),
            })?;
            agencies.insert(agency, channel);
        }
        Ok(Self { plan, agencies, workers: Mutex::default() })
    }

    async fn tell(&self, clock: &StoryClock, first: Date) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.designate(first).await?;
        let (mut steps, mut last_said) = (self.plan.designations.len(), Instant::now());
        for (n, events) in (0_i64..).zip(&self.plan.days) {
            let day = first.saturating_add(Span::new().days(n));
            clock.begin(day);
            stream::iter(events)
                .map(|event| self.step(*event, day))
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
            steps += events.len();
            if last_said.elapsed() > Duration::from_secs(2) {
                last_said = Instant::now();
                print(&format!("  {day}   {steps} steps"))?;
            }
        }
        clock.end();
        let coverage = self.coverage().await?;
        print(&format!(
            "a year of the programme in {:.1} s: {coverage}, {} workers, {steps} steps",
            begun.elapsed().as_secs_f64(),
            self.plan.workers(),
        ))?;
        Ok(())
    }

    async fn designate(&self, day: Date) -> anyhow::Result<()> {
        let designations = stream::iter(self.plan.designations.iter().enumerate());
        designations
            .map(|(n, (code, year, pilot))| async move {
                let decree = DECREES.iter().find(|(of, _)| of == year).map_or("", |(_, it)| it);
                let request = DesignateVillageRequest {
                    request_id: id(&format!("designation {n}")),
                    village_code: code.to_string(),
                    year: *year,
                    decree: decree.to_owned(),
                    decided_on: String::new(),
                    pilot: *pilot,
                };
                let mut client = ProgrammeServiceClient::new(self.agency("kemnaker")?);
                let answer = client.designate_village(planning(request)).await;
                told("a designation", answer, day)
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Does what happens on a day.
    async fn step(&self, event: Event, day: Date) -> anyhow::Result<()> {
        match event {
            Event::Officer { village, post, person } => {
                self.officer(village, post, person, day).await
            }
            Event::Service { village, sector, agency } => {
                self.service(village, sector, agency, day).await
            }
            Event::Activity { village, pillar, women, men, budget_idr } => {
                let pillar = i32::from(pillar) + 1;
                let title = Pillar::try_from(pillar).map_or("Kegiatan", title_of).to_owned();
                let activity = Activity {
                    village_code: self.village(village),
                    pillar,
                    title,
                    from: day.to_string(),
                    until: day.to_string(),
                    women,
                    men,
                    budget_source: BudgetSource::VillageBudget.into(),
                    budget_idr,
                    ..Activity::default()
                };
                let request = RecordActivityRequest {
                    request_id: id(&format!("activity {village} {day} {pillar} {women} {men}")),
                    activity: Some(activity),
                    etag: String::new(),
                };
                let mut client = PillarServiceClient::new(self.agency("kemnaker")?);
                told("an activity", client.record_activity(planning(request)).await, day)
            }
            Event::Enterprise { village, cooperative, members, active } => {
                let kind = if cooperative {
                    EnterpriseKind::Cooperative
                } else {
                    EnterpriseKind::Business
                };
                let status =
                    if active { EnterpriseStatus::Active } else { EnterpriseStatus::Planned };
                let enterprise = Enterprise {
                    village_code: self.village(village),
                    kind: kind.into(),
                    name: format!(
                        "{} Contoh {}",
                        if cooperative { "Koperasi" } else { "Usaha" },
                        village + 1
                    ),
                    field: "olahan pangan".to_owned(),
                    members,
                    status: status.into(),
                    founded_on: day.to_string(),
                    ..Enterprise::default()
                };
                let request = RecordEnterpriseRequest {
                    request_id: id(&format!("enterprise {village}")),
                    enterprise: Some(enterprise),
                    etag: String::new(),
                };
                let mut client = PillarServiceClient::new(self.agency("kemnaker")?);
                told("an enterprise", client.record_enterprise(planning(request)).await, day)
            }
            Event::Register { worker, village, destination } => {
                self.register(worker, village, destination, day).await
            }
            Event::Verify { worker } => self.verify(worker, day).await,
            Event::Child { worker } => self.child(worker, day).await,
            Event::Examine { worker, clinic, fit } => self.examine(worker, clinic, fit, day).await,
            Event::Ready { worker } => self.advance(worker, Stage::Ready, day).await,
            Event::Depart { worker } => self.advance(worker, Stage::Abroad, day).await,
            Event::Return { worker } => self.advance(worker, Stage::Returned, day).await,
            Event::Enrol { worker } => self.enrol(worker, day).await,
        }
    }

    async fn officer(
        &self,
        village: usize,
        post: u8,
        person: u32,
        day: Date,
    ) -> anyhow::Result<()> {
        let role = if post == 0 { Role::PersonInCharge } else { Role::Facilitator };
        let candidate = people::officer(person);
        let request = AssignOfficerRequest {
            request_id: id(&format!("officer {village} {post}")),
            role: role.into(),
            place_code: self.village(village),
            nik: candidate.nik,
            name: candidate.name,
            phone: String::new(),
            from: day.to_string(),
        };
        let mut client = ProgrammeServiceClient::new(self.agency("kemnaker")?);
        told("an officer", client.assign_officer(planning(request)).await, day)
    }

    async fn service(
        &self,
        village: usize,
        sector: &str,
        agency: &str,
        day: Date,
    ) -> anyhow::Result<()> {
        let service = SectorServiceReport {
            village_code: self.village(village),
            sector_code: sector.to_owned(),
            status: ServiceStatus::Active.into(),
            from: day.to_string(),
            evidence: "laporan contoh".to_owned(),
            ..SectorServiceReport::default()
        };
        let request = ReportSectorServiceRequest {
            request_id: id(&format!("service {village} {sector} {agency} {day}")),
            service: Some(service),
        };
        let mut client = SectorMapServiceClient::new(self.agency(agency)?);
        told("a service", client.report_sector_service(planning(request)).await, day)
    }

    /// What the gateway says of the programme in the end.
    async fn coverage(&self) -> anyhow::Result<String> {
        let mut client = CoverageServiceClient::new(self.agency("kemnaker")?);
        let coverage = client.get_coverage(planning(GetCoverageRequest::default())).await?;
        let coverage = coverage.into_inner();
        let total = coverage.total.context("the coverage has no total")?;
        Ok(format!(
            "{} of {} desa designated, {} of {} to go",
            total.designated,
            total.desa,
            coverage.target.saturating_sub(total.designated),
            coverage.target
        ))
    }

    fn agency(&self, name: &str) -> anyhow::Result<Channel> {
        self.agencies.get(name).cloned().with_context(|| format!("no connection as {name}"))
    }

    fn village(&self, village: usize) -> String {
        self.plan.designations[village].0.to_string()
    }

    fn known(&self, worker: usize) -> anyhow::Result<Known> {
        self.workers().get(&worker).cloned().context("a worker is not registered yet")
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Known>> {
        // Nothing panics while it holds this lock.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request for a purpose.
fn stating<M>(purpose: &'static str, message: M) -> Request<M> {
    super::walk::stating(purpose, message)
}

fn planning<M>(message: M) -> Request<M> {
    stating("programme-planning", message)
}

fn placing<M>(message: M) -> Request<M> {
    stating("placement-screening", message)
}

/// What came of a step. What is there already was told before.
fn told<M>(what: &str, answer: Result<M, Status>, day: Date) -> anyhow::Result<()> {
    match answer {
        Err(status) if status.code() != Code::AlreadyExists => Err(stopped(what, &status, day)),
        _ => Ok(()),
    }
}

fn stopped(what: &str, status: &Status, day: Date) -> anyhow::Error {
    anyhow!("{what} on {day}: {:?}: {}", status.code(), status.message())
}

/// The id of a step's request.
fn id(step: &str) -> String {
    Uuid::new_v5(&NAMESPACE, step.as_bytes()).to_string()
}

/// What an activity of a pillar is called.
const fn title_of(pillar: Pillar) -> &'static str {
    match pillar {
        Pillar::MigrationServiceCentre => "Sosialisasi migrasi aman",
        Pillar::ProductiveBusiness => "Pelatihan usaha olahan pangan",
        Pillar::CommunityParenting => "Kelas belajar anak pekerja migran",
        Pillar::Cooperative => "Pembentukan koperasi",
        Pillar::Unspecified => "Kegiatan",
    }
}
