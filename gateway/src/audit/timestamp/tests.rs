//! Tokens that openssl made; see `testdata/make`.

use super::*;

const NONCE: u64 = 4;

macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!("testdata/", $name)).as_slice()
    };
}

fn head() -> Head {
    Head { origin: "log.desmigratif.test".into(), size: 7, root: [9; 32] }
}

fn known() -> Authorities {
    Authorities::from_pem(data!("authority.pem")).unwrap()
}

#[test]
fn a_request_is_what_openssl_makes_of_the_same() {
    assert_eq!(request(&head(), NONCE), data!("request.tsq"));
    for nonce in [0, 1, u64::MAX] {
        let request = TimeStampReq::from_der(&request(&head(), nonce)).unwrap();
        assert_eq!(request.nonce.unwrap().as_bytes().len(), 8, "always positive, and as long");
    }
}

#[test]
fn an_answer_gives_a_token_that_anybody_can_verify() {
    let (token, at) = answer(data!("answer.tsr"), &head(), NONCE, &known()).unwrap();
    assert_eq!(token, data!("p256.tst"));
    assert_eq!(verify(&token, &head(), &known()), Ok(at));
    let made: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    assert!(at > made && at < made + Duration::from_secs(3_600 * 24 * 3_650), "{at}");
}

#[test]
fn an_answer_that_is_none_is_told_apart() {
    let given = |bytes, nonce| answer(bytes, &head(), nonce, &known()).unwrap_err();
    assert_eq!(given(data!("answer.tsr"), 8), Error::OtherRequest);
    assert_eq!(given(data!("refusal.tsr"), NONCE), Error::Refused);
    for odd in [b"".as_slice(), b"<html>", data!("p256.tst")] {
        assert_eq!(given(odd, NONCE), Error::Malformed);
    }
}

#[test]
fn every_usual_kind_of_signature_counts() {
    for token in [data!("p256.tst"), data!("rsa.tst"), data!("sha1-id.tst")] {
        assert!(verify(token, &head(), &known()).is_ok());
    }
}

#[test]
fn each_thing_that_spoils_a_token_has_its_name() {
    for (token, error) in [
        (data!("stranger.tst"), Error::UnknownAuthority),
        (data!("uncritical.tst"), Error::NotForTimestamps),
        (data!("clinic.tst"), Error::NotForTimestamps),
        (data!("both.tst"), Error::NotForTimestamps),
        (data!("unnamed.tst"), Error::Forged),
        (data!("earlier.tst"), Error::Expired),
        (data!("answer.tsr"), Error::Malformed),
    ] {
        assert_eq!(verify(token, &head(), &known()), Err(error));
    }
    let other = Head { size: 8, ..head() };
    assert_eq!(verify(data!("p256.tst"), &other, &known()), Err(Error::OtherHead));
    let nobody = Authorities::default();
    assert_eq!(verify(data!("p256.tst"), &head(), &nobody), Err(Error::UnknownAuthority));
}

#[test]
fn no_byte_of_a_token_can_be_changed() {
    for token in [data!("p256.tst"), data!("rsa.tst")] {
        for at in 0..token.len() {
            let mut changed = token.to_vec();
            changed[at] ^= 1;
            assert!(verify(&changed, &head(), &known()).is_err(), "byte {at}");
        }
        let longer = [token, b"\0"].concat();
        assert_eq!(verify(&longer, &head(), &known()), Err(Error::Malformed));
    }
}

#[test]
fn authorities_are_certificates_and_nothing_else() {
    for odd in [b"".as_slice(), b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"] {
        assert!(Authorities::from_pem(odd).is_none());
    }
}
