//! `desmigratif import`: an office's tables into the exchange, as the agency whose profile is used.
//!
//! It is a caller like any other: rows go through the contract, are judged by the gateway, and count
//! against the agency's limits. Invariants:
//! - the same row has the same request id each time, so a table may be imported again, whole or
//!   corrected, after whatever ended it: nothing is doubled. The ids are made with the agency's own
//!   key: nobody else can tell a person's row by its id;
//! - a row is taken or told with its reasons, and what stands in it is printed nowhere.

mod clearance;
mod columns;
mod facility;
mod reason;
mod report;
mod send;
mod sheet;
mod table;
mod worker;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use desmigratif_proto::access::v1::WhoAmIRequest;
use desmigratif_proto::access::v1::access_service_client::AccessServiceClient;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::operate::{Calls, Profile, refused};
use super::{Failure, say};
use clearance::Clearances;
use columns::Columns;
use facility::Facilities;
use reason::Reason;
use report::{Progress, Rejected};
use send::{Outcome, Sending};
use sheet::Sheet;
use table::Table;
use worker::Workers;

/// The namespace of request ids of imported rows: a UUID of version 4, drawn for this.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_53f0_3c0e_4a52_9b60_f0f4_6a2e_86d1);

#[derive(Debug, Subcommand)]
pub(super) enum ImportVerb {
    /// Register workers, as Kemnaker
    ///
    /// One row a candidate (CPMI). People whom the exchange knows already are rejected.
    Workers(Import),
    /// Hand in medical clearances, as the clinic that examined
    ///
    /// One row a certificate.
    Clearances(Import),
    /// Register the designated health facilities, as Kemenkes
    ///
    /// One row a facility, with all its periods; it replaces what is registered under its id.
    Facilities(Import),
}

/// What is imported, and how.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The table: CSV (UTF-8), or a spreadsheet (XLSX, XLS, ODS)
    #[arg(required_unless_present = "template")]
    file: Option<PathBuf>,
    /// Print a table to begin with, and do nothing else
    #[arg(long, conflicts_with = "file")]
    template: bool,
    /// Let the gateway judge every row, and change nothing
    ///
    /// What it tells of people (who is registered already) is a disclosure, and counts as one.
    #[arg(long)]
    dry_run: bool,
    /// Where the rejected rows go, with the reasons (CSV; readable by its owner alone)
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// The sheet of a spreadsheet; the first when it is not named
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// The agency's profile: address, CA, certificate and key (`dev` writes some)
    #[arg(long, value_name = "FILE", required_unless_present = "template")]
    profile: Option<PathBuf>,
}

impl ImportVerb {
    /// Does what the verb says.
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Workers(import) => import.run::<Workers>().await,
            Self::Clearances(import) => import.run::<Clearances>().await,
            Self::Facilities(import) => import.run::<Facilities>().await,
        }
    }
}

impl Import {
    async fn run<S: Sheet>(&self) -> Result<(), Failure> {
        let (Some(file), Some(profile)) = (&self.file, &self.profile) else {
            return template::<S>();
        };
        let profile = Profile::read(profile)?;
        let table = Table::read(file, self.sheet.as_deref())
            .map_err(|error| Failure::Usage(format!("{}: {error:#}", file.display())))?;
        let columns = Columns::find(S::COLUMNS, &table.headings)?;
        if !columns.unused.is_empty() {
            say(format_args!("columns not used: {}", columns.unused.join(", ")))?;
        }
        let namespace = namespace(&profile.key)?;
        let (rows, mut rejected) = read::<S>(&table, &columns, &namespace, self.dry_run);
        let calls = profile.calls(S::PURPOSE).await?;
        if S::NAMES_PEOPLE {
            warn_of_limit(&calls, rows.len()).await?;
        }

        let (mut taken, mut progress) = (0, Progress::of(rows.len()));
        let done = send::send::<S>(&calls, rows, &mut |row, outcome| {
            progress.step();
            match outcome {
                Outcome::Taken => taken += 1,
                Outcome::Rejected(reasons) => {
                    rejected.insert(row, reasons);
                }
            }
        })
        .await;
        progress.end();

        // Also of an import that was stopped: what was rejected so far is known.
        report::summary(table.rows.len(), taken, &rejected, self.dry_run)?;
        if let Some(path) = &self.rejected {
            report::write_rejected(path, &table, &rejected)?;
        }
        done?;
        if rejected.is_empty() {
            return Ok(());
        }
        let where_to = match &self.rejected {
            Some(path) => format!("the reasons are in {}", path.display()),
            None => "--rejected FILE gets them with the reasons".to_owned(),
        };
        Err(Failure::Other(format!("rows were rejected: {}; {where_to}", rejected.len())))
    }
}

/// What is asked for each row that can be read, and why the others are rejected.
fn read<S: Sheet>(
    table: &Table,
    columns: &Columns,
    namespace: &Uuid,
    dry: bool,
) -> (Vec<Sending<S::Item>>, Rejected) {
    let (mut rows, mut rejected) = (Vec::with_capacity(table.rows.len()), Rejected::new());
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(table.rows.len());
    for (index, row) in table.rows.iter().enumerate() {
        let mut item = match S::read(&columns.of(row)) {
            Ok(item) => item,
            Err(reasons) => {
                rejected.insert(index, reasons);
                continue;
            }
        };
        let about = S::about(&item);
        if let Some(earlier) = seen.get(&about).filter(|_| !about.is_empty()) {
            rejected.insert(index, vec![Reason::repeated(*earlier)]);
            continue;
        }
        seen.insert(about, row.number);
        let request_id = Uuid::new_v5(namespace, &item.encode_to_vec()).to_string();
        S::identify(&mut item, request_id.clone(), dry);
        rows.push(Sending { row: index, request_id, item });
    }
    (rows, rejected)
}

/// The namespace of one agency's ids, which only the holder of its key can make.
fn namespace(key: &Path) -> Result<Uuid, Failure> {
    let pem = std::fs::read(key)
        .map_err(|error| Failure::of(&format!("cannot read {}", key.display()), error))?;
    Ok(Uuid::new_v5(&NAMESPACE, &Sha256::digest(&pem)))
}

/// Says beforehand when the agency may not name as many people in an hour as the table does.
async fn warn_of_limit(calls: &Calls, people: usize) -> Result<(), Failure> {
    let me = AccessServiceClient::new(calls.clone()).who_am_i(WhoAmIRequest {}).await;
    let me = me.map_err(refused)?.into_inner();
    let left = me.limits_left.map_or(0, |left| left.subjects) as usize;
    if left < people {
        say(format_args!(
            "{} may name {left} people more in this hour, and the table names {people}: it will stop there; \
             the operator can raise limits.agency.{}.subjects_per_hour for the import",
            me.agency_id, me.agency_id
        ))?;
    }
    Ok(())
}

/// Prints a table of one example.
fn template<S: Sheet>() -> Result<(), Failure> {
    let failed = |error: csv::Error| Failure::of("cannot write the template", error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(S::COLUMNS.iter().map(|it| it.name)).map_err(failed)?;
    writer.write_record(S::COLUMNS.iter().map(|it| it.example)).map_err(failed)?;
    let written = writer.into_inner().map_err(|error| failed(error.into_error().into()))?;
    say(format_args!("{}", String::from_utf8_lossy(&written).trim_end()))
}

#[cfg(test)]
mod tests {
    use desmigratif_proto::worker::v1::RegisterWorkerRequest;

    use super::table::{Cell, Row};
    use super::*;

    fn table(niks: &[&str]) -> Table {
        let row = |(index, nik): (usize, &&str)| {
            let example = |column: &columns::Column| match column.name {
                "nik" => Cell::Text((*nik).into()),
                _ => Cell::Text(column.example.into()),
            };
            Row { number: index + 2, cells: Workers::COLUMNS.iter().map(example).collect() }
        };
        Table {
            headings: Workers::COLUMNS.iter().map(|it| it.name.to_owned()).collect(),
            rows: niks.iter().enumerate().map(row).collect(),
        }
    }

    fn ids(table: &Table, key: u128, dry: bool) -> (Vec<String>, Rejected) {
        let columns = Columns::find(Workers::COLUMNS, &table.headings);
        let columns = columns.unwrap_or_else(|_| panic!("all columns are there"));
        let (rows, rejected) = read::<Workers>(table, &columns, &Uuid::from_u128(key), dry);
        let id = |row: Sending<RegisterWorkerRequest>| {
            assert_eq!((&row.request_id, row.item.validate_only), (&row.item.request_id, dry));
            row.request_id
        };
        (rows.into_iter().map(id).collect(), rejected)
    }

    #[test]
    fn a_row_keeps_its_id_wherever_it_stands() {
        let (one, two) = ("9902015501900001", "9902015501900002");
        let (first, _) = ids(&table(&[one, two]), 1, false);
        let (turned, _) = ids(&table(&[two, one]), 1, false);
        assert_eq!(first, [turned[1].clone(), turned[0].clone()]);
        assert_ne!(first[0], first[1]);
        assert_eq!(ids(&table(&[one, two]), 1, true).0, first);
        assert_ne!(ids(&table(&[one]), 2, false).0[0], first[0], "another agency's key");
    }

    #[test]
    fn one_person_has_one_row() {
        let nik = "9902015501900001";
        let (rows, rejected) = ids(&table(&[nik, "", nik, ""]), 1, false);
        assert_eq!(rows.len(), 3, "who is named nowhere is for the gateway to refuse");
        assert_eq!(rejected, Rejected::from([(2, vec![Reason::repeated(2)])]));
    }
}
