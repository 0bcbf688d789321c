//! What happens in a story, and on which day: the same for the same gazetteer and size, at every
//! run. Nothing of it is a fact but the programme's own history: how many villages were designated
//! in which year, and which two were the pilots.

use std::collections::BTreeSet;

use desmigratif_core::region::{Gazetteer, RegionCode, Village, VillageCode, VillageKind};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

/// Days of a story: the last is yesterday.
pub(super) const DAYS: u16 = 365;

/// Villages designated by year.
const HISTORY: [(u32, usize); 4] = [(2016, 2), (2017, 120), (2018, 130), (2019, 150)];
/// The two pilot villages.
const PILOTS: [&str; 2] = ["Kenanga Indramayu", "Kuripan Wonosobo"];
/// Twelve provinces that many workers come from.
const PROVINCES: [&str; 12] =
    ["12", "16", "18", "32", "33", "34", "35", "36", "52", "53", "61", "73"];
/// Workers of a village.
const WORKERS: usize = 20;
/// The clinics of the sandbox that examine.
pub(super) const CLINICS: [&str; 3] = ["klinik-indramayu", "klinik-wonosobo", "klinik-malang"];
/// Where workers go, the more often the more go there (placements of 2024).
const DESTINATIONS: [(&str, u32); 8] =
    [("HK", 34), ("TW", 29), ("MY", 16), ("JP", 4), ("SG", 4), ("KR", 3), ("SA", 3), ("IT", 1)];
/// Who reports which sector, in how many of a hundred villages.
const SECTORS: [(&str, &str, u8); 10] = [
    ("migration-service", "kemnaker", 92),
    ("population-administration", "kemendagri", 90),
    ("health", "kemenkes", 75),
    ("village-development", "kemendes", 85),
    ("productive-business", "kemnaker", 60),
    ("productive-business", "kemenkop", 35),
    ("community-parenting", "kemnaker", 40),
    ("cooperative", "kemnaker", 30),
    ("cooperative", "kemenkop", 45),
    ("safe-migration-outreach", "kemendes", 20),
];

/// A story.
pub(super) struct Plan {
    /// The villages of the programme, in the order of their designation: code, year, pilot.
    pub(super) designations: Vec<(VillageCode, u32, bool)>,
    /// How many of them, from the first on, the story tells of.
    pub(super) told: usize,
    /// What happens on each day, from the first.
    pub(super) days: Vec<Vec<Event>>,
}

/// Something that happens. Villages and workers are numbers; an officer is a number too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A post is filled: 0 in charge, 1 and 2 facilitators.
    Officer { village: usize, post: u8, person: u32 },
    /// An agency reports its service.
    Service { village: usize, sector: &'static str, agency: &'static str },
    /// Something is done under a pillar, 0 to 3.
    Activity { village: usize, pillar: u8, women: u32, men: u32, budget_idr: u64 },
    /// An enterprise is founded.
    Enterprise { village: usize, cooperative: bool, members: u32, active: bool },
    /// A worker registers.
    Register { worker: usize, village: usize, destination: &'static str },
    /// The register confirms who the worker is.
    Verify { worker: usize },
    /// A child is added to the family.
    Child { worker: usize },
    /// A clinic examines the worker.
    Examine { worker: usize, clinic: usize, fit: bool },
    /// The worker becomes ready.
    Ready { worker: usize },
    /// The worker departs.
    Depart { worker: usize },
    /// The family is enrolled in community parenting.
    Enrol { worker: usize },
    /// The worker comes back.
    Return { worker: usize },
}

impl Plan {
    /// The story of the first `villages` villages of the programme.
    pub(super) fn new(gazetteer: &Gazetteer, villages: usize) -> Self {
        let mut random = StdRng::seed_from_u64(2016);
        let designations = designations(gazetteer, &mut random);
        let told = villages.min(designations.len());
        let mut plan = Self { designations, told, days: vec![Vec::new(); DAYS.into()] };
        for village in 0..told {
            plan.begin(village, &mut random);
            for _ in 0..WORKERS {
                plan.worker(village, &mut random);
            }
        }
        plan
    }

    /// Workers of the whole story.
    pub(super) const fn workers(&self) -> usize {
        self.told * WORKERS
    }

    fn on(&mut self, day: u16, event: Event) {
        if let Some(events) = self.days.get_mut(usize::from(day)) {
            events.push(event);
        }
    }

    /// What happens in a village apart from its workers.
    fn begin(&mut self, village: usize, random: &mut StdRng) {
        for post in 0..3 {
            // Some posts are never filled.
            if random.random_ratio(93, 100) {
                let person = u32::try_from(3 * village).unwrap_or(0) + u32::from(post);
                self.on(random.random_range(0..10), Event::Officer { village, post, person });
            }
        }
        for (sector, agency, of_hundred) in SECTORS {
            if random.random_ratio(of_hundred.into(), 100) {
                let service = Event::Service { village, sector, agency };
                self.on(random.random_range(1..30), service);
                // Some report again, and the others' reports run out.
                if random.random_ratio(2, 3) {
                    self.on(random.random_range(200..DAYS), service);
                }
            }
        }
        for _ in 0..random.random_range(0..5) {
            let activity = Event::Activity {
                village,
                pillar: random.random_range(0..4),
                women: random.random_range(0..40),
                men: random.random_range(0..20),
                budget_idr: random.random_range(2..40) * 1_000_000,
            };
            self.on(random.random_range(10..DAYS), activity);
        }
        if random.random_ratio(3, 5) {
            let enterprise = Event::Enterprise {
                village,
                cooperative: random.random_ratio(1, 3),
                members: random.random_range(3..60),
                active: random.random_ratio(4, 5),
            };
            self.on(random.random_range(20..DAYS), enterprise);
        }
    }

    /// The year of a worker; no two things happen to one on the same day.
    fn worker(&mut self, village: usize, random: &mut StdRng) {
        let worker = self.days.iter().flatten().filter(|it| it.is_registration()).count();
        let destination = DESTINATIONS.choose_weighted(random, |(_, weight)| *weight);
        let destination = destination.map_or("HK", |(country, _)| country);
        let mut day = random.random_range(0..DAYS - 5);
        self.on(day, Event::Register { worker, village, destination });
        day += 1;
        self.on(day, Event::Verify { worker });
        let child = random.random_ratio(2, 5);
        if child {
            day += 1;
            self.on(day, Event::Child { worker });
        }
        day += random.random_range(4..20);
        let fit = random.random_ratio(92, 100);
        let clinic = random.random_range(0..CLINICS.len());
        self.on(day, Event::Examine { worker, clinic, fit });
        if !fit || random.random_ratio(1, 10) {
            return;
        }
        day += random.random_range(1..3);
        self.on(day, Event::Ready { worker });
        if random.random_ratio(1, 8) {
            return;
        }
        // A woman's pregnancy test counts for seven days (Perpres 64/2011 art. 14).
        day += random.random_range(1..4);
        self.on(day, Event::Depart { worker });
        if child {
            day += random.random_range(1..30);
            self.on(day, Event::Enrol { worker });
        }
        if random.random_ratio(1, 4) {
            day += random.random_range(60..240);
            self.on(day, Event::Return { worker });
        }
    }
}

impl Event {
    const fn is_registration(&self) -> bool {
        matches!(self, Self::Register { .. })
    }
}

/// The villages of the programme: the pilots, and villages of the provinces in turn.
fn designations(gazetteer: &Gazetteer, random: &mut StdRng) -> Vec<(VillageCode, u32, bool)> {
    let is_desa = |village: &Village<'_>| village.kind() == VillageKind::Desa;
    let pilots = PILOTS.iter().filter_map(|name| {
        gazetteer.search(name, None, 1).first().map(|(village, _)| village.code)
    });
    let mut chosen: Vec<_> = pilots.collect();
    let mut known: BTreeSet<_> = chosen.iter().copied().collect();
    let provinces = PROVINCES.iter().filter_map(|code| RegionCode::parse(code).ok());
    let mut regencies: Vec<_> = provinces
        .flat_map(|province| gazetteer.parts(Some(province)))
        .filter(|regency| regency.name.starts_with("Kabupaten"))
        .map(|regency| regency.code)
        .collect();
    regencies.shuffle(random);
    let wanted: usize = HISTORY.iter().map(|(_, villages)| villages).sum();
    for regency in regencies.iter().cycle() {
        if chosen.len() >= wanted {
            break;
        }
        let desa: Vec<_> = gazetteer.villages_in(*regency, None).filter(is_desa).collect();
        if let Some(village) = desa.choose(random).filter(|it| known.insert(it.code)) {
            chosen.push(village.code);
        }
    }
    let years = HISTORY.iter().flat_map(|(year, villages)| std::iter::repeat_n(*year, *villages));
    let pilots = HISTORY[0].1;
    chosen
        .into_iter()
        .zip(years)
        .enumerate()
        .map(|(n, (code, year))| (code, year, n < pilots))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use desmigratif_adapters::kemendagri::regions;

    use super::*;

    #[test]
    fn the_history_is_told_as_it_was_in_villages_that_there_are() {
        let gazetteer = regions::load();
        let plan = Plan::new(&gazetteer, 3);
        let mut years = BTreeMap::new();
        for (code, year, _) in &plan.designations {
            assert_eq!(code.kind(), VillageKind::Desa);
            assert!(gazetteer.village(*code).is_some());
            *years.entry(*year).or_insert(0) += 1;
        }
        assert_eq!(years, BTreeMap::from(HISTORY));
        let distinct: BTreeSet<_> = plan.designations.iter().map(|(code, ..)| code).collect();
        assert_eq!(distinct.len(), 402);
        let pilots = plan.designations.iter().filter(|(.., pilot)| *pilot);
        let pilots: Vec<_> = pilots.map(|(code, ..)| gazetteer.village(*code).unwrap()).collect();
        let names: Vec<_> = pilots.iter().map(|it| (it.name, it.regency)).collect();
        assert_eq!(names, [("Kenanga", "Kabupaten Indramayu"), ("Kuripan", "Kabupaten Wonosobo")]);
    }

    #[test]
    fn a_story_is_the_same_at_every_run() {
        let gazetteer = regions::load();
        let (one, other) = (Plan::new(&gazetteer, 7), Plan::new(&gazetteer, 7));
        assert_eq!(one.designations, other.designations);
        assert_eq!(one.days, other.days);
        assert_eq!(one.workers(), 140);
    }

    #[test]
    fn nothing_happens_twice_a_day_to_a_worker_nor_before_the_registration() {
        let plan = Plan::new(&regions::load(), 20);
        let mut last = BTreeMap::new();
        for (day, events) in plan.days.iter().enumerate() {
            for event in events {
                let (worker, first) = match *event {
                    Event::Register { worker, .. } => (worker, true),
                    Event::Verify { worker }
                    | Event::Child { worker }
                    | Event::Examine { worker, .. }
                    | Event::Ready { worker }
                    | Event::Depart { worker }
                    | Event::Enrol { worker }
                    | Event::Return { worker } => (worker, false),
                    _ => continue,
                };
                let before = last.insert(worker, day);
                assert_eq!(before.is_none(), first, "{event:?} on day {day}");
                assert!(before.is_none_or(|before| before < day), "{event:?} on day {day}");
            }
        }
        assert_eq!(last.len(), plan.workers());
    }
}
