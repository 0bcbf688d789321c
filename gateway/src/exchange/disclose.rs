//! Disclosing: the journal entry that must be durable before anything personal leaves.

use desmigratif_core::access::Classes;
use desmigratif_core::credentials::Credentials;
use desmigratif_core::journal::{Draft, EntryKind, Receipt};
use desmigratif_core::ports::store::{Commit, Expect, Write};
use desmigratif_core::record::Record;
use desmigratif_core::subject::Subject;

use super::{Call, Error, Exchange};

/// What is about to leave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disclosure {
    /// The people whom it is about, in the order of the answer.
    pub subjects: Vec<Subject>,
    /// The classes of data in it, after minimising.
    pub classes: Classes,
    /// Answers of ministries that the exchange keeps a copy of from now on.
    pub copies: Vec<Record>,
}

/// A value read for a caller, with the people whom it is about. It may leave only through
/// [`Exchange::disclose`].
#[derive(Clone, Debug, PartialEq)]
pub struct Disclosed<T> {
    /// The value.
    pub value: T,
    /// The people.
    pub subjects: Vec<Subject>,
    /// Answers of ministries that the exchange keeps a copy of from now on.
    pub copies: Vec<Record>,
}

impl<T> Disclosed<T> {
    /// What was read of the exchange's own records.
    pub const fn read(value: T, subjects: Vec<Subject>) -> Self {
        Self { value, subjects, copies: Vec::new() }
    }
}

impl Exchange {
    /// Records a disclosure and returns once the entry is durable.
    ///
    /// # Errors
    /// [`Error::Limited`] and [`Error::JournalUnavailable`]: nothing personal may leave then.
    pub async fn disclose(&self, call: &Call, disclosure: Disclosure) -> Result<Receipt, Error> {
        self.count(call, &disclosure.subjects).await?;
        self.disclose_uncounted(call, disclosure).await
    }

    /// The same for people of whom no more is told than that something about them has changed, by
    /// the id of a record. They do not count towards the limit of people asked about in an hour,
    /// which keeps an agency from copying the register: a feed of the whole country would use it up
    /// and lock the agency out of its own work, and copy nothing. Whoever asks for a record by its
    /// id is counted there. The entry names them all, as a report of a breach needs it.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`]: nothing may leave then.
    pub async fn disclose_uncounted(
        &self,
        call: &Call,
        disclosure: Disclosure,
    ) -> Result<Receipt, Error> {
        let mut entry = Self::draft(EntryKind::Disclosure, call);
        entry.subjects = disclosure.subjects;
        entry.classes = disclosure.classes;
        let writes =
            disclosure.copies.into_iter().map(|record| Write { record, expect: Expect::Any });
        let credentials = Some(call.credentials.clone());
        let commit = Commit { writes: writes.collect(), credentials, ..Commit::of(entry) };
        Ok(self.commit(commit).await?.receipt)
    }

    /// Puts an entry that changes no record into the journal, of a call admitted with `credentials`.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn record(&self, entry: Draft, credentials: Credentials) -> Result<Receipt, Error> {
        let commit = Commit { credentials: Some(credentials), ..Commit::of(entry) };
        Ok(self.commit(commit).await?.receipt)
    }
}
