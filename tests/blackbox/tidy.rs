//! The architecture's invariants that no compiler checks: floors, SQL only in the store, ministries
//! apart, files that one person holds in mind.

use std::fs;
use std::path::{Path, PathBuf};

/// A file that is longer is split by meaning.
const MOST_LINES: usize = 500;

/// The gateway's modules by floor; a module imports from its own floor or below.
const FLOORS: [(&str, u8); 14] = [
    ("config", 1),
    ("deadline", 1),
    ("fault", 1),
    ("renewal", 1),
    ("telemetry", 1),
    ("store", 2),
    ("access", 3),
    ("audit", 3),
    ("exchange", 3),
    ("services", 4),
    ("edge", 5),
    ("pki", 5),
    ("cli", 6),
    ("lib", 6),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below a folder, with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

#[test]
fn modules_of_the_gateway_import_only_downwards() {
    let folder = root().join("gateway/src");
    for (path, text) in sources(&folder) {
        let within = path.strip_prefix(&folder).unwrap();
        let module = within.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(own) = floor(module) else { continue };
        // Tests may reach up, for certificates and the like.
        if path.ends_with("fuzz.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap();
        for import in code.split("crate::").skip(1) {
            let name: String =
                import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Some(imported) = floor(&name) {
                assert!(
                    imported <= own,
                    "{} imports crate::{name}, which is above it: move the code down or pass a value in",
                    within.display()
                );
            }
        }
    }
}

/// Whether a file of this module holds a test of this name: the attribute stands above it.
fn is_test(sources: &[(PathBuf, String)], module: &str, name: &str) -> bool {
    let is_module = |path: &Path| {
        let parts = path.with_extension("");
        // `limits.rs`, or `policy/tests.rs`, or `matrix/mod.rs`.
        parts.iter().rev().take(2).any(|part| part == module)
    };
    sources.iter().filter(|(path, _)| is_module(path)).any(|(_, text)| {
        text.split_once(&format!("fn {name}(")).is_some_and(|(above, _)| {
            above.lines().rev().take(4).any(|line| {
                let line = line.trim();
                line.starts_with("#[test]") || line.starts_with("#[tokio::test")
            })
        })
    })
}

#[test]
fn every_threat_has_a_control_and_tests_that_are_there() {
    let page = fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let folders = ["gateway", "adapters", "tests", "proto"];
    let sources: Vec<_> = folders.iter().flat_map(|it| sources(&root().join(it))).collect();
    let mut rows = 0;
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| **");
    for row in page.lines().filter(is_row).skip(1) {
        let [_, control, tests] = row.trim_matches('|').split(" | ").collect::<Vec<_>>()[..] else {
            panic!("three columns: {row}");
        };
        rows += 1;
        assert!(!control.trim().is_empty(), "no control: {row}");
        let named: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for test in named {
            let (module, name) = test.split_once("::").expect("module::test");
            assert!(is_test(&sources, module, name), "docs/threat-model.md: no test {test}");
        }
    }
    assert!(rows > 20, "{rows} threats were read");
}

#[test]
fn sql_is_in_the_store_alone() {
    let folder = root().join("gateway/src");
    for (path, text) in sources(&folder) {
        if !path.starts_with(folder.join("store")) {
            assert!(!text.contains("rusqlite"), "{}: only the store touches SQL", path.display());
        }
    }
}

/// What every way to a ministry may build on, beside the ways themselves.
const SHARED_BY_MINISTRIES: [&str; 3] = ["lib", "config", "upstream"];

#[test]
fn ministries_never_import_each_other() {
    let folder = root().join("adapters/src");
    let ministries: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !SHARED_BY_MINISTRIES.contains(&name.as_str()))
        .collect();
    assert_eq!(ministries.len(), 4, "three ministries and the connector: {ministries:?}");
    // What they share knows none of them.
    for own in ministries.iter().map(String::as_str).chain(["upstream"]) {
        for (path, text) in sources(&folder.join(own)) {
            for other in ministries.iter().filter(|other| *other != own) {
                let import = format!("crate::{other}");
                assert!(!text.contains(&import), "{} imports {import}", path.display());
            }
            let several = text.contains("use crate::{");
            assert!(!several, "{}: one `use crate::` a line, to be seen here", path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_one_person_holds_in_mind() {
    let root = root();
    for folder in ["adapters", "gateway", "proto", "tests"] {
        for (path, text) in sources(&root.join(folder)) {
            let lines = text.lines().count();
            assert!(
                lines <= MOST_LINES,
                "{} has {lines} lines: split it by meaning",
                path.display()
            );
        }
    }
}
