//! Connections to a connector: TCP, mutual TLS and HTTP/2, and nothing of gRPC.
//!
//! The certificate files are read anew for every connection, so a renewed certificate counts from
//! the next connection on. Sessions are not resumed: both sides prove themselves each time.
//!
//! Invariant: the only server that is trusted holds a certificate of the pinned CA for the expected
//! name; the system's own roots do not count.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::BoxError;

use crate::config::ConnectError;

/// The one protocol that gRPC runs on, as TLS names it.
const HTTP2: &[u8] = b"h2";

/// Where the certificates lie.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// The ministry's CA.
    pub(super) ca: PathBuf,
    /// The exchange's certificate, with the chain up to what the ministry trusts.
    pub(super) certificate: PathBuf,
    /// The key of it.
    pub(super) key: PathBuf,
}

/// What the certificate files give.
struct Identity {
    config: ClientConfig,
    expires: Timestamp,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A file of ours cannot be used.
    #[error(transparent)]
    File(#[from] Unusable),
    /// Nobody answers.
    #[error("no connection: {0}")]
    Network(io::ErrorKind),
    /// The server's certificate does not show that it is the ministry's.
    #[error("the server's certificate {0}")]
    Untrusted(&'static str),
    /// The server does not accept our certificate.
    #[error("the server does not accept the exchange's certificate")]
    Refused,
    /// TLS failed otherwise, or the server does not speak HTTP/2.
    #[error("{0}")]
    Protocol(&'static str),
}

/// A certificate file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub(super) struct Unusable {
    path: PathBuf,
    error: io::Error,
}

impl From<Unusable> for ConnectError {
    fn from(Unusable { path, error }: Unusable) -> Self {
        Self::File { path, error }
    }
}

/// The way to one connector.
pub(super) struct Link {
    files: Files,
    host: String,
    port: u16,
    name: ServerName<'static>,
    /// Whether the server turned down the certificate on the latest connection. With TLS 1.3 it
    /// says so only after the handshake has ended for us.
    refused: AtomicBool,
    expires: Mutex<Timestamp>,
}

impl Link {
    /// The way to `host`, whose certificate is for `name`. Reads the files, to find now what is
    /// wrong with them.
    pub(super) fn new(
        files: Files,
        host: String,
        port: u16,
        name: ServerName<'static>,
    ) -> Result<Self, Unusable> {
        let expires = Mutex::new(Identity::read(&files)?.expires);
        Ok(Self { files, host, port, name, refused: AtomicBool::new(false), expires })
    }

    /// When the certificate last read expires.
    pub(super) fn expires(&self) -> Timestamp {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server turned down the certificate on the latest connection.
    pub(super) fn refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// A new connection.
    pub(super) async fn connect(self: Arc<Self>) -> Result<Connection, Error> {
        self.refused.store(false, Ordering::Release);
        let files = self.files.clone();
        let identity = tokio::task::spawn_blocking(move || Identity::read(&files))
            .await
            .map_err(|_| Error::Protocol("reading the certificates was cut short"))??;
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = identity.expires;

        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| Error::Network(error.kind()))?;
        let stream = TlsConnector::from(Arc::new(identity.config))
            .connect(self.name.clone(), stream)
            .await
            .map_err(|error| Error::of_handshake(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(Error::Protocol("the server does not speak HTTP/2"));
        }
        Ok(Connection { stream, link: self })
    }
}

impl Error {
    fn of_handshake(error: &io::Error) -> Self {
        use rustls::Error as Tls;
        match tls_error(error) {
            None => Self::Network(error.kind()),
            Some(Tls::InvalidCertificate(problem)) => Self::Untrusted(match problem {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    "is not of the pinned CA"
                }
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => "is not valid today",
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => "is for another name",
                _ => "is not acceptable",
            }),
            Some(error) if turns_certificate_down(error) => Self::Refused,
            Some(_) => Self::Protocol("the TLS handshake failed"),
        }
    }
}

impl Identity {
    fn read(files: &Files) -> Result<Self, Unusable> {
        let mut roots = RootCertStore::empty();
        for root in certificates(&files.ca)? {
            roots.add(root).map_err(|error| unusable(&files.ca, error))?;
        }
        let chain = certificates(&files.certificate)?;
        let expires = expiry(&chain[0])
            .ok_or_else(|| unusable(&files.certificate, "it holds no certificate"))?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| unreadable(&files.key, error))?;
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| unusable(&files.key, error))?
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable(&files.key, error))?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Self { config, expires })
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// The certificates of a file, of which there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let read = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(path, error))?;
    if read.is_empty() { Err(unusable(path, "it holds no certificate")) } else { Ok(read) }
}

fn unreadable(path: &Path, error: pem::Error) -> Unusable {
    match error {
        pem::Error::Io(error) => Unusable { path: path.to_owned(), error },
        other => unusable(path, other.to_string()),
    }
}

fn unusable(path: &Path, why: impl Into<BoxError>) -> Unusable {
    let error = io::Error::new(io::ErrorKind::InvalidData, why);
    Unusable { path: path.to_owned(), error }
}

/// What TLS says, inside of what the stream says.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether the other side's alert is about our certificate.
const fn turns_certificate_down(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(
            AlertDescription::AccessDenied
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRequired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                // A signature does not fit: ours, or that of another CA of the same name.
                | AlertDescription::DecryptError
                | AlertDescription::UnknownCA
                | AlertDescription::UnsupportedCertificate
        )
    )
}

/// A connection, which notes when the server turns our certificate down.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    link: Arc<Link>,
}

impl Connection {
    fn note<T>(&self, outcome: &io::Result<T>) {
        if let Err(error) = outcome
            && tls_error(error).is_some_and(turns_certificate_down)
        {
            self.link.refused.store(true, Ordering::Release);
        }
    }

    /// After a write that failed: what the server said before it closed may still be unread.
    fn note_last_words(&mut self, cx: &mut Context<'_>) {
        let mut byte = [0];
        let last = Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut byte));
        if let Poll::Ready(last) = last {
            self.note(&last);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.note(&read);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        if written.is_err() {
            self.note_last_words(cx);
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        if flushed.is_err() {
            self.note_last_words(cx);
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
