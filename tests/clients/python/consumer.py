"""A durable consumer of a change feed: what it has done and how far it has come are one thing.

Usage: consumer.py ADDRESS DATA_FOLDER DATABASE

As Kemnaker it follows the changes of workers and notes each in an SQLite database. What comes of a
message and the cursor behind it are committed in one transaction: whatever is killed, the consumer,
the gateway or the connection between them, the consumer goes on at the cursor that it finds, misses
nothing and does nothing twice.
"""

import pathlib
import sqlite3
import sys
import threading
import time

import grpc

from client import connect, purpose
from desmigratif.exchange.v1 import feed_pb2, feed_pb2_grpc

# A heartbeat comes every 5 seconds at the latest: after such a silence the connection is dead.
SILENCE = 20

# Calling again does not help: certificate, permission or request are wrong, or the journal is.
FATAL = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
}

SCHEMA = """
CREATE TABLE IF NOT EXISTS position (only INTEGER PRIMARY KEY CHECK (only = 1), cursor TEXT);
CREATE TABLE IF NOT EXISTS change (n INTEGER PRIMARY KEY, worker_id TEXT, etag TEXT, stage INTEGER);
INSERT OR IGNORE INTO position VALUES (1, NULL);
"""


def open_database(path: str) -> sqlite3.Connection:
    """The database; a new one begins with the first change of all."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(SCHEMA)
    return database


def work(database: sqlite3.Connection, message: feed_pb2.WatchChangesResponse) -> None:
    """Does what a message asks for and notes how far it goes: both or neither."""
    with database:
        for event in message.events:
            database.execute(
                "INSERT INTO change (worker_id, etag, stage) VALUES (?, ?, ?)",
                (event.worker.worker_id, event.etag, event.worker.stage),
            )
        database.execute("UPDATE position SET cursor = ?", (message.cursor,))


def follow(feeds: feed_pb2_grpc.ChangeFeedServiceStub, database: sqlite3.Connection) -> None:
    """Follows the feed from where the database stands until it ends."""
    (cursor,) = database.execute("SELECT cursor FROM position").fetchone()
    request = feed_pb2.WatchChangesRequest(
        cursor=cursor or "",
        from_beginning=cursor is None,
        kinds=[feed_pb2.RECORD_KIND_WORKER],
    )
    call = feeds.WatchChanges(request, metadata=purpose("placement-screening"))
    while True:
        watchdog = threading.Timer(SILENCE, call.cancel)
        watchdog.start()
        try:
            message = next(call)
        except StopIteration:
            return
        finally:
            watchdog.cancel()
        work(database, message)


def main(address: str, data: pathlib.Path, path: str) -> None:
    database = open_database(path)
    feeds = feed_pb2_grpc.ChangeFeedServiceStub(connect(address, data, "kemnaker"))
    while True:
        try:
            follow(feeds, database)
        except grpc.RpcError as ended:
            if ended.code() in FATAL:
                raise
            print(f"resumes after {ended.code().name}: {ended.details()}", file=sys.stderr)
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])
