//! Certificates are changed while calls go on: nobody who may call notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use desmigratif_proto::village::v1::GetVillageRequest;
use prost::Message as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::authority::{Authority, KEMNAKER, Leaf, in_seconds};
use crate::country::eventually;
use crate::gateway::{Gateway, KENANGA, reason};
use crate::raw::{Identity, Raw, handshake, let_in};

const GET_VILLAGE: &str = "/desmigratif.village.v1.VillageService/GetVillage";
const KEMENDES: &str = "spiffe://blackbox.test/agency/kemendes";
const KEMENKES: &str = "spiffe://blackbox.test/agency/kemenkes";
/// Calls of each caller before, between and after the changes.
const CALLS: usize = 200;

/// What goes on while certificates are changed.
struct Load {
    gateway: Arc<Gateway>,
    /// Who may issue the gateway's own certificate: as it was, and as it will be.
    authorities: [String; 2],
    calls: AtomicUsize,
    connections: AtomicUsize,
    over: CancellationToken,
}

impl Load {
    /// Calls over one connection for as long as the load lasts.
    async fn call(self: Arc<Self>, mut client: Raw) {
        while !self.over.is_cancelled() {
            assert_eq!(call(&mut client).await.0, Code::Ok, "on an open connection");
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connects anew again and again.
    async fn connect(self: Arc<Self>, identity: Identity) {
        while !self.over.is_cancelled() {
            let mut in_by = [false, false];
            for (ca, is_in) in self.authorities.iter().zip(&mut in_by) {
                *is_in = let_in(open(&self.gateway, ca, &identity).await).await;
            }
            assert!(in_by.contains(&true), "a new connection is let in");
            self.connections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until every kind of caller has gone on for a while.
    async fn goes_on(&self) {
        let more = self.calls.load(Ordering::Relaxed) + 2 * CALLS;
        let anew = self.connections.load(Ordering::Relaxed) + 5;
        eventually("the load goes on", async || {
            let calls = self.calls.load(Ordering::Relaxed) >= more;
            (calls && self.connections.load(Ordering::Relaxed) >= anew).then_some(())
        })
        .await;
    }
}

async fn open(
    gateway: &Gateway,
    ca: &str,
    identity: &Identity,
) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    handshake(gateway.agencies, ca, Some(identity), &["h2"]).await
}

async fn call(client: &mut Raw) -> (Code, String) {
    let request = GetVillageRequest { code: KENANGA.into() }.encode_to_vec();
    let status = client.call(GET_VILLAGE, &[], &request).await.status.unwrap();
    (status.code(), reason(&status))
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_rotated_and_revoked_under_load_without_a_failed_good_call() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("crl.pem");
    let revoke = |serials: &[u64]| {
        std::fs::write(&list, authority.revoke(serials, in_seconds(3_600))).unwrap();
    };
    revoke(&[]);
    let gateway = Arc::new(authority.gateway(&[("DESMIGRATIF_TLS__CRLS", &format!("[{list:?}]"))]));
    let [kemnaker, kemendes, kemenkes] = [(KEMNAKER, 11), (KEMENDES, 12), (KEMENKES, 13)]
        .map(|(uri, serial)| authority.issue(Leaf { serial, ..Leaf::naming(&[uri]) }));
    let load = Arc::new(Load {
        authorities: [gateway.ca(), authority.pem()],
        gateway: gateway.clone(),
        calls: AtomicUsize::new(0),
        connections: AtomicUsize::new(0),
        over: CancellationToken::new(),
    });
    let mut callers = JoinSet::new();
    for identity in [&kemnaker, &kemendes] {
        callers.spawn(load.clone().call(Raw::connect(&gateway, identity).await));
    }
    callers.spawn(load.clone().connect(kemendes.clone()));
    load.goes_on().await;

    // The gateway's own certificate, of another authority.
    let renewed = authority.server();
    std::fs::write(gateway.data().join("tls/server-key.pem"), renewed.key).unwrap();
    std::fs::write(gateway.data().join("tls/server.pem"), renewed.certificate).unwrap();
    gateway.signal("HUP");
    eventually("new connections see it", async || {
        let_in(open(&gateway, &load.authorities[1], &kemnaker).await).await.then_some(())
    })
    .await;
    load.goes_on().await;

    // One agency's certificate is revoked, and its next one is not.
    let mut lost = Raw::over(open(&gateway, &load.authorities[1], &kemenkes).await.unwrap()).await;
    assert_eq!(call(&mut lost).await.0, Code::Ok);
    revoke(&[13]);
    gateway.signal("HUP");
    let refused = (Code::Unauthenticated, "CERTIFICATE_REFUSED".to_owned());
    eventually("it is refused", async || (call(&mut lost).await == refused).then_some(())).await;
    assert!(!let_in(open(&gateway, &load.authorities[1], &kemenkes).await).await);
    let next = authority.issue(Leaf { serial: 14, ..Leaf::naming(&[KEMENKES]) });
    assert!(let_in(open(&gateway, &load.authorities[1], &next).await).await);
    load.goes_on().await;

    load.over.cancel();
    while let Some(caller) = callers.join_next().await {
        caller.expect("no good call failed");
    }
}
