"""A gateway delivers to the connector of connector.py.

Usage: connector_test.py BINARY DATA_FOLDER

Beside the gateway of `dev` in DATA_FOLDER, whose certificates and simulated Dukcapil it uses, it
starts a second one by `serve`, with Kemnaker behind the connector. The connector's first answer is
lost on purpose: the worker must arrive again under the same key, and count once.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import grpc

import client
import connector
from desmigratif.admin.v1 import admin_pb2, admin_pb2_grpc
from desmigratif.common.v1 import common_pb2
from desmigratif.identity.v1 import identity_pb2, identity_pb2_grpc
from desmigratif.worker.v1 import worker_pb2, worker_pb2_grpc

CONFIGURATION = """
[listen]
agencies = "127.0.0.1:0"
operators = "127.0.0.1:0"
[tls]
certificate = "{data}/tls/server.pem"
key = "{data}/tls/server-key.pem"
client_ca = "{data}/tls/ca.pem"
trust_domain = "desmigratif.test"
[store]
path = "store.sqlite"
[keys]
subject = "{data}/subject.key"
encryption = [{{ id = "test", file = "{data}/encryption.key" }}]
[audit]
origin = "log.desmigratif.test"
keys = ["{data}/log.key"]
[registry]
agencies = "{data}/agencies.toml"
facilities = "{data}/facilities.toml"
[outbox]
first_pause_ms = 50
[feed]
heartbeat_seconds = 1
[ministry.kemendagri]
protocol = "dukcapil"
url = "https://{dukcapil}/dukcapil/get_json/SANDBOX/CALL_VERIFY_BY_ELEMEN"
ca = "{data}/tls/ca.pem"
user_id = {{ file = "{data}/secrets/dukcapil-user-id" }}
password = {{ env = "DUKCAPIL_PASSWORD" }}
ip_user = "10.99.0.1"
[ministry.kemnaker]
protocol = "connector"
url = "https://127.0.0.1:{port}"
ca = "{data}/tls/ca.pem"
certificate = "{data}/tls/gateway.pem"
key = "{data}/tls/gateway-key.pem"
upstream = {{ retries = 0 }}
"""


class Forgetful(connector.Connector):
    """A connector whose first answer to a delivery is lost after the work is done."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.answers = []

    def Deliver(self, request, context):
        answer = super().Deliver(request, context)
        self.answers.append((request.delivery_key, answer.repeated_key))
        if len(self.answers) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return answer


def main(binary: str, data: pathlib.Path) -> None:
    def desmigratif(*arguments: str) -> str:
        return subprocess.run(
            [binary, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=environment
        ).stdout

    secret = (data / "secrets" / "dukcapil-password").read_text()
    environment = {**os.environ, "DUKCAPIL_PASSWORD": secret}
    profile = ["--profile", str(data / "operator.toml"), "--output", "json"]
    sandbox = json.loads(desmigratif("sandbox", "status", *profile))
    with tempfile.TemporaryDirectory() as folder:
        kemnaker = Forgetful(f"{folder}/kemnaker.sqlite", "spiffe://desmigratif.test/gateway")
        server, port = connector.serve(kemnaker, "127.0.0.1:0", data / "tls")
        configuration = pathlib.Path(folder, "gateway.toml")
        configuration.write_text(
            CONFIGURATION.format(
                data=data.resolve(),
                port=port,
                dukcapil=sandbox["ministries"]["kemendagri"]["address"],
            )
        )
        print(desmigratif("check", "--config", str(configuration)), end="")
        with open(f"{folder}/log", "w") as log:
            gateway = subprocess.Popen(
                [binary, "serve", "--config", str(configuration)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        try:
            deliver(gateway.stdout.readline().split()[-1], data, kemnaker)
        finally:
            gateway.terminate()
            gateway.wait()
            server.stop(None)


def deliver(address: str, data: pathlib.Path, kemnaker: Forgetful) -> None:
    """Registers a worker, and has the identity verified: by another than Kemnaker, so it learns."""
    registered = worker_pb2_grpc.WorkerServiceStub(
        client.connect(address, data, "kemnaker")
    ).RegisterWorker(
        client.registration(client.VERIFIED, "32.12.16.2004"),
        metadata=client.purpose("placement-screening"),
        timeout=5,
    )
    checked = identity_pb2_grpc.IdentityServiceStub(
        client.connect(address, data, "kemendagri")
    ).VerifyIdentity(
        client.check(client.VERIFIED), metadata=client.purpose("identity-check"), timeout=5
    )
    assert checked.outcome == identity_pb2.IDENTITY_OUTCOME_VERIFIED, checked
    assert checked.worker_id == registered.worker_id

    admin = admin_pb2_grpc.AdminServiceStub(client.connect(address, data, "operator"))
    (delivery,) = client.deliveries(admin, registered.worker_id)
    assert delivery.ministry == common_pb2.AGENCY_KIND_KEMNAKER
    assert delivery.state == admin_pb2.DELIVERY_STATE_DELIVERED, delivery
    (first, repeated), (second, repeated_again) = kemnaker.answers
    assert first == second and not repeated and repeated_again, kemnaker.answers
    ((version, body),) = kemnaker.database.execute("SELECT version, body FROM record").fetchall()
    worker = worker_pb2.Worker.FromString(body)
    assert (worker.worker_id, worker.etag) == (registered.worker_id, str(version))
    assert worker.HasField("identity_verified_at")
    print(f"delivered  worker {worker.worker_id}, version {version}: twice sent, once taken")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
