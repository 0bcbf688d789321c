//! The ministry port: what the exchange asks of a ministry's own system, and hands to it.
//!
//! An adapter speaks one ministry's wire protocol behind this trait. It alone judges whether a
//! failure may be tried again, for it knows its ministry.
//!
//! Invariants that every adapter keeps, and the conformance suite tests:
//! - A call ends by its deadline, with an answer or a [`Fault`].
//! - A parcel delivered twice under one key has one effect.
//! - An answer that breaks the protocol is [`FaultKind::Malformed`], never a guess.
//! - A fault holds no personal value.

#[cfg(feature = "conformance")]
pub mod conformance;

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::clearance::Clearance;
use crate::facility::Facility;
use crate::family::FamilyMember;
use crate::identity::{Check, Claim};
use crate::nik::Nik;
use crate::region::VillageCode;
use crate::village_index::VillageIndex;
use crate::worker::Worker;

/// What the exchange asks.
#[derive(Clone, PartialEq)]
pub enum Question {
    /// Kemendagri: does the claim agree with the population register?
    Identity {
        /// Whose record.
        nik: Nik,
        /// What is claimed; never empty.
        claim: Box<Claim>,
    },
    /// Kemnaker: how many workers of a village are at each stage?
    Workforce {
        /// The village, under a code in force.
        village: VillageCode,
    },
    /// Kemenkes: are these facilities in operation?
    Facilities {
        /// Ids of facilities, as in the exchange.
        ids: Vec<String>,
    },
    /// Kemendes: what is the village's newest index?
    VillageIndex {
        /// The village, under a code in force.
        village: VillageCode,
    },
}

/// What a ministry answers, to the question of the same name.
#[derive(Clone, PartialEq)]
pub enum Answer {
    /// What came of the check.
    Identity(Check),
    /// The workers by stage.
    Workforce(Workforce),
    /// How each facility that the ministry knows stands; one it does not know is left out.
    Facilities(Vec<FacilityStanding>),
    /// The index; `None` when the ministry has none for the village.
    VillageIndex(Option<VillageIndex>),
}

/// The workers of a village by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workforce {
    /// Candidates (CPMI) who prepare.
    pub prospective: u64,
    /// Candidates who may leave.
    pub ready: u64,
    /// Workers abroad (PMI).
    pub abroad: u64,
    /// Workers who came back (PMI purna).
    pub returned: u64,
}

/// How a facility stands with its ministry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacilityStanding {
    /// The facility's id.
    pub id: String,
    /// Whether it is in operation.
    pub active: bool,
}

/// An entry on its way to a ministry: the record as the entry left it, with what the ministry
/// needs beside it, and nothing that it may not see.
#[derive(Clone, PartialEq)]
pub struct Parcel {
    /// The key of its one effect: the same on every attempt.
    pub key: Uuid,
    /// Index of the journal entry.
    pub entry: u64,
    /// When the entry was committed.
    pub at: Timestamp,
    /// The record's version. A ministry that has a higher one already keeps that.
    pub version: u64,
    /// The content.
    pub content: Content,
}

/// What a parcel holds.
#[derive(Clone, PartialEq)]
pub enum Content {
    /// A worker.
    Worker(Box<Worker>),
    /// A member of a worker's family.
    FamilyMember(Box<FamilyMember>),
    /// A clearance.
    Clearance(Box<ClearanceFile>),
}

/// A clearance with the person and the facility that it names by id.
#[derive(Clone, PartialEq)]
pub struct ClearanceFile {
    /// The clearance.
    pub clearance: Clearance,
    /// The person examined.
    pub worker: Worker,
    /// The facility that examined.
    pub facility: Facility,
    /// The last day of validity; `None` unless the conclusion is fit.
    pub valid_until: Option<Date>,
}

redacted!(Question, Answer, Parcel, Content, ClearanceFile);

/// What sort of failure it was, and so whose it is to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// No connection, or the ministry said that it cannot serve now. The ministry's, or the
    /// network's between.
    Unavailable,
    /// No answer within the deadline. The ministry's, or the network's.
    Timeout,
    /// The ministry understood and refused: what was sent breaks a rule of its own. The record's.
    Rejected,
    /// The answer breaks the protocol. The ministry's, or a change that the adapter does not know.
    Malformed,
    /// The agreed number of calls is used up, or they come too fast. The agreement's.
    Quota,
    /// The ministry does not accept the exchange itself: credentials, address or certificate. The
    /// operator's.
    Credentials,
    /// The ministry's system has no such service, so nothing was sent. The operator's.
    Unsupported,
}

impl FaultKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 7] = [
        Self::Unavailable,
        Self::Timeout,
        Self::Rejected,
        Self::Malformed,
        Self::Quota,
        Self::Credentials,
        Self::Unsupported,
    ];

    /// The kind as metrics, logs and delivery lists name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Malformed => "malformed",
            Self::Quota => "quota",
            Self::Credentials => "credentials",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Whether and when the same call may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not before so long.
    After(Duration),
    /// At once, or after a pause of the caller's choice.
    Safe,
    /// Never, as long as what is sent stays the same.
    Never,
}

/// Why a ministry did not answer or did not take a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What sort of failure.
    pub kind: FaultKind,
    /// Whether to try again.
    pub retry: Retry,
    /// What happened, for an operator: fixed words, status codes, the ministry's own error codes.
    /// Never a text of the ministry that may repeat what was sent.
    pub what: Cow<'static, str>,
}

impl Fault {
    /// A fault.
    pub fn new(kind: FaultKind, retry: Retry, what: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, retry, what: what.into() }
    }

    /// The fault of asking a ministry for what its system does not offer.
    #[must_use]
    pub const fn unsupported(what: &'static str) -> Self {
        Self { kind: FaultKind::Unsupported, retry: Retry::Never, what: Cow::Borrowed(what) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.what)
    }
}

impl std::error::Error for Fault {}

/// Where a circuit breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Calls go through.
    Closed,
    /// Calls fail at once, to spare a ministry that fails.
    Open,
    /// A few calls go through, to see whether the ministry is back.
    HalfOpen,
}

/// How a ministry has been doing, over the last few minutes of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The breaker.
    pub breaker: Breaker,
    /// Calls in the window. A call is one attempt over the wire.
    pub calls: u64,
    /// How many of them failed by the ministry's or the network's fault.
    pub failures: u64,
    /// The median time of a call.
    pub p50: Option<Duration>,
    /// The time that 95 of 100 calls take at the most.
    pub p95: Option<Duration>,
    /// How many calls are left today (WIB) of those agreed with the ministry, where a number is.
    pub calls_left_today: Option<u32>,
    /// When the access token at hand expires, for a protocol that has one.
    pub token_expires: Option<Timestamp>,
    /// When the exchange's own certificate towards the ministry expires, where it has one.
    pub certificate_expires: Option<Timestamp>,
}

/// A ministry's system.
#[async_trait]
pub trait Ministry: Send + Sync + 'static {
    /// Asks a question.
    ///
    /// # Errors
    /// [`Fault`]; [`FaultKind::Unsupported`] for a question that this ministry does not answer.
    async fn lookup(&self, question: &Question, deadline: Instant) -> Result<Answer, Fault>;

    /// Hands a parcel over. After `Ok` the ministry has it; after a fault it may have it, and the
    /// same key makes another attempt harmless.
    ///
    /// # Errors
    /// [`Fault`].
    async fn deliver(&self, parcel: &Parcel, deadline: Instant) -> Result<(), Fault>;

    /// Asks the least that shows whether the ministry answers and accepts the exchange. Costs no
    /// quota where that can be avoided, and concerns no real person.
    ///
    /// # Errors
    /// [`Fault`].
    async fn probe(&self, deadline: Instant) -> Result<(), Fault>;

    /// How the ministry has been doing.
    fn condition(&self) -> Condition;
}
