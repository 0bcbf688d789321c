//! The agencies of the sandbox: each ministry, and one or more of every other kind.

use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus};
use desmigratif_core::region::RegionCode;

use AgencyKind::{
    Clinic, Kemendagri, Kemendes, Kemenkes, Kemnaker, Operator, OtherAgency, PresidentOffice,
    RegionalOffice,
};
use Purpose::{
    ClearanceSubmission, DataSubjectRequest, IdentityCheck, Operations, Oversight,
    PlacementScreening, ProgrammePlanning, SocialProtection,
};

/// Id, kind, name, purposes.
type Row = (&'static str, AgencyKind, &'static str, &'static [Purpose]);

const ROWS: &[Row] = &[
    (
        "kemnaker",
        Kemnaker,
        "Kementerian Ketenagakerjaan (sandbox)",
        &[PlacementScreening, SocialProtection, ProgrammePlanning, Oversight],
    ),
    (
        "kemendagri",
        Kemendagri,
        "Kementerian Dalam Negeri (sandbox)",
        &[IdentityCheck, ProgrammePlanning, Oversight],
    ),
    ("kemenkes", Kemenkes, "Kementerian Kesehatan (sandbox)", &[Oversight, ProgrammePlanning]),
    ("kemendes", Kemendes, "Kementerian Desa (sandbox)", &[ProgrammePlanning]),
    (
        "bp2mi",
        OtherAgency,
        "Badan Pelindungan Pekerja Migran (sandbox)",
        &[IdentityCheck, PlacementScreening, SocialProtection],
    ),
    ("kemenkop", OtherAgency, "Kementerian Koperasi (sandbox)", &[ProgrammePlanning]),
    ("kantor-staf-presiden", PresidentOffice, "Kantor Staf Presiden (sandbox)", &[Oversight]),
    (
        "disnaker-indramayu",
        RegionalOffice,
        "Disnaker Kabupaten Indramayu (sandbox)",
        &[ProgrammePlanning, SocialProtection],
    ),
    ("operator", Operator, "Pengelola gateway (sandbox)", &[Operations, DataSubjectRequest]),
    ("klinik-indramayu", Clinic, "Klinik Contoh Indramayu", &[ClearanceSubmission]),
    ("klinik-wonosobo", Clinic, "Klinik Contoh Wonosobo", &[ClearanceSubmission]),
    ("klinik-malang", Clinic, "Klinik Contoh Malang", &[ClearanceSubmission]),
];

/// The agencies. A clinic's facility has the clinic's own id.
///
/// # Panics
/// Never: the ids are well formed, as a test shows.
#[must_use]
pub fn agencies() -> Vec<Agency> {
    let agency = |&(id, kind, name, purposes): &Row| Agency {
        id: AgencyId::parse(id).expect("a test reads every id"),
        kind,
        name: name.to_owned(),
        purposes: purposes.iter().copied().collect(),
        status: AgencyStatus::Active,
        region: (kind == RegionalOffice).then(|| RegionCode::parse("32.12").ok()).flatten(),
        facility: (kind == Clinic).then(|| id.to_owned()),
        certificates: Vec::new(),
    };
    ROWS.iter().map(agency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_agency_is_there() {
        let agencies = agencies();
        for kind in AgencyKind::ALL {
            assert!(agencies.iter().any(|agency| agency.kind == kind), "{kind:?}");
        }
        let office = agencies.iter().find(|agency| agency.kind == RegionalOffice).unwrap();
        assert!(office.region.is_some());
    }
}
