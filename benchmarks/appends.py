"""Appending: one event after the other, durable and not, beside the bare system calls and beside databases.

Law: operation by operation in turn, so that what the disk is busy with hits all alike; every contestant writes the
bytes of one of our records, and has to hold as many as were written. A database syncs each of them, as ours does.
"""

import contextlib
import fcntl
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Final
from unittest.mock import patch

import orjson

from benchmarks.data import MODELS, Data
from benchmarks.databases import DONE_BY, MAKE, Count, Work
from benchmarks.harness import (
    Row,
    SkippedError,
    Spread,
    Times,
    alternate,
    at_most,
    faster,
    measure,
    middle,
    ratios,
    skipped,
    span,
    timed,
)
from eventlog import Chain, Session, read_events
from eventlog.append import Durability

CHAIN: Final = Chain(*MODELS)
GOALS: Final = {"SQLite": 1.5, "eventsourcing": 1.5, "lmdb": None, "persist-queue": None}
THREADS: Final = 64
ERROR: Final = "Rate limit reached"


def opened(path: Path, durability: Durability = "disk") -> Session:
    return Session.open(path, chain=CHAIN, durability=durability)


def acknowledged(session: Session, error: str = ERROR) -> None:
    """One append, as a gateway makes it."""
    assert session.failed(
        MODELS[0], reason="rate_limit", status=429, retry_after_ms=7000, error=error, turn="t-42", duration_ms=312
    )


def sample(folder: Path) -> bytes:
    """A record as the appends write it, its newline included."""
    path = folder / "sample.jsonl"
    with opened(path) as session:
        for _ in range(11):
            acknowledged(session)
    return path.read_bytes().splitlines(keepends=True)[-1]


def bare(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)


def put(fd: int, line: bytes, *, sync: bool) -> None:
    assert os.write(fd, line) == len(line)
    if sync:
        os.fdatasync(fd)


def durable(data: Data) -> Iterator[Row]:
    """One event after the other through a session, each on the disk before the next."""
    folder = emptied(data, "durable")
    line = sample(folder)
    session, fd = opened(folder / "ours.jsonl"), bare(folder / "bare.jsonl")
    contestants: dict[str, Work] = {"ours": partial(acknowledged, session), "bare": partial(put, fd, line, sync=True)}
    counts: dict[str, Count] = {}
    missing: dict[str, SkippedError] = {}
    for name, make in MAKE.items():
        try:
            contestants[name], counts[name] = make(folder, line)
        except SkippedError as why:
            missing[name] = why
    rounds, each = 10, 4 if data.quick else 20
    times = alternate(contestants, rounds, each)
    done = (rounds + 1) * each
    session.close()
    assert sum(1 for _ in read_events(session.path)) == done
    assert os.fstat(fd).st_size == done * len(line)
    assert {count() for count in counts.values()} <= {done}
    os.close(fd)
    work = "durable append through `Session`"
    told = f"{middle(times, 'ours')}, bare {middle(times, 'bare')}; {len(line)} bytes, {rounds * each} of each"
    yield at_most(work, "`os.write` + `os.fdatasync`", ratios(times, "ours", "bare"), 1.1, told)
    for name in MAKE:
        if name in missing:
            goal = GOALS[name]
            yield skipped(work, DONE_BY[name], missing[name], f"≥ {goal:g} × faster" if goal else "")
        else:
            yield faster(work, DONE_BY[name], ratios(times, name, "ours"), GOALS[name], middle(times, name))


def relaxed(data: Data) -> Iterator[Row]:
    """Without the sync: what the program itself costs, many in a row."""
    folder = emptied(data, "process")
    line = sample(folder)
    session, other = opened(folder / "ours.jsonl", "process"), opened(folder / "other.jsonl", "process")
    fds = {name: bare(folder / f"{name}.jsonl") for name in ("write", "locked", "sealed")}
    fields, each = orjson.loads(line), data.scaled(100_000) // 50

    def ours(session: Session, error: str) -> None:
        for _ in range(each):
            acknowledged(session, error)

    def written(fd: int) -> None:
        for _ in range(each):
            os.write(fd, line)

    def locked(fd: int) -> None:
        for _ in range(each):
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.write(fd, line)
            fcntl.flock(fd, fcntl.LOCK_UN)

    def sealed(fd: int) -> None:
        for _ in range(each):
            fcntl.flock(fd, fcntl.LOCK_EX)
            body = orjson.dumps(fields)
            os.write(fd, body + hashlib.sha256(body).hexdigest()[:32].encode() + b"\n")
            fcntl.flock(fd, fcntl.LOCK_UN)

    bodies: dict[str, Work] = {
        "ours": partial(ours, session, ERROR),
        "suspect": partial(ours, other, "429: rate limit reached"),
        "write": partial(written, fds["write"]),
        "locked": partial(locked, fds["locked"]),
        "sealed": partial(sealed, fds["sealed"]),
    }
    times = measure({name: partial(timed, body) for name, body in bodies.items()}, rounds=15)
    done = each * (len(times["ours"]) + 1)
    for one in (session, other):
        one.close()
        assert sum(1 for _ in read_events(one.path)) == done
    assert os.fstat(fds["write"]).st_size == os.fstat(fds["locked"]).st_size == done * len(line)
    for fd in fds.values():
        os.close(fd)
    single = {name: [seconds / each for seconds in taken] for name, taken in times.items()}
    work = 'append with `durability="process"`'
    told = f"{middle(single, 'ours')}, bare {middle(single, 'write')}"
    yield at_most(work, "`os.write`", ratios(times, "ours", "write"), 5.0, told)
    yield at_most(work, "`os.write` + `flock`", ratios(times, "ours", "locked"), None, middle(single, "locked"))
    more = "`os.write` + `flock` + `orjson.dumps` + SHA-256"
    yield at_most(work, more, ratios(times, "ours", "sealed"), None, middle(single, "sealed"))
    more = f"{work}, an error text to search for secrets (it has a colon)"
    yield at_most(more, "`os.write`", ratios(times, "suspect", "write"), None, middle(single, "suspect"))


def threaded(data: Data) -> Iterator[Row]:
    """Many sessions at once, each with its own thread."""
    each = 5 if data.quick else 20
    times = race(emptied(data, "threads"), THREADS, each)
    ours, theirs = (THREADS * each / statistics.median(times[name]) for name in ("ours", "bare"))
    told = f"{ours:,.0f} appends a second, bare {theirs:,.0f}"
    work = f"durable appends of {THREADS} threads on {THREADS} sessions"
    yield at_most(work, "the same with `os.write` + `os.fdatasync`", ratios(times, "ours", "bare"), 1.2, told)


def race(folder: Path, threads: int, each: int, rounds: int = 7) -> Times:
    """So many threads, each with its own file, ours and bare in turn."""
    line = sample(folder)
    sessions = [opened(folder / f"ours-{number}.jsonl") for number in range(threads)]
    fds = [bare(folder / f"bare-{number}.jsonl") for number in range(threads)]
    for session in sessions:
        acknowledged(session)  # a file is made once in its life

    def together(works: list[Work]) -> float:
        start = Barrier(threads + 1)

        def run(work: Work) -> None:
            start.wait()
            for _ in range(each):
                work()

        with ThreadPoolExecutor(threads) as pool:
            running = [pool.submit(run, work) for work in works]
            start.wait()
            return timed(lambda: [one.result() for one in running])

    ours: list[Work] = [partial(acknowledged, session) for session in sessions]
    theirs: list[Work] = [partial(put, fd, line, sync=True) for fd in fds]
    times = measure({"ours": partial(together, ours), "bare": partial(together, theirs)}, rounds=rounds, seconds=30)
    rounds = len(times["ours"]) + 1
    for session, fd in zip(sessions, fds, strict=True):
        session.close()
        assert sum(1 for _ in read_events(session.path)) == 1 + each * rounds
        assert os.fstat(fd).st_size == each * rounds * len(line)
        os.close(fd)
    return times


def healthy(data: Data) -> Iterator[Row]:
    """What a request that succeeds costs, beside the request."""
    session = opened(emptied(data, "healthy") / "healthy.jsonl")
    session.call(len)  # the first one records where the session begins
    before = session.path.stat()
    worked = time.process_time()
    times = measure({"ours": lambda: timed(lambda: [session.call(len) for _ in range(2000)])}, rounds=9)
    worked = (time.process_time() - worked) / (len(times["ours"]) + 1) / 2000
    calls: list[str] = []
    with contextlib.ExitStack() as stack:
        for name in ("write", "pwrite", "writev", "fsync", "fdatasync"):
            stack.enter_context(patch(f"os.{name}", lambda *_, name=name: calls.append(name)))
        for _ in range(100):
            session.call(len)
    after = session.path.stat()
    assert not calls, f"a healthy request did {calls[:3]}"
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    each = Spread([seconds / 2000 * 1e6 for seconds in times["ours"]])
    told = f"{span(worked)} of the processor; no write and no sync in 100 calls, size and mtime of the log as before"
    yield Row("healthy request through `call`", "", each.told("µs"), each.ends(), "≤ 20 µs", each.median <= 20, told)


def emptied(data: Data, name: str) -> Path:
    """A new folder on the file system of the data."""
    folder = data.folder / "appends"
    folder.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
