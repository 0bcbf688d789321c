//! The table of provinces, regencies, districts and villages: import from the published files,
//! and the compact file that the gateway carries.
//!
//! The compact file is gzip over lines of tab-separated values. The first line holds the format's
//! name and version, the decree, and the number of records of each level. Then comes one line per
//! record, each after the record that it lies in: a letter for the level (`P`, `R`, `D`, `V`) with
//! the last digits of the code, the name, latitude and longitude in ten-thousandths of a degree as
//! the difference from the record around it (both empty where no position is published), and for a
//! village its postal code.

mod file;
mod import;

use desmigratif_core::region::Gazetteer;

pub use file::{Counts, Error as FileError};
pub use import::{Error, Report, import};

/// The compact file, made by [`import`]; its source and licence are in `data/NOTICE.md`.
const COMMITTED: &[u8] = include_bytes!("../../../data/regions.tsv.gz");

/// The table that the gateway carries. Reading it takes about a tenth of a second.
///
/// # Panics
/// Never: the file is a part of the binary, and a test reads it.
#[must_use]
pub fn load() -> Gazetteer {
    file::read(COMMITTED).expect("the committed file was read by a test")
}

/// The decree of the table that the gateway carries, without reading the table.
///
/// # Panics
/// Never, as [`load`].
#[must_use]
pub fn decree() -> String {
    file::decree(COMMITTED).expect("the committed file was read by a test")
}

#[cfg(test)]
mod tests {
    use desmigratif_core::region::{RegionCode, VillageCode, VillageKind};

    use super::*;

    #[test]
    fn the_committed_table_is_that_of_the_decree() {
        let gazetteer = load();
        assert_eq!(gazetteer.decree(), "Kepmendagri 300.2.2-2138/2025");
        assert_eq!(decree(), gazetteer.decree());
        assert_eq!(gazetteer.village_count(), 83_762);
        let provinces: Vec<_> = gazetteer.parts(None).collect();
        assert_eq!(provinces.len(), 38);
        let mut kinds = [0; 3];
        for province in provinces {
            for village in gazetteer.villages_in(province.code, None) {
                kinds[village.kind() as usize] += 1;
            }
        }
        assert_eq!(kinds, [8_496, 75_252, 14], "kelurahan, desa, desa adat");
        assert_eq!(VillageKind::Desa as usize, 1);
    }

    #[test]
    fn the_two_pilot_villages_are_found_where_they_lie() {
        let gazetteer = load();
        for (query, regency) in [
            ("Kenanga Indramayu", "Kabupaten Indramayu"),
            ("Kuripan Wonosobo", "Kabupaten Wonosobo"),
        ] {
            let (village, score) = gazetteer.search(query, None, 1)[0];
            assert_eq!(village.regency, regency);
            assert!(score > 0.99, "{query}: {score}");
            assert!(village.location.is_some());
        }
        let kenanga = VillageCode::parse("32.12.16.2004").unwrap();
        assert_eq!(gazetteer.village(kenanga).unwrap().name, "Kenanga");
    }

    #[test]
    fn a_misspelt_name_finds_the_village() {
        let gazetteer = load();
        let names = |query| -> Vec<_> {
            gazetteer.search(query, None, 10).into_iter().map(|(village, _)| village.name).collect()
        };
        assert!(names("Sidomulio").contains(&"Sidomulyo"));
        assert!(names("Karangayar").iter().any(|name| name.starts_with("Karanganyar")));
    }

    #[test]
    fn almost_every_place_has_a_position() {
        let gazetteer = load();
        let papua = RegionCode::parse("91").unwrap();
        assert!(gazetteer.villages_in(papua, None).count() > 900);
        let without = gazetteer
            .parts(None)
            .flat_map(|province| gazetteer.villages_in(province.code, None))
            .filter(|village| village.location.is_none())
            .count();
        assert!(without < 500, "{without} villages have no position");
    }
}
