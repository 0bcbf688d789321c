//! Fuzz targets: certificates, as they come in a handshake and as operators send them, and signing
//! requests.

use std::str::from_utf8;
use std::sync::LazyLock;

use desmigratif_core::agency::AgencyId;
use desmigratif_fuzzing::fuzz;
use jiff::Timestamp;

use super::issuer::{Authority, registrable};
use super::*;
use crate::pki::DevPki;

/// A day on which the kept certificates count.
fn now() -> Timestamp {
    Timestamp::from_second(1_795_500_000).expect("a day in November 2026")
}

fn domain() -> TrustDomain {
    TrustDomain::parse("desmigratif.test").expect("it is a trust domain")
}

fn agency() -> AgencyId {
    AgencyId::parse("klinik-contoh").expect("it is an agency's id")
}

#[test]
fn a_certificate_names_the_one_agency_that_it_says_or_none() {
    fuzz!("certificate", certificate);
}

/// DER.
fn certificate(bytes: &[u8]) {
    let Ok(peer) = PeerIdentity::of_certificate(bytes, &domain()) else { return };
    let uri = domain().agency_uri(&peer.agency_id);
    let said = bytes.windows(uri.len()).any(|window| window == uri.as_bytes());
    assert!(said, "the certificate does not say {uri}");
    if peer.counts_at(now()) {
        assert!(peer.not_before <= now() && now() <= peer.not_after + jiff::Span::new().seconds(1));
    }
}

#[test]
fn what_an_operator_sends_is_registered_for_its_own_agency_alone() {
    fuzz!("registration", registration);
}

/// PEM.
fn registration(bytes: &[u8]) {
    let Ok(pem) = from_utf8(bytes) else { return };
    let other = AgencyId::parse("kemnaker").expect("it is an agency's id");
    let [own, others] = [agency(), other].map(|id| registrable(&id, pem, &domain()));
    assert!(own.is_err() || others.is_err(), "one certificate for two agencies");
    if let Ok(issued) = own {
        assert_eq!(issued.certificate.sha256.len(), 64);
    }
}

#[test]
fn a_signing_request_gets_a_certificate_of_the_agency_that_asks_or_none() {
    fuzz!("signing_request", signing_request);
}

/// PEM.
fn signing_request(bytes: &[u8]) {
    static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder for the throwaway authority");
        let pki = DevPki::ensure(folder.path(), &domain(), &[agency()], now());
        let pki = pki.expect("a throwaway authority");
        Authority::load(&pki.ca(), &pki.ca_key(), domain(), 90).expect("it was just made")
    });
    let Ok(pem) = from_utf8(bytes) else { return };
    if let Ok(issued) = AUTHORITY.issue(&agency(), pem, now()) {
        let again = registrable(&agency(), &issued.pem, &domain());
        assert_eq!(again.expect("what is issued can be registered"), issued);
    }
}
