//! What one agency may use, and what it is told when it has used it.

use desmigratif_proto::access::v1::access_service_client::AccessServiceClient;
use desmigratif_proto::access::v1::{LimitsLeft, WhoAmIRequest, WhoAmIResponse};
use desmigratif_proto::village::v1::SearchVillagesRequest;
use desmigratif_proto::village::v1::village_service_client::VillageServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::calls::{look_up, register, registration};
use crate::gateway::{Gateway, fresh_nik, reason};
use crate::journal::entries;

/// The least that the configuration takes.
const PEOPLE: u32 = 500;

async fn who_am_i(agency: &Channel) -> WhoAmIResponse {
    let request = Request::new(WhoAmIRequest {});
    AccessServiceClient::new(agency.clone()).who_am_i(request).await.unwrap().into_inner()
}

/// The delay that a refusal tells people and programs, and that it tells clients' own retries.
fn delays_ms(refused: &Status) -> (u128, u128) {
    let told = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").unwrap();
    (told.as_millis(), pushback.to_str().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_that_asks_about_too_many_people_is_told_so_and_journalled_once() {
    let people = PEOPLE.to_string();
    let gateway = Gateway::serve(
        crate::folder::prepared(),
        &[
            ("DESMIGRATIF_LIMITS__SUBJECTS_PER_HOUR", &people),
            ("DESMIGRATIF_LIMITS__AGENCY__BP2MI__SUBJECTS_PER_HOUR", "501"),
        ],
    );
    let kemnaker = gateway.connect("kemnaker").await;
    let known = fresh_nik();
    register(&kemnaker, registration(&known)).await.unwrap();
    for _ in 1..PEOPLE {
        let refused = look_up(&kemnaker, "placement-screening", &fresh_nik()).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
    }
    let me = who_am_i(&kemnaker).await;
    assert_eq!(me.limits.unwrap().subjects_per_hour, PEOPLE);
    assert_eq!(me.limits_left, Some(LimitsLeft { concurrent_calls: 199, subjects: 0 }));

    let before = entries(&gateway, "refusal").len();
    for _ in 0..3 {
        let refused = look_up(&kemnaker, "placement-screening", &fresh_nik()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(reason(&refused), "SUBJECTS_LIMITED");
        let (told, pushback) = delays_ms(&refused);
        assert_eq!(told, pushback);
        assert!(
            (3_000_000..=3_600_000).contains(&told),
            "{told} ms: until the first is an hour ago"
        );
    }
    let method = "desmigratif.worker.v1.WorkerService/LookupWorker";
    assert_eq!(
        entries(&gateway, "refusal")[before..],
        [("kemnaker".to_owned(), method.to_owned())]
    );

    look_up(&kemnaker, "placement-screening", &known)
        .await
        .expect("whom it knows it may ask about");
    let other = gateway.connect("bp2mi").await;
    let left = who_am_i(&other).await.limits_left.unwrap();
    assert_eq!(left.subjects, 501, "others are not touched, and may have a limit of their own");
    let (_, metrics) = gateway.operators_get("/metrics").await;
    let counted = metrics.lines().any(|line| {
        line.starts_with("desmigratif_access_limit_refused_total")
            && line.contains("agency=\"kemnaker\"")
            && line.contains("limit=\"subjects_per_hour\"")
            && line.ends_with(" 3")
    });
    assert!(counted, "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_that_moves_too_many_bytes_waits_and_no_call_of_it_is_cut() {
    let gateway = Gateway::serve(
        crate::folder::prepared(),
        &[
            ("DESMIGRATIF_LIMITS__MESSAGE_BYTES", "8192"),
            ("DESMIGRATIF_LIMITS__BYTES_PER_MINUTE", "8192"),
        ],
    );
    let kemendes = gateway.connect("kemendes").await;
    let mut villages = VillageServiceClient::new(kemendes);
    let search = || SearchVillagesRequest {
        query: "sidomulyo".into(),
        page_size: 50,
        ..SearchVillagesRequest::default()
    };
    let mut moved = 0;
    let refused = loop {
        match villages.search_villages(search()).await {
            Ok(answer) => moved += prost::Message::encoded_len(answer.get_ref()),
            Err(refused) => break refused,
        }
    };
    assert!((8_192..100_000).contains(&moved), "{moved} bytes");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "BYTES_LIMITED")
    );
    let (told, pushback) = delays_ms(&refused);
    assert!(told == pushback && told > 0 && told <= 60_000, "{told} ms");
}
