//! The door itself: who gets in with which certificate, and what is no gRPC call.

use std::io;

use desmigratif_proto::village::v1::GetVillageRequest;
use http::{Method, StatusCode};
use prost::Message as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use tonic::Code;

use crate::calls::{register, registration};
use crate::folder::prepared;
use crate::gateway::{Gateway, KENANGA, fresh_nik, reason};
use crate::raw::{Answer, Identity, Raw, handshake, let_in};

const GET_VILLAGE: &str = "/desmigratif.village.v1.VillageService/GetVillage";
const REGISTER_WORKER: &str = "/desmigratif.worker.v1.WorkerService/RegisterWorker";
const KEMNAKER: &str = "spiffe://blackbox.test/agency/kemnaker";

/// An authority of our own: that of `dev` never writes its key down.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A client certificate with these URIs that expires with a year.
    fn issue(&self, uris: &[&str], expires: i32) -> Identity {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(expires, 12, 31);
        params.subject_alt_names =
            uris.iter().map(|&uri| SanType::URI(uri.try_into().unwrap())).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// A gateway that trusts this authority.
    fn gateway(&self) -> Gateway {
        let data = prepared();
        let ca = data.path().join("blackbox-ca.pem");
        std::fs::write(&ca, self.0.pem()).unwrap();
        let ca = ca.to_str().unwrap().to_owned();
        Gateway::serve(
            data,
            &[
                ("DESMIGRATIF_TLS__CLIENT_CA", ca.as_str()),
                ("DESMIGRATIF_TLS__TRUST_DOMAIN", "blackbox.test"),
            ],
        )
    }
}

async fn get_village(client: &mut Raw, headers: &[(&str, &str)]) -> Answer {
    let request = GetVillageRequest { code: KENANGA.into() };
    client.call(GET_VILLAGE, headers, &request.encode_to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_that_names_one_registered_agency_may_call() {
    let authority = Authority::new();
    let gateway = authority.gateway();
    let kemenkes = "spiffe://blackbox.test/agency/kemenkes";
    for (uris, code, expected) in [
        (vec![KEMNAKER], Code::Ok, ""),
        (vec![], Code::Unauthenticated, "CERTIFICATE_REFUSED"),
        (vec![KEMNAKER, kemenkes], Code::Unauthenticated, "CERTIFICATE_REFUSED"),
        (
            vec!["spiffe://elsewhere.test/agency/kemnaker"],
            Code::Unauthenticated,
            "CERTIFICATE_REFUSED",
        ),
        (
            vec!["spiffe://blackbox.test/agency/nobody"],
            Code::Unauthenticated,
            "AGENCY_NOT_REGISTERED",
        ),
    ] {
        let mut client = Raw::connect(&gateway, &authority.issue(&uris, 2099)).await;
        let status = get_village(&mut client, &[]).await.status.unwrap();
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{uris:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_refuses_expired_absent_and_foreign_certificates_and_other_protocols() {
    let authority = Authority::new();
    let gateway = authority.gateway();
    let ca = gateway.ca();
    let good = authority.issue(&[KEMNAKER], 2099);
    let expired = authority.issue(&[KEMNAKER], 2021);
    let foreign = Authority::new().issue(&[KEMNAKER], 2099);
    for (case, identity, alpn, expected) in [
        ("as it should be", Some(&good), &["h2"][..], true),
        ("expired", Some(&expired), &["h2"], false),
        ("no certificate", None, &["h2"], false),
        ("another authority", Some(&foreign), &["h2"], false),
        ("no ALPN", Some(&good), &[], false),
        ("another protocol", Some(&good), &["http/1.1"], false),
    ] {
        let connection = handshake(gateway.agencies, &ca, identity, alpn).await;
        assert_eq!(let_in(connection).await, expected, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_connection_is_closed() -> io::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let gateway = Gateway::shared();
    let mut stream = tokio::net::TcpStream::connect(gateway.agencies).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    // A TLS alert, then the end; never a page.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_are_read_and_kept() {
    let gateway = Gateway::shared();
    let mut client = Raw::connect(&gateway, &gateway.identity("kemnaker")).await;
    for malformed in ["soon", "5", "123456789S", "-1S"] {
        let status = get_village(&mut client, &[("grpc-timeout", malformed)]).await.status.unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{malformed}");
        assert_eq!(reason(&status), "DEADLINE_MALFORMED");
    }
    // A change waits for the disk, which no nanosecond is long enough for.
    let request = registration(&fresh_nik());
    let body = request.encode_to_vec();
    let headers = [("desmigratif-purpose", "placement-screening"), ("grpc-timeout", "1n")];
    let status = client.call(REGISTER_WORKER, &headers, &body).await.status.unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    // As the answer advises: the same request again, whether or not it had taken effect.
    register(&gateway.connect("kemnaker").await, request).await.unwrap();
    let status = get_village(&mut client, &[("grpc-timeout", "20S")]).await.status.unwrap();
    assert_eq!(status.code(), Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_grpc_call_is_answered_in_http() {
    let gateway = Gateway::shared();
    let mut client = Raw::connect(&gateway, &gateway.identity("kemnaker")).await;
    let grpc = &[("content-type", "application/grpc")];
    let get = client.request(Method::GET, GET_VILLAGE, grpc, Vec::new()).await;
    assert_eq!(get.http, StatusCode::METHOD_NOT_ALLOWED);
    let json = &[("content-type", "application/json")];
    let json = client.request(Method::POST, GET_VILLAGE, json, b"{}".to_vec()).await;
    assert_eq!(json.http, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let unknown = client.call("/desmigratif.village.v1.VillageService/Nothing", &[], &[]).await;
    let status = unknown.status.unwrap();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "METHOD_UNKNOWN"));
}
