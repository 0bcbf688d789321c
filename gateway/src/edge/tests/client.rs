//! A client that can also do what no client should.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::{Code, Status};

use super::{Leaf, World, framed, headers, in_time};
use crate::fault::tests::reason_of;

/// The body of a request, also one that never ends.
pub(super) type RequestBody = BoxBody<Bytes, io::Error>;

/// A body of these bytes.
pub(super) fn whole(bytes: Vec<u8>) -> RequestBody {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed()
}

/// An HTTP/2 connection with a client certificate.
pub(super) struct Client {
    http2: SendRequest<RequestBody>,
    /// Ends when the connection has ended.
    pub(super) ended: tokio::task::JoinHandle<()>,
}

/// The answer to a call.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) http: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The gRPC status, wherever it came.
    pub(super) status: Option<Status>,
}

impl Answer {
    pub(super) fn code(&self) -> Code {
        self.status.as_ref().expect("a gRPC status").code()
    }

    /// Code and reason of a refusal of ours.
    pub(super) fn refusal(&self) -> (Code, String) {
        (self.code(), reason_of(self.status.as_ref().unwrap()))
    }
}

/// A TLS configuration with the certificate of `leaf`, or none, that offers `alpn`.
pub(super) fn tls(world: &World, leaf: Option<&Leaf>, alpn: &[&str]) -> ClientConfig {
    tls_with(world, leaf.map(|leaf| world.ca.issue(leaf)), alpn, rustls::ALL_VERSIONS)
}

/// The same with any certificate and key, in certain versions of TLS.
pub(super) fn tls_with(
    world: &World,
    certificate: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(world.ca.der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = config.with_root_certificates(roots);
    let mut config = match certificate {
        Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// A TLS connection and nothing on it yet.
pub(super) async fn handshake(
    world: &World,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(world.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    in_time(TlsConnector::from(config).connect(name, tcp)).await
}

/// Whether the server lets this configuration in. With TLS 1.3 a refusal of the client's
/// certificate comes after the client's side of the handshake: the first read tells.
pub(super) async fn let_in(world: &World, config: ClientConfig) -> bool {
    match handshake(world, Arc::new(config)).await {
        Ok(mut stream) => matches!(in_time(stream.read(&mut [0; 1])).await, Ok(1)),
        Err(_) => false,
    }
}

impl Client {
    pub(super) async fn connect(world: &World, leaf: &Leaf) -> io::Result<Self> {
        Self::over(handshake(world, Arc::new(tls(world, Some(leaf), &["h2"]))).await?).await
    }

    async fn over(stream: TlsStream<TcpStream>) -> io::Result<Self> {
        let http2 = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (http2, connection) = in_time(http2).await.map_err(io::Error::other)?;
        let ended = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { http2, ended })
    }

    /// A unary call with an empty message.
    pub(super) async fn call(&mut self, path: &str) -> Answer {
        self.call_with(path, &[]).await
    }

    /// A unary call with an empty message and more headers.
    pub(super) async fn call_with(&mut self, path: &str, more: &[(&'static str, &str)]) -> Answer {
        self.send(path, more, framed(&[])).await
    }

    /// A call with these bytes as its body.
    pub(super) async fn send(
        &mut self,
        path: &str,
        more: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut all = headers(&[("content-type", "application/grpc")]);
        all.extend(headers(more));
        self.request(Method::POST, path, all, whole(body)).await.unwrap()
    }

    pub(super) async fn request(
        &mut self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: RequestBody,
    ) -> hyper::Result<Answer> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = format!("https://localhost{path}").parse().unwrap();
        *request.headers_mut() = headers;
        in_time(async {
            self.http2.ready().await?;
            let (head, body) = self.http2.send_request(request).await?.into_parts();
            let collected = body.collect().await?;
            let trailers = collected.trailers().cloned().unwrap_or_default();
            Ok(Answer {
                http: head.status,
                status: Status::from_header_map(&head.headers)
                    .or_else(|| Status::from_header_map(&trailers)),
                headers: head.headers,
                body: collected.to_bytes(),
            })
        })
        .await
    }
}
