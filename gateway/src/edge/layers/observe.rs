//! Span and metrics of a call.
//!
//! Outermost, so that a refusal by any later step, a panic and a caller that goes away are
//! counted like every other end. Holds no metadata value, no body and no address; the only name is
//! the agency's id, on the span.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use tonic::Code;
use tracing::Span;
use tracing::field::Empty;

use super::protocol::Method;
use crate::edge::metrics::Metrics;
use crate::telemetry;

/// The method label of a path that is none of the contract's.
const OTHER: &str = "_OTHER";

/// A call being observed. Dropped without [`ObservedCall::finish`], it counts as CANCELLED: the
/// caller went away.
pub(crate) struct ObservedCall {
    metrics: Arc<Metrics>,
    method: Option<Arc<str>>,
    begun: Instant,
    span: Span,
    finished: bool,
}

impl ObservedCall {
    /// Opens the span, as a child of the caller's trace when the headers name one.
    pub(crate) fn begin(
        metrics: &Arc<Metrics>,
        method: Option<&Method>,
        headers: &HeaderMap,
    ) -> Self {
        let name = method.map_or(OTHER, |method| &method.name);
        let span = tracing::info_span!(
            parent: None,
            "rpc",
            otel.name = name,
            otel.kind = "server",
            otel.status_code = Empty,
            rpc.system.name = "grpc",
            rpc.method = name,
            rpc.response.status_code = Empty,
            "error.type" = Empty,
            agency = Empty,
        );
        telemetry::continue_trace(&span, headers);
        Self {
            metrics: metrics.clone(),
            method: method.map(|method| method.name.clone()),
            begun: Instant::now(),
            span,
            finished: false,
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Records how the call ended. Only the first end counts.
    pub(crate) fn finish(&mut self, code: Code) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let (name, failed) = (code_name(code), server_failed(code));
        self.span.record("rpc.response.status_code", name);
        if failed {
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", name);
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let method = self.method.clone().unwrap_or_else(|| OTHER.into());
        tracing::debug!(parent: &self.span, method = &*method, code = name, seconds, "call ended");
        self.metrics.call(seconds, method, name, failed);
    }
}

impl Drop for ObservedCall {
    fn drop(&mut self) {
        self.finish(Code::Cancelled);
    }
}

/// A code's name in the protocol, the value of `rpc.response.status_code`.
pub(crate) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The codes that count as a failure of the server (OpenTelemetry conventions for gRPC).
const fn server_failed(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
