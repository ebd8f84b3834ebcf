"""Every bit of a log, flipped one at a time.

Law: a flipped bit costs at most the sealed record that it is in; what is left is exactly what was written; a record
that is gone is told as damage. No seal covers the host's lines, a header's free text and bare events of other tools: a
flip in those may pass for what the host wrote, but it takes no record of ours with it.
"""

import time
from typing import Final, NamedTuple

from logs import SESSION, hosted, kinds, read, ten_events

from eventlog import Report
from replay import Event
from torture.fixture import host_log
from torture.rows import Job, Plan, Row

SECTION: Final = "flips"
_STRETCH: Final = 500
LOGS: Final = {
    "ten events": (SESSION, ten_events().data),
    "beside a host": (SESSION, hosted().data),
    "OpenClaw's": host_log(),
}
"""The session's id and the log."""


class Line(NamedTuple):
    """A line of the log as it was written."""

    end: int
    event: Event | None
    sealed: bool


def jobs(plan: Plan) -> list[Job]:
    """Every bit is every bit: the plan's scale changes nothing."""
    return [
        Job(SECTION, work, (name, start, min(start + _STRETCH, len(data))))
        for name, (_, data) in LOGS.items()
        for start in range(0, len(data), _STRETCH)
    ]


def work(name: str, start: int, stop: int) -> list[Row]:
    row, began = Row(SECTION, name), time.process_time()
    session, whole = LOGS[name]
    lines = described(session, whole)
    for at in range(start, stop):
        for bit in range(8):
            row.tried += 1
            data = whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
            try:
                flip(row, session, lines, data, at, whole[at] == 0x0A, f"{name}, byte {at}, bit {bit}")
            except Exception as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
                row.raised += 1
                row.note(f"{name}, byte {at}, bit {bit}: {type(error).__name__}: {error}")
    row.seconds = time.process_time() - began
    return [row]


def described(session: str, whole: bytes) -> list[Line]:
    """The log's lines, with the event in each."""
    events = {one.offset: one.event for one in read(whole, session)[0]}
    lines, at = [], 0
    for line in whole.splitlines(keepends=True):
        lines.append(Line(at + len(line), events.get(at), b',"seal":"' in line))
        at += len(line)
    return lines


def flip(row: Row, session: str, lines: list[Line], data: bytes, at: int, newline: bool, note: str) -> None:
    """One flipped bit: what is broken is counted in ``row``."""
    found, report = read(data, session)
    number = next(number for number, line in enumerate(lines) if at < line.end)
    touched = lines[number]
    ours = [line.event for line in lines if line.sealed and line.event is not None]
    theirs = [line.event for line in lines if not line.sealed and line.event is not None]
    if touched.sealed and not newline:
        ours.remove(touched.event)  # type: ignore[arg-type]
    events = [one.event for one in found]
    missing = [event for event in ours if event not in events]
    others = [event for event in events if event not in ours]
    if missing:
        row.lost += len(missing)
        row.note(f"{note}: lost {missing}, {kinds(report)}")
    bare_may_change = newline or not touched.sealed
    if (len(others) > len(theirs)) if bare_may_change else others != theirs:
        row.accepted += 1
        row.note(f"{note}: accepted {others}, {kinds(report)}")
    if touched.sealed and not _told(report, newline=newline, last=number + 1 == len(lines) or lines[number + 1].sealed):
        row.silent += 1
        row.note(f"{note}: silent, {kinds(report)}")
    if report.size != len(data):
        row.wrong += 1
        row.note(f"{note}: {report.size} bytes read")


def _told(report: Report, *, newline: bool, last: bool) -> bool:
    """Whether the report says what it must: a lost record is damage; a lost newline between records leaves a trace."""
    if not newline:
        return report.damaged
    return bool(report.findings) or not last  # else the byte counts as the beginning of the host's line behind it
