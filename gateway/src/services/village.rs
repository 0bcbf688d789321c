//! VillageService: villages, regions, and the one-location view.

use std::sync::Arc;

use desmigratif_core::region::{
    Level, RETIRED_BY, Region, RegionCode, Resolution, TimeZone, Village, VillageCode, VillageKind,
};
use desmigratif_proto::Path;
use desmigratif_proto::village::v1 as wire_v1;
use desmigratif_proto::village::v1::village_service_server::VillageService;
use desmigratif_proto::village::v1::{
    BatchGetVillagesRequest, BatchGetVillagesResponse, CodeStanding, CodeSystem,
    GetVillageProfileRequest, GetVillageProfileResponse, GetVillageRequest, GetVillageResponse,
    ListRegionsRequest, ListRegionsResponse, ListVillagesRequest, ListVillagesResponse,
    RegionLevel, ResolveCodeRequest, ResolveCodeResponse, SearchVillagesRequest,
    SearchVillagesResponse, VillageHit,
};
use tonic::{Request, Response, Status};

use super::failure::Failure;
use super::flow::{Read, disclose, read};
use super::reading::Reading;
use super::{page, wire};
use crate::exchange::Exchange;

mod profile;

/// Villages of a page when the caller does not say.
const PAGE: u32 = 100;
/// Hits of a search when the caller does not say.
const HITS: u32 = 10;

/// The service.
pub(super) struct Villages(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl VillageService for Villages {
    async fn get_village(
        &self,
        request: Request<GetVillageRequest>,
    ) -> Result<Response<GetVillageResponse>, Status> {
        let code = read(&self.0, request.get_ref())?;
        let village = self.0.gazetteer.village(code).ok_or(Failure::NoSuchPlace)?;
        Ok(Response::new(GetVillageResponse { village: Some(self.village(&village)) }))
    }

    async fn batch_get_villages(
        &self,
        request: Request<BatchGetVillagesRequest>,
    ) -> Result<Response<BatchGetVillagesResponse>, Status> {
        let request = request.into_inner();
        let codes = read(&self.0, &request)?;
        let mut response = BatchGetVillagesResponse::default();
        for (code, text) in codes.into_iter().zip(request.codes) {
            match self.0.gazetteer.village(code) {
                Some(village) => response.villages.push(self.village(&village)),
                None => response.unknown_codes.push(text),
            }
        }
        Ok(Response::new(response))
    }

    async fn list_villages(
        &self,
        request: Request<ListVillagesRequest>,
    ) -> Result<Response<ListVillagesResponse>, Status> {
        let request = request.into_inner();
        let (region, after) = read(&self.0, &request)?;
        let digits = region.digits();
        self.0.gazetteer.region(region).ok_or(Failure::NoSuchPlace)?;
        let size = page::size(request.page_size, PAGE);
        let villages = self.0.gazetteer.villages_in(region, after);
        let mut found: Vec<_> = villages.take(size as usize + 1).collect();
        let next_page_token = page::cut(&mut found, size, &[&digits], |last| last.code.digits());
        let villages = found.iter().map(|village| self.village(village)).collect();
        Ok(Response::new(ListVillagesResponse { villages, next_page_token }))
    }

    async fn search_villages(
        &self,
        request: Request<SearchVillagesRequest>,
    ) -> Result<Response<SearchVillagesResponse>, Status> {
        let request = request.into_inner();
        let region = read(&self.0, &request)?;
        let limit = page::size(request.page_size, HITS) as usize;
        let hits = self.0.gazetteer.search(&request.query, region, limit);
        let hits = hits
            .iter()
            .map(|(village, score)| VillageHit {
                village: Some(self.village(village)),
                score: *score,
            })
            .collect();
        Ok(Response::new(SearchVillagesResponse { hits }))
    }

    async fn list_regions(
        &self,
        request: Request<ListRegionsRequest>,
    ) -> Result<Response<ListRegionsResponse>, Status> {
        let parent = read(&self.0, request.get_ref())?;
        if let Some(parent) = parent {
            self.0.gazetteer.region(parent).ok_or(Failure::NoSuchPlace)?;
        }
        let regions = self.0.gazetteer.parts(parent).map(|region| to_wire(&region)).collect();
        Ok(Response::new(ListRegionsResponse { regions }))
    }

    async fn resolve_code(
        &self,
        request: Request<ResolveCodeRequest>,
    ) -> Result<Response<ResolveCodeResponse>, Status> {
        if request.get_ref().code_system() == CodeSystem::Bps {
            return Err(Failure::BpsTableAbsent.into());
        }
        let code = read(&self.0, request.get_ref())?;
        Ok(Response::new(self.resolve(code)))
    }

    async fn get_village_profile(
        &self,
        request: Request<GetVillageProfileRequest>,
    ) -> Result<Response<GetVillageProfileResponse>, Status> {
        disclose(&self.0, request).await
    }
}

impl Villages {
    fn village(&self, village: &Village<'_>) -> wire_v1::Village {
        village_to_wire(village, self.0.gazetteer.decree())
    }

    fn resolve(&self, code: AnyCode) -> ResolveCodeResponse {
        let gazetteer = &self.0.gazetteer;
        let resolution = match code {
            AnyCode::Region(code) => gazetteer.resolve_region(code),
            AnyCode::Village(code) => gazetteer.resolve_village(code),
        };
        let region = |code: RegionCode| {
            (code.to_string(), gazetteer.region(code).map_or("", |region| region.name).to_owned())
        };
        let (standing, (code, name)) = match resolution {
            Resolution::Current => {
                let place = match code {
                    AnyCode::Region(code) => region(code),
                    AnyCode::Village(code) => (
                        code.to_string(),
                        gazetteer.village(code).map_or("", |village| village.name).to_owned(),
                    ),
                };
                (CodeStanding::Current, place)
            }
            Resolution::Renumbered(code) => (CodeStanding::Renumbered, region(code)),
            Resolution::WithinRegency(code) => (CodeStanding::RegencyOnly, region(code)),
            Resolution::Unknown => (CodeStanding::Unknown, Default::default()),
        };
        let retired = matches!(standing, CodeStanding::Renumbered | CodeStanding::RegencyOnly);
        ResolveCodeResponse {
            standing: standing.into(),
            code,
            name,
            decree: if standing == CodeStanding::Unknown {
                String::new()
            } else {
                gazetteer.decree().to_owned()
            },
            retired_by: if retired { RETIRED_BY.to_owned() } else { String::new() },
        }
    }
}

/// A code of any level.
#[derive(Clone, Copy)]
pub(super) enum AnyCode {
    Region(RegionCode),
    Village(VillageCode),
}

impl Read for GetVillageRequest {
    type Input = VillageCode;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<VillageCode> {
        reading.take(Path::ROOT.field("code"), VillageCode::parse(&self.code))
    }
}

impl Read for BatchGetVillagesRequest {
    type Input = Vec<VillageCode>;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Vec<VillageCode>> {
        let mut code = |(at, text): (usize, &String)| {
            reading.take(Path::ROOT.item("codes", at), VillageCode::parse(text))
        };
        // Every code is read before the first broken one ends it, so that all are reported.
        let codes: Vec<_> = self.codes.iter().enumerate().map(&mut code).collect();
        codes.into_iter().collect()
    }
}

impl Read for ListVillagesRequest {
    type Input = (RegionCode, Option<VillageCode>);

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Self::Input> {
        let region =
            reading.take(Path::ROOT.field("region_code"), RegionCode::parse(&self.region_code))?;
        let after = page::after(&[&region.digits()], &self.page_token).and_then(|last| {
            last.map(|last| VillageCode::parse(&last)).transpose().map_err(|_| page::NotOfThisList)
        });
        Some((region, reading.take(Path::ROOT.field("page_token"), after)?))
    }
}

impl Read for SearchVillagesRequest {
    type Input = Option<RegionCode>;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Option<RegionCode>> {
        wire::read_region(reading, Path::ROOT.field("region_code"), &self.region_code)
    }
}

impl Read for ListRegionsRequest {
    type Input = Option<RegionCode>;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Option<RegionCode>> {
        wire::read_region(reading, Path::ROOT.field("parent_code"), &self.parent_code)
    }
}

impl Read for ResolveCodeRequest {
    type Input = AnyCode;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<AnyCode> {
        let parsed = if self.code.bytes().filter(u8::is_ascii_digit).count() == 10 {
            VillageCode::parse(&self.code).map(AnyCode::Village)
        } else {
            RegionCode::parse(&self.code).map(AnyCode::Region)
        };
        reading.take(Path::ROOT.field("code"), parsed)
    }
}

/// A village, for the wire.
fn village_to_wire(village: &Village<'_>, decree: &str) -> wire_v1::Village {
    let kind = match village.kind() {
        VillageKind::Kelurahan => wire_v1::VillageKind::Kelurahan,
        VillageKind::Desa => wire_v1::VillageKind::Desa,
        VillageKind::DesaAdat => wire_v1::VillageKind::DesaAdat,
    };
    wire_v1::Village {
        code: village.code.to_string(),
        name: village.name.to_owned(),
        kind: kind.into(),
        district: village.district.to_owned(),
        regency: village.regency.to_owned(),
        province: village.province.to_owned(),
        location: village.location.map(wire::lat_lng),
        postal_code: match village.postal_code {
            0 => String::new(),
            code => format!("{code:05}"),
        },
        decree: decree.to_owned(),
    }
}

fn to_wire(region: &Region<'_>) -> wire_v1::Region {
    let level = match region.code.level() {
        Level::Province => RegionLevel::Province,
        Level::Regency => RegionLevel::Regency,
        Level::District => RegionLevel::District,
    };
    wire_v1::Region {
        code: region.code.to_string(),
        name: region.name.to_owned(),
        level: level.into(),
        village_count: region.village_count,
        capital: region.capital.unwrap_or_default().to_owned(),
        time_zone: region.code.time_zone().map_or("", TimeZone::iana_name).to_owned(),
    }
}
