//! Kemnaker's system: the connector, as a ministry without an interface of its own runs it.
//!
//! It is the contract's server and no model of Kemnaker's rules: what is delivered is kept as long
//! as the process lives, the highest version of each record, and counted.
//!
//! Invariant: a key has at most one effect, whatever is delivered under it and however often.

mod records;
#[cfg(test)]
mod tests;
mod tls;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::region::VillageCode;
use desmigratif_proto::Validate as _;
use desmigratif_proto::connector::v1::connector_service_server::{
    ConnectorService, ConnectorServiceServer,
};
use desmigratif_proto::connector::v1::{
    DeliverRequest, DeliverResponse, LookupRequest, LookupResponse, lookup_request, lookup_response,
};
use http::header::CONTENT_TYPE;
use std::time::Duration;
use tokio_stream::StreamExt as _;
use tonic::service::Routes;
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use self::records::Taken;
use crate::fault::{Fault, Switch};
use crate::ledger::Ledger;
use crate::world::World;

pub use records::{Arrival, Records};
pub use tls::server_config;

/// The ministry that the connector is of.
const MINISTRY: AgencyKind = AgencyKind::Kemnaker;

/// The connector's service.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) world: World,
    pub(crate) switch: Switch,
    pub(crate) ledger: Ledger,
    pub(crate) records: Records,
}

impl Service {
    pub(crate) fn routes(self) -> Router {
        Routes::new(ConnectorServiceServer::new(self)).into_axum_router()
    }

    /// The faults in force that belong to the protocol.
    fn refusal(&self) -> Result<(), Status> {
        match self.switch.get(MINISTRY) {
            Some(Fault::Quota) => Err(Status::resource_exhausted("the day's calls are used up")),
            Some(Fault::TokenExpired) => Err(Status::unauthenticated("the gateway is not known")),
            _ => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl ConnectorService for Service {
    async fn deliver(
        &self,
        request: Request<DeliverRequest>,
    ) -> Result<tonic::Response<DeliverResponse>, Status> {
        self.refusal()?;
        let request = request.into_inner();
        request.validate().map_err(|_| Status::invalid_argument("a field breaks its rule"))?;
        let taken = self
            .records
            .take(&request)
            .ok_or_else(|| Status::invalid_argument("the content is missing"))?;
        if taken == Taken::Effect {
            self.ledger.took_effect(MINISTRY, &request.delivery_key);
        }
        Ok(tonic::Response::new(DeliverResponse { repeated_key: taken == Taken::Repeated }))
    }

    async fn lookup(
        &self,
        request: Request<LookupRequest>,
    ) -> Result<tonic::Response<LookupResponse>, Status> {
        self.refusal()?;
        let request = request.into_inner();
        request.validate().map_err(|_| Status::invalid_argument("a field breaks its rule"))?;
        let Some(lookup_request::Question::Workforce(question)) = request.question else {
            return Err(Status::unimplemented("not a question that is answered here"));
        };
        let village = VillageCode::parse(&question.village_code)
            .ok()
            .filter(|code| self.world.gazetteer().village(*code).is_some())
            .ok_or_else(|| Status::not_found("no village of the decree in force"))?;
        let answer = lookup_response::Answer::Workforce(self.records.workforce(village));
        Ok(tonic::Response::new(LookupResponse { answer: Some(answer) }))
    }
}

/// What a fault in force answers over gRPC; `None` for a fault that is the same over any HTTP.
pub(crate) fn spoilt(fault: Fault) -> Option<Response> {
    Some(match fault {
        Fault::Http500 => Status::internal("something is wrong here").into_http(),
        Fault::Http429 { retry_after } => Status::with_error_details(
            Code::ResourceExhausted,
            "too many calls",
            ErrorDetails::with_retry_info(Some(retry_after)),
        )
        .into_http(),
        // A frame of three bytes, whose one field would be longer than the frame.
        Fault::Garbage => grpc(Body::from(&b"\0\0\0\0\x03\x0a\x7f\x01"[..])),
        Fault::Endless => {
            const BLANKS: &[u8] = &[b' '; 16 * 1024];
            // A frame said to be of 4 GiB, at 16 MB/s at the most.
            let blanks = tokio_stream::iter(std::iter::repeat(BLANKS));
            let body = tokio_stream::once(&b"\0\xff\xff\xff\xff"[..])
                .chain(blanks.throttle(Duration::from_millis(1)));
            grpc(Body::from_stream(body.map(Ok::<_, std::convert::Infallible>)))
        }
        Fault::Latency(_)
        | Fault::Drip
        | Fault::Html
        | Fault::Reset
        | Fault::TokenExpired
        | Fault::Quota
        | Fault::Down
        | Fault::LostAnswer => return None,
    })
}

fn grpc(body: Body) -> Response {
    let mut response = Response::new(body);
    let content = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}
