//! The outbox's side of the store port: deliveries from the commit that makes them until a
//! ministry has them.
//!
//! A delivery waits in the line of its person and ministry. Only the head of a line is ever
//! leased, so that one ministry gets what concerns one person in the order of the journal. A
//! lease is for a time; whoever settles a delivery shows the lease's token, and one whose lease
//! has been given to another changes nothing (a fencing token).

use jiff::Timestamp;

use crate::access::AgencyKind;
use crate::record::{Key, Stored};
use crate::subject::Subject;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits for its turn, for the next attempt or for the answer to one.
    Waiting,
    /// The ministry has it.
    Delivered,
    /// Refused for good, or too old: the dead letter.
    Dead,
    /// Given up, by an operator or since a newer version of the record was delivered.
    Discarded,
}

impl DeliveryState {
    /// Every state, in declaration order.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::Dead, Self::Discarded];

    /// The name under which the state is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }

    /// Reads what [`DeliveryState::as_str`] writes; anything else is no state.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An entry on its way to one ministry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The ministry.
    pub to: AgencyKind,
    /// The person concerned: deliveries about one person keep their order.
    pub subject: Subject,
    /// The record to be delivered, at the version that the commit makes: one that it writes.
    pub record: Key,
}

/// What is to be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Deliveries to this ministry that are due.
    pub to: AgencyKind,
    /// Until when they are nobody else's.
    pub until: Timestamp,
    /// At most so many, those due first.
    pub limit: u32,
}

/// A delivery under a lease.
#[derive(Clone, Debug, PartialEq)]
pub struct Leased {
    /// Its id. Ids are in the order of the journal.
    pub id: u64,
    /// Proof of the lease.
    pub token: u64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When it was committed, or replayed last.
    pub queued_at: Timestamp,
    /// Index of its entry.
    pub entry: u64,
    /// When the entry was committed.
    pub entry_at: Timestamp,
    /// The trace of the call that made the entry, all zero when there is none.
    pub trace_id: [u8; 16],
    /// The person concerned.
    pub subject: Subject,
    /// The record at the version that the entry made, whatever has become of it since.
    pub stored: Stored,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The delivery.
    pub id: u64,
    /// The lease's token.
    pub token: u64,
    /// What came of it.
    pub outcome: Settled,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The ministry has it. Older versions of the record that still wait for the ministry, or lie
    /// in its dead letter, are discarded.
    Delivered,
    /// It failed, and is due again at a time.
    Again {
        /// When.
        at: Timestamp,
        /// Why it failed; fixed words, see [`crate::ports::ministry::Fault::what`].
        reason: String,
    },
    /// It was not tried after all: the attempt does not count.
    Untried {
        /// When it is due again.
        at: Timestamp,
    },
    /// It will not be tried again.
    Dead {
        /// Why.
        reason: String,
    },
}

/// What an operator does with a delivery. It must be there, in the state that the order is for, or
/// the commit is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Puts a dead delivery back into its line.
    Replay {
        /// The delivery.
        id: u64,
    },
    /// Gives up one that waits or is dead.
    Discard {
        /// The delivery.
        id: u64,
        /// Why, in the operator's words.
        reason: String,
    },
}

/// A delivery as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its id.
    pub id: u64,
    /// The ministry.
    pub to: AgencyKind,
    /// The record.
    pub record: Key,
    /// The record's version.
    pub version: u64,
    /// Index of its entry.
    pub entry: u64,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried since it was committed or replayed.
    pub attempts: u32,
    /// Why the last attempt failed, or why it was discarded.
    pub reason: Option<String>,
    /// When it was committed, or replayed last.
    pub queued_at: Timestamp,
    /// Not before this time it is tried next; of use only while it waits.
    pub due_at: Timestamp,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// Which deliveries are wanted: those that meet every part that is given, by ascending id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// To this ministry.
    pub to: Option<AgencyKind>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// After this id.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// What has not reached a ministry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The ministry.
    pub to: AgencyKind,
    /// Deliveries that wait.
    pub waiting: u64,
    /// Deliveries in the dead letter.
    pub dead: u64,
    /// When the oldest that waits was committed, or replayed last.
    pub oldest: Option<Timestamp>,
}
