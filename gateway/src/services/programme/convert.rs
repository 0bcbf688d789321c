//! The programme's values: from the wire and for it.

use desmigratif_core::programme::sector::{ServiceStatus, Standing, Why};
use desmigratif_core::programme::{
    Activity, BudgetSource, Designation, Enterprise, EnterpriseKind, EnterpriseStatus, Officer,
    ParentingFamily, Pillar, Role, Rules, SectorService, Station,
};
use desmigratif_core::region::VillageCode;
use desmigratif_proto::Path;
use desmigratif_proto::programme::v1 as wire_v1;

use super::super::reading::Reading;
use super::super::wire;
use crate::exchange::Exchange;
use crate::exchange::programme::SectorStanding;

/// Pairs an enum of the core with one of the contract, in both directions.
macro_rules! paired {
    ($wire:ident <=> $core:ident { $($variant:ident),* }, $to:ident, $read:ident) => {
        #[doc = concat!("A `", stringify!($wire), "`, for the wire.")]
        pub(in crate::services) const fn $to(value: $core) -> wire_v1::$wire {
            match value {
                $($core::$variant => wire_v1::$wire::$variant,)*
            }
        }

        #[doc = concat!("A `", stringify!($wire), "` from the wire; `None` when it is not set.")]
        pub(super) const fn $read(value: wire_v1::$wire) -> Option<$core> {
            match value {
                wire_v1::$wire::Unspecified => None,
                $(wire_v1::$wire::$variant => Some($core::$variant),)*
            }
        }
    };
}

paired!(Role <=> Role { PersonInCharge, Facilitator, Coordinator }, role, read_role);
paired!(
    Pillar <=> Pillar {
        MigrationServiceCentre, ProductiveBusiness, CommunityParenting, Cooperative
    },
    pillar, read_pillar
);
paired!(
    BudgetSource <=> BudgetSource {
        StateBudget, ProvinceBudget, RegencyBudget, VillageBudget, Company, Community
    },
    budget_source, read_budget_source
);
paired!(
    EnterpriseKind <=> EnterpriseKind { Business, Cooperative },
    enterprise_kind, read_enterprise_kind
);
paired!(
    EnterpriseStatus <=> EnterpriseStatus { Planned, Active, Dormant, Closed },
    enterprise_status, read_enterprise_status
);

paired!(
    ServiceStatus <=> ServiceStatus { Planned, Active, Suspended, Ended },
    service_status, read_service_status
);

/// The role of a filter, for the wire.
pub(super) fn role_or_all(of: Option<Role>) -> wire_v1::Role {
    of.map_or(wire_v1::Role::Unspecified, role)
}

/// A year, for the wire.
pub(in crate::services) fn year(year: i16) -> u32 {
    u32::try_from(year).unwrap_or(0)
}

/// The name of a village; empty for a code that is not in force any more.
pub(super) fn village_name(exchange: &Exchange, village: VillageCode) -> String {
    exchange.gazetteer.village(village).map_or("", |village| village.name).to_owned()
}

/// The code of a desa or desa adat in force, from the wire.
pub(super) fn read_desa(
    reading: &mut Reading,
    at: Path<'_>,
    text: &str,
    exchange: &Exchange,
) -> Option<VillageCode> {
    let village = wire::read_village(reading, at, text, exchange)?;
    reading.take(at, Designation::possible(village)).map(|()| village)
}

/// Where an officer serves, for the wire.
pub(in crate::services) fn place_code(station: Station) -> String {
    match station {
        Station::Village(village) => village.to_string(),
        Station::Regency(regency) => regency.to_string(),
    }
}

/// A designation, for the wire.
pub(in crate::services) fn designation(
    exchange: &Exchange,
    designation: &Designation,
    version: u64,
) -> wire_v1::Designation {
    wire_v1::Designation {
        village_code: designation.village.to_string(),
        village_name: village_name(exchange, designation.village),
        year: year(designation.year),
        decree: designation.decree.clone(),
        decided_on: wire::day(designation.decided_on),
        pilot: designation.pilot,
        ended_on: wire::day(designation.ended_on),
        etag: version.to_string(),
    }
}

/// What an agency has reported of its service, for the wire.
pub(in crate::services) fn service(service: &SectorService) -> wire_v1::SectorServiceReport {
    wire_v1::SectorServiceReport {
        village_code: service.village.to_string(),
        sector_code: service.sector.to_string(),
        status: service_status(service.status).into(),
        from: service.from.to_string(),
        until: wire::day(service.until),
        evidence: service.evidence.clone(),
        provider: service.provider.to_string(),
        reported_at: Some(wire::timestamp(service.reported_at)),
    }
}

/// An officer, for the wire, whole: the minimiser takes away what the caller may not see.
pub(super) fn officer(officer: &Officer) -> wire_v1::Officer {
    wire_v1::Officer {
        officer_id: officer.id.to_string(),
        role: role(officer.role).into(),
        place_code: place_code(officer.station),
        from: officer.from.to_string(),
        until: wire::day(officer.until),
        name: officer.name.expose().to_owned(),
        phone: officer.phone.clone().unwrap_or_default(),
    }
}

/// An activity, for the wire.
pub(in crate::services) fn activity(activity: &Activity, version: u64) -> wire_v1::Activity {
    wire_v1::Activity {
        activity_id: activity.id.to_string(),
        village_code: activity.village.to_string(),
        pillar: pillar(activity.pillar).into(),
        title: activity.title.clone(),
        from: activity.from.to_string(),
        until: wire::day(activity.until),
        women: activity.women,
        men: activity.men,
        budget_source: activity
            .budget
            .map_or(wire_v1::BudgetSource::Unspecified, |it| budget_source(it.source))
            .into(),
        budget_idr: activity.budget.map_or(0, |budget| budget.amount_idr),
        outcome: activity.outcome.clone(),
        recorded_by: activity.recorded_by.to_string(),
        etag: version.to_string(),
    }
}

/// An enterprise, for the wire.
pub(in crate::services) fn enterprise(
    enterprise: &Enterprise,
    version: u64,
) -> wire_v1::Enterprise {
    wire_v1::Enterprise {
        enterprise_id: enterprise.id.to_string(),
        village_code: enterprise.village.to_string(),
        kind: enterprise_kind(enterprise.kind).into(),
        name: enterprise.name.clone(),
        field: enterprise.field.clone(),
        members: enterprise.members,
        status: enterprise_status(enterprise.status).into(),
        founded_on: wire::day(enterprise.founded_on),
        registration_number: enterprise.registration_number.clone(),
        export_ready: enterprise.export_ready,
        recorded_by: enterprise.recorded_by.to_string(),
        etag: version.to_string(),
    }
}

/// A family in community parenting, for the wire.
pub(super) fn family(family: &ParentingFamily) -> wire_v1::ParentingFamily {
    wire_v1::ParentingFamily {
        worker_id: family.worker_id.to_string(),
        village_code: family.village.to_string(),
        child_ids: family.children.iter().map(ToString::to_string).collect(),
        from: family.from.to_string(),
        until: wire::day(family.until),
    }
}

/// How a sector stands in a village, for the wire.
pub(in crate::services) fn sector_standing(
    it: &SectorStanding,
    rules: &Rules,
) -> wire_v1::SectorStanding {
    let standing = match it.standing {
        Standing::Covered => wire_v1::Standing::Covered,
        Standing::Missing => wire_v1::Standing::Missing,
        Standing::Overlapping => wire_v1::Standing::Overlapping,
        Standing::Stale => wire_v1::Standing::Stale,
    };
    let (reason, day) = match it.why {
        Why::Given => (wire_v1::StandingReason::Given, None),
        Why::TooMany => (wire_v1::StandingReason::TooManyProviders, None),
        Why::NeverReported => (wire_v1::StandingReason::NeverReported, None),
        Why::Planned(day) => (wire_v1::StandingReason::Planned, Some(day)),
        Why::Suspended => (wire_v1::StandingReason::Suspended, None),
        Why::Ended(day) => (wire_v1::StandingReason::Ended, Some(day)),
        Why::ReportedUntil(day) => (wire_v1::StandingReason::ReportRanOut, Some(day)),
    };
    wire_v1::SectorStanding {
        sector_code: rules.sectors[it.sector].code.to_string(),
        standing: standing.into(),
        reason: reason.into(),
        day: wire::day(day),
        providers: it.providers.iter().map(ToString::to_string).collect(),
    }
}
