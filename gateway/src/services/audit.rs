//! AuditService: the journal as evidence, its witnesses, and what a person may demand of the
//! exchange.

use std::sync::Arc;

use desmigratif_core::nik::Nik;
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::audit::v1::audit_service_server::AuditService;
use desmigratif_proto::audit::v1::{
    AddCosignatureRequest, AddCosignatureResponse, EndWithholdingRequest, EndWithholdingResponse,
    EraseSubjectRequest, EraseSubjectResponse, GetCheckpointRequest, GetCheckpointResponse,
    GetConsistencyProofRequest, GetConsistencyProofResponse, GetEntryRequest, GetEntryResponse,
    GetInclusionProofRequest, GetInclusionProofResponse, ListDisclosuresRequest,
    ListDisclosuresResponse, ListWithholdingsRequest, ListWithholdingsResponse,
    ReportBreachRequest, ReportBreachResponse, WithholdDisclosuresRequest,
    WithholdDisclosuresResponse,
};
use tonic::{Request, Response, Status};

use super::Failure;
use super::flow::{ChangeRequest, Read, change, disclose, permit, read, receipted};
use super::reading::Reading;
use crate::audit::Log;
use crate::exchange::{Call, Change, Error, Exchange};

mod entry;
mod proofs;
mod trail;
mod withholdings;

use proofs::failed;

receipted!(EraseSubjectResponse);

/// The service.
pub(super) struct Audit {
    pub(super) exchange: Arc<Exchange>,
    pub(super) log: Arc<Log>,
}

#[tonic::async_trait]
impl AuditService for Audit {
    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let GetCheckpointRequest { size, witnessed, timestamped } = request.into_inner();
        let checkpoint = if timestamped {
            self.log.timestamped(size).await.map_err(failed)?
        } else if witnessed {
            let last = self.log.witnessed().await.map_err(failed)?;
            last.filter(|it| it.size >= size)
        } else {
            self.log.checkpoint(Some(size).filter(|size| *size > 0)).await.map_err(failed)?
        };
        let checkpoint = checkpoint.ok_or(Failure::Exchange(Error::NoSuchEntry))?;
        Ok(Response::new(GetCheckpointResponse {
            witnessing: Some(proofs::witnessing(&self.log, &checkpoint)?),
            checkpoint: Some(proofs::checkpoint(&self.log, checkpoint).await?),
            successions: self.log.successions().await.map_err(failed)?,
            verifying_keys: self.log.verifying_keys().iter().map(ToString::to_string).collect(),
        }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        let GetInclusionProofRequest { index, size } = request.into_inner();
        let least = if size > 0 { size } else { index.saturating_add(1) };
        let checkpoint = self.log.checkpoint(Some(least)).await.map_err(failed)?;
        let checkpoint = checkpoint.filter(|it| size == 0 || it.size == size);
        let size = checkpoint.as_ref().map_or(size, |checkpoint| checkpoint.size);
        let proof = self.log.tree().prove_inclusion(size, index).await.map_err(failed)?;
        let checkpoint = match checkpoint {
            Some(checkpoint) => Some(proofs::checkpoint(&self.log, checkpoint).await?),
            None => None,
        };
        Ok(Response::new(GetInclusionProofResponse {
            hashes: proofs::hashes(proof),
            size,
            checkpoint,
        }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        let GetConsistencyProofRequest { earlier_size, size } =
            read(&self.exchange, request.get_ref())?;
        // The tiles reach as far as the last checkpoint.
        self.log.checkpoint(Some(size)).await.map_err(failed)?;
        let proof = self.log.tree().prove_consistency(size, earlier_size).await.map_err(failed)?;
        Ok(Response::new(GetConsistencyProofResponse { hashes: proofs::hashes(proof) }))
    }

    async fn get_entry(
        &self,
        request: Request<GetEntryRequest>,
    ) -> Result<Response<GetEntryResponse>, Status> {
        disclose(&self.exchange, request).await
    }

    async fn add_cosignature(
        &self,
        request: Request<AddCosignatureRequest>,
    ) -> Result<Response<AddCosignatureResponse>, Status> {
        let by = permit(&request)?.agency().id.clone();
        let AddCosignatureRequest { size, cosignature } = read(&self.exchange, request.get_ref())?;
        let added = self.log.add_cosignature(size, &cosignature).await;
        let checkpoint = added.map_err(|error| {
            tracing::warn!(%error, size, agency = by.as_str(), "cosignature not added");
            proofs::not_added(error)
        })?;
        let witnessing = Some(proofs::witnessing(&self.log, &checkpoint)?);
        Ok(Response::new(AddCosignatureResponse { witnessing }))
    }

    async fn erase_subject(
        &self,
        request: Request<EraseSubjectRequest>,
    ) -> Result<Response<EraseSubjectResponse>, Status> {
        change(&self.exchange, request).await
    }

    async fn list_disclosures(
        &self,
        request: Request<ListDisclosuresRequest>,
    ) -> Result<Response<ListDisclosuresResponse>, Status> {
        disclose(&self.exchange, request).await
    }

    async fn withhold_disclosures(
        &self,
        request: Request<WithholdDisclosuresRequest>,
    ) -> Result<Response<WithholdDisclosuresResponse>, Status> {
        change(&self.exchange, request).await
    }

    async fn end_withholding(
        &self,
        request: Request<EndWithholdingRequest>,
    ) -> Result<Response<EndWithholdingResponse>, Status> {
        change(&self.exchange, request).await
    }

    async fn list_withholdings(
        &self,
        request: Request<ListWithholdingsRequest>,
    ) -> Result<Response<ListWithholdingsResponse>, Status> {
        disclose(&self.exchange, request).await
    }

    async fn report_breach(
        &self,
        request: Request<ReportBreachRequest>,
    ) -> Result<Response<ReportBreachResponse>, Status> {
        disclose(&self.exchange, request).await
    }
}

impl Read for GetConsistencyProofRequest {
    type Input = Self;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Self> {
        if self.earlier_size > self.size {
            let rule = Rule::new(
                "SIZES_REVERSED",
                "must be at least earlier_size",
                "harus sekurang-kurangnya earlier_size",
            );
            reading.broken(Path::ROOT.field("size"), rule);
            return None;
        }
        Some(*self)
    }
}

impl Read for AddCosignatureRequest {
    type Input = Self;

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<Self> {
        // What it says is for the log to verify.
        Some(self.clone())
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
