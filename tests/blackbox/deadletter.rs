//! What operators do with deliveries: they see why one is dead, put it back, give it up, pause a
//! ministry and let it go on; and nobody else does.

use desmigratif_core::access::AgencyKind::{Kemenkes, Kemnaker};
use desmigratif_proto::admin::v1::admin_service_client::AdminServiceClient;
use desmigratif_proto::admin::v1::{
    DiscardDeliveryRequest, ListAdaptersRequest, ListDeliveriesRequest, PauseAdapterRequest,
    ReplayDeliveriesRequest, ResumeAdapterRequest,
};
use desmigratif_proto::common::v1::AgencyKind as Wire;
use desmigratif_sandbox::people;
use rusqlite::{Connection, OpenFlags};
use tonic::{Code, Status};

use crate::calls::{register, registration_of, submission, submit};
use crate::country::{Country, Delivery, Ways, eventually};
use crate::gateway::{new_id, reason, stating};

/// A person is registered and examined; answers with the clearance.
async fn examined(country: &Country, person: &people::Candidate) -> String {
    let kemnaker = country.gateway.connect("kemnaker").await;
    // Who is registered already is examined again.
    if let Err(status) = register(&kemnaker, registration_of(person)).await {
        assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    }
    let clinic = country.gateway.connect("klinik-indramayu").await;
    submit(&clinic, submission(&person.nik)).await.unwrap().clearance_id
}

/// Waits until the delivery of a record to a ministry is in a state.
async fn becomes(country: &Country, ministry: &str, record: &str, state: &str) -> Delivery {
    let filter = ["--ministry", ministry, "--state", state];
    eventually(&format!("the delivery to {ministry} is {state}"), async || {
        country.deliveries(&filter).into_iter().find(|it| it.record == record)
    })
    .await
}

/// The operator's changes in the journal, by method, in order.
fn changes(country: &Country) -> Vec<String> {
    let path = country.gateway.data().join("store.sqlite");
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT method FROM entry WHERE agency = 'operator' AND kind = 'change' ORDER BY idx";
    let mut statement = store.prepare(sql).unwrap();
    let methods = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let short = |method: String| {
        method.strip_prefix("desmigratif.admin.v1.AdminService/").unwrap().to_owned()
    };
    methods.map(|method| short(method.unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_delivery_is_dead_with_its_reason_and_holds_up_nobody_else() {
    let country = Country::start(&Ways::default()).await;
    let (refused, other) =
        (people::candidate(people::REFUSED_PATIENT), people::candidate(people::VERIFIED));
    let poisoned = examined(&country, &refused).await;
    let healthy = examined(&country, &other).await;

    let dead = becomes(&country, "kemenkes", &poisoned, "dead").await;
    let why = dead.reason.as_deref().unwrap();
    assert!(why.starts_with("rejected: "), "{why}");
    assert!(dead.settled_at.is_some() && dead.due_at.is_none() && dead.attempts == 1, "{dead:?}");
    becomes(&country, "kemenkes", &healthy, "delivered").await;
    becomes(&country, "kemnaker", &poisoned, "delivered").await;
    becomes(&country, "kemnaker", &healthy, "delivered").await;
    let adapter = country.adapter(Kemenkes);
    assert_eq!((adapter["dead"].as_u64(), adapter["backlog"].as_u64()), (Some(1), Some(0)));
    // Its line goes on without it.
    let next = examined(&country, &refused).await;
    becomes(&country, "kemenkes", &next, "dead").await;
    becomes(&country, "kemnaker", &next, "delivered").await;

    let table = country.operate(&["deliveries", "list", "--state", "dead"]);
    assert!(table.contains(&poisoned) && table.contains(why), "{table}");
    assert!(!table.contains(&refused.nik), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_deliveries_are_put_back_by_id_or_ministry_and_given_up() {
    let country = Country::start(&Ways::default()).await;
    let clearance = examined(&country, &people::candidate(people::REFUSED_PATIENT)).await;
    let dead = becomes(&country, "kemenkes", &clearance, "dead").await;
    let id = dead.id.to_string();
    let died_again = async |after: &Delivery| {
        eventually("it is tried again, and refused again", async || {
            let dead = country.deliveries(&["--ministry", "kemenkes", "--state", "dead"]);
            dead.into_iter().find(|it| it.id == after.id && it.settled_at > after.settled_at)
        })
        .await
    };

    let said = country.operate(&["deliveries", "replay", &id]);
    assert!(said.starts_with("put back: 1"), "{said}");
    let again = died_again(&dead).await;
    assert!(again.queued_at > dead.queued_at && again.entry == dead.entry, "{again:?}");
    let said = country.operate(&["deliveries", "replay", "--ministry", "kemenkes"]);
    assert!(said.starts_with("put back: 1"), "{said}");
    died_again(&again).await;

    country.operate(&["deliveries", "discard", &id, "--reason", "contoh: not a patient"]);
    let given_up = becomes(&country, "kemenkes", &clearance, "discarded").await;
    assert_eq!(given_up.reason.as_deref(), Some("contoh: not a patient"));
    assert_eq!(country.adapter(Kemenkes)["dead"].as_u64(), Some(0));
    let arrived = becomes(&country, "kemnaker", &clearance, "delivered").await.id.to_string();
    for settled in [&id, &arrived] {
        let discard = ["deliveries", "discard", settled, "--reason", "again"];
        let (status, out, err) = country.try_operate(&discard, "operator");
        assert_eq!((status, out.as_str()), (Some(1), ""), "{err}");
        assert!(err.contains("DELIVERY_SETTLED") && err.lines().count() == 1, "{err}");
        let said = country.operate(&["deliveries", "replay", settled]);
        assert!(said.starts_with("put back: 0"), "{said}");
    }
    let unknown = ["deliveries", "discard", "999999", "--reason", "none"];
    let (status, _, err) = country.try_operate(&unknown, "operator");
    assert!(status == Some(1) && err.contains("NOT_FOUND") && err.lines().count() == 1, "{err}");
    let journalled = changes(&country);
    let expected = [
        "ReplayDeliveries",
        "ReplayDeliveries",
        "DiscardDelivery",
        "ReplayDeliveries",
        "ReplayDeliveries",
    ];
    assert_eq!(journalled, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_ministry_gets_nothing_until_it_is_resumed() {
    let country = Country::start(&Ways::default()).await;
    let said = country.operate(&["adapters", "pause", "kemenkes", "--reason", "contoh: a move"]);
    assert!(said.contains("kemenkes are paused"), "{said}");
    let before = country.sandbox.ledger().calls(Kemenkes);
    let clearance = examined(&country, &people::candidate(people::VERIFIED)).await;
    becomes(&country, "kemnaker", &clearance, "delivered").await;
    let waiting = becomes(&country, "kemenkes", &clearance, "waiting").await;
    assert_eq!((waiting.attempts, waiting.reason), (0, None));
    assert_eq!(country.sandbox.ledger().calls(Kemenkes), before, "nobody has called it");
    let paused = country.adapter(Kemenkes);
    assert_eq!(
        (paused["paused"].as_str(), paused["backlog"].as_u64()),
        (Some("contoh: a move"), Some(1))
    );
    assert!(country.adapter(Kemnaker)["paused"].is_null());

    // It stays paused over a restart.
    let country = country.kill().gateway();
    assert_eq!(country.adapter(Kemenkes)["paused"], "contoh: a move");
    let said = country.operate(&["adapters", "resume", "kemenkes"]);
    assert!(said.contains("kemenkes go on"), "{said}");
    becomes(&country, "kemenkes", &clearance, "delivered").await;
    assert!(country.adapter(Kemenkes)["paused"].is_null());
    assert_eq!(country.one_effect_each(Kemenkes), 1);
    assert_eq!(changes(&country), ["PauseAdapter", "ResumeAdapter"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_operator_sees_or_moves_deliveries() {
    let country = Country::start(&Ways::default()).await;
    let clearance = examined(&country, &people::candidate(people::REFUSED_PATIENT)).await;
    let dead = becomes(&country, "kemenkes", &clearance, "dead").await.id;
    let ministry = Wire::Kemenkes.into();
    let request_id = new_id;
    for (agency, purpose, why) in [
        ("kemnaker", "operations", "PURPOSE_NOT_HELD"),
        ("kemnaker", "placement-screening", "NOT_PERMITTED"),
        ("kemenkes", "oversight", "NOT_PERMITTED"),
        ("kantor-staf-presiden", "oversight", "NOT_PERMITTED"),
    ] {
        let mut client = AdminServiceClient::new(country.gateway.connect(agency).await);
        let pause =
            PauseAdapterRequest { request_id: request_id(), ministry, reason: "contoh".into() };
        let resume = ResumeAdapterRequest { request_id: request_id(), ministry };
        let replay = ReplayDeliveriesRequest {
            request_id: request_id(),
            delivery_ids: vec![dead],
            ministry: 0,
        };
        let discard = DiscardDeliveryRequest {
            request_id: request_id(),
            delivery_id: dead,
            reason: "contoh".into(),
        };
        let refusals: [Status; 6] = [
            client.list_adapters(stating(purpose, ListAdaptersRequest {})).await.unwrap_err(),
            client
                .list_deliveries(stating(purpose, ListDeliveriesRequest::default()))
                .await
                .unwrap_err(),
            client.pause_adapter(stating(purpose, pause)).await.unwrap_err(),
            client.resume_adapter(stating(purpose, resume)).await.unwrap_err(),
            client.replay_deliveries(stating(purpose, replay)).await.unwrap_err(),
            client.discard_delivery(stating(purpose, discard)).await.unwrap_err(),
        ];
        for refusal in refusals {
            let refused = (refusal.code(), reason(&refusal));
            assert_eq!(refused, (Code::PermissionDenied, why.to_owned()), "{agency} {purpose}");
        }
    }
    let (status, out, err) =
        country.try_operate(&["adapters", "pause", "kemenkes", "--reason", "x"], "kemnaker");
    assert_eq!((status, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("PermissionDenied"), "{err}");
    assert!(changes(&country).is_empty());
    assert_eq!(country.deliveries(&["--state", "dead"]).len(), 1);
    assert!(country.adapter(Kemenkes)["paused"].is_null());
}
