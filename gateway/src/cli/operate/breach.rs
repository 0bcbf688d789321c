//! `desmigratif audit breach`: whom a breach has exposed, as the journal tells.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use desmigratif_core::access::Purpose;
use desmigratif_proto::audit::v1::{Exposure, ReportBreachRequest};
use jiff::Timestamp;
use serde::Serialize;

use super::profile::{Profile, refused};
use super::show::{self, Row, cell};
use super::{Operator, Output, class_names};
use crate::cli::{Failure, say};

/// People on a page.
const PAGE: u32 = 5_000;

/// Find whom the calls of an agency, or with one certificate, have exposed, as when a key was stolen
///
/// Tells of everybody whom those reads and changes in the span concerned: pseudonym,
/// worker id where there is one, classes of data, how often, first and last time. Whoever is no
/// worker is found by the NIK that a person brings: `subjects disclosures`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Breach {
    #[command(flatten)]
    caller: Caller,
    /// From this time on: 2026-11-24T08:00:00+07:00
    #[arg(long, value_name = "TIME")]
    from: Timestamp,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Timestamp,
    /// Write the people to this file, a line each, and show only the numbers
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    operator: Operator,
}

/// Whose calls.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Caller {
    /// The agency
    #[arg(long, value_name = "ID")]
    agency: Option<String>,
    /// The certificate: SHA-256 of its DER, as `openssl x509 -fingerprint -sha256` prints it
    #[arg(long, value_name = "SHA256")]
    certificate: Option<String>,
}

impl Breach {
    /// Does what the verb says.
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let Self { caller: Caller { agency, certificate }, from, to, csv, operator } = self;
        let certificate = certificate.map(|it| it.replace(':', "").to_lowercase());
        let profile = Profile::read(&operator.profile)?;
        let mut file = csv.as_deref().map(List::create).transpose()?;
        let mut report = Report::of(agency, certificate, from, to);
        let mut people = Vec::new();
        let mut client = profile.audit(Purpose::DataSubjectRequest).await?;
        let mut page_token = String::new();
        loop {
            let request = ReportBreachRequest {
                agency_id: report.agency.clone().unwrap_or_default(),
                certificate_sha256: report.certificate.clone().unwrap_or_default(),
                from: Some(show::timestamp(from)),
                to: Some(show::timestamp(to)),
                page_size: PAGE,
                page_token,
            };
            let answer = client.report_breach(request).await.map_err(refused)?.into_inner();
            for person in answer.exposures.iter().map(Person::of) {
                report.count(&person);
                match &mut file {
                    Some(file) => file.add(&person)?,
                    None => people.push(person),
                }
            }
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let listed = file.map(List::finish).transpose()?.is_some();
        match operator.output {
            Output::Json => {
                report.exposures = Some(people).filter(|_| !listed);
                show::json(&report)
            }
            Output::Table => {
                if !listed && !people.is_empty() {
                    show::show(Output::Table, &people)?;
                }
                say(format_args!("{report}"))
            }
        }
    }
}

/// A person as shown.
#[derive(Serialize)]
struct Person {
    subject: String,
    worker: Option<String>,
    classes: String,
    entries: u64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
}

impl Person {
    fn of(exposure: &Exposure) -> Self {
        Self {
            subject: exposure.subject.clone(),
            worker: Some(exposure.worker_id.clone()).filter(|id| !id.is_empty()),
            classes: class_names(exposure.data_classes()),
            entries: exposure.entries,
            first_at: show::time(exposure.first_at),
            last_at: show::time(exposure.last_at),
        }
    }
}

impl Row for Person {
    const HEADINGS: &'static [&'static str] =
        &["PERSON", "WORKER", "CLASSES", "ENTRIES", "FIRST", "LAST"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.subject.clone(),
            cell(self.worker.as_ref()),
            self.classes.clone(),
            self.entries.to_string(),
            cell(self.first_at),
            cell(self.last_at),
        ]
    }
}

/// The people in a file, a line each. It is its owner's alone.
struct List(csv::Writer<File>, String);

impl List {
    fn create(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let file = file.map_err(|error| Failure::of(&format!("cannot write {name}"), error))?;
        Ok(Self(csv::Writer::from_writer(file), name))
    }

    fn add(&mut self, person: &Person) -> Result<(), Failure> {
        let Self(file, name) = self;
        file.serialize(person).map_err(|error| Failure::of(&format!("cannot write {name}"), error))
    }

    fn finish(self) -> Result<(), Failure> {
        let Self(mut file, name) = self;
        file.flush().map_err(|error| Failure::of(&format!("cannot write {name}"), error))
    }
}

/// The numbers of a breach.
#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    agency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    from: Timestamp,
    to: Timestamp,
    people: u64,
    workers: u64,
    entries: u64,
    /// People by class of data.
    by_class: BTreeMap<String, u64>,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposures: Option<Vec<Person>>,
}

impl Report {
    const fn of(
        agency: Option<String>,
        certificate: Option<String>,
        from: Timestamp,
        to: Timestamp,
    ) -> Self {
        Self {
            agency,
            certificate,
            from,
            to,
            people: 0,
            workers: 0,
            entries: 0,
            by_class: BTreeMap::new(),
            first_at: None,
            last_at: None,
            exposures: None,
        }
    }

    fn count(&mut self, person: &Person) {
        self.people += 1;
        self.workers += u64::from(person.worker.is_some());
        self.entries += person.entries;
        for class in person.classes.split(' ') {
            *self.by_class.entry(class.to_owned()).or_default() += 1;
        }
        self.first_at = [self.first_at, person.first_at].into_iter().flatten().min();
        self.last_at = [self.last_at, person.last_at].into_iter().flatten().max();
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { agency, certificate, people, workers, entries, .. } = self;
        let caller = agency.as_ref().or(certificate.as_ref()).map_or("", String::as_str);
        write!(f, "people exposed by {caller}: {people}, of them workers: {workers}")?;
        if let (Some(first), Some(last)) = (self.first_at, self.last_at) {
            write!(f, "\ntimes that a person was concerned: {entries}, {first} to {last}")?;
        }
        for (class, people) in &self.by_class {
            write!(f, "\n  {class}: {people}")?;
        }
        Ok(())
    }
}
