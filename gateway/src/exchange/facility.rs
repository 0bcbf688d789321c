//! Facilities: registering them, and those registered, held in memory by id and by place.

use std::collections::BTreeMap;
use std::sync::Arc;

use desmigratif_core::access::{Classes, DataClass};
use desmigratif_core::facility::Facility;
use desmigratif_core::geo::{Coordinate, Nearest};
use desmigratif_core::ports::store::Expect;
use desmigratif_core::record::{Key, Kind, Record};
use desmigratif_core::region::{Gazetteer, RegionCode, VillageCode};
use jiff::civil::Date;

use super::{Change, Error, Exchange};

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

/// Which villages are far from every facility.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remoteness {
    /// The villages looked at.
    pub region: RegionCode,
    /// How far is far, kilometres.
    pub beyond_km: f64,
    /// The day on which a facility must be designated to count.
    pub designated_on: Date,
}

/// A village that is far from every facility.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// The village.
    pub village: VillageCode,
    /// Its name.
    pub name: String,
    /// The nearest facility that counts; none when none does.
    pub nearest: Option<Nearby>,
    /// Whether distances are from the district or regency, since the village's own position is not
    /// published.
    pub approximate: bool,
}

impl Exchange {
    /// Decides on registering a facility, or replacing what is registered under its id. `etag` is
    /// the version last read, if stated. Returns the version that it will have.
    ///
    /// # Errors
    /// [`Error::EtagMismatch`].
    pub async fn register_facility(
        &self,
        facility: Facility,
        etag: Option<u64>,
    ) -> Result<(Change, u64), Error> {
        let version = self.facility(&facility.id).await?.map(|(_, version)| version);
        if etag.is_some() && etag != version {
            return Err(Error::EtagMismatch);
        }
        let expect = version.map_or(Expect::Absent, Expect::Version);
        let classes = Classes::of(&[DataClass::Public]);
        let change = Change::about_nobody(Record::Facility(facility), expect, classes);
        Ok((change, version.unwrap_or(0) + 1))
    }

    /// A facility with its version.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn facility(&self, id: &str) -> Result<Option<(Facility, u64)>, Error> {
        let key = Key { kind: Kind::Facility, id: id.to_owned() };
        let Some(stored) = self.store.get(&key).await? else { return Ok(None) };
        let version = stored.version;
        let facility =
            stored.record.into_facility().ok_or_else(|| Error::misfiled(Kind::Facility))?;
        Ok(Some((facility, version)))
    }
}

impl FacilityIndex {
    /// The villages that are farther than asked from every facility that counts, by code: those
    /// after `after`, at most `limit`. A village is left out when not even its regency's position
    /// is published. Looks at one village after another: for a province, tens of milliseconds.
    #[must_use]
    pub fn remote(
        &self,
        gazetteer: &Gazetteer,
        asked: Remoteness,
        after: Option<VillageCode>,
        limit: usize,
    ) -> Vec<Remote> {
        let counting = self.by_id.values().filter(|it| it.designated_on(asked.designated_on));
        let counting = Nearest::new(counting.map(|it| (it.location, it.clone())));
        let far = gazetteer.villages_in(asked.region, after).filter_map(|village| {
            let place = gazetteer.place(village.code)?;
            let nearest = counting.nearest(place.coordinate).next();
            let nearest = nearest
                .map(|(facility, distance_km)| Nearby { facility: facility.clone(), distance_km });
            let far = nearest.as_ref().is_none_or(|it| it.distance_km > asked.beyond_km);
            far.then(|| Remote {
                village: village.code,
                name: village.name.to_owned(),
                nearest,
                approximate: place.approximate,
            })
        });
        far.take(limit).collect()
    }

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
