//! Certificates that count no longer: revoked or expired, on new and on open connections.

use jiff::SignedDuration;
use tonic::Code;

use super::client::{Client, let_in, tls};
use super::pki::TestCa;
use super::{Leaf, World, write_files};
use crate::edge::metrics::Metrics;
use crate::edge::tls::{Error, Tls};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const FUTURE: (i32, u8, u8) = (2090, 1, 1);

fn kemnaker() -> Leaf {
    Leaf { serial: 11, ..Leaf::agency("kemnaker") }
}

fn kemenkes() -> Leaf {
    Leaf { serial: 12, ..Leaf::agency("kemenkes") }
}

/// Loads TLS with a server certificate that ends at `server_ends` and `crl`.
fn load(server_ends: (i32, u8, u8), crl: Option<&str>) -> Result<(), Error> {
    let (ca, folder) = (TestCa::new(), tempfile::tempdir().unwrap());
    let files = write_files(&folder, &ca, crl);
    let (certificate, key) = ca.server(server_ends);
    std::fs::write(&files.certificate_chain, certificate).unwrap();
    std::fs::write(&files.private_key, key).unwrap();
    let clock = std::sync::Arc::new(desmigratif_core::ports::clock::SetClock::at(
        super::NOW.parse().unwrap(),
    ));
    Tls::load(files, clock, Metrics::new(&opentelemetry::global::meter("test"))).map(drop)
}

#[test]
fn files_that_cannot_count_are_refused_by_name() {
    assert!(load(FUTURE, None).is_ok());
    assert!(matches!(load((2026, 1, 1), None), Err(Error::OwnCertificateExpired { .. })));
    let expired = TestCa::new().revoke(&[], (2026, 11, 1));
    assert!(matches!(load(FUTURE, Some(&expired)), Err(Error::RevocationListExpired { .. })));
    let noise = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    assert!(matches!(load(FUTURE, Some(noise)), Err(Error::RevocationList { .. })));
    for odd in ["", "no pem at all", "-----BEGIN X509 CRL-----\nAAAA"] {
        let error = load(FUTURE, Some(odd)).unwrap_err();
        assert!(matches!(error, Error::Pem { .. }), "{odd}: {error}");
        assert!(error.to_string().contains("crl.pem"), "the message names the file");
    }
}

#[tokio::test]
async fn a_revoked_certificate_does_not_get_in() {
    let ca = TestCa::new();
    let crl = ca.revoke(&[11], FUTURE);
    let world = World::revoking(ca, &crl).await;
    assert!(!let_in(&world, tls(&world, Some(&kemnaker()), &["h2"])).await);
    assert!(let_in(&world, tls(&world, Some(&kemenkes()), &["h2"])).await);
}

#[tokio::test]
async fn a_certificate_revoked_later_is_refused_on_its_open_connection() {
    let ca = TestCa::new();
    let crl = ca.revoke(&[], FUTURE);
    let world = World::revoking(ca, &crl).await;
    let mut revoked = Client::connect(&world, &kemnaker()).await.unwrap();
    let mut other = Client::connect(&world, &kemenkes()).await.unwrap();
    assert_eq!(
        (revoked.call(CHECK).await.code(), other.call(CHECK).await.code()),
        (Code::Ok, Code::Ok)
    );

    std::fs::write(world.folder.path().join("crl.pem"), world.ca.revoke(&[11], FUTURE)).unwrap();
    world.tls.reload().unwrap();
    let refused = revoked.call(CHECK).await.refusal();
    assert_eq!(refused, (Code::Unauthenticated, "CERTIFICATE_REFUSED".to_owned()));
    assert_eq!(other.call(CHECK).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_broken_reload_keeps_the_old_files() {
    let ca = TestCa::new();
    let crl = ca.revoke(&[11], FUTURE);
    let world = World::revoking(ca, &crl).await;
    std::fs::write(world.folder.path().join("crl.pem"), "noise").unwrap();
    assert!(world.tls.reload().is_err());
    assert!(!let_in(&world, tls(&world, Some(&kemnaker()), &["h2"])).await, "still revoked");
    assert!(let_in(&world, tls(&world, Some(&kemenkes()), &["h2"])).await);
}

#[tokio::test]
async fn changed_files_are_noticed() {
    let ca = TestCa::new();
    let crl = ca.revoke(&[], FUTURE);
    let world = World::revoking(ca, &crl).await;
    let mut client = Client::connect(&world, &kemnaker()).await.unwrap();
    let watching = tokio::spawn(world.tls.clone().watch(std::time::Duration::from_millis(5)));
    std::fs::write(world.folder.path().join("crl.pem"), world.ca.revoke(&[11, 99], FUTURE))
        .unwrap();
    super::in_time(async { while client.call(CHECK).await.code() != Code::Unauthenticated {} })
        .await;
    watching.abort();
}

#[tokio::test]
async fn an_expired_certificate_is_refused_at_the_door_and_inside() {
    let world = World::new().await;
    let mut client = Client::connect(&world, &kemnaker()).await.unwrap();
    assert_eq!(client.call(CHECK).await.code(), Code::Ok);
    world.clock.set("2027-01-02T00:00:00Z".parse().unwrap());
    let refused = client.call(CHECK).await.refusal();
    assert_eq!(refused, (Code::Unauthenticated, "CERTIFICATE_REFUSED".to_owned()));
    assert!(!let_in(&world, tls(&world, Some(&kemnaker()), &["h2"])).await);
}

#[tokio::test]
async fn an_expired_revocation_list_fails_closed() {
    let ca = TestCa::new();
    let crl = ca.revoke(&[], (2026, 11, 25));
    let world = World::revoking(ca, &crl).await;
    let mut client = Client::connect(&world, &kemnaker()).await.unwrap();
    let expiry: jiff::Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    world.clock.set(expiry - SignedDuration::from_secs(1));
    assert_eq!(client.call(CHECK).await.code(), Code::Ok);
    world.clock.set(expiry);
    assert_eq!(client.call(CHECK).await.code(), Code::Unauthenticated, "on the open connection");
    assert!(!let_in(&world, tls(&world, Some(&kemenkes()), &["h2"])).await, "and on a new one");
}
