//! Sending rows until each has an answer.
//!
//! What is not answered is sent again with the same id, which has one effect: after a lost
//! connection, a gateway's restart, or this program's own.

use std::time::Duration;

use backon::BackoffBuilder as _;
use futures_util::StreamExt as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::super::Failure;
use super::super::operate::Calls;
use super::reason::Reason;
use super::sheet::Sheet;

/// Rows of one call: few enough to be answered within any gateway's deadline, enough that the pause
/// between two calls does not count.
const ROWS: usize = 2_000;
/// Attempts after the first that got no further.
const ATTEMPTS: usize = 8;
/// The pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A row on its way.
pub(super) struct Sending<I> {
    /// Its place among the rows of the table.
    pub(super) row: usize,
    /// Its request's id.
    pub(super) request_id: String,
    /// What it asks.
    pub(super) item: I,
}

/// What became of a row.
pub(super) enum Outcome {
    /// It was taken.
    Taken,
    /// It was not.
    Rejected(Vec<Reason>),
}

/// Whether a refusal may pass by itself.
pub(super) const fn passes(code: Code) -> bool {
    // Unknown and Cancelled are what a connection that breaks off looks like.
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Unknown
            | Code::Cancelled
            | Code::Aborted
    )
}

/// Whether a refusal is about the caller and not about a row.
pub(super) const fn stops(code: Code) -> bool {
    matches!(
        code,
        Code::ResourceExhausted
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
    )
}

/// Sends rows, and tells what became of each.
///
/// # Errors
/// What keeps all further rows from being taken; those told of before stay as they were told.
pub(super) async fn send<S: Sheet>(
    calls: &Calls,
    rows: Vec<Sending<S::Item>>,
    told: &mut impl FnMut(usize, Outcome),
) -> Result<(), Failure> {
    let mut rows = rows.into_iter();
    loop {
        let part: Vec<_> = rows.by_ref().take(ROWS).collect();
        if part.is_empty() {
            return Ok(());
        }
        send_part::<S>(calls, part, told).await?;
    }
}

async fn send_part<S: Sheet>(
    calls: &Calls,
    mut left: Vec<Sending<S::Item>>,
    told: &mut impl FnMut(usize, Outcome),
) -> Result<(), Failure> {
    let pauses = || {
        backon::ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(ATTEMPTS)
            .with_jitter()
            .build()
    };
    let mut pause = pauses();
    loop {
        let before = left.len();
        let ended = attempt::<S>(calls, &mut left, told).await;
        if left.is_empty() {
            return Ok(());
        }
        let status = ended.err().unwrap_or_else(|| Status::unavailable("the answers ended early"));
        if left.len() < before {
            pause = pauses();
        }
        let stated = status.get_details_retry_info().and_then(|info| info.retry_delay);
        let wait = match (status.code(), stated) {
            // A rate comes back within seconds; people, within the hour.
            (Code::ResourceExhausted, Some(wait)) if wait <= LONGEST_PAUSE => Some(wait),
            (code, _) if passes(code) => pause.next(),
            _ => None,
        };
        match wait {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(stopped(status)),
        }
    }
}

/// Sends what is left once; what has been answered for good is left no more.
async fn attempt<S: Sheet>(
    calls: &Calls,
    left: &mut Vec<Sending<S::Item>>,
    told: &mut impl FnMut(usize, Outcome),
) -> Result<(), Status> {
    let items = left.iter().map(|sending| sending.item.clone()).collect();
    let mut answers = S::send(calls.clone(), items).await?;
    let mut answered = vec![false; left.len()];
    let mut ended = Ok(());
    for (sending, answered) in left.iter().zip(&mut answered) {
        let answer = match answers.next().await {
            Some(Ok(answer)) => answer,
            Some(Err(status)) => {
                ended = Err(status);
                break;
            }
            None => break,
        };
        if answer.request_id != sending.request_id {
            ended = Err(Status::data_loss("an answer is not to the row that was sent"));
            break;
        }
        match answer.error {
            None => told(sending.row, Outcome::Taken),
            Some(error) if passes(Code::from(error.code)) || stops(Code::from(error.code)) => {
                let why = format!("{}: {}", error.reason, error.message_en);
                ended = Err(Status::new(Code::from(error.code), why));
                continue;
            }
            Some(error) => told(sending.row, Outcome::Rejected(Reason::all(S::COLUMNS, error))),
        }
        *answered = true;
    }
    let mut answered = answered.into_iter();
    left.retain(|_| !answered.next().unwrap_or(false));
    ended
}

/// What keeps the rows that are left from being taken, and what to do.
#[allow(clippy::needless_pass_by_value, reason = "the end of a status's way")]
fn stopped(status: Status) -> Failure {
    let advice = if status.code() == Code::ResourceExhausted {
        "run it again later, or ask the operator for limits.agency.<id>.subjects_per_hour"
    } else {
        "run it again with the same file"
    };
    Failure::Other(format!(
        "{} ({:?}); the rows taken so far stay taken: {advice}",
        status.message(),
        status.code()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_both_passes_and_stops() {
        for code in 0..17 {
            let code = Code::from(code);
            assert!(!(passes(code) && stops(code)), "{code:?}");
        }
        assert!(!passes(Code::InvalidArgument) && !stops(Code::AlreadyExists));
    }
}
