//! What an operator does with a running gateway: the verbs `agencies`, `adapters`,
//! `deliveries`, `subjects`, `audit` and `sandbox`; and what an office asks: `briefing`.
//!
//! They are calls of the contract like any other: over mutual TLS, with the operator's own
//! certificate, authorised and journalled. A profile says where the gateway is and who asks.

mod adapters;
mod agencies;
mod breach;
mod briefing;
mod deliveries;
mod profile;
mod sandbox;
mod show;
mod subjects;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use desmigratif_core::access::AgencyKind;
use desmigratif_proto::common::v1 as common;
use desmigratif_proto::options::v1::DataClass;

use super::Failure;
use super::serve::runtime;

pub(super) use adapters::AdaptersVerb;
pub(super) use agencies::AgenciesVerb;
pub(super) use breach::Breach;
pub(super) use briefing::BriefingArgs;
pub(super) use deliveries::DeliveriesVerb;
pub(super) use profile::{Calls, Profile, refused};
pub(super) use sandbox::SandboxVerb;
pub(super) use subjects::SubjectsVerb;

/// Who asks whom, and how the answer is shown.
#[derive(Debug, Args)]
pub(super) struct Operator {
    /// The operator's profile: address, CA, certificate and key (`dev` writes one)
    #[arg(long, value_name = "FILE", default_value = "desmigratif-data/operator.toml")]
    profile: PathBuf,
    /// How the answer is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// A table for people
    #[default]
    Table,
    /// JSON for programs
    Json,
}

/// A ministry on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Ministry {
    Kemnaker,
    Kemendagri,
    Kemenkes,
    Kemendes,
}

impl Ministry {
    const fn kind(self) -> AgencyKind {
        match self {
            Self::Kemnaker => AgencyKind::Kemnaker,
            Self::Kemendagri => AgencyKind::Kemendagri,
            Self::Kemenkes => AgencyKind::Kemenkes,
            Self::Kemendes => AgencyKind::Kemendes,
        }
    }

    /// As the contract numbers it.
    const fn number(self) -> i32 {
        match self {
            Self::Kemnaker => common::AgencyKind::Kemnaker as i32,
            Self::Kemendagri => common::AgencyKind::Kemendagri as i32,
            Self::Kemenkes => common::AgencyKind::Kemenkes as i32,
            Self::Kemendes => common::AgencyKind::Kemendes as i32,
        }
    }
}

/// A ministry as the command line names it.
fn ministry_name(kind: common::AgencyKind) -> String {
    kind.as_str_name().trim_start_matches("AGENCY_KIND_").to_lowercase()
}

/// Classes of data as the command line shows them: "identity health-detail".
fn class_names(classes: impl Iterator<Item = DataClass>) -> String {
    let name = |class: DataClass| {
        class.as_str_name().trim_start_matches("DATA_CLASS_").to_lowercase().replace('_', "-")
    };
    classes.map(name).collect::<Vec<_>>().join(" ")
}

/// Runs a verb's call to its end.
pub(super) fn run(call: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime()?.block_on(call)
}
