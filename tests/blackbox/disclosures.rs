//! The person's right to know who has read and changed what, what may be withheld from it for a
//! while, and whom a breach has exposed: over the wire, and by the command line.

use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{
    EndWithholdingRequest, EntryKind, EraseSubjectRequest, Exposure, ListDisclosuresRequest,
    ListDisclosuresResponse, ReportBreachRequest, TrailEntry,
};
use desmigratif_proto::common::v1::{Purpose, Receipt};
use desmigratif_proto::options::v1::DataClass;
use desmigratif_proto::worker::v1::worker_service_client::WorkerServiceClient;
use desmigratif_proto::worker::v1::{
    AddFamilyMemberRequest, FamilyMemberDetails, ListWorkersRequest, Relation,
};
use prost_types::Timestamp;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::calls::{
    first_village, in_days, look_up, register, registration, submission, submit, withholding,
};
use crate::gateway::{Gateway, fresh_nik, new_id, run, stating};

const RIGHTS: &str = "data-subject-request";
const CLINIC: &str = "klinik-indramayu";

/// The agencies of the test, and the gateway that they call.
struct Agencies {
    kemnaker: Channel,
    clinic: Channel,
    operator: Channel,
    /// Where the test's people live: no other test lists them there.
    village: String,
}

impl Agencies {
    async fn of(gateway: &Gateway) -> Self {
        Self::at_home_in(gateway, "33.07").await
    }

    /// The people live in the first village of a region.
    async fn at_home_in(gateway: &Gateway, region: &str) -> Self {
        let kemnaker = gateway.connect("kemnaker").await;
        Self {
            village: first_village(&kemnaker, region).await.code,
            kemnaker,
            clinic: gateway.connect(CLINIC).await,
            operator: gateway.connect("operator").await,
        }
    }

    fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.operator.clone())
    }

    async fn page(
        &self,
        nik: &str,
        page_size: u32,
        page_token: String,
    ) -> Result<ListDisclosuresResponse, Status> {
        let request = ListDisclosuresRequest { nik: nik.into(), page_size, page_token };
        Ok(self.audit().list_disclosures(stating(RIGHTS, request)).await?.into_inner())
    }

    /// A person's whole trail, on one page.
    async fn trail(&self, nik: &str) -> Vec<TrailEntry> {
        let page = self.page(nik, 500, String::new()).await.unwrap();
        assert_eq!(page.next_page_token, "");
        page.entries
    }

    /// Registers a worker, and gives her id and the receipt.
    async fn register(&self, nik: &str) -> (String, Receipt) {
        let mut request = registration(nik);
        request.worker.as_mut().unwrap().village_code.clone_from(&self.village);
        let registered = register(&self.kemnaker, request).await.unwrap();
        (registered.worker_id, registered.receipt.unwrap())
    }

    async fn list_village(&self) -> Receipt {
        let request = ListWorkersRequest {
            region_code: self.village.clone(),
            page_size: 500,
            ..Default::default()
        };
        let mut client = WorkerServiceClient::new(self.kemnaker.clone());
        let listed = client.list_workers(stating("programme-planning", request)).await.unwrap();
        listed.into_inner().receipt.unwrap()
    }

    async fn add_member(&self, worker_id: String, nik: &str) -> Receipt {
        let member = FamilyMemberDetails {
            name: "Contoh Zubaidah".into(),
            relation: Relation::Child.into(),
            nik: nik.into(),
            ..FamilyMemberDetails::default()
        };
        let request =
            AddFamilyMemberRequest { request_id: new_id(), worker_id, member: Some(member) };
        let mut client = WorkerServiceClient::new(self.kemnaker.clone());
        let added = client.add_family_member(stating("placement-screening", request)).await;
        added.unwrap().into_inner().receipt.unwrap()
    }

    /// Everybody whom an agency exposed in a span, in pages of two.
    async fn exposed(&self, agency: &str, from: Timestamp, to: Timestamp) -> Vec<Exposure> {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ReportBreachRequest {
                agency_id: agency.into(),
                from: Some(from),
                to: Some(to),
                page_size: 2,
                page_token,
                ..ReportBreachRequest::default()
            };
            let page = self.audit().report_breach(stating(RIGHTS, request)).await.unwrap();
            let page = page.into_inner();
            assert!(page.receipt.is_some() && page.exposures.len() <= 2);
            found.extend(page.exposures);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return found;
            }
        }
    }
}

/// Agency, kind and method of the entries of a trail.
fn told(trail: &[TrailEntry]) -> Vec<(&str, EntryKind, &str)> {
    let method = |entry: &'_ TrailEntry| entry.method.rfind('/').unwrap() + 1;
    trail.iter().map(|it| (it.agency_id.as_str(), it.kind(), &it.method[method(it)..])).collect()
}

/// The rules that a refused request broke.
fn broken(status: &Status) -> Vec<(String, String)> {
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|it| (it.field, it.reason)).collect()
}

const READ: EntryKind = EntryKind::Disclosure;
const CHANGED: EntryKind = EntryKind::Change;

/// A receipt as the person is told of it: the log's note over request and answer is the caller's.
fn retold(receipt: Receipt) -> Receipt {
    Receipt { signed_note: String::new(), ..receipt }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_told_who_read_and_changed_what_and_nothing_of_others() {
    let gateway = Gateway::shared();
    let agencies = Agencies::at_home_in(&gateway, "35.07").await;
    let [nik, other, child] = [fresh_nik(), fresh_nik(), fresh_nik()];
    let (worker_id, registered) = agencies.register(&nik).await;
    agencies.register(&other).await;
    let submitted = submit(&agencies.clinic, submission(&nik)).await.unwrap().receipt.unwrap();
    let found = look_up(&agencies.kemnaker, "placement-screening", &nik).await.unwrap();
    let added = agencies.add_member(worker_id.clone(), &child).await;
    let listed = agencies.list_village().await;

    let own = agencies.trail(&nik).await;
    let expected = [
        ("kemnaker", READ, "ListWorkers"),
        ("kemnaker", CHANGED, "AddFamilyMember"),
        ("kemnaker", READ, "LookupWorker"),
        (CLINIC, CHANGED, "SubmitClearance"),
        ("kemnaker", CHANGED, "RegisterWorker"),
    ];
    assert_eq!(told(&own), expected);
    let receipts: Vec<_> = own.iter().map(|it| it.receipt.clone().unwrap()).collect();
    let made = [listed.clone(), added, found.receipt.unwrap(), submitted, registered];
    assert_eq!(receipts, made.map(retold));
    assert_eq!(own[3].agency_name, "Klinik Contoh Indramayu");
    assert_eq!(
        (own[0].purpose(), own[2].purpose()),
        (Purpose::ProgrammePlanning, Purpose::PlacementScreening,)
    );
    let classes: Vec<_> = own[3].data_classes().collect();
    assert!(classes.contains(&DataClass::HealthDetail), "{classes:?}");
    assert!(!own[4].data_classes().any(|class| class == DataClass::HealthDetail));

    // The list is the same to everybody in it, whoever else is; the child learns of her own entry.
    let of_other = agencies.trail(&other).await;
    assert_eq!(of_other[0], own[0]);
    let of_child = agencies.trail(&child).await;
    assert_eq!(told(&of_child), [("kemnaker", CHANGED, "AddFamilyMember")]);
    assert_eq!(of_child[0], own[1]);
    let shown = format!("{of_child:?} {of_other:?}");
    assert!(!shown.contains(&worker_id) && !shown.contains(&nik), "{shown}");

    // That the lists were made is in the lists.
    let again = agencies.trail(&child).await;
    assert_eq!(told(&again)[0], ("operator", READ, "ListDisclosures"));
    assert_eq!(again[1..], of_child);
    // Nobody is anybody: an empty list, which is an entry too.
    let nobody = fresh_nik();
    assert_eq!(agencies.trail(&nobody).await, []);
    assert_eq!(told(&agencies.trail(&nobody).await), [("operator", READ, "ListDisclosures")]);
    assert!(!gateway.log().contains(&nik));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_trail_join_though_each_of_them_lengthens_it() {
    let gateway = Gateway::shared();
    let agencies = Agencies::of(&gateway).await;
    let nik = fresh_nik();
    let (_, registered) = agencies.register(&nik).await;
    for _ in 0..3 {
        look_up(&agencies.kemnaker, "placement-screening", &nik).await.unwrap();
    }
    let whole = agencies.trail(&nik).await;
    let (mut joined, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = agencies.page(&nik, 1, token.clone()).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        joined.extend(page.entries);
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    // The whole list that was made before is an entry too, and so is its first page the newest.
    assert_eq!(joined[1..], whole);
    assert_eq!(joined.last().unwrap().receipt, Some(retold(registered)));
    assert_eq!(agencies.trail(&nik).await.len(), joined.len() + pages);

    for (nik, token) in [(fresh_nik(), token.clone()), (nik.clone(), format!("{token}61"))] {
        let refused = agencies.page(&nik, 1, token).await.unwrap_err();
        let expected = ("page_token".to_owned(), "PAGE_TOKEN_INVALID".to_owned());
        assert_eq!(broken(&refused), [expected]);
        assert!(!refused.message().contains(&nik));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_outlives_the_person_s_erasure() {
    let gateway = Gateway::shared();
    let agencies = Agencies::of(&gateway).await;
    let nik = fresh_nik();
    agencies.register(&nik).await;
    let erasure = EraseSubjectRequest { request_id: new_id(), nik: nik.clone() };
    agencies.audit().erase_subject(stating(RIGHTS, erasure)).await.unwrap();
    let expected = [("operator", CHANGED, "EraseSubject"), ("kemnaker", CHANGED, "RegisterWorker")];
    assert_eq!(told(&agencies.trail(&nik).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_is_told_once_the_withholding_has_ended() {
    let gateway = Gateway::shared();
    let agencies = Agencies::of(&gateway).await;
    let nik = fresh_nik();
    agencies.register(&nik).await;
    submit(&agencies.clinic, submission(&nik)).await.unwrap();
    let mut audit = agencies.audit();
    let request = withholding(&nik);
    let withheld = audit.withhold_disclosures(stating("operations", request.clone())).await;
    let withheld = withheld.unwrap().into_inner();
    let again = audit.withhold_disclosures(stating("operations", request)).await.unwrap();
    assert_eq!(again.into_inner(), withheld, "it is one withholding, however often it is sent");
    look_up(&agencies.kemnaker, "placement-screening", &nik).await.unwrap();

    let clinic = (CLINIC, CHANGED, "SubmitClearance");
    assert_eq!(told(&agencies.trail(&nik).await), [clinic]);
    // An erasure does not bring it to light.
    let erasure = EraseSubjectRequest { request_id: new_id(), nik: nik.clone() };
    audit.erase_subject(stating(RIGHTS, erasure)).await.unwrap();
    let (asked, erased) =
        (("operator", READ, "ListDisclosures"), ("operator", CHANGED, "EraseSubject"));
    assert_eq!(told(&agencies.trail(&nik).await), [erased, asked, clinic]);

    let end = |withholding_id: &str| {
        let withholding_id = withholding_id.to_owned();
        stating("operations", EndWithholdingRequest { request_id: new_id(), withholding_id })
    };
    let nothing = audit.end_withholding(end(&new_id())).await.unwrap_err();
    assert_eq!(nothing.code(), Code::NotFound);
    for _ in 0..2 {
        audit.end_withholding(end(&withheld.withholding_id)).await.unwrap();
    }
    let ended = ("operator", CHANGED, "EndWithholding");
    let expected = [
        ended,
        ended,
        asked,
        erased,
        asked,
        ("kemnaker", READ, "LookupWorker"),
        ("operator", CHANGED, "WithholdDisclosures"),
        clinic,
        ("kemnaker", CHANGED, "RegisterWorker"),
    ];
    assert_eq!(told(&agencies.trail(&nik).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withholding_has_an_agency_an_order_and_an_end_within_a_year() {
    let gateway = Gateway::shared();
    let agencies = Agencies::of(&gateway).await;
    let nik = fresh_nik();
    let sound = || withholding(&nik);
    let refused = async |request| {
        let request = stating("operations", request);
        agencies.audit().withhold_disclosures(request).await.unwrap_err()
    };
    let mut past = sound();
    past.until = Some(in_days(-1));
    past.from = Some(in_days(-2));
    let mut long = sound();
    long.until = Some(in_days(367));
    let mut reversed = sound();
    reversed.from = Some(in_days(2));
    let mut lawless = sound();
    lawless.legal_reference.clear();
    let mut endless = sound();
    endless.until = None;
    for (request, field, rule) in [
        (past, "until", "WITHHOLDING_END"),
        (long, "until", "WITHHOLDING_END"),
        (reversed, "from", "SPAN_REVERSED"),
        (lawless, "legal_reference", "required"),
        (endless, "until", "required"),
    ] {
        assert_eq!(broken(&refused(request).await), [(field.to_owned(), rule.to_owned())]);
    }
    let mut strange = sound();
    strange.agency_id = "nobody-registered".into();
    assert_eq!(refused(strange).await.code(), Code::NotFound);
    assert_eq!(agencies.trail(&nik).await, [], "nothing was withheld, and nothing recorded");
}

/// A microsecond later.
fn just_after(receipt: &Receipt) -> Timestamp {
    let at = receipt.committed_at.unwrap();
    let at = jiff::Timestamp::new(at.seconds, at.nanos).unwrap();
    let at = at + jiff::SignedDuration::from_micros(1);
    Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_tells_whom_an_agency_exposed_over_the_wire_and_by_the_command_line() {
    let gateway = Gateway::start();
    let agencies = Agencies::of(&gateway).await;
    let [first, second, third] = [fresh_nik(), fresh_nik(), fresh_nik()];
    let mut ids = Vec::new();
    for nik in [&first, &second, &third] {
        ids.push(agencies.register(nik).await.0);
    }
    let mut receipts = Vec::new();
    // The clinic concerns the first person twice, the second once, and never the third.
    for nik in [&first, &second, &first] {
        receipts.push(submit(&agencies.clinic, submission(nik)).await.unwrap().receipt.unwrap());
    }
    look_up(&agencies.kemnaker, "placement-screening", &first).await.unwrap();

    let exposed = agencies.exposed(CLINIC, in_days(-1), in_days(1)).await;
    let summary = |exposed: &[Exposure]| {
        let mut all: Vec<_> = exposed.iter().map(|it| (it.worker_id.clone(), it.entries)).collect();
        all.sort();
        all
    };
    let mut expected = [(ids[0].clone(), 2), (ids[1].clone(), 1)];
    expected.sort();
    assert_eq!(summary(&exposed), expected);
    let of_first = exposed.iter().find(|it| it.worker_id == ids[0]).unwrap();
    assert!(of_first.data_classes().any(|class| class == DataClass::HealthDetail));
    assert_eq!(
        (of_first.first_at, of_first.last_at),
        (receipts[0].committed_at, receipts[2].committed_at)
    );
    let pseudonyms: Vec<_> = exposed.iter().map(|it| &it.subject).collect();
    assert!(pseudonyms[0] < pseudonyms[1] && pseudonyms.iter().all(|it| it.len() == 64));
    // The span ends before its end.
    let at = |receipt: &Receipt| receipt.committed_at.unwrap();
    let exposed = agencies.exposed(CLINIC, at(&receipts[1]), at(&receipts[2])).await;
    assert_eq!(summary(&exposed), [(ids[1].clone(), 1)]);
    let exposed = agencies.exposed(CLINIC, just_after(&receipts[2]), in_days(1)).await;
    assert_eq!(exposed, []);
    // One who is erased is exposed as before, and has no record.
    let erasure = EraseSubjectRequest { request_id: new_id(), nik: second };
    agencies.audit().erase_subject(stating(RIGHTS, erasure)).await.unwrap();

    let profile = gateway.data().join("operator.toml");
    let list = gateway.data().join("exposed.csv");
    let breach = |agency: &str, more: &[&str]| {
        let mut args = vec!["audit", "breach", "--agency", agency, "--from"];
        args.extend(["2026-01-01T00:00:00+07:00", "--to", "2099-01-01T00:00:00Z"]);
        args.extend(["--profile", profile.to_str().unwrap()]);
        args.extend(more);
        run(&args)
    };
    let (status, out, err) = breach(CLINIC, &["-o", "json"]);
    assert_eq!(status, Some(0), "{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&shown["people"], &shown["workers"], &shown["entries"]),
        (&2.into(), &1.into(), &3.into())
    );
    assert_eq!(shown["by_class"]["health-detail"], 2);
    assert_eq!(shown["exposures"].as_array().unwrap().len(), 2);
    let (status, out, err) = breach(CLINIC, &["--csv", list.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{err}");
    assert!(
        out.starts_with(&format!("people exposed by {CLINIC}: 2, of them workers: 1\n")),
        "{out}"
    );
    let lines = std::fs::read_to_string(&list).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "subject,worker,classes,entries,first_at,last_at"));
    assert!(lines.iter().any(|line| line.contains(&format!(",{},", ids[0]))), "{lines:?}");
    let (status, _, err) = breach("nobody-registered", &[]);
    assert_eq!(status, Some(1));
    assert!(err.contains("no such agency"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_withholds_and_ends_it() {
    let gateway = Gateway::shared();
    let agencies = Agencies::of(&gateway).await;
    let nik = fresh_nik();
    agencies.register(&nik).await;
    let profile = gateway.data().join("operator.toml");
    let profile = profile.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nik");
    std::fs::write(&file, &nik).unwrap();
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let mut args = vec!["subjects", "withhold", "--nik-file", file.to_str().unwrap()];
    let until = until.to_string();
    args.extend(["--agency", "kemnaker", "--from", "2026-01-01T00:00:00Z", "--until", &until]);
    args.extend(["--ordered-by", "Pengadilan Contoh", "--legal-reference", "Penetapan 1/2026"]);
    args.extend(["--profile", profile, "-o", "json"]);
    let (status, out, err) = run(&args);
    assert_eq!(status, Some(0), "{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(agencies.trail(&nik).await, []);

    let id = shown["id"].as_str().unwrap();
    let (status, out, err) = run(&["subjects", "end-withholding", id, "--profile", profile]);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.starts_with(&format!("withholding {id} has ended\nreceipt: entry ")), "{out}");
    let expected = [
        ("operator", CHANGED, "EndWithholding"),
        ("operator", READ, "ListDisclosures"),
        ("operator", CHANGED, "WithholdDisclosures"),
        ("kemnaker", CHANGED, "RegisterWorker"),
    ];
    let trail = agencies.trail(&nik).await;
    assert_eq!(told(&trail), expected);
    assert_eq!(trail[2].receipt.as_ref().unwrap().entry_index, shown["entry"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_a_person_s_trail() {
    let gateway = Gateway::shared();
    let agencies = Agencies::of(&gateway).await;
    let nik = fresh_nik();
    let (_, registered) = agencies.register(&nik).await;
    let profile = gateway.data().join("operator.toml");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nik");
    std::fs::write(&file, format!("{nik}\n")).unwrap();
    let disclosures = |output| {
        let (file, profile) = (file.to_str().unwrap(), profile.to_str().unwrap());
        let args = ["subjects", "disclosures", "--nik-file", file, "--profile", profile];
        run(&[&args[..], &["-o", output]].concat())
    };
    let (status, out, err) = disclosures("json");
    assert_eq!(status, Some(0), "{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    let lines = shown.as_array().unwrap();
    assert_eq!(lines.len(), 1);
    let expected = [
        ("agency", "kemnaker".to_owned()),
        ("kind", "change".to_owned()),
        ("purpose", "placement-screening".to_owned()),
        ("method", "desmigratif.worker.v1.WorkerService/RegisterWorker".to_owned()),
        ("leaf", hex::encode(&registered.leaf_hash)),
    ];
    for (field, value) in expected {
        assert_eq!(lines[0][field], value, "{field}");
    }
    assert_eq!(lines[0]["entry"], registered.entry_index);
    let (status, out, err) = disclosures("table");
    assert_eq!(status, Some(0), "{err}");
    let rows: Vec<_> = out.lines().collect();
    assert_eq!(rows.len(), 3, "{out}");
    assert!(rows[1].contains("AuditService/ListDisclosures"), "{out}");
    assert!(rows[2].contains("WorkerService/RegisterWorker"), "{out}");
    assert!(!out.contains(&nik) && !gateway.log().contains(&nik));
}
