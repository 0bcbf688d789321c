//! Designating villages.

use desmigratif_core::ports::store::{Expect, Query};
use desmigratif_core::programme::Designation;
use desmigratif_core::record::{Kind, Record, Stored};
use desmigratif_core::region::{RegionCode, VillageCode};
use jiff::civil::Date;

use super::super::{Call, Change, Error, Exchange};
use super::{about_nobody, designation_key};

/// What is stated of a village when it is designated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDesignation {
    /// The village: a desa or desa adat in force.
    pub village: VillageCode,
    /// The programme year.
    pub year: i16,
    /// The decision.
    pub decree: String,
    /// Its day, where known.
    pub decided_on: Option<Date>,
    /// Whether it is a pilot village.
    pub pilot: bool,
}

impl Exchange {
    /// Decides on designating a village. Returns the record's new version too.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when it is designated; [`Error::NotFound`] when the village is not
    /// for this caller.
    pub async fn designate_village(
        &self,
        call: &Call,
        new: NewDesignation,
    ) -> Result<(Change, u64), Error> {
        let NewDesignation { village, year, decree, decided_on, pilot } = new;
        if !call.permit.reaches(village) {
            return Err(Error::NotFound(Kind::Designation));
        }
        let (expect, version) = match self.store.get(&designation_key(village)).await? {
            None => (Expect::Absent, 1),
            Some(Stored { record: Record::Designation(known), version, .. })
                if known.ended_on.is_some_and(|last| last.year() < year) =>
            {
                (Expect::Version(version), version + 1)
            }
            Some(_) => return Err(Error::AlreadyExists(Kind::Designation)),
        };
        let designation = Designation { village, year, decree, decided_on, pilot, ended_on: None };
        Ok((about_nobody(Record::Designation(designation), expect), version))
    }

    /// Decides on ending a village's designation. `etag` is the version last read, if stated.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::EtagMismatch`]; [`Error::VillageNotDesignated`] when the village
    /// is not in the programme on the last day.
    pub async fn end_designation(
        &self,
        call: &Call,
        village: VillageCode,
        last: Date,
        etag: Option<u64>,
    ) -> Result<(Change, u64), Error> {
        let (mut designation, version) = self.designated(call, village, last).await?;
        if etag.is_some_and(|etag| etag != version) {
            return Err(Error::EtagMismatch);
        }
        designation.ended_on = Some(last);
        let expect = Expect::Version(version);
        Ok((about_nobody(Record::Designation(designation), expect), version + 1))
    }

    /// The designations of a region after a village, by code, with their versions. They are public.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn designations(
        &self,
        region: Option<RegionCode>,
        year: Option<i16>,
        mut after: Option<String>,
        limit: u32,
    ) -> Result<Vec<(Designation, u64)>, Error> {
        let mut found = Vec::new();
        loop {
            let query = Query {
                place: region.map(RegionCode::digits),
                after,
                ..Query::of(Kind::Designation, limit)
            };
            let page = self.store.list(&query).await?;
            after = page.last().map(|stored| stored.record.key().id);
            let page = page.into_iter().filter_map(|stored| {
                let version = stored.version;
                stored.record.into_designation().map(|designation| (designation, version))
            });
            found.extend(page.filter(|(it, _)| year.is_none_or(|year| it.year == year)));
            if after.is_none() || found.len() >= limit as usize {
                found.truncate(limit as usize);
                return Ok(found);
            }
        }
    }
}
