//! The briefing of a region: what its head of office must know before a meeting.

use std::collections::{BTreeMap, BTreeSet};

use desmigratif_core::clearance::{Clearance, ClearanceStatus};
use desmigratif_core::facility::Facility;
use desmigratif_core::ports::store::{Count, Filled, Query, Tally};
use desmigratif_core::programme::sector::Standing;
use desmigratif_core::programme::{EnterpriseStatus, ParentingFamily, Pillar, Role, Station};
use desmigratif_core::record::{Key, Kind};
use desmigratif_core::region::{Level, RegionCode, VillageCode};
use desmigratif_core::stage::Stage;
use desmigratif_core::text::Text;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp};
use uuid::Uuid;

use super::super::mirror::Villages;
use super::super::{Call, Error, Exchange, Nearby, reach};
use super::coverage::{RegionCoverage, in_office};
use super::sectors::{SectorStanding, judge};

/// Villages that a briefing shows.
const MOST_VILLAGES: usize = 500;
/// Clearances that a briefing looks at: more than a province hands in while one is valid.
const MOST_CLEARANCES: u32 = 20_000;
/// Workers that are read at a time.
const AT_ONCE: usize = 4;
/// No clearance that was handed in before so many days is valid, by any rule known.
const LONGEST_VALIDITY: SignedDuration = SignedDuration::from_hours(24 * 200);

/// The briefing of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Briefing {
    /// The programme in the region.
    pub coverage: RegionCoverage,
    /// The workers by stage, in the order of the stages.
    pub stages: Vec<(Stage, u64)>,
    /// The workers by destination, the most first.
    pub destinations: Vec<DestinationCount>,
    /// Candidates whose clearance runs out soon, and who have no later one.
    pub clearances_expiring: u32,
    /// What was done under each pillar.
    pub pillars: Vec<PillarCount>,
    /// Enterprises that trade.
    pub active_enterprises: u64,
    /// Families in community parenting.
    pub parenting_families: u64,
    /// Children in community parenting.
    pub parenting_children: u64,
    /// The designated villages, by code.
    pub villages: Vec<BriefingVillage>,
    /// The facilities in the region that are designated today.
    pub facilities: Vec<Facility>,
    /// What is not in order.
    pub problems: Vec<Problem>,
    /// The day.
    pub on: Date,
}

/// Workers for a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationCount {
    /// The country's code; empty for workers without a destination.
    pub country: String,
    /// Workers who prepare to go there.
    pub preparing: u64,
    /// Workers who are there.
    pub abroad: u64,
}

/// What was done under a pillar in the year of the briefing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PillarCount {
    /// The pillar.
    pub pillar: Pillar,
    /// Activities.
    pub activities: u64,
    /// Designated villages without one.
    pub villages_without: u32,
}

/// A designated village.
#[derive(Clone, Debug, PartialEq)]
pub struct BriefingVillage {
    /// The village.
    pub village: VillageCode,
    /// The programme year of its designation.
    pub year: i16,
    /// Workers registered from it.
    pub workers: u64,
    /// Facilitators in office.
    pub facilitators: usize,
    /// Whether a person in charge is in office.
    pub person_in_charge: bool,
    /// Pillars with an activity in the year.
    pub active_pillars: Vec<Pillar>,
    /// Sectors that are not in order.
    pub problems: Vec<SectorStanding>,
    /// The nearest designated facility.
    pub nearest: Option<Nearby>,
}

/// What is not in order, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its stable name.
    pub code: &'static str,
    /// How often.
    pub count: u64,
    /// What it is.
    pub text: Text,
}

impl Exchange {
    /// The briefing of a province, kabupaten or kota.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the region is not for this caller; [`Error::JournalUnavailable`].
    pub async fn briefing(&self, call: &Call, region: RegionCode) -> Result<Briefing, Error> {
        reach::whole(call, Some(region))?;
        self.mirror.current().await?;
        let (on, place) = (self.clock.today(), region.digits());
        let workers = self.store.tally(Kind::Worker, &place).await?;
        let homes = self.store.counts(&Count::of(Kind::Worker, place.clone())).await?;
        let coverage = self.region_coverage(Some(region), on, &homes);
        let activities = self.active_places(&place, on).await?;
        let villages = self.briefing_villages(region, on, &homes, &activities);
        let enterprises = self.store.tally(Kind::Enterprise, &place).await?;
        let families = self.store.tally(Kind::ParentingFamily, &place).await?;
        let enrolled = || families.iter().filter(|it| it.state == ParentingFamily::ENROLLED);
        let pillars = activities.iter().map(|(pillar, places)| PillarCount {
            pillar: *pillar,
            activities: places.iter().map(|it| it.count).sum(),
            villages_without: count(&villages, |it| !it.active_pillars.contains(pillar)),
        });
        let facilities = self.mirror.facilities();
        let in_region = facilities.list(&place, None).filter(|it| it.designated_on(on)).cloned();
        let dead = self.store.dead_deliveries(&place).await?;
        Ok(Briefing {
            stages: Stage::ALL.map(|stage| (stage, at(&workers, stage))).to_vec(),
            destinations: destinations(&workers),
            clearances_expiring: self.expiring(&place, on).await?,
            pillars: pillars.collect(),
            active_enterprises: sum(enterprises
                .iter()
                .filter(|it| it.state == EnterpriseStatus::Active.as_str())),
            parenting_families: sum(enrolled()),
            parenting_children: enrolled()
                .map(|it| it.count * it.facet.parse::<u64>().unwrap_or(0))
                .sum(),
            facilities: in_region.collect(),
            problems: self.problems(region, on, &villages, dead),
            coverage,
            villages,
            on,
        })
    }

    /// The places with activities under each pillar in the year of a day.
    async fn active_places(
        &self,
        place: &str,
        on: Date,
    ) -> Result<Vec<(Pillar, Vec<Filled>)>, Error> {
        let mut activities = Vec::with_capacity(Pillar::ALL.len());
        for pillar in Pillar::ALL {
            let count = Count {
                state: Some(pillar.as_str()),
                facet: Some(on.year().to_string()),
                ..Count::of(Kind::Activity, place.to_owned())
            };
            activities.push((pillar, self.store.counts(&count).await?));
        }
        Ok(activities)
    }

    /// The designated villages, given the workers and the activities by place.
    fn briefing_villages(
        &self,
        region: RegionCode,
        on: Date,
        homes: &[Filled],
        activities: &[(Pillar, Vec<Filled>)],
    ) -> Vec<BriefingVillage> {
        let mut found: Vec<_> = self.mirror.villages(|villages| {
            let in_force = villages.designations(Some(region)).filter(|it| it.in_force_on(on));
            in_force
                .take(MOST_VILLAGES)
                .map(|it| self.briefing_village(villages, it.village, it.year, on))
                .collect()
        });
        for it in &mut found {
            let place = it.village.digits();
            it.workers = counted(homes, &place);
            let active = activities.iter().filter(|(_, places)| counted(places, &place) > 0);
            it.active_pillars = active.map(|(pillar, _)| *pillar).collect();
        }
        found
    }

    /// What the programme does in a village today; `None` when it is not designated.
    pub(in crate::exchange) async fn programme_in(
        &self,
        village: VillageCode,
    ) -> Result<Option<BriefingVillage>, Error> {
        self.mirror.current().await?;
        let on = self.clock.today();
        let found = self.mirror.villages(|villages| {
            let designation = villages.designation(village).filter(|it| it.in_force_on(on))?;
            Some(self.briefing_village(villages, village, designation.year, on))
        });
        let Some(mut found) = found else { return Ok(None) };
        self.count_in(&mut found, on).await?;
        Ok(Some(found))
    }

    /// Fills in what the store counts of a village.
    async fn count_in(&self, it: &mut BriefingVillage, on: Date) -> Result<(), Error> {
        let (place, year) = (it.village.digits(), on.year().to_string());
        it.workers = sum(self.store.tally(Kind::Worker, &place).await?.iter());
        let activities = self.store.tally(Kind::Activity, &place).await?;
        let of_year: BTreeSet<_> =
            activities.iter().filter(|it| it.facet == year).map(|it| &*it.state).collect();
        it.active_pillars = Pillar::ALL.to_vec();
        it.active_pillars.retain(|pillar| of_year.contains(pillar.as_str()));
        Ok(())
    }

    /// What memory tells of a village; the rest is filled in.
    fn briefing_village(
        &self,
        villages: &Villages,
        village: VillageCode,
        year: i16,
        on: Date,
    ) -> BriefingVillage {
        let station = Station::Village(village);
        let sectors = judge(villages, &self.rules, village, on);
        let nearest = self.gazetteer.place(village).and_then(|place| {
            self.mirror.facilities().nearest(place.coordinate, on, 1).into_iter().next()
        });
        BriefingVillage {
            village,
            year,
            workers: 0,
            facilitators: in_office(villages, station, Role::Facilitator, on),
            person_in_charge: in_office(villages, station, Role::PersonInCharge, on) > 0,
            active_pillars: Vec::new(),
            problems: sectors.problems().cloned().collect(),
            nearest,
        }
    }

    /// How many candidates of a region have a valid clearance that runs out soon, and no later one.
    async fn expiring(&self, place: &str, on: Date) -> Result<u32, Error> {
        // Ids are in the order of time.
        let since = self.clock.now().checked_sub(LONGEST_VALIDITY).unwrap_or(Timestamp::UNIX_EPOCH);
        let query = Query {
            place: Some(place.to_owned()),
            after: Some(first_id(since).to_string()),
            ..Query::of(Kind::Clearance, MOST_CLEARANCES)
        };
        let mut by_worker: BTreeMap<Uuid, Vec<Clearance>> = BTreeMap::new();
        for stored in self.store.list(&query).await? {
            if let Some(clearance) = stored.record.into_clearance() {
                by_worker.entry(clearance.worker_id).or_default().push(clearance);
            }
        }
        let soon = on.saturating_add(Span::new().days(i64::from(self.rules.expiring_days)));
        let expires = |clearances: &[Clearance]| {
            let valid = clearances.iter().filter(|it| {
                it.status_on(on, &self.validity) == ClearanceStatus::Valid
                    && !clearances.iter().any(|other| it.voided_by(other))
            });
            let last = valid.filter_map(|it| it.valid_until(&self.validity)).max();
            last.is_some_and(|last| last <= soon)
        };
        let expiring = by_worker.into_iter().filter(|(_, clearances)| expires(clearances));
        stream::iter(expiring.map(|(worker, _)| self.prepares(worker)))
            .buffer_unordered(AT_ONCE)
            .try_fold(0, async |count, prepares| Ok(count + u32::from(prepares)))
            .await
    }

    /// Whether a worker is there and prepares to leave.
    async fn prepares(&self, id: Uuid) -> Result<bool, Error> {
        let key = Key { kind: Kind::Worker, id: id.to_string() };
        let worker = self.store.get(&key).await?.and_then(|stored| stored.record.into_worker());
        Ok(worker.is_some_and(|it| matches!(it.stage, Stage::Prospective | Stage::Ready)))
    }

    fn problems(
        &self,
        region: RegionCode,
        on: Date,
        villages: &[BriefingVillage],
        dead: u64,
    ) -> Vec<Problem> {
        let offices: BTreeSet<_> =
            villages.iter().map(|it| it.village.district().up_to(Level::Regency)).collect();
        let offices = offices.into_iter().filter(|office| region.level() <= office.level());
        let without_coordinator = self.mirror.villages(|it| {
            let coordinator =
                |office| in_office(it, Station::Regency(office), Role::Coordinator, on);
            offices.filter(|office| coordinator(*office) == 0).count() as u64
        });
        let standing = |standing| {
            let problems = villages.iter().flat_map(|it| &it.problems);
            problems.filter(|it| it.standing == standing).count() as u64
        };
        let of = |count: u32| u64::from(count);
        let facilitators = Role::Facilitator.places();
        let no_position = |it: &BriefingVillage| {
            self.gazetteer.village(it.village).is_none_or(|village| village.location.is_none())
        };
        let all = [
            (dead, DELIVERIES_DEAD),
            (standing(Standing::Missing), SECTORS_MISSING),
            (of(count(villages, |it| it.facilitators < facilitators)), FACILITATORS_MISSING),
            (of(count(villages, |it| !it.person_in_charge)), PERSON_IN_CHARGE_MISSING),
            (without_coordinator, COORDINATOR_MISSING),
            (of(count(villages, |it| it.active_pillars.is_empty())), NO_ACTIVITY),
            (standing(Standing::Stale), SECTORS_STALE),
            (standing(Standing::Overlapping), SECTORS_OVERLAPPING),
            (of(count(villages, no_position)), NO_POSITION),
        ];
        let found = all.into_iter().filter(|(count, _)| *count > 0);
        found.map(|(count, (code, text))| Problem { code, count, text }).collect()
    }
}

const DELIVERIES_DEAD: (&str, Text) = (
    "DELIVERIES_DEAD",
    Text {
        en: "deliveries about people of the region that a ministry has refused for good",
        id: "pengiriman tentang warga wilayah ini yang ditolak kementerian",
    },
);
const SECTORS_MISSING: (&str, Text) = (
    "SECTORS_MISSING",
    Text {
        en: "sectors that are expected in a designated village and that nobody gives",
        id: "sektor yang seharusnya ada di desa Desmigratif tetapi belum dilayani siapa pun",
    },
);
const FACILITATORS_MISSING: (&str, Text) = (
    "FACILITATORS_MISSING",
    Text {
        en: "designated villages without two facilitators in office",
        id: "desa Desmigratif yang belum memiliki dua petugas",
    },
);
const PERSON_IN_CHARGE_MISSING: (&str, Text) = (
    "PERSON_IN_CHARGE_MISSING",
    Text {
        en: "designated villages without a person in charge",
        id: "desa Desmigratif tanpa penanggung jawab",
    },
);
const COORDINATOR_MISSING: (&str, Text) = (
    "COORDINATOR_MISSING",
    Text {
        en: "kabupaten and kota with designated villages and without a coordinator",
        id: "kabupaten atau kota dengan desa Desmigratif tetapi tanpa koordinator",
    },
);
const NO_ACTIVITY: (&str, Text) = (
    "NO_ACTIVITY_THIS_YEAR",
    Text {
        en: "designated villages without any activity this year",
        id: "desa Desmigratif tanpa kegiatan pada tahun ini",
    },
);
const SECTORS_STALE: (&str, Text) = (
    "SECTORS_STALE",
    Text {
        en: "services in designated villages of which nobody has said lately that they are given",
        id: "layanan di desa Desmigratif yang laporannya sudah kedaluwarsa",
    },
);
const SECTORS_OVERLAPPING: (&str, Text) = (
    "SECTORS_OVERLAPPING",
    Text {
        en: "sectors in designated villages that more agencies give than should",
        id: "sektor di desa Desmigratif yang dilayani lebih banyak instansi daripada seharusnya",
    },
);
const NO_POSITION: (&str, Text) = (
    "NO_POSITION",
    Text {
        en: "designated villages without a published position",
        id: "desa Desmigratif yang posisinya tidak diketahui",
    },
);

/// The first id that a record could have that was made at a time.
fn first_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

/// The records of a place, in a list by place.
fn counted(places: &[Filled], place: &str) -> u64 {
    let at = places.binary_search_by(|it| it.place.as_str().cmp(place));
    at.map_or(0, |at| places[at].count)
}

fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> u64 {
    tallies.map(|tally| tally.count).sum()
}

fn at(workers: &[Tally], stage: Stage) -> u64 {
    sum(workers.iter().filter(|tally| tally.state == stage.as_str()))
}

fn count(villages: &[BriefingVillage], is: impl Fn(&BriefingVillage) -> bool) -> u32 {
    // There are at most as many as a briefing shows.
    villages.iter().filter(|it| is(it)).count() as u32
}

/// Who prepares for and is at each destination, the most first.
fn destinations(workers: &[Tally]) -> Vec<DestinationCount> {
    let mut by_country: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for Tally { state, facet, count, .. } in workers {
        let of_country = by_country.entry(facet).or_default();
        if *state == Stage::Abroad.as_str() {
            of_country.1 += count;
        } else if [Stage::Prospective, Stage::Ready].iter().any(|it| it.as_str() == *state) {
            of_country.0 += count;
        }
    }
    let mut counts: Vec<_> = by_country
        .into_iter()
        .filter(|(_, (preparing, abroad))| preparing + abroad > 0)
        .map(|(country, (preparing, abroad))| DestinationCount {
            country: country.to_owned(),
            preparing,
            abroad,
        })
        .collect();
    counts.sort_by_key(|it| std::cmp::Reverse(it.preparing + it.abroad));
    counts
}
