//! Which registered agency this call comes from.
//!
//! Asked at every call, not once per connection: certificates expire and are revoked, agencies
//! are suspended while their connections stay open. The answers are about the caller's own
//! certificate and never tell which other agencies exist.

use std::sync::Arc;

use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus};
use desmigratif_core::credentials::Credentials;
use desmigratif_core::ports::clock::Clock;
use tonic::Code;

use crate::access::PeerIdentity;
use crate::edge::connection::Connection;
use crate::fault::{ErrorReason, Fault, fault};

/// The registered agencies, as the edge asks for them: once per call, so it must not block.
pub trait Directory: Send + Sync + 'static {
    /// The agency with this id, whatever its status.
    fn agency(&self, id: &AgencyId) -> Option<Arc<Agency>>;
}

/// The step.
pub(crate) struct Identify {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
}

impl Identify {
    pub(crate) fn new(directory: Arc<dyn Directory>, clock: Arc<dyn Clock>) -> Self {
        Self { directory, clock }
    }

    /// The certificate's identity, the active agency that it names, and what it is admitted with.
    pub(crate) fn caller<'c>(
        &self,
        connection: &'c Connection,
    ) -> Result<(&'c PeerIdentity, Arc<Agency>, Credentials), Fault> {
        let (peer, credentials) = connection.peer(self.clock.now()).map_err(|why| {
            tracing::debug!(%why, "client certificate refused");
            certificate_refused()
        })?;
        let agency = self.directory.agency(&peer.agency_id).ok_or_else(|| {
            fault(
                Code::Unauthenticated,
                ErrorReason::AgencyNotRegistered,
                "the certificate names no registered agency",
                "sertifikat tidak menyebut instansi yang terdaftar",
            )
        })?;
        if !agency.accepts(&peer.fingerprint_sha256) {
            tracing::debug!("client certificate is none of those registered for its agency");
            return Err(certificate_refused());
        }
        match agency.status {
            AgencyStatus::Active => Ok((peer, agency, credentials)),
            AgencyStatus::Suspended | AgencyStatus::Retired => Err(fault(
                Code::Unauthenticated,
                ErrorReason::AgencyNotActive,
                "the agency may not call at present",
                "instansi sedang tidak diizinkan memanggil",
            )),
        }
    }
}

fn certificate_refused() -> Fault {
    fault(
        Code::Unauthenticated,
        ErrorReason::CertificateRefused,
        "the client certificate is not accepted for this exchange",
        "sertifikat klien tidak diterima untuk pertukaran ini",
    )
}
