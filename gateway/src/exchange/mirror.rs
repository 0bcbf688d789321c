//! The mirror: records that are asked for whole again and again, kept in memory by following the
//! journal: designations, posts, sector services and facilities. A country has thousands of them,
//! and an answer about a region looks at all of its own.
//!
//! It holds nothing about a person. Invariant: what is read after [`Mirror::current`] includes every
//! commit that was durable before, of whichever node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use desmigratif_core::facility::Facility;
use desmigratif_core::ports::store::{Error, Query, Store};
use desmigratif_core::programme::{Designation, Roster, SectorService, Station};
use desmigratif_core::record::{Key, Kind, Record};
use desmigratif_core::region::{RegionCode, VillageCode};
use tokio::sync::watch;
use uuid::Uuid;

use super::facility::FacilityIndex;
use super::feed::Feed;

/// The kinds that are mirrored.
const KINDS: [Kind; 4] = [Kind::Designation, Kind::Roster, Kind::SectorService, Kind::Facility];
/// Records that are read at a time when a mirror is made.
const PAGE: u32 = 5_000;
/// Entries that are followed at a time.
const FOLLOWED: usize = 256;
/// How long to wait before a store that failed is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// The mirror.
pub struct Mirror {
    store: Arc<dyn Store>,
    feed: Arc<Feed>,
    villages: RwLock<Villages>,
    facilities: ArcSwap<FacilityIndex>,
    /// The entry before which everything is in.
    place: watch::Sender<u64>,
}

/// The programme's villages, as they are.
#[derive(Debug, Default)]
pub(super) struct Villages {
    designations: BTreeMap<VillageCode, Designation>,
    /// By the digits of the place.
    rosters: BTreeMap<String, Roster>,
    services: BTreeMap<VillageCode, Vec<SectorService>>,
}

impl Mirror {
    /// A mirror of what the store has.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load(store: Arc<dyn Store>, feed: Arc<Feed>) -> Result<Self, Error> {
        // What is committed while the records are read is followed from here, and read again.
        let place = feed.head();
        let (mut villages, mut facilities) = (Villages::default(), Vec::new());
        for kind in KINDS {
            let mut after = None;
            loop {
                let query = Query { after, ..Query::of(kind, PAGE) };
                let page = store.list(&query).await?;
                after = page.last().map(|stored| stored.record.key().id);
                for stored in page {
                    match stored.record {
                        Record::Facility(facility) => facilities.push(facility),
                        record => villages.take(record),
                    }
                }
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(Self {
            store,
            feed,
            villages: RwLock::new(villages),
            facilities: ArcSwap::from_pointee(FacilityIndex::of(facilities)),
            place: watch::Sender::new(place),
        })
    }

    /// A mirror that has followed nothing yet.
    #[cfg(test)]
    pub(super) fn empty(store: Arc<dyn Store>, feed: Arc<Feed>) -> Self {
        Self {
            store,
            feed,
            villages: RwLock::default(),
            facilities: ArcSwap::from_pointee(FacilityIndex::of([])),
            place: watch::Sender::new(0),
        }
    }

    /// Follows the journal for as long as it is polled.
    pub async fn run(&self) {
        loop {
            if let Err(error) = self.follow().await {
                tracing::error!(%error, "mirror cannot follow the journal, to be tried again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Takes in the next entries; waits for one.
    async fn follow(&self) -> Result<(), Error> {
        let place = *self.place.borrow();
        let entries = self.feed.after(place, FOLLOWED).await?;
        let touched: BTreeSet<_> = entries
            .iter()
            .flat_map(|entry| &entry.touched)
            .filter(|touched| KINDS.contains(&touched.key.kind))
            .map(|touched| (touched.key.kind, touched.key.id.as_str()))
            .collect();
        let mut facilities = Vec::new();
        for (kind, id) in touched {
            let key = Key { kind, id: id.to_owned() };
            match self.store.get(&key).await?.map(|stored| stored.record) {
                Some(Record::Facility(facility)) => facilities.push(facility),
                Some(record) => {
                    self.villages.write().unwrap_or_else(PoisonError::into_inner).take(record);
                }
                None => {}
            }
        }
        self.take_facilities(facilities);
        self.place.send_replace(place + entries.len() as u64);
        Ok(())
    }

    fn take_facilities(&self, changed: Vec<Facility>) {
        if !changed.is_empty() {
            let known = self.facilities.load();
            self.facilities.store(Arc::new(known.with(changed)));
        }
    }

    /// Waits until everything is in that is durable now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn current(&self) -> Result<(), Error> {
        let len = self.store.journal_len().await?;
        if let Some(last) = len.checked_sub(1) {
            self.feed.committed(last);
        }
        // The sender is ours, so waiting ends in no other way.
        let _ = self.place.subscribe().wait_for(|place| *place >= len).await;
        Ok(())
    }

    /// The facilities, as far as they are in.
    #[must_use]
    pub fn facilities(&self) -> Arc<FacilityIndex> {
        self.facilities.load_full()
    }

    /// Reads of the villages, as far as they are in. Nothing may wait meanwhile.
    pub(super) fn villages<T>(&self, read: impl FnOnce(&Villages) -> T) -> T {
        // Nothing panics while it holds this lock, and each record is whole even if it did.
        read(&self.villages.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Villages {
    /// Takes in a record as it is now.
    fn take(&mut self, record: Record) {
        match record {
            Record::Designation(designation) => {
                self.designations.insert(designation.village, designation);
            }
            Record::Roster(roster) => {
                self.rosters.insert(roster.station.digits(), roster);
            }
            Record::SectorService(service) => {
                let known = self.services.entry(service.village).or_default();
                known.retain(|it| {
                    (&it.sector, &it.provider) != (&service.sector, &service.provider)
                });
                known.push(service);
            }
            _ => {}
        }
    }

    /// The designations of a region, or of the country, by the village's code.
    pub(super) fn designations(
        &self,
        region: Option<RegionCode>,
    ) -> impl Iterator<Item = &Designation> {
        self.designations.values().filter(move |it| region.is_none_or(|r| r.holds(it.village)))
    }

    /// The designation of a village.
    pub(super) fn designation(&self, village: VillageCode) -> Option<&Designation> {
        self.designations.get(&village)
    }

    /// The posts of a place.
    pub(super) fn roster(&self, digits: &str) -> Option<&Roster> {
        self.rosters.get(digits)
    }

    /// Where an officer has or had a post.
    pub(super) fn station_of(&self, officer: Uuid) -> Option<Station> {
        let mut rosters = self.rosters.values();
        let roster = rosters.find(|it| it.posts.iter().any(|post| post.officer == officer))?;
        Some(roster.station)
    }

    /// What was reported of the services in a village.
    pub(super) fn services(&self, village: VillageCode) -> &[SectorService] {
        self.services.get(&village).map_or(&[], Vec::as_slice)
    }

    /// The villages of a region, or of the country, that are designated or have a service, by code.
    pub(super) fn known(&self, region: Option<RegionCode>) -> BTreeSet<VillageCode> {
        let known = self.designations.keys().chain(self.services.keys()).copied();
        known.filter(|village| region.is_none_or(|region| region.holds(*village))).collect()
    }
}

#[cfg(test)]
mod tests;
