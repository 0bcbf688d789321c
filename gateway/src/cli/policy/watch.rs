//! Keeps the policy in force as its files say, and tells when they cannot be followed.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};
use tokio::sync::Notify;

use crate::access::Policy;
use crate::edge::operators::Readiness;

/// Reloads the policy. While its files are broken the old set stays in force and the gateway goes
/// on serving, degraded.
pub(in crate::cli) struct PolicyWatch {
    policy: Arc<Policy>,
    readiness: Arc<Readiness>,
    reloads: Counter<u64>,
    degraded: Gauge<u64>,
    reloaded: Notify,
}

impl PolicyWatch {
    pub(in crate::cli) fn new(
        policy: Arc<Policy>,
        readiness: Arc<Readiness>,
        meter: &Meter,
    ) -> Arc<Self> {
        let watch = Self {
            policy,
            readiness,
            reloads: meter
                .u64_counter("desmigratif.policy.reloads")
                .with_description("Reloads of the policy files, by outcome.")
                .build(),
            degraded: meter
                .u64_gauge("desmigratif.policy.degraded")
                .with_description("1 while the policy files are broken and an old set is in force.")
                .build(),
            reloaded: Notify::new(),
        };
        watch.tell(true);
        Arc::new(watch)
    }

    /// Reads the policy files again. On failure the old set stays; that is logged, counted and
    /// shown to whoever asks for readiness.
    pub(in crate::cli) fn reload(&self) {
        let reloaded = self.policy.reload();
        let outcome = match &reloaded {
            Ok(()) => {
                let (version, policies) = (self.policy.version(), self.policy.policies());
                tracing::info!(version, policies, "policy reloaded");
                self.reloaded.notify_one();
                "ok"
            }
            Err(error) => {
                tracing::error!(%error, "policy not reloaded, the old set stays in force");
                "failed"
            }
        };
        self.reloads.add(1, &[KeyValue::new("outcome", outcome)]);
        self.tell(reloaded.is_ok());
    }

    /// Waits until the policy was reloaded since this was last waited for. For one who waits.
    pub(in crate::cli) async fn reloaded(&self) {
        self.reloaded.notified().await;
    }

    /// Looks at the files every `every` and reloads them while they differ from what is in force:
    /// broken ones are tried, logged and counted again each time until they are mended. Never
    /// returns; drop it to stop.
    pub(in crate::cli) async fn watch(self: Arc<Self>, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let watch = self.clone();
            let look = move || {
                if watch.policy.changed() {
                    watch.reload();
                } else {
                    watch.tell(true);
                }
            };
            // Reading files blocks. A look that panicked is a look that found nothing.
            let _ = tokio::task::spawn_blocking(look).await;
        }
    }

    fn tell(&self, good: bool) {
        self.degraded.record(u64::from(!good), &[]);
        self.readiness.set_policy_ok(good);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::SdkMeterProvider;

    use super::*;
    use crate::access::Source;

    #[test]
    fn broken_files_degrade_the_gateway_until_they_are_mended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("open.cedar");
        let open = include_str!("../../access/policies/open.cedar");
        std::fs::write(&file, open).unwrap();
        let policy = Policy::load(Source::Folder(folder.path().into())).unwrap();
        let readiness = Readiness::starting();
        readiness.set_store_ok(true);
        let meter = SdkMeterProvider::default().meter("test");
        let watch = PolicyWatch::new(policy.clone(), readiness.clone(), &meter);
        assert_eq!((readiness.obstacle(), readiness.degraded()), (None, None));

        std::fs::write(&file, "permit (principal").unwrap();
        assert!(policy.changed());
        watch.reload();
        assert_eq!(policy.version(), 1, "the old set stays");
        assert_eq!(readiness.obstacle(), None, "and is served");
        assert!(readiness.degraded().is_some());

        std::fs::write(&file, open.replace("an agency may know", "it may know")).unwrap();
        watch.reload();
        assert_eq!((policy.version(), readiness.degraded()), (2, None));
    }
}
