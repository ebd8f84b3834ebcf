"""Reading: one large log, a folder of sessions, a million events.

Law: every contestant reads the same bytes in the same round and has to come to the answer of the slow exact reader. A
log is read by a process that is warm; a folder by one that is new each time, as a person starts it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.data import PATTERN, Data, long_lines, mixed_lines, short_lines
from benchmarks.harness import (
    Contestant,
    Row,
    SkippedError,
    at_most,
    faster,
    measure,
    middle,
    need,
    present,
    progress,
    ratios,
    skipped,
    span,
    timed,
)
from benchmarks.worker import Worker

COUNTS: Final = {"duckdb": "duck", "polars": "frames"}
_STANDINGS: Final = """
import sys
from datetime import UTC, datetime
from eventlog.row import Question
from eventlog.standings import listed, standings
if __name__ == "__main__":
    sessions, _ = listed(sys.argv[1])
    for one in standings(sessions, Question(datetime.now(UTC))):
        print(one.session, one.current, one.events)
"""


def ripgrep(path: Path, expected: int, *options: str) -> Contestant:
    """`rg -c`: it counts, and starts a process for it (about 3 ms of its time)."""

    def run() -> float:
        found: list[str] = []
        command = ["rg", "--no-config", "-c", *options, PATTERN, str(path)]
        seconds = timed(lambda: found.append(output(command)))
        counts = [int(line.rpartition(":")[2]) for line in found[0].splitlines()]
        assert sum(counts) == expected, (sum(counts), expected)
        return seconds

    return run


def output(command: list[str], *, ends: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, stderr=subprocess.DEVNULL)  # noqa: S603
    assert done.returncode in ends, (command, done.returncode)
    return done.stdout


def truth(path: Path) -> list:
    """What the slow exact reader says of the log: how many events, and a digest of the state."""
    progress("the slow exact reader reads")
    with Worker("exact") as worker:
        _, answer = worker.ask(path)
        assert isinstance(answer, list)
        return answer


def asked(worker: Worker, path: Path, expected: object) -> float:
    seconds, answer = worker.ask(path)
    assert answer == expected, (answer, expected)
    return seconds


def scans(data: Data) -> Iterator[Row]:
    """One large transcript, in which 3 % of the lines are ours."""
    for name, length, limit in (("10–50 KB", long_lines, 1.2), ("400 B", short_lines, 4.0)):
        path = data.log(length.__name__, data.scaled(10**9), length)
        work = f"fold out of {size(path)}, host lines of {name}"
        try:
            need("rg")
        except SkippedError as why:
            yield skipped(work, "`rg -c`", why, f"≤ {limit:g} ×")
            continue
        expected = truth(path)
        with Worker("folded") as worker:
            times = measure({"ours": partial(asked, worker, path, expected), "rg": ripgrep(path, expected[0])})
        told = f"{middle(times, 'ours')}, rg {middle(times, 'rg')}; {expected[0]:,} events"
        yield at_most(work, f"`rg -c '{PATTERN}'`", ratios(times, "ours", "rg"), limit, told)
    yield from mixed(data)


def mixed(data: Data) -> Iterator[Row]:
    """The same against those who parse every line."""
    path = data.log(mixed_lines.__name__, data.scaled(10**8), mixed_lines)
    work = f"fold out of {size(path)}, host lines of 0.5–50 KB"
    expected = truth(path)
    with ExitStack() as stack:
        contestants: dict[str, Contestant] = {}
        rows = list[Row]()
        for name, answer in (("folded", expected), ("parsed", expected[0])):
            contestants[name] = partial(asked, stack.enter_context(Worker(name)), path, answer)
        for package, why in present(list(COUNTS)):
            if why is not None:
                rows.append(skipped(work, package, why))
                continue
            try:
                worker = stack.enter_context(Worker(COUNTS[package]))
                asked(worker, path, expected[0])
            except (RuntimeError, AssertionError) as error:
                rows.append(skipped(work, package, f"it can't read this file rightly: {error}"))
                continue
            contestants[package] = partial(asked, worker, path, expected[0])
        times = measure(contestants)
        told = f"{middle(times, 'folded')}, orjson {middle(times, 'parsed')}"
        yield faster(work, "orjson.loads of every line", ratios(times, "parsed", "folded"), 11.0, told)
        for package in COUNTS:
            if package in times:
                ratio = ratios(times, package, "folded")
                told = f"{middle(times, package)}, on all cores; counts the types, reads one column"
                yield faster(work, package, ratio, None, told)
        yield from rows


def folders(data: Data) -> Iterator[Row]:
    """Ten thousand sessions, each time by a new process, on both cores."""
    folder = data.sessions(data.scaled(10_000))
    count = len(list(folder.iterdir()))
    work = f"where {count:,} sessions of 200 KB stand, new process"
    contestants = sessions_contestants(folder)
    try:
        need("rg")
    except SkippedError as why:
        yield skipped(work, "`rg -j2 -c`", why, "≤ 0.9 ×")
        return
    events = sum(int(row.split()[2]) for row in truths(folder).values())
    times = measure({**contestants, "rg": ripgrep(folder, events, "-j2")}, rounds=5, seconds=60)
    for name, limit in (("standings", 0.9), ("switchlog", None)):
        how = "eventlog.standings, printed" if name == "standings" else "`switchlog sessions --json`"
        told = f"{middle(times, name)}, rg {middle(times, 'rg')}"
        yield at_most(f"{work}: {how}", "`rg -j2 -c`", ratios(times, name, "rg"), limit, told)


def sessions_contestants(folder: Path) -> dict[str, Contestant]:
    """The two ways of ours, each with its own interpreter each time."""
    expected = truths(folder)
    script = folder.parent / "where_they_stand.py"
    script.write_text(_STANDINGS, encoding="utf-8")

    def lean() -> float:
        return checked([sys.executable, str(script), str(folder)], lambda line: line)

    def command() -> float:
        def row(line: str) -> str:
            told = json.loads(line)
            return f"{told['sessionId']} {told['currentModel']} {told['events']}"

        return checked([str(our_command()), "sessions", str(folder), "--json"], row)

    def checked(command: list[str], row: Callable[[str], str]) -> float:
        found: list[str] = []
        seconds = timed(lambda: found.append(output(command)))
        assert sorted(map(row, found[0].splitlines())) == sorted(expected.values())
        return seconds

    return {"standings": lean, "switchlog": command}


_read: dict[Path, dict[str, str]] = {}


def truths(folder: Path) -> dict[str, str]:
    """Where each session stands, by its name, as the plainest reader has it: the last switch that a line tells of."""
    if folder not in _read:
        _read[folder] = {one.name: plainly(one) for one in sorted(folder.iterdir())}
    return _read[folder]


def plainly(path: Path) -> str:
    """Session, current model, and count of events, by parsing every line."""
    current, events = None, 0
    for line in path.read_bytes().splitlines():
        fields = json.loads(line) if re.search(PATTERN.encode(), line) else {}  # what lacks both can't be one
        if fields.get("type") in ("model_switch", "attempt_failed"):
            events += 1
            current = fields.get("to", current)
    return f"{path.stem} {current} {events}"


def our_command() -> Path:
    """The installed `switchlog`."""
    return Path(sys.executable).with_name("switchlog")


def million(data: Data) -> Iterator[Row]:
    """Nothing but events: decoded, seal and chain verified, folded, on one core."""
    count = data.scaled(10**6)
    path = data.events(count)
    expected = truth(path)
    assert expected[0] == count
    with Worker("folded") as ours, Worker("bare") as bare:
        contestants = {"ours": partial(asked, ours, path, expected), "bare": partial(asked, bare, path, count + 1)}
        times = measure(contestants, rounds=7, seconds=60)
    each = span(sum(times["ours"]) / len(times["ours"]) / count)
    told = f"{middle(times, 'ours')} ({each} an event), orjson {middle(times, 'bare')}; {size(path)}"
    work = f"{count:,} events decoded, verified, folded"
    yield at_most(work, "orjson.loads of the lines", ratios(times, "ours", "bare"), 2.0, told)


def size(path: Path) -> str:
    bytes_ = path.stat().st_size
    return f"{bytes_ / 1e9:.0f} GB" if bytes_ >= 0.95e9 else f"{bytes_ / 1e6:.0f} MB"
