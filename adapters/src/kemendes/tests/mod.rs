//! Tests of the IDM adapter: shapes of answers, and a small server.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::ports::ministry::{Answer, Fault, FaultKind, Ministry as _, Question};
use desmigratif_core::region::VillageCode;
use desmigratif_core::village_index::{Category, IndexKind, VillageIndex};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Idm, Settings, read};
use crate::upstream::http::Reply;

const NONE: &str = r#"{"error":true,"message":"ID Desa tidak ditemukan"}"#;

fn village() -> VillageCode {
    VillageCode::parse("32.12.16.2004").unwrap()
}

fn good(year: &Value, score: &Value, status: &str, sums: &[&str]) -> Value {
    let mut rows = vec![json!({"NO": 1, "INDIKATOR": "Skor Akses Sarkes", "SKOR": 5})];
    rows.extend(sums.iter().map(|it| json!({"NO": null, "INDIKATOR": it, "SKOR": "0,7371"})));
    json!({
        "error": false,
        "mapData": {
            "SUMMARIES": {
                "SKOR_SAAT_INI": score, "STATUS": status, "TARGET_STATUS": "MANDIRI",
                "SKOR_MINIMAL": "0.8156", "PENAMBAHAN": 0.1, "TAHUN": year,
            },
            "ROW": rows,
            "IDENTITAS": [{"nama_desa": "KENANGA", "id_desa": "3212162004"}],
        },
    })
}

/// What comes of an answer to the question for 2024, with the Indeks Desa from 2025 on.
fn answered(status: u16, body: &str) -> Result<Option<VillageIndex>, Fault> {
    asked(2024, status, body)
}

fn asked(year: i16, status: u16, body: &str) -> Result<Option<VillageIndex>, Fault> {
    let reply = Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    read(&reply, village(), year, 2025)
}

#[test]
fn scores_and_statuses_are_read_in_every_form_seen() {
    for (score, status, read_score, category) in [
        (json!(0.7371), "MAJU", 0.7371, Category::Maju),
        (json!("0.7371"), "Maju", 0.7371, Category::Maju),
        (json!("0,7371"), "Desa Maju", 0.7371, Category::Maju),
        (json!(1), "DESA MANDIRI", 1.0, Category::Mandiri),
        (json!("0"), " sangat  tertinggal ", 0.0, Category::SangatTertinggal),
        (json!(0.5), "TERTINGGAL", 0.5, Category::Tertinggal),
        (json!(0.65), "berkembang", 0.65, Category::Berkembang),
    ] {
        for year in [json!(2024), json!("2024")] {
            let body = good(&year, &score, status, &["IKS 2024", "IKE 2024", "IKL 2024"]);
            let index = answered(200, &body.to_string()).unwrap().unwrap();
            let kind = IndexKind::Idm;
            let village = village();
            let expected = VillageIndex { village, year: 2024, kind, score: read_score, category };
            assert_eq!(index, expected);
        }
    }
}

#[test]
fn which_index_it_is_follows_the_sums_and_else_the_year() {
    use IndexKind::{Idm, IndeksDesa};
    let kind = |year: i16, sums: &[&str]| {
        let body = good(&json!(year), &json!(0.7), "MAJU", sums).to_string();
        asked(year, 200, &body).map(|it| it.unwrap().kind).map_err(|it| it.kind)
    };
    for (year, sums, expected) in [
        (2023, &["IKS 2023", "IKE 2023", "IKL 2023", "IDM 2023", "STATUS IDM 2023"][..], Ok(Idm)),
        (2025, &["IKS 2025"], Ok(Idm)),
        (2024, &["Indeks Ketahanan Sosial"], Ok(Idm)),
        (2024, &["Indeks Desa Membangun"], Ok(Idm)),
        (2024, &["Indeks Desa 2024"], Ok(IndeksDesa)),
        (2024, &["Dimensi Sosial", "DIMENSI LAYANAN DASAR"], Ok(IndeksDesa)),
        (2024, &["Tata Kelola Pemerintahan Desa"], Ok(IndeksDesa)),
        (2024, &[], Ok(Idm)),
        (2025, &[], Ok(IndeksDesa)),
        (2024, &["Total", "Ekonomi"], Ok(Idm)),
        (2025, &["Total", "Ekonomi"], Ok(IndeksDesa)),
        (2024, &["IKS 2024", "Dimensi Aksesibilitas"], Err(FaultKind::Malformed)),
    ] {
        assert_eq!(kind(year, sums), expected, "{year} {sums:?}");
    }
}

#[test]
fn the_indeks_desa_may_be_out_of_a_hundred_and_the_older_may_not() {
    let body = |sum: &str| good(&json!(2024), &json!("78,45"), "MAJU", &[sum]).to_string();
    let index = answered(200, &body("Indeks Desa")).unwrap().unwrap();
    assert!((index.score - 0.7845).abs() < 1e-9);
    assert_eq!(answered(200, &body("IKS 2024")).unwrap_err().kind, FaultKind::Malformed);
}

#[test]
fn an_older_year_is_taken_as_it_says_and_a_later_or_impossible_one_is_not() {
    let body = |year: Value| good(&year, &json!(0.7), "MAJU", &[]).to_string();
    assert_eq!(answered(200, &body(json!(2023))).unwrap().unwrap().year, 2023);
    assert_eq!(answered(200, &body(json!(null))).unwrap().unwrap().year, 2024);
    for year in [json!(2025), json!(1999), json!("tahun ini"), json!(2023.5)] {
        assert_eq!(answered(200, &body(year)).unwrap_err().kind, FaultKind::Malformed);
    }
}

#[test]
fn no_index_is_told_from_every_failure() {
    use FaultKind::{Credentials, Malformed, Quota, Rejected, Unavailable};
    assert_eq!(answered(400, NONE), Ok(None));
    assert_eq!(answered(200, NONE), Ok(None));
    let unknown = good(&json!(2024), &json!(0.7), "Sangat Maju", &[]);
    let mut other = good(&json!(2024), &json!(0.7), "MAJU", &[]);
    other["mapData"]["IDENTITAS"][0]["id_desa"] = json!("3212162005");
    let mut empty = other.clone();
    empty["mapData"]["SUMMARIES"] = json!({});
    for (status, body, kind) in [
        (200, unknown.to_string(), Malformed),
        (200, other.to_string(), Malformed),
        (200, empty.to_string(), Malformed),
        (200, good(&json!(2024), &json!(-0.1), "MAJU", &[]).to_string(), Malformed),
        (200, good(&json!(2024), &json!("-"), "MAJU", &[]).to_string(), Malformed),
        (200, good(&json!(2024), &json!("NaN"), "MAJU", &[]).to_string(), Malformed),
        (200, r#"{"error":false}"#.into(), Malformed),
        (200, r#"{"error":false,"mapData":null}"#.into(), Malformed),
        (200, r#"{"error":true,"message":"Terjadi kesalahan"}"#.into(), Malformed),
        (200, "<html></html>".into(), Malformed),
        (302, String::new(), Malformed),
        (400, "<html></html>".into(), Rejected),
        (400, r#"{"error":false}"#.into(), Rejected),
        (403, String::new(), Credentials),
        (429, String::new(), Quota),
        (500, NONE.into(), Unavailable),
    ] {
        assert_eq!(answered(status, &body).unwrap_err().kind, kind, "{status} {body}");
    }
}

/// A server that has an index for 2024 alone, and a list of what it was asked.
async fn serve() -> (String, Arc<Mutex<Vec<String>>>, tokio::task::JoinHandle<()>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let app = axum::Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
        record.lock().unwrap().push(uri.path().to_owned());
        async move {
            if headers.get("x-requested-with").is_none_or(|it| it != "XMLHttpRequest") {
                return StatusCode::FORBIDDEN.into_response();
            }
            if uri.path() == "/open/api/desa/rumusan/3212162004/2024" {
                let body = good(&json!(2024), &json!("0,7371"), "MAJU", &["IKS 2024"]);
                return axum::Json(body).into_response();
            }
            (StatusCode::BAD_REQUEST, NONE).into_response()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, seen, server)
}

fn settings(url: &str, more: &Value) -> Settings {
    let mut all = json!({"url": url});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn adapter(url: &str, more: &Value) -> Idm {
    let clock = SetClock::at("2026-11-24T00:00:00Z".parse().unwrap());
    Idm::new(&settings(url, more), Arc::new(clock)).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn years_are_asked_for_from_the_newest_until_one_has_an_index() {
    let (url, seen, server) = serve().await;
    let index = |adapter: Idm, code: &str| {
        let village = VillageCode::parse(code).unwrap();
        async move {
            let question = Question::VillageIndex { village };
            match adapter.lookup(&question, soon()).await.unwrap() {
                Answer::VillageIndex(index) => index.map(|it| (it.year, it.category)),
                _ => None,
            }
        }
    };
    let years = |seen: &Mutex<Vec<String>>| {
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        seen.iter().map(|it| it.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let found = Some((2024, Category::Maju));
    assert_eq!(index(adapter(&url, &json!({})), "32.12.16.2004").await, found);
    assert_eq!(years(&seen), ["2026", "2025", "2024"]);
    let chosen = json!({"years": [2022, 2024, 2023, 2024]});
    assert_eq!(index(adapter(&url, &chosen), "32.12.16.2004").await, found);
    assert_eq!(years(&seen), ["2024"]);
    assert_eq!(index(adapter(&url, &chosen), "32.12.16.2005").await, None);
    assert_eq!(years(&seen), ["2024", "2023", "2022"]);
    // A kelurahan has no index, so it is not asked for.
    assert_eq!(index(adapter(&url, &json!({})), "32.12.16.1004").await, None);
    assert!(years(&seen).is_empty());
    server.abort();
}

#[tokio::test]
async fn a_probe_takes_no_index_for_an_answer() {
    let (url, seen, server) = serve().await;
    adapter(&url, &json!({})).probe(soon()).await.unwrap();
    adapter(&url, &json!({"probe_village": "32.12.16.2005"})).probe(soon()).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    let gone = adapter(&url, &json!({"upstream": {"retries": 0}})).probe(soon()).await;
    assert_eq!(gone.unwrap_err().kind, FaultKind::Unavailable);
}

#[test]
fn settings_wait_longer_for_a_connection_unless_told_otherwise() {
    let waits = |more: &Value| {
        let upstream = settings("https://idm.example", more).upstream;
        (upstream.connect_timeout_ms, upstream.timeout_ms, upstream.retries)
    };
    assert_eq!(waits(&json!({})), (20_000, 30_000, 2));
    assert_eq!(waits(&json!({"upstream": {"retries": 5}})), (20_000, 30_000, 5));
    assert_eq!(waits(&json!({"upstream": {"connect_timeout_ms": 7}})).0, 7);
    let unknown = json!({"url": "https://idm.example", "upstream": {"timeout": 1}});
    assert!(serde_json::from_value::<Settings>(unknown).is_err());
}
