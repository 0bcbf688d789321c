//! The server of one ministry: accepts connections, counts requests, and plays the fault in force
//! around the ministry's own routes.
//!
//! It is the sandbox's own accept loop since resetting, dripping and refusing connections need the
//! socket. Connections are tasks of the loop's and end with it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use desmigratif_core::access::AgencyKind;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::connector;
use crate::fault::{Fault, Switch};
use crate::ledger::Ledger;
use crate::wire::{Line, Wire};

/// The longest that a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long requests at work may go on when the sandbox stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(1);
/// The pause after a connection could not be accepted, for want of descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Which HTTP a ministry's server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    /// HTTP/2, with prior knowledge where there is no TLS: gRPC.
    Http2,
}

/// A ministry's server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) ministry: AgencyKind,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) routes: Router,
    pub(crate) switch: Switch,
    pub(crate) ledger: Ledger,
}

impl Server {
    /// Serves until stopped, then gives requests at work a moment to end.
    pub(crate) async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(self.clone().connection(stream, stop.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(ministry = self.ministry.as_str(), %error, "not accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let drained = timeout(DRAIN, async { while connections.join_next().await.is_some() {} });
        // What is left is dropped with its set.
        drained.await.ok();
    }

    /// One connection, from its handshake to its end. How it ends is the client's affair.
    async fn connection(self, stream: TcpStream, stop: CancellationToken) {
        if self.switch.get(self.ministry) == Some(Fault::Down) {
            // Closing sends a reset then. Where that cannot be set, it closes all the same.
            stream.set_zero_linger().ok();
            return;
        }
        // Only costs time where it fails.
        stream.set_nodelay(true).ok();
        let line = Arc::new(Line::default());
        let wire = Wire::new(stream, line.clone());
        let ended = match self.tls.clone() {
            None => self.speak(wire, line, stop).await,
            Some(config) => {
                match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(wire)).await {
                    Ok(Ok(stream)) => self.speak(stream, line, stop).await,
                    Ok(Err(error)) => Err(error.into()),
                    Err(_) => Err("no handshake in time".into()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "connection ended");
        }
    }

    async fn speak<Stream>(
        self,
        stream: Stream,
        line: Arc<Line>,
        stop: CancellationToken,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
    where
        Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        let protocol = self.protocol;
        let service = service_fn(move |request| {
            let (server, line) = (self.clone(), line.clone());
            async move { Ok::<_, Infallible>(server.answer(request, &line).await) }
        });
        // Both kinds of connection have the same methods and no trait in common.
        macro_rules! until_stopped {
            ($connection:expr) => {{
                let mut connection = std::pin::pin!($connection);
                tokio::select! {
                    ended = connection.as_mut() => ended?,
                    () = stop.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await?;
                    }
                }
            }};
        }
        match protocol {
            Protocol::Http1 => {
                until_stopped!(
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service)
                );
            }
            Protocol::Http2 => {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                until_stopped!(builder.serve_connection(io, service));
            }
        }
        Ok(())
    }

    /// The ministry's answer, or what the fault in force makes of it.
    async fn answer(self, request: Request<Incoming>, line: &Arc<Line>) -> Response {
        self.ledger.called(self.ministry);
        let fault = self.switch.get(self.ministry);
        line.drip(fault == Some(Fault::Drip));
        if self.protocol == Protocol::Http2
            && let Some(answer) = fault.and_then(connector::spoilt)
        {
            return answer;
        }
        let work = async { self.routes.oneshot(request).await.into_response() };
        match fault {
            // The last two belong to the ministry's own protocol, and its routes see to them.
            None | Some(Fault::Drip | Fault::TokenExpired | Fault::Quota) => work.await,
            Some(Fault::Latency(wait)) => {
                sleep(wait).await;
                work.await
            }
            Some(Fault::Http500) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
            }
            Some(Fault::Http429 { retry_after }) => {
                let seconds = retry_after.as_millis().div_ceil(1_000).to_string();
                (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds)]).into_response()
            }
            Some(Fault::Html) => {
                const PAGE: &str =
                    "<!DOCTYPE html><html><body>Sedang dalam perawatan</body></html>";
                ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
            }
            Some(Fault::Garbage) => json(Body::from(r#"{"content":[{"NIK":"Ses"#)),
            Some(Fault::Endless) => json(Body::new(Endless { pause: None })),
            Some(Fault::Reset) => {
                let (head, body) = work.await.into_parts();
                let bytes =
                    body.collect().await.map_or_else(|_| Bytes::new(), |all| all.to_bytes());
                let half = bytes.slice(..bytes.len() / 2);
                let body = Broken { line: line.clone(), half: Some(half), flushed: false };
                Response::from_parts(head, Body::new(body))
            }
            Some(Fault::LostAnswer) => {
                let response = work.await;
                line.cut();
                response
            }
            Some(Fault::Down) => {
                line.cut();
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
        }
    }
}

fn json(body: Body) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// A body that never ends: the beginning of a JSON answer, then blanks.
struct Endless {
    pause: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const BEGINNING: &[u8] = b"{\"content\":[";
        const BLANKS: &[u8] = &[b' '; 16 * 1024];
        let chunk = match &mut self.pause {
            None => BEGINNING,
            Some(pause) => {
                std::task::ready!(pause.as_mut().poll(cx));
                BLANKS
            }
        };
        // 16 MB/s at the most: more than any client should take, and no core burnt.
        self.pause = Some(Box::pin(sleep(Duration::from_millis(1))));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk)))))
    }
}

/// Half a body, then a reset.
struct Broken {
    line: Arc<Line>,
    half: Option<Bytes>,
    flushed: bool,
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take().filter(|half| !half.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.flushed {
            // One turn for the half to leave.
            self.flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.line.cut();
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
