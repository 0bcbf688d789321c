//! Tests of the SATUSEHAT adapter, and the synthetic clearance that they share.

mod answers;
mod bundles;
mod tokens;
mod wire;

use std::collections::BTreeSet;

use bytes::Bytes;
use desmigratif_core::agency::AgencyId;
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::clearance::{
    Clearance, Conclusion, Country, Examiner, Finding, Interpretation, PregnancyResult,
    PregnancyTest,
};
use desmigratif_core::facility::{Facility, FacilityClass};
use desmigratif_core::geo::Coordinate;
use desmigratif_core::identity::Sex;
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::ministry::{ClearanceFile, Content, Parcel};
use desmigratif_core::region::VillageCode;
use desmigratif_core::stage::Stage;
use desmigratif_core::subject::SubjectKey;
use desmigratif_core::worker::{Contact, Worker};
use jiff::civil::date;
use reqwest::StatusCode;
use uuid::Uuid;

use crate::upstream::http::Reply;

const NIK: &str = "9901014501900001";
const ORGANIZATION: &str = "100099001";

fn finding(code: &str, display: &str, value: &str, unit: &str) -> Finding {
    let (code, display) = (code.to_owned(), display.to_owned());
    Finding { code, display, value: value.into(), unit: unit.into(), interpretation: None }
}

/// A woman from Indramayu, found fit by a clinic in Papua.
fn file() -> ClearanceFile {
    let nik = Nik::parse(NIK).unwrap();
    let subject = SubjectKey::from_bytes([0; 32]).pseudonym(&nik);
    let today = date(2026, 11, 24);
    let worker = Worker {
        id: Uuid::from_u128(1),
        subject,
        nik,
        kk: None,
        name: PersonName::parse("Contoh Siti Aminah").unwrap(),
        birth: BirthDate::new(date(1990, 1, 5), Precision::Day, today).unwrap(),
        sex: Sex::Female,
        village: VillageCode::parse("32.12.16.2004").unwrap(),
        contact: Contact { phone: Some("+628120000000".into()), address: None },
        stage: Stage::Prospective,
        destination: Some(Country::parse("HK").unwrap()),
        placement: None,
        documents: BTreeSet::new(),
        verification: None,
        registered_by: AgencyId::parse("kemnaker").unwrap(),
    };
    let clearance = Clearance {
        id: Uuid::from_u128(2),
        worker_id: worker.id,
        subject: worker.subject,
        facility_id: "klinik-contoh".into(),
        home: None,
        submitted_by: AgencyId::parse("klinik-contoh").unwrap(),
        certificate_number: "MC/2026/0001".into(),
        examined_on: date(2026, 11, 18),
        issued_on: date(2026, 11, 20),
        destination: Country::parse("HK").unwrap(),
        conclusion: Conclusion::Fit,
        examiner: Examiner {
            name: PersonName::parse("Contoh Dokter Hadi").unwrap(),
            sip_number: "503/SIP/0099".into(),
        },
        findings: vec![
            Finding {
                interpretation: Some(Interpretation::Normal),
                ..finding("718-7", "Hemoglobin [Mass/volume] in Blood", "12.50", "g/dL")
            },
            finding("8480-6", "Systolic blood pressure", "118", "mm[Hg]"),
            Finding {
                interpretation: Some(Interpretation::Abnormal),
                ..finding("5292-8", "Reagin Ab [Presence] in Serum by VDRL", "non-reaktif", "")
            },
        ],
        pregnancy_test: Some(PregnancyTest {
            tested_on: date(2026, 11, 19),
            result: PregnancyResult::Negative,
        }),
        revocation: None,
    };
    let facility = Facility {
        id: "klinik-contoh".into(),
        name: "Klinik Utama Contoh".into(),
        class: FacilityClass::KlinikUtama,
        village: VillageCode::parse("91.71.01.1001").unwrap(),
        location: Coordinate::new(-2.5, 140.7).unwrap(),
        designations: Vec::new(),
        capacity_per_day: 0,
    };
    ClearanceFile { clearance, worker, facility, valid_until: Some(date(2027, 2, 20)) }
}

fn parcel(version: u64, file: ClearanceFile) -> Parcel {
    Parcel {
        key: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000),
        entry: 7,
        at: "2026-11-20T03:04:05.678Z".parse().unwrap(),
        version,
        content: Content::Clearance(Box::new(file)),
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: reqwest::header::HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}
