//! Records and their values as the contract's messages: domain value -> wire value.
//!
//! Two use these messages: the connector hands them to a ministry, and the gateway's services
//! answer callers with them. They are written here because floors import only downwards, and the
//! connector is the lower of the two. What only a service needs, reading what a caller sent among
//! it, stays with the services.
//!
//! Invariant: a conversion is whole and adds nothing. What a reader may not see is taken away by
//! the minimiser, or was never in the record.

use desmigratif_core::access::AgencyKind;
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::clearance::{
    Clearance, ClearanceStatus, Conclusion, Examiner, Finding, Interpretation, PregnancyResult,
    PregnancyTest,
};
use desmigratif_core::family::{FamilyMember, Relation};
use desmigratif_core::identity::{Outcome, Sex};
use desmigratif_core::record::Kind;
use desmigratif_core::stage::Stage;
use desmigratif_core::worker::{Document, Placement, Worker};
use desmigratif_proto::common::v1 as common;
use desmigratif_proto::health::v1 as health;
use desmigratif_proto::worker::v1 as people;
use jiff::Timestamp;
use jiff::civil::Date;

/// A worker, whole, in the version that the record has, last changed at `as_of`.
#[must_use]
pub fn worker(worker: &Worker, version: u64, as_of: Timestamp) -> people::Worker {
    let verified = worker.verification.as_ref().filter(|it| it.outcome == Outcome::Verified);
    people::Worker {
        nik: worker.nik.expose().to_owned(),
        kk_number: worker.kk.as_ref().map(|kk| kk.expose().to_owned()).unwrap_or_default(),
        name: worker.name.expose().to_owned(),
        birth_date: Some(birth_date(worker.birth)),
        sex: sex(worker.sex).into(),
        village_code: worker.village.to_string(),
        phone: worker.contact.phone.clone().unwrap_or_default(),
        address: worker.contact.address.clone().unwrap_or_default(),
        destination_country: worker.destination.map(|it| it.to_string()).unwrap_or_default(),
        placement: worker.placement.map_or(0, |it| placement_to_wire(it).into()),
        documents: worker.documents.iter().map(|it| document_to_wire(*it).into()).collect(),
        worker_id: worker.id.to_string(),
        etag: version.to_string(),
        stage: stage(worker.stage).into(),
        identity_verified_at: verified.map(|it| timestamp(it.at)),
        owner: owner(Kind::Worker),
        as_of: Some(timestamp(as_of)),
    }
}

/// A family member.
#[must_use]
pub fn family_member(member: &FamilyMember) -> people::FamilyMember {
    people::FamilyMember {
        name: member.name.expose().to_owned(),
        relation: relation_to_wire(member.relation).into(),
        nik: member.nik.as_ref().map(|nik| nik.expose().to_owned()).unwrap_or_default(),
        birth_date: day(member.birth.map(BirthDate::expose)),
        caretaker: member.caretaker,
        family_member_id: member.id.to_string(),
    }
}

/// A clearance, whole, in the version that the record has, last changed at `as_of`. How it stands
/// and until when is the caller's to say: that needs a day and a policy.
#[must_use]
pub fn clearance(
    clearance: &Clearance,
    version: u64,
    as_of: Timestamp,
    status: ClearanceStatus,
    valid_until: Option<Date>,
) -> health::Clearance {
    health::Clearance {
        clearance_id: clearance.id.to_string(),
        etag: version.to_string(),
        worker_id: clearance.worker_id.to_string(),
        facility_id: clearance.facility_id.clone(),
        certificate_number: clearance.certificate_number.clone(),
        examined_on: clearance.examined_on.to_string(),
        issued_on: clearance.issued_on.to_string(),
        valid_until: day(valid_until),
        destination_country: clearance.destination.to_string(),
        conclusion: conclusion_to_wire(clearance.conclusion).into(),
        status: status_to_wire(status).into(),
        examiner: Some(examiner_to_wire(&clearance.examiner)),
        findings: clearance.findings.iter().map(finding_to_wire).collect(),
        pregnancy_test: clearance.pregnancy_test.map(pregnancy_test_to_wire),
        owner: owner(Kind::Clearance),
        as_of: Some(timestamp(as_of)),
    }
}

/// The number of the ministry that owns a kind of record; 0 when none does.
fn owner(kind: Kind) -> i32 {
    kind.owner().map_or(0, |owner| agency_kind(owner).into())
}

/// A time.
#[must_use]
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// A day; empty for none.
#[must_use]
pub fn day(day: Option<Date>) -> String {
    day.map_or_else(String::new, |day| day.to_string())
}

/// A birth date.
#[must_use]
pub fn birth_date(birth: BirthDate) -> common::BirthDate {
    let precision = match birth.precision() {
        Precision::Day => common::DatePrecision::Day,
        Precision::Month => common::DatePrecision::Month,
        Precision::Year => common::DatePrecision::Year,
    };
    common::BirthDate { date: birth.expose().to_string(), precision: precision.into() }
}

/// A sex.
#[must_use]
pub const fn sex(sex: Sex) -> common::Sex {
    match sex {
        Sex::Male => common::Sex::Male,
        Sex::Female => common::Sex::Female,
    }
}

/// An agency kind.
#[must_use]
pub const fn agency_kind(kind: AgencyKind) -> common::AgencyKind {
    match kind {
        AgencyKind::Kemnaker => common::AgencyKind::Kemnaker,
        AgencyKind::Kemendagri => common::AgencyKind::Kemendagri,
        AgencyKind::Kemenkes => common::AgencyKind::Kemenkes,
        AgencyKind::Kemendes => common::AgencyKind::Kemendes,
        AgencyKind::OtherAgency => common::AgencyKind::OtherAgency,
        AgencyKind::Clinic => common::AgencyKind::Clinic,
        AgencyKind::RegionalOffice => common::AgencyKind::RegionalOffice,
        AgencyKind::PresidentOffice => common::AgencyKind::PresidentOffice,
        AgencyKind::Operator => common::AgencyKind::Operator,
    }
}

/// A stage.
#[must_use]
pub const fn stage(stage: Stage) -> people::Stage {
    match stage {
        Stage::Prospective => people::Stage::Prospective,
        Stage::Ready => people::Stage::Ready,
        Stage::Abroad => people::Stage::Abroad,
        Stage::Returned => people::Stage::Returned,
        Stage::Withdrawn => people::Stage::Withdrawn,
    }
}

/// A way of placement.
#[must_use]
pub const fn placement_to_wire(placement: Placement) -> people::Placement {
    match placement {
        Placement::P3mi => people::Placement::P3mi,
        Placement::Government => people::Placement::Government,
        Placement::OwnCompany => people::Placement::OwnCompany,
        Placement::Individual => people::Placement::Individual,
    }
}

/// A document.
#[must_use]
pub const fn document_to_wire(document: Document) -> people::Document {
    match document {
        Document::MaritalStatus => people::Document::MaritalStatus,
        Document::FamilyPermission => people::Document::FamilyPermission,
        Document::CompetenceCertificate => people::Document::CompetenceCertificate,
        Document::HealthLetter => people::Document::HealthLetter,
        Document::Passport => people::Document::Passport,
        Document::WorkVisa => people::Document::WorkVisa,
        Document::PlacementAgreement => people::Document::PlacementAgreement,
        Document::WorkContract => people::Document::WorkContract,
    }
}

/// A relation.
#[must_use]
pub const fn relation_to_wire(relation: Relation) -> people::Relation {
    match relation {
        Relation::Spouse => people::Relation::Spouse,
        Relation::Child => people::Relation::Child,
        Relation::Parent => people::Relation::Parent,
        Relation::Sibling => people::Relation::Sibling,
        Relation::Other => people::Relation::Other,
    }
}

/// A conclusion.
#[must_use]
pub const fn conclusion_to_wire(conclusion: Conclusion) -> health::Conclusion {
    match conclusion {
        Conclusion::Fit => health::Conclusion::Fit,
        Conclusion::Unfit => health::Conclusion::Unfit,
        Conclusion::TemporarilyUnfit => health::Conclusion::TemporarilyUnfit,
    }
}

/// How a clearance stands.
#[must_use]
pub const fn status_to_wire(status: ClearanceStatus) -> health::ClearanceStatus {
    match status {
        ClearanceStatus::Valid => health::ClearanceStatus::Valid,
        ClearanceStatus::Expired => health::ClearanceStatus::Expired,
        ClearanceStatus::Void => health::ClearanceStatus::Void,
        ClearanceStatus::Revoked => health::ClearanceStatus::Revoked,
        ClearanceStatus::NotFit => health::ClearanceStatus::NotFit,
    }
}

/// An examiner.
#[must_use]
pub fn examiner_to_wire(examiner: &Examiner) -> health::Examiner {
    health::Examiner {
        name: examiner.name.expose().to_owned(),
        sip_number: examiner.sip_number.clone(),
    }
}

/// A finding.
#[must_use]
pub fn finding_to_wire(finding: &Finding) -> health::Finding {
    let interpretation = match finding.interpretation {
        None => health::Interpretation::Unspecified,
        Some(Interpretation::Normal) => health::Interpretation::Normal,
        Some(Interpretation::Abnormal) => health::Interpretation::Abnormal,
    };
    health::Finding {
        code: finding.code.clone(),
        display: finding.display.clone(),
        value: finding.value.clone(),
        unit: finding.unit.clone(),
        interpretation: interpretation.into(),
    }
}

/// A pregnancy test.
#[must_use]
pub fn pregnancy_test_to_wire(test: PregnancyTest) -> health::PregnancyTest {
    let result = match test.result {
        PregnancyResult::Negative => health::PregnancyResult::Negative,
        PregnancyResult::Positive => health::PregnancyResult::Positive,
    };
    health::PregnancyTest { tested_on: test.tested_on.to_string(), result: result.into() }
}
