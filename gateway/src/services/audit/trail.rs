//! A person's trail, what is withheld from it, and whom a breach exposed: from the wire and for it.

use desmigratif_core::journal::EntryKind;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::store::trail::{Caller, Exposure, Exposures, Span};
use desmigratif_core::subject::Subject;
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::audit::v1 as wire_v1;
use desmigratif_proto::audit::v1::{
    EndWithholdingRequest, EndWithholdingResponse, ListDisclosuresRequest, ListDisclosuresResponse,
    ReportBreachRequest, ReportBreachResponse, WithholdDisclosuresRequest,
    WithholdDisclosuresResponse,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::flow::{ChangeRequest, DisclosureRequest, Read, receipted};
use super::super::page::{self, NotOfThisList};
use super::super::reading::Reading;
use super::super::wire;
use crate::exchange::{Call, Change, Disclosed, Error, Exchange, NewWithholding, TrailLine};

receipted!(
    ListDisclosuresResponse,
    WithholdDisclosuresResponse,
    EndWithholdingResponse,
    ReportBreachResponse
);

/// People on a page of a breach when the caller does not say.
const DEFAULT_PEOPLE: u32 = 1_000;

/// For how long an order may withhold.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// A page of a person's trail.
pub(in crate::services) struct TrailPage {
    nik: Nik,
    before: Option<u64>,
    limit: u32,
    /// What its tokens belong to: the person, by pseudonym, for a token may be logged.
    filter: String,
}

impl Read for ListDisclosuresRequest {
    type Input = TrailPage;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<TrailPage> {
        let nik = reading.take(Path::ROOT.field("nik"), Nik::parse(&self.nik))?;
        let filter = exchange.subject_key.pseudonym(&nik).to_string();
        let before = page::after(&[&filter], &self.page_token).and_then(|index| {
            index.map(|index| index.parse().map_err(|_| NotOfThisList)).transpose()
        });
        let before = reading.take(Path::ROOT.field("page_token"), before)?;
        let limit = page::size(self.page_size, page::DEFAULT_SIZE);
        Some(TrailPage { nik, before, limit, filter })
    }
}

impl DisclosureRequest for ListDisclosuresRequest {
    type Response = ListDisclosuresResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        TrailPage { nik, before, limit, filter }: TrailPage,
    ) -> Result<Disclosed<ListDisclosuresResponse>, Error> {
        let Disclosed { value: mut lines, subjects, .. } =
            exchange.trail(call, &nik, before, limit).await?;
        let index = |last: &TrailLine| last.receipt.index.to_string();
        let next_page_token = page::cut(&mut lines, limit, &[&filter], index);
        let entries = lines.into_iter().map(trail_entry).collect();
        let value = ListDisclosuresResponse { entries, next_page_token, receipt: None };
        Ok(Disclosed::read(value, subjects))
    }
}

impl Read for WithholdDisclosuresRequest {
    type Input = NewWithholding;

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<NewWithholding> {
        let root = Path::ROOT;
        let nik = reading.take(root.field("nik"), Nik::parse(&self.nik));
        let agency = wire::read_agency_id(reading, root.field("agency_id"), &self.agency_id);
        let from = read_time(reading, root.field("from"), self.from);
        let until = read_time(reading, root.field("until"), self.until);
        let (from, until) = (from?, until?);
        let now = exchange.clock.now();
        if until <= now || until.duration_since(now) > LONGEST {
            let rule = Rule::new(
                "WITHHOLDING_END",
                "must be after now, within 366 days",
                "harus setelah sekarang, dalam 366 hari",
            );
            reading.broken(root.field("until"), rule);
        }
        in_order(reading, root.field("from"), from, until);
        Some(NewWithholding {
            nik: nik?,
            agency: agency?,
            from,
            until,
            ordered_by: self.ordered_by.clone(),
            legal_reference: self.legal_reference.clone(),
        })
    }
}

impl ChangeRequest for WithholdDisclosuresRequest {
    type Response = WithholdDisclosuresResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        new: NewWithholding,
    ) -> Result<(Change, WithholdDisclosuresResponse), Error> {
        let (change, id) = exchange.withhold(new).await?;
        let withholding_id = id.to_string();
        Ok((change, WithholdDisclosuresResponse { withholding_id, receipt: None }))
    }
}

impl Read for EndWithholdingRequest {
    type Input = Uuid;

    fn read(&self, _: &mut Reading, _: &Exchange) -> Option<Uuid> {
        Uuid::parse_str(&self.withholding_id).ok()
    }
}

impl ChangeRequest for EndWithholdingRequest {
    type Response = EndWithholdingResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        _: &Call,
        id: Uuid,
    ) -> Result<(Change, EndWithholdingResponse), Error> {
        Ok((exchange.end_withholding(id).await?, EndWithholdingResponse::default()))
    }
}

impl Read for ReportBreachRequest {
    type Input = Span;

    fn read(&self, reading: &mut Reading, _: &Exchange) -> Option<Span> {
        let root = Path::ROOT;
        let caller = read_caller(reading, self);
        let from = read_time(reading, root.field("from"), self.from);
        let to = read_time(reading, root.field("to"), self.to);
        let (from, to) = (from?, to?);
        in_order(reading, root.field("from"), from, to);
        let limit = page::size(self.page_size, DEFAULT_PEOPLE);
        let mut span = Span { caller: caller?, from, to, after: None, limit };
        let filters = filters(&span);
        let after = page::after(&filters.each_ref().map(String::as_str), &self.page_token)
            .and_then(|last| {
                last.map(|last| Subject::try_from(last).map_err(|_| NotOfThisList)).transpose()
            });
        span.after = reading.take(root.field("page_token"), after)?;
        Some(span)
    }
}

impl DisclosureRequest for ReportBreachRequest {
    type Response = ReportBreachResponse;

    async fn answer(
        exchange: &Exchange,
        _: &Call,
        span: Span,
    ) -> Result<Disclosed<ReportBreachResponse>, Error> {
        let Exposures { people, next } = exchange.exposures(&span).await?;
        let filters = filters(&span);
        let next_page_token = next.map_or_else(String::new, |next| {
            page::token(&filters.each_ref().map(String::as_str), &next.to_string())
        });
        let exposures = people.into_iter().map(exposure).collect();
        let value = ReportBreachResponse { exposures, next_page_token, receipt: None };
        // Nobody is named in the entry: pseudonyms and ids tell an operator nothing of anybody, and
        // a report must not end at the limit of people.
        Ok(Disclosed::read(value, Vec::new()))
    }
}

/// Whose entries a breach is about: an agency's, or those of one certificate.
fn read_caller(reading: &mut Reading, request: &ReportBreachRequest) -> Option<Caller> {
    let root = Path::ROOT;
    let ReportBreachRequest { agency_id, certificate_sha256, .. } = request;
    if agency_id.is_empty() == certificate_sha256.is_empty() {
        let rule = Rule::new(
            "CALLER_AMBIGUOUS",
            "give either this or certificate_sha256",
            "isi salah satu, ini atau certificate_sha256",
        );
        reading.broken(root.field("agency_id"), rule);
        return None;
    }
    if certificate_sha256.is_empty() {
        let agency = wire::read_agency_id(reading, root.field("agency_id"), agency_id);
        return agency.map(Caller::Agency);
    }
    let mut fingerprint = [0; 32];
    let rule = Rule::new(
        "FINGERPRINT_INVALID",
        "must be 64 hexadecimal digits",
        "harus 64 digit heksadesimal",
    );
    let read = hex::decode_to_slice(certificate_sha256, &mut fingerprint).map_err(|_| rule);
    reading.take(root.field("certificate_sha256"), read)?;
    Some(Caller::Certificate(fingerprint))
}

/// What the tokens of a breach's pages belong to.
fn filters(span: &Span) -> [String; 3] {
    let caller = match &span.caller {
        Caller::Agency(agency) => agency.to_string(),
        Caller::Certificate(fingerprint) => hex::encode(fingerprint),
    };
    [caller, span.from.to_string(), span.to.to_string()]
}

/// A time from the wire. That it is missing the contract's own rule says.
fn read_time(
    reading: &mut Reading,
    at: Path<'_>,
    time: Option<prost_types::Timestamp>,
) -> Option<Timestamp> {
    let time = time?;
    let rule = Rule::new("TIME_INVALID", "must be a time", "harus sebuah waktu");
    reading.take(at, Timestamp::new(time.seconds, time.nanos).map_err(|_| rule))
}

/// Notes when a span would end before it begins.
fn in_order(reading: &mut Reading, at: Path<'_>, from: Timestamp, to: Timestamp) {
    if from >= to {
        let rule =
            Rule::new("SPAN_REVERSED", "must be before the end", "harus sebelum waktu berakhir");
        reading.broken(at, rule);
    }
}

fn trail_entry(line: TrailLine) -> wire_v1::TrailEntry {
    let kind = match line.kind {
        EntryKind::Change => wire_v1::EntryKind::Change,
        EntryKind::Disclosure => wire_v1::EntryKind::Disclosure,
        EntryKind::Refusal => wire_v1::EntryKind::Refusal,
    };
    wire_v1::TrailEntry {
        receipt: Some(wire::receipt(&line.receipt, String::new())),
        kind: kind.into(),
        agency_id: line.agency.to_string(),
        agency_name: line.agency_name,
        purpose: line.purpose.map_or(0, |purpose| wire::purpose(purpose).into()),
        method: line.method,
        data_classes: wire::class_set(line.classes).iter().map(Into::into).collect(),
    }
}

fn exposure(exposure: Exposure) -> wire_v1::Exposure {
    wire_v1::Exposure {
        subject: exposure.subject.to_string(),
        worker_id: exposure.worker.unwrap_or_default(),
        data_classes: wire::class_set(exposure.classes).iter().map(Into::into).collect(),
        entries: exposure.entries,
        first_at: Some(wire::timestamp(exposure.first)),
        last_at: Some(wire::timestamp(exposure.last)),
    }
}
