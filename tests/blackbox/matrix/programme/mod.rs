//! The programme in the matrix: an example of each of its methods, and in [`seed`] the records that
//! the answers show.

mod seed;

use desmigratif_proto::programme::v1::{
    EndDesignationRequest, EndOfficerRequest, GetCoverageRequest, GetRegionalBriefingRequest,
    GetSectorMapRequest, ListActivitiesRequest, ListDesignationsRequest, ListEnterprisesRequest,
    ListFamiliesRequest, ListOfficersRequest, ListSectorsRequest, Pillar, Role, ServiceStatus,
    WithdrawFamilyRequest,
};
use prost::Message as _;

use super::requests::Example;
use crate::gateway::{KENANGA, fresh_nik, new_id};
use crate::programme::records::{
    OUTREACH, activity, assignment, day, designation, enrolment, enterprise, service, this_year,
};

pub(super) use seed::Seeded;

/// The examples, as those of the other services.
pub(super) const EXAMPLES: &[(&str, Example)] = &[
    ("CoverageService/GetCoverage", |_| get_coverage("")),
    ("CoverageService/GetRegionalBriefing", |_| get_regional_briefing("32.12")),
    ("PillarService/EnrolFamily", |cast| enrol_family(&cast.near.worker_id, &cast.near.member_id)),
    ("PillarService/ListActivities", |_| list_activities(KENANGA)),
    ("PillarService/ListEnterprises", |_| list_enterprises(KENANGA)),
    ("PillarService/ListFamilies", |_| list_families(KENANGA)),
    ("PillarService/RecordActivity", |_| record_activity(KENANGA, "")),
    ("PillarService/RecordEnterprise", |_| record_enterprise(KENANGA, "")),
    ("PillarService/WithdrawFamily", |cast| withdraw_family(&cast.programme.families.draw())),
    ("ProgrammeService/AssignOfficer", |cast| {
        assign_officer(&cast.programme.free_posts.draw(), &fresh_nik())
    }),
    ("ProgrammeService/DesignateVillage", |cast| {
        designate_village(&cast.programme.undesignated.draw())
    }),
    ("ProgrammeService/EndDesignation", |cast| end_designation(&cast.programme.designated.draw())),
    ("ProgrammeService/EndOfficer", |cast| end_officer(&cast.programme.officers.draw())),
    ("ProgrammeService/ListDesignations", |_| ListDesignationsRequest::default().encode_to_vec()),
    ("ProgrammeService/ListOfficers", |_| list_officers(KENANGA)),
    ("SectorMapService/GetSectorMap", |_| get_sector_map("")),
    ("SectorMapService/ListSectors", |_| ListSectorsRequest {}.encode_to_vec()),
    ("SectorMapService/ReportSectorService", |_| report_sector_service(KENANGA)),
];

pub(super) fn designate_village(village_code: &str) -> Vec<u8> {
    designation(village_code, this_year()).encode_to_vec()
}

pub(super) fn end_designation(village_code: &str) -> Vec<u8> {
    let (request_id, village_code) = (new_id(), village_code.into());
    let (last_day, etag) = (day(0), String::new());
    EndDesignationRequest { request_id, village_code, last_day, etag }.encode_to_vec()
}

/// Somebody in charge of a village.
pub(super) fn assign_officer(village_code: &str, nik: &str) -> Vec<u8> {
    assignment(Role::PersonInCharge, village_code, nik).encode_to_vec()
}

pub(super) fn end_officer(officer_id: &str) -> Vec<u8> {
    let (request_id, officer_id, last_day) = (new_id(), officer_id.into(), String::new());
    EndOfficerRequest { request_id, officer_id, last_day }.encode_to_vec()
}

pub(super) fn list_officers(place_code: &str) -> Vec<u8> {
    ListOfficersRequest { place_code: place_code.into(), ..Default::default() }.encode_to_vec()
}

/// A new activity, or another in the place of one.
pub(super) fn record_activity(village_code: &str, activity_id: &str) -> Vec<u8> {
    let mut request = activity(village_code, Pillar::Cooperative);
    request.activity.as_mut().unwrap().activity_id = activity_id.into();
    request.encode_to_vec()
}

pub(super) fn list_activities(place_code: &str) -> Vec<u8> {
    ListActivitiesRequest { place_code: place_code.into(), ..Default::default() }.encode_to_vec()
}

/// A new enterprise, or another in the place of one.
pub(super) fn record_enterprise(village_code: &str, enterprise_id: &str) -> Vec<u8> {
    let mut request = enterprise(village_code);
    request.enterprise.as_mut().unwrap().enterprise_id = enterprise_id.into();
    request.encode_to_vec()
}

pub(super) fn list_enterprises(place_code: &str) -> Vec<u8> {
    ListEnterprisesRequest { place_code: place_code.into(), ..Default::default() }.encode_to_vec()
}

pub(super) fn enrol_family(worker_id: &str, child_id: &str) -> Vec<u8> {
    enrolment(worker_id, child_id).encode_to_vec()
}

pub(super) fn withdraw_family(worker_id: &str) -> Vec<u8> {
    let (request_id, worker_id, last_day) = (new_id(), worker_id.into(), String::new());
    WithdrawFamilyRequest { request_id, worker_id, last_day }.encode_to_vec()
}

pub(super) fn list_families(place_code: &str) -> Vec<u8> {
    ListFamiliesRequest { place_code: place_code.into(), ..Default::default() }.encode_to_vec()
}

pub(super) fn report_sector_service(village_code: &str) -> Vec<u8> {
    service(village_code, OUTREACH, ServiceStatus::Active).encode_to_vec()
}

/// On a day by which reports that count for half a year have run out, and those for a year have not.
pub(super) fn get_sector_map(region_code: &str) -> Vec<u8> {
    let (region_code, on) = (region_code.into(), day(200));
    GetSectorMapRequest { region_code, on, ..Default::default() }.encode_to_vec()
}

pub(super) fn get_coverage(region_code: &str) -> Vec<u8> {
    let (region_code, target_year) = (region_code.into(), this_year() + 10);
    GetCoverageRequest { region_code, target_year, ..Default::default() }.encode_to_vec()
}

pub(super) fn get_regional_briefing(region_code: &str) -> Vec<u8> {
    GetRegionalBriefingRequest { region_code: region_code.into() }.encode_to_vec()
}
