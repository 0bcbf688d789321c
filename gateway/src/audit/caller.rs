//! Who called, judged by what an entry names: offline, as of the entry's time, and by the issuers
//! whom the judge trusts.
//!
//! It is judged as the edge has judged the connection, by the same verifier: the chain leads to an
//! issuer, every certificate in it counts at that time, and a list that counts says that none is
//! revoked. Beyond that each list must be signed by an issuer or by one of the chain, so that nothing
//! lies in evidence that nobody answers for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use desmigratif_core::agency::AgencyId;
use desmigratif_core::credentials::{CallerSignature, Chain, Revocation};
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use crate::access::PeerIdentity;

/// Those who issue agencies' certificates, as whoever judges knows them.
#[derive(Clone, Debug)]
pub struct Issuers(Vec<CertificateDer<'static>>);

/// Why it is not shown that the agency called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The certificate is another agency's, or no agency's.
    #[error("the certificate does not name the agency")]
    OtherAgency,
    /// The chain leads to no issuer, or did not count at the entry's time.
    #[error("the certificate does not lead to the given CA at the time of the entry")]
    Untrusted,
    /// The certificate is on a list.
    #[error("the certificate was revoked before the entry")]
    Revoked,
    /// The lists do not count at the entry's time, or say nothing of the certificate.
    #[error("the revocation lists do not clear the certificate at the time of the entry")]
    NotCleared,
    /// A list is signed by nobody above the certificate.
    #[error("a revocation list is not signed by the given CA")]
    ListUnsigned,
    /// The signature is not by the certificate's key.
    #[error("the caller's signature is not by the certificate's key")]
    Forged,
}

impl Issuers {
    /// Certificates in DER.
    #[must_use]
    pub const fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self(certificates)
    }

    /// Reads the certificates of a PEM file, at least one.
    ///
    /// # Errors
    /// What the reader found.
    pub fn read(path: &Path) -> Result<Self, pem::Error> {
        let all = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(Self(all)) }
    }

    /// Judges whether the agency's own certificate was presented at a time, and counted then.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn judge(
        &self,
        chain: &Chain,
        revocation: Option<&Revocation>,
        agency: &AgencyId,
        at: Timestamp,
    ) -> Result<(), Doubt> {
        let certificates: Vec<_> =
            chain.certificates().iter().map(|der| CertificateDer::from(&der[..])).collect();
        let (leaf, above) = certificates.split_first().ok_or(Doubt::Untrusted)?;
        let peer = PeerIdentity::of_any_domain(leaf).map_err(|_| Doubt::OtherAgency)?;
        if &peer.agency_id != agency {
            return Err(Doubt::OtherAgency);
        }
        let lists = revocation.map(Revocation::lists).unwrap_or_default();
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let signers: Vec<_> = self.0.iter().chain(above).collect();
        if !lists.iter().all(|list| signed_by_one_of(&signers, list, &provider)) {
            return Err(Doubt::ListUnsigned);
        }
        let mut roots = RootCertStore::empty();
        for issuer in &self.0 {
            roots.add(issuer.clone()).map_err(|_| Doubt::Untrusted)?;
        }
        let lists = lists.iter().map(|der| CertificateRevocationListDer::from(der.clone()));
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .with_crls(lists)
            .enforce_revocation_expiration()
            .build()
            .map_err(|_| Doubt::NotCleared)?;
        let seconds = at.as_second().try_into().map_err(|_| Doubt::Untrusted)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        verifier.verify_client_cert(leaf, above, at).map(drop).map_err(|error| doubt(&error))
    }
}

/// Judges whether a caller's signature is by the key of its certificate.
///
/// # Errors
/// [`Doubt::Forged`].
pub fn judge_signature(chain: &Chain, signature: &CallerSignature) -> Result<(), Doubt> {
    let leaf = chain.certificates().first().ok_or(Doubt::Forged)?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| Doubt::Forged)?;
    let CallerSignature { base, value } = signature;
    // RFC 9421 section 3.3.4: of ECDSA both numbers as they are, while X.509 has them in ASN.1.
    let fixed = [&ECDSA_P256_SHA256_FIXED, &ECDSA_P384_SHA384_FIXED];
    let key = &leaf.public_key().subject_public_key.data;
    let by_ecdsa = fixed
        .into_iter()
        .any(|algorithm| UnparsedPublicKey::new(algorithm, key).verify(base, value).is_ok());
    let provider = crypto::aws_lc_rs::default_provider();
    if by_ecdsa || by_key_of(&leaf, base, value, &provider) { Ok(()) } else { Err(Doubt::Forged) }
}

/// Whether one of the certificates has signed a list.
fn signed_by_one_of(
    signers: &[&CertificateDer<'_>],
    list: &[u8],
    provider: &CryptoProvider,
) -> bool {
    let Ok((_, list)) = CertificateRevocationList::from_der(list) else { return false };
    let (signed, signature) = (list.tbs_cert_list.as_ref(), &list.signature_value.data);
    signers.iter().any(|signer| {
        let Ok((_, signer)) = X509Certificate::from_der(signer) else { return false };
        signer.subject() == list.issuer() && by_key_of(&signer, signed, signature, provider)
    })
}

/// Whether a signature is by the key of a certificate, by whichever algorithm the key has.
fn by_key_of(
    certificate: &X509Certificate<'_>,
    signed: &[u8],
    signature: &[u8],
    provider: &CryptoProvider,
) -> bool {
    let key = &certificate.public_key().subject_public_key.data;
    let algorithms = provider.signature_verification_algorithms.all;
    algorithms.iter().any(|algorithm| algorithm.verify_signature(key, signed, signature).is_ok())
}

/// Why the verifier refuses.
const fn doubt(error: &rustls::Error) -> Doubt {
    use rustls::CertificateError::{
        ExpiredRevocationList, ExpiredRevocationListContext, Revoked, UnknownRevocationStatus,
    };
    match error {
        rustls::Error::InvalidCertificate(Revoked) => Doubt::Revoked,
        rustls::Error::InvalidCertificate(
            UnknownRevocationStatus | ExpiredRevocationList | ExpiredRevocationListContext { .. },
        )
        | rustls::Error::InvalidCertRevocationList(_) => Doubt::NotCleared,
        _ => Doubt::Untrusted,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

    use super::*;
    use crate::edge::tests::pki::{Leaf, TestCa};

    fn chain(ca: &TestCa, leaf: &Leaf) -> Chain {
        let (chain, _) = ca.issue(leaf);
        Chain::new(chain.iter().map(|der| der.to_vec()).collect()).unwrap()
    }

    fn lists(pems: &[String]) -> Option<Revocation> {
        let der = |pem: &String| {
            CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
        };
        Revocation::new(pems.iter().map(der).collect())
    }

    /// What is said of a certificate of Kemnaker's at a day's noon.
    fn judged(ca: &TestCa, leaf: &Leaf, pems: &[String], day: &str) -> Result<(), Doubt> {
        let at = format!("{day}T12:00:00Z").parse().unwrap();
        let kemnaker = AgencyId::parse("kemnaker").unwrap();
        let issuers = Issuers::new(vec![ca.der()]);
        issuers.judge(&chain(ca, leaf), lists(pems).as_ref(), &kemnaker, at)
    }

    #[test]
    fn a_certificate_is_judged_as_of_its_day() {
        let (ca, other, leaf) = (TestCa::new(), TestCa::new(), Leaf::agency("kemnaker"));
        let june = (2026, 6, 1);
        let clear = |ca: &TestCa| ca.revoke(&[13], june);
        assert_eq!(judged(&ca, &leaf, &[], "2026-05-01"), Ok(()));
        assert_eq!(judged(&ca, &leaf, &[clear(&ca)], "2026-05-01"), Ok(()));
        for day in ["2025-12-30", "2027-02-01"] {
            assert_eq!(judged(&ca, &leaf, &[], day), Err(Doubt::Untrusted), "{day}");
        }
        // The list of a later day says nothing of this one.
        assert_eq!(judged(&ca, &leaf, &[clear(&ca)], "2026-06-02"), Err(Doubt::NotCleared));
        let revoked = ca.revoke(&[leaf.serial], june);
        assert_eq!(judged(&ca, &leaf, &[revoked], "2026-05-01"), Err(Doubt::Revoked));
        // Of another authority, under the same name: alone, and beside a good one.
        for pems in [vec![clear(&other)], vec![clear(&ca), clear(&other)]] {
            assert_eq!(judged(&ca, &leaf, &pems, "2026-05-01"), Err(Doubt::ListUnsigned));
        }
        let others = Leaf::agency("kemenkes");
        assert_eq!(judged(&ca, &others, &[], "2026-05-01"), Err(Doubt::OtherAgency));
        let servers = Leaf { client_auth: false, ..leaf.clone() };
        assert_eq!(judged(&ca, &servers, &[], "2026-05-01"), Err(Doubt::OtherAgency));

        let at = "2026-05-01T12:00:00Z".parse().unwrap();
        let kemnaker = AgencyId::parse("kemnaker").unwrap();
        let issuers = Issuers::new(vec![other.der()]);
        let foreign = issuers.judge(&chain(&ca, &leaf), None, &kemnaker, at);
        assert_eq!(foreign, Err(Doubt::Untrusted));
    }

    #[test]
    fn a_signature_is_the_certificate_s_own_over_every_byte() {
        let ca = TestCa::new();
        let (der, key) = ca.issue(&Leaf::agency("kemnaker"));
        let chain = Chain::new(der.iter().map(|der| der.to_vec()).collect()).unwrap();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.secret_der()).unwrap();
        let base = b"\"@path\": /a.B/C".to_vec();
        let value = pair.sign(&SystemRandom::new(), &base).unwrap().as_ref().to_vec();
        let signature = CallerSignature { base, value };
        assert_eq!(judge_signature(&chain, &signature), Ok(()));
        let mut forged = signature.clone();
        forged.base[3] ^= 1;
        assert_eq!(judge_signature(&chain, &forged), Err(Doubt::Forged));
        let mut forged = signature.clone();
        forged.value[3] ^= 1;
        assert_eq!(judge_signature(&chain, &forged), Err(Doubt::Forged));
        let (der, _) = ca.issue(&Leaf::agency("kemnaker"));
        let other = Chain::new(der.iter().map(|der| der.to_vec()).collect()).unwrap();
        assert_eq!(judge_signature(&other, &signature), Err(Doubt::Forged));
    }
}
