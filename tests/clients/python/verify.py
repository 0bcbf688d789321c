"""Verifies an evidence file without the gateway: a second implementation, from the documents alone.

Usage: verify.py EVIDENCE CA LOG_KEY [WITNESS_KEY ...] [--tsa-ca=FILE]

CA is a PEM file of those who issue agencies' certificates, LOG_KEY the log's verifying key as
`desmigratif audit key` prints it; the keys after it are followed. Ends with 0 and one line when
every part of the file verifies and belongs to the others, else with 1 and the reason. Rules: RFC
9162 section 2.1.3.2 (inclusion), C2SP tlog-checkpoint, gateway/src/audit/receipt.rs (the lines of a
receipt), and those of notes.py (who has signed), succession.py (the log's keys), caller.py (who
called) and timestamps.py (when an authority saw the checkpoint).
"""

import hashlib
import json
import sys

from cryptography import x509

from caller import judge, read_leaf
from notes import Invalid, Key, decoded, read_key, signers
from succession import followed
from timestamps import seen

FORMAT = "desmigratif.evidence/v"
OPTIONAL = {"request", "answer", "timestamp", "successions"}
PARTS = {"format", "receipt", "inclusion", "checkpoint"} | OPTIONAL
PARTS_2 = PARTS | {"leaf", "certificate_chain", "revocation_lists", "signature"}


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


def called(evidence: dict, stated: tuple, issuers: list) -> str:
    """What the leaf and the parts that it names show of the caller, if they fit the receipt."""
    leaf = decoded(evidence["leaf"])
    entry = read_leaf(leaf)
    digest = hashlib.sha256(b"\x00" + leaf).digest()
    if (digest, entry.agency, entry.method, entry.index, entry.at) != stated:
        raise Invalid("the leaf is not the one of the receipt")
    chain, lists = (
        [decoded(der) for der in evidence.get(part, [])]
        for part in ("certificate_chain", "revocation_lists")
    )
    signature = evidence.get("signature")
    if signature is not None:
        if signature.keys() != {"base", "value"}:
            raise Invalid("a signature with a part too many")
        signature = decoded(signature["base"]), decoded(signature["value"])
    return judge(entry, chain, lists, signature, issuers)


def verify(
    evidence: dict, log: Key, witnesses: list[Key], issuers: list, tsa_ca: str = "/dev/null"
) -> str:
    """What evidence proves, in one line; raises Invalid when it proves nothing."""
    parts = {FORMAT + "1": PARTS, FORMAT + "2": PARTS_2}.get(evidence.get("format"), set())
    empty = [part for part in evidence.keys() - {"inclusion"} if evidence[part] in (None, [])]
    if empty or not evidence.keys() <= parts:
        raise Invalid("not an evidence file of this version, or with a part too many")

    keys = followed(evidence.get("successions", []), log)
    text, by = signers(evidence["receipt"], keys)
    lines = text[:-1].split("\n")
    if not by or len(lines) != 9 or lines[:2] != ["desmigratif.receipt/v1", log.name]:
        raise Invalid("the receipt is not the log's")
    agency, method, index, leaf, at, request, answer = lines[2:]
    for part, digest in (("request", request), ("answer", answer)):
        shown = evidence.get(part)
        if shown is not None and hashlib.sha256(decoded(shown)).digest() != decoded(digest):
            raise Invalid(f"the {part} is not the one of the receipt")

    caller = "that the agency's certificate called is not shown"
    if parts is PARTS_2:
        stated = (decoded(leaf), agency, method, int(index), int(at))
        caller = called(evidence, stated, issuers)

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
    return f"{told}; {caller}"


def main() -> int:
    """Verifies the file that the command line names."""
    path, ca, log, *rest = sys.argv[1:]
    witnesses = [read_key(key) for key in rest if not key.startswith("--tsa-ca=")]
    tsa_ca = [word.removeprefix("--tsa-ca=") for word in rest if word.startswith("--tsa-ca=")]
    try:
        with open(ca, "rb") as file:
            issuers = x509.load_pem_x509_certificates(file.read())
        with open(path, encoding="utf-8") as file:
            evidence = json.load(file)
        told = verify(evidence, read_key(log), witnesses, issuers, *tsa_ca)
    except (Invalid, LookupError, TypeError, ValueError, AttributeError) as error:
        print(f"invalid: {error}", file=sys.stderr)
        return 1
    print(f"valid: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
