//! A connection that can be spoilt from above: dripped byte by byte, or reset.
//!
//! It lies below TLS and HTTP, so both kinds of spoiling look to a client as they do in a network
//! that fails.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// The pause after each byte of a dripping connection.
const DRIP: Duration = Duration::from_millis(100);

/// What was decided about a connection.
#[derive(Debug, Default)]
pub(crate) struct Line {
    dripping: AtomicBool,
    cut: AtomicBool,
}

impl Line {
    /// Makes the connection drip, or flow again.
    pub(crate) fn drip(&self, dripping: bool) {
        self.dripping.store(dripping, Ordering::Relaxed);
    }

    /// Resets the connection, at its next read or write or when it is dropped.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }
}

/// A TCP connection on a [`Line`].
pub(crate) struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, line: Arc<Line>) -> Self {
        Self { stream, line, pause: None }
    }

    fn is_cut(&self) -> bool {
        self.line.cut.load(Ordering::Relaxed)
    }

    fn check(&self) -> io::Result<()> {
        if self.is_cut() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Drop for Wire {
    /// With no time to linger, closing sends a reset.
    fn drop(&mut self) {
        if self.is_cut() {
            // Where that cannot be set, it closes all the same.
            self.stream.set_zero_linger().ok();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let dripping = self.line.dripping.load(Ordering::Relaxed);
        let most = if dripping { bytes.len().min(1) } else { bytes.len() };
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..most]))?;
        if dripping {
            self.pause = Some(Box::pin(sleep(DRIP)));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
