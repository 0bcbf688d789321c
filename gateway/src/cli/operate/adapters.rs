//! `desmigratif adapters`: the ways to the ministries.

use clap::Subcommand;
use desmigratif_proto::admin::v1::{
    Adapter, ListAdaptersRequest, PauseAdapterRequest, ResumeAdapterRequest,
};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::profile::{Profile, refused};
use super::show::{self, Row, cell, span};
use super::{Ministry, Operator, ministry_name};
use crate::cli::{Failure, say};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AdaptersVerb {
    /// Show how the way to each ministry is doing
    List {
        #[command(flatten)]
        operator: Operator,
    },
    /// Stop deliveries to a ministry; they wait
    Pause {
        /// The ministry
        ministry: Ministry,
        /// Why, for whoever looks at the list
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        operator: Operator,
    },
    /// Let deliveries to a ministry go on
    Resume {
        /// The ministry
        ministry: Ministry,
        #[command(flatten)]
        operator: Operator,
    },
}

impl AdaptersVerb {
    /// Does what the verb says.
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List { operator } => list(&operator).await,
            Self::Pause { ministry, reason, operator } => {
                let request = PauseAdapterRequest {
                    request_id: Uuid::now_v7().to_string(),
                    ministry: ministry.number(),
                    reason,
                };
                let mut client = Profile::read(&operator.profile)?.client().await?;
                client.pause_adapter(request).await.map_err(refused)?;
                say(format_args!("deliveries to {} are paused", ministry.kind().as_str()))
            }
            Self::Resume { ministry, operator } => {
                let request = ResumeAdapterRequest {
                    request_id: Uuid::now_v7().to_string(),
                    ministry: ministry.number(),
                };
                let mut client = Profile::read(&operator.profile)?.client().await?;
                client.resume_adapter(request).await.map_err(refused)?;
                say(format_args!("deliveries to {} go on", ministry.kind().as_str()))
            }
        }
    }
}

async fn list(operator: &Operator) -> Result<(), Failure> {
    let mut client = Profile::read(&operator.profile)?.client().await?;
    let answer = client.list_adapters(ListAdaptersRequest {}).await.map_err(refused)?.into_inner();
    let rows: Vec<_> = answer.adapters.iter().map(Shown::of).collect();
    show::show(operator.output, &rows)
}

/// An adapter as it is shown.
#[derive(Serialize)]
struct Shown {
    ministry: String,
    protocol: String,
    breaker: String,
    calls: u64,
    success_rate: f64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    calls_left_today: Option<u32>,
    backlog: u64,
    dead: u64,
    oldest: Option<Timestamp>,
    paused: Option<String>,
    token_expires_at: Option<Timestamp>,
    certificate_expires_at: Option<Timestamp>,
}

impl Shown {
    fn of(adapter: &Adapter) -> Self {
        let breaker = adapter.breaker().as_str_name().trim_start_matches("BREAKER_");
        let connected = !adapter.protocol.is_empty();
        Self {
            ministry: ministry_name(adapter.ministry()),
            protocol: if connected { adapter.protocol.clone() } else { "none".to_owned() },
            breaker: if connected { breaker.to_lowercase().replace('_', "-") } else { "-".into() },
            calls: adapter.calls,
            success_rate: adapter.success_rate,
            p50_ms: show::milliseconds(adapter.p50),
            p95_ms: show::milliseconds(adapter.p95),
            calls_left_today: adapter.calls_left_today,
            backlog: adapter.backlog,
            dead: adapter.dead,
            oldest: show::time(adapter.oldest),
            paused: Some(adapter.paused_reason.clone()).filter(|reason| !reason.is_empty()),
            token_expires_at: show::time(adapter.token_expires_at),
            certificate_expires_at: show::time(adapter.certificate_expires_at),
        }
    }
}

impl Row for Shown {
    const HEADINGS: &'static [&'static str] = &[
        "MINISTRY",
        "PROTOCOL",
        "BREAKER",
        "CALLS",
        "SUCCESS",
        "P50 ms",
        "P95 ms",
        "LEFT TODAY",
        "BACKLOG",
        "DEAD",
        "OLDEST",
        "TOKEN",
        "CERTIFICATE",
        "PAUSED",
    ];

    fn cells(&self) -> Vec<String> {
        let now = Timestamp::now();
        vec![
            self.ministry.clone(),
            self.protocol.clone(),
            self.breaker.clone(),
            self.calls.to_string(),
            format!("{:.1} %", self.success_rate * 100.0),
            cell(self.p50_ms),
            cell(self.p95_ms),
            cell(self.calls_left_today),
            self.backlog.to_string(),
            self.dead.to_string(),
            span(self.oldest, now),
            span(self.token_expires_at, now),
            span(self.certificate_expires_at, now),
            cell(self.paused.as_ref()),
        ]
    }
}
