//! `policy`: asks the policy why, and checks policy files.

mod watch;

use std::path::{Path, PathBuf};

use desmigratif_core::access::Purpose;
use desmigratif_core::agency::{Agency, AgencyId, AgencyStatus};
use desmigratif_core::record::Record;
use desmigratif_proto::Method;
use desmigratif_sandbox::agencies;

use super::registry::registered;
use super::{Failure, say};
use crate::access::{Because, Explanation, Policy, Relation, Source, class_name, method_named};
use crate::config::{self, Config};

pub(super) use watch::PolicyWatch;

/// What to do with policies.
#[derive(Debug, clap::Subcommand)]
pub(super) enum PolicyVerb {
    /// Say whether a call is allowed, and which policies decide it
    ///
    /// Answers by the policy files of a configuration for the agencies of its registry; without
    /// --config by the built-in policy for the agencies of `dev`.
    Explain(ExplainArgs),
    /// Check the policy files of a folder, as `policy.folder` names it, without using them
    Check {
        /// The folder; every file in it that ends in .cedar counts
        folder: PathBuf,
    },
}

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The agency's id
    #[arg(long, value_name = "ID")]
    agency: String,
    /// The method: WorkerService/GetWorker, or its whole gRPC path
    #[arg(long)]
    method: String,
    /// The purpose, as in the desmigratif-purpose metadata; not needed by methods open to all
    #[arg(long)]
    purpose: Option<String>,
    /// Ask for a call that its caller has signed
    #[arg(long)]
    signed: bool,
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl PolicyVerb {
    /// Does what it says.
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Explain(args) => explain(&args),
            Self::Check { folder } => check(&folder),
        }
    }
}

/// The policy that a configuration names.
pub(super) fn load(config: &config::Policy) -> Result<std::sync::Arc<Policy>, Failure> {
    let source = config.folder.clone().map_or(Source::BuiltIn, Source::Folder);
    Policy::load(source).map_err(|error| Failure::Usage(format!("policy: {error}")))
}

fn check(folder: &Path) -> Result<(), Failure> {
    let policy = load(&config::Policy { folder: Some(folder.to_owned()) })?;
    say(format_args!("{}: {} policies, all good", folder.display(), policy.policies()))
}

fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let (policy, agencies) = match &args.config {
        Some(path) => {
            let config = Config::read(path)?;
            let records = registered(&config.registry)?;
            (load(&config.policy)?, records.into_iter().filter_map(Record::into_agency).collect())
        }
        None => (load(&config::Policy::default())?, agencies::agencies()),
    };
    let agency = agency(agencies, &args.agency)?;
    let method = method_named(&args.method).ok_or_else(|| {
        Failure::Usage(format!("no method {}; write it as WorkerService/GetWorker", args.method))
    })?;
    let purpose = match &args.purpose {
        None => None,
        Some(text) => Some(Purpose::parse(text).ok_or_else(|| {
            let all = Purpose::ALL.map(Purpose::as_str).join(", ");
            Failure::Usage(format!("{text} is no purpose; the purposes are {all}"))
        })?),
    };
    let explanation = policy.explain(&agency, method, purpose, args.signed);
    let text = told(&agency, method, purpose, &explanation);
    say(format_args!("{}", text.trim_end()))
}

fn agency(agencies: Vec<Agency>, id: &str) -> Result<Agency, Failure> {
    let known: Vec<_> = agencies.iter().map(|agency| agency.id.to_string()).collect();
    let id = AgencyId::parse(id).map_err(|error| Failure::Usage(error.to_string()))?;
    agencies.into_iter().find(|agency| agency.id == id).ok_or_else(|| {
        Failure::Usage(format!("no agency {id} is registered; there are {}", known.join(", ")))
    })
}

/// The answer, for people. What the registry says goes before what the policy says, as it does at
/// the gate.
fn told(
    agency: &Agency,
    method: &Method,
    purpose: Option<Purpose>,
    explanation: &Explanation,
) -> String {
    let held = purpose.is_none_or(|purpose| agency.purposes.contains(&purpose));
    let open = explanation.allowed && method_is_open(method);
    let refusal = if agency.status != AgencyStatus::Active {
        Some("the agency is not active")
    } else if purpose.is_none() && !method_is_open(method) {
        Some("the method needs a purpose and none is stated: give --purpose")
    } else if !held && !open {
        Some("the agency does not hold the purpose: its registration does not list it")
    } else if explanation.signature_required {
        Some("the call must be signed: give --signed")
    } else if !explanation.allowed && explanation.because.is_empty() {
        Some("no policy permits it, and what no policy permits is refused")
    } else if !explanation.allowed {
        Some("a policy forbids it")
    } else {
        None
    };
    let mut text = String::new();
    let mut line = |label: &str, words: &str| {
        text.push_str(&format!("{label:<10} {words}\n"));
    };
    line(if refusal.is_some() { "refused" } else { "allowed" }, "");
    line("agency", &format!("{} ({})", agency.id, agency.kind.as_str()));
    line("method", method.path.trim_start_matches('/'));
    line("purpose", purpose.map_or("none", Purpose::as_str));
    if let Some(refusal) = refusal {
        line("why", refusal);
    }
    for Because { id, file, reason } in &explanation.because {
        line("policy", &format!("{id} ({file}): {reason}"));
    }
    if refusal.is_none() {
        for (class, because) in &explanation.classes {
            line("opens", &format!("{} by {}", class_name(*class), names(because)));
        }
        for (relation, because) in &explanation.reach {
            line("reaches", &format!("{} by {}", records(agency, *relation), names(because)));
        }
    }
    text
}

fn method_is_open(method: &Method) -> bool {
    use desmigratif_proto::options::v1::Effect;
    matches!(method.effect, Effect::ReadPublic | Effect::ReadSelf)
}

fn names(because: &[Because]) -> String {
    let names: Vec<_> =
        because.iter().map(|Because { id, file, .. }| format!("{id} ({file})")).collect();
    names.join(", ")
}

/// The records of a relation, in words.
fn records(agency: &Agency, relation: Relation) -> String {
    match (relation, agency.region) {
        (Relation::PlaceInRegion, Some(region)) => format!("villages and people of {region}"),
        (Relation::PlaceElsewhere, Some(region)) => {
            format!("villages and people outside {region}")
        }
        (Relation::PlaceInRegion | Relation::PlaceElsewhere, None) => {
            "villages and people of the whole country".to_owned()
        }
        (Relation::OwnClearance, _) => "clearances that it has submitted".to_owned(),
        (Relation::OthersClearance, _) => "clearances that others have submitted".to_owned(),
        (Relation::OwnEntry, _) => "entries of its own calls".to_owned(),
        (Relation::SettingEntry, _) => "entries of what the gateway goes by".to_owned(),
        (Relation::OthersEntry, _) => "entries of others' calls".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: &str, method: &str, purpose: Option<Purpose>) -> String {
        let policy = load(&config::Policy::default()).unwrap();
        let agency = agency(agencies::agencies(), id).unwrap();
        let method = method_named(method).unwrap();
        told(&agency, method, purpose, &policy.explain(&agency, method, purpose, false))
    }

    #[test]
    fn an_allowed_call_names_its_policies_files_reasons_and_classes() {
        let purpose = Some(Purpose::SocialProtection);
        let text = answer("disnaker-indramayu", "WorkerService/GetWorker", purpose);
        assert!(text.starts_with("allowed"), "{text}");
        assert!(
            text.contains("regional-office-protection (protection.cedar): A regional"),
            "{text}"
        );
        assert!(text.contains("opens      family by regional-office-protection"), "{text}");
        assert!(text.contains("villages and people of 32.12 by places-of-the-region"), "{text}");
        assert!(!text.contains("health") && !text.contains("outside 32.12"), "{text}");
    }

    #[test]
    fn a_refused_call_says_whether_registry_or_policy_refuses() {
        let held = answer(
            "kemendes",
            "desmigratif.worker.v1.WorkerService/GetWorker",
            Some(Purpose::ProgrammePlanning),
        );
        assert!(held.starts_with("refused") && held.contains("no policy permits it"), "{held}");
        let unheld = answer("kemendes", "WorkerService/GetWorker", Some(Purpose::Oversight));
        assert!(unheld.contains("does not hold the purpose"), "{unheld}");
        let unstated = answer("kemnaker", "WorkerService/GetWorker", None);
        assert!(unstated.contains("needs a purpose"), "{unstated}");
    }

    #[test]
    fn a_method_open_to_all_needs_no_purpose() {
        let text = answer("kemendes", "VillageService/GetVillage", None);
        assert!(
            text.starts_with("allowed") && text.contains("open-methods (open.cedar)"),
            "{text}"
        );
    }
}
