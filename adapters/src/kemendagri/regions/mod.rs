//! The table of provinces, regencies, districts and villages: import from the published files,
//! and the compact file that the gateway carries.
//!
//! The compact file is gzip over lines of tab-separated values. The first line holds the format's
//! name and version, the decree, and the number of records of each level. Then comes one line per
//! record, each after the record that it lies in: a letter for the level (`P`, `R`, `D`, `V`) with
//! the last digits of the code, the name, latitude and longitude in ten-thousandths of a degree as
//! the difference from the record around it (both empty where no position is published), and last,
//! where published, a region's capital or a village's postal code.

mod file;
#[cfg(test)]
mod fuzz;
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
    use std::time::{Duration, Instant};

    use desmigratif_core::region::{Region, RegionCode, Resolution, VillageCode, VillageKind};

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
        // Wonosobo has another Kuripan, in Garung; the pilot is the one in Watumalang.
        for (code, name, district) in
            [("32.12.16.2004", "Kenanga", "Sindang"), ("33.07.10.2004", "Kuripan", "Watumalang")]
        {
            let village = gazetteer.village(VillageCode::parse(code).unwrap()).unwrap();
            assert_eq!((village.name, village.district), (name, district));
            let hit = &gazetteer.search(&format!("{name} {district}"), None, 1)[0];
            assert_eq!((hit.0.code, hit.1), (village.code, 1.0));
        }
    }

    #[test]
    fn the_names_that_hold_quotes_and_commas_are_found_as_people_type_them() {
        let gazetteer = load();
        for (query, name) in [
            ("regapu'u", "Regapu\u{2019}u"),
            ("regapuu", "Regapu\u{2019}u"),
            ("lubuk pakam i ii", "Lubuk Pakam I,II"),
            // More than four hundred names begin with these.
            ("tanjung", "Tanjung"),
            ("baru", "Baru"),
        ] {
            assert_eq!(gazetteer.search(query, None, 1)[0].0.name, name, "{query}");
        }
    }

    #[test]
    fn retired_codes_lead_to_the_places_of_the_same_name() {
        let gazetteer = load();
        let name = |code| gazetteer.region(code).unwrap().name;
        let resolve = |text| gazetteer.resolve_region(RegionCode::parse(text).unwrap());
        for (retired, today) in [
            ("91.01", "Kabupaten Merauke"),
            ("91.18", "Kabupaten Asmat"),
            ("91.28", "Kabupaten Deiyai"),
            ("92.01", "Kabupaten Sorong"),
            ("92.71", "Kota Sorong"),
            ("91.18.18", "Ayib"),
            ("92.71.01", "Sorong"),
        ] {
            let Resolution::Renumbered(code) = resolve(retired) else { panic!("{retired}") };
            assert_eq!(name(code), today);
        }
        // Kurulu was 91.02.03; today's 95.01.03 is Asologaima.
        let Resolution::WithinRegency(code) = resolve("91.02.03") else { panic!("Kurulu") };
        assert_eq!(name(code), "Kabupaten Jayawijaya");
    }

    #[test]
    fn each_regency_has_a_clock_a_position_and_a_capital_where_published() {
        let gazetteer = load();
        let regencies: Vec<_> = gazetteer
            .parts(None)
            .flat_map(|province| gazetteer.parts(Some(province.code)))
            .collect();
        assert_eq!(regencies.len(), 514);
        assert!(regencies.iter().all(|it| it.code.time_zone().is_some()));
        let lacking = |lacks: fn(&Region<'_>) -> bool| -> Vec<_> {
            regencies.iter().filter(|it| lacks(it)).map(|it| it.name).collect()
        };
        assert_eq!(lacking(|it| it.location.is_none()), ["Kabupaten Wakatobi"]);
        assert_eq!(lacking(|it| it.capital.is_none()), ["Kabupaten Kepulauan Tanimbar"]);
        let indramayu = gazetteer.region(RegionCode::parse("32.12").unwrap()).unwrap();
        assert_eq!(indramayu.capital, Some("Indramayu"));
    }

    #[test]
    fn every_village_has_a_place_be_it_approximate() {
        let gazetteer = load();
        for province in gazetteer.parts(None) {
            for village in gazetteer.villages_in(province.code, None) {
                let place = gazetteer.place(village.code);
                assert_eq!(place.map(|it| it.approximate), Some(village.location.is_none()));
            }
        }
    }

    /// A name with a letter changed, added, lost or swapped with its neighbour; which is chosen by
    /// a number.
    fn misspelt(name: &str, number: usize) -> String {
        let mut letters: Vec<char> = name.chars().collect();
        let at = number / 4 % letters.len();
        match number % 4 {
            0 => letters[at] = 'x',
            1 => letters.insert(at, 'x'),
            2 if at + 1 < letters.len() => letters.swap(at, at + 1),
            _ => drop(letters.remove(at)),
        }
        letters.into_iter().collect()
    }

    #[test]
    #[ignore = "a measurement: cargo test --release -p desmigratif-adapters -- --ignored --nocapture"]
    #[expect(clippy::print_stdout, reason = "the numbers are what it is run for")]
    fn misspelt_names_are_found_within_five_milliseconds() {
        let start = Instant::now();
        let gazetteer = load();
        println!("loaded in {:?}", start.elapsed());
        let villages: Vec<_> = gazetteer
            .parts(None)
            .flat_map(|province| gazetteer.villages_in(province.code, None))
            .filter(|village| village.name.len() > 4)
            .collect();
        for (with_regency, least_found) in [(false, 97), (true, 99)] {
            let (mut times, mut found) = (Vec::new(), 0);
            for (number, village) in villages.iter().step_by(21).enumerate() {
                let mut query = misspelt(village.name, number);
                if with_regency {
                    query = format!("{query} {}", village.regency);
                }
                let start = Instant::now();
                let hits = gazetteer.search(&query, None, 10);
                times.push(start.elapsed());
                found += usize::from(hits.iter().any(|hit| hit.0.name == village.name));
            }
            times.sort_unstable();
            let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
            println!("{} searches: median {median:?}, p99 {p99:?}, {found} found", times.len());
            assert!(found * 100 >= times.len() * least_found);
            assert!(p99 <= Duration::from_millis(5), "{p99:?}");
        }
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
    fn all_but_383_villages_have_a_position() {
        let gazetteer = load();
        let without = gazetteer
            .parts(None)
            .flat_map(|province| gazetteer.villages_in(province.code, None))
            .filter(|village| village.location.is_none())
            .count();
        assert_eq!(without, 383);
    }
}
