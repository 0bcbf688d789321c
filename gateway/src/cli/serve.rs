//! `serve`: the gateway from a configuration to its end, and the one place that wires it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::ports::clock::{Clock, SystemClock};
use desmigratif_core::ports::store::Store;
use desmigratif_core::programme::Rules;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::gate::Gate;
use super::gauges::{StoreGauges, watch_store};
use super::keys::{key_fits, key_ring, log_keys, subject_key, witnesses};
use super::policy::{self, PolicyWatch};
use super::registry::{not_yet_there, registered};
use super::{Failure, in_force, memory, ministries, say, timestamps};
use crate::access::issuer::Authority;
use crate::access::limits::Limits;
use crate::access::{Directory, TrustDomain};
use crate::audit::{Log, LogError};
use crate::config::{self, Config};
use crate::edge::layers::{self, Methods};
use crate::edge::listener::{self, Drained, Listener};
use crate::edge::metrics::Metrics;
use crate::edge::operators::{Operators, Readiness};
use crate::edge::tls::{self, Tls};
use crate::edge::{self, Carried};
use crate::exchange::{Exchange, Feed, Mirror, Outbox, Wake, programme, register};
use crate::services;
use crate::store::sqlite::{OpenError, Sqlite};
use crate::store::vault::KeyRing;
use crate::telemetry::{self, Telemetry};

/// How often certificate and policy files are looked at for changes.
const FILE_WATCH: Duration = Duration::from_secs(20);

/// How long a call may go on after its deadline, for its answer to be read.
const BEYOND_DEADLINE: Duration = Duration::from_secs(5);

/// The programme's rules: the operator's, or those that come with the gateway.
fn rules(config: &config::Programme) -> Result<Rules, Failure> {
    let Some(path) = &config.rules else { return Ok(programme::usual_rules()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("programme.rules: {}: {error}", path.display())))?;
    programme::rules(&text)
        .map_err(|error| Failure::Usage(format!("programme.rules: {}: {error}", path.display())))
}

/// Runs the gateway until it is told to stop.
pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::read(path)?;
    runtime()?.block_on(async {
        let gateway = Gateway::start(&config, Arc::new(SystemClock)).await?;
        say(format_args!("agencies   {}", gateway.agencies))?;
        say(format_args!("operators  {}", gateway.operators))?;
        say(format_args!("ready"))?;
        gateway.until_stopped().await
    })
}

/// The runtime that everything runs on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("cannot start the runtime", error))
}

/// A gateway that serves.
pub(super) struct Gateway {
    /// Where agencies connect.
    pub(super) agencies: SocketAddr,
    /// Where operators look.
    pub(super) operators: SocketAddr,
    /// The exchange behind it.
    pub(super) exchange: Arc<Exchange>,
    readiness: Arc<Readiness>,
    health: HealthReporter,
    drain: CancellationToken,
    stop: CancellationToken,
    edge: JoinHandle<Drained>,
    operators_task: JoinHandle<std::io::Result<()>>,
    watchers: Vec<JoinHandle<()>>,
    tls: Arc<Tls>,
    policy: Arc<PolicyWatch>,
    refusals: TaskTracker,
    outboxes: JoinSet<()>,
    end_of_log: CancellationToken,
    signing: JoinHandle<()>,
    signals: Signals,
    telemetry: Telemetry,
}

impl Gateway {
    /// Opens everything that the configuration names, then serves by a clock.
    pub(super) async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        // Before the first key is read.
        memory::keep_private()?;
        let key = subject_key(&config.keys.subject)?;
        let ring = key_ring(&config.keys.encryption)?;
        let (log_keys, witnesses) = (log_keys(&config.audit)?, witnesses(&config.audit)?);
        let authority_of_time = timestamps::authority(&config.audit)?;
        let signing_key = log_keys
            .first()
            .cloned()
            .ok_or_else(|| Failure::Usage("audit.keys must name a key".to_owned()))?;
        let trust_domain = TrustDomain::parse(&config.tls.trust_domain)
            .map_err(|error| Failure::Usage(format!("tls.trust_domain: {error}")))?;
        let authority = authority(&config.tls, &trust_domain)?;
        let registered = registered(&config.registry)?;
        let policy = policy::load(&config.policy)?;
        let rules = rules(&config.programme)?;
        let telemetry = telemetry::init(&telemetry::Settings {
            log_format: None,
            log_filter: Some(config.telemetry.log.clone()),
            otlp_endpoint: config.telemetry.otlp_endpoint.clone(),
            trace_ratio: config.telemetry.trace_ratio,
        })
        .map_err(|error| Failure::of("cannot start telemetry", error))?;
        // After telemetry, through which the adapters measure their calls.
        let connected = ministries::connect(&config.ministry, &clock)?;
        let metrics = Metrics::new(&telemetry.meter("desmigratif.edge"));
        let tls = Tls::load(tls_files(&config.tls), clock.clone(), metrics.clone())
            .map_err(|error| Failure::of("cannot use the TLS files", error))?;

        let readiness = Readiness::starting();
        let registry = telemetry.registry();
        let operators =
            Operators::bind(config.listen.operators, readiness.clone(), registry).await.map_err(
                |error| busy(config.listen.operators, "listen.operators (dev: --operators)", error),
            )?;
        let longest_call =
            Duration::from_secs(config.limits.deadline_seconds.into()) + BEYOND_DEADLINE;
        let settings = listener::Settings {
            connections: config.limits.connections as usize,
            call_timeout: longest_call,
            drain_timeout: longest_call,
            ..listener::Settings::default()
        };
        let listener = Listener::bind(
            config.listen.agencies,
            settings,
            tls.clone(),
            trust_domain.clone(),
            metrics,
        )
        .await
        .map_err(|error| busy(config.listen.agencies, "listen.agencies (dev: --listen)", error))?;
        let addresses = listener.local_addr().and_then(|it| Ok((it, operators.local_addr()?)));
        let (agencies_at, operators_at) =
            addresses.map_err(|error| Failure::of("cannot listen", error))?;

        let gazetteer = tokio::task::spawn_blocking(regions::load);
        let store: Arc<dyn Store> = Arc::new(open(&config.store.path, clock.clone(), ring)?);
        key_fits(store.as_ref(), &key).await?;
        let registered = not_yet_there(store.as_ref(), registered).await?;
        register(store.as_ref(), registered)
            .await
            .map_err(|error| Failure::of("cannot register agencies and facilities", error))?;
        in_force::note(store.as_ref(), &policy, &tls)
            .await
            .map_err(|error| Failure::of("cannot journal what is in force", error))?;
        let loaded = |error| Failure::of("cannot read the store", error);
        let directory = Arc::new(Directory::load(store.as_ref()).await.map_err(loaded)?);
        let feed = Feed::open(store.clone()).await.map_err(loaded)?;
        let mirror = Mirror::load(store.clone(), feed.clone()).await.map_err(loaded)?;
        let gazetteer =
            gazetteer.await.map_err(|error| Failure::of("cannot load the regions", error))?;
        let exchange = Arc::new(Exchange {
            store,
            clock: clock.clone(),
            subject_key: key,
            gazetteer: Arc::new(gazetteer),
            mirror: Arc::new(mirror),
            rules,
            validity: config.clearance.clone(),
            signing_key,
            limits: Limits::new(config.limits.usual(), config.limits.own(), clock.clone()),
            ministries: connected,
            bounds: config.freshness.bounds(),
            wake: Wake::default(),
            feed,
            trust_domain,
            authority,
        });

        let log = Arc::new(Log::new(exchange.store.clone(), clock.clone(), log_keys, witnesses));
        log.succeed().await.map_err(|error| match error {
            LogError::Stranger => Failure::Usage(format!(
                "audit.keys: {error}; put the key before behind the new one for a start"
            )),
            error => Failure::of("cannot read the journal's head", error),
        })?;

        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(desmigratif_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(|error| Failure::of("cannot serve reflection", error))?;
        let limits = &config.limits;
        let message_bytes = limits.message_bytes as usize;
        let feeds = config.feed.settings();
        let mut routes =
            services::routes(&exchange, &directory, &policy, &log, message_bytes, feeds);
        routes.add_service(health_service).add_service(reflection);
        let methods = Methods::of_descriptors([
            desmigratif_proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        ])
        .map_err(|error| Failure::of("cannot read the contract", error))?
        .lasting(desmigratif_proto::METHODS.iter().filter(|it| it.lasting).map(|it| it.path));
        let refusals = TaskTracker::new();
        let gate =
            Gate { policy: policy.clone(), exchange: exchange.clone(), refusals: refusals.clone() };
        let carried = Carried {
            services: routes.routes().prepare(),
            methods,
            directory: directory.clone(),
            authorise: gate,
            limits: exchange.limits.clone(),
            settings: layer_settings(limits, &config.feed),
            clock,
        };

        let signals = Signals::new()?;
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        let edge = tokio::spawn(edge::carry(listener, carried, drain.clone()));
        let operators_task = tokio::spawn(operators.serve(stop.clone()));
        let gauges = StoreGauges::new(&telemetry);
        let mut outboxes = JoinSet::new();
        for outbox in Outbox::of_all(&exchange, config.outbox.settings()) {
            outboxes.spawn(outbox.run(drain.clone()));
        }
        let stamper = authority_of_time.map(|it| it.stamper(log.clone(), exchange.clock.clone()));
        let end_of_log = CancellationToken::new();
        let signing = tokio::spawn({
            let end = end_of_log.clone();
            async move { log.run(end).await }
        });
        let meter = telemetry.meter("desmigratif.policy");
        let reloads = PolicyWatch::new(policy.clone(), readiness.clone(), &meter);
        let (feed, mirror) = (exchange.feed.clone(), exchange.mirror.clone());
        let mut watchers = vec![
            tokio::spawn(async move { feed.run().await }),
            tokio::spawn(async move { mirror.run().await }),
            tokio::spawn(tls.clone().watch(FILE_WATCH)),
            tokio::spawn(reloads.clone().watch(FILE_WATCH)),
            tokio::spawn(in_force::watch(
                exchange.store.clone(),
                policy,
                reloads.clone(),
                tls.clone(),
                FILE_WATCH,
            )),
            tokio::spawn(watch_store(
                exchange.clone(),
                directory,
                readiness.clone(),
                health.clone(),
                gauges,
            )),
        ];
        if let Some(stamper) = stamper {
            watchers.push(tokio::spawn(async move { stamper.run().await }));
        }
        readiness.set_store_ok(true);
        set_serving(&health, ServingStatus::Serving).await;
        tracing::info!(agencies = %agencies_at, operators = %operators_at, "ready");
        Ok(Self {
            agencies: agencies_at,
            operators: operators_at,
            exchange,
            readiness,
            health,
            drain,
            stop,
            edge,
            operators_task,
            watchers,
            tls,
            policy: reloads,
            refusals,
            outboxes,
            end_of_log,
            signing,
            signals,
            telemetry,
        })
    }

    /// Is cancelled when the gateway begins to drain.
    pub(super) fn draining(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Serves until SIGTERM or SIGINT, then drains. SIGHUP reads TLS and policy files again.
    pub(super) async fn until_stopped(mut self) -> Result<(), Failure> {
        self.signals.stop(&self.tls, &self.policy).await;
        self.stop().await
    }

    /// Works until it is done; `None` when the gateway is told to stop before that.
    pub(super) async fn working<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            worked = work => Some(worked),
            () = self.signals.stop(&self.tls, &self.policy) => None,
        }
    }

    /// Stops: no new calls, calls under way finish, then the store is closed.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        tracing::info!("draining");
        self.readiness.start_draining();
        set_serving(&self.health, ServingStatus::NotServing).await;
        self.drain.cancel();
        let drained = self.edge.await.map_err(|error| Failure::of("the edge failed", error))?;
        self.refusals.close();
        self.refusals.wait().await;
        // Attempts under way end by their own deadlines.
        self.outboxes.join_all().await;
        for watcher in self.watchers {
            watcher.abort();
        }
        // Nothing writes any more: the last head covers all.
        self.end_of_log.cancel();
        self.signing.await.map_err(|error| Failure::of("signing failed", error))?;
        self.stop.cancel();
        let operators = self
            .operators_task
            .await
            .map_err(|error| Failure::of("the operators' listener failed", error))?;
        operators.map_err(|error| Failure::of("the operators' listener failed", error))?;
        tracing::info!(cut = drained.cut, "stopped");
        let telemetry = self.telemetry;
        // Closing the store waits for its last commits, and the exporters for the network.
        let closing = tokio::task::spawn_blocking(move || {
            drop(self.exchange);
            telemetry.shutdown();
        });
        closing.await.map_err(|error| Failure::of("cannot close the store", error))
    }
}

/// The signals that the gateway obeys. Made before it says that it is ready, so that none that
/// comes after ends it without draining.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// A file that may grow no further is an error that is answered, and not the end.
    _file_size: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| Failure::of("cannot wait for signals", error));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
            _file_size: on(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for SIGTERM or SIGINT; reads TLS and policy files again at each SIGHUP.
    async fn stop(&mut self, tls: &Tls, policy: &Arc<PolicyWatch>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    // It logs and counts a failure itself, and keeps the old files.
                    let _ = tls.reload();
                    let policy = policy.clone();
                    // Reading and checking policies blocks for a while.
                    let _ = tokio::task::spawn_blocking(move || policy.reload()).await;
                }
            }
        }
    }
}

/// Opens the store, or says in one line why not.
pub(super) fn open(path: &Path, clock: Arc<dyn Clock>, ring: KeyRing) -> Result<Sqlite, Failure> {
    Sqlite::open(path, clock, ring).map_err(|error| match error {
        OpenError::Keys { .. } => Failure::Usage(error.to_string()),
        error => Failure::Other(error.to_string()),
    })
}

/// The authority that issues agencies' certificates, where the configuration names one.
pub(super) fn authority(
    tls: &config::Tls,
    trust_domain: &TrustDomain,
) -> Result<Option<Authority>, Failure> {
    let Some(issuer) = &tls.issuer else { return Ok(None) };
    let load = Authority::load(&issuer.certificate, &issuer.key, trust_domain.clone(), issuer.days);
    load.map(Some).map_err(|error| Failure::Usage(format!("tls.issuer: {error}")))
}

/// The TLS files of a configuration.
pub(super) fn tls_files(tls: &config::Tls) -> tls::Files {
    tls::Files {
        certificate_chain: tls.certificate.clone(),
        private_key: tls.key.clone(),
        client_ca: tls.client_ca.clone(),
        client_crls: tls.crls.clone(),
    }
}

fn layer_settings(limits: &config::Limits, feed: &config::Feed) -> layers::Settings {
    let maximum_deadline = Duration::from_secs(limits.deadline_seconds.into());
    layers::Settings {
        concurrent_calls: limits.concurrent_calls_in_all as usize,
        default_deadline: layers::Settings::default().default_deadline.min(maximum_deadline),
        maximum_deadline,
        lasting_deadline: Duration::from_secs(60 * u64::from(feed.longest_minutes)),
        largest_message: limits.message_bytes as usize,
    }
}

impl config::Feed {
    /// As the service has it.
    fn settings(self) -> services::FeedSettings {
        services::FeedSettings {
            heartbeat: Duration::from_secs(self.heartbeat_seconds.into()),
            patience: Duration::from_secs(self.slow_reader_seconds.into()),
        }
    }
}

fn busy(address: SocketAddr, key: &str, error: std::io::Error) -> Failure {
    Failure::of(
        &format!("cannot listen on {address}"),
        anyhow!(error).context(format!("free the port or set {key} to another")),
    )
}

/// Says for the gateway as a whole, and for each service, whether it serves.
async fn set_serving(health: &HealthReporter, status: ServingStatus) {
    let services: std::collections::BTreeSet<_> =
        desmigratif_proto::METHODS.iter().map(|method| method.service).collect();
    for service in std::iter::once("").chain(services) {
        health.set_service_status(service, status).await;
    }
}
