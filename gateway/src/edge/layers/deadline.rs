//! Until when a call must be answered.
//!
//! The caller's `grpc-timeout`, or a default, but never longer than the gateway's maximum. The
//! call and the stream of its answer end with DEADLINE_EXCEEDED when it passes. An answer that
//! lasts has a maximum of its own, which holds also for a caller that states nothing.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::Code;

pub use crate::deadline::Deadline;
use crate::fault::{ErrorReason, Fault, fault};

/// The step: what applies when the caller states nothing, and the longest allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) default: Duration,
    pub(crate) maximum: Duration,
    /// Longest of an answer that lasts.
    pub(crate) lasting: Duration,
}

impl Deadlines {
    /// The deadline of a call with these headers that began at `begun`.
    pub(crate) fn of(
        self,
        headers: &HeaderMap,
        begun: Instant,
        lasting: bool,
    ) -> Result<Deadline, Fault> {
        let (default, maximum) =
            if lasting { (self.lasting, self.lasting) } else { (self.default, self.maximum) };
        let mut stated = headers.get_all("grpc-timeout").iter();
        let timeout = match (stated.next(), stated.next()) {
            (None, _) => default,
            (Some(one), None) => parse(one.as_bytes()).ok_or_else(malformed)?,
            (Some(_), Some(_)) => return Err(malformed()),
        };
        Ok(Deadline(begun + timeout.min(maximum)))
    }
}

/// The answer when a deadline has passed.
pub(crate) fn exceeded() -> Fault {
    fault(
        Code::DeadlineExceeded,
        ErrorReason::DeadlineExceeded,
        "no answer within the deadline; a change may have taken effect: retry with the same request_id",
        "tidak ada jawaban dalam batas waktu; perubahan mungkin sudah berlaku: ulangi dengan request_id yang sama",
    )
}

fn malformed() -> Fault {
    fault(
        Code::InvalidArgument,
        ErrorReason::DeadlineMalformed,
        "grpc-timeout is not 1 to 8 digits and a unit (H, M, S, m, u or n)",
        "grpc-timeout bukan 1 sampai 8 angka dan satuan (H, M, S, m, u atau n)",
    )
}

/// Reads a `grpc-timeout` (gRPC over HTTP/2: at most 8 digits and a unit).
fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::reason_of;
    use proptest::prelude::*;

    const DEADLINES: Deadlines = Deadlines {
        default: Duration::from_secs(10),
        maximum: Duration::from_secs(30),
        lasting: Duration::from_secs(3_600),
    };

    fn timeout(values: &[&str]) -> Result<Duration, tonic::Status> {
        timeout_of(values, false)
    }

    fn timeout_of(values: &[&str], lasting: bool) -> Result<Duration, tonic::Status> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("grpc-timeout", value.parse().unwrap());
        }
        let begun = Instant::now();
        Ok(DEADLINES.of(&headers, begun, lasting).map_err(Fault::into_status)?.0 - begun)
    }

    #[test]
    fn the_stated_timeout_counts_up_to_the_maximum() {
        for (stated, seconds) in
            [("2S", 2.0), ("150m", 0.15), ("1u", 1e-6), ("5n", 5e-9), ("1M", 30.0)]
        {
            assert_eq!(timeout(&[stated]).unwrap(), Duration::from_secs_f64(seconds), "{stated}");
        }
        assert_eq!(timeout(&["99999999H"]).unwrap(), DEADLINES.maximum);
        assert_eq!(timeout(&[]).unwrap(), DEADLINES.default);
    }

    #[test]
    fn an_answer_that_lasts_has_a_maximum_of_its_own() {
        for (stated, seconds) in [(&["2S"][..], 2), (&["99999999H"], 3_600), (&[], 3_600)] {
            assert_eq!(timeout_of(stated, true).unwrap(), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for odd in ["", "S", "10", "1s", "123456789S", "-1S", "1.5S", " 1S", "1 S", "0x1S", "1SS"] {
            let status = timeout(&[odd]).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{odd}");
            assert_eq!(reason_of(&status), "DEADLINE_MALFORMED");
        }
        assert!(timeout(&["1S", "1S"]).is_err(), "stated twice");
    }

    proptest! {
        #[test]
        fn every_timeout_of_the_protocol_is_read(amount in 0u64..100_000_000, unit in "[HMSmun]") {
            let seconds = match unit.as_str() {
                "H" => amount as f64 * 3600.0, "M" => amount as f64 * 60.0, "S" => amount as f64,
                "m" => amount as f64 / 1e3, "u" => amount as f64 / 1e6, _ => amount as f64 / 1e9,
            };
            let read = parse(format!("{amount}{unit}").as_bytes()).unwrap().as_secs_f64();
            prop_assert!((read - seconds).abs() <= seconds * 1e-9);
        }

        #[test]
        fn no_bytes_make_it_panic(value in proptest::collection::vec(any::<u8>(), 0..12)) {
            let _ = parse(&value);
        }
    }
}
