//! The columns of a kind of table, found by their headings, and what may stand in a cell.

use desmigratif_core::text::Text;
use jiff::civil::Date;

use super::super::Failure;
use super::reason::Reason;
use super::table::{Cell, Row};

/// A column.
pub(super) struct Column {
    /// Its heading, as offices write it.
    pub(super) name: &'static str,
    /// Other headings that mean it.
    pub(super) aliases: &'static [&'static str],
    /// The field of the contract that it fills: broken rules of the field are told of the column.
    pub(super) field: &'static str,
    /// Whether a table without it is of no use.
    pub(super) required: bool,
    /// What may stand in it.
    pub(super) example: &'static str,
}

/// Where the columns of a kind stand in a table.
pub(super) struct Columns {
    columns: &'static [Column],
    /// By column: its place in each row.
    places: Vec<Option<usize>>,
    /// The headings that are no column.
    pub(super) unused: Vec<String>,
}

impl Columns {
    /// Finds the columns by the headings of a table.
    ///
    /// # Errors
    /// That a column is missing or stands twice.
    pub(super) fn find(columns: &'static [Column], headings: &[String]) -> Result<Self, Failure> {
        let mut places = vec![None; columns.len()];
        let mut unused = Vec::new();
        for (place, heading) in headings.iter().enumerate() {
            let heading = plain(heading);
            let meant = columns
                .iter()
                .position(|it| it.name == heading || it.aliases.contains(&heading.as_str()));
            match meant {
                Some(column) if places[column].is_some() => {
                    let name = columns[column].name;
                    return Err(Failure::Usage(format!("the column {name} stands twice")));
                }
                Some(column) => places[column] = Some(place),
                None => unused.push(heading),
            }
        }
        let missing =
            columns.iter().zip(&places).find(|(it, place)| it.required && place.is_none());
        if let Some((column, _)) = missing {
            let others = column.aliases.join(", ");
            return Err(Failure::Usage(format!(
                "there is no column {} (or {others}); --template prints a table to begin with",
                column.name
            )));
        }
        unused.retain(|heading| !heading.is_empty());
        Ok(Self { columns, places, unused })
    }

    /// The cells of a row, by column.
    pub(super) const fn of<'a>(&'a self, row: &'a Row) -> Cells<'a> {
        Cells { columns: self, row }
    }
}

/// The column that a field of the contract is filled from: "worker.birth_date.date" from the one of
/// "worker.birth_date".
pub(super) fn column_of(columns: &[Column], field: &str) -> Option<&'static str> {
    let fills = |column: &&Column| {
        field
            .strip_prefix(column.field)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    columns.iter().find(fills).map(|column| column.name)
}

/// A heading without case, spaces and signs: "Tanggal Lahir" is "tanggal_lahir".
fn plain(heading: &str) -> String {
    let words = heading.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_lowercase()
}

/// The cells of a row.
pub(super) struct Cells<'a> {
    columns: &'a Columns,
    row: &'a Row,
}

impl Cells<'_> {
    /// The cell of a column; `None` when it is empty or the table has no such column.
    fn cell(&self, column: &str) -> Option<&Cell> {
        let index = self.columns.columns.iter().position(|it| it.name == column)?;
        self.row.cells.get(self.columns.places[index]?).filter(|cell| !cell.is_empty())
    }

    /// What stands in a column, as it stands there; empty when nothing does.
    pub(super) fn text(&self, column: &str) -> String {
        self.cell(column).map(Cell::to_string).unwrap_or_default()
    }

    /// A number of 16 digits. As a number of a spreadsheet it is refused, whole as it may look: the
    /// spreadsheet has kept 15 digits and put a zero for the last, which may be another person's
    /// number.
    pub(super) fn sixteen_digits(&self, column: &'static str) -> Result<String, Reason> {
        match self.cell(column) {
            Some(Cell::Number(_) | Cell::Day(_)) => Err(Reason::of(
                column,
                "SPREADSHEET_NUMBER",
                Text {
                    en: "stands as a number, of which a spreadsheet keeps 15 digits: make the column text and enter it anew",
                    id: "tersimpan sebagai angka, padahal lembar kerja hanya menyimpan 15 digit: jadikan kolom teks lalu isi kembali",
                },
            )),
            Some(Cell::Text(text)) => Ok(text.clone()),
            None => Ok(String::new()),
        }
    }

    /// A day, ISO 8601; empty when nothing stands there.
    pub(super) fn day(&self, column: &'static str) -> Result<String, Reason> {
        match self.cell(column) {
            None => Ok(String::new()),
            Some(Cell::Day(day)) => Ok(day.to_string()),
            Some(cell) => read_day(&cell.to_string())
                .map(|day| day.to_string())
                .ok_or_else(|| no_date(column)),
        }
    }

    /// One of a few words; `None` when nothing stands there.
    pub(super) fn choice<T: Copy>(
        &self,
        column: &'static str,
        choices: &[(&[&str], T)],
    ) -> Result<Option<T>, Reason> {
        let Some(cell) = self.cell(column) else { return Ok(None) };
        one_of(column, &cell.to_string(), choices).map(Some)
    }

    /// Some of a few words, parted by commas, semicolons or line ends.
    pub(super) fn choices<T: Copy>(
        &self,
        column: &'static str,
        choices: &[(&[&str], T)],
    ) -> Result<Vec<T>, Reason> {
        self.parts(column, &[',', ';', '\n']).iter().map(|it| one_of(column, it, choices)).collect()
    }

    /// What stands in a column, parted by one of these.
    pub(super) fn parts(&self, column: &str, by: &[char]) -> Vec<String> {
        let text = self.text(column);
        let parts = text.split(by).map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }

    /// A number, with a point or a comma before its fraction; `None` when nothing stands there.
    pub(super) fn number(&self, column: &'static str) -> Result<Option<f64>, Reason> {
        match self.cell(column) {
            None => Ok(None),
            Some(Cell::Number(number)) => Ok(Some(*number)),
            Some(cell) => cell.to_string().replace(',', ".").parse().map(Some).map_err(|_| {
                let text = Text { en: "must be a number", id: "harus berupa angka" };
                Reason::of(column, "NUMBER_INVALID", text)
            }),
        }
    }
}

fn one_of<T: Copy>(
    column: &'static str,
    text: &str,
    choices: &[(&[&str], T)],
) -> Result<T, Reason> {
    let word = plain(text);
    let found = choices.iter().find(|(words, _)| words.contains(&word.as_str()));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> =
            choices.iter().filter_map(|(words, _)| words.first()).copied().collect();
        Reason {
            column: Some(column),
            code: "CHOICE_UNKNOWN".into(),
            en: format!("must be one of: {}", known.join(", ")),
            id: format!("harus salah satu dari: {}", known.join(", ")),
        }
    })
}

/// A day as offices write it: year first with dashes, or day first with dashes, strokes or points.
/// A time behind it, which spreadsheets add, counts for nothing.
fn read_day(text: &str) -> Option<Date> {
    let text = text.split(['T', ' ']).next()?;
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let [first, month, last] = parts.as_slice() else { return None };
    let (year, day) = if first.len() == 4 { (first, last) } else { (last, first) };
    // Of a year with two digits nobody knows the century.
    if year.len() != 4 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// That a column holds no date.
pub(super) fn no_date(column: &'static str) -> Reason {
    let text = Text {
        en: "must be a date: 1990-01-31 or 31/01/1990",
        id: "harus berupa tanggal: 1990-01-31 atau 31/01/1990",
    };
    Reason::of(column, "DATE_INVALID", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column {
            name: "nik",
            aliases: &["no_ktp"],
            field: "worker.nik",
            required: true,
            example: "",
        },
        Column {
            name: "tanggal_lahir",
            aliases: &["birth_date"],
            field: "worker.birth_date",
            required: false,
            example: "",
        },
    ];

    fn found(headings: &[&str]) -> Result<Columns, Failure> {
        Columns::find(COLUMNS, &headings.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    fn row(cells: Vec<Cell>) -> Row {
        Row { number: 2, cells }
    }

    #[test]
    fn headings_are_known_by_their_words() {
        let columns = found(&["No.", "Tanggal  Lahir", "No. KTP", ""]).unwrap();
        assert_eq!(columns.unused, ["no"]);
        let row = row(vec![
            Cell::Text("1".into()),
            Cell::Text("31/01/1990".into()),
            Cell::Text("9902015501900001".into()),
        ]);
        let cells = columns.of(&row);
        assert_eq!(cells.day("tanggal_lahir").unwrap(), "1990-01-31");
        assert_eq!(cells.sixteen_digits("nik").unwrap(), "9902015501900001");
    }

    #[test]
    fn a_column_that_is_missing_or_stands_twice_is_said() {
        let refused = |headings: &[&str]| match found(headings) {
            Err(Failure::Usage(message)) => message,
            _ => panic!("refused"),
        };
        assert!(refused(&["tanggal_lahir"]).contains("no column nik (or no_ktp)"));
        assert!(refused(&["nik", "No KTP"]).contains("nik stands twice"));
    }

    #[test]
    fn a_nik_that_a_spreadsheet_holds_as_a_number_is_not_trusted() {
        let columns = found(&["nik"]).unwrap();
        let row = row(vec![Cell::Number(3_212_164_501_900_010.0)]);
        let reason = columns.of(&row).sixteen_digits("nik").unwrap_err();
        assert_eq!((reason.column, reason.code.as_str()), (Some("nik"), "SPREADSHEET_NUMBER"));
        assert!(!reason.en.contains("3212"), "no number is repeated");
    }

    #[test]
    fn days_are_read_as_offices_write_them_and_nothing_is_guessed() {
        for text in ["1990-02-28", "28-02-1990", "28/2/1990", "28.02.1990", "1990-02-28 00:00:00"] {
            assert_eq!(
                read_day(text).map(|day| day.to_string()).as_deref(),
                Some("1990-02-28"),
                "{text}"
            );
        }
        for text in ["28/02/90", "02/28/1990", "1990-02-30", "1990", "28 Februari 1990", ""] {
            assert_eq!(read_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_field_is_told_of_its_column() {
        assert_eq!(column_of(COLUMNS, "worker.birth_date.date"), Some("tanggal_lahir"));
        assert_eq!(column_of(COLUMNS, "worker.nik"), Some("nik"));
        assert_eq!(column_of(COLUMNS, "worker.nikah"), None);
    }
}
