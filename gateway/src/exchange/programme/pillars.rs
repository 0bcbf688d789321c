//! What is done under the pillars: activities, enterprises, and families in community parenting.

use desmigratif_core::access::{Classes, DataClass};
use desmigratif_core::ports::store::{Expect, Order};
use desmigratif_core::programme::{
    Activity, Budget, Enterprise, EnterpriseKind, EnterpriseStatus, ParentingFamily, Pillar,
};
use desmigratif_core::record::{Key, Kind, Record, Stored};
use desmigratif_core::region::VillageCode;
use desmigratif_core::worker::Worker;
use jiff::civil::Date;
use uuid::Uuid;

use super::super::{Call, Change, Disclosed, Error, Exchange};
use super::{PlaceFilter, about_nobody, designation_key, expected};

/// What is stated of an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewActivity {
    /// The record to be changed; none for a new one.
    pub id: Option<Uuid>,
    /// The village.
    pub village: VillageCode,
    /// The pillar.
    pub pillar: Pillar,
    /// What it is.
    pub title: String,
    /// First day.
    pub from: Date,
    /// Last day.
    pub until: Option<Date>,
    /// Women who took part.
    pub women: u32,
    /// Men who took part.
    pub men: u32,
    /// What it cost.
    pub budget: Option<Budget>,
    /// What came of it.
    pub outcome: String,
}

/// What is stated of an enterprise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEnterprise {
    /// The record to be changed; none for a new one.
    pub id: Option<Uuid>,
    /// The village.
    pub village: VillageCode,
    /// What sort it is.
    pub kind: EnterpriseKind,
    /// Its name.
    pub name: String,
    /// What it makes.
    pub field: String,
    /// Its members.
    pub members: u32,
    /// How it stands.
    pub status: EnterpriseStatus,
    /// The day of its founding.
    pub founded_on: Option<Date>,
    /// Its number in a register.
    pub registration_number: String,
    /// Whether it is ready for export.
    pub export_ready: bool,
}

/// What is stated of a family in community parenting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFamily {
    /// The worker.
    pub worker_id: Uuid,
    /// The children, each once.
    pub children: Vec<Uuid>,
    /// First day.
    pub from: Date,
}

impl Exchange {
    /// Decides on recording an activity. Returns the record's id and new version too.
    ///
    /// # Errors
    /// [`Error::VillageNotDesignated`] unless the village was in the programme on the first day;
    /// [`Error::NotFound`], [`Error::EtagMismatch`] for one that is to be changed.
    pub async fn record_activity(
        &self,
        call: &Call,
        new: NewActivity,
        etag: Option<u64>,
    ) -> Result<(Change, Uuid, u64), Error> {
        let NewActivity { id, village, pillar, title, from, until, women, men, budget, outcome } =
            new;
        let designated = self.designated(call, village, from).await?.1;
        let (id, version) = self.to_record(call, Kind::Activity, id, etag).await?;
        let recorded_by = call.permit.agency().id.clone();
        let record = Record::Activity(Activity {
            id,
            village,
            pillar,
            title,
            from,
            until,
            women,
            men,
            budget,
            outcome,
            recorded_by,
        });
        Ok((of_village(record, version, village, designated), id, version + 1))
    }

    /// Decides on recording an enterprise. Returns the record's id and new version too.
    ///
    /// # Errors
    /// As [`Exchange::record_activity`], for today.
    pub async fn record_enterprise(
        &self,
        call: &Call,
        new: NewEnterprise,
        etag: Option<u64>,
    ) -> Result<(Change, Uuid, u64), Error> {
        let village = new.village;
        let designated = self.designated(call, village, self.clock.today()).await?.1;
        let (id, version) = self.to_record(call, Kind::Enterprise, new.id, etag).await?;
        let record = Record::Enterprise(Enterprise {
            id,
            village,
            kind: new.kind,
            name: new.name,
            field: new.field,
            members: new.members,
            status: new.status,
            founded_on: new.founded_on,
            registration_number: new.registration_number,
            export_ready: new.export_ready,
            recorded_by: call.permit.agency().id.clone(),
        });
        Ok((of_village(record, version, village, designated), id, version + 1))
    }

    /// The id under which a record is written, and the version that is there: 0 for a new one.
    async fn to_record(
        &self,
        call: &Call,
        kind: Kind,
        id: Option<Uuid>,
        etag: Option<u64>,
    ) -> Result<(Uuid, u64), Error> {
        let Some(id) = id else { return Ok((self.new_id(), 0)) };
        let key = Key { kind, id: id.to_string() };
        let stored = self.store.get(&key).await?.ok_or(Error::NotFound(kind))?;
        let place = stored.record.index().place.unwrap_or_default();
        if !place.starts_with(&call.permit.place_bound()) {
            return Err(Error::NotFound(kind));
        }
        if etag.is_some_and(|etag| etag != stored.version) {
            return Err(Error::EtagMismatch);
        }
        Ok((id, stored.version))
    }

    /// The activities of a place with their versions, the last recorded first.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn activities(
        &self,
        call: &Call,
        filter: PlaceFilter,
    ) -> Result<Vec<(Activity, u64)>, Error> {
        let stored = self.of_places(call, Kind::Activity, Order::Descending, filter).await?;
        let activity = |it: Stored| Some((it.record.into_activity()?, it.version));
        Ok(stored.into_iter().filter_map(activity).collect())
    }

    /// The enterprises of a place with their versions, the last recorded first.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn enterprises(
        &self,
        call: &Call,
        filter: PlaceFilter,
    ) -> Result<Vec<(Enterprise, u64)>, Error> {
        let stored = self.of_places(call, Kind::Enterprise, Order::Descending, filter).await?;
        let enterprise = |it: Stored| Some((it.record.into_enterprise()?, it.version));
        Ok(stored.into_iter().filter_map(enterprise).collect())
    }

    /// Decides on enrolling a worker's family in the community parenting of the worker's village.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such worker, or a child is none of the family;
    /// [`Error::VillageNotDesignated`].
    pub async fn enrol_family(&self, call: &Call, new: NewFamily) -> Result<Change, Error> {
        let (worker, version) = self.worker_of_family(call, new.worker_id).await?;
        let members = self.family(call, worker.id).await?;
        let child = |id: &Uuid| members.value.iter().find(|member| member.id == *id);
        let children: Vec<_> = new.children.iter().map(child).collect();
        if children.iter().any(Option::is_none) {
            return Err(Error::NotFound(Kind::FamilyMember));
        }
        let designated = self.designated(call, worker.village, self.clock.today()).await?.1;
        let known = self.parenting_family(worker.id).await?;
        let (expect, from) = match known {
            Some((family, version)) if family.until.is_none() => {
                (Expect::Version(version), family.from)
            }
            Some((_, version)) => (Expect::Version(version), new.from),
            None => (Expect::Absent, new.from),
        };
        let family = ParentingFamily {
            worker_id: worker.id,
            subject: worker.subject,
            village: worker.village,
            children: new.children,
            from,
            until: None,
        };
        let record = Record::ParentingFamily(family);
        let mut change = Change::one(record, expect, worker.subject, of_families());
        // It concerns the children too, who may ask for it.
        change.subjects.extend(children.into_iter().flatten().filter_map(|child| child.subject));
        change.unchanged = vec![
            (Key { kind: Kind::Worker, id: worker.id.to_string() }, version),
            (designation_key(worker.village), designated),
        ];
        Ok(change)
    }

    /// Decides on ending a family's part in community parenting.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such worker, or the family does not take part.
    pub async fn withdraw_family(
        &self,
        call: &Call,
        worker_id: Uuid,
        last: Date,
    ) -> Result<Change, Error> {
        let (worker, _) = self.worker_of_family(call, worker_id).await?;
        let (mut family, version) = self
            .parenting_family(worker_id)
            .await?
            .filter(|(family, _)| family.until.is_none())
            .ok_or(Error::NotFound(Kind::ParentingFamily))?;
        family.until = Some(last.max(family.from));
        let expect = Expect::Version(version);
        let record = Record::ParentingFamily(family);
        Ok(Change::one(record, expect, worker.subject, of_families()))
    }

    /// The families of a place, in the order of their workers' registration.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn families(
        &self,
        call: &Call,
        filter: PlaceFilter,
    ) -> Result<Disclosed<Vec<ParentingFamily>>, Error> {
        let stored = self.of_places(call, Kind::ParentingFamily, Order::Ascending, filter).await?;
        let families: Vec<_> =
            stored.into_iter().filter_map(|stored| stored.record.into_parenting_family()).collect();
        let subjects = families.iter().map(|family| family.subject).collect();
        Ok(Disclosed::read(families, subjects))
    }

    async fn worker_of_family(&self, call: &Call, id: Uuid) -> Result<(Worker, u64), Error> {
        let stored = self.worker(call, id).await?.value;
        let version = stored.version;
        let worker = stored.record.into_worker().ok_or_else(|| Error::misfiled(Kind::Worker))?;
        Ok((worker, version))
    }

    async fn parenting_family(
        &self,
        worker_id: Uuid,
    ) -> Result<Option<(ParentingFamily, u64)>, Error> {
        let key = Key { kind: Kind::ParentingFamily, id: worker_id.to_string() };
        let Some(stored) = self.store.get(&key).await? else { return Ok(None) };
        let version = stored.version;
        let family = stored.record.into_parenting_family();
        let family = family.ok_or_else(|| Error::misfiled(Kind::ParentingFamily))?;
        Ok(Some((family, version)))
    }
}

/// The change that writes a record of a village, as long as the designation is what it was.
fn of_village(record: Record, version: u64, village: VillageCode, designated: u64) -> Change {
    Change {
        unchanged: vec![(designation_key(village), designated)],
        ..about_nobody(record, expected(version))
    }
}

/// The class of what is about families.
const fn of_families() -> Classes {
    Classes::of(&[DataClass::Family])
}
