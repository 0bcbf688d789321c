//! Tokens: how many are asked for, and when.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use desmigratif_core::ports::clock::{Clock as _, SetClock};
use desmigratif_core::ports::ministry::{Fault, FaultKind, Retry};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::super::token::{Granted, Issuer, Token, Tokens};

const LIFE: i64 = 3_600;

/// Issues the tokens "1", "2", ... after a second each, or fails as it is told.
#[derive(Clone)]
struct Mint {
    clock: Arc<SetClock>,
    issued: Arc<AtomicU32>,
    trouble: Arc<Mutex<Option<Fault>>>,
}

impl Mint {
    fn new() -> (Self, Tokens) {
        let clock = Arc::new(SetClock::at(Timestamp::UNIX_EPOCH));
        let mint = Self { clock: clock.clone(), issued: Arc::default(), trouble: Arc::default() };
        (mint.clone(), Tokens::new(mint, clock))
    }

    fn issued(&self) -> u32 {
        self.issued.load(Ordering::SeqCst)
    }

    fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }
}

#[async_trait]
impl Issuer for Mint {
    async fn issue(&self) -> Result<Token, Fault> {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Some(fault) = self.trouble.lock().unwrap().clone() {
            return Err(fault);
        }
        granted(&json!({"access_token": number.to_string(), "expires_in": LIFE.to_string()}))
            .unwrap()
            .token(self.clock.now())
    }
}

fn granted(answer: &serde_json::Value) -> Result<Granted, serde_json::Error> {
    serde_json::from_value(answer.clone())
}

fn unavailable() -> Fault {
    Fault::new(FaultKind::Unavailable, Retry::Safe, "HTTP 503")
}

fn within(seconds: u64) -> Instant {
    tokio::time::Instant::now().into_std() + Duration::from_secs(seconds)
}

async fn text(tokens: &Tokens) -> Result<String, Fault> {
    tokens.get(within(10)).await.map(|it| it.secret.expose_secret().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_for_a_crowd() {
    let (mint, tokens) = Mint::new();
    for round in 1..=2 {
        let crowd = join_all((0..1_000).map(|_| text(&tokens))).await;
        assert!(crowd.into_iter().all(|it| it.unwrap() == round.to_string()));
        assert_eq!(mint.issued(), round);
        mint.pass(LIFE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_is_refused_fetches_one_new_token() {
    let (mint, tokens) = Mint::new();
    let old = tokens.get(within(10)).await.unwrap();
    let refused = (0..1_000).map(|_| async {
        tokens.reject(&old);
        text(&tokens).await
    });
    assert!(join_all(refused).await.into_iter().all(|it| it.unwrap() == "2"));
    assert_eq!(mint.issued(), 2);
    // The refusal of an old token says nothing of the new.
    tokens.reject(&old);
    assert_eq!(text(&tokens).await.unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_shared_and_the_next_call_tries_again() {
    let (mint, tokens) = Mint::new();
    *mint.trouble.lock().unwrap() = Some(unavailable());
    let crowd = join_all((0..1_000).map(|_| text(&tokens))).await;
    assert!(crowd.into_iter().all(|it| it == Err(unavailable())));
    assert_eq!(mint.issued(), 1);
    *mint.trouble.lock().unwrap() = None;
    assert_eq!(text(&tokens).await.unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_leaves_the_fetch_to_the_others() {
    let (mint, tokens) = Mint::new();
    let hasty = tokens.get(within(0)).await.map(drop).unwrap_err();
    assert_eq!(hasty.kind, FaultKind::Timeout);
    assert_eq!(text(&tokens).await.unwrap(), "1");
    assert_eq!(mint.issued(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_ahead_and_used_to_its_end() {
    let (mint, tokens) = Mint::new();
    assert_eq!(tokens.expires(), None);
    assert_eq!(text(&tokens).await.unwrap(), "1");
    assert_eq!(tokens.expires(), Some(Timestamp::from_second(LIFE).unwrap()));
    *mint.trouble.lock().unwrap() = Some(unavailable());
    mint.pass(LIFE - 121);
    assert_eq!((text(&tokens).await.unwrap(), mint.issued()), ("1".to_owned(), 1));
    mint.pass(120);
    assert_eq!((text(&tokens).await.unwrap(), mint.issued()), ("1".to_owned(), 2));
    mint.pass(1);
    assert_eq!(text(&tokens).await, Err(unavailable()));
}

#[test]
fn an_answer_is_read_with_numbers_as_texts_and_with_nothing_that_cannot_be() {
    let life = |answer| {
        let token = granted(&answer).map_err(|_| FaultKind::Malformed)?;
        let token = token.token(Timestamp::UNIX_EPOCH).map_err(|it| it.kind)?;
        Ok(token.expires.as_second())
    };
    for expires_in in [json!("14399"), json!(14_399), json!(" 14399 ")] {
        let answer = json!({"access_token": "a", "expires_in": expires_in, "status": "approved",
            "issued_at": "1700000000000", "token_type": "BearerToken"});
        assert_eq!(life(answer), Ok(14_399));
    }
    for expires_in in [json!("0"), json!(-1), json!("soon"), json!(null), json!(i64::MAX)] {
        let answer = json!({"access_token": "a", "expires_in": expires_in});
        assert_eq!(life(answer), Err(FaultKind::Malformed));
    }
    assert_eq!(life(json!({"error": "invalid_client"})), Err(FaultKind::Malformed));
    let revoked = json!({"access_token": "a", "expires_in": "1", "status": "revoked"});
    assert_eq!(life(revoked), Err(FaultKind::Credentials));
}
