//! `cargo bench --bench exchange`: how fast the gateway is, beside what could be had at best on
//! the same machine in the same run.
//!
//! The gateway is the real binary, started as its user would start it. What it is compared with
//! runs in turn with it (A B A B ...), and medians of the rounds are told, so that a noisy
//! machine spoils both alike. Clients are closed loops and check every answer's grpc-status.
//! Clients, servers and the disk share one machine: ratios are worth something, absolute numbers
//! little.
//!
//! Ends with 0 whether targets are met or not, and with 1 when anything fails.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is for the terminal")]

mod bare;
mod clients;
mod closed_loop;
mod process;
mod raw_store;
mod rounds;
mod search;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use process::{Gateway, Server};
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
        // Cargo says --bench when it benches; it also runs benches as tests, which this is not.
        given if given.contains(&"--bench") => bench(),
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

fn bench() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    // Beside the build, on a real disk: a temporary folder may be in memory, where syncs are free.
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut table = Table::default();

    let gateway = Gateway::start(data.path())?;
    let villages = runtime.block_on(clients::every_village(&gateway))?;
    println!(
        "{} processors, {} villages, {ROUNDS} rounds of {ROUND:?} a side\n",
        std::thread::available_parallelism()?,
        villages.len()
    );

    let bare = bare_server(&gateway, data.path(), &villages)?;
    runtime.block_on(rounds::get_village(&gateway, &bare, &villages, &mut table))?;
    bare.stop()?;
    runtime.block_on(rounds::submit_clearance(&gateway, data.path(), &mut table))?;
    runtime.block_on(search::search_villages(&gateway, &villages, &mut table))?;
    table.memory(gateway.server().resident_kib()?);

    gateway.stop()?;
    let mut starts = Vec::new();
    for _ in 0..3 {
        let again = Gateway::start(data.path())?;
        starts.push(again.started_in());
        again.stop()?;
    }
    starts.sort_unstable();
    table.start(starts[1]);
    table.print();
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
