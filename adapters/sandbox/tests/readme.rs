//! The README's table of fixtures is what the sandbox has.

use std::path::Path;

use desmigratif_sandbox::fixtures::fixtures;

const BEGIN: &str = "<!-- fixtures: kept true by adapters/sandbox/tests/readme.rs -->\n";
const END: &str = "<!-- end of fixtures -->\n";

#[test]
fn the_readme_lists_the_fixtures_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(path).expect("the README can be read");
    let printed = readme
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(tables, _)| tables)
        .unwrap_or_else(|| panic!("README.md must have the lines\n{BEGIN}and\n{END}"));
    let tables = fixtures().markdown();
    assert!(
        printed.trim() == tables.trim(),
        "paste this into README.md between its two comments on fixtures:\n\n{tables}"
    );
}
