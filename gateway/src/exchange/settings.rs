//! What the gateway goes by, on record: an entry tells when other policies, other issuers or other
//! revocation lists were put in force, so that each decision can be judged by what held then.

use desmigratif_core::journal::Draft;
use desmigratif_core::ports::store::{Commit, Error, Expect, Store, Write};
use desmigratif_core::record::Record;
use desmigratif_core::setting::Setting;

/// Notes that a setting is in force, unless that is what the journal last told. Returns whether there
/// is a new entry.
///
/// # Errors
/// Those of the store; nothing is noted then.
pub async fn note_in_force(store: &dyn Store, setting: Setting) -> Result<bool, Error> {
    let draft = Draft::of_setting(&setting);
    let record = Record::Setting(setting);
    let stored = store.get(&record.key()).await?;
    let expect = match stored {
        Some(stored) if stored.record == record => return Ok(false),
        Some(stored) => Expect::Version(stored.version),
        None => Expect::Absent,
    };
    let writes = vec![Write { record, expect }];
    store.commit(Commit { writes, ..Commit::of(draft) }).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use desmigratif_core::ports::clock::SystemClock;
    use desmigratif_core::setting::SettingName;

    use super::*;
    use crate::store::sqlite::Sqlite;
    use crate::store::vault::KeyRing;

    #[tokio::test]
    async fn only_another_content_is_an_entry_and_an_old_one_again_is_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Sqlite::open(&path, Arc::new(SystemClock), KeyRing::of_tests()).unwrap();
        let mut noted = Vec::new();
        for (name, digest) in [
            (SettingName::Policy, 1),
            (SettingName::Policy, 1),
            (SettingName::Revocation, 1),
            (SettingName::Policy, 2),
            (SettingName::Policy, 1),
        ] {
            let setting = Setting { name, digest: [digest; 32] };
            noted.push(note_in_force(&store, setting).await.unwrap());
        }
        assert_eq!(noted, [true, false, true, true, true]);
        let entries = store.entries(0, 9).await.unwrap();
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (entry.draft.method.as_str(), entry.draft.request_digest[0]))
            .collect();
        let policy = "put-in-force/policy";
        let expected = [(policy, 1), ("put-in-force/revocation", 1), (policy, 2), (policy, 1)];
        assert_eq!(told, expected);
    }
}
