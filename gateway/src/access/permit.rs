//! The permit: what a call is judged by, and the proof that it was allowed, with what it may see.

use std::sync::Arc;

use desmigratif_core::access::{Classes, Purpose};
use desmigratif_core::agency::{Agency, AgencyId};
use desmigratif_core::clearance::Clearance;
use desmigratif_core::journal::Draft;
use desmigratif_core::region::VillageCode;
use desmigratif_core::worker::Worker;
use desmigratif_proto::Method;

/// A call as it is attempted: what it is judged by, beside who makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// The gRPC path: "/desmigratif.village.v1.VillageService/GetVillage".
    pub path: &'a str,
    /// What the caller stated: `None` when it stated nothing, and a text that is no purpose when it
    /// stated several or one that cannot be read.
    pub purpose: Option<&'a str>,
    /// Whether the caller has signed the call. A signature that does not verify ends the call
    /// afterwards, whatever the policy says.
    pub signed: bool,
}

/// Proof that an agency may call a method for a purpose. Made only by
/// [`Policy::authorise`](super::Policy::authorise).
#[derive(Clone, Debug)]
pub struct Permit {
    pub(super) agency: Arc<Agency>,
    pub(super) purpose: Option<Purpose>,
    pub(super) method: &'static Method,
    pub(super) classes: Classes,
    pub(super) reach: Reach,
}

/// Whose records an agency may know of, as the policies decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Villages in its region, and the people at home there.
    pub(super) places_in_region: bool,
    /// Villages elsewhere; all of them, for an agency that has no region.
    pub(super) places_elsewhere: bool,
    /// Clearances that it has submitted.
    pub(super) own_clearances: bool,
    /// Clearances that others have submitted.
    pub(super) others_clearances: bool,
    /// Entries of the journal that its own calls have made.
    pub(super) own_entries: bool,
    /// Entries by which the gateway has put something in force.
    pub(super) setting_entries: bool,
    /// Any other entries.
    pub(super) others_entries: bool,
}

/// What neither a code of a place nor an agency's id begins with.
const NOWHERE: &str = "-";

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
    /// Only a signed call is covered.
    #[error("not signed")]
    SignatureRequired,
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
        let Reach { places_in_region, places_elsewhere, .. } = self.reach;
        match self.agency.region {
            None if places_elsewhere => String::new(),
            Some(_) if places_in_region && places_elsewhere => String::new(),
            Some(region) if places_in_region => region.digits(),
            // Everything but a region is no one beginning: what cannot be told is not shown.
            None | Some(_) => NOWHERE.to_owned(),
        }
    }

    /// Whether the caller may know that something exists in a village.
    #[must_use]
    pub fn reaches(&self, village: VillageCode) -> bool {
        if self.agency.region.is_some_and(|region| region.holds(village)) {
            self.reach.places_in_region
        } else {
            self.reach.places_elsewhere
        }
    }

    /// Whether the caller may know of a worker: it is asked by the worker's home.
    #[must_use]
    pub fn reaches_worker(&self, worker: &Worker) -> bool {
        self.reaches(worker.village)
    }

    /// The agency whose clearances alone may be listed: the caller itself when it is a clinic, or
    /// none when it may know of all.
    #[must_use]
    pub fn clearance_bound(&self) -> Option<String> {
        match (self.reach.own_clearances, self.reach.others_clearances) {
            (true, true) => None,
            (true, false) => Some(self.agency.id.to_string()),
            // What cannot be told is not shown.
            (false, _) => Some(NOWHERE.to_owned()),
        }
    }

    /// Whether the caller may have an entry of the journal.
    #[must_use]
    pub fn reaches_entry(&self, entry: &Draft) -> bool {
        if entry.is_of_setting() {
            self.reach.setting_entries
        } else if entry.agency == self.agency.id {
            self.reach.own_entries
        } else {
            self.reach.others_entries
        }
    }

    /// Whether the caller may know of a clearance: a clinic of those that it submitted.
    #[must_use]
    pub fn reaches_clearance(&self, clearance: &Clearance) -> bool {
        self.reaches_clearance_of(&clearance.submitted_by)
    }

    /// Whether the caller may know of the clearances that an agency has submitted.
    #[must_use]
    pub fn reaches_clearance_of(&self, submitted_by: &AgencyId) -> bool {
        if *submitted_by == self.agency.id {
            self.reach.own_clearances
        } else {
            self.reach.others_clearances
        }
    }
}
