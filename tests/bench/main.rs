//! `cargo bench --bench exchange`: how fast the gateway is, beside what could be had at best on
//! the same machine in the same run.
//!
//! The gateway is the real binary, started as its user would start it. What it is compared with
//! runs in turn with it (A B A B ...), and medians of the rounds are told, so that a noisy
//! machine spoils both alike. Clients are closed loops and check every answer's grpc-status.
//! Clients, servers and the disk share one machine: ratios are worth something, absolute numbers
//! little.
//!
//! Words after `--` choose parts of it: `edge` (decisions, reads, writes, searches, start),
//! `pass-through` (an identity check beside the same call without the gateway), `one-down` (one
//! ministry fails, the others' callers go on), `feed` (from a commit to those who watch),
//! `programme=WORKERS` (the numbers of a country, reads of a worker among very many), `outbox`, which
//! takes `deliveries=NUMBER`, `import=NUMBER` (up to 999,900) and `proofs`, of a journal of
//! `proofs=NUMBER` entries. All by default.
//!
//! Ends with 0 whether targets are met or not, and with 1 when anything fails.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is for the terminal")]

mod bare;
mod clients;
mod closed_loop;
mod country;
mod decision;
mod feed;
mod import;
mod ministries;
mod one_down;
mod outbox;
mod pass_through;
mod process;
mod programme;
mod proofs;
mod raw_store;
mod rounds;
mod search;
mod seed;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use process::{Gateway, Ministries, Server};
use table::Table;

/// Rounds of each pair.
const ROUNDS: usize = 5;
/// How long a side of a pair runs in a round.
const ROUND: Duration = Duration::from_secs(2);
/// What a round leaves out at its beginning.
const WARM_UP: Duration = Duration::from_millis(700);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        // How this program starts itself as the server that the gateway is compared with.
        [bare::ARGUMENT, tls, message] => bare::serve(Path::new(tls), Path::new(message)),
        [ministries::ARGUMENT, tls] => ministries::serve(Path::new(tls)),
        // Cargo says --bench when it benches; it also runs benches as tests, which this is not.
        given if given.contains(&"--bench") => bench(given),
        _ => {
            println!("run with: cargo bench --bench exchange");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The parts, in the order in which they run.
const PARTS: [&str; 8] =
    ["edge", "pass-through", "one-down", "feed", "programme", "outbox", "import", "proofs"];
/// Deliveries of the outbox unless the command line says otherwise.
const DELIVERIES: u32 = 200_000;
/// Workers of the programme's country unless the command line says otherwise.
const WORKERS: u32 = 1_000_000;
/// Workers of the imported table unless the command line says otherwise.
const IMPORTED: u32 = 100_000;
/// As many as have a NIK of their own in it.
const MOST_IMPORTED: u32 = 999_900;
/// Entries of the journal that proofs are asked of, likewise.
const ENTRIES: u64 = 1_000_000;

fn bench(given: &[&str]) -> Result<()> {
    let mut parts = Vec::new();
    let (mut deliveries, mut workers) = (DELIVERIES, WORKERS);
    let (mut imported, mut entries) = (IMPORTED, ENTRIES);
    for word in given {
        match word.split_once('=') {
            Some(("deliveries", number)) => {
                deliveries = number.parse().context("deliveries=NUMBER")?;
            }
            // A number says that it is this part that is wanted.
            Some(("programme", number)) => {
                workers = number.parse().context("programme=NUMBER")?;
                parts.push("programme");
            }
            Some(("import", number)) => {
                imported = number.parse().context("import=NUMBER")?;
                ensure!((1..=MOST_IMPORTED).contains(&imported), "import={imported} is too many");
                parts.push("import");
            }
            Some(("proofs", number)) => {
                entries = number.parse().context("proofs=NUMBER")?;
                parts.push("proofs");
            }
            None if *word == "--bench" => {}
            _ => {
                ensure!(PARTS.contains(word), "no part is called {word}; there are {PARTS:?}");
                parts.push(*word);
            }
        }
    }
    let runtime = tokio::runtime::Runtime::new()?;
    println!(
        "{} processors, {ROUNDS} rounds of {ROUND:?} a side\n",
        std::thread::available_parallelism()?,
    );
    for part in PARTS.into_iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        // Beside the build, on a real disk: a temporary folder may be in memory, where syncs are
        // free.
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut table = Table::default();
        Gateway::make(data.path())?;
        match part {
            "edge" => edge(&runtime, data.path(), &mut table)?,
            "pass-through" => runtime.block_on(pass_through::compare(data.path(), &mut table))?,
            "one-down" => runtime.block_on(one_down::compare(data.path(), &mut table))?,
            "feed" => runtime.block_on(feed::measure(data.path(), &mut table))?,
            "programme" => {
                runtime.block_on(programme::measure(data.path(), workers, &mut table))?;
            }
            "import" => import::measure(data.path(), imported, &mut table)?,
            "outbox" => runtime.block_on(outbox::measure(data.path(), deliveries, &mut table))?,
            _ => runtime.block_on(proofs::measure(data.path(), entries, &mut table))?,
        }
        table.print();
        println!();
    }
    Ok(())
}

/// Reads, writes, searches, memory and start of a gateway without ministries.
fn edge(runtime: &tokio::runtime::Runtime, data: &Path, table: &mut Table) -> Result<()> {
    decision::measure(table)?;
    let gateway = Gateway::start(data, Ministries::new())?;
    let villages = runtime.block_on(clients::every_village(&gateway))?;
    let bare = bare_server(&gateway, data, &villages)?;
    runtime.block_on(rounds::get_village(&gateway, &bare, &villages, table))?;
    bare.stop()?;
    runtime.block_on(rounds::submit_clearance(&gateway, data, table))?;
    runtime.block_on(search::search_villages(&gateway, &villages, table))?;
    table.memory(gateway.server().resident_kib()?);

    gateway.stop()?;
    let mut starts = Vec::new();
    for _ in 0..3 {
        let again = Gateway::start(data, Ministries::new())?;
        starts.push(again.started_in());
        again.stop()?;
    }
    starts.sort_unstable();
    table.start(starts[1]);
    Ok(())
}

/// Starts the bare server with the gateway's certificates and a message of ordinary size.
fn bare_server(gateway: &Gateway, data: &Path, villages: &[clients::Village]) -> Result<Server> {
    let message = data.join("message");
    std::fs::write(&message, clients::answer_of_mean_size(villages))?;
    let arguments = [bare::ARGUMENT.as_ref(), gateway.tls().as_os_str(), message.as_os_str()];
    let this = std::env::current_exe().context("this program has no path")?;
    Server::start(&this, &arguments, &data.join("bare.log"))
}
