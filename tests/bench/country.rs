//! A country with the programme in it: what the store of a gateway holds when it is as large as it
//! is to become. All of it is made from numbers, the same in every run.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use desmigratif::exchange::programme::usual_rules;
use desmigratif_core::agency::AgencyId;
use desmigratif_core::clearance::{Clearance, Conclusion, Country, Examiner};
use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_core::ports::store::Store as _;
use desmigratif_core::programme::sector::ServiceStatus;
use desmigratif_core::programme::{
    Activity, Designation, Enterprise, EnterpriseKind, EnterpriseStatus, ParentingFamily, Pillar,
    Post, Role, Roster, SectorService, Station,
};
use desmigratif_core::record::Record;
use desmigratif_core::region::{Level, RegionCode, VillageCode, VillageKind};
use desmigratif_core::stage::Stage;
use desmigratif_core::worker::Worker;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use uuid::Uuid;

use crate::seed::{BATCH, Seed, commit};

/// The kabupaten that is briefed: many workers leave it, and many of its villages are in.
pub(crate) const INDRAMAYU: &str = "32.12";
/// Villages in the programme, as many as it is to reach.
const DESIGNATED: usize = 4_000;
/// Those of Indramayu.
const OF_INDRAMAYU: usize = 100;
/// Services that are reported of each, two of them of the same sector.
const SERVICES: usize = 6;
/// Who reports them.
const PROVIDERS: [&str; SERVICES] =
    ["kemnaker", "kemendagri", "kemenkes", "kemendes", "kemenkop", "bp2mi"];
/// Clearances of candidates from Indramayu.
const CLEARANCES: usize = 300;
/// Families in community parenting.
const FAMILIES: u32 = 2_000;
const DESTINATIONS: [&str; 8] = ["HK", "TW", "MY", "SG", "JP", "KR", "SA", "BN"];
/// Commits that are under way at once: while one is written, others are sealed.
const AT_ONCE: usize = 4;

/// The country while it is filled.
pub(crate) struct Filling {
    seed: Seed,
    /// Every desa, by code.
    desa: Vec<VillageCode>,
    /// The villages in the programme, those of Indramayu first.
    designated: Vec<VillageCode>,
    today: Date,
    bp2mi: AgencyId,
}

impl Filling {
    /// Begins with a store.
    pub(crate) fn new(seed: Seed) -> Result<Self> {
        let provinces: Vec<_> = seed.gazetteer.parts(None).map(|it| it.code).collect();
        let desa_of = |region| {
            let villages = seed.gazetteer.villages_in(region, None);
            villages.filter(|it| it.kind() == VillageKind::Desa).map(|it| it.code)
        };
        let desa: Vec<_> = provinces.into_iter().flat_map(desa_of).collect();
        let indramayu = RegionCode::parse(INDRAMAYU)?;
        let (near, far): (Vec<_>, Vec<_>) = desa.iter().partition(|it| indramayu.holds(**it));
        let step = far.len() / (DESIGNATED - OF_INDRAMAYU);
        let designated = near.into_iter().take(OF_INDRAMAYU).chain(far.into_iter().step_by(step));
        let designated: Vec<_> = designated.take(DESIGNATED).collect();
        ensure!(designated.len() == DESIGNATED, "the country has too few desa");
        let bp2mi = AgencyId::parse("bp2mi").ok().context("an agency's id")?;
        Ok(Self { seed, desa, designated, today: SystemClock.today(), bp2mi })
    }

    /// Registers the workers, tells how far it is, and closes the store.
    pub(crate) async fn workers(self, numbers: Range<u32>) -> Result<()> {
        let mut last_told = 0;
        let batches = numbers.clone().step_by(BATCH as usize).map(|first| {
            let batch = first..numbers.end.min(first + BATCH);
            let of = |n| Ok(Record::Worker(self.worker(n)?));
            batch.map(of).collect::<Result<Vec<_>>>()
        });
        let mut written = stream::iter(batches)
            .map(async |records| {
                let records = records?;
                let count = records.len();
                self.seed.store.commit(commit(records)?).await?;
                Ok::<_, anyhow::Error>(count)
            })
            .buffered(AT_ONCE);
        let mut done = 0;
        while let Some(count) = written.try_next().await? {
            done += count;
            if done - last_told >= 100_000 {
                last_told = done;
                println!("{done} workers of {}", numbers.len());
            }
        }
        drop(written);
        self.seed.close().await
    }

    /// Writes all that is not a worker: the programme in its villages, and the clearances of
    /// candidates among so many workers.
    pub(crate) async fn programme(&self, workers: u32) -> Result<()> {
        let mut records = Vec::new();
        for (n, village) in (0..).zip(&self.designated) {
            self.village(n, *village, &mut records)?;
        }
        let mut regencies: Vec<_> =
            self.designated.iter().map(|it| it.district().up_to(Level::Regency)).collect();
        regencies.dedup();
        for (n, regency) in (0..).zip(regencies) {
            let mut roster = Roster::of(Station::Regency(regency));
            roster.fill(self.post(n, Role::Coordinator, 9)).map_err(anyhow::Error::new)?;
            records.push(Record::Roster(roster));
        }
        for n in 0..FAMILIES.min(workers / 2) {
            let worker = self.worker(2 * n)?;
            records.push(Record::ParentingFamily(ParentingFamily {
                worker_id: worker.id,
                subject: worker.subject,
                village: worker.village,
                children: (0..=n % 3).map(|child| made(6, n * 4 + child)).collect(),
                from: self.days_ago(n % 700),
                until: None,
            }));
        }
        records.extend(self.clearances(workers)?.into_iter().map(Record::Clearance));
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(BATCH as usize));
            self.seed.store.commit(commit(std::mem::replace(&mut records, rest))?).await?;
        }
        Ok(())
    }

    /// Every other worker is from a village in the programme, the rest from all over the country.
    fn worker(&self, n: u32) -> Result<Worker> {
        let scattered = n.wrapping_mul(2_654_435_761);
        let half = (n / 2) as usize;
        let village = if n.is_multiple_of(2) {
            self.designated[half % self.designated.len()]
        } else {
            self.desa[half * 7_919 % self.desa.len()]
        };
        let destination = DESTINATIONS[(scattered >> 8) as usize % DESTINATIONS.len()];
        let stage = match (scattered >> 16) % 8 {
            0 | 1 => Stage::Prospective,
            2 => Stage::Ready,
            3..=5 => Stage::Abroad,
            6 => Stage::Returned,
            _ => Stage::Withdrawn,
        };
        let destination = Some(Country::parse(destination)?);
        Ok(Worker { village, stage, destination, ..self.seed.worker(n)? })
    }

    /// What a village of the programme has.
    fn village(&self, n: u32, village: VillageCode, records: &mut Vec<Record>) -> Result<()> {
        let year = self.today.year() - (n % 8) as i16;
        records.push(Record::Designation(Designation {
            village,
            year,
            decree: format!("Kepmenaker {}/{year}", n % 300),
            decided_on: None,
            pilot: false,
            ended_on: None,
        }));
        let mut roster = Roster::of(Station::Village(village));
        let mut posts = vec![self.post(n, Role::PersonInCharge, 0)];
        // Each seventh village lacks a facilitator.
        let facilitators = if n.is_multiple_of(7) { 1 } else { 2 };
        posts.extend((1..=facilitators).map(|it| self.post(n, Role::Facilitator, it)));
        for post in posts {
            roster.fill(post).map_err(anyhow::Error::new)?;
        }
        records.push(Record::Roster(roster));
        let sectors = usual_rules().sectors;
        for (it, provider) in (0..).zip(PROVIDERS) {
            // The last is of the sector of the first: that is an overlap in some sectors.
            let sector = (n as usize + it % (SERVICES - 1)) % sectors.len();
            // One in ten was reported too long ago.
            let days = if (n as usize + it).is_multiple_of(10) { 400 } else { n % 150 };
            records.push(Record::SectorService(SectorService {
                village,
                sector: sectors[sector].code.clone(),
                provider: AgencyId::parse(provider).ok().context("an agency's id")?,
                status: ServiceStatus::Active,
                from: self.days_ago(500),
                until: None,
                evidence: format!("Laporan {n}"),
                reported_at: at(self.days_ago(days))?,
            }));
        }
        for it in 0..2 {
            records.push(Record::Activity(Activity {
                id: made(2, n * 2 + it),
                village,
                pillar: Pillar::ALL[(n + it) as usize % Pillar::ALL.len()],
                title: "Pelatihan pembukuan usaha".into(),
                from: self.today.first_of_year(),
                until: None,
                women: 20,
                men: 10,
                budget: None,
                outcome: String::new(),
                recorded_by: self.bp2mi.clone(),
            }));
        }
        records.push(Record::Enterprise(Enterprise {
            id: made(3, n),
            village,
            kind: EnterpriseKind::ALL[n as usize % 3 / 2],
            name: format!("Usaha Contoh {n}"),
            field: "makanan".into(),
            members: 8,
            status: [EnterpriseStatus::Planned, EnterpriseStatus::Active][n as usize % 2],
            founded_on: None,
            registration_number: String::new(),
            export_ready: false,
            recorded_by: self.bp2mi.clone(),
        }));
        Ok(())
    }

    fn post(&self, n: u32, role: Role, place: u32) -> Post {
        Post { officer: made(4, n * 10 + place), role, from: self.days_ago(300), until: None }
    }

    /// The last hundred days of Indramayu, so that some are over and some run out soon.
    fn clearances(&self, workers: u32) -> Result<Vec<Clearance>> {
        let indramayu = RegionCode::parse(INDRAMAYU)?;
        let mut clearances = Vec::with_capacity(CLEARANCES);
        for worker in (0..workers).step_by(2).map(|n| self.worker(n)) {
            let worker = worker?;
            let prepares = matches!(worker.stage, Stage::Prospective | Stage::Ready);
            if !(prepares && indramayu.holds(worker.village)) {
                continue;
            }
            let n = clearances.len() as u32;
            let issued_on = self.days_ago(n % 100);
            let millis = u64::try_from(at(issued_on)?.as_millisecond())?;
            let mut rest = [0; 10];
            rest[6..].copy_from_slice(&n.to_be_bytes());
            clearances.push(Clearance {
                id: uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid(),
                worker_id: worker.id,
                subject: worker.subject,
                home: Some(worker.village),
                facility_id: "klinik-indramayu".into(),
                submitted_by: AgencyId::parse("klinik-indramayu").ok().context("a clinic's id")?,
                certificate_number: format!("UJI-{n}"),
                examined_on: issued_on,
                issued_on,
                destination: Country::parse("HK")?,
                conclusion: Conclusion::Fit,
                examiner: Examiner { name: worker.name.clone(), sip_number: "SIP-1".into() },
                findings: Vec::new(),
                pregnancy_test: None,
                revocation: None,
            });
            if clearances.len() == CLEARANCES {
                break;
            }
        }
        Ok(clearances)
    }

    fn days_ago(&self, days: u32) -> Date {
        self.today.saturating_sub(Span::new().days(i64::from(days)))
    }
}

/// Noon of a day in Jakarta.
fn at(day: Date) -> Result<Timestamp> {
    let noon = day.at(12, 0, 0, 0);
    Ok(jiff::tz::Offset::constant(7).to_timestamp(noon)?)
}

/// An id of a kind that is given a number here.
fn made(kind: u32, n: u32) -> Uuid {
    let kind = u128::from(kind) << 32;
    Uuid::from_u128(0x0190_0000_0000_7000_8002_0000_0000_0000 | kind | u128::from(n))
}
