//! FacilityService: designated health facilities, by id, region and nearness, and the villages that
//! are far from them. All public; Kemenkes registers them.

use std::sync::Arc;

use desmigratif_core::facility::{self, Facility, FacilityClass};
use desmigratif_core::geo::Coordinate;
use desmigratif_core::record::Kind;
use desmigratif_core::region::{RegionCode, VillageCode};
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::health::v1 as wire_v1;
use desmigratif_proto::health::v1::facility_service_server::FacilityService;
use desmigratif_proto::health::v1::{
    Designation, DesignationPeriod, FacilityDetails, FacilityDistance,
    FindNearestFacilitiesRequest, FindNearestFacilitiesResponse, GetFacilityRequest,
    GetFacilityResponse, ListFacilitiesRequest, ListFacilitiesResponse,
    ListUnderservedVillagesRequest, ListUnderservedVillagesResponse, RegisterFacilityRequest,
    RegisterFacilityResponse, UnderservedVillage,
};
use jiff::civil::Date;
use tonic::{Request, Response, Status};

use super::failure::Failure;
use super::flow::{ChangeRequest, Read, change, read, receipted};
use super::reading::Reading;
use super::{page, wire};
use crate::exchange::{Call, Change, Error, Exchange, FacilityIndex, Remote, Remoteness};

receipted!(; warned: RegisterFacilityResponse);

/// Facilities of an answer when the caller does not say.
const NEAREST: u32 = 5;
/// Beyond how many kilometres a village is underserved when the caller does not say. No rule names a
/// distance: planners state their own.
const FAR_KM: f64 = 50.0;

/// The service.
pub(super) struct Facilities(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl FacilityService for Facilities {
    async fn get_facility(
        &self,
        request: Request<GetFacilityRequest>,
    ) -> Result<Response<GetFacilityResponse>, Status> {
        read(&self.0, request.get_ref())?;
        let found = self.0.facility(&request.get_ref().facility_id).await.map_err(Failure::from)?;
        let (facility, version) =
            found.ok_or(Failure::Exchange(Error::NotFound(Kind::Facility)))?;
        let facility = Some(to_wire(&facility));
        Ok(Response::new(GetFacilityResponse { facility, etag: version.to_string() }))
    }

    async fn register_facility(
        &self,
        request: Request<RegisterFacilityRequest>,
    ) -> Result<Response<RegisterFacilityResponse>, Status> {
        change(&self.0, request).await
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
        let facilities = self.facilities().await?;
        let mut found: Vec<_> = facilities
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
            .facilities()
            .await?
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

    async fn list_underserved_villages(
        &self,
        request: Request<ListUnderservedVillagesRequest>,
    ) -> Result<Response<ListUnderservedVillagesResponse>, Status> {
        let request = request.into_inner();
        let Page { asked, after } = read(&self.0, &request)?;
        let size = page::size(request.page_size, page::DEFAULT_SIZE);
        let facilities = self.facilities().await?;
        let gazetteer = self.0.gazetteer.clone();
        // A province is too long for a thread that others' calls wait for.
        let found = tokio::task::spawn_blocking(move || {
            facilities.remote(&gazetteer, asked, after, size as usize + 1)
        });
        let panicked = |_| Error::Internal("looking for villages did not end".into());
        let mut found = found.await.map_err(|error| Failure::from(panicked(error)))?;
        let filters = filters(&request, asked);
        let filters = filters.each_ref().map(String::as_str);
        let next_page_token = page::cut(&mut found, size, &filters, |last| last.village.digits());
        let villages = found.iter().map(underserved).collect();
        Ok(Response::new(ListUnderservedVillagesResponse { villages, next_page_token }))
    }
}

impl Facilities {
    /// The facilities as they are now.
    async fn facilities(&self) -> Result<Arc<FacilityIndex>, Failure> {
        self.0.mirror.current().await.map_err(Error::from)?;
        Ok(self.0.mirror.facilities())
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

/// A page of the villages that are far from facilities.
pub(super) struct Page {
    asked: Remoteness,
    after: Option<VillageCode>,
}

/// What a token of a list of such villages belongs to. The day as it was asked for: a list without
/// one goes on over midnight.
fn filters(request: &ListUnderservedVillagesRequest, asked: Remoteness) -> [String; 3] {
    [asked.region.digits(), request.beyond_km.to_string(), request.designated_on.clone()]
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

impl Read for ListUnderservedVillagesRequest {
    type Input = Page;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Page> {
        let region = wire::read_region(reading, Path::ROOT.field("region_code"), &self.region_code);
        let at = Path::ROOT.field("designated_on");
        let today = Some(exchange.clock.today());
        let designated_on = wire::read_day(reading, at, &self.designated_on, today);
        let beyond_km = if self.beyond_km == 0.0 { FAR_KM } else { self.beyond_km };
        let asked = Remoteness { region: region??, beyond_km, designated_on: designated_on?? };
        let filters = filters(self, asked);
        let after = page::after(&filters.each_ref().map(String::as_str), &self.page_token);
        let after = reading.take(Path::ROOT.field("page_token"), after)?;
        let after = match after {
            None => None,
            Some(code) => {
                let code = VillageCode::parse(&code).map_err(|_| page::NotOfThisList);
                Some(reading.take(Path::ROOT.field("page_token"), code)?)
            }
        };
        Some(Page { asked, after })
    }
}

impl Read for RegisterFacilityRequest {
    type Input = (Facility, Option<u64>);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let at = Path::ROOT.field("facility");
        let facility = from_wire(reading, at, self.facility.as_ref()?, exchange)?;
        Some((facility, wire::read_etag(&self.etag)))
    }
}

impl ChangeRequest for RegisterFacilityRequest {
    type Response = RegisterFacilityResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    fn validate_only(&self) -> bool {
        self.validate_only
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        (facility, etag): Self::Input,
    ) -> Result<(Change, RegisterFacilityResponse), Error> {
        let (change, version) = exchange.register_facility(facility, etag).await?;
        let response = RegisterFacilityResponse {
            etag: version.to_string(),
            ..RegisterFacilityResponse::default()
        };
        Ok((change, response))
    }
}

/// A facility, from the wire.
fn from_wire(
    reading: &mut Reading,
    at: Path<'_>,
    details: &FacilityDetails,
    exchange: &Exchange,
) -> Option<Facility> {
    let village =
        wire::read_village(reading, at.field("village_code"), &details.village_code, exchange);
    let location = details.location.as_ref().and_then(|location| {
        let rule = Rule::new(
            "OUTSIDE_INDONESIA",
            "must lie between 95 and 141.1 E, 11.1 S and 6.1 N (are the two exchanged?)",
            "harus di antara 95 dan 141,1 BT, 11,1 LS dan 6,1 LU (apakah keduanya tertukar?)",
        );
        let location = Coordinate::new(location.latitude, location.longitude);
        reading.take(at.field("location"), location.map_err(|_| rule))
    });
    let periods: Vec<_> = details
        .designations
        .iter()
        .enumerate()
        .map(|(index, period)| read_period(reading, at.item("designations", index), period))
        .collect();
    let periods = periods.into_iter().collect::<Option<Vec<_>>>()?;
    let designations = reading.take(at.field("designations"), facility::in_succession(periods));
    let class = match details.facility_class() {
        wire_v1::FacilityClass::Unspecified => None,
        wire_v1::FacilityClass::HospitalA => Some(FacilityClass::HospitalA),
        wire_v1::FacilityClass::HospitalB => Some(FacilityClass::HospitalB),
        wire_v1::FacilityClass::HospitalC => Some(FacilityClass::HospitalC),
        wire_v1::FacilityClass::KlinikUtama => Some(FacilityClass::KlinikUtama),
    };
    Some(Facility {
        id: details.facility_id.clone(),
        name: details.name.trim().to_owned(),
        class: class?,
        village: village?,
        location: location?,
        designations: designations?,
        capacity_per_day: details.capacity_per_day,
    })
}

fn read_period(
    reading: &mut Reading,
    at: Path<'_>,
    period: &DesignationPeriod,
) -> Option<facility::Designation> {
    let from = wire::read_day(reading, at.field("from"), &period.from, None);
    let until = wire::read_day(reading, at.field("until"), &period.until, None);
    Some(facility::Designation { from: from??, until: until? })
}

/// A village that is far from facilities, for the wire.
fn underserved(remote: &Remote) -> UnderservedVillage {
    let nearest = remote.nearest.as_ref();
    UnderservedVillage {
        village_code: remote.village.to_string(),
        name: remote.name.clone(),
        facility_id: nearest.map(|it| it.facility.id.clone()).unwrap_or_default(),
        distance_km: nearest.map_or(0.0, |it| it.distance_km),
        approximate: remote.approximate,
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
