//! `witness`: watches a gateway's journal from a ministry, and cosigns its head.
//!
//! It is a client of the gateway like any other, with the ministry's own certificate, and needs no
//! open port. It may be ended at any time: what it stands for is on disk before it cosigns.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use desmigratif_core::access::Purpose;
use desmigratif_core::journal::Hash;
use desmigratif_core::ports::clock::SystemClock;
use desmigratif_proto::audit::v1::audit_service_client::AuditServiceClient;
use desmigratif_proto::audit::v1::{
    AddCosignatureRequest, GetCheckpointRequest, GetConsistencyProofRequest,
};
use tonic::{Request, Status};

use super::keys::witness_key;
use super::operate::{Calls, Profile, refused};
use super::serve::runtime;
use super::{Failure, say};
use crate::audit::note::VerifyingKey;
use crate::audit::witness::{Error, Looked, OpenError, Shown, Source, Unanswered, Witness};
use crate::telemetry;

/// How often a witness looks: as often as the log signs.
const PERIOD: Duration = Duration::from_secs(1);
/// The longest pause after looks that failed. A refusal by the gateway may be an entry of its
/// journal, and so news: it must not come each second.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long the gateway has for an answer.
const ANSWER: Duration = Duration::from_secs(20);

/// Arguments of `witness`.
#[derive(Debug, clap::Args)]
pub(super) struct WitnessArgs {
    /// The ministry's profile: address of the gateway, CA, certificate and key
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// The witness's own key, 64 hexadecimal digits: `openssl rand -hex 32`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The witness's name, a host name that nobody else has
    #[arg(long)]
    name: String,
    /// The log's verifying keys, as the gateway's operator has handed them over
    #[arg(long, value_name = "KEY", value_delimiter = ',', required = true)]
    log_key: Vec<String>,
    /// The witness's folder: the last checkpoint that it has seen, and evidence
    #[arg(long, value_name = "FOLDER")]
    state: PathBuf,
    /// Look once, then end
    #[arg(long)]
    once: bool,
}

/// Watches until it is ended, or looks once.
pub(super) fn run(args: &WitnessArgs) -> Result<(), Failure> {
    let profile = Profile::read(&args.profile)?;
    let key = witness_key(&args.key, &args.name)?;
    let parse = |text: &String| {
        VerifyingKey::parse(text).ok_or_else(|| {
            Failure::Usage(format!("--log-key: {text:?} is no verifying key (name+id+key)"))
        })
    };
    let log = args.log_key.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    say(format_args!("witness   {}", key.witness_key()))?;
    let witness = Witness::open(&args.state, key, log, Arc::new(SystemClock)).map_err(failed)?;
    runtime()?.block_on(async {
        let mut watch = Watch::new(witness, profile);
        if args.once {
            return match watch.look().await {
                Ok(Looked::Cosigned(size)) => say(format_args!("cosigned  {size} entries")),
                Ok(Looked::NoNews(size)) => say(format_args!("no news   {size} entries")),
                Err(error) => Err(Failure::Other(error.to_string())),
            };
        }
        let telemetry = telemetry::init(&telemetry::Settings::default())
            .map_err(|error| Failure::of("cannot start telemetry", error))?;
        watch.run().await;
        telemetry.shutdown();
        Ok(())
    })
}

/// Why a witness cannot begin.
#[allow(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(super) fn failed(error: OpenError) -> Failure {
    match error {
        OpenError::Keys => Failure::Usage(format!("--log-key: {error}")),
        error => Failure::Other(error.to_string()),
    }
}

/// A witness and its way to the gateway.
pub(super) struct Watch {
    witness: Witness,
    profile: Profile,
    /// Made anew after every failure, so that a renewed certificate is used.
    gateway: Option<Gateway>,
}

impl Watch {
    pub(super) const fn new(witness: Witness, profile: Profile) -> Self {
        Self { witness, profile, gateway: None }
    }

    /// Looks again and again. It never ends by itself.
    pub(super) async fn run(&mut self) {
        let mut pause = PERIOD;
        loop {
            match self.look().await {
                Ok(looked) => {
                    tracing::debug!(?looked, "looked at the journal");
                    pause = PERIOD;
                }
                Err(error) => {
                    match &error {
                        Error::Unanswered(_) => tracing::warn!(%error, "nothing cosigned"),
                        error => tracing::error!(%error, "nothing cosigned"),
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn look(&mut self) -> Result<Looked, Error> {
        let gateway = match self.gateway.take() {
            Some(gateway) => gateway,
            None => Gateway::connect(&self.profile).await?,
        };
        let looked = self.witness.look(&gateway).await?;
        self.gateway = Some(gateway);
        Ok(looked)
    }
}

/// The gateway, as a witness asks it.
struct Gateway(AuditServiceClient<Calls>);

impl Gateway {
    async fn connect(profile: &Profile) -> Result<Self, Unanswered> {
        profile.audit(Purpose::Oversight).await.map(Self).map_err(unanswered)
    }
}

#[async_trait]
impl Source for Gateway {
    async fn checkpoint(&self) -> Result<Shown, Unanswered> {
        let request = within(GetCheckpointRequest::default());
        let answer = self.0.clone().get_checkpoint(request).await.map_err(silent)?.into_inner();
        let note = answer.checkpoint.unwrap_or_default().note;
        Ok(Shown { note, successions: answer.successions })
    }

    async fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, Unanswered> {
        let request = within(GetConsistencyProofRequest { earlier_size: earlier, size });
        let answer = self.0.clone().get_consistency_proof(request).await.map_err(silent)?;
        let hashes = answer.into_inner().hashes.into_iter();
        let hashes: Result<_, _> = hashes.map(Hash::try_from).collect();
        hashes.map_err(|_| Unanswered("a hash of the proof is not 32 bytes long".to_owned()))
    }

    async fn cosign(&self, size: u64, line: String) -> Result<(), Unanswered> {
        let request = within(AddCosignatureRequest { size, cosignature: line });
        self.0.clone().add_cosignature(request).await.map(|_| ()).map_err(silent)
    }
}

fn within<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWER);
    request
}

fn silent(status: Status) -> Unanswered {
    unanswered(refused(status))
}

fn unanswered(failure: Failure) -> Unanswered {
    match failure {
        Failure::Usage(message) | Failure::Other(message) => Unanswered(message),
    }
}
