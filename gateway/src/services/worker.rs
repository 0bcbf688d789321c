//! WorkerService: migrant workers and their families.

mod convert;

use std::sync::Arc;

use desmigratif_adapters::connector::wire as records;
use desmigratif_core::nik::Nik;
use desmigratif_core::stage::Stage;
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::worker::v1 as wire_v1;
use desmigratif_proto::worker::v1::register_workers_response::Answer;
use desmigratif_proto::worker::v1::worker_service_server::WorkerService;
use desmigratif_proto::worker::v1::{
    AddFamilyMemberRequest, AddFamilyMemberResponse, AdvanceStageRequest, AdvanceStageResponse,
    GetWorkerRequest, GetWorkerResponse, ListFamilyMembersRequest, ListFamilyMembersResponse,
    ListWorkersRequest, ListWorkersResponse, LookupWorkerRequest, LookupWorkerResponse,
    RegisterWorkerRequest, RegisterWorkerResponse, RegisterWorkersRequest, RegisterWorkersResponse,
    UpdateWorkerRequest, UpdateWorkerResponse,
};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::flow::{ChangeRequest, DisclosureRequest, Read, change, disclose, receipted};
use super::reading::Reading;
use super::stream::{Items, StreamItem, change_stream};
use super::{page, wire};
use crate::exchange::{
    Call, Change, Disclosed, Error, Exchange, NewFamilyMember, NewWorker, WorkerField, WorkerFilter,
};

receipted!(
    GetWorkerResponse, LookupWorkerResponse, ListWorkersResponse, AdvanceStageResponse,
    ListFamilyMembersResponse;
    warned: RegisterWorkerResponse, UpdateWorkerResponse, AddFamilyMemberResponse
);

/// The service.
pub(super) struct Workers(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl WorkerService for Workers {
    async fn register_worker(
        &self,
        request: Request<RegisterWorkerRequest>,
    ) -> Result<Response<RegisterWorkerResponse>, Status> {
        change(&self.0, request).await
    }

    type RegisterWorkersStream = Items<RegisterWorkersResponse>;

    async fn register_workers(
        &self,
        request: Request<Streaming<RegisterWorkersRequest>>,
    ) -> Result<Response<Self::RegisterWorkersStream>, Status> {
        change_stream(&self.0, request)
    }

    async fn get_worker(
        &self,
        request: Request<GetWorkerRequest>,
    ) -> Result<Response<GetWorkerResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn lookup_worker(
        &self,
        request: Request<LookupWorkerRequest>,
    ) -> Result<Response<LookupWorkerResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        disclose(&self.0, request).await
    }

    async fn update_worker(
        &self,
        request: Request<UpdateWorkerRequest>,
    ) -> Result<Response<UpdateWorkerResponse>, Status> {
        change(&self.0, request).await
    }

    async fn advance_stage(
        &self,
        request: Request<AdvanceStageRequest>,
    ) -> Result<Response<AdvanceStageResponse>, Status> {
        change(&self.0, request).await
    }

    async fn add_family_member(
        &self,
        request: Request<AddFamilyMemberRequest>,
    ) -> Result<Response<AddFamilyMemberResponse>, Status> {
        change(&self.0, request).await
    }

    async fn list_family_members(
        &self,
        request: Request<ListFamilyMembersRequest>,
    ) -> Result<Response<ListFamilyMembersResponse>, Status> {
        disclose(&self.0, request).await
    }
}

impl StreamItem for RegisterWorkersRequest {
    type Request = RegisterWorkerRequest;
    type Answer = RegisterWorkersResponse;

    // A crowd that a commit is worth being shared by.
    const AT_ONCE: usize = 64;

    fn into_request(self) -> RegisterWorkerRequest {
        self.item.unwrap_or_default()
    }

    fn line(request: &RegisterWorkerRequest) -> Option<&str> {
        Some(&request.worker.as_ref()?.nik)
    }

    fn answer(
        request_id: String,
        outcome: Result<RegisterWorkerResponse, super::Failure>,
    ) -> RegisterWorkersResponse {
        let answer = match outcome {
            Ok(result) => Answer::Result(result),
            Err(failure) => Answer::Error(failure.into_item_error()),
        };
        RegisterWorkersResponse { request_id, answer: Some(answer) }
    }
}

impl Read for RegisterWorkerRequest {
    type Input = NewWorker;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<NewWorker> {
        let root = Path::ROOT;
        convert::new_worker(reading, root.field("worker"), self.worker.as_ref()?, exchange)
    }
}

impl ChangeRequest for RegisterWorkerRequest {
    type Response = RegisterWorkerResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    fn validate_only(&self) -> bool {
        self.validate_only
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        new: NewWorker,
    ) -> Result<(Change, RegisterWorkerResponse), Error> {
        let (change, id) = exchange.register_worker(call, new).await?;
        let response = RegisterWorkerResponse {
            worker_id: id.to_string(),
            etag: "1".into(),
            stage: wire_v1::Stage::Prospective.into(),
            ..RegisterWorkerResponse::default()
        };
        Ok((change, response))
    }
}

impl Read for GetWorkerRequest {
    type Input = Uuid;

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<Uuid> {
        Uuid::parse_str(&self.worker_id).ok()
    }
}

impl DisclosureRequest for GetWorkerRequest {
    type Response = GetWorkerResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        id: Uuid,
    ) -> Result<Disclosed<GetWorkerResponse>, Error> {
        let Disclosed { value, subjects, .. } = exchange.worker(call, id).await?;
        let worker = Some(convert::worker(&value)?);
        Ok(Disclosed::read(GetWorkerResponse { worker, receipt: None }, subjects))
    }
}

impl Read for LookupWorkerRequest {
    type Input = Nik;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Nik> {
        reading.take(Path::ROOT.field("nik"), Nik::parse(&self.nik))
    }
}

impl DisclosureRequest for LookupWorkerRequest {
    type Response = LookupWorkerResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        nik: Nik,
    ) -> Result<Disclosed<LookupWorkerResponse>, Error> {
        let Disclosed { value, subjects, .. } = exchange.worker_by_nik(call, &nik).await?;
        let worker = Some(convert::worker(&value)?);
        Ok(Disclosed::read(LookupWorkerResponse { worker, receipt: None }, subjects))
    }
}

impl Read for ListWorkersRequest {
    type Input = (WorkerFilter, String);

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Self::Input> {
        let place = wire::read_place(reading, Path::ROOT.field("region_code"), &self.region_code)?;
        let stage = self.stage().as_str_name();
        let after = page::after(&[&place, stage], &self.page_token);
        let after = reading.take(Path::ROOT.field("page_token"), after)?;
        let filter = WorkerFilter {
            place,
            stage: convert::read_stage(self.stage()),
            after,
            limit: page::size(self.page_size, page::DEFAULT_SIZE),
        };
        Some((filter, stage.to_owned()))
    }
}

impl DisclosureRequest for ListWorkersRequest {
    type Response = ListWorkersResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        (filter, stage): (WorkerFilter, String),
    ) -> Result<Disclosed<ListWorkersResponse>, Error> {
        let (place, full) = (filter.place.clone(), filter.limit as usize);
        let Disclosed { value, subjects, .. } = exchange.workers(call, filter).await?;
        let next_page_token = match value.last() {
            Some(last) if value.len() == full => {
                page::token(&[&place, &stage], &last.record.key().id)
            }
            _ => String::new(),
        };
        let workers = value.iter().map(convert::worker).collect::<Result<_, _>>()?;
        let value = ListWorkersResponse { workers, next_page_token, receipt: None };
        Ok(Disclosed::read(value, subjects))
    }
}

impl Read for UpdateWorkerRequest {
    type Input = (Uuid, Option<u64>, Vec<WorkerField>);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let id = Uuid::parse_str(&self.worker_id).ok();
        let (details, mask) = (self.worker.as_ref()?, self.update_mask.as_ref()?);
        let at = Path::ROOT;
        let at = at.field("worker");
        // The contract's rules for whole details do not hold for fields outside the mask.
        reading.forget_outside("worker.", &mask.paths);
        let mut read = |path: &String| convert::field(reading, at, details, path, exchange);
        let fields: Vec<_> = mask.paths.iter().map(&mut read).collect();
        let fields: Option<Vec<_>> = fields.into_iter().collect();
        if mask.paths.is_empty() {
            let rule = Rule::new(
                "UPDATE_MASK_EMPTY",
                "must name at least one field",
                "harus menyebut sedikitnya satu isian",
            );
            reading.broken(Path::ROOT.field("update_mask"), rule);
        }
        Some((id?, wire::read_etag(&self.etag), fields?))
    }
}

impl ChangeRequest for UpdateWorkerRequest {
    type Response = UpdateWorkerResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (id, etag, fields): Self::Input,
    ) -> Result<(Change, UpdateWorkerResponse), Error> {
        let (change, version) = exchange.update_worker(call, id, etag, fields).await?;
        let response =
            UpdateWorkerResponse { etag: version.to_string(), ..UpdateWorkerResponse::default() };
        Ok((change, response))
    }
}

impl Read for AdvanceStageRequest {
    type Input = (Uuid, Option<u64>, Stage);

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<Self::Input> {
        let id = Uuid::parse_str(&self.worker_id).ok()?;
        Some((id, wire::read_etag(&self.etag), convert::read_stage(self.target())?))
    }
}

impl ChangeRequest for AdvanceStageRequest {
    type Response = AdvanceStageResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (id, etag, target): Self::Input,
    ) -> Result<(Change, AdvanceStageResponse), Error> {
        let (change, version) = exchange.advance_stage(call, id, etag, target).await?;
        let response = AdvanceStageResponse {
            stage: wire::stage(target).into(),
            etag: version.to_string(),
            receipt: None,
        };
        Ok((change, response))
    }
}

impl Read for AddFamilyMemberRequest {
    type Input = (Uuid, NewFamilyMember);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let root = Path::ROOT;
        let at = root.field("member");
        let member = convert::new_family_member(reading, at, self.member.as_ref()?, exchange);
        Some((Uuid::parse_str(&self.worker_id).ok()?, member?))
    }
}

impl ChangeRequest for AddFamilyMemberRequest {
    type Response = AddFamilyMemberResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (worker_id, member): Self::Input,
    ) -> Result<(Change, AddFamilyMemberResponse), Error> {
        let (change, id) = exchange.add_family_member(call, worker_id, member).await?;
        let response = AddFamilyMemberResponse {
            family_member_id: id.to_string(),
            ..AddFamilyMemberResponse::default()
        };
        Ok((change, response))
    }
}

impl Read for ListFamilyMembersRequest {
    type Input = Uuid;

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<Uuid> {
        Uuid::parse_str(&self.worker_id).ok()
    }
}

impl DisclosureRequest for ListFamilyMembersRequest {
    type Response = ListFamilyMembersResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        worker_id: Uuid,
    ) -> Result<Disclosed<ListFamilyMembersResponse>, Error> {
        let Disclosed { value, subjects, .. } = exchange.family(call, worker_id).await?;
        let members = value.iter().map(records::family_member).collect();
        Ok(Disclosed::read(ListFamilyMembersResponse { members, receipt: None }, subjects))
    }
}
