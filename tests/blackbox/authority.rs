//! An authority of our own, for the one of `dev` never writes its key down: it issues what is
//! asked for, also what must be refused.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use time::OffsetDateTime;

use crate::folder::prepared;
use crate::gateway::Gateway;
use crate::raw::Identity;

/// The name of Kemnaker in the trust domain of such an authority.
pub(crate) const KEMNAKER: &str = "spiffe://blackbox.test/agency/kemnaker";

/// A client certificate to issue.
#[derive(Clone)]
pub(crate) struct Leaf<'a> {
    /// The URIs among its names.
    pub(crate) uris: &'a [&'a str],
    /// What it may be used for.
    pub(crate) usages: Vec<ExtendedKeyUsagePurpose>,
    /// The last moment of its validity.
    pub(crate) expires: OffsetDateTime,
    /// The number by which it is revoked.
    pub(crate) serial: u64,
}

impl<'a> Leaf<'a> {
    /// A certificate with these URIs that is right in everything else.
    pub(crate) fn naming(uris: &'a [&'a str]) -> Self {
        Self {
            uris,
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            expires: date_time_ymd(2099, 12, 31),
            serial: 7,
        }
    }
}

/// The authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One that nobody trusts yet.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "blackbox CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate with its key.
    pub(crate) fn issue(&self, leaf: Leaf<'_>) -> Identity {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = leaf.expires;
        params.serial_number = Some(SerialNumber::from(leaf.serial));
        params.subject_alt_names =
            leaf.uris.iter().map(|&uri| SanType::URI(uri.try_into().unwrap())).collect();
        params.extended_key_usages = leaf.usages;
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// Its own certificate, PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// The certificate of a server on this machine, with its key.
    pub(crate) fn server(&self) -> Identity {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// A list that revokes these certificates, PEM.
    pub(crate) fn revoke(&self, serials: &[u64], next_update: OffsetDateTime) -> String {
        let revoked = |&serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }

    /// A gateway that trusts this authority.
    pub(crate) fn gateway(&self, overrides: &[(&str, &str)]) -> Gateway {
        let data = prepared();
        let ca = data.path().join("blackbox-ca.pem");
        std::fs::write(&ca, self.0.pem()).unwrap();
        let ca = ca.to_str().unwrap().to_owned();
        let mut all = vec![
            ("DESMIGRATIF_TLS__CLIENT_CA", ca.as_str()),
            ("DESMIGRATIF_TLS__TRUST_DOMAIN", "blackbox.test"),
        ];
        all.extend(overrides);
        Gateway::serve(data, &all)
    }
}

/// So many seconds from now.
pub(crate) fn in_seconds(seconds: u64) -> OffsetDateTime {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let then = (now + Duration::from_secs(seconds)).as_secs();
    OffsetDateTime::from_unix_timestamp(then.try_into().unwrap()).unwrap()
}
