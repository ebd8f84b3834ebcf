"""A gateway's log into transcripts: what OpenClaw told of its failovers becomes the sessions' own memory.

Law: importing twice, in part or overlapping is importing once. An event's id comes from the log's own line; what a
transcript may be given: :mod:`eventlog.into`. Session ids of a log are anybody's text: only plain names become files.

All sessions are looked at before the first one is written, and each one again under its file's lock. A log that goes
on is followed by :mod:`eventlog.live_import`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from eventlog import logs, raw, sources
from eventlog.config import find
from eventlog.errors import MisuseError, UnreadableError
from eventlog.into import SOURCE, BehindError, Transcript, is_name, ours
from eventlog.protection import OPEN
from replay import AttemptFailed, AttemptSucceeded, Event, ModelState, ModelSwitch
from replay.reasons import REDIRECTED

__all__ = ["SOURCE", "BehindError", "Imported", "Importer", "is_name"]


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
        blocks = raw.blocks(path)
        first = next(blocks, b"")
        form = raw.log_form(first)
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
        return ours(event, self._aliases, self._source)

    def _import(self, into: Path, session: str, *, force: bool, write: bool) -> Imported:
        events = self.sessions[session]
        numbered = list(enumerate(events))
        transcript = Transcript(into, session, self._source, self._protection)
        try:
            if write:
                missing, _ = transcript.write(numbered, force=force)
                state = transcript.log.state
            else:
                missing, state = transcript.preview(numbered, force=force)
        except OSError as error:
            why = f"can't be written: {(error.strerror or str(error)).lower()}"
            remedy = "import again: what is there is not written twice"
            raise UnreadableError(transcript.path, why, remedy) from error
        finally:
            transcript.close()
        return _counted(session, transcript.path, events, len(missing), state)


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
