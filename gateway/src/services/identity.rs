//! IdentityService: checks by element against the population register.

use std::sync::Arc;

use desmigratif_core::identity::{Claim, Element, Outcome, Verdict};
use desmigratif_core::nik::Nik;
use desmigratif_core::text::Rule;
use desmigratif_proto::Path;
use desmigratif_proto::identity::v1::batch_verify_identities_response::Answer;
use desmigratif_proto::identity::v1::identity_service_server::IdentityService;
use desmigratif_proto::identity::v1::{
    BatchVerifyIdentitiesRequest, BatchVerifyIdentitiesResponse, ElementResult, ElementVerdict,
    IdentityElement, IdentityElements, IdentityOutcome, VerifyIdentityRequest,
    VerifyIdentityResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::flow::{ChangeRequest, Read, change, receipted};
use super::reading::Reading;
use super::stream::{Items, StreamItem, change_stream};
use super::wire;
use crate::exchange::{Call, Change, Error, Exchange, Freshness};

receipted!(; warned: VerifyIdentityResponse);

/// The service.
pub(super) struct Identities(pub(super) Arc<Exchange>);

#[tonic::async_trait]
impl IdentityService for Identities {
    async fn verify_identity(
        &self,
        request: Request<VerifyIdentityRequest>,
    ) -> Result<Response<VerifyIdentityResponse>, Status> {
        change(&self.0, request).await
    }

    type BatchVerifyIdentitiesStream = Items<BatchVerifyIdentitiesResponse>;

    async fn batch_verify_identities(
        &self,
        request: Request<Streaming<BatchVerifyIdentitiesRequest>>,
    ) -> Result<Response<Self::BatchVerifyIdentitiesStream>, Status> {
        change_stream(&self.0, request)
    }
}

impl StreamItem for BatchVerifyIdentitiesRequest {
    type Request = VerifyIdentityRequest;
    type Answer = BatchVerifyIdentitiesResponse;

    // A part of what the register's adapter lets through: whoever asks for one person beside a batch
    // finds room.
    const AT_ONCE: usize = 8;

    fn into_request(self) -> VerifyIdentityRequest {
        self.item.unwrap_or_default()
    }

    fn line(request: &VerifyIdentityRequest) -> Option<&str> {
        Some(&request.nik)
    }

    fn answer(
        request_id: String,
        outcome: Result<VerifyIdentityResponse, super::Failure>,
    ) -> BatchVerifyIdentitiesResponse {
        let answer = match outcome {
            Ok(result) => Answer::Result(result),
            Err(failure) => Answer::Error(failure.into_item_error()),
        };
        BatchVerifyIdentitiesResponse { request_id, answer: Some(answer) }
    }
}

impl Read for VerifyIdentityRequest {
    type Input = (Nik, Claim, Freshness);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let root = Path::ROOT;
        let nik = wire::read_nik(reading, root.field("nik"), &self.nik, exchange);
        let claim = self
            .elements
            .as_ref()
            .and_then(|elements| read_claim(reading, root.field("elements"), elements, exchange));
        let at = root.field("freshness");
        let freshness = wire::read_freshness(reading, at, self.freshness.as_ref());
        Some((nik?, claim?, freshness?))
    }
}

fn read_claim(
    reading: &mut Reading,
    at: Path<'_>,
    elements: &IdentityElements,
    exchange: &Exchange,
) -> Option<Claim> {
    let today = exchange.clock.today();
    let name = |reading: &mut Reading, field, text: &str| {
        // Whether a name follows today's rules for documents does not matter to a check.
        reading.take_if_set(at.field(field), text, desmigratif_core::name::PersonName::parse)
    };
    let claimed_name = name(reading, "name", &elements.name);
    let mother_name = name(reading, "mother_name", &elements.mother_name);
    let birth = match &elements.birth_date {
        None => Some(None),
        Some(birth) => {
            wire::read_birth_date(reading, at.field("birth_date"), birth, today).map(Some)
        }
    };
    let village = if elements.village_code.is_empty() {
        Some(None)
    } else {
        let at = at.field("village_code");
        wire::read_village(reading, at, &elements.village_code, exchange).map(Some)
    };
    let place = elements.birth_place.trim();
    let claim = Claim {
        name: claimed_name?,
        birth: birth?,
        birth_place: (!place.is_empty()).then(|| place.to_owned()),
        sex: wire::read_sex(elements.sex()),
        village: village?,
        mother_name: mother_name?,
    };
    if claim.is_empty() {
        let rule = Rule::new(
            "ELEMENTS_EMPTY",
            "must state at least one element to check",
            "harus menyatakan sedikitnya satu unsur untuk diperiksa",
        );
        reading.broken(at, rule);
        return None;
    }
    Some(claim)
}

impl ChangeRequest for VerifyIdentityRequest {
    type Response = VerifyIdentityResponse;

    fn request_id(&self) -> &str {
        &self.request_id
    }

    async fn decide(
        exchange: &Exchange,
        call: &Call,
        (nik, claim, freshness): (Nik, Claim, Freshness),
    ) -> Result<(Change, VerifyIdentityResponse), Error> {
        let (change, verified) = exchange.verify_identity(call, &nik, &claim, freshness).await?;
        let status = wire::provenance(&verified.found);
        let elements = verified.found.value.map(|check| check.elements).unwrap_or_default();
        let results = elements.into_iter().map(|(element, verdict)| {
            let (verdict, score) = match verdict {
                Verdict::Match => (ElementVerdict::Match, 100),
                Verdict::Fuzzy(score) => (ElementVerdict::Fuzzy, score),
                Verdict::Mismatch(score) => (ElementVerdict::Mismatch, score),
            };
            ElementResult {
                element: element_to_wire(element).into(),
                verdict: verdict.into(),
                score: score.into(),
            }
        });
        let response = VerifyIdentityResponse {
            outcome: outcome_to_wire(verified.outcome).into(),
            results: results.collect(),
            worker_id: verified.worker.map(|id| id.to_string()).unwrap_or_default(),
            status: Some(status),
            ..VerifyIdentityResponse::default()
        };
        Ok((change, response))
    }
}

const fn element_to_wire(element: Element) -> IdentityElement {
    match element {
        Element::Name => IdentityElement::Name,
        Element::BirthDate => IdentityElement::BirthDate,
        Element::BirthPlace => IdentityElement::BirthPlace,
        Element::Sex => IdentityElement::Sex,
        Element::Village => IdentityElement::Village,
        Element::MotherName => IdentityElement::MotherName,
    }
}

const fn outcome_to_wire(outcome: Outcome) -> IdentityOutcome {
    match outcome {
        Outcome::Verified => IdentityOutcome::Verified,
        Outcome::Mismatch => IdentityOutcome::Mismatch,
        Outcome::NotFound => IdentityOutcome::NotFound,
        Outcome::Deceased => IdentityOutcome::Deceased,
        Outcome::Duplicate => IdentityOutcome::Duplicate,
        Outcome::Inactive => IdentityOutcome::Inactive,
        Outcome::Rejected => IdentityOutcome::Rejected,
        Outcome::QuotaExhausted => IdentityOutcome::QuotaExhausted,
        Outcome::Unavailable => IdentityOutcome::Unavailable,
    }
}
