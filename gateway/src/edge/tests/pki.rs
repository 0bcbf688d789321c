//! A CA for tests: it issues what it is asked for, also what must be refused.

use desmigratif_core::agency::AgencyId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::access::TrustDomain;

/// Year, month, day.
type Day = (i32, u8, u8);

/// A client certificate to issue.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) uris: Vec<String>,
    pub(crate) client_auth: bool,
    pub(crate) validity: (Day, Day),
    pub(crate) serial: u64,
}

impl Leaf {
    /// The certificate of an agency of `desmigratif.test` as it should be.
    pub(crate) fn agency(id: &str) -> Self {
        let domain = TrustDomain::parse("desmigratif.test").unwrap();
        Self {
            uris: vec![domain.agency_uri(&AgencyId::parse(id).unwrap())],
            client_auth: true,
            validity: ((2026, 1, 1), (2027, 1, 1)),
            serial: 7,
        }
    }
}

pub(crate) struct TestCa(CertifiedIssuer<'static, KeyPair>);

impl TestCa {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn issue(
        &self,
        leaf: &Leaf,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::default();
        let ((y0, m0, d0), (y1, m1, d1)) = leaf.validity;
        (params.not_before, params.not_after) =
            (date_time_ymd(y0, m0, d0), date_time_ymd(y1, m1, d1));
        params.serial_number = Some(SerialNumber::from(leaf.serial));
        params.subject_alt_names =
            leaf.uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().unwrap())).collect();
        if leaf.client_auth {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// Certificate and key of a server called localhost, PEM.
    pub(crate) fn server(&self, (year, month, day): Day) -> (String, String) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A revocation list, PEM.
    pub(crate) fn revoke(&self, serials: &[u64], (year, month, day): Day) -> String {
        let revoked = |&serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(year, month, day),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }
}
