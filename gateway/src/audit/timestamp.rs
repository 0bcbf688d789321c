//! Timestamps (RFC 3161): the word of an authority that a head of the log was there at a time.
//!
//! What is stamped is the SHA-256 of the head's text ([`Head::text`]): the first three lines of the
//! checkpoint's note, which are the log's name, the size and the root in base64, each with its line
//! feed, in UTF-8. The blank line and the signatures after them are no part of it, so a timestamp
//! holds however many witnesses cosign later.
//!
//! A token counts only if it is DER, states that digest, and has one signature, by the certificate
//! that the signature itself names (RFC 5816), which is for timestamps and nothing else (RFC 3161
//! section 2.3), and led at the stated time to an authority that the verifier knows. Whether that
//! certificate was revoked is not asked: only the authority could tell, and evidence asks nobody.
//!
//! Here is what a token says and whether it counts. [`Authority`] is where it comes from, and
//! [`Stamper`] what asks for it, in the background.

mod authority;
mod stamper;

use std::time::Duration;

use aws_lc_rs::digest::{self, digest};
use cms::cert::CertificateChoices;
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{Any, Decode as _, Encode as _, Sequence};
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, aws_lc_rs as algorithm};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use super::note::Head;

pub use authority::{Authority, Http};
pub use stamper::{Settings, Stamper};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// The content of the identifier of the key purpose `timeStamping`, 1.3.6.1.5.5.7.3.8.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// Why a timestamp does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no token, or one in a form that RFC 3161 does not allow.
    #[error("it is no timestamp token of RFC 3161 in DER")]
    Malformed,
    /// It is over something else.
    #[error("it is not over this checkpoint")]
    OtherHead,
    /// It does not answer the request that was sent.
    #[error("it answers another request")]
    OtherRequest,
    /// The authority gave none.
    #[error("the authority refuses to give one")]
    Refused,
    /// The signature is false, or made in a way that does not count.
    #[error("its signature does not hold")]
    Forged,
    /// The certificate is not for timestamps alone.
    #[error("its certificate is not one for timestamps and nothing else")]
    NotForTimestamps,
    /// The certificate was not valid at the stated time.
    #[error("its certificate was not valid at the time that it states")]
    Expired,
    /// The certificate leads to none of the authorities.
    #[error("its certificate leads to no authority that is known")]
    UnknownAuthority,
}

/// The authorities whose timestamps count: the certificates that theirs lead to.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<TrustAnchor<'static>>);

impl Authorities {
    /// Reads certificates in PEM; `None` when there is none, or something else.
    #[must_use]
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let anchor = |certificate: Result<CertificateDer<'_>, _>| {
            let certificate = certificate.ok()?;
            Some(webpki::anchor_from_trusted_cert(&certificate).ok()?.to_owned())
        };
        let anchors =
            CertificateDer::pem_slice_iter(pem).map(anchor).collect::<Option<Vec<_>>>()?;
        (!anchors.is_empty()).then_some(Self(anchors))
    }
}

/// A request for a timestamp on a head. `nonce` ties the answer to it.
#[must_use]
pub fn request(head: &Head, nonce: u64) -> Vec<u8> {
    let digest = digest(&digest::SHA256, head.text().as_bytes());
    let request = TimeStampReq {
        version: TspVersion::V1,
        message_imprint: MessageImprint {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA_256, parameters: None },
            hashed_message: OctetString::new(digest.as_ref()).expect("32 bytes are not too many"),
        },
        req_policy: None,
        nonce: Some(integer(nonce)),
        // The certificate comes with the token, which is then verified without asking anybody.
        cert_req: true,
        extensions: None,
    };
    request.to_der().expect("its parts are short and can be encoded")
}

/// A nonce as DER has it: positive, and eight bytes long.
fn integer(nonce: u64) -> Int {
    let bytes = (nonce >> 2 | 1 << 62).to_be_bytes();
    Int::new(&bytes).expect("it begins with a bit that is 0 and one that is 1")
}

/// Reads an authority's answer to [`request`]: the token, and the time that it states.
///
/// # Errors
/// [`Error`].
pub fn answer(
    bytes: &[u8],
    head: &Head,
    nonce: u64,
    known: &Authorities,
) -> Result<(Vec<u8>, Timestamp), Error> {
    let answer = TimeStampResp::from_der(bytes).map_err(|_| Error::Malformed)?;
    let token = answer.time_stamp_token.ok_or(Error::Refused)?;
    let token = token.to_der().map_err(|_| Error::Malformed)?;
    let at = verify(&token, head, known)?;
    if Token::read(&token)?.info.nonce == Some(integer(nonce)) {
        Ok((token, at))
    } else {
        Err(Error::OtherRequest)
    }
}

/// Verifies a token over a head; gives the time that it states, to the second.
///
/// # Errors
/// [`Error`].
pub fn verify(token: &[u8], head: &Head, known: &Authorities) -> Result<Timestamp, Error> {
    let token = Token::read(token)?;
    let imprint = &token.info.message_imprint;
    let digest = digest(&digest::SHA256, head.text().as_bytes());
    if imprint.hash_algorithm.oid != SHA_256 || imprint.hashed_message.as_bytes() != digest.as_ref()
    {
        return Err(Error::OtherHead);
    }
    token.verify_signature()?;
    let since_1970 = token.info.gen_time.to_unix_duration();
    token.verify_path(since_1970, known)?;
    let seconds = i64::try_from(since_1970.as_secs()).map_err(|_| Error::Malformed)?;
    Timestamp::from_second(seconds).map_err(|_| Error::Malformed)
}

/// The certificate that a signature names, of those in the first place (RFC 5035 section 4).
#[derive(Sequence)]
struct SigningCertificate {
    certificates: Vec<CertificateId>,
    policies: Option<Any>,
}

/// A certificate by its SHA-1.
#[derive(Sequence)]
struct CertificateId {
    hash: OctetString,
    issuer_serial: Option<Any>,
}

/// The same, with another digest (RFC 5035 section 3).
#[derive(Sequence)]
struct SigningCertificateV2 {
    certificates: Vec<CertificateIdV2>,
    policies: Option<Any>,
}

/// A certificate by its digest.
#[derive(Sequence)]
struct CertificateIdV2 {
    /// SHA-256 when it is not there.
    algorithm: Option<AlgorithmIdentifierOwned>,
    hash: OctetString,
    issuer_serial: Option<Any>,
}

/// The parts of a token.
struct Token {
    /// What is signed.
    content: Vec<u8>,
    /// What that says.
    info: TstInfo,
    signer: SignerInfo,
    /// The signer's certificate.
    certificate: CertificateDer<'static>,
    /// Certificates on the way to an authority, and whatever else came with them.
    others: Vec<CertificateDer<'static>>,
}

impl Token {
    fn read(token: &[u8]) -> Result<Self, Error> {
        let malformed = |_| Error::Malformed;
        let outer = ContentInfo::from_der(token).map_err(malformed)?;
        if outer.content_type != SIGNED_DATA {
            return Err(Error::Malformed);
        }
        let signed: SignedData = outer.content.decode_as().map_err(malformed)?;
        let [signer] = signed.signer_infos.0.as_slice() else { return Err(Error::Malformed) };
        // What no signature covers has to be as the signature has it, or not to be there.
        let versions = [signed.version, signer.version];
        let unsigned = signer.unsigned_attrs.is_some() || signed.crls.is_some();
        let unsigned = unsigned || versions != [CmsVersion::V3, CmsVersion::V1];
        let digests = signed.digest_algorithms.as_slice();
        let inner = &signed.encap_content_info;
        if unsigned || *digests != [signer.digest_alg.clone()] || inner.econtent_type != TST_INFO {
            return Err(Error::Malformed);
        }
        let content = inner.econtent.as_ref().ok_or(Error::Malformed)?;
        let content: OctetString = content.decode_as().map_err(malformed)?;
        let info = TstInfo::from_der(content.as_bytes()).map_err(malformed)?;

        let (mut certificate, mut others) = (None, Vec::new());
        let bundle = signed.certificates.as_ref().ok_or(Error::Malformed)?;
        for choice in bundle.0.iter() {
            let CertificateChoices::Certificate(one) = choice else {
                return Err(Error::Malformed);
            };
            let der = CertificateDer::from(one.to_der().map_err(malformed)?);
            let SignerIdentifier::IssuerAndSerialNumber(named) = &signer.sid else {
                return Err(Error::Malformed);
            };
            let tbs = &one.tbs_certificate;
            if tbs.issuer == named.issuer && tbs.serial_number == named.serial_number {
                certificate = Some(der);
            } else {
                others.push(der);
            }
        }
        let certificate = certificate.ok_or(Error::Malformed)?;
        let (content, signer) = (content.into_bytes(), signer.clone());
        Ok(Self { content, info, signer, certificate, others })
    }

    /// The one value of a signed attribute.
    fn attribute<'a, T: der::Choice<'a> + der::DecodeValue<'a>>(
        &'a self,
        which: ObjectIdentifier,
    ) -> Option<T> {
        let all = self.signer.signed_attrs.as_ref()?;
        let mut found = all.iter().filter(|attribute| attribute.oid == which);
        let (Some(one), None) = (found.next(), found.next()) else { return None };
        let [value] = one.values.as_slice() else { return None };
        value.decode_as().ok()
    }

    /// Whether the signature holds over the content, and names the certificate that made it
    /// (RFC 5652 sections 5.4 and 5.6).
    fn verify_signature(&self) -> Result<(), Error> {
        let content_type: Option<ObjectIdentifier> = self.attribute(CONTENT_TYPE);
        let stated: Option<OctetString> = self.attribute(MESSAGE_DIGEST);
        let algorithm = self.signer.digest_alg.oid;
        let computed = digest_by(algorithm, &self.content).ok_or(Error::Forged)?;
        if content_type != Some(TST_INFO) || stated.map(OctetString::into_bytes) != Some(computed) {
            return Err(Error::Forged);
        }
        if !self.names_its_certificate() {
            return Err(Error::Forged);
        }
        let message = self.signer.signed_attrs.to_der().map_err(|_| Error::Malformed)?;
        let signature = self.signer.signature.as_bytes();
        let certificate =
            EndEntityCert::try_from(&self.certificate).map_err(|_| Error::Malformed)?;
        let holds = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            certificate.verify_signature(*algorithm, &message, signature).is_ok()
        };
        let mut named = self.algorithms();
        named.any(|algorithm| holds(&algorithm)).then_some(()).ok_or(Error::Forged)
    }

    /// The ways of signing that the signature names: one for each curve, or none that counts.
    fn algorithms(&self) -> impl Iterator<Item = &'static dyn SignatureVerificationAlgorithm> {
        let AlgorithmIdentifierOwned { oid, parameters } = &self.signer.signature_algorithm;
        let encoded = [oid.to_der(), parameters.to_der()];
        let mut named =
            encoded.into_iter().collect::<Result<Vec<_>, _>>().unwrap_or_default().concat();
        if *oid == RSA && parameters.as_ref().is_none_or(Any::is_null) {
            // CMS may name the kind of key alone, and the digest beside it (RFC 3370 section 3.2).
            let with = match self.signer.digest_alg.oid {
                SHA_384 => algorithm::RSA_PKCS1_2048_8192_SHA384,
                SHA_512 => algorithm::RSA_PKCS1_2048_8192_SHA512,
                _ => algorithm::RSA_PKCS1_2048_8192_SHA256,
            };
            named = with.signature_alg_id().to_vec();
        }
        let is_named = move |it: &&dyn SignatureVerificationAlgorithm| {
            it.signature_alg_id().as_ref() == named.as_slice()
        };
        ALL_VERIFICATION_ALGS.iter().copied().filter(is_named)
    }

    /// Whether the signed attribute that names the signer's certificate names this one.
    fn names_its_certificate(&self) -> bool {
        let certificate = self.certificate.as_ref();
        if let Some(named) = self.attribute::<SigningCertificateV2>(SIGNING_CERTIFICATE_V2) {
            return named.certificates.first().is_some_and(|first| {
                let algorithm = first.algorithm.as_ref().map_or(SHA_256, |it| it.oid);
                let digest = digest_by(algorithm, certificate);
                digest.as_deref() == Some(first.hash.as_bytes())
            });
        }
        // SHA-1 is what RFC 3161 itself has, and here it only says which certificate of a chain
        // that is verified otherwise.
        let digest = digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
        let named = self.attribute::<SigningCertificate>(SIGNING_CERTIFICATE);
        named.is_some_and(|named| {
            named.certificates.first().is_some_and(|it| it.hash.as_bytes() == digest.as_ref())
        })
    }

    /// Whether the certificate is for timestamps alone, and led to an authority at a time.
    fn verify_path(&self, since_1970: Duration, known: &Authorities) -> Result<(), Error> {
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&self.certificate).map_err(|_| Error::Malformed)?;
        let usage = parsed.extended_key_usage().ok().flatten().ok_or(Error::NotForTimestamps)?;
        let it = usage.value;
        let for_more = it.any
            || it.server_auth
            || it.client_auth
            || it.code_signing
            || it.email_protection
            || it.ocsp_signing
            || !it.other.is_empty();
        if !usage.critical || !it.time_stamping || for_more {
            return Err(Error::NotForTimestamps);
        }
        let certificate =
            EndEntityCert::try_from(&self.certificate).map_err(|_| Error::Malformed)?;
        let path = certificate.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &known.0,
            &self.others,
            UnixTime::since_unix_epoch(since_1970),
            KeyUsage::required(TIME_STAMPING),
            None,
            None,
        );
        match path {
            Ok(_) => Ok(()),
            Err(webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }) => {
                Err(Error::Expired)
            }
            Err(_) => Err(Error::UnknownAuthority),
        }
    }
}

/// A digest by its algorithm; `None` for one that does not count.
fn digest_by(algorithm: ObjectIdentifier, bytes: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match algorithm {
        SHA_256 => &digest::SHA256,
        SHA_384 => &digest::SHA384,
        SHA_512 => &digest::SHA512,
        _ => return None,
    };
    Some(digest(algorithm, bytes).as_ref().to_vec())
}

#[cfg(test)]
mod tests;
