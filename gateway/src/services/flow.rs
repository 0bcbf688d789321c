//! The two ways of a call that touches personal data, and the one of a call that does not.
//!
//! Invariants:
//! - a change is acknowledged only after its commit is durable, and repeats its answer;
//! - a disclosure leaves only minimised, and only after its entry is durable;
//! - an invalid request reaches no use case.

use desmigratif_core::credentials::Credentials;
use desmigratif_core::journal;
use desmigratif_proto::{Minimise, Validate};
use prost::Message;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::failure::Failure;
use super::reading::Reading;
use super::wire;
use crate::access::{Admission, Permit};
use crate::audit::receipt::Statement;
use crate::deadline::Deadline;
use crate::exchange::{Answers, Call, Change, Disclosed, Disclosure, Error, Exchange};

/// How often a change is decided anew when another commit came between reading and writing.
const DECISIONS: u32 = 4;

/// A request that can be turned into a domain value.
pub(super) trait Read: Message + Validate {
    /// The domain value.
    type Input: Send + Sync;

    /// Converts the request, adding every rule of the domain that it breaks to `reading`.
    /// `None` only when a rule is broken.
    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input>;
}

/// A request that changes records.
pub(super) trait ChangeRequest: Read {
    /// Its response. The kept answer of a repetition is this message without its receipt.
    type Response: Message + Default + Minimise + Receipted;

    /// The caller's id for the request, as it was sent.
    fn request_id(&self) -> &str;

    /// Whether the caller only asks what would become of it (AIP-163).
    fn validate_only(&self) -> bool {
        false
    }

    /// Decides what to change and what to answer.
    fn decide(
        exchange: &Exchange,
        call: &Call,
        input: Self::Input,
    ) -> impl Future<Output = Result<(Change, Self::Response), Error>> + Send;
}

/// A request that discloses personal data.
pub(super) trait DisclosureRequest: Read {
    /// Its response.
    type Response: Message + Minimise + Receipted;

    /// Reads the answer.
    fn answer(
        exchange: &Exchange,
        call: &Call,
        input: Self::Input,
    ) -> impl Future<Output = Result<Disclosed<Self::Response>, Error>> + Send;
}

/// A response with a receipt.
pub(super) trait Receipted {
    /// Where the receipt goes.
    fn receipt_mut(&mut self) -> &mut Option<desmigratif_proto::common::v1::Receipt>;

    /// Where warnings go, for a response that has them.
    fn warnings_mut(&mut self) -> Option<&mut Vec<desmigratif_proto::common::v1::Warning>> {
        None
    }
}

/// Implements [`Receipted`] for responses; those after `warned:` have warnings too.
macro_rules! receipted {
    ($($response:ty),* $(; warned: $($warned:ty),*)?) => {
        $(impl $crate::services::flow::Receipted for $response {
            fn receipt_mut(&mut self) -> &mut Option<desmigratif_proto::common::v1::Receipt> {
                &mut self.receipt
            }
        })*
        $($(impl $crate::services::flow::Receipted for $warned {
            fn receipt_mut(&mut self) -> &mut Option<desmigratif_proto::common::v1::Receipt> {
                &mut self.receipt
            }
            fn warnings_mut(
                &mut self,
            ) -> Option<&mut Vec<desmigratif_proto::common::v1::Warning>> {
                Some(&mut self.warnings)
            }
        })*)?
    };
}
pub(super) use receipted;

/// Takes the permit that the edge put beside a request. The edge answers before a handler when
/// there is none, so its absence is a defect of the wiring.
pub(super) fn permit<M>(request: &Request<M>) -> Result<Permit, Failure> {
    match request.extensions().get::<Admission>() {
        Some(Admission::Contract(permit)) => Ok(permit.clone()),
        Some(Admission::Standard) | None => {
            Err(Error::Internal("a call reached its handler without a permit".into()).into())
        }
    }
}

/// What the edge puts beside a request.
#[derive(Clone)]
pub(super) struct Admitted {
    /// The proof that it is allowed.
    pub(super) permit: Permit,
    /// What its caller was admitted with.
    credentials: Credentials,
    /// Until when it must be answered.
    deadline: Deadline,
}

impl Admitted {
    /// Takes it from beside a request. The edge answers before a handler when a part is missing, so
    /// that is a defect of the wiring.
    pub(super) fn of<M>(request: &Request<M>) -> Result<Self, Failure> {
        let parts = request.extensions();
        let without = |part| Error::Internal(format!("a call reached its handler without {part}"));
        let deadline = parts.get::<Deadline>().copied().ok_or_else(|| without("a deadline"))?;
        let credentials = parts.get::<Credentials>().cloned();
        let credentials = credentials.ok_or_else(|| without("credentials"))?;
        Ok(Self { permit: permit(request)?, credentials, deadline })
    }
}

/// A unary call that changes records.
pub(super) async fn change<Q: ChangeRequest>(
    exchange: &Exchange,
    request: Request<Q>,
) -> Result<Response<Q::Response>, Status> {
    let admitted = Admitted::of(&request)?;
    Ok(Response::new(change_one(exchange, &admitted, &request.into_inner()).await?))
}

/// One change, from its own call or from a stream.
pub(super) async fn change_one<Q: ChangeRequest>(
    exchange: &Exchange,
    admitted: &Admitted,
    request: &Q,
) -> Result<Q::Response, Failure> {
    let mut reading = Reading::of(request);
    let Some(input) = request.read(&mut reading, exchange) else {
        return Err(reading.into_failure());
    };
    let (Ok(id), true) = (Uuid::parse_str(request.request_id()), reading.is_valid()) else {
        return Err(reading.into_failure());
    };
    let body = request.encode_to_vec();
    if request.validate_only() {
        let call = call(exchange, admitted, None, &body);
        return try_one::<Q>(exchange, &call, input, &reading, &body).await;
    }
    let call = call(exchange, admitted, Some(id), &body);
    let mut input = Some(input);
    let mut committed = exchange.answered(&call).await?;
    let mut decisions = 0;
    while committed.is_none() {
        decisions += 1;
        // Reading again is cheaper than asking every input to be cloneable, and rare.
        let input = match input.take() {
            Some(input) => input,
            None => request
                .read(&mut Reading::of(request), exchange)
                .ok_or_else(|| Error::Internal("a valid request became invalid".into()))?,
        };
        let (change, mut answer) = Q::decide(exchange, &call, input).await?;
        if let Some(warnings) = answer.warnings_mut() {
            *warnings = reading.warnings().to_vec();
        }
        match exchange.submit(&call, change, answer.encode_to_vec()).await {
            // Someone else's commit came between: decide by what is there now.
            Err(Error::EtagMismatch) if decisions < DECISIONS => {}
            outcome => committed = Some(outcome?),
        }
    }
    let Some(committed) = committed else {
        return Err(Error::Internal("a change ended without a commit".into()).into());
    };
    let mut answer = Q::Response::decode(committed.answer.as_slice())
        .map_err(|_| Error::Internal("a kept answer is no message of its type".into()))?;
    answer.minimise(wire::class_set(admitted.permit.classes()));
    *answer.receipt_mut() = Some(receipt(exchange, &call, committed.receipt, &body, &answer));
    Ok(answer)
}

/// A change that is only tried: what it would meet, and nothing kept.
async fn try_one<Q: ChangeRequest>(
    exchange: &Exchange,
    call: &Call,
    input: Q::Input,
    reading: &Reading,
    body: &[u8],
) -> Result<Q::Response, Failure> {
    let (change, _) = Q::decide(exchange, call, input).await?;
    let recorded = exchange.rehearse(call, &change).await?;
    let mut answer = Q::Response::default();
    if let Some(warnings) = answer.warnings_mut() {
        *warnings = reading.warnings().to_vec();
    }
    *answer.receipt_mut() = Some(receipt(exchange, call, recorded, body, &answer));
    Ok(answer)
}

/// A unary call that discloses personal data.
pub(super) async fn disclose<Q: DisclosureRequest>(
    exchange: &Exchange,
    request: Request<Q>,
) -> Result<Response<Q::Response>, Status> {
    let admitted = Admitted::of(&request)?;
    Ok(Response::new(disclose_one(exchange, &admitted, &request.into_inner()).await?))
}

async fn disclose_one<Q: DisclosureRequest>(
    exchange: &Exchange,
    admitted: &Admitted,
    request: &Q,
) -> Result<Q::Response, Failure> {
    let input = read(exchange, request)?;
    let body = request.encode_to_vec();
    let call = call(exchange, admitted, None, &body);
    let Disclosed { value: mut answer, subjects, copies } =
        Q::answer(exchange, &call, input).await?;
    answer.minimise(wire::class_set(admitted.permit.classes()));
    let classes = wire::classes(answer.classes_present());
    let receipt = exchange.disclose(&call, Disclosure { subjects, classes, copies }).await?;
    *answer.receipt_mut() = Some(self::receipt(exchange, &call, receipt, &body, &answer));
    Ok(answer)
}

/// The receipt of an entry, signed over the encoded request and the answer as the caller gets it.
fn receipt(
    exchange: &Exchange,
    call: &Call,
    receipt: journal::Receipt,
    request: &[u8],
    answer: &impl Message,
) -> desmigratif_proto::common::v1::Receipt {
    let agency = &call.permit.agency().id;
    let method = call.permit.method().path.trim_start_matches('/');
    let statement = Statement::of(agency, method, receipt, request, &answer.encode_to_vec());
    wire::receipt(&receipt, statement.signed(&exchange.signing_key))
}

/// Converts a request, or lists every rule that it breaks.
pub(super) fn read<Q: Read>(exchange: &Exchange, request: &Q) -> Result<Q::Input, Failure> {
    let mut reading = Reading::of(request);
    match request.read(&mut reading, exchange) {
        Some(input) if reading.is_valid() => Ok(input),
        _ => Err(reading.into_failure()),
    }
}

/// A call under way.
pub(super) fn call(
    exchange: &Exchange,
    Admitted { permit, credentials, deadline }: &Admitted,
    request_id: Option<Uuid>,
    body: &[u8],
) -> Call {
    Call {
        permit: permit.clone(),
        credentials: credentials.clone(),
        request_id,
        digest: exchange.subject_key.digest(permit.method().path, body),
        trace_id: crate::telemetry::trace_id().map_or([0; 16], |id| id.to_bytes()),
        deadline: *deadline,
        answers: Answers::default(),
    }
}
