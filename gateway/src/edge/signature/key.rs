//! The key of a certificate, and the algorithms by which it signs (RFC 9421 section 3.3).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use desmigratif_core::credentials::Chain;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::Refused;

/// A name of the registry of RFC 9421 section 6.2.2, with what verifies it.
type Algorithm = (&'static str, &'static dyn VerificationAlgorithm);

const ECDSA_P256: &[Algorithm] = &[("ecdsa-p256-sha256", &ECDSA_P256_SHA256_FIXED)];
const ECDSA_P384: &[Algorithm] = &[("ecdsa-p384-sha384", &ECDSA_P384_SHA384_FIXED)];
const EDDSA: &[Algorithm] = &[("ed25519", &ED25519)];
/// An RSA key signs in two ways. The first counts when a signature does not say in which.
const RSA: &[Algorithm] = &[
    ("rsa-pss-sha512", &RSA_PSS_2048_8192_SHA512),
    ("rsa-v1_5-sha256", &RSA_PKCS1_2048_8192_SHA256),
];

/// A public key, with the algorithm that a signature by it is made with.
pub(super) struct Key(UnparsedPublicKey<Vec<u8>>);

impl Key {
    /// The key of a chain's owner, for a signature that states this algorithm, or none.
    pub(super) fn of_chain(chain: &Chain, algorithm: Option<&str>) -> Result<Self, Refused> {
        // TLS has read it before, so it is a certificate.
        let certificate = chain.certificates().first().map(|der| X509Certificate::from_der(der));
        let Some(Ok((_, certificate))) = certificate else {
            return Err(Refused::AnotherAlgorithm);
        };
        Self::of_info(certificate.public_key(), algorithm)
    }

    /// The key that a `SubjectPublicKeyInfo` holds (RFC 5280 section 4.1.2.7).
    pub(super) fn of_info(
        info: &SubjectPublicKeyInfo<'_>,
        algorithm: Option<&str>,
    ) -> Result<Self, Refused> {
        let (_, verifies) = algorithms(info)
            .iter()
            .find(|(name, _)| algorithm.is_none_or(|stated| stated == *name))
            .ok_or(Refused::AnotherAlgorithm)?;
        Ok(Self(UnparsedPublicKey::new(*verifies, info.subject_public_key.data.to_vec())))
    }

    /// Whether it has made this signature of these bytes.
    pub(super) fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.0.verify(bytes, signature).is_ok()
    }
}

/// How a key signs; none for a kind of key that RFC 9421 knows no algorithm of.
fn algorithms(info: &SubjectPublicKeyInfo<'_>) -> &'static [Algorithm] {
    let kind = &info.algorithm.algorithm;
    if *kind == OID_SIG_ED25519 {
        return EDDSA;
    }
    if *kind == OID_PKCS1_RSAENCRYPTION {
        return RSA;
    }
    let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    match curve {
        Some(curve) if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == OID_EC_P256 => ECDSA_P256,
        Some(curve) if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == OID_NIST_EC_P384 => {
            ECDSA_P384
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    use aws_lc_rs::{encoding::AsDer as _, rand, signature};
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    fn bytes(base64: &str) -> Vec<u8> {
        BASE64_STANDARD.decode(base64).unwrap()
    }

    fn key(info: &[u8], algorithm: Option<&str>) -> Result<Key, Refused> {
        let (_, info) = SubjectPublicKeyInfo::from_der(info).unwrap();
        Key::of_info(&info, algorithm)
    }

    /// Holds a test vector of RFC 9421 against a key: only what it has signed is its own.
    fn verifies(info: &[u8], algorithm: &str, base: &str, signature: &[u8]) {
        for stated in [None, Some(algorithm)] {
            let key = key(info, stated).unwrap();
            assert!(key.has_signed(base.as_bytes(), signature), "{algorithm}");
            assert!(!key.has_signed(base.replace("200", "201").as_bytes(), &[]), "no signature");
            assert!(!key.has_signed(format!("{base} ").as_bytes(), signature), "other bytes");
            let mut other = signature.to_vec();
            other[20] ^= 1;
            assert!(!key.has_signed(base.as_bytes(), &other), "another signature");
        }
        let others = [ECDSA_P256, ECDSA_P384, EDDSA, RSA].concat();
        let others = others.iter().map(|(name, _)| *name).filter(|name| *name != algorithm);
        for other in others.chain(["hmac-sha256", ""]) {
            let taken =
                key(info, Some(other)).is_ok_and(|it| it.has_signed(base.as_bytes(), signature));
            assert!(!taken, "{algorithm} as {other:?}");
        }
    }

    #[test]
    fn an_ed25519_signature_verifies_as_in_rfc_9421_b_2_6() {
        let info = bytes("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
        let base = r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#;
        let signature = bytes(
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        );
        verifies(&info, "ed25519", base, &signature);
    }

    #[test]
    fn an_ecdsa_p256_signature_verifies_as_in_rfc_9421_b_2_4() {
        let info = bytes(
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==",
        );
        let base = r#""@status": 200
"content-type": application/json
"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:
"content-length": 23
"@signature-params": ("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#;
        let signature = bytes(
            "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
        );
        verifies(&info, "ecdsa-p256-sha256", base, &signature);
    }

    #[test]
    fn an_rsa_pss_signature_verifies_as_in_rfc_9421_b_2_3() {
        let info = bytes(
            "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB",
        );
        let base = r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@query": ?param=Value&Pet=dog
"@authority": example.com
"content-type": application/json
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#;
        let signature = bytes(
            "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
        );
        verifies(&info, "rsa-pss-sha512", base, &signature);
    }

    #[test]
    fn an_rsa_key_signs_the_old_way_where_the_signature_says_so() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let info = pair.public_key().as_der().unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = rand::SystemRandom::new();
        pair.sign(&signature::RSA_PKCS1_SHA256, &random, b"signed", &mut signature).unwrap();
        let signed = |stated| {
            key(info.as_ref(), stated).is_ok_and(|key| key.has_signed(b"signed", &signature))
        };
        assert!(signed(Some("rsa-v1_5-sha256")));
        assert!(!signed(None) && !signed(Some("rsa-pss-sha512")));
    }
}
