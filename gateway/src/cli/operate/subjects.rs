//! `desmigratif subjects`: what a person may demand of the exchange.

use std::fs::File;
use std::io::{Read as _, stdin};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use desmigratif_core::access::Purpose;
use desmigratif_core::nik::Nik;
use desmigratif_proto::audit::v1::{
    EndWithholdingRequest, EraseSubjectRequest, ListDisclosuresRequest, ListWithholdingsRequest,
    TrailEntry, WithholdDisclosuresRequest, Withholding,
};
use desmigratif_proto::common::v1::Receipt;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::profile::{Profile, refused};
use super::show::{self, Row, cell};
use super::{Operator, Output, class_names};
use crate::cli::{Failure, say};

/// A NIK is short; whatever else stands in its file is not read whole.
const MOST_BYTES: u64 = 1_024;

/// Entries on a page.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SubjectsVerb {
    /// Erase a person for good, at the person's own request
    ///
    /// Destroys the key under which everything about the person is sealed, and discards what has
    /// not reached its ministry yet. It cannot be undone. What ministries hold themselves is not
    /// touched. Whether anything was known of the person is not told.
    Erase {
        /// File that holds the person's NIK and nothing else; "-" for standard input. On the
        /// command line itself others would see it
        #[arg(long, value_name = "FILE")]
        nik_file: PathBuf,
        #[command(flatten)]
        operator: Operator,
    },
    /// Tell who has read and changed what about a person, and why, the newest first
    ///
    /// Also of a person who was erased. What is lawfully withheld is left out until the withholding
    /// ends. That the list was made is an entry about the person itself.
    Disclosures {
        /// File that holds the person's NIK and nothing else; "-" for standard input. On the
        /// command line itself others would see it
        #[arg(long, value_name = "FILE")]
        nik_file: PathBuf,
        #[command(flatten)]
        operator: Operator,
    },
    /// Withhold from a person what one agency reads and changes, on an authority's order
    ///
    /// Ends by itself; then the person is told of the entries, and that they were withheld.
    Withhold {
        /// File that holds the person's NIK and nothing else; "-" for standard input. On the
        /// command line itself others would see it
        #[arg(long, value_name = "FILE")]
        nik_file: PathBuf,
        /// The agency
        #[arg(long, value_name = "ID")]
        agency: String,
        /// What the agency does from this time on: 2026-11-24T08:00:00+07:00
        #[arg(long, value_name = "TIME")]
        from: Timestamp,
        /// Until when, within 366 days
        #[arg(long, value_name = "TIME")]
        until: Timestamp,
        /// The authority; names no person
        #[arg(long, value_name = "AUTHORITY")]
        ordered_by: String,
        /// The order and the law that it rests on; names no person
        #[arg(long, value_name = "REFERENCE")]
        legal_reference: String,
        #[command(flatten)]
        operator: Operator,
    },
    /// List what is withheld, or was: of which agency, on whose order, until when; the newest first
    Withholdings {
        /// File that holds one person's NIK and nothing else; "-" for standard input. Without one,
        /// the withholdings from all
        #[arg(long, value_name = "FILE")]
        nik_file: Option<PathBuf>,
        #[command(flatten)]
        operator: Operator,
    },
    /// End a withholding before its time
    EndWithholding {
        /// The withholding, as `withhold` has told it
        id: Uuid,
        #[command(flatten)]
        operator: Operator,
    },
}

impl SubjectsVerb {
    /// Does what the verb says.
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Erase { nik_file, operator } => erase(&nik_file, &operator).await,
            Self::Disclosures { nik_file, operator } => disclosures(&nik_file, &operator).await,
            Self::Withhold {
                nik_file,
                agency,
                from,
                until,
                ordered_by,
                legal_reference,
                operator,
            } => {
                let request = WithholdDisclosuresRequest {
                    request_id: Uuid::now_v7().to_string(),
                    nik: read_nik(&nik_file)?.expose().to_owned(),
                    agency_id: agency,
                    from: Some(show::timestamp(from)),
                    until: Some(show::timestamp(until)),
                    ordered_by,
                    legal_reference,
                };
                withhold(request, &operator).await
            }
            Self::Withholdings { nik_file, operator } => {
                withholdings(nik_file.as_deref(), &operator).await
            }
            Self::EndWithholding { id, operator } => end_withholding(id, &operator).await,
        }
    }
}

async fn erase(nik_file: &Path, operator: &Operator) -> Result<(), Failure> {
    let profile = Profile::read(&operator.profile)?;
    let request = EraseSubjectRequest {
        request_id: Uuid::now_v7().to_string(),
        nik: read_nik(nik_file)?.expose().to_owned(),
    };
    let mut client = profile.audit(Purpose::DataSubjectRequest).await?;
    let answer = client.erase_subject(request).await.map_err(refused)?.into_inner();
    let shown = Shown::of(&answer.receipt.unwrap_or_default());
    match operator.output {
        Output::Json => show::json(&shown),
        Output::Table => say(format_args!(
            "the person is erased\nreceipt: entry {}, leaf {}",
            shown.entry, shown.leaf
        )),
    }
}

async fn disclosures(nik_file: &Path, operator: &Operator) -> Result<(), Failure> {
    let profile = Profile::read(&operator.profile)?;
    let nik = read_nik(nik_file)?;
    let mut client = profile.audit(Purpose::DataSubjectRequest).await?;
    let (mut lines, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            ListDisclosuresRequest { nik: nik.expose().to_owned(), page_size: PAGE, page_token };
        let answer = client.list_disclosures(request).await.map_err(refused)?.into_inner();
        lines.extend(answer.entries.into_iter().map(Line::of));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return show::show(operator.output, &lines);
        }
    }
}

async fn withhold(request: WithholdDisclosuresRequest, operator: &Operator) -> Result<(), Failure> {
    let mut client = Profile::read(&operator.profile)?.audit(Purpose::Operations).await?;
    let answer = client.withhold_disclosures(request).await.map_err(refused)?.into_inner();
    let receipt = Shown::of(&answer.receipt.unwrap_or_default());
    let id = answer.withholding_id;
    match operator.output {
        Output::Json => show::json(&Withheld { id, receipt }),
        Output::Table => say(format_args!(
            "withheld: {id}\nreceipt: entry {}, leaf {}",
            receipt.entry, receipt.leaf
        )),
    }
}

async fn withholdings(nik_file: Option<&Path>, operator: &Operator) -> Result<(), Failure> {
    let mut client = Profile::read(&operator.profile)?.audit(Purpose::Operations).await?;
    let nik = nik_file.map(read_nik).transpose()?;
    let nik = nik.map_or_else(String::new, |nik| nik.expose().to_owned());
    let (mut orders, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListWithholdingsRequest { nik: nik.clone(), page_size: PAGE, page_token };
        let answer = client.list_withholdings(request).await.map_err(refused)?.into_inner();
        orders.extend(answer.withholdings.into_iter().map(Order::of));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return show::show(operator.output, &orders);
        }
    }
}

async fn end_withholding(id: Uuid, operator: &Operator) -> Result<(), Failure> {
    let request = EndWithholdingRequest {
        request_id: Uuid::now_v7().to_string(),
        withholding_id: id.to_string(),
    };
    let mut client = Profile::read(&operator.profile)?.audit(Purpose::Operations).await?;
    let answer = client.end_withholding(request).await.map_err(refused)?.into_inner();
    let shown = Shown::of(&answer.receipt.unwrap_or_default());
    match operator.output {
        Output::Json => show::json(&shown),
        Output::Table => say(format_args!(
            "withholding {id} has ended\nreceipt: entry {}, leaf {}",
            shown.entry, shown.leaf
        )),
    }
}

/// A withholding as it is shown.
#[derive(Serialize)]
struct Withheld {
    id: String,
    #[serde(flatten)]
    receipt: Shown,
}

/// An order to withhold as it is shown.
#[derive(Serialize)]
struct Order {
    id: String,
    subject: String,
    agency: String,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    in_force: bool,
    ordered_by: String,
    legal_reference: String,
}

impl Order {
    fn of(withholding: Withholding) -> Self {
        Self {
            id: withholding.withholding_id,
            subject: withholding.subject,
            agency: withholding.agency_id,
            from: show::time(withholding.from),
            until: show::time(withholding.until),
            ended_at: show::time(withholding.ended_at),
            in_force: withholding.in_force,
            ordered_by: withholding.ordered_by,
            legal_reference: withholding.legal_reference,
        }
    }
}

impl Row for Order {
    const HEADINGS: &'static [&'static str] = &[
        "ID",
        "AGENCY",
        "FROM",
        "UNTIL",
        "ENDED",
        "IN FORCE",
        "ORDERED BY",
        "REFERENCE",
        "SUBJECT",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.agency.clone(),
            cell(self.from),
            cell(self.until),
            cell(self.ended_at),
            if self.in_force { "yes" } else { "no" }.to_owned(),
            self.ordered_by.clone(),
            self.legal_reference.clone(),
            // Enough to tell people apart.
            self.subject.chars().take(12).collect(),
        ]
    }
}

/// An entry as it is shown.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    receipt: Shown,
    agency: String,
    agency_name: String,
    kind: String,
    purpose: String,
    classes: String,
    method: String,
}

impl Line {
    fn of(entry: TrailEntry) -> Self {
        let short =
            |name: &str, prefix| name.trim_start_matches(prefix).to_lowercase().replace('_', "-");
        Self {
            kind: short(entry.kind().as_str_name(), "ENTRY_KIND_"),
            purpose: short(entry.purpose().as_str_name(), "PURPOSE_"),
            classes: class_names(entry.data_classes()),
            receipt: Shown::of(&entry.receipt.unwrap_or_default()),
            agency: entry.agency_id,
            agency_name: entry.agency_name,
            method: entry.method,
        }
    }
}

impl Row for Line {
    const HEADINGS: &'static [&'static str] =
        &["TIME", "AGENCY", "NAME", "KIND", "PURPOSE", "CLASSES", "METHOD", "ENTRY", "LEAF"];

    fn cells(&self) -> Vec<String> {
        let method = self.method.rsplit('.').next().unwrap_or_default();
        vec![
            cell(self.receipt.committed_at),
            self.agency.clone(),
            self.agency_name.clone(),
            self.kind.clone(),
            self.purpose.clone(),
            self.classes.clone(),
            method.to_owned(),
            self.receipt.entry.to_string(),
            self.receipt.leaf.clone(),
        ]
    }
}

/// Reads the NIK. A failure repeats nothing of what was read.
fn read_nik(path: &Path) -> Result<Nik, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        stdin().take(MOST_BYTES).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text))
    };
    let shown = path.display();
    read.map_err(|error| Failure::of(&format!("cannot read {shown}"), error))?;
    Nik::parse(&text).map_err(|error| {
        Failure::Usage(format!("{shown}: {error}; it must hold one NIK, 16 digits, and no more"))
    })
}

/// The proof of an entry as it is shown.
#[derive(Serialize)]
struct Shown {
    entry: u64,
    leaf: String,
    committed_at: Option<Timestamp>,
}

impl Shown {
    fn of(receipt: &Receipt) -> Self {
        Self {
            entry: receipt.entry_index,
            leaf: hex::encode(&receipt.leaf_hash),
            committed_at: show::time(receipt.committed_at),
        }
    }
}
