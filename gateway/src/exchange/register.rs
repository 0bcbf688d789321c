//! Registering what the exchange itself is told: agencies and facilities from the operator's
//! files, and the synthetic people of a sandbox.

use std::collections::BTreeSet;

use desmigratif_core::journal::Draft;
use desmigratif_core::ports::store::{Commit, Error, Expect, Store, Write};
use desmigratif_core::record::Record;

/// Records of one commit.
const BATCH: usize = 200;

/// Writes the records that are not in the store as they are given. Returns how many were written:
/// none when nothing has changed.
///
/// # Errors
/// Those of the store. What was written before stays, and registering again completes it.
pub async fn register(
    store: &dyn Store,
    records: impl IntoIterator<Item = Record>,
) -> Result<usize, Error> {
    let mut writes = Vec::new();
    for record in records {
        match store.get(&record.key()).await? {
            Some(stored) if stored.record == record => {}
            Some(stored) => writes.push(Write { record, expect: Expect::Version(stored.version) }),
            None => writes.push(Write { record, expect: Expect::Absent }),
        }
    }
    let count = writes.len();
    while !writes.is_empty() {
        let rest = writes.split_off(writes.len().min(BATCH));
        let batch = std::mem::replace(&mut writes, rest);
        let subjects: BTreeSet<_> =
            batch.iter().filter_map(|write| write.record.index().subject).collect();
        let entry =
            Draft { subjects: subjects.into_iter().collect(), ..Draft::of_gateway("register") };
        store.commit(Commit { writes: batch, ..Commit::of(entry) }).await?;
    }
    Ok(count)
}
