//! The people who carry the programme: who fills which post.

use desmigratif_core::access::{Classes, DataClass};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::store::{Expect, Order};
use desmigratif_core::programme::{Officer, Post, Role, Roster, Station};
use desmigratif_core::record::{Key, Kind, Record};
use jiff::civil::Date;
use uuid::Uuid;

use super::super::{Call, Change, Disclosed, Error, Exchange};
use super::{PlaceFilter, about_nobody, designation_key, expected};

/// What is stated of an officer.
#[derive(Clone, PartialEq)]
pub struct NewOfficer {
    /// What the officer is there for.
    pub role: Role,
    /// Where.
    pub station: Station,
    /// The NIK.
    pub nik: Nik,
    /// The name.
    pub name: PersonName,
    /// The telephone on duty.
    pub phone: Option<String>,
    /// First day in office.
    pub from: Date,
}

/// Which officers are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfficerFilter {
    /// Digits that the place's code begins with.
    pub place: String,
    /// Only those of this role.
    pub role: Option<Role>,
    /// After this id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Exchange {
    /// Decides on assigning an officer. Returns the new id too.
    ///
    /// # Errors
    /// [`Error::PostRefused`]; [`Error::VillageNotDesignated`]; [`Error::NotFound`] when the place is
    /// not for this caller; [`Error::Limited`].
    pub async fn assign_officer(
        &self,
        call: &Call,
        new: NewOfficer,
    ) -> Result<(Change, Uuid), Error> {
        let NewOfficer { role, station, nik, name, phone, from } = new;
        let subject = self.named(call, &nik).await?;
        let mut unchanged = Vec::new();
        match station {
            Station::Village(village) => {
                let (_, version) = self.designated(call, village, from).await?;
                unchanged.push((designation_key(village), version));
            }
            Station::Regency(_) => self.reaches_station(call, station)?,
        }
        let (mut roster, version) = self.roster(station).await?;
        let id = self.new_id();
        let post = Post { officer: id, role, from, until: None };
        roster.fill(post).map_err(Error::PostRefused)?;
        let officer = Officer { id, subject, nik, name, phone, role, station, from, until: None };
        let mut change =
            Change::one(Record::Officer(officer), Expect::Absent, subject, about_an_officer());
        change.writes.push((Record::Roster(roster), expected(version)));
        change.unchanged = unchanged;
        Ok((change, id))
    }

    /// Decides on ending an officer's time. Of one who was erased the post is left, and must not stay
    /// filled for ever: it is ended all the same. That is why the rosters are asked where an officer
    /// serves, and not the officer's own record.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::PostRefused`] when the officer is not in office on that day.
    pub async fn end_officer(&self, call: &Call, id: Uuid, last: Date) -> Result<Change, Error> {
        self.mirror.current().await?;
        let station = self.mirror.villages(|villages| villages.station_of(id));
        let station = station.ok_or(Error::NotFound(Kind::Officer))?;
        self.reaches_station(call, station)?;
        let (mut roster, of_roster) = self.roster(station).await?;
        roster.end(id, last).map_err(Error::PostRefused)?;
        let key = Key { kind: Kind::Officer, id: id.to_string() };
        let Some(stored) = self.store.get(&key).await? else {
            return Ok(about_nobody(Record::Roster(roster), expected(of_roster)));
        };
        let version = stored.version;
        let mut officer =
            stored.record.into_officer().ok_or_else(|| Error::misfiled(Kind::Officer))?;
        officer.until = Some(last);
        let subject = officer.subject;
        let expect = Expect::Version(version);
        let mut change = Change::one(Record::Officer(officer), expect, subject, about_an_officer());
        change.writes.push((Record::Roster(roster), expected(of_roster)));
        Ok(change)
    }

    /// The officers that meet a filter, in order of assignment.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn officers(
        &self,
        call: &Call,
        filter: OfficerFilter,
    ) -> Result<Disclosed<Vec<Officer>>, Error> {
        let OfficerFilter { place, role, after, limit } = filter;
        let filter = PlaceFilter { place, state: role.map(Role::as_str), after, limit };
        let stored = self.of_places(call, Kind::Officer, Order::Ascending, filter).await?;
        let officers: Vec<_> =
            stored.into_iter().filter_map(|stored| stored.record.into_officer()).collect();
        let subjects = officers.iter().map(|officer| officer.subject).collect();
        Ok(Disclosed::read(officers, subjects))
    }

    fn reaches_station(&self, call: &Call, station: Station) -> Result<(), Error> {
        let reached = station.digits().starts_with(&call.permit.place_bound());
        if reached { Ok(()) } else { Err(Error::NotFound(Kind::Officer)) }
    }

    /// The posts of a place with their record's version; 0 when there is no record yet.
    async fn roster(&self, station: Station) -> Result<(Roster, u64), Error> {
        let key = Key { kind: Kind::Roster, id: station.digits() };
        match self.store.get(&key).await? {
            None => Ok((Roster::of(station), 0)),
            Some(stored) => {
                let version = stored.version;
                let roster =
                    stored.record.into_roster().ok_or_else(|| Error::misfiled(Kind::Roster))?;
                Ok((roster, version))
            }
        }
    }
}

/// The classes of data that an officer's record holds.
const fn about_an_officer() -> Classes {
    Classes::of(&[DataClass::Programme, DataClass::Identity, DataClass::Contact])
}
