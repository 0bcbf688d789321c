//! Answers that last: what they hold, how long they go on, and that their right is asked for anew.

use std::time::Duration;

use desmigratif_core::agency::Allowance;
use tonic::Code;

use super::{World, in_time};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const LAST: &str = "/test.Test/Last";

/// An answer that lasts, once its service has begun; with how it ends.
async fn begun(world: &mut World) -> tokio::task::JoinHandle<(Code, String)> {
    let mut client = world.client("kemnaker").await;
    let ended = tokio::spawn(async move {
        let status = client.call(LAST).await.status.unwrap();
        (status.code(), status.message().to_owned())
    });
    assert_eq!(in_time(world.signal()).await, "last begun");
    ended
}

#[tokio::test]
async fn an_answer_that_lasts_hears_that_its_connection_ends() {
    let mut world = World::new().await;
    let ended = begun(&mut world).await;
    world.drain.cancel();
    let (code, message) = in_time(ended).await.unwrap();
    assert_eq!((code, message.as_str()), (Code::Aborted, "kemnaker /test.Test/Last None"));
    assert_eq!(in_time(world.serving).await.unwrap().cut, 0);
}

#[tokio::test]
async fn its_right_is_gone_when_the_certificate_has_expired() {
    let mut world = World::new().await;
    let ended = begun(&mut world).await;
    world.clock.set("2027-01-01T00:00:01Z".parse().unwrap());
    world.drain.cancel();
    assert_eq!(in_time(ended).await.unwrap().0, Code::Unauthenticated);
}

#[tokio::test]
async fn it_takes_no_place_of_a_call() {
    let mut world = World::with(|_, layers| layers.concurrent_calls = 1).await;
    let _ended = begun(&mut world).await;
    assert_eq!(world.client("kemenkes").await.call(CHECK).await.code(), Code::Ok);

    let one = Allowance { concurrent_calls: 1, feeds: 1, ..Allowance::default() };
    let mut world = World::allowing(one).await;
    let _ended = begun(&mut world).await;
    let mut client = world.client("kemnaker").await;
    assert_eq!(client.call(CHECK).await.code(), Code::Ok);
    let refused = client.call(LAST).await.refusal();
    assert_eq!(refused, (Code::ResourceExhausted, "TOO_MANY_FEEDS".to_owned()));
}

#[tokio::test]
async fn it_has_a_maximum_of_its_own() {
    let short = Duration::from_millis(50);
    let mut world = World::with(|_, layers| layers.maximum_deadline = short).await;
    let ended = begun(&mut world).await;
    let other = world.client("kemnaker").await.call("/test.Test/Slow").await;
    assert_eq!(other.code(), Code::DeadlineExceeded);
    assert!(!ended.is_finished(), "it began before, and goes on");

    let mut world = World::with(|_, layers| layers.lasting_deadline = short).await;
    let ended = begun(&mut world).await;
    assert_eq!(in_time(ended).await.unwrap().0, Code::DeadlineExceeded);
}
