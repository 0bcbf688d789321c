//! What the journal tells of a person: to the person, who read and changed what; and of an agency
//! whose access was abused, whom it exposed.

use std::collections::BTreeMap;

use desmigratif_core::access::{Classes, Purpose};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::{Entry, EntryKind, Receipt};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::store::trail::{Caller, Exposures, Span};
use desmigratif_core::ports::store::{Expect, Order, Query};
use desmigratif_core::record::{Key, Kind, Record};
use desmigratif_core::subject::Subject;
use desmigratif_core::withholding::Withholding;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Call, Change, Disclosed, Error, Exchange, agencies};

/// An entry as one of the people whom it concerns is told of it. It has no place for the others,
/// nor for how many they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailLine {
    /// Where the entry stands, and when it was committed.
    pub receipt: Receipt,
    /// What was done.
    pub kind: EntryKind,
    /// Who did it.
    pub agency: AgencyId,
    /// The agency's name.
    pub agency_name: String,
    /// Why.
    pub purpose: Option<Purpose>,
    /// By which method.
    pub method: String,
    /// The classes of data in all of it.
    pub classes: Classes,
}

/// What is to be withheld.
#[derive(Clone, Debug)]
pub struct NewWithholding {
    /// From whom.
    pub nik: Nik,
    /// Whose entries.
    pub agency: AgencyId,
    /// Those committed then or later.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who ordered it.
    pub ordered_by: String,
    /// What the order rests on.
    pub legal_reference: String,
}

impl Exchange {
    /// The entries that concern a person, the newest first, without those that are withheld; one
    /// more than `limit`, and perhaps more, when more are there.
    ///
    /// The newest come first since the journal grows while it is read: each page is an entry about
    /// the person itself, and whoever went the other way would never come to the end.
    ///
    /// # Errors
    /// [`Error::Limited`], [`Error::JournalUnavailable`].
    pub async fn trail(
        &self,
        call: &Call,
        nik: &Nik,
        mut before: Option<u64>,
        limit: u32,
    ) -> Result<Disclosed<Vec<TrailLine>>, Error> {
        let subject = self.named(call, nik).await?;
        let withheld = self.withheld(subject).await?;
        let (mut lines, mut names) = (Vec::new(), BTreeMap::new());
        while lines.len() <= limit as usize {
            let found = self.store.entries_about(&subject, before, limit + 1).await?;
            let Some(last) = found.last() else { break };
            before = Some(last.index);
            for entry in found {
                if withheld.iter().any(|withholding| withholding.covers(&entry)) {
                    continue;
                }
                let agency = &entry.draft.agency;
                if !names.contains_key(agency) {
                    names.insert(agency.clone(), self.agency_name(agency).await?);
                }
                lines.push(TrailLine::of(entry, &names));
            }
        }
        Ok(Disclosed::read(lines, vec![subject]))
    }

    /// The withholdings from a person that are in force.
    async fn withheld(&self, subject: Subject) -> Result<Vec<Withholding>, Error> {
        // All of them: one that is left out would tell what it is to withhold.
        let query = Query { subject: Some(subject), ..Query::of(Kind::Withholding, u32::MAX) };
        let (found, now) = (self.store.list(&query).await?, self.clock.now());
        let found = found.into_iter().filter_map(|stored| stored.record.into_withholding());
        Ok(found.filter(|withholding| withholding.holds(now)).collect())
    }

    /// The name of an agency; empty when it is not registered any more.
    async fn agency_name(&self, id: &AgencyId) -> Result<String, Error> {
        let agency = self
            .store
            .get(&agencies::key(id))
            .await?
            .and_then(|stored| stored.record.into_agency());
        Ok(agency.map_or_else(String::new, |agency| agency.name))
    }

    /// Decides on withholding an agency's entries from a person. It looks nobody up: a person of
    /// whom nothing is known is answered in the same way.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such agency; [`Error::JournalUnavailable`].
    pub async fn withhold(&self, new: NewWithholding) -> Result<(Change, Uuid), Error> {
        self.known_agency(&new.agency).await?;
        let withholding = Withholding {
            id: self.new_id(),
            subject: self.subject_key.pseudonym(&new.nik),
            agency: new.agency,
            from: new.from,
            until: new.until,
            ordered_by: new.ordered_by,
            legal_reference: new.legal_reference,
            ended_at: None,
        };
        let id = withholding.id;
        Ok((about(withholding, Expect::Absent), id))
    }

    /// Decides on ending a withholding now. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::JournalUnavailable`].
    pub async fn end_withholding(&self, id: Uuid) -> Result<Change, Error> {
        let (kind, now) = (Kind::Withholding, self.clock.now());
        let key = Key { kind, id: id.to_string() };
        let stored = self.store.get(&key).await?.ok_or(Error::NotFound(kind))?;
        let version = stored.version;
        let withholding = stored.record.into_withholding().ok_or_else(|| Error::misfiled(kind))?;
        let holds = withholding.holds(now);
        let ended_at = if holds { Some(now) } else { withholding.ended_at };
        let mut change = about(Withholding { ended_at, ..withholding }, Expect::Version(version));
        change.writes.retain(|_| holds);
        Ok(change)
    }

    /// The withholdings from a person, or all, in force or not, the newest first: those after the
    /// id `after`, `limit` at the most. Nobody is counted as asked about: pseudonyms tell nothing.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn withholdings(
        &self,
        nik: Option<&Nik>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Withholding>, Error> {
        let subject = nik.map(|nik| self.subject_key.pseudonym(nik));
        let all = Query::of(Kind::Withholding, limit);
        let query = Query { subject, order: Order::Descending, after, ..all };
        let found = self.store.list(&query).await?.into_iter();
        Ok(found.filter_map(|stored| stored.record.into_withholding()).collect())
    }

    /// Some of the people whom a span of a caller's entries concerns.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such agency, [`Error::NoSuchCertificate`];
    /// [`Error::JournalUnavailable`].
    pub async fn exposures(&self, span: &Span) -> Result<Exposures, Error> {
        match &span.caller {
            Caller::Agency(agency) => self.known_agency(agency).await?,
            Caller::Certificate(fingerprint) => {
                self.store.chain(fingerprint).await?.ok_or(Error::NoSuchCertificate)?;
            }
        }
        Ok(self.store.exposures(span).await?)
    }

    async fn known_agency(&self, id: &AgencyId) -> Result<(), Error> {
        self.store.get(&agencies::key(id)).await?.map(drop).ok_or(Error::NotFound(Kind::Agency))
    }
}

impl TrailLine {
    fn of(entry: Entry, names: &BTreeMap<AgencyId, String>) -> Self {
        let (receipt, draft) = (entry.receipt(), entry.draft);
        Self {
            receipt,
            kind: draft.kind,
            agency_name: names.get(&draft.agency).cloned().unwrap_or_default(),
            agency: draft.agency,
            purpose: draft.purpose,
            method: draft.method,
            classes: draft.classes,
        }
    }
}

/// The change that writes a withholding. It concerns the person, who is told of it in the end.
fn about(withholding: Withholding, expect: Expect) -> Change {
    let subject = withholding.subject;
    Change::one(Record::Withholding(withholding), expect, subject, Classes::NONE)
}

#[cfg(test)]
mod tests;
