"""Those who keep events durably too: SQLite and three that are made for it.

Law: each is given the bytes of one record at a time and syncs them before it returns, by its own means and as simply
as it can be used; each can count what it holds.
"""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from benchmarks.harness import need

Work = Callable[[], object]
Count = Callable[[], int]


def sqlite(folder: Path, line: bytes) -> tuple[Work, Count]:
    connection = sqlite3.connect(folder / "log.sqlite", isolation_level=None)
    assert connection.execute("pragma journal_mode=wal").fetchone() == ("wal",)
    connection.execute("pragma synchronous=full")
    connection.execute("create table log (id integer primary key, line blob not null)")
    work = partial(connection.execute, "insert into log (line) values (?)", (line,))  # each its own transaction
    return work, lambda: connection.execute("select count(*) from log").fetchone()[0]


def eventsourced(folder: Path, line: bytes) -> tuple[Work, Count]:
    """Its recorder alone, without its aggregates: the least that it does for an event."""
    need("eventsourcing")
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

    store = SQLiteDatastore(str(folder / "eventsourcing.sqlite"))
    recorder = SQLiteApplicationRecorder(store)
    recorder.create_table()
    with store.transaction(commit=False) as cursor:
        cursor.execute("pragma synchronous")
        assert cursor.fetchone()[0] == 2, "it must sync each commit"
    name, version = UUID(int=1), iter(range(1, 10**9))
    return (
        lambda: recorder.insert_events([StoredEvent(name, next(version), "attempt_failed", line)]),
        lambda: len(recorder.select_events(name)),
    )


def lightning(folder: Path, line: bytes) -> tuple[Work, Count]:
    need("lmdb")
    import lmdb

    store = lmdb.open(str(folder / "lmdb"), map_size=1 << 30, sync=True, metasync=True)
    numbers = iter(range(1, 10**9))

    def work() -> None:
        with store.begin(write=True) as transaction:
            transaction.put(next(numbers).to_bytes(8), line, append=True)

    return work, lambda: int(store.stat()["entries"])


def queued(folder: Path, line: bytes) -> tuple[Work, Count]:
    """Its queue on SQLite; its queue on files doesn't sync each item."""
    need("persist-queue")
    import persistqueue

    queue = persistqueue.SQLiteAckQueue(str(folder / "persist-queue"), auto_commit=True)
    return partial(queue.put, line), lambda: int(queue.size)


MAKE: Final = {"SQLite": sqlite, "eventsourcing": eventsourced, "lmdb": lightning, "persist-queue": queued}
DONE_BY: Final = {
    "SQLite": "SQLite, WAL, synchronous=FULL",
    "eventsourcing": "eventsourcing, its SQLite recorder",
    "lmdb": "lmdb, sync",
    "persist-queue": "persist-queue, SQLiteAckQueue",
}
