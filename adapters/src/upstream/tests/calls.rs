//! Deadline, repetition, limits and breaker, without a network.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use desmigratif_core::ports::ministry::Breaker;
use tokio::sync::Notify;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const DOWN: Retry = Retry::Safe;

/// Calls once, and tells how many attempts that made.
async fn count(
    upstream: &Upstream,
    deadline: Instant,
    answer: impl Fn(u32) -> Result<(), Fault> + Send + Sync,
) -> (Result<(), Fault>, u32) {
    let attempts = AtomicU32::new(0);
    let result =
        upstream.call(deadline, async |_| answer(attempts.fetch_add(1, Ordering::Relaxed))).await;
    (result, attempts.into_inner())
}

/// Settings with which the breaker stays out of the way.
fn lenient() -> Settings {
    Settings { breaker_calls: u32::MAX, ..Settings::default() }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_gets_the_deadline_or_its_own_timeout_whichever_is_first() {
    let upstream = upstream(&Settings { timeout_ms: 2_000, retries: 0, ..lenient() });
    for (until, expected) in [(SECOND, SECOND), (9 * SECOND, 2 * SECOND)] {
        let begun = now();
        let handed = Mutex::new(None);
        let result: Result<(), _> = upstream
            .call(within(until), async |until| {
                *handed.lock().unwrap() = Some(until);
                std::future::pending().await
            })
            .await;
        assert_eq!(result.unwrap_err().kind, FaultKind::Timeout);
        assert_eq!(handed.into_inner().unwrap(), Some(begun + expected));
        let took = now() - begun;
        assert!((expected..expected + Duration::from_millis(2)).contains(&took), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_is_attempted() {
    let upstream = upstream(&lenient());
    let (result, attempts) = count(&upstream, now(), |_| Ok(())).await;
    assert_eq!((result.unwrap_err().kind, attempts), (FaultKind::Timeout, 0));
    assert_eq!(upstream.condition().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_repeated_only_if_the_fault_allows_it() {
    for (retry, expected) in [(Retry::Safe, 3), (Retry::After(SECOND), 3), (Retry::Never, 1)] {
        let upstream = upstream(&Settings { retries: 2, ..lenient() });
        let answer = |_| Err(fault(FaultKind::Unavailable, retry));
        let (result, attempts) = count(&upstream, within(60 * SECOND), answer).await;
        assert_eq!(result, Err(fault(FaultKind::Unavailable, retry)));
        assert_eq!(attempts, expected, "{retry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_repeated_may_succeed() {
    let upstream = upstream(&Settings { retries: 2, ..lenient() });
    let answer = |attempt| if attempt < 2 { Err(fault(FaultKind::Timeout, DOWN)) } else { Ok(()) };
    let (result, attempts) = count(&upstream, within(60 * SECOND), answer).await;
    assert_eq!((result, attempts), (Ok(()), 3));
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_as_long_as_asked_for_and_never_past_the_deadline() {
    let upstream = upstream(&Settings { retries: 2, ..lenient() });
    let begun = now();
    let later = |_| Err(fault(FaultKind::Unavailable, Retry::After(3 * SECOND)));
    let (_, attempts) = count(&upstream, within(5 * SECOND), later).await;
    assert_eq!(attempts, 2, "a third would begin after the deadline");
    assert!((3 * SECOND..4 * SECOND).contains(&(now() - begun)));
}

#[tokio::test(start_paused = true)]
async fn pauses_have_jitter() {
    let mut pauses = HashSet::new();
    for _ in 0..8 {
        let upstream = upstream(&Settings { retries: 1, ..lenient() });
        let begun = now();
        let down = |_| Err(fault(FaultKind::Unavailable, DOWN));
        count(&upstream, within(60 * SECOND), down).await.0.unwrap_err();
        pauses.insert(now() - begun);
    }
    assert!(pauses.len() > 1);
}

#[tokio::test(start_paused = true)]
async fn repetitions_of_an_outage_stay_within_the_budget() {
    let settings =
        Settings { retries: 5, retry_percent: 10, requests_per_second: 1_000_000, ..lenient() };
    let outage = upstream(&settings);
    let mut attempts = 0;
    for _ in 0..200 {
        let down = |_| Err(fault(FaultKind::Unavailable, DOWN));
        attempts += count(&outage, within(60 * SECOND), down).await.1;
    }
    // A tenth of the calls and the reserve of ten; once that is used up, no time passes here.
    assert!((200..=240).contains(&attempts), "{attempts}");

    let none = upstream(&Settings { retry_percent: 0, ..settings });
    let down = |_| Err(fault(FaultKind::Unavailable, DOWN));
    assert_eq!(count(&none, within(60 * SECOND), down).await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_and_who_cannot_wait_is_told_when() {
    let upstream = upstream(&Settings { requests_per_second: 2, ..lenient() });
    let begun = now();
    for _ in 0..6 {
        count(&upstream, within(60 * SECOND), |_| Ok(())).await.0.unwrap();
    }
    let took = now() - begun;
    assert!((2 * SECOND..3 * SECOND).contains(&took), "{took:?}");
    let hurried = within(Duration::from_millis(100));
    let (result, attempts) = count(&upstream, hurried, |_| Ok(())).await;
    let fault = result.unwrap_err();
    assert_eq!((fault.kind, attempts), (FaultKind::Quota, 0));
    assert!(matches!(fault.retry, Retry::After(wait) if !wait.is_zero() && wait <= SECOND));
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_made_in_a_day_than_agreed_repetitions_included() {
    // Noon in Jakarta.
    let clock = clock();
    let settings = Settings { calls_per_day: 3, retries: 1, ..lenient() };
    let upstream = Upstream::new(AgencyKind::Kemendagri, &settings, Arc::clone(&clock) as _);
    assert_eq!(upstream.condition().calls_left_today, Some(3));
    let down = |_| Err(fault(FaultKind::Unavailable, DOWN));
    assert_eq!(count(&upstream, within(60 * SECOND), down).await.1, 2);
    assert_eq!(upstream.condition().calls_left_today, Some(1));
    count(&upstream, within(60 * SECOND), |_| Ok(())).await.0.unwrap();

    let (refused, attempts) = count(&upstream, within(60 * SECOND), |_| Ok(())).await;
    let refused = refused.unwrap_err();
    let midnight = Retry::After(12 * 60 * 60 * SECOND);
    assert_eq!((refused.kind, refused.retry, attempts), (FaultKind::Quota, midnight, 0));
    assert_eq!(upstream.condition().calls_left_today, Some(0));
    assert_eq!(upstream.condition().breaker, Breaker::Closed, "the ministry did not fail");

    clock.set("2026-11-24T17:00:00Z".parse().unwrap());
    assert_eq!(upstream.condition().calls_left_today, Some(3));
    count(&upstream, within(60 * SECOND), |_| Ok(())).await.0.unwrap();
    assert_eq!(upstream.condition().calls_left_today, Some(2));
}

#[tokio::test(start_paused = true)]
async fn no_number_of_calls_a_day_is_kept_unless_one_is_agreed() {
    let upstream = upstream(&lenient());
    for _ in 0..100 {
        count(&upstream, within(60 * SECOND), |_| Ok(())).await.0.unwrap();
    }
    assert_eq!(upstream.condition().calls_left_today, None);
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_on_their_way_than_there_are_places() {
    let upstream = Arc::new(upstream(&Settings { concurrency: 2, ..lenient() }));
    let (release, now_inside) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let (upstream, release, inside) =
                (Arc::clone(&upstream), Arc::clone(&release), Arc::clone(&now_inside));
            tokio::spawn(async move {
                upstream
                    .call(within(SECOND), async |_| {
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                        release.notified().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    })
                    .await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(now_inside.load(Ordering::SeqCst), 2);
    // Two are let go, two take their places; then nobody moves until the deadline.
    release.notify_waiters();
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 2);
    let late = results.into_iter().filter_map(Result::err);
    assert!(late.into_iter().all(|fault| fault.kind == FaultKind::Timeout));
    // Those who never got a place say nothing of the ministry.
    assert_eq!(upstream.condition().calls, 4);
}

/// A ministry that fails until it is judged.
async fn opened(settings: &Settings) -> Upstream {
    let upstream = upstream(settings);
    for _ in 0..settings.breaker_calls {
        assert_eq!(upstream.condition().breaker, Breaker::Closed);
        let down = |_| Err(fault(FaultKind::Unavailable, Retry::Never));
        count(&upstream, within(SECOND), down).await.0.unwrap_err();
    }
    upstream
}

#[tokio::test]
async fn an_open_breaker_fails_at_once_and_says_until_when() {
    let settings = Settings { breaker_calls: 4, breaker_open_ms: 3_600_000, ..Settings::default() };
    let upstream = opened(&settings).await;
    assert_eq!(upstream.condition().breaker, Breaker::Open);
    let (result, attempts) = count(&upstream, within(7_200 * SECOND), |_| Ok(())).await;
    let fault = result.unwrap_err();
    assert_eq!(attempts, 0);
    assert_eq!((fault.kind, &*fault.what), (FaultKind::Unavailable, "circuit breaker is open"));
    let Retry::After(wait) = fault.retry else { panic!("{fault:?}") };
    assert!((3_500 * SECOND..=3_600 * SECOND).contains(&wait), "{wait:?}");
    assert_eq!(upstream.condition().calls, 4, "what is held back is no call");
}

#[tokio::test]
async fn a_breaker_whose_time_is_over_says_half_open_before_any_call() {
    let settings = Settings { breaker_calls: 2, breaker_open_ms: 500, ..Settings::default() };
    let upstream = opened(&settings).await;
    assert_eq!(upstream.condition().breaker, Breaker::Open);
    let patience = within(20 * SECOND);
    while upstream.condition().breaker == Breaker::Open {
        assert!(now() < patience, "whoever waits for the breaker waits for ever");
        tokio::task::yield_now().await;
    }
    let condition = upstream.condition();
    assert_eq!((condition.breaker, condition.calls), (Breaker::HalfOpen, 2));
}

#[tokio::test]
async fn a_breaker_closes_when_the_ministry_is_back_and_opens_again_when_it_is_not() {
    // Open for no time: it says half open at once.
    let settings = Settings { breaker_calls: 2, breaker_open_ms: 0, ..Settings::default() };
    let upstream = opened(&settings).await;
    assert_eq!(upstream.condition().breaker, Breaker::HalfOpen);
    let down = |_| Err(fault(FaultKind::Timeout, Retry::Never));
    assert_eq!(count(&upstream, within(SECOND), down).await.1, 1);
    assert_eq!(upstream.condition().breaker, Breaker::HalfOpen);
    count(&upstream, within(SECOND), |_| Ok(())).await.0.unwrap();
    assert_eq!(upstream.condition().breaker, Breaker::Closed);
}

#[tokio::test]
async fn a_half_open_breaker_lets_one_call_through() {
    let settings = Settings { breaker_calls: 2, breaker_open_ms: 0, ..Settings::default() };
    let upstream = Arc::new(opened(&settings).await);
    let (release, inside) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let (upstream, release, inside) =
                (Arc::clone(&upstream), Arc::clone(&release), Arc::clone(&inside));
            tokio::spawn(async move {
                let attempt = async |_| {
                    inside.fetch_add(1, Ordering::SeqCst);
                    release.notified().await;
                    Ok(())
                };
                upstream.call(within(60 * SECOND), attempt).await
            })
        })
        .collect();
    while inside.load(Ordering::SeqCst) < 1
        || calls.iter().filter(|it| it.is_finished()).count() < 9
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(inside.load(Ordering::SeqCst), 1);
    assert_eq!(upstream.condition().breaker, Breaker::HalfOpen);
    release.notify_waiters();
    for call in calls {
        if let Err(fault) = call.await.unwrap() {
            assert_eq!(fault.kind, FaultKind::Unavailable);
        }
    }
    assert_eq!(upstream.condition().breaker, Breaker::Closed);
}

#[tokio::test]
async fn a_dropped_call_frees_its_place_and_judges_nothing() {
    let settings =
        Settings { concurrency: 1, breaker_calls: 2, breaker_open_ms: 0, ..Settings::default() };
    let upstream = opened(&settings).await;
    for _ in 0..5 {
        let hanging = upstream
            .call(within(60 * SECOND), async |_| std::future::pending::<Result<(), Fault>>().await);
        // Polled until it hangs, then dropped.
        let mut hanging = Box::pin(hanging);
        for _ in 0..10 {
            let once = std::future::poll_fn(|context| {
                assert!(hanging.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            });
            once.await;
        }
    }
    assert_eq!(upstream.condition().breaker, Breaker::HalfOpen);
    count(&upstream, within(SECOND), |_| Ok(())).await.0.unwrap();
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_does_not_count_against_the_ministry() {
    for kind in FaultKind::ALL {
        let upstream = upstream(&Settings { breaker_calls: 2, ..Settings::default() });
        for _ in 0..4 {
            let answer = |_| Err(fault(kind, Retry::Never));
            count(&upstream, within(SECOND), answer).await.0.unwrap_err();
        }
        let failed =
            matches!(kind, FaultKind::Unavailable | FaultKind::Timeout | FaultKind::Malformed);
        let condition = upstream.condition();
        assert_eq!(condition.breaker == Breaker::Open, failed, "{kind:?}");
        assert_eq!(condition.failures > 0, failed, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_condition_is_of_the_last_few_minutes() {
    let clock = clock();
    let upstream = Upstream::new(AgencyKind::Kemendes, &lenient(), clock.clone());
    assert_eq!(upstream.condition().p50, None);
    for ms in [10, 20, 30, 40, 1_000] {
        let took = Duration::from_millis(ms);
        upstream
            .call(within(60 * SECOND), async |_| {
                tokio::time::sleep(took).await;
                Ok(())
            })
            .await
            .unwrap();
    }
    let down = |_| Err(fault(FaultKind::Unavailable, Retry::Never));
    clock.set("2026-11-24T05:04:59Z".parse().unwrap());
    count(&upstream, within(SECOND), down).await.0.unwrap_err();
    let condition = upstream.condition();
    assert_eq!((condition.calls, condition.failures), (6, 1));
    let ms = |time: Option<Duration>| time.unwrap().as_millis();
    assert!((19..=31).contains(&ms(condition.p50)) && (990..=1_010).contains(&ms(condition.p95)));
    clock.set("2026-11-24T05:05:00Z".parse().unwrap());
    assert_eq!(upstream.condition().calls, 1);
    clock.set("2026-11-24T06:00:00Z".parse().unwrap());
    assert_eq!(upstream.condition().calls, 0);
}

#[test]
fn settings_that_could_call_nobody_are_refused_by_name() {
    Settings::default().check().unwrap();
    for (settings, name) in [
        (Settings { concurrency: 0, ..Settings::default() }, "concurrency"),
        (Settings { requests_per_second: 0, ..Settings::default() }, "requests_per_second"),
        (
            Settings { breaker_failure_percent: 101, ..Settings::default() },
            "breaker_failure_percent",
        ),
        (Settings { timeout_ms: 0, ..Settings::default() }, "timeout_ms"),
    ] {
        assert!(settings.check().unwrap_err().to_string().starts_with(name));
    }
}
