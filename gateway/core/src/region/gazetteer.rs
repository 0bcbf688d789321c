//! The gazetteer: every region and village of one decree, in memory, immutable.
//!
//! Kept lean (about 10 MiB for the country): villages are one sorted row each, found by binary
//! search; a region's villages are a range of rows.

use std::collections::BTreeMap;

use super::code::{Level, RegionCode, VillageCode, VillageKind};
use super::search::SearchIndex;
use crate::geo::Coordinate;

/// A region to be put into a gazetteer.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRegion {
    /// Its code.
    pub code: RegionCode,
    /// Its name: "Kabupaten Indramayu".
    pub name: String,
    /// Where it lies.
    pub location: Option<Coordinate>,
}

/// A village to be put into a gazetteer.
#[derive(Clone, Debug, PartialEq)]
pub struct NewVillage {
    /// Its code.
    pub code: VillageCode,
    /// Its name.
    pub name: String,
    /// Where it lies, where published.
    pub location: Option<Coordinate>,
    /// Its postal code, five digits; 0 where none is published.
    pub postal_code: u32,
}

/// Why a gazetteer cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A code stands twice.
    #[error("code {0} stands twice")]
    Twice(String),
    /// A region or village lies in no region that is there.
    #[error("code {0} lies in a region that is not there")]
    Orphan(String),
}

struct RegionRow {
    name: Box<str>,
    location: Option<Coordinate>,
    village_count: u32,
}

struct VillageRow {
    code: VillageCode,
    postal_code: u32,
    location: Option<Coordinate>,
    name: Box<str>,
}

/// A region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region<'a> {
    /// Its code.
    pub code: RegionCode,
    /// Its name.
    pub name: &'a str,
    /// Where it lies, where published.
    pub location: Option<Coordinate>,
    /// Number of villages of every kind in it.
    pub village_count: u32,
}

/// A village with the names of the regions that it lies in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Village<'a> {
    /// Its code.
    pub code: VillageCode,
    /// Its name.
    pub name: &'a str,
    /// Name of its kecamatan.
    pub district: &'a str,
    /// Name of its kabupaten or kota.
    pub regency: &'a str,
    /// Name of its province.
    pub province: &'a str,
    /// Where it lies, where published.
    pub location: Option<Coordinate>,
    /// Its postal code; 0 where none is published.
    pub postal_code: u32,
}

impl Village<'_> {
    /// What it is in law.
    #[must_use]
    pub const fn kind(&self) -> VillageKind {
        self.code.kind()
    }
}

/// Where a village lies, as nearly as is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The position.
    pub coordinate: Coordinate,
    /// Whether it is that of the district or regency, since the village's own is not published.
    pub approximate: bool,
}

/// Every region and village of one decree.
pub struct Gazetteer {
    decree: String,
    regions: BTreeMap<RegionCode, RegionRow>,
    villages: Vec<VillageRow>,
    search: SearchIndex,
}

impl std::fmt::Debug for Gazetteer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gazetteer")
            .field("decree", &self.decree)
            .field("regions", &self.regions.len())
            .field("villages", &self.villages.len())
            .finish_non_exhaustive()
    }
}

impl Gazetteer {
    /// The gazetteer of a decree.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(
        decree: String,
        regions: Vec<NewRegion>,
        mut villages: Vec<NewVillage>,
    ) -> Result<Self, BuildError> {
        let mut by_code = BTreeMap::new();
        for region in regions {
            let row =
                RegionRow { name: region.name.into(), location: region.location, village_count: 0 };
            if by_code.insert(region.code, row).is_some() {
                return Err(BuildError::Twice(region.code.to_string()));
            }
        }
        let orphan = |code: &RegionCode| code.parent().is_some_and(|it| !by_code.contains_key(&it));
        if let Some(code) = by_code.keys().find(|code| orphan(code)) {
            return Err(BuildError::Orphan(code.to_string()));
        }
        villages.sort_unstable_by_key(|village| village.code);
        for pair in villages.windows(2) {
            if pair[0].code == pair[1].code {
                return Err(BuildError::Twice(pair[0].code.to_string()));
            }
        }
        for village in &villages {
            for level in [Level::District, Level::Regency, Level::Province] {
                by_code
                    .get_mut(&village.code.district().up_to(level))
                    .ok_or_else(|| BuildError::Orphan(village.code.to_string()))?
                    .village_count += 1;
            }
        }
        let villages: Vec<_> = villages
            .into_iter()
            .map(|village| VillageRow {
                code: village.code,
                postal_code: village.postal_code,
                location: village.location,
                name: village.name.into(),
            })
            .collect();
        let search = SearchIndex::build(villages.iter().map(|row| row.name.as_ref()));
        Ok(Self { decree, regions: by_code, villages, search })
    }

    /// The decree: "Kepmendagri 300.2.2-2138/2025".
    #[must_use]
    pub fn decree(&self) -> &str {
        &self.decree
    }

    /// The number of villages.
    #[must_use]
    pub const fn village_count(&self) -> usize {
        self.villages.len()
    }

    /// The village with a code in force.
    #[must_use]
    pub fn village(&self, code: VillageCode) -> Option<Village<'_>> {
        let at = self.villages.binary_search_by_key(&code, |row| row.code).ok()?;
        self.villages.get(at).map(|row| self.joined(row))
    }

    /// The region with a code in force.
    #[must_use]
    pub fn region(&self, code: RegionCode) -> Option<Region<'_>> {
        self.regions.get(&code).map(|row| Region {
            code,
            name: &row.name,
            location: row.location,
            village_count: row.village_count,
        })
    }

    /// The regions directly below one, or the provinces, by code.
    pub fn parts(&self, parent: Option<RegionCode>) -> impl Iterator<Item = Region<'_>> {
        self.regions
            .keys()
            .filter(move |code| code.parent() == parent)
            .filter_map(|code| self.region(*code))
    }

    /// The villages of a region by code, those after `after` only.
    pub fn villages_in(
        &self,
        region: RegionCode,
        after: Option<VillageCode>,
    ) -> impl Iterator<Item = Village<'_>> {
        let range = region.village_range();
        let start = after.map_or(range.start, |code| range.start.max(code.number() + 1));
        let first = self.villages.partition_point(|row| row.code.number() < start);
        self.villages[first..]
            .iter()
            .take_while(move |row| row.code.number() < range.end)
            .map(|row| self.joined(row))
    }

    /// Where a village lies: its own position, else that of its district or regency.
    #[must_use]
    pub fn place(&self, code: VillageCode) -> Option<Place> {
        let village = self.village(code)?;
        if let Some(coordinate) = village.location {
            return Some(Place { coordinate, approximate: false });
        }
        [Level::District, Level::Regency].into_iter().find_map(|level| {
            let coordinate = self.region(code.district().up_to(level))?.location?;
            Some(Place { coordinate, approximate: true })
        })
    }

    /// Villages whose name is like `query`, with their likeness from 0 to 1, best first. Words
    /// after the name may say where it lies: "Kenanga Indramayu".
    #[must_use]
    pub fn search(
        &self,
        query: &str,
        within: Option<RegionCode>,
        limit: usize,
    ) -> Vec<(Village<'_>, f64)> {
        let village = |row: u32| self.joined(&self.villages[row as usize]);
        let keep =
            |row: u32| within.is_none_or(|region| region.holds(self.villages[row as usize].code));
        let around = |row: u32| {
            let village = village(row);
            [village.regency, village.district, village.province]
        };
        self.search
            .search(query, keep, around, limit)
            .into_iter()
            .map(|hit| (village(hit.row), hit.score))
            .collect()
    }

    fn joined<'a>(&'a self, row: &'a VillageRow) -> Village<'a> {
        let name = |level| {
            self.regions.get(&row.code.district().up_to(level)).map_or("", |row| row.name.as_ref())
        };
        Village {
            code: row.code,
            name: &row.name,
            district: name(Level::District),
            regency: name(Level::Regency),
            province: name(Level::Province),
            location: row.location,
            postal_code: row.postal_code,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two provinces, three regencies, three districts and five villages.
    pub(in crate::region) fn small() -> Gazetteer {
        let place = |lat, lon| Coordinate::new(lat, lon).ok();
        let region = |code: &str, name: &str, location| NewRegion {
            code: RegionCode::parse(code).unwrap(),
            name: name.into(),
            location,
        };
        let village = |code: &str, name: &str, location| NewVillage {
            code: VillageCode::parse(code).unwrap(),
            name: name.into(),
            location,
            postal_code: 45_282,
        };
        Gazetteer::build(
            "Keputusan Contoh".into(),
            vec![
                region("32", "Jawa Barat", None),
                region("32.12", "Kabupaten Indramayu", place(-6.33, 108.32)),
                region("32.12.16", "Sindang", None),
                region("33", "Jawa Tengah", None),
                region("33.07", "Kabupaten Wonosobo", None),
                region("33.07.10", "Garung", place(-7.27, 109.92)),
                region("93", "Papua Selatan", None),
                region("93.01", "Kabupaten Merauke", None),
                region("93.01.01", "Merauke", None),
            ],
            vec![
                village("33.07.10.2004", "Kuripan", None),
                village("32.12.16.2004", "Kenanga", place(-6.35, 108.3)),
                village("32.12.16.2005", "Terusan", None),
                village("33.07.10.2005", "Kenangan", None),
                village("93.01.01.1001", "Rimba Jaya", None),
            ],
        )
        .unwrap()
    }

    fn code(text: &str) -> VillageCode {
        VillageCode::parse(text).unwrap()
    }

    #[test]
    fn a_village_comes_with_the_names_of_its_regions() {
        let gazetteer = small();
        let village = gazetteer.village(code("3212162004")).unwrap();
        assert_eq!((village.name, village.district), ("Kenanga", "Sindang"));
        assert_eq!((village.regency, village.province), ("Kabupaten Indramayu", "Jawa Barat"));
        assert_eq!(gazetteer.village(code("3212162999")), None);
    }

    #[test]
    fn a_region_lists_its_parts_and_villages_in_order_and_in_pages() {
        let gazetteer = small();
        let names: Vec<_> = gazetteer.parts(None).map(|region| region.name).collect();
        assert_eq!(names, ["Jawa Barat", "Jawa Tengah", "Papua Selatan"]);
        let region = RegionCode::parse("32").unwrap();
        assert_eq!(gazetteer.region(region).unwrap().village_count, 2);
        let list = |after| -> Vec<_> {
            gazetteer.villages_in(region, after).map(|village| village.name).collect()
        };
        assert_eq!(list(None), ["Kenanga", "Terusan"]);
        assert_eq!(list(Some(code("32.12.16.2004"))), ["Terusan"]);
        assert!(list(Some(code("33.07.10.2004"))).is_empty());
    }

    #[test]
    fn a_village_without_a_position_gets_that_of_its_surroundings() {
        let gazetteer = small();
        let place = |text| gazetteer.place(code(text));
        assert!(!place("32.12.16.2004").unwrap().approximate);
        let by_regency = place("32.12.16.2005").unwrap();
        assert!(by_regency.approximate && by_regency.coordinate.latitude() == -6.33);
        assert_eq!(place("33.07.10.2004").unwrap().coordinate.latitude(), -7.27);
        assert_eq!(place("93.01.01.1001"), None);
    }

    #[test]
    fn double_codes_and_orphans_are_refused() {
        let village = |code: &str| NewVillage {
            code: VillageCode::parse(code).unwrap(),
            name: String::new(),
            location: None,
            postal_code: 0,
        };
        let orphan = Gazetteer::build(String::new(), vec![], vec![village("3212162004")]);
        assert_eq!(orphan.unwrap_err(), BuildError::Orphan("32.12.16.2004".into()));
        let twice = vec![village("3212162004"), village("3212162004")];
        let twice = Gazetteer::build(String::new(), vec![], twice);
        assert_eq!(twice.unwrap_err(), BuildError::Twice("32.12.16.2004".into()));
    }
}
