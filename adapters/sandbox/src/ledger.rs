//! What the ministries were asked and what they did: the counters that a test reads.
//!
//! The key of an effect is what makes a delivery the same one: at Kemnaker its delivery key, at
//! Kemenkes the report's identifier and the version of the exchange's record, with a slash between.
//! A key with more than one effect is a delivery that was doubled.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use desmigratif_core::access::AgencyKind;

/// The counters, by ministry. A clone is the same ledger.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    calls: HashMap<AgencyKind, u64>,
    effects: HashMap<AgencyKind, BTreeMap<String, u64>>,
    tokens_issued: u64,
}

impl Ledger {
    /// How many requests a ministry received, those that a fault spoilt included.
    #[must_use]
    pub fn calls(&self, ministry: AgencyKind) -> u64 {
        self.lock().calls.get(&ministry).copied().unwrap_or_default()
    }

    /// How often what was delivered under a key had an effect.
    #[must_use]
    pub fn effects_of(&self, ministry: AgencyKind, key: &str) -> u64 {
        let counts = self.lock();
        counts.effects.get(&ministry).and_then(|keys| keys.get(key)).copied().unwrap_or_default()
    }

    /// How often each key had an effect.
    #[must_use]
    pub fn effects(&self, ministry: AgencyKind) -> BTreeMap<String, u64> {
        self.lock().effects.get(&ministry).cloned().unwrap_or_default()
    }

    /// How many access tokens Kemenkes issued.
    #[must_use]
    pub fn tokens_issued(&self) -> u64 {
        self.lock().tokens_issued
    }

    /// Counts a request.
    pub fn called(&self, ministry: AgencyKind) {
        *self.lock().calls.entry(ministry).or_default() += 1;
    }

    /// Counts an effect.
    pub fn took_effect(&self, ministry: AgencyKind, key: &str) {
        *self.lock().effects.entry(ministry).or_default().entry(key.to_owned()).or_default() += 1;
    }

    /// Counts an issued token; answers with its number, from 1.
    pub(crate) fn issued_token(&self) -> u64 {
        let mut counts = self.lock();
        counts.tokens_issued += 1;
        counts.tokens_issued
    }

    /// No holder of the lock leaves half a change behind, so a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
