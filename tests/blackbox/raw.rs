//! A client that can also do what no client should: any headers, any bytes, any certificate.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;

use crate::gateway::Gateway;

/// Long enough for the slowest machine; a test that comes near it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate with its key, PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    /// The certificate.
    pub(crate) certificate: String,
    /// Its key.
    pub(crate) key: String,
}

/// An HTTP/2 connection over mutual TLS.
pub(crate) struct Raw(SendRequest<Body>);

/// The answer to a call.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) http: StatusCode,
    /// The bytes of the body.
    pub(crate) body: Bytes,
    /// The gRPC status, in headers or trailers.
    pub(crate) status: Option<Status>,
}

/// A TLS connection to a gateway with a certificate, or none, that offers `alpn`.
pub(crate) async fn handshake(
    address: SocketAddr,
    ca: &str,
    identity: Option<&Identity>,
    alpn: &[&str],
) -> io::Result<TlsStream<TcpStream>> {
    handshake_with(address, Arc::new(tls(ca, identity, alpn))).await
}

/// A TLS connection to a gateway, opened with what earlier ones with this configuration have left.
pub(crate) async fn handshake_with(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    in_time(TlsConnector::from(config).connect(name, tcp)).await
}

/// A client's side of TLS, with a certificate or none, that offers `alpn`.
pub(crate) fn tls(ca: &str, identity: Option<&Identity>, alpn: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(Identity { certificate, key }) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
            let chain = chain.collect::<Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// Whether the gateway speaks first on a TLS connection, as HTTP/2 does once it has let a client
/// in. With TLS 1.3 the refusal of a certificate comes after the client's side of the handshake.
pub(crate) async fn let_in(connection: io::Result<TlsStream<TcpStream>>) -> bool {
    match connection {
        Ok(mut stream) => matches!(in_time(stream.read(&mut [0; 1])).await, Ok(1)),
        Err(_) => false,
    }
}

impl Raw {
    /// A connection with any certificate.
    pub(crate) async fn connect(gateway: &Gateway, identity: &Identity) -> Self {
        let ca = gateway.ca();
        Self::over(handshake(gateway.agencies, &ca, Some(identity), &["h2"]).await.unwrap()).await
    }

    /// A connection over TLS that is there.
    pub(crate) async fn over(stream: TlsStream<TcpStream>) -> Self {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = in_time(handshake).await.unwrap();
        tokio::spawn(async move {
            // The tests look at answers, not at how the connection ends.
            let _ = connection.await;
        });
        Self(sender)
    }

    /// A gRPC call with these bytes as its one message.
    pub(crate) async fn call(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        message: &[u8],
    ) -> Answer {
        self.send(path, headers, framed(message)).await
    }

    /// A gRPC call with this body.
    pub(crate) async fn send(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        self.request(Method::POST, path, &grpc(headers), body).await
    }

    /// Any HTTP request.
    pub(crate) async fn request(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let body = Full::new(Bytes::from(body)).boxed_unsync();
        let sender = self.0.clone();
        answer(sender, request(method, path, headers, body)).await
    }

    /// A gRPC call whose body is what is sent on the channel, as it comes. The body ends when the
    /// channel is dropped.
    pub(crate) fn begin(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (mpsc::UnboundedSender<Vec<u8>>, impl Future<Output = Answer> + Send + 'static) {
        let (pieces, body) = mpsc::unbounded_channel();
        let body = UnboundedReceiverStream::new(body).map(|it| Ok(Frame::data(Bytes::from(it))));
        let body = StreamBody::new(body).boxed_unsync();
        let request = request(Method::POST, path, &grpc(headers), body);
        (pieces, answer(self.0.clone(), request))
    }
}

/// A message as gRPC frames it: not compressed, and its length.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    body
}

/// The headers of every gRPC call, and more.
fn grpc<'a>(headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
    all.extend(headers);
    all
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

async fn answer(mut sender: SendRequest<Body>, request: Request<Body>) -> Answer {
    in_time(async {
        sender.ready().await.unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Answer {
            http: head.status,
            status: Status::from_header_map(&head.headers)
                .or_else(|| Status::from_header_map(&trailers)),
            body: collected.to_bytes(),
        }
    })
    .await
}

/// Waits for what must come soon.
pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("an answer in time")
}
