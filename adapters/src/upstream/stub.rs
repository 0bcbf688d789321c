//! A server for tests that answers on a real socket whatever a test says, HTTP or not.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// What the server does with a request.
pub(crate) enum Act {
    /// Sends these bytes and closes.
    Send(String),
    /// Sends these bytes, then others without end.
    Endless(String),
    /// Sends these bytes, then one at a time without end.
    Drip(String),
    /// Sends these bytes, then nothing more.
    Hang(String),
}

impl Act {
    /// A whole answer.
    pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Send(format!(
            "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }

    /// A whole answer of JSON.
    pub(crate) fn json(body: &str) -> Self {
        Self::answer(200, "content-type: application/json\r\n", body)
    }
}

/// The server. Dropped, it stops.
pub(crate) struct Stub {
    pub(crate) url: Url,
    /// Every request so far, head and body.
    requests: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

type Answer = dyn Fn(&str) -> Act + Send + Sync;

impl Stub {
    pub(crate) async fn start(answer: impl Fn(&str) -> Act + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(answer)).await
    }

    /// One behind TLS, under a certificate of its own, and the path of that.
    pub(crate) async fn start_tls(folder: &tempfile::TempDir) -> (Self, PathBuf) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let path = folder.path().join(format!("{}.pem", uuid::Uuid::now_v7()));
        std::fs::write(&path, cert.pem()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        (Self::serve(Some(acceptor), Arc::new(|_| Act::json("1"))).await, path)
    }

    async fn serve(tls: Option<TlsAcceptor>, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{port}/service").parse().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        task.spawn({
            let requests = Arc::clone(&requests);
            async move {
                let mut connections = JoinSet::new();
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                    let tls = tls.clone();
                    connections.spawn(async move {
                        match tls {
                            None => converse(socket, &*answer, &requests).await,
                            Some(tls) => {
                                if let Ok(socket) = tls.accept(socket).await {
                                    converse(socket, &*answer, &requests).await;
                                }
                            }
                        }
                    });
                }
            }
        });
        Self { url, requests, _task: task }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn converse(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Answer,
    requests: &Mutex<Vec<String>>,
) {
    let Some(request) = read(&mut socket).await else { return };
    requests.lock().unwrap().push(request.clone());
    // The other side may hang up at any moment: that is what some tests are about.
    let (start, more, pause) = match answer(&request) {
        Act::Send(start) => (start, "", None),
        Act::Endless(start) => (start, " ".repeat(65_536).leak() as &str, None),
        Act::Drip(start) => (start, " ", Some(Duration::from_millis(5))),
        Act::Hang(start) => {
            let _ = socket.write_all(start.as_bytes()).await;
            let _ = socket.flush().await;
            return std::future::pending().await;
        }
    };
    let mut sent = socket.write_all(start.as_bytes()).await;
    while sent.is_ok() && !more.is_empty() {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        sent = socket.write_all(more.as_bytes()).await;
        let _ = socket.flush().await;
    }
    let _ = socket.shutdown().await;
}

/// Reads one request, head and body.
async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Some(text.into_owned());
        }
    }
}
