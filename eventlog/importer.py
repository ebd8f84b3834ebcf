"""A gateway's log into transcripts: what OpenClaw told of its failovers becomes the sessions' own memory.

Law: importing twice, in part or overlapping is importing once. An event's id comes from the log's own line, and an
event whose id stands in the transcript is not written again. The order of a transcript is its truth, so nothing is
written behind newer events (of the session itself, of the log's other form, of a later part of the log) unless forced.
Nothing is called imported before it is on the disk. Session ids of a log are anybody's text: only plain names become
files.

All sessions are looked at before the first one is written, and each one again under its file's lock.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final

from eventlog import file, logs, sources
from eventlog.append import Log
from eventlog.config import find
from eventlog.errors import MisuseError, SwitchlogError, UnreadableError
from eventlog.protection import OPEN
from eventlog.reading import read_events
from eventlog.sessions import SESSION_ID
from replay import AttemptFailed, AttemptSucceeded, Event, ModelState, ModelSwitch, fold
from replay.events import format_time, type_name
from replay.reasons import REDIRECTED

SOURCE: Final = "source"
"""The field by which an imported event says where it comes from; an event without it is the session's own."""


class BehindError(SwitchlogError):
    """The transcript holds newer events: written behind them, the log's would count as the latest."""

    def __init__(self, session: str, event: Event, why: str) -> None:
        told = f"{session}: {type_name(event)} {event.id} of {_stamp(event)} belongs before what its transcript holds"
        super().__init__(f"{told} ({why}); nothing was imported. --force writes it behind, as if it came last")
        self.session = session
        self.event = event


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one session. The counts are the log's, whether new or already there."""

    session: str
    path: Path
    imported: int
    already_there: int
    reverted: int
    redirected: int
    failures: int
    """Requests that failed: candidates put back before they were asked are ``redirected``, not these."""
    successes: int
    state: ModelState
    """The transcript's state after the import (in a dry run, as it would be)."""


class Importer:
    """Reads a log at once, then imports it: ``Importer("gateway.log").run(Path("sessions"))``."""

    def __init__(
        self,
        where: str | Path,
        session: str | None = None,
        aliases: Mapping[str, str] | None = None,
        watch: Callable[[int], None] | None = None,
    ) -> None:
        """Raises UnreadableError for what is no gateway's log, MisuseError for a session that can't be."""
        self._aliases = aliases or {}
        if session is not None and not is_name(session):
            raise MisuseError(f"no session id: {session[:200]!r} (letters, digits, . _ - only, at most 128)")
        path = sources.resolve(where)
        blocks = sources.blocks(path)
        first = next(blocks, b"")
        form = sources.log_form(first)
        if form is None and b"\n" in first.strip(b" \r\n"):
            raise UnreadableError(
                path or "-", "is no gateway's log", "name OpenClaw's console log or its JSON file log"
            )
        self.log = logs.read(form or "console", chain([first], blocks), watch)
        """What the log told as a whole."""
        self._protection = OPEN
        self._source = f"openclaw-{self.log.form}"
        self.held_back = 0
        """Events of a last line without a newline: it may be half a line, and half a model's name."""
        self.unknown_session = 0
        """Events whose session the log does not tell, or whose session's name can't be a file's."""
        self.sessions: dict[str, list[Event]] = {}
        """The events to import, by session, in the log's order."""
        self._sort(path, session)

    def run(self, into: Path, *, force: bool = False, dry_run: bool = False) -> list[Imported]:
        """Import into the folder's transcripts. Raises BehindError, then nothing was written, and OSError."""
        self._protection = find(into).protection
        planned = [self._import(into, session, force=force, write=False) for session in self.sessions]
        if dry_run:
            return planned
        return [self._import(into, one.session, force=force, write=True) if one.imported else one for one in planned]

    def _sort(self, path: Path | None, wanted: str | None) -> None:
        """Find each session's events."""
        told = self.log.told
        half = self.log.unfinished if self.log.form == "console" else None
        self.log.told = [one for one in told if one.offset != half]
        self.held_back = len(told) - len(self.log.told)
        named = self.log.sessions
        left = sum(one.session is None for one in self.log.told)
        if wanted is None and len(named) > 1:
            for name in named:
                self._add(name, [one for one in self.log.told if one.session == name])
            self.unknown_session += left
            return
        try:
            session, own = self.log.of(wanted)
        except logs.SessionError as error:
            remedy = f"name one with --session: {', '.join(error.sessions)}"
            raise UnreadableError(path or "-", str(error), remedy) from None
        if session is not None:
            self._add(session, own)
        elif any(one.run is None for one in own):
            raise UnreadableError(path or "-", "its lines name no session", "name it with --session")
        self.unknown_session += left - (0 if session is None else sum(one.session is None for one in own))

    def _add(self, session: str, told: Iterable[logs.Told]) -> None:
        events = {one.event.id: self._ours(one.event) for one in reversed(list(told))}  # of two alike the first stands
        if not is_name(session):
            self.unknown_session += len(events)
        elif events:
            self.sessions[session] = list(reversed(events.values()))

    def _ours(self, event: Event) -> Event:
        """The event with the models' own names, saying where it comes from. Its id stays that of the log's line."""
        extra = {**event.extra, SOURCE: self._source}
        name = self._aliases.get
        match event:
            case ModelSwitch():
                left = event.from_
                left = left if left is None else name(left, left)
                return replace(event, from_=left, to=name(event.to, event.to), extra=extra)
            case AttemptFailed() | AttemptSucceeded():
                return replace(event, model=name(event.model, event.model), extra=extra)
        return event  # no log tells of a failure_cleared

    def _import(self, into: Path, session: str, *, force: bool, write: bool) -> Imported:
        path, events = into / f"{session}{sources.SUFFIX}", self.sessions[session]
        log = Log(path, durability="process", protection=self._protection)
        try:

            def new(_: ModelState) -> list[Event]:
                missing = [event for event in events if not log.holds(event)]
                if missing and not force:
                    self._check(path, session, events, missing)
                return missing

            try:
                log.refresh()
                missing = [one.event for one in log.append(new)] if write else new(log.state)
                if write:
                    _sync(path)
            except OSError as error:
                why = f"can't be written: {(error.strerror or str(error)).lower()}"
                raise UnreadableError(path, why, "import again: what is there is not written twice") from error
            state = log.state if write else fold(missing, log.state)
        finally:
            log.close()
        return _counted(session, path, events, len(missing), state)

    def _check(self, path: Path, session: str, events: list[Event], missing: list[Event]) -> None:
        """Refuse what would not be the last: the transcript's order is what the state is folded from."""
        if not file.identify_path(path):
            return
        eldest = min(missing, key=_time)
        for recorded in read_events(path, protection=self._protection):
            found = recorded.event
            if found.extra.get(SOURCE) != self._source and _time(found) > _time(eldest):
                whose = found.extra.get(SOURCE, "its own")
                raise BehindError(session, eldest, f"{whose} {type_name(found)} {found.id} of {_stamp(found)}")
        lacking = {event.id for event in missing}
        last = next((event for event in reversed(events) if event.id not in lacking), None)
        first = next(event for event in events if event.id in lacking)
        if last is not None and events.index(first) < events.index(last):
            raise BehindError(session, first, f"it has the log's later {type_name(last)} of {_stamp(last)}")


def is_name(session: str) -> bool:
    """Whether a session's id can be a file's name, and the file's name tells that id again."""
    return SESSION_ID.fullmatch(session) is not None and sources.SUFFIX not in session


def _counted(session: str, path: Path, events: list[Event], imported: int, state: ModelState) -> Imported:
    failed = [event for event in events if isinstance(event, AttemptFailed)]
    redirected = sum(event.reason == REDIRECTED for event in failed)
    return Imported(
        session=session,
        path=path,
        imported=imported,
        already_there=len(events) - imported,
        reverted=sum(isinstance(event, ModelSwitch) and event.cause == "reverted" for event in events),
        redirected=redirected,
        failures=len(failed) - redirected,
        successes=sum(isinstance(event, AttemptSucceeded) for event in events),
        state=state,
    )


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


def _stamp(event: Event) -> str:
    stamp: datetime | None = event.timestamp
    return "an unknown time" if stamp is None else format_time(stamp)
