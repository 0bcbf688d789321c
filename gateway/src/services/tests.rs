//! What the flow promises whatever happens below it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus};
use desmigratif_core::credentials::{CallerSignature, Chain, Revocation};
use desmigratif_core::journal::{Entry, Hash};
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::ports::store::log::{Checkpoint, Tile, TileId};
use desmigratif_core::ports::store::outbox::{
    Backlog, Filter, Lease, Leased, Settlement, Status as DeliveryStatus,
};
use desmigratif_core::ports::store::trail::{Exposures, Span};
use desmigratif_core::ports::store::{
    Commit, Committed, Count, Error, Filled, Query, Request as StoreRequest, Store, Tally,
};
use desmigratif_core::record::{Key, Kind, Record, Stored};
use desmigratif_core::subject::{Subject, SubjectKey};
use desmigratif_proto::codec::StrictCodec;
use desmigratif_proto::exchange::v1::change_feed_service_server::ChangeFeedService as _;
use desmigratif_proto::exchange::v1::{WatchChangesRequest, WatchChangesResponse};
use desmigratif_proto::village::v1::village_service_server::VillageService as _;
use desmigratif_proto::village::v1::{GetVillageProfileRequest, GetVillageRequest};
use desmigratif_proto::worker::v1::worker_service_server::WorkerService as _;
use desmigratif_proto::worker::v1::{
    GetWorkerRequest, ListWorkersRequest, RegisterWorkersRequest, RegisterWorkersResponse,
};
use desmigratif_sandbox::people;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::codec::Codec as _;
use tonic::{Code, Request, Status, Streaming};

use super::feed::{Feeds, Metrics, Settings};
use super::village::Villages;
use super::worker::Workers;
use crate::access::{Admission, Attempt, Policy, Source};
use crate::deadline::Deadline;
use crate::exchange::{Exchange, Ministries, credentials_of_tests, register};
use crate::renewal::Renewal;
use crate::store::sqlite::Sqlite;
use crate::store::vault::KeyRing;

const KENANGA: &str = "32.12.16.2004";

/// A store that can be read and no longer written, as on a full disk.
struct FullDisk(Sqlite);

#[async_trait]
impl Store for FullDisk {
    async fn commit(&self, _: Commit) -> Result<Committed, Error> {
        Err(Error::Unavailable("the disk is full".into()))
    }

    async fn answered(&self, request: &StoreRequest) -> Result<Option<Committed>, Error> {
        self.0.answered(request).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, Error> {
        self.0.get(key).await
    }

    async fn get_by_alias(&self, kind: Kind, alias: &str) -> Result<Option<Stored>, Error> {
        self.0.get_by_alias(kind, alias).await
    }

    async fn list(&self, query: &Query) -> Result<Vec<Stored>, Error> {
        self.0.list(query).await
    }

    async fn tally(&self, kind: Kind, place: &str) -> Result<Vec<Tally>, Error> {
        self.0.tally(kind, place).await
    }

    async fn counts(&self, count: &Count) -> Result<Vec<Filled>, Error> {
        self.0.counts(count).await
    }

    async fn fullest(&self, kind: Kind, place: &str, limit: u32) -> Result<Vec<Filled>, Error> {
        self.0.fullest(kind, place, limit).await
    }

    async fn journal_len(&self) -> Result<u64, Error> {
        self.0.journal_len().await
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        self.0.entries(from, limit).await
    }

    async fn entries_about(
        &self,
        subject: &Subject,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error> {
        self.0.entries_about(subject, before, limit).await
    }

    async fn exposures(&self, span: &Span) -> Result<Exposures, Error> {
        self.0.exposures(span).await
    }

    async fn chain(&self, fingerprint: &Hash) -> Result<Option<Chain>, Error> {
        self.0.chain(fingerprint).await
    }

    async fn revocation(&self, digest: &Hash) -> Result<Option<Revocation>, Error> {
        self.0.revocation(digest).await
    }

    async fn signature(&self, index: u64) -> Result<Option<CallerSignature>, Error> {
        self.0.signature(index).await
    }

    async fn leaf_hashes(&self, from: u64, limit: u32) -> Result<Vec<Hash>, Error> {
        self.0.leaf_hashes(from, limit).await
    }

    async fn tiles(&self, ids: Vec<TileId>) -> Result<Vec<Tile>, Error> {
        self.0.tiles(ids).await
    }

    async fn keep_checkpoint(&self, _: Vec<Tile>, _: Checkpoint) -> Result<(), Error> {
        Err(Error::Unavailable("the disk is full".into()))
    }

    async fn checkpoint(&self, size: Option<u64>) -> Result<Option<Checkpoint>, Error> {
        self.0.checkpoint(size).await
    }

    async fn witnessed_checkpoint(&self) -> Result<Option<Checkpoint>, Error> {
        self.0.witnessed_checkpoint().await
    }

    async fn keep_timestamp(&self, _: u64, _: Vec<u8>) -> Result<(), Error> {
        Err(Error::Unavailable("the disk is full".into()))
    }

    async fn timestamp(&self, size: u64) -> Result<Option<Vec<u8>>, Error> {
        self.0.timestamp(size).await
    }

    async fn timestamped_checkpoint(&self, size: u64) -> Result<Option<Checkpoint>, Error> {
        self.0.timestamped_checkpoint(size).await
    }

    async fn keep_succession(&self, _: String) -> Result<(), Error> {
        Err(Error::Unavailable("the disk is full".into()))
    }

    async fn successions(&self) -> Result<Vec<String>, Error> {
        self.0.successions().await
    }

    async fn lease(&self, lease: Lease) -> Result<Vec<Leased>, Error> {
        self.0.lease(lease).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), Error> {
        self.0.settle(settlements).await
    }

    async fn deliveries(&self, filter: &Filter) -> Result<Vec<DeliveryStatus>, Error> {
        self.0.deliveries(filter).await
    }

    async fn dead_deliveries(&self, place: &str) -> Result<u64, Error> {
        self.0.dead_deliveries(place).await
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        self.0.backlogs().await
    }

    async fn writable(&self) -> Result<(), Error> {
        Err(Error::Unavailable("the disk is full".into()))
    }

    async fn verify(&self) -> Result<u64, Error> {
        self.0.verify().await
    }
}

/// An exchange with a few workers, over the store that `wrap` makes of a filled one.
async fn exchange<S: Store>(
    folder: &std::path::Path,
    wrap: impl FnOnce(Sqlite) -> S,
) -> Arc<Exchange> {
    let store =
        Sqlite::open(&folder.join("store.sqlite"), Arc::new(SystemClock), KeyRing::of_tests())
            .unwrap();
    let (gazetteer, subject_key) = (regions::load(), SubjectKey::from_bytes([7; 32]));
    let today = jiff::civil::date(2026, 11, 24);
    let workers = people::workers(&gazetteer, &subject_key, today).take(20).map(Record::Worker);
    register(&store, workers).await.unwrap();
    let (store, clock) = (Arc::new(wrap(store)), Arc::new(SystemClock));
    Arc::new(Exchange::of_tests(store, clock, gazetteer, Ministries::default()))
}

/// A request with the admission that the edge would put beside it.
fn admitted<M>(message: M, path: &str, purpose: Purpose) -> Request<M> {
    let kemnaker = Arc::new(Agency {
        id: AgencyId::parse("kemnaker").unwrap(),
        kind: AgencyKind::Kemnaker,
        name: "Kemnaker".into(),
        purposes: Purpose::ALL.into(),
        status: AgencyStatus::Active,
        region: None,
        facility: None,
        certificates: Vec::new(),
    });
    let mut request = Request::new(message);
    let policy = Policy::load(Source::BuiltIn).unwrap();
    let attempt = Attempt { path, purpose: Some(purpose.as_str()), signed: false };
    let admission = policy.admit(&kemnaker, attempt).unwrap();
    request.extensions_mut().insert(admission);
    request.extensions_mut().insert(credentials_of_tests());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    request.extensions_mut().insert(Deadline(deadline));
    request
}

fn list_workers() -> Request<ListWorkersRequest> {
    let path = "/desmigratif.worker.v1.WorkerService/ListWorkers";
    admitted(ListWorkersRequest::default(), path, Purpose::PlacementScreening)
}

/// What a feed from the first change on says, until everything that is there was sent.
async fn watch(exchange: &Arc<Exchange>) -> Vec<Result<WatchChangesResponse, Status>> {
    let message = WatchChangesRequest {
        from_beginning: true,
        catch_up_only: true,
        ..WatchChangesRequest::default()
    };
    let path = "/desmigratif.exchange.v1.ChangeFeedService/WatchChanges";
    let mut request = admitted(message, path, Purpose::PlacementScreening);
    let admission = request.extensions().get::<Admission>().unwrap().clone();
    let renewal = Renewal::new(move || Ok(admission.clone()), CancellationToken::new());
    request.extensions_mut().insert(renewal);
    let feed = exchange.feed.clone();
    let _tail = AbortOnDropHandle::new(tokio::spawn(async move { feed.run().await }));
    let seconds = Duration::from_secs(5);
    let settings = Settings { heartbeat: seconds, patience: seconds };
    let feeds = Feeds { exchange: exchange.clone(), settings, metrics: Metrics::new() };
    feeds.watch_changes(request).await.unwrap().into_inner().collect().await
}

/// Invariant 2 of the design: a disclosure leaves only after its entry is durable; without a
/// journal, personal reads fail closed and public ones go on.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_leaves_when_the_journal_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = exchange(folder.path(), FullDisk).await;
    let refused = |status: Status| {
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!format!("{status:?}").contains("Contoh"), "no name in {status:?}");
    };
    refused(Workers(exchange.clone()).list_workers(list_workers()).await.unwrap_err());
    let profile = admitted(
        GetVillageProfileRequest { code: KENANGA.into(), freshness: None },
        "/desmigratif.village.v1.VillageService/GetVillageProfile",
        Purpose::ProgrammePlanning,
    );
    refused(Villages(exchange.clone()).get_village_profile(profile).await.unwrap_err());

    let [feed] = <[_; 1]>::try_from(watch(&exchange).await).unwrap();
    refused(feed.expect_err("it ends before anything is sent"));

    let public = Request::new(GetVillageRequest { code: KENANGA.into() });
    let village = Villages(exchange).get_village(public).await.unwrap().into_inner().village;
    assert_eq!(village.unwrap().name, "Kenanga");
}

/// The entry of a disclosure names the people and the classes that left, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn every_disclosure_is_journalled_with_its_people_and_classes() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = exchange(folder.path(), |store| store).await;
    let before = exchange.store.journal_len().await.unwrap();
    let answer = Workers(exchange.clone()).list_workers(list_workers()).await.unwrap().into_inner();
    let receipt = answer.receipt.unwrap();
    assert_eq!(receipt.entry_index, before);
    let entry = exchange.store.entries(before, 1).await.unwrap().remove(0);
    assert_eq!(entry.draft.subjects.len(), answer.workers.len());
    assert_eq!(entry.receipt().leaf_hash.as_slice(), receipt.leaf_hash);
    let classes = format!("{:?}", entry.draft.classes);
    assert!(classes.contains("Identity") && !classes.contains("Health"), "{classes}");

    let missing = GetWorkerRequest { worker_id: uuid::Uuid::nil().to_string() };
    let path = "/desmigratif.worker.v1.WorkerService/GetWorker";
    let missing = admitted(missing, path, Purpose::PlacementScreening);
    let status = Workers(exchange.clone()).get_worker(missing).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(exchange.store.journal_len().await.unwrap(), before + 1, "nothing left, no entry");

    let messages: Result<Vec<_>, _> = watch(&exchange).await.into_iter().collect();
    let told: usize = messages.unwrap().iter().map(|message| message.events.len()).sum();
    let entry = exchange.store.entries(before + 1, 1).await.unwrap().remove(0);
    assert_eq!((entry.draft.subjects.len(), told), (answer.workers.len(), answer.workers.len()));
    let classes = format!("{:?}", entry.draft.classes);
    assert!(classes.contains("Programme") && !classes.contains("Identity"), "{classes}");
}

/// A stream is read no faster than its answers are.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_reads_no_answers_is_read_no_further() {
    const ITEMS: usize = 500;
    // Under way, waiting to be read, and at the two ends.
    const HELD: usize = 64 + 32 + 2;
    let folder = tempfile::tempdir().unwrap();
    let exchange = exchange(folder.path(), |store| store).await;
    let pulled = Arc::new(AtomicUsize::new(0));
    let counted = pulled.clone();
    // Empty items, which are refused at once: whatever is not held back is read in no time.
    let frames = tokio_stream::iter(0..ITEMS).map(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Status>(Frame::data(bytes::Bytes::from_static(&[0; 5])))
    });
    let decoder =
        StrictCodec::<RegisterWorkersResponse, RegisterWorkersRequest>::default().decoder();
    let items = Streaming::new_request(decoder, StreamBody::new(frames), None, None);
    let path = "/desmigratif.worker.v1.WorkerService/RegisterWorkers";
    let request = admitted(items, path, Purpose::PlacementScreening);
    let mut answers = Workers(exchange).register_workers(request).await.unwrap().into_inner();
    while pulled.load(Ordering::SeqCst) < HELD - 2 {
        tokio::task::yield_now().await;
    }
    let mut read = 0;
    while let Some(answer) = answers.next().await {
        assert!(answer.unwrap().answer.is_some());
        read += 1;
        let pulled = pulled.load(Ordering::SeqCst);
        assert!(pulled <= read + HELD, "{pulled} items for {read} answers");
    }
    assert_eq!(read, ITEMS);
}
