//! Checking an identity against the exchange's copy of the population register.

use desmigratif_core::access::{Classes, DataClass};
use desmigratif_core::identity::{self, Check, Claim, Outcome, Verification};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::store::Expect;
use desmigratif_core::record::{Key, Kind, Record};
use uuid::Uuid;

use super::{Call, Change, Error, Exchange};

/// What came of a check, and with which worker it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// What came of it.
    pub check: Check,
    /// The registered worker, if the person is one.
    pub worker: Option<Uuid>,
}

impl Exchange {
    /// Checks a claim against the register and decides on recording the result with the worker.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn verify_identity(
        &self,
        call: &Call,
        nik: &Nik,
        claim: &Claim,
    ) -> Result<(Change, Verified), Error> {
        let subject = self.subject_key.pseudonym(nik);
        let key = Key { kind: Kind::Person, id: subject.to_string() };
        let person = self.store.get(&key).await?.and_then(|stored| stored.record.into_person());
        let check = identity::check(person.as_ref(), claim, self.match_rule);
        let mut change = Change {
            writes: Vec::new(),
            unchanged: Vec::new(),
            subjects: vec![subject],
            classes: Classes::of(&[DataClass::Identity]),
        };
        let stored = self.store.get_by_alias(Kind::Worker, &subject.to_string()).await?;
        let mut worker_id = None;
        if let Some(stored) = stored {
            let version = stored.version;
            let mut worker =
                stored.record.into_worker().ok_or_else(|| Error::misfiled(Kind::Worker))?;
            worker_id = Some(worker.id);
            // A check that says nothing of the person, or agrees on little more than the sex,
            // leaves what was known before.
            let says_something =
                !matches!(check.outcome, Outcome::QuotaExhausted | Outcome::Unavailable);
            let weak = check.outcome == Outcome::Verified
                && (claim.name.is_none() || claim.birth.is_none());
            if says_something && !weak {
                worker.verification = Some(Verification {
                    at: self.clock.now(),
                    outcome: check.outcome,
                    by: call.permit.agency().id.clone(),
                });
                change.writes.push((Record::Worker(worker), Expect::Version(version)));
            }
        }
        Ok((change, Verified { check, worker: worker_id }))
    }
}
