//! What tests state of the programme, and the clients by which they state it.

use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_proto::programme::v1::coverage_service_client::CoverageServiceClient;
use desmigratif_proto::programme::v1::pillar_service_client::PillarServiceClient;
use desmigratif_proto::programme::v1::programme_service_client::ProgrammeServiceClient;
use desmigratif_proto::programme::v1::sector_map_service_client::SectorMapServiceClient;
use desmigratif_proto::programme::v1::{
    Activity, AssignOfficerRequest, BudgetSource, DesignateVillageRequest, EnrolFamilyRequest,
    Enterprise, EnterpriseKind, EnterpriseStatus, Pillar, RecordActivityRequest,
    RecordEnterpriseRequest, ReportSectorServiceRequest, Role, SectorServiceReport, ServiceStatus,
};
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use desmigratif_proto::village::v1::{ListVillagesRequest, VillageKind};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{AddFamilyMemberRequest, FamilyMemberDetails};
use jiff::Span;
use tonic::Request;
use tonic::transport::Channel;

use crate::gateway::{Gateway, new_id, stating};

/// A sector that agencies of every kind report.
pub(crate) const OUTREACH: &str = "safe-migration-outreach";

/// The name that officers have.
pub(crate) const OFFICER: &str = "Contoh Wulan Prameswari";
/// The telephone that officers have.
pub(crate) const DUTY_PHONE: &str = "+6281399887766";

/// An agency's connection, by which it takes part in the programme.
pub(crate) struct Office(Channel);

impl Office {
    /// Connects as an agency.
    pub(crate) async fn of(gateway: &Gateway, agency: &str) -> Self {
        Self(gateway.connect(agency).await)
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.0
    }

    pub(crate) fn programme(&self) -> ProgrammeServiceClient<Channel> {
        ProgrammeServiceClient::new(self.0.clone())
    }

    pub(crate) fn pillars(&self) -> PillarServiceClient<Channel> {
        PillarServiceClient::new(self.0.clone())
    }

    pub(crate) fn sectors(&self) -> SectorMapServiceClient<Channel> {
        SectorMapServiceClient::new(self.0.clone())
    }

    pub(crate) fn coverage(&self) -> CoverageServiceClient<Channel> {
        CoverageServiceClient::new(self.0.clone())
    }

    /// Designates a village in a year.
    pub(crate) async fn designate(&self, village_code: &str, year: u32) {
        let request = planning(designation(village_code, year));
        self.programme().designate_village(request).await.unwrap();
    }

    /// Assigns a new officer; answers with the record's id.
    pub(crate) async fn assign(&self, request: AssignOfficerRequest) -> String {
        let assigned = self.programme().assign_officer(planning(request)).await.unwrap();
        assigned.into_inner().officer_id
    }

    /// Reports a service in a village that is given from today on.
    pub(crate) async fn report(&self, village_code: &str, sector_code: &str) {
        let request = service(village_code, sector_code, ServiceStatus::Active);
        self.sectors().report_sector_service(planning(request)).await.unwrap();
    }

    /// Adds a member to a worker's family; answers with the record's id.
    pub(crate) async fn add_member(&self, worker_id: &str, member: FamilyMemberDetails) -> String {
        let (request_id, worker_id) = (new_id(), worker_id.into());
        let request = AddFamilyMemberRequest { request_id, worker_id, member: Some(member) };
        let mut workers = WorkerServiceClient::new(self.0.clone());
        let added = workers.add_family_member(protecting(request)).await.unwrap();
        added.into_inner().family_member_id
    }

    /// Enrols a worker's family in community parenting.
    pub(crate) async fn enrol(&self, worker_id: &str, child_id: &str) {
        let request = protecting(enrolment(worker_id, child_id));
        self.pillars().enrol_family(request).await.unwrap();
    }

    /// The codes of the first desa of a region.
    pub(crate) async fn desa(&self, region_code: &str) -> Vec<String> {
        let request = ListVillagesRequest {
            region_code: region_code.into(),
            page_size: 60,
            ..Default::default()
        };
        let listed = VillageServiceClient::new(self.0.clone()).list_villages(request).await;
        let villages = listed.unwrap().into_inner().villages.into_iter();
        villages.filter(|it| it.kind() == VillageKind::Desa).map(|it| it.code).collect()
    }
}

/// A request that plans the programme.
pub(crate) fn planning<M>(message: M) -> Request<M> {
    stating("programme-planning", message)
}

/// A request that protects workers and their families.
pub(crate) fn protecting<M>(message: M) -> Request<M> {
    stating("social-protection", message)
}

/// The day so many days from today, ISO 8601.
pub(crate) fn day(days: i64) -> String {
    SystemClock.today().saturating_add(Span::new().days(days)).to_string()
}

/// This year.
pub(crate) fn this_year() -> u32 {
    SystemClock.today().year().unsigned_abs().into()
}

/// Designates a village.
pub(crate) fn designation(village_code: &str, year: u32) -> DesignateVillageRequest {
    DesignateVillageRequest {
        request_id: new_id(),
        village_code: village_code.into(),
        year,
        decree: format!("Kepmenaker Contoh/{year}"),
        decided_on: format!("{year}-01-02"),
        pilot: year == 2016,
    }
}

/// Assigns somebody from today on.
pub(crate) fn assignment(role: Role, place_code: &str, nik: &str) -> AssignOfficerRequest {
    AssignOfficerRequest {
        request_id: new_id(),
        role: role.into(),
        place_code: place_code.into(),
        nik: nik.into(),
        name: OFFICER.into(),
        phone: DUTY_PHONE.into(),
        from: String::new(),
    }
}

/// Records an activity that lasted today, of which everything is known.
pub(crate) fn activity(village_code: &str, pillar: Pillar) -> RecordActivityRequest {
    let activity = Activity {
        village_code: village_code.into(),
        pillar: pillar.into(),
        title: "Pelatihan batik".into(),
        from: day(0),
        until: day(0),
        women: 21,
        men: 4,
        budget_source: BudgetSource::VillageBudget.into(),
        budget_idr: 15_000_000,
        outcome: "Empat kelompok usaha terbentuk".into(),
        ..Activity::default()
    };
    RecordActivityRequest { request_id: new_id(), activity: Some(activity), etag: String::new() }
}

/// Records a business that trades, of which everything is known.
pub(crate) fn enterprise(village_code: &str) -> RecordEnterpriseRequest {
    let enterprise = Enterprise {
        village_code: village_code.into(),
        kind: EnterpriseKind::Business.into(),
        name: "Batik Contoh".into(),
        field: "Batik tulis".into(),
        members: 12,
        status: EnterpriseStatus::Active.into(),
        founded_on: "2019-03-04".into(),
        registration_number: "NIB-0220001234567".into(),
        export_ready: true,
        ..Enterprise::default()
    };
    let enterprise = Some(enterprise);
    RecordEnterpriseRequest { request_id: new_id(), enterprise, etag: String::new() }
}

/// Reports a service in a village from today on.
pub(crate) fn service(
    village_code: &str,
    sector_code: &str,
    status: ServiceStatus,
) -> ReportSectorServiceRequest {
    let given = status == ServiceStatus::Active;
    let service = SectorServiceReport {
        village_code: village_code.into(),
        sector_code: sector_code.into(),
        status: status.into(),
        from: day(0),
        // What is given has an end that lies far ahead.
        until: if given { day(400) } else { String::new() },
        evidence: "Laporan 12/2026".into(),
        ..SectorServiceReport::default()
    };
    ReportSectorServiceRequest { request_id: new_id(), service: Some(service) }
}

/// Enrols a worker's family in community parenting from today on.
pub(crate) fn enrolment(worker_id: &str, child_id: &str) -> EnrolFamilyRequest {
    EnrolFamilyRequest {
        request_id: new_id(),
        worker_id: worker_id.into(),
        child_ids: vec![child_id.into()],
        from: String::new(),
    }
}
