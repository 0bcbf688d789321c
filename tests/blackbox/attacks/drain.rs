//! The end of a gateway that is told to stop: announced, and without loss.

use std::time::Duration;

use prost::Message as _;
use tokio::time::Instant;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::REGISTER_WORKER;
use super::wire::{GOAWAY, Peer};
use crate::calls::registration;
use crate::folder::prepared;
use crate::gateway::{Gateway, fresh_nik};
use crate::raw::{Raw, framed, in_time};

/// Sooner than calls that do not end are cut, which is after 35 seconds.
const SOON: Duration = Duration::from_secs(20);

/// Row "SIGTERM": health NOT_SERVING, GOAWAY, calls under way end well, exit 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_gateway_says_so_everywhere_and_ends_what_it_has_begun() {
    let mut gateway = Gateway::serve(prepared(), &[]);
    let identity = gateway.identity("kemnaker");
    // It hears what it is told and does not answer: nor does a machine that has gone away.
    let (mut idle, _) = Peer::greeted(&gateway, &identity).await.unwrap();
    let mut health = HealthClient::new(gateway.connect("kemenkes").await);
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let status = watched.message().await.unwrap().unwrap().status();
    assert_eq!(status, ServingStatus::Serving);
    // A change of which one half has come.
    let client = Raw::connect(&gateway, &identity).await;
    let purpose = [("desmigratif-purpose", "placement-screening")];
    let (pieces, answer) = client.begin(REGISTER_WORKER, &purpose);
    let answer = tokio::spawn(answer);
    let message = framed(&registration(&fresh_nik()).encode_to_vec());
    let (half, rest) = message.split_at(message.len() / 2);
    pieces.send(half.to_vec()).unwrap();

    gateway.signal("TERM");
    let status = in_time(watched.message()).await.unwrap().unwrap().status();
    assert_eq!(status, ServingStatus::NotServing);
    drop((watched, health));
    let told = idle.hear(|it| it.kind == GOAWAY).await.unwrap();
    assert_eq!(told.error(), Some(0), "NO_ERROR");
    let (ready, why) = gateway.operators_get("/readyz").await;
    assert!(ready.contains(" 503 ") && why.contains("draining"), "{ready} {why}");
    assert!(!answer.is_finished(), "the call waits for its other half");

    pieces.send(rest.to_vec()).unwrap();
    drop(pieces);
    assert_eq!(answer.await.unwrap().status.unwrap().code(), Code::Ok);
    drop(client);
    let last_call = Instant::now();
    idle.closed().await;
    assert!(gateway.wait().success(), "{}", gateway.log());
    assert!(last_call.elapsed() < SOON, "{:?}", last_call.elapsed());
    assert!(gateway.log().contains("\"cut\":0"), "{}", gateway.log());
}
