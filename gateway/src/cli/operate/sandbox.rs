//! `desmigratif sandbox`: faults of the simulated ministries that `dev` runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use desmigratif_sandbox::{Fault, admin};
use serde::Serialize;

use super::profile::Profile;
use super::show::{self, Row, cell};
use super::{Ministry, Output};
use crate::cli::{Failure, say};

/// Which sandbox.
#[derive(Debug, Args)]
pub(in crate::cli) struct Where {
    /// The profile that `dev` has written
    #[arg(long, value_name = "FILE", default_value = "desmigratif-data/operator.toml")]
    profile: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SandboxVerb {
    /// Show the simulated ministries, their faults and what they received
    Status {
        #[command(flatten)]
        at: Where,
        /// How the answer is shown
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Make a simulated ministry fail
    Fault {
        /// The ministry
        ministry: Ministry,
        /// The fault
        #[arg(value_parser = Fault::NAMES)]
        fault: String,
        /// How long a latency is, or after how long http-429 says to come back, milliseconds
        #[arg(long, value_name = "N")]
        milliseconds: Option<u64>,
        /// Lift the fault by itself after so many seconds
        #[arg(long, value_name = "N")]
        seconds: Option<u64>,
        #[command(flatten)]
        at: Where,
    },
    /// Lift a ministry's fault, or all of them
    Lift {
        /// The ministry; all without one
        ministry: Option<Ministry>,
        #[command(flatten)]
        at: Where,
    },
    /// Expire every access token that Kemenkes has issued
    ExpireTokens {
        #[command(flatten)]
        at: Where,
    },
}

impl SandboxVerb {
    /// Does what the verb says.
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Status { at, output } => {
                let status = client(&at)?.status().await.map_err(failed)?;
                match output {
                    Output::Json => show::json(&status),
                    Output::Table => {
                        let rows: Vec<_> = status.ministries.into_iter().map(Shown::of).collect();
                        show::show(output, &rows)
                    }
                }
            }
            Self::Fault { ministry, fault, milliseconds, seconds, at } => {
                let parsed = Fault::parse(&fault, milliseconds.map(Duration::from_millis));
                let parsed = parsed.ok_or_else(|| {
                    Failure::Usage(
                        "a latency needs --milliseconds, http-429 may have it, the others take none"
                            .to_owned(),
                    )
                })?;
                let time = seconds.map(Duration::from_secs);
                client(&at)?.set(ministry.kind(), parsed, time).await.map_err(failed)?;
                say(format_args!("{}: {fault}", ministry.kind().as_str()))
            }
            Self::Lift { ministry, at } => {
                client(&at)?.lift(ministry.map(Ministry::kind)).await.map_err(failed)?;
                let whose = ministry.map_or("every ministry", |it| it.kind().as_str());
                say(format_args!("{whose}: no fault"))
            }
            Self::ExpireTokens { at } => {
                client(&at)?.expire_tokens().await.map_err(failed)?;
                say(format_args!("every access token is expired"))
            }
        }
    }
}

fn client(at: &Where) -> Result<admin::Client, Failure> {
    let sandbox = Profile::read(&at.profile)?.sandbox;
    sandbox.map(admin::Client::new).ok_or_else(|| {
        Failure::Usage(format!("{} names no sandbox; `dev` runs one", at.profile.display()))
    })
}

fn failed(error: admin::Error) -> Failure {
    Failure::of("cannot switch the sandbox", error)
}

/// A simulated ministry as it is shown.
#[derive(Serialize)]
struct Shown {
    ministry: String,
    address: String,
    fault: Option<String>,
    calls: u64,
    effects: u64,
    most: u64,
}

impl Shown {
    fn of((ministry, status): (String, admin::Ministry)) -> Self {
        Self {
            ministry,
            address: status.address.to_string(),
            fault: status.fault.map(|fault| fault.fault),
            calls: status.calls,
            effects: status.effects.keys,
            most: status.effects.most,
        }
    }
}

impl Row for Shown {
    const HEADINGS: &'static [&'static str] =
        &["MINISTRY", "ADDRESS", "FAULT", "CALLS", "DELIVERED", "MOST EFFECTS OF A KEY"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.ministry.clone(),
            self.address.clone(),
            cell(self.fault.as_ref()),
            self.calls.to_string(),
            self.effects.to_string(),
            self.most.to_string(),
        ]
    }
}
