//! Keeps the journal told of what the gateway goes by: policies, issuers, revocation lists.

use std::sync::Arc;
use std::time::Duration;

use desmigratif_core::ports::store::{Error, Store};
use desmigratif_core::setting::{Setting, SettingName};

use super::policy::PolicyWatch;
use crate::access::Policy;
use crate::edge::tls::Tls;
use crate::exchange::note_in_force;

/// Notes what is in force.
///
/// # Errors
/// Those of the store; what was noted before stays.
pub(super) async fn note(store: &dyn Store, policy: &Policy, tls: &Tls) -> Result<(), Error> {
    let [client_ca, revocation] = tls.settings();
    let policy = Setting { name: SettingName::Policy, digest: policy.digest() };
    for setting in [policy, client_ca, revocation] {
        let name = setting.name.as_str();
        if note_in_force(store, setting).await? {
            tracing::info!(setting = name, "put in force");
        }
    }
    Ok(())
}

/// Notes it after each reload, and each `every` what could not be noted before. Never returns; drop
/// it to stop.
pub(super) async fn watch(
    store: Arc<dyn Store>,
    policy: Arc<Policy>,
    reloads: Arc<PolicyWatch>,
    tls: Arc<Tls>,
    every: Duration,
) {
    loop {
        tokio::select! {
            () = reloads.reloaded() => {}
            () = tls.reloaded() => {}
            () = tokio::time::sleep(every) => {}
        }
        if let Err(error) = note(store.as_ref(), &policy, &tls).await {
            tracing::error!(%error, "what is in force is not journalled yet");
        }
    }
}
