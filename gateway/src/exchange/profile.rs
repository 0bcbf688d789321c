//! The one-location view of a village: what each ministry says of it, asked side by side.

use std::time::Duration;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::ministry::{Answer, FacilityStanding, Question, Workforce};
use desmigratif_core::ports::store::Tally;
use desmigratif_core::record::{Key, Kind};
use desmigratif_core::region::VillageCode;
use desmigratif_core::stage::Stage;
use desmigratif_core::village_index::VillageIndex;

use super::freshness::{Found, Freshness, Kept, Wanted};
use super::programme::BriefingVillage;
use super::{Call, Error, Exchange, Nearby};

/// How many of the nearest facilities a profile shows.
const NEAREST: usize = 3;

/// What is known of a village.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The village's workers by stage (Kemnaker).
    pub workforce: Found<Workforce>,
    /// The nearest designated facilities.
    pub facilities: Vec<Nearby>,
    /// How those facilities stand with Kemenkes.
    pub standings: Found<Vec<FacilityStanding>>,
    /// The village's development index; the inner value is absent when it has none (Kemendes).
    pub index: Found<Option<VillageIndex>>,
    /// What the programme does in the village; `None` when it is not designated.
    pub programme: Option<BriefingVillage>,
}

impl Exchange {
    /// The profile of a village in force.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the village is not in the caller's region,
    /// [`Error::JournalUnavailable`].
    pub async fn profile(
        &self,
        call: &Call,
        village: VillageCode,
        freshness: Freshness,
    ) -> Result<Profile, Error> {
        if !call.permit.reaches(village) {
            return Err(Error::NotFound(Kind::VillageIndex));
        }
        let facilities = self
            .gazetteer
            .place(village)
            .map(|place| {
                self.mirror.facilities().nearest(place.coordinate, self.clock.today(), NEAREST)
            })
            .unwrap_or_default();
        let workforce = self.workforce(village).await?;
        let standings = self.standings(&facilities);
        let index = self.village_index(village).await?;
        let (workforce, standings, index) = tokio::join!(
            self.find(call, freshness, workforce),
            self.find(call, freshness, standings),
            self.find(call, freshness, index),
        );
        let programme = self.programme_in(village).await?;
        Ok(Profile { workforce, facilities, standings, index, programme })
    }

    async fn workforce(&self, village: VillageCode) -> Result<Wanted<Workforce>, Error> {
        let tallies = self.store.tally(Kind::Worker, &village.digits()).await?;
        let as_of = tallies.iter().map(|tally| tally.newest).max();
        Ok(Wanted {
            owner: AgencyKind::Kemnaker,
            question: Question::Workforce { village },
            key: self.subject_key.digest("workforce", village.digits().as_bytes()),
            copy: Some(Kept { value: workforce_of(&tallies), as_of }),
            bound: self.bounds.workforce,
            take: |answer| match answer {
                Answer::Workforce(workforce) => Some(workforce),
                _ => None,
            },
        })
    }

    /// The exchange's copy is its own register of facilities, which tells no standing.
    fn standings(&self, facilities: &[Nearby]) -> Wanted<Vec<FacilityStanding>> {
        let ids: Vec<_> = facilities.iter().map(|near| near.facility.id.clone()).collect();
        Wanted {
            owner: AgencyKind::Kemenkes,
            key: self.subject_key.digest("facilities", ids.join("/").as_bytes()),
            question: Question::Facilities { ids },
            copy: Some(Kept { value: Vec::new(), as_of: None }),
            bound: Duration::ZERO,
            take: |answer| match answer {
                Answer::Facilities(standings) => Some(standings),
                _ => None,
            },
        }
    }

    async fn village_index(
        &self,
        village: VillageCode,
    ) -> Result<Wanted<Option<VillageIndex>>, Error> {
        let key = Key { kind: Kind::VillageIndex, id: village.digits() };
        let copy = self.store.get(&key).await?.map(|stored| Kept {
            as_of: Some(stored.as_of),
            value: stored.record.into_village_index(),
        });
        Ok(Wanted {
            owner: AgencyKind::Kemendes,
            question: Question::VillageIndex { village },
            key: self.subject_key.digest("village-index", village.digits().as_bytes()),
            copy,
            bound: self.bounds.village_index,
            take: |answer| match answer {
                Answer::VillageIndex(index) => Some(index),
                _ => None,
            },
        })
    }
}

fn workforce_of(tallies: &[Tally]) -> Workforce {
    let at = |stage: Stage| {
        tallies.iter().filter(|tally| tally.state == stage.as_str()).map(|it| it.count).sum()
    };
    Workforce {
        prospective: at(Stage::Prospective),
        ready: at(Stage::Ready),
        abroad: at(Stage::Abroad),
        returned: at(Stage::Returned),
    }
}
