"""Reading a whole log at once: its events in order, then its report.

Law: ties sources to the reader (or to a gateway's log) and nothing more.
"""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, Self

from eventlog import logs, sources
from eventlog.config import find
from eventlog.errors import UnreadableError
from eventlog.protection import Protection
from eventlog.reader import Reader
from eventlog.report import Report
from replay import Recorded


class Events(Iterator[Recorded]):
    """The events of one log, in order. ``report`` tells the log's condition; it is complete after the last event.

    ``wanted``: seals whose places the report is to tell.
    """

    def __init__(
        self,
        where: str | Path,
        session: str | None = None,
        *,
        alone: bool = False,
        protection: Protection | None = None,
        wanted: Collection[str] = (),
    ) -> None:
        self.path = sources.resolve(where)
        near = None if self.path is None else self.path.parent
        self.protection = find(near).protection if protection is None else protection
        name = None if self.path is None else sources.session_name(self.path)
        self.report = Report(session=name)
        self.form: Literal["transcript"] | sources.LogForm = "transcript"
        """What kind of log it turned out to be, once the first event is asked for."""
        self._session = session
        self._alone = alone
        self._wanted = wanted
        self._events = self._read(name)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Recorded:
        return next(self._events)

    def _read(self, name: str | None) -> Iterator[Recorded]:
        beside = None if self.path is None else sources.companion(self.path)
        beside = beside if beside is not None and not self._alone and beside.exists() else None
        only_beside = beside is not None and self.path is not None and not self.path.exists()
        blocks = iter(()) if only_beside else sources.blocks(self.path)
        first = next(blocks, b"")
        form = sources.log_form(first)
        if form is not None:
            self.form = form
            yield from self._gateways(logs.read(form, chain([first], blocks)))
            return
        reader = Reader(name, protection=self.protection, wanted=self._wanted)
        self.report = reader.report
        for block in chain([first], blocks):
            yield from reader.feed(block)
        yield from reader.finish()
        if beside is not None:
            companion = Reader(name, reader.position, self.protection, self._wanted)
            for block in sources.blocks(beside):
                yield from companion.feed(block)
            yield from companion.finish()
            self.report.add(companion.report)

    def _gateways(self, log: logs.GatewayLog) -> Iterator[Recorded]:
        """One session of a gateway's log."""
        report = self.report
        report.size, report.restarts, report.skipped = log.size, log.kinds["restart"], log.kinds["skip"]
        report.pieces.update({kind.value: count for kind, count in log.pieces.items()})
        try:
            report.session, told = log.of(self._session)
        except logs.SessionError as error:
            names = ", ".join(error.sessions)
            raise UnreadableError(self.path or "-", str(error), f"name one with --session: {names}") from None
        report.unsealed = len(told)
        for position, one in enumerate(told, 1):
            yield Recorded(one.event, position, one.offset)


def read_events(
    where: str | Path, session: str | None = None, *, alone: bool = False, protection: Protection | None = None
) -> Events:
    """The events of the log that ``where`` names: a transcript, a folder (its newest), ``-``, an id prefix.

    A gateway's log (console or JSON) is read too; one of several sessions needs ``session``. Raises UnreadableError
    (at once, or at the first event) where there is nothing to read; damage is told by ``.report`` and never raises. A
    companion file is read behind its transcript, unless ``alone``. ``protection`` (keys, and if events count that carry
    no proof) is the configuration's, if left out.
    """
    return Events(where, session, alone=alone, protection=protection)
