//! The programme's services: ProgrammeService here, those of pillars, sector map and coverage in
//! modules of their own.

pub(super) mod convert;
mod coverage;
mod pillars;
mod sectors;

use std::sync::Arc;

use desmigratif_core::programme::{Designation, FIRST_YEAR, Officer, Role, Station};
use desmigratif_core::region::{Level, RegionCode, VillageCode};
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::programme::v1::programme_service_server::ProgrammeService;
use desmigratif_proto::programme::v1::{
    AssignOfficerRequest, AssignOfficerResponse, DesignateVillageRequest, DesignateVillageResponse,
    EndDesignationRequest, EndDesignationResponse, EndOfficerRequest, EndOfficerResponse,
    ListDesignationsRequest, ListDesignationsResponse, ListOfficersRequest, ListOfficersResponse,
};
use jiff::civil::Date;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::failure::Failure;
use super::flow::{ChangeRequest, DisclosureRequest, Read, change, disclose, read, receipted};
use super::reading::Reading;
use super::{page, wire};
use crate::exchange::programme::{NewDesignation, NewOfficer, OfficerFilter};
use crate::exchange::{Call, Change, Disclosed, Error, Exchange};

pub(super) use coverage::Coverages;
pub(super) use pillars::Pillars;
pub(super) use sectors::SectorMaps;

receipted!(
    DesignateVillageResponse, EndDesignationResponse, EndOfficerResponse, ListOfficersResponse;
    warned: AssignOfficerResponse
);

/// The service.
pub(super) struct Programme(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl ProgrammeService for Programme {
    async fn designate_village(
        &self,
        request: Request<DesignateVillageRequest>,
    ) -> Result<Response<DesignateVillageResponse>, Status> {
        change(&self.0, request).await
    }

    async fn end_designation(
        &self,
        request: Request<EndDesignationRequest>,
    ) -> Result<Response<EndDesignationResponse>, Status> {
        change(&self.0, request).await
    }

    async fn list_designations(
        &self,
        request: Request<ListDesignationsRequest>,
    ) -> Result<Response<ListDesignationsResponse>, Status> {
        let request = request.into_inner();
        let Designations { region, year, after } = read(&self.0, &request)?;
        let size = page::size(request.page_size, page::DEFAULT_SIZE);
        let found = self.0.designations(region, year, after, size + 1).await;
        let mut found = found.map_err(Failure::from)?;
        let filters = filters(region, request.year);
        let filters = [filters[0].as_str(), filters[1].as_str()];
        let next_page_token = page::cut(&mut found, size, &filters, |(it, _)| it.village.digits());
        let to_wire =
            |(it, version): &(Designation, u64)| convert::designation(&self.0, it, *version);
        let designations = found.iter().map(to_wire).collect();
        Ok(Response::new(ListDesignationsResponse { designations, next_page_token }))
    }

    async fn assign_officer(
        &self,
        request: Request<AssignOfficerRequest>,
    ) -> Result<Response<AssignOfficerResponse>, Status> {
        change(&self.0, request).await
    }

    async fn end_officer(
        &self,
        request: Request<EndOfficerRequest>,
    ) -> Result<Response<EndOfficerResponse>, Status> {
        change(&self.0, request).await
    }

    async fn list_officers(
        &self,
        request: Request<ListOfficersRequest>,
    ) -> Result<Response<ListOfficersResponse>, Status> {
        disclose(&self.0, request).await
    }
}

/// What a token of a list of designations belongs to.
fn filters(region: Option<RegionCode>, year: u32) -> [String; 2] {
    [region.map(RegionCode::digits).unwrap_or_default(), year.to_string()]
}

/// Which designations are listed.
pub(super) struct Designations {
    region: Option<RegionCode>,
    year: Option<i16>,
    after: Option<String>,
}

impl Read for ListDesignationsRequest {
    type Input = Designations;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Designations> {
        let root = Path::ROOT;
        let region = wire::read_region(reading, root.field("region_code"), &self.region_code)?;
        let filters = filters(region, self.year);
        let after = page::after(&[&filters[0], &filters[1]], &self.page_token);
        let after = reading.take(root.field("page_token"), after)?;
        let year = i16::try_from(self.year).ok().filter(|year| *year > 0);
        Some(Designations { region, year, after })
    }
}

impl Read for DesignateVillageRequest {
    type Input = NewDesignation;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<NewDesignation> {
        let root = Path::ROOT;
        let village =
            convert::read_desa(reading, root.field("village_code"), &self.village_code, exchange);
        let this_year = exchange.clock.today().year();
        let year = i16::try_from(self.year).ok().filter(|it| (FIRST_YEAR..=this_year).contains(it));
        let rule = Rule::new(
            "PROGRAMME_YEAR",
            "must be a year of the programme: 2016 to this year",
            "harus tahun program: 2016 sampai tahun ini",
        );
        let year = reading.take(root.field("year"), year.ok_or(rule));
        let decided_on = reading.take_if_set(root.field("decided_on"), &self.decided_on, |text| {
            desmigratif_core::clearance::past_day(text, exchange.clock.today())
        });
        Some(NewDesignation {
            village: village?,
            year: year?,
            decree: self.decree.clone(),
            decided_on: decided_on?,
            pilot: self.pilot,
        })
    }
}

impl ChangeRequest for DesignateVillageRequest {
    type Response = DesignateVillageResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        new: NewDesignation,
    ) -> Result<(Change, DesignateVillageResponse), Error> {
        let (change, version) = exchange.designate_village(call, new).await?;
        Ok((change, DesignateVillageResponse { etag: version.to_string(), receipt: None }))
    }
}

impl Read for EndDesignationRequest {
    type Input = (VillageCode, Date, Option<u64>);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let (root, today) = (Path::ROOT, exchange.clock.today());
        let village =
            wire::read_village(reading, root.field("village_code"), &self.village_code, exchange);
        let last = wire::read_past_day(reading, root.field("last_day"), &self.last_day, today);
        Some((village?, last?, wire::read_etag(&self.etag)))
    }
}

impl ChangeRequest for EndDesignationRequest {
    type Response = EndDesignationResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (village, last, etag): Self::Input,
    ) -> Result<(Change, EndDesignationResponse), Error> {
        let (change, version) = exchange.end_designation(call, village, last, etag).await?;
        Ok((change, EndDesignationResponse { etag: version.to_string(), receipt: None }))
    }
}

impl Read for AssignOfficerRequest {
    type Input = NewOfficer;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<NewOfficer> {
        let root = Path::ROOT;
        let role = convert::read_role(self.role());
        let at = root.field("place_code");
        let station = match role {
            None => None,
            Some(Role::Coordinator) => {
                let rule = Rule::new(
                    "PLACE_NOT_A_REGENCY",
                    "must be a kabupaten or kota in force for a coordinator",
                    "harus kabupaten atau kota yang berlaku untuk koordinator",
                );
                let regency = RegionCode::parse(&self.place_code).ok().filter(|code| {
                    code.level() == Level::Regency && exchange.gazetteer.region(*code).is_some()
                });
                reading.take(at, regency.ok_or(rule)).map(Station::Regency)
            }
            Some(Role::PersonInCharge | Role::Facilitator) => {
                wire::read_village(reading, at, &self.place_code, exchange).map(Station::Village)
            }
        };
        let nik = wire::read_nik(reading, root.field("nik"), &self.nik, exchange);
        let name = wire::read_name(reading, root.field("name"), &self.name);
        let today = Some(exchange.clock.today());
        let from = wire::read_day(reading, root.field("from"), &self.from, today);
        Some(NewOfficer {
            role: role?,
            station: station?,
            nik: nik?,
            name: name?,
            phone: Some(self.phone.clone()).filter(|phone| !phone.is_empty()),
            from: from??,
        })
    }
}

impl ChangeRequest for AssignOfficerRequest {
    type Response = AssignOfficerResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        new: NewOfficer,
    ) -> Result<(Change, AssignOfficerResponse), Error> {
        let (change, id) = exchange.assign_officer(call, new).await?;
        let officer_id = id.to_string();
        Ok((change, AssignOfficerResponse { officer_id, ..AssignOfficerResponse::default() }))
    }
}

impl Read for EndOfficerRequest {
    type Input = (Uuid, Date);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let today = Some(exchange.clock.today());
        let last = wire::read_day(reading, Path::ROOT.field("last_day"), &self.last_day, today);
        Some((Uuid::parse_str(&self.officer_id).ok()?, last??))
    }
}

impl ChangeRequest for EndOfficerRequest {
    type Response = EndOfficerResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (id, last): (Uuid, Date),
    ) -> Result<(Change, EndOfficerResponse), Error> {
        let change = exchange.end_officer(call, id, last).await?;
        Ok((change, EndOfficerResponse { receipt: None }))
    }
}

impl Read for ListOfficersRequest {
    type Input = OfficerFilter;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<OfficerFilter> {
        let root = Path::ROOT;
        let place = wire::read_place(reading, root.field("place_code"), &self.place_code)?;
        let role = convert::read_role(self.role());
        let after = page::after(&[&place, self.role().as_str_name()], &self.page_token);
        let after = reading.take(root.field("page_token"), after)?;
        let limit = page::size(self.page_size, page::DEFAULT_SIZE);
        Some(OfficerFilter { place, role, after, limit })
    }
}

impl DisclosureRequest for ListOfficersRequest {
    type Response = ListOfficersResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        filter: OfficerFilter,
    ) -> Result<Disclosed<ListOfficersResponse>, Error> {
        let role = convert::role_or_all(filter.role).as_str_name();
        let (place, size) = (filter.place.clone(), filter.limit);
        let filter = OfficerFilter { limit: size + 1, ..filter };
        let Disclosed { value: mut officers, mut subjects, .. } =
            exchange.officers(call, filter).await?;
        let id = |last: &Officer| last.id.to_string();
        let next_page_token = page::cut(&mut officers, size, &[&place, role], id);
        subjects.truncate(officers.len());
        let officers = officers.iter().map(convert::officer).collect();
        let value = ListOfficersResponse { officers, next_page_token, receipt: None };
        Ok(Disclosed::read(value, subjects))
    }
}
