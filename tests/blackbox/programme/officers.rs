//! The people who carry the programme, and the posts that they fill.

use desmigratif_proto::audit::v1::EraseSubjectRequest;
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::programme::v1::{
    AssignOfficerRequest, EndOfficerRequest, GetRegionalBriefingRequest, ListOfficersRequest,
    Officer, Role,
};
use tokio::task::JoinSet;
use tonic::{Code, Request};

use super::records::{
    DUTY_PHONE, OFFICER, Office, assignment, day, planning, protecting, this_year,
};
use super::{DISNAKER, KEMNAKER, refused, unmet};
use crate::gateway::{Gateway, KENANGA, fresh_nik, new_id, reason, stating};
use crate::input::violations;

fn ending(officer_id: &str, last_day: String) -> Request<EndOfficerRequest> {
    let (request_id, officer_id) = (new_id(), officer_id.into());
    planning(EndOfficerRequest { request_id, officer_id, last_day })
}

/// The officers of a place, as who protects workers is told of them.
async fn listed(office: &Office, place_code: &str, role: Role) -> Vec<Officer> {
    let (place_code, role) = (place_code.into(), role.into());
    let request = ListOfficersRequest { place_code, role, ..Default::default() };
    let listed = office.programme().list_officers(protecting(request)).await.unwrap();
    listed.into_inner().officers
}

/// How many facilitators a briefing counts in office in Kenanga.
async fn facilitators(office: &Office) -> u32 {
    let request = planning(GetRegionalBriefingRequest { region_code: "32.12".into() });
    let briefing = office.coverage().get_regional_briefing(request).await.unwrap().into_inner();
    briefing.villages.iter().find(|it| it.village_code == KENANGA).unwrap().facilitators
}

#[tokio::test(flavor = "multi_thread")]
async fn a_village_has_two_facilitators_and_a_third_only_when_one_has_left() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let early = assignment(Role::Facilitator, KENANGA, &fresh_nik());
    let nowhere = kemnaker.programme().assign_officer(planning(early.clone())).await;
    let not_designated = (Code::FailedPrecondition, "VILLAGE_NOT_DESIGNATED".to_owned());
    assert_eq!(refused(nowhere), not_designated);
    kemnaker.designate(KENANGA, 2016).await;

    // The office of the kabupaten fills the posts too.
    let disnaker = Office::of(&gateway, DISNAKER).await;
    let mut first = assignment(Role::Facilitator, KENANGA, &fresh_nik());
    first.from = day(-30);
    let first = disnaker.assign(first).await;
    let sent = assignment(Role::Facilitator, KENANGA, &fresh_nik());
    let second = kemnaker.assign(sent.clone()).await;
    assert_eq!(kemnaker.assign(sent).await, second, "a request that is repeated");

    let third = kemnaker.programme().assign_officer(planning(early.clone())).await;
    let refusal = third.unwrap_err();
    assert_eq!(reason(&refusal), "POST_REFUSED");
    assert_eq!(unmet::<()>(Err(refusal)), "POST_FILLED");
    disnaker.programme().end_officer(ending(&first, day(-1))).await.unwrap();
    let over = disnaker.programme().end_officer(ending(&first, day(0))).await;
    assert_eq!(unmet(over), "OFFICER_NOT_IN_OFFICE");
    let third = kemnaker.assign(early).await;

    let officers = listed(&disnaker, KENANGA, Role::Facilitator).await;
    let shown: Vec<_> =
        officers.iter().map(|it| (&*it.officer_id, &*it.from, &*it.until)).collect();
    let (from, until, today) = (day(-30), day(-1), day(0));
    assert_eq!(shown, [(&*first, &*from, &*until), (&second, &today, ""), (&third, &today, "")]);
    for it in &officers {
        assert_eq!((&*it.name, &*it.phone, &*it.place_code), (OFFICER, DUTY_PHONE, KENANGA));
    }
    assert_eq!(listed(&disnaker, KENANGA, Role::PersonInCharge).await, []);
    assert_eq!(listed(&disnaker, "33.07", Role::Unspecified).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_plans_sees_that_posts_are_filled_and_not_by_whom() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let id = kemnaker.assign(assignment(Role::Coordinator, "32.12", &fresh_nik())).await;
    let request = planning(ListOfficersRequest { place_code: "32".into(), ..Default::default() });
    let officers = kemnaker.programme().list_officers(request).await.unwrap().into_inner().officers;
    let shown: Vec<_> =
        officers.iter().map(|it| (&*it.officer_id, it.role(), &*it.place_code)).collect();
    assert_eq!(shown, [(&*id, Role::Coordinator, "32.12")]);
    assert_eq!((&*officers[0].name, &*officers[0].phone), ("", ""));

    let village = assignment(Role::Coordinator, KENANGA, &fresh_nik());
    let refusal = kemnaker.programme().assign_officer(planning(village)).await.unwrap_err();
    assert_eq!(violations(&refusal)["place_code"], "PLACE_NOT_A_REGENCY");
    let second = assignment(Role::Coordinator, "32.12", &fresh_nik());
    let second = kemnaker.programme().assign_officer(planning(second)).await;
    assert_eq!(unmet(second), "POST_FILLED");
    let disnaker = Office::of(&gateway, DISNAKER).await;
    let elsewhere = assignment(Role::Coordinator, "33.07", &fresh_nik());
    let elsewhere = disnaker.programme().assign_officer(planning(elsewhere)).await;
    assert_eq!(refused(elsewhere), (Code::NotFound, "NOT_FOUND".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_are_assigned_at_once_one_gets_the_post() {
    let gateway = Gateway::shared();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let request = planning(assignment(Role::Coordinator, "35.07", &fresh_nik()));
        let mut programme = kemnaker.programme();
        calls.spawn(async move { programme.assign_officer(request).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for answer in lost {
        // Who came first was seen before the commit, or at it.
        let (_, reason) = refused(answer);
        assert!(["POST_REFUSED", "ETAG_MISMATCH"].contains(&reason.as_str()), "{reason}");
    }
    assert_eq!(listed(&kemnaker, "35.07", Role::Coordinator).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_officer_leaves_the_post_which_can_be_ended_and_filled_again() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    kemnaker.designate(KENANGA, this_year()).await;
    let nik = fresh_nik();
    let sent = assignment(Role::Facilitator, KENANGA, &nik);
    let erased = kemnaker.assign(sent.clone()).await;
    let kept = kemnaker.assign(assignment(Role::Facilitator, KENANGA, &fresh_nik())).await;
    let ids = async || {
        let officers = listed(&kemnaker, KENANGA, Role::Unspecified).await;
        officers.into_iter().map(|it| it.officer_id).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, [erased.clone(), kept.clone()]);

    let mut audit = AuditServiceClient::new(gateway.connect("operator").await);
    let erasure = EraseSubjectRequest { request_id: new_id(), nik };
    audit.erase_subject(stating("data-subject-request", erasure)).await.unwrap();
    assert_eq!(ids().await, std::slice::from_ref(&kept));
    let repeated = kemnaker.programme().assign_officer(planning(sent)).await;
    assert_eq!(refused(repeated).0, Code::NotFound, "the kept answer went too");
    assert_eq!(facilitators(&kemnaker).await, 2);
    let successor = assignment(Role::Facilitator, KENANGA, &fresh_nik());
    let filled = kemnaker.programme().assign_officer(planning(successor.clone())).await;
    assert_eq!(unmet(filled), "POST_FILLED");

    kemnaker.programme().end_officer(ending(&erased, String::new())).await.unwrap();
    let request = AssignOfficerRequest { request_id: new_id(), from: day(1), ..successor };
    let successor = kemnaker.assign(request).await;
    assert_eq!(ids().await, [kept, successor]);
}
