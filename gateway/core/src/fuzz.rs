//! Fuzz targets: the texts that callers and files bring, read by the types that cannot be wrong once
//! built, and the leaves of evidence files. What is read means the same when it is written and read again, and shows nothing. (A refusal
//! cannot repeat a value: its type holds fixed texts alone.)

use std::str::from_utf8;

use desmigratif_fuzzing::fuzz;
use jiff::civil::{Date, date};

use crate::birth::{BirthDate, Precision};
use crate::journal::Entry;
use crate::name::PersonName;
use crate::nik::{KkNumber, Nik};
use crate::region::{Level, RegionCode, Resolution, VillageCode};

const TODAY: Date = date(2026, 11, 24);

#[test]
fn a_nik_that_is_read_has_the_digits_that_were_written() {
    fuzz!("nik", nik);
}

fn nik(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    if let Ok(nik) = Nik::parse(text) {
        let digits = nik.expose();
        assert_eq!(digits, text.trim(), "nothing is corrected");
        assert!(digits.len() == 16 && digits.bytes().all(|it| it.is_ascii_digit()));
        assert!(Nik::parse(digits).is_ok_and(|again| again == nik));
        assert_eq!(format!("{nik:?}"), "Nik(..)");
        for least_age in [0, 18] {
            let born = nik.hints(TODAY, least_age).born;
            assert!(born.is_none_or(|born| born.year() <= TODAY.year() - least_age));
        }
        let _ = nik.region_remark(|_| Resolution::Unknown);
        let kk = KkNumber::parse(text).expect("every NIK has the shape of a KK number");
        assert!(nik.distinct_from(&kk).is_err(), "the number of the card is not a NIK");
    }
    if let Ok(kk) = KkNumber::parse(text) {
        assert_eq!(kk.expose(), text.trim());
        assert_eq!(format!("{kk:?}"), "KkNumber(..)");
    }
}

#[test]
fn a_code_that_is_read_is_written_in_two_ways_that_are_both_read() {
    fuzz!("region_code", region_code);
}

fn region_code(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    if let Ok(village) = VillageCode::parse(text) {
        assert_eq!(village.digits(), text.replace('.', ""));
        assert_eq!(VillageCode::parse(&village.digits()), Ok(village));
        assert_eq!(VillageCode::parse(&village.to_string()), Ok(village));
        let _ = village.kind();
        region(village.district());
        assert!(village.district().holds(village));
        assert!(RegionCode::parse(text).is_err(), "a code is of one level");
    }
    if let Ok(code) = RegionCode::parse(text) {
        assert_eq!(code.digits(), text.replace('.', ""));
        region(code);
    }
}

fn region(code: RegionCode) {
    assert_eq!(RegionCode::parse(&code.digits()), Ok(code));
    assert_eq!(RegionCode::parse(&code.to_string()), Ok(code));
    match code.parent() {
        Some(parent) => {
            assert!(code.digits().starts_with(&parent.digits()) && parent.level() < code.level());
            region(parent);
        }
        None => assert_eq!(code.level(), Level::Province),
    }
}

#[test]
fn a_birth_date_that_is_read_lies_between_long_ago_and_today() {
    fuzz!("birth_date", birth_date);
}

fn birth_date(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    for precision in [Precision::Day, Precision::Month, Precision::Year] {
        if let Ok(birth) = BirthDate::parse(text, precision, TODAY) {
            assert_eq!(birth.expose().to_string(), text, "one way to write a date");
            assert!((1896..=2026).contains(&birth.expose().year()));
            assert!((0..=130).contains(&birth.least_age_on(TODAY)));
            assert!(birth.agrees_with(birth));
        }
    }
}

#[test]
fn a_name_that_is_read_is_read_again_as_itself() {
    fuzz!("person_name", person_name);
}

fn person_name(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    if let Ok(name) = PersonName::parse(text) {
        let again = PersonName::parse(name.expose()).expect("what was read is a name");
        assert!(again == name);
        assert_eq!(format!("{name:?}"), "PersonName(..)");
        assert!(matches!(name.likeness(&again), 0 | 100), "0 when nothing is compared in it");
        assert!(name.remarks().count() <= 3);
    }
}

#[test]
fn a_leaf_that_is_read_has_no_other_encoding() {
    fuzz!("leaf", leaf);
}

fn leaf(bytes: &[u8]) {
    if let Some(entry) = Entry::of_leaf(bytes) {
        assert_eq!(entry.leaf(), bytes, "nothing is left over or written otherwise");
    }
}
