//! AgencyService: the life cycle of agencies.

use std::sync::Arc;

use desmigratif_core::agency::{AgencyId, AgencyStatus, Certificate};
use desmigratif_core::record::Stored;
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::admin::v1::agency_service_server::AgencyService;
use desmigratif_proto::admin::v1::{
    ActivateAgencyRequest, ActivateAgencyResponse, CreateAgencyRequest, CreateAgencyResponse,
    IssueCertificateRequest, IssueCertificateResponse, ListAgenciesRequest, ListAgenciesResponse,
    RegisterCertificateRequest, RegisterCertificateResponse, RemoveCertificateRequest,
    RemoveCertificateResponse, RetireAgencyRequest, RetireAgencyResponse, SuspendAgencyRequest,
    SuspendAgencyResponse,
};
use tonic::{Request, Response, Status};

use super::flow::{ChangeRequest, DisclosureRequest, Read, change, disclose, receipted};
use super::page;
use super::reading::Reading;
use super::wire;
use crate::access::Directory;
use crate::access::issuer::{self, Issued};
use crate::exchange::{Call, Change, Disclosed, Error, Exchange};

mod convert;

receipted!(
    ListAgenciesResponse,
    CreateAgencyResponse,
    SuspendAgencyResponse,
    ActivateAgencyResponse,
    RetireAgencyResponse,
    IssueCertificateResponse,
    RegisterCertificateResponse,
    RemoveCertificateResponse
);

/// The service.
pub(super) struct Agencies {
    pub(super) exchange: Arc<Exchange>,
    /// Who is registered, as the edge asks.
    pub(super) directory: Arc<Directory>,
}

impl Agencies {
    /// Makes a change, and lets it hold from the next call on. When the directory cannot be read
    /// now, the change still stands: the directory is read again every few seconds.
    async fn change<Q: ChangeRequest>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<Q::Response>, Status> {
        let answer = change(&self.exchange, request).await?;
        if let Err(error) = self.directory.refresh(self.exchange.store.as_ref()).await {
            tracing::warn!(%error, "the directory of agencies is read again later");
        }
        Ok(answer)
    }
}

#[tonic::async_trait]
impl AgencyService for Agencies {
    async fn list_agencies(
        &self,
        request: Request<ListAgenciesRequest>,
    ) -> Result<Response<ListAgenciesResponse>, Status> {
        disclose(&self.exchange, request).await
    }

    async fn create_agency(
        &self,
        request: Request<CreateAgencyRequest>,
    ) -> Result<Response<CreateAgencyResponse>, Status> {
        self.change(request).await
    }

    async fn suspend_agency(
        &self,
        request: Request<SuspendAgencyRequest>,
    ) -> Result<Response<SuspendAgencyResponse>, Status> {
        self.change(request).await
    }

    async fn activate_agency(
        &self,
        request: Request<ActivateAgencyRequest>,
    ) -> Result<Response<ActivateAgencyResponse>, Status> {
        self.change(request).await
    }

    async fn retire_agency(
        &self,
        request: Request<RetireAgencyRequest>,
    ) -> Result<Response<RetireAgencyResponse>, Status> {
        self.change(request).await
    }

    async fn issue_certificate(
        &self,
        request: Request<IssueCertificateRequest>,
    ) -> Result<Response<IssueCertificateResponse>, Status> {
        self.change(request).await
    }

    async fn register_certificate(
        &self,
        request: Request<RegisterCertificateRequest>,
    ) -> Result<Response<RegisterCertificateResponse>, Status> {
        self.change(request).await
    }

    async fn remove_certificate(
        &self,
        request: Request<RemoveCertificateRequest>,
    ) -> Result<Response<RemoveCertificateResponse>, Status> {
        self.change(request).await
    }
}

/// The list has no filters that a token could belong to.
const NO_FILTERS: &[&str] = &["agencies"];

/// A page of the list.
pub(super) struct Page {
    after: Option<String>,
    limit: u32,
}

impl Read for ListAgenciesRequest {
    type Input = Page;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Page> {
        let after = page::after(NO_FILTERS, &self.page_token);
        let after = reading.take(Path::ROOT.field("page_token"), after)?;
        Some(Page { after, limit: page::size(self.page_size, page::DEFAULT_SIZE) })
    }
}

impl DisclosureRequest for ListAgenciesRequest {
    type Response = ListAgenciesResponse;

    async fn answer(
        exchange: &Exchange,
        _: &Call,
        Page { after, limit }: Page,
    ) -> Result<Disclosed<ListAgenciesResponse>, Error> {
        let mut found = exchange.agencies(after, limit + 1).await?;
        let id = |last: &Stored| last.record.key().id;
        let next_page_token = page::cut(&mut found, limit, NO_FILTERS, id);
        let agencies = found.iter().filter_map(convert::agency).collect();
        let value = ListAgenciesResponse { agencies, next_page_token, receipt: None };
        Ok(Disclosed::read(value, Vec::new()))
    }
}

impl Read for CreateAgencyRequest {
    type Input = desmigratif_core::agency::Agency;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Self::Input> {
        convert::read_agency(reading, Path::ROOT.field("agency"), self.agency.as_ref()?)
    }
}

impl ChangeRequest for CreateAgencyRequest {
    type Response = CreateAgencyResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        agency: Self::Input,
    ) -> Result<(Change, CreateAgencyResponse), Error> {
        Ok((exchange.create_agency(agency).await?, CreateAgencyResponse::default()))
    }
}

/// The three changes of status, which differ in nothing else.
macro_rules! changes_status {
    ($($request:ident, $response:ident => $status:ident;)*) => {$(
        impl Read for $request {
            type Input = AgencyId;

            fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<AgencyId> {
                wire::read_agency_id(reading, Path::ROOT.field("agency_id"), &self.agency_id)
            }
        }

        impl ChangeRequest for $request {
            type Response = $response;

            fn request_id(&self) -> &str {
                &self.request_id
            }

            async fn decide(
                exchange: &Exchange,
                call: &Call,
                id: AgencyId,
            ) -> Result<(Change, $response), Error> {
                let change =
                    exchange.set_agency_status(call, &id, AgencyStatus::$status).await?;
                Ok((change, $response::default()))
            }
        }
    )*};
}

changes_status! {
    SuspendAgencyRequest, SuspendAgencyResponse => Suspended;
    ActivateAgencyRequest, ActivateAgencyResponse => Active;
    RetireAgencyRequest, RetireAgencyResponse => Retired;
}

impl Read for IssueCertificateRequest {
    type Input = (AgencyId, Result<Issued, Error>);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let id = wire::read_agency_id(reading, Path::ROOT.field("agency_id"), &self.agency_id)?;
        let Some(authority) = &exchange.authority else {
            return Some((id, Err(Error::IssuerAbsent)));
        };
        let issued = match authority.issue(&id, &self.signing_request_pem, exchange.clock.now()) {
            Ok(issued) => Ok(issued),
            Err(issuer::Error::Authority(error)) => Err(Error::Internal(error.to_string())),
            Err(_) => {
                let rule = Rule::new(
                    "SIGNING_REQUEST_INVALID",
                    "must be a signing request (PKCS #10, PEM) signed with its own key",
                    "harus permintaan penandatanganan (PKCS #10, PEM) yang ditandatangani kuncinya sendiri",
                );
                reading.broken(Path::ROOT.field("signing_request_pem"), rule);
                return None;
            }
        };
        Some((id, issued))
    }
}

impl ChangeRequest for IssueCertificateRequest {
    type Response = IssueCertificateResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        (id, issued): Self::Input,
    ) -> Result<(Change, IssueCertificateResponse), Error> {
        let Issued { pem, certificate } = issued?;
        let shown = convert::certificate(&certificate);
        let change = exchange.register_certificate(&id, certificate).await?;
        let response = IssueCertificateResponse {
            certificate_pem: pem,
            certificate: Some(shown),
            receipt: None,
        };
        Ok((change, response))
    }
}

impl Read for RegisterCertificateRequest {
    type Input = (AgencyId, Certificate);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let id = wire::read_agency_id(reading, Path::ROOT.field("agency_id"), &self.agency_id)?;
        let read = issuer::registrable(&id, &self.certificate_pem, &exchange.trust_domain);
        let rule = Rule::new(
            "CERTIFICATE_INVALID",
            "must be a client certificate (PEM) whose one URI names the agency",
            "harus sertifikat klien (PEM) dengan satu URI yang menyebut instansi itu",
        );
        let read = reading.take(Path::ROOT.field("certificate_pem"), read.map_err(|_| rule))?;
        Some((id, read.certificate))
    }
}

impl ChangeRequest for RegisterCertificateRequest {
    type Response = RegisterCertificateResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        (id, certificate): (AgencyId, Certificate),
    ) -> Result<(Change, RegisterCertificateResponse), Error> {
        let shown = Some(convert::certificate(&certificate));
        let change = exchange.register_certificate(&id, certificate).await?;
        Ok((change, RegisterCertificateResponse { certificate: shown, receipt: None }))
    }
}

impl Read for RemoveCertificateRequest {
    type Input = (AgencyId, String);

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Self::Input> {
        let id = wire::read_agency_id(reading, Path::ROOT.field("agency_id"), &self.agency_id)?;
        Some((id, self.certificate_sha256.clone()))
    }
}

impl ChangeRequest for RemoveCertificateRequest {
    type Response = RemoveCertificateResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        (id, sha256): (AgencyId, String),
    ) -> Result<(Change, RemoveCertificateResponse), Error> {
        let change = exchange.remove_certificate(&id, &sha256).await?;
        Ok((change, RemoveCertificateResponse::default()))
    }
}
