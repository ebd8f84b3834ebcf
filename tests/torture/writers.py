"""Real processes that write to one real file at once.

Law: no line is torn by another, none that was acknowledged is missing, none stands there twice, the chain has no gap,
and the host's lines, written in between without our lock, are all there.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from logs import kinds, message

from eventlog import read_events
from torture.rows import Job, Plan, Row

SECTION: Final = "writers"
PLACES: Final = ("/dev/shm", "/tmp")  # noqa: S108  (a file system in memory and one on a disk)
WRITERS: Final = 8
EVENTS: Final = 150
"""Of each writer, in a plan of scale 1."""
_WRITER: Final = Path(__file__).parents[1] / "writer.py"
_PATIENCE: Final = 600


def jobs(plan: Plan) -> list[Job]:
    """Alone: they need all cores, and time for nobody else's."""
    events = max(5, round(EVENTS * plan.scale))
    return [
        Job(SECTION, work, (place, WRITERS, events, hosted), alone=True) for place in PLACES for hosted in (False, True)
    ]


def work(place: str, writers: int, events: int, hosted: bool) -> list[Row]:
    row = Row(SECTION, f"{writers} on {place}{', a host' if hosted else ''}")
    began = time.perf_counter()
    if not os.access(place, os.W_OK):
        row.skipped = f"{place} can't be written to"
        return [row]
    with tempfile.TemporaryDirectory(dir=place, prefix="switchlog-") as folder:
        log = Path(folder) / "17a309d8.jsonl"
        lines: list[bytes] = []
        processes = [
            subprocess.Popen(
                [sys.executable, _WRITER, log, f"w{number}", str(events)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for number in range(writers)
        ]
        while hosted and any(process.poll() is None for process in processes) and len(lines) < events:
            lines.append(_append(log, len(lines)))
            time.sleep(0.01)
        told = [process.communicate(timeout=_PATIENCE) for process in processes]
        acknowledged = [line for out, _ in told for line in out.decode().split()]
        row.tried = len(acknowledged)
        for process, (_, error) in zip(processes, told, strict=True):
            if process.returncode or error:
                row.raised += 1
                row.note(error.decode()[-400:])
        _judge(row, log, acknowledged, writers * events, lines)
    row.seconds = time.perf_counter() - began
    return [row]


def _append(log: Path, number: int) -> bytes:
    """The host writes a line, once the file is begun: else its line would stand where the header belongs."""
    if not log.exists() or not log.stat().st_size:
        return b""
    line = message(f"{number:08x}", None, "hello " * (number % 50))
    with log.open("ab", buffering=0) as file:
        file.write(line)
    return line


def _judge(row: Row, log: Path, acknowledged: list[str], asked: int, host_lines: list[bytes]) -> None:
    events = read_events(log)
    found = [one.event.turn for one in events]
    whole = log.read_bytes()
    lost = set(acknowledged).difference(found)
    if lost or len(acknowledged) != asked:
        row.lost += len(lost) + asked - len(acknowledged)
        row.note(f"{len(acknowledged)} of {asked} acknowledged, missing: {sorted(map(str, lost))[:5]}")
    if len(found) != len(set(found)) or set(found) != set(acknowledged):
        row.accepted += 1
        row.note(f"{len(found)} events, {len(set(found))} different ones")
    gone = [line for line in host_lines if line not in whole]
    if gone:
        row.foreign += len(gone)
        row.note(f"gone: {gone[0]!r}")
    foreign = 1 + sum(bool(line) for line in host_lines)
    if events.report.damaged or kinds(events.report) != {"event": len(found), "foreign": foreign}:
        row.wrong += 1
        row.note(f"{kinds(events.report)}, {events.report.gaps} gaps")
    parents = [json.loads(line).get("parentId") for line in whole.splitlines() if b'"seal"' in line]
    if len(set(parents)) != len(parents):
        row.wrong += 1
        row.note("two records name one parent: they did not see each other")
