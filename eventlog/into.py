"""Events of a gateway's log on their way into one session's transcript.

Law: an event whose id stands in the transcript is not written again. The order of a transcript is its truth, so
nothing is written behind newer events (of the session itself, of the log's other form, of a later part of the log)
unless forced. Nothing is called written before it is on the disk.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from eventlog import file, sources
from eventlog.errors import SwitchlogError
from eventlog.openclaw.hosted import log_of
from eventlog.protection import Protection
from eventlog.reading import read_events
from eventlog.sessions import SESSION_ID
from replay import AttemptFailed, AttemptSucceeded, Event, ModelState, ModelSwitch, fold
from replay.events import format_time, type_name

SOURCE: Final = "source"
"""The field by which an imported event says where it comes from; an event without it is the session's own."""

Numbered = tuple[int, Event]
"""An event and its place in the log."""


class BehindError(SwitchlogError):
    """The transcript holds newer events: written behind them, the log's would count as the latest."""

    def __init__(self, session: str, event: Event, why: str) -> None:
        super().__init__(f"{misplaced(session, event, why)}; nothing was imported. --force {_FORCE}")
        self.session = session
        self.event = event


_FORCE: Final = "writes it behind, as if it came last"


def misplaced(session: str, event: Event, why: str) -> str:
    """What is wrong with an event that comes too late."""
    told = f"{session}: {type_name(event)} {event.id} of {_stamp(event)} belongs before what its transcript holds"
    return f"{told} ({why})"


@dataclass(frozen=True, slots=True)
class Behind:
    """An event that was not written, for the transcript holds newer ones."""

    event: Event
    why: str


class Transcript:
    """One session's transcript, for the events of one log. Fed in the log's order it keeps that order."""

    def __init__(self, folder: Path, session: str, source: str, protection: Protection) -> None:
        self.session = session
        self.path = folder / f"{session}{sources.SUFFIX}"
        self.log = log_of(self.path, "process", protection)
        self._source = source
        self._last: Numbered | None = None  # of the log's events in the transcript the latest
        self._newer: list[Event] = []  # the newest of all others in it, when it stood as `_known`
        self._known: tuple[int, str | None] | None = None
        self._written: list[Event] = []  # not told yet: they may not be on the disk
        self._unsure: set[str | None] = set()  # in the file, but a sync has failed since

    def close(self) -> None:
        """Give the descriptor back."""
        self.log.close()

    def preview(self, events: Sequence[Numbered], *, force: bool = False) -> tuple[list[Event], ModelState]:
        """What would be written, and the state then. Raises BehindError and OSError, as writing would."""
        self.log.refresh()
        missing, behind = self._sort(events, force=force)
        self._refuse(behind)
        return missing, fold(missing, self.log.state)

    def write(
        self, events: Sequence[Numbered], *, force: bool = False, skip: bool = False
    ) -> tuple[list[Event], list[Behind]]:
        """Write what is missing, and return once it is durable. What comes too late raises BehindError before
        anything was written, or is left out with ``skip``.

        Raises OSError if the disk refuses. Call it again then with the same events: those that it has taken are not
        written twice, unless a sync failed; then nobody knows, and a reader counts the second line as a duplicate.
        """
        behind: list[Behind] = []
        looked = False

        def new(_: ModelState) -> Iterator[Event]:
            nonlocal behind, looked
            missing, behind = self._sort(events, force=force)
            looked = self._known == self._stand()
            if not skip:
                self._refuse(behind)
            for event in missing:
                yield event
                self._written.append(event)  # the log asks for more: that one is in the file

        self.log.append(new)
        self._known = self._stand() if looked else None  # until somebody else writes, it needs no other look
        try:
            _sync(self.log.path)  # a host's transcript may have sent us beside it
        except OSError:
            self._unsure.update(event.id for event in self._written)
            raise
        written, self._written = list({event.id: event for event in self._written}.values()), []
        self._unsure.clear()
        if written:  # what is the log's own is behind its latest no more
            self._newer = [one for one in self._newer if one.extra.get(SOURCE) != self._source]
        left = {id(one.event) for one in behind}
        for numbered in events:
            if id(numbered[1]) not in left and (self._last is None or numbered[0] > self._last[0]):
                self._last = numbered
        return written, behind

    def _refuse(self, behind: list[Behind]) -> None:
        if behind:
            eldest = min(behind, key=lambda one: _time(one.event))
            raise BehindError(self.session, eldest.event, eldest.why)

    def _sort(self, events: Sequence[Numbered], *, force: bool) -> tuple[list[Event], list[Behind]]:
        """The missing ones, and those of them that come too late."""
        missing, last = [], self._last
        for numbered in events:
            if not self.log.holds(numbered[1]) or numbered[1].id in self._unsure:
                missing.append(numbered)
            elif last is None or numbered[0] > last[0]:
                last = numbered
        if force or not missing or not file.identify_path(self.path):
            return [event for _, event in missing], []
        newer = self._others(events, last)
        kept, behind = [], []
        for number, event in missing:
            before = next((one for one in newer if _time(one) > _time(event)), None)
            if before is not None:
                whose = before.extra.get(SOURCE, "its own")
                behind.append(Behind(event, f"{whose} {_named(before)}"))
            elif last is not None and number < last[0]:
                behind.append(Behind(event, f"it has the log's later {type_name(last[1])} of {_stamp(last[1])}"))
            else:
                kept.append(event)
        return kept, behind

    def _others(self, events: Iterable[Numbered], last: Numbered | None) -> list[Event]:
        """The newest events of the transcript that are not this log's, as far as one knows.

        Those of the same source in front of the log's own latest come from earlier in the log, whatever the gateway's
        clock said then. Behind it they are of a part of the log that this one does not tell.
        """
        if self._known is not None and self._known == self._stand():
            return self._newer
        ids = {event.id for _, event in events}
        newest: Event | None = None
        same: Event | None = None
        for recorded in read_events(self.path, infer=False, protection=self.log.protection):
            found = recorded.event
            if last is not None and found.id == last[1].id:
                same = None
            elif found.extra.get(SOURCE) != self._source:
                newest = found if newest is None else max(newest, found, key=_time)
            elif found.id not in ids:
                same = found if same is None else max(same, found, key=_time)
        self._newer = [one for one in (newest, same) if one is not None]
        self._known = self._stand()
        return self._newer

    def _stand(self) -> tuple[int, str | None]:
        return self.log.report.size, self.log.report.last_seal


def is_name(session: str) -> bool:
    """Whether a session's id can be a file's name, and the file's name tells that id again."""
    return SESSION_ID.fullmatch(session) is not None and sources.SUFFIX not in session


def ours(event: Event, aliases: Mapping[str, str], source: str) -> Event:
    """The event with the models' own names, saying where it comes from. Its id stays that of the log's line."""
    extra = {**event.extra, SOURCE: source}
    name = aliases.get
    match event:
        case ModelSwitch():
            left = event.from_
            left = left if left is None else name(left, left)
            return replace(event, from_=left, to=name(event.to, event.to), extra=extra)
        case AttemptFailed() | AttemptSucceeded():
            return replace(event, model=name(event.model, event.model), extra=extra)
    return event  # no log tells of a failure_cleared


def _sync(path: Path) -> None:
    """One sync for all that was written: an import that a crash cuts short is imported again."""
    fd = file.open_append(path, create=False)
    try:
        file.sync(fd)
    finally:
        file.close(fd)
    file.sync_folder(path.parent)


def _time(event: Event) -> float:
    return event.timestamp.timestamp() if event.timestamp is not None else float("-inf")


def _named(event: Event) -> str:
    return f"{type_name(event)} {event.id} of {_stamp(event)}"


def _stamp(event: Event) -> str:
    stamp: datetime | None = event.timestamp
    return "an unknown time" if stamp is None else format_time(stamp)
