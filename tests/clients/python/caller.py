"""Who called, from an entry's leaf and what it names: a second implementation, from the documents.

Rules: gateway/core/src/journal/leaf.rs (the leaf), gateway/core/src/credentials.rs (the digests),
RFC 5280 (chain and revocation lists), RFC 9421 section 3.3 (the caller's signature).
"""

import datetime
import hashlib
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils

from notes import Invalid

CLIENT_AUTH = x509.ExtendedKeyUsageOID.CLIENT_AUTH


class Entry(NamedTuple):
    """What a leaf says, as far as evidence goes, and the digests of what it names."""

    index: int
    at: int
    agency: str
    method: str
    certificate: bytes
    revocation: bytes
    signature: bytes


def read_leaf(leaf: bytes) -> Entry:
    """Reads a leaf of version 1 or 2 to its last byte."""
    rest = leaf[1:]

    def number() -> int:
        nonlocal rest
        if len(rest) < 4:
            raise Invalid("a leaf that is cut")
        value, rest = int.from_bytes(rest[:4], "big"), rest[4:]
        return value

    def part() -> bytes:
        nonlocal rest
        length = number()
        if len(rest) < length:
            raise Invalid("a leaf that is cut")
        value, rest = rest[:length], rest[length:]
        return value

    index, at, _, agency, _, method, _, _, _ = (part() for _ in range(9))
    _ = [part() for _ in range(number())]
    _ = [part() for _ in range(number()) for _ in range(4)]
    digests = [part() for _ in range(3)] if leaf[0] == 2 else [b"", b"", b""]
    if leaf[0] not in (1, 2) or rest or any(len(digest) not in (0, 32) for digest in digests):
        raise Invalid("not a leaf of version 1 or 2")
    whole = (int.from_bytes(index, "big"), int.from_bytes(at, "big", signed=True))
    return Entry(*whole, agency.decode(), method.decode(), *digests)


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether an issuer, which may issue, has signed a certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False


def path(chain: list, issuers: list, at: datetime.datetime) -> list:
    """The certificates from the caller's own to the one that an issuer has signed."""
    walked = [chain[0]]
    while True:
        last = walked[-1]
        if not last.not_valid_before_utc <= at <= last.not_valid_after_utc:
            raise Invalid("a certificate did not count at the time of the entry")
        if any(issued(last, issuer) for issuer in issuers):
            return walked
        above = [it for it in chain if it not in walked and issued(last, it)]
        if not above:
            raise Invalid("the certificate does not lead to the given CA")
        walked.append(above[0])


def names(certificate: x509.Certificate) -> str:
    """The one agency that a client's certificate names."""
    extensions = certificate.extensions
    try:
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        others = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise Invalid("the certificate names no agency") from error
    uris = others.get_values_for_type(x509.UniformResourceIdentifier)
    parts = uris[0].split("/") if len(uris) == 1 else []
    if len(parts) != 5 or parts[:2] + parts[3:4] != ["spiffe:", "", "agency"] or not parts[2]:
        raise Invalid("the certificate names no agency")
    if CLIENT_AUTH not in usage:
        raise Invalid("the certificate is not for TLS clients")
    return parts[4]


def clear(walked: list, lists: list, signers: list, at: datetime.datetime) -> None:
    """Raises unless every list is signed, and one that counts clears each certificate."""
    for crl in lists:
        by = [it for it in signers if it.subject == crl.issuer]
        if not any(crl.is_signature_valid(it.public_key()) for it in by):
            raise Invalid("a revocation list is not signed by the given CA")
    for certificate in walked if lists else []:
        about = [crl for crl in lists if crl.issuer == certificate.issuer]
        if not about or any(at >= crl.next_update_utc for crl in about):
            raise Invalid("no list that counts clears a certificate")
        serial = certificate.serial_number
        if any(crl.get_revoked_certificate_by_serial_number(serial) for crl in about):
            raise Invalid("a certificate was revoked")


def check_signature(key, base: bytes, value: bytes) -> None:
    """Raises unless the key's owner has signed the base."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(value, base)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            half = len(value) // 2
            pair = (int.from_bytes(it, "big") for it in (value[:half], value[half:]))
            digest = hashes.SHA256() if key.curve.key_size == 256 else hashes.SHA384()
            key.verify(utils.encode_dss_signature(*pair), base, ec.ECDSA(digest))
        else:
            pss = padding.PSS(padding.MGF1(hashes.SHA512()), padding.PSS.DIGEST_LENGTH)
            key.verify(value, base, pss, hashes.SHA512())
    except (InvalidSignature, UnsupportedAlgorithm) as error:
        raise Invalid("the caller's signature is not by the certificate's key") from error


def judge(entry: Entry, chain: list[bytes], lists: list[bytes], signature, issuers: list) -> str:
    """What the parts that a leaf names show of the caller; raises Invalid when they do not."""
    named = hashlib.sha256(chain[0]).digest() if chain else b""
    digest = hashlib.sha256(b"".join(lists)).digest() if lists else b""
    base, value = signature or (b"", b"")
    framed = b"".join(len(it).to_bytes(4, "big") + it for it in (base, value))
    signed = hashlib.sha256(framed).digest() if signature else b""
    if (named, digest, signed) != (entry.certificate, entry.revocation, entry.signature):
        raise Invalid("a part is not the one that the entry names, or is missing")
    if not chain:
        return "that the agency's certificate called is not shown"
    at = datetime.datetime.fromtimestamp(entry.at // 1_000_000, datetime.timezone.utc)
    certificates = [x509.load_der_x509_certificate(der) for der in chain]
    if names(certificates[0]) != entry.agency:
        raise Invalid("the certificate does not name the agency")
    walked = path(certificates, issuers, at)
    revocation = [x509.load_der_x509_crl(der) for der in lists]
    clear(walked, revocation, [*issuers, *certificates[1:]], at)
    if signature:
        check_signature(certificates[0].public_key(), base, value)
    return f"by its certificate {named.hex()}"
