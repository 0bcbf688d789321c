//! HTTP/2 by hand: frames as an attacker writes them (RFC 9113 section 4), and a connection that
//! sends any bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::gateway::Gateway;
use crate::raw::{Identity, handshake, in_time};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const FLOW_CONTROL_ERROR: u32 = 3;
pub(super) const FRAME_SIZE_ERROR: u32 = 6;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

/// What a flood ends with, to learn whether the gateway has read it all.
const MARK: [u8; 8] = *b"all read";

/// A frame that the gateway has sent.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The code with which it ends a stream or the connection.
    pub(super) fn error(&self) -> Option<u32> {
        let code = match self.kind {
            RST_STREAM => self.payload.get(..4)?,
            GOAWAY => self.payload.get(4..8)?,
            _ => return None,
        };
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }
}

/// The bytes of a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A frame that ends a stream.
pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// The headers of a gRPC call as one frame.
pub(super) fn call(stream: u32, flags: u8, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &block(path, more))
}

/// The header block of a gRPC call.
pub(super) fn block(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("content-type", "application/grpc"),
    ];
    own.iter().chain(more).flat_map(|(name, value)| field(0, name, value)).collect()
}

/// A header field as a literal with a new name: 0 does not index it, 0x40 puts it into the
/// dynamic table (RFC 7541 section 6.2).
pub(super) fn field(representation: u8, name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![representation];
    for text in [name, value] {
        // The length, as an integer with a prefix of seven bits (section 5.1).
        let mut left = text.len();
        if left < 127 {
            bytes.push(left as u8);
        } else {
            bytes.push(127);
            left -= 127;
            while left >= 128 {
                bytes.push((left % 128) as u8 | 128);
                left /= 128;
            }
            bytes.push(left as u8);
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// How a flood ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The gateway has closed the connection.
    pub(super) closed: bool,
    /// The code of its GOAWAY.
    pub(super) goaway: Option<u32>,
    /// How many streams it ended with REFUSED_STREAM.
    pub(super) refused: usize,
}

/// A connection over mutual TLS on which nothing is said that the test does not say.
pub(super) struct Peer(pub(super) TlsStream<TcpStream>);

impl Peer {
    /// A connection on which not even the preface has been sent.
    pub(super) async fn silent(gateway: &Gateway, identity: &Identity) -> io::Result<Self> {
        let ca = gateway.ca();
        Ok(Self(handshake(gateway.agencies, &ca, Some(identity), &["h2"]).await?))
    }

    /// A connection on which preface and settings have been exchanged; answers with the gateway's
    /// settings too.
    pub(super) async fn greeted(
        gateway: &Gateway,
        identity: &Identity,
    ) -> io::Result<(Self, Vec<u8>)> {
        let mut peer = Self::silent(gateway, identity).await?;
        peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await?;
        let settings = peer.hear(|it| it.kind == SETTINGS && it.flags & ACK == 0).await?;
        peer.send(&frame(SETTINGS, ACK, 0, &[])).await?;
        // The window of the connection is as wide as it will be only from here on.
        peer.hear(|it| it.kind == WINDOW_UPDATE && it.stream == 0).await?;
        Ok((peer, settings.payload))
    }

    /// Sends any bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        in_time(async {
            self.0.write_all(bytes).await?;
            self.0.flush().await
        })
        .await
    }

    /// The next frame of a kind; others are passed over.
    pub(super) async fn hear(&mut self, wanted: impl Fn(&Frame) -> bool) -> io::Result<Frame> {
        in_time(async {
            loop {
                let frame = read_frame(&mut self.0).await?;
                if wanted(&frame) {
                    return Ok(frame);
                }
            }
        })
        .await
    }

    /// Waits until the gateway has read and handled what was sent.
    pub(super) async fn handled(&mut self) -> io::Result<()> {
        self.send(&frame(PING, 0, 0, &MARK)).await?;
        self.hear(|it| it.kind == PING && it.flags & ACK != 0).await.map(drop)
    }

    /// Waits until the gateway closes, whatever it says before.
    pub(super) async fn closed(&mut self) {
        let mut bytes = [0; 4096];
        in_time(async { while matches!(self.0.read(&mut bytes).await, Ok(1..)) {} }).await;
    }

    /// Sends bytes and listens all the while, until the gateway has read them all or closes.
    pub(super) async fn flood(self, bytes: Vec<u8>) -> Ended {
        let (mut reads, mut writes) = tokio::io::split(self.0);
        let write = async move {
            // What cannot be written any more has had its answer.
            let _ = writes.write_all(&bytes).await;
            let _ = writes.write_all(&frame(PING, 0, 0, &MARK)).await;
            let _ = writes.flush().await;
            // Not dropped before the answer: that would close the connection.
            writes
        };
        let read = async move {
            let mut ended = Ended { closed: false, goaway: None, refused: 0 };
            loop {
                let Ok(frame) = read_frame(&mut reads).await else {
                    ended.closed = true;
                    return ended;
                };
                match (frame.kind, frame.error()) {
                    (GOAWAY, code) => ended.goaway = code,
                    (RST_STREAM, Some(REFUSED_STREAM)) => ended.refused += 1,
                    (PING, _) if frame.flags & ACK != 0 && frame.payload == MARK => return ended,
                    _ => {}
                }
            }
        };
        let write = tokio::spawn(write);
        let ended = in_time(read).await;
        write.abort();
        ended
    }
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let [a, b, c, kind, flags, stream_id @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).await?;
    Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream_id), payload })
}
