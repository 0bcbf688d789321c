"""A client of the gateway in Python, written against the protos alone.

Usage: client.py ADDRESS DATA_FOLDER

Kemnaker registers a worker, a clinic submits a clearance for the worker and repeats the
request (one effect, the same receipt), and Kemendes is refused what it may not see.
"""

import datetime
import pathlib
import random
import sys
import uuid

import grpc

from desmigratif.common.v1 import common_pb2
from desmigratif.health.v1 import clearance_pb2, clearance_pb2_grpc
from desmigratif.village.v1 import village_pb2, village_pb2_grpc
from desmigratif.worker.v1 import worker_pb2, worker_pb2_grpc


def connect(address: str, data: pathlib.Path, agency: str) -> grpc.Channel:
    """A channel with the agency's certificate: mutual TLS, one identity per agency."""
    tls = data / "tls"
    return grpc.secure_channel(
        address,
        grpc.ssl_channel_credentials(
            root_certificates=(tls / "ca.pem").read_bytes(),
            private_key=(tls / "agencies" / f"{agency}-key.pem").read_bytes(),
            certificate_chain=(tls / "agencies" / f"{agency}.pem").read_bytes(),
        ),
    )


def purpose(name: str) -> list[tuple[str, str]]:
    """The metadata that says why the call is made."""
    return [("desmigratif-purpose", name)]


def synthetic_nik() -> str:
    """A NIK in valid shape under the prefix 99, which no region has."""
    return f"990199410190{random.randrange(1, 10_000):04d}"


def main(address: str, data: pathlib.Path) -> None:
    nik = synthetic_nik()
    kemnaker = connect(address, data, "kemnaker")
    clinic = connect(address, data, "klinik-indramayu")
    kemendes = connect(address, data, "kemendes")

    villages = village_pb2_grpc.VillageServiceStub(kemnaker)
    hits = villages.SearchVillages(
        village_pb2.SearchVillagesRequest(query="Kenanga Indramayu"), timeout=5
    ).hits
    village = hits[0].village
    assert village.name == "Kenanga", village
    print(f"village    {village.code} {village.name}, {village.regency}")

    registered = worker_pb2_grpc.WorkerServiceStub(kemnaker).RegisterWorker(
        worker_pb2.RegisterWorkerRequest(
            request_id=str(uuid.uuid4()),
            worker=worker_pb2.WorkerDetails(
                nik=nik,
                name="Contoh Dewi Lestari",
                birth_date=common_pb2.BirthDate(
                    date="1990-01-01", precision=common_pb2.DATE_PRECISION_DAY
                ),
                sex=common_pb2.SEX_FEMALE,
                village_code=village.code,
                destination_country="HK",
            ),
        ),
        metadata=purpose("placement-screening"),
        timeout=5,
    )
    print(f"registered {registered.worker_id}, entry {registered.receipt.entry_index}")

    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=7))).date()
    submission = clearance_pb2.SubmitClearanceRequest(
        request_id=str(uuid.uuid4()),
        clearance=clearance_pb2.ClearanceDetails(
            nik=nik,
            certificate_number=f"PY-{uuid.uuid4().hex[:12]}",
            examined_on=today.isoformat(),
            issued_on=today.isoformat(),
            destination_country="HK",
            conclusion=clearance_pb2.CONCLUSION_FIT,
            examiner=clearance_pb2.Examiner(name="dr. Contoh", sip_number="SIP-CONTOH-1"),
            findings=[
                clearance_pb2.Finding(code="718-7", display="Hb", value="13.1", unit="g/dL")
            ],
        ),
    )
    clearances = clearance_pb2_grpc.MedicalClearanceServiceStub(clinic)
    first, again = (
        clearances.SubmitClearance(
            submission, metadata=purpose("clearance-submission"), timeout=5
        )
        for _ in range(2)
    )
    assert first == again, "a repeated request gives the same answer"
    assert len(first.receipt.leaf_hash) == 32
    print(
        f"submitted  {first.clearance_id}, valid until {first.valid_until}, "
        f"entry {first.receipt.entry_index}"
    )

    seen = clearance_pb2_grpc.MedicalClearanceServiceStub(kemnaker).ListClearances(
        clearance_pb2.ListClearancesRequest(worker_id=registered.worker_id),
        metadata=purpose("placement-screening"),
        timeout=5,
    )
    (clearance,) = seen.clearances
    assert clearance.conclusion == clearance_pb2.CONCLUSION_FIT
    assert not clearance.findings, "laboratory values are not Kemnaker's to see"

    try:
        worker_pb2_grpc.WorkerServiceStub(kemendes).GetWorker(
            worker_pb2.GetWorkerRequest(worker_id=registered.worker_id),
            metadata=purpose("programme-planning"),
            timeout=5,
        )
    except grpc.RpcError as refused:
        assert refused.code() == grpc.StatusCode.PERMISSION_DENIED, refused
        print(f"refused    {refused.code().name}: {refused.details()}")
    else:
        raise AssertionError("Kemendes must not see a worker")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
