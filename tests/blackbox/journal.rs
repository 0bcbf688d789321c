//! What the journal records of those who are turned away: known agencies yes, strangers never.

use desmigratif_proto::worker::v1::GetWorkerRequest;
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rusqlite::{Connection, OpenFlags};
use tonic::Code;

use crate::gateway::{Gateway, new_id, stating};
use crate::raw::{Identity, handshake, let_in};

/// The agencies and methods of the entries of a kind in the journal; all of them for "%".
pub(crate) fn entries(gateway: &Gateway, kind: &str) -> Vec<(String, String)> {
    let path = gateway.data().join("store.sqlite");
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT agency, method FROM entry WHERE kind LIKE ? ORDER BY idx";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refusal_of_a_known_agency_is_an_entry_and_that_of_a_stranger_is_not() {
    let mut gateway = Gateway::start();
    let before = entries(&gateway, "refusal").len();
    let kemendes = gateway.connect("kemendes").await;
    let request = stating("programme-planning", GetWorkerRequest { worker_id: new_id() });
    let refused = WorkerServiceClient::new(kemendes).get_worker(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity =
        Identity { certificate: stranger.cert.pem(), key: stranger.signing_key.serialize_pem() };
    let connection = handshake(gateway.agencies, &gateway.ca(), Some(&identity), &["h2"]).await;
    assert!(!let_in(connection).await);

    // Stopping waits for the entries on their way.
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let journalled = entries(&gateway, "refusal");
    let method = "desmigratif.worker.v1.WorkerService/GetWorker";
    assert_eq!(journalled[before..], [("kemendes".to_owned(), method.to_owned())]);
}
