//! Fuzz targets: how a ministry's connector may end a call, and what it may answer.

use std::future::ready;
use std::sync::LazyLock;

use bytes::Bytes;
use desmigratif_fuzzing::fuzz;
use http_body_util::Full;
use tonic::Code;

use super::*;
use crate::upstream::fuzz::Vocabulary;

static VOCABULARY: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::of(&[include_str!("fault.rs"), include_str!("mod.rs"), CODES]));

/// The codes as they are said.
const CODES: &str = "Ok Cancelled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists \
    PermissionDenied ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal \
    Unavailable DataLoss Unauthenticated";

#[test]
fn any_end_of_a_call_is_a_fault_that_repeats_no_more_than_an_error_code() {
    fuzz!("status", status);
}

/// The details of a status, as they come in `grpc-status-details-bin`.
fn status(bytes: &[u8]) {
    for code in 0..=16 {
        let message = String::from_utf8_lossy(bytes);
        let ended =
            Status::with_details(Code::from_i32(code), message, Bytes::copy_from_slice(bytes));
        let mut fault = fault::answered(&ended);
        // The one text of the ministry's that a fault may hold: capitals of an error code.
        if let Some((before, rest)) = fault.what.split_once(" (") {
            let reason = rest.strip_suffix(')').expect("a reason is the last there is");
            let capital = |it: u8| it.is_ascii_uppercase() || it == b'_';
            assert!((1..=63).contains(&reason.len()) && reason.bytes().all(capital), "{reason:?}");
            fault.what = before.to_owned().into();
        }
        VOCABULARY.holds(&fault);
    }
}

#[test]
fn any_body_is_an_answer_of_numbers_or_a_fault_that_repeats_nothing() {
    fuzz!("answer", answer);
}

/// The body of an answer, through the contract's client.
fn answer(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    let server = tower::service_fn(move |_: http::Request<tonic::body::Body>| {
        let response = http::Response::builder()
            .header(http::header::CONTENT_TYPE, "application/grpc")
            .body(Full::new(body.clone()));
        ready(response)
    });
    let mut client = ConnectorServiceClient::new(server).max_decoding_message_size(4_096);
    let call = client.lookup(contract::LookupRequest::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let ended = runtime.expect("a runtime without drivers").block_on(call);
    let read = match ended {
        Ok(response) => read_workforce(response.into_inner()),
        Err(status) => Err(fault::unanswered(&status, false)),
    };
    match read {
        Ok(_) => assert!(bytes.len() >= 5, "numbers out of no message"),
        Err(fault) => VOCABULARY.holds(&fault),
    }
}
