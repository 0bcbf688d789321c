//! The people of the sandbox: a population register, some of whom are registered workers.
//!
//! Person n is always the same. The first [`WORKERS`] are workers; the rest are candidates whom a
//! walk-through may register. A few stand for the outcomes that a check of identity can have, and
//! are neither: see [`fixtures`](crate::fixtures).

use std::collections::BTreeSet;

use desmigratif_core::agency::AgencyId;
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::clearance::Country;
use desmigratif_core::identity::{Person, RegisterStatus, Sex};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::region::{Gazetteer, RegionCode, VillageCode, VillageKind};
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::SubjectKey;
use desmigratif_core::worker::{Contact, Document, Placement, Worker};
use jiff::civil::{Date, date};
use uuid::Uuid;

/// How many people there are.
pub const PEOPLE: u32 = STORY + 402 * 20;
/// The first of those whom a story is told of: twenty workers of each village of the programme.
const STORY: u32 = 3_000;
/// The first of the programme's officers. They are not in the register.
const OFFICERS: u32 = 20_000;
/// How many of them are registered workers.
pub const WORKERS: u32 = 240;
/// The person who has died.
pub const DECEASED: u32 = WORKERS;
/// The person of whom there are two records.
pub const DUPLICATE: u32 = WORKERS + 1;
/// The person whose record is not active.
pub const INACTIVE: u32 = WORKERS + 2;
/// The person to be verified by the right name.
pub const VERIFIED: u32 = WORKERS + 3;
/// The person to be verified by a name that is nearly right.
pub const FUZZY: u32 = WORKERS + 4;
/// The person whose name is to be mistaken.
pub const MISMATCHED: u32 = WORKERS + 5;
/// The person whom Kemenkes refuses to take as a patient.
pub const REFUSED_PATIENT: u32 = WORKERS + 6;
/// The first who is neither a worker nor a fixture.
const FIRST_CANDIDATE: u32 = WORKERS + 7;

/// Where the people live: the kabupaten that the two pilot villages lie in, and some others.
const HOMES: [&str; 6] = ["32.12", "33.07", "35.07", "35.02", "52.03", "18.07"];
const WOMEN: [&str; 12] = [
    "Siti", "Dewi", "Ratna", "Sri", "Wati", "Nur", "Lestari", "Endang", "Yuni", "Fitri", "Rina",
    "Ningsih",
];
const MEN: [&str; 12] = [
    "Budi", "Agus", "Slamet", "Joko", "Bambang", "Hadi", "Eko", "Dedi", "Rudi", "Wahyu", "Iwan",
    "Yanto",
];
const SECOND: [&str; 15] = [
    "Aminah",
    "Rahayu",
    "Santoso",
    "Wibowo",
    "Lestari",
    "Hidayat",
    "Saputra",
    "Utami",
    "Kusuma",
    "Pratama",
    "Setiawan",
    "Handayani",
    "Permata",
    "Maulana",
    "Anggraini",
];
const DESTINATIONS: [&str; 6] = ["HK", "TW", "MY", "SG", "JP", "SA"];

/// A synthetic person, as a registering officer would know him or her.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate {
    /// NIK: the reserved prefix 99, a birth date, a serial.
    pub nik: String,
    /// Name, beginning with "Contoh".
    pub name: String,
    /// Birth date.
    pub birth_date: Date,
    /// Place of birth.
    pub birth_place: String,
    /// Whether she is a woman.
    pub female: bool,
}

/// Person n.
///
/// # Panics
/// Never: there are few enough days.
#[must_use]
pub fn candidate(n: u32) -> Candidate {
    let female = !n.is_multiple_of(3);
    let days = i64::from(n.wrapping_mul(2_654_435_761) % 7_000);
    let birth_date = date(1985, 1, 1).saturating_add(jiff::Span::new().days(days));
    let day = birth_date.day() + if female { 40 } else { 0 };
    let (month, year) = (birth_date.month(), birth_date.year() % 100);
    let given = if female { WOMEN } else { MEN }[(n / 3) as usize % 12];
    let second = SECOND[(n / 7) as usize % SECOND.len()];
    Candidate {
        // Serials end at 9999; then the next district begins.
        nik: format!("9901{:02}{day:02}{month:02}{year:02}{:04}", 1 + n / 9_999, 1 + n % 9_999),
        name: format!("Contoh {given} {second}"),
        birth_date,
        birth_place: "Contohjaya".to_owned(),
        female,
    }
}

/// The people whom a walk-through may register: those who are neither workers nor fixtures.
pub fn candidates() -> impl Iterator<Item = Candidate> {
    (FIRST_CANDIDATE..STORY).map(candidate)
}

/// Worker `n` of a story.
#[must_use]
pub fn story(n: u32) -> Candidate {
    candidate(STORY.saturating_add(n))
}

/// Officer `n` of the programme.
#[must_use]
pub fn officer(n: u32) -> Candidate {
    candidate(OFFICERS.saturating_add(n))
}

/// The population register: every person, under a key for pseudonyms.
pub fn register<'a>(
    gazetteer: &'a Gazetteer,
    key: &'a SubjectKey,
    today: Date,
) -> impl Iterator<Item = Person> + 'a {
    let homes = homes(gazetteer);
    (0..PEOPLE).filter_map(move |n| person(n, &homes, key, today))
}

/// The registered workers: in every stage, in real villages.
pub fn workers<'a>(
    gazetteer: &'a Gazetteer,
    key: &'a SubjectKey,
    today: Date,
) -> impl Iterator<Item = Worker> + 'a {
    let homes = homes(gazetteer);
    (0..WORKERS).filter_map(move |n| {
        let person = person(n, &homes, key, today)?;
        let stage = match n % 8 {
            0 | 1 => Stage::Prospective,
            2..=5 => Stage::Abroad,
            6 => Stage::Returned,
            _ => Stage::Withdrawn,
        };
        Some(Worker {
            id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(n)),
            subject: person.subject,
            nik: person.nik,
            kk: None,
            name: person.name,
            birth: person.birth,
            sex: person.sex,
            village: person.village,
            contact: Contact::default(),
            stage,
            destination: Country::parse(DESTINATIONS[n as usize % DESTINATIONS.len()]).ok(),
            placement: Some(Placement::P3mi),
            documents: BTreeSet::from(Document::ALL),
            verification: None,
            registered_by: AgencyId::parse("kemnaker").ok()?,
        })
    })
}

/// The first desa of each kabupaten of [`HOMES`], the pilot village Kenanga before all.
fn homes(gazetteer: &Gazetteer) -> Vec<VillageCode> {
    let kenanga = gazetteer.search("Kenanga Indramayu", None, 1);
    let first = kenanga.into_iter().map(|(village, _)| village.code);
    let others = HOMES.iter().filter_map(|code| RegionCode::parse(code).ok()).flat_map(|regency| {
        gazetteer
            .villages_in(regency, None)
            .filter(|village| village.kind() == VillageKind::Desa)
            .map(|village| village.code)
            .take(3)
    });
    first.chain(others).collect()
}

fn person(n: u32, homes: &[VillageCode], key: &SubjectKey, today: Date) -> Option<Person> {
    let candidate = candidate(n);
    let nik = Nik::parse(&candidate.nik).ok()?;
    let status = match n {
        DECEASED => RegisterStatus::Deceased,
        DUPLICATE => RegisterStatus::Duplicate,
        INACTIVE => RegisterStatus::Inactive,
        _ => RegisterStatus::Active,
    };
    let mother = WOMEN[(n / 5) as usize % WOMEN.len()];
    let mother = format!("Contoh {mother} {}", SECOND[(n / 11) as usize % SECOND.len()]);
    Some(Person {
        subject: key.pseudonym(&nik),
        nik,
        name: PersonName::parse(&candidate.name).ok()?,
        birth_place: candidate.birth_place,
        birth: BirthDate::new(candidate.birth_date, Precision::Day, today).ok()?,
        sex: if candidate.female { Sex::Female } else { Sex::Male },
        village: *homes.get(n as usize % homes.len())?,
        mother_name: PersonName::parse(&mother).ok(),
        status,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use desmigratif_adapters::kemendagri::regions;

    use super::*;

    const TODAY: Date = date(2026, 11, 24);

    #[test]
    fn everyone_is_in_the_register_once_and_clearly_synthetic() {
        let (gazetteer, key) = (regions::load(), SubjectKey::from_bytes([7; 32]));
        let people: Vec<_> = register(&gazetteer, &key, TODAY).collect();
        assert_eq!(people.len(), PEOPLE as usize);
        let niks: HashSet<_> = people.iter().map(|person| person.nik.expose()).collect();
        assert_eq!(niks.len(), people.len());
        assert!(people.iter().all(|person| person.nik.expose().starts_with("99")));
        assert!(people.iter().all(|person| person.name.expose().starts_with("Contoh ")));
    }

    #[test]
    fn workers_stand_in_every_stage_but_ready_and_live_in_real_villages() {
        let (gazetteer, key) = (regions::load(), SubjectKey::from_bytes([7; 32]));
        let workers: Vec<_> = workers(&gazetteer, &key, TODAY).collect();
        assert_eq!(workers.len(), WORKERS as usize);
        for stage in Stage::ALL {
            let some = workers.iter().any(|worker| worker.stage == stage);
            assert_eq!(some, stage != Stage::Ready, "{stage:?}");
        }
        assert!(workers.iter().all(|worker| gazetteer.village(worker.village).is_some()));
    }
}
