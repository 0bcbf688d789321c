"""Signs calls with the key of the caller's certificate, so that they can be proven to others.

An HTTP message signature (RFC 9421) over the method, the path, the purpose and, by its digest
(RFC 9530), the content. The content of a gRPC call is what HTTP carries: one byte that says "not
compressed", four bytes of length, and the message.

    signer = Signer(certificate, key)
    stub = MedicalClearanceServiceStub(signer.signs(channel))
"""

import base64
import hashlib
import time
from typing import Callable, NamedTuple

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

Metadata = list[tuple[str, str]]


class Signer:
    """Signs with a certificate and its private key, both PEM: those of the TLS connection."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        leaf = x509.load_pem_x509_certificate(certificate)
        self.key_id = leaf.fingerprint(hashes.SHA256()).hex()
        self.key = serialization.load_pem_private_key(key, password=None)

    def fields(self, path: str, metadata: Metadata, message: bytes, now: int) -> Metadata:
        """The three fields that sign a message on its way to a method."""
        content = b"\0" + len(message).to_bytes(4, "big") + message
        digest = f"sha-256=:{text(hashlib.sha256(content).digest())}:"
        covered = {"@method": "POST", "@path": path, "content-digest": digest}
        covered.update((name, value) for name, value in metadata if name == "desmigratif-purpose")
        names = " ".join(f'"{name}"' for name in covered)
        stated = f'({names});created={now};keyid="{self.key_id}";tag="desmigratif"'
        lines = [f'"{name}": {value}' for name, value in covered.items()]
        base = "\n".join([*lines, f'"@signature-params": {stated}'])
        return [
            ("content-digest", digest),
            ("signature-input", f"sig={stated}"),
            ("signature", f"sig=:{text(self.value(base.encode()))}:"),
        ]

    def value(self, base: bytes) -> bytes:
        """The signature, as RFC 9421 section 3.3 asks of each kind of key."""
        key = self.key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(base)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(base, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
        digest = {256: hashes.SHA256(), 384: hashes.SHA384()}[key.curve.key_size]
        r, s = utils.decode_dss_signature(key.sign(base, ec.ECDSA(digest)))
        size = key.curve.key_size // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def signs(self, channel: grpc.Channel) -> "SigningChannel":
        """A channel on which every call of one message is signed."""
        return SigningChannel(channel, self)


class SigningChannel(NamedTuple):
    """What a generated stub asks of a channel; calls with streams pass unsigned."""

    channel: grpc.Channel
    signer: Signer

    def unary_unary(self, path: str, request_serializer: Callable, **options) -> Callable:
        """Signs the very bytes that are sent: a message may be written in more than one way."""
        call = self.channel.unary_unary(path, request_serializer=None, **options)

        def signed(request, metadata: Metadata = (), **more):
            message = request_serializer(request)
            fields = self.signer.fields(path, list(metadata), message, int(time.time()))
            return call(message, metadata=[*metadata, *fields], **more)

        return signed

    def __getattr__(self, name: str):
        return getattr(self.channel, name)


def text(value: bytes) -> str:
    """Bytes as structured fields write them between colons."""
    return base64.b64encode(value).decode()
