"""A client of the gateway in Python, written against the protos alone.

Usage: client.py ADDRESS DATA_FOLDER

Kemnaker registers a worker, a clinic submits a clearance for the worker and repeats the
request (one effect, the same receipt), and Kemendes is refused what it may not see. Kemendagri
checks an identity, asking for an answer as fresh as it needs, and the operator sees the clearance
reach its ministries.
"""

import datetime
import pathlib
import random
import sys
import time
import uuid

import grpc
from google.protobuf import duration_pb2

from desmigratif.admin.v1 import admin_pb2, admin_pb2_grpc
from desmigratif.common.v1 import common_pb2
from desmigratif.health.v1 import clearance_pb2, clearance_pb2_grpc
from desmigratif.identity.v1 import identity_pb2, identity_pb2_grpc
from desmigratif.village.v1 import village_pb2, village_pb2_grpc
from desmigratif.worker.v1 import worker_pb2, worker_pb2_grpc

# Two of the people that the simulated Dukcapil of `dev` always answers alike; see the README.
VERIFIED = ("9901011111020244", "Contoh Wahyu Lestari", "2002-11-11", common_pb2.SEX_MALE)
DECEASED = ("9901011304870241", "Contoh Rudi Lestari", "1987-04-13", common_pb2.SEX_MALE)


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


def newcomer() -> tuple[str, str, str, int]:
    """A person whose NIK has a valid shape under the prefix 99, which no region has."""
    nik = f"990199410190{random.randrange(1, 10_000):04d}"
    return nik, "Contoh Dewi Lestari", "1990-01-01", common_pb2.SEX_FEMALE


def day(date: str) -> common_pb2.BirthDate:
    """A birth date that is known whole."""
    return common_pb2.BirthDate(date=date, precision=common_pb2.DATE_PRECISION_DAY)


def registration(person, village_code: str) -> worker_pb2.RegisterWorkerRequest:
    """A request to register a person as a worker."""
    nik, name, birth_date, sex = person
    return worker_pb2.RegisterWorkerRequest(
        request_id=str(uuid.uuid4()),
        worker=worker_pb2.WorkerDetails(
            nik=nik,
            name=name,
            birth_date=day(birth_date),
            sex=sex,
            village_code=village_code,
            destination_country="HK",
        ),
    )


def check(person, max_age: int = 0) -> identity_pb2.VerifyIdentityRequest:
    """A request to check an identity, with an answer at most so many seconds old."""
    nik, name, birth_date, _ = person
    return identity_pb2.VerifyIdentityRequest(
        request_id=str(uuid.uuid4()),
        nik=nik,
        elements=identity_pb2.IdentityElements(name=name, birth_date=day(birth_date)),
        freshness=common_pb2.Freshness(
            max_age=duration_pb2.Duration(seconds=max_age), refuse_stale=True
        ),
    )


def submission(person) -> clearance_pb2.SubmitClearanceRequest:
    """A request to hand in the clearance of a person who was examined today and is fit."""
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=7))).date()
    return clearance_pb2.SubmitClearanceRequest(
        request_id=str(uuid.uuid4()),
        clearance=clearance_pb2.ClearanceDetails(
            nik=person[0],
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


def deliveries(admin: admin_pb2_grpc.AdminServiceStub, record_id: str) -> list:
    """The deliveries of a record, once none of them waits any more."""
    for _ in range(200):
        listed = admin.ListDeliveries(
            admin_pb2.ListDeliveriesRequest(page_size=500),
            metadata=purpose("operations"),
            timeout=5,
        ).deliveries
        found = [delivery for delivery in listed if delivery.record_id == record_id]
        if found and all(it.state != admin_pb2.DELIVERY_STATE_WAITING for it in found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"not delivered in time: {found}")


def main(address: str, data: pathlib.Path) -> None:
    person = newcomer()
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
        registration(person, village.code),
        metadata=purpose("placement-screening"),
        timeout=5,
    )
    print(f"registered {registered.worker_id}, entry {registered.receipt.entry_index}")

    handed_in = submission(person)
    clearances = clearance_pb2_grpc.MedicalClearanceServiceStub(clinic)
    first, again = (
        clearances.SubmitClearance(
            handed_in, metadata=purpose("clearance-submission"), timeout=5
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

    identities = identity_pb2_grpc.IdentityServiceStub(connect(address, data, "kemendagri"))
    # The first asks the register, the second is content with that answer, the third is not.
    for max_age in (0, 3600, 0):
        answer = identities.VerifyIdentity(
            check(DECEASED, max_age), metadata=purpose("identity-check"), timeout=5
        )
        assert answer.outcome == identity_pb2.IDENTITY_OUTCOME_DECEASED, answer
        assert answer.status.availability == common_pb2.AVAILABILITY_AVAILABLE, answer

    admin = admin_pb2_grpc.AdminServiceStub(connect(address, data, "operator"))
    adapters = admin.ListAdapters(
        admin_pb2.ListAdaptersRequest(), metadata=purpose("operations"), timeout=5
    ).adapters
    calls = {adapter.protocol: adapter.calls for adapter in adapters}
    assert set(calls) == {"connector", "dukcapil", "satusehat", "idm"}, calls
    assert calls["dukcapil"] == 2, calls
    print("checked    DECEASED, three answers for two calls of the register")
    delivered = deliveries(admin, first.clearance_id)
    assert [it.state for it in delivered] == [admin_pb2.DELIVERY_STATE_DELIVERED] * 2, delivered
    names = [common_pb2.AgencyKind.Name(it.ministry).split("_")[-1] for it in delivered]
    print(f"delivered  the clearance to {' and '.join(names)}")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
