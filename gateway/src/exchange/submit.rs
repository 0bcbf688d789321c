//! Submitting a change: one commit of records, journal entry, idempotency and deliveries.

use desmigratif_core::access::{AgencyKind, Classes, DataClass};
use desmigratif_core::journal::{EntryKind, Receipt};
use desmigratif_core::ports::store::outbox::{Delivery, Order};
use desmigratif_core::ports::store::{Commit, Committed, Expect, Write};
use desmigratif_core::record::{Key, Record};
use desmigratif_core::subject::Subject;

use super::{Call, Error, Exchange};

/// What a use case decided to change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The records to write, with what each must find.
    pub writes: Vec<(Record, Expect)>,
    /// Records that a rule was judged by, with their versions.
    pub unchanged: Vec<(Key, u64)>,
    /// What is done with earlier deliveries.
    pub orders: Vec<Order>,
    /// Who is erased.
    pub erase: Option<Subject>,
    /// The people concerned. The first is the one under whose key is sealed what is about nobody
    /// with a pseudonym of their own.
    pub subjects: Vec<Subject>,
    /// The classes of data concerned.
    pub classes: Classes,
}

impl Change {
    /// The change that writes one record about one person.
    #[must_use]
    pub fn one(record: Record, expect: Expect, subject: Subject, classes: Classes) -> Self {
        Self {
            writes: vec![(record, expect)],
            unchanged: Vec::new(),
            orders: Vec::new(),
            erase: None,
            subjects: vec![subject],
            classes,
        }
    }

    /// The change that writes one record that is about nobody.
    #[must_use]
    pub fn about_nobody(record: Record, expect: Expect, classes: Classes) -> Self {
        Self {
            writes: vec![(record, expect)],
            unchanged: Vec::new(),
            orders: Vec::new(),
            erase: None,
            subjects: Vec::new(),
            classes,
        }
    }
}

impl Exchange {
    /// The kept answer when the call repeats an earlier one.
    ///
    /// # Errors
    /// [`Error::IdempotencyMismatch`] when its id came with another body before.
    pub async fn answered(&self, call: &Call) -> Result<Option<Committed>, Error> {
        match call.store_request() {
            Some(request) => Ok(self.store.answered(&request).await?),
            None => Ok(None),
        }
    }

    /// Says whether a change would be made as records are now, and makes none. That it was asked is
    /// an entry, durable before the answer is known to anybody: it tells whether a person is
    /// registered.
    ///
    /// # Errors
    /// Those with which [`Exchange::submit`] would refuse the change; nothing has been changed.
    pub async fn rehearse(&self, call: &Call, change: &Change) -> Result<Receipt, Error> {
        let mut entry = Self::draft(EntryKind::Disclosure, call);
        entry.subjects.clone_from(&change.subjects);
        // Of a person it tells no more than that there is a record.
        let told = Classes::of(&[DataClass::Programme]);
        entry.classes = if change.subjects.is_empty() { change.classes } else { told };
        let receipt = self.record(entry, call.credentials.clone()).await?;
        for (record, expect) in &change.writes {
            self.expected(record, *expect).await?;
        }
        Ok(receipt)
    }

    /// Looks whether a record could be written now.
    async fn expected(&self, record: &Record, expect: Expect) -> Result<(), Error> {
        let key = record.key();
        let version = self.store.get(&key).await?.map(|stored| stored.version);
        let expected = match expect {
            Expect::Any => true,
            Expect::Absent => version.is_none(),
            Expect::Version(expected) => version == Some(expected),
        };
        if !expected {
            return Err(Error::EtagMismatch);
        }
        let Some(alias) = record.index().alias else { return Ok(()) };
        match self.store.get_by_alias(key.kind, &alias).await? {
            Some(other) if other.record.key() != key => Err(Error::AlreadyExists(key.kind)),
            _ => Ok(()),
        }
    }

    /// Makes a change durable, with the answer to keep for a repetition of the call.
    ///
    /// # Errors
    /// As [`Error`] says; nothing has been changed then, except that after
    /// [`Error::JournalUnavailable`] it may have been.
    pub async fn submit(
        &self,
        call: &Call,
        change: Change,
        answer: Vec<u8>,
    ) -> Result<Committed, Error> {
        let caller = call.permit.agency().kind;
        let mut entry = Self::draft(EntryKind::Change, call);
        entry.classes = change.classes;
        // Whatever is written of a person waits in the person's own line, family included.
        let line = change.subjects.first().copied();
        let deliveries: Vec<_> = change
            .writes
            .iter()
            .filter_map(|(record, _)| Some((record, line.or(record.index().subject)?)))
            .flat_map(|(record, subject)| {
                recipients(record).iter().filter(|to| **to != caller).map(move |to| Delivery {
                    to: *to,
                    subject,
                    record: record.key(),
                })
            })
            .collect();
        entry.subjects = change.subjects;
        let woken: Vec<_> = match change.orders.as_slice() {
            [] => deliveries.iter().map(|delivery| delivery.to).collect(),
            // An order names a delivery and not its ministry.
            _ => AgencyKind::MINISTRIES.to_vec(),
        };
        let writes = change.writes.into_iter().map(|(record, expect)| Write { record, expect });
        let commit = Commit {
            request: call.store_request(),
            writes: writes.collect(),
            unchanged: change.unchanged,
            entry,
            credentials: Some(call.credentials.clone()),
            deliveries,
            orders: change.orders,
            erase: change.erase,
            answer,
        };
        let committed = self.commit(commit).await?;
        self.wake.wake(&woken);
        Ok(committed)
    }
}

/// The ministries that a record goes to when another agency has written it: its owner, and for
/// a clearance also Kemnaker, which decides on placement by it. What the programme is made of goes
/// to nobody: whoever keeps a copy of it follows the change feed.
const fn recipients(record: &Record) -> &'static [AgencyKind] {
    match record {
        Record::Worker(_) | Record::FamilyMember(_) => &[AgencyKind::Kemnaker],
        Record::Clearance(_) => &[AgencyKind::Kemenkes, AgencyKind::Kemnaker],
        Record::Facility(_)
        | Record::IdentityCheck(_)
        | Record::VillageIndex(_)
        | Record::Agency(_)
        | Record::Adapter(_)
        | Record::Withholding(_)
        | Record::Designation(_)
        | Record::Roster(_)
        | Record::Officer(_)
        | Record::Activity(_)
        | Record::Enterprise(_)
        | Record::ParentingFamily(_)
        | Record::SectorService(_)
        | Record::Setting(_) => &[],
    }
}
