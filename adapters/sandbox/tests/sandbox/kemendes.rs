use desmigratif_core::access::AgencyKind::Kemendes;
use desmigratif_core::region::{RegionCode, VillageCode, VillageKind};
use desmigratif_core::village_index::{Category, IndexKind};
use desmigratif_sandbox::fixtures::{VillageOutcome, fixtures};
use desmigratif_sandbox::{Fault, Sandbox, kemendes};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{client, start, url, world};

async fn ask(sandbox: &Sandbox, code: &str, year: i16) -> (StatusCode, Value) {
    let path = format!("/open/api/desa/rumusan/{}/{year}", code.replace('.', ""));
    let request =
        client().get(url(sandbox, Kemendes, &path)).header("X-Requested-With", "XMLHttpRequest");
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

fn missing() -> (StatusCode, Value) {
    let body = json!({ "error": true, "message": "ID Desa tidak ditemukan" });
    (StatusCode::BAD_REQUEST, body)
}

#[tokio::test]
async fn every_published_village_has_its_outcome() {
    let sandbox = start().await;
    for (code, outcome) in fixtures().villages {
        for year in [2023, 2024, 2025] {
            let (status, answer) = ask(&sandbox, code, year).await;
            let expected = match outcome {
                VillageOutcome::Index(category) => Some(category),
                VillageOutcome::OldIndexOnly if year < 2025 => None,
                _ => {
                    assert_eq!((status, answer), missing(), "{code} {year}");
                    continue;
                }
            };
            assert_eq!((status, &answer["error"]), (StatusCode::OK, &json!(false)));
            let summary = &answer["mapData"]["SUMMARIES"];
            assert_eq!(summary["TAHUN"], year);
            let category = Category::parse(summary["STATUS"].as_str().unwrap());
            assert!(expected.is_none_or(|it| category == Some(it)), "{code} {year}: {summary}");
        }
    }
}

#[tokio::test]
async fn a_wrong_code_and_a_year_without_data_are_http_400() {
    let sandbox = start().await;
    let kenanga = "32.12.16.2004";
    for (code, year) in [("99.99.99.2999", 2024), (kenanga, 2018), (kenanga, 2026), ("3212", 2024)]
    {
        assert_eq!(ask(&sandbox, code, year).await, missing(), "{code} {year}");
    }
}

#[tokio::test]
async fn subtotals_have_no_number_and_the_two_indices_have_different_ones() {
    let sandbox = start().await;
    for (year, subtotals) in [(2024, 4), (2025, 7)] {
        let (_, answer) = ask(&sandbox, "32.12.16.2004", year).await;
        let rows = answer["mapData"]["ROW"].as_array().unwrap().clone();
        let (totals, indicators): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|it| it["NO"].is_null());
        assert_eq!((totals.len(), indicators.len()), (subtotals, 2 * (subtotals - 1)));
        assert!(totals.iter().all(|it| it["SKOR"].is_null() && it["NILAI"].is_number()));
        let name = if year == 2024 { "IDM 2024" } else { "INDEKS DESA 2025" };
        assert_eq!(totals.last().unwrap()["INDIKATOR"], name);
        assert!(indicators.iter().all(|it| it["SKOR"].is_number()));
    }
}

#[tokio::test]
async fn without_the_header_of_a_program_there_is_a_page() {
    let sandbox = start().await;
    let address = url(&sandbox, Kemendes, "/open/api/desa/rumusan/3212162004/2024");
    let response = client().get(&address).send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    sandbox.switch().set(Kemendes, Some(Fault::Quota));
    let request = client().get(address).header("x-requested-with", "XMLHttpRequest");
    assert_eq!(request.send().await.unwrap().status(), 429);
}

#[test]
fn scores_fit_their_categories_and_every_category_is_in_the_country() {
    let world = world();
    let indramayu = RegionCode::parse("32.12").unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for village in world.gazetteer().villages_in(indramayu, None) {
        let index = kemendes::index(&world, village.code, 2024);
        assert_eq!(index.is_some(), village.kind() != VillageKind::Kelurahan);
        let Some(index) = index else { continue };
        assert_eq!(index.kind, IndexKind::Idm);
        let fits = match index.category {
            Category::SangatTertinggal => index.score <= 0.4907,
            Category::Tertinggal => index.score > 0.4907 && index.score <= 0.5989,
            Category::Berkembang => index.score > 0.5989 && index.score <= 0.7072,
            Category::Maju => index.score > 0.7072 && index.score <= 0.8155,
            Category::Mandiri => index.score > 0.8155 && index.score <= 1.0,
        };
        assert!(fits, "{index:?}");
        seen.insert(index.category);
    }
    // After five years of moving up nobody is left in the lowest but the one that is fixed there.
    assert!(seen.len() >= 4, "{seen:?}");
    let fixed = VillageCode::parse("18.07.01.2001").unwrap();
    let lowest = kemendes::index(&world, fixed, 2025).unwrap();
    assert_eq!((lowest.kind, lowest.category), (IndexKind::IndeksDesa, Category::SangatTertinggal));
}
