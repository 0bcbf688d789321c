//! The store port: records, journal, idempotency and outbox, changed together or not at all.
//!
//! One [`Commit`] is one transaction. An engine may put many callers' commits into one
//! transaction of its own, but each succeeds or fails by itself.
//!
//! Invariants that every engine keeps, and the conformance suite (feature `conformance`) tests:
//! - A commit is answered only once it is durable, and then survives the loss of power.
//! - Journal indices are dense and ordered; times never go back; a reader that has seen index
//!   n has seen, or can see, every index below n.
//! - The same request again gives the first answer, for [`IDEMPOTENCY_DAYS`] days.
//! - A commit whose expectations fail changes nothing.
//! - What is about a person ([`Kind::is_personal`], and the answers of commits that concern one) is
//!   kept sealed under that person's own data key; see [`Commit::person_of`]. Once the key is
//!   destroyed ([`Commit::erase`]) the person's records are not there any more, and the journal
//!   still verifies.
//! - What an entry's caller was admitted with is kept, once for all entries that name it. The
//!   caller's signature is sealed as records are, since a NIK could be guessed from the digest of the
//!   request in it: once the person is erased it is not there any more.
//! - Of deliveries about one person to one ministry, only the first that waits is leased.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod log;
pub mod outbox;
mod tally;
pub mod trail;

use async_trait::async_trait;
use uuid::Uuid;

use crate::agency::AgencyId;
use crate::credentials::{CallerSignature, Chain, Credentials, Revocation};
use crate::journal::{Draft, Entry, Hash, Receipt};
use crate::record::{Key, Kind, Record, Stored};
use crate::subject::Subject;

pub use tally::{Count, Filled, Tally};

use log::{Checkpoint, Tile, TileId};
use outbox::{Backlog, Delivery, Filter, Lease, Leased, Settlement, Status};
use trail::{Exposures, Span};

/// For how many days the answer to a request is kept for its repetition.
pub const IDEMPOTENCY_DAYS: i64 = 30;

/// A caller's request, as far as repetition is concerned (AIP-155).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Who asks: ids of different agencies never meet.
    pub agency: AgencyId,
    /// The id that the caller gave it.
    pub id: Uuid,
    /// Keyed digest of method and body.
    pub digest: Hash,
}

/// What a write expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No record with the key.
    Absent,
    /// The record at this version.
    Version(u64),
    /// Anything.
    Any,
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The record, whole.
    pub record: Record,
    /// What must be there before it.
    pub expect: Expect,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The caller's request; `None` for a disclosure or a refusal, which may repeat freely.
    pub request: Option<Request>,
    /// Records to be written, each once: a second write to the same key is a conflict.
    pub writes: Vec<Write>,
    /// Records that must still be at a version, since a rule was judged by them.
    pub unchanged: Vec<(Key, u64)>,
    /// The journal entry.
    pub entry: Draft,
    /// What its caller was admitted with: the entry names it by digest. `None` when nobody called.
    pub credentials: Option<Credentials>,
    /// Deliveries to ministries.
    pub deliveries: Vec<Delivery>,
    /// What is done with earlier deliveries.
    pub orders: Vec<outbox::Order>,
    /// The person whose data key is destroyed, after all else in the commit: the records sealed
    /// under it are erased, what of them still waits for a ministry is discarded. Nothing happens
    /// when nobody has such a key.
    pub erase: Option<Subject>,
    /// The answer to be kept for a repetition, opaque to the store. Kept sealed under the key of the
    /// entry's first subject; in clear when there is none, or when the commit erases somebody.
    pub answer: Vec<u8>,
}

impl Commit {
    /// A commit of nothing but an entry.
    #[must_use]
    pub const fn of(entry: Draft) -> Self {
        Self {
            request: None,
            writes: Vec::new(),
            unchanged: Vec::new(),
            entry,
            credentials: None,
            deliveries: Vec::new(),
            orders: Vec::new(),
            erase: None,
            answer: Vec::new(),
        }
    }

    /// Under whose key a record of this commit is sealed: the person that it is about, or else
    /// the entry's first subject, as for a family member without a NIK the worker. `None` for a
    /// record that is about nobody, which stays in clear.
    #[must_use]
    pub fn person_of(&self, record: &Record) -> Option<Subject> {
        if !record.key().kind.is_personal() {
            return None;
        }
        record.index().subject.or_else(|| self.entry.subjects.first().copied())
    }

    /// Under whose key the caller's signature is sealed, if there is one: that of the entry's first
    /// subject. In clear when there is none.
    #[must_use]
    pub fn person_of_signature(&self) -> Option<Subject> {
        self.credentials.as_ref()?.signature.as_ref()?;
        self.entry.subjects.first().copied()
    }

    /// Under whose key the kept answer is sealed, if it is kept and may tell of a person.
    #[must_use]
    pub fn person_of_answer(&self) -> Option<Subject> {
        if self.request.is_none() || self.answer.is_empty() || self.erase.is_some() {
            return None;
        }
        self.entry.subjects.first().copied()
    }
}

/// A commit that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Proof of the entry.
    pub receipt: Receipt,
    /// The answer: the commit's own, or for a repetition the first one.
    pub answer: Vec<u8>,
    /// Whether this repeats an earlier request, and so changed nothing.
    pub repeated: bool,
}

/// In which order a list comes. Ids of people's records are UUID version 7, so the order of ids
/// is the order of creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Ascending ids.
    #[default]
    Ascending,
    /// Descending ids.
    Descending,
}

/// Which records of a kind are wanted: those that meet every part that is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The kind.
    pub kind: Kind,
    /// About this person.
    pub subject: Option<Subject>,
    /// Of a village whose code begins with these digits.
    pub place: Option<String>,
    /// Hanging on this record.
    pub parent: Option<String>,
    /// Handed in by this agency.
    pub holder: Option<String>,
    /// In this state.
    pub state: Option<&'static str>,
    /// The order.
    pub order: Order,
    /// Only what comes after this id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Query {
    /// All records of a kind, `limit` at the most.
    #[must_use]
    pub const fn of(kind: Kind, limit: u32) -> Self {
        Self {
            kind,
            subject: None,
            place: None,
            parent: None,
            holder: None,
            state: None,
            order: Order::Ascending,
            after: None,
            limit,
        }
    }
}

/// A store of records and journal.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes a commit durable. Once the engine has it in its queue it runs to its end, even when the
    /// caller stops waiting; before that, nothing of it takes effect.
    ///
    /// # Errors
    /// See [`Error`]; whatever the error, nothing of the commit has taken effect, except that
    /// after [`Error::Unavailable`] it may have: repeat the same request to learn which.
    async fn commit(&self, commit: Commit) -> Result<Committed, Error>;

    /// The kept answer to a request, when it was committed within the last
    /// [`IDEMPOTENCY_DAYS`] days.
    ///
    /// # Errors
    /// [`Error::RequestReused`] when the id was used with another body; [`Error::Erased`] when the
    /// answer told of a person who was erased since.
    async fn answered(&self, request: &Request) -> Result<Option<Committed>, Error>;

    /// The record with a key.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn get(&self, key: &Key) -> Result<Option<Stored>, Error>;

    /// The record with an alias; see [`crate::record::Index::alias`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn get_by_alias(&self, kind: Kind, alias: &str) -> Result<Option<Stored>, Error>;

    /// The records that meet a query, in its order.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn list(&self, query: &Query) -> Result<Vec<Stored>, Error>;

    /// The records of a kind in the places whose code begins with `place`, counted by state and
    /// facet, in the order of their names. It takes as long as there are places, however many
    /// records they have, and for a province or the country as there are regencies.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn tally(&self, kind: Kind, place: &str) -> Result<Vec<Tally>, Error>;

    /// The places that have records which are counted, by code. It takes as long as
    /// [`Store::tally`].
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn counts(&self, count: &Count) -> Result<Vec<Filled>, Error>;

    /// The places, of those whose code begins with `place`, that have the most records of a kind
    /// with a state: the fullest first, `limit` at the most.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn fullest(&self, kind: Kind, place: &str, limit: u32) -> Result<Vec<Filled>, Error>;

    /// The number of entries in the journal: one more than the highest index.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn journal_len(&self) -> Result<u64, Error>;

    /// At most `limit` entries from index `from` on, without a gap.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<Entry>, Error>;

    /// At most `limit` entries that concern a person, those before index `before` if one is given,
    /// the newest first. An erased person's are there like anybody's.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn entries_about(
        &self,
        subject: &Subject,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error>;

    /// The people whom a span of a caller's entries concerns.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn exposures(&self, span: &Span) -> Result<Exposures, Error>;

    /// The certificate chain of which the caller's own certificate has a fingerprint, if an entry
    /// names it: the chain that came with the first such entry.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn chain(&self, fingerprint: &Hash) -> Result<Option<Chain>, Error>;

    /// The revocation lists with a digest, if an entry names them.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn revocation(&self, digest: &Hash) -> Result<Option<Revocation>, Error>;

    /// The signature of the caller of the entry at an index, if it has one and the person under whose
    /// key it is sealed is not erased.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn signature(&self, index: u64) -> Result<Option<CallerSignature>, Error>;

    /// The hashes of at most `limit` leaves from index `from` on, without a gap.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn leaf_hashes(&self, from: u64, limit: u32) -> Result<Vec<Hash>, Error>;

    /// Tiles of the journal's tree, in the order asked for; a tile that was never kept has no
    /// hashes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn tiles(&self, ids: Vec<TileId>) -> Result<Vec<Tile>, Error>;

    /// Keeps tiles and a checkpoint over them, all or nothing. A tile takes the place of a shorter
    /// one; a checkpoint that of another note on the same size and root, as when a witness has
    /// signed it too. Of checkpoints that are more than an hour old the last of each hour stays,
    /// and the last witnessed one, and those with a timestamp.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a checkpoint of the size has another root; [`Error::Unavailable`].
    async fn keep_checkpoint(&self, tiles: Vec<Tile>, checkpoint: Checkpoint) -> Result<(), Error>;

    /// The first checkpoint of at least `size` leaves; with `None` the last one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn checkpoint(&self, size: Option<u64>) -> Result<Option<Checkpoint>, Error>;

    /// The last checkpoint that is kept as witnessed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn witnessed_checkpoint(&self) -> Result<Option<Checkpoint>, Error>;

    /// Keeps a timestamp (RFC 3161 token in DER) on the checkpoint of a size, which then stays as
    /// long as the journal. The first one stays; nothing happens when no checkpoint has the size.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn keep_timestamp(&self, size: u64, token: Vec<u8>) -> Result<(), Error>;

    /// The timestamp on the checkpoint of a size.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn timestamp(&self, size: u64) -> Result<Option<Vec<u8>>, Error>;

    /// The first checkpoint of at least `size` leaves that has a timestamp.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn timestamped_checkpoint(&self, size: u64) -> Result<Option<Checkpoint>, Error>;

    /// Keeps a statement of the succession of the log's keys, a signed note. One that is kept
    /// already stays in its place.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn keep_succession(&self, statement: String) -> Result<(), Error>;

    /// Those statements, in the order in which they were kept.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn successions(&self) -> Result<Vec<String>, Error>;

    /// Leases deliveries that are due, each the head of its line. An empty list when none is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn lease(&self, lease: Lease) -> Result<Vec<Leased>, Error>;

    /// Notes what came of attempts. One whose token is not the delivery's last lease changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; then some may be noted.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), Error>;

    /// The deliveries that meet a filter.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Corrupt`].
    async fn deliveries(&self, filter: &Filter) -> Result<Vec<Status>, Error>;

    /// How many deliveries of records in the places whose code begins with `place` are dead.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn dead_deliveries(&self, place: &str) -> Result<u64, Error>;

    /// What has not reached each ministry, in the order of [`AgencyKind::ALL`]; a ministry for
    /// which nothing waits and nothing is dead is left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn backlogs(&self) -> Result<Vec<Backlog>, Error>;

    /// Whether the journal can be written: as the last write went, and after one that failed by
    /// trying. Writes nothing that anybody could read.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn writable(&self) -> Result<(), Error>;

    /// Reads the whole store and checks its invariants: the engine's own integrity, the density
    /// of the journal, every leaf against its hash, by whom entries are found. Returns the number of entries.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with what was found first.
    async fn verify(&self) -> Result<u64, Error>;
}

/// Why the store refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The id of the request was used before, with another body.
    #[error("the request id was used before with another body")]
    RequestReused,
    /// A record is not at the version that was expected.
    #[error("the {} record is not at the expected version", .0.as_str())]
    Conflict(Kind),
    /// A delivery is not in the state that an order is for.
    #[error("the delivery is not in the state that the order is for")]
    DeliverySettled,
    /// No delivery has the id of an order.
    #[error("no delivery has the order's id")]
    NoSuchDelivery,
    /// The answer to the request told of a person who was erased since.
    #[error("the person whom the answer told of was erased")]
    Erased,
    /// Another record of the kind has the alias.
    #[error("another {} record has the same alias", .0.as_str())]
    AliasTaken(Kind),
    /// The engine cannot serve now: disk full, input/output error, too busy. Says nothing
    /// personal.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What was read cannot have been written by this store.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
}
