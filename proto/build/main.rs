//! Builds the contract: compiles the proto files without protoc, refuses what breaks the
//! contract's own rules, and generates messages, services, validators, minimisers, redacting
//! `Debug` and the table of methods.
//!
//! What the crate's own tests need of test-only messages is generated apart, into `fixture`.

// A build script talks to cargo on standard output.
#![allow(clippy::print_stdout)]

mod check;
mod methods;
mod minimisers;
mod modules;
mod names;
mod redaction;
mod rules;
mod schema;
mod services;
mod validators;
mod wording;

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::TokenStream;
use protox::Compiler;
use quote::quote;

use crate::schema::Contract;

/// Where the contract lies, in this crate's folder.
const CONTRACT: &str = "desmigratif";
/// The folder under which the test-only messages lie.
const FIXTURE: &str = "tests/fixture";

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build", "buf", CONTRACT, FIXTURE] {
        println!("cargo::rerun-if-changed={input}");
    }
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let contract = compile(CONTRACT)?.and_then(|compiler| {
        let contract = Contract::new(compiler.descriptor_pool());
        is_in_order(&contract).then_some((compiler, contract))
    });
    // Cargo fails the build by itself once it has been told of an error.
    let Some((compiler, contract)) = contract else { return Ok(()) };
    fs::write(out_dir.join("descriptor_set.bin"), compiler.encode_file_descriptor_set())?;
    generate(&contract, &compiler, &out_dir.join("contract"))?;
    write(&out_dir.join("contract/methods.rs"), methods::generate(&contract))?;

    let Some(compiler) = compile(FIXTURE)? else { return Ok(()) };
    let fixture = Contract::only(compiler.descriptor_pool(), "desmigratif.fixture.");
    if is_in_order(&fixture) {
        generate(&fixture, &compiler, &out_dir.join("fixture"))?;
    }
    Ok(())
}

/// Whether `contract` says all that it must; tells cargo what it does not.
fn is_in_order(contract: &Contract) -> bool {
    let offences = check::offences(contract);
    for offence in &offences {
        println!("cargo::error=proto/{offence}");
    }
    offences.is_empty()
}

/// Compiles every proto file under `folder`. `None` when one is faulty: cargo has been told.
fn compile(folder: &str) -> Result<Option<Compiler>, Box<dyn Error>> {
    let mut files = Vec::new();
    find_protos(Path::new(folder), &mut files)?;
    files.sort();
    let mut compiler = Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    for file in files {
        if let Err(error) = compiler.open_file(&file) {
            // Its Debug has the place in the file; cargo reads one line.
            println!("cargo::error=proto/{}", format!("{error:?}").replace('\n', " "));
            return Ok(None);
        }
    }
    Ok(Some(compiler))
}

fn find_protos(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, files)?;
        } else if path.extension() == Some(OsStr::new("proto")) {
            files.push(path);
        }
    }
    Ok(())
}

/// Generates all code of `contract` into `folder`.
fn generate(contract: &Contract, compiler: &Compiler, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let mut config = prost_build::Config::new();
    config.out_dir(folder).skip_debug(["."]).service_generator(services::generator());
    config.compile_fds(compiler.file_descriptor_set())?;

    let validators = validators::generate(contract);
    let minimisers = minimisers::generate(contract);
    let redaction = redaction::generate(contract);
    write(&folder.join("behaviour.rs"), quote!(#validators #minimisers #redaction))?;
    write(&folder.join("modules.rs"), modules::generate(contract))
}

fn write(path: &Path, code: TokenStream) -> Result<(), Box<dyn Error>> {
    let file = syn::parse2(code).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(fs::write(path, prettyplease::unparse(&file))?)
}
