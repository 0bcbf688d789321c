//! `desmigratif briefing`: what a head of office reads before a meeting, as a table, as JSON, or as
//! a page to print.

use std::path::PathBuf;

use askama::Template;
use clap::{Args, ValueEnum};
use desmigratif_core::access::Purpose;
use desmigratif_proto::programme::v1::{
    BriefingVillage, GetRegionalBriefingRequest, GetRegionalBriefingResponse, ListSectorsRequest,
    Pillar, Sector, SectorStanding, Standing,
};
use serde::Serialize;

use super::profile::{Profile, refused};
use super::show;
use crate::cli::{Failure, say};

/// Brief the head of an office on a region: workers, villages, facilities, and what is not in order
///
/// Asked with the certificate of the profile: a regional office is told of its own region. Numbers
/// only; nobody is named. `--output html` gives a page for paper, in Indonesian.
#[derive(Debug, Args)]
pub(in crate::cli) struct BriefingArgs {
    /// Code of the province, kabupaten or kota: 32.12
    region: String,
    /// The profile: address, CA, certificate and key
    #[arg(long, value_name = "FILE", default_value = "desmigratif-data/operator.toml")]
    profile: PathBuf,
    /// Ask with the certificate of this agency that lies beside the profile's, as in `dev`
    #[arg(long = "as", value_name = "AGENCY")]
    agency: Option<String>,
    /// Why the briefing is asked for
    #[arg(long, value_enum, default_value_t)]
    purpose: Why,
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Shape,
}

/// Why a briefing is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Why {
    /// To plan the programme
    #[default]
    ProgrammePlanning,
    /// To watch it
    Oversight,
}

/// How a briefing is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Text for the terminal
    #[default]
    Table,
    /// JSON for programs
    Json,
    /// A page for paper
    Html,
}

impl BriefingArgs {
    /// Does what the verb says.
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let profile = Profile::read(&self.profile)?;
        let profile =
            self.agency.as_deref().map_or_else(|| profile.clone(), |it| profile.as_agency(it));
        let purpose = match self.purpose {
            Why::ProgrammePlanning => Purpose::ProgrammePlanning,
            Why::Oversight => Purpose::Oversight,
        };
        let mut client = profile.coverage(purpose).await?;
        let request = GetRegionalBriefingRequest { region_code: self.region };
        let answer = client.get_regional_briefing(request).await.map_err(refused)?.into_inner();
        let mut sectors = profile.sectors().await?;
        let sectors = sectors.list_sectors(ListSectorsRequest {}).await.map_err(refused)?;
        let briefing = Briefing::of(&answer, &sectors.into_inner().sectors);
        match self.output {
            Shape::Json => show::json(&briefing),
            Shape::Table => say(format_args!("{}", briefing.text())),
            Shape::Html => {
                let page = briefing.render();
                say(format_args!("{}", page.map_err(|it| Failure::of("cannot make the page", it))?))
            }
        }
    }
}

/// A briefing as shown.
#[derive(Debug, Template, Serialize)]
#[template(path = "briefing/page.html")]
struct Briefing {
    region: String,
    region_code: String,
    on: String,
    desa: u32,
    designated: u32,
    /// Share of the desa, in percent with one digit.
    share_percent: String,
    workers: u64,
    stages: Vec<Line>,
    destinations: Vec<Destination>,
    clearances_expiring: u32,
    expiring_days: u32,
    pillars: Vec<PillarLine>,
    active_enterprises: u32,
    parenting_families: u32,
    parenting_children: u32,
    villages: Vec<Village>,
    facilities: Vec<Facility>,
    problems: Vec<Problem>,
    /// The entry of the journal that records the disclosure.
    entry: u64,
}

/// A number with its name, Indonesian.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Destination {
    country: String,
    preparing: u64,
    abroad: u64,
}

#[derive(Debug, Serialize)]
struct PillarLine {
    name: &'static str,
    activities: u32,
    villages_without: u32,
}

#[derive(Debug, Serialize)]
struct Village {
    code: String,
    name: String,
    year: u32,
    workers: u64,
    facilitators: u32,
    person_in_charge: bool,
    pillars: usize,
    /// "belum ada: Koperasi, Pembangunan desa".
    problems: Vec<String>,
    nearest: Option<Nearest>,
}

#[derive(Debug, Serialize)]
struct Nearest {
    name: String,
    /// Kilometres with one digit.
    distance_km: String,
}

#[derive(Debug, Serialize)]
struct Facility {
    name: String,
    village_code: String,
    capacity_per_day: u32,
}

#[derive(Debug, Serialize)]
struct Problem {
    code: String,
    count: u64,
    text: String,
}

impl Briefing {
    fn of(answer: &GetRegionalBriefingResponse, sectors: &[Sector]) -> Self {
        let coverage = answer.coverage.clone().unwrap_or_default();
        let pillars = answer.pillars.iter().map(|it| PillarLine {
            name: pillar_name(it.pillar()),
            activities: it.activities,
            villages_without: it.villages_without,
        });
        let destinations = answer.destinations.iter().map(|it| Destination {
            country: it.country.clone(),
            preparing: it.preparing,
            abroad: it.abroad,
        });
        let stages =
            answer.stages.iter().map(|it| Line { name: stage_name(&it.stage), count: it.workers });
        let facilities = answer.facilities.iter().map(|it| Facility {
            name: it.name.clone(),
            village_code: it.village_code.clone(),
            capacity_per_day: it.capacity_per_day,
        });
        let problems = answer.problems.iter().map(|it| Problem {
            code: it.code.clone(),
            count: it.count,
            text: it.text_id.clone(),
        });
        Self {
            region: coverage.region_name,
            region_code: coverage.region_code,
            on: answer.on.clone(),
            desa: coverage.desa,
            designated: coverage.designated,
            share_percent: format!("{:.1}", coverage.share * 100.0),
            workers: coverage.workers,
            stages: stages.collect(),
            destinations: destinations.collect(),
            clearances_expiring: answer.clearances_expiring,
            expiring_days: answer.expiring_days,
            pillars: pillars.collect(),
            active_enterprises: answer.active_enterprises,
            parenting_families: answer.parenting_families,
            parenting_children: answer.parenting_children,
            villages: answer.villages.iter().map(|it| Village::of(it, sectors)).collect(),
            facilities: facilities.collect(),
            problems: problems.collect(),
            entry: answer.receipt.as_ref().map_or(0, |receipt| receipt.entry_index),
        }
    }

    /// The briefing for the terminal.
    fn text(&self) -> String {
        let Self { region, region_code, on, desa, designated, share_percent, workers, .. } = self;
        let mut lines = vec![
            format!("{region} ({region_code}), {on}"),
            format!("  desa Desmigratif   {designated} dari {desa} desa ({share_percent} %)"),
            format!("  pekerja migran     {workers}"),
        ];
        lines.extend(self.stages.iter().map(|it| format!("    {:<17}{}", it.name, it.count)));
        lines.push(format!(
            "  surat sehat habis dalam {} hari: {}",
            self.expiring_days, self.clearances_expiring
        ));
        let pillars = self.pillars.iter();
        lines.extend(pillars.map(|it| format!("  {:<25} {} kegiatan", it.name, it.activities)));
        if !self.problems.is_empty() {
            lines.push("  perlu perhatian".to_owned());
        }
        lines.extend(self.problems.iter().map(|it| format!("  {:>5}  {}", it.count, it.text)));
        lines.push(format!("  entri jurnal       {}", self.entry));
        lines.join("\n")
    }
}

impl Village {
    fn of(village: &BriefingVillage, sectors: &[Sector]) -> Self {
        Self {
            code: village.village_code.clone(),
            name: village.village_name.clone(),
            year: village.year,
            workers: village.workers,
            facilitators: village.facilitators,
            person_in_charge: village.person_in_charge,
            pillars: village.active_pillars.len(),
            problems: problems(&village.problems, sectors),
            nearest: village.nearest_facility.as_ref().map(|it| Nearest {
                name: it.name.clone(),
                distance_km: format!("{:.1}", it.distance_km),
            }),
        }
    }
}

/// What is not in order in a village: for each standing the names of the sectors.
fn problems(standings: &[SectorStanding], sectors: &[Sector]) -> Vec<String> {
    let name = |code: &str| {
        let known = sectors.iter().find(|sector| sector.sector_code == code);
        known.map_or(code, |sector| &sector.name_id).to_owned()
    };
    let of = |standing: Standing| -> Vec<_> {
        let so = standings.iter().filter(|it| it.standing() == standing);
        so.map(|it| name(&it.sector_code)).collect()
    };
    [
        ("belum ada", Standing::Missing),
        ("tumpang tindih", Standing::Overlapping),
        ("laporan kedaluwarsa", Standing::Stale),
    ]
    .into_iter()
    .map(|(text, standing)| (text, of(standing)))
    .filter(|(_, names)| !names.is_empty())
    .map(|(text, names)| format!("{text}: {}", names.join(", ")))
    .collect()
}

const fn pillar_name(pillar: Pillar) -> &'static str {
    match pillar {
        Pillar::MigrationServiceCentre => "Pusat layanan migrasi",
        Pillar::ProductiveBusiness => "Usaha produktif",
        Pillar::CommunityParenting => "Community parenting",
        Pillar::Cooperative => "Koperasi",
        Pillar::Unspecified => "-",
    }
}

fn stage_name(stage: &str) -> &'static str {
    match stage {
        "prospective" => "calon (CPMI)",
        "ready" => "siap berangkat",
        "abroad" => "di luar negeri",
        "returned" => "purna (kembali)",
        "withdrawn" => "batal",
        _ => "lainnya",
    }
}

#[cfg(test)]
mod tests {
    use desmigratif_proto::programme::v1::{BriefingProblem, RegionCoverage};

    use super::*;

    fn briefing() -> Briefing {
        let village = BriefingVillage {
            village_code: "32.12.16.2004".into(),
            village_name: "Kenanga & <Sindang>".into(),
            workers: 20,
            problems: vec![SectorStanding {
                sector_code: "health".into(),
                standing: Standing::Missing.into(),
                ..SectorStanding::default()
            }],
            ..BriefingVillage::default()
        };
        let problem = BriefingProblem {
            code: "SECTORS_MISSING".into(),
            count: 3,
            text_id: "sektor yang belum dilayani".into(),
            ..BriefingProblem::default()
        };
        let answer = GetRegionalBriefingResponse {
            coverage: Some(RegionCoverage {
                region_name: "Kabupaten Indramayu".into(),
                region_code: "32.12".into(),
                desa: 309,
                designated: 2,
                share: 2.0 / 309.0,
                ..RegionCoverage::default()
            }),
            villages: vec![village],
            problems: vec![problem],
            on: "2026-11-24".into(),
            ..GetRegionalBriefingResponse::default()
        };
        let health = Sector {
            sector_code: "health".into(),
            name_id: "Kesehatan".into(),
            ..Sector::default()
        };
        Briefing::of(&answer, &[health])
    }

    #[test]
    fn the_page_holds_what_the_briefing_says_and_escapes_it() {
        let page = briefing().render().unwrap();
        for part in
            ["Kabupaten Indramayu", "0.6", "belum ada: Kesehatan", "sektor yang belum dilayani"]
        {
            assert!(page.contains(part), "{part}");
        }
        assert!(page.contains("Kenanga &#38; &#60;Sindang&#62;"), "{page}");
        assert!(!page.contains("http"), "it is read offline");
    }

    #[test]
    fn the_text_names_region_share_and_problems() {
        let text = briefing().text();
        assert!(text.starts_with("Kabupaten Indramayu (32.12), 2026-11-24\n"));
        assert!(text.contains("2 dari 309 desa (0.6 %)"));
        assert!(text.contains("    3  sektor yang belum dilayani"));
    }
}
