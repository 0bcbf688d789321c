//! What a caller's entries tell of people: the answer to a breach.

use jiff::Timestamp;

use crate::access::Classes;
use crate::agency::AgencyId;
use crate::journal::Hash;
use crate::subject::Subject;

/// Whose entries they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Those of an agency.
    Agency(AgencyId),
    /// Those of calls with a certificate, which has this fingerprint.
    Certificate(Hash),
}

/// Of which entries it is asked whom they concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Those of this caller.
    pub caller: Caller,
    /// Committed then or later.
    pub from: Timestamp,
    /// Committed before then.
    pub to: Timestamp,
    /// Only people after this one, in the order of pseudonyms.
    pub after: Option<Subject>,
    /// At most so many people.
    pub limit: u32,
}

/// What entries changed or disclosed of one person. Entries by which nothing was changed or
/// disclosed, such as refusals, do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The person.
    pub subject: Subject,
    /// The id of the person's worker record, where there is one that is not erased.
    pub worker: Option<String>,
    /// The classes of data in any of the entries.
    pub classes: Classes,
    /// How many entries there are.
    pub entries: u64,
    /// When the first was committed.
    pub first: Timestamp,
    /// When the last was committed.
    pub last: Timestamp,
}

/// Some of the people whom a span of entries concerns, in the order of pseudonyms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposures {
    /// The people. May be fewer than asked for, or none, though more follow: an engine looks at so
    /// much of the journal at a time that a long one keeps nobody waiting.
    pub people: Vec<Exposure>,
    /// After whom to go on; `None` when nobody is left.
    pub next: Option<Subject>,
}
