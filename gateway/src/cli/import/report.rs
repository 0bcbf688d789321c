//! What the person at the terminal sees of an import, and the file of rejected rows.
//!
//! Nothing of a row is printed but its number: rows go into the file alone, which only its owner may
//! read.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::super::{Failure, say};
use super::reason::Reason;
use super::table::{Row, Table};

/// The columns after those of the office.
const OWN: [&str; 4] = ["baris", "kode", "alasan", "reason"];

/// How far an import is: a bar on a terminal, elsewhere a line each tenth.
pub(super) enum Progress {
    Bar(ProgressBar),
    Lines { rows: usize, done: usize },
}

impl Progress {
    /// Of so many rows.
    pub(super) fn of(rows: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { rows, done: 0 };
        }
        let style =
            ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {per_sec}, {eta} left");
        let bar = ProgressBar::new(rows as u64);
        // The template is fixed, and the default is no worse.
        Self::Bar(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    /// One row more.
    pub(super) fn step(&mut self) {
        match self {
            Self::Bar(bar) => bar.inc(1),
            Self::Lines { rows, done } => {
                *done += 1;
                if *done == *rows || *done % (*rows / 10).max(1_000) == 0 {
                    // Whoever does not listen misses nothing that counts.
                    let _ = writeln!(std::io::stderr(), "{done} of {rows} rows");
                }
            }
        }
    }

    /// The end.
    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// What became of the rows: by its place, why a row was rejected.
pub(super) type Rejected = BTreeMap<usize, Vec<Reason>>;

/// Tells how an import has gone.
pub(super) fn summary(
    rows: usize,
    taken: usize,
    rejected: &Rejected,
    dry: bool,
) -> Result<(), Failure> {
    let verb = if dry { "would be taken" } else { "taken" };
    say(format_args!("rows {rows}, {verb} {taken}, rejected {}", rejected.len()))?;
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in rejected.values().flatten() {
        *codes.entry(reason.code.as_str()).or_default() += 1;
    }
    for (code, count) in codes {
        say(format_args!("  {code}: {count}"))?;
    }
    Ok(())
}

/// Writes the rejected rows with their reasons, as a table that can be corrected and imported. The
/// file is whole when it appears, and takes the place of an earlier one.
pub(super) fn write_rejected(
    path: &Path,
    table: &Table,
    rejected: &Rejected,
) -> Result<(), Failure> {
    let failed =
        |error: anyhow::Error| Failure::of(&format!("cannot write {}", path.display()), error);
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    write(&part, table, rejected).map_err(failed)?;
    std::fs::rename(&part, path).map_err(|error| failed(error.into()))
}

fn write(part: &Path, table: &Table, rejected: &Rejected) -> anyhow::Result<()> {
    // One that was left behind may be open to others.
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)?;
    let mut writer = csv::Writer::from_writer(file);
    // A table that was rejected before has our columns already.
    let theirs: Vec<usize> = (0..table.headings.len())
        .filter(|place| !OWN.contains(&table.headings[*place].as_str()))
        .collect();
    let headings = theirs.iter().map(|place| table.headings[*place].as_str());
    writer.write_record(headings.chain(OWN))?;
    for (index, reasons) in rejected {
        let row = &table.rows[*index];
        let cells = theirs.iter().map(|place| cell(row, *place));
        let list =
            |text: fn(&Reason) -> String| reasons.iter().map(text).collect::<Vec<_>>().join("; ");
        let own = [
            row.number.to_string(),
            list(|reason| reason.code.clone()),
            list(Reason::indonesian),
            list(Reason::english),
        ];
        writer.write_record(cells.chain(own))?;
    }
    let file = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(())
}

fn cell(row: &Row, place: usize) -> String {
    row.cells.get(place).map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::table::Cell;
    use super::*;

    #[test]
    fn rejected_rows_are_their_owners_alone_and_can_be_imported_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejected.csv");
        std::fs::write(&path, "an earlier one, open to all").unwrap();
        let headings = ["nik", "baris", "nama"].map(str::to_owned).to_vec();
        let cells = ["1", "7", "Siti, S.Kom"].map(|it| Cell::Text(it.into())).to_vec();
        let table = Table { headings, rows: vec![Row { number: 9, cells }] };
        let reasons = vec![Reason::repeated(3)];
        write_rejected(&path, &table, &Rejected::from([(0, reasons)])).unwrap_or_else(|_| panic!());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let written = std::fs::read_to_string(&path).unwrap();
        let mut lines = written.lines();
        assert_eq!(lines.next(), Some("nik,nama,baris,kode,alasan,reason"));
        assert_eq!(
            lines.next(),
            Some(
                "1,\"Siti, S.Kom\",9,ROW_REPEATED,mengenai hal yang sama dengan baris 3,is about the same as row 3"
            )
        );
    }
}
