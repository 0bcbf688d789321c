//! Changes as they are told to those who watch: which of them a caller may know of.
//!
//! Invariants: what is told is judged when it is told, by the permit and by the record as it is then;
//! what was erased is not told of; a place between two changes holds on every node and for good.

use std::collections::BTreeSet;

use desmigratif_core::access::DataClass;
use desmigratif_core::journal::{Entry, EntryKind, Touched};
use desmigratif_core::programme::{Role, Station};
use desmigratif_core::record::{Kind, Record};
use desmigratif_core::region::{RegionCode, VillageCode};
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::Subject;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use uuid::Uuid;

use super::records::{Known, What};
use crate::access::Permit;
use crate::exchange::{Error, Exchange};

/// Entries that are looked through at a time.
const LOOKED_THROUGH: usize = 512;
/// Events of one batch at the most.
pub(crate) const BATCH: usize = 256;
/// Records that are asked of the store at a time for one who watches.
const ASKED: usize = 4;

/// A place in the journal between two changes: before the record with a number, of those that the
/// entry with an index has touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The entry.
    pub index: u64,
    /// The record, counted from 0 in the order of the entry.
    pub record: u32,
}

/// Which changes are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Only records of these kinds; empty for all.
    pub kinds: BTreeSet<Kind>,
    /// Only of this region.
    pub region: Option<RegionCode>,
}

/// Changes that a caller may know of.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The changes, in the order of the journal; perhaps none.
    pub events: Vec<ChangeEvent>,
    /// The place behind all that was looked through.
    pub next: Place,
}

/// A change of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeEvent {
    /// The place behind it.
    pub next: Place,
    /// When it was committed.
    pub at: Timestamp,
    /// The version that it made.
    pub version: u64,
    /// The person whom it is about; `None` for what is about nobody.
    pub person: Option<Subject>,
    /// The record.
    pub record: Changed,
}

/// A record that has changed, as far as it is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// A worker.
    Worker {
        /// The worker's id.
        id: String,
        /// Where the worker is at home.
        village: VillageCode,
        /// Where the worker stands.
        stage: Stage,
    },
    /// A member of a family.
    FamilyMember {
        /// The member's id.
        id: String,
        /// The worker whose family it is.
        worker_id: Uuid,
    },
    /// A clearance.
    Clearance {
        /// The clearance's id.
        id: String,
        /// The worker who was examined.
        worker_id: Uuid,
    },
    /// An officer of the programme.
    Officer {
        /// The record's id.
        id: String,
        /// Where the officer serves.
        station: Station,
        /// What the officer is there for.
        role: Role,
    },
    /// A family in community parenting; its id is the worker's.
    ParentingFamily {
        /// The worker's id.
        worker_id: String,
    },
    /// A record that is about nobody, whole, with its version.
    Whole(Box<Record>, u64),
}

/// The class of data that it is to know that a record of a kind has changed; `None` for those that
/// are nobody's to know.
const fn class(kind: Kind) -> Option<DataClass> {
    match kind {
        Kind::Worker => Some(DataClass::Programme),
        Kind::FamilyMember => Some(DataClass::Family),
        Kind::Clearance => Some(DataClass::HealthConclusion),
        Kind::Facility | Kind::Designation => Some(DataClass::Public),
        Kind::Activity | Kind::Enterprise | Kind::SectorService | Kind::Officer => {
            Some(DataClass::Programme)
        }
        Kind::ParentingFamily => Some(DataClass::Family),
        Kind::IdentityCheck
        | Kind::VillageIndex
        | Kind::Roster
        | Kind::Agency
        | Kind::Adapter
        | Kind::Withholding
        | Kind::Setting => None,
    }
}

impl Exchange {
    /// The changes from a place on that a caller may know of, [`BATCH`] at the most. Waits until the
    /// journal has something at that place. What it returns may leave only once its disclosure is
    /// recorded; see [`Exchange::disclose_uncounted`].
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`]; asking again from the same place is safe.
    pub async fn changes(
        &self,
        permit: &Permit,
        filter: &ChangeFilter,
        from: Place,
    ) -> Result<Changes, Error> {
        let (entries, next) =
            self.feed.after_where(from.index, LOOKED_THROUGH, tells_of_records).await?;
        let mut wanted = Vec::new();
        for entry in &entries {
            for (record, touched) in (0..).zip(&entry.touched) {
                let place = Place { index: entry.index, record };
                if place < from || !wants(permit, filter, touched) {
                    continue;
                }
                if wanted.len() == BATCH {
                    return self.events(permit, filter, wanted, place).await;
                }
                wanted.push((place, entry.at, touched));
            }
        }
        self.events(permit, filter, wanted, Place { index: next, record: 0 }).await
    }

    /// Judges those that are wanted by what the records are now.
    async fn events(
        &self,
        permit: &Permit,
        filter: &ChangeFilter,
        wanted: Vec<Wanted<'_>>,
        next: Place,
    ) -> Result<Changes, Error> {
        let records = &self.feed.records;
        // Another who watches has most often asked just before: those cost no read, and no task.
        let (mut known, mut unknown) = (Vec::with_capacity(wanted.len()), Vec::new());
        for (_, _, touched) in &wanted {
            let held = records.held(&touched.key, touched.version).await;
            if held.is_none() {
                unknown.push(records.get(&touched.key, touched.version).boxed());
            }
            known.push(held);
        }
        let mut read = stream::iter(unknown).buffered(ASKED);
        let mut events = Vec::new();
        for (wanted, known) in wanted.into_iter().zip(known) {
            let known = match known {
                Some(known) => known,
                None => read.try_next().await?.flatten(),
            };
            events.extend(known.and_then(|known| event(permit, filter, wanted, &known)));
        }
        Ok(Changes { events, next })
    }
}

/// The event of a change, when the record as it is now is asked for and within the caller's reach.
fn event(
    permit: &Permit,
    filter: &ChangeFilter,
    (place, at, touched): Wanted<'_>,
    known: &Known,
) -> Option<ChangeEvent> {
    let there = |region: RegionCode| known.village.is_some_and(|it| region.holds(it));
    if !filter.region.is_none_or(there) {
        return None;
    }
    Some(ChangeEvent {
        next: Place { record: place.record + 1, ..place },
        at,
        version: touched.version,
        person: known.person,
        record: told(permit, &touched.key.id, known)?,
    })
}

/// A change that is asked for: where it stands, when it was committed, and of what.
type Wanted<'a> = (Place, Timestamp, &'a Touched);

/// Whether an entry can make events. That a ministry's answer was kept is no change of its own.
fn tells_of_records(entry: &Entry) -> bool {
    entry.draft.kind == EntryKind::Change && !entry.touched.is_empty()
}

/// Whether a change is asked for, and of a class that the caller may see.
fn wants(permit: &Permit, filter: &ChangeFilter, touched: &Touched) -> bool {
    let kind = touched.key.kind;
    (filter.kinds.is_empty() || filter.kinds.contains(&kind))
        && class(kind).is_some_and(|class| permit.classes().contains(class))
}

/// What a caller is told of a record; `None` when it is out of the caller's reach.
fn told(permit: &Permit, id: &str, known: &Known) -> Option<Changed> {
    let (id, village) = (id.to_owned(), known.village);
    match &known.what {
        What::Worker(stage) => {
            let village = village.filter(|village| permit.reaches(*village))?;
            Some(Changed::Worker { id, village, stage: *stage })
        }
        What::FamilyMember { worker_id } => {
            village.filter(|village| permit.reaches(*village))?;
            Some(Changed::FamilyMember { id, worker_id: *worker_id })
        }
        What::Clearance { worker_id, submitted_by } => permit
            .reaches_clearance_of(submitted_by)
            .then_some(Changed::Clearance { id, worker_id: *worker_id }),
        What::Officer { station, role } => station
            .digits()
            .starts_with(&permit.place_bound())
            .then_some(Changed::Officer { id, station: *station, role: *role }),
        What::ParentingFamily => {
            village.filter(|village| permit.reaches(*village))?;
            Some(Changed::ParentingFamily { worker_id: id })
        }
        What::Open(record) => Some(Changed::Whole(record.clone(), known.version)),
        What::OfPlace(record) => {
            village.filter(|village| permit.reaches(*village))?;
            Some(Changed::Whole(record.clone(), known.version))
        }
    }
}
