//! Signed receipts: what binds a request, its answer and their entry in the journal.
//!
//! A receipt is a signed note (C2SP signed-note) of the log. Its text is nine lines:
//!
//! ```text
//! desmigratif.receipt/v1
//! <name of the log>
//! <agency that called>
//! <method, as a gRPC path without the leading slash>
//! <index of the entry, decimal>
//! <leaf hash of the entry, base64>
//! <time of the commit, microseconds since 1970 UTC, decimal>
//! <SHA-256 of the request, base64>
//! <SHA-256 of the answer without its receipt, base64>
//! ```
//!
//! The digests are of the messages in protobuf's binary encoding with fields in the order of their
//! numbers, which is how libraries write them. Whoever holds both messages can show them; nobody
//! learns anything of them from the receipt, which is why they are not in the journal: there a
//! plain digest would outlive the person.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use desmigratif_core::agency::AgencyId;
use desmigratif_core::journal::{Hash, Receipt};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::note::{self, SigningKey, VerifyingKey};

/// The first line.
const FORMAT: &str = "desmigratif.receipt/v1";

/// What a receipt states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Who called.
    pub agency: AgencyId,
    /// The method, as a gRPC path without the leading slash.
    pub method: String,
    /// The entry.
    pub receipt: Receipt,
    /// SHA-256 of the request.
    pub request: Hash,
    /// SHA-256 of the answer without its receipt.
    pub answer: Hash,
}

impl Statement {
    /// States that `request` got `answer`, both encoded, and stands in the journal.
    #[must_use]
    pub fn of(
        agency: &AgencyId,
        method: &str,
        receipt: Receipt,
        request: &[u8],
        answer: &[u8],
    ) -> Self {
        Self {
            agency: agency.clone(),
            method: method.to_owned(),
            receipt,
            request: Sha256::digest(request).into(),
            answer: Sha256::digest(answer).into(),
        }
    }

    fn text(&self, origin: &str) -> String {
        let Self { agency, method, receipt, request, answer } = self;
        let [leaf, request, answer] =
            [&receipt.leaf_hash, request, answer].map(|hash| BASE64.encode(hash));
        format!(
            "{FORMAT}\n{origin}\n{agency}\n{method}\n{}\n{leaf}\n{}\n{request}\n{answer}\n",
            receipt.index,
            receipt.at.as_microsecond(),
        )
    }

    /// The receipt, signed by the log.
    #[must_use]
    pub fn signed(&self, key: &SigningKey) -> String {
        let text = self.text(key.name());
        note::signed(&text, &[key.sign_text(&text)])
    }

    /// Reads a receipt that the log at `origin` has signed with one of `keys`.
    ///
    /// # Errors
    /// [`note::Error`].
    pub fn verify(receipt: &str, origin: &str, keys: &[VerifyingKey]) -> Result<Self, note::Error> {
        let text = note::verify_text(receipt, keys)?;
        let lines: Vec<_> = text.lines().collect();
        let [FORMAT, of, agency, method, index, leaf, at, request, answer] = lines[..] else {
            return Err(note::Error::Malformed);
        };
        if of != origin {
            return Err(note::Error::OtherLog);
        }
        let read = || {
            let statement = Self {
                agency: AgencyId::parse(agency).ok()?,
                method: method.to_owned(),
                receipt: Receipt {
                    index: index.parse().ok()?,
                    leaf_hash: hash(leaf)?,
                    at: Timestamp::from_microsecond(at.parse().ok()?).ok()?,
                },
                request: hash(request)?,
                answer: hash(answer)?,
            };
            // One statement has one text: no leading zeroes, no other writing of base64.
            (statement.text(origin) == text).then_some(statement)
        };
        read().ok_or(note::Error::Malformed)
    }
}

/// Reads a hash from base64.
pub(super) fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use desmigratif_core::journal::leaf_hash;

    use super::*;

    const ORIGIN: &str = "log.desmigratif.test";

    fn statement() -> Statement {
        let receipt = Receipt {
            index: 41,
            leaf_hash: leaf_hash(b"leaf"),
            at: "2026-11-24T05:00:00.000001Z".parse().unwrap(),
        };
        let agency = AgencyId::parse("kemnaker").unwrap();
        Statement::of(&agency, "a.v1.B/C", receipt, b"request", b"answer")
    }

    fn key() -> SigningKey {
        SigningKey::new(ORIGIN, &[1; 32]).unwrap()
    }

    #[test]
    fn a_receipt_reads_back_and_is_the_logs_alone() {
        let signed = statement().signed(&key());
        let keys = [key().log_key()];
        assert_eq!(Statement::verify(&signed, ORIGIN, &keys), Ok(statement()));
        assert_eq!(
            Statement::verify(&signed, "log.elsewhere.test", &keys),
            Err(note::Error::OtherLog)
        );
        let other = [SigningKey::new(ORIGIN, &[2; 32]).unwrap().log_key()];
        let unknown = Statement::verify(&signed, ORIGIN, &other);
        assert_eq!(unknown, Err(note::Error::UnknownKey));
    }

    #[test]
    fn every_change_of_a_receipt_is_found() {
        let signed = statement().signed(&key());
        let keys = [key().log_key()];
        for at in 0..signed.len() {
            let mut changed = signed.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert!(Statement::verify(&changed, ORIGIN, &keys).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_checkpoint_is_no_receipt() {
        let head = note::Head { origin: ORIGIN.into(), size: 1, root: [0; 32] };
        let checkpoint = note::note(&head, &[key().sign_head(&head)]);
        let read = Statement::verify(&checkpoint, ORIGIN, &[key().log_key()]);
        assert_eq!(read, Err(note::Error::Malformed));
    }
}
