//! TLS of the edge: the gateway's certificate, the CA of its callers, and the revocation lists.
//!
//! Client certificates are mandatory, HTTP/2 by ALPN too. Sessions are never resumed: a resumed
//! session would skip the check of the certificate. What is loaded lives in one swap-able piece;
//! [`Tls::reload`] reads the files again and keeps the old piece when anything in them is wrong.
//!
//! It is not who the caller is (`connection`) nor the handshake's timing
//! ([`super::listener`]).
//!
//! Invariants:
//! - A revocation list that is malformed, expired or without an end date is never loaded, and one
//!   that expires after it was loaded refuses every caller (fail closed).
//! - A connection that stays open does not outlive its certificate: the chain is verified again
//!   whenever files were reloaded, when a revocation list has expired, and at least every
//!   [`REVERIFY_SECONDS`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use desmigratif_core::credentials::{Chain, Credentials, Revocation};
use desmigratif_core::journal::Hash;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::setting::{Setting, SettingName};
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoServerSessionStorage, ServerConfig, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::time_provider::TimeProvider;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::metrics::Metrics;

/// The protocol that a caller must offer by ALPN.
pub const ALPN_H2: &[u8] = b"h2";

/// How long a verification of a client's chain counts on an open connection, in seconds.
pub const REVERIFY_SECONDS: i64 = 30;

/// The PEM files that TLS is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The gateway's certificate, leaf first, then its intermediates.
    pub certificate_chain: PathBuf,
    /// The private key of the leaf: PKCS#8, SEC1 or PKCS#1.
    pub private_key: PathBuf,
    /// The CAs that issue agencies' certificates.
    pub client_ca: PathBuf,
    /// Revocation lists of those CAs. With none, nothing is revoked; with any, a certificate that
    /// no list speaks about is refused.
    pub client_crls: Vec<PathBuf>,
}

impl Files {
    fn stamps(&self) -> Vec<Stamp> {
        [&self.certificate_chain, &self.private_key, &self.client_ca]
            .into_iter()
            .chain(&self.client_crls)
            .map(|path| {
                std::fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok()
            })
            .collect()
    }
}

/// Why the files cannot be used. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or is not PEM of the kind expected.
    #[error("{}: cannot be read as PEM of the kind expected: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the reader found.
        source: pem::Error,
    },
    /// A certificate cannot be parsed or used as a CA.
    #[error("{}: holds a certificate that cannot be used", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// The gateway's own certificate does not count now.
    #[error("{}: the certificate counts from {not_before} to {not_after}, which is not now", path.display())]
    OwnCertificateExpired {
        /// The file.
        path: PathBuf,
        /// Beginning of its validity.
        not_before: Timestamp,
        /// End of its validity.
        not_after: Timestamp,
    },
    /// A revocation list cannot be parsed, or has no end date.
    #[error("{}: holds a revocation list that cannot be used", path.display())]
    RevocationList {
        /// The file.
        path: PathBuf,
    },
    /// A revocation list has expired.
    #[error("{}: the revocation list expired at {next_update}; fetch a newer one", path.display())]
    RevocationListExpired {
        /// The file.
        path: PathBuf,
        /// When it should have been replaced.
        next_update: Timestamp,
    },
    /// The client CA or its revocation lists make no verifier.
    #[error("the client CA and its revocation lists make no verifier: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// Key and certificate do not fit, or the key is of a kind that is not supported.
    #[error("the certificate and its key cannot be used together: {0}")]
    Key(#[from] rustls::Error),
}

/// What one reading of the files gave.
struct Loaded {
    config: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
    /// SHA-256 of the client CA's certificates, one after the other.
    client_ca: Hash,
    /// The revocation lists that the verifier goes by.
    revocation: Option<Arc<Revocation>>,
    /// Seconds since the epoch at which the first revocation list expires.
    lists_expire_at: i64,
    /// Counts readings, so that open connections notice a new one.
    generation: u64,
    /// The files as they were just before they were read.
    stamps: Vec<Stamp>,
}

/// Time of change and length of a file; `None` when it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// The edge's TLS, reloadable.
pub struct Tls {
    files: Files,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    loaded: ArcSwap<Loaded>,
    reloaded: Notify,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// [`Error`] when any file cannot be used now.
    pub fn load(
        files: Files,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, Error> {
        let loaded = read(&files, &clock, 0)?;
        let (loaded, reloaded) = (ArcSwap::from_pointee(loaded), Notify::new());
        Ok(Arc::new(Self { files, clock, metrics, loaded, reloaded }))
    }

    /// Reads the files again. On success new connections use them at once, and open connections
    /// verify their certificate against them at their next call. On failure everything stays as it
    /// was; the failure is logged and counted.
    ///
    /// # Errors
    /// [`Error`] when any file cannot be used now.
    pub fn reload(&self) -> Result<(), Error> {
        let generation = self.loaded.load().generation + 1;
        match read(&self.files, &self.clock, generation) {
            Ok(loaded) => {
                self.loaded.store(Arc::new(loaded));
                self.reloaded.notify_one();
                self.metrics.tls_reloaded("ok");
                tracing::info!(generation, "tls files reloaded");
                Ok(())
            }
            Err(error) => {
                self.metrics.tls_reloaded("failed");
                tracing::error!(%error, "tls files not reloaded, the old ones stay in use");
                Err(error)
            }
        }
    }

    /// Waits until the files were reloaded since this was last waited for. For one who waits.
    pub async fn reloaded(&self) {
        self.reloaded.notified().await;
    }

    /// By what callers are admitted: client CA and revocation lists.
    #[must_use]
    pub fn settings(&self) -> [Setting; 2] {
        let loaded = self.loaded.load();
        let lists = loaded.revocation.as_ref().map_or([0; 32], |lists| *lists.digest());
        [(SettingName::ClientCa, loaded.client_ca), (SettingName::Revocation, lists)]
            .map(|(name, digest)| Setting { name, digest })
    }

    /// Looks at the files every `every` and reloads them while they differ from what is in use: a
    /// broken file is tried, logged and counted again each time until it is mended. Never returns;
    /// drop it to stop.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let tls = self.clone();
            let look = move || {
                if tls.files.stamps() != tls.loaded.load().stamps {
                    // A failure is logged and counted there.
                    let _ = tls.reload();
                }
            };
            // Reading files blocks. A look that panicked is a look that found nothing.
            let _ = tokio::task::spawn_blocking(look).await;
        }
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.loaded.load().config.clone())
    }
}

/// A client's certificate chain on an open connection, and when it was last verified.
pub(crate) struct VerifiedChain {
    chain: Option<Arc<Chain>>,
    generation: AtomicU64,
    /// Seconds since the epoch up to which the last verification counts.
    counts_until: AtomicI64,
}

impl VerifiedChain {
    /// A chain, leaf first, that has yet to be verified. The handshake verified it too, but
    /// perhaps against files that a reload has replaced since.
    pub(crate) fn new(chain: &[CertificateDer<'_>]) -> Self {
        let chain = Chain::new(chain.iter().map(|it| it.to_vec()).collect()).map(Arc::new);
        Self { chain, generation: AtomicU64::new(u64::MAX), counts_until: AtomicI64::new(i64::MIN) }
    }

    /// What the chain is admitted with at `now`; `None` when it does not count. Asks the verifier
    /// only when the last answer is too old: two threads may both ask, which costs a verification
    /// and nothing else.
    pub(crate) fn admitted(&self, tls: &Tls, now: Timestamp) -> Option<Credentials> {
        let (chain, loaded) = (self.chain.as_ref()?, tls.loaded.load());
        if self.counts(chain, &loaded, now) {
            let revocation = loaded.revocation.clone();
            Some(Credentials { chain: chain.clone(), revocation, signature: None })
        } else {
            None
        }
    }

    fn counts(&self, chain: &Chain, loaded: &Loaded, now: Timestamp) -> bool {
        if self.generation.load(Relaxed) == loaded.generation
            && now.as_second() < self.counts_until.load(Relaxed)
        {
            return true;
        }
        let certificates = chain.certificates().iter().map(|der| CertificateDer::from(&der[..]));
        let certificates: Vec<_> = certificates.collect();
        let Some((leaf, intermediates)) = certificates.split_first() else { return false };
        let at = UnixTime::since_unix_epoch(Duration::from_secs(
            now.as_second().try_into().unwrap_or(0),
        ));
        if loaded.verifier.verify_client_cert(leaf, intermediates, at).is_err() {
            return false;
        }
        let mut until = now.as_second() + REVERIFY_SECONDS;
        if now.as_second() < loaded.lists_expire_at {
            until = until.min(loaded.lists_expire_at);
        }
        self.counts_until.store(until, Relaxed);
        self.generation.store(loaded.generation, Relaxed);
        true
    }
}

/// The injected clock, as rustls asks for it.
struct HandshakeClock(Arc<dyn Clock>);

impl fmt::Debug for HandshakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandshakeClock")
    }
}

impl TimeProvider for HandshakeClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.now().as_second().try_into().ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

fn read(files: &Files, clock: &Arc<dyn Clock>, generation: u64) -> Result<Loaded, Error> {
    let now = clock.now();
    let stamps = files.stamps();
    let provider = Arc::new(aws_lc_rs::default_provider());

    let own_chain = certificates(&files.certificate_chain)?;
    check_own_validity(&own_chain[0], &files.certificate_chain, now)?;
    let own_key = PrivateKeyDer::from_pem_file(&files.private_key)
        .map_err(|source| Error::Pem { path: files.private_key.clone(), source })?;

    let mut roots = RootCertStore::empty();
    let mut client_ca = Sha256::new();
    for certificate in certificates(&files.client_ca)? {
        client_ca.update(&certificate);
        roots.add(certificate).map_err(|_| Error::Certificate { path: files.client_ca.clone() })?;
    }
    let (mut crls, mut lists_expire_at) = (Vec::new(), i64::MAX);
    for path in &files.client_crls {
        let (lists, expire_at) = revocation_lists(path, now)?;
        crls.extend(lists);
        lists_expire_at = lists_expire_at.min(expire_at);
    }
    let lists = crls.iter().map(|list: &CertificateRevocationListDer<'_>| list.to_vec());
    let revocation = Revocation::new(lists.collect()).map(Arc::new);
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .with_crls(crls)
        .enforce_revocation_expiration()
        .build()?;

    let mut config =
        ServerConfig::builder_with_details(provider, Arc::new(HandshakeClock(clock.clone())))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(own_chain, own_key)?;
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    // No resumption, stateful or by ticket: it would skip the check of the client's certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Loaded {
        config: Arc::new(config),
        verifier,
        client_ca: client_ca.finalize().into(),
        revocation,
        lists_expire_at,
        generation,
        stamps,
    })
}

/// All certificates of a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |source| Error::Pem { path: path.to_owned(), source };
    let all: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if all.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(all) }
}

fn check_own_validity(leaf: &CertificateDer<'_>, path: &Path, now: Timestamp) -> Result<(), Error> {
    let unusable = || Error::Certificate { path: path.to_owned() };
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| unusable())?;
    let at = |seconds| Timestamp::from_second(seconds).map_err(|_| unusable());
    let (not_before, not_after) =
        (at(leaf.validity().not_before.timestamp())?, at(leaf.validity().not_after.timestamp())?);
    if (not_before..=not_after).contains(&now) {
        Ok(())
    } else {
        Err(Error::OwnCertificateExpired { path: path.to_owned(), not_before, not_after })
    }
}

/// All revocation lists of a PEM file; at least one, each with an end date that is yet to come.
/// Answers with the first of those dates too, in seconds since the epoch.
fn revocation_lists(
    path: &Path,
    now: Timestamp,
) -> Result<(Vec<CertificateRevocationListDer<'static>>, i64), Error> {
    let failed = |source| Error::Pem { path: path.to_owned(), source };
    let unusable = || Error::RevocationList { path: path.to_owned() };
    let all: Vec<_> = CertificateRevocationListDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if all.is_empty() {
        return Err(failed(pem::Error::NoItemsFound));
    }
    let mut first_expires_at = i64::MAX;
    for list in &all {
        let (_, list) = CertificateRevocationList::from_der(list).map_err(|_| unusable())?;
        let next_update = list.next_update().ok_or_else(unusable)?.timestamp();
        let next_update = Timestamp::from_second(next_update).map_err(|_| unusable())?;
        if next_update <= now {
            return Err(Error::RevocationListExpired { path: path.to_owned(), next_update });
        }
        first_expires_at = first_expires_at.min(next_update.as_second());
    }
    Ok((all, first_expires_at))
}
