//! Peers that begin something and do not end it.

use std::time::Duration;

use desmigratif_proto::village::v1::GetVillageRequest;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tonic::Code;

use super::wire::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, Peer, SETTINGS, block, call,
    frame,
};
use super::{GET_VILLAGE, REGISTER_WORKER};
use crate::calls::registration;
use crate::country::eventually;
use crate::folder::prepared;
use crate::gateway::{Gateway, KENANGA, fresh_nik, reason};
use crate::raw::{Raw, framed};

/// Until then a connection without a call is closed, whatever has been said on it.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

/// A TLS record that announces a ClientHello of 512 bytes.
const HALF_HELLO: [u8; 11] = [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// Says `first` at once and `then` again and again, until the gateway closes; answers with how
/// long that took.
async fn until_closed<S>(mut stream: S, first: Vec<u8>, then: Vec<u8>, begun: Instant) -> Duration
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut said = [0; 1024];
    let mut again = interval(Duration::from_millis(200));
    // The gateway may have closed by then, which reading tells.
    let _ = stream.write_all(&first).await;
    let _ = stream.flush().await;
    loop {
        tokio::select! {
            read = stream.read(&mut said) => if !matches!(read, Ok(1..)) {
                return begun.elapsed();
            },
            _ = again.tick() => {
                let _ = stream.write_all(&then).await;
                let _ = stream.flush().await;
            }
        }
    }
}

/// Row "no or half ClientHello, half preface, headers never finished": closed within 10 seconds.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_peer_leaves_unfinished_is_closed_within_ten_seconds() {
    let gateway = Gateway::shared();
    let mut stalls = JoinSet::new();
    for (name, first, then) in [
        ("no ClientHello", &[][..], &[][..]),
        ("half a ClientHello", &HALF_HELLO, &[]),
        ("a ClientHello byte by byte", &HALF_HELLO, &[0]),
    ] {
        let begun = Instant::now();
        let stream = TcpStream::connect(gateway.agencies).await.unwrap();
        let stall = until_closed(stream, first.to_vec(), then.to_vec(), begun);
        stalls.spawn(async move { (name, stall.await) });
    }
    let greeting = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let headers = block(GET_VILLAGE, &[]);
    let after = |more: Vec<u8>| [greeting.clone(), more].concat();
    for (name, first, then) in [
        ("no preface", vec![], vec![]),
        ("half a preface", PREFACE[..10].to_vec(), vec![]),
        ("no settings", PREFACE.to_vec(), vec![]),
        ("no call", greeting.clone(), vec![]),
        ("pings and no call", greeting.clone(), frame(PING, 0, 0, &[1; 8])),
        ("half a frame", after(frame(HEADERS, END_HEADERS, 1, &headers)[..20].to_vec()), vec![]),
        ("headers that do not end", after(frame(HEADERS, 0, 1, &headers)), vec![]),
        ("a frame byte by byte", after(frame(DATA, 0, 1, &[0; 900])[..9].to_vec()), vec![0]),
    ] {
        let begun = Instant::now();
        let peer = Peer::silent(&gateway, &gateway.identity("kemnaker")).await.unwrap();
        let stall = until_closed(peer.0, first, then, begun);
        stalls.spawn(async move { (name, stall.await) });
    }
    while let Some(stall) = stalls.join_next().await {
        let (name, took) = stall.unwrap();
        assert!(took <= CLOSED_WITHIN, "{name}: closed after {took:?}");
    }
}

/// Row "request body at 1 byte/s": it ends with its deadline, and row "grpc-timeout": capped by
/// the gateway's own maximum.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_byte_by_byte_ends_with_the_longest_deadline() {
    let gateway = Gateway::serve(prepared(), &[("DESMIGRATIF_LIMITS__DEADLINE_SECONDS", "1")]);
    let client = Raw::connect(&gateway, &gateway.identity("kemnaker")).await;
    let headers = [("desmigratif-purpose", "placement-screening"), ("grpc-timeout", "1H")];
    let begun = Instant::now();
    let (pieces, answer) = client.begin(REGISTER_WORKER, &headers);
    let message = framed(&registration(&fresh_nik()).encode_to_vec());
    let drip = tokio::spawn(async move {
        let mut beat = interval(Duration::from_millis(100));
        for byte in message {
            beat.tick().await;
            // When the call has ended, nobody takes the rest.
            if pieces.send(vec![byte]).is_err() {
                return true;
            }
        }
        false
    });
    let status = answer.await.status.unwrap();
    let took = begun.elapsed();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    assert!((1..5).contains(&took.as_secs()), "{took:?}");
    assert!(drip.await.unwrap(), "the body was not read to its end");
}

/// The like of that row: an answer that is not read holds the agency's place, and no longer than
/// the longest deadline allows.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_frees_its_place_in_the_end() {
    let limits = [
        ("DESMIGRATIF_LIMITS__DEADLINE_SECONDS", "1"),
        ("DESMIGRATIF_LIMITS__CONCURRENT_CALLS", "1"),
    ];
    let gateway = Gateway::serve(prepared(), &limits);
    let identity = gateway.identity("kemnaker");
    let request = framed(&GetVillageRequest { code: KENANGA.into() }.encode_to_vec());
    let (mut deaf, _) = Peer::greeted(&gateway, &identity).await.unwrap();
    // INITIAL_WINDOW_SIZE, so that no byte of an answer may be sent.
    deaf.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await.unwrap();
    deaf.send(&call(1, 0, GET_VILLAGE, &[])).await.unwrap();
    deaf.send(&frame(DATA, END_STREAM, 1, &request)).await.unwrap();
    deaf.hear(|it| it.kind == HEADERS).await.unwrap();

    let mut other = Raw::connect(&gateway, &identity).await;
    let status = other.send(GET_VILLAGE, &[], request.clone()).await.status.unwrap();
    assert_eq!(reason(&status), "TOO_MANY_CONCURRENT_CALLS", "{status:?}");
    deaf.hear(|it| it.kind == GOAWAY).await.unwrap();
    deaf.closed().await;
    eventually("its place is free", async || {
        let status = other.send(GET_VILLAGE, &[], request.clone()).await.status.unwrap();
        (status.code() == Code::Ok).then_some(())
    })
    .await;
}
