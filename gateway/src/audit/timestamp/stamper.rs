//! What asks for timestamps: in the background, of the newest head that counts, again and again.
//!
//! Nothing waits for it. An authority that is slow, dead or lying costs the timestamp and nothing
//! else; what it gave is kept only after it was verified.

use std::sync::Arc;
use std::time::Duration;

use desmigratif_core::ports::clock::Clock;
use jiff::Timestamp;
use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};

use super::super::note::{self, Head};
use super::super::{Log, LogError};
use super::{Authorities, Authority};

/// How soon it asks again when there was nothing to stamp yet, or after a first failure; later
/// pauses double, up to the usual one.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// How far the authority's clock may be from the gateway's.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// How timestamps are asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often, when there is news.
    pub every: Duration,
    /// The authorities whose timestamps count.
    pub known: Authorities,
}

/// Why there is no timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Failed {
    /// The authority gave no answer.
    #[error("{0}")]
    Unanswered(String),
    /// It gave one that does not count.
    #[error("its answer does not count: {0}")]
    Invalid(#[from] super::Error),
    /// It states a time that is not now.
    #[error("its clock is more than five minutes from this one's")]
    OtherTime,
    /// The head cannot be had, or the timestamp not kept.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The head that is kept cannot be read.
    #[error("the checkpoint that is kept is {0}")]
    Note(note::Error),
}

/// Stamps a log's heads.
pub struct Stamper {
    log: Arc<Log>,
    authority: Box<dyn Authority>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    size: Gauge<u64>,
    attempts: Counter<u64>,
}

impl Stamper {
    /// A stamper that has not asked yet.
    #[must_use]
    pub fn new(
        log: Arc<Log>,
        authority: Box<dyn Authority>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let meter = global::meter("desmigratif.audit");
        let size = meter
            .u64_gauge("desmigratif.audit.timestamp.size")
            .with_description("Entries of the journal under the last checkpoint with a timestamp.")
            .build();
        let attempts = meter
            .u64_counter("desmigratif.audit.timestamp.attempts")
            .with_description("Timestamps asked for, by outcome: stamped, failed.")
            .build();
        Self { log, authority, clock, settings, size, attempts }
    }

    /// Asks again and again. It never ends by itself.
    pub async fn run(&self) {
        let every = self.settings.every;
        let first = FIRST_PAUSE.min(every);
        let (mut pause, mut told) = (first, None);
        loop {
            let count = |outcome| self.attempts.add(1, &[KeyValue::new("outcome", outcome)]);
            let wait = match self.stamp(rand::random()).await {
                Ok(None) => first,
                Ok(Some(size)) => {
                    count("stamped");
                    self.size.record(size, &[]);
                    tracing::debug!(size, "checkpoint has a timestamp");
                    (pause, told) = (first, None);
                    every
                }
                Err(error) => {
                    count("failed");
                    // Told once, not each time.
                    if told.as_ref() != Some(&error) {
                        tracing::warn!(%error, "no timestamp from the authority");
                        told = Some(error);
                    }
                    let wait = pause;
                    pause = (pause * 2).min(every);
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Has the newest head that counts stamped, if it is not yet. Returns its size.
    async fn stamp(&self, nonce: u64) -> Result<Option<u64>, Failed> {
        let Some(checkpoint) = self.log.to_be_stamped().await? else { return Ok(None) };
        let head = Head::of_note(&checkpoint.note).map_err(Failed::Note)?;
        let asked = self.authority.ask(super::request(&head, nonce));
        let answer = asked.await.map_err(Failed::Unanswered)?;
        let (token, at) = super::answer(&answer, &head, nonce, &self.settings.known)?;
        if !within(at, self.clock.now()) {
            return Err(Failed::OtherTime);
        }
        self.log.keep_timestamp(head.size, token).await?;
        Ok(Some(head.size))
    }
}

fn within(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now).unsigned_abs() <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use desmigratif_core::ports::clock::SetClock;
    use desmigratif_core::ports::store::Store as _;
    use desmigratif_core::ports::store::log::Checkpoint;
    use tempfile::TempDir;

    use super::super::super::Witnesses;
    use super::super::super::note::{SigningKey, note};
    use super::super::Error;
    use super::*;
    use crate::store::sqlite::Sqlite;
    use crate::store::vault::KeyRing;

    /// Of the recorded answer.
    const NONCE: u64 = 4;

    /// An authority that always says the same.
    struct Recorded(Result<&'static [u8], &'static str>);

    #[async_trait]
    impl Authority for Recorded {
        async fn ask(&self, _: Vec<u8>) -> Result<Vec<u8>, String> {
            self.0.map(<[u8]>::to_vec).map_err(str::to_owned)
        }
    }

    const GOOD: Recorded = Recorded(Ok(include_bytes!("testdata/answer.tsr")));

    /// When the recorded answer was given.
    fn made() -> Timestamp {
        let token = include_bytes!("testdata/p256.tst");
        super::super::verify(token, &head(), &known()).unwrap()
    }

    fn head() -> Head {
        Head { origin: "log.desmigratif.test".into(), size: 7, root: [9; 32] }
    }

    fn known() -> Authorities {
        Authorities::from_pem(include_bytes!("testdata/authority.pem")).unwrap()
    }

    /// A log whose last head is the one that the answer is over, and what stamps it.
    async fn stamper(authority: Recorded, now: Timestamp) -> (TempDir, Stamper) {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<SetClock> = Arc::new(SetClock::at(now));
        let path = folder.path().join("store.sqlite");
        let store = Sqlite::open(&path, clock.clone(), KeyRing::of_tests()).unwrap();
        let key = Arc::new(SigningKey::new(&head().origin, &[1; 32]).unwrap());
        let Head { size, root, .. } = head();
        let note = note(&head(), &[key.sign_head(&head())]);
        let kept = Checkpoint { size, root, at: now, note, witnessed: false };
        store.keep_checkpoint(vec![], kept).await.unwrap();
        let witnesses = Witnesses::default();
        let log = Arc::new(Log::new(Arc::new(store), clock.clone(), vec![key], witnesses));
        let settings = Settings { every: Duration::from_secs(60), known: known() };
        (folder, Stamper::new(log, Box::new(authority), clock, settings))
    }

    #[tokio::test]
    async fn a_head_is_stamped_once() {
        let (_folder, stamper) = stamper(GOOD, made()).await;
        assert_eq!(stamper.stamp(NONCE).await, Ok(Some(7)));
        let token = stamper.log.timestamp(7).await.unwrap().unwrap();
        assert_eq!(token, include_bytes!("testdata/p256.tst"));
        assert_eq!(stamper.stamp(NONCE).await, Ok(None), "no news");
    }

    #[tokio::test]
    async fn what_does_not_count_is_not_kept() {
        let later = made() + Duration::from_secs(301);
        let refusal = Recorded(Ok(include_bytes!("testdata/refusal.tsr")));
        for (authority, now, nonce, error) in [
            (Recorded(Err("down")), made(), NONCE, Failed::Unanswered("down".into())),
            (Recorded(Ok(b"<html>")), made(), NONCE, Failed::Invalid(Error::Malformed)),
            (refusal, made(), NONCE, Failed::Invalid(Error::Refused)),
            (GOOD, made(), 8, Failed::Invalid(Error::OtherRequest)),
            (GOOD, later, NONCE, Failed::OtherTime),
        ] {
            let (_folder, stamper) = stamper(authority, now).await;
            assert_eq!(stamper.stamp(nonce).await, Err(error));
            assert_eq!(stamper.log.timestamp(7).await, Ok(None));
        }
    }
}
