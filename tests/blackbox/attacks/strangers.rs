//! What those who are nobody to the exchange cost it: nothing that stays.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use prost::Message as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::Code;

use super::REGISTER_WORKER;
use super::wire::{DATA, END_STREAM, Peer, call, frame};
use crate::authority::{Authority, KEMNAKER, Leaf};
use crate::calls::registration;
use crate::folder::files;
use crate::gateway::{Gateway, fresh_nik, reason};
use crate::journal::entries;
use crate::raw::{Identity, Raw, framed, handshake, let_in};

/// Of each kind of stranger, in a wave.
const STRANGERS: usize = 40;
/// Calls of each stranger who has a certificate.
const CALLS: u32 = 50;
/// How much more memory the gateway may hold after more waves of strangers, MiB: what the
/// allocator keeps, and not what a stranger left, for that would be more with each wave.
const GROWTH_MIB: u64 = 16;

/// Certificates of those who are nobody.
#[derive(Clone)]
pub(super) struct Strangers {
    /// Of an authority that nobody trusts.
    foreign: Identity,
    /// Of the right authority, naming an agency that is not registered.
    unregistered: Identity,
}

impl Strangers {
    pub(super) fn new(authority: &Authority) -> Self {
        Self {
            foreign: Authority::new().issue(Leaf::naming(&[KEMNAKER])),
            unregistered: authority.issue(Leaf::naming(&["spiffe://blackbox.test/agency/nobody"])),
        }
    }

    /// What one of each kind does.
    pub(super) async fn visit(&self, gateway: &Gateway) {
        // Those who speak no TLS, or no more than its beginning.
        let noise = vec![0xa5; 100_000];
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc], &noise] {
            let mut tcp = TcpStream::connect(gateway.agencies).await.unwrap();
            // It may be closed before all is said.
            let _ = tcp.write_all(bytes).await;
        }
        // Those who have no certificate that counts, or no protocol.
        let ca = gateway.ca();
        for (identity, alpn) in [
            (None, &["h2"][..]),
            (Some(&self.foreign), &["h2"]),
            (Some(&self.unregistered), &["http/1.1"]),
            (Some(&self.unregistered), &[]),
        ] {
            let connection = handshake(gateway.agencies, &ca, identity, alpn).await;
            assert!(!let_in(connection).await);
        }
        // Those who get as far as a call.
        self.call(gateway).await.unwrap();
    }

    /// Changes that are asked for by nobody.
    async fn call(&self, gateway: &Gateway) -> io::Result<()> {
        let (mut peer, _) = Peer::greeted(gateway, &self.unregistered).await?;
        let purpose = [("desmigratif-purpose", "placement-screening")];
        let message = framed(&registration(&fresh_nik()).encode_to_vec());
        for n in 0..CALLS {
            let headers = call(2 * n + 1, 0, REGISTER_WORKER, &purpose);
            peer.send(&[headers, frame(DATA, END_STREAM, 2 * n + 1, &message)].concat()).await?;
        }
        peer.handled().await
    }
}

/// What the gateway holds on disk: the sizes of all its files, log included.
fn held(gateway: &Gateway) -> BTreeMap<PathBuf, usize> {
    files(gateway.data()).into_iter().map(|(path, bytes)| (path, bytes.len())).collect()
}

/// The criterion of the issue: nothing an unauthenticated stranger does grows memory, disk or
/// journal. Metrics have no place for them either.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_leave_nothing_behind() {
    let authority = Authority::new();
    let gateway = authority.gateway(&[]);
    let strangers = Strangers::new(&authority);
    let mut client = Raw::connect(&gateway, &strangers.unregistered).await;
    let body = registration(&fresh_nik()).encode_to_vec();
    let purpose = [("desmigratif-purpose", "placement-screening")];
    let status = client.call(REGISTER_WORKER, &purpose, &body).await.status.unwrap();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unauthenticated, "AGENCY_NOT_REGISTERED")
    );

    let gateway = Arc::new(gateway);
    let wave = || {
        let mut visits = JoinSet::new();
        for _ in 0..STRANGERS {
            let (strangers, gateway) = (strangers.clone(), gateway.clone());
            visits.spawn(async move { strangers.visit(&gateway).await });
        }
        visits.join_all()
    };
    // The first makes what is made once: pools, buffers, time series.
    wave().await;
    let (journal, disk) = (entries(&gateway, "%"), held(&gateway));
    let (memory, metrics) = (gateway.resident_mib(), gateway.operators_get("/metrics").await.1);
    for _ in 0..4 {
        wave().await;
    }
    assert_eq!(entries(&gateway, "%"), journal);
    assert_eq!(held(&gateway), disk);
    let now = gateway.resident_mib();
    assert!(now < memory + GROWTH_MIB, "from {memory} to {now} MiB");
    let later = gateway.operators_get("/metrics").await.1;
    assert_eq!(later.lines().count(), metrics.lines().count(), "{later}");
    assert!(!later.contains("nobody") && !gateway.log().contains("nobody"));
}
