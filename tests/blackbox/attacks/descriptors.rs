//! More connections than there are file descriptors.

use std::process::Command;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::calls::{register, registration};
use crate::country::eventually;
use crate::folder::prepared;
use crate::gateway::{Gateway, fresh_nik, serve};

/// For so long the gateway is watched.
const WATCHED: Duration = Duration::from_secs(2);
/// So much of that time it may use. An accept loop that spins uses all of it.
const USED: Duration = Duration::from_millis(400);

/// Connections that say nothing.
async fn crowd(gateway: &Gateway, size: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..size {
        crowd.push(TcpStream::connect(gateway.agencies).await.unwrap());
    }
    crowd
}

/// Processor time that the gateway uses while it is watched, by what it has on its hands.
async fn used_while_watched(gateway: &Gateway) -> Duration {
    let before = gateway.processor_time();
    // Not to wait for something, but for as long as it is looked at.
    tokio::time::sleep(WATCHED).await;
    gateway.processor_time() - before
}

/// Row "file descriptors exhausted": the loop backs off, and serves again when there are some.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_descriptors_burns_no_processor_and_serves_again_later() {
    let gateway = Gateway::serve(prepared(), &[]);
    let kemnaker = gateway.connect("kemnaker").await;
    register(&kemnaker, registration(&fresh_nik())).await.unwrap();
    // Taken away after the start, for at the start the gateway would have seen it coming.
    let few = gateway.open_files() + 4;
    limit(&gateway, few);
    let crowd = crowd(&gateway, 60).await;
    eventually("there are no more", async || (gateway.open_files() >= few).then_some(())).await;
    let used = used_while_watched(&gateway).await;
    assert!(used < USED, "{used:?} of {WATCHED:?}");
    let said = gateway.log().matches("cannot accept connections").count();
    assert!((1..15).contains(&said), "said {said} times");
    // Whoever is in is served.
    register(&kemnaker, registration(&fresh_nik())).await.unwrap();

    drop(crowd);
    let late = gateway.connect("kemnaker").await;
    register(&late, registration(&fresh_nik())).await.unwrap();
}

/// The same row: a gateway that knows its limit takes fewer connections than that.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_capped_below_the_limit_on_open_files() {
    const LIMIT: usize = 128;
    let data = prepared();
    let under_limit = serve(data.path(), &[]);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {LIMIT} && exec \"$0\" \"$@\""));
    command.arg(under_limit.get_program()).args(under_limit.get_args());
    command.envs(under_limit.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let gateway = Gateway::wait_until_ready(command, data);
    let own = gateway.open_files();
    let kemnaker = gateway.connect("kemnaker").await;
    register(&kemnaker, registration(&fresh_nik())).await.unwrap();

    let begun = Instant::now();
    // Few enough that the system's own queue takes those who wait.
    let crowd = crowd(&gateway, 100).await;
    eventually("no more are taken", async || {
        (gateway.open_files() >= own + LIMIT / 2).then_some(())
    })
    .await;
    register(&kemnaker, registration(&fresh_nik())).await.unwrap();
    let used = used_while_watched(&gateway).await;
    assert!(used < USED, "{used:?} of {WATCHED:?}");
    assert_eq!(gateway.log().matches("cannot accept connections").count(), 0);
    assert!(begun.elapsed() < Duration::from_secs(9), "the crowd is still there");
    assert!(gateway.open_files() < LIMIT);
    drop(crowd);
    let late = gateway.connect("kemnaker").await;
    register(&late, registration(&fresh_nik())).await.unwrap();
}

/// Sets how many files the gateway may have open from now on.
fn limit(gateway: &Gateway, files: usize) {
    let set = Command::new("prlimit")
        .args(["--pid", &gateway.id().to_string(), &format!("--nofile={files}")])
        .status()
        .unwrap();
    assert!(set.success());
}
