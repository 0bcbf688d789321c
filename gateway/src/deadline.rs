//! Until when a call must be answered: stated by the edge, kept by whoever waits for others.

use std::time::Duration;

use tokio::time::Instant;

/// Until when the call must be answered. In the extensions of every request that reaches a
/// service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// The time that is left, zero when it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The deadline for asking someone else, so that there is time left to answer without.
    #[must_use]
    pub fn for_asking(self) -> std::time::Instant {
        (self.0 - (self.left() / 4).min(RESERVE)).into_std()
    }
}

/// Enough to commit an entry and answer.
const RESERVE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_leaves_time_to_answer() {
        let reserve = |left: u64| {
            let deadline = Deadline(Instant::now() + Duration::from_millis(left));
            deadline.0.into_std() - deadline.for_asking()
        };
        assert_eq!(reserve(10_000), RESERVE);
        assert!(reserve(100) <= Duration::from_millis(25));
        assert_eq!(reserve(0), Duration::ZERO);
    }
}
