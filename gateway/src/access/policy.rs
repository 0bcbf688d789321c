//! The policy: which agency kind may call which methods for which purpose, and which classes of
//! data that opens. A closed table; whatever it does not list is refused.
//!
//! It is read by lawyers as well as by engineers, so each grant is one entry with its reason.

use std::sync::Arc;

use desmigratif_core::access::{AgencyKind, Classes, DataClass, Purpose};
use desmigratif_core::agency::Agency;
use desmigratif_proto::Method;
use desmigratif_proto::options::v1::Effect;

use super::{Admission, Permit, Refusal};

use AgencyKind::{
    Clinic, Kemendagri, Kemendes, Kemenkes, Kemnaker, Operator, OtherAgency, PresidentOffice,
    RegionalOffice,
};
use DataClass::{Contact, Family, HealthConclusion, HealthDetail, Identity, Programme, Public};

/// One line of the policy.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The kind of agency.
    pub kind: AgencyKind,
    /// The purpose.
    pub purpose: Purpose,
    /// The classes of data that may be seen.
    pub classes: Classes,
    /// The methods that may be called, as `Service/Method` within the contract's packages.
    pub methods: &'static [&'static str],
}

impl Grant {
    /// Whether the grant lets the method be called.
    #[must_use]
    pub fn covers(&self, method: &Method) -> bool {
        let named = |name: &&str| {
            method.path.strip_suffix(name).is_some_and(|package| package.ends_with('.'))
        };
        self.methods.iter().any(named)
    }
}

const fn grant(
    kind: AgencyKind,
    purpose: Purpose,
    classes: &[DataClass],
    methods: &'static [&'static str],
) -> Grant {
    Grant { kind, purpose, classes: Classes::of(classes), methods }
}

/// The grants in force.
const GRANTS: &[Grant] = &[
    // Kemnaker owns worker records and decides on placement. It sees that a worker is fit and
    // until when, never why: laboratory values stay with the clinic and Kemenkes.
    grant(
        Kemnaker,
        Purpose::PlacementScreening,
        &[Public, Programme, Identity, Contact, HealthConclusion, Family],
        &[
            "WorkerService/RegisterWorker",
            "WorkerService/GetWorker",
            "WorkerService/LookupWorker",
            "WorkerService/ListWorkers",
            "WorkerService/UpdateWorker",
            "WorkerService/AdvanceStage",
            "WorkerService/AddFamilyMember",
            "WorkerService/ListFamilyMembers",
            "IdentityService/VerifyIdentity",
            "IdentityService/BatchVerifyIdentities",
            "MedicalClearanceService/GetClearance",
            "MedicalClearanceService/ListClearances",
            "MedicalClearanceService/VerifyCertificate",
        ],
    ),
    // Protection of workers abroad and of families at home: no health data at all.
    grant(
        Kemnaker,
        Purpose::SocialProtection,
        &[Public, Programme, Identity, Contact, Family],
        &[
            "WorkerService/GetWorker",
            "WorkerService/LookupWorker",
            "WorkerService/ListWorkers",
            "WorkerService/AddFamilyMember",
            "WorkerService/ListFamilyMembers",
        ],
    ),
    // Planning needs numbers and stages, not people.
    grant(
        Kemnaker,
        Purpose::ProgrammePlanning,
        &[Public, Programme],
        &["VillageService/GetVillageProfile", "WorkerService/ListWorkers"],
    ),
    // Kemendagri owns the population register and confirms identities.
    grant(
        Kemendagri,
        Purpose::IdentityCheck,
        &[Public, Identity],
        &["IdentityService/VerifyIdentity", "IdentityService/BatchVerifyIdentities"],
    ),
    grant(
        Kemendagri,
        Purpose::ProgrammePlanning,
        &[Public, Programme],
        &["VillageService/GetVillageProfile"],
    ),
    // Kemenkes owns clearances and watches the facilities' work, findings included.
    grant(
        Kemenkes,
        Purpose::Oversight,
        &[Public, Programme, HealthConclusion, HealthDetail],
        &[
            "MedicalClearanceService/GetClearance",
            "MedicalClearanceService/ListClearances",
            "MedicalClearanceService/RevokeClearance",
            "MedicalClearanceService/VerifyCertificate",
        ],
    ),
    grant(
        Kemenkes,
        Purpose::ProgrammePlanning,
        &[Public, Programme],
        &["VillageService/GetVillageProfile"],
    ),
    // Kemendes plans for villages.
    grant(
        Kemendes,
        Purpose::ProgrammePlanning,
        &[Public, Programme],
        &["VillageService/GetVillageProfile"],
    ),
    // A clinic hands in results, and sees what it handed in itself (Permit::reaches_clearance).
    grant(
        Clinic,
        Purpose::ClearanceSubmission,
        &[Public, HealthConclusion, HealthDetail],
        &[
            "MedicalClearanceService/SubmitClearance",
            "MedicalClearanceService/SubmitClearances",
            "MedicalClearanceService/GetClearance",
            "MedicalClearanceService/ListClearances",
            "MedicalClearanceService/RevokeClearance",
        ],
    ),
    // Other agencies: check an identity, or what a paper in their hands is worth.
    grant(
        OtherAgency,
        Purpose::IdentityCheck,
        &[Public, Identity],
        &["IdentityService/VerifyIdentity", "IdentityService/BatchVerifyIdentities"],
    ),
    grant(
        OtherAgency,
        Purpose::PlacementScreening,
        &[Public, HealthConclusion],
        &["MedicalClearanceService/VerifyCertificate"],
    ),
    grant(
        OtherAgency,
        Purpose::SocialProtection,
        &[Public, Programme],
        &["WorkerService/LookupWorker"],
    ),
    // A regional office serves the people of its own region (Permit::place_bound).
    grant(
        RegionalOffice,
        Purpose::ProgrammePlanning,
        &[Public, Programme],
        &["VillageService/GetVillageProfile", "WorkerService/ListWorkers"],
    ),
    grant(
        RegionalOffice,
        Purpose::SocialProtection,
        &[Public, Programme, Identity, Contact, Family],
        &[
            "WorkerService/GetWorker",
            "WorkerService/LookupWorker",
            "WorkerService/ListWorkers",
            "WorkerService/ListFamilyMembers",
        ],
    ),
    // An operator runs the exchange and sees nobody's records.
    grant(
        Operator,
        Purpose::Operations,
        &[Public],
        &[
            "AdminService/ListAdapters",
            "AdminService/PauseAdapter",
            "AdminService/ResumeAdapter",
            "AdminService/ListDeliveries",
            "AdminService/ReplayDeliveries",
            "AdminService/DiscardDelivery",
        ],
    ),
    // The President's office watches coverage: numbers only.
    grant(
        PresidentOffice,
        Purpose::Oversight,
        &[Public, Programme],
        &["VillageService/GetVillageProfile"],
    ),
];

/// The standard services that every registered agency may call: they tell nothing of anyone.
const STANDARD: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/"];

/// The policy in force.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy;

impl Policy {
    /// The grant of an agency kind for a purpose, if there is one.
    #[must_use]
    pub fn grant(self, kind: AgencyKind, purpose: Purpose) -> Option<&'static Grant> {
        GRANTS.iter().find(|grant| grant.kind == kind && grant.purpose == purpose)
    }

    /// Decides on a call of the contract or of a standard service.
    ///
    /// # Errors
    /// As [`Policy::authorise`].
    pub fn admit(
        self,
        agency: &Arc<Agency>,
        path: &str,
        purpose: Option<&str>,
    ) -> Result<Admission, Refusal> {
        if STANDARD.iter().any(|service| path.starts_with(service)) {
            return Ok(Admission::Standard);
        }
        self.authorise(agency, path, purpose).map(Admission::Contract)
    }

    /// Decides on a call of the contract: `path` is the gRPC path with its leading slash, `purpose` the metadata
    /// as the caller sent it.
    ///
    /// # Errors
    /// [`Refusal`] says which rule refused.
    pub fn authorise(
        self,
        agency: &Arc<Agency>,
        path: &str,
        purpose: Option<&str>,
    ) -> Result<Permit, Refusal> {
        let method = desmigratif_proto::find(path)
            .filter(|method| method.effect != Effect::Outbound)
            .ok_or(Refusal::MethodUnknown)?;
        let permit = |purpose, classes| Permit { agency: agency.clone(), purpose, method, classes };
        if matches!(method.effect, Effect::ReadPublic | Effect::ReadSelf) {
            return Ok(permit(None, Classes::of(&[Public])));
        }
        let purpose = Purpose::parse(purpose.ok_or(Refusal::PurposeMissing)?)
            .ok_or(Refusal::PurposeUnknown)?;
        if !agency.purposes.contains(&purpose) {
            return Err(Refusal::PurposeNotHeld);
        }
        let grant = self.grant(agency.kind, purpose).ok_or(Refusal::NotPermitted)?;
        if !grant.covers(method) {
            return Err(Refusal::NotPermitted);
        }
        Ok(permit(Some(purpose), grant.classes))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use desmigratif_core::agency::{AgencyId, AgencyStatus};
    use desmigratif_proto::METHODS;

    use super::*;

    fn agency(kind: AgencyKind) -> Arc<Agency> {
        Arc::new(Agency {
            id: AgencyId::parse("agency").unwrap(),
            kind,
            name: String::new(),
            purposes: BTreeSet::from(Purpose::ALL),
            status: AgencyStatus::Active,
            region: None,
            facility: None,
        })
    }

    #[test]
    fn every_granted_name_is_one_method_of_the_contract() {
        for grant in GRANTS {
            let covered = METHODS.iter().filter(|method| grant.covers(method)).count();
            assert_eq!(covered, grant.methods.len(), "{grant:?}");
        }
    }

    #[test]
    fn every_method_that_discloses_or_changes_is_granted_to_someone() {
        for method in METHODS {
            if matches!(method.effect, Effect::Disclose | Effect::Change) {
                let granted = GRANTS.iter().any(|grant| grant.covers(method));
                assert!(granted, "{} can be called by nobody", method.path);
            }
        }
    }

    #[test]
    fn what_is_not_granted_is_refused_over_the_whole_matrix() {
        for kind in AgencyKind::ALL {
            let agency = agency(kind);
            for purpose in Purpose::ALL {
                for method in METHODS {
                    let decision = Policy.authorise(&agency, method.path, Some(purpose.as_str()));
                    let open = matches!(method.effect, Effect::ReadPublic | Effect::ReadSelf);
                    let listed = GRANTS.iter().any(|grant| {
                        grant.kind == kind && grant.purpose == purpose && grant.covers(method)
                    });
                    assert_eq!(decision.is_ok(), open || listed, "{kind:?} {purpose:?} {method:?}");
                }
            }
        }
    }

    #[test]
    fn what_the_gateway_itself_calls_is_called_by_nobody() {
        let outbound = METHODS.iter().filter(|method| method.effect == Effect::Outbound);
        let mut count = 0;
        for method in outbound {
            for kind in AgencyKind::ALL {
                let agency = agency(kind);
                for purpose in Purpose::ALL {
                    let refusal = Policy.authorise(&agency, method.path, Some(purpose.as_str()));
                    assert_eq!(refusal.expect_err("outbound"), Refusal::MethodUnknown);
                }
            }
            count += 1;
        }
        assert_eq!(count, 2, "Deliver and Lookup");
    }

    #[test]
    fn laboratory_values_are_for_kemenkes_and_clinics_alone() {
        for grant in GRANTS.iter().filter(|grant| grant.classes.contains(HealthDetail)) {
            assert!(matches!(grant.kind, Kemenkes | Clinic), "{grant:?}");
        }
    }

    #[test]
    fn a_purpose_must_be_stated_known_and_held() {
        let path = "/desmigratif.worker.v1.WorkerService/GetWorker";
        let mut without = (*agency(Kemnaker)).clone();
        without.purposes.clear();
        let refusal = |agency: &Arc<Agency>, purpose| {
            Policy.authorise(agency, path, purpose).expect_err("no grant")
        };
        assert_eq!(refusal(&agency(Kemnaker), None), Refusal::PurposeMissing);
        assert_eq!(refusal(&agency(Kemnaker), Some("curiosity")), Refusal::PurposeUnknown);
        let held = Some("placement-screening");
        assert_eq!(refusal(&Arc::new(without), held), Refusal::PurposeNotHeld);
        assert_eq!(refusal(&agency(Kemendes), held), Refusal::NotPermitted);
        let unknown = Policy.authorise(&agency(Kemnaker), "/x.Y/Z", held);
        assert_eq!(unknown.expect_err("no method"), Refusal::MethodUnknown);
    }
}
