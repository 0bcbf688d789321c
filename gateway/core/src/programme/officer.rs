//! The people who carry the programme, and the posts that they fill.
//!
//! A village has one person in charge (penanggung jawab) and two facilitators (petugas
//! Desmigratif), local residents chosen by the village's deliberation; a kabupaten or kota has one
//! coordinator at its manpower office. Who they are is personal and sealed: an [`Officer`]. Which
//! posts are filled is not: a [`Roster`], one a place, so that two who are assigned at once cannot
//! both get the last post.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::name::PersonName;
use crate::nik::Nik;
use crate::region::{RegionCode, VillageCode};
use crate::subject::Subject;
use crate::text::Text;

/// What an officer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Answers for the programme in the village (penanggung jawab).
    PersonInCharge,
    /// Serves workers and their families in the village (petugas Desmigratif).
    Facilitator,
    /// Coordinates the villages of a kabupaten or kota, at its manpower office.
    Coordinator,
}

impl Role {
    /// Every role, in declaration order.
    pub const ALL: [Self; 3] = [Self::PersonInCharge, Self::Facilitator, Self::Coordinator];

    /// The name under which the role is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PersonInCharge => "person-in-charge",
            Self::Facilitator => "facilitator",
            Self::Coordinator => "coordinator",
        }
    }

    /// How many may be in office at one place at a time.
    #[must_use]
    pub const fn places(self) -> usize {
        match self {
            Self::PersonInCharge | Self::Coordinator => 1,
            Self::Facilitator => 2,
        }
    }
}

/// Where an officer serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Station {
    /// A village.
    Village(VillageCode),
    /// A kabupaten or kota.
    Regency(RegionCode),
}

impl Station {
    /// The digits of the place's code.
    #[must_use]
    pub fn digits(self) -> String {
        match self {
            Self::Village(village) => village.digits(),
            Self::Regency(regency) => regency.digits(),
        }
    }
}

/// An officer. The record is about a person.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    /// The record's id.
    pub id: Uuid,
    /// The officer's pseudonym.
    pub subject: Subject,
    /// The officer's NIK.
    pub nik: Nik,
    /// The officer's name.
    pub name: PersonName,
    /// Telephone on duty, international form.
    pub phone: Option<String>,
    /// What the officer is there for.
    pub role: Role,
    /// Where.
    pub station: Station,
    /// First day in office.
    pub from: Date,
    /// Last day in office; none while it is open.
    pub until: Option<Date>,
}

impl fmt::Debug for Officer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Officer").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A post that is or was filled. It names no person: the officer is an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// The officer's record.
    pub officer: Uuid,
    /// The role.
    pub role: Role,
    /// First day.
    pub from: Date,
    /// Last day; none while it is open.
    pub until: Option<Date>,
}

impl Post {
    /// Whether the post is filled on a day; first and last day count.
    #[must_use]
    pub fn filled_on(&self, day: Date) -> bool {
        self.from <= day && self.until.is_none_or(|last| day <= last)
    }

    /// Whether the two are filled on some day both.
    fn meets(&self, other: &Self) -> bool {
        self.until.is_none_or(|last| other.from <= last)
            && other.until.is_none_or(|last| self.from <= last)
    }
}

/// The posts of a place. Its id is the digits of the place's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// The place.
    pub station: Station,
    /// Its posts, in the order of assignment.
    pub posts: Vec<Post>,
}

/// Why a post is not to be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostRefused {
    /// As many are in office in that time as the role allows.
    #[error("the posts of the role are filled")]
    Filled,
    /// The role is for another sort of place.
    #[error("the role is for another sort of place")]
    WrongStation,
    /// The officer's time at the place was ended before, or there is none.
    #[error("the officer is not in office here")]
    NotInOffice,
}

impl PostRefused {
    /// Its stable name.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Filled => "POST_FILLED",
            Self::WrongStation => "POST_OF_ANOTHER_PLACE",
            Self::NotInOffice => "OFFICER_NOT_IN_OFFICE",
        }
    }

    /// What it says to people.
    #[must_use]
    pub const fn text(self) -> Text {
        match self {
            Self::Filled => Text {
                en: "as many officers of this role are in office in that time as there may be: end another's first",
                id: "jumlah petugas dengan peran ini sudah penuh pada masa itu: akhiri dahulu tugas yang lain",
            },
            Self::WrongStation => Text {
                en: "a coordinator serves a kabupaten or kota, every other role a village",
                id: "koordinator bertugas di kabupaten atau kota, peran lain di desa",
            },
            Self::NotInOffice => Text {
                en: "the officer is not in office on that day",
                id: "petugas tidak sedang bertugas pada hari itu",
            },
        }
    }
}

impl Roster {
    /// A place without posts.
    #[must_use]
    pub const fn of(station: Station) -> Self {
        Self { station, posts: Vec::new() }
    }

    /// Fills a post.
    ///
    /// # Errors
    /// [`PostRefused::WrongStation`], or [`PostRefused::Filled`] when on some day of the post's time
    /// more would be in office than the role has [places](Role::places).
    pub fn fill(&mut self, post: Post) -> Result<(), PostRefused> {
        match (post.role, self.station) {
            (Role::Coordinator, Station::Regency(_))
            | (Role::PersonInCharge | Role::Facilitator, Station::Village(_)) => {}
            _ => return Err(PostRefused::WrongStation),
        }
        let others: Vec<_> =
            self.posts.iter().filter(|it| it.role == post.role && it.meets(&post)).collect();
        // Most are in office on the first day of one of them.
        let most = others
            .iter()
            .map(|it| it.from.max(post.from))
            .chain([post.from])
            .map(|day| others.iter().filter(|it| it.filled_on(day)).count())
            .max()
            .unwrap_or(0);
        if most >= post.role.places() {
            return Err(PostRefused::Filled);
        }
        self.posts.push(post);
        Ok(())
    }

    /// Ends an officer's time with a last day.
    ///
    /// # Errors
    /// [`PostRefused::NotInOffice`] unless the officer is in office on that day.
    pub fn end(&mut self, officer: Uuid, last: Date) -> Result<(), PostRefused> {
        let post = self
            .posts
            .iter_mut()
            .find(|post| post.officer == officer && post.filled_on(last))
            .ok_or(PostRefused::NotInOffice)?;
        post.until = Some(last);
        Ok(())
    }

    /// How many of a role are in office on a day.
    #[must_use]
    pub fn in_office(&self, role: Role, day: Date) -> usize {
        self.posts.iter().filter(|post| post.role == role && post.filled_on(day)).count()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn village() -> Roster {
        Roster::of(Station::Village(VillageCode::parse("32.12.16.2004").unwrap()))
    }

    fn post(n: u128, role: Role, from: Date, until: Option<Date>) -> Post {
        Post { officer: Uuid::from_u128(n), role, from, until }
    }

    #[test]
    fn a_village_has_two_facilitators_and_one_person_in_charge_at_a_time() {
        let mut roster = village();
        let day = date(2026, 1, 1);
        assert_eq!(roster.fill(post(1, Role::Facilitator, day, None)), Ok(()));
        assert_eq!(roster.fill(post(2, Role::Facilitator, day, None)), Ok(()));
        let third = post(3, Role::Facilitator, date(2026, 6, 1), None);
        assert_eq!(roster.fill(third), Err(PostRefused::Filled));
        assert_eq!(roster.end(Uuid::from_u128(1), date(2026, 5, 31)), Ok(()));
        assert_eq!(roster.fill(third), Ok(()));
        assert_eq!(roster.in_office(Role::Facilitator, date(2026, 6, 1)), 2);
        assert_eq!(roster.fill(post(4, Role::PersonInCharge, day, None)), Ok(()));
        let second = post(5, Role::PersonInCharge, day, None);
        assert_eq!(roster.fill(second), Err(PostRefused::Filled));
    }

    #[test]
    fn a_coordinator_serves_a_kabupaten_and_nobody_else_does() {
        let day = date(2026, 1, 1);
        let coordinator = post(1, Role::Coordinator, day, None);
        assert_eq!(village().fill(coordinator), Err(PostRefused::WrongStation));
        let mut office = Roster::of(Station::Regency(RegionCode::parse("32.12").unwrap()));
        assert_eq!(office.fill(coordinator), Ok(()));
        let facilitator = post(2, Role::Facilitator, day, None);
        assert_eq!(office.fill(facilitator), Err(PostRefused::WrongStation));
    }

    #[test]
    fn who_is_not_in_office_cannot_be_ended() {
        let mut roster = village();
        roster.fill(post(1, Role::Facilitator, date(2026, 1, 1), None)).unwrap();
        let other = Uuid::from_u128(9);
        assert_eq!(roster.end(other, date(2026, 2, 1)), Err(PostRefused::NotInOffice));
        let early = roster.end(Uuid::from_u128(1), date(2025, 12, 31));
        assert_eq!(early, Err(PostRefused::NotInOffice));
    }

    proptest! {
        /// Whatever is filled and in which order, no day has more facilitators than places.
        #[test]
        fn no_day_has_more_in_office_than_places(
            times in prop::collection::vec((1_i8..=28, prop::option::of(0_i8..=27)), 1..12),
        ) {
            let mut roster = village();
            for (n, (from, length)) in times.into_iter().enumerate() {
                let until = length.map(|days| date(2026, 1, (from + days).min(28)));
                let new = post(n as u128, Role::Facilitator, date(2026, 1, from), until);
                let _ = roster.fill(new);
                for day in 1..=31 {
                    prop_assert!(roster.in_office(Role::Facilitator, date(2026, 1, day)) <= 2);
                }
            }
        }
    }
}
