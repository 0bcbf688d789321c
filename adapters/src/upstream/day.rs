//! The number of calls that may be made in a day: what was agreed with the ministry, kept by the
//! exchange before the ministry has to refuse.
//!
//! Days are those of the capital (WIB), as the quotas of Dukcapil are. The count is of this process:
//! it begins anew with it, and what the ministry itself counts holds besides.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use jiff::civil::Date;

/// The calls of a day.
pub(super) struct Day {
    /// `None` when no number is agreed.
    allowed: Option<NonZeroU32>,
    clock: Arc<dyn Clock>,
    /// The day that was counted last, and its calls.
    made: Mutex<(Date, u32)>,
}

impl Day {
    /// A count that allows `allowed` calls a day; 0 allows any number.
    pub(super) fn new(allowed: u32, clock: Arc<dyn Clock>) -> Self {
        let made = Mutex::new((clock.today(), 0));
        Self { allowed: NonZeroU32::new(allowed), clock, made }
    }

    /// How many calls are left today; `None` when no number is agreed.
    pub(super) fn left(&self) -> Option<u32> {
        let allowed = self.allowed?.get();
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        Some(if made.0 == self.clock.today() { allowed - made.1 } else { allowed })
    }

    /// Why no call may begin now; `None` when one may.
    pub(super) fn refusal(&self) -> Option<Fault> {
        (self.left() == Some(0)).then(|| self.used_up())
    }

    /// Counts a call that is about to begin.
    ///
    /// # Errors
    /// [`FaultKind::Quota`], with the time until the next day, when today's are used up.
    pub(super) fn take(&self) -> Result<(), Fault> {
        let Some(allowed) = self.allowed else { return Ok(()) };
        let today = self.clock.today();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.0 != today {
            *made = (today, 0);
        }
        if made.1 >= allowed.get() {
            return Err(self.used_up());
        }
        made.1 += 1;
        Ok(())
    }

    fn used_up(&self) -> Fault {
        let retry = Retry::After(self.clock.until_tomorrow());
        Fault::new(FaultKind::Quota, retry, "the calls that are agreed for a day are used up")
    }
}
