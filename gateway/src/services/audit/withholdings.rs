//! The list of withholdings: from the wire and for it.

use desmigratif_core::nik::Nik;
use desmigratif_core::withholding::Withholding;
use desmigratif_proto::Path;
use desmigratif_proto::audit::v1 as wire_v1;
use desmigratif_proto::audit::v1::{ListWithholdingsRequest, ListWithholdingsResponse};
use jiff::Timestamp;

use super::super::flow::{DisclosureRequest, Read, receipted};
use super::super::page;
use super::super::reading::Reading;
use super::super::wire;
use crate::exchange::{Call, Disclosed, Error, Exchange};

receipted!(ListWithholdingsResponse);

/// A page of the withholdings from one person, or of all.
pub(in crate::services) struct Page {
    nik: Option<Nik>,
    after: Option<String>,
    limit: u32,
    /// What its tokens belong to: the person, by pseudonym, for a token may be logged.
    filter: String,
}

impl Read for ListWithholdingsRequest {
    type Input = Page;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Page> {
        let nik = if self.nik.is_empty() {
            None
        } else {
            Some(reading.take(Path::ROOT.field("nik"), Nik::parse(&self.nik))?)
        };
        let pseudonym = |nik| exchange.subject_key.pseudonym(nik).to_string();
        let filter = nik.as_ref().map(pseudonym).unwrap_or_default();
        let after = page::after(&[&filter], &self.page_token);
        let after = reading.take(Path::ROOT.field("page_token"), after)?;
        let limit = page::size(self.page_size, page::DEFAULT_SIZE);
        Some(Page { nik, after, limit, filter })
    }
}

impl DisclosureRequest for ListWithholdingsRequest {
    type Response = ListWithholdingsResponse;

    async fn answer(
        exchange: &Exchange,
        _: &Call,
        Page { nik, after, limit, filter }: Page,
    ) -> Result<Disclosed<ListWithholdingsResponse>, Error> {
        let mut found = exchange.withholdings(nik.as_ref(), after, limit + 1).await?;
        let id = |last: &Withholding| last.id.to_string();
        let next_page_token = page::cut(&mut found, limit, &[&filter], id);
        let now = exchange.clock.now();
        let withholdings = found.into_iter().map(|it| withholding(it, now)).collect();
        let value = ListWithholdingsResponse { withholdings, next_page_token, receipt: None };
        // Nobody is named in the entry: the person would be told that something is withheld.
        Ok(Disclosed::read(value, Vec::new()))
    }
}

fn withholding(withholding: Withholding, now: Timestamp) -> wire_v1::Withholding {
    wire_v1::Withholding {
        in_force: withholding.holds(now),
        withholding_id: withholding.id.to_string(),
        subject: withholding.subject.to_string(),
        agency_id: withholding.agency.to_string(),
        from: Some(wire::timestamp(withholding.from)),
        until: Some(wire::timestamp(withholding.until)),
        ordered_by: withholding.ordered_by,
        legal_reference: withholding.legal_reference,
        ended_at: withholding.ended_at.map(wire::timestamp),
    }
}
