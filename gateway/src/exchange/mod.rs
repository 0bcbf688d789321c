//! The exchange: the use cases, each of which reads what it must, judges by the rules of the
//! core, and makes one commit.
//!
//! It knows neither wire messages nor SQL. Invariants: nothing personal is returned before the
//! entry that records its disclosure is durable, and nothing is changed outside one commit.

mod agencies;
mod clearance;
mod deliveries;
mod disclose;
mod erase;
mod error;
mod evidence;
mod facility;
mod feed;
mod freshness;
mod identity;
mod ministries;
mod mirror;
mod outbox;
mod profile;
pub mod programme;
mod reach;
mod register;
mod settings;
mod submit;
#[cfg(test)]
mod tests;
mod trail;
mod worker;

use std::sync::Arc;

use desmigratif_core::access::Classes;
use desmigratif_core::clearance::ValidityPolicy;
use desmigratif_core::credentials::Credentials;
use desmigratif_core::journal::{Draft, EntryKind, Hash};
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::store::{self, Commit, Committed, Store};
use desmigratif_core::programme::Rules;
use desmigratif_core::region::Gazetteer;
use desmigratif_core::subject::{Subject, SubjectKey};
use uuid::Uuid;

use crate::access::issuer::Authority;
use crate::access::limits::Limits;
use crate::access::{Permit, TrustDomain};
use crate::audit::note::SigningKey;
use crate::deadline::Deadline;

pub use agencies::{serves_region, submits_for_facility};
pub use clearance::{ClearanceList, NewClearance, WhoseClearance};
pub use deliveries::{AdapterView, Replayed, Which};
pub use disclose::{Disclosed, Disclosure};
pub use error::Error;
pub use evidence::Attested;
pub use facility::{FacilityIndex, Nearby, Remote, Remoteness};
pub use feed::{ChangeEvent, ChangeFilter, Changed, Changes, Feed, Place};
pub use freshness::{Availability, Bounds, Found, Freshness, Why};
pub use identity::Verified;
pub use ministries::{Answers, Connected, Ministries};
pub use mirror::Mirror;
pub use outbox::{Outbox, Settings as OutboxSettings, Wake};
pub use profile::Profile;
pub use register::register;
pub use settings::note_in_force;
pub use submit::Change;
pub use trail::{NewWithholding, TrailLine};
pub use worker::{NewFamilyMember, NewWorker, WorkerField, WorkerFilter};

/// Everything that the use cases work with.
pub struct Exchange {
    /// Where records and journal are kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The key that turns a NIK into a pseudonym.
    pub subject_key: SubjectKey,
    /// The villages and regions.
    pub gazetteer: Arc<Gazetteer>,
    /// What is asked for whole, in memory: the programme's villages and the facilities.
    pub mirror: Arc<Mirror>,
    /// The programme's rules.
    pub rules: Rules,
    /// How long a clearance is valid for each destination.
    pub validity: ValidityPolicy,
    /// What each agency may use.
    pub limits: Arc<Limits>,
    /// The key that signs receipts: the log's present one.
    pub signing_key: Arc<SigningKey>,
    /// The ministries that are connected.
    pub ministries: Ministries,
    /// How old answers may be when the caller does not say.
    pub bounds: Bounds,
    /// Tells the outboxes of the deliveries that commits have made.
    pub wake: Wake,
    /// Where the journal is followed.
    pub feed: Arc<Feed>,
    /// The trust domain of agencies' certificates.
    pub trust_domain: TrustDomain,
    /// The authority that issues them, where the gateway holds one.
    pub authority: Option<Authority>,
}

/// A call under way: who asks with what right, and which request it is.
#[derive(Clone, Debug)]
pub struct Call {
    /// The proof that it is allowed.
    pub permit: Permit,
    /// What its caller was admitted with.
    pub credentials: Credentials,
    /// The caller's id for the request; `None` on a read.
    pub request_id: Option<Uuid>,
    /// Keyed digest of method and body.
    pub digest: Hash,
    /// The caller's trace, all zero when there is none.
    pub trace_id: [u8; 16],
    /// Until when it must be answered.
    pub deadline: Deadline,
    /// What ministries have said to it so far.
    pub answers: Answers,
}

impl Exchange {
    /// A new id for a record made now: UUID version 7, so ids sort by creation.
    fn new_id(&self) -> Uuid {
        let now = self.clock.now();
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
    }

    /// Makes a commit durable, and tells whoever follows the journal. Every commit of a use case
    /// passes here.
    ///
    /// # Errors
    /// Those of [`Store::commit`].
    async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        let committed = self.store.commit(commit).await?;
        self.feed.committed(committed.receipt.index);
        Ok(committed)
    }

    /// The person whom a call names by NIK, counted among those whom its agency asks about.
    ///
    /// # Errors
    /// [`Error::Limited`].
    async fn named(&self, call: &Call, nik: &Nik) -> Result<Subject, Error> {
        let subject = self.subject_key.pseudonym(nik);
        self.count(call, &[subject]).await?;
        Ok(subject)
    }

    /// Counts people whom a call names or is about to disclose. That an agency has reached the
    /// limit is an entry; the refusals after it are not, or the curious would fill the journal.
    ///
    /// # Errors
    /// [`Error::Limited`].
    async fn count(&self, call: &Call, people: &[Subject]) -> Result<(), Error> {
        let Err(exceeded) = self.limits.of(&call.permit.agency().id).look_up(people) else {
            return Ok(());
        };
        if exceeded.first {
            // The entry concerns nobody, so that nobody's key could seal what a signature tells of
            // the request.
            let credentials = Credentials { signature: None, ..call.credentials.clone() };
            self.record(Self::draft(EntryKind::Refusal, call), credentials).await?;
        }
        Err(Error::Limited(exceeded))
    }

    /// The entry of a call, to be completed.
    fn draft(kind: EntryKind, call: &Call) -> Draft {
        Draft {
            kind,
            agency: call.permit.agency().id.clone(),
            purpose: call.permit.purpose(),
            method: call.permit.method().path.trim_start_matches('/').to_owned(),
            request_digest: call.digest,
            subjects: Vec::new(),
            classes: Classes::NONE,
            trace_id: call.trace_id,
        }
    }
}

#[cfg(test)]
use {
    desmigratif_core::agency::Allowance, desmigratif_core::credentials::Chain,
    std::collections::HashMap,
};

/// Credentials to test with: no certificate is in them.
#[cfg(test)]
pub(crate) fn credentials_of_tests() -> Credentials {
    let chain = Chain::new(vec![b"a certificate".to_vec()]).expect("it is one");
    Credentials { chain: Arc::new(chain), revocation: None, signature: None }
}

#[cfg(test)]
impl Exchange {
    /// An exchange to test with: no facilities, nothing to issue, and a key that is the same each
    /// time.
    pub(crate) fn of_tests(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        gazetteer: Gazetteer,
        ministries: Ministries,
    ) -> Self {
        let hour = std::time::Duration::from_secs(3_600);
        let limits = Limits::new(Allowance::default(), HashMap::new(), clock.clone());
        let feed = Arc::new(Feed::at(store.clone(), 0));
        let mirror = Arc::new(Mirror::empty(store.clone(), feed.clone()));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (tail, follower) = (feed.clone(), mirror.clone());
            runtime.spawn(async move { tokio::join!(tail.run(), follower.run()) });
        }
        Self {
            feed,
            store,
            clock,
            subject_key: SubjectKey::from_bytes([7; 32]),
            gazetteer: Arc::new(gazetteer),
            mirror,
            rules: programme::usual_rules(),
            validity: ValidityPolicy::default(),
            limits,
            signing_key: Arc::new(SigningKey::new("log.test", &[8; 32]).expect("it is a name")),
            ministries,
            bounds: Bounds {
                identity: std::time::Duration::ZERO,
                workforce: hour,
                village_index: hour,
            },
            wake: Wake::default(),
            trust_domain: TrustDomain::parse("desmigratif.test").expect("it is one"),
            authority: None,
        }
    }
}

impl Call {
    /// The request as the store knows it, for a call that changes something.
    fn store_request(&self) -> Option<store::Request> {
        self.request_id.map(|id| store::Request {
            agency: self.permit.agency().id.clone(),
            id,
            digest: self.digest,
        })
    }
}
