//! `desmigratif subjects`: what a person may demand of the exchange.

use std::fs::File;
use std::io::{Read as _, stdin};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use desmigratif_core::access::Purpose;
use desmigratif_core::nik::Nik;
use desmigratif_proto::audit::v1::EraseSubjectRequest;
use desmigratif_proto::common::v1::Receipt;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::profile::{Profile, refused};
use super::{Operator, Output, show};
use crate::cli::{Failure, say};

/// A NIK is short; whatever else stands in its file is not read whole.
const MOST_BYTES: u64 = 1_024;

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
}

impl SubjectsVerb {
    /// Does what the verb says.
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let Self::Erase { nik_file, operator } = self;
        let profile = Profile::read(&operator.profile)?;
        let request = EraseSubjectRequest {
            request_id: Uuid::now_v7().to_string(),
            nik: read_nik(&nik_file)?.expose().to_owned(),
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

/// The proof of an erasure as it is shown.
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
