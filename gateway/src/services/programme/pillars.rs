//! PillarService: activities, enterprises, and families in community parenting.

use std::sync::Arc;

use desmigratif_core::programme::{Activity, Budget, Enterprise, ParentingFamily};
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::programme::v1 as wire_v1;
use desmigratif_proto::programme::v1::pillar_service_server::PillarService;
use desmigratif_proto::programme::v1::{
    EnrolFamilyRequest, EnrolFamilyResponse, ListActivitiesRequest, ListActivitiesResponse,
    ListEnterprisesRequest, ListEnterprisesResponse, ListFamiliesRequest, ListFamiliesResponse,
    RecordActivityRequest, RecordActivityResponse, RecordEnterpriseRequest,
    RecordEnterpriseResponse, WithdrawFamilyRequest, WithdrawFamilyResponse,
};
use jiff::civil::Date;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::super::flow::{ChangeRequest, DisclosureRequest, Read, change, disclose, receipted};
use super::super::reading::Reading;
use super::super::{page, wire};
use super::convert;
use crate::exchange::programme::{NewActivity, NewEnterprise, NewFamily, PlaceFilter};
use crate::exchange::{Call, Change, Disclosed, Error, Exchange};

receipted!(
    RecordActivityResponse,
    ListActivitiesResponse,
    RecordEnterpriseResponse,
    ListEnterprisesResponse,
    EnrolFamilyResponse,
    WithdrawFamilyResponse,
    ListFamiliesResponse
);

/// The service.
pub(in crate::services) struct Pillars(pub(in crate::services) Arc<Exchange>);

#[tonic::async_trait]
impl PillarService for Pillars {
    async fn record_activity(
        &self,
        request: Request<RecordActivityRequest>,
    ) -> Result<Response<RecordActivityResponse>, Status> {
        change(&self.0, request).await
    }

    async fn list_activities(
        &self,
        request: Request<ListActivitiesRequest>,
    ) -> Result<Response<ListActivitiesResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn record_enterprise(
        &self,
        request: Request<RecordEnterpriseRequest>,
    ) -> Result<Response<RecordEnterpriseResponse>, Status> {
        change(&self.0, request).await
    }

    async fn list_enterprises(
        &self,
        request: Request<ListEnterprisesRequest>,
    ) -> Result<Response<ListEnterprisesResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn enrol_family(
        &self,
        request: Request<EnrolFamilyRequest>,
    ) -> Result<Response<EnrolFamilyResponse>, Status> {
        change(&self.0, request).await
    }

    async fn withdraw_family(
        &self,
        request: Request<WithdrawFamilyRequest>,
    ) -> Result<Response<WithdrawFamilyResponse>, Status> {
        change(&self.0, request).await
    }

    async fn list_families(
        &self,
        request: Request<ListFamiliesRequest>,
    ) -> Result<Response<ListFamiliesResponse>, Status> {
        disclose(&self.0, request).await
    }
}

impl Read for RecordActivityRequest {
    type Input = (NewActivity, Option<u64>);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let (root, stated) = (Path::ROOT, self.activity.as_ref()?);
        let at = root.field("activity");
        let village =
            convert::read_desa(reading, at.field("village_code"), &stated.village_code, exchange);
        let from = wire::read_day(reading, at.field("from"), &stated.from, None);
        let until = wire::read_day(reading, at.field("until"), &stated.until, None);
        let (from, until) = (from??, until?);
        wire::in_order(reading, at.field("until"), from, until);
        let source = convert::read_budget_source(stated.budget_source());
        if source.is_none() && stated.budget_idr > 0 {
            let rule = Rule::new(
                "BUDGET_SOURCE_MISSING",
                "must be set for an amount",
                "harus diisi bila ada jumlahnya",
            );
            reading.broken(at.field("budget_source"), rule);
        }
        let new = NewActivity {
            id: Uuid::parse_str(&stated.activity_id).ok(),
            village: village?,
            pillar: convert::read_pillar(stated.pillar())?,
            title: stated.title.clone(),
            from,
            until,
            women: stated.women,
            men: stated.men,
            budget: source.map(|source| Budget { source, amount_idr: stated.budget_idr }),
            outcome: stated.outcome.clone(),
        };
        Some((new, wire::read_etag(&self.etag)))
    }
}

impl ChangeRequest for RecordActivityRequest {
    type Response = RecordActivityResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (new, etag): Self::Input,
    ) -> Result<(Change, RecordActivityResponse), Error> {
        let (change, id, version) = exchange.record_activity(call, new, etag).await?;
        let (activity_id, etag) = (id.to_string(), version.to_string());
        Ok((change, RecordActivityResponse { activity_id, etag, receipt: None }))
    }
}

impl Read for RecordEnterpriseRequest {
    type Input = (NewEnterprise, Option<u64>);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let (root, stated) = (Path::ROOT, self.enterprise.as_ref()?);
        let at = root.field("enterprise");
        let village =
            convert::read_desa(reading, at.field("village_code"), &stated.village_code, exchange);
        let founded_on = wire::read_day(reading, at.field("founded_on"), &stated.founded_on, None);
        let new = NewEnterprise {
            id: Uuid::parse_str(&stated.enterprise_id).ok(),
            village: village?,
            kind: convert::read_enterprise_kind(stated.kind())?,
            name: stated.name.clone(),
            field: stated.field.clone(),
            members: stated.members,
            status: convert::read_enterprise_status(stated.status())?,
            founded_on: founded_on?,
            registration_number: stated.registration_number.clone(),
            export_ready: stated.export_ready,
        };
        Some((new, wire::read_etag(&self.etag)))
    }
}

impl ChangeRequest for RecordEnterpriseRequest {
    type Response = RecordEnterpriseResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (new, etag): Self::Input,
    ) -> Result<(Change, RecordEnterpriseResponse), Error> {
        let (change, id, version) = exchange.record_enterprise(call, new, etag).await?;
        let (enterprise_id, etag) = (id.to_string(), version.to_string());
        Ok((change, RecordEnterpriseResponse { enterprise_id, etag, receipt: None }))
    }
}

impl Read for EnrolFamilyRequest {
    type Input = NewFamily;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<NewFamily> {
        let today = Some(exchange.clock.today());
        let from = wire::read_day(reading, Path::ROOT.field("from"), &self.from, today);
        let mut children: Vec<_> =
            self.child_ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect();
        children.sort_unstable();
        children.dedup();
        Some(NewFamily {
            worker_id: Uuid::parse_str(&self.worker_id).ok()?,
            children,
            from: from??,
        })
    }
}

impl ChangeRequest for EnrolFamilyRequest {
    type Response = EnrolFamilyResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        new: NewFamily,
    ) -> Result<(Change, EnrolFamilyResponse), Error> {
        Ok((exchange.enrol_family(call, new).await?, EnrolFamilyResponse { receipt: None }))
    }
}

impl Read for WithdrawFamilyRequest {
    type Input = (Uuid, Date);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let today = Some(exchange.clock.today());
        let last = wire::read_day(reading, Path::ROOT.field("last_day"), &self.last_day, today);
        Some((Uuid::parse_str(&self.worker_id).ok()?, last??))
    }
}

impl ChangeRequest for WithdrawFamilyRequest {
    type Response = WithdrawFamilyResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (worker_id, last): Self::Input,
    ) -> Result<(Change, WithdrawFamilyResponse), Error> {
        let change = exchange.withdraw_family(call, worker_id, last).await?;
        Ok((change, WithdrawFamilyResponse { receipt: None }))
    }
}

/// A page of records of a place.
pub(in crate::services) struct PlacePage {
    filter: PlaceFilter,
    /// What else the page's tokens belong to.
    of: &'static str,
}

impl PlacePage {
    fn read(
        reading: &mut Reading,
        place_code: &str,
        (of, state): (&'static str, Option<&'static str>),
        page_size: u32,
        page_token: &str,
    ) -> Option<Self> {
        let root = Path::ROOT;
        let place = wire::read_place(reading, root.field("place_code"), place_code)?;
        let after = page::after(&[&place, of], page_token);
        let after = reading.take(root.field("page_token"), after)?;
        let limit = page::size(page_size, page::DEFAULT_SIZE);
        Some(Self { filter: PlaceFilter { place, state, after, limit }, of })
    }

    /// What to ask for: one more than the page has, which tells whether there is another.
    fn wanted(&self) -> PlaceFilter {
        PlaceFilter { limit: self.filter.limit + 1, ..self.filter.clone() }
    }

    /// Cuts the page out of what was found, and gives the next one's token.
    fn cut<T>(&self, found: &mut Vec<T>, id: impl FnOnce(&T) -> String) -> String {
        page::cut(found, self.filter.limit, &[&self.filter.place, self.of], id)
    }
}

impl Read for ListActivitiesRequest {
    type Input = PlacePage;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<PlacePage> {
        let state = convert::read_pillar(self.pillar()).map(|pillar| pillar.as_str());
        let of = (self.pillar().as_str_name(), state);
        PlacePage::read(reading, &self.place_code, of, self.page_size, &self.page_token)
    }
}

impl DisclosureRequest for ListActivitiesRequest {
    type Response = ListActivitiesResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        page: PlacePage,
    ) -> Result<Disclosed<ListActivitiesResponse>, Error> {
        let mut found = exchange.activities(call, page.wanted()).await?;
        let next_page_token =
            page.cut(&mut found, |(last, _): &(Activity, u64)| last.id.to_string());
        let activities =
            found.iter().map(|(it, version)| convert::activity(it, *version)).collect();
        let value = ListActivitiesResponse { activities, next_page_token, receipt: None };
        Ok(Disclosed::read(value, Vec::new()))
    }
}

impl Read for ListEnterprisesRequest {
    type Input = PlacePage;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<PlacePage> {
        let state = convert::read_enterprise_status(self.status()).map(|status| status.as_str());
        let of = (self.status().as_str_name(), state);
        PlacePage::read(reading, &self.place_code, of, self.page_size, &self.page_token)
    }
}

impl DisclosureRequest for ListEnterprisesRequest {
    type Response = ListEnterprisesResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        page: PlacePage,
    ) -> Result<Disclosed<ListEnterprisesResponse>, Error> {
        let mut found = exchange.enterprises(call, page.wanted()).await?;
        let next_page_token =
            page.cut(&mut found, |(last, _): &(Enterprise, u64)| last.id.to_string());
        let enterprises =
            found.iter().map(|(it, version)| convert::enterprise(it, *version)).collect();
        let value = ListEnterprisesResponse { enterprises, next_page_token, receipt: None };
        Ok(Disclosed::read(value, Vec::new()))
    }
}

impl Read for ListFamiliesRequest {
    type Input = PlacePage;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<PlacePage> {
        let of = ("families", None);
        PlacePage::read(reading, &self.place_code, of, self.page_size, &self.page_token)
    }
}

impl DisclosureRequest for ListFamiliesRequest {
    type Response = ListFamiliesResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        page: PlacePage,
    ) -> Result<Disclosed<ListFamiliesResponse>, Error> {
        let Disclosed { value: mut found, mut subjects, .. } =
            exchange.families(call, page.wanted()).await?;
        let next_page_token =
            page.cut(&mut found, |last: &ParentingFamily| last.worker_id.to_string());
        subjects.truncate(found.len());
        let families: Vec<wire_v1::ParentingFamily> = found.iter().map(convert::family).collect();
        let value = ListFamiliesResponse { families, next_page_token, receipt: None };
        Ok(Disclosed::read(value, subjects))
    }
}
