"""The tables, on the terminal and as `docs/benchmarks.md`.

Law: says when, where and with what it was measured, and of each goal whether it is met, plainly. What a person wrote
between the two marks of the page stays, whatever is measured anew.
"""

import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from benchmarks.growth import Step
from benchmarks.harness import Row

BEGIN: Final = "<!-- by hand -->"
END: Final = "<!-- /by hand -->"
_PACKAGES: Final = (
    "orjson",
    "msgspec",
    "typer",
    "watchfiles",
    "duckdb",
    "polars",
    "eventsourcing",
    "lmdb",
    "persist-queue",
)

_READ: Final = """
## How to read this

The ratios, not the times: the machine is shared, and a time alone says more about its neighbours than about us. Of each
row all contestants run in turn in the same run, in another order each round; a ratio is made of each round, and told
are the median of these, the least and the most. What is below 1 × takes less time than the peer.

Every round checks the answer: the state and the number of events are those of a slow reader that parses every line
(`orjson` or `json`, and a fold), ripgrep's count is the number of our events, a database holds as many rows as were
written. The data comes from a seed: transcripts with host lines in the form of OpenClaw's messages, 3 % of the lines
ours, written by the real codec with seals and chain. A test (`tests/test_benchmarks.py`) flips bits in the log of
events alone and sees each reported as damage.

- Files are in the page cache: this measures programs, not disks. Appends go to the disk, in turn with the bare ones.
- `rg` is timed with the start of its process, some 3 ms; our fold is timed within a process that is warm. For a folder
  of sessions, both are started anew each time, Python and its imports included.
- ripgrep finds text; it checks no seal, no chain, and would count a host line that quotes one of ours.
- orjson parses and keeps nothing; duckdb and polars use all cores and count types.
- A durable append is a median by operation, one of each contestant in turn; `eventsourcing` is its recorder alone.
- Memory is resident memory, the pages of mapped files included, and of all processes of the command at one moment.
"""

_REPEAT: Final = """
## How to repeat it

```sh
make bench                                            # all of it, in five minutes behind the making of the data
.venv/bin/python -m benchmarks --quick                # small data, a look
.venv/bin/python -m benchmarks --only scan,append     # some groups; the page stays as it is
.venv/bin/python -m benchmarks --data /var/tmp/bench  # keep the data (6 GB), and use it again
```

A peer that is not installed is skipped, with a line that says so; ripgrep comes from your package manager, the others
with the extra `bench`.
"""


def printed(row: Row) -> str:
    """A row on the terminal."""
    verdict = {True: "  met", False: "  NOT MET", None: ""}[row.met]
    against = f" / {row.against}" if row.against else ""
    goal = f"  goal {row.goal}" if row.goal else ""
    head = f"{row.work}{against}".replace("`", "")
    told = textwrap.wrap(row.told, 116, initial_indent="    ", subsequent_indent="    ")
    return "\n".join([head, f"    {row.figure:<16} {row.spread:<18}{goal}{verdict}".rstrip(), *told])


def printed_step(step: Step) -> str:
    return f"{step.work[:44]:<46}{step.amount:<16}{step.whole:>9}{step.each:>22}{step.ratio:>9}  {step.spread}"


def page(rows: Sequence[Row], steps: Sequence[Step], facts: Iterable[str], old: str) -> str:
    """The page's text; ``old`` is the one that it replaces."""
    judged = [row for row in rows if row.goal]
    parts = [
        "# Benchmarks",
        "",
        f"Written by `make bench`. Of {len(judged)} goals {sum(bool(row.met) for row in judged)} are met.",
        "",
        *(f"- {fact}" for fact in facts),
        "",
        "## Goals",
        "",
        "| work | goal | measured | least – most | |",
        "| --- | --- | --- | --- | --- |",
        *(_line(_named(row), row.goal, row.figure, row.spread, row.verdict) for row in judged),
        "",
        kept(old),
        "",
        "## Everything measured",
        "",
        "| work | against | median | least – most | times and notes |",
        "| --- | --- | --- | --- | --- |",
        *(_line(row.work, row.against, row.figure, row.spread, row.told) for row in rows),
        "",
        "## How the cost grows",
        "",
        "| work | | whole | each | against | ratio | least – most |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_line(one.work, one.amount, one.whole, one.each, one.against, one.ratio, one.spread) for one in steps),
        _READ.rstrip(),
        _REPEAT.rstrip(),
        "",
    ]
    return "\n".join(parts)


def kept(old: str) -> str:
    """What stands between the marks."""
    if BEGIN in old and END in old:
        return BEGIN + old.partition(BEGIN)[2].partition(END)[0] + END
    return f"{BEGIN}\n{END}"


def _named(row: Row) -> str:
    return f"{row.work}, against {row.against}" if row.against else row.work


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def load() -> str:
    """How busy the machine is, we included: the mean of the last minute and of the last five."""
    return " and ".join(f"{one:.1f}" for one in os.getloadavg()[:2])


def facts(folder: Path, before: str) -> Iterator[str]:
    """When, where, with what; ``before`` is the load when it began."""
    yield f"{date.today():%Y-%m-%d}, switchlog {installed('switchlog')}"  # noqa: DTZ011  (the day where it ran)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GB, {file_system(folder)}, {platform.platform()}"
    yield f"load of the machine (1 and 5 minutes) before: {before}; at the end, the benchmarks included: {load()}"
    packages = [f"{name} {installed(name)}" for name in _PACKAGES]
    python = f"{platform.python_implementation()} {sys.version.split()[0]}"
    yield ", ".join([python, ripgrep(), *packages, f"SQLite {sqlite3.sqlite_version}"])


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def ripgrep() -> str:
    if shutil.which("rg") is None:
        return "ripgrep not installed"
    done = subprocess.run(["rg", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.splitlines()[0].split(" (")[0]


def processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def file_system(folder: Path) -> str:
    """The kind of file system that holds the folder."""
    best, kind = "", "an unknown file system"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            left, _, right = line.partition(" - ")
            mount = left.split(" ")[4]
            if folder.resolve().is_relative_to(mount) and len(mount) >= len(best):
                best, kind = mount, right.split(" ", 1)[0]
    return kind
