//! The disk is full: what is personal stops, what is public goes on, and all of it comes back.

use std::process::Command;

use desmigratif_proto::village::v1::GetVillageRequest;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::calls::{look_up, register, registration};
use crate::country::eventually;
use crate::folder::prepared;
use crate::gateway::{Gateway, KENANGA, fresh_nik, reason, run, run_command};
use crate::journal::entries;

const PURPOSE: &str = "placement-screening";

/// Lets no file of the gateway grow beyond so many bytes, as a full disk would.
fn limit_files(gateway: &Gateway, bytes: &str) {
    let mut command = Command::new("prlimit");
    command.args([&format!("--pid={}", gateway.id()), &format!("--fsize={bytes}:unlimited")]);
    let (status, out, err) = run_command(&mut command);
    assert_eq!(status, Some(0), "{out}{err}");
}

async fn health(agency: &Channel, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.into() };
    HealthClient::new(agency.clone()).check(request).await.unwrap().into_inner().status()
}

fn refused(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_what_is_personal_stops_and_what_is_public_goes_on() {
    let gateway = Gateway::serve(prepared(), &[]);
    let kemnaker = gateway.connect("kemnaker").await;
    let nik = fresh_nik();
    register(&kemnaker, registration(&nik)).await.unwrap();
    let before = entries(&gateway, "%").len();
    let workers = "desmigratif.worker.v1.WorkerService";
    let villages = "desmigratif.village.v1.VillageService";
    let closed = (Code::Unavailable, "JOURNAL_UNAVAILABLE".to_owned());

    limit_files(&gateway, "4096");
    let mut refusals = 0;
    eventually("it is noticed", async || {
        // Fails closed at once; that health says so takes a look of the gateway at itself.
        assert_eq!(refused(&look_up(&kemnaker, PURPOSE, &nik).await.unwrap_err()), closed);
        let (_, ready) = gateway.operators_get("/readyz").await;
        refusals += 1;
        ready.contains("degraded: the journal cannot be written").then_some(())
    })
    .await;
    let changed = register(&kemnaker, registration(&fresh_nik())).await.unwrap_err();
    assert_eq!(refused(&changed), closed);
    let mut public = VillageServiceClient::new(kemnaker.clone());
    public.get_village(GetVillageRequest { code: KENANGA.into() }).await.unwrap();
    assert_eq!(health(&kemnaker, workers).await, ServingStatus::NotServing);
    assert_eq!(health(&kemnaker, villages).await, ServingStatus::Serving);
    let (status, _) = gateway.operators_get("/readyz").await;
    assert!(status.contains(" 200 "), "public reads are to come: {status}");
    assert_eq!(entries(&gateway, "%").len(), before, "{refusals} refusals served nothing");

    limit_files(&gateway, "unlimited");
    eventually("it heals", async || {
        (health(&kemnaker, workers).await == ServingStatus::Serving).then_some(())
    })
    .await;
    const SERVED: usize = 20;
    for _ in 0..SERVED {
        look_up(&kemnaker, PURPOSE, &nik).await.unwrap();
    }
    assert_eq!(entries(&gateway, "%").len(), before + SERVED, "served is journalled, each once");

    let folder = gateway.kill();
    let config = folder.path().join("gateway.toml");
    let (status, out, err) = run(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{out}{err}");
}
