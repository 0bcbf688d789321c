//! Medical clearances: hand in, read, withdraw, verify a certificate.

use desmigratif_core::access::{Classes, DataClass};
use desmigratif_core::clearance::{
    Clearance, ClearanceStatus, Conclusion, Country, Examiner, Finding, PregnancyTest, Revocation,
    RevocationReason,
};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::store::{Expect, Order, Query};
use desmigratif_core::record::{Key, Kind, Record, Stored, certificate_alias};
use jiff::civil::Date;
use uuid::Uuid;

use super::{Call, Change, Disclosed, Error, Exchange};

/// Whose clearance it is.
#[derive(Clone, Debug, PartialEq)]
pub enum WhoseClearance {
    /// Of the worker with this NIK.
    Nik(Nik),
    /// Of the worker with this id.
    Worker(Uuid),
}

/// What a clinic states of an examination.
#[derive(Clone, Debug, PartialEq)]
pub struct NewClearance {
    /// The person examined.
    pub whose: WhoseClearance,
    /// The number on the certificate.
    pub certificate_number: String,
    /// Day of examination.
    pub examined_on: Date,
    /// Day of issue.
    pub issued_on: Date,
    /// The destination.
    pub destination: Country,
    /// The conclusion.
    pub conclusion: Conclusion,
    /// Who signed.
    pub examiner: Examiner,
    /// The findings.
    pub findings: Vec<Finding>,
    /// The pregnancy test, where one was done.
    pub pregnancy_test: Option<PregnancyTest>,
}

/// Which clearances are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearanceList {
    /// Of this worker; without one, those that the calling clinic submitted.
    pub worker: Option<Uuid>,
    /// After this id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Exchange {
    /// Decides on a clearance that the caller's facility hands in.
    ///
    /// # Errors
    /// [`Error::FacilityNotDesignated`] when the caller has no facility or it was not designated
    /// on the day of examination; [`Error::NotFound`] when no worker has the NIK or id.
    pub async fn submit_clearance(
        &self,
        call: &Call,
        new: NewClearance,
    ) -> Result<(Change, Clearance), Error> {
        let agency = call.permit.agency();
        let facility_id = self.examining_facility(call, new.examined_on).await?;
        let stored = match &new.whose {
            WhoseClearance::Nik(nik) => {
                let alias = self.named(call, nik).await?.to_string();
                self.store.get_by_alias(Kind::Worker, &alias).await?
            }
            WhoseClearance::Worker(id) => {
                self.store.get(&Key { kind: Kind::Worker, id: id.to_string() }).await?
            }
        };
        let worker = stored
            .and_then(|stored| stored.record.into_worker())
            .ok_or(Error::NotFound(Kind::Worker))?;
        let clearance = Clearance {
            id: self.new_id(),
            worker_id: worker.id,
            subject: worker.subject,
            home: Some(worker.village),
            facility_id,
            submitted_by: agency.id.clone(),
            certificate_number: new.certificate_number,
            examined_on: new.examined_on,
            issued_on: new.issued_on,
            destination: new.destination,
            conclusion: new.conclusion,
            examiner: new.examiner,
            findings: new.findings,
            pregnancy_test: new.pregnancy_test,
            revocation: None,
        };
        let record = Record::Clearance(clearance.clone());
        Ok((Change::one(record, Expect::Absent, worker.subject, written()), clearance))
    }

    /// The caller's own facility, which must have been designated on the day of examination.
    ///
    /// # Errors
    /// [`Error::FacilityNotDesignated`].
    async fn examining_facility(&self, call: &Call, on: Date) -> Result<String, Error> {
        let id = call.permit.agency().facility.as_deref().ok_or(Error::FacilityNotDesignated)?;
        let designated = || {
            let facilities = self.mirror.facilities();
            facilities.get(id).filter(|it| it.designated_on(on)).map(|it| it.id.clone())
        };
        if let Some(id) = designated() {
            return Ok(id);
        }
        // It may have been designated a moment ago.
        self.mirror.current().await?;
        designated().ok_or(Error::FacilityNotDesignated)
    }

    /// A clearance by id.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when the clearance is not for this caller.
    pub async fn clearance(&self, call: &Call, id: Uuid) -> Result<Disclosed<Stored>, Error> {
        let key = Key { kind: Kind::Clearance, id: id.to_string() };
        let stored = self.store.get(&key).await?.ok_or(Error::NotFound(Kind::Clearance))?;
        let Record::Clearance(clearance) = &stored.record else {
            return Err(Error::misfiled(Kind::Clearance));
        };
        if !call.permit.reaches_clearance(clearance) {
            return Err(Error::NotFound(Kind::Clearance));
        }
        let subjects = vec![clearance.subject];
        Ok(Disclosed::read(stored, subjects))
    }

    /// The clearances of a worker, or those of the calling clinic, newest first. A clinic sees
    /// its own in either case.
    ///
    /// # Errors
    /// [`Error::NotFound`] when another caller than a clinic names no worker.
    pub async fn clearances(
        &self,
        call: &Call,
        list: ClearanceList,
    ) -> Result<Disclosed<Vec<Stored>>, Error> {
        let holder = call.permit.clearance_bound();
        if list.worker.is_none() && holder.is_none() {
            return Err(Error::NotFound(Kind::Worker));
        }
        let query = Query {
            parent: list.worker.map(|id| id.to_string()),
            holder,
            order: Order::Descending,
            after: list.after,
            ..Query::of(Kind::Clearance, list.limit)
        };
        let value = self.store.list(&query).await?;
        let subjects = value.iter().filter_map(|stored| stored.record.index().subject).collect();
        Ok(Disclosed::read(value, subjects))
    }

    /// Decides on withdrawing a clearance.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::EtagMismatch`], [`Error::ClearanceRevoked`].
    pub async fn revoke_clearance(
        &self,
        call: &Call,
        id: Uuid,
        etag: Option<u64>,
        reason: RevocationReason,
    ) -> Result<(Change, u64), Error> {
        let stored = self.clearance(call, id).await?.value;
        if etag.is_some_and(|etag| etag != stored.version) {
            return Err(Error::EtagMismatch);
        }
        let version = stored.version;
        let mut clearance =
            stored.record.into_clearance().ok_or_else(|| Error::misfiled(Kind::Clearance))?;
        if clearance.revocation.is_some() {
            return Err(Error::ClearanceRevoked);
        }
        clearance.revocation = Some(Revocation { at: self.clock.now(), reason });
        let subject = clearance.subject;
        let record = Record::Clearance(clearance);
        Ok((Change::one(record, Expect::Version(version), subject, written()), version + 1))
    }

    /// The clearance of fitness that a certificate's paper names, with how it stands today.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn certificate(
        &self,
        facility_id: &str,
        number: &str,
    ) -> Result<Disclosed<Option<(Clearance, ClearanceStatus)>>, Error> {
        let alias = certificate_alias(facility_id, number);
        let clearance = self
            .store
            .get_by_alias(Kind::Clearance, &alias)
            .await?
            .and_then(|stored| stored.record.into_clearance())
            .filter(|clearance| clearance.conclusion == Conclusion::Fit);
        let subjects = clearance.iter().map(|clearance| clearance.subject).collect();
        let value = clearance.map(|clearance| {
            let status = self.clearance_status(&clearance);
            (clearance, status)
        });
        Ok(Disclosed::read(value, subjects))
    }

    /// How a clearance stands today.
    #[must_use]
    pub fn clearance_status(&self, clearance: &Clearance) -> ClearanceStatus {
        clearance.status_on(self.clock.today(), &self.validity)
    }
}

/// The classes of data that a clearance holds.
const fn written() -> Classes {
    Classes::of(&[DataClass::HealthConclusion, DataClass::HealthDetail])
}
