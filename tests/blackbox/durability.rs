//! Power cuts: what was acknowledged is there afterwards, once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use desmigratif_proto::common::v1::Receipt;
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{
    ListClearancesRequest, SubmitClearanceRequest, SubmitClearanceResponse,
};
use desmigratif_proto::worker::v1::{RegisterWorkerRequest, RegisterWorkerResponse};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Notify;
use tonic::transport::Channel;

use crate::calls::{look_up, register, registration, submission, submit};
use crate::gateway::{Gateway, fresh_nik, run, stating};

/// Callers at once.
const CALLERS: usize = 12;
/// So many acknowledgements come before the cut.
const ACKNOWLEDGED: usize = 300;

/// What one caller was told before the cut.
#[derive(Default)]
struct Told {
    workers: Vec<(RegisterWorkerRequest, RegisterWorkerResponse)>,
    clearances: Vec<(SubmitClearanceRequest, SubmitClearanceResponse)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_power_cut_is_there_once_after_it() {
    let gateway = Gateway::start();
    let (told, folder) = cut_under_load(gateway).await;
    let mut gateway = Gateway::start_in(folder);
    let kemnaker = gateway.connect("kemnaker").await;
    let clinic = gateway.connect("klinik-indramayu").await;

    let entries = journal(&gateway);
    let replays: Vec<_> = told
        .into_iter()
        .map(|told| tokio::spawn(repeat(told, kemnaker.clone(), clinic.clone())))
        .collect();
    let (mut receipts, mut to_find) = (Vec::new(), Vec::new());
    for replay in replays {
        let (some, workers) = replay.await.unwrap();
        receipts.extend(some);
        to_find.extend(workers);
    }
    assert_eq!(journal(&gateway), entries, "repetitions add nothing");
    assert!(receipts.len() >= ACKNOWLEDGED, "{}", receipts.len());
    let indices: BTreeSet<_> = receipts.iter().map(|receipt| receipt.entry_index).collect();
    assert_eq!(indices.len(), receipts.len(), "each receipt has an index of its own");
    assert!(indices.last().is_some_and(|last| *last < entries));

    let finding: Vec<_> =
        to_find.into_iter().map(|found| tokio::spawn(find(found, kemnaker.clone()))).collect();
    for found in finding {
        found.await.unwrap();
    }

    gateway.signal("TERM");
    assert!(gateway.wait().success(), "{}", gateway.log());
    let config = gateway.data().join("gateway.toml");
    let (status, out, err) = run(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{out}\n{err}");
}

/// Loads a gateway, kills it after [`ACKNOWLEDGED`] answers, and gives back what was answered.
async fn cut_under_load(gateway: Gateway) -> (Vec<Told>, tempfile::TempDir) {
    let answered = Arc::new((AtomicUsize::new(0), Notify::new()));
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let kemnaker = gateway.connect("kemnaker").await;
        let clinic = gateway.connect("klinik-indramayu").await;
        callers.push(tokio::spawn(call_until_cut(kemnaker, clinic, answered.clone())));
    }
    answered.1.notified().await;
    // The callers know nothing of the end: they stop at the first call that fails.
    let folder = gateway.kill();
    let mut told = Vec::new();
    for caller in callers {
        told.push(caller.await.unwrap());
    }
    (told, folder)
}

async fn call_until_cut(
    kemnaker: Channel,
    clinic: Channel,
    answered: Arc<(AtomicUsize, Notify)>,
) -> Told {
    let mut told = Told::default();
    let count = || {
        if answered.0.fetch_add(1, Ordering::Relaxed) + 1 == ACKNOWLEDGED {
            answered.1.notify_one();
        }
    };
    loop {
        let nik = fresh_nik();
        let request = registration(&nik);
        let Ok(answer) = register(&kemnaker, request.clone()).await else { return told };
        told.workers.push((request, answer));
        count();
        let request = submission(&nik);
        let Ok(answer) = submit(&clinic, request.clone()).await else { return told };
        told.clearances.push((request, answer));
        count();
    }
}

/// A registered worker to be found again: NIK, id, and the ids of its clearances.
type ToFind = (String, String, Vec<String>);

/// Sends every acknowledged request again: each answer must be the first one.
async fn repeat(told: Told, kemnaker: Channel, clinic: Channel) -> (Vec<Receipt>, Vec<ToFind>) {
    let (mut receipts, mut to_find) = (Vec::new(), Vec::new());
    let mut clearances = told.clearances.into_iter();
    for (request, first) in told.workers {
        let nik = request.worker.as_ref().unwrap().nik.clone();
        assert_eq!(register(&kemnaker, request).await.unwrap(), first);
        receipts.extend(first.receipt);
        // The caller handed in one clearance after each worker; the last may not have come through.
        let mut ids = Vec::new();
        if let Some((request, first)) = clearances.next() {
            assert_eq!(submit(&clinic, request).await.unwrap(), first);
            receipts.extend(first.receipt);
            ids.push(first.clearance_id);
        }
        to_find.push((nik, first.worker_id, ids));
    }
    (receipts, to_find)
}

async fn find((nik, worker_id, clearances): ToFind, kemnaker: Channel) {
    let found = look_up(&kemnaker, "placement-screening", &nik).await.unwrap().worker.unwrap();
    assert_eq!(found.worker_id, worker_id);
    let request = ListClearancesRequest { worker_id, ..Default::default() };
    let list = MedicalClearanceServiceClient::new(kemnaker)
        .list_clearances(stating("placement-screening", request))
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<_> = list.clearances.into_iter().map(|it| it.clearance_id).collect();
    // One whose answer was cut off may be there as well: nobody was promised that it is not.
    if !clearances.is_empty() {
        assert_eq!(ids, clearances);
    }
    assert!(ids.len() <= 1);
}

/// The number of entries in the journal, whose indices must be dense.
fn journal(gateway: &Gateway) -> u64 {
    let store = gateway.data().join("store.sqlite");
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT count(*), coalesce(max(idx), -1) + 1 FROM entry";
    let (count, next): (i64, i64) =
        store.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(count, next, "the journal is dense");
    u64::try_from(count).unwrap()
}
