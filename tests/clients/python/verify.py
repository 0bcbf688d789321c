"""Verifies an evidence file without the gateway: a second implementation, from the documents alone.

Usage: verify.py EVIDENCE LOG_KEY [WITNESS_KEY ...] [--tsa-ca=FILE]

LOG_KEY is the log's verifying key as `desmigratif audit key` prints it; the keys after it are
followed. Ends with 0 and one line when every part of the file verifies and belongs to the others,
else with 1 and the reason. Rules: RFC 9162 section 2.1.3.2 (inclusion), C2SP signed-note,
tlog-checkpoint and tlog-cosignature, gateway/src/audit/receipt.rs (the lines of a receipt) and
succession.rs; timestamps.py has openssl verify a timestamp (RFC 3161).
"""

import base64
import binascii
import hashlib
import json
import sys
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from timestamps import seen

SIGNED_BY_LOG, COSIGNED = 1, 4
SHOWN = {"request", "answer", "timestamp", "successions"}
PARTS = {"format", "receipt", "inclusion", "checkpoint"} | SHOWN


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


def root_by(proof: list[bytes], leaf: bytes, index: int, size: int) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2)."""
    at, last, root = index, size - 1, leaf
    if index >= size:
        raise Invalid("the entry is beyond the checkpoint")
    for step in proof:
        if last == 0:
            raise Invalid("the proof is too long")
        if at % 2 == 1 or at == last:
            root = hashlib.sha256(b"\x01" + step + root).digest()
            while at % 2 == 0 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\x01" + root + step).digest()
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Invalid("the proof is too short")
    return root


def followed(statements: list[str], log: Key) -> list[Key]:
    """The log's keys from one on, by statements that an earlier and a later key have both signed."""
    keys = [log]
    for statement in statements:
        lines = statement.split("\n")
        earlier, later = (read_key(line) for line in lines[2:4])
        text, by = signers(statement, [earlier, later])
        words = [log.name, "succession of the log's key", *lines[2:4], ""]
        kinds = {(key.name, key.kind) for key in (earlier, later)}
        both = {earlier, later} == set(by) and earlier != later
        if text.split("\n") != words or kinds != {(log.name, SIGNED_BY_LOG)} or not both:
            raise Invalid("a statement of the succession of keys does not hold")
        if earlier in keys:
            keys.append(later)
        elif later not in keys:
            raise Invalid("a statement about other keys")
    return keys


def verify(evidence: dict, log: Key, witnesses: list[Key], tsa_ca: str = "/dev/null") -> str:
    """What evidence proves, in one line; raises Invalid when it proves nothing."""
    if evidence.get("format") != "desmigratif.evidence/v1" or not evidence.keys() <= PARTS:
        raise Invalid("not an evidence file of this version, or with a part too many")

    keys = followed(evidence.get("successions", []), log)
    text, by = signers(evidence["receipt"], keys)
    lines = text[:-1].split("\n")
    if not by or len(lines) != 9 or lines[:2] != ["desmigratif.receipt/v1", log.name]:
        raise Invalid("the receipt is not the log's")
    agency, method, index, leaf, _, request, answer = lines[2:]
    for part, digest in (("request", request), ("answer", answer)):
        shown = evidence.get(part)
        if shown is not None and hashlib.sha256(decoded(shown)).digest() != decoded(digest):
            raise Invalid(f"the {part} is not the one of the receipt")

    text, by = signers(evidence["checkpoint"], [*keys, *witnesses])
    lines = text[:-1].split("\n")
    if not set(keys) & set(by) or len(lines) != 3 or lines[0] != log.name:
        raise Invalid("the checkpoint is not the log's")
    proof = [decoded(step) for step in evidence["inclusion"]]
    if any(len(step) != 32 for step in proof):
        raise Invalid("a hash of another length")
    if root_by(proof, decoded(leaf), int(index), int(lines[1])) != decoded(lines[2]):
        raise Invalid("the entry is not under the checkpoint")
    cosigned = sum(witness in by for witness in witnesses)
    told = f"{agency} called {method}; entry {index} under {lines[1]}, {cosigned} witnesses"
    if (token := evidence.get("timestamp")) is not None:
        told += f", seen at {seen(decoded(token), text, tsa_ca)}"
    return told


def main() -> int:
    """Verifies the file that the command line names."""
    path, log, *rest = sys.argv[1:]
    witnesses = [read_key(key) for key in rest if not key.startswith("--tsa-ca=")]
    tsa_ca = [word.removeprefix("--tsa-ca=") for word in rest if word.startswith("--tsa-ca=")]
    try:
        with open(path, encoding="utf-8") as file:
            evidence = json.load(file)
        told = verify(evidence, read_key(log), witnesses, *tsa_ca)
    except (Invalid, KeyError, TypeError, ValueError, AttributeError) as error:
        print(f"invalid: {error}", file=sys.stderr)
        return 1
    print(f"valid: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
