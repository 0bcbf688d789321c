//! What a record that has just changed is, as far as it decides who is told of the change.
//!
//! It is no cache of records: it holds neither names nor findings, and what it holds it forgets
//! within a second. That is long enough for all who watch, who come within some milliseconds of each
//! other, to cost the store one read; and so short that who was erased, or has moved, is not told
//! of as before for longer.

use std::sync::Arc;
use std::time::Duration;

use desmigratif_core::agency::AgencyId;
use desmigratif_core::ports::store::{Error, Store};
use desmigratif_core::programme::{Role, Station};
use desmigratif_core::record::{Key, Kind, Record};
use desmigratif_core::region::VillageCode;
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::Subject;
use moka::future::Cache;
use uuid::Uuid;

/// How long something is held.
const HELD: Duration = Duration::from_secs(1);
/// Records that are held at the most.
const MOST: u64 = 16_384;

/// The records that have just changed.
pub(super) struct Records {
    store: Arc<dyn Store>,
    /// `None` for a record that is not there any more.
    held: Cache<Key, Option<Arc<Known>>>,
}

/// What is known of a record.
pub(super) struct Known {
    pub(super) version: u64,
    /// The person whom it is about, or at whose record it hangs.
    pub(super) person: Option<Subject>,
    /// Where the person is at home, or the facility lies; `None` when that cannot be told.
    pub(super) village: Option<VillageCode>,
    pub(super) what: What,
}

/// The record itself.
pub(super) enum What {
    Worker(Stage),
    FamilyMember {
        worker_id: Uuid,
    },
    Clearance {
        worker_id: Uuid,
        submitted_by: AgencyId,
    },
    Officer {
        station: Station,
        role: Role,
    },
    ParentingFamily,
    /// About nobody, and public.
    Open(Box<Record>),
    /// About nobody but a place.
    OfPlace(Box<Record>),
}

impl Records {
    pub(super) fn of(store: Arc<dyn Store>) -> Self {
        let held = Cache::builder().max_capacity(MOST).time_to_live(HELD).build();
        Self { store, held }
    }

    /// What [`Records::get`] would answer, when it need not ask for it.
    pub(super) async fn held(&self, key: &Key, version: u64) -> Option<Option<Arc<Known>>> {
        let current =
            |held: &Option<Arc<Known>>| held.as_ref().is_none_or(|known| known.version >= version);
        self.held.get(key).await.filter(current)
    }

    /// What a record is that has been at a version: that version or a later one. `None` when it is
    /// not there any more, or of a kind that is never told of.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn get(&self, key: &Key, version: u64) -> Result<Option<Arc<Known>>, Error> {
        if let Some(Some(known)) = self.held.get(key).await
            && known.version < version
        {
            self.held.invalidate(key).await;
        }
        let read = self.held.try_get_with_by_ref(key, self.read(key)).await;
        read.map_err(|error| (*error).clone())
    }

    async fn read(&self, key: &Key) -> Result<Option<Arc<Known>>, Error> {
        let Some(stored) = self.store.get(key).await? else { return Ok(None) };
        let (person, village, what) = match stored.record {
            Record::Worker(worker) => {
                (Some(worker.subject), Some(worker.village), What::Worker(worker.stage))
            }
            Record::FamilyMember(member) => {
                // Without the worker nobody can tell whose it is.
                let Some((worker, village)) = self.worker(member.worker_id).await? else {
                    return Ok(None);
                };
                let what = What::FamilyMember { worker_id: member.worker_id };
                (Some(member.subject.unwrap_or(worker)), Some(village), what)
            }
            Record::Clearance(clearance) => {
                let village = self.worker(clearance.worker_id).await?.map(|(_, village)| village);
                let (worker_id, submitted_by) = (clearance.worker_id, clearance.submitted_by);
                (Some(clearance.subject), village, What::Clearance { worker_id, submitted_by })
            }
            Record::Officer(officer) => {
                let village = match officer.station {
                    Station::Village(village) => Some(village),
                    Station::Regency(_) => None,
                };
                let what = What::Officer { station: officer.station, role: officer.role };
                (Some(officer.subject), village, what)
            }
            Record::ParentingFamily(family) => {
                (Some(family.subject), Some(family.village), What::ParentingFamily)
            }
            record @ (Record::Facility(_) | Record::Designation(_)) => {
                (None, village_of(&record), What::Open(Box::new(record)))
            }
            record @ (Record::Activity(_) | Record::Enterprise(_) | Record::SectorService(_)) => {
                (None, village_of(&record), What::OfPlace(Box::new(record)))
            }
            Record::Roster(_)
            | Record::IdentityCheck(_)
            | Record::VillageIndex(_)
            | Record::Agency(_)
            | Record::Adapter(_)
            | Record::Withholding(_)
            | Record::Setting(_) => return Ok(None),
        };
        Ok(Some(Arc::new(Known { version: stored.version, person, village, what })))
    }

    /// A worker and where the worker is at home.
    async fn worker(&self, id: Uuid) -> Result<Option<(Subject, VillageCode)>, Error> {
        let key = Key { kind: Kind::Worker, id: id.to_string() };
        let stored = self.store.get(&key).await?;
        let worker = stored.and_then(|stored| stored.record.into_worker());
        Ok(worker.map(|worker| (worker.subject, worker.village)))
    }
}

/// The village that a record belongs to.
fn village_of(record: &Record) -> Option<VillageCode> {
    record.index().place.and_then(|place| VillageCode::parse(&place).ok())
}
