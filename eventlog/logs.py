"""A gateway's log: which session each of its events belongs to, and what else it tells.

Law: bytes in, events by session out; nothing is guessed. Of a log that has ended all is read before anything is said,
for only its end shows of how many sessions it tells. Of one that goes on each line is said as it comes, and an event
once more as soon as a later line names its run's session. Each line is read once, in order.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace as changed

from eventlog import codec
from eventlog.errors import SwitchlogError
from eventlog.lines import Kind
from eventlog.raw import LogForm
from replay import Event

if TYPE_CHECKING:
    from replay.dialects.openclaw_lines import LogLine

LONGEST: Final = 1 << 20
"""A line of more bytes is no line of a gateway's log: it is counted, and not kept."""


class SessionError(SwitchlogError):
    """The log's events have no one session, or not the one that was asked for. ``sessions``: those it tells of."""

    def __init__(self, why: str, sessions: list[str]) -> None:
        super().__init__(why)
        self.sessions = sessions


@dataclass(slots=True)
class Told:
    """An event of a log: where its line begins, and whose it is as far as the log says."""

    event: Event
    offset: int
    session: str | None
    run: str | None = None
    number: int = 0
    """Its place among the log's events, from 0."""


@dataclass(slots=True)
class GatewayLog:
    """What a whole log told."""

    form: LogForm
    told: list[Told] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    """Lines by :class:`replay.dialects.openclaw_lines.LogLine`'s kinds."""
    pieces: Counter[Kind] = field(default_factory=Counter)
    size: int = 0
    unfinished: int | None = None
    """Where a last line without its newline begins: it may be half of one."""

    @property
    def sessions(self) -> list[str]:
        """The sessions that the log names beside its events."""
        return sorted({one.session for one in self.told if one.session is not None})

    def of(self, wanted: str | None) -> tuple[str | None, list[Told]]:
        """One session and its events: the one whose id begins with ``wanted``, or the only one.

        In a log of one session what names none is its own: the short form never does. Of an unknown *run* this is not
        certain; it counts only where the log names no session at all, and ``wanted`` is then the name that it lacks.
        Raises SessionError where there is no one answer.
        """
        sessions = self.sessions
        if not sessions:
            return wanted, self.told
        if wanted in sessions:
            found = [wanted]
        else:
            found = [session for session in sessions if session.startswith(wanted or "")]
        if len(found) != 1:
            why = f"a log of {len(found)} sessions" if found else f"tells of no session {wanted!r}"
            raise SessionError(why, found or sessions)
        own = found if len(sessions) > 1 else [found[0], None]
        return found[0], [one for one in self.told if one.session in own and (one.session or one.run is None)]


def read(form: LogForm, blocks: Iterator[bytes], watch: Callable[[int], None] | None = None) -> GatewayLog:
    """Read a log to its end. ``watch`` is told the bytes read so far, now and then."""
    log, reader = GatewayLog(form), LogReader(form)
    for block in blocks:
        for one in reader.feed(block):
            if one.number == len(log.told):  # else told before, and in the list
                log.told.append(one)
        log.size += len(block)
        if watch is not None:
            watch(log.size)
    log.unfinished = reader.unfinished
    log.told += reader.finish()
    log.kinds, log.pieces = reader.kinds, reader.pieces
    return log


class LogReader:
    """A log's events as their lines come.

    ``most``: so many events of runs whose session is not known are kept until a line names it; of more the oldest are
    forgotten, and counted by ``forgotten``.
    """

    def __init__(self, form: LogForm, most: int | None = None) -> None:
        self.form = form
        self.kinds: Counter[str] = Counter()
        """Lines by :class:`replay.dialects.openclaw_lines.LogLine`'s kinds."""
        self.pieces: Counter[Kind] = Counter()
        self.told = 0
        """Events so far."""
        self.waiting = 0
        """Of them, those whose run's session a later line may tell."""
        self.forgotten = 0
        self._most = most
        self._line = _feeder(form)
        self._runs: dict[str, list[Told]] = {}
        self._offset = 0
        self._rest = b""
        self._open = False  # whether there is something behind the last newline
        self._skipping = False

    @property
    def unfinished(self) -> int | None:
        """Where a last line without its newline begins: it may be half of one."""
        return self._offset if self._rest else None

    def feed(self, block: bytes) -> Iterator[Told]:
        """The events of the lines that these bytes end: each as it is told, and again once its session is known."""
        *lines, rest = (self._rest + block).split(b"\n")
        self._rest = b""  # what is asked for here is the block's alone, whenever it is asked for
        for line in lines:
            # A writer that goes on at its old place after the file was cut leaves a hole in front of its next line.
            bare = line.lstrip(b"\0")
            entry = None if self._skipping else self._line(bare)
            self._skipping = self._open = False
            if self._count(entry) and entry is not None:
                yield from self._take(entry, self._offset + len(line) - len(bare))
            self._offset += len(line) + 1
        self._open = self._open or bool(rest)
        bare = rest.lstrip(b"\0")
        self._offset += len(rest) - len(bare)
        if len(bare) > LONGEST:
            self._offset += len(bare)
            bare, self._skipping = b"", True
        self._rest = bare

    def finish(self) -> Iterator[Told]:
        """What a last line without its newline tells."""
        entry = None if self._skipping else self._line(self._rest) if self._open else None
        if self._open and self._count(entry) and entry is not None:
            yield from self._take(entry, self._offset)

    def begin_anew(self) -> bool:
        """Another file goes on: the last line without its newline never gets one. Whether there was such a line."""
        left, self._rest, self._open, self._skipping = self._open, b"", False, False
        return left

    def _count(self, entry: "LogLine | None") -> bool:
        """Count the line; whether it tells anything of an event, as few do."""
        kind = "other" if entry is None else entry.kind
        self.kinds[kind] += 1
        self.pieces[Kind.EVENT if kind == "event" else Kind.BLANK if kind == "blank" else Kind.FOREIGN] += 1
        return entry is not None and bool(entry.events or entry.learned)

    def _take(self, entry: "LogLine", offset: int) -> Iterator[Told]:
        for run, session in entry.learned:
            for one in self._runs.pop(run, ()):
                one.session, one.event = session, changed(one.event, session=session)
                self.waiting -= 1
                yield one
        for event in entry.events:
            told = Told(event, offset, entry.session, entry.run, self.told)
            self.told += 1
            if told.session is None and told.run is not None:
                self._wait(told.run, told)
            yield told

    def _wait(self, run: str, told: Told) -> None:
        self._runs.setdefault(run, []).append(told)
        self.waiting += 1
        while self._most is not None and self.waiting > self._most:
            gone = len(self._runs.pop(next(iter(self._runs))))
            self.waiting -= gone
            self.forgotten += gone


def _feeder(form: LogForm) -> "Callable[[bytes], LogLine]":
    if form == "console":
        from replay.dialects.openclaw_console import ConsoleLog

        console = ConsoleLog()
        return lambda line: console.feed(line.decode("utf-8", "replace"))
    from replay.dialects.openclaw_file import FileLog

    log = FileLog()

    def feed(line: bytes) -> "LogLine":
        if line.strip():
            return log.feed(codec.decode(line))
        return replace(log.feed({}), kind="blank")

    return feed
