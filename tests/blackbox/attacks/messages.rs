//! Messages, metadata and methods that are not as they should be: each with its code, none echoed.

use desmigratif_proto::village::v1::GetVillageRequest;
use http::{Method, StatusCode};
use prost::Message as _;
use tonic::{Code, Status};

use super::GET_VILLAGE;
use crate::gateway::{Gateway, KENANGA, reason};
use crate::raw::{Raw, framed};

/// What would be an echo.
const SECRET: &str = "rahasiaku";

/// The tags of an unknown group that begins, and that ends (field 15, wire types 3 and 4).
const BEGIN: u8 = 15 << 3 | 3;
const END: u8 = 15 << 3 | 4;

fn said(status: Option<Status>) -> (Code, String) {
    let status = status.expect("a gRPC status");
    let details = String::from_utf8_lossy(status.details()).to_lowercase();
    assert!(!status.message().to_lowercase().contains(SECRET), "echoed: {status:?}");
    assert!(!details.contains(SECRET), "echoed: {details}");
    (status.code(), reason(&status))
}

fn is(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

/// A request for a village.
fn village() -> Vec<u8> {
    GetVillageRequest { code: KENANGA.into() }.encode_to_vec()
}

async fn client(gateway: &Gateway) -> Raw {
    Raw::connect(gateway, &gateway.identity("kemnaker")).await
}

/// Row "malformed protobuf, bad UTF-8, too deep": INVALID_ARGUMENT, and no echo.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_are_refused_without_an_echo() {
    let gateway = Gateway::shared();
    let mut client = client(&gateway).await;
    let text = |bytes: &[u8]| {
        let length = u8::try_from(bytes.len() + SECRET.len()).unwrap();
        [&[0x0a, length], SECRET.as_bytes(), bytes].concat()
    };
    let mut cut_short = text(&[]);
    cut_short[1] += 1;
    let nested = |depth: usize| [vec![BEGIN; depth], vec![END; depth]].concat();
    for (bytes, what) in [
        (cut_short, "a field that is cut short"),
        (text(&[0xc3, 0x28]), "no UTF-8"),
        (text(&[0xed, 0xa0, 0x80]), "half a surrogate pair"),
        (nested(101), "too deep"),
        (vec![BEGIN; 4 << 20], "as deep as a message is long"),
        (vec![0xff; 12], "a tag without end"),
        (vec![0x07], "no such wire type"),
        (SECRET.as_bytes().to_vec(), "a text"),
    ] {
        let answer = client.call(GET_VILLAGE, &[], &bytes).await;
        assert_eq!(said(answer.status), is(Code::InvalidArgument, "MESSAGE_MALFORMED"), "{what}");
    }
    // What is only unknown is passed over, as protobuf asks.
    let known = [village(), nested(20)].concat();
    assert_eq!(said(client.call(GET_VILLAGE, &[], &known).await.status).0, Code::Ok);
}

/// Row "message too large": RESOURCE_EXHAUSTED, by its prefix alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_refused_before_it_has_come() {
    let gateway = Gateway::shared();
    let mut client = client(&gateway).await;
    let too_large = is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    for length in [(4 << 20) + 1, u32::MAX] {
        let (pieces, answer) = client.begin(GET_VILLAGE, &[]);
        pieces.send([&[0], &length.to_be_bytes()[..]].concat()).unwrap();
        assert_eq!(said(answer.await.status), too_large, "{length}");
    }
    let whole = vec![0; (4 << 20) + 1];
    assert_eq!(said(client.call(GET_VILLAGE, &[], &whole).await.status), too_large);
    // The largest that is taken is read: it is not too large, but no message.
    let largest = &whole[1..];
    let answer = client.call(GET_VILLAGE, &[], largest).await;
    assert_eq!(said(answer.status), is(Code::InvalidArgument, "MESSAGE_MALFORMED"));
}

/// Row "metadata > 16 KiB": a gRPC code up to the header list that the settings allow. What a
/// caller sends in spite of them is HTTP's to refuse.
#[tokio::test(flavor = "multi_thread")]
async fn too_much_metadata_is_refused_with_a_grpc_code() {
    let gateway = Gateway::shared();
    let mut client = client(&gateway).await;
    for (size, expected) in [
        (15 << 10, is(Code::Ok, "")),
        (17 << 10, is(Code::ResourceExhausted, "METADATA_TOO_LARGE")),
        (63 << 10, is(Code::ResourceExhausted, "METADATA_TOO_LARGE")),
    ] {
        let filler = SECRET.repeat(size / SECRET.len());
        let answer = client.call(GET_VILLAGE, &[("filler", &filler)], &village()).await;
        assert_eq!(said(answer.status), expected, "{size}");
    }
    let many: Vec<_> = (0..700).map(|n| (format!("filler-{n}"), "x")).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let answer = client.call(GET_VILLAGE, &many, &village()).await;
    assert_eq!(said(answer.status), is(Code::ResourceExhausted, "METADATA_TOO_LARGE"), "many");
    // Beyond the settings it costs its own call only.
    let filler = "x".repeat(80 << 10);
    let answer = client.call(GET_VILLAGE, &[("filler", &filler)], &village()).await;
    assert_eq!(answer.http, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(said(client.call(GET_VILLAGE, &[], &village()).await.status).0, Code::Ok);
}

/// Row "wrong or missing content-type, GET, two messages on a unary call": 415, 405, refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_grpc_call_is_refused_as_what_it_is() {
    let gateway = Gateway::shared();
    let mut client = client(&gateway).await;
    let body = framed(&village());
    let te = ("te", "trailers");
    for odd in [
        &[te][..],
        &[te, ("content-type", "application/json")],
        &[te, ("content-type", "application/grpc-web")],
        &[te, ("content-type", "application/grpc"), ("content-type", "application/grpc")],
    ] {
        let answer = client.request(Method::POST, GET_VILLAGE, odd, body.clone()).await;
        assert_eq!(answer.http, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{odd:?}");
        assert!(answer.body.is_empty());
    }
    let grpc = [te, ("content-type", "application/grpc")];
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        let answer = client.request(method.clone(), GET_VILLAGE, &grpc, body.clone()).await;
        assert_eq!(answer.http, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let unknown = "/desmigratif.village.v1.VillageService/Nothing";
    let answer = client.send(unknown, &[], body.clone()).await;
    assert_eq!(said(answer.status), is(Code::Unimplemented, "METHOD_UNKNOWN"));
    let malformed = is(Code::InvalidArgument, "MESSAGE_MALFORMED");
    let compressed = is(Code::Unimplemented, "COMPRESSION_UNSUPPORTED");
    let flagged = [&[1], &body[1..]].concat();
    for (headers, bytes, expected) in [
        (&[][..], [&body[..], &body].concat(), is(Code::InvalidArgument, "TOO_MANY_MESSAGES")),
        (&[], vec![], malformed.clone()),
        (&[], body[..body.len() - 1].to_vec(), malformed.clone()),
        (&[], [&[9], &body[1..]].concat(), malformed.clone()),
        (&[], flagged.clone(), malformed.clone()),
        (&[("grpc-encoding", "identity")], flagged.clone(), malformed),
        (&[("grpc-encoding", "gzip")], flagged, compressed.clone()),
        (&[("grpc-encoding", SECRET)], body.clone(), compressed),
        (&[("grpc-encoding", "identity")], body.clone(), is(Code::Ok, "")),
    ] {
        let answer = client.send(GET_VILLAGE, headers, bytes.clone()).await;
        assert_eq!(said(answer.status), expected, "{headers:?} {bytes:?}");
    }
}
