//! The list of what is withheld, for those who keep the orders: over the wire, and by the command
//! line.

use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{
    EndWithholdingRequest, ListDisclosuresRequest, ListWithholdingsRequest,
    ListWithholdingsResponse,
};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::calls::withholding;
use crate::gateway::{Gateway, fresh_nik, new_id, reason, run, stating};

/// Withholds something from a person; the withholding's id.
async fn withhold(operator: &Channel, nik: &str) -> String {
    let request = stating("operations", withholding(nik));
    let answer = AuditServiceClient::new(operator.clone()).withhold_disclosures(request).await;
    answer.unwrap().into_inner().withholding_id
}

async fn list(
    operator: &Channel,
    request: ListWithholdingsRequest,
) -> Result<ListWithholdingsResponse, Status> {
    let mut audit = AuditServiceClient::new(operator.clone());
    Ok(audit.list_withholdings(stating("operations", request)).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_by_person_and_the_person_is_not_told() {
    let gateway = Gateway::shared();
    let operator = gateway.connect("operator").await;
    let (nik, other) = (fresh_nik(), fresh_nik());
    let (first, second) = (withhold(&operator, &nik).await, withhold(&operator, &nik).await);
    withhold(&operator, &other).await;
    let request = EndWithholdingRequest { request_id: new_id(), withholding_id: first.clone() };
    let mut audit = AuditServiceClient::new(operator.clone());
    let ended = stating("operations", request);
    audit.end_withholding(ended).await.unwrap();
    let trail = async || {
        let request = ListDisclosuresRequest { nik: nik.clone(), ..Default::default() };
        let request = stating("data-subject-request", request);
        let answer = audit.clone().list_disclosures(request).await.unwrap();
        answer.into_inner().entries.len()
    };
    let before = trail().await;

    let of_person = ListWithholdingsRequest { nik: nik.clone(), ..Default::default() };
    let listed = list(&operator, of_person).await.unwrap();
    let ids: Vec<_> = listed.withholdings.iter().map(|it| it.withholding_id.clone()).collect();
    assert_eq!(ids, [second, first], "the newest first, and nobody else's");
    let [newer, older] = &listed.withholdings[..] else { unreachable!("two were listed") };
    assert!(newer.in_force && newer.ended_at.is_none());
    assert!(!older.in_force && older.ended_at.is_some());
    let asked = withholding(&nik);
    let told = (&newer.agency_id, &newer.ordered_by, &newer.legal_reference);
    assert_eq!(told, (&asked.agency_id, &asked.ordered_by, &asked.legal_reference));
    assert_eq!((newer.subject.len(), &newer.subject), (64, &older.subject));
    assert!(listed.receipt.is_some(), "it is an entry");
    // Of the lists the person sees its own alone, the one made before.
    assert_eq!(trail().await, before + 1);

    let nobody = ListWithholdingsRequest { nik: fresh_nik(), ..Default::default() };
    assert!(list(&operator, nobody).await.unwrap().withholdings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_all_join_and_belong_to_their_list() {
    let gateway = Gateway::start();
    let operator = gateway.connect("operator").await;
    let nik = fresh_nik();
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(withhold(&operator, &nik).await);
    }
    let page =
        |page_token| ListWithholdingsRequest { page_size: 2, page_token, ..Default::default() };
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let answer = list(&operator, page(token)).await.unwrap();
        assert!(answer.withholdings.len() <= 2);
        found.extend(answer.withholdings.into_iter().map(|it| it.withholding_id));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    made.reverse();
    assert_eq!(found, made);

    let first = list(&operator, page(String::new())).await.unwrap();
    let of_person = ListWithholdingsRequest { nik, ..page(first.next_page_token) };
    let refused = list(&operator, of_person).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "FIELDS_INVALID")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_them() {
    let gateway = Gateway::shared();
    let operator = gateway.connect("operator").await;
    let nik = fresh_nik();
    let id = withhold(&operator, &nik).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nik");
    std::fs::write(&file, &nik).unwrap();
    let profile = gateway.data().join("operator.toml");
    let args = ["subjects", "withholdings", "--profile", profile.to_str().unwrap()];
    let of_person = ["--nik-file", file.to_str().unwrap()];
    let (status, out, err) = run(&[&args[..], &of_person, &["-o", "json"]].concat());
    assert_eq!(status, Some(0), "{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 1, "{out}");
    assert_eq!((&shown[0]["id"], &shown[0]["in_force"]), (&id.clone().into(), &true.into()));
    let (status, out, err) = run(&args);
    assert_eq!(status, Some(0), "{err}");
    let row = out.lines().find(|line| line.contains(&id)).unwrap();
    assert!(row.contains("kemnaker") && row.contains("Pengadilan Negeri Contoh"), "{row}");
    assert!(!out.contains(&nik));
}
