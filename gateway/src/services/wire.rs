//! Conversions that several services share: wire value <-> domain value. How a record looks on the
//! wire is the connector's to say, which hands records to ministries in the same messages.

use std::time::Duration;

use desmigratif_core::access::{AgencyKind, Classes, Purpose};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::birth::{self, BirthDate, Precision};
use desmigratif_core::geo::Coordinate;
use desmigratif_core::identity::Sex;
use desmigratif_core::journal;
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::{KkNumber, Nik};
use desmigratif_core::region::{Error as CodeError, RegionCode, Resolution, VillageCode};
use desmigratif_core::text::{Rule, Text};
use desmigratif_proto::common::v1 as common;
use desmigratif_proto::{ClassSet, Path};
use jiff::civil::Date;

pub(super) use desmigratif_adapters::connector::wire::{agency_kind, day, stage, timestamp};

use super::reading::Reading;
use crate::exchange::{Availability, Exchange, Found, Freshness};

/// A worker's least age, by which the century of a NIK's year is guessed for a remark.
const LEAST_AGE: i16 = 18;

/// A receipt, for the wire.
pub(super) fn receipt(receipt: &journal::Receipt, signed_note: String) -> common::Receipt {
    common::Receipt {
        entry_index: receipt.index,
        leaf_hash: receipt.leaf_hash.to_vec(),
        committed_at: Some(timestamp(receipt.at)),
        signed_note,
    }
}

/// A position, for the wire.
pub(super) const fn lat_lng(at: Coordinate) -> common::LatLng {
    common::LatLng { latitude: at.latitude(), longitude: at.longitude() }
}

/// A purpose, for the wire.
pub(super) const fn purpose(purpose: Purpose) -> common::Purpose {
    match purpose {
        Purpose::PlacementScreening => common::Purpose::PlacementScreening,
        Purpose::ClearanceSubmission => common::Purpose::ClearanceSubmission,
        Purpose::IdentityCheck => common::Purpose::IdentityCheck,
        Purpose::ProgrammePlanning => common::Purpose::ProgrammePlanning,
        Purpose::SocialProtection => common::Purpose::SocialProtection,
        Purpose::Oversight => common::Purpose::Oversight,
        Purpose::DataSubjectRequest => common::Purpose::DataSubjectRequest,
        Purpose::Operations => common::Purpose::Operations,
    }
}

/// How far an answer of a ministry can be relied on, for the wire.
pub(super) fn provenance<T>(found: &Found<T>) -> common::Provenance {
    let (availability, why) = match found.availability {
        Availability::Available => (common::Availability::Available, None),
        Availability::Stale(why) => (common::Availability::Stale, Some(why.text())),
        Availability::Unavailable(why) => (common::Availability::Unavailable, Some(why.text())),
    };
    common::Provenance {
        owner: agency_kind(found.owner).into(),
        availability: availability.into(),
        as_of: found.as_of.map(timestamp),
        reason_en: why.map_or_else(String::new, |text| text.en.to_owned()),
        reason_id: why.map_or_else(String::new, |text| text.id.to_owned()),
    }
}

/// That a part of an answer is not to be had, for the wire.
pub(super) fn unavailable(owner: AgencyKind, why: Text) -> common::Provenance {
    common::Provenance {
        owner: agency_kind(owner).into(),
        availability: common::Availability::Unavailable.into(),
        as_of: None,
        reason_en: why.en.to_owned(),
        reason_id: why.id.to_owned(),
    }
}

/// How fresh an answer must be, from the wire.
pub(super) fn read_freshness(
    reading: &mut Reading,
    at: Path<'_>,
    freshness: Option<&common::Freshness>,
) -> Option<Freshness> {
    let Some(freshness) = freshness else { return Some(Freshness::default()) };
    let max_age = match &freshness.max_age {
        None => None,
        Some(age) => {
            let rule = Rule::new(
                "DURATION_INVALID",
                "must be a duration that is not negative",
                "harus lama waktu yang tidak negatif",
            );
            // Looked at before the conversion, which overflows on the least number of seconds.
            let negative = age.seconds < 0 || age.nanos < 0;
            let age = (!negative).then_some(*age).and_then(|age| Duration::try_from(age).ok());
            let age = age.ok_or(rule);
            Some(reading.take(at.field("max_age"), age)?)
        }
    };
    Some(Freshness { max_age, refuse_stale: freshness.refuse_stale })
}

/// A set of classes as the contract has it.
pub(super) const fn class_set(classes: Classes) -> ClassSet {
    ClassSet::from_bits(classes.bits())
}

/// A set of classes as the core has it.
pub(super) fn classes(set: ClassSet) -> Classes {
    Classes::from_bits(set.bits()).expect("contract and core have the same classes, says a test")
}

/// A sex from the wire; `None` when it is not stated.
pub(super) const fn read_sex(sex: common::Sex) -> Option<Sex> {
    match sex {
        common::Sex::Unspecified => None,
        common::Sex::Male => Some(Sex::Male),
        common::Sex::Female => Some(Sex::Female),
    }
}

/// A birth date from the wire, with a warning when it looks like a register's placeholder.
pub(super) fn read_birth_date(
    reading: &mut Reading,
    at: Path<'_>,
    birth: &common::BirthDate,
    today: Date,
) -> Option<BirthDate> {
    let precision = match birth.precision() {
        common::DatePrecision::Unspecified | common::DatePrecision::Day => Precision::Day,
        common::DatePrecision::Month => Precision::Month,
        common::DatePrecision::Year => Precision::Year,
    };
    let read = reading.take(at.field("date"), BirthDate::parse(&birth.date, precision, today))?;
    if read.looks_like_placeholder() {
        let text = Text {
            en: "looks like a register's placeholder; state the precision if only the year is known",
            id: "tampak seperti isian pengganti; nyatakan ketelitian bila hanya tahun yang diketahui",
        };
        reading.warn(at.field("date"), "BIRTH_DATE_PLACEHOLDER", text);
    }
    Some(read)
}

/// A day that must not be later than today, from the wire.
pub(super) fn read_past_day(
    reading: &mut Reading,
    at: Path<'_>,
    text: &str,
    today: Date,
) -> Option<Date> {
    reading.take(at, desmigratif_core::clearance::past_day(text, today))
}

/// Any day from the wire; the default when the field is empty.
pub(super) fn read_day(
    reading: &mut Reading,
    at: Path<'_>,
    text: &str,
    default: Option<Date>,
) -> Option<Option<Date>> {
    if text.is_empty() {
        return Some(default);
    }
    let read = birth::parse_date(text).ok_or(birth::Error::NotADate);
    reading.take(at, read).map(Some)
}

/// A NIK from the wire, with a warning when the region in it is retired or unknown.
pub(super) fn read_nik(
    reading: &mut Reading,
    at: Path<'_>,
    text: &str,
    exchange: &Exchange,
) -> Option<Nik> {
    let nik = reading.take(at, Nik::parse(text))?;
    if let Some(remark) = nik.region_remark(|region| exchange.gazetteer.resolve_region(region)) {
        let (code, text) = remark.code_and_text();
        reading.warn(at, code, text);
    }
    Some(nik)
}

/// Warns where a NIK suggests another sex or birth date than stated: it may still be right.
pub(super) fn compare_with_nik(
    reading: &mut Reading,
    at: Path<'_>,
    nik: &Nik,
    sex: Sex,
    birth: BirthDate,
    today: Date,
) {
    let hints = nik.hints(today, LEAST_AGE);
    let same_birth = hints
        .born
        .is_some_and(|born| birth.precision() != Precision::Day || born == birth.expose());
    if hints.female != (sex == Sex::Female) || !same_birth {
        let text = Text {
            en: "suggests another birth date or sex than stated; a NIK is never re-issued, so both may be right",
            id: "menunjukkan tanggal lahir atau jenis kelamin lain; NIK tidak diterbitkan ulang, jadi keduanya mungkin benar",
        };
        reading.warn(at, "NIK_DIFFERS_FROM_DATA", text);
    }
}

/// A KK number from the wire; empty for none.
#[allow(clippy::option_option, reason = "the outer is whether reading can go on")]
pub(super) fn read_kk(reading: &mut Reading, at: Path<'_>, text: &str) -> Option<Option<KkNumber>> {
    reading.take_if_set(at, text, KkNumber::parse)
}

/// A name from the wire, with remarks as warnings.
pub(super) fn read_name(reading: &mut Reading, at: Path<'_>, text: &str) -> Option<PersonName> {
    let name = reading.take(at, PersonName::parse(text))?;
    for remark in name.remarks() {
        let (code, text) = remark.code_and_text();
        reading.warn(at, code, text);
    }
    Some(name)
}

/// An agency's id from the wire.
pub(super) fn read_agency_id(reading: &mut Reading, at: Path<'_>, text: &str) -> Option<AgencyId> {
    let rule = Rule::new(
        "AGENCY_ID_INVALID",
        "must be 2 to 63 characters of a-z, 0-9 and '-', beginning with a letter",
        "harus 2 sampai 63 karakter a-z, 0-9 dan '-', diawali huruf",
    );
    reading.take(at, AgencyId::parse(text).map_err(|_| rule))
}

/// The code of a village in force from the wire. A retired code is refused with the advice to
/// resolve it: below the regency nothing is guessed.
pub(super) fn read_village(
    reading: &mut Reading,
    at: Path<'_>,
    text: &str,
    exchange: &Exchange,
) -> Option<VillageCode> {
    let code = reading.take(at, VillageCode::parse(text))?;
    let rule = match exchange.gazetteer.resolve_village(code) {
        Resolution::Current => return Some(code),
        Resolution::Renumbered(_) | Resolution::WithinRegency(_) => Rule::new(
            "VILLAGE_CODE_RETIRED",
            "is retired; find today's code with SearchVillages in the regency that ResolveCode names",
            "sudah tidak berlaku; cari kode sekarang dengan SearchVillages di kabupaten dari ResolveCode",
        ),
        Resolution::Unknown => Rule::new(
            "VILLAGE_CODE_UNKNOWN",
            "names no village in the decree in force (is it a BPS code?)",
            "tidak ada dalam keputusan yang berlaku (apakah ini kode BPS?)",
        ),
    };
    reading.broken(at, rule);
    None
}

/// The code of a region from the wire; empty for none.
#[allow(clippy::option_option, reason = "the outer is whether reading can go on")]
pub(super) fn read_region(
    reading: &mut Reading,
    at: Path<'_>,
    text: &str,
) -> Option<Option<RegionCode>> {
    reading.take_if_set(at, text, RegionCode::parse)
}

/// The digits that the code of a place begins with, from the wire: those of a village or region in
/// any standing; empty for all places.
pub(super) fn read_place(reading: &mut Reading, at: Path<'_>, text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    let digits = VillageCode::parse(text).map(VillageCode::digits);
    let digits = digits.or_else(|_: CodeError| RegionCode::parse(text).map(RegionCode::digits));
    reading.take(at, digits)
}

/// Notes that a last day is before the first.
pub(super) fn in_order(reading: &mut Reading, at: Path<'_>, first: Date, last: Option<Date>) {
    if last.is_some_and(|last| last < first) {
        let rule = Rule::new(
            "LAST_DAY_BEFORE_FIRST",
            "must not be before the first day",
            "tidak boleh sebelum hari pertama",
        );
        reading.broken(at, rule);
    }
}

/// The version that an etag stands for; `None` for an empty one. An etag that this gateway never
/// made matches no version.
pub(super) fn read_etag(etag: &str) -> Option<u64> {
    (!etag.is_empty()).then(|| etag.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use desmigratif_core::access::DataClass;

    use super::*;

    #[test]
    fn contract_and_core_have_the_same_classes() {
        assert_eq!(classes(ClassSet::ALL), Classes::of(&DataClass::ALL));
        assert_eq!(class_set(Classes::of(&DataClass::ALL)), ClassSet::ALL);
        assert_eq!(class_set(Classes::of(&[DataClass::Family])).iter().count(), 1);
    }

    #[test]
    fn an_etag_that_is_no_number_matches_no_version() {
        assert_eq!(read_etag(""), None);
        assert_eq!(read_etag("7"), Some(7));
        assert_eq!(read_etag("x"), Some(0));
    }
}
