//! AuditService: what a person may demand of the exchange.

use std::sync::Arc;

use desmigratif_core::nik::Nik;
use desmigratif_proto::Path;
use desmigratif_proto::audit::v1::audit_service_server::AuditService;
use desmigratif_proto::audit::v1::{EraseSubjectRequest, EraseSubjectResponse};
use tonic::{Request, Response, Status};

use super::flow::{ChangeRequest, Read, change, receipted};
use super::reading::Reading;
use crate::exchange::{Call, Change, Error, Exchange};

receipted!(EraseSubjectResponse);

/// The service.
pub(super) struct Audit(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl AuditService for Audit {
    async fn erase_subject(
        &self,
        request: Request<EraseSubjectRequest>,
    ) -> Result<Response<EraseSubjectResponse>, Status> {
        change(&self.0, request).await
    }
}

impl Read for EraseSubjectRequest {
    type Input = Nik;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Nik> {
        // Whether its region is known does not matter to an erasure.
        reading.take(Path::ROOT.field("nik"), Nik::parse(&self.nik))
    }
}

impl ChangeRequest for EraseSubjectRequest {
    type Response = EraseSubjectResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        nik: Nik,
    ) -> Result<(Change, EraseSubjectResponse), Error> {
        Ok((exchange.erase(&nik), EraseSubjectResponse::default()))
    }
}
