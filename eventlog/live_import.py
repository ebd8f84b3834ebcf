"""A log that goes on, into transcripts: each event as soon as its line is whole and its session known.

Law: what importing the log again and again as it grows would give, each line read once. Events come from its own
lines, so after a restart the whole log is read again and goes on where the transcripts end. An event is told when it
is on the disk. Nothing ends the following but what asks it to: an event that comes too late is left out and told, one
that the disk refuses is kept and tried again, and while many are kept no more is read, for the log itself keeps them.
Memory is bounded.

What a transcript may be given is :mod:`eventlog.into`'s matter, what happens to files :mod:`eventlog.tail`'s.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventlog import file, raw, sources
from eventlog.config import find
from eventlog.errors import MisuseError, SwitchlogError, UnreadableError
from eventlog.into import Behind, Numbered, Transcript, is_name, misplaced, ours
from eventlog.logs import LogReader, Told
from eventlog.owners import KEPT, Owners
from eventlog.pipe import Pipe
from eventlog.tail import Chunk, Tail
from replay import Event

DATED: Final = "openclaw-????-??-??.log"
"""The names of OpenClaw's file logs: a new one each day."""

MOST: Final = 1_000
"""So many events may wait for the disk before reading stops."""

_OPEN: Final = 64
"""Transcripts whose content is remembered; one that is needed again is read again."""

_HEAD: Final = 1 << 16
_SOONEST: Final = 0.5
_LATEST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Gained:
    """An event that a transcript has gained, durably."""

    session: str
    path: Path
    event: Event


class LiveImport:
    """Follows a gateway's log: ``for gained in LiveImport("gateway.log", folder).run(): …`` until ``stop`` is set."""

    def __init__(
        self,
        where: str | Path,
        into: Path,
        session: str | None = None,
        aliases: Mapping[str, str] | None = None,
        *,
        force: bool = False,
        stop: threading.Event | None = None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``warn`` is told what a person should look at. Raises MisuseError for a session that can't be."""
        if session is not None and not is_name(session):
            raise MisuseError(f"no session id: {session[:200]!r} (letters, digits, . _ - only, at most 128)")
        self._where = where
        self._into = into
        self._aliases = aliases or {}
        self._force = force
        self._stop = threading.Event() if stop is None else stop
        self._warn = warn
        self._protection = find(into).protection
        self.imported = 0
        self.behind = 0
        """Events that were left out, for their transcript holds newer ones."""
        self.held_back = 0
        """Last lines without a newline, for they may be half a line."""
        self._unnamable = 0
        self._head = b""
        self._reader: LogReader | None = None
        self._owners = Owners(where, session, "console")
        self._pending: dict[str, dict[str | None, Numbered]] = {}
        self._transcripts: OrderedDict[str, Transcript] = OrderedDict()
        self._warned: set[str] = set()
        self._refused: str | None = None
        self._again = 0.0
        self._pause = _SOONEST

    @property
    def unknown_session(self) -> int:
        """Events whose session the log has not told, or whose session's name can't be a file's."""
        reader = self._reader
        told = self._unnamable + self._owners.unknown
        return told if reader is None else told + reader.waiting + reader.forgotten

    @property
    def waiting(self) -> int:
        """Events that are not on the disk yet."""
        return sum(map(len, self._pending.values()))

    @property
    def kinds(self) -> Mapping[str, int]:
        """The log's lines so far, by kind."""
        return {} if self._reader is None else self._reader.kinds

    def run(self) -> Iterator[list[Gained]]:
        """What the transcripts have gained, each time they have. Ends with the pipe, or when ``stop`` is set.

        Raises UnreadableError for what is no gateway's log.
        """
        source = self._source()
        trouble: str | None = None
        try:
            while True:
                dry = self._read(source)
                if source.trouble != trouble:
                    trouble = source.trouble
                    self._warn(f"{self._where}: {trouble}; trying again" if trouble else f"{self._where}: read again")
                if gained := self._flush():
                    yield gained
                if self._stop.is_set() or (source.ended and not self._pending):
                    break
                if dry or self._pending:
                    source.wait(max(0.0, self._again - time.monotonic()) if self._pending else None)
        finally:
            source.close()
            for transcript in self._transcripts.values():
                transcript.close()
            self.held_back += self._reader.begin_anew() if self._reader is not None else bool(self._head)

    def _source(self) -> Tail | Pipe:
        if str(self._where) == sources.STDIN:
            return Pipe(self._stop)
        path = Path(self._where)
        try:
            if file.exists(path) and not path.is_dir():
                next(raw.blocks(path), None)  # what can't be read at all is told at once
            own = path.is_dir() or self._is_log(path.with_name(path.name + ".1"))
            return Tail(path, self._stop, pattern=DATED, rotated=own)
        except ValueError as error:  # a NUL in the name
            raise UnreadableError(path, str(error)) from None

    def _is_log(self, rotated: Path) -> bool:
        """Whether it is the log's part before: the attempts that were under way when it was renamed began in it."""
        try:
            return rotated.is_file() and raw.log_form(next(raw.blocks(rotated), b"")) is not None
        except UnreadableError as error:
            self._warn(f"{error}; going on without it")
            return False

    def _read(self, source: Tail | Pipe) -> bool:
        """Take what there is, as long as not too much waits; whether there is no more."""
        for _ in range(16):  # a log that grows as fast as it is read still gets its events written
            if self._stop.is_set() or self.waiting >= MOST:
                return False
            chunk = source.read()
            if chunk is None:
                return True
            for told in self._told(chunk):
                for session, known in self._owners.of(told):
                    self._put(session, known)
        return False

    def _told(self, chunk: Chunk) -> Iterator[Told]:
        if chunk.begins_anew:
            self._head = b""
            if self._reader is not None:
                self.held_back += self._reader.begin_anew()
        if self._reader is not None:
            return self._reader.feed(chunk.data)
        self._head += chunk.data
        whole = self._head[: self._head.rfind(b"\n") + 1]
        form = raw.log_form(whole)
        if form is not None:
            self._reader, self._owners.form = LogReader(form, KEPT), form
            head, self._head = self._head, b""
            return self._reader.feed(head)
        if whole.startswith(b"{") or b"\n{" in whole or len(self._head) > _HEAD:
            raise UnreadableError(
                self._where, "is no gateway's log", "name OpenClaw's console log or its JSON file log"
            )
        return iter(())

    def _put(self, session: str, told: Told) -> None:
        if not is_name(session):
            self._unnamable += 1
            return
        reader = self._reader
        source = f"openclaw-{'' if reader is None else reader.form}"
        event = ours(told.event, self._aliases, source)
        if session not in self._transcripts:
            self._transcripts[session] = Transcript(self._into, session, source, self._protection)
        self._pending.setdefault(session, {}).setdefault(event.id, (told.number, event))  # of two alike the first

    def _flush(self) -> list[Gained]:
        """Write what waits. What the disk refuses waits on."""
        if not self._pending or (self._again > time.monotonic() and not self._stop.is_set()):
            return []
        gained: list[Gained] = []
        refused: str | None = None
        for session in list(self._pending):
            transcript = self._transcripts[session]
            events = sorted(self._pending[session].values(), key=lambda one: one[0])
            try:
                written, behind = transcript.write(events, force=self._force, skip=True)
            except MisuseError:
                raise
            except (OSError, SwitchlogError) as error:
                refused = refused or _why(error, transcript.path)
                transcript.close()
                continue
            del self._pending[session]
            gained += (Gained(session, transcript.path, event) for event in written)
            self._leave_out(session, behind)
            self._forget_oldest(session)
        self._refuse(refused)
        self.imported += len(gained)
        return gained

    def _forget_oldest(self, used: str) -> None:
        """Keep few descriptors; a transcript that is needed again is read again."""
        self._transcripts.move_to_end(used)
        done = [name for name in self._transcripts if name not in self._pending]
        for name in done[:-_OPEN]:
            self._transcripts.pop(name).close()

    def _refuse(self, why: str | None) -> None:
        if why is None:
            if self._refused is not None:
                self._warn("what waited is written")
            self._again, self._pause, self._refused = 0.0, _SOONEST, None
            return
        self._again = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LATEST)
        if why != self._refused:
            self._refused = why
            self._warn(f"{why}; what can't be written waits ({self.waiting} so far), and is tried again")

    def _leave_out(self, session: str, behind: list[Behind]) -> None:
        self.behind += len(behind)
        if behind and session not in self._warned:
            self._warned.add(session)
            first = behind[0]
            remedy = (
                "such events are left out, and counted at the end; --force writes them behind, as if they came last"
            )
            self._warn(f"{misplaced(session, first.event, first.why)}; {remedy}")


def _why(error: OSError | SwitchlogError, path: Path) -> str:
    if isinstance(error, OSError):
        return f"{path}: can't be written: {(error.strerror or str(error)).lower()}"
    return str(error)
