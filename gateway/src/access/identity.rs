//! Who is at the other end of a connection: from a client certificate to one agency's id.
//!
//! A leaf certificate names an agency by exactly one URI subject alternative name,
//! `spiffe://<trust domain>/agency/<id>`, and says that it is for TLS clients
//! (extended key usage clientAuth, RFC 5280 section 4.2.1.12). That the chain leads to the client
//! CA and is not revoked is TLS's affair (the edge's); whether the agency is registered is asked of
//! the [`Directory`](super::Directory) at each call.
//!
//! Invariant: a [`PeerIdentity`] exists only for a certificate that names one agency and no other.

use std::fmt;

use desmigratif_core::agency::AgencyId;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The trust domain of the exchange's SPIFFE ids, for instance `desmigratif.test`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomain(String);

/// The text is no trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a trust domain is 1 to 255 characters of a-z, 0-9, '.', '-' and '_'")]
pub struct NotATrustDomain;

impl TrustDomain {
    /// Reads a trust domain (SPIFFE-ID section 2.1: lower-case letters, digits, dots, hyphens and
    /// underscores).
    ///
    /// # Errors
    /// [`NotATrustDomain`] when the shape is broken.
    pub fn parse(text: &str) -> Result<Self, NotATrustDomain> {
        let well_formed = (1..=255).contains(&text.len())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'));
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NotATrustDomain) }
    }

    /// The URI that names `agency` in its certificate.
    #[must_use]
    pub fn agency_uri(&self, agency: &AgencyId) -> String {
        format!("spiffe://{}/agency/{agency}", self.0)
    }

    /// The URI by which a ministry's connector knows the gateway itself.
    #[must_use]
    pub fn gateway_uri(&self) -> String {
        format!("spiffe://{}/gateway", self.0)
    }

    /// Reads what [`TrustDomain::agency_uri`] writes, and nothing else.
    fn agency_of(&self, uri: &str) -> Result<AgencyId, NoIdentity> {
        let rest = uri.strip_prefix("spiffe://").ok_or(NoIdentity::NotAnAgencyUri)?;
        let (domain, path) = rest.split_once('/').ok_or(NoIdentity::NotAnAgencyUri)?;
        if domain != self.0 {
            return Err(NoIdentity::ForeignTrustDomain);
        }
        let id = path.strip_prefix("agency/").ok_or(NoIdentity::NotAnAgencyUri)?;
        AgencyId::parse(id).map_err(|_| NoIdentity::NotAnAgencyUri)
    }
}

/// Why a certificate names no agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    /// The certificate cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// The extended key usage does not list clientAuth.
    #[error("the certificate is not for TLS clients (extended key usage clientAuth)")]
    NotForClients,
    /// No URI among the subject alternative names.
    #[error("the certificate has no URI subject alternative name")]
    NoUri,
    /// More than one URI among the subject alternative names.
    #[error("the certificate has more than one URI subject alternative name")]
    SeveralUris,
    /// The URI names another trust domain.
    #[error("the certificate belongs to another trust domain")]
    ForeignTrustDomain,
    /// The URI is not `spiffe://<trust domain>/agency/<id>`.
    #[error("the certificate's URI names no agency")]
    NotAnAgencyUri,
}

/// The agency that a client certificate names, and how long it may. In the extensions of every
/// request that reaches a service.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The agency's id, from the URI subject alternative name.
    pub agency_id: AgencyId,
    /// SHA-256 of the leaf certificate, DER encoded.
    pub fingerprint_sha256: [u8; 32],
    /// The certificate counts from this time on.
    pub not_before: Timestamp,
    /// The certificate counts up to and including this time.
    pub not_after: Timestamp,
}

impl PeerIdentity {
    /// Reads the identity out of a leaf certificate, DER encoded.
    ///
    /// # Errors
    /// [`NoIdentity`] when it does not name exactly one agency of `trust_domain`.
    pub fn of_certificate(der: &[u8], trust_domain: &TrustDomain) -> Result<Self, NoIdentity> {
        Self::read(der, |uri| trust_domain.agency_of(uri))
    }

    /// Reads the identity out of a leaf certificate, DER encoded, in whichever trust domain: for one
    /// who judges by the issuer alone.
    ///
    /// # Errors
    /// [`NoIdentity`] when it does not name exactly one agency.
    pub fn of_any_domain(der: &[u8]) -> Result<Self, NoIdentity> {
        Self::read(der, |uri| {
            let rest = uri.strip_prefix("spiffe://").ok_or(NoIdentity::NotAnAgencyUri)?;
            let (domain, _) = rest.split_once('/').ok_or(NoIdentity::NotAnAgencyUri)?;
            let domain = TrustDomain::parse(domain).map_err(|_| NoIdentity::NotAnAgencyUri)?;
            domain.agency_of(uri)
        })
    }

    /// Reads a certificate whose one URI names an agency in the way of `agency_of`.
    fn read(
        der: &[u8],
        agency_of: impl FnOnce(&str) -> Result<AgencyId, NoIdentity>,
    ) -> Result<Self, NoIdentity> {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| NoIdentity::Unreadable)?;

        let usage = certificate.extended_key_usage().map_err(|_| NoIdentity::Unreadable)?;
        if !usage.is_some_and(|usage| usage.value.client_auth) {
            return Err(NoIdentity::NotForClients);
        }

        let names = certificate.subject_alternative_name().map_err(|_| NoIdentity::Unreadable)?;
        let names =
            names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
            return Err(NoIdentity::Unreadable);
        }
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let uri = uris.next().ok_or(NoIdentity::NoUri)?;
        if uris.next().is_some() {
            return Err(NoIdentity::SeveralUris);
        }

        let at = |seconds| Timestamp::from_second(seconds).map_err(|_| NoIdentity::Unreadable);
        Ok(Self {
            agency_id: agency_of(uri)?,
            fingerprint_sha256: Sha256::digest(der).into(),
            not_before: at(certificate.validity().not_before.timestamp())?,
            not_after: at(certificate.validity().not_after.timestamp())?,
        })
    }

    /// Whether the certificate counts at `now`.
    #[must_use]
    pub fn counts_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now.as_second() <= self.not_after.as_second()
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerIdentity")
            .field("agency_id", &self.agency_id)
            .field("fingerprint_sha256", &hex::encode(self.fingerprint_sha256))
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::tests::pki::{Leaf, TestCa};

    fn domain() -> TrustDomain {
        TrustDomain::parse("desmigratif.test").unwrap()
    }

    fn read(leaf: &Leaf) -> Result<PeerIdentity, NoIdentity> {
        let (chain, _) = TestCa::new().issue(leaf);
        PeerIdentity::of_certificate(&chain[0], &domain())
    }

    #[test]
    fn one_uri_is_one_agency() {
        let identity = read(&Leaf::agency("klinik-01")).unwrap();
        assert_eq!(identity.agency_id.as_str(), "klinik-01");
        assert!(identity.counts_at("2026-11-24T00:00:00Z".parse().unwrap()));
        assert!(!identity.counts_at(identity.not_after + jiff::SignedDuration::from_secs(1)));
        assert!(!identity.counts_at(identity.not_before - jiff::SignedDuration::from_secs(1)));
    }

    #[test]
    fn everything_but_one_agency_uri_is_refused() {
        let with = |uris: &[&str]| {
            read(&Leaf { uris: uris.iter().map(|&u| u.into()).collect(), ..Leaf::agency("x1") })
        };
        let ours = "spiffe://desmigratif.test/agency/kemnaker";
        assert_eq!(with(&[]), Err(NoIdentity::NoUri));
        assert_eq!(
            with(&[ours, "spiffe://desmigratif.test/agency/kemenkes"]),
            Err(NoIdentity::SeveralUris)
        );
        assert_eq!(with(&[ours, "https://example.test/"]), Err(NoIdentity::SeveralUris));
        assert_eq!(
            with(&["spiffe://other.test/agency/kemnaker"]),
            Err(NoIdentity::ForeignTrustDomain)
        );
        for odd in [
            "spiffe://desmigratif.test/agency/kemnaker/more",
            "spiffe://desmigratif.test/agency/kemnaker/",
            "spiffe://desmigratif.test/agency/Kemnaker",
            "spiffe://desmigratif.test/agency/",
            "spiffe://desmigratif.test/agency/kemnaker?x=1",
            "spiffe://desmigratif.test",
            "spiffe://desmigratif.test/ministry/kemnaker",
            "https://desmigratif.test/agency/kemnaker",
        ] {
            assert_eq!(with(&[odd]), Err(NoIdentity::NotAnAgencyUri), "{odd}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_for_clients_is_refused() {
        assert_eq!(
            read(&Leaf { client_auth: false, ..Leaf::agency("kemnaker") }),
            Err(NoIdentity::NotForClients)
        );
    }

    #[test]
    fn any_domain_is_read_and_still_one_agency_alone() {
        let read = |uris: &[&str]| {
            let uris = uris.iter().map(|&uri| uri.into()).collect();
            let (chain, _) = TestCa::new().issue(&Leaf { uris, ..Leaf::agency("x1") });
            PeerIdentity::of_any_domain(&chain[0]).map(|peer| peer.agency_id.to_string())
        };
        assert_eq!(read(&["spiffe://other.test/agency/kemnaker"]), Ok("kemnaker".into()));
        for odd in ["spiffe://Other.test/agency/kemnaker", "spiffe://other.test/gateway", "x:y"] {
            assert_eq!(read(&[odd]), Err(NoIdentity::NotAnAgencyUri), "{odd}");
        }
        let two = ["spiffe://other.test/agency/kemnaker", "spiffe://other.test/agency/kemenkes"];
        assert_eq!(read(&two), Err(NoIdentity::SeveralUris));
    }

    #[test]
    fn noise_is_no_certificate() {
        assert_eq!(PeerIdentity::of_certificate(b"noise", &domain()), Err(NoIdentity::Unreadable));
    }

    #[test]
    fn trust_domains_are_lower_case_and_plain() {
        assert!(TrustDomain::parse("desmigratif.go.id").is_ok());
        for bad in ["", "Desmigratif", "a/b", "a b"] {
            assert_eq!(TrustDomain::parse(bad), Err(NotATrustDomain), "{bad}");
        }
    }
}
