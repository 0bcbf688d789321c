//! `regions import`: the next decree in one command.

use std::path::Path;

use desmigratif_adapters::kemendagri::regions;

use super::{Failure, say};

/// Builds the compact region file from the published source files and says what was found.
pub(super) fn import(source: &Path, out: &Path) -> Result<(), Failure> {
    let (file, report) = regions::import(source)
        .map_err(|error| Failure::of(&format!("cannot import {}", source.display()), error))?;
    std::fs::write(out, &file)
        .map_err(|error| Failure::of(&format!("cannot write {}", out.display()), error))?;
    say(format_args!("{report}"))?;
    say(format_args!(
        "wrote {} ({} bytes); a gateway carries the file that it was built with: \
         put it at adapters/data/regions.tsv.gz and build again",
        out.display(),
        file.len()
    ))
}
