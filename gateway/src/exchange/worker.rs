//! Workers and their families: register, read, change, advance.

use std::collections::BTreeSet;

use desmigratif_core::access::{Classes, DataClass};
use desmigratif_core::birth::BirthDate;
use desmigratif_core::clearance::{Clearance, Country};
use desmigratif_core::family::{FamilyMember, Relation};
use desmigratif_core::identity::Sex;
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::{KkNumber, Nik};
use desmigratif_core::ports::store::{Expect, Order, Query};
use desmigratif_core::record::{Key, Kind, Record, Stored};
use desmigratif_core::region::VillageCode;
use desmigratif_core::stage::{self, Evidence, Stage};
use desmigratif_core::worker::{Contact, Document, Placement, Worker};
use uuid::Uuid;

use super::{Call, Change, Disclosed, Error, Exchange, reach};

/// More clearances than one worker will ever have.
const MOST_CLEARANCES: u32 = 200;
/// More members than any family has.
const MOST_MEMBERS: u32 = 200;

/// What is stated of a worker when he or she is registered.
#[derive(Clone, Debug, PartialEq)]
pub struct NewWorker {
    /// The NIK.
    pub nik: Nik,
    /// What may change later.
    pub fields: Vec<WorkerField>,
    /// The name.
    pub name: PersonName,
    /// The birth date.
    pub birth: BirthDate,
    /// The sex.
    pub sex: Sex,
    /// The home village, under a code in force.
    pub village: VillageCode,
}

/// A field of a worker with its new value.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerField {
    /// The family card's number.
    Kk(Option<KkNumber>),
    /// The name.
    Name(PersonName),
    /// The birth date.
    Birth(BirthDate),
    /// The sex.
    Sex(Sex),
    /// The home village.
    Village(VillageCode),
    /// The telephone.
    Phone(Option<String>),
    /// The street address.
    Address(Option<String>),
    /// The destination.
    Destination(Option<Country>),
    /// Who places the worker.
    Placement(Option<Placement>),
    /// The documents held.
    Documents(BTreeSet<Document>),
}

/// Which workers are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerFilter {
    /// Digits that the home village's code begins with.
    pub place: String,
    /// At this stage.
    pub stage: Option<Stage>,
    /// After this id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// What is stated of a family member.
#[derive(Clone, PartialEq)]
pub struct NewFamilyMember {
    /// The name.
    pub name: PersonName,
    /// The relation to the worker.
    pub relation: Relation,
    /// The NIK, where known.
    pub nik: Option<Nik>,
    /// The birth date, where known.
    pub birth: Option<BirthDate>,
    /// Whether the member cares for the worker's children.
    pub caretaker: bool,
}

/// A worker with the version that an etag is made of.
type VersionedWorker = (Worker, u64);

impl Exchange {
    /// Decides on registering a worker, at the stage `Prospective`. Returns the new id too.
    ///
    /// # Errors
    /// [`Error::Limited`]: that a person is registered already is an answer about the person.
    pub async fn register_worker(
        &self,
        call: &Call,
        new: NewWorker,
    ) -> Result<(Change, Uuid), Error> {
        let subject = self.named(call, &new.nik).await?;
        let mut worker = Worker {
            id: self.new_id(),
            subject,
            nik: new.nik,
            kk: None,
            name: new.name,
            birth: new.birth,
            sex: new.sex,
            village: new.village,
            contact: Contact::default(),
            stage: Stage::Prospective,
            destination: None,
            placement: None,
            documents: BTreeSet::new(),
            verification: None,
            registered_by: call.permit.agency().id.clone(),
        };
        for field in new.fields {
            apply(&mut worker, field);
        }
        let id = worker.id;
        Ok((Change::one(Record::Worker(worker), Expect::Absent, subject, written()), id))
    }

    /// A worker by id.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when the worker is not for this caller.
    pub async fn worker(&self, call: &Call, id: Uuid) -> Result<Disclosed<Stored>, Error> {
        let key = Key { kind: Kind::Worker, id: id.to_string() };
        self.reachable_worker(call, self.store.get(&key).await?)
    }

    /// A worker by NIK.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when the worker is not for this caller.
    pub async fn worker_by_nik(&self, call: &Call, nik: &Nik) -> Result<Disclosed<Stored>, Error> {
        let alias = self.named(call, nik).await?.to_string();
        self.reachable_worker(call, self.store.get_by_alias(Kind::Worker, &alias).await?)
    }

    fn reachable_worker(
        &self,
        call: &Call,
        stored: Option<Stored>,
    ) -> Result<Disclosed<Stored>, Error> {
        let stored = stored.ok_or(Error::NotFound(Kind::Worker))?;
        let Record::Worker(worker) = &stored.record else {
            return Err(Error::misfiled(Kind::Worker));
        };
        if !call.permit.reaches_worker(worker) {
            return Err(Error::NotFound(Kind::Worker));
        }
        let subjects = vec![worker.subject];
        Ok(Disclosed::read(stored, subjects))
    }

    /// Workers by region and stage, in order of registration.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn workers(
        &self,
        call: &Call,
        filter: WorkerFilter,
    ) -> Result<Disclosed<Vec<Stored>>, Error> {
        let Some(place) = reach::within(call, &filter.place) else {
            return Ok(Disclosed::read(Vec::new(), Vec::new()));
        };
        let query = Query {
            place: Some(place).filter(|place| !place.is_empty()),
            state: filter.stage.map(Stage::as_str),
            after: filter.after,
            ..Query::of(Kind::Worker, filter.limit)
        };
        let value = self.store.list(&query).await?;
        let subjects = value.iter().filter_map(|stored| stored.record.index().subject).collect();
        Ok(Disclosed::read(value, subjects))
    }

    /// Decides on changing fields of a worker. `etag` is the version last read, if stated.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::EtagMismatch`].
    pub async fn update_worker(
        &self,
        call: &Call,
        id: Uuid,
        etag: Option<u64>,
        fields: Vec<WorkerField>,
    ) -> Result<(Change, u64), Error> {
        let (mut worker, version) = self.worker_to_change(call, id, etag).await?;
        for field in fields {
            apply(&mut worker, field);
        }
        let subject = worker.subject;
        let expect = Expect::Version(version);
        Ok((Change::one(Record::Worker(worker), expect, subject, written()), version + 1))
    }

    /// Decides on moving a worker to another stage, by every guard of the core.
    ///
    /// # Errors
    /// [`Error::StageRefused`] with all guards that refuse; [`Error::NotFound`],
    /// [`Error::EtagMismatch`].
    pub async fn advance_stage(
        &self,
        call: &Call,
        id: Uuid,
        etag: Option<u64>,
        target: Stage,
    ) -> Result<(Change, u64), Error> {
        let (mut worker, version) = self.worker_to_change(call, id, etag).await?;
        let query = Query {
            parent: Some(id.to_string()),
            order: Order::Descending,
            ..Query::of(Kind::Clearance, MOST_CLEARANCES)
        };
        let stored = self.store.list(&query).await?;
        let judged_by = stored.iter().map(|stored| (stored.record.key(), stored.version)).collect();
        let clearances: Vec<Clearance> =
            stored.into_iter().filter_map(|stored| stored.record.into_clearance()).collect();
        let evidence = Evidence {
            today: self.clock.today(),
            clearances: &clearances,
            validity: &self.validity,
        };
        stage::advance(&worker, target, &evidence).map_err(Error::StageRefused)?;
        if target == Stage::Prospective {
            // A new placement begins anew: visa, contract and agreement were for the old one.
            (worker.destination, worker.placement) = (None, None);
            worker.documents.clear();
        }
        worker.stage = target;
        let subject = worker.subject;
        let classes = Classes::of(&[DataClass::Programme]);
        let mut change =
            Change::one(Record::Worker(worker), Expect::Version(version), subject, classes);
        change.unchanged = judged_by;
        Ok((change, version + 1))
    }

    /// Decides on adding a member to a worker's family. Returns the new id too.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn add_family_member(
        &self,
        call: &Call,
        worker_id: Uuid,
        new: NewFamilyMember,
    ) -> Result<(Change, Uuid), Error> {
        let (worker, version) = self.worker_to_change(call, worker_id, None).await?;
        let member = FamilyMember {
            id: self.new_id(),
            worker_id,
            subject: new.nik.as_ref().map(|nik| self.subject_key.pseudonym(nik)),
            name: new.name,
            relation: new.relation,
            nik: new.nik,
            birth: new.birth,
            caretaker: new.caretaker,
        };
        let (id, subject) = (member.id, member.subject);
        let mut change = Change::one(
            Record::FamilyMember(member),
            Expect::Absent,
            worker.subject,
            Classes::of(&[DataClass::Family]),
        );
        // It concerns the member too, who may ask for it.
        change.subjects.extend(subject);
        change.unchanged = vec![(Key { kind: Kind::Worker, id: worker_id.to_string() }, version)];
        Ok((change, id))
    }

    /// The members of a worker's family, in order of registration.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such worker, or not for this caller.
    pub async fn family(
        &self,
        call: &Call,
        worker_id: Uuid,
    ) -> Result<Disclosed<Vec<FamilyMember>>, Error> {
        let worker = self.worker(call, worker_id).await?;
        let query = Query {
            parent: Some(worker_id.to_string()),
            ..Query::of(Kind::FamilyMember, MOST_MEMBERS)
        };
        let stored = self.store.list(&query).await?;
        let members: Vec<_> =
            stored.into_iter().filter_map(|stored| stored.record.into_family_member()).collect();
        let mut subjects = worker.subjects;
        subjects.extend(members.iter().filter_map(|member| member.subject));
        Ok(Disclosed::read(members, subjects))
    }

    async fn worker_to_change(
        &self,
        call: &Call,
        id: Uuid,
        etag: Option<u64>,
    ) -> Result<VersionedWorker, Error> {
        let stored = self.worker(call, id).await?.value;
        if etag.is_some_and(|etag| etag != stored.version) {
            return Err(Error::EtagMismatch);
        }
        let version = stored.version;
        let worker = stored.record.into_worker().ok_or_else(|| Error::misfiled(Kind::Worker))?;
        Ok((worker, version))
    }
}

/// The classes of data that a worker's record holds.
const fn written() -> Classes {
    Classes::of(&[DataClass::Programme, DataClass::Identity, DataClass::Contact])
}

/// Sets a field. A verified identity is verified no more when what was verified changes.
fn apply(worker: &mut Worker, field: WorkerField) {
    match field {
        WorkerField::Kk(kk) => worker.kk = kk,
        WorkerField::Name(name) => {
            worker.name = name;
            worker.verification = None;
        }
        WorkerField::Birth(birth) => {
            worker.birth = birth;
            worker.verification = None;
        }
        WorkerField::Sex(sex) => {
            worker.sex = sex;
            worker.verification = None;
        }
        WorkerField::Village(village) => worker.village = village,
        WorkerField::Phone(phone) => worker.contact.phone = phone,
        WorkerField::Address(address) => worker.contact.address = address,
        WorkerField::Destination(destination) => worker.destination = destination,
        WorkerField::Placement(placement) => worker.placement = placement,
        WorkerField::Documents(documents) => worker.documents = documents,
    }
}
