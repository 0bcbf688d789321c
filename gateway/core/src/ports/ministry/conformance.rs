//! What every adapter of the ministry port must do, as functions that panic where one does not.
//!
//! Each function is one behaviour against a simulated ministry that can be made to fail. The suite
//! needs no runtime of its own: the adapter's tests bring theirs. Not here: how a protocol's
//! messages are read and written, which only the adapter's own tests can know.

#![allow(clippy::unwrap_used, reason = "a suite panics where an adapter breaks its word")]

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{Answer, Fault, FaultKind, Ministry, Parcel, Question, Retry};

/// Long enough for any answer.
const LONG: Duration = Duration::from_secs(20);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);
/// How much later than its deadline a call may end on a busy machine.
const GRACE: Duration = Duration::from_millis(500);
/// The pause that the ministry asks for; longer than a test would wait.
const PAUSE: Duration = Duration::from_secs(60);

/// What a simulated ministry can be made to suffer from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It answers only after a while.
    Latency(Duration),
    /// Its answer comes a byte at a time.
    Drip,
    /// It answers that it failed.
    Http500,
    /// It answers that calls come too fast, and when to come back.
    Http429(Duration),
    /// A web page comes in place of an answer.
    Html,
    /// Its answer breaks off, as if it were whole.
    Garbage,
    /// The connection is reset in the middle of an answer.
    Reset,
    /// It accepts the exchange no more.
    Refused,
    /// The agreed number of calls is used up.
    Quota,
    /// It accepts no connection.
    Down,
    /// Its answer never ends.
    Endless,
    /// It does what it is asked; the answer is lost.
    LostAnswer,
}

/// An adapter and its simulated ministry, set up for the suite.
pub trait Stand: Send + Sync {
    /// A new adapter, with its breaker closed. It spares a ministry for less than a second, and
    /// makes no more than a few attempts for one call.
    fn ministry(&self) -> Arc<dyn Ministry>;

    /// A question that the ministry answers, and its answer.
    fn question(&self) -> (Question, Answer);

    /// A question for another ministry.
    fn foreign_question(&self) -> Question;

    /// A parcel that the ministry takes, under a new key each time; `None` when it takes none.
    fn parcel(&self) -> Option<Parcel>;

    /// How often what was delivered under a key had an effect.
    fn effects(&self, key: Uuid) -> u64;

    /// Puts the ministry in trouble in place of any other, or out of it.
    fn trouble(&self, trouble: Option<Trouble>);

    /// Makes every access token that the adapter may hold expire; `false` when there are none.
    fn expire_tokens(&self) -> bool;

    /// Why this ministry cannot be in a kind of trouble. The list may only shrink.
    fn exempt(&self, trouble: Trouble) -> Option<&'static str>;

    /// Texts of the question and the parcel that no fault may show.
    fn personal(&self) -> Vec<String>;
}

type Run<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
type Behaviour = for<'a> fn(&'a dyn Stand) -> Run<'a>;

const BEHAVIOURS: [Behaviour; 15] = [
    |stand| Box::pin(a_question_is_answered(stand)),
    |stand| Box::pin(a_foreign_question_is_unsupported(stand)),
    |stand| Box::pin(a_deadline_that_has_passed_is_a_timeout_at_once(stand)),
    |stand| Box::pin(a_slow_ministry_is_a_timeout_by_the_deadline(stand)),
    |stand| Box::pin(a_ministry_that_is_not_there_is_unavailable(stand)),
    |stand| Box::pin(a_ministry_that_fails_is_unavailable(stand)),
    |stand| Box::pin(an_unintelligible_answer_is_malformed(stand)),
    |stand| Box::pin(an_answer_without_end_is_cut(stand)),
    |stand| Box::pin(too_many_calls_are_a_quota_with_the_pause_asked_for(stand)),
    |stand| Box::pin(a_used_up_quota_says_when_it_is_renewed(stand)),
    |stand| Box::pin(refused_credentials_are_no_ones_fault_but_the_operators(stand)),
    |stand| Box::pin(an_expired_token_does_no_harm(stand)),
    |stand| Box::pin(a_parcel_has_one_effect(stand)),
    |stand| Box::pin(a_lost_answer_changes_nothing(stand)),
    |stand| Box::pin(a_ministry_that_is_back_is_called_again(stand)),
];

/// Runs the whole suite.
///
/// # Panics
/// At the first behaviour that the adapter does not show.
pub async fn run_all(stand: &dyn Stand) {
    for behaviour in BEHAVIOURS {
        stand.trouble(None);
        behaviour(stand).await;
        stand.trouble(None);
    }
}

async fn a_question_is_answered(stand: &dyn Stand) {
    let ministry = stand.ministry();
    let (question, expected) = stand.question();
    let answer = ministry.lookup(&question, after(LONG)).await;
    assert!(answer.map_err(|fault| panic!("{fault}")).unwrap() == expected, "another answer");
    ministry.probe(after(LONG)).await.unwrap();
    let condition = ministry.condition();
    assert!(condition.calls >= 2 && condition.failures == 0, "{condition:?}");
    assert!(condition.p50.is_some() && condition.p50 <= condition.p95, "{condition:?}");
}

async fn a_foreign_question_is_unsupported(stand: &dyn Stand) {
    let answer = stand.ministry().lookup(&stand.foreign_question(), after(LONG)).await;
    let fault = failed(stand, answer, "a foreign question");
    assert_eq!((fault.kind, fault.retry), (FaultKind::Unsupported, Retry::Never));
}

async fn a_deadline_that_has_passed_is_a_timeout_at_once(stand: &dyn Stand) {
    let ministry = stand.ministry();
    let deadline = Instant::now();
    let answer = ministry.lookup(&stand.question().0, deadline).await;
    assert_eq!(failed(stand, answer, "a passed deadline").kind, FaultKind::Timeout);
    if let Some(parcel) = stand.parcel() {
        let fault = failed(stand, ministry.deliver(&parcel, deadline).await, "a passed deadline");
        assert_eq!(fault.kind, FaultKind::Timeout);
        assert_eq!(stand.effects(parcel.key), 0);
    }
    assert!(deadline.elapsed() < GRACE);
}

async fn a_slow_ministry_is_a_timeout_by_the_deadline(stand: &dyn Stand) {
    for trouble in [Trouble::Latency(LONG), Trouble::Drip] {
        let Some(ministry) = troubled(stand, trouble) else { continue };
        let deadline = after(SHORT);
        let answer = ministry.lookup(&stand.question().0, deadline).await;
        let fault = failed(stand, answer, trouble);
        assert_eq!(fault.kind, FaultKind::Timeout, "{trouble:?}: {fault}");
        assert!(Instant::now() < deadline + GRACE, "{trouble:?}");
        let deadline = after(SHORT);
        let fault = failed(stand, ministry.probe(deadline).await, trouble);
        assert_eq!(fault.kind, FaultKind::Timeout, "{trouble:?}: {fault}");
        assert!(Instant::now() < deadline + GRACE, "{trouble:?}");
    }
}

async fn a_ministry_that_is_not_there_is_unavailable(stand: &dyn Stand) {
    for trouble in [Trouble::Down, Trouble::Reset, Trouble::LostAnswer] {
        let Some(ministry) = troubled(stand, trouble) else { continue };
        let fault = fails(stand, &*ministry, trouble).await;
        assert_eq!(fault.kind, FaultKind::Unavailable, "{trouble:?}: {fault}");
        assert_ne!(fault.retry, Retry::Never, "{trouble:?}");
        assert!(ministry.condition().failures > 0, "{trouble:?}");
    }
}

async fn a_ministry_that_fails_is_unavailable(stand: &dyn Stand) {
    let Some(ministry) = troubled(stand, Trouble::Http500) else { return };
    let fault = fails(stand, &*ministry, Trouble::Http500).await;
    assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
    assert_ne!(fault.retry, Retry::Never);
}

async fn an_unintelligible_answer_is_malformed(stand: &dyn Stand) {
    for trouble in [Trouble::Html, Trouble::Garbage] {
        let Some(ministry) = troubled(stand, trouble) else { continue };
        let fault = fails(stand, &*ministry, trouble).await;
        assert_eq!(fault.kind, FaultKind::Malformed, "{trouble:?}: {fault}");
    }
}

async fn an_answer_without_end_is_cut(stand: &dyn Stand) {
    let Some(ministry) = troubled(stand, Trouble::Endless) else { return };
    let fault = fails(stand, &*ministry, Trouble::Endless).await;
    // Cut at a size, not by the deadline.
    assert_eq!(fault.kind, FaultKind::Malformed, "{fault}");
}

async fn too_many_calls_are_a_quota_with_the_pause_asked_for(stand: &dyn Stand) {
    let trouble = Trouble::Http429(PAUSE);
    let Some(ministry) = troubled(stand, trouble) else { return };
    let fault = fails(stand, &*ministry, trouble).await;
    assert_eq!((fault.kind, fault.retry), (FaultKind::Quota, Retry::After(PAUSE)));
    assert_eq!(ministry.condition().failures, 0, "a refusal is an answer");
}

async fn a_used_up_quota_says_when_it_is_renewed(stand: &dyn Stand) {
    let Some(ministry) = troubled(stand, Trouble::Quota) else { return };
    let fault = fails(stand, &*ministry, Trouble::Quota).await;
    assert_eq!(fault.kind, FaultKind::Quota, "{fault}");
    assert!(matches!(fault.retry, Retry::After(wait) if !wait.is_zero()), "{fault:?}");
}

async fn refused_credentials_are_no_ones_fault_but_the_operators(stand: &dyn Stand) {
    let Some(ministry) = troubled(stand, Trouble::Refused) else { return };
    let fault = fails(stand, &*ministry, Trouble::Refused).await;
    assert_eq!(fault.kind, FaultKind::Credentials, "{fault}");
    let fault = failed(stand, ministry.probe(after(LONG)).await, Trouble::Refused);
    assert_eq!(fault.kind, FaultKind::Credentials, "{fault}");
}

async fn an_expired_token_does_no_harm(stand: &dyn Stand) {
    let ministry = stand.ministry();
    answers(stand, &*ministry).await.unwrap();
    if stand.expire_tokens() {
        answers(stand, &*ministry).await.unwrap();
    }
}

async fn a_parcel_has_one_effect(stand: &dyn Stand) {
    let Some(parcel) = stand.parcel() else { return };
    assert_eq!(stand.effects(parcel.key), 0, "the key is new");
    for _ in 0..2 {
        // Another adapter, as after a restart: the ministry, not a memory, tells them apart.
        stand.ministry().deliver(&parcel, after(LONG)).await.unwrap();
        assert_eq!(stand.effects(parcel.key), 1);
    }
    let other = stand.parcel().unwrap();
    stand.ministry().deliver(&other, after(LONG)).await.unwrap();
    assert_eq!(stand.effects(other.key), 1);
}

async fn a_lost_answer_changes_nothing(stand: &dyn Stand) {
    for trouble in [Trouble::LostAnswer, Trouble::Reset] {
        let Some(parcel) = stand.parcel() else { return };
        let Some(ministry) = troubled(stand, trouble) else { continue };
        let fault = failed(stand, ministry.deliver(&parcel, after(LONG)).await, trouble);
        assert_eq!(fault.kind, FaultKind::Unavailable, "{trouble:?}: {fault}");
        assert_ne!(fault.retry, Retry::Never, "{trouble:?}");
        stand.trouble(None);
        ministry.deliver(&parcel, after(LONG)).await.unwrap();
        assert_eq!(stand.effects(parcel.key), 1, "{trouble:?}");
    }
}

async fn a_ministry_that_is_back_is_called_again(stand: &dyn Stand) {
    let Some(ministry) = troubled(stand, Trouble::Down) else { return };
    for _ in 0..20 {
        let fault = fails(stand, &*ministry, Trouble::Down).await;
        assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
    }
    stand.trouble(None);
    let patience = after(LONG);
    while let Err(fault) = answers(stand, &*ministry).await {
        assert!(Instant::now() < patience, "the ministry is back, and yet: {fault}");
        breathe().await;
    }
}

/// A new adapter whose ministry is in trouble; `None` when that cannot be.
fn troubled(stand: &dyn Stand, trouble: Trouble) -> Option<Arc<dyn Ministry>> {
    if stand.exempt(trouble).is_some() {
        return None;
    }
    stand.trouble(Some(trouble));
    Some(stand.ministry())
}

/// Asks the question, which must get its answer or a fault.
async fn answers(stand: &dyn Stand, ministry: &dyn Ministry) -> Result<(), Fault> {
    let (question, expected) = stand.question();
    let answer = ministry.lookup(&question, after(LONG)).await?;
    assert!(answer == expected, "another answer");
    Ok(())
}

/// Asks the question, which must fail before the deadline.
async fn fails(stand: &dyn Stand, ministry: &dyn Ministry, trouble: Trouble) -> Fault {
    let deadline = after(LONG);
    let answer = ministry.lookup(&stand.question().0, deadline).await;
    assert!(Instant::now() < deadline + GRACE, "{trouble:?}");
    failed(stand, answer, trouble)
}

/// The fault, which must show nothing personal.
fn failed<T>(stand: &dyn Stand, result: Result<T, Fault>, what: impl std::fmt::Debug) -> Fault {
    let Err(fault) = result else { panic!("no fault at {what:?}") };
    let shown = format!("{fault} {fault:?}").to_lowercase();
    for personal in stand.personal() {
        assert!(!shown.contains(&personal.to_lowercase()), "a fault shows a value at {what:?}");
    }
    fault
}

fn after(duration: Duration) -> Instant {
    Instant::now() + duration
}

/// Lets others run.
async fn breathe() {
    let mut rested = false;
    poll_fn(|context| {
        if rested {
            return Poll::Ready(());
        }
        rested = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
