//! The services of the contract: wire message -> domain value -> one use case -> wire message.
//!
//! Every method that touches personal data goes through `flow`, so that validation, journal,
//! minimising and receipt cannot be left out; a method here is its request's conversion
//! (`read`) and its use case. Conversions stand beside the service that uses them.

mod access;
mod admin;
mod agency;
mod audit;
mod clearance;
mod facility;
mod failure;
mod feed;
mod flow;
mod identity;
mod page;
mod programme;
mod reading;
#[cfg(test)]
mod tests;
mod village;
mod wire;
mod worker;

use std::sync::Arc;

use desmigratif_proto::access::v1::access_service_server::AccessServiceServer;
use desmigratif_proto::admin::v1::admin_service_server::AdminServiceServer;
use desmigratif_proto::admin::v1::agency_service_server::AgencyServiceServer;
use desmigratif_proto::audit::v1::audit_service_server::AuditServiceServer;
use desmigratif_proto::exchange::v1::change_feed_service_server::ChangeFeedServiceServer;
use desmigratif_proto::health::v1::facility_service_server::FacilityServiceServer;
use desmigratif_proto::health::v1::medical_clearance_service_server::MedicalClearanceServiceServer;
use desmigratif_proto::identity::v1::identity_service_server::IdentityServiceServer;
use desmigratif_proto::programme::v1::coverage_service_server::CoverageServiceServer;
use desmigratif_proto::programme::v1::pillar_service_server::PillarServiceServer;
use desmigratif_proto::programme::v1::programme_service_server::ProgrammeServiceServer;
use desmigratif_proto::programme::v1::sector_map_service_server::SectorMapServiceServer;
use desmigratif_proto::village::v1::village_service_server::VillageServiceServer;
use desmigratif_proto::worker::v1::worker_service_server::WorkerServiceServer;
use tonic::service::{Routes, RoutesBuilder};

use crate::access::{Directory, Policy};
use crate::audit::Log;
use crate::exchange::Exchange;

pub use failure::Failure;
pub use feed::Settings as FeedSettings;

/// All services of the contract over one exchange. `message_bytes` is the largest request
/// message; the edge has refused larger ones before, this is the codec's own bound. `feeds` is how
/// changes are told.
#[must_use]
pub fn routes(
    exchange: &Arc<Exchange>,
    directory: &Arc<Directory>,
    policy: &Arc<Policy>,
    log: &Arc<Log>,
    message_bytes: usize,
    feeds: FeedSettings,
) -> RoutesBuilder {
    let mut routes = Routes::builder();
    macro_rules! serve {
        ($server:ident, $service:expr) => {
            routes.add_service($server::new($service).max_decoding_message_size(message_bytes))
        };
    }
    serve!(VillageServiceServer, village::Villages(exchange.clone()));
    serve!(IdentityServiceServer, identity::Identities(exchange.clone()));
    serve!(WorkerServiceServer, worker::Workers(exchange.clone()));
    serve!(MedicalClearanceServiceServer, clearance::Clearances(exchange.clone()));
    serve!(FacilityServiceServer, facility::Facilities(exchange.clone()));
    serve!(ProgrammeServiceServer, programme::Programme(exchange.clone()));
    serve!(PillarServiceServer, programme::Pillars(exchange.clone()));
    serve!(SectorMapServiceServer, programme::SectorMaps(exchange.clone()));
    serve!(CoverageServiceServer, programme::Coverages(exchange.clone()));
    serve!(AdminServiceServer, admin::Administration(exchange.clone()));
    let agencies = agency::Agencies { exchange: exchange.clone(), directory: directory.clone() };
    serve!(AgencyServiceServer, agencies);
    let evidence = audit::Audit { exchange: exchange.clone(), log: log.clone() };
    serve!(AuditServiceServer, evidence);
    let (settings, metrics) = (feeds, feed::Metrics::new());
    let feeds = feed::Feeds { exchange: exchange.clone(), settings, metrics };
    serve!(ChangeFeedServiceServer, feeds);
    let standing = access::Standing { exchange: exchange.clone(), policy: policy.clone() };
    serve!(AccessServiceServer, standing);
    routes
}
