//! FacilityService: designated health facilities, by id, region and nearness. All public.

use std::sync::Arc;

use desmigratif_core::facility::{Facility, FacilityClass};
use desmigratif_core::record::Kind;
use desmigratif_core::region::{RegionCode, VillageCode};
use desmigratif_proto::Path;
use desmigratif_proto::health::v1 as wire_v1;
use desmigratif_proto::health::v1::facility_service_server::FacilityService;
use desmigratif_proto::health::v1::{
    Designation, FacilityDistance, FindNearestFacilitiesRequest, FindNearestFacilitiesResponse,
    GetFacilityRequest, GetFacilityResponse, ListFacilitiesRequest, ListFacilitiesResponse,
};
use jiff::civil::Date;
use tonic::{Request, Response, Status};

use super::failure::Failure;
use super::flow::{Read, read};
use super::reading::Reading;
use super::{page, wire};
use crate::exchange::{Error, Exchange};

/// Facilities of an answer when the caller does not say.
const NEAREST: u32 = 5;

/// The service.
pub(super) struct Facilities(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl FacilityService for Facilities {
    async fn get_facility(
        &self,
        request: Request<GetFacilityRequest>,
    ) -> Result<Response<GetFacilityResponse>, Status> {
        read(&self.0, request.get_ref())?;
        let facility = self
            .0
            .facilities
            .get(&request.get_ref().facility_id)
            .ok_or(Failure::Exchange(Error::NotFound(Kind::Facility)))?;
        Ok(Response::new(GetFacilityResponse { facility: Some(to_wire(facility)) }))
    }

    async fn list_facilities(
        &self,
        request: Request<ListFacilitiesRequest>,
    ) -> Result<Response<ListFacilitiesResponse>, Status> {
        let request = request.into_inner();
        let filter = read(&self.0, &request)?;
        let place = filter.region.map(RegionCode::digits).unwrap_or_default();
        let filters = [place.as_str(), request.designated_on.as_str()];
        let size = page::size(request.page_size, page::DEFAULT_SIZE);
        let mut found: Vec<_> = self
            .0
            .facilities
            .list(&place, filter.after.as_deref())
            .filter(|it| filter.designated_on.is_none_or(|day| it.designated_on(day)))
            .take(size as usize + 1)
            .collect();
        let next_page_token = page::cut(&mut found, size, &filters, |last| last.id.clone());
        let facilities = found.into_iter().map(to_wire).collect();
        Ok(Response::new(ListFacilitiesResponse { facilities, next_page_token }))
    }

    async fn find_nearest_facilities(
        &self,
        request: Request<FindNearestFacilitiesRequest>,
    ) -> Result<Response<FindNearestFacilitiesResponse>, Status> {
        let request = request.into_inner();
        let from = read(&self.0, &request)?;
        let place = self.0.gazetteer.place(from.village).ok_or(Failure::NoSuchPlace)?;
        let limit = page::size(request.limit, NEAREST) as usize;
        let facilities = self
            .0
            .facilities
            .nearest(place.coordinate, from.designated_on, limit)
            .into_iter()
            .map(|near| FacilityDistance {
                facility: Some(to_wire(&near.facility)),
                distance_km: near.distance_km,
            })
            .collect();
        let approximate = place.approximate;
        Ok(Response::new(FindNearestFacilitiesResponse { facilities, approximate }))
    }
}

/// Which facilities are listed.
pub(super) struct Filter {
    region: Option<RegionCode>,
    designated_on: Option<Date>,
    after: Option<String>,
}

/// Where nearness is counted from, and for which day.
pub(super) struct From {
    village: VillageCode,
    designated_on: Date,
}

impl Read for GetFacilityRequest {
    type Input = ();

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<()> {
        Some(())
    }
}

impl Read for ListFacilitiesRequest {
    type Input = Filter;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Filter> {
        let region = wire::read_region(reading, Path::ROOT.field("region_code"), &self.region_code);
        let at = Path::ROOT.field("designated_on");
        let designated_on = wire::read_day(reading, at, &self.designated_on, None);
        let (region, designated_on) = (region?, designated_on?);
        let place = region.map(RegionCode::digits).unwrap_or_default();
        let after = page::after(&[&place, &self.designated_on], &self.page_token);
        let after = reading.take(Path::ROOT.field("page_token"), after)?;
        Some(Filter { region, designated_on, after })
    }
}

impl Read for FindNearestFacilitiesRequest {
    type Input = From;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<From> {
        let at = Path::ROOT.field("village_code");
        let village = wire::read_village(reading, at, &self.village_code, exchange);
        let at = Path::ROOT.field("designated_on");
        let today = Some(exchange.clock.today());
        let designated_on = wire::read_day(reading, at, &self.designated_on, today);
        Some(From { village: village?, designated_on: designated_on?? })
    }
}

/// A facility, for the wire.
pub(super) fn to_wire(facility: &Facility) -> wire_v1::Facility {
    let class = match facility.class {
        FacilityClass::HospitalA => wire_v1::FacilityClass::HospitalA,
        FacilityClass::HospitalB => wire_v1::FacilityClass::HospitalB,
        FacilityClass::HospitalC => wire_v1::FacilityClass::HospitalC,
        FacilityClass::KlinikUtama => wire_v1::FacilityClass::KlinikUtama,
    };
    wire_v1::Facility {
        facility_id: facility.id.clone(),
        name: facility.name.clone(),
        facility_class: class.into(),
        village_code: facility.village.to_string(),
        location: Some(wire::lat_lng(facility.location)),
        designations: facility
            .designations
            .iter()
            .map(|period| Designation {
                from: period.from.to_string(),
                until: wire::day(period.until),
            })
            .collect(),
        capacity_per_day: facility.capacity_per_day,
    }
}
