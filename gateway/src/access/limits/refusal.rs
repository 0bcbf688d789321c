//! How a limit that was reached becomes a refusal.

use tonic::Code;

use super::{Exceeded, Limit};
use crate::fault::{ErrorReason, Fault, fault};

impl From<Exceeded> for Fault {
    fn from(exceeded: Exceeded) -> Self {
        let allowed = exceeded.allowed;
        let (reason, en, id) = match exceeded.limit {
            Limit::CallsPerSecond => (
                ErrorReason::RateLimited,
                format!("the agency calls too often: {allowed} calls a second are allowed"),
                format!("instansi memanggil terlalu sering: batasnya {allowed} per detik"),
            ),
            Limit::ConcurrentCalls => (
                ErrorReason::TooManyConcurrentCalls,
                format!("the agency has too many calls under way: {allowed} are allowed"),
                format!(
                    "panggilan instansi yang sedang berjalan terlalu banyak: batasnya {allowed}"
                ),
            ),
            Limit::Feeds => (
                ErrorReason::TooManyFeeds,
                format!("the agency has too many change feeds open: {allowed} are allowed"),
                format!(
                    "aliran perubahan instansi yang terbuka terlalu banyak: batasnya {allowed}"
                ),
            ),
            Limit::SubjectsPerHour => (
                ErrorReason::SubjectsLimited,
                format!("the agency asks about too many people: {allowed} an hour are allowed"),
                format!("instansi menanyakan terlalu banyak orang: batasnya {allowed} per jam"),
            ),
            Limit::BytesPerMinute => (
                ErrorReason::BytesLimited,
                format!("the agency moves too much data: {allowed} bytes a minute are allowed"),
                format!("data instansi terlalu besar: batasnya {allowed} bita per menit"),
            ),
        };
        fault(Code::ResourceExhausted, reason, en, id).retry_after(exceeded.retry_after)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic_types::StatusExt;

    use super::*;
    use crate::fault::tests::reason_of;

    #[test]
    fn a_refusal_says_which_limit_how_much_it_allows_and_when_to_retry() {
        for (limit, reason) in [
            (Limit::CallsPerSecond, "RATE_LIMITED"),
            (Limit::ConcurrentCalls, "TOO_MANY_CONCURRENT_CALLS"),
            (Limit::Feeds, "TOO_MANY_FEEDS"),
            (Limit::SubjectsPerHour, "SUBJECTS_LIMITED"),
            (Limit::BytesPerMinute, "BYTES_LIMITED"),
        ] {
            let retry_after = Duration::from_millis(1_500);
            let exceeded = Exceeded { limit, allowed: 7_000, retry_after, first: false };
            let status = Fault::from(exceeded).into_status();
            assert_eq!(
                (status.code(), reason_of(&status).as_str()),
                (Code::ResourceExhausted, reason)
            );
            assert!(status.message().contains("7000"));
            assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(retry_after));
        }
    }
}
