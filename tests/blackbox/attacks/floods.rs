//! Much of something that costs the sender little: each flood is either ended by the gateway or
//! borne, and none makes it grow.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use tokio::io::AsyncWriteExt as _;
use tokio::time::{Duration, timeout};

use super::GET_VILLAGE;
use super::wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Ended, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, HEADERS, PING, PRIORITY, PROTOCOL_ERROR, Peer, SETTINGS, WINDOW_UPDATE,
    block, call, field, frame, reset,
};
use crate::folder::prepared;
use crate::gateway::Gateway;
use crate::raw::{Identity, framed};

/// What an agency may do on a connection once it is let in.
pub(super) struct Flood {
    /// What it is.
    pub(super) name: &'static str,
    /// Its bytes, after preface and settings.
    pub(super) bytes: fn() -> Vec<u8>,
    /// The code with which the gateway ends the connection, or `None` when it bears the flood.
    pub(super) ends: Option<u32>,
}

/// The floods of the table of edge cases, and their kin.
pub(super) const FLOODS: [Flood; 15] = [
    Flood { name: "rapid reset", bytes: rapid_reset, ends: Some(ENHANCE_YOUR_CALM) },
    Flood { name: "half-open calls", bytes: half_open, ends: Some(ENHANCE_YOUR_CALM) },
    Flood { name: "empty CONTINUATION", bytes: continuations, ends: Some(ENHANCE_YOUR_CALM) },
    Flood { name: "long CONTINUATION", bytes: long_headers, ends: Some(ENHANCE_YOUR_CALM) },
    Flood { name: "HPACK bomb", bytes: hpack_bomb, ends: Some(ENHANCE_YOUR_CALM) },
    Flood { name: "empty DATA", bytes: || data(&[]), ends: Some(ENHANCE_YOUR_CALM) },
    Flood { name: "4 GiB length prefix", bytes: four_gib, ends: None },
    Flood { name: "gzip bomb", bytes: gzip_bomb, ends: None },
    Flood { name: "PING", bytes: || frame(PING, 0, 0, &[7; 8]).repeat(20_000), ends: None },
    Flood { name: "SETTINGS", bytes: || frame(SETTINGS, 0, 0, &[]).repeat(20_000), ends: None },
    Flood { name: "PRIORITY", bytes: priorities, ends: None },
    Flood { name: "unknown frames", bytes: unknown, ends: None },
    Flood { name: "overflowing window", bytes: window, ends: Some(FLOW_CONTROL_ERROR) },
    Flood { name: "frame too large", bytes: large_frame, ends: Some(FRAME_SIZE_ERROR) },
    Flood { name: "unasked SETTINGS ACK", bytes: acks, ends: Some(PROTOCOL_ERROR) },
];

/// How much more memory the gateway may hold after any of the floods, MiB. What it holds is mostly
/// the allocator's, and freed for the next; without limits the bombs alone would take gigabytes.
pub(super) const GROWTH_MIB: u64 = 32;

/// CVE-2023-44487: calls that are taken back at once.
fn rapid_reset() -> Vec<u8> {
    let pair = |n: u32| [call(2 * n + 1, END_STREAM, GET_VILLAGE, &[]), reset(2 * n + 1)].concat();
    (0..20_000).flat_map(pair).collect()
}

/// Calls whose messages never come.
fn half_open() -> Vec<u8> {
    (0..2_000).flat_map(|n| call(2 * n + 1, 0, GET_VILLAGE, &[])).collect()
}

/// CVE-2024-27316: headers that go on, with nothing in them.
fn continuations() -> Vec<u8> {
    let mut bytes = frame(HEADERS, 0, 1, &block(GET_VILLAGE, &[]));
    bytes.extend(frame(CONTINUATION, 0, 1, &[]).repeat(100_000));
    bytes
}

/// Headers that go on, with much in them.
fn long_headers() -> Vec<u8> {
    let mut bytes = frame(HEADERS, 0, 1, &block(GET_VILLAGE, &[]));
    let more = frame(CONTINUATION, 0, 1, &field(0, "filler", &"x".repeat(16_000)));
    bytes.extend(more.repeat(200));
    bytes
}

/// One long header in the dynamic table, named 16,000 times by one byte: 64 MB in 16 KB.
fn hpack_bomb() -> Vec<u8> {
    // The newest entry of the dynamic table comes after the 61 of the static one.
    const NEWEST: u8 = 0x80 | 62;
    let mut headers = block(GET_VILLAGE, &[]);
    headers.extend(field(0x40, "bomb", &"x".repeat(4_000)));
    let mut bytes = frame(HEADERS, END_STREAM, 1, &headers);
    bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &[NEWEST; 16_000]));
    bytes
}

fn data(payload: &[u8]) -> Vec<u8> {
    let mut bytes = call(1, 0, GET_VILLAGE, &[]);
    bytes.extend(frame(DATA, 0, 1, payload).repeat(100_000));
    bytes
}

/// Messages that say that they are longer than anything is.
fn four_gib() -> Vec<u8> {
    let one = |n: u32| {
        let prefix = frame(DATA, 0, 2 * n + 1, &[0, 0xff, 0xff, 0xff, 0xff]);
        [call(2 * n + 1, 0, GET_VILLAGE, &[]), prefix].concat()
    };
    (0..90).flat_map(one).collect()
}

/// 32 MiB in 32 KB, with the name of its compression and without.
fn gzip_bomb() -> Vec<u8> {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![0; 32 << 20]).unwrap();
    let mut message = framed(&bomb.finish().unwrap());
    message[0] = 1;
    let named: &[(&str, &str)] = &[("grpc-encoding", "gzip")];
    let one = |(n, more): (u32, _)| {
        let mut bytes = call(2 * n + 1, 0, GET_VILLAGE, more);
        for piece in message.chunks(16_000) {
            bytes.extend(frame(DATA, 0, 2 * n + 1, piece));
        }
        bytes
    };
    (0..20).zip([named, &[]].into_iter().cycle()).flat_map(one).collect()
}

fn priorities() -> Vec<u8> {
    (0..20_000).flat_map(|n| frame(PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 9])).collect()
}

fn unknown() -> Vec<u8> {
    frame(0xee, 0xff, 0, &[0xee; 16_000]).repeat(500)
}

fn window() -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(2)
}

fn large_frame() -> Vec<u8> {
    frame(DATA, 0, 1, &vec![0; 1 << 20])
}

fn acks() -> Vec<u8> {
    frame(SETTINGS, ACK, 0, &[]).repeat(1_000)
}

/// Sends a flood on a connection of its own.
pub(super) async fn send(bytes: Vec<u8>, gateway: &Gateway, identity: &Identity) -> Ended {
    let (peer, _) = Peer::greeted(gateway, identity).await.unwrap();
    peer.flood(bytes).await
}

/// Rows "rapid reset, CONTINUATION flood, HPACK bomb, gzip bomb, empty DATA, 4 GiB length prefix"
/// and "concurrent streams".
#[tokio::test(flavor = "multi_thread")]
async fn every_flood_is_ended_or_borne_and_none_makes_the_gateway_grow() {
    let gateway = Gateway::serve(prepared(), &[]);
    let identity = gateway.identity("klinik-malang");
    let before = gateway.resident_mib();
    for flood in &FLOODS {
        let ended = send((flood.bytes)(), &gateway, &identity).await;
        let name = flood.name;
        assert_eq!(ended.closed, flood.ends.is_some(), "{name}: {ended:?}");
        assert_eq!(ended.goaway, flood.ends, "{name}: {ended:?}");
        let now = gateway.resident_mib();
        assert!(now < before + GROWTH_MIB, "{name}: from {before} to {now} MiB");
    }
}

/// The same rows, against a sender that never reads what it is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_reads_no_answer_is_not_read_either() {
    let gateway = Gateway::serve(prepared(), &[]);
    let identity = gateway.identity("klinik-malang");
    let (mut peer, _) = Peer::greeted(&gateway, &identity).await.unwrap();
    let before = gateway.resident_mib();
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(4_000);
    // 256 MiB of them, unless the gateway stops to read.
    const MOST: usize = 256 << 20;
    let mut sent = 0;
    while sent < MOST {
        let write = peer.0.write_all(&pings);
        // No time is too short to be right here: at worst less is sent.
        let Ok(Ok(())) = timeout(Duration::from_secs(1), write).await else { break };
        sent += pings.len();
    }
    assert!(sent < MOST, "it read everything and was answered nothing");
    let now = gateway.resident_mib();
    assert!(now < before + GROWTH_MIB, "from {before} to {now} MiB");
}
