//! Kemendes's open API of village indices, as OpenSID and others call it.
//!
//! To 2024 it answers with the Indeks Desa Membangun (IDM): three indices and their mean, in the
//! categories of Permendesa 2/2016. From 2025 on with the Indeks Desa: six dimensions, in
//! categories of the same names. How the real API tells the Indeks Desa, and where its categories
//! begin, is not published: the shape of the IDM with other rows, and the IDM's bounds, are the
//! sandbox's own. So are the scores: they hang on the village's code and the year alone.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use desmigratif_core::access::AgencyKind;
use desmigratif_core::region::{Village, VillageCode, VillageKind};
use desmigratif_core::village_index::{Category, IndexKind, VillageIndex};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::fault::{Fault, Switch};
use crate::world::World;

/// The first year with data.
pub const FIRST_YEAR: i16 = 2019;
/// The first year of the Indeks Desa.
pub const FIRST_YEAR_OF_INDEKS_DESA: i16 = 2025;
/// Desa whose category is the same in every year.
pub const FIXED: [(&str, Category); 5] = [
    ("18.07.01.2001", Category::SangatTertinggal),
    ("18.07.01.2002", Category::Tertinggal),
    ("35.02.01.2001", Category::Berkembang),
    ("32.12.16.2004", Category::Maju),
    ("35.07.01.2001", Category::Mandiri),
];
/// The desa that has an IDM and no Indeks Desa yet.
pub const WITHOUT_INDEKS_DESA: &str = "52.03.01.2001";
/// The desa that the ministry does not know.
pub const UNKNOWN: &str = "33.07.02.2001";
/// A kelurahan, which has no index as no kelurahan has.
pub const KELURAHAN: &str = "32.12.15.1001";

/// Where each category ends (Permendesa 2/2016).
const BOUNDS: [(Category, f64); 5] = [
    (Category::SangatTertinggal, 0.4907),
    (Category::Tertinggal, 0.5989),
    (Category::Berkembang, 0.7072),
    (Category::Maju, 0.8155),
    (Category::Mandiri, 1.0),
];
const IDM: [(&str, [&str; 2]); 3] = [
    ("IKS", ["Skor Akses Sarkes", "Skor Akses SD/MI"]),
    ("IKE", ["Skor Keragaman Produksi", "Skor Akses Pusat Perdagangan"]),
    ("IKL", ["Skor Kualitas Lingkungan", "Skor Rawan Bencana"]),
];
const INDEKS_DESA: [(&str, [&str; 2]); 6] = [
    ("LAYANAN DASAR", ["Skor Pendidikan", "Skor Kesehatan"]),
    ("SOSIAL", ["Skor Aktivitas", "Skor Fasilitas Masyarakat"]),
    ("EKONOMI", ["Skor Produksi Desa", "Skor Fasilitas Pendukung Ekonomi"]),
    ("LINGKUNGAN", ["Skor Pengelolaan Lingkungan", "Skor Penanggulangan Bencana"]),
    ("AKSESIBILITAS", ["Skor Kondisi Akses Jalan", "Skor Kemudahan Akses"]),
    ("TATA KELOLA", ["Skor Kelembagaan", "Skor Tata Kelola Keuangan"]),
];

/// The index of a village for a year; `None` where the ministry has none.
#[must_use]
pub fn index(world: &World, village: VillageCode, year: i16) -> Option<VillageIndex> {
    let code = village.to_string();
    world.gazetteer().village(village)?;
    // A year's index comes in the next.
    let known = (FIRST_YEAR..world.today().year()).contains(&year);
    let kind =
        if year < FIRST_YEAR_OF_INDEKS_DESA { IndexKind::Idm } else { IndexKind::IndeksDesa };
    let missing = village.kind() == VillageKind::Kelurahan
        || code == UNKNOWN
        || code == WITHOUT_INDEKS_DESA && kind == IndexKind::IndeksDesa;
    if !known || missing {
        return None;
    }
    let fixed = FIXED.iter().find(|(fixed, _)| *fixed == code);
    let score = match fixed {
        Some((_, category)) => middle(*category),
        None => {
            // Most of the country lies from Tertinggal to Mandiri, and moves up a little a year.
            let chance = (world.chance("idm", &code) % 4_000) as f64 / 10_000.0;
            0.45 + chance + 0.01 * f64::from(year - FIRST_YEAR)
        }
    };
    let score = (score * 10_000.0).round() / 10_000.0;
    Some(VillageIndex { village, year, kind, score, category: category(score) })
}

fn category(score: f64) -> Category {
    let reached = BOUNDS.iter().find(|(_, most)| score <= *most);
    reached.map_or(Category::Mandiri, |(category, _)| *category)
}

/// The middle of a category.
fn middle(wanted: Category) -> f64 {
    let mut least = 0.4;
    for (category, most) in BOUNDS {
        if category == wanted {
            return f64::midpoint(least, most);
        }
        least = most;
    }
    least
}

pub(crate) fn routes(world: World, switch: Switch) -> Router {
    Router::new()
        .route("/open/api/desa/rumusan/{code}/{year}", get(answer))
        .with_state(Arc::new((world, switch)))
}

async fn answer(
    State(state): State<Arc<(World, Switch)>>,
    Path((code, year)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let (world, switch) = &*state;
    let asked = headers.get("x-requested-with").is_some_and(|it| it == "XMLHttpRequest");
    if !asked {
        // The address is a page of a web site to those who do not say that they are a program.
        let page = Html("<!DOCTYPE html><html><body>Akses ditolak</body></html>");
        return (StatusCode::FORBIDDEN, page).into_response();
    }
    if switch.get(AgencyKind::Kemendes) == Some(Fault::Quota) {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let undotted = code.len() == 10;
    let village = VillageCode::parse(&code).ok().filter(|_| undotted);
    let found = village.zip(year.parse().ok()).and_then(|(village, year)| {
        Some((world.gazetteer().village(village)?, index(world, village, year)?))
    });
    match found {
        Some((village, index)) => Json(told(&village, &index)).into_response(),
        None => {
            let body = json!({ "error": true, "message": "ID Desa tidak ditemukan" });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}

/// The index as the API tells it. The category's letter case changes from village to village.
fn told(village: &Village<'_>, index: &VillageIndex) -> Value {
    let digits = village.code.digits();
    let spelt = |category: Category| {
        if digits.ends_with(['1', '3', '5', '7', '9']) {
            category.as_str().to_owned()
        } else {
            category.as_str().to_uppercase()
        }
    };
    let least = |wanted| {
        let below = BOUNDS.iter().take_while(|(category, _)| *category != wanted).last();
        below.map_or(0.0, |(_, most)| *most)
    };
    let target = Category::ALL.into_iter().find(|it| *it > index.category);
    let target = target.unwrap_or(Category::Mandiri);
    let summary = json!({
        "SKOR_SAAT_INI": index.score,
        "STATUS": spelt(index.category),
        "TARGET_STATUS": spelt(target),
        "SKOR_MINIMAL": least(target),
        "PENAMBAHAN": (least(target) - index.score).max(0.0),
        "TAHUN": index.year,
    });
    let identity = json!({
        "id_desa": digits,
        "nama_desa": village.name.to_uppercase(),
        "nama_kecamatan": village.district.to_uppercase(),
        "nama_kab_kota": village.regency.to_uppercase(),
        "nama_provinsi": village.province.to_uppercase(),
        "tahun": index.year,
    });
    let data = json!({
        "SUMMARIES": summary,
        "ROW": rows(index),
        "IDENTITAS": [identity],
    });
    json!({ "error": false, "mapData": data })
}

/// The rows: two indicators for each part, its subtotal, and the total. Subtotals have no number.
fn rows(index: &VillageIndex) -> Vec<Value> {
    let (parts, total) = match index.kind {
        IndexKind::Idm => (IDM.as_slice(), "IDM"),
        IndexKind::IndeksDesa => (INDEKS_DESA.as_slice(), "INDEKS DESA"),
    };
    let row = |number: Option<usize>, name: String, value: f64| {
        json!({
            "NO": number,
            "INDIKATOR": name,
            // Points from 0 to 5, which subtotals do not have.
            "SKOR": number.map(|_| (value * 5.0).round() as u8),
            "KETERANGAN": null,
            "KEGIATAN": null,
            "NILAI": value,
            "PUSAT": null,
            "PROV": null,
            "KAB": null,
            "DESA": null,
            "CSR": null,
            "LAINNYA": null,
        })
    };
    let mut rows = Vec::new();
    let mut number = 0;
    for (part, indicators) in parts {
        for indicator in indicators {
            number += 1;
            rows.push(row(Some(number), (*indicator).to_owned(), index.score));
        }
        rows.push(row(None, format!("{part} {}", index.year), index.score));
    }
    rows.push(row(None, format!("{total} {}", index.year), index.score));
    rows
}
