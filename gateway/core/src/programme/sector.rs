//! The sector map: which sectors serve which village, where a service is missing, doubled or old.
//!
//! Each ministry or agency reports the service that it gives in a village itself. What is expected,
//! who may report and how long a report counts are [data](super::Rules), not code; what follows
//! from them is here: [`judge`].

use std::fmt;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::AgencyKind;
use crate::agency::AgencyId;
use crate::region::VillageCode;
use crate::text::Rule;

/// The code of a sector: 2 to 40 characters of `a-z` and `-`, beginning with a letter.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SectorCode(String);

/// The text is no code of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sector's code is 2 to 40 characters of a-z and '-', beginning with a letter")]
pub struct NotASectorCode;

impl From<NotASectorCode> for Rule {
    fn from(NotASectorCode: NotASectorCode) -> Self {
        Self::new(
            "SECTOR_UNKNOWN",
            "must be the code of a sector in the list (ListSectors)",
            "harus kode sektor yang ada dalam daftar (ListSectors)",
        )
    }
}

impl SectorCode {
    /// Reads a code.
    ///
    /// # Errors
    /// [`NotASectorCode`].
    pub fn parse(text: &str) -> Result<Self, NotASectorCode> {
        let well_formed = (2..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'-'));
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NotASectorCode) }
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SectorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SectorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SectorCode {
    type Error = NotASectorCode;
    fn try_from(text: String) -> Result<Self, NotASectorCode> {
        Self::parse(&text)
    }
}

impl From<SectorCode> for String {
    fn from(code: SectorCode) -> Self {
        code.0
    }
}

/// A sector of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sector {
    /// Its code.
    pub code: SectorCode,
    /// Its name in Indonesian.
    pub name_id: String,
    /// Its name in English.
    pub name_en: String,
    /// Which kinds of agency may report services of it.
    pub reported_by: Vec<AgencyKind>,
    /// Whether every designated village is to have it.
    pub expected: bool,
    /// More providers than these in one village are an overlap.
    pub providers: usize,
    /// A report counts for so many days.
    pub report_counts_days: u16,
}

/// How a service stands, as its provider says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceStatus {
    /// Decided on, not begun.
    Planned,
    /// Given.
    Active,
    /// Interrupted.
    Suspended,
    /// Given no more.
    Ended,
}

impl ServiceStatus {
    /// The name under which the status is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
        }
    }
}

/// A service that an agency gives in a village. Its id is made of village, sector and agency: a
/// later report takes the place of the earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectorService {
    /// The village.
    pub village: VillageCode,
    /// The sector.
    pub sector: SectorCode,
    /// Who gives it, and reported it.
    pub provider: AgencyId,
    /// How it stands.
    pub status: ServiceStatus,
    /// Its first day.
    pub from: Date,
    /// Its last day; none while it is open.
    pub until: Option<Date>,
    /// What shows it: number of a decision, address of a report.
    pub evidence: String,
    /// When it was reported.
    pub reported_at: Timestamp,
}

impl SectorService {
    /// The id of its record.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.village.digits(), self.sector, self.provider)
    }

    /// The last day on which the report counts by the sector's rule.
    fn counts_until(&self, sector: &Sector) -> Date {
        let days = Span::new().days(i64::from(sector.report_counts_days));
        // Indonesia's offices keep the days of Jakarta.
        let reported = jiff::tz::Offset::constant(7).to_datetime(self.reported_at).date();
        reported.saturating_add(days)
    }

    /// Whether the service is given on a day, as far as its report goes.
    fn given_on(&self, day: Date) -> bool {
        self.status == ServiceStatus::Active
            && self.from <= day
            && self.until.is_none_or(|last| day <= last)
    }
}

/// How a sector stands in a village.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Given, by as many as there should be.
    Covered,
    /// Expected, and nobody gives it.
    Missing,
    /// Given by more than there should be.
    Overlapping,
    /// Nobody has said lately that it is given.
    Stale,
}

impl Standing {
    /// Every standing, in declaration order.
    pub const ALL: [Self; 4] = [Self::Covered, Self::Missing, Self::Overlapping, Self::Stale];
}

/// Why a sector stands so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// As many give it as should.
    Given,
    /// More give it than should.
    TooMany,
    /// It was never reported.
    NeverReported,
    /// It is planned, from this day on.
    Planned(Date),
    /// It is suspended.
    Suspended,
    /// It ended on this day.
    Ended(Date),
    /// The last report that says so counted until this day.
    ReportedUntil(Date),
}

/// A verdict on a sector in a village.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub why: Why,
    /// Who gives it.
    pub providers: Vec<&'a AgencyId>,
}

/// How a sector stands in a village on a day, by all that was reported of it there. `None` when it
/// is not expected there and nobody gives it.
#[must_use]
pub fn judge<'a>(
    sector: &Sector,
    reports: &[&'a SectorService],
    expected: bool,
    day: Date,
) -> Option<Verdict<'a>> {
    let (counted, old): (Vec<_>, Vec<_>) = reports
        .iter()
        .filter(|report| report.given_on(day))
        .partition(|report| report.counts_until(sector) >= day);
    let verdict = |standing, why, of: &[&'a SectorService]| {
        Some(Verdict { standing, why, providers: of.iter().map(|it| &it.provider).collect() })
    };
    if counted.len() > sector.providers {
        return verdict(Standing::Overlapping, Why::TooMany, &counted);
    }
    if !counted.is_empty() {
        return verdict(Standing::Covered, Why::Given, &counted);
    }
    if let Some(last) = old.iter().map(|report| report.counts_until(sector)).max() {
        return verdict(Standing::Stale, Why::ReportedUntil(last), &old);
    }
    if !(expected && sector.expected) {
        return None;
    }
    let planned = reports.iter().filter(|report| {
        report.from > day && matches!(report.status, ServiceStatus::Planned | ServiceStatus::Active)
            || report.status == ServiceStatus::Planned
    });
    let ended = reports.iter().filter_map(|report| report.until.filter(|last| *last < day));
    let why = if let Some(from) = planned.map(|report| report.from).min() {
        Why::Planned(from)
    } else if reports.iter().any(|report| report.status == ServiceStatus::Suspended) {
        Why::Suspended
    } else if let Some(last) = ended.max() {
        Why::Ended(last)
    } else if let Some(reported) = reports.iter().find(|it| it.status == ServiceStatus::Ended) {
        Why::Ended(reported.until.unwrap_or(reported.from))
    } else {
        Why::NeverReported
    };
    verdict(Standing::Missing, why, &[])
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn sector() -> Sector {
        Sector {
            code: SectorCode::parse("health").unwrap(),
            name_id: "Kesehatan".into(),
            name_en: "Health".into(),
            reported_by: vec![AgencyKind::Kemenkes],
            expected: true,
            providers: 1,
            report_counts_days: 180,
        }
    }

    fn report(by: &str, status: ServiceStatus) -> SectorService {
        SectorService {
            village: VillageCode::parse("32.12.16.2004").unwrap(),
            sector: sector().code,
            provider: AgencyId::parse(by).unwrap(),
            status,
            from: date(2026, 1, 1),
            until: None,
            evidence: String::new(),
            reported_at: "2026-01-02T03:00:00Z".parse().unwrap(),
        }
    }

    fn standing(reports: &[SectorService], day: Date) -> Option<(Standing, Why)> {
        let reports: Vec<_> = reports.iter().collect();
        judge(&sector(), &reports, true, day).map(|verdict| (verdict.standing, verdict.why))
    }

    const DAY: Date = date(2026, 2, 1);

    #[test]
    fn one_provider_covers_and_two_overlap() {
        let active = |by| report(by, ServiceStatus::Active);
        let covered = standing(&[active("kemenkes")], DAY);
        assert_eq!(covered, Some((Standing::Covered, Why::Given)));
        let both = [active("kemenkes"), active("dinkes-indramayu")];
        assert_eq!(standing(&both, DAY), Some((Standing::Overlapping, Why::TooMany)));
    }

    #[test]
    fn a_report_counts_for_as_long_as_the_rule_says() {
        let given = [report("kemenkes", ServiceStatus::Active)];
        let last = date(2026, 7, 1);
        assert_eq!(standing(&given, last), Some((Standing::Covered, Why::Given)));
        let stale = standing(&given, date(2026, 7, 2));
        assert_eq!(stale, Some((Standing::Stale, Why::ReportedUntil(last))));
    }

    #[test]
    fn what_is_missing_says_why() {
        assert_eq!(standing(&[], DAY), Some((Standing::Missing, Why::NeverReported)));
        let mut planned = report("kemenkes", ServiceStatus::Planned);
        planned.from = date(2026, 3, 1);
        let why = standing(&[planned], DAY);
        assert_eq!(why, Some((Standing::Missing, Why::Planned(date(2026, 3, 1)))));
        let suspended = [report("kemenkes", ServiceStatus::Suspended)];
        assert_eq!(standing(&suspended, DAY), Some((Standing::Missing, Why::Suspended)));
        let mut over = report("kemenkes", ServiceStatus::Active);
        over.until = Some(date(2026, 1, 31));
        let why = standing(&[over], DAY);
        assert_eq!(why, Some((Standing::Missing, Why::Ended(date(2026, 1, 31)))));
    }

    #[test]
    fn what_is_not_expected_is_judged_only_where_it_is_given() {
        assert_eq!(judge(&sector(), &[], false, DAY), None);
        let given = report("kemenkes", ServiceStatus::Active);
        let verdict = judge(&sector(), &[&given], false, DAY).unwrap();
        assert_eq!(verdict.standing, Standing::Covered);
        assert_eq!(verdict.providers, [&given.provider]);
    }

    #[test]
    fn codes_are_words_in_lower_case() {
        for text in ["health", "village-development"] {
            assert_eq!(SectorCode::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "h", "Health", "-health", "health/x", "kesehatan\u{e9}"] {
            assert_eq!(SectorCode::parse(text), Err(NotASectorCode), "{text}");
        }
    }
}
