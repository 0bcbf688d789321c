"""Signed calls as a clinic makes them, and how each that is signed wrongly is refused.

Usage: signing_test.py ADDRESS DATA_FOLDER

The clinic signs as the README shows it: the lines are read from there.
"""

import pathlib
import sys
import time

import grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from desmigratif.health.v1 import clearance_pb2, clearance_pb2_grpc
from desmigratif.worker.v1 import worker_pb2_grpc

from client import connect, newcomer, purpose, registration, submission
from signing import Signer

CLINIC = "klinik-indramayu"
WHY = purpose("clearance-submission")
SUBMIT = "/desmigratif.health.v1.MedicalClearanceService/SubmitClearance"
README = pathlib.Path(__file__).parents[3] / "README.md"


def reason(refused: grpc.RpcError) -> str:
    """The reason that a refusal carries for programs."""
    for detail in rpc_status.from_call(refused).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return ""


def answer_of_the_readme(channel: grpc.Channel, certificate: bytes, key: bytes, request):
    """Runs the README's lines; what they got as the answer."""
    lines = README.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names = {"channel": channel, "certificate": certificate, "key": key, "request": request}
    exec(lines, names)
    return names["answer"]


def wrongly_signed(signer: Signer, message: bytes, certificate: bytes):
    """A message with fields that do not count for it, and the reason that it is refused with."""
    now = int(time.time())
    good = signer.fields(SUBMIT, WHY, message, now)
    changed = message[:-1] + bytes([message[-1] ^ 1])
    yield changed, good, "CONTENT_DIGEST_MISMATCH"
    yield message, signer.fields(SUBMIT, WHY, message, now - 600), "SIGNATURE_EXPIRED"
    yield message, signer.fields(SUBMIT, WHY, message, now + 600), "SIGNATURE_EXPIRED"
    stranger = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    forged = Signer(certificate, stranger).fields(SUBMIT, WHY, message, now)
    yield message, forged, "SIGNATURE_INVALID"
    elsewhere = signer.fields(SUBMIT + "s", WHY, message, now)
    yield message, elsewhere, "SIGNATURE_INVALID"
    yield message, signer.fields(SUBMIT, [], message, now), "SIGNATURE_MALFORMED"
    for left_out in range(3):
        yield message, good[:left_out] + good[left_out + 1 :], "SIGNATURE_MALFORMED"


def main(address: str, data: pathlib.Path) -> None:
    """Submits a clearance signed, and fails to submit it signed wrongly."""
    person = newcomer()
    worker_pb2_grpc.WorkerServiceStub(connect(address, data, "kemnaker")).RegisterWorker(
        registration(person, "32.12.16.2004"), metadata=purpose("placement-screening"), timeout=5
    )
    agencies = data / "tls" / "agencies"
    certificate = (agencies / f"{CLINIC}.pem").read_bytes()
    key = (agencies / f"{CLINIC}-key.pem").read_bytes()
    channel = connect(address, data, CLINIC)
    request = submission(person)

    submit = channel.unary_unary(SUBMIT)
    message = request.SerializeToString()
    count = 0
    for sent, fields, expected in wrongly_signed(Signer(certificate, key), message, certificate):
        try:
            submit(sent, metadata=[*WHY, *fields], timeout=5)
        except grpc.RpcError as refused:
            assert reason(refused) == expected, (expected, refused)
            count += 1
        else:
            raise AssertionError(f"it must be refused: {expected}")

    answer = answer_of_the_readme(channel, certificate, key, request)
    assert isinstance(answer, clearance_pb2.SubmitClearanceResponse)
    unsigned = clearance_pb2_grpc.MedicalClearanceServiceStub(channel)
    assert unsigned.SubmitClearance(request, metadata=WHY, timeout=5) == answer, "one effect"
    print(f"signed     entry {answer.receipt.entry_index}; {count} wrong signatures are refused")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
