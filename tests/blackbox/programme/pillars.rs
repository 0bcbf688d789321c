//! What is done in the villages: activities, enterprises, and families in community parenting.

use desmigratif_proto::audit::v1::EraseSubjectRequest;
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::programme::v1::{
    Activity, BudgetSource, Enterprise, EnterpriseStatus, GetRegionalBriefingRequest,
    ListActivitiesRequest, ListEnterprisesRequest, ListFamiliesRequest, ParentingFamily, Pillar,
    WithdrawFamilyRequest,
};
use desmigratif_proto::worker::v1::{FamilyMemberDetails, Relation};
use tonic::Code;

use super::records::{Office, activity, day, enrolment, enterprise, planning, protecting};
use super::{DISNAKER, KEMNAKER, pilots, refused};
use crate::calls::{register, registration};
use crate::gateway::{Gateway, KENANGA, fresh_nik, new_id, stating};
use crate::input::violations;

async fn activities(office: &Office, place_code: &str, pillar: Pillar) -> Vec<Activity> {
    let (place_code, pillar) = (place_code.into(), pillar.into());
    let request = ListActivitiesRequest { place_code, pillar, ..Default::default() };
    office.pillars().list_activities(planning(request)).await.unwrap().into_inner().activities
}

async fn enterprises(
    office: &Office,
    place_code: &str,
    status: EnterpriseStatus,
) -> Vec<Enterprise> {
    let (place_code, status) = (place_code.into(), status.into());
    let request = ListEnterprisesRequest { place_code, status, ..Default::default() };
    office.pillars().list_enterprises(planning(request)).await.unwrap().into_inner().enterprises
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_records_what_is_done_in_its_own_region_and_nowhere_else() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let [kenanga, kuripan] = pilots(&kemnaker).await;
    let disnaker = Office::of(&gateway, DISNAKER).await;

    let sent = activity(&kenanga, Pillar::ProductiveBusiness);
    let first = disnaker.pillars().record_activity(planning(sent.clone())).await.unwrap();
    let first = first.into_inner();
    let repeated = disnaker.pillars().record_activity(planning(sent.clone())).await.unwrap();
    assert_eq!(repeated.into_inner(), first);
    let elsewhere = activity(&kuripan, Pillar::ProductiveBusiness);
    let elsewhere = disnaker.pillars().record_activity(planning(elsewhere)).await;
    assert_eq!(refused(elsewhere), (Code::NotFound, "NOT_FOUND".into()));
    let elsewhere = disnaker.pillars().record_enterprise(planning(enterprise(&kuripan))).await;
    assert_eq!(refused(elsewhere), (Code::NotFound, "NOT_FOUND".into()));
    let parenting = planning(activity(&kuripan, Pillar::CommunityParenting));
    kemnaker.pillars().record_activity(parenting).await.unwrap();

    // Every ministry plans with what all have done; an office with what is its own.
    let kemendes = Office::of(&gateway, "kemendes").await;
    let expected = Activity {
        activity_id: first.activity_id.clone(),
        recorded_by: DISNAKER.into(),
        etag: first.etag.clone(),
        ..sent.activity.clone().unwrap()
    };
    assert_eq!(activities(&kemendes, "", Pillar::ProductiveBusiness).await, [expected]);
    let villages =
        |found: Vec<Activity>| -> Vec<_> { found.into_iter().map(|it| it.village_code).collect() };
    let newest_first = [kuripan.clone(), kenanga.clone()];
    assert_eq!(villages(activities(&kemendes, "", Pillar::Unspecified).await), newest_first);
    assert_eq!(villages(activities(&disnaker, "", Pillar::Unspecified).await), newest_first[1..]);
    assert_eq!(activities(&disnaker, &kuripan, Pillar::Unspecified).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_changed_as_it_was_last_read_and_only_where_the_programme_is() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    kemnaker.designate(KENANGA, 2019).await;
    let first = planning(enterprise(KENANGA));
    let first = kemnaker.pillars().record_enterprise(first).await.unwrap().into_inner();
    let mut change = enterprise(KENANGA);
    let closed = change.enterprise.as_mut().unwrap();
    closed.enterprise_id.clone_from(&first.enterprise_id);
    closed.set_status(EnterpriseStatus::Closed);
    change.etag.clone_from(&first.etag);
    let changed = kemnaker.pillars().record_enterprise(planning(change.clone())).await.unwrap();
    assert_eq!(changed.into_inner().enterprise_id, first.enterprise_id);
    change.request_id = new_id();
    let outdated = kemnaker.pillars().record_enterprise(planning(change)).await;
    assert_eq!(refused(outdated), (Code::Aborted, "ETAG_MISMATCH".into()));
    assert_eq!(enterprises(&kemnaker, KENANGA, EnterpriseStatus::Active).await, []);
    let closed = enterprises(&kemnaker, KENANGA, EnterpriseStatus::Closed).await;
    assert_eq!((closed.len(), closed[0].export_ready), (1, true));

    let record = async |change: fn(&mut Activity)| {
        let mut request = activity(KENANGA, Pillar::Cooperative);
        change(request.activity.as_mut().unwrap());
        kemnaker.pillars().record_activity(planning(request)).await
    };
    let too_early = record(|it| it.from = "2018-12-31".into()).await;
    let not_designated = (Code::FailedPrecondition, "VILLAGE_NOT_DESIGNATED".into());
    assert_eq!(refused(too_early), not_designated);
    let nothing = record(|it| it.activity_id = new_id()).await;
    assert_eq!(refused(nothing), (Code::NotFound, "NOT_FOUND".into()));
    let backwards = record(|it| it.until = day(-1)).await.unwrap_err();
    assert_eq!(violations(&backwards)["activity.until"], "LAST_DAY_BEFORE_FIRST");
    let unpaid = record(|it| it.set_budget_source(BudgetSource::Unspecified)).await.unwrap_err();
    assert_eq!(violations(&unpaid)["activity.budget_source"], "BUDGET_SOURCE_MISSING");
    record(|it| it.from = "2019-01-01".into()).await.unwrap();
}

fn child() -> FamilyMemberDetails {
    FamilyMemberDetails {
        name: "Contoh Bunga".into(),
        relation: Relation::Child.into(),
        birth_date: "2015-06-07".into(),
        ..FamilyMemberDetails::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_takes_part_with_its_own_children_until_it_leaves() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    let mut families = Vec::new();
    for _ in 0..2 {
        let worker = register(kemnaker.channel(), registration(&fresh_nik())).await.unwrap();
        let worker_id = worker.worker_id;
        let child_id = kemnaker.add_member(&worker_id, child()).await;
        families.push((worker_id, child_id));
    }
    let [(worker_id, child_id), (_, other_child)] = &families[..] else { unreachable!("two") };
    let disnaker = Office::of(&gateway, DISNAKER).await;
    let enrol = async |request| disnaker.pillars().enrol_family(protecting(request)).await;
    let not_designated = (Code::FailedPrecondition, "VILLAGE_NOT_DESIGNATED".into());
    assert_eq!(refused(enrol(enrolment(worker_id, child_id)).await), not_designated);
    kemnaker.designate(KENANGA, 2016).await;
    let not_found = (Code::NotFound, "NOT_FOUND".to_owned());
    assert_eq!(refused(enrol(enrolment(worker_id, other_child)).await), not_found);
    let request = enrolment(worker_id, child_id);
    let first = enrol(request.clone()).await.unwrap().into_inner();
    assert_eq!(enrol(request).await.unwrap().into_inner(), first);

    // Which children take part is changed by saying it anew.
    let second = kemnaker.add_member(worker_id, child()).await;
    let mut both = enrolment(worker_id, child_id);
    both.child_ids.push(second.clone());
    enrol(both).await.unwrap();
    let listed = async || {
        let request = ListFamiliesRequest { place_code: "32.12".into(), ..Default::default() };
        let listed = disnaker.pillars().list_families(protecting(request)).await.unwrap();
        listed.into_inner().families
    };
    let mut child_ids = vec![child_id.clone(), second];
    child_ids.sort_unstable();
    let enrolled = ParentingFamily {
        worker_id: worker_id.clone(),
        village_code: KENANGA.into(),
        child_ids,
        from: day(0),
        until: String::new(),
    };
    assert_eq!(listed().await, std::slice::from_ref(&enrolled));

    let withdraw = async || {
        let (request_id, worker_id) = (new_id(), worker_id.clone());
        let request = WithdrawFamilyRequest { request_id, worker_id, last_day: String::new() };
        disnaker.pillars().withdraw_family(protecting(request)).await
    };
    withdraw().await.unwrap();
    assert_eq!(listed().await, [ParentingFamily { until: day(0), ..enrolled }]);
    assert_eq!(refused(withdraw().await), not_found);
    // Families are for whoever protects them, not for whoever plans.
    let request = planning(ListFamiliesRequest::default());
    let planned = kemnaker.pillars().list_families(request).await;
    assert_eq!(refused(planned), (Code::PermissionDenied, "NOT_PERMITTED".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_family_of_an_erased_worker_is_in_no_list_and_no_number() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    kemnaker.designate(KENANGA, 2016).await;
    let (erased, kept) = (fresh_nik(), fresh_nik());
    let mut workers = Vec::new();
    for nik in [&erased, &kept] {
        let worker = register(kemnaker.channel(), registration(nik)).await.unwrap();
        let child_id = kemnaker.add_member(&worker.worker_id, child()).await;
        kemnaker.enrol(&worker.worker_id, &child_id).await;
        workers.push(worker.worker_id);
    }
    // Workers in the list, families and children in the numbers.
    let known = async || {
        let list = protecting(ListFamiliesRequest::default());
        let listed = kemnaker.pillars().list_families(list).await.unwrap().into_inner().families;
        let ids: Vec<_> = listed.into_iter().map(|it| it.worker_id).collect();
        let request = planning(GetRegionalBriefingRequest { region_code: "32".into() });
        let briefing = kemnaker.coverage().get_regional_briefing(request).await.unwrap();
        let briefing = briefing.into_inner();
        (ids, briefing.parenting_families, briefing.parenting_children)
    };
    assert_eq!(known().await, (workers.clone(), 2, 2));
    let mut audit = AuditServiceClient::new(gateway.connect("operator").await);
    let erasure = EraseSubjectRequest { request_id: new_id(), nik: erased };
    audit.erase_subject(stating("data-subject-request", erasure)).await.unwrap();
    assert_eq!(known().await, (workers.split_off(1), 1, 1));
}
