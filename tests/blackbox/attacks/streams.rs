//! How many calls one connection may carry.

use super::GET_VILLAGE;
use super::wire::{END_STREAM, Peer, REFUSED_STREAM, RST_STREAM, call, reset};
use crate::gateway::Gateway;

/// Calls at once on one connection.
const STREAMS: u32 = 100;

/// A value among the gateway's settings (RFC 9113 section 6.5.1).
fn setting(settings: &[u8], id: u16) -> Option<u32> {
    let found = settings.chunks_exact(6).find(|it| it[..2] == id.to_be_bytes())?;
    Some(u32::from_be_bytes(found[2..].try_into().unwrap()))
}

/// Row "concurrent streams": advertised and enforced, with windows of 64 KiB a call.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_carries_as_many_calls_as_are_advertised_and_no_more() {
    let gateway = Gateway::shared();
    let identity = gateway.identity("kemnaker");
    let (mut peer, settings) = Peer::greeted(&gateway, &identity).await.unwrap();
    assert_eq!(setting(&settings, 3), Some(STREAMS), "MAX_CONCURRENT_STREAMS");
    assert_eq!(setting(&settings, 4), Some(64 * 1024), "INITIAL_WINDOW_SIZE");
    assert_eq!(setting(&settings, 6), Some(64 * 1024), "MAX_HEADER_LIST_SIZE");

    // None of these calls ends by itself: their messages never come.
    let id = |n: u32| 2 * n + 1;
    for n in 0..STREAMS + 20 {
        peer.send(&call(id(n), 0, GET_VILLAGE, &[])).await.unwrap();
    }
    for n in STREAMS..STREAMS + 20 {
        let refused = peer.hear(|it| it.kind == RST_STREAM).await.unwrap();
        assert_eq!((refused.stream, refused.error()), (id(n), Some(REFUSED_STREAM)));
    }
    // One that is taken back makes room for one.
    peer.send(&reset(id(0))).await.unwrap();
    let next = id(STREAMS + 20);
    peer.send(&call(next, END_STREAM, GET_VILLAGE, &[])).await.unwrap();
    let answer = peer.hear(|it| it.stream == next).await.unwrap();
    assert_ne!(answer.kind, RST_STREAM, "{answer:?}");
}
