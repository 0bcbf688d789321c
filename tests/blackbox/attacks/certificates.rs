//! Certificates that should not count, or count no longer.

use std::io;
use std::sync::Arc;

use desmigratif_proto::village::v1::GetVillageRequest;
use prost::Message as _;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::HandshakeKind;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::Code;

use super::GET_VILLAGE;
use crate::authority::{Authority, KEMNAKER, Leaf, in_seconds};
use crate::country::eventually;
use crate::folder::prepared;
use crate::gateway::{Gateway, KENANGA, reason, run_command, serve};
use crate::raw::{Identity, Raw, handshake, handshake_with, let_in, tls};

async fn call(client: &mut Raw) -> (Code, String) {
    let request = GetVillageRequest { code: KENANGA.into() }.encode_to_vec();
    let status = client.call(GET_VILLAGE, &[], &request).await.status.unwrap();
    (status.code(), reason(&status))
}

fn refused() -> (Code, String) {
    (Code::Unauthenticated, "CERTIFICATE_REFUSED".to_owned())
}

async fn open(gateway: &Gateway, identity: &Identity) -> io::Result<TlsStream<TcpStream>> {
    handshake(gateway.agencies, &gateway.ca(), Some(identity), &["h2"]).await
}

/// Row "certificate with no SAN, two URI SANs, no clientAuth": refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_does_not_say_one_agency_and_client_is_refused() {
    let authority = Authority::new();
    let gateway = authority.gateway(&[]);
    let kemnaker = Leaf::naming(&[KEMNAKER]);
    let any = || ExtendedKeyUsagePurpose::Any;
    for (leaf, what) in [
        (Leaf::naming(&[]), "no name"),
        (Leaf::naming(&[KEMNAKER, "spiffe://blackbox.test/agency/kemenkes"]), "two names"),
        (Leaf::naming(&[KEMNAKER, "https://blackbox.test/"]), "another name too"),
        (Leaf::naming(&["spiffe://blackbox.test/agency/KEMNAKER"]), "another spelling"),
        (Leaf::naming(&["spiffe://blackbox.test/agency/kemnaker/"]), "a longer path"),
        (Leaf { usages: vec![], ..kemnaker.clone() }, "for no use"),
        (Leaf { usages: vec![any()], ..kemnaker.clone() }, "for any use"),
        (
            Leaf { usages: vec![ExtendedKeyUsagePurpose::ServerAuth], ..kemnaker.clone() },
            "for servers",
        ),
    ] {
        // Some are refused by the handshake, the others at the call.
        let identity = authority.issue(leaf);
        if let_in(open(&gateway, &identity).await).await {
            let mut client = Raw::connect(&gateway, &identity).await;
            assert_eq!(call(&mut client).await, refused(), "{what}");
        }
    }
    let mut client = Raw::connect(&gateway, &authority.issue(kemnaker)).await;
    assert_eq!(call(&mut client).await.0, Code::Ok);
}

/// Row "certificate expires on an open connection; TLS 1.3 resumption after expiry": refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expires_is_refused_on_open_and_on_resumed_connections() {
    let authority = Authority::new();
    let gateway = authority.gateway(&[]);
    let leaf = Leaf { expires: in_seconds(8), ..Leaf::naming(&[KEMNAKER]) };
    let identity = authority.issue(leaf);
    let mut client = Raw::connect(&gateway, &identity).await;
    // One configuration keeps what is needed to resume, if the gateway gives any.
    let resuming = Arc::new(tls(&gateway.ca(), Some(&identity), &["h2"]));
    for _ in 0..2 {
        let mut stream = handshake_with(gateway.agencies, resuming.clone()).await.unwrap();
        // A ticket would come with the first bytes.
        stream.read_exact(&mut [0; 9]).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        assert!(kind.is_some_and(|it| it != HandshakeKind::Resumed), "{kind:?}");
    }
    assert_eq!(call(&mut client).await.0, Code::Ok);

    eventually("it is refused where it was let in", async || {
        (call(&mut client).await == refused()).then_some(())
    })
    .await;
    assert!(!let_in(handshake_with(gateway.agencies, resuming).await).await);
    assert!(!let_in(open(&gateway, &identity).await).await);
}

/// The same row for a certificate that is revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_refused_on_an_open_connection() {
    let authority = Authority::new();
    let (folder, lists) = revoking(&authority);
    let gateway = authority.gateway(&[("DESMIGRATIF_TLS__CRLS", &lists)]);
    let [kemnaker, kemenkes] = [(KEMNAKER, 11), ("spiffe://blackbox.test/agency/kemenkes", 12)]
        .map(|(uri, serial)| authority.issue(Leaf { serial, ..Leaf::naming(&[uri]) }));
    let mut revoked = Raw::connect(&gateway, &kemnaker).await;
    let mut other = Raw::connect(&gateway, &kemenkes).await;
    assert_eq!(call(&mut revoked).await.0, Code::Ok);

    let list = folder.path().join("crl.pem");
    std::fs::write(&list, authority.revoke(&[11], in_seconds(3_600))).unwrap();
    gateway.signal("HUP");
    eventually("it is refused", async || (call(&mut revoked).await == refused()).then_some(()))
        .await;
    assert!(!let_in(open(&gateway, &kemnaker).await).await);

    // Row "CRL": a broken one does not replace the last good one, and breaks nothing.
    std::fs::write(&list, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n").unwrap();
    gateway.signal("HUP");
    eventually("the failure is logged", async || {
        gateway.log().contains("tls files not reloaded").then_some(())
    })
    .await;
    assert_eq!(call(&mut revoked).await, refused());
    assert_eq!(call(&mut other).await.0, Code::Ok);
}

/// Row "CRL": one that expires while it is in use fails closed.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_revocation_list_refuses_everyone_until_a_new_one_comes() {
    let authority = Authority::new();
    let (folder, lists) = revoking(&authority);
    let gateway = authority.gateway(&[("DESMIGRATIF_TLS__CRLS", &lists)]);
    let identity = authority.issue(Leaf::naming(&[KEMNAKER]));
    let mut client = Raw::connect(&gateway, &identity).await;
    assert_eq!(call(&mut client).await.0, Code::Ok);
    let list = folder.path().join("crl.pem");
    std::fs::write(&list, authority.revoke(&[], in_seconds(6))).unwrap();
    gateway.signal("HUP");
    eventually("it is refused", async || (call(&mut client).await == refused()).then_some(()))
        .await;
    assert!(!let_in(open(&gateway, &identity).await).await);

    std::fs::write(&list, authority.revoke(&[], in_seconds(3_600))).unwrap();
    gateway.signal("HUP");
    eventually("it counts again", async || (call(&mut client).await.0 == Code::Ok).then_some(()))
        .await;
}

/// Row "CRL": one that is malformed or expired at the start is refused, without a panic.
#[test]
fn a_gateway_does_not_start_with_a_revocation_list_that_does_not_count() {
    let authority = Authority::new();
    let expired = authority.revoke(&[], in_seconds(0));
    let noise = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let folder = prepared();
    let path = folder.path().join("crl.pem");
    let lists = format!("[{path:?}]");
    for (list, says) in [
        (expired.as_str(), "expired"),
        (noise, "cannot be used"),
        ("no list at all", "cannot be read"),
        ("", "cannot be read"),
    ] {
        std::fs::write(&path, list).unwrap();
        let mut command = serve(folder.path(), &[("DESMIGRATIF_TLS__CRLS", &lists)]);
        let (status, out, err) = run_command(&mut command);
        assert_eq!(status, Some(1), "{out}{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.contains("crl.pem") && err.contains(says), "no {says:?}: {err}");
    }
}

/// A folder with a list that revokes nothing yet, and the setting that names it.
fn revoking(authority: &Authority) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crl.pem");
    std::fs::write(&path, authority.revoke(&[], in_seconds(3_600))).unwrap();
    (folder, format!("[{path:?}]"))
}
