//! Checking an identity with the population register.

use desmigratif_core::access::{AgencyKind, Classes, DataClass};
use desmigratif_core::identity::{Check, Claim, IdentityCheck, Outcome, Verification};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::ministry::{Answer, FaultKind, Question};
use desmigratif_core::ports::store::Expect;
use desmigratif_core::record::{Key, Kind, Record};
use uuid::Uuid;

use super::freshness::{Availability, Found, Freshness, Kept, Wanted, Why};
use super::{Call, Change, Error, Exchange};

/// What came of a check, and with which worker it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// What came of it.
    pub outcome: Outcome,
    /// How each claimed element compares, and how far that can be relied on; no value unless the
    /// register, or the copy of an earlier answer, said something.
    pub found: Found<Check>,
    /// The registered worker, if the person is one whom the caller reaches.
    pub worker: Option<Uuid>,
}

impl Exchange {
    /// Checks a claim with the register and decides on keeping the answer, and on recording it
    /// with the worker.
    ///
    /// # Errors
    /// [`Error::Limited`]; [`Error::JournalUnavailable`].
    pub async fn verify_identity(
        &self,
        call: &Call,
        nik: &Nik,
        claim: &Claim,
        freshness: Freshness,
    ) -> Result<(Change, Verified), Error> {
        let subject = self.named(call, nik).await?;
        let key = self.subject_key.claim(nik, claim);
        let id = hex::encode(key);
        let copy = self.store.get(&Key { kind: Kind::IdentityCheck, id: id.clone() }).await?;
        let copy = copy.and_then(|stored| {
            let value = stored.record.into_identity_check()?.check;
            Some(Kept { value, as_of: Some(stored.as_of) })
        });
        let wanted = Wanted {
            owner: AgencyKind::Kemendagri,
            question: Question::Identity { nik: nik.clone(), claim: Box::new(claim.clone()) },
            key,
            copy,
            bound: self.bounds.identity,
            take: |answer| match answer {
                Answer::Identity(check) => Some(check),
                _ => None,
            },
        };
        let found = self.find(call, freshness, wanted).await;
        let mut change = Change {
            writes: Vec::new(),
            unchanged: Vec::new(),
            orders: Vec::new(),
            erase: None,
            subjects: vec![subject],
            classes: Classes::of(&[DataClass::Identity]),
        };
        if let Some(check) = found.value.clone().filter(|_| found.renewed) {
            let check = IdentityCheck { id, subject, check };
            change.writes.push((Record::IdentityCheck(check), Expect::Any));
        }
        let outcome = outcome(&found);
        let stored = self.store.get_by_alias(Kind::Worker, &subject.to_string()).await?;
        let mut worker_id = None;
        if let Some(stored) = stored {
            let version = stored.version;
            let mut worker =
                stored.record.into_worker().ok_or_else(|| Error::misfiled(Kind::Worker))?;
            // Whoever does not reach the worker is not told that there is one.
            worker_id = call.permit.reaches_worker(&worker).then_some(worker.id);
            // An answer that says nothing of the person, or is stale, or agrees on little more
            // than the sex, leaves what was known before.
            let fresh = found.availability == Availability::Available;
            let weak =
                outcome == Outcome::Verified && (claim.name.is_none() || claim.birth.is_none());
            // One as new that is recorded already, by a call at the same time, stands.
            let known = worker.verification.as_ref().map(|known| known.at);
            let newer = found.as_of.filter(|at| known.is_none_or(|known| *at > known));
            if let Some(at) = newer.filter(|_| fresh && !weak) {
                worker.verification =
                    Some(Verification { at, outcome, by: call.permit.agency().id.clone() });
                change.writes.push((Record::Worker(worker), Expect::Version(version)));
            }
        }
        Ok((change, Verified { outcome, found, worker: worker_id }))
    }
}

/// What a caller is told came of it, also when there is no answer.
fn outcome(found: &Found<Check>) -> Outcome {
    match (&found.value, found.availability) {
        (Some(check), _) => check.outcome,
        (None, Availability::Unavailable(Why::Fault(FaultKind::Quota))) => Outcome::QuotaExhausted,
        (None, Availability::Unavailable(Why::Fault(FaultKind::Rejected))) => Outcome::Rejected,
        (None, _) => Outcome::Unavailable,
    }
}
