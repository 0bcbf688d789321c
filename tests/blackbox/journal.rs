//! What the journal records of those who are turned away: known agencies yes, strangers never; and
//! of what the gateway goes by.

use std::path::Path;

use desmigratif_proto::worker::v1::GetWorkerRequest;
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rusqlite::{Connection, OpenFlags};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::authority::{Authority, in_seconds};
use crate::country::eventually;
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

/// What the gateway has put in force: index of the entry, name and digest, in order.
pub(crate) fn put_in_force(data: &Path) -> Vec<(u32, String, Vec<u8>)> {
    let path = data.join("store.sqlite");
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT idx, substr(method, 14), request_digest FROM entry
               WHERE agency = 'gateway' AND method LIKE 'put-in-force/%' ORDER BY idx";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// What the gateway has put in force, by name and digest, in order.
fn settings(gateway: &Gateway) -> Vec<(String, Vec<u8>)> {
    put_in_force(gateway.data()).into_iter().map(|(_, name, digest)| (name, digest)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_issuers_and_lists_are_entries_whenever_they_change_and_no_oftener() {
    let authority = Authority::new();
    let files = tempfile::tempdir().unwrap();
    let list = files.path().join("crl.pem");
    let revoke = |serials: &[u64]| {
        let pem = authority.revoke(serials, in_seconds(3_600));
        std::fs::write(&list, &pem).unwrap();
        let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
        ("revocation".to_owned(), Sha256::digest(der).to_vec())
    };
    let policy = files.path().join("open.cedar");
    let open = include_str!("../../gateway/src/access/policies/open.cedar");
    std::fs::write(&policy, open).unwrap();

    let first = revoke(&[]);
    let overrides = [
        ("DESMIGRATIF_TLS__CRLS", format!("[{list:?}]")),
        ("DESMIGRATIF_POLICY__FOLDER", files.path().to_str().unwrap().to_owned()),
    ];
    let overrides = overrides.each_ref().map(|(name, value)| (*name, value.as_str()));
    let gateway = authority.gateway(&overrides);
    let noted = async |gateway: &Gateway, count: usize| {
        eventually("it is noted", async || {
            Some(settings(gateway)).filter(|noted| noted.len() >= count)
        })
        .await
    };
    // `dev` has noted its own three before, among them that there is no list.
    let before = settings(&gateway);
    let ca = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    assert_eq!(before[1].0, "client-ca");
    assert_eq!(before[2], ("revocation".to_owned(), vec![0; 32]));
    assert_eq!(before[3].0, "policy");
    assert_ne!(before[3], before[0]);
    assert_eq!(before[4], ("client-ca".to_owned(), Sha256::digest(ca).to_vec()));
    assert_eq!(before[5..], [first]);

    // Nothing has changed: what is noted next is what changes next.
    gateway.signal("HUP");
    let second = revoke(&[13]);
    gateway.signal("HUP");
    assert_eq!(noted(&gateway, 7).await[6..], [second]);
    std::fs::write(&policy, format!("{open}\n")).unwrap();
    gateway.signal("HUP");
    let last = noted(&gateway, 8).await.split_off(7);
    assert_eq!(last[0].0, "policy");

    // A start with the same files notes nothing.
    let folder = gateway.kill();
    let ca = folder.path().join("blackbox-ca.pem");
    let mut same = vec![
        ("DESMIGRATIF_TLS__CLIENT_CA", ca.to_str().unwrap().to_owned()),
        ("DESMIGRATIF_TLS__TRUST_DOMAIN", "blackbox.test".to_owned()),
    ];
    same.extend(overrides.map(|(name, value)| (name, value.to_owned())));
    let same: Vec<_> = same.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let gateway = Gateway::serve(folder, &same);
    assert_eq!(settings(&gateway).len(), 8);
}
