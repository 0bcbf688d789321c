//! What a head of office must know of a region before a meeting.

use desmigratif_core::ports::clock::{Clock as _, SystemClock};
use desmigratif_proto::health::v1::SubmitClearanceRequest;
use desmigratif_proto::identity::v1::IdentityOutcome;
use desmigratif_proto::programme::v1::{
    BriefingProblem, BriefingVillage, EnterpriseStatus, GetRegionalBriefingRequest,
    GetRegionalBriefingResponse, Pillar, Role,
};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    AdvanceStageRequest, FamilyMemberDetails, Placement, Relation, Stage,
};
use desmigratif_sandbox::people;
use tonic::Code;

use super::records::{
    Office, activity, assignment, day, enrolment, enterprise, planning, protecting, this_year,
};
use super::{DISNAKER, KEMNAKER, refused};
use crate::calls::{
    register, registration, registration_of, submission, submit, verification, verify,
};
use crate::country::eventually;
use crate::gateway::{Gateway, KENANGA, fresh_nik, new_id, stating};
use crate::input::violations;

const CLINIC: &str = "klinik-indramayu";

async fn briefing(office: &Office) -> GetRegionalBriefingResponse {
    let request = planning(GetRegionalBriefingRequest { region_code: "32.12".into() });
    office.coverage().get_regional_briefing(request).await.unwrap().into_inner()
}

/// The workers that a briefing has more than an earlier one, at each stage.
fn more_at_stages(
    before: &GetRegionalBriefingResponse,
    after: &GetRegionalBriefingResponse,
) -> Vec<(String, u64)> {
    let both = before.stages.iter().zip(&after.stages);
    both.map(|(before, after)| (after.stage.clone(), after.workers - before.workers)).collect()
}

/// Those who prepare to go to a country, and who are there.
fn bound_for(briefing: &GetRegionalBriefingResponse, country: &str) -> [u64; 2] {
    let found = briefing.destinations.iter().find(|it| it.country == country);
    found.map_or([0, 0], |it| [it.preparing, it.abroad])
}

fn kenanga(briefing: &GetRegionalBriefingResponse) -> &BriefingVillage {
    briefing.villages.iter().find(|it| it.village_code == KENANGA).unwrap()
}

fn counted(problems: &[BriefingProblem]) -> Vec<(&str, u64)> {
    assert!(problems.iter().all(|it| !it.text_en.is_empty() && it.text_en != it.text_id));
    problems.iter().map(|it| (it.code.as_str(), it.count)).collect()
}

/// A clearance that was issued so long ago that it runs out within a month.
fn old_clearance(nik: &str) -> SubmitClearanceRequest {
    let mut request = submission(nik);
    let clearance = request.clearance.as_mut().unwrap();
    (clearance.examined_on, clearance.issued_on) = (day(-70), day(-70));
    request
}

/// A man of Kenanga who works in Malaysia: the worker's id.
async fn send_abroad(gateway: &Gateway, kemnaker: &Office) -> String {
    let person = people::candidates().find(|it| !it.female).unwrap();
    let mut request = registration_of(&person);
    let worker = request.worker.as_mut().unwrap();
    worker.set_placement(Placement::P3mi);
    worker.destination_country = "MY".into();
    let worker_id = register(kemnaker.channel(), request).await.unwrap().worker_id;
    let claim = verification(&person.nik, &person.name, person.birth_date);
    let verified = verify(&gateway.connect("kemendagri").await, claim).await.unwrap();
    assert_eq!(verified.outcome(), IdentityOutcome::Verified);
    let mut clearance = submission(&person.nik);
    clearance.clearance.as_mut().unwrap().destination_country = "MY".into();
    submit(&gateway.connect(CLINIC).await, clearance).await.unwrap();
    for target in [Stage::Ready, Stage::Abroad] {
        let (request_id, etag, target) = (new_id(), String::new(), target.into());
        let worker_id = worker_id.clone();
        let request = AdvanceStageRequest { request_id, worker_id, etag, target };
        let mut workers = WorkerServiceClient::new(kemnaker.channel().clone());
        workers.advance_stage(stating("placement-screening", request)).await.unwrap();
    }
    worker_id
}

/// Two children of his take part in community parenting.
async fn enrol_two_children(kemnaker: &Office, worker_id: &str) {
    let mut request = enrolment(worker_id, "");
    request.child_ids.clear();
    for name in ["Contoh Bunga", "Contoh Bintang"] {
        let child = FamilyMemberDetails {
            name: name.into(),
            relation: Relation::Child.into(),
            ..FamilyMemberDetails::default()
        };
        request.child_ids.push(kemnaker.add_member(worker_id, child).await);
    }
    kemnaker.pillars().enrol_family(protecting(request)).await.unwrap();
}

/// Three workers of Kenanga, one of them abroad, and one of elsewhere. The clearance of one who
/// prepares runs out; another has a later one.
async fn register_workers(gateway: &Gateway, kemnaker: &Office) {
    let clinic = gateway.connect(CLINIC).await;
    let (alone, renewed) = (fresh_nik(), fresh_nik());
    for nik in [&alone, &renewed] {
        register(kemnaker.channel(), registration(nik)).await.unwrap();
        submit(&clinic, old_clearance(nik)).await.unwrap();
    }
    submit(&clinic, submission(&renewed)).await.unwrap();
    let worker_id = send_abroad(gateway, kemnaker).await;
    enrol_two_children(kemnaker, &worker_id).await;
    let mut elsewhere = registration(&fresh_nik());
    elsewhere.worker.as_mut().unwrap().village_code = kemnaker.desa("33.07").await.remove(0);
    register(kemnaker.channel(), elsewhere).await.unwrap();
}

/// In Kenanga there are two of five officers, one activity, a business that trades and one that was
/// closed, and a service that two agencies give where one is enough.
async fn begin_in_kenanga(gateway: &Gateway, kemnaker: &Office) {
    for role in [Role::PersonInCharge, Role::Facilitator] {
        kemnaker.assign(assignment(role, KENANGA, &fresh_nik())).await;
    }
    let done = planning(activity(KENANGA, Pillar::ProductiveBusiness));
    kemnaker.pillars().record_activity(done).await.unwrap();
    let last_year = format!("{}-12-31", this_year() - 1);
    let mut earlier = activity(KENANGA, Pillar::Cooperative);
    let stated = earlier.activity.as_mut().unwrap();
    (stated.from, stated.until) = (last_year.clone(), last_year);
    kemnaker.pillars().record_activity(planning(earlier)).await.unwrap();
    for status in [EnterpriseStatus::Active, EnterpriseStatus::Closed] {
        let mut request = enterprise(KENANGA);
        request.enterprise.as_mut().unwrap().set_status(status);
        kemnaker.pillars().record_enterprise(planning(request)).await.unwrap();
    }
    kemnaker.report(KENANGA, "migration-service").await;
    Office::of(gateway, DISNAKER).await.report(KENANGA, "migration-service").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_briefing_counts_people_and_work_and_says_what_is_not_in_order() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    kemnaker.designate(KENANGA, 2016).await;
    let other = kemnaker.desa("32.12").await.into_iter().find(|it| it != KENANGA).unwrap();
    kemnaker.designate(&other, this_year()).await;
    let disnaker = Office::of(&gateway, DISNAKER).await;
    let before = briefing(&disnaker).await;
    register_workers(&gateway, &kemnaker).await;
    begin_in_kenanga(&gateway, &kemnaker).await;

    let shown = briefing(&disnaker).await;
    assert_eq!(shown.on, SystemClock.today().to_string());
    let stages =
        [("prospective", 2), ("ready", 0), ("abroad", 1), ("returned", 0), ("withdrawn", 0)];
    let stages = stages.map(|(stage, workers)| (stage.to_owned(), workers));
    assert_eq!(more_at_stages(&before, &shown), stages);
    for (country, [preparing, abroad]) in [("HK", [2, 0]), ("MY", [0, 1])] {
        let before = bound_for(&before, country);
        let expected = [before[0] + preparing, before[1] + abroad];
        assert_eq!(bound_for(&shown, country), expected, "{country}");
    }
    let all = shown.destinations.iter().map(|it| it.preparing + it.abroad);
    assert!(all.is_sorted_by(|more, fewer| more >= fewer));
    assert_eq!((shown.clearances_expiring, shown.expiring_days), (1, 30));
    let pillars: Vec<_> =
        shown.pillars.iter().map(|it| (it.pillar(), it.activities, it.villages_without)).collect();
    assert_eq!(
        pillars,
        [
            (Pillar::MigrationServiceCentre, 0, 2),
            (Pillar::ProductiveBusiness, 1, 1),
            (Pillar::CommunityParenting, 0, 2),
            (Pillar::Cooperative, 0, 2),
        ]
    );
    assert_eq!(shown.active_enterprises, 1);
    assert_eq!((shown.parenting_families, shown.parenting_children), (1, 2));
    let facilities: Vec<_> = shown.facilities.iter().map(|it| &*it.facility_id).collect();
    assert_eq!(facilities, [CLINIC]);

    let [earlier, kenanga] = [&before, &shown].map(kenanga);
    assert_eq!((&*kenanga.village_name, kenanga.year), ("Kenanga", 2016));
    assert_eq!(kenanga.workers, earlier.workers + 3);
    assert_eq!((kenanga.facilitators, kenanga.person_in_charge), (1, true));
    assert_eq!(kenanga.active_pillars().collect::<Vec<_>>(), [Pillar::ProductiveBusiness]);
    let nearest = kenanga.nearest_facility.as_ref().unwrap();
    assert_eq!(nearest.facility_id, CLINIC);
    assert!((0.1..60.0).contains(&nearest.distance_km), "{}", nearest.distance_km);
    assert_eq!(
        counted(&shown.problems),
        [
            // Seven are expected in each of the two, and one is given.
            ("SECTORS_MISSING", 13),
            ("FACILITATORS_MISSING", 2),
            ("PERSON_IN_CHARGE_MISSING", 1),
            ("COORDINATOR_MISSING", 1),
            ("NO_ACTIVITY_THIS_YEAR", 1),
            ("SECTORS_OVERLAPPING", 1),
        ]
    );

    // What is put in order is not named any more.
    for (role, place) in [
        (Role::Facilitator, KENANGA),
        (Role::Facilitator, &other),
        (Role::Facilitator, &other),
        (Role::PersonInCharge, &other),
        (Role::Coordinator, "32.12"),
    ] {
        disnaker.assign(assignment(role, place, &fresh_nik())).await;
    }
    let shown = briefing(&disnaker).await;
    let left = [("SECTORS_MISSING", 13), ("NO_ACTIVITY_THIS_YEAR", 1), ("SECTORS_OVERLAPPING", 1)];
    assert_eq!(counted(&shown.problems), left);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_refused_for_good_comes_first_among_the_problems() {
    let gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    kemnaker.designate(KENANGA, 2016).await;
    let refused = people::candidate(people::REFUSED_PATIENT);
    register(kemnaker.channel(), registration_of(&refused)).await.unwrap();
    submit(&gateway.connect(CLINIC).await, submission(&refused.nik)).await.unwrap();
    eventually("a delivery is dead", async || {
        let shown = briefing(&kemnaker).await;
        (counted(&shown.problems)[0] == ("DELIVERIES_DEAD", 1)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_briefing_is_about_a_region_that_is_there_and_the_callers() {
    let gateway = Gateway::shared();
    let disnaker = Office::of(&gateway, DISNAKER).await;
    let ask = async |region_code: &str| {
        let request = planning(GetRegionalBriefingRequest { region_code: region_code.into() });
        disnaker.coverage().get_regional_briefing(request).await
    };
    for region_code in ["33.07", "32"] {
        let not_found = (Code::NotFound, "NOT_FOUND".to_owned());
        assert_eq!(refused(ask(region_code).await), not_found, "{region_code}");
    }
    let unknown = ask("32.99").await.unwrap_err();
    assert_eq!(violations(&unknown)["region_code"], "REGION_CODE_UNKNOWN");
}
