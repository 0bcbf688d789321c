//! Every fault of every ministry, one after the other, while the main job goes on.
//!
//! What does not need the ministry succeeds; what does says why not; what is on its way to it
//! waits, and arrives once when the fault is lifted.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use desmigratif_core::access::AgencyKind::{self, Kemendagri, Kemendes, Kemenkes, Kemnaker};
use desmigratif_sandbox::Fault;

use crate::country::{Country, Ways, eventually};
use crate::gateway::binary;

/// Longer than an attempt may take.
const LATE: Duration = Duration::from_secs(5);

/// Every fault. Those after which the gateway waits longest come first: what they hold up goes on
/// waiting while the others are played.
fn faults() -> Vec<Fault> {
    let fault = |name| {
        let duration = (name == "latency").then_some(LATE);
        Fault::parse(name, duration).unwrap()
    };
    let mut faults: Vec<_> = Fault::NAMES.into_iter().map(fault).collect();
    faults.sort_by_key(|fault| !matches!(fault, Fault::TokenExpired | Fault::Quota));
    faults
}

/// What callers are told of a fault: a part of the reason.
fn told(fault: Fault) -> &'static str {
    match fault {
        Fault::Latency(_) | Fault::Drip => "did not answer in time",
        Fault::Http500 | Fault::Reset | Fault::Down | Fault::LostAnswer => "cannot be reached",
        Fault::Http429 { .. } | Fault::Quota => "quota",
        Fault::Html | Fault::Garbage | Fault::Endless => "cannot be read",
        Fault::TokenExpired => "does not accept this gateway",
    }
}

/// Whether a fault counts against the ministry, so that its circuit breaker opens.
fn counts(fault: Fault) -> bool {
    !matches!(fault, Fault::Http429 { .. } | Fault::Quota | Fault::TokenExpired)
}

/// The walk-through, running.
struct Walk {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
}

impl Walk {
    fn begin(country: &Country) -> Self {
        let mut command = Command::new(binary());
        command.arg("walk").arg("--profile").arg(country.profile("operator"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, said: String::new() }
    }

    /// Reads up to the profile of the village, after which it waits for deliveries.
    fn read_profile(&mut self) {
        while !self.said.contains("development: ") {
            if self.out.read_line(&mut self.said).unwrap() == 0 {
                let mut err = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
                panic!("the walk stopped: {}\n{err}", self.said);
            }
        }
    }

    /// Lets it end, which must be well.
    fn end(mut self) -> String {
        self.out.read_to_string(&mut self.said).unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{}", self.said);
        self.said
    }

    /// That a part is marked so, and why: for a part that is there nothing says why.
    fn marks(&self, part: &str, fault: Fault, availability: &[&str]) {
        let line = self.said.lines().find_map(|it| it.trim().strip_prefix(&format!("{part}: ")));
        let line = line.unwrap_or_else(|| panic!("no {part}: {}", self.said));
        let (marked, reason) = line.split_once(": ").unwrap_or((line, ""));
        assert!(availability.contains(&marked), "{} {part}: {line}", fault.name());
        let spared = counts(fault) && reason.contains("cannot be reached");
        let fits = match marked {
            "AVAILABLE" => reason.is_empty(),
            _ => reason.contains(told(fault)) || spared,
        };
        assert!(fits, "{} {part}: {line}", fault.name());
    }
}

/// Plays every fault at one ministry while the main job goes on, and lifts each.
async fn every_fault_at(ministry: AgencyKind) {
    let country = Country::start(&Ways::default()).await;
    let ministries = [(Kemnaker, "workers"), (Kemenkes, "facilities"), (Kemendes, "development")];
    for fault in faults() {
        let before = country.deliveries(&[]).last().map_or(0, |it| it.id);
        country.fault(ministry, fault);
        let mut walk = Walk::begin(&country);
        walk.read_profile();
        for (owner, part) in ministries {
            let marks: &[_] = match () {
                () if owner != ministry => &["AVAILABLE"],
                // It has neither tokens nor logins.
                () if ministry == Kemendes && fault == Fault::TokenExpired => &["AVAILABLE"],
                // Of the exchange's own register or records there is always a copy.
                () if ministry != Kemendes => &["STALE"],
                () => &["STALE", "UNAVAILABLE"],
            };
            walk.marks(part, fault, marks);
        }
        let identity = if ministry == Kemendagri { "UNAVAILABLE" } else { "AVAILABLE" };
        walk.marks("identity", fault, &[identity]);
        let ready = walk.said.contains("advances the worker to READY");
        assert_eq!(ready, ministry != Kemendagri, "{}: {}", fault.name(), walk.said);
        if matches!(ministry, Kemnaker | Kemenkes) {
            it_waits(&country, ministry, fault, before).await;
        }
        country.lift();
        let said = walk.end();
        // Village, registration, clearance: each with its receipt, whatever the ministry did.
        assert!(said.matches("receipt: entry ").count() >= 5, "{}: {said}", fault.name());
    }
    everything_arrived(&country, ministry).await;
}

/// That what is on its way to a failing ministry waits and is tried, and that operators see why.
async fn it_waits(country: &Country, ministry: AgencyKind, fault: Fault, before: u64) {
    let name = ministry.as_str();
    let what = format!("a delivery to {name} is tried and waits: {}", fault.name());
    let waiting = eventually(&what, async || {
        let waiting = country.deliveries(&["--ministry", name, "--state", "waiting"]);
        // One of this walk: an earlier one may still wait for the time that the ministry asked for.
        waiting.into_iter().find(|it| it.id > before && it.attempts > 0 && it.reason.is_some())
    })
    .await;
    assert_eq!((waiting.ministry.as_str(), waiting.state.as_str()), (name, "waiting"));
    assert!(waiting.due_at.is_some() && waiting.settled_at.is_none(), "{waiting:?}");
    eventually("operators see it", async || {
        let adapter = country.adapter(ministry);
        let seen = adapter["backlog"].as_u64().unwrap() > 0 && adapter["oldest"].is_string();
        // While it is spared nothing is tried, so it does not close before the fault is lifted.
        let spared = !counts(fault) || adapter["breaker"] != "closed";
        (seen && spared).then_some(())
    })
    .await;
}

async fn everything_arrived(country: &Country, ministry: AgencyKind) {
    country.settled().await;
    let walks = faults().len();
    let all = country.deliveries(&[]);
    let lost: Vec<_> = all.iter().filter(|it| it.state != "delivered").collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(all.iter().all(|it| it.settled_at.is_some() && it.due_at.is_none()));
    for to in [Kemnaker, Kemenkes] {
        let delivered = all.iter().filter(|it| it.ministry == to.as_str()).count();
        assert_eq!(country.one_effect_each(to), delivered, "{}", to.as_str());
        let clearances =
            all.iter().filter(|it| it.ministry == to.as_str() && it.kind == "clearance");
        assert_eq!(clearances.count(), walks, "{}", to.as_str());
    }
    let adapter = country.adapter(ministry);
    assert_eq!((adapter["backlog"].as_u64(), adapter["dead"].as_u64()), (Some(0), Some(0)));
    assert!(adapter["success_rate"].as_f64().unwrap() < 1.0, "{adapter}");
    // A last walk finds everyone well, once the ministry is not spared any more.
    eventually("it is tried again", async || {
        (country.adapter(ministry)["breaker"] != "open").then_some(())
    })
    .await;
    let mut walk = Walk::begin(country);
    walk.read_profile();
    let said = walk.end();
    assert!(said.contains("verifies the identity: VERIFIED"), "{said}");
    let closed = country.adapter(ministry);
    assert_eq!(closed["breaker"], "closed", "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_kemnaker_loses_or_doubles_anything() {
    every_fault_at(Kemnaker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_kemendagri_stops_what_does_not_need_it() {
    every_fault_at(Kemendagri).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_kemenkes_loses_or_doubles_anything() {
    every_fault_at(Kemenkes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_kemendes_stops_what_does_not_need_it() {
    every_fault_at(Kemendes).await;
}
