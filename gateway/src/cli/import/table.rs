//! Reading an office's table: CSV as its spreadsheet writes it, or the spreadsheet itself.
//!
//! Every cell is kept as it stands. What it means is for the columns to say; above all, a number is
//! not made into a text here, for a spreadsheet may have rounded it.

use std::fmt::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use calamine::{Data, ExcelDateTime, Reader as _, open_workbook_auto};
use jiff::civil::Date;

/// The mark that spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A table.
pub(super) struct Table {
    /// The first row that is not empty.
    pub(super) headings: Vec<String>,
    /// The rows below it, without the empty ones.
    pub(super) rows: Vec<Row>,
}

/// A row.
pub(super) struct Row {
    /// Its number as the spreadsheet or an editor shows it, from 1.
    pub(super) number: usize,
    /// Its cells; a short row has fewer than there are headings.
    pub(super) cells: Vec<Cell>,
}

/// A cell. What stands in it may be a person's: it is shown on purpose (`to_string`), and never for
/// debugging.
#[derive(Clone, PartialEq)]
pub(super) enum Cell {
    /// Text, without the spaces around it; empty for an empty cell.
    Text(String),
    /// A number of a spreadsheet: 15 digits of it are sure.
    Number(f64),
    /// A date of a spreadsheet.
    Day(Date),
}

impl Cell {
    /// Whether nothing stands in it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    fn text(text: &str) -> Self {
        let text = text.trim();
        // An apostrophe is how a spreadsheet is told that digits are text.
        Self::Text(text.strip_prefix('\'').unwrap_or(text).to_owned())
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Number(_) => "Number",
            Self::Day(_) => "Day",
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            // Without exponent, and without fraction where there is none.
            Self::Number(number) => write!(f, "{number}"),
            Self::Day(day) => write!(f, "{day}"),
        }
    }
}

impl Table {
    /// Reads a file: CSV by its extension, else a spreadsheet (XLSX, XLS, ODS), of which the sheet
    /// named or the first.
    ///
    /// # Errors
    /// That the file is none of these, or has no row; repeats nothing of what stands in it.
    pub(super) fn read(path: &Path, sheet: Option<&str>) -> anyhow::Result<Self> {
        let is_csv = path.extension().is_some_and(|it| {
            ["csv", "txt", "tsv"].iter().any(|known| it.eq_ignore_ascii_case(known))
        });
        let rows = if is_csv {
            ensure!(sheet.is_none(), "--sheet is for spreadsheets; a CSV file has none");
            csv_rows(&std::fs::read(path)?)?
        } else {
            spreadsheet_rows(path, sheet)?
        };
        let mut rows = rows.into_iter().filter(|row| !row.cells.iter().all(Cell::is_empty));
        let headings = rows.next().context("there is no row of headings in it")?;
        let headings = headings.cells.iter().map(Cell::to_string).collect();
        Ok(Self { headings, rows: rows.collect() })
    }
}

fn csv_rows(bytes: &[u8]) -> anyhow::Result<Vec<Row>> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        bail!("it is not UTF-8; save it as \"CSV UTF-8\"");
    };
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    let (mut number, mut counted) = (1, 0);
    while reader.read_record(&mut record)? {
        // The position is before the empty lines that were passed over.
        let before = record.position().and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or(0);
        let rest = text.get(before..).unwrap_or_default();
        let begin = text.len() - rest.trim_start_matches(['\r', '\n']).len();
        number += text.get(counted..begin).map_or(0, |passed| passed.matches('\n').count());
        counted = begin;
        rows.push(Row { number, cells: record.iter().map(Cell::text).collect() });
    }
    Ok(rows)
}

/// What parts the cells: where a comma is the decimal sign, as in Indonesia, spreadsheets write
/// semicolons.
fn delimiter(text: &str) -> u8 {
    let headings = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |delimiter: u8| headings.bytes().filter(|byte| *byte == delimiter).count();
    // Of equals the last is taken: a comma where there is none of them.
    [b'\t', b';', b','].into_iter().max_by_key(|it| count(*it)).unwrap_or(b',')
}

fn spreadsheet_rows(path: &Path, sheet: Option<&str>) -> anyhow::Result<Vec<Row>> {
    let mut book = open_workbook_auto(path)?;
    let names = book.sheet_names();
    let name = match sheet {
        Some(name) => name.to_owned(),
        None => names.first().context("it has no sheet")?.clone(),
    };
    if !names.contains(&name) {
        let mut there = String::new();
        for name in &names {
            let _ = write!(there, " {name:?}");
        }
        bail!("it has no sheet {name:?}, but{there}");
    }
    let range = book.worksheet_range(&name)?;
    let first = range.start().map_or(0, |(row, _)| row as usize);
    let rows = range.rows().enumerate().map(|(index, cells)| Row {
        number: first + index + 1,
        cells: cells.iter().map(cell).collect(),
    });
    Ok(rows.collect())
}

fn cell(data: &Data) -> Cell {
    match data {
        Data::Empty | Data::Error(_) => Cell::Text(String::new()),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => Cell::text(text),
        Data::Bool(value) => Cell::Text(value.to_string()),
        // Spreadsheets have no other numbers: what is larger than a float holds was rounded before.
        Data::Int(number) => Cell::Number(*number as f64),
        Data::Float(number) => Cell::Number(*number),
        Data::DateTime(at) => day(*at).map_or(Cell::Number(at.as_f64()), Cell::Day),
    }
}

fn day(at: ExcelDateTime) -> Option<Date> {
    let (year, month, day, ..) = at.is_datetime().then(|| at.to_ymd_hms_milli())?;
    let part = |part: u8| i8::try_from(part).ok();
    Date::new(i16::try_from(year).ok()?, part(month)?, part(day)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        let rows = csv_rows(text.as_bytes()).unwrap();
        rows.iter().map(|it| (it.number, it.cells.iter().map(Cell::to_string).collect())).collect()
    }

    #[test]
    fn a_csv_file_is_read_as_its_spreadsheet_wrote_it() {
        let expected =
            [(1, vec!["nik".to_owned(), "nama".into()]), (3, vec!["1".into(), "A".into()])];
        for text in
            ["nik,nama\n\n1,A\n", "nik;nama\r\n\r\n1;A\r\n", "\u{feff}nik\tnama\n\n'1\t A \n"]
        {
            assert_eq!(cells(text), expected, "{text:?}");
        }
        assert_eq!(cells("nama\n\"Siti, S.Kom; \"\"A\"\"\"\n")[1].1, ["Siti, S.Kom; \"A\""]);
    }

    #[test]
    fn what_is_not_utf_8_is_not_guessed() {
        let error = csv_rows(b"nama\nSit\xe9\n").map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("CSV UTF-8"), "{error}");
    }

    #[test]
    fn a_number_of_a_spreadsheet_stays_a_number() {
        assert_eq!(cell(&Data::Float(3_212_162_004.0)).to_string(), "3212162004");
        assert_eq!(cell(&Data::Float(3_212_164_501_900_010.0)).to_string(), "3212164501900010");
        assert_eq!(cell(&Data::Float(-6.4)), Cell::Number(-6.4));
        assert_eq!(cell(&Data::String(" '0812 ".into())), Cell::Text("0812".into()));
    }
}
