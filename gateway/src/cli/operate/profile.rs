//! An operator's profile: where the gateway is, whom to trust there, and as whom to ask.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use desmigratif_core::access::Purpose;
use desmigratif_proto::admin::v1::admin_service_client::AdminServiceClient;
use desmigratif_proto::admin::v1::agency_service_client::AgencyServiceClient;
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::programme::v1::coverage_service_client::CoverageServiceClient;
use desmigratif_proto::programme::v1::sector_map_service_client::SectorMapServiceClient;
use serde::{Deserialize, Serialize};
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use super::super::Failure;

/// A profile. Relative paths are relative to its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Profile {
    /// Address for agencies, as the gateway prints it.
    pub(in crate::cli) gateway: SocketAddr,
    /// The name in the gateway's certificate.
    pub(in crate::cli) server_name: String,
    /// The authority of that certificate, PEM.
    pub(in crate::cli) ca: PathBuf,
    /// The operator's certificate, PEM.
    pub(in crate::cli) certificate: PathBuf,
    /// Its private key, PEM.
    pub(in crate::cli) key: PathBuf,
    /// The admin endpoint of the sandbox beside the gateway, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) sandbox: Option<SocketAddr>,
}

/// A channel whose calls state why the operator asks.
pub(in crate::cli) type Calls = InterceptedService<Channel, Stating>;

/// States the operator's purpose on every call.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Stating(Purpose);

impl Interceptor for Stating {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let purpose = MetadataValue::from_static(self.0.as_str());
        request.metadata_mut().insert("desmigratif-purpose", purpose);
        Ok(request)
    }
}

impl Profile {
    /// Reads a profile.
    pub(in crate::cli) fn read(path: &Path) -> Result<Self, Failure> {
        let read = || -> anyhow::Result<Self> {
            let mut profile: Self = toml::from_str(&std::fs::read_to_string(path)?)?;
            let folder = path.parent().unwrap_or(Path::new("."));
            for path in [&mut profile.ca, &mut profile.certificate, &mut profile.key] {
                *path = folder.join(&*path);
            }
            Ok(profile)
        };
        read().map_err(|error| {
            let error = format!("{error:#}").trim_end().replace('\n', " ");
            Failure::Usage(format!(
                "cannot use the profile {}: {error}; name one with --profile, or run `desmigratif dev`, which writes one",
                path.display()
            ))
        })
    }

    /// The profile of an agency whose certificate lies beside this one's, as `dev` lays them.
    pub(in crate::cli) fn as_agency(&self, agency: &str) -> Self {
        let beside = |name: String| self.certificate.with_file_name(name);
        Self {
            certificate: beside(format!("{agency}.pem")),
            key: beside(format!("{agency}-key.pem")),
            ..self.clone()
        }
    }

    /// Connects to the gateway.
    pub(in crate::cli) async fn channel(&self) -> Result<Channel, Failure> {
        let connect = async || -> anyhow::Result<Channel> {
            let read = |path: &Path| {
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
            };
            let tls = ClientTlsConfig::new()
                .domain_name(&self.server_name)
                .ca_certificate(Certificate::from_pem(read(&self.ca)?))
                .identity(Identity::from_pem(read(&self.certificate)?, read(&self.key)?));
            let endpoint = Endpoint::from_shared(format!("https://{}", self.gateway))?;
            Ok(endpoint.tls_config(tls)?.connect().await?)
        };
        connect().await.map_err(|error| {
            Failure::of(&format!("cannot connect to the gateway at {}", self.gateway), error)
        })
    }

    /// A channel whose calls are made for a purpose.
    pub(in crate::cli) async fn calls(&self, purpose: Purpose) -> Result<Calls, Failure> {
        Ok(InterceptedService::new(self.channel().await?, Stating(purpose)))
    }

    /// A client of AgencyService.
    pub(super) async fn agencies(&self) -> Result<AgencyServiceClient<Calls>, Failure> {
        Ok(AgencyServiceClient::new(self.calls(Purpose::Operations).await?))
    }

    /// A client of AuditService.
    pub(in crate::cli) async fn audit(
        &self,
        purpose: Purpose,
    ) -> Result<AuditServiceClient<Calls>, Failure> {
        Ok(AuditServiceClient::new(self.calls(purpose).await?))
    }

    /// A client of SectorMapService, for what is open to all.
    pub(super) async fn sectors(&self) -> Result<SectorMapServiceClient<Channel>, Failure> {
        Ok(SectorMapServiceClient::new(self.channel().await?))
    }

    /// A client of CoverageService.
    pub(super) async fn coverage(
        &self,
        purpose: Purpose,
    ) -> Result<CoverageServiceClient<Calls>, Failure> {
        Ok(CoverageServiceClient::new(self.calls(purpose).await?))
    }

    /// A client of AdminService.
    pub(super) async fn client(&self) -> Result<AdminServiceClient<Calls>, Failure> {
        Ok(AdminServiceClient::new(self.calls(Purpose::Operations).await?))
    }
}

/// What a refusal means, in one line.
#[allow(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(in crate::cli) fn refused(status: Status) -> Failure {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    let fields = status.get_details_bad_request().map(|it| it.field_violations).unwrap_or_default();
    let fields: String =
        fields.iter().map(|it| format!("; {} {}", it.field, it.description)).collect();
    Failure::Other(format!("{} ({:?} {reason}){fields}", status.message(), status.code()))
}
