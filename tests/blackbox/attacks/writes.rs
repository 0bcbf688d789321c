//! Callers that go away in the middle of a change.

use prost::Message as _;
use tokio::task::JoinSet;
use tonic::Code;

use super::REGISTER_WORKER;
use super::wire::{DATA, END_STREAM, Peer, call, frame, reset};
use crate::calls::{look_up, register, registration};
use crate::folder::prepared;
use crate::gateway::{Gateway, fresh_nik};
use crate::journal::entries;
use crate::raw::framed;

/// So many callers go away.
const CALLERS: usize = 60;

/// How a caller goes away.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// It takes the call back.
    Resets,
    /// It cuts the connection.
    Cuts,
    /// It has given the gateway a millisecond.
    TimesOut,
}

/// Row "caller cancels or times out": the change is made whole or not at all, and a repetition
/// gets the answer of the one change that there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_caller_goes_away_is_made_whole_or_not_at_all() {
    let gateway = Gateway::serve(prepared(), &[]);
    let before = entries(&gateway, "change");
    let requests: Vec<_> = (0..CALLERS).map(|_| registration(&fresh_nik())).collect();
    let identity = gateway.identity("kemnaker");
    let mut callers = JoinSet::new();
    for (n, request) in requests.iter().enumerate() {
        let leaves = [Leaves::Resets, Leaves::Cuts, Leaves::TimesOut][n % 3];
        let timeout: &[_] = match leaves {
            Leaves::TimesOut => &[("grpc-timeout", "1m")],
            Leaves::Resets | Leaves::Cuts => &[],
        };
        let purpose = ("desmigratif-purpose", "placement-screening");
        let headers = call(1, 0, REGISTER_WORKER, &[&[purpose], timeout].concat());
        let message = frame(DATA, END_STREAM, 1, &framed(&request.encode_to_vec()));
        let (mut peer, _) = Peer::greeted(&gateway, &identity).await.unwrap();
        callers.spawn(async move {
            peer.send(&[headers, message].concat()).await.unwrap();
            match leaves {
                Leaves::Resets => {
                    // The later it leaves, the further the change has come.
                    for _ in 0..n / 6 {
                        peer.handled().await.unwrap();
                    }
                    peer.send(&reset(1)).await.unwrap();
                    peer.handled().await.unwrap();
                }
                Leaves::Cuts => drop(peer),
                Leaves::TimesOut => {
                    peer.hear(|it| it.stream == 1 && it.flags & END_STREAM != 0).await.unwrap();
                }
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }

    let kemnaker = gateway.connect("kemnaker").await;
    let mut made = 0;
    for request in &requests {
        let worker = request.worker.as_ref().unwrap();
        let found = look_up(&kemnaker, "placement-screening", &worker.nik).await;
        let id = match found {
            Ok(found) => {
                made += 1;
                let found = found.worker.unwrap();
                assert_eq!((&found.name, &found.phone), (&worker.name, &worker.phone));
                Some(found.worker_id)
            }
            Err(status) => {
                assert_eq!(status.code(), Code::NotFound, "{status:?}");
                None
            }
        };
        let repeated = register(&kemnaker, request.clone()).await.unwrap();
        assert!(id.is_none_or(|id| id == repeated.worker_id));
    }
    assert!(made > 0, "no change ran to its end without its caller");
    assert_eq!(entries(&gateway, "change").len(), before.len() + CALLERS, "one entry a change");
}
