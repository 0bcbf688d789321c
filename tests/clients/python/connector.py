"""A connector in Python: what a ministry runs that has no interface of its own.

Usage: connector.py ADDRESS TLS_FOLDER DATABASE TRUST_DOMAIN

It takes records over from the gateway and answers how many workers a village has. A key is kept
in the same transaction as its effect, so that a delivery that comes twice counts once.
"""

import pathlib
import sqlite3
import sys
import threading
from concurrent import futures

import grpc

from desmigratif.connector.v1 import connector_pb2, connector_pb2_grpc
from desmigratif.worker.v1 import worker_pb2

SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (key TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS record (
    kind TEXT, id TEXT, version INTEGER, village TEXT, stage INTEGER, body BLOB,
    PRIMARY KEY (kind, id)
) STRICT;
"""


class Connector(connector_pb2_grpc.ConnectorServiceServicer):
    """The service. `gateway` is the URI in the certificate of the one caller that is let in."""

    def __init__(self, database: str, gateway: str) -> None:
        self.gateway = gateway.encode()
        self.lock = threading.Lock()
        self.database = sqlite3.connect(database, check_same_thread=False)
        self.database.executescript("PRAGMA synchronous = FULL;" + SCHEMA)

    def admit(self, context: grpc.ServicerContext) -> None:
        names = context.auth_context().get("x509_subject_alternative_name", [])
        if self.gateway not in names:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not the gateway's certificate")

    def Deliver(self, request, context):
        self.admit(context)
        kind = request.WhichOneof("content")
        if kind is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no content that is known here")
        content = getattr(request, kind)
        key, version, village, stage = request.delivery_key, request.version, None, None
        match kind:
            case "worker":
                record, village, stage = content.worker_id, content.village_code, content.stage
            case "family_member":
                record = content.member.family_member_id
            case "clearance":
                record = content.clearance.clearance_id
        with self.lock, self.database as change:
            if change.execute("INSERT OR IGNORE INTO taken VALUES (?)", [key]).rowcount == 0:
                return connector_pb2.DeliverResponse(repeated_key=True)
            # An older version than the one at hand changes nothing.
            change.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " version = excluded.version, village = excluded.village,"
                " stage = excluded.stage, body = excluded.body"
                " WHERE excluded.version >= record.version",
                [kind, record, version, village, stage, content.SerializeToString()],
            )
        return connector_pb2.DeliverResponse()

    def Lookup(self, request, context):
        self.admit(context)
        if request.WhichOneof("question") != "workforce":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "not answered here")
        query = "SELECT stage, count(*) FROM record WHERE village = ? GROUP BY stage"
        with self.lock:
            count = dict(self.database.execute(query, [request.workforce.village_code]))
        stages = {
            name: count.get(worker_pb2.Stage.Value(f"STAGE_{name.upper()}"), 0)
            for name in ("prospective", "ready", "abroad", "returned")
        }
        return connector_pb2.LookupResponse(workforce=connector_pb2.WorkforceAnswer(**stages))


def serve(connector: Connector, address: str, tls: pathlib.Path) -> tuple[grpc.Server, int]:
    """Starts the server: mutual TLS, only certificates of `ca.pem`. Returns it and its port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    connector_pb2_grpc.add_ConnectorServiceServicer_to_server(connector, server)
    pair = (tls / "server-key.pem").read_bytes(), (tls / "server.pem").read_bytes()
    credentials = grpc.ssl_server_credentials(
        [pair], root_certificates=(tls / "ca.pem").read_bytes(), require_client_auth=True
    )
    port = server.add_secure_port(address, credentials)
    server.start()
    return server, port


if __name__ == "__main__":
    address, tls, database, trust_domain = sys.argv[1:]
    connector = Connector(database, f"spiffe://{trust_domain}/gateway")
    running, port = serve(connector, address, pathlib.Path(tls))
    print(f"connector at port {port}", flush=True)
    running.wait_for_termination()
