"""Reading a whole log at once: its events in order, then its report.

Law: ties sources to the reader (or to a dialect, for a gateway's console log) and nothing more.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, Self

from eventlog import sources
from eventlog.errors import UnreadableError
from eventlog.lines import Kind
from eventlog.reader import Reader
from eventlog.report import Report
from replay import Event, Recorded
from replay.dialects.openclaw_console import ConsoleLog


class Events(Iterator[Recorded]):
    """The events of one log, in order. ``report`` tells the log's condition; it is complete after the last event."""

    def __init__(self, where: str | Path, session: str | None = None) -> None:
        self.path = sources.resolve(where)
        name = None if self.path is None else sources.session_name(self.path)
        self.report = Report(session=name)
        self.form: Literal["transcript", "console"] = "transcript"
        """What kind of log it turned out to be, once the first event is asked for."""
        self._session = session
        self._events = self._read(name)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Recorded:
        return next(self._events)

    def _read(self, name: str | None) -> Iterator[Recorded]:
        blocks = sources.blocks(self.path)
        first = next(blocks, b"")
        if sources.is_console(first):
            self.form = "console"
            yield from self._console(chain([first], blocks))
            return
        reader = Reader(name)
        self.report = reader.report
        for block in chain([first], blocks):
            yield from reader.feed(block)
        yield from reader.finish()

    def _console(self, blocks: Iterator[bytes]) -> Iterator[Recorded]:
        """A gateway's console log: all of it is read first, for only its end shows how many sessions it tells of."""
        log, report = ConsoleLog(), self.report
        told: list[tuple[str | None, Event, int]] = []
        for offset, line in _lines(blocks):
            entry = log.feed(line.decode("utf-8", "replace").rstrip("\r\n"))
            report.size += len(line)
            report.restarts += entry.kind == "restart"
            report.skipped += entry.kind == "skip"
            report.count(Kind.EVENT if entry.events else Kind.BLANK if entry.kind == "blank" else Kind.FOREIGN)
            told += ((entry.session, event, offset) for event in entry.events)
        sessions = sorted({session for session, _, _ in told if session is not None})
        report.session = self._choose(sessions)
        # In a log of one session, what names none is its own: the short form never does.
        belongs = {report.session, None} if len(sessions) < 2 else {report.session}
        events = [(event, offset) for session, event, offset in told if session in belongs]
        report.unsealed = len(events)
        for position, (event, offset) in enumerate(events, 1):
            yield Recorded(event, position, offset)

    def _choose(self, sessions: list[str]) -> str | None:
        wanted = self._session
        found = sessions if wanted is None else [session for session in sessions if session.startswith(wanted)]
        if len(found) == 1 or (wanted is None and not found):
            return found[0] if found else None
        why = f"a log of {len(found)} sessions" if found else f"tells of no session {wanted!r}"
        raise UnreadableError(self.path or "-", why, f"name one with --session: {', '.join(found or sessions)}")


def read_events(where: str | Path, session: str | None = None) -> Events:
    """The events of the log that ``where`` names: a transcript, a folder (its newest), ``-``, an id prefix.

    A gateway's console log is read too; one of several sessions needs ``session``. Raises UnreadableError (at once,
    or at the first event) where there is nothing to read; damage is told by ``.report`` and never raises.
    """
    return Events(where, session)


def _lines(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    offset, rest = 0, b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield offset, line + b"\n"
            offset += len(line) + 1
    if rest:
        yield offset, rest
