//! Agencies: wire value <-> domain value.

use std::collections::BTreeSet;

use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_core::agency::{Agency, AgencyStatus, Certificate};
use desmigratif_core::record::{Record, Stored};
use desmigratif_core::region::RegionCode;
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::admin::v1 as wire_v1;
use desmigratif_proto::common::v1 as common;

use super::super::reading::Reading;
use super::super::wire;
use crate::exchange::{serves_region, submits_for_facility};

/// A new agency from the wire: active, and without a registered certificate.
pub(super) fn read_agency(
    reading: &mut Reading,
    at: Path<'_>,
    agency: &wire_v1::Agency,
) -> Option<Agency> {
    let id = wire::read_agency_id(reading, at.field("agency_id"), &agency.agency_id);
    let kind = read_kind(agency.kind());
    let region = wire::read_region(reading, at.field("region_code"), &agency.region_code);
    let facility = Some(agency.facility_id.trim().to_owned()).filter(|id| !id.is_empty());
    let purposes: BTreeSet<_> = agency.purposes().filter_map(read_purpose).collect();
    let (id, kind, region) = (id?, kind?, region?);
    if serves_region(kind) != region.is_some() {
        let rule = Rule::new(
            "REGION_OF_REGIONAL_OFFICE",
            "must be stated for a regional office, and for no other agency",
            "harus dinyatakan untuk kantor daerah, dan tidak untuk instansi lain",
        );
        reading.broken(at.field("region_code"), rule);
    }
    if submits_for_facility(kind) != facility.is_some() {
        let rule = Rule::new(
            "FACILITY_OF_CLINIC",
            "must be stated for a clinic, and for no other agency",
            "harus dinyatakan untuk klinik, dan tidak untuk instansi lain",
        );
        reading.broken(at.field("facility_id"), rule);
    }
    Some(Agency {
        id,
        kind,
        name: agency.name.trim().to_owned(),
        purposes,
        status: AgencyStatus::Active,
        region,
        facility,
        certificates: Vec::new(),
    })
}

fn read_kind(kind: common::AgencyKind) -> Option<AgencyKind> {
    AgencyKind::ALL.into_iter().find(|known| wire::agency_kind(*known) == kind)
}

fn read_purpose(purpose: common::Purpose) -> Option<Purpose> {
    Purpose::ALL.into_iter().find(|known| wire::purpose(*known) == purpose)
}

/// An agency, for the wire.
pub(super) fn agency(stored: &Stored) -> Option<wire_v1::Agency> {
    let Record::Agency(agency) = &stored.record else { return None };
    let status = match agency.status {
        AgencyStatus::Active => wire_v1::AgencyStatus::Active,
        AgencyStatus::Suspended => wire_v1::AgencyStatus::Suspended,
        AgencyStatus::Retired => wire_v1::AgencyStatus::Retired,
    };
    Some(wire_v1::Agency {
        agency_id: agency.id.to_string(),
        kind: wire::agency_kind(agency.kind).into(),
        name: agency.name.clone(),
        purposes: agency.purposes.iter().map(|it| wire::purpose(*it).into()).collect(),
        region_code: agency.region.as_ref().map(RegionCode::to_string).unwrap_or_default(),
        facility_id: agency.facility.clone().unwrap_or_default(),
        status: status.into(),
        certificates: agency.certificates.iter().map(certificate).collect(),
    })
}

/// A registered certificate, for the wire.
pub(super) fn certificate(certificate: &Certificate) -> wire_v1::AgencyCertificate {
    wire_v1::AgencyCertificate {
        sha256: certificate.sha256.clone(),
        expires_at: Some(wire::timestamp(certificate.expires_at)),
    }
}
