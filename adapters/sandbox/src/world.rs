//! The world that the ministries know: people, facilities and places, the same every time.

use std::collections::HashMap;
use std::sync::Arc;

use desmigratif_core::facility::Facility;
use desmigratif_core::identity::Person;
use desmigratif_core::nik::Nik;
use desmigratif_core::region::Gazetteer;
use desmigratif_core::subject::SubjectKey;
use jiff::civil::Date;
use uuid::Uuid;

use crate::{facilities, people};

/// A world. It never changes; a clone is the same world.
#[derive(Clone)]
pub struct World {
    gazetteer: Arc<Gazetteer>,
    today: Date,
    /// The sandbox's own: nothing outside depends on the pseudonyms that it makes.
    key: SubjectKey,
    people: Arc<HashMap<Nik, Person>>,
    facilities: Arc<[Facility]>,
}

impl World {
    /// The world in the country of a gazetteer, as it is on a day.
    #[must_use]
    pub fn new(gazetteer: Arc<Gazetteer>, today: Date) -> Self {
        let key = SubjectKey::from_bytes(*b"desmigratif sandbox: no secret  ");
        let people = people::register(&gazetteer, &key, today)
            .map(|person| (person.nik.clone(), person))
            .collect();
        let facilities = facilities::facilities(&gazetteer).into();
        Self { gazetteer, today, key, people: Arc::new(people), facilities }
    }

    /// The country.
    #[must_use]
    pub fn gazetteer(&self) -> &Gazetteer {
        &self.gazetteer
    }

    /// The day.
    #[must_use]
    pub const fn today(&self) -> Date {
        self.today
    }

    /// The person with a NIK.
    #[must_use]
    pub fn person(&self, nik: &Nik) -> Option<&Person> {
        self.people.get(nik)
    }

    /// The facilities.
    #[must_use]
    pub fn facilities(&self) -> &[Facility] {
        &self.facilities
    }

    /// A number that hangs on the text alone.
    pub(crate) fn chance(&self, kind: &str, text: &str) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.key.digest(kind, text.as_bytes());
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// An id that hangs on the text alone.
    pub(crate) fn id(&self, kind: &str, text: &str) -> Uuid {
        let (high, low) = (self.chance(kind, text), self.chance(kind, &format!("{text} again")));
        uuid::Builder::from_u128(u128::from(high) << 64 | u128::from(low))
            .with_version(uuid::Version::Random)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use desmigratif_adapters::kemendagri::regions;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn it_is_the_same_world_every_time() {
        let world = || World::new(Arc::new(regions::load()), date(2026, 11, 24));
        let (one, other) = (world(), world());
        assert!(one.people == other.people);
        assert_eq!(one.facilities, other.facilities);
        assert_eq!(one.people.len(), people::PEOPLE as usize);
        assert_eq!(one.id("kind", "text"), other.id("kind", "text"));
        assert_ne!(one.id("kind", "text"), one.id("kind", "other"));
        assert_eq!(one.id("kind", "text").get_version_num(), 4);
        // Another value would move every score and id of the sandbox.
        assert_eq!(one.chance("kind", "text"), 9_121_848_473_959_031_298);
    }
}
