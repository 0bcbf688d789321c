//! Answers that a ministry owns and the exchange keeps a copy of: which of the two a caller gets.
//!
//! Inside the bound of age the copy answers; beyond it the ministry does, within the deadline; if
//! it gives no answer the copy comes back marked as stale, unless the caller refuses that.

use std::time::Duration;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::journal::Hash;
use desmigratif_core::ports::ministry::{Answer, FaultKind, Question};
use desmigratif_core::text::Text;
use jiff::{SignedDuration, Timestamp};

use super::ministries::Told;
use super::{Call, Exchange};

/// How old answers may be when the caller does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Checks of identities.
    pub identity: Duration,
    /// Numbers of workers.
    pub workforce: Duration,
    /// Development indices of villages.
    pub village_index: Duration,
}

/// What a caller asks of an answer's age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// How old it may be; `None` for the exchange's own bound.
    pub max_age: Option<Duration>,
    /// Whether none is better than an older one.
    pub refuse_stale: bool,
}

/// The exchange's copy of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept<T> {
    /// The answer.
    pub value: T,
    /// When the ministry gave it, or when the newest record was written that it is made of; `None`
    /// when nothing tells, so that it is inside no bound.
    pub as_of: Option<Timestamp>,
}

/// Whether an answer is there, and how fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// As fresh as was asked for.
    Available,
    /// Older, since the ministry gave no answer.
    Stale(Why),
    /// Not to be had.
    Unavailable(Why),
}

/// Why a ministry gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not connected to this gateway.
    NotConnected,
    /// It was asked.
    Fault(FaultKind),
}

/// An answer, as far as there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// The answer.
    pub value: Option<T>,
    /// The ministry that owns it.
    pub owner: AgencyKind,
    /// Whether it is there, and how fresh.
    pub availability: Availability,
    /// When it was so.
    pub as_of: Option<Timestamp>,
    /// Whether it has just come from the ministry.
    pub renewed: bool,
}

/// A question to a ministry, with what is needed to answer it from the copy.
pub(super) struct Wanted<T> {
    /// The ministry.
    pub(super) owner: AgencyKind,
    /// The question.
    pub(super) question: Question,
    /// The same for equal questions, and for no others.
    pub(super) key: Hash,
    /// The exchange's copy, if there is one.
    pub(super) copy: Option<Kept<T>>,
    /// The exchange's own bound.
    pub(super) bound: Duration,
    /// Takes the answer to the question; `None` for the answer to another.
    pub(super) take: fn(Answer) -> Option<T>,
}

impl Exchange {
    /// Finds an answer as fresh as the caller asks.
    pub(super) async fn find<T>(
        &self,
        call: &Call,
        freshness: Freshness,
        wanted: Wanted<T>,
    ) -> Found<T> {
        let Wanted { owner, question, key, copy, bound, take } = wanted;
        let (copy, as_of) = match copy {
            Some(Kept { value, as_of }) => (Some(value), as_of),
            None => (None, None),
        };
        let max_age = SignedDuration::try_from(freshness.max_age.unwrap_or(bound))
            .unwrap_or(SignedDuration::MAX);
        let young = as_of.is_some_and(|at| self.clock.now().duration_since(at) < max_age);
        let found = |value, availability, as_of, renewed| Found {
            value,
            owner,
            availability,
            as_of,
            renewed,
        };
        if copy.is_some() && young {
            return found(copy, Availability::Available, as_of, false);
        }
        let why = match self.told(call, owner, key, question).await {
            Ok((answer, at)) => match take(answer) {
                Some(value) => {
                    return found(Some(value), Availability::Available, Some(at), true);
                }
                None => Why::Fault(FaultKind::Malformed),
            },
            Err(why) => why,
        };
        match copy.filter(|_| !freshness.refuse_stale) {
            None => found(None, Availability::Unavailable(why), None, false),
            copy => found(copy, Availability::Stale(why), as_of, false),
        }
    }

    /// What a ministry says to a call, asked once however often the call is decided.
    async fn told(
        &self,
        call: &Call,
        owner: AgencyKind,
        key: Hash,
        question: Question,
    ) -> Result<Told, Why> {
        if self.ministries.get(owner).is_none() {
            return Err(Why::NotConnected);
        }
        if let Some(told) = call.answers.get(&key) {
            return Ok(told);
        }
        let until = call.deadline.for_asking();
        let asked = self.ministries.ask(owner, key, question, until, &self.clock).await;
        let told = asked.map_err(|fault| {
            tracing::warn!(ministry = owner.as_str(), %fault, "no answer");
            Why::Fault(fault.kind)
        })?;
        call.answers.keep(key, told.clone());
        Ok(told)
    }
}

impl Why {
    /// The reason, for people.
    #[must_use]
    pub const fn text(self) -> Text {
        match self {
            Self::NotConnected | Self::Fault(FaultKind::Unsupported) => Text {
                en: "the ministry is not connected to this gateway for this",
                id: "kementerian belum tersambung ke gateway ini untuk hal ini",
            },
            Self::Fault(FaultKind::Unavailable) => Text {
                en: "the ministry's system cannot be reached",
                id: "sistem kementerian tidak dapat dihubungi",
            },
            Self::Fault(FaultKind::Timeout) => Text {
                en: "the ministry's system did not answer in time",
                id: "sistem kementerian tidak menjawab tepat waktu",
            },
            Self::Fault(FaultKind::Rejected) => Text {
                en: "the ministry's system refused the question",
                id: "sistem kementerian menolak pertanyaan",
            },
            Self::Fault(FaultKind::Malformed) => Text {
                en: "the ministry's system gave an answer that cannot be read",
                id: "sistem kementerian memberi jawaban yang tidak dapat dibaca",
            },
            Self::Fault(FaultKind::Quota) => Text {
                en: "the quota agreed with the ministry is used up for now",
                id: "kuota yang disepakati dengan kementerian habis untuk saat ini",
            },
            Self::Fault(FaultKind::Credentials) => Text {
                en: "the ministry's system does not accept this gateway; its operator must act",
                id: "sistem kementerian tidak menerima gateway ini; pengelolanya harus bertindak",
            },
        }
    }
}
