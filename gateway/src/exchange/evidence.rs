//! An entry as evidence: with what shows who called.

use desmigratif_core::credentials::{CallerSignature, Chain, Digests, Revocation};
use desmigratif_core::journal::Entry;

use super::{Call, Error, Exchange};

/// An entry with what its caller was admitted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The entry.
    pub entry: Entry,
    /// The certificate chain, when the entry names one.
    pub chain: Option<Chain>,
    /// The revocation lists, when the entry names some.
    pub revocation: Option<Revocation>,
    /// The caller's signature, when the entry names one.
    pub signature: Option<CallerSignature>,
}

impl Exchange {
    /// The entry at an index; `None` when there is none, or not for this caller.
    ///
    /// # Errors
    /// [`Error::JournalUnavailable`].
    pub async fn attested(&self, call: &Call, index: u64) -> Result<Option<Attested>, Error> {
        let found = self.store.entries(index, 1).await?.pop();
        let Some(entry) = found.filter(|entry| call.permit.reaches_entry(&entry.draft)) else {
            return Ok(None);
        };
        let Digests { certificate, revocation, signature } = entry.caller;
        let lost = |what| Error::Internal(format!("the {what} of an entry is not kept"));
        let chain = match &certificate {
            Some(fingerprint) => {
                Some(self.store.chain(fingerprint).await?.ok_or_else(|| lost("chain"))?)
            }
            None => None,
        };
        let revocation = match &revocation {
            Some(digest) => {
                Some(self.store.revocation(digest).await?.ok_or_else(|| lost("revocation"))?)
            }
            None => None,
        };
        let signature = match signature {
            Some(_) => Some(self.store.signature(index).await?.ok_or_else(|| lost("signature"))?),
            None => None,
        };
        Ok(Some(Attested { entry, chain, revocation, signature }))
    }
}
