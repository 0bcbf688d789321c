//! What a call gets, refused or served.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use desmigratif_core::agency::Allowance;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio_stream::StreamExt;
use tonic::Code;

use super::client::{Client, RequestBody};
use super::{Leaf, World, framed, headers, in_time};

const CHECK: &str = "/grpc.health.v1.Health/Check";

fn refused(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

/// A body of these bytes that never ends.
fn endless(bytes: Vec<u8>) -> RequestBody {
    let first = tokio_stream::once(Ok(Frame::data(Bytes::from(bytes))));
    StreamBody::new(first.chain(tokio_stream::pending())).boxed()
}

#[tokio::test]
async fn a_registered_agency_is_served() {
    let world = World::new().await;
    let mut client = world.client("kemnaker").await;
    let answer = client.call(CHECK).await;
    assert_eq!((answer.http, answer.code()), (StatusCode::OK, Code::Ok));
    assert_eq!(answer.body, framed(&[8, 1]), "SERVING");
    assert_eq!(world.ended("grpc.health.v1.Health/Check", "OK"), 1);
}

#[tokio::test]
async fn the_service_learns_who_calls_and_that_it_may() {
    let world = World::new().await;
    let mut client = world.client("kemnaker").await;
    let answer = client.call_with("/test.Test/Who", &[("desmigratif-purpose", "oversight")]).await;
    assert_eq!(answer.status.unwrap().message(), r#"kemnaker /test.Test/Who Some("oversight")"#);
    let denied = client.call_with("/test.Test/Who", &[("desmigratif-purpose", "curiosity")]).await;
    assert_eq!(denied.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn only_active_registered_agencies_with_one_identity_are_served() {
    let world = World::new().await;
    let two = Leaf {
        uris: vec![
            "spiffe://desmigratif.test/agency/kemnaker".into(),
            "spiffe://desmigratif.test/agency/kemenkes".into(),
        ],
        ..Leaf::agency("kemnaker")
    };
    let cases = [
        (Leaf::agency("nobody"), "AGENCY_NOT_REGISTERED"),
        (Leaf::agency("klinik-01"), "AGENCY_NOT_ACTIVE"),
        (two, "CERTIFICATE_REFUSED"),
        (Leaf { uris: vec![], ..Leaf::agency("kemnaker") }, "CERTIFICATE_REFUSED"),
        (Leaf { client_auth: false, ..Leaf::agency("kemnaker") }, "CERTIFICATE_REFUSED"),
        (
            Leaf {
                uris: vec!["spiffe://other.test/agency/kemnaker".into()],
                ..Leaf::agency("kemnaker")
            },
            "CERTIFICATE_REFUSED",
        ),
    ];
    for (leaf, reason) in cases {
        let mut client = Client::connect(&world, &leaf).await.unwrap();
        assert_eq!(client.call(CHECK).await.refusal(), refused(Code::Unauthenticated, reason));
    }
    assert_eq!(world.ended("grpc.health.v1.Health/Check", "UNAUTHENTICATED"), 6);
}

#[tokio::test]
async fn what_is_no_grpc_call_is_refused_in_http() {
    let world = World::new().await;
    let mut client = world.client("kemnaker").await;
    let grpc = headers(&[("content-type", "application/grpc")]);
    let get = client.request(Method::GET, CHECK, grpc, endless(vec![])).await.unwrap();
    assert_eq!(
        (get.http, &get.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
    for odd in [headers(&[]), headers(&[("content-type", "application/json")])] {
        let answer = client.request(Method::POST, CHECK, odd, endless(vec![])).await.unwrap();
        assert_eq!(answer.http, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}

#[tokio::test]
async fn unknown_methods_are_unimplemented() {
    let world = World::new().await;
    let mut client = world.client("kemnaker").await;
    for path in ["/test.Test/Nothing", "/", "/test.Test/Unserved"] {
        assert_eq!(
            client.call(path).await.refusal(),
            refused(Code::Unimplemented, "METHOD_UNKNOWN"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn much_metadata_gets_a_grpc_status() {
    let world = World::new().await;
    let mut client = world.client("kemnaker").await;
    let much = "x".repeat(17 * 1024);
    let answer = client.call_with(CHECK, &[("filler", &much)]).await;
    assert_eq!(answer.refusal(), refused(Code::ResourceExhausted, "METADATA_TOO_LARGE"));
    let enough = "x".repeat(15 * 1024);
    assert_eq!(client.call_with(CHECK, &[("filler", &enough)]).await.code(), Code::Ok);
}

#[tokio::test]
async fn malformed_messages_are_the_callers_fault() {
    let world = World::new().await;
    let mut client = world.client("kemnaker").await;
    let malformed = refused(Code::InvalidArgument, "MESSAGE_MALFORMED");
    for (bytes, what) in [
        (framed(&[0x0a, 0x05, b'x']), "a field cut short"),
        (framed(&[0x0a, 0x02, 0xff, 0xfe]), "no UTF-8"),
        (framed(b"x")[..5].to_vec(), "a message cut short"),
        (vec![], "no message"),
        (vec![9, 0, 0, 0, 0], "no such flag"),
    ] {
        let answer = client.send(CHECK, &[], bytes).await;
        assert_eq!(answer.refusal(), malformed, "{what}");
        assert!(!answer.status.unwrap().message().contains("service"), "no echo of the field");
    }
    let two = [framed(&[]), framed(&[])].concat();
    assert_eq!(
        client.send(CHECK, &[], two).await.refusal(),
        refused(Code::InvalidArgument, "TOO_MANY_MESSAGES")
    );
}

#[tokio::test]
async fn long_messages_are_refused_at_their_prefix() {
    let world = World::with(|_, layers| layers.largest_message = 1000).await;
    let mut client = world.client("kemnaker").await;
    let grpc = headers(&[("content-type", "application/grpc")]);
    // The message itself never comes, and is not waited for.
    let prefix = endless(framed(&[0; 1001])[..5].to_vec());
    let answer = client.request(Method::POST, CHECK, grpc, prefix).await.unwrap();
    assert_eq!(answer.refusal(), refused(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
}

#[tokio::test]
async fn an_answer_comes_by_the_deadline() {
    let mut world = World::new().await;
    let mut client = world.client("kemnaker").await;
    let exceeded = refused(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");

    let slow = client.call_with("/test.Test/Slow", &[("grpc-timeout", "50m")]).await;
    assert_eq!(slow.refusal(), exceeded, "the service waits");
    assert_eq!((world.signal().await, world.signal().await), ("slow begun", "slow dropped"));

    let grpc = headers(&[("content-type", "application/grpc"), ("grpc-timeout", "50m")]);
    let endless = client.request(Method::POST, CHECK, grpc, endless(vec![0, 0])).await.unwrap();
    assert_eq!(endless.refusal(), exceeded, "the request never ends");

    let stream = client.call_with("/test.Test/Stream", &[("grpc-timeout", "50m")]).await;
    assert_eq!(stream.refusal(), exceeded, "the answer never ends");
    assert_eq!(stream.body, framed(&[]), "what came before the deadline came");

    let odd = client.call_with(CHECK, &[("grpc-timeout", "soon")]).await;
    assert_eq!(odd.refusal(), refused(Code::InvalidArgument, "DEADLINE_MALFORMED"));
    assert_eq!(world.ended("test.Test/Slow", "DEADLINE_EXCEEDED"), 1);
}

#[tokio::test]
async fn no_caller_may_wait_longer_than_the_maximum() {
    let world = World::with(|_, layers| layers.maximum_deadline = Duration::from_millis(50)).await;
    let mut client = world.client("kemnaker").await;
    let answer = client.call_with("/test.Test/Slow", &[("grpc-timeout", "1H")]).await;
    assert_eq!(answer.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_panic_costs_its_own_call_only() {
    let world = World::new().await;
    let mut client = world.client("kemnaker").await;
    for path in ["/test.Test/Panic", "/test.Test/StreamPanic"] {
        let answer = client.call(path).await;
        assert_eq!(answer.refusal(), refused(Code::Internal, "INTERNAL_FAULT"), "{path}");
    }
    assert_eq!(client.call(CHECK).await.code(), Code::Ok, "on the same connection");
}

#[tokio::test]
async fn a_caller_that_goes_away_frees_its_place() {
    let mut world =
        World::allowing(Allowance { concurrent_calls: 1, ..Allowance::default() }).await;
    let mut client = world.client("kemnaker").await;
    let mut other = world.client("kemnaker").await;
    {
        let mut call = Box::pin(client.call("/test.Test/Slow"));
        tokio::select! {
            _ = &mut call => panic!("the call must wait"),
            signal = world.signals.recv() => assert_eq!(signal, Some("slow begun")),
        }
        let answer = other.call(CHECK).await;
        assert_eq!(answer.refusal(), refused(Code::ResourceExhausted, "TOO_MANY_CONCURRENT_CALLS"));
    }
    assert_eq!(in_time(world.signal()).await, "slow dropped");
    // The service is dropped just before its place is free again.
    in_time(async { while other.call(CHECK).await.code() != Code::Ok {} }).await;
    assert_eq!(world.ended("test.Test/Slow", "CANCELLED"), 1);
}

#[tokio::test]
async fn load_is_refused_with_a_hint_when_to_retry() {
    use tonic_types::StatusExt;
    let mut world = World::with(|_, layers| layers.concurrent_calls = 1).await;
    let mut busy = world.client("kemnaker").await;
    let waiting = tokio::spawn(async move { busy.call("/test.Test/Slow").await.code() });
    assert_eq!(in_time(world.signal()).await, "slow begun");
    let answer = world.client("kemenkes").await.call(CHECK).await;
    assert_eq!(answer.refusal(), refused(Code::Unavailable, "OVERLOADED"));
    assert!(answer.status.unwrap().get_details_retry_info().is_some());
    world.services.finish.notify_one();
    assert_eq!(in_time(waiting).await.unwrap(), Code::Ok);

    let (calls_per_second, burst) = (NonZeroU32::MIN, NonZeroU32::MIN);
    let once = Allowance { calls_per_second, burst, ..Allowance::default() };
    let world = World::allowing(once).await;
    let mut client = world.client("kemnaker").await;
    assert_eq!(client.call(CHECK).await.code(), Code::Ok);
    let answer = client.call(CHECK).await;
    assert_eq!(answer.refusal(), refused(Code::ResourceExhausted, "RATE_LIMITED"));
    assert!(answer.status.unwrap().get_details_retry_info().is_some());
}
