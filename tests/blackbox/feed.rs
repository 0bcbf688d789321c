//! Change feeds: whoever keeps the last cursor misses nothing and gets nothing twice, whatever ends
//! the feed in between; and nobody is told of more than is theirs to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use desmigratif_proto::access::v1::WhoAmIRequest;
use desmigratif_proto::access::v1::access_service_client::AccessServiceClient;
use desmigratif_proto::audit::v1::EraseSubjectRequest;
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::exchange::v1::change_event::Record;
use desmigratif_proto::exchange::v1::change_feed_service_client::ChangeFeedServiceClient;
use desmigratif_proto::exchange::v1::{
    ChangeEvent, GetHeadRequest, RecordKind, WatchChangesRequest, WatchChangesResponse,
};
use desmigratif_proto::health::v1::medical_clearance_service_client::MedicalClearanceServiceClient;
use desmigratif_proto::health::v1::{RevocationReason, RevokeClearanceRequest};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::authority::{Authority, KEMNAKER, Leaf, in_seconds};
use crate::calls::{first_village, register, registration, submission, submit};
use crate::country::eventually;
use crate::folder::prepared;
use crate::gateway::{Gateway, fresh_nik, new_id, reason, run, stating};
use crate::journal::entries;
use crate::raw::in_time;

const WATCH: &str = "desmigratif.exchange.v1.ChangeFeedService/WatchChanges";
const PLACEMENT: &str = "placement-screening";
const PLANNING: &str = "programme-planning";

/// An open feed.
struct Feed {
    messages: Streaming<WatchChangesResponse>,
    /// The last cursor that was read.
    cursor: String,
}

impl Feed {
    async fn open(
        agency: &Channel,
        purpose: &str,
        request: WatchChangesRequest,
    ) -> Result<Self, Status> {
        let mut client = ChangeFeedServiceClient::new(agency.clone());
        let messages = client.watch_changes(stating(purpose, request)).await?.into_inner();
        Ok(Self { messages, cursor: String::new() })
    }

    /// The events of the next message; `None` when the feed ended with OK.
    async fn next(&mut self) -> Result<Option<Vec<ChangeEvent>>, Status> {
        let Some(message) = in_time(self.messages.message()).await? else { return Ok(None) };
        self.cursor = message.cursor;
        Ok(Some(message.events))
    }

    /// The status that it ends with, after whatever comes before.
    async fn end(&mut self) -> Status {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended as if all was sent"),
                Err(status) => return status,
            }
        }
    }
}

/// From a cursor on.
fn after(cursor: &str) -> WatchChangesRequest {
    WatchChangesRequest { cursor: cursor.into(), ..Default::default() }
}

/// From the first change on, until all that is there was sent.
fn all() -> WatchChangesRequest {
    WatchChangesRequest { from_beginning: true, catch_up_only: true, ..Default::default() }
}

/// What a feed that comes to its end tells.
async fn told(agency: &Channel, purpose: &str, request: WatchChangesRequest) -> Vec<Record> {
    let mut feed = Feed::open(agency, purpose, request).await.unwrap();
    let mut told = Vec::new();
    while let Some(events) = feed.next().await.unwrap() {
        told.extend(events.into_iter().map(|event| event.record.unwrap()));
    }
    told
}

async fn head(agency: &Channel) -> String {
    let mut client = ChangeFeedServiceClient::new(agency.clone());
    client.get_head(GetHeadRequest {}).await.unwrap().into_inner().cursor
}

fn worker_id(record: &Record) -> Option<&str> {
    match record {
        Record::Worker(worker) => Some(&worker.worker_id),
        _ => None,
    }
}

/// Where a worker's registration stands in the journal, and the worker.
type Registered = (u64, String);

/// Registers workers until told to stop, or until a call fails.
async fn write(kemnaker: Channel, stop: Arc<AtomicBool>) -> Vec<Registered> {
    let mut registered = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(answer) = register(&kemnaker, registration(&fresh_nik())).await else { break };
        registered.push((answer.receipt.unwrap().entry_index, answer.worker_id));
    }
    registered
}

/// Writers who begin now.
async fn writers(gateway: &Gateway, stop: &Arc<AtomicBool>) -> JoinSet<Vec<Registered>> {
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        writers.spawn(write(gateway.connect("kemnaker").await, stop.clone()));
    }
    writers
}

/// The workers that were registered, in the order of the journal.
async fn in_order(writers: JoinSet<Vec<Registered>>) -> Vec<String> {
    let mut registered: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    registered.sort();
    registered.into_iter().map(|(_, worker_id)| worker_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_comes_once_and_in_order_across_reconnections_while_others_write() {
    let gateway = Gateway::start();
    let kemnaker = gateway.connect("kemnaker").await;
    let mut cursor = head(&kemnaker).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers = writers(&gateway, &stop).await;
    let mut got = Vec::new();
    for reconnection in 0..12_usize {
        let channel = gateway.connect("kemnaker").await;
        let mut feed = Feed::open(&channel, PLACEMENT, after(&cursor)).await.unwrap();
        let enough = got.len() + 15;
        'feed: loop {
            for event in feed.next().await.unwrap().unwrap() {
                got.extend(worker_id(event.record.as_ref().unwrap()).map(str::to_owned));
                cursor.clone_from(&event.cursor);
                // In the middle of a message as well: what follows in it comes again.
                if got.len() >= enough && reconnection % 2 == 0 {
                    break 'feed;
                }
            }
            cursor.clone_from(&feed.cursor);
            if got.len() >= enough {
                break;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let registered = in_order(writers).await;
    let rest = WatchChangesRequest { catch_up_only: true, ..after(&cursor) };
    let rest = told(&kemnaker, PLACEMENT, rest).await;
    got.extend(rest.iter().filter_map(worker_id).map(str::to_owned));
    assert_eq!(got, registered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_holds_in_the_middle_of_an_entry_too() {
    let gateway = Gateway::shared();
    let office = gateway.connect("disnaker-indramayu").await;
    // The workers of `dev` were registered many at a time.
    let request = WatchChangesRequest { region_code: "32.12".into(), ..all() };
    let mut feed = Feed::open(&office, PLANNING, request.clone()).await.unwrap();
    let first = feed.next().await.unwrap().unwrap();
    let at = |event: &ChangeEvent| event.committed_at;
    let cut = first.windows(2).position(|pair| at(&pair[0]) == at(&pair[1])).unwrap() + 1;
    let rest = WatchChangesRequest {
        cursor: first[cut - 1].cursor.clone(),
        from_beginning: false,
        ..request
    };
    let rest = told(&office, PLANNING, rest).await;
    let expected = first[cut..].iter().map(|event| event.record.clone().unwrap());
    assert!(first.len() - cut > 1 && rest.starts_with(&expected.collect::<Vec<_>>()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_resumes_after_a_power_cut_with_nothing_lost_and_nothing_doubled() {
    let gateway = Gateway::start();
    let kemnaker = gateway.connect("kemnaker").await;
    let mut feed = Feed::open(&kemnaker, PLACEMENT, WatchChangesRequest::default()).await.unwrap();
    assert_eq!(feed.next().await.unwrap(), Some(Vec::new()), "it says at once where now is");
    let writers = writers(&gateway, &Arc::default()).await;
    let mut got = Vec::new();
    let mut take = |events: Vec<ChangeEvent>| {
        got.extend(
            events.iter().filter_map(|it| worker_id(it.record.as_ref()?)).map(str::to_owned),
        );
        got.len()
    };
    while take(feed.next().await.unwrap().unwrap()) < 60 {}
    let folder = gateway.kill();
    // What was sent before the cut may still be on its way.
    while let Ok(Some(events)) = feed.next().await {
        take(events);
    }
    let registered = in_order(writers).await;

    let gateway = Gateway::start_in(folder);
    let kemnaker = gateway.connect("kemnaker").await;
    let rest = WatchChangesRequest { catch_up_only: true, ..after(&feed.cursor) };
    let rest = told(&kemnaker, PLACEMENT, rest).await;
    got.extend(rest.iter().filter_map(worker_id).map(str::to_owned));
    // The last calls may have been committed without an answer: nobody was promised that they are not.
    let acknowledged: Vec<_> = got.iter().filter(|it| registered.contains(it)).collect();
    assert_eq!(acknowledged, registered.iter().collect::<Vec<_>>());
    let mut once = got.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), got.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_of_its_own_and_of_what_it_asks_for() {
    let gateway = Gateway::start();
    let kemnaker = gateway.connect("kemnaker").await;
    let [clinic, other] =
        [gateway.connect("klinik-indramayu").await, gateway.connect("klinik-wonosobo").await];
    let office = gateway.connect("disnaker-indramayu").await;
    let begun = head(&kemnaker).await;
    let (near, far, gone) = (fresh_nik(), fresh_nik(), fresh_nik());
    let near_id = register(&kemnaker, registration(&near)).await.unwrap().worker_id;
    let mut elsewhere = registration(&far);
    let village = first_village(&kemnaker, "33.07").await.code;
    elsewhere.worker.as_mut().unwrap().village_code.clone_from(&village);
    let far_id = register(&kemnaker, elsewhere).await.unwrap().worker_id;
    let gone_id = register(&kemnaker, registration(&gone)).await.unwrap().worker_id;
    let own = submit(&clinic, submission(&near)).await.unwrap().clearance_id;
    let others = submit(&other, submission(&far)).await.unwrap().clearance_id;
    let revocation = RevokeClearanceRequest {
        request_id: new_id(),
        clearance_id: own.clone(),
        etag: String::new(),
        reason: RevocationReason::IssuedInError.into(),
    };
    MedicalClearanceServiceClient::new(gateway.connect("kemenkes").await)
        .revoke_clearance(stating("oversight", revocation))
        .await
        .unwrap();
    let erasure = EraseSubjectRequest { request_id: new_id(), nik: gone };
    AuditServiceClient::new(gateway.connect("operator").await)
        .erase_subject(stating("data-subject-request", erasure))
        .await
        .unwrap();

    let since = || WatchChangesRequest { catch_up_only: true, ..after(&begun) };
    let ids = |told: Vec<Record>| {
        let id = |record| match record {
            Record::Worker(it) => it.worker_id,
            Record::FamilyMember(it) => it.member_id,
            Record::Clearance(it) => it.clearance_id,
            Record::Facility(it) => it.facility_id,
            other => panic!("{other:?} was not written"),
        };
        told.into_iter().map(id).collect::<Vec<_>>()
    };
    let [near, far, own, others] = [&near_id, &far_id, &own, &others].map(String::as_str);
    // Who was erased is not told of any more.
    let whole = [near, far, own, others, own];
    assert_eq!(ids(told(&kemnaker, PLACEMENT, since()).await), whole);
    assert!(!whole.contains(&gone_id.as_str()));
    // Planning opens no health data, a region's office reaches its region alone.
    assert_eq!(ids(told(&kemnaker, PLANNING, since()).await), [near, far]);
    assert_eq!(ids(told(&office, PLANNING, since()).await), [near]);
    // A clinic is told of what it handed in itself, and that it was revoked.
    assert_eq!(ids(told(&clinic, "clearance-submission", since()).await), [own, own]);
    assert_eq!(ids(told(&other, "clearance-submission", since()).await), [others]);
    // Of that, what was asked for.
    let of_region = WatchChangesRequest { region_code: "33.07".into(), ..since() };
    assert_eq!(ids(told(&kemnaker, PLACEMENT, of_region).await), [far, others]);
    let of_kind = WatchChangesRequest { kinds: vec![RecordKind::Clearance.into()], ..since() };
    assert_eq!(ids(told(&kemnaker, PLACEMENT, of_kind).await), [own, others, own]);

    let facilities = WatchChangesRequest { kinds: vec![RecordKind::Facility.into()], ..all() };
    let facilities = told(&office, PLANNING, facilities).await;
    let whole = |it: &Record| matches!(it, Record::Facility(it) if !it.designations.is_empty());
    assert!(facilities.len() > 2 && facilities.iter().all(whole), "with their content");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_about_people_are_journalled_and_use_up_no_limit_on_people() {
    let gateway = Gateway::start();
    let office = gateway.connect("disnaker-indramayu").await;
    let disclosures = |gateway: &Gateway| {
        let of_feeds = |(_, method): &(String, String)| method == WATCH;
        entries(gateway, "disclosure").iter().filter(|it| of_feeds(it)).count()
    };
    let facilities = WatchChangesRequest { kinds: vec![RecordKind::Facility.into()], ..all() };
    told(&office, PLANNING, facilities).await;
    assert_eq!(disclosures(&gateway), 0, "facilities are nobody");
    let workers = told(&office, PLANNING, all()).await.iter().filter_map(worker_id).count();
    assert!(workers > 0);
    assert!(disclosures(&gateway) > 0);
    let mut access = AccessServiceClient::new(office);
    let me = access.who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(me.limits_left.unwrap().subjects, me.limits.unwrap().subjects_per_hour);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_on_which_nothing_happens_beats_and_its_cursor_moves_on() {
    let gateway = Gateway::serve(prepared(), &[("DESMIGRATIF_FEED__HEARTBEAT_SECONDS", "1")]);
    let kemnaker = gateway.connect("kemnaker").await;
    let request = WatchChangesRequest { region_code: "94".into(), ..Default::default() };
    let mut feed = Feed::open(&kemnaker, PLACEMENT, request).await.unwrap();
    assert_eq!(feed.next().await.unwrap(), Some(Vec::new()));
    let begun = std::mem::take(&mut feed.cursor);
    assert_eq!(feed.next().await.unwrap(), Some(Vec::new()));
    assert_eq!(feed.cursor, begun, "nothing was committed");
    register(&kemnaker, registration(&fresh_nik())).await.unwrap();
    while feed.cursor == begun {
        assert_eq!(feed.next().await.unwrap(), Some(Vec::new()), "it is of another region");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_of_an_agency_that_is_suspended_ends() {
    let gateway = Gateway::start();
    let kemendes = gateway.connect("kemendes").await;
    let mut feed = Feed::open(&kemendes, PLANNING, WatchChangesRequest::default()).await.unwrap();
    feed.next().await.unwrap();
    let profile = gateway.data().join("operator.toml");
    let suspend = ["agencies", "suspend", "kemendes", "--profile", profile.to_str().unwrap()];
    assert_eq!(run(&suspend).0, Some(0));
    let end = feed.end().await;
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unauthenticated, "AGENCY_NOT_ACTIVE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_of_a_certificate_that_is_revoked_ends() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("crl.pem");
    let revoke = |serials: &[u64]| {
        std::fs::write(&list, authority.revoke(serials, in_seconds(3_600))).unwrap();
    };
    revoke(&[]);
    let gateway = authority.gateway(&[("DESMIGRATIF_TLS__CRLS", &format!("[{list:?}]"))]);
    let identity = authority.issue(Leaf { serial: 11, ..Leaf::naming(&[KEMNAKER]) });
    let kemnaker = gateway.connect_as(&identity).await;
    let mut feed = Feed::open(&kemnaker, PLACEMENT, WatchChangesRequest::default()).await.unwrap();
    feed.next().await.unwrap();
    revoke(&[11]);
    gateway.signal("HUP");
    let end = feed.end().await;
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unauthenticated, "CERTIFICATE_REFUSED"));
}

/// The value of a metric of feeds with a label, 0 when it was never counted.
async fn ended(gateway: &Gateway, why: &str) -> u64 {
    let (_, metrics) = gateway.operators_get("/metrics").await;
    let line = metrics.lines().find(|line| {
        line.starts_with("desmigratif_feed_ended_total") && line.contains(&format!("why=\"{why}\""))
    });
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_which_nothing_is_read_is_ended_and_resumes_where_it_was_read_to() {
    let gateway = Gateway::serve(prepared(), &[("DESMIGRATIF_FEED__SLOW_READER_SECONDS", "1")]);
    let narrow = gateway.connect_narrow("kemnaker").await;
    let mut feed = Feed::open(&narrow, PLACEMENT, WatchChangesRequest::default()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers = writers(&gateway, &stop).await;
    eventually("it is given up", async || (ended(&gateway, "too_slow").await == 1).then_some(()))
        .await;
    stop.store(true, Ordering::Relaxed);
    let registered = in_order(writers).await;

    let mut got = Vec::new();
    let end = loop {
        match feed.next().await {
            Ok(events) => got.extend(events.unwrap()),
            Err(end) => break end,
        }
    };
    assert_eq!((end.code(), reason(&end).as_str()), (Code::ResourceExhausted, "FEED_TOO_SLOW"));
    assert!(got.len() < registered.len(), "the gateway has not held it all");
    let info = end.get_details_error_info().unwrap();
    assert_eq!(info.metadata["cursor"], feed.cursor, "that of the last message");
    let got = got.into_iter().map(|event| event.record.unwrap());
    let kemnaker = gateway.connect("kemnaker").await;
    let rest = WatchChangesRequest { catch_up_only: true, ..after(&feed.cursor) };
    let got: Vec<_> = got.chain(told(&kemnaker, PLACEMENT, rest).await).collect();
    assert_eq!(got.iter().filter_map(worker_id).collect::<Vec<_>>(), registered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_node_ends_its_feeds_with_a_cursor_for_the_next() {
    let mut gateway = Gateway::start();
    let kemnaker = gateway.connect("kemnaker").await;
    let mut feed = Feed::open(&kemnaker, PLACEMENT, WatchChangesRequest::default()).await.unwrap();
    feed.next().await.unwrap();
    register(&kemnaker, registration(&fresh_nik())).await.unwrap();
    gateway.signal("TERM");
    let end = feed.end().await;
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "FEED_ENDED"));
    let cursor = end.get_details_error_info().unwrap().metadata["cursor"].clone();
    assert_eq!(cursor, feed.cursor);
    assert!(gateway.wait().success(), "it does not wait for feeds: {}", gateway.log());
    assert!(gateway.log().contains("cut=0") || gateway.log().contains("\"cut\":0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_of_the_caller_holds_and_the_feed_says_so_before() {
    let gateway = Gateway::shared();
    let mut client = ChangeFeedServiceClient::new(gateway.connect("kemendes").await);
    let mut request = stating(PLANNING, WatchChangesRequest::default());
    request.set_timeout(Duration::from_secs(2));
    let messages = client.watch_changes(request).await.unwrap().into_inner();
    let end = Feed { messages, cursor: String::new() }.end().await;
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "FEED_ENDED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_have_places_of_their_own() {
    let limits =
        [("DESMIGRATIF_LIMITS__FEEDS", "1"), ("DESMIGRATIF_LIMITS__CONCURRENT_CALLS", "1")];
    let gateway = Gateway::serve(prepared(), &limits);
    let kemnaker = gateway.connect("kemnaker").await;
    let mut feed = Feed::open(&kemnaker, PLACEMENT, WatchChangesRequest::default()).await.unwrap();
    feed.next().await.unwrap();
    register(&kemnaker, registration(&fresh_nik())).await.expect("calls are not touched");
    let again = Feed::open(&kemnaker, PLACEMENT, WatchChangesRequest::default()).await;
    let refused = again.err().unwrap();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "TOO_MANY_FEEDS")
    );
    drop(feed);
    eventually("its place is free", async || {
        Feed::open(&kemnaker, PLACEMENT, WatchChangesRequest::default()).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_journal_is_refused_and_so_is_nonsense() {
    // The same log, and one of them was restored from an earlier backup.
    let (gateway, restored) = (Gateway::serve(prepared(), &[]), Gateway::serve(prepared(), &[]));
    let kemnaker = gateway.connect("kemnaker").await;
    for _ in 0..20 {
        register(&kemnaker, registration(&fresh_nik())).await.unwrap();
    }
    let cursor = head(&kemnaker).await;
    let kemnaker = restored.connect("kemnaker").await;
    let refused = async |request| {
        let refused = Feed::open(&kemnaker, PLACEMENT, request).await.err().unwrap();
        (refused.code(), reason(&refused))
    };
    let beyond = (Code::FailedPrecondition, "CURSOR_BEYOND_JOURNAL".to_owned());
    assert_eq!(refused(after(&cursor)).await, beyond);
    let invalid = (Code::InvalidArgument, "FIELDS_INVALID".to_owned());
    assert_eq!(refused(after("nonsense")).await, invalid);
    assert_eq!(refused(after(&format!("{cursor}00"))).await, invalid);
    let both = WatchChangesRequest { from_beginning: true, ..after(&head(&kemnaker).await) };
    assert_eq!(refused(both).await, invalid);
}
