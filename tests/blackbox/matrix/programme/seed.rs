//! The programme's records: such that answers hold every field, and that out of the regional
//! callers' reach there is as much as within it.

use desmigratif_core::access::AgencyKind;
use desmigratif_proto::programme::v1::{EndOfficerRequest, Pillar, Role, WithdrawFamilyRequest};
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{AdvanceStageRequest, Stage};

use super::super::cast::{Pool, Subject, holder, member};
use crate::calls::{register, registration, submission, submit};
use crate::gateway::{Gateway, KENANGA, fresh_nik, new_id, stating};
use crate::programme::records::{
    Office, activity, assignment, day, enterprise, planning, protecting, this_year,
};

/// Villages designated this year: enough for a pace that reaches the target within a thousand
/// years, after some of them are ended too.
const OF_THIS_YEAR: usize = 16;

/// What of the programme the cast may ask for.
pub(in crate::matrix) struct Seeded {
    /// A designated village outside the region, in which there is something of everything.
    pub(in crate::matrix) far_village: String,
    /// A village outside the region in which there is nothing.
    pub(in crate::matrix) bare_village: String,
    /// An officer of the far village.
    pub(in crate::matrix) far_officer: String,
    /// An activity in the far village.
    pub(in crate::matrix) far_activity: String,
    /// An enterprise in the far village.
    pub(in crate::matrix) far_enterprise: String,
    /// An activity in Kenanga.
    pub(in crate::matrix) activity: String,
    /// Desa of the region that are not in the programme.
    pub(in crate::matrix) undesignated: Pool<String>,
    /// Designated villages of the region of which nothing more is asked.
    pub(in crate::matrix) designated: Pool<String>,
    /// Designated villages of the region in which nobody is in charge.
    pub(in crate::matrix) free_posts: Pool<String>,
    /// Officers of the region who are in office.
    pub(in crate::matrix) officers: Pool<String>,
    /// Workers of the region whose families take part in community parenting.
    pub(in crate::matrix) families: Pool<String>,
}

impl Seeded {
    /// Writes the records. `near` and `away` are at home in Kenanga, `far` in `far_village`.
    pub(in crate::matrix) async fn write(
        gateway: &Gateway,
        [near, away, far]: [&Subject; 3],
        far_village: String,
    ) -> Self {
        let kemnaker = Office::of(gateway, "kemnaker").await;
        for village in [KENANGA, &far_village] {
            kemnaker.designate(village, 2016).await;
        }
        let mut desa = kemnaker.desa("32.12").await.into_iter().filter(|code| code != KENANGA);
        let of_this_year: Vec<_> = desa.by_ref().take(OF_THIS_YEAR).collect();
        for village in &of_this_year {
            kemnaker.designate(village, this_year()).await;
        }
        let undesignated: Vec<_> = desa.by_ref().take(4).collect();
        let populous = desa.next().expect("the kabupaten has more desa");

        let far_officer =
            kemnaker.assign(assignment(Role::PersonInCharge, &far_village, &fresh_nik())).await;
        fill_posts_of_kenanga(&kemnaker).await;
        let mut officers = Vec::new();
        for village in &of_this_year[..6] {
            let request = assignment(Role::Facilitator, village, &fresh_nik());
            officers.push(kemnaker.assign(request).await);
        }

        let (activity, _) = record(&kemnaker, KENANGA).await;
        let (far_activity, far_enterprise) = record(&kemnaker, &far_village).await;
        report_services(gateway, &kemnaker, &far_village).await;

        for subject in [near, away, far] {
            kemnaker.enrol(&subject.worker_id, &subject.member_id).await;
        }
        leave(&kemnaker, away).await;
        let mut families = Vec::new();
        for _ in 0..4 {
            let nik = fresh_nik();
            let worker = register(kemnaker.channel(), registration(&nik)).await.unwrap();
            let child = kemnaker.add_member(&worker.worker_id, member(fresh_nik())).await;
            kemnaker.enrol(&worker.worker_id, &child).await;
            families.push(worker.worker_id);
        }
        register_more(gateway, &kemnaker, &populous).await;

        let bare_village = kemnaker.desa("34.01").await.remove(0);
        let (ended, manned) = (&of_this_year[12..], &of_this_year[..8]);
        Self {
            far_village,
            bare_village,
            far_officer,
            far_activity,
            far_enterprise,
            activity,
            undesignated: undesignated.into(),
            designated: ended.to_vec().into(),
            free_posts: manned.to_vec().into(),
            officers: officers.into(),
            families: families.into(),
        }
    }
}

/// Kenanga has somebody in charge, one facilitator, and one whose time is over.
async fn fill_posts_of_kenanga(kemnaker: &Office) {
    for role in [Role::PersonInCharge, Role::Facilitator] {
        kemnaker.assign(assignment(role, KENANGA, &fresh_nik())).await;
    }
    let mut earlier = assignment(Role::Facilitator, KENANGA, &fresh_nik());
    earlier.from = day(-100);
    let officer_id = kemnaker.assign(earlier).await;
    let end = EndOfficerRequest { request_id: new_id(), officer_id, last_day: day(-1) };
    kemnaker.programme().end_officer(planning(end)).await.unwrap();
}

/// An activity and an enterprise in a village: their ids.
async fn record(kemnaker: &Office, village: &str) -> (String, String) {
    let activity = planning(activity(village, Pillar::ProductiveBusiness));
    let activity = kemnaker.pillars().record_activity(activity).await.unwrap().into_inner();
    let enterprise = planning(enterprise(village));
    let enterprise = kemnaker.pillars().record_enterprise(enterprise).await.unwrap().into_inner();
    (activity.activity_id, enterprise.enterprise_id)
}

/// In Kenanga one sector is given for a year, one for half a year, and one by three agencies where
/// two are enough; others are missing.
async fn report_services(gateway: &Gateway, kemnaker: &Office, far_village: &str) {
    let kemendes = Office::of(gateway, "kemendes").await;
    kemendes.report(KENANGA, "village-development").await;
    kemendes.report(far_village, "village-development").await;
    Office::of(gateway, "kemenkes").await.report(KENANGA, "health").await;
    let other = Office::of(gateway, &holder(AgencyKind::OtherAgency)).await;
    for office in [kemnaker, &kemendes, &other] {
        office.report(KENANGA, "productive-business").await;
    }
}

/// Goes abroad, and the family leaves community parenting.
async fn leave(kemnaker: &Office, who: &Subject) {
    let abroad = AdvanceStageRequest {
        request_id: new_id(),
        worker_id: who.worker_id.clone(),
        etag: String::new(),
        target: Stage::Abroad.into(),
    };
    let mut workers = WorkerServiceClient::new(kemnaker.channel().clone());
    workers.advance_stage(stating("placement-screening", abroad)).await.unwrap();
    let (request_id, worker_id) = (new_id(), who.worker_id.clone());
    let withdrawal = WithdrawFamilyRequest { request_id, worker_id, last_day: String::new() };
    kemnaker.pillars().withdraw_family(protecting(withdrawal)).await.unwrap();
}

/// A worker whose clearance soon runs out, at home in a village that is not in the programme.
async fn register_more(gateway: &Gateway, kemnaker: &Office, village: &str) {
    let nik = fresh_nik();
    let mut request = registration(&nik);
    request.worker.as_mut().unwrap().village_code = village.into();
    register(kemnaker.channel(), request).await.unwrap();
    let mut request = submission(&nik);
    let clearance = request.clearance.as_mut().unwrap();
    (clearance.examined_on, clearance.issued_on) = (day(-70), day(-70));
    submit(&gateway.connect("klinik-indramayu").await, request).await.unwrap();
}
