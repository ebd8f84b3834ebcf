"""Histories cut at every byte, read, and healed by the next append.

Law: whatever byte a write stopped at, what was whole is read, nothing is called damaged, and the log goes on: the
next event is kept, no byte before it is changed, and the state is the fold of the file.
"""

import time
from typing import Final

from disk import ROOT, Disk
from logs import CRASH_STATES, SESSION, compact, hosted, kinds, message, read, ten_events

from eventlog import Session, read_events
from replay import fold
from torture.fixture import host_log
from torture.history import CHAIN, POLICY
from torture.machine import Machine
from torture.rows import Job, Plan, Row

SECTION: Final = "cuts"
_STRETCH: Final = 800


def bare() -> bytes:
    """A log with another tool's bare events among ours."""
    draft = ten_events()
    lines = draft.data.splitlines(keepends=True)
    switch = {"type": "model_switch", "from": None, "to": "kimi/kimi2.5", "timestamp": "2026-04-02T04:55:40Z"}
    return b"".join((*lines[:3], compact(switch) + b"\n", message(), *lines[3:]))


LOGS: Final = {
    "ten events": (SESSION, ten_events().data),
    "beside a host": (SESSION, hosted().data),
    "bare events": (SESSION, bare()),
    "OpenClaw's": host_log(),
}
"""The session's id and the log."""


def jobs(plan: Plan) -> list[Job]:
    """Every byte is every byte: the plan's scale changes nothing."""
    return [
        Job(SECTION, work, (name, start, min(start + _STRETCH, len(data) + 1)))
        for name, (_, data) in LOGS.items()
        for start in range(0, len(data) + 1, _STRETCH)
    ]


def work(name: str, start: int, stop: int) -> list[Row]:
    row, began = Row(SECTION, name), time.process_time()
    machine = Machine()
    with machine.running():
        for at in range(start, stop):
            row.tried += 1
            try:
                cut(row, machine, *LOGS[name], at)
            except Exception as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
                row.raised += 1
                again = f"cut(Row({SECTION!r}, {name!r}), machine, *LOGS[{name!r}], {at})"
                row.note(f"{again}  # {type(error).__name__}: {error}")
    row.seconds = time.process_time() - began
    return [row]


def cut(row: Row, machine: Machine, session_id: str, whole: bytes, at: int) -> None:
    """One cut: what is broken is counted in ``row``."""

    def expect(holds: bool, column: str, told: object) -> None:
        if not holds:
            setattr(row, column, getattr(row, column) + 1)
            row.note(f"cut at {at} of {len(whole)}: {column}, {told}")

    log, data, everything = ROOT / f"{session_id}.jsonl", whole[:at], read(whole, session_id)[0]
    expected = [one.event for one in everything if whole.index(b"\n", one.offset) <= at]
    found, report = read(data, session_id)
    events = [one.event for one in found]
    expect(events[: len(expected)] == expected, "lost", kinds(report))
    expect(len(events) <= len(expected), "accepted", events[len(expected) :])
    expect(not report.damaged and kinds(report).keys() <= CRASH_STATES | {"blank"}, "wrong", kinds(report))
    open_end = report.pieces["torn"] + report.pieces["unterminated"]
    expect(open_end == (not data.endswith(b"\n") and at > 0), "silent", kinds(report))

    machine.disk = Disk({log.name: data})
    machine.disk.pass_time(10)
    session = Session.open(log, CHAIN, POLICY)
    expect(session.state == fold(expected), "wrong", "the state after opening")
    expect(session.failed("local/new", reason="overloaded", turn="heal"), "lost", session.degraded)
    after, healed = machine.disk.read(log.name), read_events(log)
    events = [one.event for one in healed]
    expect(events[:-1] == expected and events[-1].turn == "heal", "lost", kinds(healed.report))
    expect(after.startswith(data), "foreign", "changed in place")
    lines = [line for line in data.split(b"\n")[:-1] if b'"seal"' not in line]
    expect(all(line in after.split(b"\n") for line in lines), "foreign", "a host's line")
    expect(session.state == fold(events), "wrong", "the state after healing")
    expect(not healed.report.damaged, "wrong", kinds(healed.report))
