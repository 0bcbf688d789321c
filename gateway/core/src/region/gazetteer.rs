//! The gazetteer: every region and village of one decree, in memory, immutable.
//!
//! Kept lean (about 10 MiB for the country): villages are one sorted row each, found by binary
//! search; a region's villages are a range of rows.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

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
    /// Its capital (ibu kota), where published: "Indramayu".
    pub capital: Option<String>,
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
    capital: Option<Box<str>>,
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
    /// Its capital (ibu kota), where published; no district has one.
    pub capital: Option<&'a str>,
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
            let row = RegionRow {
                name: region.name.into(),
                capital: region.capital.map(Into::into),
                location: region.location,
                village_count: 0,
            };
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
        for rows in villages.chunk_by(|a, b| a.code.district() == b.code.district()) {
            for level in [Level::District, Level::Regency, Level::Province] {
                by_code
                    .get_mut(&rows[0].code.district().up_to(level))
                    .ok_or_else(|| BuildError::Orphan(rows[0].code.to_string()))?
                    .village_count += rows.len() as u32;
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
        let mut built = Self { decree, regions: by_code, villages, search: SearchIndex::default() };
        let districts = built.villages.chunk_by(|a, b| a.code.district() == b.code.district());
        built.search = SearchIndex::build(districts.map(|rows| {
            let first = built.joined(&rows[0]);
            let around = [first.regency, first.district, first.province];
            (around, rows.iter().map(|row| &*row.name))
        }));
        Ok(built)
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
            capital: row.capital.as_deref(),
            location: row.location,
            village_count: row.village_count,
        })
    }

    /// The regions directly below one, or the provinces, by code.
    pub fn parts(&self, parent: Option<RegionCode>) -> impl Iterator<Item = Region<'_>> {
        let above = parent.map_or(Bound::Unbounded, Bound::Excluded);
        self.regions
            .range((above, Bound::Unbounded))
            .map(|(code, _)| *code)
            .take_while(move |code| {
                parent.is_none_or(|parent| code.up_to(parent.level()) == parent)
            })
            .filter(move |code| code.parent() == parent)
            .filter_map(|code| self.region(code))
    }

    /// The villages of a region by code, those after `after` only.
    pub fn villages_in(
        &self,
        region: RegionCode,
        after: Option<VillageCode>,
    ) -> impl Iterator<Item = Village<'_>> {
        let rows = &self.villages[self.rows_of(region)];
        let seen = after.map_or(0, |after| rows.partition_point(|row| row.code <= after));
        rows[seen..].iter().map(|row| self.joined(row))
    }

    /// How many desa and desa adat a region has, or the country.
    #[must_use]
    pub fn desa_count(&self, region: Option<RegionCode>) -> u32 {
        let rows = region.map_or(0..self.villages.len(), |region| self.rows_of(region));
        let desa =
            self.villages[rows].iter().filter(|row| row.code.kind() != VillageKind::Kelurahan);
        // Rows are counted in 32 bits.
        desa.count() as u32
    }

    /// The rows of a region's villages: they stand together, for rows are sorted by code.
    fn rows_of(&self, region: RegionCode) -> Range<usize> {
        let codes = region.village_range();
        let below = |end: u64| self.villages.partition_point(|row| row.code.number() < end);
        below(codes.start)..below(codes.end)
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
        let rows = within.map_or(0..self.villages.len(), |region| self.rows_of(region));
        // Rows are counted in 32 bits, as in the index.
        let rows = rows.start as u32..rows.end as u32;
        self.search
            .search(query, &rows, limit)
            .into_iter()
            .map(|hit| (self.joined(&self.villages[hit.row as usize]), hit.score))
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

    /// Four provinces, four regencies, four districts and five villages.
    pub(in crate::region) fn small() -> Gazetteer {
        let place = |lat, lon| Coordinate::new(lat, lon).ok();
        let region = |code: &str, name: &str, location| NewRegion {
            code: RegionCode::parse(code).unwrap(),
            name: name.into(),
            capital: None,
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
                region("33.07.10", "Watumalang", place(-7.27, 109.92)),
                region("93", "Papua Selatan", None),
                region("93.01", "Kabupaten Merauke", None),
                region("93.01.01", "Merauke", None),
                region("95", "Papua Pegunungan", None),
                region("95.01", "Kabupaten Jayawijaya", None),
                region("95.01.03", "Asologaima", None),
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
    fn desa_are_counted_without_kelurahan() {
        let gazetteer = small();
        let count = |text| gazetteer.desa_count(RegionCode::parse(text).ok());
        assert_eq!((count(""), count("32.12"), count("33"), count("93")), (4, 2, 2, 0));
    }

    #[test]
    fn a_region_lists_its_parts_and_villages_in_order_and_in_pages() {
        let gazetteer = small();
        let names: Vec<_> = gazetteer.parts(None).map(|region| region.name).collect();
        assert_eq!(names, ["Jawa Barat", "Jawa Tengah", "Papua Selatan", "Papua Pegunungan"]);
        let region = RegionCode::parse("32").unwrap();
        assert_eq!(gazetteer.region(region).unwrap().village_count, 2);
        let parts = |text| -> Vec<_> {
            let parts = gazetteer.parts(RegionCode::parse(text).ok());
            parts.map(|region| region.code.to_string()).collect()
        };
        assert_eq!(parts("32"), ["32.12"]);
        assert_eq!(parts("33.07"), ["33.07.10"]);
        assert!(parts("33.07.10").is_empty() && parts("34").is_empty());
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
