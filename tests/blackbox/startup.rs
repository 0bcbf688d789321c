//! How the gateway begins and ends: what it refuses to start with, and what a signal does.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use desmigratif_proto::identity::v1::identity_service_client::IdentityServiceClient;
use desmigratif_proto::identity::v1::{
    BatchVerifyIdentitiesRequest, IdentityElements, VerifyIdentityRequest,
};
use rusqlite::Connection;
use tokio_stream::wrappers::ReceiverStream;

use crate::folder::{files, prepared};
use crate::gateway::{Gateway, fresh_nik, new_id, run, run_command, serve, stating};

/// Runs a command that must fail: with this exit status, one line on stderr that holds `says`,
/// and every file of the folder as it was.
fn refused(command: &mut Command, folder: &Path, status: i32, says: &[&str]) {
    let before = files(folder);
    let (ended, out, err) = run_command(command);
    assert_eq!(ended, Some(status), "{out}\n{err}");
    assert_eq!(err.lines().count(), 1, "one line: {err}");
    for word in says {
        assert!(err.contains(word), "no {word:?} in: {err}");
    }
    assert!(!out.contains("ready"), "{out}");
    let after = files(folder);
    assert!(after.keys().eq(before.keys()), "{:?}", after.keys());
    for (name, bytes) in after {
        assert!(before[&name] == bytes, "{} has changed", name.display());
    }
}

#[test]
fn a_second_gateway_on_the_same_store_is_refused() {
    let gateway = Gateway::serve(prepared(), &[]);
    let mut second = serve(gateway.data(), &[]);
    refused(&mut second, gateway.data(), 1, &["store.sqlite", "in use", "another store"]);
    let config = gateway.data().join("gateway.toml");
    let (status, _, err) = run(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(status, Some(1), "{err}");
    assert!(err.lines().count() == 1 && err.contains("in use"), "{err}");
}

#[test]
fn a_store_of_a_newer_version_is_refused_untouched() {
    let folder = prepared();
    let store = Connection::open(folder.path().join("store.sqlite")).unwrap();
    store.pragma_update(None, "user_version", 999).unwrap();
    store.close().unwrap();
    let says = ["store.sqlite", "schema 999", "newer version", "backup"];
    refused(&mut serve(folder.path(), &[]), folder.path(), 1, &says);
}

#[test]
fn a_file_that_is_no_store_is_refused_untouched() {
    let folder = prepared();
    std::fs::write(folder.path().join("store.sqlite"), b"not a store at all, by far".repeat(99))
        .unwrap();
    let says = ["store.sqlite", "backup"];
    refused(&mut serve(folder.path(), &[]), folder.path(), 1, &says);
}

#[test]
fn another_key_than_the_stores_own_is_refused() {
    let folder = prepared();
    std::fs::write(folder.path().join("subject.key"), "ab".repeat(32)).unwrap();
    let says = ["keys.subject", "put that one back"];
    refused(&mut serve(folder.path(), &[]), folder.path(), 64, &says);
}

#[test]
fn a_registry_that_contradicts_itself_is_refused() {
    for (from, to, says) in [
        ("id = \"bp2mi\"", "id = \"kemendes\"", "kemendes stands twice"),
        ("facility = \"klinik-malang\"", "facility = \"klinik-x\"", "facility klinik-x"),
    ] {
        let folder = prepared();
        let path = folder.path().join("agencies.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        refused(&mut serve(folder.path(), &[]), folder.path(), 64, &[says]);
    }
}

#[test]
fn a_truncated_store_is_refused() {
    let folder = prepared();
    let path = folder.path().join("store.sqlite");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let config = folder.path().join("gateway.toml");
    let (status, out, err) = run(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(status, Some(1), "{out}{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn a_bad_configuration_is_refused_by_name() {
    let folder = prepared();
    let config = folder.path().join("gateway.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[limitz]\nburst = 1\n")).unwrap();
    refused(&mut serve(folder.path(), &[]), folder.path(), 64, &["limitz"]);
    std::fs::write(&config, &text).unwrap();
    let low = [("DESMIGRATIF_LIMITS__BURST", "0")];
    refused(&mut serve(folder.path(), &low), folder.path(), 64, &["limits.burst", "positive"]);
    let key = [("DESMIGRATIF_KEYS__SUBJECT", "no.key")];
    refused(&mut serve(folder.path(), &key), folder.path(), 64, &["no.key", "openssl rand"]);
}

#[test]
fn a_configuration_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let says = ["gateway.toml", "--config"];
    refused(&mut serve(folder.path(), &[]), folder.path(), 64, &says);
}

#[test]
fn a_busy_port_is_refused_and_named() {
    let folder = prepared();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in [
        ("DESMIGRATIF_LISTEN__AGENCIES", "listen.agencies"),
        ("DESMIGRATIF_LISTEN__OPERATORS", "listen.operators"),
    ] {
        let mut command = serve(folder.path(), &[(variable, address.as_str())]);
        refused(&mut command, folder.path(), 1, &[&address, key]);
    }
}

#[test]
fn help_version_and_completions_need_nothing() {
    for (args, says) in [
        (&["--help"][..], "Usage: desmigratif"),
        (&["serve", "--help"], "--config"),
        (&["version"], "desmigratif.worker.v1"),
        (&["completions", "bash"], "complete -F"),
    ] {
        let (status, out, err) = run(args);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{args:?}");
        assert!(out.contains(says), "{args:?}: {out}");
    }
    for args in [&["no-such-verb"][..], &["serve"], &[]] {
        assert_eq!(run(args).0, Some(64), "{args:?}");
    }
}

#[test]
fn an_interrupt_ends_it_well() {
    let mut gateway = Gateway::start();
    gateway.signal("INT");
    assert!(gateway.wait().success(), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_is_finished_before_the_end() {
    let mut gateway = Gateway::start();
    let kemendagri = gateway.connect("kemendagri").await;
    let (items, requests) = tokio::sync::mpsc::channel(1);
    let item = || BatchVerifyIdentitiesRequest {
        item: Some(VerifyIdentityRequest {
            request_id: new_id(),
            nik: fresh_nik(),
            freshness: None,
            elements: Some(IdentityElements { name: "Contoh".into(), ..Default::default() }),
        }),
    };
    items.send(item()).await.unwrap();
    let mut answers = IdentityServiceClient::new(kemendagri)
        .batch_verify_identities(stating("identity-check", ReceiverStream::new(requests)))
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().unwrap().answer.is_some());

    gateway.signal("TERM");
    // It takes no new connections from here on.
    while tokio::net::TcpStream::connect(gateway.agencies).await.is_ok() {
        tokio::task::yield_now().await;
    }
    items.send(item()).await.unwrap();
    assert!(answers.message().await.unwrap().unwrap().answer.is_some());
    drop(items);
    assert_eq!(answers.message().await.unwrap(), None);
    assert!(gateway.wait().success(), "{}", gateway.log());
    assert!(gateway.log().contains("\"cut\":0"), "{}", gateway.log());
}
