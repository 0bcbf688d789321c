//! The outbox against a ministry that does what the test says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;
use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::journal::{Draft, EntryKind};
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::ministry::{Answer, Condition, Content, Ministry, Parcel, Question};
use desmigratif_core::ports::store::outbox::{Delivery, DeliveryState, Filter, Status};
use desmigratif_core::ports::store::{Commit, Expect, Write};
use desmigratif_core::record::Record;
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::SubjectKey;
use desmigratif_core::worker::Worker;
use desmigratif_sandbox::people;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use super::super::Ministries;
use super::*;
use crate::store::sqlite::Sqlite;
use crate::store::vault::KeyRing;

const SETTINGS: Settings = Settings {
    greatest_age: Duration::from_secs(3_600),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(2),
    attempt: Duration::from_secs(20),
    parallel: 4,
};

/// What a ministry does with the parcels about one worker, in turn; then it takes them.
type Script = Vec<Result<(), Fault>>;

/// A ministry that follows a script and remembers what it took.
struct Scripted {
    scripts: Mutex<HashMap<Uuid, Script>>,
    /// Parcels in the order of arrival: key, worker, stage, and whether they were taken.
    arrived: mpsc::UnboundedSender<(Uuid, Uuid, Stage, bool)>,
    /// Attempts that may go on; closed means all.
    gate: Option<Arc<Semaphore>>,
    breaker: Mutex<Breaker>,
}

#[async_trait]
impl Ministry for Scripted {
    async fn lookup(&self, _: &Question, _: Instant) -> Result<Answer, Fault> {
        Err(Fault::unsupported("no questions"))
    }

    async fn deliver(&self, parcel: &Parcel, _: Instant) -> Result<(), Fault> {
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        let Content::Worker(worker) = &parcel.content else { panic!("workers only") };
        let mut scripts = self.scripts.lock().unwrap();
        let script = scripts.entry(worker.id).or_default();
        let outcome = if script.is_empty() { Ok(()) } else { script.remove(0) };
        self.arrived.send((parcel.key, worker.id, worker.stage, outcome.is_ok())).unwrap();
        outcome
    }

    async fn probe(&self, _: Instant) -> Result<(), Fault> {
        Ok(())
    }

    fn condition(&self) -> Condition {
        Condition {
            breaker: *self.breaker.lock().unwrap(),
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

/// An exchange with one scripted ministry, and its running outbox.
struct Stand {
    _folder: tempfile::TempDir,
    exchange: Arc<Exchange>,
    ministry: Arc<Scripted>,
    arrivals: mpsc::UnboundedReceiver<(Uuid, Uuid, Stage, bool)>,
    workers: Vec<Worker>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Stand {
    fn new(gate: Option<Arc<Semaphore>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let ministry = Arc::new(Scripted {
            scripts: Mutex::default(),
            arrived,
            gate,
            breaker: Mutex::new(Breaker::Closed),
        });
        let connected = Connected { protocol: "scripted", ministry: ministry.clone() };
        let (gazetteer, subject_key) = (regions::load(), SubjectKey::from_bytes([7; 32]));
        let today = jiff::civil::date(2026, 11, 24);
        let workers = people::workers(&gazetteer, &subject_key, today).take(20).collect();
        let clock = Arc::new(SystemClock);
        let store = Sqlite::open(&path, clock.clone(), KeyRing::of_tests()).unwrap();
        let ministries = Ministries::of(BTreeMap::from([(AgencyKind::Kemnaker, connected)]));
        let exchange = Arc::new(Exchange::of_tests(Arc::new(store), clock, gazetteer, ministries));
        let stop = CancellationToken::new();
        let running = JoinSet::new();
        Self { _folder: folder, exchange, ministry, arrivals, workers, stop, running }
    }

    fn run(&mut self, settings: Settings) {
        for outbox in Outbox::of_all(&self.exchange, settings) {
            self.running.spawn(outbox.run(self.stop.clone()));
        }
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
        self.stop = CancellationToken::new();
    }

    fn script(&self, worker: usize, script: Script) {
        self.ministry.scripts.lock().unwrap().insert(self.workers[worker].id, script);
    }

    /// Changes a worker to a stage, with a delivery.
    async fn change(&self, worker: usize, stage: Stage) {
        let worker = Worker { stage, ..self.workers[worker].clone() };
        let subject = worker.subject;
        let record = Record::Worker(worker);
        let entry = Draft {
            kind: EntryKind::Change,
            agency: "clinic-1".to_owned().try_into().unwrap(),
            purpose: None,
            method: "test".to_owned(),
            request_digest: [0; 32],
            subjects: vec![subject],
            classes: desmigratif_core::access::Classes::NONE,
            trace_id: [0; 16],
        };
        let delivery = Delivery { to: AgencyKind::Kemnaker, subject, record: record.key() };
        let commit = Commit {
            writes: vec![Write { record, expect: Expect::Any }],
            deliveries: vec![delivery],
            ..Commit::of(entry)
        };
        self.exchange.store.commit(commit).await.unwrap();
        self.exchange.wake.wake(&[AgencyKind::Kemnaker]);
    }

    /// The next `count` arrivals.
    async fn arrivals(&mut self, count: usize) -> Vec<(Uuid, Uuid, Stage, bool)> {
        let mut arrived = Vec::new();
        while arrived.len() < count {
            arrived.push(self.arrivals.recv().await.unwrap());
        }
        arrived
    }

    async fn all(&self, state: DeliveryState) -> Vec<Status> {
        let filter = Filter { state: Some(state), limit: 500, ..Filter::default() };
        self.exchange.store.deliveries(&filter).await.unwrap()
    }
}

fn fails(retry: Retry) -> Result<(), Fault> {
    Err(Fault::new(FaultKind::Unavailable, retry, "http 503"))
}

fn refuses() -> Result<(), Fault> {
    Err(Fault::new(FaultKind::Rejected, Retry::Never, "code invariant"))
}

/// Invariant 7 of the design: per subject, deliveries to one ministry keep order; one effect per
/// key; a poisoned one is dead-lettered and never blocks other subjects.
#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_keys_stay_and_the_poisoned_block_nobody_else() {
    let mut stand = Stand::new(None);
    let stages = [Stage::Prospective, Stage::Ready, Stage::Abroad];
    stand.script(0, vec![refuses()]);
    stand.script(1, vec![fails(Retry::Safe), fails(Retry::Safe), Ok(()), fails(Retry::Safe)]);
    for stage in stages {
        for worker in 0..3 {
            stand.change(worker, stage).await;
        }
    }
    stand.run(SETTINGS);
    let arrived = stand.arrivals(9 + 3).await;
    stand.stop().await;
    for worker in 0..3 {
        let id = stand.workers[worker].id;
        let of_worker = arrived.iter().filter(|(_, of, ..)| *of == id);
        let taken: Vec<_> =
            of_worker.clone().filter(|(.., taken)| *taken).map(|(_, _, stage, _)| *stage).collect();
        // The first of worker 0 was refused for good; what came after it still arrived.
        assert_eq!(taken, stages[usize::from(worker == 0)..], "worker {worker}");
        let mut keys: HashMap<Stage, Vec<Uuid>> = HashMap::new();
        for (key, _, stage, _) in of_worker {
            keys.entry(*stage).or_default().push(*key);
        }
        for keys in keys.into_values() {
            assert!(keys.iter().all(|key| *key == keys[0]), "one key for all attempts");
        }
    }
    // A newer version of worker 0 arrived since, so the dead one is needless.
    assert_eq!(stand.all(DeliveryState::Dead).await, []);
    assert_eq!(stand.all(DeliveryState::Delivered).await.len(), 8);
    let discarded = stand.all(DeliveryState::Discarded).await;
    assert_eq!(discarded.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_or_too_old_is_dead_with_its_reason() {
    let mut stand = Stand::new(None);
    stand.script(0, vec![refuses()]);
    stand.script(1, vec![fails(Retry::Safe)]);
    stand.change(0, Stage::Ready).await;
    stand.change(1, Stage::Ready).await;
    stand.run(Settings { greatest_age: Duration::ZERO, ..SETTINGS });
    stand.arrivals(2).await;
    stand.stop().await;
    let reasons: Vec<_> = stand
        .all(DeliveryState::Dead)
        .await
        .into_iter()
        .map(|it| (it.attempts, it.reason.unwrap()))
        .collect();
    let expected = [
        (1, "rejected: code invariant".into()),
        (1, "too old; last: unavailable: http 503".into()),
    ];
    assert_eq!(reasons, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_against_the_gateway_itself_kills_no_delivery() {
    let mut stand = Stand::new(None);
    let login = Fault::new(FaultKind::Credentials, Retry::Never, "login refused");
    stand.script(0, vec![Err(login)]);
    stand.change(0, Stage::Ready).await;
    stand.run(SETTINGS);
    let taken: Vec<_> = stand.arrivals(2).await.into_iter().map(|(.., taken)| taken).collect();
    stand.stop().await;
    assert_eq!(taken, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ministry_s_word_on_when_to_retry_is_kept() {
    let mut stand = Stand::new(None);
    stand.script(0, vec![fails(Retry::After(Duration::from_secs(900)))]);
    stand.change(0, Stage::Ready).await;
    stand.run(SETTINGS);
    stand.arrivals(1).await;
    stand.stop().await;
    let waiting = stand.all(DeliveryState::Waiting).await;
    let pause = waiting[0].due_at.duration_since(waiting[0].queued_at);
    assert!(pause >= SignedDuration::from_secs(900), "{pause:?}");
    assert_eq!(waiting[0].reason.as_deref(), Some("unavailable: http 503"));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_attempts_end_and_gives_the_rest_back_untried() {
    let gate = Arc::new(Semaphore::new(0));
    let mut stand = Stand::new(Some(gate.clone()));
    for worker in 0..12 {
        stand.change(worker, Stage::Ready).await;
    }
    stand.run(SETTINGS);
    // The first gets through; by then as many are under way as may be.
    gate.add_permits(1);
    stand.arrivals(1).await;
    stand.stop.cancel();
    gate.add_permits(100);
    stand.stop().await;
    let delivered = stand.all(DeliveryState::Delivered).await;
    let waiting = stand.all(DeliveryState::Waiting).await;
    assert!((1..=5).contains(&delivered.len()), "{}", delivered.len());
    assert_eq!(delivered.len() + waiting.len(), 12);
    assert!(waiting.iter().all(|it| it.attempts == 0), "untried is no attempt");
    // Whoever comes next delivers them at once.
    stand.run(SETTINGS);
    stand.arrivals(11).await;
    stand.stop().await;
    assert_eq!(stand.all(DeliveryState::Delivered).await.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_attempted_while_paused_or_while_the_breaker_is_open() {
    let mut stand = Stand::new(None);
    let pause = |reason: Option<&str>| {
        let change = stand.exchange.pause(AgencyKind::Kemnaker, reason.map(str::to_owned));
        register_all(&stand.exchange, change.writes.into_iter().map(|(record, _)| record))
    };
    pause(Some("pemeliharaan")).await;
    *stand.ministry.breaker.lock().unwrap() = Breaker::Open;
    stand.change(0, Stage::Ready).await;
    stand.run(SETTINGS);
    let quiet = tokio::time::timeout(LOOK * 2, stand.arrivals.recv()).await;
    assert!(quiet.is_err(), "paused");
    let change = stand.exchange.pause(AgencyKind::Kemnaker, None);
    register_all(&stand.exchange, change.writes.into_iter().map(|(record, _)| record)).await;
    let quiet = tokio::time::timeout(LOOK * 2, stand.arrivals.recv()).await;
    assert!(quiet.is_err(), "the breaker is open");
    *stand.ministry.breaker.lock().unwrap() = Breaker::HalfOpen;
    stand.exchange.wake.wake(&[AgencyKind::Kemnaker]);
    assert!(stand.arrivals(1).await[0].3);
    stand.stop().await;
}

async fn register_all(exchange: &Arc<Exchange>, records: impl Iterator<Item = Record>) {
    let records: Vec<_> = records.collect();
    super::super::register(exchange.store.as_ref(), records).await.unwrap();
}

#[test]
fn pauses_double_up_to_the_longest_with_some_chance_in_them() {
    let settings = Settings {
        first_pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(60),
        ..SETTINGS
    };
    for (attempt, least) in [(1, 1), (2, 2), (3, 4), (4, 8), (9, 60), (100_000, 60)] {
        let pause = pause(attempt, settings);
        let least = Duration::from_secs(least);
        assert!(pause >= least && pause <= least * 2, "{attempt}: {pause:?}");
    }
}
