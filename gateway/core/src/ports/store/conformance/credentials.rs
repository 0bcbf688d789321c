//! What callers were admitted with, beside the entries that name it.

use std::sync::Arc;

use jiff::Timestamp;

use super::samples::{done, draft, noon, subject};
use crate::credentials::{CallerSignature, Chain, Credentials, Digests, Revocation};
use crate::journal::{Draft, LeafVersion};
use crate::ports::store::trail::{Caller, Span};
use crate::ports::store::{Commit, Store};

fn chain(leaf: &[u8], issuer: &[u8]) -> Arc<Chain> {
    Arc::new(Chain::new(vec![leaf.to_vec(), issuer.to_vec()]).unwrap())
}

fn revocation(lists: &[&[u8]]) -> Option<Arc<Revocation>> {
    Revocation::new(lists.iter().map(|list| list.to_vec()).collect()).map(Arc::new)
}

fn signature(base: &[u8]) -> Option<Arc<CallerSignature>> {
    Some(Arc::new(CallerSignature { base: base.to_vec(), value: b"signature".to_vec() }))
}

/// Makes an entry about people of a call admitted with credentials.
async fn called_about(store: &dyn Store, people: &[u32], credentials: Option<Credentials>) {
    let subjects = people.iter().copied().map(subject).collect();
    let entry = Draft { subjects, ..draft() };
    done(store, Commit { credentials, ..Commit::of(entry) }).await;
}

async fn called(store: &dyn Store, credentials: Option<Credentials>) {
    called_about(store, &[1, 2], credentials).await;
}

pub(super) async fn an_entry_names_what_its_caller_was_admitted_with(store: &dyn Store) {
    let chain = chain(b"leaf", b"issuer");
    let all = [
        None,
        Some(Credentials { chain: chain.clone(), revocation: None, signature: None }),
        Some(Credentials {
            chain: chain.clone(),
            revocation: revocation(&[b"list", b""]),
            signature: None,
        }),
        Some(Credentials { chain, revocation: None, signature: signature(b"base") }),
    ];
    for credentials in &all {
        called(store, credentials.clone()).await;
    }
    let entries = store.entries(0, 10).await.unwrap();
    assert_eq!(entries.len(), all.len());
    for (entry, credentials) in entries.iter().zip(&all) {
        let digests = credentials.as_ref().map(Credentials::digests).unwrap_or_default();
        assert_eq!((entry.caller, entry.leaf_version), (digests, LeafVersion::CURRENT));
        let Digests { certificate, revocation, .. } = digests;
        if let Some((fingerprint, credentials)) = certificate.zip(credentials.as_ref()) {
            let kept = store.chain(&fingerprint).await.unwrap();
            assert_eq!(kept.as_ref(), Some(&*credentials.chain));
        }
        if let Some(digest) = revocation {
            let kept = store.revocation(&digest).await.unwrap().map(Arc::new);
            assert_eq!(kept, credentials.as_ref().unwrap().revocation);
        }
        let kept = store.signature(entry.index).await.unwrap().map(Arc::new);
        assert_eq!(kept, credentials.as_ref().and_then(|it| it.signature.clone()));
    }
    assert_eq!(store.chain(&[0; 32]).await, Ok(None));
    assert_eq!(store.revocation(&[0; 32]).await, Ok(None));
    for beyond in [all.len() as u64, u64::MAX] {
        assert_eq!(store.signature(beyond).await, Ok(None));
    }
    assert_eq!(store.verify().await, Ok(all.len() as u64));
}

pub(super) async fn a_signature_goes_with_the_person_whom_it_is_about(store: &dyn Store) {
    let credentials = |base: &[u8]| {
        let signature = signature(base);
        Some(Credentials { chain: chain(b"leaf", b"issuer"), revocation: None, signature })
    };
    let entry =
        |n: Option<u32>| Draft { subjects: n.map(subject).into_iter().collect(), ..draft() };
    for (n, base) in [(Some(1), "first"), (Some(2), "second"), (None, "of nobody")] {
        let credentials = credentials(base.as_bytes());
        done(store, Commit { credentials, ..Commit::of(entry(n)) }).await;
    }
    // The request of an erasure tells of the person too.
    let erasure = Commit {
        credentials: credentials(b"erasure"),
        erase: Some(subject(1)),
        ..Commit::of(entry(Some(1)))
    };
    done(store, erasure).await;
    let mut kept = Vec::new();
    for index in 0..4 {
        let signature = store.signature(index).await.unwrap();
        kept.push(signature.map(|it| String::from_utf8(it.base).unwrap()));
    }
    assert_eq!(kept, [None, Some("second".into()), Some("of nobody".into()), None]);
    // The entries name them as before.
    assert_eq!(store.verify().await, Ok(4));
}

pub(super) async fn chains_and_lists_are_kept_once_for_all_entries(store: &dyn Store) {
    let first = chain(b"leaf", b"issuer");
    // As after the issuer was certified anew: the caller's own certificate is the same.
    let second = chain(b"leaf", b"the issuer again");
    let other = chain(b"another leaf", b"issuer");
    for (chain, lists) in [
        (&first, revocation(&[b"monday"])),
        (&second, revocation(&[b"tuesday"])),
        (&other, revocation(&[b"monday"])),
    ] {
        let credentials = Credentials { chain: chain.clone(), revocation: lists, signature: None };
        called(store, Some(credentials)).await;
    }
    let kept = |chain: &Arc<Chain>| *chain.fingerprint();
    assert_eq!(store.chain(&kept(&second)).await.unwrap(), Some((*first).clone()));
    assert_eq!(store.chain(&kept(&other)).await.unwrap(), Some((*other).clone()));
    let entries = store.entries(0, 10).await.unwrap();
    let [first, second, other] = [0, 1, 2].map(|at| entries[at].caller);
    assert_eq!(first.certificate, second.certificate);
    assert_ne!(first.certificate, other.certificate);
    assert_eq!(first.revocation, other.revocation);
    assert_ne!(first.revocation, second.revocation);
    assert_eq!(store.verify().await, Ok(3));
}

pub(super) async fn a_certificate_s_entries_tell_whom_they_exposed(store: &dyn Store) {
    let with = |leaf: &[u8]| {
        Some(Credentials { chain: chain(leaf, b"issuer"), revocation: None, signature: None })
    };
    // The same agency throughout: its own certificate, and one that was stolen.
    for (people, credentials) in [
        (&[1, 2][..], with(b"its own")),
        (&[2, 3], with(b"stolen")),
        (&[3], with(b"stolen")),
        (&[4], None),
    ] {
        called_about(store, people, credentials).await;
    }
    let exposed = async |leaf: &[u8]| {
        let caller = Caller::Certificate(*chain(leaf, b"").fingerprint());
        let (from, to) = (noon(), Timestamp::MAX);
        let span = Span { caller, from, to, after: None, limit: 100 };
        let people = store.exposures(&span).await.unwrap().people;
        people.into_iter().map(|person| (person.subject, person.entries)).collect::<Vec<_>>()
    };
    assert_eq!(exposed(b"its own").await, [(subject(1), 1), (subject(2), 1)]);
    assert_eq!(exposed(b"stolen").await, [(subject(2), 1), (subject(3), 2)]);
    assert_eq!(exposed(b"never seen").await, []);
}
