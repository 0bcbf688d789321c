//! What shows who called, as it lies in the store: chains and revocation lists once each, by their
//! digests, and a caller's signature beside its entry.

use desmigratif_core::credentials::{CallerSignature, Chain, Credentials, Revocation};
use desmigratif_core::journal::Hash;
use desmigratif_core::ports::store::{Commit, Error};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use sha2::{Digest as _, Sha256};

use super::columns::{self, Lock};
use super::commit::signed;
use super::fault::Failure;
use super::keys::Plan;
use crate::store::vault::{KeyId, Place, Vault};

/// The rows that an entry refers to.
#[derive(Clone, Copy, Default)]
pub(super) struct Rows {
    pub(super) certificate: Option<i64>,
    pub(super) revocation: Option<i64>,
}

/// Keeps chain and lists, unless they are kept already; gives their rows.
pub(super) fn keep(tx: &Connection, credentials: Option<&Credentials>) -> Result<Rows> {
    let Some(Credentials { chain, revocation, .. }) = credentials else {
        return Ok(Rows::default());
    };
    let certificate = match certificate(tx, chain.fingerprint())? {
        Some(row) => row,
        None => tx
            .prepare_cached("INSERT INTO certificate (fingerprint, chain) VALUES (?1, ?2)")?
            .insert(params![chain.fingerprint(), joined(chain.certificates())])?,
    };
    let Some(revocation) = revocation else {
        return Ok(Rows { certificate: Some(certificate), revocation: None });
    };
    let kept = tx
        .prepare_cached("SELECT id FROM revocation WHERE digest = ?1")?
        .query_row([revocation.digest()], |row| row.get(0))
        .optional()?;
    let revocation = match kept {
        Some(row) => row,
        None => tx
            .prepare_cached("INSERT INTO revocation (digest, lists) VALUES (?1, ?2)")?
            .insert(params![revocation.digest(), joined(revocation.lists())])?,
    };
    Ok(Rows { certificate: Some(certificate), revocation: Some(revocation) })
}

/// A caller's signature as it is kept: under the key of the person whom the entry concerns first, if
/// it concerns anybody.
pub(super) struct KeptSignature {
    digest: Hash,
    document: Vec<u8>,
    sealed: Option<KeyId>,
}

impl KeptSignature {
    /// The signature of a commit's caller, if there is one.
    pub(super) fn new(commit: &Commit, plan: &Plan) -> Option<Self> {
        let signature = commit.credentials.as_ref()?.signature.as_ref()?;
        let (digest, document) = (signature.digest(), signature.document());
        Some(match commit.person_of_signature() {
            Some(person) => {
                let key = plan.key(&person);
                let document = key.seal(&Place::Signature { digest: &digest }, &document);
                Self { digest, document, sealed: Some(key.id) }
            }
            None => Self { digest, document, sealed: None },
        })
    }

    /// Writes it beside its entry.
    pub(super) fn write(&self, tx: &Connection, index: u64) -> Result<()> {
        tx.prepare_cached(
            "INSERT INTO entry_signature (idx, digest, document, sealed) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![signed(index), self.digest, self.document, self.sealed])?;
        Ok(())
    }
}

/// The row of a certificate.
pub(super) fn certificate(conn: &Connection, fingerprint: &Hash) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM certificate WHERE fingerprint = ?1")?
        .query_row([fingerprint], |row| row.get(0))
        .optional()
}

/// The chain of a certificate.
pub(super) fn chain(conn: &Connection, fingerprint: &Hash) -> Result<Option<Chain>> {
    conn.prepare_cached("SELECT chain FROM certificate WHERE fingerprint = ?1")?
        .query_row([fingerprint], |row| read(row, 0, Chain::new))
        .optional()
}

/// The revocation lists with a digest.
pub(super) fn revocation(conn: &Connection, digest: &Hash) -> Result<Option<Revocation>> {
    conn.prepare_cached("SELECT lists FROM revocation WHERE digest = ?1")?
        .query_row([digest], |row| read(row, 0, Revocation::new))
        .optional()
}

/// The signature of an entry's caller; `None` also when its person was erased.
pub(super) fn signature(
    conn: &Connection,
    index: u64,
    vault: &Vault,
) -> std::result::Result<Option<CallerSignature>, Failure> {
    // No index reaches what SQLite cannot count to.
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    let found = conn
        .prepare_cached(
            "SELECT s.digest, s.document, s.sealed, k.id, k.subject, k.kek, k.wrapped
             FROM entry_signature s LEFT JOIN data_key k ON k.id = s.sealed WHERE s.idx = ?1",
        )?
        .query_row([index], |row| {
            Ok((row.get::<_, Hash>(0)?, row.get::<_, Vec<u8>>(1)?, Lock::read(row, 2)?))
        })
        .optional()?;
    let Some((digest, document, lock)) = found else { return Ok(None) };
    let document = match lock {
        Lock::Clear => Some(document),
        Lock::Erased => return Ok(None),
        Lock::Sealed(row) => {
            let key = vault.unwrap(&row).ok();
            key.and_then(|key| key.open(&Place::Signature { digest: &digest }, &document).ok())
        }
    };
    let signature = document.and_then(|document| CallerSignature::of_document(&document));
    let unreadable = || Error::Corrupt("a caller's signature does not open".to_owned());
    Ok(Some(signature.ok_or_else(unreadable)?))
}

/// Checks that all of it has the digests by which it is found; what is sealed shows that when it is
/// opened.
pub(super) fn check(tx: &Connection) -> std::result::Result<(), Failure> {
    let corrupt = |what: &str| Failure::from(Error::Corrupt(what.to_owned()));
    let mut rows = tx.prepare("SELECT fingerprint, chain FROM certificate")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let chain = read(row, 1, Chain::new)?;
        if chain.fingerprint() != &row.get::<_, Hash>(0)? {
            return Err(corrupt("a certificate does not have its fingerprint"));
        }
    }
    let mut rows = tx.prepare("SELECT digest, lists FROM revocation")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let revocation = read(row, 1, Revocation::new)?;
        if revocation.digest() != &row.get::<_, Hash>(0)? {
            return Err(corrupt("revocation lists do not have their digest"));
        }
    }
    let mut rows =
        tx.prepare("SELECT digest, document FROM entry_signature WHERE sealed IS NULL")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (digest, document): (Hash, Vec<u8>) = (row.get(0)?, row.get(1)?);
        if Sha256::digest(document)[..] != digest {
            return Err(corrupt("a caller's signature does not have its digest"));
        }
    }
    Ok(())
}

/// Puts byte strings into one, each behind its length.
fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut all = Vec::with_capacity(parts.iter().map(|part| 4 + part.len()).sum());
    for part in parts {
        let length = u32::try_from(part.len()).expect("TLS bounds a chain, and memory the lists");
        all.extend_from_slice(&length.to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

/// Makes a `T` of what [`joined`] has put together.
fn read<T>(
    row: &Row<'_>,
    column: usize,
    make: impl FnOnce(Vec<Vec<u8>>) -> Option<T>,
) -> Result<T> {
    let mut all = row.get_ref(column)?.as_blob()?;
    let mut parts = Vec::new();
    while let Some((length, rest)) = all.split_first_chunk() {
        let Some((part, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize) else {
            break;
        };
        parts.push(part.to_vec());
        all = rest;
    }
    let made = make(parts).filter(|_| all.is_empty());
    made.ok_or_else(|| columns::unreadable(column))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use desmigratif_core::ports::clock::SystemClock;
    use desmigratif_core::ports::store::Store;
    use desmigratif_core::subject::Subject;
    use tempfile::TempDir;

    use super::super::{Sqlite, harm, tests};
    use super::*;
    use crate::store::vault::KeyRing;

    fn called() -> Commit {
        let lists = vec![b"list".to_vec(), b"other list".to_vec()];
        let signature = CallerSignature { base: b"base".into(), value: b"value".into() };
        let credentials = Credentials {
            chain: Arc::new(Chain::new(vec![b"leaf".to_vec()]).unwrap()),
            revocation: Revocation::new(lists).map(Arc::new),
            signature: Some(Arc::new(signature)),
        };
        Commit { credentials: Some(credentials), ..tests::commit(0) }
    }

    #[tokio::test]
    async fn verifying_finds_what_is_not_what_the_entries_name() {
        let leaf = "entry 0 does not have its hash";
        for (change, finding) in [
            ("UPDATE certificate SET chain = X'0000000161'", "not have its fingerprint"),
            ("UPDATE certificate SET chain = X'00000005616161'", "what this store does not write"),
            ("UPDATE certificate SET fingerprint = zeroblob(32)", "not have its fingerprint"),
            ("UPDATE revocation SET lists = X'0000000161'", "do not have their digest"),
            ("UPDATE entry_signature SET document = X'61'", "signature does not have its digest"),
            ("UPDATE entry SET certificate = NULL", leaf),
            ("UPDATE entry SET revocation = NULL", leaf),
            ("UPDATE entry SET leaf_version = 1", leaf),
            ("DELETE FROM entry_signature", leaf),
        ] {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("store.db");
            let clock = Arc::new(SystemClock);
            let store = Sqlite::open(&path, clock, KeyRing::of_tests()).unwrap();
            store.commit(called()).await.unwrap();
            assert_eq!(store.verify().await, Ok(1));
            harm(&path, change);
            let found = store.verify().await.unwrap_err().to_string();
            assert!(found.contains(finding), "{change}: {found}");
        }
    }

    /// A NIK can be guessed from the digest of a request, which is part of what was signed.
    #[tokio::test]
    async fn a_signature_about_a_person_is_sealed_and_opens_only_as_it_was_written() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store.db");
        let store = Sqlite::open(&path, Arc::new(SystemClock), KeyRing::of_tests()).unwrap();
        let mut about = called();
        about.entry.subjects = vec![Subject::from_bytes(&[7; 32]).unwrap()];
        let signature = about.credentials.as_ref().unwrap().signature.clone();
        store.commit(about).await.unwrap();
        assert_eq!(store.signature(0).await.unwrap().map(Arc::new), signature);
        let document = "SELECT instr(document, CAST('base' AS BLOB)) FROM entry_signature";
        let conn = Connection::open(&path).unwrap();
        assert_eq!(conn.query_row(document, [], |row| row.get(0)), Ok(0));
        harm(&path, "UPDATE entry_signature SET document = CAST(document || 'x' AS BLOB)");
        let changed = store.signature(0).await.unwrap_err();
        assert_eq!(changed, Error::Corrupt("a caller's signature does not open".into()));
    }

    #[tokio::test]
    async fn a_certificate_of_every_day_is_one_row() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store.db");
        let store = Sqlite::open(&path, Arc::new(SystemClock), KeyRing::of_tests()).unwrap();
        for n in 0..5 {
            let Commit { credentials, .. } = called();
            store.commit(Commit { credentials, ..tests::commit(n) }).await.unwrap();
        }
        let conn = Connection::open(&path).unwrap();
        for table in ["certificate", "revocation"] {
            let count = format!("SELECT count(*) FROM {table}");
            assert_eq!(conn.query_row(&count, [], |row| row.get(0)), Ok(1), "{table}");
        }
    }
}
