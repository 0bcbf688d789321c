//! The permit: proof that a call was allowed, with what it may see.

use std::sync::Arc;

use desmigratif_core::access::{AgencyKind, Classes, Purpose};
use desmigratif_core::agency::Agency;
use desmigratif_core::clearance::Clearance;
use desmigratif_core::region::VillageCode;
use desmigratif_core::worker::Worker;
use desmigratif_proto::Method;

/// Proof that an agency may call a method for a purpose. Made only by
/// [`Policy::authorise`](super::Policy::authorise).
#[derive(Clone, Debug)]
pub struct Permit {
    pub(super) agency: Arc<Agency>,
    pub(super) purpose: Option<Purpose>,
    pub(super) method: &'static Method,
    pub(super) classes: Classes,
}

/// What a call is admitted with.
#[derive(Clone, Debug)]
pub enum Admission {
    /// A method of the contract, with the proof that it is allowed.
    Contract(Permit),
    /// A standard service (health, reflection), open to every registered agency.
    Standard,
}

/// Why a call is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The contract has no such method.
    #[error("no such method")]
    MethodUnknown,
    /// The method needs a purpose and none was stated.
    #[error("no purpose stated")]
    PurposeMissing,
    /// The purpose is none of the closed list.
    #[error("unknown purpose")]
    PurposeUnknown,
    /// The agency does not hold the purpose.
    #[error("purpose not held")]
    PurposeNotHeld,
    /// No grant covers the agency's kind, the purpose and the method.
    #[error("not permitted")]
    NotPermitted,
}

impl Permit {
    /// The calling agency.
    #[must_use]
    pub fn agency(&self) -> &Agency {
        &self.agency
    }

    /// The stated purpose; `None` for methods that need none.
    #[must_use]
    pub const fn purpose(&self) -> Option<Purpose> {
        self.purpose
    }

    /// The method called.
    #[must_use]
    pub const fn method(&self) -> &'static Method {
        self.method
    }

    /// The classes of data that may leave on this call.
    #[must_use]
    pub const fn classes(&self) -> Classes {
        self.classes
    }

    /// The digits that the code of a place must begin with to be seen: those of the agency's
    /// region, or none for an agency that serves the whole country.
    #[must_use]
    pub fn place_bound(&self) -> String {
        self.agency.region.map_or_else(String::new, |region| region.digits())
    }

    /// Whether the caller may know that something exists in a village.
    #[must_use]
    pub fn reaches(&self, village: VillageCode) -> bool {
        self.agency.region.is_none_or(|region| region.holds(village))
    }

    /// Whether the caller may know of a worker: a regional office of those at home in its
    /// region, a clinic of none (it names the worker itself), the others of all.
    #[must_use]
    pub fn reaches_worker(&self, worker: &Worker) -> bool {
        self.reaches(worker.village)
    }

    /// Whether the caller may know of a clearance: a clinic of those that it submitted, the
    /// others of all.
    #[must_use]
    pub fn reaches_clearance(&self, clearance: &Clearance) -> bool {
        self.agency.kind != AgencyKind::Clinic || clearance.submitted_by == self.agency.id
    }
}
