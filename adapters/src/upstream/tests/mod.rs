//! Tests of the kit.

mod calls;
mod http;
mod measures;

use std::sync::Arc;
use std::time::{Duration, Instant};

use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::SetClock;
use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};

use super::{Settings, Upstream, now};

fn clock() -> Arc<SetClock> {
    Arc::new(SetClock::at("2026-11-24T05:00:00Z".parse().unwrap()))
}

fn upstream(settings: &Settings) -> Upstream {
    Upstream::new(AgencyKind::Kemendes, settings, clock())
}

fn within(duration: Duration) -> Instant {
    now() + duration
}

fn fault(kind: FaultKind, retry: Retry) -> Fault {
    Fault::new(kind, retry, "of a test")
}
