//! The door itself: who gets in with which certificate, and until when an answer comes.

use std::io;

use desmigratif_proto::village::v1::GetVillageRequest;
use prost::Message as _;
use rcgen::date_time_ymd;
use tonic::Code;

use crate::authority::{Authority, KEMNAKER, Leaf};
use crate::calls::{register, registration};
use crate::gateway::{Gateway, KENANGA, fresh_nik, reason};
use crate::raw::{Answer, Raw, handshake, let_in};

const GET_VILLAGE: &str = "/desmigratif.village.v1.VillageService/GetVillage";
const REGISTER_WORKER: &str = "/desmigratif.worker.v1.WorkerService/RegisterWorker";

async fn get_village(client: &mut Raw, headers: &[(&str, &str)]) -> Answer {
    let request = GetVillageRequest { code: KENANGA.into() };
    client.call(GET_VILLAGE, headers, &request.encode_to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_that_names_one_registered_agency_may_call() {
    let authority = Authority::new();
    let gateway = authority.gateway(&[]);
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
        let mut client = Raw::connect(&gateway, &authority.issue(Leaf::naming(&uris))).await;
        let status = get_village(&mut client, &[]).await.status.unwrap();
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{uris:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_refuses_expired_absent_and_foreign_certificates_and_other_protocols() {
    let authority = Authority::new();
    let gateway = authority.gateway(&[]);
    let ca = gateway.ca();
    let kemnaker = Leaf::naming(&[KEMNAKER]);
    let good = authority.issue(kemnaker.clone());
    let expired =
        authority.issue(Leaf { expires: date_time_ymd(2021, 12, 31), ..kemnaker.clone() });
    let foreign = Authority::new().issue(kemnaker);
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
