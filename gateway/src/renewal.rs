//! The right to an answer that lasts, asked for anew while it goes on.
//!
//! A call is let in once, and its answer may go on for an hour: meanwhile the certificate may expire
//! or be revoked, the agency be suspended, the policies change. Stated by the edge, kept by the
//! service that answers.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Asks what a call is allowed, now. In the extensions of every request of a lasting method.
pub struct Renewal<P> {
    ask: Arc<dyn Fn() -> Result<P, Status> + Send + Sync>,
    leaving: CancellationToken,
}

impl<P> Renewal<P> {
    /// A right that `ask` tells, over a connection that is about to end once `leaving` is cancelled.
    pub fn new(
        ask: impl Fn() -> Result<P, Status> + Send + Sync + 'static,
        leaving: CancellationToken,
    ) -> Self {
        Self { ask: Arc::new(ask), leaving }
    }

    /// What the call is allowed now.
    ///
    /// # Errors
    /// The status with which its answer must end at once.
    pub fn ask(&self) -> Result<P, Status> {
        (self.ask)()
    }

    /// Waits until the connection is about to end, as when the node stops. The answer then has some
    /// seconds to end by itself.
    pub async fn leaving(&self) {
        self.leaving.cancelled().await;
    }
}

impl<P> Clone for Renewal<P> {
    fn clone(&self) -> Self {
        Self { ask: self.ask.clone(), leaving: self.leaving.clone() }
    }
}

impl<P> fmt::Debug for Renewal<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").finish_non_exhaustive()
    }
}
