//! `desmigratif deliveries`: what is on its way to the ministries.

use clap::{Subcommand, ValueEnum};
use desmigratif_proto::admin::v1::{
    Delivery, DeliveryState, DiscardDeliveryRequest, ListDeliveriesRequest, ReplayDeliveriesRequest,
};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::profile::{Profile, refused};
use super::show::{self, Row, cell, span};
use super::{Ministry, Operator, ministry_name};
use crate::cli::{Failure, say};

/// Deliveries of a page of the list.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DeliveriesVerb {
    /// List deliveries in the order in which they were committed
    List {
        /// Only those to this ministry
        #[arg(long)]
        ministry: Option<Ministry>,
        /// Only those in this state
        #[arg(long)]
        state: Option<State>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        operator: Operator,
    },
    /// Put dead deliveries back, to be tried again
    Replay {
        /// Ids of dead deliveries
        #[arg(required_unless_present = "ministry", conflicts_with = "ministry")]
        ids: Vec<u64>,
        /// All dead deliveries to this ministry
        #[arg(long)]
        ministry: Option<Ministry>,
        #[command(flatten)]
        operator: Operator,
    },
    /// Give a delivery up for good
    Discard {
        /// The delivery's id
        id: u64,
        /// Why, for whoever looks at the list
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        operator: Operator,
    },
}

/// A state on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum State {
    /// Not there yet
    Waiting,
    /// The ministry has it
    Delivered,
    /// Refused for good, or too old
    Dead,
    /// Given up
    Discarded,
}

impl State {
    const fn number(self) -> i32 {
        match self {
            Self::Waiting => DeliveryState::Waiting as i32,
            Self::Delivered => DeliveryState::Delivered as i32,
            Self::Dead => DeliveryState::Dead as i32,
            Self::Discarded => DeliveryState::Discarded as i32,
        }
    }
}

impl DeliveriesVerb {
    /// Does what the verb says.
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List { ministry, state, limit, operator } => {
                list(ministry, state, limit, &operator).await
            }
            Self::Replay { ids, ministry, operator } => replay(ids, ministry, &operator).await,
            Self::Discard { id, reason, operator } => {
                let request = DiscardDeliveryRequest {
                    request_id: Uuid::now_v7().to_string(),
                    delivery_id: id,
                    reason,
                };
                let mut client = Profile::read(&operator.profile)?.client().await?;
                client.discard_delivery(request).await.map_err(refused)?;
                say(format_args!("delivery {id} is discarded"))
            }
        }
    }
}

async fn list(
    ministry: Option<Ministry>,
    state: Option<State>,
    limit: u32,
    operator: &Operator,
) -> Result<(), Failure> {
    let mut client = Profile::read(&operator.profile)?.client().await?;
    let mut rows: Vec<Shown> = Vec::new();
    let mut page_token = String::new();
    loop {
        let wanted = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        if wanted == 0 {
            break;
        }
        let request = ListDeliveriesRequest {
            ministry: ministry.map_or(0, Ministry::number),
            state: state.map_or(0, State::number),
            page_size: wanted.min(PAGE),
            page_token,
        };
        let answer = client.list_deliveries(request).await.map_err(refused)?.into_inner();
        rows.extend(answer.deliveries.iter().map(Shown::of));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    show::show(operator.output, &rows)
}

async fn replay(
    ids: Vec<u64>,
    ministry: Option<Ministry>,
    operator: &Operator,
) -> Result<(), Failure> {
    let mut client = Profile::read(&operator.profile)?.client().await?;
    let mut replayed = 0;
    loop {
        let request = ReplayDeliveriesRequest {
            request_id: Uuid::now_v7().to_string(),
            delivery_ids: ids.clone(),
            ministry: ministry.map_or(0, Ministry::number),
        };
        let answer = client.replay_deliveries(request).await.map_err(refused)?.into_inner();
        replayed += answer.replayed;
        if !answer.remaining {
            return say(format_args!("put back: {replayed}"));
        }
    }
}

/// A delivery as it is shown.
#[derive(Serialize)]
struct Shown {
    id: u64,
    ministry: String,
    kind: String,
    record: String,
    version: u64,
    entry: u64,
    state: String,
    attempts: u32,
    queued_at: Option<Timestamp>,
    due_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
    reason: Option<String>,
}

impl Shown {
    fn of(delivery: &Delivery) -> Self {
        let state = delivery.state().as_str_name().trim_start_matches("DELIVERY_STATE_");
        Self {
            id: delivery.delivery_id,
            ministry: ministry_name(delivery.ministry()),
            kind: delivery.record_kind.clone(),
            record: delivery.record_id.clone(),
            version: delivery.version,
            entry: delivery.entry_index,
            state: state.to_lowercase(),
            attempts: delivery.attempts,
            queued_at: show::time(delivery.queued_at),
            due_at: show::time(delivery.due_at),
            settled_at: show::time(delivery.settled_at),
            reason: Some(delivery.reason.clone()).filter(|reason| !reason.is_empty()),
        }
    }
}

impl Row for Shown {
    const HEADINGS: &'static [&'static str] = &[
        "ID", "MINISTRY", "RECORD", "VERSION", "ENTRY", "STATE", "ATTEMPTS", "AGE", "NEXT",
        "REASON",
    ];

    fn cells(&self) -> Vec<String> {
        let now = Timestamp::now();
        vec![
            self.id.to_string(),
            self.ministry.clone(),
            format!("{} {}", self.kind, self.record),
            self.version.to_string(),
            self.entry.to_string(),
            self.state.clone(),
            self.attempts.to_string(),
            span(self.queued_at, now),
            // What is due already has its turn when the outbox comes to it.
            self.due_at.map_or("-".into(), |due| span(Some(due.max(now)), now)),
            cell(self.reason.as_ref()),
        ]
    }
}
