//! The access token: OAuth 2 client credentials, as SATUSEHAT gives them out.
//!
//! Invariants:
//! - However many calls find the token missing or expired, one request fetches the next, and all of
//!   them get what came of it. It runs in a task of its own: a caller who gives up takes nothing
//!   from the others.
//! - A token is renewed ahead of its expiry. Until it expires, a failure to renew it harms nobody.
//! - Neither token nor secret is ever printed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

use tracing::Instrument as _;

use super::answer::malformed;

/// How long before its expiry a token is renewed, or half its life if that is shorter.
const AHEAD: SignedDuration = SignedDuration::from_mins(2);

/// A token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) secret: Arc<SecretString>,
    pub(super) expires: Timestamp,
    renew: Timestamp,
}

/// The token endpoint's answer. SATUSEHAT writes every value as a text, numbers too.
#[derive(Deserialize)]
pub(super) struct Granted {
    access_token: String,
    #[serde(deserialize_with = "seconds")]
    expires_in: i64,
    #[serde(default)]
    status: Option<String>,
}

impl Granted {
    /// The token, granted `now`.
    pub(super) fn token(self, now: Timestamp) -> Result<Token, Fault> {
        if self.status.is_some_and(|it| it != "approved") {
            let what = "a token that is not approved";
            return Err(Fault::new(FaultKind::Credentials, Retry::Never, what));
        }
        // A life that no token has is a broken answer, and would overflow the calendar.
        if !(1..=366 * 86_400).contains(&self.expires_in) {
            return Err(malformed("a token with an impossible life"));
        }
        let life = SignedDuration::from_secs(self.expires_in);
        let expires = now + life;
        Ok(Token {
            secret: Arc::new(SecretString::from(self.access_token)),
            expires,
            renew: expires - AHEAD.min(life / 2),
        })
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(i64),
        Text(String),
    }
    match Seconds::deserialize(deserializer)? {
        Seconds::Number(number) => Ok(number),
        Seconds::Text(text) => text
            .trim()
            .parse()
            .map_err(|_| D::Error::invalid_value(Unexpected::Other("a text"), &"a number")),
    }
}

type Fetch = Shared<BoxFuture<'static, Result<Token, Fault>>>;

/// Where tokens come from.
#[async_trait::async_trait]
pub(super) trait Issuer: Send + Sync + 'static {
    /// Asks for a token, for as long as the issuer itself allows.
    async fn issue(&self) -> Result<Token, Fault>;
}

/// The token at hand, and the one on its way.
pub(super) struct Tokens {
    clock: Arc<dyn Clock>,
    issuer: Arc<dyn Issuer>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    fetch: Option<Fetch>,
}

impl Tokens {
    pub(super) fn new(issuer: impl Issuer, clock: Arc<dyn Clock>) -> Self {
        Self { clock, issuer: Arc::new(issuer), state: Arc::default() }
    }

    /// A token that is in force.
    pub(super) async fn get(&self, deadline: Instant) -> Result<Token, Fault> {
        let now = self.clock.now();
        let (current, fetch) = {
            let mut state = lock(&self.state);
            match &state.token {
                Some(token) if now < token.renew => return Ok(token.clone()),
                _ => (state.token.clone(), self.fetch(&mut state)),
            }
        };
        let current = current.filter(|it| now < it.expires);
        match tokio::time::timeout_at(deadline.into(), fetch).await {
            Ok(Ok(token)) => Ok(token),
            Ok(Err(fault)) => current.ok_or(fault),
            Err(_) => current.ok_or_else(|| {
                Fault::new(FaultKind::Timeout, Retry::Safe, "no token within the deadline")
            }),
        }
    }

    /// Forgets a token that the ministry does not accept. One that has come since stays.
    pub(super) fn reject(&self, token: &Token) {
        let mut state = lock(&self.state);
        if state.token.as_ref().is_some_and(|it| Arc::ptr_eq(&it.secret, &token.secret)) {
            state.token = None;
        }
    }

    /// When the token at hand expires.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        lock(&self.state).token.as_ref().map(|it| it.expires)
    }

    /// The fetch on its way, else a new one.
    fn fetch(&self, state: &mut State) -> Fetch {
        // One that has ended is left here only by a task that died.
        if let Some(fetch) = state.fetch.as_ref().filter(|it| it.peek().is_none()) {
            return fetch.clone();
        }
        let (issuer, shared) = (Arc::clone(&self.issuer), Arc::clone(&self.state));
        let fetch = async move {
            let result = issuer.issue().await;
            let mut state = lock(&shared);
            state.fetch = None;
            if let Ok(token) = &result {
                state.token = Some(token.clone());
            }
            result
        };
        let fetch = tokio::spawn(fetch.in_current_span())
            .map(|ended| {
                ended.unwrap_or_else(|_| {
                    let what = "the fetch of a token ended early";
                    Err(Fault::new(FaultKind::Unavailable, Retry::Safe, what))
                })
            })
            .boxed()
            .shared();
        state.fetch = Some(fetch.clone());
        fetch
    }
}

/// The state is whole after every change, so that a panic elsewhere does not spoil it.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
