//! The programme's rules as data: its target, and what each sector owes a village.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::sector::{Sector, SectorCode};
use crate::access::AgencyKind;

/// The rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// How many villages the programme is to reach.
    pub target_villages: u32,
    /// Over how many years the present pace is counted.
    pub pace_years: u16,
    /// For how many days before its end a clearance is said to expire.
    pub expiring_days: u16,
    /// The sectors, in the order in which they are shown.
    pub sectors: Vec<Sector>,
}

/// Why rules do not hold together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A sector is there twice.
    #[error("sector {0} is there twice")]
    Twice(SectorCode),
    /// Nobody may report a sector.
    #[error("nobody may report sector {0}")]
    Unreported(SectorCode),
    /// A sector allows no provider.
    #[error("sector {0} allows no provider")]
    NoProvider(SectorCode),
    /// The pace is counted over no year.
    #[error("pace_years is 0")]
    NoYears,
}

impl Rules {
    /// Checks that the rules hold together.
    ///
    /// # Errors
    /// [`Invalid`], the first that is found.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut codes = BTreeSet::new();
        for Sector { code, reported_by, providers, .. } in &self.sectors {
            if !codes.insert(code) {
                return Err(Invalid::Twice(code.clone()));
            }
            if reported_by.is_empty() {
                return Err(Invalid::Unreported(code.clone()));
            }
            if *providers == 0 {
                return Err(Invalid::NoProvider(code.clone()));
            }
        }
        if self.pace_years == 0 { Err(Invalid::NoYears) } else { Ok(self) }
    }

    /// The sector with a code.
    #[must_use]
    pub fn sector(&self, code: &str) -> Option<&Sector> {
        self.sectors.iter().find(|sector| sector.code.as_str() == code)
    }

    /// Whether agencies of a kind may report services of a sector.
    #[must_use]
    pub fn may_report(&self, kind: AgencyKind, code: &SectorCode) -> bool {
        self.sector(code.as_str()).is_some_and(|sector| sector.reported_by.contains(&kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(code: &str) -> Sector {
        Sector {
            code: SectorCode::parse(code).unwrap(),
            name_id: String::new(),
            name_en: String::new(),
            reported_by: vec![AgencyKind::Kemenkes],
            expected: true,
            providers: 1,
            report_counts_days: 180,
        }
    }

    fn rules(sectors: Vec<Sector>) -> Rules {
        Rules { target_villages: 4_000, pace_years: 3, expiring_days: 30, sectors }
    }

    #[test]
    fn rules_that_contradict_themselves_are_refused() {
        let fine = rules(vec![sector("health"), sector("education")]);
        assert_eq!(fine.clone().checked(), Ok(fine.clone()));
        let twice = rules(vec![sector("health"), sector("health")]).checked();
        assert_eq!(twice, Err(Invalid::Twice(sector("health").code)));
        let unreported = Sector { reported_by: Vec::new(), ..sector("health") };
        let unreported = rules(vec![unreported]).checked();
        assert_eq!(unreported, Err(Invalid::Unreported(sector("health").code)));
        let none = rules(vec![Sector { providers: 0, ..sector("health") }]).checked();
        assert_eq!(none, Err(Invalid::NoProvider(sector("health").code)));
        assert_eq!(Rules { pace_years: 0, ..fine }.checked(), Err(Invalid::NoYears));
    }

    #[test]
    fn a_sector_is_reported_by_those_whose_task_it_is() {
        let rules = rules(vec![sector("health")]);
        let health = sector("health").code;
        assert!(rules.may_report(AgencyKind::Kemenkes, &health));
        assert!(!rules.may_report(AgencyKind::Kemendes, &health));
        assert!(!rules.may_report(AgencyKind::Kemenkes, &sector("education").code));
    }
}
