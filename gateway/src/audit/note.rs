//! Signed notes (C2SP signed-note): a checkpoint's text with the signatures of the log and of
//! witnesses, each under a name and the id of its key.
//!
//! Two kinds of signature, both Ed25519: the log's, over the text, and a witness's
//! (C2SP tlog-cosignature, `cosignature/v1`), over the text and the time at which it was seen.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use desmigratif_core::journal::Hash;
use jiff::Timestamp;
use signed_note::{Note, Signature, VerificationError, Verifier, Verifiers};

/// The kind of a signature over the text (C2SP signed-note).
const ED25519_NOTE: u8 = 1;
/// The kind of a cosignature with a time (C2SP tlog-cosignature).
const COSIGNATURE: u8 = 4;

/// Why a note does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no signed note, or its text is no checkpoint.
    #[error("not a signed checkpoint")]
    Malformed,
    /// The text is of another log.
    #[error("a checkpoint of another log")]
    OtherLog,
    /// No signature is by a key that is known.
    #[error("signed by no known key")]
    UnknownKey,
    /// A signature by a known key is false.
    #[error("a signature does not hold")]
    Forged,
}

/// A name or a key that cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a signing key must not be empty, nor have spaces or a plus sign")]
pub struct BadName;

/// What a checkpoint states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The name of the log.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

impl Head {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// What a note states, whoever has signed it.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn of_note(note: &str) -> Result<Self, Error> {
        let note = Note::from_bytes(note.as_bytes()).map_err(|_| Error::Malformed)?;
        Self::parse(note.text())
    }

    /// Reads a checkpoint's text. One with further lines is refused: nobody here writes any.
    fn parse(text: &[u8]) -> Result<Self, Error> {
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(text).map_err(|_| Error::Malformed)?;
        if !checkpoint.extension().is_empty() {
            return Err(Error::Malformed);
        }
        let (origin, size) = (checkpoint.origin().to_owned(), checkpoint.size());
        Ok(Self { origin, size, root: checkpoint.hash().0 })
    }
}

/// A key that signs, under a name.
pub struct SigningKey {
    name: String,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key of a seed of 32 bytes.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, BadName> {
        if !signed_note::is_key_name_valid(name) {
            return Err(BadName);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadName)?;
        Ok(Self { name: name.to_owned(), pair })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What others verify this log's checkpoints by.
    #[must_use]
    pub fn log_key(&self) -> VerifyingKey {
        self.verifying(ED25519_NOTE)
    }

    /// What others verify this witness's cosignatures by.
    #[must_use]
    pub fn witness_key(&self) -> VerifyingKey {
        self.verifying(COSIGNATURE)
    }

    fn verifying(&self, kind: u8) -> VerifyingKey {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        VerifyingKey { name: self.name.clone(), kind, public }
    }

    /// The line that signs a text as the log.
    #[must_use]
    pub fn sign_text(&self, text: &str) -> String {
        line(&self.log_key(), self.pair.sign(text.as_bytes()).as_ref())
    }

    /// The line that signs a checkpoint as the log.
    #[must_use]
    pub fn sign_head(&self, head: &Head) -> String {
        self.sign_text(&head.text())
    }

    /// The line that signs a checkpoint as a witness, at a time.
    #[must_use]
    pub fn cosign(&self, head: &Head, at: Timestamp) -> String {
        let seconds = at.as_second().max(0).unsigned_abs();
        let mut signature = seconds.to_be_bytes().to_vec();
        let message = cosigned(seconds, head.text().as_bytes());
        signature.extend_from_slice(self.pair.sign(&message).as_ref());
        line(&self.witness_key(), &signature)
    }
}

/// What a witness signs.
fn cosigned(seconds: u64, text: &[u8]) -> Vec<u8> {
    let mut message = format!("cosignature/v1\ntime {seconds}\n").into_bytes();
    message.extend_from_slice(text);
    message
}

/// A signature as a note has it, without the end of the line.
fn line(key: &VerifyingKey, signature: &[u8]) -> String {
    let mut bytes = key.key_id().to_be_bytes().to_vec();
    bytes.extend_from_slice(signature);
    format!("\u{2014} {} {}", key.name, BASE64.encode(bytes))
}

/// A checkpoint's note.
#[must_use]
pub fn note(head: &Head, signatures: &[String]) -> String {
    signed(&head.text(), signatures)
}

/// A note: its text, which ends with a line's end, a blank line, and lines of signatures.
#[must_use]
pub fn signed(text: &str, signatures: &[String]) -> String {
    let mut note = text.to_owned();
    note.push('\n');
    for signature in signatures {
        note.push_str(signature);
        note.push('\n');
    }
    note
}

/// What signatures are verified by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifyingKey {
    name: String,
    kind: u8,
    public: [u8; 32],
}

impl VerifyingKey {
    /// Reads what [`VerifyingKey::to_string`] writes: name, id and key (C2SP signed-note).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let bytes = BASE64.decode(key).ok()?;
        let (kind, public) = bytes.split_first()?;
        let public = <[u8; 32]>::try_from(public).ok()?;
        let key = Self { name: name.to_owned(), kind: *kind, public };
        let known = matches!(*kind, ED25519_NOTE | COSIGNATURE);
        let said = id.len() == 8 && u32::from_str_radix(id, 16) == Ok(key.key_id());
        (known && said && signed_note::is_key_name_valid(name)).then_some(key)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a witness's, and not a log's.
    #[must_use]
    pub const fn is_witness(&self) -> bool {
        self.kind == COSIGNATURE
    }

    /// The public key, 32 bytes.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether a signature is by this key, as it says itself.
    fn made(&self, signature: &Signature) -> bool {
        signature.name() == self.name && signature.id() == self.key_id()
    }

    fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl std::fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![self.kind];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{:08x}+{}", self.name, self.key_id(), BASE64.encode(key))
    }
}

impl Verifier for VerifyingKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        let mut key = vec![self.kind];
        key.extend_from_slice(&self.public);
        signed_note::key_id(&self.name, &key)
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            ED25519_NOTE => self.holds(text, signature),
            _ => signature.split_first_chunk::<8>().is_some_and(|(seconds, signature)| {
                self.holds(&cosigned(u64::from_be_bytes(*seconds), text), signature)
            }),
        }
    }
}

/// Keys by name and id, as `signed_note` asks for them.
struct Known<'a>(&'a [VerifyingKey]);

impl Verifiers for Known<'_> {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        let key = self.0.iter().find(|key| key.name == name && key.key_id() == id);
        key.map(|key| -> &dyn Verifier { key })
            .ok_or_else(|| VerificationError::UnknownKey { name: name.to_owned(), id })
    }
}

/// Verifies a note that the log has signed with one of `keys`; gives its text.
///
/// # Errors
/// [`Error`].
pub fn verify_text(note: &str, keys: &[VerifyingKey]) -> Result<String, Error> {
    let (text, _) = signatures(note, keys)?;
    Ok(text)
}

/// The text of a note, and those signatures that known keys made: at least one.
fn signatures(note: &str, known: &[VerifyingKey]) -> Result<(String, Vec<Signature>), Error> {
    let note = Note::from_bytes(note.as_bytes()).map_err(|_| Error::Malformed)?;
    let (good, _) = note.verify(&Known(known)).map_err(|error| match error {
        signed_note::NoteError::UnverifiedNote => Error::UnknownKey,
        signed_note::NoteError::InvalidSignature { .. } => Error::Forged,
        _ => Error::Malformed,
    })?;
    let text = String::from_utf8(note.text().to_vec()).map_err(|_| Error::Malformed)?;
    Ok((text, good))
}

/// Verifies a note: the checkpoint, which the log at `origin` has signed with one of `log`, and the
/// keys of `witnesses` that have cosigned it.
///
/// # Errors
/// [`Error`]; a false signature by any known key spoils the note.
pub fn verify(
    note: &str,
    origin: &str,
    log: &[VerifyingKey],
    witnesses: &[VerifyingKey],
) -> Result<(Head, Vec<VerifyingKey>), Error> {
    // What it says before who has signed it: another log's note has no key that is known here.
    let head = Head::of_note(note)?;
    if head.origin != origin {
        return Err(Error::OtherLog);
    }
    let (_, good) = signatures(note, &[log, witnesses].concat())?;
    let signed = |key: &&VerifyingKey| good.iter().any(|it| key.made(it));
    if !log.iter().any(|key| signed(&key)) {
        return Err(Error::UnknownKey);
    }
    Ok((head, witnesses.iter().filter(signed).cloned().collect()))
}

/// Verifies one line of a note: which of `witnesses` has cosigned a checkpoint by it.
///
/// # Errors
/// [`Error`]: [`Error::UnknownKey`] when none of them has.
pub fn cosigned_by<'a>(
    head: &Head,
    line: &str,
    witnesses: &'a [VerifyingKey],
) -> Result<&'a VerifyingKey, Error> {
    if line.contains('\n') {
        return Err(Error::Malformed);
    }
    let (_, good) = signatures(&note(head, &[line.to_owned()]), witnesses)?;
    witnesses.iter().find(|key| good.iter().any(|it| key.made(it))).ok_or(Error::UnknownKey)
}

/// Which of some keys have signed a note, whoever else has.
///
/// # Errors
/// [`Error`]; a false signature by one of them spoils the note.
pub fn signed_by<'a>(note: &str, keys: &'a [VerifyingKey]) -> Result<Vec<&'a VerifyingKey>, Error> {
    let good = match signatures(note, keys) {
        Err(Error::UnknownKey) => Vec::new(),
        good => good?.1,
    };
    Ok(keys.iter().filter(|key| good.iter().any(|it| key.made(it))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "log.desmigratif.test";

    fn head() -> Head {
        Head { origin: ORIGIN.into(), size: 7, root: [9; 32] }
    }

    fn log() -> SigningKey {
        SigningKey::new(ORIGIN, &[1; 32]).unwrap()
    }

    fn witness() -> SigningKey {
        SigningKey::new("witness.kemenkes.test", &[2; 32]).unwrap()
    }

    fn at() -> Timestamp {
        "2026-11-24T05:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_note_tells_who_has_signed_it() {
        let lines = [log().sign_head(&head()), witness().cosign(&head(), at())];
        let note = note(&head(), &lines);
        let (log, witness) = (log().log_key(), witness().witness_key());
        let other = SigningKey::new("witness.other.test", &[3; 32]).unwrap().witness_key();
        let known = [other, witness.clone()];
        let verified = verify(&note, ORIGIN, std::slice::from_ref(&log), &known);
        assert_eq!(verified, Ok((head(), vec![witness.clone()])));
        let of_witness = verify(&note, ORIGIN, &[], &[witness]);
        assert_eq!(of_witness, Err(Error::UnknownKey), "a witness is not the log");
        assert_eq!(verify(&note, "elsewhere.test", &[log], &[]), Err(Error::OtherLog));
    }

    #[test]
    fn every_change_of_a_note_is_found() {
        let lines = [log().sign_head(&head()), witness().cosign(&head(), at())];
        let note = note(&head(), &lines);
        let (log, witness) = ([log().log_key()], [witness().witness_key()]);
        let good = verify(&note, ORIGIN, &log, &witness);
        for at in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert_ne!(verify(&changed, ORIGIN, &log, &witness), good, "byte {at}");
        }
    }

    #[test]
    fn a_cosignature_is_one_line_by_a_known_witness_over_this_checkpoint() {
        let key = witness().witness_key();
        let line = witness().cosign(&head(), at());
        let known = [log().witness_key(), key.clone()];
        assert_eq!(cosigned_by(&head(), &line, &known), Ok(&key));
        let other = Head { size: 8, ..head() };
        assert_eq!(cosigned_by(&other, &line, &known), Err(Error::Forged));
        assert_eq!(cosigned_by(&head(), &line, &known[..1]), Err(Error::UnknownKey));
        let of_log = log().sign_head(&head());
        assert_eq!(cosigned_by(&head(), &of_log, &known), Err(Error::UnknownKey));
        for odd in ["", "no signature", &format!("{line}\n{line}"), &format!("{line}\n")] {
            assert_eq!(cosigned_by(&head(), odd, &known), Err(Error::Malformed), "{odd}");
        }
    }

    #[test]
    fn a_verifying_key_reads_back_and_nothing_else_is_one() {
        for key in [log().log_key(), witness().witness_key()] {
            let text = key.to_string();
            assert_eq!(VerifyingKey::parse(&text), Some(key));
            for odd in [&text[1..], &text[..text.len() - 1], "", "a+b", "a+00000000+AQ=="] {
                assert_eq!(VerifyingKey::parse(odd), None, "{odd}");
            }
        }
        assert!(SigningKey::new("two words", &[1; 32]).is_err());
    }
}
