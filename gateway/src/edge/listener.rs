//! The edge's own accept loop: TCP, TLS and HTTP/2, with a time limit on everything a peer may
//! leave unfinished.
//!
//! It is not what happens to a call ([`super::layers`]). One task per connection:
//!
//! 1. The TLS handshake ends within [`Settings::handshake_timeout`]; HTTP/2 by ALPN is required.
//! 2. The first call begins within [`Settings::first_call_timeout`] of the accept: half a preface
//!    or headers that never end close the connection.
//! 3. A connection that is idle or old, or whose peer does not read an answer, is told to go away
//!    and closed when its calls have ended.
//! 4. When draining begins, nothing is accepted any more, every connection is told to go away,
//!    and calls under way may end until [`Settings::drain_timeout`]; answers that last hear of it. A connection on which
//!    there are none is closed soon, whether or not the peer has heard.
//!
//! Invariant: at most [`Settings::connections`] are open, and never so many that the process runs
//! out of file descriptors.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{AlertDescription, CertificateError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tonic::body::Body;
use tower::Service;

use super::connection::{Connection, Patience, Verdict};
use super::layers::{Authorise, Layers};
use super::metrics::Metrics;
use super::tls::{ALPN_H2, Tls};
use crate::access::TrustDomain;

/// Pauses of the accept loop when accepting fails for want of something, first and longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How long a connection without calls under way may take to hear that it is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the end of an answer may take to reach its caller over a connection that is closed.
const LINGER: Duration = Duration::from_secs(5);

/// File descriptors that connections must leave to the rest of the process.
const DESCRIPTORS_KEPT: usize = 256;

/// What connections may use, and how long a peer may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Connections open at once; fewer when the limit on open files asks for it.
    pub connections: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From accept to the first call's complete headers. What has not come by then is told to go
    /// and closed within another second.
    pub first_call_timeout: Duration,
    /// How long a call may go on until its answer has been read, which is longer than any deadline;
    /// the maximum of an answer that lasts comes on top. The connection of one that does is told to
    /// go.
    pub call_timeout: Duration,
    /// How long a connection may stay open without a call.
    pub idle_timeout: Duration,
    /// How old a connection may become before the caller is asked to open another.
    pub connection_age: Duration,
    /// How often an open connection is pinged.
    pub ping_interval: Duration,
    /// How long a ping may stay unanswered.
    pub ping_timeout: Duration,
    /// How long calls may go on after draining began, or after their connection was told to go.
    pub drain_timeout: Duration,
    /// Calls at once on one connection.
    pub streams: u32,
    /// Flow-control window of one call, in bytes.
    pub stream_window: u32,
    /// Flow-control window of a connection, in bytes.
    pub connection_window: u32,
    /// Largest header list that is read, in bytes. Above the metadata limit of 16 KiB, so that
    /// the refusal can be a gRPC status; what is larger than this gets HTTP 431.
    pub header_list: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 10_000,
            // With the farewell, and a busy machine: 10 seconds at most.
            handshake_timeout: Duration::from_secs(9),
            first_call_timeout: Duration::from_secs(8),
            call_timeout: Duration::from_secs(35),
            idle_timeout: Duration::from_secs(300),
            connection_age: Duration::from_secs(3600),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(35),
            streams: 100,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            header_list: 64 * 1024,
        }
    }
}

/// A bound port that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    settings: Settings,
    tls: Arc<Tls>,
    trust_domain: TrustDomain,
    metrics: Arc<Metrics>,
}

/// How draining ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the end of the drain time and were cut.
    pub cut: usize,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// The system's, for instance that the port is taken.
    pub async fn bind(
        address: SocketAddr,
        settings: Settings,
        tls: Arc<Tls>,
        trust_domain: TrustDomain,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        Ok(Self { tcp, settings, tls, trust_domain, metrics })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// What it counts with.
    pub(super) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Accepts and serves until `drain` is cancelled and every connection has ended or was cut.
    pub async fn serve<S, A>(self, layers: Arc<Layers<S, A>>, drain: CancellationToken) -> Drained
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        A: Authorise,
    {
        let places = Arc::new(Semaphore::new(connection_limit(
            self.settings.connections,
            open_files_limit(),
        )));
        let load = layers.clone();
        let _felt = AbortOnDropHandle::new(tokio::spawn(async move { load.feel_load().await }));
        let tasks = TaskTracker::new();
        let cut = CancellationToken::new();
        let drain_timeout = self.settings.drain_timeout;
        let per_connection = Arc::new(PerConnection {
            http2: http2_builder(&self.settings),
            settings: self.settings,
            tls: self.tls,
            trust_domain: self.trust_domain,
            metrics: self.metrics.clone(),
            layers,
            drain: drain.clone(),
            cut: cut.clone(),
        });

        let mut back_off = BACK_OFF.0;
        loop {
            // A place first: what cannot be served waits in the system's queue, not here.
            let accepted = tokio::select! {
                biased;
                () = drain.cancelled() => break,
                accepted = async {
                    let place = places.clone().acquire_owned().await;
                    (place, self.tcp.accept().await)
                } => accepted,
            };
            match accepted {
                (Ok(place), Ok((tcp, _))) => {
                    back_off = BACK_OFF.0;
                    let per_connection = per_connection.clone();
                    tasks.spawn(async move {
                        per_connection.run(tcp, Instant::now()).await;
                        drop(place);
                    });
                }
                (_, Err(error)) if is_of_one_connection(&error) => self.metrics.accept_failed(),
                (_, Err(error)) => {
                    self.metrics.accept_failed();
                    tracing::warn!(%error, pause_ms = back_off.as_millis(), "cannot accept connections");
                    tokio::select! {
                        () = drain.cancelled() => break,
                        () = tokio::time::sleep(back_off) => {}
                    }
                    back_off = (back_off * 2).min(BACK_OFF.1);
                }
                (Err(_), _) => unreachable!("the semaphore of places is never closed"),
            }
        }

        drop(self.tcp);
        tasks.close();
        if timeout(drain_timeout, tasks.wait()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let open = tasks.len();
        cut.cancel();
        tasks.wait().await;
        Drained { cut: open }
    }
}

/// An error of accept(2) that is about the connection that was to be accepted, not about us.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// As many connections as wanted, but fewer than there may be open files.
fn connection_limit(wanted: usize, open_files: Option<usize>) -> usize {
    let possible = open_files
        .map_or(usize::MAX, |files| files.saturating_sub(DESCRIPTORS_KEPT).max(files / 2));
    wanted.min(possible).clamp(1, Semaphore::MAX_PERMITS)
}

/// The process's soft limit on open files, where the system shows it.
fn open_files_limit() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn http2_builder(settings: &Settings) -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams)
        .initial_stream_window_size(settings.stream_window)
        .initial_connection_window_size(settings.connection_window)
        .max_header_list_size(settings.header_list)
        .keep_alive_interval(settings.ping_interval)
        .keep_alive_timeout(settings.ping_timeout);
    http2
}

/// What every connection's task works with.
struct PerConnection<S, A> {
    http2: http2::Builder<TokioExecutor>,
    settings: Settings,
    tls: Arc<Tls>,
    trust_domain: TrustDomain,
    metrics: Arc<Metrics>,
    layers: Arc<Layers<S, A>>,
    drain: CancellationToken,
    cut: CancellationToken,
}

impl<S, A> PerConnection<S, A>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    A: Authorise,
{
    async fn run(&self, tcp: TcpStream, accepted_at: Instant) {
        let _open = self.metrics.connection();
        let handshake =
            timeout_at(accepted_at + self.settings.handshake_timeout, self.handshake(tcp));
        let outcome = tokio::select! {
            () = self.drain.cancelled() => return,
            outcome = handshake => outcome.unwrap_or(Err("timeout")),
        };
        match outcome {
            Ok(stream) => self.serve(stream, accepted_at).await,
            Err(reason) => {
                self.metrics.handshake_failed(reason);
                tracing::debug!(reason, "tls handshake failed");
            }
        }
    }

    async fn handshake(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, &'static str> {
        tcp.set_nodelay(true).map_err(|_| "io")?;
        let stream =
            self.tls.acceptor().accept(tcp).await.map_err(|error| handshake_failure(&error))?;
        // A caller that offers other protocols only is refused by rustls; one that offers none is not.
        if stream.get_ref().1.alpn_protocol() == Some(ALPN_H2) {
            Ok(stream)
        } else {
            Err("no_alpn")
        }
    }

    async fn serve(&self, stream: TlsStream<TcpStream>, accepted_at: Instant) {
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let connection = Connection::new(self.tls.clone(), chain, &self.trust_domain, accepted_at);

        let service = service_fn(|request: Request<Incoming>| {
            self.layers.clone().call(connection.clone(), request)
        });
        let mut http2 = pin!(self.http2.serve_connection(TokioIo::new(stream), service));

        let settings = &self.settings;
        let patience = Patience {
            first_call: settings.first_call_timeout,
            call: settings.call_timeout,
            idle: settings.idle_timeout,
            age: settings.connection_age,
        };
        let mut wake = accepted_at;
        // Set when the peer has been told to go: until then calls under way may go on.
        let mut gone_by = None;
        loop {
            tokio::select! {
                ended = http2.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended with an error");
                    }
                    return;
                }
                () = self.cut.cancelled() => return,
                () = self.drain.cancelled(), if gone_by.is_none() => {}
                () = sleep_until(wake) => {
                    let now = Instant::now();
                    if let Some(gone_by) = gone_by {
                        // A peer that does not hear has no say in how long draining takes.
                        let quiet_since = connection.activity().quiet_since();
                        let quiet = quiet_since.is_some_and(|since| now >= since + LINGER);
                        if quiet || now >= gone_by {
                            tracing::debug!("connection cut after it was told to go away");
                            return;
                        }
                        wake = gone_by.min(now + FAREWELL);
                        continue;
                    }
                    let verdict = connection.activity().verdict(now, &patience);
                    if let Verdict::WaitUntil(until) = verdict {
                        wake = until;
                        continue;
                    }
                }
            }
            connection.leaving().cancel();
            http2.as_mut().graceful_shutdown();
            let now = Instant::now();
            gone_by = Some(now + settings.drain_timeout);
            wake = now + FAREWELL;
        }
    }
}

/// Why a handshake failed, from a closed set for metrics.
fn handshake_failure(error: &io::Error) -> &'static str {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return "io";
    };
    match error {
        rustls::Error::NoCertificatesPresented => "no_certificate",
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "certificate_expired"
            }
            CertificateError::Revoked => "certificate_revoked",
            CertificateError::UnknownIssuer => "certificate_unknown_issuer",
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => "revocation_list_expired",
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "certificate_purpose"
            }
            _ => "certificate_other",
        },
        rustls::Error::NoApplicationProtocol => "no_alpn",
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate,
        ) => "refused_by_peer",
        _ => "protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_rest() {
        assert_eq!(connection_limit(10_000, Some(1024)), 768);
        assert_eq!(connection_limit(10_000, Some(100)), 50);
        assert_eq!(connection_limit(500, Some(1_048_576)), 500);
        assert_eq!(connection_limit(0, None), 1);
        assert!(open_files_limit().is_none_or(|limit| limit > 0));
    }

    #[test]
    fn only_want_of_something_makes_the_loop_pause() {
        const EMFILE: i32 = 24;
        const ECONNABORTED: i32 = 103;
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(EMFILE)));
        assert!(is_of_one_connection(&io::Error::from_raw_os_error(ECONNABORTED)));
    }
}
