//! A kind of table: its columns, what a row of it asks of the gateway, and how rows are sent.

use desmigratif_core::access::Purpose;
use desmigratif_proto::common::v1::ItemError;
use futures_util::stream::BoxStream;
use prost::Message;
use tonic::Status;

use super::super::operate::Calls;
use super::columns::{Cells, Column};
use super::reason::Reason;

/// A kind of table.
pub(super) trait Sheet {
    /// Its columns.
    const COLUMNS: &'static [Column];
    /// The purpose that rows are sent for.
    const PURPOSE: Purpose;
    /// Whether rows name people: those count against the agency's limit.
    const NAMES_PEOPLE: bool;

    /// What a row asks, as the contract has it.
    type Item: Message + Clone + Default;

    /// Reads a row, without an id yet; or tells everything that cannot be read in it. What can be
    /// read is judged by the gateway alone.
    fn read(cells: &Cells<'_>) -> Result<Self::Item, Vec<Reason>>;

    /// What an item is about, of which a table may have one row: a person, a certificate, a
    /// facility.
    fn about(item: &Self::Item) -> String;

    /// Gives an item its id, and says whether it is only tried.
    fn identify(item: &mut Self::Item, request_id: String, validate_only: bool);

    /// Sends items. Answers come in their order; there may be fewer when the call ends early.
    fn send(
        calls: Calls,
        items: Vec<Self::Item>,
    ) -> impl Future<Output = Result<Answers, Status>> + Send;
}

/// The answers to items, in their order.
pub(super) type Answers = BoxStream<'static, Result<Answer, Status>>;

/// The answer to an item.
pub(super) struct Answer {
    /// The item's id.
    pub(super) request_id: String,
    /// Why it was refused, if it was.
    pub(super) error: Option<ItemError>,
}

/// The destinations of most workers, by what offices call them.
const COUNTRIES: &[(&str, &str)] = &[
    ("HONG KONG", "HK"),
    ("TAIWAN", "TW"),
    ("MALAYSIA", "MY"),
    ("JEPANG", "JP"),
    ("SINGAPURA", "SG"),
    ("KOREA SELATAN", "KR"),
    ("ARAB SAUDI", "SA"),
    ("ITALIA", "IT"),
    ("BRUNEI DARUSSALAM", "BN"),
    ("BRUNEI", "BN"),
    ("TURKI", "TR"),
];

/// A country's code, from a code or a name that offices use; anything else as it stands, for the
/// gateway to refuse.
pub(super) fn country(text: &str) -> String {
    let text = text.to_uppercase();
    let known = COUNTRIES.iter().find(|(name, _)| *name == text);
    known.map_or(text, |(_, code)| (*code).to_owned())
}
