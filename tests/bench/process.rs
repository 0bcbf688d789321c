//! The servers under load: processes of their own, and what the system says they have used.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use desmigratif::config::Config;
use desmigratif_adapters::config::Connection;
use desmigratif_core::access::AgencyKind;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// The system's clock ticks, in which /proc counts processor time, are 100 a second on Linux
/// whatever the kernel's own (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// The ministries that a gateway is connected to.
pub(crate) type Ministries = BTreeMap<AgencyKind, Connection>;

/// A process that says "NAME ADDRESS" of what it listens for, and then "ready". Killed when
/// dropped.
pub(crate) struct Server {
    child: Child,
    addresses: BTreeMap<String, SocketAddr>,
    started_in: Duration,
}

impl Server {
    /// Starts a program and waits until it is ready.
    pub(crate) fn start(program: &Path, arguments: &[&OsStr], log: &Path) -> Result<Self> {
        let begun = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            // What one agency may ask for is not what is measured.
            .env("DESMIGRATIF_LIMITS__REQUESTS_PER_SECOND", "1000000")
            .env("DESMIGRATIF_LIMITS__BURST", "1000000")
            .env("DESMIGRATIF_LIMITS__CONCURRENT_CALLS", "10000")
            .env("DESMIGRATIF_LIMITS__FEEDS", "10000")
            .env("DESMIGRATIF_LIMITS__SUBJECTS_PER_HOUR", "100000000")
            .env("DESMIGRATIF_LIMITS__BYTES_PER_MINUTE", "4000000000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let said = child.stdout.take().context("the output is piped")?;
        let mut addresses = BTreeMap::new();
        let mut ready = false;
        for line in BufReader::new(said).lines() {
            let line = line?;
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("ready"), _) => {
                    ready = true;
                    break;
                }
                (Some(name), Some(at)) => {
                    addresses.extend(at.parse().ok().map(|at| (name.to_owned(), at)));
                }
                _ => {}
            }
        }
        let started_in = begun.elapsed();
        if !ready {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(log).unwrap_or_default();
            anyhow::bail!("{} did not become ready: {log}", program.display());
        }
        Ok(Self { child, addresses, started_in })
    }

    /// Where the process listens for something.
    pub(crate) fn address(&self, name: &str) -> Result<SocketAddr> {
        self.addresses.get(name).copied().with_context(|| format!("no address of {name}"))
    }

    /// A connection of an agency.
    pub(crate) async fn connect(&self, tls: &Path, agency: &str) -> Result<Channel> {
        let read = |name: String| {
            std::fs::read(tls.join(&name)).with_context(|| format!("cannot read {name}"))
        };
        let config = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(read("ca.pem".into())?))
            .identity(Identity::from_pem(
                read(format!("agencies/{agency}.pem"))?,
                read(format!("agencies/{agency}-key.pem"))?,
            ));
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address("agencies")?))?;
        Ok(endpoint.tls_config(config)?.connect().await?)
    }

    /// Processor time that the process has used, its own and the kernel's for it.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The program's name, in parentheses, may hold spaces. After it, utime and stime are the
        // 12th and 13th field (proc(5)).
        let (_, fields) = stat.rsplit_once(')').context("no name in /proc/.../stat")?;
        let mut ticks = 0;
        for field in fields.split_whitespace().skip(11).take(2) {
            ticks += field.parse::<u32>()?;
        }
        Ok(TICK * ticks)
    }

    /// Memory that the process holds, KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.context("no VmRSS in /proc/.../status")?.parse()?)
    }

    /// Ends a process that needs no farewell.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gateway on a data folder.
pub(crate) struct Gateway {
    server: Server,
    tls: PathBuf,
}

impl Gateway {
    /// Lets `dev` make what a data folder holds: certificates, registry, keys and some workers.
    pub(crate) fn make(data: &Path) -> Result<()> {
        let free = ["--listen", "--operators", "--sandbox"].map(|name| [name, "127.0.0.1:0"]);
        let mut arguments: Vec<&OsStr> = vec!["dev".as_ref(), "--data".as_ref(), data.as_ref()];
        arguments.extend(free.iter().flatten().map(OsStr::new));
        Self::run(data, &arguments)?.stop()
    }

    /// Starts `serve` on a folder that was made, and waits until it is ready.
    pub(crate) fn start(data: &Path, ministries: Ministries) -> Result<Self> {
        let mut config = Config::read(&data.join("gateway.toml"))?;
        config.ministry = ministries;
        let path = data.join("bench.toml");
        std::fs::write(&path, toml::to_string(&config)?)?;
        Self::run(data, &["serve".as_ref(), "--config".as_ref(), path.as_ref()])
    }

    fn run(data: &Path, arguments: &[&OsStr]) -> Result<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_desmigratif"));
        let server = Server::start(program, arguments, &data.join("gateway.log"))?;
        Ok(Self { server, tls: data.join("tls") })
    }

    /// The process.
    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// The folder of certificates.
    pub(crate) fn tls(&self) -> &Path {
        &self.tls
    }

    /// From the start of the process to its ready line.
    pub(crate) const fn started_in(&self) -> Duration {
        self.server.started_in
    }

    /// A connection of an agency.
    pub(crate) async fn connect(&self, agency: &str) -> Result<Channel> {
        self.server.connect(&self.tls, agency).await
    }

    /// Asks the gateway to stop, and sees that it does so in good order.
    pub(crate) fn stop(mut self) -> Result<()> {
        let child = &mut self.server.child;
        let asked = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status()?;
        ensure!(asked.success(), "the gateway could not be asked to stop");
        let ended = child.wait()?;
        ensure!(ended.success(), "the gateway ended with {ended}");
        Ok(())
    }
}
