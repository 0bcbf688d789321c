//! The life cycle of agencies: who is registered, with which certificates, and whether it may call.

use desmigratif_core::access::AgencyKind;
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus, Certificate};
use desmigratif_core::ports::store::{Expect, Query};
use desmigratif_core::record::{Key, Kind, Record, Stored};

use super::deliveries::operators;
use super::{Call, Change, Error, Exchange};

impl Exchange {
    /// The registered agencies after an id, by id.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn agencies(&self, after: Option<String>, limit: u32) -> Result<Vec<Stored>, Error> {
        let query = Query { after, ..Query::of(Kind::Agency, limit) };
        Ok(self.store.list(&query).await?)
    }

    /// Decides on registering an agency.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when the id is taken, [`Error::NotFound`] when the exchange does not
    /// know the facility that the agency is to submit for.
    pub async fn create_agency(&self, agency: Agency) -> Result<Change, Error> {
        self.mirror.current().await?;
        let facilities = self.mirror.facilities();
        if agency.facility.as_deref().is_some_and(|id| facilities.get(id).is_none()) {
            return Err(Error::NotFound(Kind::Facility));
        }
        if self.store.get(&key(&agency.id)).await?.is_some() {
            return Err(Error::AlreadyExists(Kind::Agency));
        }
        Ok(one(agency, Expect::Absent))
    }

    /// Decides on whether an agency may call.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::AgencyRetired`]; [`Error::OwnAgency`] when an operator would
    /// shut itself out.
    pub async fn set_agency_status(
        &self,
        call: &Call,
        id: &AgencyId,
        status: AgencyStatus,
    ) -> Result<Change, Error> {
        if status != AgencyStatus::Active && call.permit.agency().id == *id {
            return Err(Error::OwnAgency);
        }
        let (mut agency, version) = self.agency_to_change(id).await?;
        agency.set_status(status).map_err(|_| Error::AgencyRetired)?;
        Ok(one(agency, Expect::Version(version)))
    }

    /// Decides on accepting a certificate from an agency.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::AgencyRetired`].
    pub async fn register_certificate(
        &self,
        id: &AgencyId,
        certificate: Certificate,
    ) -> Result<Change, Error> {
        let (mut agency, version) = self.agency_to_change(id).await?;
        if agency.status == AgencyStatus::Retired {
            return Err(Error::AgencyRetired);
        }
        // What has expired is refused anyway; the list stays short.
        let now = self.clock.now();
        agency.certificates.retain(|known| known.expires_at > now);
        agency.certificates.retain(|known| known.sha256 != certificate.sha256);
        agency.certificates.push(certificate);
        Ok(one(agency, Expect::Version(version)))
    }

    /// Decides on accepting a certificate no longer.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::CertificateNotRemovable`] when it is none of the agency's, or
    /// its last one, without which any would count again.
    pub async fn remove_certificate(&self, id: &AgencyId, sha256: &str) -> Result<Change, Error> {
        let (mut agency, version) = self.agency_to_change(id).await?;
        let before = agency.certificates.len();
        agency.certificates.retain(|known| known.sha256 != sha256);
        if agency.certificates.len() == before || agency.certificates.is_empty() {
            return Err(Error::CertificateNotRemovable);
        }
        Ok(one(agency, Expect::Version(version)))
    }

    async fn agency_to_change(&self, id: &AgencyId) -> Result<(Agency, u64), Error> {
        let stored = self.store.get(&key(id)).await?.ok_or(Error::NotFound(Kind::Agency))?;
        let version = stored.version;
        let agency = stored.record.into_agency().ok_or_else(|| Error::misfiled(Kind::Agency))?;
        Ok((agency, version))
    }
}

/// Whether an agency of this kind serves a region.
#[must_use]
pub const fn serves_region(kind: AgencyKind) -> bool {
    matches!(kind, AgencyKind::RegionalOffice)
}

/// Whether an agency of this kind submits for a facility.
#[must_use]
pub const fn submits_for_facility(kind: AgencyKind) -> bool {
    matches!(kind, AgencyKind::Clinic)
}

/// The key of an agency's record.
pub(super) fn key(id: &AgencyId) -> Key {
    Key { kind: Kind::Agency, id: id.to_string() }
}

fn one(agency: Agency, expect: Expect) -> Change {
    Change { writes: vec![(Record::Agency(agency), expect)], ..operators(Vec::new()) }
}
