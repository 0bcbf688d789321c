//! CoverageService: how far the programme has come, and the briefing of a region.

use std::sync::Arc;

use desmigratif_core::region::RegionCode;
use desmigratif_proto::Path;
use desmigratif_proto::programme::v1 as wire_v1;
use desmigratif_proto::programme::v1::coverage_service_server::CoverageService;
use desmigratif_proto::programme::v1::{
    GetCoverageRequest, GetCoverageResponse, GetRegionalBriefingRequest,
    GetRegionalBriefingResponse,
};
use jiff::civil::Date;
use tonic::{Request, Response, Status};

use super::super::facility;
use super::super::flow::{DisclosureRequest, Read, disclose, receipted};
use super::super::reading::Reading;
use super::super::{page, wire};
use super::convert;
use crate::exchange::programme::{BriefingVillage, Candidate, RegionCoverage};
use crate::exchange::{Call, Disclosed, Error, Exchange};

receipted!(GetCoverageResponse, GetRegionalBriefingResponse);

/// Candidates of an answer when the caller does not say.
const CANDIDATES: u32 = 20;

/// The service.
pub(in crate::services) struct Coverages(pub(in crate::services) Arc<Exchange>);

#[tonic::async_trait]
impl CoverageService for Coverages {
    async fn get_coverage(
        &self,
        request: Request<GetCoverageRequest>,
    ) -> Result<Response<GetCoverageResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn get_regional_briefing(
        &self,
        request: Request<GetRegionalBriefingRequest>,
    ) -> Result<Response<GetRegionalBriefingResponse>, Status> {
        disclose(&self.0, request).await
    }
}

/// What is asked of the coverage.
pub(in crate::services) struct Asked {
    region: Option<RegionCode>,
    on: Date,
    target_year: Option<i16>,
    candidates: usize,
}

impl Read for GetCoverageRequest {
    type Input = Asked;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Asked> {
        let root = Path::ROOT;
        let region = wire::read_region(reading, root.field("region_code"), &self.region_code)?;
        let today = Some(exchange.clock.today());
        let on = wire::read_day(reading, root.field("on"), &self.on, today)??;
        let target_year = i16::try_from(self.target_year).ok().filter(|year| *year > 0);
        let candidates = page::size(self.candidates, CANDIDATES) as usize;
        Some(Asked { region, on, target_year, candidates })
    }
}

impl DisclosureRequest for GetCoverageRequest {
    type Response = GetCoverageResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        Asked { region, on, target_year, candidates }: Asked,
    ) -> Result<Disclosed<GetCoverageResponse>, Error> {
        let coverage = exchange.coverage(call, region, on, candidates).await?;
        let (progress, rules) = (&coverage.progress, &exchange.rules);
        let (target, now) = (rules.target_villages, on.year());
        let pace = progress.pace(now, rules.pace_years);
        // The target is the country's.
        let country = coverage.total.region.is_none();
        let reached_in = progress.reached_in(target, pace, now).filter(|_| country);
        let mut cumulative = 0;
        let years = progress.by_year().map(|(year, villages)| {
            cumulative += villages;
            wire_v1::YearCount { year: convert::year(year), villages, cumulative }
        });
        let value = GetCoverageResponse {
            years: years.collect(),
            total: Some(region_coverage(exchange, &coverage.total)),
            regions: coverage.regions.iter().map(|it| region_coverage(exchange, it)).collect(),
            target,
            pace,
            pace_years: rules.pace_years.into(),
            pace_needed: target_year
                .filter(|_| country)
                .and_then(|goal| progress.pace_needed(target, goal, now)),
            target_reached_in: reached_in.map_or(0, convert::year),
            candidates: coverage.candidates.iter().map(|it| candidate(exchange, it)).collect(),
            decree: exchange.gazetteer.decree().to_owned(),
            on: on.to_string(),
            receipt: None,
        };
        Ok(Disclosed::read(value, Vec::new()))
    }
}

impl Read for GetRegionalBriefingRequest {
    type Input = RegionCode;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<RegionCode> {
        let at = Path::ROOT.field("region_code");
        let region = reading.take(at, RegionCode::parse(&self.region_code))?;
        let unknown = desmigratif_core::text::Rule::new(
            "REGION_CODE_UNKNOWN",
            "names no province, kabupaten or kota in the decree in force",
            "tidak ada dalam keputusan yang berlaku",
        );
        reading.take(at, exchange.gazetteer.region(region).map(|_| region).ok_or(unknown))
    }
}

impl DisclosureRequest for GetRegionalBriefingRequest {
    type Response = GetRegionalBriefingResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        region: RegionCode,
    ) -> Result<Disclosed<GetRegionalBriefingResponse>, Error> {
        let it = exchange.briefing(call, region).await?;
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let stages = it.stages.iter().map(|(stage, workers)| wire_v1::StageCount {
            stage: stage.as_str().to_owned(),
            workers: *workers,
        });
        let destinations = it.destinations.iter().map(|it| wire_v1::DestinationCount {
            country: it.country.clone(),
            preparing: it.preparing,
            abroad: it.abroad,
        });
        let pillars = it.pillars.iter().map(|it| wire_v1::PillarCount {
            pillar: convert::pillar(it.pillar).into(),
            activities: small(it.activities),
            villages_without: it.villages_without,
        });
        let problems = it.problems.iter().map(|it| wire_v1::BriefingProblem {
            code: it.code.to_owned(),
            count: it.count,
            text_en: it.text.en.to_owned(),
            text_id: it.text.id.to_owned(),
        });
        let value = GetRegionalBriefingResponse {
            coverage: Some(region_coverage(exchange, &it.coverage)),
            stages: stages.collect(),
            destinations: destinations.collect(),
            clearances_expiring: it.clearances_expiring,
            expiring_days: exchange.rules.expiring_days.into(),
            pillars: pillars.collect(),
            active_enterprises: small(it.active_enterprises),
            parenting_families: small(it.parenting_families),
            parenting_children: small(it.parenting_children),
            villages: it.villages.iter().map(|it| village(exchange, it)).collect(),
            facilities: it.facilities.iter().map(facility::to_wire).collect(),
            problems: problems.collect(),
            on: it.on.to_string(),
            receipt: None,
        };
        Ok(Disclosed::read(value, Vec::new()))
    }
}

/// The name of a region; empty for the country.
pub(super) fn region_name(exchange: &Exchange, region: Option<RegionCode>) -> String {
    let region = region.and_then(|code| exchange.gazetteer.region(code));
    region.map_or("", |region| region.name).to_owned()
}

fn region_coverage(exchange: &Exchange, it: &RegionCoverage) -> wire_v1::RegionCoverage {
    wire_v1::RegionCoverage {
        region_code: it.region.map(|code| code.to_string()).unwrap_or_default(),
        region_name: region_name(exchange, it.region),
        desa: it.desa,
        designated: it.designated,
        share: it.share(),
        workers: it.workers,
        short_of_facilitators: it.short_of_facilitators,
    }
}

fn candidate(exchange: &Exchange, it: &Candidate) -> wire_v1::Candidate {
    let village = exchange.gazetteer.village(it.village);
    let (name, regency) = village.map_or(("", ""), |village| (village.name, village.regency));
    wire_v1::Candidate {
        village_code: it.village.to_string(),
        village_name: name.to_owned(),
        regency: regency.to_owned(),
        workers: it.workers,
    }
}

fn village(exchange: &Exchange, it: &BriefingVillage) -> wire_v1::BriefingVillage {
    let active = it.active_pillars.iter().map(|pillar| convert::pillar(*pillar).into());
    let problems = it.problems.iter().map(|it| convert::sector_standing(it, &exchange.rules));
    wire_v1::BriefingVillage {
        village_code: it.village.to_string(),
        village_name: convert::village_name(exchange, it.village),
        year: convert::year(it.year),
        workers: it.workers,
        facilitators: u32::try_from(it.facilitators).unwrap_or(u32::MAX),
        person_in_charge: it.person_in_charge,
        active_pillars: active.collect(),
        problems: problems.collect(),
        nearest_facility: it.nearest.as_ref().map(|near| wire_v1::NearestFacility {
            facility_id: near.facility.id.clone(),
            name: near.facility.name.clone(),
            distance_km: near.distance_km,
        }),
    }
}
