//! The ministries that the exchange is connected to, and asking them.
//!
//! Equal questions under way at the same time are asked once: whoever comes later waits for the
//! same answer, each by its own deadline.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use desmigratif_core::access::AgencyKind;
use desmigratif_core::journal::Hash;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::{Answer, Fault, FaultKind, Ministry, Question, Retry};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use jiff::Timestamp;

/// The way to one ministry.
#[derive(Clone)]
pub struct Connected {
    /// The protocol, as operators know it.
    pub protocol: &'static str,
    /// The adapter.
    pub ministry: Arc<dyn Ministry>,
}

/// What a ministry said, and when: the same time for all who waited for it.
pub(super) type Told = (Answer, Timestamp);

/// A question under way.
type Asked = BoxFuture<'static, Result<Told, Fault>>;

/// The questions under way, by ministry and key. None is kept alive by being here.
type UnderWay = HashMap<(AgencyKind, Hash), WeakShared<Asked>>;

/// What ministries have said to one call: deciding anew asks nobody twice.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<HashMap<Hash, Told>>>);

impl Answers {
    pub(super) fn get(&self, key: &Hash) -> Option<Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn keep(&self, key: Hash, told: Told) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, told);
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An answer is about a person.
        f.write_str("Answers")
    }
}

/// The ministries, and what they are being asked.
#[derive(Default)]
pub struct Ministries {
    connected: BTreeMap<AgencyKind, Connected>,
    under_way: Arc<Mutex<UnderWay>>,
}

impl Ministries {
    /// These ministries.
    #[must_use]
    pub fn of(connected: BTreeMap<AgencyKind, Connected>) -> Self {
        Self { connected, under_way: Arc::default() }
    }

    /// The way to a ministry, if there is one.
    #[must_use]
    pub fn get(&self, ministry: AgencyKind) -> Option<&Connected> {
        self.connected.get(&ministry)
    }

    /// The ministries that are connected, in the order of their kinds.
    pub fn iter(&self) -> impl Iterator<Item = (AgencyKind, &Connected)> {
        self.connected.iter().map(|(ministry, connected)| (*ministry, connected))
    }

    /// Asks a ministry. `key` is the same for equal questions, and for no others.
    ///
    /// # Errors
    /// The ministry's [`Fault`]; [`FaultKind::Unsupported`] when it is not connected.
    pub(super) async fn ask(
        &self,
        ministry: AgencyKind,
        key: Hash,
        question: Question,
        deadline: Instant,
        clock: &Arc<dyn Clock>,
    ) -> Result<Told, Fault> {
        let connected = self.get(ministry).ok_or(Fault::unsupported("not connected"))?;
        loop {
            let asked = self.join(connected, (ministry, key), &question, deadline, clock);
            let answer = tokio::time::timeout_at(deadline.into(), asked)
                .await
                .unwrap_or(Err(Fault::new(FaultKind::Timeout, Retry::Safe, "no answer in time")));
            match answer {
                // The one who asked first had less time than we have.
                Err(fault) if fault.kind == FaultKind::Timeout && Instant::now() < deadline => {}
                answer => return answer,
            }
        }
    }

    /// The question under way, or a new one.
    fn join(
        &self,
        connected: &Connected,
        key: (AgencyKind, Hash),
        question: &Question,
        deadline: Instant,
        clock: &Arc<dyn Clock>,
    ) -> Shared<Asked> {
        // Nobody can panic while holding the lock, and a map is sound between its own calls.
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = under_way.get(&key).and_then(WeakShared::upgrade) {
            return asked;
        }
        // Those whose callers all went away are left behind by nobody else.
        under_way.retain(|_, asked| asked.upgrade().is_some());
        let (ministry, question) = (connected.ministry.clone(), question.clone());
        let (all, clock) = (Arc::clone(&self.under_way), Arc::clone(clock));
        let asked = async move {
            let answer = ministry.lookup(&question, deadline).await;
            let answer = answer.map(|answer| (answer, clock.now()));
            all.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            answer
        };
        let asked = asked.boxed().shared();
        under_way.extend(asked.downgrade().map(|weak| (key, weak)));
        asked
    }
}
