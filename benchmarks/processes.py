"""Whole processes: how soon a command starts, how soon `follow` tells, how much memory it takes.

Law: the real commands as they are installed, measured from outside. Memory is resident memory, pages of mapped files
included: the most of one process, and the most of all processes of the command at one moment.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from typing import Final, NamedTuple

from benchmarks.appends import acknowledged, emptied, opened
from benchmarks.data import SEED, Data, long_lines
from benchmarks.harness import Row, Spread, at_most, measure, number, progress, ratios, timed
from benchmarks.reads import our_command, output, size

HERTZ: Final = os.sysconf("SC_CLK_TCK")
_APP: Final = """
import typer
app = typer.Typer({settings})
@app.command()
def nothing() -> None:
    "Do nothing."
"""
_OURS: Final = "rich_markup_mode=None, pretty_exceptions_enable=False"
_FOLD: Final = "import sys; from eventlog import read_events; from replay import fold; fold(read_events(sys.argv[1]))"


def starts(data: Data) -> Iterator[Row]:
    """From the shell's order to the end of the process."""
    folder = emptied(data, "start")
    log = folder / "17a309d8.jsonl"
    with opened(log) as session:
        for _ in range(10):
            acknowledged(session)
    for name, settings in (("empty", _OURS), ("plain", "")):
        (folder / f"{name}_app.py").write_text(_APP.format(settings=settings), encoding="utf-8")
        (folder / f"{name}.py").write_text(f"from {name}_app import app\napp()\n", encoding="utf-8")
    ours = str(our_command())
    commands = {
        "show": [ours, "show", str(log)],
        "help": [ours, "--help"],
        "empty": [sys.executable, str(folder / "empty.py")],
        "empty help": [sys.executable, str(folder / "empty.py"), "--help"],
        "plain help": [sys.executable, str(folder / "plain.py"), "--help"],
        "python": [sys.executable, "-c", "pass"],
    }
    contestants = {name: lambda command=command: timed(lambda: output(command)) for name, command in commands.items()}
    assert "rate_limit" in output(commands["show"])
    times = measure(contestants, rounds=5 if data.quick else 21, seconds=40)
    for work, name, peer, how in (
        ("`switchlog show FILE`", "show", "empty", "its command"),
        ("`switchlog --help`", "help", "empty help", "its `--help`"),
    ):
        told = ", ".join(f"{one} {Spread([1000 * s for s in times[one]]).told('ms')}" for one in (name, peer, "python"))
        against = f"an empty typer app with one command and our settings: {how}"
        yield at_most(work, against, ratios(times, name, peer), 1.3, told)
    peer = "an empty typer app with our settings: its `--help`, for which typer leaves out its adapters"
    yield at_most("`switchlog show FILE`", peer, ratios(times, "show", "empty help"), None)
    peer = "an empty typer app as it comes (help by rich): its `--help`"
    yield at_most("`switchlog --help`", peer, ratios(times, "help", "plain help"), None)


def follows(data: Data) -> Iterator[Row]:
    """From the call that appends to the line that `follow` prints."""
    path = emptied(data, "follow") / "17a309d8.jsonl"
    session = opened(path, "process")
    acknowledged(session)
    dice, count = random.Random(SEED), 30 if data.quick else 150  # noqa: S311  (pauses, no secret)
    sent: dict[int, float] = {}
    seen: dict[int, float] = {}
    command = [str(our_command()), "follow", str(path), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    reader = threading.Thread(target=_listen, args=(process, seen), daemon=True)
    reader.start()
    try:
        _wait(seen, 1)
        time.sleep(1.0)
        at_rest = _share(process.pid, lambda: time.sleep(1.0 if data.quick else 5.0))

        def write() -> None:
            for number_ in range(2, count + 2):
                time.sleep(dice.uniform(0.02, 0.18))
                sent[number_] = time.monotonic()
                acknowledged(session)
                progress("events followed", number_ - 1, count)

        busy = _share(process.pid, write)
        _wait(seen, count + 1)
    finally:
        process.terminate()
        process.wait()
        reader.join()
    delays = sorted(1000 * (seen[one] - sent[one]) for one in sent)
    cuts = quantiles(delays, n=100)
    told = (
        f"p99 {number(cuts[98])} ms; of a core: {at_rest:.1%} at rest, {busy:.1%} with ten events a second "
        f"(both ≤ 5 %); {count} events"
    )
    spread = Spread(delays)
    met = cuts[49] <= 3 and max(at_rest, busy) <= 0.05
    yield Row("append → printed by `switchlog follow`, p50", "", f"{number(cuts[49])} ms", spread.ends(),
              "≤ 3 ms at ≤ 5 % of a core", met, told)  # fmt: skip


def _listen(process: "subprocess.Popen[str]", seen: dict[int, float]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        now = time.monotonic()
        position = json.loads(line).get("position")
        if position is not None:
            seen.setdefault(position, now)


def _wait(seen: dict[int, float], position: int) -> None:
    deadline = time.monotonic() + 20
    while position not in seen:
        assert time.monotonic() < deadline, f"event {position} was never told; {len(seen)} were"
        time.sleep(0.01)


def _share(pid: int, body: Callable[[], object]) -> float:
    """The part of a core that the process used meanwhile."""
    began, used = time.monotonic(), _ticks(pid)
    body()
    return (_ticks(pid) - used) / HERTZ / (time.monotonic() - began)


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def memories(data: Data) -> Iterator[Row]:
    """The most that a command holds while it runs."""
    path = data.log(long_lines.__name__, data.scaled(10**9), long_lines)
    folder = data.sessions(data.scaled(10_000))
    count = len(list(folder.iterdir()))
    runs = (
        (f"memory: fold of {size(path)}", [sys.executable, "-c", _FOLD, str(path)], 100),
        (f"memory: `switchlog audit` of {count:,} sessions", [str(our_command()), "audit", str(folder), "--json"], 200),
    )
    for work, command, limit in runs:
        progress(work)
        most = peak(command)
        told = (
            f"largest process {most.largest / 2**20:,.0f} MB, of {most.processes} at most; "
            f"{most.anonymous / 2**20:,.0f} MB without the pages of files"
        )
        figure = most.together / 2**20
        yield Row(work, "", f"{figure:,.0f} MB", "", f"≤ {limit} MB", figure <= limit, told)


class Peak(NamedTuple):
    """The most that a command held; bytes."""

    largest: int
    """Of one process."""
    together: int
    """Of all at one moment. Pages that they share count for each."""
    anonymous: int
    """The same without the pages of files, libraries for one."""
    processes: int


def peak(command: list[str]) -> Peak:
    """Run it, and look every 20 ms; what one process had at most the system remembers itself."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    largest = together = anonymous = processes = 0
    while process.poll() is None:
        resident = own = 0
        family = list(_family(process.pid))
        for pid in family:
            with suppress(OSError, StopIteration):  # one that just ended
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                largest = max(largest, _bytes(status, "VmHWM:"))
                resident += _bytes(status, "VmRSS:")
                own += _bytes(status, "RssAnon:")
        together, anonymous = max(together, resident), max(anonymous, own)
        processes = max(processes, len(family))
        time.sleep(0.02)
    assert process.returncode in (0, 1), (command, process.returncode)  # 1: an audit that found something
    return Peak(largest, max(together, largest), anonymous, processes)


def _bytes(status: str, name: str) -> int:
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith(name))


def _family(pid: int) -> Iterator[int]:
    """The process and all that it started."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="utf-8").split():
                yield from _family(int(child))
