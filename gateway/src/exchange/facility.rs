//! The designated facilities, held in memory by id and by place.

use std::collections::BTreeMap;
use std::sync::Arc;

use desmigratif_core::facility::Facility;
use desmigratif_core::geo::{Coordinate, Nearest};
use jiff::civil::Date;

/// The facilities by id and by place.
pub struct FacilityIndex {
    by_id: BTreeMap<String, Arc<Facility>>,
    by_place: Nearest<Arc<Facility>>,
}

/// A facility with its distance.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearby {
    /// The facility.
    pub facility: Arc<Facility>,
    /// Great-circle distance, kilometres.
    pub distance_km: f64,
}

impl FacilityIndex {
    /// The facilities given.
    #[must_use]
    pub fn of(facilities: impl IntoIterator<Item = Facility>) -> Self {
        let by_id: BTreeMap<_, _> = facilities
            .into_iter()
            .map(|facility| (facility.id.clone(), Arc::new(facility)))
            .collect();
        let places = by_id.values().map(|facility| (facility.location, facility.clone()));
        let by_place = Nearest::new(places);
        Self { by_id, by_place }
    }

    /// These facilities, with others in place of those that have their ids, or beside them.
    #[must_use]
    pub fn with(&self, changed: Vec<Facility>) -> Self {
        let known = self.by_id.values().map(|known| known.as_ref().clone());
        // Of two with one id the later counts.
        Self::of(known.chain(changed))
    }

    /// The facility with an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Facility> {
        self.by_id.get(id).map(Arc::as_ref)
    }

    /// The facilities after an id, in the order of ids, whose village's code begins with `place`.
    pub fn list<'a>(
        &'a self,
        place: &'a str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Facility> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.by_id
            .range::<str, _>((from, Unbounded))
            .map(|(_, facility)| facility.as_ref())
            .filter(move |facility| facility.village.digits().starts_with(place))
    }

    /// The `limit` facilities nearest to a place that are designated on a day, nearest first.
    #[must_use]
    pub fn nearest(&self, from: Coordinate, on: Date, limit: usize) -> Vec<Nearby> {
        self.by_place
            .nearest(from)
            .filter(|(facility, _)| facility.designated_on(on))
            .take(limit)
            .map(|(facility, distance_km)| Nearby { facility: facility.clone(), distance_km })
            .collect()
    }
}
