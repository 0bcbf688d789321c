"""Evidence of an exchange, made by the agency itself and judged by two verifiers that must agree.

Usage: evidence_test.py BINARY ADDRESS DATA_FOLDER

Kemnaker registers a worker, keeps request, answer and receipt, asks for the proof and puts the
evidence file together, with a timestamp of an authority that openssl is. The file, and copies with
every part tampered with, are given to verify.py and to `desmigratif audit verify`.
"""

import base64
import copy
import hashlib
import itertools
import json
import pathlib
import subprocess
import sys

from cryptography import x509

from desmigratif.audit.v1 import audit_pb2, audit_pb2_grpc
from desmigratif.worker.v1 import worker_pb2_grpc

from client import connect, newcomer, purpose, registration
from notes import Invalid, read_key
from timestamps import certify, stamp
from verify import PARTS, verify


def evidence_of(channel) -> tuple[dict, str]:
    """Evidence of a registration, and the log's key."""
    request = registration(newcomer(), "32.12.16.2004")
    answer = worker_pb2_grpc.WorkerServiceStub(channel).RegisterWorker(
        request, metadata=purpose("placement-screening")
    )
    receipt = copy.deepcopy(answer.receipt)
    answer.ClearField("receipt")
    log = audit_pb2_grpc.AuditServiceStub(channel)
    proof = log.GetInclusionProof(audit_pb2.GetInclusionProofRequest(index=receipt.entry_index))
    entry = log.GetEntry(audit_pb2.GetEntryRequest(index=receipt.entry_index))
    keys = log.GetCheckpoint(audit_pb2.GetCheckpointRequest()).verifying_keys

    def text(message: bytes) -> str:
        return base64.b64encode(message).decode()

    evidence = {
        "format": "desmigratif.evidence/v2",
        "receipt": receipt.signed_note,
        "leaf": text(entry.leaf),
        "request": text(request.SerializeToString(deterministic=True)),
        "answer": text(answer.SerializeToString(deterministic=True)),
        "inclusion": [text(step) for step in proof.hashes],
        "checkpoint": proof.checkpoint.note,
        "certificate_chain": [text(der) for der in entry.certificate_chain],
    }
    if entry.revocation_lists:
        evidence["revocation_lists"] = [text(der) for der in entry.revocation_lists]
    return evidence, keys[0]


def tampered(evidence: dict):
    """Copies of evidence with one thing wrong, each with what it is."""
    chain = evidence["certificate_chain"]
    texts = [(part, evidence[part]) for part in ("receipt", "leaf", "checkpoint", "request", "answer")]
    for part, text in texts:
        for at in range(0, len(text), max(1, len(text) // 25)):
            other = "A" if text[at] != "A" else "B"
            yield f"{part}, character {at}", {**evidence, part: text[:at] + other + text[at + 1 :]}
    yield "request for answer", {**evidence, "request": evidence["answer"]}
    yield "checkpoint for receipt", {**evidence, "receipt": evidence["checkpoint"]}
    steps = evidence["inclusion"]
    yield "a step too few", {**evidence, "inclusion": steps[:-1]}
    yield "a step too many", {**evidence, "inclusion": [*steps, steps[0]]}
    yield "steps in another order", {**evidence, "inclusion": steps[::-1]}
    yield "a part left over", {**evidence, "remark": "paid"}
    yield "another version", {**evidence, "format": "desmigratif.evidence/v3"}
    yield "a version without a leaf", {**evidence, "format": "desmigratif.evidence/v1"}
    yield "a statement of nobody", {**evidence, "successions": [evidence["receipt"]]}
    for value in (None, []):
        yield f"statements that are {value}", {**evidence, "successions": value}
        yield f"lists that are {value}", {**evidence, "revocation_lists": value}
        yield f"a signature that is {value}", {**evidence, "signature": value}
    der = chain[0]
    for at in range(0, len(der) - 2, max(1, len(der) // 25)):
        other = der[:at] + ("A" if der[at] != "A" else "B") + der[at + 1 :]
        yield f"certificate, character {at}", {**evidence, "certificate_chain": [other, *chain[1:]]}
    yield "a list that the entry does not name", {**evidence, "revocation_lists": chain}
    yield "a signature that it does not name", {**evidence, "signature": {"base": "", "value": ""}}
    for part in ("format", "receipt", "leaf", "inclusion", "checkpoint", "certificate_chain"):
        yield f"no {part}", {name: value for name, value in evidence.items() if name != part}


def mistimed(evidence: dict, folder: pathlib.Path):
    """Copies of evidence with a timestamp that does not count, each with what it is."""
    head = evidence["checkpoint"].split("\n\n")[0] + "\n"

    def with_timestamp(token: bytes) -> dict:
        return {**evidence, "timestamp": base64.b64encode(token).decode()}

    good = base64.b64decode(evidence["timestamp"])
    certify(folder, "stranger")
    yield "by a stranger", with_timestamp(stamp(folder, "stranger", head))
    yield "over another head", with_timestamp(stamp(folder, "authority", head.upper()))
    yield "over the whole note", with_timestamp(stamp(folder, "authority", evidence["checkpoint"]))
    yield "cut", with_timestamp(good[:-1])
    yield "with another signature", with_timestamp(good[:-1] + bytes([good[-1] ^ 1]))
    imprint = good.index(hashlib.sha256(head.encode()).digest())
    yield "with another imprint", with_timestamp(
        good[:imprint] + bytes([good[imprint] ^ 1]) + good[imprint + 1 :]
    )
    yield "nothing", with_timestamp(b"")


def main() -> None:
    """Lets both verifiers judge the good file and every bad one."""
    binary, address, data = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    with connect(address, data, "kemnaker") as channel:
        evidence, key = evidence_of(channel)
    file, ca = data / "evidence.json", data / "tls" / "ca.pem"
    issuers = x509.load_pem_x509_certificates(ca.read_bytes())
    strangers = x509.load_pem_x509_certificates((data / "tls" / "server.pem").read_bytes())
    folder = data / "authority"
    folder.mkdir()
    tsa_ca = str(certify(folder, "authority"))
    head = evidence["checkpoint"].split("\n\n")[0] + "\n"
    token = base64.b64encode(stamp(folder, "authority", head)).decode()

    def verdicts(candidate: dict) -> tuple[bool, bool]:
        file.write_text(json.dumps(candidate), encoding="utf-8")
        command = [binary, "audit", "verify", str(file), "--log-key", key]
        command += ["--ca", str(ca), "--tsa-ca", tsa_ca]
        rust = subprocess.run(command, capture_output=True, text=True, check=False)
        assert rust.returncode in (0, 1), rust.stderr
        try:
            verify(candidate, read_key(key), [], issuers, tsa_ca)
        except (Invalid, LookupError, TypeError, ValueError, AttributeError):
            return False, rust.returncode == 0
        return True, rust.returncode == 0

    assert verdicts(evidence) == (True, True), "the good file"
    hidden = {name: evidence[name] for name in evidence if name not in ("request", "answer")}
    assert verdicts(hidden) == (True, True), "without request and answer"
    first = {name: part for name, part in evidence.items() if name in PARTS}
    first["format"] = "desmigratif.evidence/v1"
    assert verdicts(first) == (True, True), "version 1, without anything of the caller"
    try:
        verify(evidence, read_key(key), [], strangers)
        raise AssertionError("issued by somebody else")
    except Invalid:
        pass
    stamped = {**evidence, "timestamp": token}
    assert verdicts(stamped) == (True, True), "with a timestamp"
    assert verdicts({**first, "timestamp": token}) == (True, True), "version 1, with a timestamp"
    count = 0
    for what, candidate in itertools.chain(tampered(evidence), mistimed(stamped, folder)):
        assert verdicts(candidate) == (False, False), what
        count += 1
    assert count > 100, count
    print(f"evidence   proves the exchange; both verifiers refuse {count} tampered files")


if __name__ == "__main__":
    main()
