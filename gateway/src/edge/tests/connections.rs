//! What a connection must prove, and what becomes of one that leaves things unfinished.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use super::client::{Client, handshake, let_in, tls, tls_with, whole};
use super::pki::TestCa;
use super::{Leaf, World, framed, headers, in_time};
use crate::edge::listener::Drained;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SOON: Duration = Duration::from_millis(100);

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_HEADERS: u8 = 4;

/// Headers of a call, as literals without indexing (RFC 7541 section 6.2.2).
fn header_block(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("content-type", "application/grpc"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Reads a frame: its kind, its stream and its payload.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).await?;
    Ok((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// Waits until the server closes, whatever it says before.
async fn closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = [0; 1024];
    in_time(async { while matches!(stream.read(&mut bytes).await, Ok(1..)) {} }).await;
}

async fn impatient() -> World {
    World::with(|listener, _| {
        (listener.handshake_timeout, listener.first_call_timeout) = (SOON, SOON);
    })
    .await
}

#[tokio::test]
async fn only_a_certificate_of_the_client_ca_gets_in() {
    let world = World::new().await;
    assert!(let_in(&world, tls(&world, Some(&Leaf::agency("kemnaker")), &["h2"])).await);
    assert!(!let_in(&world, tls(&world, None, &["h2"])).await, "no certificate");
    let expired = Leaf { validity: ((2025, 1, 1), (2026, 1, 1)), ..Leaf::agency("kemnaker") };
    assert!(!let_in(&world, tls(&world, Some(&expired), &["h2"])).await, "expired");
    let early = Leaf { validity: ((2026, 12, 1), (2027, 1, 1)), ..Leaf::agency("kemnaker") };
    assert!(!let_in(&world, tls(&world, Some(&early), &["h2"])).await, "not valid yet");

    let foreign = TestCa::new().issue(&Leaf::agency("kemnaker"));
    let foreign = tls_with(&world, Some(foreign), &["h2"], rustls::ALL_VERSIONS);
    assert!(!let_in(&world, foreign).await, "another CA");
}

#[tokio::test]
async fn http2_must_be_offered() {
    let world = World::new().await;
    let kemnaker = Leaf::agency("kemnaker");
    assert!(!let_in(&world, tls(&world, Some(&kemnaker), &[])).await, "no ALPN");
    assert!(!let_in(&world, tls(&world, Some(&kemnaker), &["http/1.1"])).await, "another protocol");
    assert!(let_in(&world, tls(&world, Some(&kemnaker), &["http/1.1", "h2"])).await);
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    let world = World::new().await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let certificate = world.ca.issue(&Leaf::agency("kemnaker"));
        let config = Arc::new(tls_with(&world, Some(certificate), &["h2"], &[version]));
        for _ in 0..2 {
            let mut stream = handshake(&world, config.clone()).await.unwrap();
            // Reading the server's settings takes in any ticket that came with them.
            in_time(stream.read_exact(&mut [0; 9])).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert!(
                matches!(
                    kind,
                    Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
                ),
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_unfinished_handshake_is_closed() {
    let world = impatient().await;
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    let mut half = TcpStream::connect(world.address).await.unwrap();
    // A TLS record that announces 512 bytes of ClientHello and brings one.
    half.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    closed(&mut silent).await;
    closed(&mut half).await;
}

#[tokio::test]
async fn a_peer_that_never_finishes_a_first_call_is_closed() {
    let world = impatient().await;
    let unfinished = [
        vec![],
        PREFACE[..10].to_vec(),
        [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[])].concat(),
        [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[]), frame(HEADERS, 0, 1, &header_block(CHECK))]
            .concat(),
    ];
    let mut open = Vec::new();
    for bytes in unfinished {
        let config = Arc::new(tls(&world, Some(&Leaf::agency("kemnaker")), &["h2"]));
        let mut stream = handshake(&world, config).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        open.push(stream);
    }
    for stream in &mut open {
        closed(stream).await;
    }
}

#[tokio::test]
async fn concurrent_streams_are_advertised_and_enforced() {
    let world = World::with(|listener, _| listener.streams = 2).await;
    let config = Arc::new(tls(&world, Some(&Leaf::agency("kemnaker")), &["h2"]));
    let mut stream = handshake(&world, config).await.unwrap();
    stream.write_all(&[PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    let (kind, _, settings) = in_time(read_frame(&mut stream)).await.unwrap();
    assert_eq!(kind, SETTINGS);
    let setting = |id: u16| {
        settings
            .chunks_exact(6)
            .find(|setting| u16::from_be_bytes([setting[0], setting[1]]) == id)
            .map(|setting| u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]))
    };
    assert_eq!(setting(3), Some(2), "MAX_CONCURRENT_STREAMS");
    assert_eq!(setting(4), Some(64 * 1024), "INITIAL_WINDOW_SIZE");
    assert_eq!(setting(6), Some(64 * 1024), "MAX_HEADER_LIST_SIZE");

    for id in [1, 3, 5] {
        stream.write_all(&frame(HEADERS, END_HEADERS, id, &header_block(CHECK))).await.unwrap();
    }
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
    let refused = async {
        loop {
            let (kind, id, payload) = read_frame(&mut stream).await.unwrap();
            if kind == RST_STREAM {
                return (id, payload);
            }
        }
    };
    assert_eq!(in_time(refused).await, (5, REFUSED_STREAM.to_vec()));
}

#[tokio::test]
async fn idle_and_old_connections_are_told_to_go() {
    for set in [
        (|listener, _| listener.idle_timeout = SOON)
            as fn(&mut crate::edge::listener::Settings, &mut _),
        |listener, _| listener.connection_age = SOON,
    ] {
        let world = World::with(set).await;
        let config = Arc::new(tls(&world, Some(&Leaf::agency("kemnaker")), &["h2"]));
        let mut stream = handshake(&world, config).await.unwrap();
        let call = frame(HEADERS, END_HEADERS | 1, 1, &header_block(CHECK));
        stream
            .write_all(&[PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[]), call].concat())
            .await
            .unwrap();
        let told = async { while read_frame(&mut stream).await.unwrap().0 != GOAWAY {} };
        in_time(told).await;
    }
}

#[tokio::test]
async fn draining_lets_calls_end_and_takes_no_more() {
    let mut world = World::new().await;
    let mut client = world.client("kemnaker").await;
    let call = tokio::spawn(async move {
        let answer = client.call("/test.Test/Slow").await;
        (answer.code(), client)
    });
    assert_eq!(in_time(world.signal()).await, "slow begun");
    world.drain.cancel();
    // The port is closed before connections are waited for.
    in_time(async {
        while TcpStream::connect(world.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!call.is_finished(), "the call goes on");
    world.services.finish.notify_one();
    let (code, client) = in_time(call).await.unwrap();
    assert_eq!(code, Code::Ok);
    assert_eq!(in_time(world.serving).await.unwrap(), Drained { cut: 0 });
    in_time(client.ended).await.unwrap();
}

#[tokio::test]
async fn draining_cuts_what_does_not_end_in_time() {
    let mut world = World::with(|listener, _| listener.drain_timeout = SOON).await;
    let mut client = world.client("kemnaker").await;
    let call = tokio::spawn(async move {
        let grpc = headers(&[("content-type", "application/grpc")]);
        client.request(Method::POST, "/test.Test/Slow", grpc, whole(framed(&[]))).await.is_err()
    });
    assert_eq!(in_time(world.signal()).await, "slow begun");
    world.drain.cancel();
    in_time(&mut world.serving).await.unwrap();
    assert!(in_time(call).await.unwrap(), "the call was cut");
    assert_eq!(in_time(world.signal()).await, "slow dropped");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let world = World::with(|listener, _| listener.connections = 1).await;
    let mut first = world.client("kemnaker").await;
    assert_eq!(first.call(CHECK).await.code(), Code::Ok);
    let config = Arc::new(tls(&world, Some(&Leaf::agency("kemenkes")), &["h2"]));
    let (second, ()) = tokio::join!(handshake(&world, config), async {
        assert_eq!(first.call(CHECK).await.code(), Code::Ok, "the first is served meanwhile");
        drop(first);
    });
    assert!(second.is_ok(), "its place came free");
    drop(second);
    assert!(Client::connect(&world, &Leaf::agency("kemenkes")).await.is_ok());
}
