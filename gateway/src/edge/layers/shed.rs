//! The gateway's own limit: how many calls may be under way at once, whoever makes them.
//!
//! Before any work on identity, so that a crowd costs little to refuse.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Code;

use crate::fault::{ErrorReason, Fault, fault};

/// When a caller refused for overload may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The limit.
pub(crate) struct Shed(Arc<Semaphore>);

impl Shed {
    pub(crate) fn new(calls: usize) -> Self {
        Self(Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes a place, held until dropped.
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, Fault> {
        self.0.clone().try_acquire_owned().map_err(|_| {
            fault(
                Code::Unavailable,
                ErrorReason::Overloaded,
                "the gateway is too busy; retry later",
                "gateway sedang terlalu sibuk; coba lagi nanti",
            )
            .retry_after(RETRY_AFTER)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::reason_of;
    use tonic_types::StatusExt;

    #[test]
    fn a_full_house_is_unavailable_until_a_place_is_free() {
        let shed = Shed::new(1);
        let place = shed.admit().unwrap();
        let refused = shed.admit().unwrap_err().into_status();
        assert_eq!(
            (refused.code(), reason_of(&refused).as_str()),
            (Code::Unavailable, "OVERLOADED")
        );
        assert!(refused.get_details_retry_info().is_some());
        drop(place);
        assert!(shed.admit().is_ok());
    }
}
