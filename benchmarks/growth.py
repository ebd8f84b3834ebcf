"""How the cost grows: larger logs, more sessions, more threads.

Law: what is told is the cost of one unit (a megabyte, a session, an append) and its ratio to the bare thing in the same
rounds. A column that stays level says that the cost grows with the work and not faster.
"""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.appends import emptied, race
from benchmarks.data import Data, mixed_lines
from benchmarks.harness import (
    Contestant,
    SkippedError,
    Spread,
    Times,
    measure,
    need,
    progress,
    ratios,
    span,
)
from benchmarks.reads import asked, plainly, ripgrep, sessions_contestants, size, truth
from benchmarks.worker import Worker

SIZES: Final = (10**6, 10**7, 10**8, 10**9)
SESSIONS: Final = (10, 100, 1_000, 10_000)
THREADS: Final = (1, 4, 16, 64)


@dataclass(frozen=True)
class Step:
    """One size of one work."""

    work: str
    amount: str
    whole: str
    each: str
    ratio: str
    spread: str
    against: str


def growth(data: Data) -> Iterator[Step]:
    yield from sizes(data)
    yield from sessions(data)
    yield from threads(data)


def sizes(data: Data) -> Iterator[Step]:
    """The fold of a log, by its bytes."""
    for bytes_ in SIZES[:2] if data.quick else SIZES:
        progress(f"fold of {bytes_:,} bytes")
        path = data.log(mixed_lines.__name__, bytes_, mixed_lines)
        expected = truth(path)
        with Worker("folded") as worker:
            contestants: dict[str, Contestant] = {"ours": partial(asked, worker, path, expected)}
            times = measure(contestants | beside(path, expected[0]), rounds=7, seconds=15)
        yield step("fold, host lines of 0.5–50 KB", size(path), times, path.stat().st_size / 1e6, "a MB")


def sessions(data: Data) -> Iterator[Step]:
    """A folder, by its sessions; each time a new process, as a person starts it."""
    largest = data.sessions(data.scaled(10_000))
    for count in SESSIONS[:2] if data.quick else SESSIONS:
        progress(f"{count:,} sessions")
        folder = data.some_sessions(largest, count)
        ours = sessions_contestants(folder)["standings"]
        events = sum(int(plainly(one).split()[2]) for one in folder.iterdir())
        times = measure({"ours": ours} | beside(folder, events, "-j2"), rounds=5, seconds=15)
        yield step(
            "where the sessions of a folder stand (200 KB each)", f"{count:,} sessions", times, count, "a session"
        )


def threads(data: Data) -> Iterator[Step]:
    """Durable appends, by the threads that make them, each on its own session."""
    for count in THREADS:
        progress(f"{count} threads")
        each = 5 if data.quick else 20
        times = race(emptied(data, "growth"), count, each, rounds=5)
        yield step(
            "durable appends, a session each",
            f"{count} thread{'s' * (count > 1)}",
            times,
            count * each,
            "an append",
            "bare",
        )


def beside(path: Path, events: int, *options: str) -> dict[str, Contestant]:
    """ripgrep, where it is."""
    try:
        need("rg")
    except SkippedError:
        return {}
    return {"rg": ripgrep(path, events, *options)}


def step(work: str, amount: str, times: Times, units: float, unit: str, peer: str = "rg") -> Step:
    whole = statistics.median(times["ours"])
    ratio = ratios(times, "ours", peer) if peer in times else Spread([])
    told, ends = (ratio.told(), ratio.ends()) if ratio.figures else ("skipped", "")
    against = {"rg": "rg -c", "bare": "write + fdatasync"}[peer]
    return Step(work, amount, span(whole), f"{span(whole / units)} {unit}", told, ends, against)
