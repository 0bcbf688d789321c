//! A throwaway certificate authority for development: `desmigratif dev` and tests.
//!
//! It is not for production: keys lie in a folder, nothing can be revoked, and the CA's own key is
//! never written, so that nothing can be issued later: a new set replaces the old one.
//!
//! Layout of the folder: `ca.pem`; `server.pem`, `server-key.pem` (localhost, 127.0.0.1, ::1);
//! `agencies/<id>.pem`, `agencies/<id>-key.pem` with one URI subject alternative name each. All
//! keys are P-256 and readable by the owner only (0600).
//!
//! Invariant: `ca.pem` is written last, so a folder that has it is whole.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use desmigratif_core::agency::AgencyId;
use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use x509_parser::pem::Pem;

use crate::access::TrustDomain;

/// How long a set counts, in days.
pub const DAYS: i64 = 90;

/// A set counts from so many days before it is made: a story is told of the year past.
const PAST_DAYS: i64 = 400;

/// A set that ends sooner than this is replaced, in days.
const RENEW_DAYS: i64 = 7;

/// Why a set cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The clock shows a time for which no certificate can be written.
    #[error("the clock shows a time for which no certificate can be written: {0}")]
    Clock(#[from] jiff::Error),
}

/// A folder with a throwaway CA and what it issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevPki(PathBuf);

impl DevPki {
    /// The set in `folder`, made anew when it is not there, lacks one of `agencies`, or is about to
    /// expire. Files of earlier sets are replaced.
    ///
    /// # Errors
    /// [`Error`] when a file or a certificate cannot be made.
    pub fn ensure(
        folder: impl Into<PathBuf>,
        trust_domain: &TrustDomain,
        agencies: &[AgencyId],
        now: Timestamp,
    ) -> Result<Self, Error> {
        let pki = Self(folder.into());
        if !pki.serves(agencies, now) {
            pki.write(trust_domain, agencies, now)?;
        }
        Ok(pki)
    }

    /// The CA's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The CA's private key, kept so that an agency that joins later can get a certificate.
    #[must_use]
    pub fn ca_key(&self) -> PathBuf {
        self.0.join("ca-key.pem")
    }

    /// The gateway's certificate.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.0.join("server.pem")
    }

    /// The gateway's private key.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.0.join("server-key.pem")
    }

    /// The gateway's certificate towards a ministry's connector.
    #[must_use]
    pub fn gateway(&self) -> PathBuf {
        self.0.join("gateway.pem")
    }

    /// The private key of that certificate.
    #[must_use]
    pub fn gateway_key(&self) -> PathBuf {
        self.0.join("gateway-key.pem")
    }

    /// An agency's certificate.
    #[must_use]
    pub fn agency(&self, id: &AgencyId) -> PathBuf {
        self.0.join("agencies").join(format!("{id}.pem"))
    }

    /// An agency's private key.
    #[must_use]
    pub fn agency_key(&self, id: &AgencyId) -> PathBuf {
        self.0.join("agencies").join(format!("{id}-key.pem"))
    }

    /// Whether the folder holds a whole set for `agencies` that does not expire soon.
    fn serves(&self, agencies: &[AgencyId], now: Timestamp) -> bool {
        let whole =
            [self.ca_key(), self.server(), self.server_key(), self.gateway(), self.gateway_key()]
                .into_iter()
                .chain(agencies.iter().flat_map(|id| [self.agency(id), self.agency_key(id)]))
                .all(|path| path.is_file());
        let ends = fs::read(self.ca()).ok().and_then(|pem| ends_at(&pem));
        whole && ends.is_some_and(|ends| ends - now.as_second() > RENEW_DAYS * 24 * 3600)
    }

    fn write(
        &self,
        trust_domain: &TrustDomain,
        agencies: &[AgencyId],
        now: Timestamp,
    ) -> Result<(), Error> {
        let validity = Validity::from(now)?;
        make_folder(&self.0.join("agencies"))?;
        // Whatever stops half-way must not leave an old CA over new leaves.
        remove(&self.ca())?;

        let ca_key = KeyPair::generate()?;
        write_file(&self.ca_key(), &ca_key.serialize_pem(), 0o600)?;
        let ca = CertifiedIssuer::self_signed(ca_params(validity), ca_key)?;
        let issue = |params: CertificateParams, certificate: &Path, key: &Path| {
            let pair = KeyPair::generate()?;
            let signed = params.signed_by(&pair, &ca)?;
            write_file(key, &pair.serialize_pem(), 0o600)?;
            write_file(certificate, &signed.pem(), 0o644)
        };
        issue(server_params(validity)?, &self.server(), &self.server_key())?;
        let gateway = client_params("desmigratif gateway", trust_domain.gateway_uri(), validity)?;
        issue(gateway, &self.gateway(), &self.gateway_key())?;
        for id in agencies {
            let agency = client_params(id.as_str(), trust_domain.agency_uri(id), validity)?;
            issue(agency, &self.agency(id), &self.agency_key(id))?;
        }
        write_file(&self.ca(), &ca.pem(), 0o644)
    }
}

/// First and last day of a set.
#[derive(Clone, Copy)]
struct Validity(Date, Date);

impl Validity {
    /// From [`PAST_DAYS`] before `now`, for [`DAYS`] after.
    fn from(now: Timestamp) -> Result<Self, jiff::Error> {
        let today = TimeZone::UTC.to_datetime(now).date();
        Ok(Self(
            today.checked_sub(Span::new().days(PAST_DAYS))?,
            today.checked_add(Span::new().days(DAYS))?,
        ))
    }

    fn put(self, params: &mut CertificateParams) {
        let [not_before, not_after] = [self.0, self.1].map(|day| {
            let unsigned = |n: i8| u8::try_from(n).unwrap_or(1);
            rcgen::date_time_ymd(day.year().into(), unsigned(day.month()), unsigned(day.day()))
        });
        (params.not_before, params.not_after) = (not_before, not_after);
    }
}

fn ca_params(validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    validity.put(&mut params);
    params.distinguished_name.push(DnType::CommonName, "Desmigratif throwaway CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    validity: Validity,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    validity.put(&mut params);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params
}

fn server_params(validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params =
        leaf_params("desmigratif gateway", ExtendedKeyUsagePurpose::ServerAuth, validity);
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    Ok(params)
}

fn client_params(
    name: &str,
    uri: String,
    validity: Validity,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = leaf_params(name, ExtendedKeyUsagePurpose::ClientAuth, validity);
    params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
    Ok(params)
}

/// End of the first certificate's validity, in seconds since the epoch.
fn ends_at(pem: &[u8]) -> Option<i64> {
    let pem = Pem::iter_from_buffer(pem).next()?.ok()?;
    Some(pem.parse_x509().ok()?.validity().not_after.timestamp())
}

fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Writes a file that nobody else could open before it had its mode.
fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    remove(path)?;
    let write = || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?
            .write_all(text.as_bytes())
    };
    write().map_err(|source| Error::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::PeerIdentity;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn ids(names: &[&str]) -> Vec<AgencyId> {
        names.iter().map(|name| AgencyId::parse(name).unwrap()).collect()
    }

    fn domain() -> TrustDomain {
        TrustDomain::parse("desmigratif.test").unwrap()
    }

    #[test]
    fn every_agency_gets_its_one_identity_and_a_private_key_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let agencies = ids(&["kemnaker", "klinik-01"]);
        let pki = DevPki::ensure(folder.path(), &domain(), &agencies, now()).unwrap();
        for id in &agencies {
            let der = CertificateDer::from_pem_file(pki.agency(id)).unwrap();
            let identity = PeerIdentity::of_certificate(&der, &domain()).unwrap();
            assert_eq!(&identity.agency_id, id);
            assert!(identity.counts_at(now()));
        }
        for key in [pki.server_key(), pki.gateway_key(), pki.agency_key(&agencies[0])] {
            assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_set_is_kept_until_it_is_short_of_an_agency_or_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let make = |names: &[&str], days: i64| {
            let later = now() + jiff::SignedDuration::from_hours(24 * days);
            let pki = DevPki::ensure(folder.path(), &domain(), &ids(names), later).unwrap();
            fs::read(pki.ca()).unwrap()
        };
        let first = make(&["kemnaker"], 0);
        assert_eq!(make(&["kemnaker"], 30), first);
        let second = make(&["kemnaker", "kemenkes"], 30);
        assert_ne!(second, first, "an agency was missing");
        assert_eq!(make(&["kemnaker"], 30 + DAYS - RENEW_DAYS - 1), second);
        assert_ne!(make(&["kemnaker"], 30 + DAYS - RENEW_DAYS + 1), second, "about to expire");
    }

    #[test]
    fn a_set_cut_short_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let agencies = ids(&["kemnaker"]);
        let pki = DevPki::ensure(folder.path(), &domain(), &agencies, now()).unwrap();
        fs::remove_file(pki.ca()).unwrap();
        let again = DevPki::ensure(folder.path(), &domain(), &agencies, now()).unwrap();
        assert!(again.serves(&agencies, now()));
    }
}
