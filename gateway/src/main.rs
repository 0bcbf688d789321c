//! `desmigratif`: the gateway's one binary. What it can do is listed in [`desmigratif::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    desmigratif::cli::main()
}
