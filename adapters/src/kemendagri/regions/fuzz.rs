//! Fuzz targets: the published files, and the compact file that comes of them.

use std::io::Write as _;
use std::path::Path;

use desmigratif_fuzzing::fuzz;
use flate2::{Compression, GzBuilder};

use super::file::{self, Counts};
use super::import::Table;

/// Stands between the files of a published table.
const NEXT_FILE: &str = "\n---\n";

#[test]
fn a_published_table_becomes_a_file_that_is_read_whole_or_is_refused() {
    fuzz!("published", published);
}

/// Provinces, regencies, districts and villages, each a file of lines.
fn published(bytes: &[u8]) {
    let path = Path::new("fuzzed");
    let text = String::from_utf8_lossy(bytes);
    let mut files = text.split(NEXT_FILE);
    let mut table = Table::default();
    for _ in 0..3 {
        let file = files.next().unwrap_or_default();
        if table.add_regions(path, file.as_bytes()).is_err() {
            return;
        }
    }
    if table.add_villages(path, files.next().unwrap_or_default().as_bytes()).is_err() {
        return;
    }
    let counts = Counts::of(&table.regions, &table.villages);
    let names: Vec<_> = table.villages.iter().map(|it| (it.code, it.name.clone())).collect();
    let Ok((compact, report)) = table.finish(("Keputusan", counts)) else { return };
    assert_eq!(report.counts, counts);
    let gazetteer = file::read(&compact).expect("what is written is read");
    assert_eq!((gazetteer.decree(), gazetteer.village_count()), ("Keputusan", counts.villages));
    for (code, name) in names {
        assert!(gazetteer.village(code).is_some_and(|village| village.name == name), "{name:?}");
    }
}

#[test]
fn any_lines_are_a_table_of_their_decree_or_are_refused() {
    fuzz!("compact", compact);
}

/// The lines of a compact file, before they are compressed.
fn compact(bytes: &[u8]) {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
    let written = gzip.write_all(bytes).and_then(|()| gzip.finish());
    let compressed = written.expect("writing into memory does not fail");
    // Bytes that are not compressed, too.
    for bytes in [&compressed, bytes] {
        let decree = file::decree(bytes);
        if let Ok(gazetteer) = file::read(bytes) {
            assert_eq!(decree.expect("it is in the first line"), gazetteer.decree());
            let _ = gazetteer.search("contoh", None, 3);
        }
    }
}
