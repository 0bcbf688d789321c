//! Medical clearance: what a designated facility found, and for how long it holds.
//!
//! Perpres 64/2011 art. 14: the certificate says fit to work, holds three months from its issue,
//! and is void by pregnancy. Destinations may count otherwise, and sources disagree on how (30 to
//! 90 days for the states that use Wafid), so their rules are [configuration](ValidityPolicy) and
//! none is built in.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::agency::AgencyId;
use crate::birth;
use crate::name::PersonName;
use crate::region::VillageCode;
use crate::subject::Subject;
use crate::text::Rule;

/// A country that workers may go to, by its code of ISO 3166-1 alpha-2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// The text is no country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a destination is a country code of ISO 3166-1 alpha-2 other than ID")]
pub struct NotACountry;

impl From<NotACountry> for Rule {
    fn from(NotACountry: NotACountry) -> Self {
        Self::new(
            "COUNTRY_INVALID",
            "must be a country code of two capital letters (ISO 3166-1 alpha-2), and not ID",
            "harus kode negara dua huruf besar (ISO 3166-1 alpha-2), dan bukan ID",
        )
    }
}

/// The codes of ISO 3166-1 alpha-2 but Indonesia's, in order.
const DESTINATIONS: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI \
    LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC \
    NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA \
    SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR \
    TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

impl Country {
    /// Reads a code. Indonesia itself is no destination.
    ///
    /// # Errors
    /// [`NotACountry`].
    pub fn parse(text: &str) -> Result<Self, NotACountry> {
        let known = DESTINATIONS.split(' ').any(|code| code == text);
        text.as_bytes().try_into().ok().filter(|_| known).map(Self).ok_or(NotACountry)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Country {
    type Error = NotACountry;
    fn try_from(text: String) -> Result<Self, NotACountry> {
        Self::parse(&text)
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.to_string()
    }
}

/// The conclusion of an examination.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Fit to work.
    Fit,
    /// Unfit to work.
    Unfit,
    /// Unfit for now. Used in practice; not found in the text of the regulation.
    TemporarilyUnfit,
}

impl Conclusion {
    /// The conclusion as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Unfit => "unfit",
            Self::TemporarilyUnfit => "temporarily-unfit",
        }
    }
}

/// How a finding compares with its normal range.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpretation {
    /// Within the range.
    Normal,
    /// Outside the range.
    Abnormal,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// LOINC code.
    pub code: String,
    /// What was measured, for people.
    pub display: String,
    /// The value as the laboratory wrote it.
    pub value: String,
    /// Unit, UCUM; empty for values without one.
    pub unit: String,
    /// How it compares, where stated.
    pub interpretation: Option<Interpretation>,
}

/// The internist who signed (Perpres 64/2011 art. 14).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examiner {
    /// The name.
    pub name: PersonName,
    /// Number of the licence to practise (SIP).
    pub sip_number: String,
}

/// The result of a pregnancy test.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PregnancyResult {
    /// Negative.
    Negative,
    /// Positive: the clearance is void.
    Positive,
}

/// A pregnancy test.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PregnancyTest {
    /// Its day.
    pub tested_on: Date,
    /// Its result.
    pub result: PregnancyResult,
}

/// Why a clearance was withdrawn.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// It was issued in error.
    IssuedInError,
    /// Someone else was examined in the worker's place (joki).
    Impostor,
    /// A finding that came later.
    NewFinding,
    /// The certificate is forged.
    Forged,
}

/// A withdrawal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// A clearance.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Clearance {
    /// Its id.
    pub id: Uuid,
    /// The worker.
    pub worker_id: Uuid,
    /// The worker's pseudonym.
    pub subject: Subject,
    /// The worker's home when it was handed in; unknown for those of before it was kept.
    #[serde(default)]
    pub home: Option<VillageCode>,
    /// The facility that examined.
    pub facility_id: String,
    /// The agency that handed it in.
    pub submitted_by: AgencyId,
    /// The number on the certificate, unique within the facility.
    pub certificate_number: String,
    /// Day of examination.
    pub examined_on: Date,
    /// Day of issue; not before the examination.
    pub issued_on: Date,
    /// The destination that it was for.
    pub destination: Country,
    /// The conclusion.
    pub conclusion: Conclusion,
    /// Who signed.
    pub examiner: Examiner,
    /// The findings.
    pub findings: Vec<Finding>,
    /// The pregnancy test, where one was done.
    pub pregnancy_test: Option<PregnancyTest>,
    /// The withdrawal, if it was withdrawn.
    pub revocation: Option<Revocation>,
}

/// How a clearance stands on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearanceStatus {
    /// Fit and in force.
    Valid,
    /// Its validity has run out.
    Expired,
    /// Void by pregnancy.
    Void,
    /// Withdrawn.
    Revoked,
    /// The conclusion is not fit.
    NotFit,
}

/// A length of validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validity {
    /// Calendar months: issued on 30 November, three months end on 28 or 29 February.
    Months(u8),
    /// Days.
    Days(u16),
}

/// How long a clearance is valid, by destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidityPolicy {
    /// For destinations that are not listed: three months (Perpres 64/2011 art. 14).
    pub default_validity: Validity,
    /// For those that count otherwise.
    pub by_destination: BTreeMap<Country, Validity>,
}

impl Default for ValidityPolicy {
    fn default() -> Self {
        Self { default_validity: Validity::Months(3), by_destination: BTreeMap::new() }
    }
}

impl Clearance {
    /// The last day of validity, which counts; `None` unless the conclusion is fit.
    #[must_use]
    pub fn valid_until(&self, policy: &ValidityPolicy) -> Option<Date> {
        let validity =
            policy.by_destination.get(&self.destination).unwrap_or(&policy.default_validity);
        let span = match *validity {
            Validity::Months(months) => Span::new().months(i64::from(months)),
            Validity::Days(days) => Span::new().days(i64::from(days)),
        };
        (self.conclusion == Conclusion::Fit).then(|| self.issued_on.saturating_add(span))
    }

    /// How the clearance stands on a day, by itself: that a clearance of another facility found a
    /// pregnancy is for [`voided_by`](Self::voided_by) to say. A day before the issue counts as its first day: what
    /// is not issued yet is refused when it is handed in.
    #[must_use]
    pub fn status_on(&self, day: Date, policy: &ValidityPolicy) -> ClearanceStatus {
        let pregnant =
            self.pregnancy_test.is_some_and(|test| test.result == PregnancyResult::Positive);
        match self.valid_until(policy) {
            _ if self.revocation.is_some() => ClearanceStatus::Revoked,
            None => ClearanceStatus::NotFit,
            Some(_) if pregnant => ClearanceStatus::Void,
            Some(until) if day > until => ClearanceStatus::Expired,
            Some(_) => ClearanceStatus::Valid,
        }
    }

    /// Whether another clearance of the same person voids this one: it found a pregnancy on or
    /// after the day of this examination, and was not withdrawn. The regulation voids by the test,
    /// wherever it was done.
    #[must_use]
    pub fn voided_by(&self, other: &Self) -> bool {
        other.revocation.is_none()
            && other.pregnancy_test.is_some_and(|test| {
                test.result == PregnancyResult::Positive && test.tested_on >= self.examined_on
            })
    }
}

/// Why the dates of a clearance cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Not a calendar date.
    #[error("not a date")]
    NotADate,
    /// Later than today.
    #[error("in the future")]
    Future,
    /// Issued before the examination.
    #[error("issued before the examination")]
    IssuedBeforeExamined,
}

impl From<DateError> for Rule {
    fn from(error: DateError) -> Self {
        match error {
            DateError::NotADate => birth::Error::NotADate.into(),
            DateError::Future => {
                Self::new("DATE_FUTURE", "must not be in the future", "tidak boleh di masa depan")
            }
            DateError::IssuedBeforeExamined => Self::new(
                "ISSUED_BEFORE_EXAMINED",
                "must not be before the day of examination",
                "tidak boleh sebelum hari pemeriksaan",
            ),
        }
    }
}

/// Reads a day that must not be later than today.
///
/// # Errors
/// [`DateError::NotADate`], [`DateError::Future`].
pub fn past_day(text: &str, today: Date) -> Result<Date, DateError> {
    let day = birth::parse_date(text).ok_or(DateError::NotADate)?;
    if day > today { Err(DateError::Future) } else { Ok(day) }
}

/// Refuses a certificate that is older than its examination.
///
/// # Errors
/// [`DateError::IssuedBeforeExamined`].
pub fn in_order(examined_on: Date, issued_on: Date) -> Result<(), DateError> {
    if issued_on < examined_on { Err(DateError::IssuedBeforeExamined) } else { Ok(()) }
}

redacted!(
    Conclusion,
    Interpretation,
    Finding,
    Examiner,
    PregnancyResult,
    PregnancyTest,
    RevocationReason,
    Revocation,
    Clearance
);

#[cfg(test)]
pub(crate) mod tests;
