//! ChangeFeedService: changes as they are committed, to those who may know of them.
//!
//! A feed is a task that reads the node's tail of the journal and writes into a short channel. Before
//! each message it asks for the caller's right anew; before each message about people it waits for
//! the entry of the disclosure.
//!
//! Invariants:
//! - a cursor is given only for what lies behind all that was sent before it: whoever resumes at it
//!   has missed nothing;
//! - a feed holds no more than the channel, however slow its reader is;
//! - a feed that ends says why, unless everything asked for was sent.

use std::sync::Arc;
use std::time::Duration;

use desmigratif_core::record::{Kind, Record as Kept};
use desmigratif_core::region::RegionCode;
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::exchange::v1 as wire_v1;
use desmigratif_proto::exchange::v1::change_event::Record;
use desmigratif_proto::exchange::v1::change_feed_service_server::ChangeFeedService;
use desmigratif_proto::exchange::v1::{
    GetHeadRequest, GetHeadResponse, WatchChangesRequest, WatchChangesResponse,
};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::failure::Failure;
use super::flow::{Admitted, Read, call, read};
use super::programme::convert as programme;
use super::reading::Reading;
use super::{facility, page, wire};
use crate::access::Admission;
use crate::exchange::{ChangeEvent, ChangeFilter, Changed, Error, Exchange, Place};
use crate::fault::internal;
use crate::renewal::Renewal;

mod watch;

pub(super) use watch::Metrics;
use watch::Watch;

/// Messages that may wait for a slow reader.
const WAITING: usize = 4;

/// How changes are told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The longest silence: then a heartbeat comes.
    pub heartbeat: Duration,
    /// How long a feed of which nothing is read is kept.
    pub patience: Duration,
}

/// The service.
pub(super) struct Feeds {
    pub(super) exchange: Arc<Exchange>,
    pub(super) settings: Settings,
    pub(super) metrics: Arc<Metrics>,
}

#[tonic::async_trait]
impl ChangeFeedService for Feeds {
    type WatchChangesStream = BoxStream<'static, Result<WatchChangesResponse, Status>>;

    async fn watch_changes(
        &self,
        request: Request<WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        let admitted = Admitted::of(&request)?;
        let renewal = request.extensions().get::<Renewal<Admission>>().cloned();
        let renewal = renewal
            .ok_or_else(|| Error::Internal("a feed reached its handler without renewal".into()))
            .map_err(Failure::from)?;
        let request = request.into_inner();
        let (from, filter) = read(&self.exchange, &request)?;
        let head = head(&self.exchange).await?;
        let place = match from {
            From::Now => head,
            From::Place(place) if place > head => Err(Failure::CursorBeyondJournal)?,
            From::Place(place) => place,
        };
        let (messages, sent) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel();
        let watch = Watch {
            call: call(&self.exchange, &admitted, None, &request.encode_to_vec()),
            exchange: self.exchange.clone(),
            settings: self.settings,
            renewal,
            filter,
            until: request.catch_up_only.then_some(head),
            place,
            sent: place,
            messages,
            metrics: self.metrics.clone(),
        };
        let work = async move {
            // Whoever does not wait for the end any more has gone.
            let _ = end.send(watch.run().await);
        };
        tokio::spawn(work.in_current_span());
        // A task that failed has not sent its end, and must not look like one that is done.
        let end = async { ended.await.unwrap_or_else(|_| Err(internal().into_status())) };
        let end = stream::once(end).filter_map(async |end| end.err().map(Err));
        Ok(Response::new(ReceiverStream::new(sent).map(Ok).chain(end).boxed()))
    }

    async fn get_head(
        &self,
        _: Request<GetHeadRequest>,
    ) -> Result<Response<GetHeadResponse>, Status> {
        let head = head(&self.exchange).await?;
        Ok(Response::new(GetHeadResponse { cursor: cursor(&self.exchange, head) }))
    }
}

/// The place behind everything that is committed now.
async fn head(exchange: &Exchange) -> Result<Place, Failure> {
    let index = exchange.store.journal_len().await.map_err(Error::from)?;
    Ok(Place { index, record: 0 })
}

/// Where a feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Now,
    Place(Place),
}

impl Read for WatchChangesRequest {
    type Input = (From, ChangeFilter);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let at = Path::ROOT.field("cursor");
        if self.from_beginning && !self.cursor.is_empty() {
            let rule = Rule::new(
                "CURSOR_WITH_BEGINNING",
                "must be empty when the feed is to begin with the first change",
                "harus kosong bila aliran dimulai dari perubahan pertama",
            );
            reading.broken(at, rule);
        }
        let from = match reading.take(at, read_cursor(exchange, &self.cursor))? {
            Some(place) => From::Place(place),
            None if self.from_beginning => From::Place(Place::default()),
            None => From::Now,
        };
        let at = Path::ROOT.field("region_code");
        let region: Option<RegionCode> = wire::read_region(reading, at, &self.region_code)?;
        let kinds = self.kinds().filter_map(kind).collect();
        Some((from, ChangeFilter { kinds, region }))
    }
}

const fn kind(kind: wire_v1::RecordKind) -> Option<Kind> {
    match kind {
        wire_v1::RecordKind::Unspecified => None,
        wire_v1::RecordKind::Worker => Some(Kind::Worker),
        wire_v1::RecordKind::FamilyMember => Some(Kind::FamilyMember),
        wire_v1::RecordKind::Clearance => Some(Kind::Clearance),
        wire_v1::RecordKind::Facility => Some(Kind::Facility),
        wire_v1::RecordKind::Designation => Some(Kind::Designation),
        wire_v1::RecordKind::Activity => Some(Kind::Activity),
        wire_v1::RecordKind::Enterprise => Some(Kind::Enterprise),
        wire_v1::RecordKind::SectorService => Some(Kind::SectorService),
        wire_v1::RecordKind::Officer => Some(Kind::Officer),
        wire_v1::RecordKind::ParentingFamily => Some(Kind::ParentingFamily),
    }
}

/// What binds a cursor to this exchange: the name of its log, the same on every node.
fn bound_to(exchange: &Exchange) -> [&str; 2] {
    ["changes", exchange.signing_key.name()]
}

/// A place as a caller keeps it.
fn cursor(exchange: &Exchange, place: Place) -> String {
    page::token(&bound_to(exchange), &format!("{}.{}", place.index, place.record))
}

/// The place of a cursor; `None` for an empty one.
fn read_cursor(exchange: &Exchange, cursor: &str) -> Result<Option<Place>, Rule> {
    let not_ours = || {
        Rule::new("CURSOR_INVALID", "is none that this exchange gave", "bukan dari pertukaran ini")
    };
    let place = page::after(&bound_to(exchange), cursor).map_err(|_| not_ours())?;
    let Some(place) = place else { return Ok(None) };
    let parsed = place.split_once('.').and_then(|(index, record)| {
        Some(Place { index: index.parse().ok()?, record: record.parse().ok()? })
    });
    parsed.map(Some).ok_or_else(not_ours)
}

/// A record that has changed, for the wire.
fn record(exchange: &Exchange, changed: &Changed) -> Option<Record> {
    let record = match changed {
        Changed::Worker { id, village, stage } => Record::Worker(wire_v1::WorkerChange {
            worker_id: id.clone(),
            village_code: village.to_string(),
            stage: wire::stage(*stage).into(),
        }),
        Changed::FamilyMember { id, worker_id } => {
            Record::FamilyMember(wire_v1::FamilyMemberChange {
                member_id: id.clone(),
                worker_id: worker_id.to_string(),
            })
        }
        Changed::Clearance { id, worker_id } => Record::Clearance(wire_v1::ClearanceChange {
            clearance_id: id.clone(),
            worker_id: worker_id.to_string(),
        }),
        Changed::Officer { id, station, role } => Record::Officer(wire_v1::OfficerChange {
            officer_id: id.clone(),
            place_code: programme::place_code(*station),
            role: programme::role(*role).into(),
        }),
        Changed::ParentingFamily { worker_id } => {
            Record::ParentingFamily(wire_v1::ParentingFamilyChange { worker_id: worker_id.clone() })
        }
        Changed::Whole(record, version) => return whole(exchange, record, *version),
    };
    Some(record)
}

/// A record that is about nobody, for the wire; `None` for a kind that is never told of.
fn whole(exchange: &Exchange, record: &Kept, version: u64) -> Option<Record> {
    Some(match record {
        Kept::Facility(facility) => Record::Facility(facility::to_wire(facility)),
        Kept::Designation(designation) => {
            Record::Designation(programme::designation(exchange, designation, version))
        }
        Kept::Activity(activity) => Record::Activity(programme::activity(activity, version)),
        Kept::Enterprise(enterprise) => {
            Record::Enterprise(programme::enterprise(enterprise, version))
        }
        Kept::SectorService(service) => Record::SectorService(programme::service(service)),
        _ => return None,
    })
}

/// A change, for the wire.
fn to_wire(exchange: &Exchange, event: &ChangeEvent) -> wire_v1::ChangeEvent {
    wire_v1::ChangeEvent {
        cursor: cursor(exchange, event.next),
        committed_at: Some(wire::timestamp(event.at)),
        etag: event.version.to_string(),
        record: record(exchange, &event.record),
    }
}
