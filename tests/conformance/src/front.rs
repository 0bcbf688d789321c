//! What the suite's runner speaks, in front of mutual TLS as the edge wants it.
//!
//! The runner makes its client certificate itself; it names no agency, in most cases it shows none,
//! and one of its clients speaks no TLS at all. The edge serves none of them, and has no switch that
//! would. So a front ends the runner's connection, with its TLS and its certificate where it uses
//! them, and hands every byte on over mutual TLS under the certificate of the agency that the
//! [`Server`] knows.
//!
//! It is not the gateway's, and it reads nothing: HTTP/2 and all above it pass between the runner
//! and the edge as they are.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Server;

/// The one protocol on both sides, by ALPN.
const H2: &[u8] = b"h2";

/// How the runner connects.
#[derive(Clone, Copy, Debug)]
pub enum Connections<'a> {
    /// TCP.
    Plain,
    /// TLS, without a client certificate.
    Tls,
    /// TLS with this client certificate, in PEM.
    MutualTls(&'a [u8]),
}

/// A front of a [`Server`], serving until it is dropped.
pub struct Front {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Front {
    /// Listens on a free port of the loopback; with TLS, under the server's own certificate.
    ///
    /// # Errors
    /// When a certificate cannot be used or no port can be bound.
    pub async fn start(server: &Server, connections: Connections<'_>) -> anyhow::Result<Self> {
        let acceptor = acceptor(server, connections)?;
        let connector = connector(server)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, edge) = (listener.local_addr()?, server.address());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // A connection that fails is closed, which is all that its peer has to know.
                tokio::spawn(relay(connection, acceptor.clone(), edge, connector.clone()));
            }
        }));
        Ok(Self { address, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Hands a connection's bytes to the edge and back, until both ways have ended.
async fn relay(
    mut connection: TcpStream,
    acceptor: Option<TlsAcceptor>,
    edge: SocketAddr,
    connector: TlsConnector,
) -> anyhow::Result<()> {
    connection.set_nodelay(true)?;
    let to_edge = async {
        let connection = TcpStream::connect(edge).await?;
        connection.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        anyhow::Ok(connector.connect(name, connection).await?)
    };
    match acceptor {
        None => copy_bidirectional(&mut connection, &mut to_edge.await?).await?,
        Some(acceptor) => {
            let mut connection = acceptor.accept(connection).await?;
            copy_bidirectional(&mut connection, &mut to_edge.await?).await?
        }
    };
    Ok(())
}

fn acceptor(server: &Server, connections: Connections<'_>) -> anyhow::Result<Option<TlsAcceptor>> {
    let verifier: Arc<dyn ClientCertVerifier> = match connections {
        Connections::Plain => return Ok(None),
        Connections::Tls => WebPkiClientVerifier::no_client_auth(),
        Connections::MutualTls(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(pem).context("the client's certificate")?)?;
            WebPkiClientVerifier::builder(Arc::new(roots)).build()?
        }
    };
    let mut config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(
        vec![CertificateDer::from_pem_file(server.pki().server())?],
        PrivateKeyDer::from_pem_file(server.pki().server_key())?,
    )?;
    config.alpn_protocols = vec![H2.to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn connector(server: &Server) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.pki().ca())?)?;
    let caller = server.caller();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(
        vec![CertificateDer::from_pem_file(server.pki().agency(&caller))?],
        PrivateKeyDer::from_pem_file(server.pki().agency_key(&caller))?,
    )?;
    config.alpn_protocols = vec![H2.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
