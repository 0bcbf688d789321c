"""Signed notes and the keys that sign them: a second implementation, from the documents.

Rules: C2SP signed-note (the note and its keys) and tlog-cosignature (what a witness signs).
"""

import base64
import binascii
import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNED_BY_LOG, COSIGNED = 1, 4


class Invalid(Exception):
    """Why a file proves nothing."""


class Key(NamedTuple):
    """A verifying key: the name, the kind of its signatures, and the public key."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that signatures by it begin with."""
        text = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(text).digest()[:4]

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature over a text is this key's."""
        if self.kind == COSIGNED:
            seconds = int.from_bytes(signature[:8], "big")
            text, signature = f"cosignature/v1\ntime {seconds}\n".encode() + text, signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


def decoded(text: str) -> bytes:
    """Bytes from base64, written in the one way there is."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("malformed base64") from error
    if base64.b64encode(value).decode() != text:
        raise Invalid("base64 written in another way")
    return value


def read_key(text: str) -> Key:
    """A key from its text: name, id, and kind and key in base64."""
    name, identity, key = text.strip().split("+", 2)
    raw = decoded(key)
    parsed = Key(name, raw[0], raw[1:])
    if parsed.id.hex() != identity:
        raise Invalid("the key's id is not its own")
    return parsed


def signers(note: str, known: list[Key]) -> tuple[str, list[Key]]:
    """The text of a signed note, and the known keys that signed it. A false signature spoils it."""
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Invalid("not a signed note")
    text += "\n"
    found = []
    for line in lines[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, signature = rest.partition(" ")
        if dash != "\u2014" or not name:
            raise Invalid("malformed line of a signature")
        raw = decoded(signature)
        for key in known:
            if (key.name, key.id) == (name, raw[:4]):
                if not key.verifies(text.encode(), raw[4:]):
                    raise Invalid(f"a false signature by {name}")
                found.append(key)
    return text, found
