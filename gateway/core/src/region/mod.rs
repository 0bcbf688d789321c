//! Villages and regions under Kemendagri's codes.
//!
//! A code means nothing without the decree that it stands in: numbers are retired, swapped and
//! re-used between decrees. Codes of BPS look the same and name other places (183 regency codes
//! are valid in both systems); what is read here is a Kemendagri code, never guessed to be one of
//! BPS.

mod code;
mod gazetteer;
mod resolve;
mod search;
mod time_zone;

pub use code::{Error, Level, RegionCode, VillageCode, VillageKind};
pub use gazetteer::{BuildError, Gazetteer, NewRegion, NewVillage, Place, Region, Village};
pub use resolve::{RETIRED_BY, Resolution};
pub use search::{Hit, SearchIndex};
pub use time_zone::TimeZone;
