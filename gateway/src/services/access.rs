//! AccessService: what an agency may know about itself.

use std::sync::Arc;

use desmigratif_core::region::RegionCode;
use desmigratif_proto::access::v1::access_service_server::AccessService;
use desmigratif_proto::access::v1::{
    Limits, LimitsLeft, PurposeGrant, WhoAmIRequest, WhoAmIResponse,
};
use tonic::{Request, Response, Status};

use super::flow::permit;
use super::wire;
use crate::access::{PeerIdentity, Policy};
use crate::exchange::Exchange;

/// The service.
pub(super) struct Standing {
    pub(super) exchange: Arc<Exchange>,
    pub(super) policy: Arc<Policy>,
}

#[tonic::async_trait]
impl AccessService for Standing {
    async fn who_am_i(
        &self,
        request: Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        let permit = permit(&request)?;
        let agency = permit.agency();
        let limits = self.exchange.limits.of(&agency.id);
        let (allowance, left) = (limits.allowance(), limits.left());
        let certificate = request.extensions().get::<PeerIdentity>();
        let grants = agency.purposes.iter().filter_map(|purpose| {
            let grant = self.policy.grant(agency, *purpose)?;
            Some(PurposeGrant {
                purpose: wire::purpose(*purpose).into(),
                metadata_value: purpose.as_str().to_owned(),
                data_classes: wire::class_set(grant.classes).iter().map(Into::into).collect(),
                methods: grant
                    .methods
                    .iter()
                    .map(|it| it.path.trim_start_matches('/').to_owned())
                    .collect(),
            })
        });
        Ok(Response::new(WhoAmIResponse {
            agency_id: agency.id.to_string(),
            kind: wire::agency_kind(agency.kind).into(),
            name: agency.name.clone(),
            region_code: agency.region.as_ref().map(RegionCode::to_string).unwrap_or_default(),
            facility_id: agency.facility.clone().unwrap_or_default(),
            purposes: grants.collect(),
            certificate_sha256: certificate
                .map(|it| hex::encode(it.fingerprint_sha256))
                .unwrap_or_default(),
            certificate_expires_at: certificate.map(|it| wire::timestamp(it.not_after)),
            limits: Some(Limits {
                requests_per_second: allowance.calls_per_second.get(),
                burst: allowance.burst.get(),
                concurrent_calls: allowance.concurrent_calls,
                subjects_per_hour: allowance.subjects_per_hour,
                bytes_per_minute: allowance.bytes_per_minute.get(),
                feeds: allowance.feeds,
            }),
            limits_left: Some(LimitsLeft {
                concurrent_calls: left.concurrent_calls,
                subjects: left.subjects,
            }),
            server_time: Some(wire::timestamp(self.exchange.clock.now())),
        }))
    }
}
