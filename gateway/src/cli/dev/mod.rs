//! `dev`: everything on one machine, from an empty folder.

mod sandbox;
mod story;
mod walk;
mod witnesses;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::agency::Agency;
use desmigratif_core::facility::Facility;
use desmigratif_core::ports::clock::Clock as _;
use desmigratif_core::ports::store::Query;
use desmigratif_core::record::{Kind, Record};
use desmigratif_sandbox::{agencies, facilities, people};
use rand::Rng as _;
use serde::Serialize;
use story::StoryClock;

use super::operate::Profile;
use super::serve::{Gateway, runtime};
use super::{DevArgs, Failure, say};
use crate::access::TrustDomain;
use crate::config::{self, Config};
use crate::exchange::{Exchange, register};
use crate::pki::DevPki;

/// The trust domain of the throwaway certificates.
const TRUST_DOMAIN: &str = "desmigratif.test";

/// The operator's profile in the data folder.
const PROFILE: &str = "operator.toml";

/// Makes what is missing in the folder, starts simulated ministries and the gateway on it, and
/// walks through the main job or serves until it is told to stop.
pub(super) fn run(args: &DevArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let (mut config, pki, trust_domain) = prepare(args)?;
    let clock = Arc::new(StoryClock::default());
    let first_day = match args.story {
        Some(_) if config.store.path.exists() => {
            let shown = args.data.display();
            return Err(Failure::Usage(format!(
                "a story begins with an empty store, and {shown} has one: give a fresh --data folder"
            )));
        }
        Some(_) => Some(story::begin(&clock)),
        None => None,
    };
    runtime()?.block_on(async {
        let sandbox = sandbox::start(args.sandbox, &pki, &trust_domain).await?;
        // What someone has written by hand goes before.
        if config.ministry.is_empty() {
            config.ministry = sandbox::connections(&sandbox, &pki, &args.data)?;
        }
        let mut gateway = Gateway::start(&config, clock.clone()).await?;
        seed(&gateway.exchange).await?;
        profile(&args.data, &gateway, sandbox.admin())?;
        let operator = Profile::read(&args.data.join(PROFILE))?;
        let _witnesses =
            witnesses::start(&args.data, &config.audit, &operator, &gateway.draining())?;
        let shown = args.data.display();
        say(format_args!("Desmigratif Gateway, everything in {shown}; all people are synthetic"))?;
        say(format_args!("  agencies   {}", gateway.agencies))?;
        say(format_args!("  operators  {}", gateway.operators))?;
        say(format_args!("  sandbox    {} (four simulated ministries)", sandbox.admin()))?;
        say(format_args!("ready in {} ms", begun.elapsed().as_millis()))?;
        if let (Some(first), Some(villages)) = (first_day, args.story) {
            let gazetteer = gateway.exchange.gazetteer.clone();
            let told = story::tell(&operator, &gazetteer, &clock, first, villages.into());
            match gateway.working(told).await {
                Some(told) => told?,
                None => return gateway.stop().await,
            }
        }
        let done = if args.walk {
            let path = args.data.join(PROFILE);
            let walked = gateway.working(walk(&path)).await;
            gateway.stop().await?;
            walked.unwrap_or(Ok(()))
        } else {
            hints(&args.data, &gateway)?;
            gateway.until_stopped().await
        };
        sandbox.stop().await;
        done
    })
}

/// Walks through the main job against a gateway that `dev` runs, as the agencies beside the
/// operator's profile.
pub(super) async fn walk(profile: &Path) -> Result<(), Failure> {
    let operator = Profile::read(profile)?;
    let today = desmigratif_core::ports::clock::SystemClock.today();
    walk::walk(&operator, people::candidates(), today)
        .await
        .map_err(|error| Failure::of("the walk-through stopped", error))
}

/// Writes the operator's profile for the gateway as it runs now.
fn profile(data: &Path, gateway: &Gateway, sandbox: SocketAddr) -> Result<(), Failure> {
    let profile = Profile {
        gateway: gateway.agencies,
        server_name: "localhost".to_owned(),
        ca: "tls/ca.pem".into(),
        certificate: "tls/agencies/operator.pem".into(),
        key: "tls/agencies/operator-key.pem".into(),
        sandbox: Some(sandbox),
    };
    let path = data.join(PROFILE);
    let failed =
        |error: anyhow::Error| Failure::of(&format!("cannot write {}", path.display()), error);
    let text = toml::to_string(&profile).map_err(|error| failed(error.into()))?;
    std::fs::write(&path, text).map_err(|error| failed(error.into()))
}

/// What to try, for the person at the terminal.
fn hints(data: &Path, gateway: &Gateway) -> Result<(), Failure> {
    let tls = data.join("tls");
    let (tls, address) = (tls.display(), gateway.agencies);
    say(format_args!(
        "\nTry, in another terminal:\n\
         \x20 curl http://{}/readyz\n\
         \x20 grpcurl -cacert {tls}/ca.pem -cert {tls}/agencies/kemendes.pem \\\n\
         \x20   -key {tls}/agencies/kemendes-key.pem -d '{{\"query\": \"Kenanga Indramayu\"}}' \\\n\
         \x20   {address} desmigratif.village.v1.VillageService/SearchVillages\n\
         \x20 desmigratif walk                         the main job, step by step\n\
         \x20 desmigratif adapters list                the ways to the ministries\n\
         \x20 desmigratif sandbox fault kemenkes down  one of them fails; lift it again with\n\
         \x20 desmigratif sandbox lift\n\
         Ctrl-C stops.",
        gateway.operators
    ))
}

/// Certificates, keys, registry and configuration in the data folder; what is there is kept.
fn prepare(args: &DevArgs) -> Result<(Config, DevPki, TrustDomain), Failure> {
    let data = &args.data;
    let within =
        |error: std::io::Error| Failure::of(&format!("cannot write {}", data.display()), error);
    std::fs::create_dir_all(data).map_err(within)?;
    let registered = agencies::agencies();
    let ids: Vec<_> = registered.iter().map(|agency| agency.id.clone()).collect();
    let trust_domain = TrustDomain::parse(TRUST_DOMAIN)
        .map_err(|error| Failure::of("cannot name the trust domain", error))?;
    let now = desmigratif_core::ports::clock::SystemClock.now();
    let pki = DevPki::ensure(data.join("tls"), &trust_domain, &ids, now)
        .map_err(|error| Failure::of("cannot make certificates", error))?;
    key(&data.join("subject.key")).map_err(within)?;
    key(&data.join("encryption.key")).map_err(within)?;
    key(&data.join("log.key")).map_err(within)?;
    std::fs::create_dir_all(data.join(witnesses::FOLDER)).map_err(within)?;
    for agency in witnesses::AGENCIES {
        key(&witnesses::key_file(data, agency)).map_err(within)?;
    }
    let witnesses = witnesses::verifying_keys(data)?;
    write(data, "agencies.toml", || Agencies { agency: registered })?;
    write(data, "facilities.toml", || Facilities {
        facility: facilities::facilities(&regions::load()),
    })?;
    write(data, "gateway.toml", || configuration(args, witnesses))?;
    let mut config = Config::read(&data.join("gateway.toml")).map_err(|error| {
        let advice = "if another version has made this folder, give a fresh one with --data";
        Failure::Usage(format!("{error}; {advice}").replace('\n', " "))
    })?;
    config.listen = config::Listen { agencies: args.listen, operators: args.operators };
    Ok((config, pki, trust_domain))
}

fn configuration(args: &DevArgs, witnesses: Vec<String>) -> Config {
    Config {
        listen: config::Listen { agencies: args.listen, operators: args.operators },
        tls: config::Tls {
            certificate: "tls/server.pem".into(),
            key: "tls/server-key.pem".into(),
            client_ca: "tls/ca.pem".into(),
            crls: Vec::new(),
            trust_domain: TRUST_DOMAIN.into(),
            issuer: Some(config::Issuer {
                certificate: "tls/ca.pem".into(),
                key: "tls/ca-key.pem".into(),
                days: 90,
            }),
        },
        store: config::Store { path: "store.sqlite".into() },
        keys: config::Keys {
            subject: "subject.key".into(),
            encryption: vec![config::EncryptionKey {
                id: "dev".into(),
                file: Some("encryption.key".into()),
                environment: None,
            }],
        },
        audit: config::Audit {
            origin: format!("log.{TRUST_DOMAIN}"),
            keys: vec!["log.key".into()],
            witnesses,
            quorum: witnesses::QUORUM,
            timestamps: None,
        },
        registry: config::Registry {
            agencies: Some("agencies.toml".into()),
            facilities: Some("facilities.toml".into()),
        },
        policy: config::Policy::default(),
        programme: config::Programme::default(),
        limits: config::Limits::default(),
        clearance: desmigratif_core::clearance::ValidityPolicy::default(),
        ministry: BTreeMap::new(),
        freshness: config::Freshness::default(),
        outbox: config::Outbox::default(),
        feed: config::Feed::default(),
        telemetry: config::Telemetry::default(),
    }
}

#[derive(Serialize)]
struct Agencies {
    agency: Vec<Agency>,
}

#[derive(Serialize)]
struct Facilities {
    facility: Vec<Facility>,
}

/// Writes a file that is not there yet: what is there may be in use, or changed by hand.
fn write<T: Serialize>(data: &Path, name: &str, value: impl FnOnce() -> T) -> Result<(), Failure> {
    let path = data.join(name);
    if path.exists() {
        return Ok(());
    }
    let failed =
        |error: anyhow::Error| Failure::of(&format!("cannot write {}", path.display()), error);
    let text = toml::to_string(&value()).map_err(|error| failed(error.into()))?;
    std::fs::write(&path, text).map_err(|error| failed(error.into()))
}

/// Makes a key once; it is never replaced, since records are found by one and open with the other.
fn key(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file {
        Ok(mut file) => {
            let mut key = [0; 32];
            rand::rng().fill_bytes(&mut key);
            writeln!(file, "{}", hex::encode(key))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts the synthetic workers into an empty store; a store that has workers is left as it is.
async fn seed(exchange: &Exchange) -> Result<(), Failure> {
    let failed = |error| Failure::of("cannot seed the store", error);
    let query = Query::of(Kind::Worker, 1);
    if !exchange.store.list(&query).await.map_err(failed)?.is_empty() {
        return Ok(());
    }
    let (gazetteer, key) = (&exchange.gazetteer, &exchange.subject_key);
    let workers: Vec<_> =
        people::workers(gazetteer, key, exchange.clock.today()).map(Record::Worker).collect();
    register(exchange.store.as_ref(), workers).await.map_err(failed)?;
    Ok(())
}
