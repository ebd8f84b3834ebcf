"""What must hold of every state that a crash leaves, and of the log that goes on from it.

Law: a broken law raises Broken, with the column that counts it; what it says is enough to look further. Nothing here
asks the log what should be there: that is known from what its sessions were told to keep, and what they promised.
"""

from typing import NamedTuple

from disk import ROOT, Disk, Image
from logs import kinds, read

from eventlog import Report, Session, read_events
from eventlog.lines import DAMAGE, Kind
from eventlog.scan import pieces
from eventlog.seal import ENDINGS
from eventlog.sources import session_name
from eventlog.split import Splitter
from replay import Recorded, fold
from torture.history import Broken, History, Promise

UNPROMISED = frozenset({"stale records", "phantom write"})
"""Kinds of state in which a log may rightly be called damaged: its disk gave back what was never written there."""


class Seen(NamedTuple):
    """What a reader makes of a crash state."""

    found: list[Recorded]
    report: Report
    ids: tuple[str, ...]
    alarm: str
    """Why the report is wrong to call the log damaged; told at the end, so that the rest is looked at too."""


def look(history: History, image: Image, promise: Promise, before: Image, fault: str) -> Seen:
    """The laws of a crash state, by its bytes alone."""
    data = image.get(history.log_name, b"")
    found, report = read(data, session_name(ROOT / history.log_name))
    whole = _tile(data, report)
    ids = _unaltered(history, data, found)
    lost = promise.must.difference(ids)
    if lost:
        raise Broken("lost", f"{sorted(lost)} of {len(promise.must)}, {told(report)}", len(lost))
    missing = _missing(history, promise, ids, before.get(history.log_name, b""), found)
    if missing and not report.damaged:
        raise Broken("silent", f"{missing} are missing before others, {told(report)}")
    # There, a record's first copy is lost before its second one.
    gap = history.loose and (missing or fault == "EIO on sync") and _mere_gap(report)
    rightly = not report.damaged or history.damaged or fault in UNPROMISED or gap
    alarm = "" if rightly else f"called damaged after an honest crash: {told(report)}"
    if history.companion:
        data = image.get(history.host_name, b"")
        whole = _tile(data, read(data, session_name(ROOT / history.host_name))[1])
    _foreign(history, data, before.get(history.host_name, b""), whole)
    return Seen(found, report, tuple(ids), alarm)


def heal(history: History, image: Image, seen: Seen, session: Session, *, kept: bool) -> None:
    """The laws of a log that ``session`` opened after a crash (``image``) and has just added an event to."""
    if not kept or session.degraded is not None:
        raise Broken("wrong", f"not kept after the crash: {session.degraded}")
    state, after = session.state, history.disk.image()
    for name, data in image.items():
        if not after[name].startswith(data):
            raise Broken("foreign", f"{name} was changed in place, or cut")
    data, before = after[history.log_name], image.get(history.log_name, b"")
    was = seen.report
    events = read_events(ROOT / history.host_name)
    found = list(events)
    if [one.event for one in found[:-1]] != [one.event for one in seen.found]:
        raise Broken("lost", f"the healing changed what is read: {told(events.report)}")
    _unaltered(history, data, found)
    if found[-1].offset < len(before) or data[found[-1].offset - 1 : found[-1].offset] not in (b"", b"\n"):
        raise Broken("foreign", "the new record does not begin a line of its own")
    if fold(found) != state:
        raise Broken("wrong", "the session's state is not the fold of its file")
    if events.report.damaged and not was.damaged:
        raise Broken("wrong", f"damaged by the healing: {told(events.report)}")
    if was.damaged and not events.report.damaged:
        raise Broken("silent", f"the healing hides the damage: {told(was)} became {told(events.report)}")
    if not history.companion and events.report.pieces[Kind.FOREIGN] < was.pieces[Kind.FOREIGN]:
        raise Broken("foreign", f"{told(was)} became {told(events.report)}")


def opened(seen: Seen, session: Session) -> None:
    """The law of opening: the session knows what the file tells, and says nothing is amiss with the disk."""
    if session.state != fold(seen.found):
        raise Broken("wrong", "the state after opening is not the fold of the file")
    if session.degraded is not None:
        raise Broken("wrong", f"degraded by a file that can be read: {session.degraded}")


def restart(history: History, image: Image, block: int, seen: Seen, wall_ms: int) -> None:
    """The machine is up again: the image is on the platter, and what is found in it stands from now on."""
    history.damaged = history.damaged or seen.report.damaged  # rightly so, or we would not be here
    disk = Disk(image, block, wall_ms)
    disk.pass_time(10)
    history.take(disk, Promise(frozenset(seen.ids), seen.ids))


def told(report: Report) -> str:
    return f"{kinds(report)}, {report.gaps} gaps"


def _tile(data: bytes, report: Report) -> set[tuple[int, int]]:
    """Every byte in exactly one piece; where the foreign pieces are."""
    splitter, at, count, foreign = Splitter(), 0, 0, set()
    texts = list(splitter.feed(data))
    rest = splitter.rest()
    for text in texts if rest is None else [*texts, rest]:
        for piece in pieces(text):
            if piece.offset != at or piece.length <= 0:
                raise Broken("wrong", f"a piece at {piece.offset}, the one before ends at {at}")
            at, count = at + piece.length, count + 1
            if piece.kind is Kind.FOREIGN:
                foreign.add((piece.offset, piece.length))
    if (at, count) != (len(data), report.pieces.total()) or report.size != len(data):
        raise Broken("wrong", f"{at} of {len(data)} bytes in {count} pieces, {told(report)}")
    return foreign


def _unaltered(history: History, data: bytes, found: list[Recorded]) -> list[str]:
    """Every event that was applied is a record that one of our sessions wrote, byte for byte; their ids."""
    ids = []
    for one in found:
        ending = ENDINGS.search(data, one.offset)
        record = history.truth.get(data[one.offset : ending.end()]) if ending is not None else None
        if record is None or record.event != one.event:
            raise Broken("accepted", f"at {one.offset}: {data[one.offset : one.offset + 160]!r}")
        ids.append(record.id)
    return ids


def _missing(history: History, promise: Promise, ids: list[str], before: bytes, found: list[Recorded]) -> list[str]:
    """Records that stood in the file and are gone, although one behind them is still there."""
    gone = set(promise.order).difference(ids)
    if not gone or not found:
        return []
    lines = [(record.id, line) for line, record in history.truth.items() if record.id in gone]
    return [name for name, line in lines if 0 <= before.find(line) < found[-1].offset]


def _mere_gap(report: Report) -> bool:
    """A gap, and what is left of the records that are missing: nobody can tell such a fragment from damage."""
    return report.gaps > 0 and not any(report.pieces[kind] for kind in DAMAGE - {Kind.CORRUPT})


def _foreign(history: History, data: bytes, before: bytes, whole: set[tuple[int, int]]) -> None:
    """Each complete line of the host's whose bytes are all there is told as a line of its own."""
    at = 0
    for line in before.splitlines(keepends=True):  # none of them holds a carriage return of its own
        there = line in history.host_lines and data.startswith(line, at) and data[at - 1 : at] in (b"", b"\n", b"\0")
        if there and (at, len(line)) not in whole:
            raise Broken("foreign", f"at {at}: {line!r}")
        at += len(line)
