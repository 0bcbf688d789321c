//! Kemendagri's population register: Dukcapil's verification by element, as its clients know it.
//!
//! It is no model of the register's rules. What it takes over from the real one is what trips
//! clients: every error inside HTTP 200, in texts whose case and spacing change from answer to
//! answer and under keys that change too; `TRESHOLD` spelt so; a score in brackets that decides
//! against the threshold whatever the word before it; the NIK echoed as a word or as itself.
//! The changes follow the count of calls, so that the same calls get the same answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::identity::{Claim, Element, MatchRule, Outcome, Person, Sex, Verdict, check};
use desmigratif_core::name::{PersonName, text_likeness};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::Clock;
use http::StatusCode;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::credentials;
use crate::fault::{Fault, Switch};
use crate::world::World;

/// NIKs of nobody, by which the service shows an answer that says nothing of a person.
pub mod niks {
    /// Not in the register (13).
    pub const NOT_FOUND: &str = "9902010101900013";
    /// Refused by Dukcapil as ill-formed (15), though its form is valid.
    pub const ILL_FORMED: &str = "9902010101900015";
    /// The login is refused.
    pub const LOGIN_REFUSED: &str = "9902010101900021";
    /// The caller's address is not registered.
    pub const ADDRESS_UNKNOWN: &str = "9902010101900022";
    /// The quota is used up.
    pub const QUOTA_USED_UP: &str = "9902010101900023";
}

const LOGIN: &str = "Login Gagal";
const ADDRESS: [&str; 2] = ["IP Address Tidak Sesuai", "IP Client  Tidak terdaftar"];
const QUOTA: &str = "Kuota Akses Hari ini telah Habis";

/// The register's service.
pub(crate) struct Service {
    pub(crate) world: World,
    pub(crate) switch: Switch,
    pub(crate) clock: Arc<dyn Clock>,
    /// Calls in a day.
    pub(crate) quota: u64,
    pub(crate) used: Mutex<(Date, u64)>,
    pub(crate) turn: AtomicU64,
}

impl Service {
    pub(crate) fn new(world: World, switch: Switch, clock: Arc<dyn Clock>, quota: u64) -> Self {
        let used = Mutex::new((clock.today(), 0));
        Self { world, switch, clock, quota, used, turn: AtomicU64::new(0) }
    }

    pub(crate) fn routes(self) -> Router {
        let path = "/dukcapil/get_json/{agency}/{method}";
        Router::new().route(path, post(answer)).with_state(Arc::new(self))
    }

    /// Takes a call from the day's quota; answers with what is left, or `None` when nothing was.
    fn take(&self) -> Option<u64> {
        let today = self.clock.today();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.0 != today {
            *used = (today, 0);
        }
        let left = self.quota.checked_sub(used.1 + 1)?;
        used.1 += 1;
        Some(left)
    }

    fn verify(&self, request: &Map<String, Value>, turn: u64) -> (Value, u64) {
        let fault = self.switch.get(AgencyKind::Kemendagri);
        let told = text(request, &["NIK"]).unwrap_or_default();
        let is = |names: &[&str], value: &str| text(request, names).as_deref() == Some(value);
        if fault == Some(Fault::TokenExpired)
            || told == niks::LOGIN_REFUSED
            || !is(&["USER_ID", "user_id"], credentials::DUKCAPIL_USER_ID)
            || !is(&["PASSWORD", "password"], credentials::DUKCAPIL_PASSWORD)
        {
            return (refusal(LOGIN, turn), 0);
        }
        if told == niks::ADDRESS_UNKNOWN
            || !is(&["IP_USER", "ip_user"], credentials::DUKCAPIL_IP_USER)
        {
            return (refusal(ADDRESS[(turn % 2) as usize], turn / 2), 0);
        }
        if fault == Some(Fault::Quota) || told == niks::QUOTA_USED_UP {
            return (refusal(QUOTA, turn), 0);
        }
        let Some(left) = self.take() else { return (refusal(QUOTA, turn), 0) };
        (self.compare(&told, request, turn), left)
    }

    fn compare(&self, told: &str, request: &Map<String, Value>, turn: u64) -> Value {
        let nik = match Nik::parse(told) {
            Ok(nik) if told != niks::ILL_FORMED => nik,
            _ => {
                let text = "Data Tidak Ditemukan, NIK tidak sesuai format Dukcapil";
                return coded(15, text, turn);
            }
        };
        let person = self.world.person(&nik);
        let claim = self.claim(request);
        // Without a threshold that it can read, the service asks for equality.
        let threshold = text(request, &["TRESHOLD"]).and_then(|it| it.trim().parse().ok());
        let rule = MatchRule { threshold: threshold.unwrap_or(100) };
        let check = check(person, &claim, rule);
        match (check.outcome, person) {
            (Outcome::Deceased, _) => coded(11, "Data Ditemukan, Meninggal Dunia", turn),
            (Outcome::Duplicate, _) => coded(12, "Data Ditemukan, Data Ganda", turn),
            (Outcome::Inactive, _) => {
                coded(14, "Data Ditemukan, Status Non Aktif silahkan hubungi Dinas Dukcapil", turn)
            }
            (Outcome::Verified | Outcome::Mismatch, Some(person)) => {
                let mut answer = Map::new();
                answer.insert("NIK".to_owned(), echo(told, turn));
                for field in request.keys() {
                    if let Some(verdict) = self.compared(field, request, &check.elements, person) {
                        answer.insert(field.clone(), verdict.spelt(turn).into());
                    }
                }
                Value::Object(answer)
            }
            _ => {
                coded(13, "Data Tidak Ditemukan, NIK tidak terdapat di database Kependudukan", turn)
            }
        }
    }

    /// The claim in a request; what cannot be read is not in it, and agrees with nothing.
    fn claim(&self, request: &Map<String, Value>) -> Claim {
        let name = |field| text(request, &[field]).and_then(|it| PersonName::parse(&it).ok());
        let birth = text(request, &["TGL_LHR"])
            .and_then(|it| Date::strptime("%d-%m-%Y", it.trim()).ok())
            .and_then(|it| BirthDate::new(it, Precision::Day, self.world.today()).ok());
        let sex = text(request, &["JENIS_KLMIN"]).and_then(|it| {
            match it.trim().to_uppercase().as_str() {
                "LAKI-LAKI" => Some(Sex::Male),
                "PEREMPUAN" => Some(Sex::Female),
                _ => None,
            }
        });
        Claim {
            name: name("NAMA_LGKP"),
            birth,
            birth_place: text(request, &["TMPT_LHR"]),
            sex,
            village: None,
            mother_name: name("NAMA_LGKP_IBU"),
        }
    }

    /// How a field of the request compares; `None` for what is no element.
    fn compared(
        &self,
        field: &str,
        request: &Map<String, Value>,
        elements: &[(Element, Verdict)],
        person: &Person,
    ) -> Option<Compared> {
        let verdict = |element| {
            let found = elements.iter().find(|(it, _)| *it == element);
            found.map_or(Verdict::Mismatch(0), |(_, verdict)| *verdict)
        };
        let digits = person.village.digits();
        let told = text(request, &[field]).unwrap_or_default();
        // Numbers per level, not the dotted code: 4 for "04".
        let number = |range: std::ops::Range<usize>| {
            let same = told.trim().parse::<u16>().ok() == digits[range].parse().ok();
            Compared::Exact(same)
        };
        let village = self.world.gazetteer().village(person.village);
        let named = |name: Option<&str>| {
            let bare = |name: &str| {
                name.to_uppercase().trim_start_matches("KABUPATEN ").trim_end().to_owned()
            };
            Compared::Exact(name.is_some_and(|it| text_likeness(&bare(&told), &bare(it)) == 100))
        };
        Some(match field {
            "NAMA_LGKP" => Compared::Scored(verdict(Element::Name)),
            "TMPT_LHR" => Compared::Scored(verdict(Element::BirthPlace)),
            "NAMA_LGKP_IBU" => Compared::Scored(verdict(Element::MotherName)),
            "TGL_LHR" => Compared::Exact(verdict(Element::BirthDate) == Verdict::Match),
            "JENIS_KLMIN" => Compared::Exact(verdict(Element::Sex) == Verdict::Match),
            "NO_PROP" => number(0..2),
            "NO_KAB" => number(2..4),
            "NO_KEC" => number(4..6),
            "NO_KEL" => number(6..10),
            "PROP_NAME" => named(village.map(|it| it.province)),
            "KAB_NAME" => named(village.map(|it| it.regency)),
            "KEC_NAME" => named(village.map(|it| it.district)),
            "KEL_NAME" => named(village.map(|it| it.name)),
            // Real elements, of which this register holds nothing.
            "ALAMAT" => Compared::Scored(Verdict::Mismatch(0)),
            "NO_KK" | "JENIS_PKRJN" | "STATUS_KAWIN" | "AGAMA" | "NO_RT" | "NO_RW" => {
                Compared::Exact(false)
            }
            _ => return None,
        })
    }
}

async fn answer(
    State(service): State<Arc<Service>>,
    Path((agency, method)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let known = ["CALL_VERIFY_BY_ELEMEN", "nik_verifby_elemen"].contains(&method.as_str());
    if agency != credentials::DUKCAPIL_AGENCY || !known {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Ok(request) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let turn = service.turn.fetch_add(1, Ordering::Relaxed);
    let (content, left) = service.verify(&request, turn);
    let envelope = json!({
        "content": [content],
        "lastPage": true,
        "numberOfElements": 1,
        "sort": null,
        "totalElements": 1,
        "firstPage": true,
        "number": 0,
        "size": 1,
        "quotaLimiter": left,
    });
    axum::Json(envelope).into_response()
}

/// How a claimed element compares, by the two ways that the service has.
enum Compared {
    Scored(Verdict),
    Exact(bool),
}

impl Compared {
    /// The service's word for it: "Sesuai", with or without a score, in changing case and spacing.
    fn spelt(&self, turn: u64) -> String {
        let text = match self {
            Self::Exact(true) => "Sesuai".to_owned(),
            Self::Exact(false) => "Tidak Sesuai".to_owned(),
            Self::Scored(Verdict::Match) if turn.is_multiple_of(3) => "Sesuai".to_owned(),
            Self::Scored(Verdict::Match) => "Sesuai (100)".to_owned(),
            Self::Scored(Verdict::Fuzzy(score)) => format!("Sesuai ({score})"),
            // The word is no more to be relied on than that: below the threshold it may be either.
            Self::Scored(Verdict::Mismatch(score)) if turn.is_multiple_of(2) => {
                format!("Sesuai ({score})")
            }
            Self::Scored(Verdict::Mismatch(score)) => format!("Tidak Sesuai ({score})"),
        };
        respelt(&text, turn)
    }
}

/// The NIK as the answer gives it back.
fn echo(nik: &str, turn: u64) -> Value {
    match turn % 3 {
        0 => "Sesuai".into(),
        1 => nik.into(),
        _ => nik.parse::<u64>().map_or(Value::Null, Value::from),
    }
}

/// A refusal that has no code, under one of the keys that are known for texts.
fn refusal(message: &str, turn: u64) -> Value {
    let key = ["RESPON", "RESPONSE", "RESPONSE_DESC", "ResponseDesc"][(turn % 4) as usize];
    json!({ key: respelt(message, turn / 4) })
}

/// An answer with a code, under one of the pairs of keys that are known, or as its text alone.
fn coded(code: u8, message: &str, turn: u64) -> Value {
    let message = respelt(message, turn / 4);
    match turn % 4 {
        0 => json!({ "RESPONSE_CODE": code.to_string(), "RESPONSE_DESC": message }),
        1 => json!({ "RESPONSE_CODE": code, "RESPON": message }),
        2 => json!({ "ResponseCode": code.to_string(), "ResponseDesc": message }),
        _ => json!({ "RESPON": message }),
    }
}

/// A text in one of the cases and spacings that versions of the service differ by.
fn respelt(text: &str, turn: u64) -> String {
    match turn % 4 {
        0 => text.to_owned(),
        1 => text.to_uppercase(),
        2 => text.replace(' ', "  "),
        _ => format!(" {} ", text.to_lowercase()),
    }
}

/// A field of the request that is a text or a number, under the first of its names.
fn text(request: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match request.get(*name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}
