//! The sandbox over real sockets: every quirk and every fault as a client meets it.
//!
//! The clients here are raw ones, not the adapters: what is tested is what goes over the wire.

#![expect(clippy::unwrap_used, reason = "tests say what is wrong by stopping where it is")]

mod admin;
mod faults;
mod kemendagri;
mod kemendes;
mod kemenkes;
mod transactions;

use std::sync::{Arc, OnceLock};

use desmigratif_adapters::kemendagri::regions;
use desmigratif_core::access::AgencyKind;
use desmigratif_sandbox::{Sandbox, Settings, World};
use jiff::civil::date;

/// One world for all: it never changes, and reading the country takes its time.
fn world() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::new(Arc::new(regions::load()), date(2026, 11, 24))).clone()
}

async fn start() -> Sandbox {
    start_with(Settings::default()).await
}

async fn start_with(settings: Settings) -> Sandbox {
    Sandbox::start(world(), settings).await.unwrap()
}

fn url(sandbox: &Sandbox, ministry: AgencyKind, path: &str) -> String {
    format!("http://{}{path}", sandbox.address(ministry))
}

/// A client without the system's root certificates, which take long to read. One for each test:
/// its connections belong to the test's runtime.
fn client() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([]).build().unwrap()
}
