//! The sandbox as a whole: its settings, its start and its stop.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::{Clock, SystemClock};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::connector;
use crate::fault::Switch;
use crate::kemendagri;
use crate::kemendes;
use crate::kemenkes::{self, Tokens};
use crate::ledger::Ledger;
use crate::server::{Protocol, Server};
use crate::world::World;

/// How a sandbox is started. The default binds free ports on loopback, without TLS.
#[derive(Clone)]
pub struct Settings {
    /// Where Kemnaker's connector listens.
    pub kemnaker: SocketAddr,
    /// Where Kemendagri's Dukcapil listens.
    pub kemendagri: SocketAddr,
    /// Where Kemenkes's SATUSEHAT listens.
    pub kemenkes: SocketAddr,
    /// Where Kemendes's IDM listens.
    pub kemendes: SocketAddr,
    /// Where the admin endpoint listens, on loopback: it has no login.
    pub admin: SocketAddr,
    /// TLS of the three ministries that speak HTTP/1.1; in the clear without.
    pub tls: Option<Arc<ServerConfig>>,
    /// TLS of Kemnaker's connector, which asks for the gateway's certificate; in the clear without.
    pub connector_tls: Option<Arc<ServerConfig>>,
    /// Checks that Dukcapil answers in a day.
    pub dukcapil_daily_quota: u64,
    /// How long SATUSEHAT's tokens last, seconds.
    pub satusehat_token_seconds: u32,
    /// The ministries' clock: by it tokens expire, days end and records are dated.
    pub clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            kemnaker: free,
            kemendagri: free,
            kemenkes: free,
            kemendes: free,
            admin: free,
            tls: None,
            connector_tls: None,
            dukcapil_daily_quota: 1_000_000,
            satusehat_token_seconds: 14_399,
            clock: Arc::new(SystemClock),
        }
    }
}

/// The four ministries and their admin endpoint, running. Dropped, it stops at once; see
/// [`Sandbox::stop`] to let requests at work end.
pub struct Sandbox {
    addresses: BTreeMap<&'static str, SocketAddr>,
    admin: SocketAddr,
    switch: Switch,
    ledger: Ledger,
    tokens: Tokens,
    records: connector::Records,
    stop: CancellationToken,
    servers: JoinSet<()>,
}

impl Sandbox {
    /// Binds every address and begins to serve.
    ///
    /// # Errors
    /// An address that cannot be bound, or an admin address that is not loopback.
    pub async fn start(world: World, settings: Settings) -> io::Result<Self> {
        if !settings.admin.ip().is_loopback() {
            let text = "the sandbox's admin endpoint has no login, so it listens on loopback only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (switch, ledger) = (Switch::default(), Ledger::default());
        let (stop, mut servers) = (CancellationToken::new(), JoinSet::new());
        let tokens = Tokens::default();
        let records = connector::Records::new(&world);
        let mut addresses = BTreeMap::new();
        for ministry in AgencyKind::MINISTRIES {
            let (address, routes) = match ministry {
                AgencyKind::Kemendagri => {
                    let quota = settings.dukcapil_daily_quota;
                    let (world, switch) = (world.clone(), switch.clone());
                    let clock = settings.clock.clone();
                    let service = kemendagri::Service::new(world, switch, clock, quota);
                    (settings.kemendagri, service.routes())
                }
                AgencyKind::Kemenkes => {
                    let service = kemenkes::Service {
                        world: world.clone(),
                        switch: switch.clone(),
                        ledger: ledger.clone(),
                        clock: settings.clock.clone(),
                        tokens: tokens.clone(),
                        token_seconds: settings.satusehat_token_seconds,
                    };
                    (settings.kemenkes, service.routes())
                }
                AgencyKind::Kemendes => {
                    (settings.kemendes, kemendes::routes(world.clone(), switch.clone()))
                }
                _ => {
                    let service = connector::Service {
                        world: world.clone(),
                        switch: switch.clone(),
                        ledger: ledger.clone(),
                        records: records.clone(),
                    };
                    (settings.kemnaker, service.routes())
                }
            };
            let (protocol, tls) = match ministry {
                AgencyKind::Kemnaker => (Protocol::Http2, settings.connector_tls.clone()),
                _ => (Protocol::Http1, settings.tls.clone()),
            };
            let listener = TcpListener::bind(address).await?;
            addresses.insert(ministry.as_str(), listener.local_addr()?);
            let (switch, ledger) = (switch.clone(), ledger.clone());
            let server = Server { ministry, protocol, tls, routes, switch, ledger };
            servers.spawn(server.run(listener, stop.clone()));
        }
        let listener = TcpListener::bind(settings.admin).await?;
        let admin = listener.local_addr()?;
        let state = admin::State {
            addresses: addresses.clone(),
            switch: switch.clone(),
            ledger: ledger.clone(),
            tokens: tokens.clone(),
        };
        servers.spawn(admin::serve(listener, state, stop.clone()));
        Ok(Self { addresses, admin, switch, ledger, tokens, records, stop, servers })
    }

    /// Where a ministry listens.
    ///
    /// # Panics
    /// For a kind of agency that is not among [`AgencyKind::MINISTRIES`].
    #[must_use]
    pub fn address(&self, ministry: AgencyKind) -> SocketAddr {
        self.addresses[ministry.as_str()]
    }

    /// Where the admin endpoint listens.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The switch of faults.
    #[must_use]
    pub const fn switch(&self) -> &Switch {
        &self.switch
    }

    /// The counters.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What Kemnaker has.
    #[must_use]
    pub const fn records(&self) -> &connector::Records {
        &self.records
    }

    /// Expires every access token that Kemenkes issued.
    pub fn expire_tokens(&self) {
        self.tokens.expire_all();
    }

    /// Stops accepting, gives requests at work a moment to end, and frees the ports.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.servers.join_next().await.is_some() {}
    }
}
