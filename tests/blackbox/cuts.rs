//! The gateway cut off between a ministry's acceptance and its own note of that: what is delivered
//! again afterwards has one effect.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use desmigratif_core::access::AgencyKind::{Kemenkes, Kemnaker};
use desmigratif_core::record::Kind;
use desmigratif_sandbox::{Fault, people};
use tokio::sync::Notify;
use tonic::transport::Channel;

use crate::calls::{register, registration, registration_of, submission, submit};
use crate::country::{Country, Ways, eventually};
use crate::gateway::fresh_nik;

/// A gateway that waits long for an answer.
fn patient() -> Ways {
    Ways { timeout_ms: 30_000, ..Ways::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kemnaker_took_before_a_cut_has_one_effect_after_it() {
    let country = Country::start(&patient()).await;
    let nik = registered(&country).await;
    // The work is done at once, and the answer takes long.
    country.fault(Kemnaker, Fault::Drip);
    let clearance = handed_in(&country, &nik).await;
    eventually("Kemnaker has it", async || {
        (!country.sandbox.records().arrivals(&nik).is_empty()).then_some(())
    })
    .await;
    assert_eq!(state(&country, "kemnaker", &clearance), "waiting");

    let country = cut(country);
    country.settled().await;
    assert_eq!(state(&country, "kemnaker", &clearance), "delivered");
    let arrivals = country.sandbox.records().arrivals(&nik);
    assert_eq!(arrivals.len(), 1, "{arrivals:?}");
    assert_eq!(country.sandbox.ledger().effects_of(Kemnaker, &arrivals[0].key), 1);
    assert_eq!(country.one_effect_each(Kemnaker), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kemenkes_took_before_a_cut_has_one_effect_after_it() {
    let country = Country::start(&patient()).await;
    let nik = registered(&country).await;
    let before = country.sandbox.ledger().calls(Kemenkes);
    country.fault(Kemenkes, Fault::Latency(Duration::from_millis(300)));
    let clearance = handed_in(&country, &nik).await;
    // A token, the patient, the report: what comes next writes, and its answer is to be lost.
    eventually("Kemenkes is asked what it has", async || {
        (country.sandbox.ledger().calls(Kemenkes) >= before + 3).then_some(())
    })
    .await;
    country.fault(Kemenkes, Fault::LostAnswer);
    eventually("Kemenkes has it", async || {
        (!country.sandbox.ledger().effects(Kemenkes).is_empty()).then_some(())
    })
    .await;

    let country = cut(country);
    country.settled().await;
    assert_eq!(state(&country, "kemenkes", &clearance), "delivered");
    assert_eq!(country.sandbox.ledger().effects_of(Kemenkes, &format!("{clearance}/1")), 1);
    assert_eq!(country.one_effect_each(Kemenkes), 1);
}

/// Callers at once.
const CALLERS: usize = 4;
/// So many acknowledgements come before each cut.
const ACKNOWLEDGED: usize = 40;
/// Cuts.
const CUTS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_clearances_survives_cuts_with_none_lost_and_none_doubled() {
    let mut country = Country::start(&Ways::default()).await;
    let mut acknowledged = BTreeMap::new();
    for _ in 0..CUTS {
        // Kemnaker takes what it gets, and the gateway never learns of it.
        country.fault(Kemnaker, Fault::LostAnswer);
        country.fault(Kemenkes, Fault::Latency(Duration::from_millis(10)));
        let answered = Arc::new((AtomicUsize::new(0), Notify::new()));
        let mut callers = Vec::new();
        for _ in 0..CALLERS {
            let kemnaker = country.gateway.connect("kemnaker").await;
            let clinic = country.gateway.connect("klinik-indramayu").await;
            callers.push(tokio::spawn(hand_in_until_cut(kemnaker, clinic, answered.clone())));
        }
        answered.1.notified().await;
        eventually("Kemnaker has some of them", async || {
            (!country.sandbox.ledger().effects(Kemnaker).is_empty()).then_some(())
        })
        .await;
        country = cut(country);
        for caller in callers {
            acknowledged.extend(caller.await.unwrap());
        }
    }
    country.settled().await;
    assert!(acknowledged.len() >= CUTS * ACKNOWLEDGED, "{}", acknowledged.len());

    let all = country.deliveries(&[]);
    assert!(all.iter().all(|it| it.state == "delivered"), "nothing is given up");
    for (clearance, nik) in &acknowledged {
        let arrivals = country.sandbox.records().arrivals(nik);
        let arrived: Vec<_> = arrivals
            .iter()
            .filter(|it| it.kind == Kind::Clearance && it.id == *clearance)
            .collect();
        assert_eq!(arrived.len(), 1, "{arrivals:?}");
        assert_eq!(country.sandbox.ledger().effects_of(Kemnaker, &arrived[0].key), 1);
        assert_eq!(country.sandbox.ledger().effects_of(Kemenkes, &format!("{clearance}/1")), 1);
    }
    for ministry in [Kemnaker, Kemenkes] {
        let sent = all.iter().filter(|it| it.ministry == ministry.as_str()).count();
        assert_eq!(country.one_effect_each(ministry), sent, "{}", ministry.as_str());
    }
}

/// Registers workers and hands in clearances until a call fails; answers with what was
/// acknowledged, clearance by NIK.
async fn hand_in_until_cut(
    kemnaker: Channel,
    clinic: Channel,
    answered: Arc<(AtomicUsize, Notify)>,
) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    loop {
        let nik = fresh_nik();
        let Ok(_) = register(&kemnaker, registration(&nik)).await else { return acknowledged };
        let Ok(answer) = submit(&clinic, submission(&nik)).await else { return acknowledged };
        acknowledged.push((answer.clearance_id, nik));
        if answered.0.fetch_add(1, Ordering::Relaxed) + 1 == ACKNOWLEDGED {
            answered.1.notify_one();
        }
    }
}

/// Cuts the gateway off, lifts every fault and starts it again on the same store.
fn cut(country: Country) -> Country {
    let ministries = country.kill();
    ministries.sandbox.switch().clear();
    ministries.gateway()
}

/// A person whom Kemenkes knows, registered as a worker; answers with the NIK.
async fn registered(country: &Country) -> String {
    let person = people::candidate(people::VERIFIED);
    let kemnaker = country.gateway.connect("kemnaker").await;
    register(&kemnaker, registration_of(&person)).await.unwrap();
    person.nik
}

async fn handed_in(country: &Country, nik: &str) -> String {
    let clinic = country.gateway.connect("klinik-indramayu").await;
    submit(&clinic, submission(nik)).await.unwrap().clearance_id
}

/// Where the delivery of a record to a ministry stands.
fn state(country: &Country, ministry: &str, record: &str) -> String {
    let all = country.deliveries(&["--ministry", ministry]);
    let found: Vec<_> = all.into_iter().filter(|it| it.record == record).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].state.clone()
}
