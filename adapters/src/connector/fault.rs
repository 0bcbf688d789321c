//! What a failed call means: gRPC status -> fault, as the contract of `ConnectorService` says.

use std::error::Error as StdError;
use std::time::Duration;

use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use http::StatusCode;
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{StatusExt as _, pb};

use super::answered::NotGrpc;
use super::link;

/// How long to wait when the ministry wants fewer calls and does not say when.
const QUOTA_PAUSE: Duration = Duration::from_secs(10);
/// How long to wait when the ministry does not accept the exchange: somebody has to act first.
const CREDENTIALS_PAUSE: Duration = Duration::from_secs(60);
/// The longest wait that a ministry can impose.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The fault of a call that ended with a status of the ministry's.
pub(super) fn answered(status: &Status) -> Fault {
    use FaultKind::{Credentials, Malformed, Quota, Rejected, Timeout, Unavailable, Unsupported};
    let (kind, retry) = match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange => (Rejected, Retry::Never),
        Code::Unimplemented => (Unsupported, Retry::Never),
        Code::Unauthenticated | Code::PermissionDenied => {
            (Credentials, Retry::After(CREDENTIALS_PAUSE))
        }
        Code::ResourceExhausted => (Quota, Retry::After(QUOTA_PAUSE)),
        Code::DeadlineExceeded => (Timeout, Retry::Safe),
        Code::Cancelled
        | Code::Unknown
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => (Unavailable, Retry::Safe),
        // OK with a status of failure: a body that ended without its message.
        Code::Ok => (Malformed, Retry::Safe),
    };
    let retry = match retry_delay(status) {
        Some(delay) if retry != Retry::Never => Retry::After(delay.min(LONGEST_PAUSE)),
        _ => retry,
    };
    let code = status.code();
    Fault::new(
        kind,
        retry,
        match reason(status) {
            Some(reason) => format!("the ministry answered {code:?} ({reason})"),
            None => format!("the ministry answered {code:?}"),
        },
    )
}

/// The pause that the ministry asks for, `google.rpc.RetryInfo`; none for one that is less than that.
/// Not by tonic-types: converting the least number of seconds overflows there (prost-types 0.14).
fn retry_delay(status: &Status) -> Option<Duration> {
    let details = pb::Status::decode(status.details()).ok()?.details;
    let info = details.iter().find(|it| it.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = pb::RetryInfo::decode(&*info.value).ok()?.retry_delay?;
    let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
    Some(u64::try_from(delay.seconds).map_or(Duration::ZERO, |it| Duration::new(it, nanos)))
}

/// The ministry's own error code: `google.rpc.ErrorInfo.reason`, if it is shaped as one and has no
/// digit, so that no number of a person passes for one.
fn reason(status: &Status) -> Option<String> {
    let reason = status.get_details_error_info()?.reason;
    let code = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    ((1..=63).contains(&reason.len()) && reason.bytes().all(code)).then_some(reason)
}

/// The fault of a call that ended without a status of the ministry's. `refused`: its server turned
/// the exchange's certificate down.
pub(super) fn unanswered(status: &Status, refused: bool) -> Fault {
    if refused {
        return of_link(&link::Error::Refused);
    }
    let causes = || std::iter::successors(status.source(), |&error| error.source());
    let cause = |is: fn(&(dyn StdError + 'static)) -> bool| causes().any(is);
    if let Some(error) = causes().find_map(|it| it.downcast_ref::<link::Error>()) {
        of_link(error)
    } else if let Some(answer) = causes().find_map(|it| it.downcast_ref::<NotGrpc>()) {
        not_grpc(answer)
    } else if cause(|it| it.is::<tonic::TimeoutExpired>()) {
        Fault::new(FaultKind::Timeout, Retry::Safe, "no answer in time")
    } else if cause(|it| it.is::<tonic::ConnectError>()) {
        Fault::new(FaultKind::Unavailable, Retry::Safe, "no connection in time")
    } else if cause(|it| it.is::<hyper::Error>() || it.is::<tonic::transport::Error>()) {
        Fault::new(FaultKind::Unavailable, Retry::Safe, "the connection or the stream broke off")
    } else {
        malformed("the answer is too long, or no valid message")
    }
}

/// The fault of an answer that breaks the contract. It may be a page of a proxy that is gone soon,
/// so another attempt may succeed.
pub(super) fn malformed(what: &'static str) -> Fault {
    Fault::new(FaultKind::Malformed, Retry::Safe, what)
}

fn of_link(error: &link::Error) -> Fault {
    let pause = Retry::After(CREDENTIALS_PAUSE);
    match error {
        // The path is in the operator's settings; a fault travels further.
        link::Error::File(_) => Fault::new(
            FaultKind::Credentials,
            pause,
            "the exchange's certificate files cannot be used",
        ),
        link::Error::Refused => Fault::new(FaultKind::Credentials, pause, error.to_string()),
        link::Error::Network(_) | link::Error::Untrusted(_) | link::Error::Protocol(_) => {
            Fault::new(FaultKind::Unavailable, Retry::Safe, error.to_string())
        }
    }
}

fn not_grpc(answer: &NotGrpc) -> Fault {
    let kind = match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FaultKind::Credentials,
        StatusCode::TOO_MANY_REQUESTS => FaultKind::Quota,
        status if status.is_server_error() => FaultKind::Unavailable,
        _ => FaultKind::Malformed,
    };
    let retry = match (answer.retry_after, kind) {
        (Some(delay), _) => Retry::After(delay.min(LONGEST_PAUSE)),
        (None, FaultKind::Quota) => Retry::After(QUOTA_PAUSE),
        (None, FaultKind::Credentials) => Retry::After(CREDENTIALS_PAUSE),
        (None, _) => Retry::Safe,
    };
    Fault::new(kind, retry, answer.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic_types::ErrorDetails;

    use super::*;

    const CODES: [Code; 16] = [
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];

    fn kinds(kind: FaultKind) -> Vec<Code> {
        let of = |code: &Code| answered(&Status::new(*code, "")).kind == kind;
        CODES.into_iter().filter(of).collect()
    }

    #[test]
    fn every_code_means_what_the_contract_says() {
        use Code::{
            Aborted, AlreadyExists, Cancelled, DataLoss, DeadlineExceeded, FailedPrecondition,
            Internal, InvalidArgument, NotFound, OutOfRange, PermissionDenied, ResourceExhausted,
            Unauthenticated, Unavailable, Unimplemented, Unknown,
        };
        let refused = [InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, OutOfRange];
        assert_eq!(kinds(FaultKind::Rejected), refused);
        assert_eq!(kinds(FaultKind::Unsupported), [Unimplemented]);
        assert_eq!(kinds(FaultKind::Credentials), [PermissionDenied, Unauthenticated]);
        assert_eq!(kinds(FaultKind::Quota), [ResourceExhausted]);
        assert_eq!(kinds(FaultKind::Timeout), [DeadlineExceeded]);
        let passing = [Cancelled, Unknown, Aborted, Internal, Unavailable, DataLoss];
        assert_eq!(kinds(FaultKind::Unavailable), passing);
        for code in CODES {
            let never = answered(&Status::new(code, "")).retry == Retry::Never;
            assert_eq!(never, refused.contains(&code) || code == Unimplemented, "{code:?}");
        }
    }

    #[test]
    fn the_ministry_says_when_to_come_back_within_a_day() {
        let retry = |code, seconds| {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(seconds)));
            answered(&Status::with_error_details(code, "", details)).retry
        };
        assert_eq!(retry(Code::Unavailable, 3), Retry::After(Duration::from_secs(3)));
        assert_eq!(retry(Code::ResourceExhausted, 3), Retry::After(Duration::from_secs(3)));
        assert_eq!(retry(Code::Internal, 1 << 40), Retry::After(LONGEST_PAUSE));
        assert_eq!(retry(Code::InvalidArgument, 3), Retry::Never, "for good is for good");
    }

    #[test]
    fn a_fault_names_the_ministrys_own_code_and_repeats_no_text() {
        let what = |reason: &str| {
            let details = ErrorDetails::with_error_info(reason, "kemnaker.example", []);
            let text = "NIK 9901010501900001 of Contoh Budi";
            answered(&Status::with_error_details(Code::FailedPrecondition, text, details)).what
        };
        assert_eq!(
            what("WORKER_UNKNOWN"),
            "the ministry answered FailedPrecondition (WORKER_UNKNOWN)"
        );
        for reason in ["9901010501900001", "NIK_9901010501900001", "Contoh Budi", ""] {
            assert_eq!(what(reason), "the ministry answered FailedPrecondition");
        }
    }

    #[test]
    fn a_status_that_the_client_made_up_is_no_refusal() {
        for code in CODES {
            let fault = unanswered(&Status::new(code, "made up"), false);
            assert_eq!((fault.kind, fault.retry), (FaultKind::Malformed, Retry::Safe), "{code:?}");
            let fault = unanswered(&Status::new(code, "made up"), true);
            assert_eq!(fault.kind, FaultKind::Credentials);
        }
    }

    #[test]
    fn an_answer_that_is_no_grpc_is_taken_by_its_http_status() {
        let fault = |status: u16, after: Option<u64>| {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = NotGrpc { status, retry_after: after.map(Duration::from_secs) };
            unanswered(&Status::from_error(answer.into()), false)
        };
        for (status, kind) in [
            (200, FaultKind::Malformed),
            (301, FaultKind::Malformed),
            (404, FaultKind::Malformed),
            (401, FaultKind::Credentials),
            (403, FaultKind::Credentials),
            (429, FaultKind::Quota),
            (502, FaultKind::Unavailable),
        ] {
            assert_eq!(fault(status, None).kind, kind, "{status}");
        }
        assert_eq!(fault(503, Some(2)).retry, Retry::After(Duration::from_secs(2)));
        assert_eq!(fault(503, None).what, "the answer is no gRPC (HTTP status 503)");
    }
}
