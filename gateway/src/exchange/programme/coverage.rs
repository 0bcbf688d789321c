//! Coverage: how far the programme has come in a region, and where it should go next.

use desmigratif_core::ports::store::{Count, Filled};
use desmigratif_core::programme::coverage::Progress;
use desmigratif_core::programme::{Designation, Role, Station};
use desmigratif_core::record::Kind;
use desmigratif_core::region::{Level, RegionCode, VillageCode};
use jiff::civil::Date;

use super::super::mirror::Villages;
use super::super::{Call, Error, Exchange, reach};

/// Places that are asked for at first when those with the most workers are sought.
const FIRST_LOOK: u32 = 64;

/// The coverage of a region on a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    /// The region as a whole.
    pub total: RegionCoverage,
    /// The regions directly below it, by code; those without desa are left out.
    pub regions: Vec<RegionCoverage>,
    /// Designations by year.
    pub progress: Progress,
    /// Villages with many workers that are not in the programme, those with the most first.
    pub candidates: Vec<Candidate>,
}

/// The programme in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionCoverage {
    /// The region; none for the country.
    pub region: Option<RegionCode>,
    /// Desa and desa adat in it.
    pub desa: u32,
    /// Villages of it in the programme.
    pub designated: u32,
    /// Workers registered from it.
    pub workers: u64,
    /// Of its villages in the programme, those without two facilitators in office.
    pub short_of_facilitators: u32,
}

/// A village that is not in the programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The village.
    pub village: VillageCode,
    /// Workers registered from it.
    pub workers: u64,
}

impl RegionCoverage {
    /// The share of its desa that are in the programme, 0 to 1; 0 for a region without desa.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.desa == 0 { 0.0 } else { f64::from(self.designated) / f64::from(self.desa) }
    }
}

impl Exchange {
    /// The coverage of a region, or of all that the caller reaches, with at most `candidates`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the region is not for this caller; [`Error::JournalUnavailable`].
    pub async fn coverage(
        &self,
        call: &Call,
        region: Option<RegionCode>,
        on: Date,
        candidates: usize,
    ) -> Result<Coverage, Error> {
        let region = reach::whole(call, region)?;
        self.mirror.current().await?;
        let workers = self.workers_by_place(region).await?;
        let total = self.region_coverage(region, on, &workers);
        let parts = self.gazetteer.parts(region).map(|part| part.code);
        let regions = parts
            .filter(|part| self.gazetteer.desa_count(Some(*part)) > 0)
            .map(|part| self.region_coverage(Some(part), on, &workers))
            .collect();
        let progress = self.mirror.villages(|it| Progress::of(it.designations(region), on));
        let candidates = self.candidates(region, on, candidates).await?;
        Ok(Coverage { total, regions, progress, candidates })
    }

    /// The workers of a region, in places that are not larger than its parts.
    async fn workers_by_place(&self, region: Option<RegionCode>) -> Result<Vec<Filled>, Error> {
        let place = region.map(RegionCode::digits).unwrap_or_default();
        let by_regency = region.is_none_or(|region| region.level() == Level::Province);
        let count = Count { by_regency, ..Count::of(Kind::Worker, place) };
        Ok(self.store.counts(&count).await?)
    }

    /// The numbers of one region, given the workers of places in it.
    pub(super) fn region_coverage(
        &self,
        region: Option<RegionCode>,
        on: Date,
        workers: &[Filled],
    ) -> RegionCoverage {
        let place = region.map(RegionCode::digits).unwrap_or_default();
        let of_region = workers.iter().filter(|it| it.place.starts_with(&place));
        let (designated, short_of_facilitators) = self.mirror.villages(|villages| {
            let in_force = || villages.designations(region).filter(|it| it.in_force_on(on));
            (in_force().count(), in_force().filter(|it| is_short(villages, it, on)).count())
        });
        RegionCoverage {
            region,
            desa: self.gazetteer.desa_count(region),
            // No country has so many villages.
            designated: designated as u32,
            workers: of_region.map(|it| it.count).sum(),
            short_of_facilitators: short_of_facilitators as u32,
        }
    }

    /// The desa of a region with the most workers that are not in the programme.
    async fn candidates(
        &self,
        region: Option<RegionCode>,
        on: Date,
        wanted: usize,
    ) -> Result<Vec<Candidate>, Error> {
        let place = region.map(RegionCode::digits).unwrap_or_default();
        let mut look = FIRST_LOOK;
        loop {
            // The fullest are in the programme already, the more so the better it goes.
            let fullest = self.store.fullest(Kind::Worker, &place, look).await?;
            let exhausted = fullest.len() < look as usize;
            let found = self.mirror.villages(|villages| -> Vec<_> {
                let candidate = |place: &str, workers| {
                    let village = VillageCode::parse(place).ok()?;
                    let known = villages.designation(village);
                    (Designation::possible(village).is_ok()
                        && known.is_none_or(|it| !it.in_force_on(on)))
                    .then_some(Candidate { village, workers })
                };
                let candidates = fullest.iter().filter_map(|it| candidate(&it.place, it.count));
                candidates.take(wanted).collect()
            });
            if exhausted || found.len() >= wanted {
                return Ok(found);
            }
            look = look.saturating_mul(4);
        }
    }
}

/// Whether a village has fewer facilitators in office than it is to have.
fn is_short(villages: &Villages, designation: &Designation, on: Date) -> bool {
    in_office(villages, Station::Village(designation.village), Role::Facilitator, on)
        < Role::Facilitator.places()
}

/// How many of a role are in office at a place.
pub(super) fn in_office(villages: &Villages, station: Station, role: Role, on: Date) -> usize {
    villages.roster(&station.digits()).map_or(0, |roster| roster.in_office(role, on))
}
