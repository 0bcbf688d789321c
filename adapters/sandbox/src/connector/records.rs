//! What Kemnaker has: its own workers, and what was delivered.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use desmigratif_core::record::Kind;
use desmigratif_core::region::VillageCode;
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::SubjectKey;
use desmigratif_proto::connector::v1::deliver_request::Content;
use desmigratif_proto::connector::v1::{DeliverRequest, WorkforceAnswer};
use desmigratif_proto::worker::v1 as people;

use crate::people::workers;
use crate::world::World;

/// The records. A clone is the same records.
#[derive(Clone, Default)]
pub struct Records(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Keys that were taken.
    keys: HashSet<String>,
    /// The version at hand, by kind and id.
    versions: HashMap<(Kind, String), u64>,
    /// Village and stage of each worker by id.
    workers: HashMap<String, (String, people::Stage)>,
    /// The NIK of each worker by id.
    niks: HashMap<String, String>,
    /// What arrived, by NIK, or by the worker's id where the worker is not known.
    arrivals: HashMap<String, Vec<Arrival>>,
}

/// A delivery that arrived, at its first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The delivery's key.
    pub key: String,
    /// The journal entry that it comes from.
    pub entry: u64,
    /// The kind of record.
    pub kind: Kind,
    /// The record's id.
    pub id: String,
    /// The record's version.
    pub version: u64,
    /// Whether the record was changed; not, when a higher version was there.
    pub effect: bool,
}

/// What became of a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It changed a record.
    Effect,
    /// A higher version was there.
    Superseded,
    /// Its key had been taken before.
    Repeated,
}

impl Records {
    /// Kemnaker's own workers, and nothing delivered yet.
    #[must_use]
    pub fn new(world: &World) -> Self {
        // Pseudonyms are of no use here, so any key will do.
        let key = SubjectKey::from_bytes([0; 32]);
        let mut state = State::default();
        for worker in workers(world.gazetteer(), &key, world.today()) {
            let stage = match worker.stage {
                Stage::Prospective => people::Stage::Prospective,
                Stage::Ready => people::Stage::Ready,
                Stage::Abroad => people::Stage::Abroad,
                Stage::Returned => people::Stage::Returned,
                Stage::Withdrawn => people::Stage::Withdrawn,
            };
            let id = worker.id.to_string();
            state.niks.insert(id.clone(), worker.nik.expose().to_owned());
            state.workers.insert(id, (worker.village.to_string(), stage));
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// What arrived for the person with a NIK, in the order of arrival.
    #[must_use]
    pub fn arrivals(&self, nik: &str) -> Vec<Arrival> {
        self.lock().arrivals.get(nik).cloned().unwrap_or_default()
    }

    /// The version at hand of a record that was delivered.
    #[must_use]
    pub fn version(&self, kind: Kind, id: &str) -> Option<u64> {
        self.lock().versions.get(&(kind, id.to_owned())).copied()
    }

    /// Takes a delivery; `None` when it has no content.
    pub(super) fn take(&self, request: &DeliverRequest) -> Option<Taken> {
        let mut state = self.lock();
        let (kind, id, subject) = match request.content.as_ref()? {
            Content::Worker(worker) => (Kind::Worker, &worker.worker_id, worker.nik.clone()),
            Content::FamilyMember(content) => {
                let id = &content.member.as_ref()?.family_member_id;
                let nik = state.niks.get(&content.worker_id).unwrap_or(&content.worker_id);
                (Kind::FamilyMember, id, nik.clone())
            }
            Content::Clearance(content) => {
                let id = &content.clearance.as_ref()?.clearance_id;
                (Kind::Clearance, id, content.nik.clone())
            }
        };
        if !state.keys.insert(request.delivery_key.clone()) {
            return Some(Taken::Repeated);
        }
        let version = state.versions.entry((kind, id.clone())).or_default();
        let effect = request.version >= *version;
        if effect {
            *version = request.version;
        }
        let arrival = Arrival {
            key: request.delivery_key.clone(),
            entry: request.entry_index,
            kind,
            id: id.clone(),
            version: request.version,
            effect,
        };
        state.arrivals.entry(subject).or_default().push(arrival);
        if !effect {
            return Some(Taken::Superseded);
        }
        if let Some(Content::Worker(worker)) = &request.content {
            let id = worker.worker_id.clone();
            state.niks.insert(id.clone(), worker.nik.clone());
            state.workers.insert(id, (worker.village_code.clone(), worker.stage()));
        }
        Some(Taken::Effect)
    }

    /// The workers of a village, in numbers.
    pub(super) fn workforce(&self, village: VillageCode) -> WorkforceAnswer {
        let village = village.to_string();
        let mut answer = WorkforceAnswer::default();
        for (_, stage) in self.lock().workers.values().filter(|(home, _)| *home == village) {
            match stage {
                people::Stage::Prospective => answer.prospective += 1,
                people::Stage::Ready => answer.ready += 1,
                people::Stage::Abroad => answer.abroad += 1,
                people::Stage::Returned => answer.returned += 1,
                people::Stage::Unspecified | people::Stage::Withdrawn => {}
            }
        }
        answer
    }

    /// No holder of the lock leaves half a change behind, so a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
