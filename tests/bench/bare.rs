//! What the gateway's reads are compared with: tonic's own server over mutual TLS that answers
//! GetVillage with a message made beforehand, and nothing else. Same contract, same runtime, same
//! certificates.

use std::path::Path;

use anyhow::{Context as _, Result};
use desmigratif_proto::village::v1::village_service_server::{
    VillageService, VillageServiceServer,
};
use desmigratif_proto::village::v1::{
    BatchGetVillagesRequest, BatchGetVillagesResponse, GetVillageProfileRequest,
    GetVillageProfileResponse, GetVillageRequest, GetVillageResponse, ListRegionsRequest,
    ListRegionsResponse, ListVillagesRequest, ListVillagesResponse, ResolveCodeRequest,
    ResolveCodeResponse, SearchVillagesRequest, SearchVillagesResponse,
};
use prost::Message as _;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// The argument that makes this program the bare server.
pub(crate) const ARGUMENT: &str = "bare-server";

/// Serves the message in a file until the process is killed.
pub(crate) fn serve(tls: &Path, message: &Path) -> Result<()> {
    let read = |name: &str| std::fs::read(tls.join(name)).with_context(|| format!("no {name}"));
    let config = ServerTlsConfig::new()
        .identity(Identity::from_pem(read("server.pem")?, read("server-key.pem")?))
        .client_ca_root(Certificate::from_pem(read("ca.pem")?));
    let answer = GetVillageResponse::decode(std::fs::read(message)?.as_slice())?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?.with_nodelay(Some(true));
        println!("agencies {}\nready", incoming.local_addr()?);
        Server::builder()
            .tls_config(config)?
            .add_service(VillageServiceServer::new(Bare(answer)))
            .serve_with_incoming(incoming)
            .await?;
        Ok(())
    })
}

struct Bare(GetVillageResponse);

/// What the methods that are not measured answer.
fn nothing<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("only GetVillage is measured"))
}

#[tonic::async_trait]
impl VillageService for Bare {
    async fn get_village(
        &self,
        _: Request<GetVillageRequest>,
    ) -> Result<Response<GetVillageResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }

    async fn batch_get_villages(
        &self,
        _: Request<BatchGetVillagesRequest>,
    ) -> Result<Response<BatchGetVillagesResponse>, Status> {
        nothing()
    }

    async fn list_villages(
        &self,
        _: Request<ListVillagesRequest>,
    ) -> Result<Response<ListVillagesResponse>, Status> {
        nothing()
    }

    async fn search_villages(
        &self,
        _: Request<SearchVillagesRequest>,
    ) -> Result<Response<SearchVillagesResponse>, Status> {
        nothing()
    }

    async fn list_regions(
        &self,
        _: Request<ListRegionsRequest>,
    ) -> Result<Response<ListRegionsResponse>, Status> {
        nothing()
    }

    async fn resolve_code(
        &self,
        _: Request<ResolveCodeRequest>,
    ) -> Result<Response<ResolveCodeResponse>, Status> {
        nothing()
    }

    async fn get_village_profile(
        &self,
        _: Request<GetVillageProfileRequest>,
    ) -> Result<Response<GetVillageProfileResponse>, Status> {
        nothing()
    }
}
