//! The directory of registered agencies, held in memory for every call.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use desmigratif_core::agency::{Agency, AgencyId};
use desmigratif_core::ports::store::{Error, Query, Store};
use desmigratif_core::record::Kind;
use tokio::sync::Mutex;

/// More agencies than the exchange will ever have: every ministry, agency, office and clinic.
const MOST_AGENCIES: u32 = 100_000;

/// The registered agencies by id. Reads take no lock.
#[derive(Debug, Default)]
pub struct Directory {
    by_id: ArcSwap<HashMap<AgencyId, Arc<Agency>>>,
    /// Held while the store is read: whoever read it earlier must not put what it saw over what
    /// another read later.
    refreshing: Mutex<()>,
}

impl Directory {
    /// The agencies given.
    #[must_use]
    pub fn of(agencies: impl IntoIterator<Item = Agency>) -> Self {
        let by_id = agencies.into_iter().map(|agency| (agency.id.clone(), Arc::new(agency)));
        Self { by_id: ArcSwap::from_pointee(by_id.collect()), refreshing: Mutex::default() }
    }

    /// The agencies that the store has registered.
    ///
    /// # Errors
    /// Those of [`Store::list`].
    pub async fn load(store: &dyn Store) -> Result<Self, Error> {
        let stored = store.list(&Query::of(Kind::Agency, MOST_AGENCIES)).await?;
        Ok(Self::of(stored.into_iter().filter_map(|stored| stored.record.into_agency())))
    }

    /// Reads the agencies anew, so that what has changed holds from the next call on.
    ///
    /// # Errors
    /// Those of [`Store::list`]; then the agencies stay as they were.
    pub async fn refresh(&self, store: &dyn Store) -> Result<(), Error> {
        let _one_at_a_time = self.refreshing.lock().await;
        self.by_id.store(Self::load(store).await?.by_id.into_inner());
        Ok(())
    }

    /// The agency with an id, whatever its status.
    #[must_use]
    pub fn agency(&self, id: &AgencyId) -> Option<Arc<Agency>> {
        self.by_id.load().get(id).cloned()
    }
}
