//! The gate: what the edge asks before a call reaches its service. It answers by the policy, and
//! journals the refusals of known agencies; strangers never come this far.

use std::sync::Arc;

use desmigratif_core::access::{Classes, Purpose};
use desmigratif_core::agency::{Agency, AgencyId};
use desmigratif_core::journal::{Draft, EntryKind};
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};

use crate::access::{Admission, Directory, Policy, Refusal};
use crate::edge::layers::{self, Asking};
use crate::exchange::Exchange;
use crate::fault::{ErrorReason, Fault, fault};

/// The policy at the edge.
pub(super) struct Gate {
    /// What decides.
    pub(super) policy: Arc<Policy>,
    /// Where refusals are journalled.
    pub(super) exchange: Arc<Exchange>,
    /// The entries on their way, so that stopping waits for them.
    pub(super) refusals: TaskTracker,
}

impl layers::Authorise for Gate {
    type Permit = Admission;

    fn authorise(&self, asking: &Asking<'_>) -> Result<Admission, Status> {
        self.policy.admit(asking.agency, asking.attempt).map_err(|refusal| {
            if refusal != Refusal::MethodUnknown {
                self.journal(asking);
            }
            to_fault(refusal).into_status()
        })
    }
}

impl Gate {
    /// Journals a refusal, after the caller has its answer: it discloses nothing, so nothing waits
    /// for it. Bounded by the agency's own limits, which come before the gate.
    fn journal(&self, &Asking { agency, attempt, credentials }: &Asking<'_>) {
        let (exchange, credentials) = (self.exchange.clone(), credentials.clone());
        let entry = Draft {
            kind: EntryKind::Refusal,
            agency: agency.id.clone(),
            purpose: attempt.purpose.and_then(Purpose::parse),
            method: attempt.path.trim_start_matches('/').to_owned(),
            request_digest: [0; 32],
            subjects: Vec::new(),
            classes: Classes::NONE,
            trace_id: crate::telemetry::trace_id().map_or([0; 16], |id| id.to_bytes()),
        };
        self.refusals.spawn(async move {
            if let Err(error) = exchange.record(entry, credentials).await {
                tracing::error!(%error, "refusal not journalled");
            }
        });
    }
}

impl layers::Directory for Directory {
    fn agency(&self, id: &AgencyId) -> Option<Arc<Agency>> {
        Self::agency(self, id)
    }
}

fn to_fault(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::MethodUnknown => fault(
            Code::Unimplemented,
            ErrorReason::MethodUnknown,
            "the gateway has no such method",
            "gateway tidak memiliki metode ini",
        ),
        Refusal::PurposeMissing => fault(
            Code::PermissionDenied,
            ErrorReason::PurposeMissing,
            "this method needs a purpose: send the desmigratif-purpose metadata",
            "metode ini memerlukan tujuan: kirimkan metadata desmigratif-purpose",
        ),
        Refusal::PurposeUnknown => fault(
            Code::PermissionDenied,
            ErrorReason::PurposeUnknown,
            "the stated purpose is none of the list; WhoAmI names those that you hold",
            "tujuan tidak ada dalam daftar; WhoAmI menyebut tujuan yang Anda miliki",
        ),
        Refusal::PurposeNotHeld => fault(
            Code::PermissionDenied,
            ErrorReason::PurposeNotHeld,
            "your agency does not hold the stated purpose; WhoAmI names those that it holds",
            "instansi Anda tidak memiliki tujuan ini; WhoAmI menyebut tujuan yang dimiliki",
        ),
        Refusal::SignatureRequired => fault(
            Code::PermissionDenied,
            ErrorReason::SignatureRequired,
            "your agency may call this method for this purpose only when it signs the call (RFC 9421)",
            "instansi Anda hanya boleh memanggil metode ini untuk tujuan ini dengan tanda tangan (RFC 9421)",
        ),
        Refusal::NotPermitted => fault(
            Code::PermissionDenied,
            ErrorReason::NotPermitted,
            "your agency may not call this method for this purpose",
            "instansi Anda tidak boleh memanggil metode ini untuk tujuan ini",
        ),
    }
}
