//! How a refusal becomes a gRPC status: the one error mapping of the gateway.
//!
//! Every status that leaves the gateway on purpose is built here, so that each carries the same
//! parts: a code, a reason for programs (`google.rpc.ErrorInfo`), the message in English and in
//! Indonesian (`google.rpc.LocalizedMessage`) and the trace id (`google.rpc.RequestInfo`), and,
//! where they apply, the broken fields, the failed preconditions and the delay before a retry.
//!
//! It is not the place that decides what an error of some module means: each module maps its own
//! error enum to a [`Fault`] in one exhaustive match.
//!
//! Invariant: texts are fixed by the code that writes them and never repeat a value that a caller
//! sent, so that no personal value leaves in an error.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

pub use desmigratif_proto::common::v1::ErrorReason;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{
    BadRequest, ErrorDetail, ErrorInfo, FieldViolation, LocalizedMessage, PreconditionFailure,
    PreconditionViolation, RequestInfo, RetryInfo, StatusExt,
};

use crate::telemetry;

/// The domain of every [`ErrorReason`], as `google.rpc.ErrorInfo.domain` carries it.
pub const DOMAIN: &str = "gateway.desmigratif";

/// The metadata that tells a gRPC client's own retries how long to wait, in milliseconds.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Where `google.rpc.ErrorInfo.metadata` says from where a stream is to be resumed.
const CURSOR: &str = "cursor";

/// A text that is fixed or built from fixed parts.
type Text = Cow<'static, str>;

/// A refusal on its way to the caller. Built with [`fault`], finished with [`Fault::into_status`]
/// or `?` in a function that returns [`Status`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Fault {
    code: Code,
    reason: ErrorReason,
    english: Text,
    indonesian: Text,
    violations: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    /// Apart, so that a fault stays small to hand on.
    seldom: Option<Box<Seldom>>,
}

/// What few faults have.
#[derive(Clone, Debug, Default)]
struct Seldom {
    preconditions: Vec<PreconditionViolation>,
    metadata: HashMap<String, String>,
}

/// Begins a refusal: the gRPC code, the reason for programs, and the message for people in
/// English and Indonesian.
pub fn fault(
    code: Code,
    reason: ErrorReason,
    english: impl Into<Text>,
    indonesian: impl Into<Text>,
) -> Fault {
    Fault {
        code,
        reason,
        english: english.into(),
        indonesian: indonesian.into(),
        violations: Vec::new(),
        retry_after: None,
        seldom: None,
    }
}

/// A defect of the gateway: INTERNAL, with the trace id by which it can be found in the logs.
/// What went wrong belongs in the log, never in the answer.
pub fn internal() -> Fault {
    fault(
        Code::Internal,
        ErrorReason::InternalFault,
        "the gateway failed; report this with the trace id",
        "gateway gagal; laporkan beserta trace id",
    )
}

impl Fault {
    /// Adds a field that breaks a rule: its path (`"clearance.findings[2].code"`), the rule's
    /// name (`"string.max_len"`, `"NIK_SERIAL_ZERO"`), and the rule in English and Indonesian.
    pub fn violation(
        mut self,
        field: impl Into<String>,
        rule: impl Into<String>,
        english: impl Into<String>,
        indonesian: impl Into<String>,
    ) -> Self {
        let mut violation = FieldViolation::new(field, english);
        violation.reason = rule.into();
        violation.localized_message = Some(LocalizedMessage::new("id", indonesian));
        self.violations.push(violation);
        self
    }

    /// Adds a precondition that does not hold: its kind (`"CLEARANCE_EXPIRED"`), what it is about
    /// (`"worker.clearance"`) and a description in English.
    pub fn precondition(
        mut self,
        kind: impl Into<String>,
        subject: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        let seldom = self.seldom.get_or_insert_default();
        seldom.preconditions.push(PreconditionViolation::new(kind, subject, description));
        self
    }

    /// Says that the same call may succeed after `delay`.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Says where a stream that ends with this is to be resumed: the cursor, for programs.
    pub fn resume_from(mut self, cursor: String) -> Self {
        self.seldom.get_or_insert_default().metadata.insert(CURSOR.to_owned(), cursor);
        self
    }

    /// The reason for programs.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        self.reason
    }

    /// The status to send.
    #[must_use]
    pub fn into_status(self) -> Status {
        let Seldom { preconditions, metadata } = self.seldom.map_or_else(Seldom::default, |it| *it);
        let mut details: Vec<ErrorDetail> = vec![
            ErrorInfo::new(reason_name(self.reason), DOMAIN, metadata).into(),
            LocalizedMessage::new("en", self.english.as_ref()).into(),
            LocalizedMessage::new("id", self.indonesian).into(),
        ];
        if let Some(trace_id) = telemetry::trace_id() {
            details.push(RequestInfo::new(trace_id.to_string(), "").into());
        }
        if !self.violations.is_empty() {
            details.push(BadRequest::new(self.violations).into());
        }
        if !preconditions.is_empty() {
            details.push(PreconditionFailure::new(preconditions).into());
        }
        if let Some(delay) = self.retry_after {
            details.push(RetryInfo::new(Some(delay)).into());
        }
        let mut metadata = MetadataMap::new();
        if let Some(delay) = self.retry_after {
            // A client that retries by itself heeds this, and no detail (gRFC A6).
            let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            metadata.insert(PUSHBACK, milliseconds.into());
        }
        Status::with_error_details_vec_and_metadata(self.code, self.english, details, metadata)
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        fault.into_status()
    }
}

/// The reason as it is written in `google.rpc.ErrorInfo`: the enum's name without its prefix.
#[must_use]
pub fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The reason that a status carries, for tests of the modules that refuse.
    pub(crate) fn reason_of(status: &Status) -> String {
        status.get_details_error_info().expect("a fault of ours carries ErrorInfo").reason
    }

    #[test]
    fn a_fault_speaks_to_programs_and_to_people_in_two_languages() {
        let status = fault(Code::Unavailable, ErrorReason::Overloaded, "too busy", "terlalu sibuk")
            .retry_after(Duration::from_secs(1))
            .into_status();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "too busy"));
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("OVERLOADED", DOMAIN));
        assert_eq!(
            status.get_details_retry_info().unwrap().retry_delay,
            Some(Duration::from_secs(1))
        );
        assert_eq!(status.metadata().get(PUSHBACK).unwrap(), "1000");
        let texts: Vec<_> = status
            .get_error_details_vec()
            .into_iter()
            .filter_map(|detail| match detail {
                ErrorDetail::LocalizedMessage(text) => Some((text.locale, text.message)),
                _ => None,
            })
            .collect();
        assert_eq!(
            texts,
            [("en".into(), "too busy".into()), ("id".into(), "terlalu sibuk".into())]
        );
    }

    #[test]
    fn every_violation_is_listed_with_its_rule() {
        let status = fault(Code::InvalidArgument, ErrorReason::FieldsInvalid, "fields", "isian")
            .violation("worker.nik", "NIK_SERIAL_ZERO", "the serial is 0000", "nomor urut 0000")
            .violation("worker.name", "string.max_len", "at most 60", "paling banyak 60")
            .into_status();
        let listed = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(listed.len(), 2);
        assert_eq!(
            (listed[0].field.as_str(), listed[0].reason.as_str()),
            ("worker.nik", "NIK_SERIAL_ZERO")
        );
        assert_eq!(listed[1].localized_message.as_ref().unwrap().message, "paling banyak 60");
    }

    #[test]
    fn failed_preconditions_are_listed() {
        let status =
            fault(Code::FailedPrecondition, ErrorReason::StageRefused, "refused", "ditolak")
                .precondition("CLEARANCE_EXPIRED", "worker.clearance", "expired")
                .into_status();
        assert_eq!(
            status.get_details_precondition_failure().unwrap().violations[0].r#type,
            "CLEARANCE_EXPIRED"
        );
    }
}
