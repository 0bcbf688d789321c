//! One feed from its beginning to its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use desmigratif_proto::Minimise as _;
use desmigratif_proto::exchange::v1::WatchChangesResponse;
use opentelemetry::metrics::{Counter, UpDownCounter};
use opentelemetry::{KeyValue, global};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{Settings, cursor, to_wire};
use crate::access::Admission;
use crate::exchange::{Call, ChangeFilter, Changes, Disclosure, Error, Exchange, Place};
use crate::fault::{ErrorReason, Fault, fault};
use crate::renewal::Renewal;
use crate::services::failure::Failure;
use crate::services::wire;

/// How long a feed waits for more once something has come: what comes together is journalled and
/// sent together. With every feed that is open it is a little longer, up to the most: a thousand that
/// look each 20 ms would leave no time for anything else.
const LINGER: Duration = Duration::from_millis(20);
const LINGER_PER_FEED: Duration = Duration::from_micros(30);
const LONGEST_LINGER: Duration = Duration::from_millis(50);
/// So many entries are enough not to wait for more.
const ENOUGH: u64 = 256;
/// When a feed that was read too slowly may be resumed: it is to make room first.
const RESUME_SLOW: Duration = Duration::from_secs(1);

/// What is counted of feeds.
pub(in crate::services) struct Metrics {
    open: UpDownCounter<i64>,
    ended: Counter<u64>,
    events: Counter<u64>,
    /// As `open`, to be read.
    feeds: AtomicU32,
}

impl Metrics {
    pub(in crate::services) fn new() -> Arc<Self> {
        let meter = global::meter("desmigratif.feed");
        Arc::new(Self {
            open: meter
                .i64_up_down_counter("desmigratif.feed.open")
                .with_description("Change feeds open now.")
                .build(),
            ended: meter
                .u64_counter("desmigratif.feed.ended")
                .with_description("Change feeds that have ended, by why.")
                .build(),
            events: meter
                .u64_counter("desmigratif.feed.events")
                .with_description("Changes told on feeds.")
                .build(),
            feeds: AtomicU32::new(0),
        })
    }
}

/// A feed under way.
pub(super) struct Watch {
    pub(super) exchange: Arc<Exchange>,
    pub(super) settings: Settings,
    pub(super) call: Call,
    pub(super) renewal: Renewal<Admission>,
    pub(super) filter: ChangeFilter,
    /// Where it is done; `None` when it goes on for as long as it may.
    pub(super) until: Option<Place>,
    /// The place behind all that was looked through.
    pub(super) place: Place,
    /// The place of the last cursor that was sent.
    pub(super) sent: Place,
    pub(super) messages: mpsc::Sender<WatchChangesResponse>,
    pub(super) metrics: Arc<Metrics>,
}

/// Why a feed ends.
enum End {
    /// Everything that was asked for was sent.
    Done,
    /// The reader has gone.
    Abandoned,
    /// Its time is over, or its connection's.
    Over,
    /// The reader takes nothing.
    TooSlow,
    /// The caller may no longer.
    Refused(Status),
    /// The exchange could not go on.
    Failed(Failure),
}

impl End {
    /// Its name among the metric's, a closed set.
    const fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Abandoned => "abandoned",
            Self::Over => "over",
            Self::TooSlow => "too_slow",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a feed has waited for.
enum Woken {
    /// The journal goes on.
    News,
    /// It was silent for long enough.
    Silence,
}

impl Watch {
    /// Sends what there is until it ends.
    ///
    /// # Errors
    /// The status to end with; none when everything that was asked for was sent.
    pub(super) async fn run(mut self) -> Result<(), Status> {
        self.metrics.open.add(1, &[]);
        self.metrics.feeds.fetch_add(1, Ordering::Relaxed);
        let end = match self.follow().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        self.metrics.open.add(-1, &[]);
        self.metrics.feeds.fetch_sub(1, Ordering::Relaxed);
        self.metrics.ended.add(1, &[KeyValue::new("why", end.name())]);
        let resumable = |fault: Fault| fault.resume_from(cursor(&self.exchange, self.sent));
        match end {
            End::Done | End::Abandoned => Ok(()),
            End::Over => Err(resumable(over()).into_status()),
            End::TooSlow => Err(resumable(too_slow()).into_status()),
            End::Refused(status) => Err(status),
            End::Failed(failure) => Err(failure.into()),
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, End> {
        // The first message comes at once: it tells a caller that begins now where that is.
        let mut silent_until = Instant::now();
        loop {
            let done = self.until.is_some_and(|until| self.place >= until);
            let news = !done && matches!(self.wait(silent_until).await?, Woken::News);
            if news && self.until.is_none() {
                self.linger().await;
            }
            let Admission::Contract(permit) = self.renewal.ask().map_err(End::Refused)? else {
                let what = "a feed was admitted as a standard service".to_owned();
                return Err(End::Failed(Error::Internal(what).into()));
            };
            self.call.permit = permit;
            let mut message = WatchChangesResponse::default();
            if news {
                message = self.gather().await.map_err(End::Failed)?;
            }
            if !message.events.is_empty() || done || Instant::now() >= silent_until {
                message.cursor = cursor(&self.exchange, self.place);
                self.send(message).await?;
                silent_until = Instant::now() + self.settings.heartbeat;
            }
            if done {
                return Err(End::Done);
            }
        }
    }

    /// Waits until the journal goes on, or it was silent for long enough.
    async fn wait(&self, silent_until: Instant) -> Result<Woken, End> {
        tokio::select! {
            biased;
            () = self.renewal.leaving() => Err(End::Over),
            () = tokio::time::sleep_until(self.deadline()) => Err(End::Over),
            () = self.messages.closed() => Err(End::Abandoned),
            () = self.exchange.feed.reached(self.place.index) => Ok(Woken::News),
            () = tokio::time::sleep_until(silent_until) => Ok(Woken::Silence),
        }
    }

    /// Until when it may go on, so that there is time left to say that it ends.
    fn deadline(&self) -> Instant {
        Instant::from_std(self.call.deadline.for_asking())
    }

    /// Lets what comes together gather, unless there is enough of it already.
    async fn linger(&self) {
        if self.exchange.feed.head().saturating_sub(self.place.index) < ENOUGH {
            let feeds = self.metrics.feeds.load(Ordering::Relaxed);
            let linger = LINGER + LINGER_PER_FEED.saturating_mul(feeds);
            tokio::time::sleep(linger.min(LONGEST_LINGER)).await;
        }
    }

    /// The next changes, as they may leave: minimised, and their disclosure durable.
    async fn gather(&mut self) -> Result<WatchChangesResponse, Failure> {
        let permit = &self.call.permit;
        let Changes { events, next } =
            self.exchange.changes(permit, &self.filter, self.place).await?;
        self.place = next;
        let mut message = WatchChangesResponse {
            events: events.iter().map(|event| to_wire(&self.exchange, event)).collect(),
            ..WatchChangesResponse::default()
        };
        message.minimise(wire::class_set(permit.classes()));
        let mut named = BTreeSet::new();
        let people = events.iter().filter_map(|event| event.person);
        let subjects: Vec<_> = people.filter(|person| named.insert(*person)).collect();
        if !subjects.is_empty() {
            let classes = wire::classes(message.classes_present());
            let disclosure = Disclosure { subjects, classes, copies: Vec::new() };
            self.exchange.disclose_uncounted(&self.call, disclosure).await?;
        }
        Ok(message)
    }

    /// Hands a message to the reader, who may be slow, but not for ever.
    async fn send(&mut self, message: WatchChangesResponse) -> Result<(), End> {
        let events = message.events.len() as u64;
        tokio::select! {
            biased;
            sent = self.messages.send(message) => sent.map_err(|_| End::Abandoned)?,
            () = self.renewal.leaving() => return Err(End::Over),
            () = tokio::time::sleep_until(self.deadline()) => return Err(End::Over),
            () = tokio::time::sleep(self.settings.patience) => return Err(End::TooSlow),
        }
        self.sent = self.place;
        self.metrics.events.add(events, &[]);
        Ok(())
    }
}

fn over() -> Fault {
    fault(
        Code::Unavailable,
        ErrorReason::FeedEnded,
        "the feed ends here; call again with the last cursor",
        "aliran berakhir di sini; panggil kembali dengan kursor terakhir",
    )
    .retry_after(Duration::ZERO)
}

fn too_slow() -> Fault {
    fault(
        Code::ResourceExhausted,
        ErrorReason::FeedTooSlow,
        "nothing of the feed was read for too long; call again with the last cursor that you have read",
        "aliran terlalu lama tidak dibaca; panggil kembali dengan kursor terakhir yang sudah dibaca",
    )
    .retry_after(RESUME_SLOW)
}
