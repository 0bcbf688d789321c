//! Streams of changes: each item is decided as a call of its own would be, and answered in the order
//! sent.
//!
//! Items are decided at the same time, so that their commits share the disk's syncs. Invariants:
//! - answers come in the order of the items, one for each, and a failed item ends nothing;
//! - items of one [line](StreamItem::line) are decided one after the other, in the order sent;
//! - of all its streams together an agency has no more items at work than it may have calls;
//! - a caller that does not read its answers is read no further: at most
//!   [`StreamItem::AT_ONCE`] items are under way, and [`WAITING_ANSWERS`] answers wait;
//! - what was read is done, also when the caller goes away.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::failure::Failure;
use super::flow::{Admitted, ChangeRequest, change_one};
use crate::exchange::{Error, Exchange};

/// The answers of a stream.
pub(super) type Items<A> = ReceiverStream<Result<A, Status>>;

/// Answers that may wait for a slow reader before no further one is made.
const WAITING_ANSWERS: usize = 32;

/// An item of a stream of changes.
pub(super) trait StreamItem: Send + 'static {
    /// The request that it holds.
    type Request: ChangeRequest + Send + Sync + 'static;
    /// Its answer.
    type Answer: Send + 'static;

    /// How many are decided at the same time.
    const AT_ONCE: usize;

    /// The request; the default when the item is empty, which its own rules then refuse.
    fn into_request(self) -> Self::Request;

    /// Whom the request names, as it names the person. Items that name one person alike keep their
    /// order; what names nobody waits for nobody.
    fn line(request: &Self::Request) -> Option<&str>;

    /// The answer to the item with a request id.
    fn answer(
        request_id: String,
        outcome: Result<<Self::Request as ChangeRequest>::Response, Failure>,
    ) -> Self::Answer;
}

/// A bidirectional call of many changes.
pub(super) fn change_stream<I: StreamItem>(
    exchange: &Arc<Exchange>,
    request: Request<Streaming<I>>,
) -> Result<Response<Items<I::Answer>>, Status> {
    let items = Deciding { exchange: exchange.clone(), admitted: Admitted::of(&request)? };
    let (answers, stream) = mpsc::channel(WAITING_ANSWERS);
    let work = answer_all(items, request.into_inner(), answers);
    tokio::spawn(tracing::Instrument::in_current_span(work));
    Ok(Response::new(ReceiverStream::new(stream)))
}

/// What the items of one stream are decided with.
#[derive(Clone)]
struct Deciding {
    exchange: Arc<Exchange>,
    admitted: Admitted,
}

impl Deciding {
    async fn answer<I: StreamItem>(self, request: I::Request, turn: Turn) -> I::Answer {
        turn.come().await;
        let limits = self.exchange.limits.of(&self.admitted.permit.agency().id);
        let place = limits.item().await;
        let outcome = change_one(&self.exchange, &self.admitted, &request).await;
        drop((place, turn));
        I::answer(request.request_id().to_owned(), outcome)
    }
}

async fn answer_all<I: StreamItem>(
    deciding: Deciding,
    items: Streaming<I>,
    answers: mpsc::Sender<Result<I::Answer, Status>>,
) {
    // After a fault of the stream there is nothing more to read in it.
    let items = stream::unfold(Some(items), async |items| {
        let mut items = items?;
        match items.message().await {
            Ok(Some(item)) => Some((Ok(item), Some(items))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    });
    let mut lines = Lines::default();
    let decided = items.map(|item| {
        let work = item.map(|item| {
            let request = item.into_request();
            let turn = lines.next(I::line(&request));
            // A task of its own: it is worked on by any processor, and to its end.
            let work = deciding.clone().answer::<I>(request, turn);
            tokio::spawn(tracing::Instrument::in_current_span(work))
        });
        async move {
            let panicked = |_| Error::Internal("an item's task did not end".into());
            match work?.await {
                Ok(answer) => Ok(answer),
                Err(ended) => Err(Failure::from(panicked(ended)).into()),
            }
        }
    });
    let mut decided = std::pin::pin!(decided.buffered(I::AT_ONCE));
    while let Some(answer) = decided.next().await {
        let ended = answer.is_err();
        if answers.send(answer).await.is_err() || ended {
            return;
        }
    }
}

/// Whose turn it is, by line.
#[derive(Default)]
struct Lines(HashMap<String, watch::Receiver<()>>);

/// A place in a line. It ends when dropped, also by a panic.
struct Turn {
    before: Option<watch::Receiver<()>>,
    _mine: Option<watch::Sender<()>>,
}

/// Lines that are kept before those that have ended are looked for.
const MANY_LINES: usize = 256;

impl Lines {
    /// The next place in a line.
    fn next(&mut self, line: Option<&str>) -> Turn {
        let Some(line) = line.filter(|line| !line.is_empty()) else {
            return Turn { before: None, _mine: None };
        };
        if self.0.len() >= MANY_LINES {
            // Whoever waits in a line holds its own end of it: nothing that is waited for goes.
            self.0.retain(|_, last| last.has_changed().is_ok());
        }
        let (mine, ended) = watch::channel(());
        Turn { before: self.0.insert(line.to_owned(), ended), _mine: Some(mine) }
    }
}

impl Turn {
    /// Waits until the one before has ended.
    async fn come(&self) {
        if let Some(before) = &self.before {
            // Nothing is ever sent: the wait ends when the sender is dropped.
            let _ = before.clone().changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_line_is_gone_through_in_order_and_others_wait_for_nobody() {
        let mut lines = Lines::default();
        let first = lines.next(Some("a"));
        let second = lines.next(Some("a"));
        let third = lines.next(Some("a"));
        assert!(first.come().now_or_never().is_some());
        assert!(second.come().now_or_never().is_none());
        assert!(lines.next(Some("b")).come().now_or_never().is_some());
        assert!(lines.next(None).come().now_or_never().is_some());
        drop(first);
        assert!(third.come().now_or_never().is_none(), "the second has not ended");
        second.come().await;
        drop(second);
        third.come().await;
    }

    #[test]
    fn lines_that_have_ended_are_forgotten() {
        let mut lines = Lines::default();
        let held = lines.next(Some("held"));
        for line in 0..10 * MANY_LINES {
            drop(lines.next(Some(&line.to_string())));
        }
        assert!(lines.0.len() <= MANY_LINES + 1, "{}", lines.0.len());
        assert!(lines.next(Some("held")).come().now_or_never().is_none());
        drop(held);
    }
}
