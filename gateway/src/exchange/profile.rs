//! The one-location view of a village: what each ministry's records say of it.

use desmigratif_core::ports::store::Tally;
use desmigratif_core::record::Kind;
use desmigratif_core::region::VillageCode;

use super::{Call, Error, Exchange, Nearby};

/// How many of the nearest facilities a profile shows.
const NEAREST: usize = 3;

/// What the exchange's copy holds of a village.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The village's workers, counted by stage.
    pub workers: Vec<Tally>,
    /// The nearest designated facilities.
    pub facilities: Vec<Nearby>,
}

impl Exchange {
    /// The profile of a village in force.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the village is not in the caller's region,
    /// [`Error::JournalUnavailable`].
    pub async fn profile(&self, call: &Call, village: VillageCode) -> Result<Profile, Error> {
        if !call.permit.reaches(village) {
            return Err(Error::NotFound(Kind::Worker));
        }
        let workers = self.store.tally(Kind::Worker, &village.digits()).await?;
        let facilities = self
            .gazetteer
            .place(village)
            .map(|place| self.facilities.nearest(place.coordinate, self.clock.today(), NEAREST))
            .unwrap_or_default();
        Ok(Profile { workers, facilities })
    }
}
