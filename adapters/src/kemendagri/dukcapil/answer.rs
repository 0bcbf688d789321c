//! What Dukcapil's answers mean.
//!
//! Everything comes with HTTP 200: agreement, outcomes of a person and refusals of the caller
//! alike. Key names, letter case and spacing differ between versions of the service, so names are
//! compared by their letters and texts by their words. What is not known here is
//! [`FaultKind::Malformed`], never a guess.

use std::time::Duration;

use desmigratif_core::identity::{Check, Element, Outcome, Verdict};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::LEVELS;

/// Names under which a code or a text may come, by their letters.
const RESPONSE_KEYS: [&str; 6] =
    ["RESPONSECODE", "RESPONCODE", "RESPON", "RESPONSE", "RESPONSEDESC", "RESPONDESC"];

/// The envelope of every answer.
#[derive(Deserialize)]
pub(super) struct Envelope {
    content: Vec<Map<String, Value>>,
}

/// What was asked, by which an answer is read.
pub(super) struct Asked<'a> {
    pub(super) nik: &'a Nik,
    /// The elements that were sent, in the order of [`Element`].
    pub(super) elements: &'a [Element],
    pub(super) threshold: u8,
}

/// What a code or a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    Deceased,
    Duplicate,
    NotFound,
    Inactive,
    IllFormed,
    LoginRefused,
    AddressUnknown,
    QuotaUsedUp,
}

/// How a value compares, as the service writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Comparison {
    agrees: bool,
    score: Option<u8>,
}

impl Envelope {
    /// Reads the answer. `new_quota` is how long it is until the quota is renewed.
    pub(super) fn read(self, asked: &Asked<'_>, new_quota: Duration) -> Result<Check, Fault> {
        let [content] = <[Map<String, Value>; 1]>::try_from(self.content)
            .map_err(|_| malformed("the answer has no content, or several"))?;
        match Response::of(&content)? {
            Some(response) => response.outcome(new_quota),
            None => compared(&content, asked),
        }
    }
}

impl Response {
    /// What the content says besides comparisons; `None` when it has only these.
    fn of(content: &Map<String, Value>) -> Result<Option<Self>, Fault> {
        let (mut code, mut text) = (None, None);
        for (key, value) in content {
            if !RESPONSE_KEYS.contains(&letters(key).as_str()) {
                continue;
            }
            let said = match value {
                Value::String(said) => said.trim().to_owned(),
                Value::Number(said) => said.to_string(),
                Value::Null => continue,
                _ => return Err(malformed("a response is no text")),
            };
            if let Ok(number) = said.parse::<u16>() {
                code = Some(Self::from_code(number)?);
            } else if !said.is_empty() {
                // A text that is not known may stand beside a code that is.
                text = Some(Self::from_text(&said));
            }
        }
        match (code, text) {
            (None, None) => Ok(None),
            (Some(code), None | Some(None)) => Ok(Some(code)),
            (None, Some(Some(text))) => Ok(Some(text)),
            (Some(code), Some(Some(text))) if code == text => Ok(Some(code)),
            (Some(_), Some(Some(_))) => Err(malformed("code and text contradict each other")),
            (None, Some(None)) => Err(malformed("a response text that is not known")),
        }
    }

    fn from_code(code: u16) -> Result<Self, Fault> {
        match code {
            11 => Ok(Self::Deceased),
            12 => Ok(Self::Duplicate),
            13 => Ok(Self::NotFound),
            14 => Ok(Self::Inactive),
            15 => Ok(Self::IllFormed),
            _ => Err(Fault::new(
                FaultKind::Malformed,
                Retry::Safe,
                format!("response code {code} is not known"),
            )),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let text = words(text);
        let says = |phrase| text.contains(&format!(" {phrase} "));
        let address = says("ip") && (says("tidak sesuai") || says("tidak terdaftar"));
        let known = [
            (says("meninggal"), Self::Deceased),
            (says("data ganda"), Self::Duplicate),
            (says("non aktif") || says("nonaktif") || says("tidak aktif"), Self::Inactive),
            // Before not found: this text begins with the words of that.
            (says("tidak sesuai format"), Self::IllFormed),
            (says("tidak ditemukan"), Self::NotFound),
            (says("login gagal"), Self::LoginRefused),
            (address, Self::AddressUnknown),
            (says("kuota") && says("habis"), Self::QuotaUsedUp),
        ];
        known.into_iter().find_map(|(says, response)| says.then_some(response))
    }

    fn outcome(self, new_quota: Duration) -> Result<Check, Fault> {
        let outcome = match self {
            Self::Deceased => Outcome::Deceased,
            Self::Duplicate => Outcome::Duplicate,
            Self::NotFound => Outcome::NotFound,
            Self::Inactive => Outcome::Inactive,
            Self::IllFormed => {
                let what = "response code 15: the NIK has not the form that Dukcapil expects";
                return Err(Fault::new(FaultKind::Rejected, Retry::Never, what));
            }
            Self::LoginRefused => {
                let what = "login refused: check user_id and password";
                return Err(Fault::new(FaultKind::Credentials, Retry::Never, what));
            }
            Self::AddressUnknown => {
                let what = "address refused: check ip_user and the address that calls come from";
                return Err(Fault::new(FaultKind::Credentials, Retry::Never, what));
            }
            Self::QuotaUsedUp => {
                let what = "the day's quota is used up";
                return Err(Fault::new(FaultKind::Quota, Retry::After(new_quota), what));
            }
        };
        Ok(Check { outcome, elements: Vec::new() })
    }
}

impl Comparison {
    /// Reads "Sesuai", "Tidak Sesuai", "Sesuai (93)".
    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?.trim();
        let (word, score) = match text.split_once('(') {
            None => (text, None),
            Some((word, rest)) => {
                let score = rest.trim_end().strip_suffix(')')?.trim().parse().ok()?;
                (word, Some(score).filter(|score| *score <= 100))
            }
        };
        if text.contains('(') && score.is_none() {
            return None;
        }
        let agrees = match words(word).as_str() {
            " sesuai " => true,
            " tidak sesuai " => false,
            _ => return None,
        };
        Some(Self { agrees, score })
    }

    /// The verdict on an element that is compared by likeness. Under "Sesuai" the score decides:
    /// the service writes "Sesuai (0)" too. "Tidak Sesuai" is no agreement at any score.
    fn by_likeness(self, threshold: u8) -> Verdict {
        match (self.agrees, self.score) {
            (true, None | Some(100)) => Verdict::Match,
            (true, Some(score)) if score >= threshold => Verdict::Fuzzy(score),
            (_, score) => Verdict::Mismatch(score.unwrap_or(0)),
        }
    }

    /// The verdict on an element that agrees or does not.
    fn exactly(self) -> Verdict {
        match (self.agrees, self.score) {
            (true, None | Some(100)) => Verdict::Match,
            _ => Verdict::Mismatch(0),
        }
    }
}

/// Reads the comparisons of the elements that were sent.
fn compared(content: &Map<String, Value>, asked: &Asked<'_>) -> Result<Check, Fault> {
    let find = |name: &str| {
        let name = letters(name);
        content.iter().find(|(key, _)| letters(key) == name).map(|(_, value)| value)
    };
    let comparison = |name| {
        find(name)
            .and_then(Comparison::parse)
            .ok_or_else(|| malformed("a claimed element is missing, or its text is not known"))
    };
    // The NIK comes back as a word or as itself. Another's answer must never pass for this one's.
    let own = match find("NIK") {
        None | Some(Value::Null) => true,
        Some(Value::Number(number)) => number.to_string() == asked.nik.expose(),
        Some(Value::String(text)) if text.trim() == asked.nik.expose() => true,
        Some(value) => Comparison::parse(value).is_some_and(|it| it.exactly() == Verdict::Match),
    };
    if !own {
        return Err(malformed("the answer is for another NIK"));
    }
    let elements = asked
        .elements
        .iter()
        .map(|element| {
            let likeness = |name| Ok(comparison(name)?.by_likeness(asked.threshold));
            let exact = |name| Ok(comparison(name)?.exactly());
            let verdict = match element {
                Element::Name => likeness("NAMA_LGKP"),
                Element::BirthDate => exact("TGL_LHR"),
                Element::BirthPlace => likeness("TMPT_LHR"),
                Element::Sex => exact("JENIS_KLMIN"),
                Element::Village => {
                    // Agreement of a lower level means nothing where a higher one disagrees.
                    LEVELS.iter().try_fold(Verdict::Match, |so_far, (name, _)| {
                        let level = exact(name)?;
                        Ok(if so_far == Verdict::Match { level } else { so_far })
                    })
                }
                Element::MotherName => likeness("NAMA_LGKP_IBU"),
            }?;
            Ok((*element, verdict))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let agree = elements.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Mismatch(_)));
    let outcome = if agree { Outcome::Verified } else { Outcome::Mismatch };
    Ok(Check { outcome, elements })
}

fn malformed(what: &'static str) -> Fault {
    Fault::new(FaultKind::Malformed, Retry::Safe, what)
}

/// A key by its letters: `RESPONSE_CODE` and `ResponseCode` are one.
fn letters(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_uppercase()).collect()
}

/// A text's words in lower case, each with one space on either side.
fn words(text: &str) -> String {
    let words = text.split(|it: char| !it.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(" ".to_owned(), |text, word| text + &word.to_lowercase() + " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NIK: &str = "9901014501900001";
    const TOMORROW: Duration = Duration::from_secs(3_600);

    fn read(content: &Value, elements: &[Element]) -> Result<Check, Fault> {
        let nik = Nik::parse(NIK).unwrap();
        let asked = Asked { nik: &nik, elements, threshold: 90 };
        let envelope = json!({"content": [content], "quotaLimiter": 7, "sort": null});
        serde_json::from_value::<Envelope>(envelope).unwrap().read(&asked, TOMORROW)
    }

    fn name(text: &str) -> Option<Verdict> {
        let check = read(&json!({"NIK": NIK, "NAMA_LGKP": text}), &[Element::Name]).ok()?;
        let verified = check.outcome == Outcome::Verified;
        assert_eq!(verified, !matches!(check.elements[0].1, Verdict::Mismatch(_)), "{text}");
        Some(check.elements[0].1)
    }

    #[test]
    fn a_comparison_is_read_in_any_case_and_spacing() {
        for (text, verdict) in [
            ("Sesuai", Verdict::Match),
            ("Sesuai (100)", Verdict::Match),
            ("SESUAI(100)", Verdict::Match),
            ("  sesuai  ( 93 )  ", Verdict::Fuzzy(93)),
            ("Sesuai (90)", Verdict::Fuzzy(90)),
            ("Sesuai (89)", Verdict::Mismatch(89)),
            ("Sesuai (0)", Verdict::Mismatch(0)),
            ("Tidak Sesuai", Verdict::Mismatch(0)),
            ("TIDAK  SESUAI (0)", Verdict::Mismatch(0)),
            ("Tidak Sesuai (95)", Verdict::Mismatch(95)),
        ] {
            assert_eq!(name(text), Some(verdict), "{text}");
        }
    }

    #[test]
    fn an_unknown_comparison_is_no_answer() {
        for text in [
            "",
            "Cocok",
            "Sesuai (101)",
            "Sesuai (9x)",
            "Sesuai (93",
            "Sesuai ()",
            "(93)",
            "Sesuai sekali",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
        for content in [json!({"NIK": NIK}), json!({"NAMA_LGKP": 1}), json!({"NAMA_LGKP": null})] {
            let fault = read(&content, &[Element::Name]).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Malformed);
        }
    }

    #[test]
    fn every_response_is_kept_apart_under_any_key_case_and_spacing() {
        enum Is {
            Outcome(Outcome),
            Fault(FaultKind, Retry),
        }
        use Is::{Fault as F, Outcome as O};
        let table = [
            (Some(11), "Data Ditemukan, Meninggal Dunia", O(Outcome::Deceased)),
            (Some(12), "Data Ditemukan, Data Ganda", O(Outcome::Duplicate)),
            (
                Some(13),
                "Data Tidak Ditemukan, NIK tidak terdapat di database Kependudukan",
                O(Outcome::NotFound),
            ),
            (None, "Data Tidak Ditemukan", O(Outcome::NotFound)),
            (
                Some(14),
                "Data Ditemukan, Status Non Aktif silahkan hubungi Dinas Dukcapil",
                O(Outcome::Inactive),
            ),
            (
                Some(15),
                "Data Tidak Ditemukan, NIK tidak sesuai format Dukcapil",
                F(FaultKind::Rejected, Retry::Never),
            ),
            (None, "Login Gagal", F(FaultKind::Credentials, Retry::Never)),
            (None, "IP Address Tidak Sesuai", F(FaultKind::Credentials, Retry::Never)),
            (None, "IP Client  Tidak terdaftar", F(FaultKind::Credentials, Retry::Never)),
            (None, "Kuota Akses Hari ini telah Habis", F(FaultKind::Quota, Retry::After(TOMORROW))),
        ];
        for (code, text, expected) in table {
            let spelt = [
                text.to_owned(),
                text.to_uppercase(),
                text.to_lowercase(),
                format!("  {} ", text.replace(' ', "   ")),
            ];
            for text in spelt {
                let mut contents = vec![
                    json!({"RESPON": text}),
                    json!({"RESPONSE": text}),
                    json!({"RESPONSE_DESC": text}),
                    json!({"ResponseDesc": text}),
                    json!({"response desc": text, "NIK": NIK}),
                ];
                if let Some(code) = code {
                    contents.extend([
                        json!({"RESPONSE_CODE": code}),
                        json!({"RESPONSE_CODE": code.to_string(), "RESPONSE_DESC": text}),
                        json!({"ResponseCode": format!(" {code} "), "ResponseDesc": ""}),
                        json!({"RESPON": code.to_string(), "RESPONSE": null}),
                        json!({"RESPONSE_CODE": code, "RESPON": "kata baru"}),
                    ]);
                }
                for content in contents {
                    let shown = content.to_string();
                    match (read(&content, &[Element::Name]), &expected) {
                        (Ok(check), O(outcome)) => {
                            assert!(
                                check.outcome == *outcome && check.elements.is_empty(),
                                "{shown}"
                            );
                        }
                        (Err(fault), F(kind, retry)) => {
                            assert_eq!((fault.kind, fault.retry), (*kind, *retry), "{shown}");
                        }
                        _ => panic!("{shown}"),
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_known_or_contradicts_itself_is_no_answer() {
        for content in [
            json!({"RESPON": "Sistem sedang sibuk"}),
            json!({"RESPONSE_CODE": 16}),
            json!({"RESPONSE_CODE": 11, "RESPON": "Data Tidak Ditemukan"}),
            json!({"RESPON": ["Data Tidak Ditemukan"]}),
            json!({}),
        ] {
            let fault = read(&content, &[Element::Name]).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Malformed);
        }
        let nik = Nik::parse(NIK).unwrap();
        let asked = Asked { nik: &nik, elements: &[Element::Name], threshold: 90 };
        for content in [json!([]), json!([{"NAMA_LGKP": "Sesuai"}, {"NAMA_LGKP": "Sesuai"}])] {
            let envelope: Envelope = serde_json::from_value(json!({"content": content})).unwrap();
            assert_eq!(envelope.read(&asked, TOMORROW).unwrap_err().kind, FaultKind::Malformed);
        }
    }

    #[test]
    fn another_persons_answer_is_no_answer() {
        for (echo, accepted) in [
            (json!("Sesuai"), true),
            (json!("sesuai (100)"), true),
            (json!(NIK), true),
            (json!(9_901_014_501_900_001_u64), true),
            (json!(null), true),
            (json!("9901014501900002"), false),
            (json!(9_901_014_501_900_002_u64), false),
            (json!("Tidak Sesuai"), false),
        ] {
            let shown = echo.to_string();
            let answer = read(&json!({"NIK": echo, "NAMA_LGKP": "Sesuai"}), &[Element::Name]);
            assert_eq!(answer.is_ok(), accepted, "{shown}");
        }
    }

    #[test]
    fn a_village_agrees_only_if_every_level_does() {
        let village = |levels: [&str; 4]| {
            let [province, regency, district, village] = levels;
            let content = json!({
                "NO_PROP": province, "NO_KAB": regency, "NO_KEC": district, "NO_KEL": village,
            });
            read(&content, &[Element::Village]).map(|check| check.elements[0].1)
        };
        assert_eq!(village(["Sesuai"; 4]), Ok(Verdict::Match));
        for wrong in 0..4 {
            let mut levels = ["Sesuai"; 4];
            levels[wrong] = "Tidak Sesuai";
            assert_eq!(village(levels), Ok(Verdict::Mismatch(0)));
            levels[wrong] = "?";
            assert_eq!(village(levels).unwrap_err().kind, FaultKind::Malformed);
        }
        let fault = village(["Tidak Sesuai", "Sesuai", "Sesuai", "?"]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Malformed);
    }

    #[test]
    fn one_mismatch_decides_and_every_element_is_told_in_order() {
        let elements = [
            Element::Name,
            Element::BirthDate,
            Element::BirthPlace,
            Element::Sex,
            Element::MotherName,
        ];
        let content = json!({
            "NAMA_LGKP_IBU": "Sesuai (91)", "JENIS_KLMIN": "Sesuai", "TMPT_LHR": "Sesuai (100)",
            "TGL_LHR": "Tidak Sesuai", "NAMA_LGKP": "Sesuai (97)", "NIK": "Sesuai",
        });
        let check = read(&content, &elements).unwrap();
        assert!(check.outcome == Outcome::Mismatch);
        let verdicts = [
            Verdict::Fuzzy(97),
            Verdict::Mismatch(0),
            Verdict::Match,
            Verdict::Match,
            Verdict::Fuzzy(91),
        ];
        let expected: Vec<_> = elements.into_iter().zip(verdicts).collect();
        assert_eq!(check.elements, expected);
    }
}
