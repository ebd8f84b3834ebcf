"""Whose events a log tells, line by line: the rules of :meth:`eventlog.logs.GatewayLog.of` for a log that goes on.

Law: values only. What is said at a line is what importing the log up to that line would say; it is not taken back. In
a log that names one session what names none is its own, where it names several it is nobody's.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from eventlog.errors import UnreadableError
from eventlog.logs import Told
from eventlog.raw import LogForm

KEPT: Final = 10_000
"""So many events may wait for a line that names their session; of more the oldest are left out."""


class Owners:
    """Finds the session of each event, as far as the log has told by now."""

    def __init__(self, where: str | Path, wanted: str | None, form: LogForm) -> None:
        """``wanted``: only this session's, or whose log it is, where its lines name none; ``where``: for errors."""
        self.form = form
        self._where = where
        self._wanted = wanted
        self._named: str | None = None  # the first session that the log names
        self._several = False
        self._found: str | None = None  # the one that is wanted
        self._nameless: deque[Told] = deque()
        self._lost = 0

    @property
    def unknown(self) -> int:
        """Events whose session nothing tells so far, but for those of a run that a later line may name."""
        return self._lost + len(self._nameless)

    def of(self, told: Told) -> Iterator[tuple[str, Told]]:
        """The event with its session, if that is known and wanted; and before it those that it makes known.

        Raises UnreadableError where several sessions are the wanted one.
        """
        if told.session is not None:
            yield from self._name(told.session)
            if self._wanted is None or told.session == self._found:
                yield told.session, told
        elif told.run is not None and (self._wanted is None or self._named is not None or self.form == "file"):
            pass  # it comes again when a line names the run's session: the file log has all lines, a console few
        elif self._named is None and self._wanted is not None:
            yield self._wanted, told  # as long as its lines name nobody else
        elif self._named is None:
            self._nameless.append(told)
            if len(self._nameless) > KEPT:
                self._nameless.popleft()
                self._lost += 1
        elif not self._several and self._found == self._named:
            yield self._named, told
        else:
            self._lost += 1

    def _name(self, session: str) -> Iterator[tuple[str, Told]]:
        """The log names this session."""
        if session == self._named:
            return
        wanted = self._wanted is None or session.startswith(self._wanted)
        if self._named is None:
            self._named, self._found = session, session if wanted else None
            nameless, self._nameless = self._nameless, deque()
            for told in nameless:
                yield from self.of(told)
            return
        self._several = True
        if self._wanted is None or not wanted or self._found in (session, self._wanted):
            return
        if self._found is not None and session != self._wanted:
            remedy = f"name one with --session: {self._found}, {session}"
            raise UnreadableError(self._where, "tells of several sessions that begin so", remedy)
        self._found = session
