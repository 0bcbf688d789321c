//! Which answer a caller gets: the exchange's copy, the ministry's, a stale one, or none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus};
use desmigratif_core::identity::{Check, Claim, Outcome};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::ports::ministry::{
    Answer, Breaker, Condition, Fault, FaultKind, Ministry, Parcel, Question, Retry,
};
use desmigratif_core::record::{Kind, Record};
use desmigratif_sandbox::people;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::*;
use crate::access::{Admission, Attempt, Policy, Source};
use crate::store::sqlite::Sqlite;
use crate::store::vault::KeyRing;

/// A register that answers "verified" while it has answers, and counts the questions.
struct Register {
    asked: AtomicU32,
    /// Answers that may be given; without one the register is down.
    answers: Semaphore,
}

#[async_trait]
impl Ministry for Register {
    async fn lookup(&self, question: &Question, deadline: Instant) -> Result<Answer, Fault> {
        self.asked.fetch_add(1, Relaxed);
        assert!(matches!(question, Question::Identity { .. }));
        let answer = tokio::time::timeout_at(deadline.into(), self.answers.acquire()).await;
        match answer {
            Ok(Ok(answer)) => answer.forget(),
            Ok(Err(_)) => {
                return Err(Fault::new(FaultKind::Unavailable, Retry::Safe, "no connection"));
            }
            Err(_) => return Err(Fault::new(FaultKind::Timeout, Retry::Safe, "no answer")),
        }
        Ok(Answer::Identity(Check { outcome: Outcome::Verified, elements: Vec::new() }))
    }

    async fn deliver(&self, _: &Parcel, _: Instant) -> Result<(), Fault> {
        Err(Fault::unsupported("no deliveries"))
    }

    async fn probe(&self, _: Instant) -> Result<(), Fault> {
        Ok(())
    }

    fn condition(&self) -> Condition {
        Condition {
            breaker: Breaker::Closed,
            calls: 0,
            failures: 0,
            p50: None,
            p95: None,
            calls_left_today: None,
            token_expires: None,
            certificate_expires: None,
        }
    }
}

struct Stand {
    _folder: tempfile::TempDir,
    exchange: Arc<Exchange>,
    register: Arc<Register>,
    clock: Arc<SetClock>,
}

fn noon() -> Timestamp {
    "2026-11-24T05:00:00Z".parse().unwrap()
}

impl Stand {
    /// A register that may give so many answers.
    fn new(answers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::at(noon()));
        let register =
            Arc::new(Register { asked: AtomicU32::new(0), answers: Semaphore::new(answers) });
        let connected = Connected { protocol: "scripted", ministry: register.clone() };
        let path = folder.path().join("store.sqlite");
        let store = Sqlite::open(&path, clock.clone(), KeyRing::of_tests()).unwrap();
        let ministries = Ministries::of(BTreeMap::from([(AgencyKind::Kemendagri, connected)]));
        let exchange =
            Exchange::of_tests(Arc::new(store), clock.clone(), regions::load(), ministries);
        let exchange = Arc::new(exchange);
        Self { _folder: folder, exchange, register, clock }
    }

    /// Checks the person of a number, and keeps what came of it.
    async fn verify(&self, person: u32, freshness: Freshness) -> Verified {
        let call = call(Duration::from_secs(5));
        let candidate = people::candidate(person);
        let nik = Nik::parse(&candidate.nik).unwrap();
        let claim =
            Claim { name: Some(PersonName::parse(&candidate.name).unwrap()), ..Claim::default() };
        let (change, verified) =
            self.exchange.verify_identity(&call, &nik, &claim, freshness).await.unwrap();
        self.exchange.submit(&call, change, Vec::new()).await.unwrap();
        verified
    }

    fn asked(&self) -> u32 {
        self.register.asked.load(Relaxed)
    }
}

fn call(left: Duration) -> Call {
    let agency = Arc::new(Agency {
        id: AgencyId::parse("kemendagri").unwrap(),
        kind: AgencyKind::Kemendagri,
        name: String::new(),
        purposes: Purpose::ALL.into(),
        status: AgencyStatus::Active,
        region: None,
        facility: None,
        certificates: Vec::new(),
    });
    let path = "/desmigratif.identity.v1.IdentityService/VerifyIdentity";
    let policy = Policy::load(Source::BuiltIn).unwrap();
    let attempt = Attempt { path, purpose: Some("identity-check"), signed: false };
    let Ok(Admission::Contract(permit)) = policy.admit(&agency, attempt) else {
        panic!("Kemendagri may check identities");
    };
    let deadline = Deadline(tokio::time::Instant::now() + left);
    Call {
        permit,
        credentials: credentials_of_tests(),
        request_id: Some(Uuid::now_v7()),
        digest: [0; 32],
        trace_id: [0; 16],
        deadline,
        answers: Answers::default(),
    }
}

const fn within(seconds: u64) -> Freshness {
    Freshness { max_age: Some(Duration::from_secs(seconds)), refuse_stale: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_the_bound_the_copy_answers_and_beyond_it_the_ministry() {
    let stand = Stand::new(2);
    let first = stand.verify(1, Freshness::default()).await;
    assert!(first.outcome == Outcome::Verified);
    assert_eq!((first.found.availability, first.found.renewed), (Availability::Available, true));
    stand.clock.set(noon() + SignedDuration::from_secs(59));
    let copy = stand.verify(1, within(60)).await;
    assert_eq!((copy.found.availability, copy.found.renewed), (Availability::Available, false));
    assert_eq!((copy.found.as_of, stand.asked()), (Some(noon()), 1));
    stand.clock.set(noon() + SignedDuration::from_secs(60));
    let again = stand.verify(1, within(60)).await;
    assert!(again.found.renewed);
    assert_eq!(stand.asked(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ministry_that_is_down_leaves_the_copy_marked_stale_unless_that_is_refused() {
    let stand = Stand::new(1);
    stand.verify(1, Freshness::default()).await;
    stand.register.answers.close();
    let why = Why::Fault(FaultKind::Unavailable);
    let stale = stand.verify(1, within(0)).await;
    assert!(stale.outcome == Outcome::Verified);
    assert_eq!(stale.found.availability, Availability::Stale(why));
    assert_eq!(stale.found.as_of, Some(noon()));
    let refuse = Freshness { refuse_stale: true, ..within(0) };
    let refused = stand.verify(1, refuse).await;
    assert!(refused.outcome == Outcome::Unavailable && refused.found.value.is_none());
    assert_eq!(refused.found.availability, Availability::Unavailable(why));
    // Another person has no copy at all.
    let other = stand.verify(2, within(0)).await;
    assert_eq!(other.found.availability, Availability::Unavailable(why));
}

#[tokio::test]
async fn equal_questions_at_one_time_are_asked_once() {
    let stand = Stand::new(0);
    let nik = Nik::parse(&people::candidate(1).nik).unwrap();
    let question = Question::Identity { nik, claim: Box::default() };
    let deadline = Instant::now() + Duration::from_secs(10);
    let ask = |key: u8| {
        let question = question.clone();
        let exchange = &stand.exchange;
        let to = AgencyKind::Kemendagri;
        exchange.ministries.ask(to, [key; 32], question, deadline, &exchange.clock)
    };
    let equal = futures_util::future::join_all((0..1_000).map(|_| ask(1)));
    let other = ask(2);
    // Polled after the others, so that all have asked by then.
    let answering = async { stand.register.answers.add_permits(2) };
    let (equal, other, ()) = tokio::join!(equal, other, answering);
    assert!(equal.iter().all(Result::is_ok) && other.is_ok());
    assert_eq!(stand.asked(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_more_time_does_not_suffer_from_one_who_has_less() {
    let stand = Stand::new(0);
    let ministries = &stand.exchange.ministries;
    let claim = Claim { birth_place: Some("Indramayu".into()), ..Claim::default() };
    let nik = Nik::parse(&people::candidate(1).nik).unwrap();
    let question = Question::Identity { nik, claim: Box::new(claim) };
    let ask = |milliseconds| {
        let deadline = Instant::now() + Duration::from_millis(milliseconds);
        let clock = &stand.exchange.clock;
        ministries.ask(AgencyKind::Kemendagri, [1; 32], question.clone(), deadline, clock)
    };
    let later = async {
        while stand.asked() < 2 {
            tokio::task::yield_now().await;
        }
        stand.register.answers.add_permits(1);
    };
    let (short, long, ()) = tokio::join!(ask(50), ask(10_000), later);
    assert_eq!(short.unwrap_err().kind, FaultKind::Timeout);
    assert!(long.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_fresh_answer_is_recorded_with_the_worker() {
    let stand = Stand::new(1);
    let exchange = &stand.exchange;
    let today = jiff::civil::date(2026, 11, 24);
    let workers = people::workers(&exchange.gazetteer, &exchange.subject_key, today).take(2);
    register(exchange.store.as_ref(), workers.map(Record::Worker)).await.unwrap();
    let verified = async |person: u32| {
        let nik = Nik::parse(&people::candidate(person).nik).unwrap();
        let alias = exchange.subject_key.pseudonym(&nik).to_string();
        let stored = exchange.store.get_by_alias(Kind::Worker, &alias).await.unwrap();
        stored.unwrap().record.into_worker().unwrap().verification
    };
    // Agreement on the name alone verifies nobody.
    stand.verify(0, Freshness::default()).await;
    assert!(verified(0).await.is_none());
    stand.register.answers.close();
    stand.verify(1, within(0)).await;
    assert!(verified(1).await.is_none(), "no answer leaves what was known");
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_one_who_is_known_and_one_who_is_not_looks_the_same() {
    let stand = Stand::new(0);
    let exchange = &stand.exchange;
    let today = jiff::civil::date(2026, 11, 24);
    let workers = people::workers(&exchange.gazetteer, &exchange.subject_key, today).take(2);
    register(exchange.store.as_ref(), workers.map(Record::Worker)).await.unwrap();
    let known = async |person: u32| {
        let nik = Nik::parse(&people::candidate(person).nik).unwrap();
        let alias = exchange.subject_key.pseudonym(&nik).to_string();
        exchange.store.get_by_alias(Kind::Worker, &alias).await.unwrap().is_some()
    };
    assert!(known(0).await && known(1).await && !known(7).await);
    for person in [0, 7, 0] {
        let nik = Nik::parse(&people::candidate(person).nik).unwrap();
        let answer = b"answer".to_vec();
        let call = call(Duration::from_secs(5));
        let committed = exchange.submit(&call, exchange.erase(&nik), answer.clone()).await.unwrap();
        assert_eq!((committed.answer, committed.repeated), (answer, false));
        let entries = exchange.store.entries(committed.receipt.index, 1).await.unwrap();
        assert_eq!(entries[0].draft.subjects, [exchange.subject_key.pseudonym(&nik)]);
        assert!(entries[0].touched.is_empty());
    }
    assert!(!known(0).await && known(1).await && !known(7).await);
}
