//! Reading and writing the compact file.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};

use desmigratif_core::geo::Coordinate;
use desmigratif_core::region::{
    BuildError, Gazetteer, Level, NewRegion, NewVillage, RegionCode, VillageCode,
};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

/// Name and version of the format.
const FORMAT: &str = "desmigratif-regions/1";
/// Positions are kept to a ten-thousandth of a degree, about eleven metres.
const PER_DEGREE: f64 = 10_000.0;

/// Records of each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Provinces.
    pub provinces: usize,
    /// Kabupaten and kota.
    pub regencies: usize,
    /// Kecamatan.
    pub districts: usize,
    /// Desa, desa adat and kelurahan.
    pub villages: usize,
}

impl Counts {
    pub(super) fn of(regions: &[NewRegion], villages: &[NewVillage]) -> Self {
        let at = |level| regions.iter().filter(|region| region.code.level() == level).count();
        Self {
            provinces: at(Level::Province),
            regencies: at(Level::Regency),
            districts: at(Level::District),
            villages: villages.len(),
        }
    }
}

/// Why a file is no compact region file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be decompressed.
    #[error("not a gzip file of lines: {0}")]
    Io(#[from] std::io::Error),
    /// Its first line is that of another format, or of another version.
    #[error("the first line is not that of {FORMAT}")]
    Format,
    /// A line breaks the format.
    #[error("line {0} is not a record")]
    Line(usize),
    /// There are more or fewer records than the first line says.
    #[error("the number of records is not the one in the first line")]
    Counts,
    /// The records do not fit together.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Ten-thousandths of a degree: latitude, longitude.
type Fixed = (i32, i32);

fn fixed(at: Coordinate) -> Fixed {
    // Degrees of Indonesia times ten thousand fit by far.
    ((at.latitude() * PER_DEGREE).round() as i32, (at.longitude() * PER_DEGREE).round() as i32)
}

/// Writes the table of a decree. The same table gives the same bytes.
pub(super) fn write(decree: &str, regions: &[NewRegion], villages: &[NewVillage]) -> Vec<u8> {
    let Counts { provinces, regencies, districts, villages: of_villages } =
        Counts::of(regions, villages);
    let mut text =
        format!("{FORMAT}\t{decree}\t{provinces}\t{regencies}\t{districts}\t{of_villages}\n");
    let mut regions: Vec<_> = regions.iter().collect();
    // The digits of a region begin with those of the region around it, so text order nests.
    regions.sort_by_key(|region| region.code.digits());
    let mut villages: Vec<_> = villages.iter().collect();
    villages.sort_by_key(|village| village.code);
    let mut villages = villages.into_iter().peekable();
    let mut around = [(0, 0); 3];
    for region in regions {
        let level = region.code.level();
        let digits = region.code.digits();
        let at = level as usize;
        let base = if at == 0 { (0, 0) } else { around[at - 1] };
        around[at] = region.location.map_or(base, fixed);
        let letter = ['P', 'R', 'D'][at];
        record(&mut text, letter, &digits[digits.len() - 2..], &region.name, region.location, base);
        if let Some(capital) = &region.capital {
            let _ = write!(text, "\t{capital}");
        }
        text.push('\n');
        while let Some(village) = villages.next_if(|village| village.code.district() == region.code)
        {
            let digits = village.code.digits();
            record(&mut text, 'V', &digits[6..], &village.name, village.location, around[at]);
            if village.postal_code > 0 {
                let _ = write!(text, "\t{}", village.postal_code);
            }
            text.push('\n');
        }
    }
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes())
        .and_then(|()| gzip.finish())
        .expect("writing into memory does not fail")
}

fn record(
    text: &mut String,
    letter: char,
    digits: &str,
    name: &str,
    at: Option<Coordinate>,
    base: Fixed,
) {
    let place = at
        .map(fixed)
        .map_or_else(|| "\t".to_owned(), |at| format!("{}\t{}", at.0 - base.0, at.1 - base.1));
    let _ = write!(text, "{letter}{digits}\t{name}\t{place}");
}

/// The decree of a file.
pub(super) fn decree(bytes: &[u8]) -> Result<String, Error> {
    let mut first = String::new();
    BufReader::new(GzDecoder::new(bytes)).read_line(&mut first)?;
    let mut parts = first.split('\t');
    match (parts.next(), parts.next()) {
        (Some(FORMAT), Some(decree)) => Ok(decree.to_owned()),
        _ => Err(Error::Format),
    }
}

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Result<Gazetteer, Error> {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text)?;
    let mut lines = text.lines();
    let (decree, counts) = lines.next().and_then(header).ok_or(Error::Format)?;
    // Space for as many as the first line says would be space for whatever it says.
    let (mut regions, mut villages) = (Vec::new(), Vec::new());
    let mut nest = Nest::default();
    for (line, number) in lines.zip(2..) {
        let row = Row::parse(line).ok_or(Error::Line(number))?;
        nest.place(&row, &mut regions, &mut villages).ok_or(Error::Line(number))?;
    }
    if Counts::of(&regions, &villages) != counts {
        return Err(Error::Counts);
    }
    Ok(Gazetteer::build(decree, regions, villages)?)
}

fn header(line: &str) -> Option<(String, Counts)> {
    let parts: Vec<_> = line.split('\t').collect();
    let [FORMAT, decree, provinces, regencies, districts, villages] = parts[..] else {
        return None;
    };
    let counts = Counts {
        provinces: provinces.parse().ok()?,
        regencies: regencies.parse().ok()?,
        districts: districts.parse().ok()?,
        villages: villages.parse().ok()?,
    };
    Some((decree.to_owned(), counts))
}

/// One line, in parts.
struct Row<'a> {
    level: usize,
    digits: &'a str,
    name: &'a str,
    offset: Option<Fixed>,
    /// A region's capital or a village's postal code.
    last: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut parts = line.split('\t');
        let (letter, digits) = parts.next()?.split_at_checked(1)?;
        let level = ["P", "R", "D", "V"].iter().position(|it| *it == letter)?;
        let name = parts.next()?;
        let offset = match (parts.next()?, parts.next()?) {
            ("", "") => None,
            (latitude, longitude) => Some((latitude.parse().ok()?, longitude.parse().ok()?)),
        };
        let last = parts.next();
        parts.next().is_none().then_some(Self { level, digits, name, offset, last })
    }
}

/// The digits and positions of the records around the present one.
#[derive(Default)]
struct Nest {
    digits: String,
    around: [Fixed; 3],
}

impl Nest {
    /// Adds a row to the regions or villages. `None` when it does not fit where it stands.
    fn place(
        &mut self,
        row: &Row<'_>,
        regions: &mut Vec<NewRegion>,
        villages: &mut Vec<NewVillage>,
    ) -> Option<()> {
        self.digits.truncate(row.level * 2);
        self.digits.push_str(row.digits);
        let base = if row.level == 0 { (0, 0) } else { self.around[row.level - 1] };
        let at = match row.offset {
            None => None,
            Some(offset) => Some((base.0.checked_add(offset.0)?, base.1.checked_add(offset.1)?)),
        };
        let location = match at {
            None => None,
            Some((latitude, longitude)) => Some(
                Coordinate::new(
                    f64::from(latitude) / PER_DEGREE,
                    f64::from(longitude) / PER_DEGREE,
                )
                .ok()?,
            ),
        };
        let name = row.name.to_owned();
        if let Some(around) = self.around.get_mut(row.level) {
            *around = at.unwrap_or(base);
            let code = RegionCode::parse(&self.digits).ok()?;
            if code.level() as usize != row.level {
                return None;
            }
            regions.push(NewRegion { code, name, capital: row.last.map(str::to_owned), location });
        } else {
            let code = VillageCode::parse(&self.digits).ok()?;
            let postal_code = row.last.map_or(Some(0), |text| text.parse().ok())?;
            villages.push(NewVillage { code, name, location, postal_code });
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> (Vec<NewRegion>, Vec<NewVillage>) {
        let region = |code: &str, at: Option<(f64, f64)>| NewRegion {
            code: RegionCode::parse(code).unwrap(),
            name: format!("Wilayah {code}"),
            capital: (code.len() == 5).then(|| format!("Kota {code}")),
            location: at.map(|(lat, lon)| Coordinate::new(lat, lon).unwrap()),
        };
        let village = |code: &str, at: Option<(f64, f64)>| NewVillage {
            code: VillageCode::parse(code).unwrap(),
            name: "Desa \u{2019}Contoh\u{2019}, \"Baru\"".into(),
            location: at.map(|(lat, lon)| Coordinate::new(lat, lon).unwrap()),
            postal_code: 45_282,
        };
        let regions = vec![
            region("32", Some((-6.9, 107.6))),
            region("32.12", None),
            region("32.12.16", Some((-6.4, 108.3))),
            region("33", None),
        ];
        let villages =
            vec![village("32.12.16.2004", Some((-6.35, 108.3123))), village("32.12.16.2005", None)];
        (regions, villages)
    }

    #[test]
    fn what_is_written_reads_back() {
        let (regions, villages) = table();
        let bytes = write("Keputusan 1", &regions, &villages);
        assert_eq!(bytes, write("Keputusan 1", &regions, &villages));
        let gazetteer = read(&bytes).unwrap();
        assert_eq!((gazetteer.decree(), gazetteer.village_count()), ("Keputusan 1", 2));
        for village in villages {
            let read = gazetteer.village(village.code).unwrap();
            assert_eq!(read.name, village.name);
            assert_eq!(read.location, village.location);
            assert_eq!(read.postal_code, village.postal_code);
        }
        for region in regions {
            let read = gazetteer.region(region.code).unwrap();
            assert_eq!((read.name, read.location), (&*region.name, region.location));
            assert_eq!(read.capital, region.capital.as_deref());
        }
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        let gzip = |text: &str| {
            let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        };
        assert!(matches!(read(b"not gzip"), Err(Error::Io(_))));
        assert!(matches!(read(&gzip("another/1\tx\n")), Err(Error::Format)));
        let head = format!("{FORMAT}\tx\t1\t0\t0\t0\n");
        assert!(matches!(read(&gzip(&format!("{head}Q32\tx\t\t\n"))), Err(Error::Line(2))));
        assert!(matches!(read(&gzip(&format!("{head}R12\tx\t\t\n"))), Err(Error::Line(2))));
        for line in ["P32\tx\t1\t", "P32\tx", "P32\tx\t\t\tx\tx", "P32\tx\t900000\t1000000"] {
            assert!(
                matches!(read(&gzip(&format!("{head}{line}\n"))), Err(Error::Line(2))),
                "{line}"
            );
        }
        let whole = gzip(&format!("{head}P32\tx\t\t\n"));
        assert!(read(&whole).is_ok());
        assert!(matches!(read(&whole[..whole.len() - 4]), Err(Error::Io(_))));
        assert!(matches!(read(&gzip(&head)), Err(Error::Counts)));
        let orphan = format!("{FORMAT}\tx\t0\t1\t0\t0\nP32\tx\t\t\n");
        assert!(matches!(read(&gzip(&orphan)), Err(Error::Counts)));
    }
}
