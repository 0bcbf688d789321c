//! The life cycle of an agency: registered, given certificates, suspended, retired; by the command
//! line, at the next call of connections that are open too.

use std::path::Path;

use desmigratif_proto::access::v1::WhoAmIRequest;
use desmigratif_proto::access::v1::access_service_client::AccessServiceClient;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::gateway::{Gateway, reason, run};

const ID: &str = "dinas-sukabumi";

/// What comes of a verb of the command line: exit status, stdout, stderr.
fn operate(gateway: &Gateway, args: &[&str]) -> (Option<i32>, String, String) {
    let profile = gateway.data().join("operator.toml");
    run(&[&["agencies"], args, &["--profile", profile.to_str().unwrap()]].concat())
}

fn done(gateway: &Gateway, args: &[&str]) -> String {
    let (status, out, err) = operate(gateway, args);
    assert_eq!(status, Some(0), "{args:?}: {err}");
    out
}

/// The agency as the list shows it.
fn listed(gateway: &Gateway, id: &str) -> Value {
    let listed: Vec<Value> = serde_json::from_str(&done(gateway, &["list", "-o", "json"])).unwrap();
    listed.into_iter().find(|agency| agency["id"] == id).unwrap()
}

fn create(gateway: &Gateway) {
    done(
        gateway,
        &[
            "create",
            ID,
            "--kind",
            "regional-office",
            "--name",
            "Disnaker Kabupaten Sukabumi (contoh)",
            "--purpose",
            "programme-planning",
            "--region",
            "32.02",
        ],
    );
}

/// A certificate by the gateway's authority for a new key, where [`Gateway::connect`] finds it by
/// `name`.
fn certificate(gateway: &Gateway, name: &str) {
    let agencies = gateway.data().join("tls/agencies");
    let file = |suffix: &str| agencies.join(format!("{name}{suffix}"));
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    std::fs::write(file("-key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(file("-request.pem"), request).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (request, out) = (text(&file("-request.pem")), text(&file(".pem")));
    done(gateway, &["issue-certificate", ID, "--request", &request, "--out", &out]);
}

async fn who(channel: &Channel) -> Result<String, Status> {
    let answer = AccessServiceClient::new(channel.clone()).who_am_i(WhoAmIRequest {}).await?;
    Ok(answer.into_inner().agency_id)
}

async fn refused(channel: &Channel, expected: &str) {
    let status = who(channel).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_joins_rotates_its_certificate_is_suspended_and_retires() {
    let gateway = Gateway::start();
    create(&gateway);
    certificate(&gateway, "first");
    let first = gateway.connect("first").await;
    assert_eq!(who(&first).await.unwrap(), ID);

    // Each holds from the next call on, on the connection that is open.
    done(&gateway, &["suspend", ID]);
    refused(&first, "AGENCY_NOT_ACTIVE").await;
    done(&gateway, &["activate", ID]);
    assert_eq!(who(&first).await.unwrap(), ID);

    // Two certificates count until one is removed.
    certificate(&gateway, "second");
    let second = gateway.connect("second").await;
    assert_eq!((who(&first).await.unwrap(), who(&second).await.unwrap()), (ID.into(), ID.into()));
    let certificates = listed(&gateway, ID)["certificates"].clone();
    assert_eq!(certificates.as_array().unwrap().len(), 2);
    let sha256 = |n: usize| certificates[n]["sha256"].as_str().unwrap().to_owned();
    done(&gateway, &["remove-certificate", ID, "--sha256", &sha256(0)]);
    refused(&first, "CERTIFICATE_REFUSED").await;
    assert_eq!(who(&second).await.unwrap(), ID);
    let (status, _, err) = operate(&gateway, &["remove-certificate", ID, "--sha256", &sha256(1)]);
    assert_eq!(status, Some(1));
    assert!(err.contains("CERTIFICATE_NOT_REMOVABLE"), "{err}");

    done(&gateway, &["retire", ID]);
    refused(&second, "AGENCY_NOT_ACTIVE").await;
    let (status, _, err) = operate(&gateway, &["activate", ID]);
    assert_eq!(status, Some(1));
    assert!(err.contains("AGENCY_RETIRED"), "{err}");
    assert_eq!(listed(&gateway, ID)["status"], "retired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_agencies_wakes_no_suspended_one_at_the_next_start() {
    let gateway = Gateway::start();
    done(&gateway, &["suspend", "kemendes"]);
    let gateway = Gateway::start_in(gateway.kill());
    assert_eq!(listed(&gateway, "kemendes")["status"], "suspended");
    refused(&gateway.connect("kemendes").await, "AGENCY_NOT_ACTIVE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_cannot_shut_itself_out_and_nobody_else_operates() {
    let gateway = Gateway::shared();
    let (status, _, err) = operate(&gateway, &["suspend", "operator"]);
    assert_eq!(status, Some(1));
    assert!(err.contains("OWN_AGENCY"), "{err}");

    let folder = gateway.data();
    let profile = std::fs::read_to_string(folder.join("operator.toml")).unwrap();
    let profile = profile.replace("agencies/operator", "agencies/kemnaker");
    std::fs::write(folder.join("kemnaker.toml"), profile).unwrap();
    let profile = folder.join("kemnaker.toml");
    let (status, _, err) = run(&["agencies", "list", "--profile", profile.to_str().unwrap()]);
    assert_eq!(status, Some(1));
    assert!(err.contains("PermissionDenied"), "{err}");
}
