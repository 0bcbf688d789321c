//! The authority that issues agencies' certificates, where the gateway holds one.
//!
//! What is issued names the agency by its one URI and is for TLS clients, whatever a signing
//! request asks for: of the request only the public key is taken, after its signature has shown
//! that the requester has the private one.

use std::fs;
use std::path::Path;

use desmigratif_core::agency::{AgencyId, Certificate};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{PeerIdentity, TrustDomain};

/// An issuing authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    trust_domain: TrustDomain,
    days: u16,
}

/// A certificate that was issued or is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM.
    pub pem: String,
    /// As it is registered.
    pub certificate: Certificate,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the authority cannot be read.
    #[error("cannot read {0}: {1}")]
    File(String, std::io::Error),
    /// The authority's certificate or key is of no use.
    #[error("the issuing authority cannot be used: {0}")]
    Authority(rcgen::Error),
    /// The signing request, or its signature, is not valid.
    #[error("the signing request is not valid")]
    Request,
    /// The certificate is not valid, or does not name the agency.
    #[error("the certificate is not valid, or names another agency")]
    Certificate,
}

impl Authority {
    /// The authority with a CA certificate and its key, PEM files, which issues for so many days.
    ///
    /// # Errors
    /// [`Error`] when a file cannot be read or is none.
    pub fn load(
        certificate: &Path,
        key: &Path,
        trust_domain: TrustDomain,
        days: u16,
    ) -> Result<Self, Error> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| Error::File(path.display().to_string(), error))
        };
        let key = KeyPair::from_pem(&read(key)?).map_err(Error::Authority)?;
        let issuer =
            Issuer::from_ca_cert_pem(&read(certificate)?, key).map_err(Error::Authority)?;
        Ok(Self { issuer, trust_domain, days })
    }

    /// Issues a certificate for an agency's signing request, from an hour ago on, since clocks
    /// differ.
    ///
    /// # Errors
    /// [`Error::Request`]; [`Error::Authority`] when signing fails.
    pub fn issue(
        &self,
        agency: &AgencyId,
        request_pem: &str,
        now: Timestamp,
    ) -> Result<Issued, Error> {
        let request =
            CertificateSigningRequestParams::from_pem(request_pem).map_err(|_| Error::Request)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, agency.as_str());
        let uri = self.trust_domain.agency_uri(agency);
        params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(Error::Authority)?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&rand::random::<[u8; 16]>()));
        let days = SignedDuration::from_hours(24 * i64::from(self.days));
        params.not_before = for_rcgen(now - SignedDuration::from_hours(1));
        params.not_after = for_rcgen(now + days);
        let signed = CertificateSigningRequestParams { params, public_key: request.public_key }
            .signed_by(&self.issuer)
            .map_err(Error::Authority)?;
        registrable(agency, &signed.pem(), &self.trust_domain)
    }
}

/// A time in the type of the library that rcgen counts with, to the second as X.509 does.
fn for_rcgen(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.as_second())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

/// A certificate that another authority has issued, as it is registered.
///
/// # Errors
/// [`Error::Certificate`] unless it names just this agency.
pub fn registrable(
    agency: &AgencyId,
    pem: &str,
    trust_domain: &TrustDomain,
) -> Result<Issued, Error> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| Error::Certificate)?;
    let peer = PeerIdentity::of_certificate(&der, trust_domain).map_err(|_| Error::Certificate)?;
    if peer.agency_id != *agency {
        return Err(Error::Certificate);
    }
    let certificate =
        Certificate { sha256: hex::encode(peer.fingerprint_sha256), expires_at: peer.not_after };
    Ok(Issued { pem: pem.to_owned(), certificate })
}

#[cfg(test)]
mod tests {
    use desmigratif_core::ports::clock::{Clock as _, SystemClock};

    use super::*;
    use crate::pki::DevPki;

    fn id(text: &str) -> AgencyId {
        AgencyId::parse(text).unwrap()
    }

    fn domain() -> TrustDomain {
        TrustDomain::parse("desmigratif.test").unwrap()
    }

    fn authority(folder: &Path) -> Authority {
        let pki = DevPki::ensure(folder, &domain(), &[id("kemnaker")], SystemClock.now()).unwrap();
        Authority::load(&pki.ca(), &pki.ca_key(), domain(), 90).unwrap()
    }

    /// A signing request that asks for more than it gets.
    fn request(name: &str) -> String {
        let mut params = CertificateParams::default();
        let uri = domain().agency_uri(&id(name));
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    #[test]
    fn what_is_issued_names_the_agency_whatever_the_request_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority(folder.path());
        let now = SystemClock.now();
        let issued = authority.issue(&id("klinik-01"), &request("kemnaker"), now).unwrap();
        assert!(issued.certificate.expires_at > now);
        assert_eq!(registrable(&id("klinik-01"), &issued.pem, &domain()).unwrap(), issued);
        assert!(matches!(
            registrable(&id("kemnaker"), &issued.pem, &domain()),
            Err(Error::Certificate)
        ));
    }

    #[test]
    fn a_request_that_is_none_or_was_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let authority = authority(folder.path());
        let whole = request("klinik-01");
        let mut lines: Vec<_> = whole.lines().map(str::to_owned).collect();
        // A letter of the signed part is another.
        let letter = if lines[2].starts_with('A') { "B" } else { "A" };
        lines[2].replace_range(..1, letter);
        for bad in ["", "-----BEGIN CERTIFICATE REQUEST-----", &lines.join("\n")] {
            let refused = authority.issue(&id("klinik-01"), bad, SystemClock.now());
            assert!(matches!(refused, Err(Error::Request)));
        }
    }
}
