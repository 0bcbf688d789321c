//! The gateway's own limit: how many calls may be under way at once, whoever makes them.
//!
//! Before any work on identity, so that a crowd costs little to refuse. The limit falls while the
//! gateway is overloaded and rises again when it is not: additive increase, multiplicative
//! decrease, by `tower-resilience-core`, whose breaker guards the ministries.
//!
//! Overload is told by how late the runtime wakes a task that is due, not by how long calls take:
//! a ministry that is slow makes calls long and the gateway no busier, and must not cost the
//! callers of others their place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use tower_resilience_core::aimd::{AimdConfig, AimdController};

use crate::edge::metrics::Metrics;
use crate::fault::{ErrorReason, Fault, fault};

/// When a caller refused for overload may try again, at the earliest. Refusals one after another
/// are spread over as long again, or the crowd would come back at once.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Into how many moments the refused are spread.
const SPREAD: u32 = 16;

/// How often the load is felt.
const TICK: Duration = Duration::from_millis(20);
/// A task that is due waits no longer than this while the gateway keeps up.
const LATE: Duration = Duration::from_millis(25);
/// What is left of the limit after a tick that was late.
const DECREASE: f64 = 0.8;
/// The limit grows by this part of the whole with each tick in time: from the least to the whole
/// in a second.
const INCREASE: usize = 50;
/// The least that the limit falls to, as a part of the whole.
const LEAST: usize = 32;

/// The limit.
pub(crate) struct Shed {
    limit: AimdController,
    under_way: Arc<AtomicUsize>,
    refused: AtomicUsize,
}

/// A call's place among those under way, held until dropped.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shed {
    /// A limit of `calls`, fewer under overload.
    pub(crate) fn new(calls: usize) -> Self {
        let config = AimdConfig {
            initial_limit: calls,
            max_limit: calls,
            min_limit: (calls / LEAST).max(1).min(calls),
            increase_by: (calls / INCREASE).max(1),
            decrease_factor: DECREASE,
        };
        Self {
            limit: AimdController::new(config).expect("least <= whole, and 0 < decrease < 1"),
            under_way: Arc::default(),
            refused: AtomicUsize::new(0),
        }
    }

    /// Takes a place.
    pub(crate) fn admit(&self) -> Result<Place, Fault> {
        let place = Place(self.under_way.clone());
        if self.under_way.fetch_add(1, Ordering::Relaxed) < self.limit.limit() {
            return Ok(place);
        }
        drop(place);
        let turn = self.refused.fetch_add(1, Ordering::Relaxed) as u32 % SPREAD;
        Err(fault(
            Code::Unavailable,
            ErrorReason::Overloaded,
            "the gateway is too busy; retry later",
            "gateway sedang terlalu sibuk; coba lagi nanti",
        )
        .retry_after(RETRY_AFTER + RETRY_AFTER * turn / SPREAD))
    }

    /// Feels the load for as long as it is polled.
    pub(crate) async fn feel(&self, metrics: &Metrics) {
        loop {
            let due = Instant::now() + TICK;
            tokio::time::sleep_until(due).await;
            let late = due.elapsed();
            self.felt(late);
            metrics.load(late, self.limit.limit());
        }
    }

    /// Fits the limit to how late a tick came.
    fn felt(&self, late: Duration) {
        if late > LATE {
            self.limit.record_failure();
        } else {
            self.limit.record_success();
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;
    use crate::fault::tests::reason_of;

    #[test]
    fn a_full_house_is_unavailable_until_a_place_is_free() {
        let shed = Shed::new(1);
        let place = shed.admit().unwrap();
        let refused = shed.admit().err().unwrap().into_status();
        assert_eq!(
            (refused.code(), reason_of(&refused).as_str()),
            (Code::Unavailable, "OVERLOADED")
        );
        assert!(refused.get_details_retry_info().is_some());
        drop(place);
        assert!(shed.admit().is_ok());
    }

    #[test]
    fn those_refused_together_are_not_told_to_come_back_together() {
        let shed = Shed::new(1);
        let _place = shed.admit().unwrap();
        let delays: std::collections::HashSet<_> = (0..SPREAD)
            .map(|_| shed.admit().err().unwrap().into_status())
            .map(|refused| refused.get_details_retry_info().unwrap().retry_delay.unwrap())
            .collect();
        assert_eq!(delays.len(), SPREAD as usize);
        assert!(delays.iter().all(|it| (RETRY_AFTER..2 * RETRY_AFTER).contains(it)), "{delays:?}");
    }

    #[test]
    fn an_overloaded_gateway_takes_fewer_calls_and_soon_as_many_as_before() {
        let shed = Shed::new(2_000);
        let places = || (0..3_000).map_while(|_| shed.admit().ok()).collect::<Vec<_>>().len();
        assert_eq!(places(), 2_000);
        shed.felt(LATE * 2);
        assert_eq!(places(), 1_600);
        for _ in 0..100 {
            shed.felt(LATE * 2);
        }
        assert_eq!(places(), 62, "some work is always done");
        for _ in 0..INCREASE {
            shed.felt(Duration::ZERO);
        }
        assert_eq!(places(), 2_000, "in {:?}", TICK * u32::try_from(INCREASE).unwrap());
    }

    #[test]
    fn calls_under_way_keep_their_places_when_the_limit_falls() {
        let shed = Shed::new(64);
        let places: Vec<_> = (0..64).map(|_| shed.admit().ok().unwrap()).collect();
        shed.felt(LATE * 2);
        drop(places);
        assert_eq!(shed.under_way.load(Ordering::Relaxed), 0);
        assert!(shed.admit().is_ok());
    }
}
