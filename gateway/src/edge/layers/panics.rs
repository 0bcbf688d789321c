//! A panic in a service costs its own call, not the connection that carries others' calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// The code that was called panicked. The panic hook has logged where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs `step`. What it worked on must not be used again when it panicked.
pub(crate) fn caught<T>(step: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|_| Panicked)
}

pin_project! {
    /// A future whose panic is its result.
    pub(crate) struct CaughtFuture<F> {
        #[pin]
        inner: F,
    }
}

/// Catches panics of `inner`.
pub(crate) fn caught_future<F: Future>(inner: F) -> CaughtFuture<F> {
    CaughtFuture { inner }
}

impl<F: Future> Future for CaughtFuture<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.project().inner;
        match caught(|| inner.poll(cx)) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}
