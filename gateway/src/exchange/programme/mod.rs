//! The programme: designating villages, the posts in them, what is done there, who serves them,
//! and the numbers of it all.
//!
//! Rules and arithmetic are the core's; here is what each use case reads, and the one commit that it
//! makes. Numbers of a region are read from the [mirror](super::mirror) and the store's tallies,
//! never counted record by record.

mod briefing;
mod coverage;
mod officers;
mod pillars;
mod sectors;
mod villages;

use desmigratif_core::access::{Classes, DataClass};
use desmigratif_core::ports::store::{Expect, Order, Query};
use desmigratif_core::programme::{Designation, Rules};
use desmigratif_core::record::{Key, Kind, Record, Stored};
use desmigratif_core::region::VillageCode;
use jiff::civil::Date;

use super::{Call, Change, Error, Exchange, reach};

pub use briefing::{Briefing, BriefingVillage, DestinationCount, PillarCount, Problem};
pub use coverage::{Candidate, Coverage, RegionCoverage};
pub use officers::{NewOfficer, OfficerFilter};
pub use pillars::{NewActivity, NewEnterprise, NewFamily};
pub use sectors::{Map, MapQuery, NewService, RegionSectors, SectorStanding, VillageSectors};
pub use villages::NewDesignation;

/// The rules that hold where the operator gives none.
const RULES: &str = include_str!("rules.toml");

/// Reads the programme's rules from TOML.
///
/// # Errors
/// What is wrong with them, in one line.
pub fn rules(text: &str) -> Result<Rules, String> {
    let rules: Rules = toml::from_str(text).map_err(|error| error.to_string())?;
    rules.checked().map_err(|error| error.to_string())
}

/// The rules that hold where the operator gives none.
///
/// # Panics
/// Never: a test reads them.
#[must_use]
pub fn usual_rules() -> Rules {
    rules(RULES).expect("the rules that come with the gateway hold together")
}

/// Which records of a place are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceFilter {
    /// Digits that the place's code begins with.
    pub place: String,
    /// Only those in this state.
    pub state: Option<&'static str>,
    /// Those after this id in the list.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Exchange {
    /// The records of a kind that a caller reaches, in an order.
    async fn of_places(
        &self,
        call: &Call,
        kind: Kind,
        order: Order,
        filter: PlaceFilter,
    ) -> Result<Vec<Stored>, Error> {
        let Some(place) = reach::within(call, &filter.place) else { return Ok(Vec::new()) };
        let query = Query {
            place: Some(place).filter(|place| !place.is_empty()),
            state: filter.state,
            order,
            after: filter.after,
            ..Query::of(kind, filter.limit)
        };
        Ok(self.store.list(&query).await?)
    }

    /// The designation of a village that the caller reaches, with its version, if the village is in
    /// the programme on a day.
    async fn designated(
        &self,
        call: &Call,
        village: VillageCode,
        day: Date,
    ) -> Result<(Designation, u64), Error> {
        if !call.permit.reaches(village) {
            return Err(Error::NotFound(Kind::Designation));
        }
        let stored = self.store.get(&designation_key(village)).await?;
        let stored = stored.ok_or(Error::VillageNotDesignated)?;
        let version = stored.version;
        stored
            .record
            .into_designation()
            .filter(|designation| designation.in_force_on(day))
            .map(|designation| (designation, version))
            .ok_or(Error::VillageNotDesignated)
    }
}

fn designation_key(village: VillageCode) -> Key {
    Key { kind: Kind::Designation, id: village.digits() }
}

/// What a record of this version is to find; 0 is none yet.
const fn expected(version: u64) -> Expect {
    if version == 0 { Expect::Absent } else { Expect::Version(version) }
}

/// The classes of what is about places.
const fn of_programme() -> Classes {
    Classes::of(&[DataClass::Programme])
}

/// The change that writes a record that is about nobody.
fn about_nobody(record: Record, expect: Expect) -> Change {
    Change::about_nobody(record, expect, of_programme())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_that_come_with_the_gateway_hold_together() {
        let rules = usual_rules();
        assert_eq!(rules.target_villages, 4_000);
        assert!(rules.sectors.iter().filter(|sector| sector.expected).count() >= 4);
    }

    #[test]
    fn what_is_wrong_with_rules_is_said() {
        let unknown = format!("{RULES}\nsurprise = 1");
        assert!(rules(&unknown).unwrap_err().contains("surprise"));
        let error = rules(&RULES.replace("pace_years = 3", "pace_years = 0")).unwrap_err();
        assert_eq!(error, "pace_years is 0");
    }
}
