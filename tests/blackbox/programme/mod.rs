//! The programme, Desmigratif, as those who carry it use it: over real TLS, each agency with its
//! own certificate.

mod briefing;
mod coverage;
mod officers;
mod personal;
mod pillars;
pub(crate) mod records;
mod sectors;
mod villages;

use std::fmt::Debug;

use desmigratif_proto::village::v1::SearchVillagesRequest;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::gateway::reason;
use records::Office;

/// A ministry.
const KEMNAKER: &str = "kemnaker";
/// The manpower office of Kabupaten Indramayu, 32.12.
const DISNAKER: &str = "disnaker-indramayu";

/// How a call was refused: code and reason.
fn refused<T: Debug>(answer: Result<Response<T>, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), reason(&status))
}

/// The condition that was not met, of a call that was refused for that.
fn unmet<T: Debug>(answer: Result<Response<T>, Status>) -> String {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    status.get_details_precondition_failure().unwrap().violations.remove(0).r#type
}

/// The code of the village that a search by name finds first.
async fn found(office: &Office, query: &str) -> String {
    let request = SearchVillagesRequest { query: query.into(), ..Default::default() };
    let mut villages = VillageServiceClient::new(office.channel().clone());
    let found = villages.search_villages(request).await.unwrap().into_inner();
    found.hits.into_iter().next().unwrap().village.unwrap().code
}

/// Designates the two pilot villages, found by their names: Kenanga and Kuripan.
async fn pilots(kemnaker: &Office) -> [String; 2] {
    let kenanga = found(kemnaker, "Kenanga Indramayu").await;
    let kuripan = found(kemnaker, "Kuripan Wonosobo").await;
    for village in [&kenanga, &kuripan] {
        kemnaker.designate(village, 2016).await;
    }
    [kenanga, kuripan]
}
