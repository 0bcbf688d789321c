//! The adapter without a ministry: settings, and what goes over the wire.

use desmigratif_core::agency::AgencyId;
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::clearance::{
    Clearance, Conclusion, Country, Examiner, PregnancyResult, PregnancyTest, Revocation,
    RevocationReason,
};
use desmigratif_core::facility::{Facility, FacilityClass};
use desmigratif_core::geo::Coordinate;
use desmigratif_core::identity::{Outcome, Sex, Verification};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_core::region::VillageCode;
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::SubjectKey;
use desmigratif_core::worker::{Contact, Document, Placement, Worker};
use desmigratif_proto::Minimise as _;
use desmigratif_proto::{ClassSet, health};
use jiff::civil::date;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

use super::*;

const SETTINGS: &str = r#"{
    "url": "https://penghubung.example:8443",
    "ca": "ca.pem",
    "certificate": "gateway.pem",
    "key": "/run/secrets/gateway-key.pem"
}"#;

fn settings() -> Settings {
    serde_json::from_str(SETTINGS).unwrap()
}

/// 24 November 2026, 22:00 in Jakarta.
fn at() -> Timestamp {
    "2026-11-24T15:00:00Z".parse().unwrap()
}

fn worker() -> Worker {
    let nik = Nik::parse("9901010501900001").unwrap();
    let by = AgencyId::parse("kemendagri").unwrap();
    Worker {
        id: Uuid::from_u128(1),
        subject: SubjectKey::from_bytes([0; 32]).pseudonym(&nik),
        nik,
        kk: None,
        name: PersonName::parse("Contoh Budi").unwrap(),
        birth: BirthDate::new(date(1990, 1, 5), Precision::Day, date(2026, 11, 24)).unwrap(),
        sex: Sex::Male,
        village: VillageCode::parse("32.12.16.2004").unwrap(),
        contact: Contact { phone: Some("+628120000000".into()), address: None },
        stage: Stage::Prospective,
        destination: Some(Country::parse("HK").unwrap()),
        placement: Some(Placement::P3mi),
        documents: Document::ALL.into(),
        verification: Some(Verification { at: at(), outcome: Outcome::Mismatch, by: by.clone() }),
        registered_by: by,
    }
}

fn file() -> ClearanceFile {
    let worker = worker();
    let clearance = Clearance {
        id: Uuid::from_u128(2),
        worker_id: worker.id,
        subject: worker.subject,
        facility_id: "klinik".into(),
        home: None,
        submitted_by: AgencyId::parse("klinik").unwrap(),
        certificate_number: "7/2026".into(),
        examined_on: date(2026, 11, 1),
        issued_on: date(2026, 11, 2),
        destination: Country::parse("HK").unwrap(),
        conclusion: Conclusion::Fit,
        examiner: Examiner {
            name: PersonName::parse("Contoh Dokter").unwrap(),
            sip_number: "1".into(),
        },
        findings: Vec::new(),
        pregnancy_test: None,
        revocation: None,
    };
    let facility = Facility {
        id: "klinik".into(),
        name: "Klinik Contoh".into(),
        class: FacilityClass::KlinikUtama,
        village: worker.village,
        location: Coordinate::new(-6.3, 108.3).unwrap(),
        designations: Vec::new(),
        capacity_per_day: 0,
    };
    ClearanceFile { clearance, worker, facility, valid_until: Some(date(2027, 2, 2)) }
}

fn sent(content: Content) -> contract::deliver_request::Content {
    let parcel = Parcel { key: Uuid::from_u128(9), entry: 41, at: at(), version: 3, content };
    let request = to_wire(&parcel);
    assert_eq!(request.delivery_key, parcel.key.to_string());
    assert_eq!((request.entry_index, request.version), (41, 3));
    assert_eq!(request.committed_at, Some(wire::timestamp(at())));
    request.content.unwrap()
}

#[test]
fn a_worker_is_sent_whole_with_version_and_time_of_the_entry() {
    let contract::deliver_request::Content::Worker(sent) = sent(Content::Worker(worker().into()))
    else {
        panic!("a worker was sent as something else");
    };
    assert_eq!((sent.nik.as_str(), sent.etag.as_str()), ("9901010501900001", "3"));
    assert_eq!((sent.village_code.as_str(), sent.documents.len()), ("32.12.16.2004", 8));
    assert_eq!(sent.phone, "+628120000000");
    assert_eq!(sent.as_of, Some(wire::timestamp(at())));
    assert_eq!(sent.identity_verified_at, None, "a check that failed verifies nothing");
}

#[test]
fn a_clearance_is_sent_as_it_stood_on_the_day_of_the_entry() {
    let status = |file: ClearanceFile| {
        let contract::deliver_request::Content::Clearance(sent) =
            sent(Content::Clearance(file.into()))
        else {
            panic!("a clearance was sent as something else");
        };
        assert_eq!(
            (sent.nik.as_str(), sent.facility_name.as_str()),
            ("9901010501900001", "Klinik Contoh")
        );
        sent.clearance.unwrap().status()
    };
    use health::v1::ClearanceStatus as Standing;
    assert_eq!(status(file()), Standing::Valid);
    let ends = |day| ClearanceFile { valid_until: Some(day), ..file() };
    assert_eq!(status(ends(date(2026, 11, 24))), Standing::Valid);
    assert_eq!(status(ends(date(2026, 11, 23))), Standing::Expired);
    let with = |change: fn(&mut Clearance)| {
        let mut file = file();
        change(&mut file.clearance);
        file
    };
    let pregnant = with(|clearance| {
        let (tested_on, result) = (date(2026, 11, 1), PregnancyResult::Positive);
        clearance.pregnancy_test = Some(PregnancyTest { tested_on, result });
    });
    assert_eq!(status(pregnant), Standing::Void);
    let revoked = with(|clearance| {
        let reason = RevocationReason::Impostor;
        clearance.revocation = Some(Revocation { at: at(), reason });
    });
    assert_eq!(status(revoked), Standing::Revoked);
    let mut unfit = with(|clearance| clearance.conclusion = Conclusion::Unfit);
    unfit.valid_until = None;
    assert_eq!(status(unfit), Standing::NotFit);
}

#[test]
fn no_value_of_a_record_is_in_a_class_that_everyone_sees() {
    let contract::deliver_request::Content::Worker(mut sent) =
        sent(Content::Worker(worker().into()))
    else {
        panic!("a worker was sent as something else");
    };
    sent.minimise(ClassSet::of(&[desmigratif_proto::options::v1::DataClass::Public]));
    assert!(sent.nik.is_empty() && sent.name.is_empty() && sent.phone.is_empty());
}

#[test]
fn paths_are_taken_from_the_settings_folder_and_unknown_keys_refused() {
    let mut settings = settings();
    settings.resolve(Path::new("/etc/desmigratif"));
    assert_eq!(settings.ca, Path::new("/etc/desmigratif/ca.pem"));
    assert_eq!(settings.key, Path::new("/run/secrets/gateway-key.pem"));
    assert_eq!(settings.upstream, upstream::Settings::default());
    let typo = SETTINGS.replace("\"ca\"", "\"cas\"");
    assert!(serde_json::from_str::<Settings>(&typo).is_err());
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let refusal = |settings: &Settings| {
        let made = connect(AgencyKind::Kemnaker, settings, Arc::new(SystemClock));
        made.err().unwrap().to_string()
    };
    for url in [
        "http://penghubung.example:8443",
        "https://penghubung.example/v1",
        "https://user:word@penghubung.example",
        "https://penghubung.example/?a=b",
        "unix:/run/connector",
    ] {
        let settings = Settings { url: url.parse().unwrap(), ..settings() };
        assert!(refusal(&settings).starts_with("url must be https://host:port"), "{url}");
    }
    let misnamed = Settings { server_name: Some("a name".into()), ..settings() };
    assert!(refusal(&misnamed).starts_with("server_name must be"));
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.resolve(folder.path());
    assert!(refusal(&settings).contains("ca.pem"), "a file that is missing");
    std::fs::write(&settings.ca, "no certificate").unwrap();
    assert!(refusal(&settings).contains("holds no certificate"));
}

#[test]
fn a_call_tells_its_time_and_its_trace() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let tracer = SdkTracerProvider::default().tracer("test");
    let layer = tracing_opentelemetry::layer().with_tracer(tracer);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = tracing::info_span!("call");
        let _entered = span.enter();
        let (request, answered) = prepare((), Instant::now() + Duration::from_secs(5));
        let text = |name| request.metadata().get(name).unwrap().to_str().unwrap().to_owned();
        let time = text("grpc-timeout");
        let micros: u64 = time.strip_suffix('u').unwrap().parse().unwrap();
        assert!((1..=5_000_000).contains(&micros), "{time}");
        assert_eq!(text("traceparent").len(), 55);
        assert!(!answered.is_set());
        let (request, _) = prepare((), Instant::now() + Duration::from_secs(1 << 40));
        assert_eq!(request.metadata().get("grpc-timeout").unwrap(), "3600000m");
    });
}
