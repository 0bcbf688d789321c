//! What the IDM API answers.
//!
//! Its shapes vary with the year: scores are numbers or texts, some with a decimal comma; rows with
//! an empty `NO` are sums over the rows above; and since Permendesa 9/2024 the figures may be of
//! another index. Which index it is, is read in this order:
//!
//! 1. From the sums. One that names the Indeks Desa Membangun (IDM) or one of its three parts (IKS,
//!    IKE, IKL) is of that; one that names the Indeks Desa or a dimension that only it has is of the
//!    Indeks Desa. An answer with both is malformed.
//! 2. Where no sum tells, from the year: from a configured first year on it is the Indeks Desa.
//!
//! Invariant: a status, score or year that cannot be read makes the answer malformed. A category is
//! never worked out from a score, nor a score from the indicators.

use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use desmigratif_core::region::VillageCode;
use desmigratif_core::village_index::{Category, IndexKind, VillageIndex};
use serde::Deserialize;

/// An answer, good or bad.
#[derive(Deserialize)]
pub(super) struct Envelope {
    #[serde(default)]
    pub(super) error: bool,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default, rename = "mapData")]
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Data {
    summaries: Summaries,
    #[serde(default)]
    row: Vec<Row>,
    #[serde(default)]
    identitas: Vec<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Summaries {
    skor_saat_ini: Figure,
    status: String,
    #[serde(default)]
    tahun: Option<Figure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Row {
    #[serde(default)]
    no: Option<Figure>,
    #[serde(default)]
    indikator: Option<String>,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(default)]
    id_desa: Option<Figure>,
}

/// A number, or a text that is one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Figure {
    Number(serde_json::Number),
    Text(String),
}

impl Figure {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
        }
    }

    /// The value. The scores of this API never reach a thousand, so a comma is a decimal comma.
    fn value(&self) -> Option<f64> {
        let text = self.text().replace(',', ".");
        let plain = text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
        plain.then(|| text.parse().ok()).flatten()
    }
}

/// Reads the index of a village out of an answer to the question for a year.
pub(super) fn index(
    answer: Envelope,
    village: VillageCode,
    asked: i16,
    indeks_desa_from: i16,
) -> Result<VillageIndex, Fault> {
    let data = answer.data.ok_or(malformed("an answer without mapData"))?;
    for identity in &data.identitas {
        let other = identity.id_desa.as_ref().map(Figure::text).filter(|it| !it.is_empty());
        if other.is_some_and(|it| it != village.digits()) {
            return Err(malformed("the index of another village"));
        }
    }
    let year = match &data.summaries.tahun {
        None => asked,
        Some(year) => year.text().parse().ok().ok_or(malformed("a year that is no number"))?,
    };
    // The API may fall back to an older year, but not foretell one.
    if !(2015..=asked).contains(&year) {
        return Err(malformed("a year that was not asked for"));
    }
    let kind = match kind_of(&data.row)? {
        Some(kind) => kind,
        None if year >= indeks_desa_from => IndexKind::IndeksDesa,
        None => IndexKind::Idm,
    };
    let score = data.summaries.skor_saat_ini.value();
    let score = score.and_then(|it| scaled(it, kind)).ok_or(malformed("a score out of range"))?;
    let category = category_of(&data.summaries.status).ok_or(malformed("an unknown status"))?;
    Ok(VillageIndex { village, year, kind, score, category })
}

/// The score from 0 to 1. The Indeks Desa is published out of 100 too, and no village scores less
/// than 1 in 100.
fn scaled(score: f64, kind: IndexKind) -> Option<f64> {
    match kind {
        _ if (0.0..=1.0).contains(&score) => Some(score),
        IndexKind::IndeksDesa if (0.0..=100.0).contains(&score) => Some(score / 100.0),
        IndexKind::Idm | IndexKind::IndeksDesa => None,
    }
}

/// The category, in any letter case, with or without "desa" before it.
fn category_of(status: &str) -> Option<Category> {
    let status = status.trim();
    let bare = match status.split_at_checked(5) {
        Some((first, rest)) if first.eq_ignore_ascii_case("desa ") => rest,
        _ => status,
    };
    Category::parse(bare)
}

fn kind_of(rows: &[Row]) -> Result<Option<IndexKind>, Fault> {
    // The two share the words social, economy and environment, so these do not tell.
    const INDEKS_DESA: [&str; 5] =
        ["indeks desa", "dimensi", "layanan dasar", "aksesibilitas", "tata kelola"];
    let sums = rows.iter().filter(|row| row.no.is_none());
    let mut kind = None;
    for name in sums.filter_map(|row| row.indikator.as_deref()) {
        let name = name.to_lowercase();
        let mut words = name.split_whitespace();
        let old = words.clone().next().is_some_and(|it| ["iks", "ike", "ikl"].contains(&it))
            || words.any(|it| it == "idm")
            || ["membangun", "ketahanan"].iter().any(|it| name.contains(it));
        let seen = match old {
            true => IndexKind::Idm,
            false if INDEKS_DESA.iter().any(|it| name.contains(it)) => IndexKind::IndeksDesa,
            false => continue,
        };
        if kind.replace(seen).is_some_and(|it| it != seen) {
            return Err(malformed("sums of two indices in one answer"));
        }
    }
    Ok(kind)
}

pub(super) fn malformed(what: &'static str) -> Fault {
    Fault::new(FaultKind::Malformed, Retry::Safe, what)
}
