//! How SATUSEHAT says no in FHIR: an OperationOutcome.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

/// A refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    /// Code of FHIR's value set issue-type.
    pub(super) code: &'static str,
    pub(super) text: String,
}

impl Outcome {
    pub(super) fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into() }
    }

    /// What was sent is not well formed.
    pub(super) fn bad(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, text)
    }

    /// What was sent is well formed and breaks a rule.
    pub(super) fn against(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, text)
    }

    /// What the request is conditional on does not hold.
    pub(super) fn unmet(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, code, text)
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let issue = json!({
            "severity": "error",
            "code": self.code,
            "details": { "text": self.text },
        });
        let outcome = json!({ "resourceType": "OperationOutcome", "issue": [issue] });
        (self.status, fhir(&outcome)).into_response()
    }
}

/// An answer in FHIR's own content type.
pub(super) fn fhir(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/fhir+json")], Body::from(value.to_string())).into_response()
}
