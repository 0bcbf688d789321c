use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::agency::{Agency, AgencyStatus};
use desmigratif_core::journal::Draft;
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::ports::store::Commit;
use jiff::SignedDuration;

use super::*;
use crate::access::{Admission, Attempt, Policy, Source};
use crate::deadline::Deadline;
use crate::exchange::{Answers, Ministries, credentials_of_tests, register};
use crate::store::sqlite::Sqlite;
use crate::store::vault::KeyRing;

const NIK: &str = "9902015501900001";

fn noon() -> Timestamp {
    "2026-11-24T05:00:00Z".parse().unwrap()
}

fn agency(id: &str, kind: AgencyKind) -> Agency {
    Agency {
        id: AgencyId::parse(id).unwrap(),
        kind,
        name: format!("Instansi {id}"),
        purposes: BTreeSet::from(Purpose::ALL),
        status: AgencyStatus::Active,
        region: None,
        facility: None,
        certificates: Vec::new(),
    }
}

/// A call of an operator's that lists a trail.
fn call() -> Call {
    let path = "/desmigratif.audit.v1.AuditService/ListDisclosures";
    let policy = Policy::load(Source::BuiltIn).unwrap();
    let operator = Arc::new(agency("operator", AgencyKind::Operator));
    let attempt = Attempt { path, purpose: Some("data-subject-request"), signed: false };
    let Ok(Admission::Contract(permit)) = policy.admit(&operator, attempt) else {
        panic!("an operator may list disclosures");
    };
    Call {
        permit,
        credentials: credentials_of_tests(),
        request_id: Some(Uuid::now_v7()),
        digest: [0; 32],
        trace_id: [0; 16],
        deadline: Deadline(tokio::time::Instant::now() + Duration::from_secs(5)),
        answers: Answers::default(),
    }
}

struct Stand {
    _folder: tempfile::TempDir,
    exchange: Exchange,
    clock: Arc<SetClock>,
}

impl Stand {
    /// An exchange with two agencies that read.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::at(noon()));
        let path = folder.path().join("store.sqlite");
        let store = Sqlite::open(&path, clock.clone(), KeyRing::of_tests()).unwrap();
        let agencies =
            [agency("kemnaker", AgencyKind::Kemnaker), agency("bnn", AgencyKind::OtherAgency)];
        register(&store, agencies.into_iter().map(Record::Agency)).await.unwrap();
        let (regions, ministries) = (regions::load(), Ministries::default());
        let exchange = Exchange::of_tests(Arc::new(store), clock.clone(), regions, ministries);
        Self { _folder: folder, exchange, clock }
    }

    /// An agency reads about the person of the test.
    async fn read_by(&self, who: &str) {
        let entry = Draft {
            agency: AgencyId::parse(who).unwrap(),
            subjects: vec![self.subject()],
            ..Exchange::draft(EntryKind::Disclosure, &call())
        };
        self.exchange.store.commit(Commit::of(entry)).await.unwrap();
    }

    fn subject(&self) -> Subject {
        self.exchange.subject_key.pseudonym(&Nik::parse(NIK).unwrap())
    }

    /// Whose entries the person is told of.
    async fn told(&self, limit: u32) -> Vec<String> {
        let nik = Nik::parse(NIK).unwrap();
        let told = self.exchange.trail(&call(), &nik, None, limit).await.unwrap();
        assert_eq!(told.subjects, [self.subject()]);
        told.value.iter().map(|line| line.agency.to_string()).collect()
    }

    fn after(&self, minutes: i64) -> Timestamp {
        noon() + SignedDuration::from_mins(minutes)
    }

    async fn withhold(&self, who: &str, from: i64, until: i64) -> Result<Uuid, Error> {
        let new = NewWithholding {
            nik: Nik::parse(NIK).unwrap(),
            agency: AgencyId::parse(who).unwrap(),
            from: self.after(from),
            until: self.after(until),
            ordered_by: "Pengadilan Contoh".into(),
            legal_reference: "Penetapan 1/2026".into(),
        };
        let (change, id) = self.exchange.withhold(new).await?;
        self.exchange.submit(&call(), change, Vec::new()).await?;
        Ok(id)
    }
}

#[tokio::test]
async fn what_is_withheld_from_a_time_on_is_told_when_the_time_is_over() {
    let stand = Stand::new().await;
    for minute in 0..4 {
        stand.clock.set(stand.after(minute));
        stand.read_by("bnn").await;
        stand.read_by("kemnaker").await;
    }
    stand.withhold("bnn", 2, 10).await.unwrap();
    let told = ["kemnaker", "kemnaker", "kemnaker", "bnn", "kemnaker", "bnn"];
    assert_eq!(stand.told(9).await, told);
    stand.clock.set(stand.after(9));
    stand.read_by("bnn").await;
    assert_eq!(stand.told(9).await, told);
    stand.clock.set(stand.after(10));
    // With the entry of the order, which is the operator's.
    let all = ["bnn", "operator", "kemnaker", "bnn", "kemnaker", "bnn"];
    assert_eq!(stand.told(9).await[..6], all);
    assert_eq!(stand.told(99).await.len(), 10);
}

#[tokio::test]
async fn of_several_withholdings_each_holds_until_its_own_end() {
    let stand = Stand::new().await;
    stand.read_by("bnn").await;
    stand.withhold("bnn", 0, 60).await.unwrap();
    let longer = stand.withhold("bnn", 0, 120).await.unwrap();
    stand.clock.set(stand.after(61));
    // The order whose time is over is told of, the other is not, nor what it withholds.
    assert_eq!(stand.told(9).await, ["operator"]);
    let change = stand.exchange.end_withholding(longer).await.unwrap();
    assert_eq!(change.writes.len(), 1);
    stand.exchange.submit(&call(), change, Vec::new()).await.unwrap();
    assert_eq!(stand.told(9).await, ["operator", "operator", "operator", "bnn"]);
    let again = stand.exchange.end_withholding(longer).await.unwrap();
    assert!(again.writes.is_empty(), "it has ended already");
}

#[tokio::test]
async fn a_page_is_filled_though_much_of_it_is_withheld() {
    let stand = Stand::new().await;
    for _ in 0..3 {
        stand.read_by("kemnaker").await;
    }
    for _ in 0..20 {
        stand.read_by("bnn").await;
    }
    stand.withhold("bnn", 0, 60).await.unwrap();
    // One more than the page, so that it is known that another follows.
    assert_eq!(stand.told(2).await, ["kemnaker", "kemnaker", "kemnaker"]);
}

#[tokio::test]
async fn only_a_registered_agency_s_entries_are_withheld_or_reported() {
    let stand = Stand::new().await;
    let nobody = Err(Error::NotFound(Kind::Agency));
    assert_eq!(stand.withhold("nobody", 0, 60).await, nobody);
    let span = Span {
        caller: Caller::Agency(AgencyId::parse("nobody").unwrap()),
        from: noon(),
        to: stand.after(1),
        after: None,
        limit: 1,
    };
    assert_eq!(stand.exchange.exposures(&span).await, Err(Error::NotFound(Kind::Agency)));
    let unseen = Span { caller: Caller::Certificate([1; 32]), ..span };
    assert_eq!(stand.exchange.exposures(&unseen).await, Err(Error::NoSuchCertificate));
}
