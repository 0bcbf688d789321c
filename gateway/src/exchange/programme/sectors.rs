//! The sector map: who serves which village, and where that is not in order.

use std::collections::{BTreeMap, BTreeSet};

use desmigratif_core::agency::AgencyId;
use desmigratif_core::ports::store::Expect;
use desmigratif_core::programme::sector::{self, SectorCode, ServiceStatus, Standing, Why};
use desmigratif_core::programme::{Rules, SectorService};
use desmigratif_core::record::{Kind, Record};
use desmigratif_core::region::{Level, RegionCode, VillageCode};
use jiff::civil::Date;

use super::super::mirror::Villages;
use super::super::{Call, Change, Error, Exchange, reach};
use super::about_nobody;

/// What an agency reports of its service in a village.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewService {
    /// The village, in force.
    pub village: VillageCode,
    /// The sector, one of the list.
    pub sector: SectorCode,
    /// How the service stands.
    pub status: ServiceStatus,
    /// First day.
    pub from: Date,
    /// Last day.
    pub until: Option<Date>,
    /// What shows it.
    pub evidence: String,
}

/// Which part of the map is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapQuery {
    /// The region; none for all that the caller reaches.
    pub region: Option<RegionCode>,
    /// The day to judge by.
    pub on: Date,
    /// Whether villages in order are left out of the villages.
    pub problems_only: bool,
    /// Only villages after this one.
    pub after: Option<VillageCode>,
    /// At most so many villages.
    pub limit: usize,
}

/// The map of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// The region as a whole.
    pub total: RegionSectors,
    /// The regions directly below it, by code.
    pub regions: Vec<RegionSectors>,
    /// The villages, by code.
    pub villages: Vec<VillageSectors>,
}

/// How the sectors stand in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionSectors {
    /// The region; none for the country.
    pub region: Option<RegionCode>,
    /// Designated villages in it.
    pub designated: u32,
    /// Villages of each standing, in the order of [`Standing::ALL`], for each sector of the rules.
    pub counts: Vec<[u32; 4]>,
}

/// How the sectors stand in a village.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VillageSectors {
    /// The village.
    pub village: VillageCode,
    /// Whether it is in the programme.
    pub designated: bool,
    /// Those that are expected or given there, in the order of the rules.
    pub sectors: Vec<SectorStanding>,
}

/// How a sector stands in a village.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectorStanding {
    /// Its place in the rules.
    pub sector: usize,
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub why: Why,
    /// Who gives it.
    pub providers: Vec<AgencyId>,
}

impl RegionSectors {
    fn of(region: Option<RegionCode>, rules: &Rules) -> Self {
        Self { region, designated: 0, counts: vec![[0; 4]; rules.sectors.len()] }
    }

    fn count(&mut self, village: &VillageSectors) {
        self.designated += u32::from(village.designated);
        for SectorStanding { sector, standing, .. } in &village.sectors {
            self.counts[*sector][*standing as usize] += 1;
        }
    }
}

impl VillageSectors {
    /// Those that are not in order.
    pub fn problems(&self) -> impl Iterator<Item = &SectorStanding> {
        self.sectors.iter().filter(|it| it.standing != Standing::Covered)
    }
}

impl Exchange {
    /// Decides on an agency's report of its service in a village.
    ///
    /// # Errors
    /// [`Error::SectorNotReported`] when agencies of the caller's kind do not report the sector;
    /// [`Error::NotFound`] when the village is not for this caller.
    pub fn report_service(&self, call: &Call, new: NewService) -> Result<Change, Error> {
        let agency = call.permit.agency();
        if !self.rules.may_report(agency.kind, &new.sector) {
            return Err(Error::SectorNotReported);
        }
        if !call.permit.reaches(new.village) {
            return Err(Error::NotFound(Kind::SectorService));
        }
        let NewService { village, sector, status, from, until, evidence } = new;
        let (provider, reported_at) = (agency.id.clone(), self.clock.now());
        let service =
            SectorService { village, sector, provider, status, from, until, evidence, reported_at };
        Ok(about_nobody(Record::SectorService(service), Expect::Any))
    }

    /// The sector map.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the region is not for this caller; [`Error::JournalUnavailable`].
    pub async fn sector_map(&self, call: &Call, query: MapQuery) -> Result<Map, Error> {
        let region = reach::whole(call, query.region)?;
        self.mirror.current().await?;
        Ok(self.mirror.villages(|villages| map(villages, &self.rules, region, query)))
    }
}

fn map(villages: &Villages, rules: &Rules, region: Option<RegionCode>, query: MapQuery) -> Map {
    let below = region.map_or(Level::Province, |region| match region.level() {
        Level::Province => Level::Regency,
        Level::Regency | Level::District => Level::District,
    });
    let mut total = RegionSectors::of(region, rules);
    let mut regions = BTreeMap::new();
    let mut shown = Vec::new();
    for village in villages.known(region) {
        let it = judge(villages, rules, village, query.on);
        // Its designation is over, or to come, and nobody serves it.
        if !it.designated && it.sectors.is_empty() {
            continue;
        }
        total.count(&it);
        let part = village.district().up_to(below);
        // A district has no parts but its villages.
        if Some(part) != region {
            let new = || RegionSectors::of(Some(part), rules);
            regions.entry(part).or_insert_with(new).count(&it);
        }
        if shown.len() < query.limit
            && query.after.is_none_or(|after| village > after)
            && (!query.problems_only || it.problems().next().is_some())
        {
            shown.push(it);
        }
    }
    Map { total, regions: regions.into_values().collect(), villages: shown }
}

/// How each sector stands in a village on a day.
pub(super) fn judge(
    villages: &Villages,
    rules: &Rules,
    village: VillageCode,
    on: Date,
) -> VillageSectors {
    let designated = villages.designation(village).is_some_and(|it| it.in_force_on(on));
    let reports = villages.services(village);
    let reported: BTreeSet<_> = reports.iter().map(|report| &report.sector).collect();
    let mut sectors = Vec::new();
    for (sector, rule) in rules.sectors.iter().enumerate() {
        if !(reported.contains(&rule.code) || designated && rule.expected) {
            continue;
        }
        let of_sector: Vec<_> = reports.iter().filter(|it| it.sector == rule.code).collect();
        if let Some(verdict) = sector::judge(rule, &of_sector, designated, on) {
            let providers = verdict.providers.into_iter().cloned().collect();
            let (standing, why) = (verdict.standing, verdict.why);
            sectors.push(SectorStanding { sector, standing, why, providers });
        }
    }
    VillageSectors { village, designated, sectors }
}
