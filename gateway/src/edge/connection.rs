//! One open connection: who is at its other end, and whether anything happens on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;

use super::tls::{Tls, VerifiedChain};
use crate::access::{NoIdentity, PeerIdentity, TrustDomain};

/// Why the certificate of a connection does not count for this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotCounting {
    /// It names no agency.
    #[error(transparent)]
    NoIdentity(NoIdentity),
    /// It is not yet or no longer valid.
    #[error("the certificate has expired or is not valid yet")]
    OutOfTime,
    /// It no longer leads to the client CA, or is revoked.
    #[error("the certificate is revoked or no longer trusted")]
    NoLongerTrusted,
}

/// An open connection, shared by its calls.
pub(crate) struct Connection {
    tls: Arc<Tls>,
    peer: Result<PeerIdentity, NoIdentity>,
    chain: VerifiedChain,
    activity: Activity,
}

impl Connection {
    /// A connection whose handshake has just ended, accepted at `accepted_at`.
    pub(crate) fn new(
        tls: Arc<Tls>,
        chain: Vec<CertificateDer<'static>>,
        trust_domain: &TrustDomain,
        accepted_at: Instant,
    ) -> Arc<Self> {
        let leaf: &[u8] = chain.first().map(|leaf| leaf.as_ref()).unwrap_or_default();
        let peer = PeerIdentity::of_certificate(leaf, trust_domain);
        Arc::new(Self {
            tls,
            peer,
            chain: VerifiedChain::new(chain),
            activity: Activity::new(accepted_at),
        })
    }

    /// The agency that the certificate names, if it counts at `now`.
    pub(crate) fn peer(&self, now: Timestamp) -> Result<&PeerIdentity, NotCounting> {
        let peer = self.peer.as_ref().map_err(|&why| NotCounting::NoIdentity(why))?;
        if !peer.counts_at(now) {
            return Err(NotCounting::OutOfTime);
        }
        if !self.chain.counts(&self.tls, now) {
            return Err(NotCounting::NoLongerTrusted);
        }
        Ok(peer)
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Marks a call as under way until the answer is dropped.
    pub(crate) fn begin_call(self: &Arc<Self>) -> CallUnderWay {
        self.activity.begun.fetch_add(1, Relaxed);
        CallUnderWay(self.clone())
    }
}

/// A call under way on a connection.
pub(crate) struct CallUnderWay(Arc<Connection>);

impl Drop for CallUnderWay {
    fn drop(&mut self) {
        let activity = &self.0.activity;
        // Time first: whoever sees the call ended sees when.
        let since = u64::try_from(activity.accepted_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        activity.last_end_ms.fetch_max(since, Relaxed);
        activity.ended.fetch_add(1, Relaxed);
    }
}

/// Counts the calls of a connection, so that one on which nothing happens can be closed.
pub(crate) struct Activity {
    accepted_at: Instant,
    begun: AtomicU64,
    ended: AtomicU64,
    /// Milliseconds from accept to the end of the last call.
    last_end_ms: AtomicU64,
}

/// What a connection is to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing before this time.
    WaitUntil(Instant),
    /// Say GOAWAY, also to a peer that only has nothing to ask yet, and let calls end.
    GoAway,
}

impl Activity {
    fn new(accepted_at: Instant) -> Self {
        Self {
            accepted_at,
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            last_end_ms: AtomicU64::new(0),
        }
    }

    /// Since when no call is under way; `None` while one is.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let quiet = self.ended.load(Relaxed) == self.begun.load(Relaxed);
        quiet.then(|| self.accepted_at + Duration::from_millis(self.last_end_ms.load(Relaxed)))
    }

    /// What is to happen at `now`, given how long a peer may take to begin its first call, how
    /// long a connection may be idle, and how old it may become.
    pub(crate) fn verdict(
        &self,
        now: Instant,
        first_call: Duration,
        idle: Duration,
        age: Duration,
    ) -> Verdict {
        let until = if self.begun.load(Relaxed) == 0 {
            // A first call may begin and end before that.
            (self.accepted_at + first_call).min(now + idle)
        } else {
            self.quiet_since().unwrap_or(now) + idle
        };
        let until = until.min(self.accepted_at + age);
        if now >= until { Verdict::GoAway } else { Verdict::WaitUntil(until) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(100);
    const AGE: Duration = Duration::from_secs(1000);

    fn verdict(activity: &Activity, after: u64) -> Verdict {
        activity.verdict(activity.accepted_at + Duration::from_secs(after), FIRST, IDLE, AGE)
    }

    fn wait(activity: &Activity, after: u64) -> Verdict {
        Verdict::WaitUntil(activity.accepted_at + Duration::from_secs(after))
    }

    #[test]
    fn a_peer_that_never_calls_is_told_to_go() {
        let activity = Activity::new(Instant::now());
        assert_eq!(verdict(&activity, 3), wait(&activity, 10));
        assert_eq!(verdict(&activity, 10), Verdict::GoAway);
    }

    #[test]
    fn an_idle_connection_is_told_to_go() {
        let activity = Activity::new(Instant::now());
        activity.begun.store(2, Relaxed);
        activity.ended.store(1, Relaxed);
        assert_eq!(verdict(&activity, 500), wait(&activity, 600), "a call is under way");
        activity.ended.store(2, Relaxed);
        activity.last_end_ms.store(500_000, Relaxed);
        assert_eq!(verdict(&activity, 599), wait(&activity, 600));
        assert_eq!(verdict(&activity, 600), Verdict::GoAway);
    }

    #[test]
    fn an_old_connection_is_told_to_go_even_when_busy() {
        let activity = Activity::new(Instant::now());
        activity.begun.store(1, Relaxed);
        assert_eq!(verdict(&activity, 950), wait(&activity, 1000));
        assert_eq!(verdict(&activity, 1000), Verdict::GoAway);
    }
}
