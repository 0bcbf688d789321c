//! SectorMapService: which sectors serve which village.

use std::sync::Arc;

use desmigratif_core::programme::Rules;
use desmigratif_core::programme::sector::NotASectorCode;
use desmigratif_core::region::{RegionCode, VillageCode};
use desmigratif_proto::Path;
use desmigratif_proto::programme::v1 as wire_v1;
use desmigratif_proto::programme::v1::sector_map_service_server::SectorMapService;
use desmigratif_proto::programme::v1::{
    GetSectorMapRequest, GetSectorMapResponse, ListSectorsRequest, ListSectorsResponse,
    ReportSectorServiceRequest, ReportSectorServiceResponse,
};
use tonic::{Request, Response, Status};

use super::super::flow::{
    ChangeRequest, DisclosureRequest, Read, change, disclose, read, receipted,
};
use super::super::page::NotOfThisList;
use super::super::reading::Reading;
use super::super::{page, wire};
use super::convert;
use crate::exchange::programme::{MapQuery, NewService, RegionSectors, VillageSectors};
use crate::exchange::{Call, Change, Disclosed, Error, Exchange};

receipted!(ReportSectorServiceResponse, GetSectorMapResponse);

/// The service.
pub(in crate::services) struct SectorMaps(pub(in crate::services) Arc<Exchange>);

#[tonic::async_trait]
impl SectorMapService for SectorMaps {
    async fn list_sectors(
        &self,
        request: Request<ListSectorsRequest>,
    ) -> Result<Response<ListSectorsResponse>, Status> {
        read(&self.0, request.get_ref())?;
        let sectors = self.0.rules.sectors.iter().map(|sector| wire_v1::Sector {
            sector_code: sector.code.to_string(),
            name_id: sector.name_id.clone(),
            name_en: sector.name_en.clone(),
            reported_by: sector
                .reported_by
                .iter()
                .map(|kind| wire::agency_kind(*kind).into())
                .collect(),
            expected: sector.expected,
            providers: u32::try_from(sector.providers).unwrap_or(u32::MAX),
            report_counts_days: sector.report_counts_days.into(),
        });
        Ok(Response::new(ListSectorsResponse { sectors: sectors.collect() }))
    }

    async fn report_sector_service(
        &self,
        request: Request<ReportSectorServiceRequest>,
    ) -> Result<Response<ReportSectorServiceResponse>, Status> {
        change(&self.0, request).await
    }

    async fn get_sector_map(
        &self,
        request: Request<GetSectorMapRequest>,
    ) -> Result<Response<GetSectorMapResponse>, Status> {
        disclose(&self.0, request).await
    }
}

impl Read for ListSectorsRequest {
    type Input = ();

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<()> {
        Some(())
    }
}

impl Read for ReportSectorServiceRequest {
    type Input = NewService;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<NewService> {
        let (root, stated) = (Path::ROOT, self.service.as_ref()?);
        let at = root.field("service");
        let village =
            wire::read_village(reading, at.field("village_code"), &stated.village_code, exchange);
        let sector = exchange.rules.sector(&stated.sector_code).ok_or(NotASectorCode);
        let sector = reading.take(at.field("sector_code"), sector);
        let from = wire::read_day(reading, at.field("from"), &stated.from, None);
        let until = wire::read_day(reading, at.field("until"), &stated.until, None);
        let (from, until) = (from??, until?);
        wire::in_order(reading, at.field("until"), from, until);
        Some(NewService {
            village: village?,
            sector: sector?.code.clone(),
            status: convert::read_service_status(stated.status())?,
            from,
            until,
            evidence: stated.evidence.clone(),
        })
    }
}

impl ChangeRequest for ReportSectorServiceRequest {
    type Response = ReportSectorServiceResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        new: NewService,
    ) -> Result<(Change, ReportSectorServiceResponse), Error> {
        let change = exchange.report_service(call, new)?;
        Ok((change, ReportSectorServiceResponse { receipt: None }))
    }
}

impl Read for GetSectorMapRequest {
    type Input = MapQuery;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<MapQuery> {
        let root = Path::ROOT;
        let region = wire::read_region(reading, root.field("region_code"), &self.region_code)?;
        let today = Some(exchange.clock.today());
        let on = wire::read_day(reading, root.field("on"), &self.on, today)??;
        let limit = page::size(self.page_size, page::DEFAULT_SIZE) as usize;
        let mut query =
            MapQuery { region, on, problems_only: self.problems_only, after: None, limit };
        let filters = filters(&query);
        let filters: Vec<_> = filters.iter().map(String::as_str).collect();
        let after = page::after(&filters, &self.page_token).and_then(|last| {
            last.map(|last| VillageCode::parse(&last)).transpose().map_err(|_| NotOfThisList)
        });
        query.after = reading.take(root.field("page_token"), after)?;
        Some(query)
    }
}

/// What the tokens of a map's pages belong to.
fn filters(query: &MapQuery) -> [String; 3] {
    let region = query.region.map(RegionCode::digits).unwrap_or_default();
    [region, query.on.to_string(), query.problems_only.to_string()]
}

impl DisclosureRequest for GetSectorMapRequest {
    type Response = GetSectorMapResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        query: MapQuery,
    ) -> Result<Disclosed<GetSectorMapResponse>, Error> {
        let size = u32::try_from(query.limit).unwrap_or(u32::MAX);
        let wanted = MapQuery { limit: query.limit + 1, ..query };
        let mut map = exchange.sector_map(call, wanted).await?;
        let filters = filters(&query);
        let filters: Vec<_> = filters.iter().map(String::as_str).collect();
        let id = |last: &VillageSectors| last.village.digits();
        let next_page_token = page::cut(&mut map.villages, size, &filters, id);
        let rules = &exchange.rules;
        let value = GetSectorMapResponse {
            total: Some(region(exchange, &map.total)),
            regions: map.regions.iter().map(|it| region(exchange, it)).collect(),
            villages: map.villages.iter().map(|it| village(exchange, it, rules)).collect(),
            next_page_token,
            on: query.on.to_string(),
            receipt: None,
        };
        Ok(Disclosed::read(value, Vec::new()))
    }
}

fn region(exchange: &Exchange, it: &RegionSectors) -> wire_v1::RegionSectors {
    let counts = exchange.rules.sectors.iter().zip(&it.counts);
    wire_v1::RegionSectors {
        region_code: it.region.map(|code| code.to_string()).unwrap_or_default(),
        region_name: super::coverage::region_name(exchange, it.region),
        designated_villages: it.designated,
        sectors: counts
            .map(|(sector, [covered, missing, overlapping, stale])| wire_v1::SectorCount {
                sector_code: sector.code.to_string(),
                covered: *covered,
                missing: *missing,
                overlapping: *overlapping,
                stale: *stale,
            })
            .collect(),
    }
}

fn village(exchange: &Exchange, it: &VillageSectors, rules: &Rules) -> wire_v1::VillageSectors {
    wire_v1::VillageSectors {
        village_code: it.village.to_string(),
        village_name: convert::village_name(exchange, it.village),
        designated: it.designated,
        sectors: it.sectors.iter().map(|it| convert::sector_standing(it, rules)).collect(),
    }
}
