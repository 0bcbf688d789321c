//! Records counted: by state and facet, and place by place.

use jiff::Timestamp;

use crate::record::Kind;

/// Records of one state and facet, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The state.
    pub state: String,
    /// The facet; empty for records that have none.
    pub facet: String,
    /// How many records are in it.
    pub count: u64,
    /// When the newest of them was written; perhaps of one that was among them.
    pub newest: Timestamp,
}

/// Which records are counted place by place: those with a state that meet every part that is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The kind.
    pub kind: Kind,
    /// Of places whose code begins with these digits.
    pub place: String,
    /// Whether by regency; otherwise by the places themselves.
    pub by_regency: bool,
    /// In this state.
    pub state: Option<&'static str>,
    /// With this facet.
    pub facet: Option<String>,
}

impl Count {
    /// All records of a kind in the places whose code begins with `place`, place by place.
    #[must_use]
    pub const fn of(kind: Kind, place: String) -> Self {
        Self { kind, place, by_regency: false, state: None, facet: None }
    }
}

/// A place with its records, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The digits of its code.
    pub place: String,
    /// How many records belong to it.
    pub count: u64,
}
