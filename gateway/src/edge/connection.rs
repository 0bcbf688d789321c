//! One open connection: who is at its other end, and whether anything happens on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use desmigratif_core::credentials::Credentials;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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
    leaving: CancellationToken,
}

impl Connection {
    /// A connection whose handshake has just ended, accepted at `accepted_at`.
    pub(crate) fn new(
        tls: Arc<Tls>,
        chain: &[CertificateDer<'_>],
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
            leaving: CancellationToken::new(),
        })
    }

    /// The agency that the certificate names, if it counts at `now`, and what it is admitted with.
    pub(crate) fn peer(&self, now: Timestamp) -> Result<(&PeerIdentity, Credentials), NotCounting> {
        let peer = self.peer.as_ref().map_err(|&why| NotCounting::NoIdentity(why))?;
        if !peer.counts_at(now) {
            return Err(NotCounting::OutOfTime);
        }
        let credentials =
            self.chain.admitted(&self.tls, now).ok_or(NotCounting::NoLongerTrusted)?;
        Ok((peer, credentials))
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Is cancelled when the peer is told to go away: answers that last are to end.
    pub(crate) fn leaving(&self) -> CancellationToken {
        self.leaving.clone()
    }

    /// Marks a call as under way until the answer is dropped. The answer of one that `lasts` may
    /// take so much longer than others.
    pub(crate) fn begin_call(self: &Arc<Self>, lasts: Duration) -> CallUnderWay {
        CallUnderWay { id: self.activity.begin(Instant::now(), lasts), connection: self.clone() }
    }
}

/// A call under way on a connection.
pub(crate) struct CallUnderWay {
    connection: Arc<Connection>,
    id: u64,
}

impl Drop for CallUnderWay {
    fn drop(&mut self) {
        self.connection.activity.end(self.id, Instant::now());
    }
}

/// The calls of a connection, so that one on which nothing happens can be closed.
pub(crate) struct Activity {
    accepted_at: Instant,
    calls: Mutex<Calls>,
}

struct Calls {
    begun: u64,
    /// From when on each call that is under way counts as long: since it has begun, or was to end if
    /// its answer lasts.
    under_way: HashMap<u64, Instant>,
    /// When the last call has ended, or the connection was accepted.
    quiet_since: Instant,
}

/// For how long a connection is borne.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the accept to its first call.
    pub(crate) first_call: Duration,
    /// While a call goes on.
    pub(crate) call: Duration,
    /// Without a call.
    pub(crate) idle: Duration,
    /// In all.
    pub(crate) age: Duration,
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
        let calls = Calls { begun: 0, under_way: HashMap::new(), quiet_since: accepted_at };
        Self { accepted_at, calls: Mutex::new(calls) }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        // Nothing panics while it holds this lock, and the calls are whole even if it did.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, now: Instant, lasts: Duration) -> u64 {
        let mut calls = self.calls();
        let id = calls.begun;
        calls.begun += 1;
        calls.under_way.insert(id, now + lasts);
        id
    }

    fn end(&self, id: u64, now: Instant) {
        let mut calls = self.calls();
        calls.under_way.remove(&id);
        calls.quiet_since = now;
    }

    /// Since when no call is under way; `None` while one is.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let calls = self.calls();
        calls.under_way.is_empty().then_some(calls.quiet_since)
    }

    /// What is to happen at `now`. To be asked again no later than one call is borne, for one may
    /// begin at any time.
    pub(crate) fn verdict(&self, now: Instant, patience: &Patience) -> Verdict {
        let calls = self.calls();
        let until = if let Some(begun_at) = calls.under_way.values().min() {
            // Its deadline has passed by then: the peer does not read the answer.
            *begun_at + patience.call
        } else if calls.begun == 0 {
            self.accepted_at + patience.first_call
        } else {
            calls.quiet_since + patience.idle
        };
        let until = until.min(self.accepted_at + patience.age);
        if now >= until {
            Verdict::GoAway
        } else {
            Verdict::WaitUntil(until.min(now + patience.call))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        first_call: Duration::from_secs(10),
        call: Duration::from_secs(50),
        idle: Duration::from_secs(100),
        age: Duration::from_secs(1000),
    };

    fn at(activity: &Activity, after: u64) -> Instant {
        activity.accepted_at + Duration::from_secs(after)
    }

    fn verdict(activity: &Activity, after: u64) -> Verdict {
        activity.verdict(at(activity, after), &PATIENCE)
    }

    fn wait(activity: &Activity, after: u64) -> Verdict {
        Verdict::WaitUntil(at(activity, after))
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
        let calls = [400, 480].map(|after| activity.begin(at(&activity, after), Duration::ZERO));
        activity.end(calls[0], at(&activity, 490));
        assert_eq!(activity.quiet_since(), None, "a call is under way");
        assert_eq!(verdict(&activity, 500), wait(&activity, 530));
        activity.end(calls[1], at(&activity, 500));
        assert_eq!(activity.quiet_since(), Some(at(&activity, 500)));
        assert_eq!(verdict(&activity, 500), wait(&activity, 550), "one may begin meanwhile");
        assert_eq!(verdict(&activity, 599), wait(&activity, 600));
        assert_eq!(verdict(&activity, 600), Verdict::GoAway);
    }

    #[test]
    fn a_connection_with_a_call_that_does_not_end_is_told_to_go() {
        let activity = Activity::new(Instant::now());
        activity.begin(at(&activity, 5), Duration::ZERO);
        let other = activity.begin(at(&activity, 20), Duration::ZERO);
        assert_eq!(verdict(&activity, 30), wait(&activity, 55));
        activity.end(other, at(&activity, 40));
        assert_eq!(verdict(&activity, 54), wait(&activity, 55));
        assert_eq!(verdict(&activity, 55), Verdict::GoAway);
    }

    #[test]
    fn an_answer_that_lasts_is_borne_for_longer_and_others_beside_it_are_not() {
        let activity = Activity::new(Instant::now());
        activity.begin(at(&activity, 5), Duration::from_secs(600));
        assert_eq!(verdict(&activity, 60), wait(&activity, 110), "others may begin meanwhile");
        assert_eq!(verdict(&activity, 640), wait(&activity, 655));
        let call = activity.begin(at(&activity, 100), Duration::ZERO);
        assert_eq!(verdict(&activity, 150), Verdict::GoAway);
        activity.end(call, at(&activity, 150));
        assert_eq!(verdict(&activity, 655), Verdict::GoAway);
    }

    #[test]
    fn an_old_connection_is_told_to_go_even_when_busy() {
        let activity = Activity::new(Instant::now());
        activity.begin(at(&activity, 990), Duration::ZERO);
        assert_eq!(verdict(&activity, 995), wait(&activity, 1000));
        assert_eq!(verdict(&activity, 1000), Verdict::GoAway);
    }
}
