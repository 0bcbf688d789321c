//! AdminService: the ways to the ministries, and what is on its way to them.

use std::sync::Arc;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::store::outbox::Filter;
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::admin::v1::admin_service_server::AdminService;
use desmigratif_proto::admin::v1::{
    DiscardDeliveryRequest, DiscardDeliveryResponse, ListAdaptersRequest, ListAdaptersResponse,
    ListDeliveriesRequest, ListDeliveriesResponse, PauseAdapterRequest, PauseAdapterResponse,
    ReplayDeliveriesRequest, ReplayDeliveriesResponse, ResumeAdapterRequest, ResumeAdapterResponse,
};
use tonic::{Request, Response, Status};

use super::flow::{ChangeRequest, DisclosureRequest, Read, change, disclose, receipted};
use super::page;
use super::reading::Reading;
use crate::exchange::{Call, Change, Disclosed, Error, Exchange, Which};

mod convert;

use convert::{adapter, delivery, read_ministry, read_state};

receipted!(
    ListAdaptersResponse,
    PauseAdapterResponse,
    ResumeAdapterResponse,
    ListDeliveriesResponse,
    ReplayDeliveriesResponse,
    DiscardDeliveryResponse
);

/// The service.
pub(super) struct Administration(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl AdminService for Administration {
    async fn list_adapters(
        &self,
        request: Request<ListAdaptersRequest>,
    ) -> Result<Response<ListAdaptersResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn pause_adapter(
        &self,
        request: Request<PauseAdapterRequest>,
    ) -> Result<Response<PauseAdapterResponse>, Status> {
        change(&self.0, request).await
    }

    async fn resume_adapter(
        &self,
        request: Request<ResumeAdapterRequest>,
    ) -> Result<Response<ResumeAdapterResponse>, Status> {
        let answer = change(&self.0, request).await?;
        self.0.wake.wake(&AgencyKind::MINISTRIES);
        Ok(answer)
    }

    async fn list_deliveries(
        &self,
        request: Request<ListDeliveriesRequest>,
    ) -> Result<Response<ListDeliveriesResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn replay_deliveries(
        &self,
        request: Request<ReplayDeliveriesRequest>,
    ) -> Result<Response<ReplayDeliveriesResponse>, Status> {
        change(&self.0, request).await
    }

    async fn discard_delivery(
        &self,
        request: Request<DiscardDeliveryRequest>,
    ) -> Result<Response<DiscardDeliveryResponse>, Status> {
        change(&self.0, request).await
    }
}

impl Read for ListAdaptersRequest {
    type Input = ();

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<()> {
        Some(())
    }
}

impl DisclosureRequest for ListAdaptersRequest {
    type Response = ListAdaptersResponse;

    async fn answer(
        exchange: &Exchange,
        _: &Call,
        (): (),
    ) -> Result<Disclosed<ListAdaptersResponse>, Error> {
        let adapters = exchange.adapters().await?.iter().map(adapter).collect();
        Ok(Disclosed::read(ListAdaptersResponse { adapters, receipt: None }, Vec::new()))
    }
}

impl Read for PauseAdapterRequest {
    type Input = (AgencyKind, String);

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Self::Input> {
        let ministry = read_ministry(reading, self.ministry())?;
        Some((ministry?, self.reason.trim().to_owned()))
    }
}

impl ChangeRequest for PauseAdapterRequest {
    type Response = PauseAdapterResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        (ministry, reason): (AgencyKind, String),
    ) -> Result<(Change, PauseAdapterResponse), Error> {
        Ok((exchange.pause(ministry, Some(reason)), PauseAdapterResponse::default()))
    }
}

impl Read for ResumeAdapterRequest {
    type Input = AgencyKind;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<AgencyKind> {
        read_ministry(reading, self.ministry())?
    }
}

impl ChangeRequest for ResumeAdapterRequest {
    type Response = ResumeAdapterResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        ministry: AgencyKind,
    ) -> Result<(Change, ResumeAdapterResponse), Error> {
        Ok((exchange.pause(ministry, None), ResumeAdapterResponse::default()))
    }
}

/// A list of deliveries that is asked for.
pub(super) struct Wanted {
    filter: Filter,
    /// What a page token of the list is bound to.
    bound_to: [String; 2],
}

impl Read for ListDeliveriesRequest {
    type Input = Wanted;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Wanted> {
        let to = read_ministry(reading, self.ministry())?;
        let bound_to = [self.ministry.to_string(), self.state.to_string()];
        let last = page::after(&bound_to.each_ref().map(String::as_str), &self.page_token);
        let after = last.and_then(|last| {
            last.map(|last| last.parse()).transpose().map_err(|_| page::NotOfThisList)
        });
        let after = reading.take(Path::ROOT.field("page_token"), after)?;
        let limit = page::size(self.page_size, page::DEFAULT_SIZE);
        Some(Wanted {
            filter: Filter { to, state: read_state(self.state()), after, limit },
            bound_to,
        })
    }
}

impl DisclosureRequest for ListDeliveriesRequest {
    type Response = ListDeliveriesResponse;

    async fn answer(
        exchange: &Exchange,
        _: &Call,
        Wanted { filter, bound_to }: Wanted,
    ) -> Result<Disclosed<ListDeliveriesResponse>, Error> {
        let mut found = exchange.deliveries(&Filter { limit: filter.limit + 1, ..filter }).await?;
        let bound_to = bound_to.each_ref().map(String::as_str);
        let next_page_token =
            page::cut(&mut found, filter.limit, &bound_to, |last| last.id.to_string());
        let deliveries = found.iter().map(delivery).collect();
        let value = ListDeliveriesResponse { deliveries, next_page_token, receipt: None };
        Ok(Disclosed::read(value, Vec::new()))
    }
}

impl Read for ReplayDeliveriesRequest {
    type Input = Which;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Which> {
        let ministry = read_ministry(reading, self.ministry())?;
        match (self.delivery_ids.as_slice(), ministry) {
            ([], Some(ministry)) => Some(Which::To(ministry)),
            (ids @ [_, ..], None) => Some(Which::Ids(ids.to_vec())),
            _ => {
                let rule = Rule::new(
                    "EITHER_IDS_OR_MINISTRY",
                    "must be stated, or else a ministry, and not both",
                    "harus dinyatakan, atau kementerian, dan bukan keduanya",
                );
                reading.broken(Path::ROOT.field("delivery_ids"), rule);
                None
            }
        }
    }
}

impl ChangeRequest for ReplayDeliveriesRequest {
    type Response = ReplayDeliveriesResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        which: Which,
    ) -> Result<(Change, ReplayDeliveriesResponse), Error> {
        let (change, replayed) = exchange.replay(&which).await?;
        let response = ReplayDeliveriesResponse {
            replayed: replayed.count,
            remaining: replayed.remaining,
            receipt: None,
        };
        Ok((change, response))
    }
}

impl Read for DiscardDeliveryRequest {
    type Input = (u64, String);

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<(u64, String)> {
        Some((self.delivery_id, self.reason.trim().to_owned()))
    }
}

impl ChangeRequest for DiscardDeliveryRequest {
    type Response = DiscardDeliveryResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        (id, reason): (u64, String),
    ) -> Result<(Change, DiscardDeliveryResponse), Error> {
        Ok((exchange.discard(id, reason), DiscardDeliveryResponse::default()))
    }
}
