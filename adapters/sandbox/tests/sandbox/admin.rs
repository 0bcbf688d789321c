use std::time::Duration;

use desmigratif_core::access::AgencyKind::{Kemendes, Kemenkes, Kemnaker};
use desmigratif_sandbox::admin::{Client, Error};
use desmigratif_sandbox::{Fault, Sandbox, Settings};
use serde_json::json;

use crate::kemenkes::{get, token};
use crate::{client, start, world};

#[tokio::test]
async fn a_fault_set_by_the_client_is_in_force_and_told() {
    let sandbox = start().await;
    let client = Client::new(sandbox.admin());
    for name in Fault::NAMES {
        let duration = (name == "latency").then_some(Duration::from_millis(500));
        let fault = Fault::parse(name, duration).unwrap();
        client.set(Kemenkes, fault, Some(Duration::from_secs(30))).await.unwrap();
        assert_eq!(sandbox.switch().get(Kemenkes), Some(fault));
        let status = client.status().await.unwrap();
        let told = status.ministries["kemenkes"].fault.clone().unwrap();
        assert_eq!(told.fault, name);
        assert_eq!(told.milliseconds.map(Duration::from_millis), fault.duration());
        assert!(matches!(told.seconds, Some(20..=30)), "{told:?}");
        assert!(status.ministries["kemendes"].fault.is_none());
    }
    client.lift(Some(Kemenkes)).await.unwrap();
    assert_eq!(sandbox.switch().get(Kemenkes), None);
    client.set(Kemendes, Fault::Down, None).await.unwrap();
    client.set(Kemnaker, Fault::Drip, None).await.unwrap();
    client.lift(None).await.unwrap();
    assert_eq!(sandbox.switch().get(Kemendes), None);
    assert_eq!(sandbox.switch().get(Kemnaker), None);
}

#[tokio::test]
async fn the_status_tells_addresses_calls_and_effects() {
    let sandbox = start().await;
    let client = Client::new(sandbox.admin());
    let token = token(&sandbox).await;
    get(&sandbox, &token, "/metadata").await;
    for key in ["a", "a", "b"] {
        sandbox.ledger().took_effect(Kemenkes, key);
    }
    let status = client.status().await.unwrap();
    assert_eq!(status.tokens_issued, 1);
    assert_eq!(status.ministries.len(), 4);
    let kemenkes = &status.ministries["kemenkes"];
    assert_eq!(kemenkes.address, sandbox.address(Kemenkes));
    assert_eq!(kemenkes.calls, 2);
    let effects = kemenkes.effects;
    assert_eq!((effects.keys, effects.total, effects.most), (2, 3, 2));
    let effects: Vec<_> = client.effects(Kemenkes).await.unwrap().into_iter().collect();
    assert_eq!(effects, [("a".to_owned(), 2), ("b".to_owned(), 1)]);

    client.expire_tokens().await.unwrap();
    assert_eq!(get(&sandbox, &token, "/metadata").await.0, 401);
}

#[tokio::test]
async fn what_is_asked_amiss_is_refused_in_words() {
    let sandbox = start().await;
    let http = client();
    let put = async |path: &str, body: serde_json::Value| {
        let request = http.put(format!("http://{}{path}", sandbox.admin())).json(&body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<serde_json::Value>().await.unwrap()["error"].to_string())
    };
    let (status, error) = put("/faults/kemenhub", json!({ "fault": "drip" })).await;
    assert!(status == 404 && error.contains("kemendagri"), "{error}");
    for body in [
        json!({ "fault": "fire" }),
        json!({ "fault": "latency" }),
        json!({ "fault": "drip", "milliseconds": 5 }),
    ] {
        let (status, error) = put("/faults/kemenkes", body).await;
        assert!(status == 400 && error.contains("lost-answer"), "{error}");
    }
    let (status, error) = put("/faults/kemenkes", json!({ "fault": "drip", "until": 5 })).await;
    assert!(status == 400 && error.contains("until"), "{error}");
    assert_eq!(sandbox.switch().get(Kemenkes), None);

    let client = Client::new(sandbox.admin());
    let other = desmigratif_core::access::AgencyKind::Clinic;
    let refused = client.set(other, Fault::Drip, None).await;
    assert!(matches!(refused, Err(Error::Refused(text)) if text.contains("no such ministry")));
    let elsewhere = Client::new(sandbox.address(Kemendes));
    assert!(matches!(elsewhere.status().await, Err(Error::NotASandbox(_))));
    sandbox.stop().await;
    assert!(matches!(client.status().await, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn the_endpoint_listens_on_loopback_only() {
    let settings = Settings { admin: "0.0.0.0:0".parse().unwrap(), ..Settings::default() };
    let refused = Sandbox::start(world(), settings).await.err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn the_table_has_a_row_for_every_fixture() {
    let fixtures = desmigratif_sandbox::fixtures::fixtures();
    let table = fixtures.markdown();
    for identity in &fixtures.identities {
        assert!(table.contains(&format!("| `{}` | {} |", identity.nik, identity.name)));
    }
    for (code, _) in &fixtures.villages {
        assert!(table.contains(&format!("| `{code}` |")));
    }
    assert!(table.contains(&fixtures.refused_patient) && table.contains(fixtures.closed_facility));
    let rows = table.lines().filter(|it| it.starts_with("| `") || it.contains(" `")).count();
    assert_eq!(rows, fixtures.identities.len() + fixtures.villages.len() + 2);
}
