//! What the programme knows of people is sealed at rest, and said nowhere but in answers.

use std::path::Path;

use desmigratif_proto::programme::v1::{
    EndOfficerRequest, ListFamiliesRequest, ListOfficersRequest, Role,
};
use desmigratif_proto::worker::v1::{FamilyMemberDetails, Relation};
use rusqlite::{Connection, OpenFlags};
use tonic::Code;

use super::KEMNAKER;
use super::records::{
    DUTY_PHONE, OFFICER, Office, assignment, day, enrolment, planning, protecting,
};
use crate::calls::{register, registration};
use crate::folder::files;
use crate::gateway::{Gateway, KENANGA, fresh_nik, new_id};

const CHILD: &str = "Contoh Bunga Melati Rahasia";

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Of each kind the bodies of its records.
fn bodies(folder: &Path, kind: &str) -> Vec<Vec<u8>> {
    let store = folder.join("store.sqlite");
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = store.prepare("SELECT body FROM record WHERE kind = ?1").unwrap();
    let bodies = statement.query_map([kind], |row| row.get(0)).unwrap();
    bodies.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_officers_and_families_is_left_in_clear() {
    let mut gateway = Gateway::start();
    let kemnaker = Office::of(&gateway, KEMNAKER).await;
    kemnaker.designate(KENANGA, 2016).await;
    let (nik, child_nik, refused_nik) = (fresh_nik(), fresh_nik(), fresh_nik());
    let officer_id = kemnaker.assign(assignment(Role::PersonInCharge, KENANGA, &nik)).await;
    let filled = assignment(Role::PersonInCharge, KENANGA, &refused_nik);
    let filled = kemnaker.programme().assign_officer(planning(filled)).await.unwrap_err();
    assert_eq!(filled.code(), Code::FailedPrecondition);
    let broken = assignment(Role::PersonInCharge, KENANGA, &format!("{}0000", &nik[..12]));
    let broken = kemnaker.programme().assign_officer(planning(broken)).await.unwrap_err();
    assert_eq!(broken.code(), Code::InvalidArgument);
    let request =
        planning(EndOfficerRequest { request_id: new_id(), officer_id, last_day: String::new() });
    kemnaker.programme().end_officer(request).await.unwrap();

    let worker = register(kemnaker.channel(), registration(&fresh_nik())).await.unwrap();
    let child = FamilyMemberDetails {
        name: CHILD.into(),
        relation: Relation::Child.into(),
        nik: child_nik.clone(),
        ..FamilyMemberDetails::default()
    };
    let child_id = kemnaker.add_member(&worker.worker_id, child).await;
    let enrolment = protecting(enrolment(&worker.worker_id, &child_id));
    kemnaker.pillars().enrol_family(enrolment).await.unwrap();
    let list = protecting(ListOfficersRequest::default());
    let listed = kemnaker.programme().list_officers(list).await.unwrap().into_inner();
    assert_eq!(listed.officers[0].name, OFFICER);
    let list = protecting(ListFamiliesRequest::default());
    let listed = kemnaker.pillars().list_families(list).await.unwrap().into_inner();
    assert_eq!(listed.families[0].child_ids, std::slice::from_ref(&child_id));

    let personal = [&*nik, &nik[..12], &child_nik, &refused_nik, OFFICER, DUTY_PHONE, CHILD];
    for status in [&filled, &broken] {
        let said = format!("{status:?}");
        assert!(personal.iter().all(|value| !said.contains(value)), "{said}");
    }
    let (_, metrics) = gateway.operators_get("/metrics").await;
    assert!(metrics.contains("AssignOfficer"));
    assert!(personal.iter().all(|value| !metrics.contains(value)));
    gateway.signal("TERM");
    assert!(gateway.wait().success(), "{}", gateway.log());
    for (name, bytes) in files(gateway.data()) {
        for value in personal {
            assert!(!holds(&bytes, value), "{value} is in {}", name.display());
        }
    }
    // The families' record says which children they are, and that to nobody without its key.
    for (kind, secret) in [("parenting-family", &*child_id), ("officer", &day(0))] {
        let bodies = bodies(gateway.data(), kind);
        assert_eq!(bodies.len(), 1, "{kind}");
        assert!(!holds(&bodies[0], secret), "{kind}");
    }
    // What is about places is in clear, so that this finds what is there.
    let places = bodies(gateway.data(), "designation");
    assert!(holds(&places[0], "Kepmenaker Contoh/2016"));
}
