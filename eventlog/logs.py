"""A gateway's log as a whole: which session each of its events belongs to, and what else it tells.

Law: bytes in, events by session out; nothing is guessed. All of a log is read before anything is said, for only its
end shows of how many sessions it tells, and a later line may name the session of an earlier one's run.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from eventlog import codec
from eventlog.errors import SwitchlogError
from eventlog.lines import Kind
from eventlog.sources import LogForm
from replay import Event
from replay.dialects import ConsoleLog, FileLog, LogLine

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


@dataclass(slots=True)
class GatewayLog:
    """What a whole log told."""

    form: LogForm
    told: list[Told] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    """Lines by :class:`replay.dialects.LogLine`'s kinds."""
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
    log, feed = GatewayLog(form), _feeder(form)
    waiting: dict[str, list[Told]] = {}
    offset, rest, skipping = 0, b"", False
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            entry = None if skipping else feed(line)
            skipping = False
            _take(log, entry, offset, waiting)
            offset += len(line) + 1
        if len(rest) > LONGEST:
            offset += len(rest)
            rest, skipping = b"", True
        log.size += len(block)
        if watch is not None:
            watch(log.size)
    if rest:
        log.unfinished = offset
    if rest or skipping:
        _take(log, None if skipping else feed(rest), offset, waiting)
    return log


def _take(log: GatewayLog, entry: LogLine | None, offset: int, waiting: dict[str, list[Told]]) -> None:
    kind = "other" if entry is None else entry.kind
    log.kinds[kind] += 1
    log.pieces[Kind.EVENT if kind == "event" else Kind.BLANK if kind == "blank" else Kind.FOREIGN] += 1
    if entry is None:
        return
    for run, session in entry.learned:
        for one in waiting.pop(run, ()):
            one.session, one.event = session, replace(one.event, session=session)
    for event in entry.events:
        told = Told(event, offset, entry.session, entry.run)
        log.told.append(told)
        if told.session is None and told.run is not None:
            waiting.setdefault(told.run, []).append(told)


def _feeder(form: LogForm) -> Callable[[bytes], LogLine]:
    if form == "console":
        console = ConsoleLog()
        return lambda line: console.feed(line.decode("utf-8", "replace"))
    log = FileLog()

    def feed(line: bytes) -> LogLine:
        if line.strip():
            return log.feed(codec.decode(line))
        return replace(log.feed({}), kind="blank")

    return feed
