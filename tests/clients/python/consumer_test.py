"""The consumer of consumer.py misses nothing and does nothing twice, whichever side is killed.

Usage: consumer_test.py BINARY DATA_FOLDER

Starts a gateway of its own by `serve`, with the certificates that `dev` made in DATA_FOLDER, and a
consumer. While Kemnaker registers workers, now the consumer and now the gateway is killed (SIGKILL)
and started again. Then the consumer's database must hold every worker that was acknowledged, once
and in the order of the journal.
"""

import collections
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import grpc

import client
from desmigratif.worker.v1 import worker_pb2_grpc

HERE = pathlib.Path(__file__).parent
# Before each, so many more changes have been worked through.
KILLS = ["consumer", "gateway", "consumer", "consumer", "gateway"]
CHANGES = 15
PATIENCE = 60

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
"""


class Stand:
    """A gateway and a consumer that can be killed and started again."""

    def __init__(self, binary: str, data: pathlib.Path, folder: pathlib.Path) -> None:
        self.binary, self.data, self.folder = binary, data, folder
        self.configuration = folder / "gateway.toml"
        self.configuration.write_text(CONFIGURATION.format(data=data.resolve()))
        self.database = folder / "consumer.sqlite"
        self.address = "127.0.0.1:0"
        self.processes = {}
        self.start("gateway")
        self.start("consumer")

    def start(self, which: str) -> None:
        """Starts one of them; the gateway where it was before."""
        with open(self.folder / f"{which}.log", "a", encoding="utf-8") as log:
            if which == "consumer":
                arguments = [self.address, str(self.data), str(self.database)]
                command = [sys.executable, str(HERE / "consumer.py"), *arguments]
            else:
                command = [self.binary, "serve", "--config", str(self.configuration)]
            self.processes[which] = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "DESMIGRATIF_LISTEN__AGENCIES": self.address},
            )
        if which == "gateway":
            said = self.processes[which].stdout.readline().split()
            assert said, (self.folder / "gateway.log").read_text()
            self.address = said[-1]

    def kill(self, which: str) -> None:
        """Ends one of them without warning."""
        self.processes[which].kill()
        self.processes[which].wait()

    def changes(self) -> list[tuple[str, str]]:
        """What the consumer has done so far: workers and versions."""
        if not self.database.exists():
            return []
        database = sqlite3.connect(self.database, timeout=10)
        try:
            return database.execute("SELECT worker_id, etag FROM change ORDER BY n").fetchall()
        except sqlite3.OperationalError:  # The consumer has not made the table yet.
            return []
        finally:
            database.close()

    def until(self, what: str, holds) -> None:
        """Waits until something holds of what the consumer has done."""
        end = time.monotonic() + PATIENCE
        while not holds(self.changes()):
            for which, process in self.processes.items():
                log = (self.folder / f"{which}.log").read_text()
                assert process.poll() is None, f"{which} ended:\n{log}"
            assert time.monotonic() < end, f"not so in time: {what}"
            time.sleep(0.05)


def write(stand: Stand, registered: list, stop: threading.Event) -> None:
    """Registers workers; a request whose answer did not come is repeated until it does."""
    workers = worker_pb2_grpc.WorkerServiceStub(
        client.connect(stand.address, stand.data, "kemnaker")
    )
    while not stop.is_set():
        # A number can come twice in so many: then the register refuses, and another is tried.
        request = client.registration(client.newcomer(), "32.12.16.2004")
        while True:
            try:
                answer = workers.RegisterWorker(
                    request, metadata=client.purpose("placement-screening"), timeout=5
                )
            except grpc.RpcError as failed:
                if failed.code() == grpc.StatusCode.ALREADY_EXISTS:
                    break
                time.sleep(0.1)
                continue
            registered.append((answer.receipt.entry_index, answer.worker_id))
            break


def main(binary: str, data: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stand = Stand(binary, data, pathlib.Path(folder))
        registered, stop = [], threading.Event()
        writer = threading.Thread(target=write, args=(stand, registered, stop))
        writer.start()
        try:
            for which in KILLS:
                enough = len(stand.changes()) + CHANGES
                stand.until(f"{enough} changes", lambda done, enough=enough: len(done) >= enough)
                stand.kill(which)
                stand.start(which)
            stop.set()
            writer.join()
            expected = [worker_id for _, worker_id in sorted(registered)]
            stand.until("all of them", lambda done: {it for it, _ in done} >= set(expected))
            done = stand.changes()
        finally:
            stop.set()
            for process in stand.processes.values():
                process.kill()
                process.wait()
    times = collections.Counter(done)
    assert set(times.values()) == {1}, "done twice: " + str(times.most_common(3))
    assert [worker_id for worker_id, _ in done] == expected, "in the order of the journal"
    print(f"consumed   {len(done)} changes, each once and in order, through {len(KILLS)} kills")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
