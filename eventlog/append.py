"""The append protocol: one event becomes one durable line behind everything that others have written.

Law: an event is acknowledged (``append`` returns) only when its line is on the disk. Nothing in the file is ever
overwritten or cut off. Errors of the system pass through as OSError; what to do without a disk is the session's
business.

Under the file's lock, for each call: see that the path still names this file, fold what has come, let the caller
decide again, then for each event one ``write`` and one ``fdatasync``. If the last byte is no newline, somebody
crashed in mid-line: our line starts with one, in the same write.

A line of our own is folded when the state is next asked for: until then it waits as what it is, whole, sealed and
behind whole lines, and all that the next append needs of it is its id, its seal and its last bytes.
"""

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from eventlog import codec, file, sources
from eventlog.errors import MisuseError
from eventlog.look import OUR_TYPES
from eventlog.protection import OPEN, Protection
from eventlog.reader import Reader
from eventlog.report import Report
from eventlog.usual import LONGEST_ID
from replay import INITIAL, Event, ModelState, Recorded, fold
from replay.events import format_time

Durability = Literal["disk", "process"]
"""``disk``: synced before it is acknowledged. ``process``: survives the process, not the machine."""

REMEMBERED: Final = 256
"""So many of the last acknowledged events are written again where a file was replaced by one without them."""

STILL: Final = 0.2
"""Seconds for which a host's file must have stood still before we end its unfinished line."""

_PATIENCE: Final = 2.0
_EDGE: Final = 64
"""So many of the last bytes are looked at again, to see that the file was not cut and written anew. Each record has
more, and no two have the same: they hold its seal."""

_BEHIND: Final = 256
"""So many of our own records may wait to be folded; to keep more would only cost memory."""


class Log:
    """One log file of this process: what it says so far, and a way to add to it. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        durability: Durability = "disk",
        base: ModelState = INITIAL,
        protection: Protection = OPEN,
    ) -> None:
        with contextlib.suppress(FileNotFoundError):  # a process whose folder is gone
            path = path.absolute()  # one that goes elsewhere must not begin a second log there
        self.path = path
        self.durability = durability
        self.protection = protection
        self._base = base  # what another file tells, which comes before this one
        self._name = sources.session_name(path)
        self._acknowledged: OrderedDict[str | None, Event] = OrderedDict()
        self._fd: int | None = None
        self._identity: file.Identity | None = None
        self._name_durable = False
        self._doubts = 0  # how often it had to be asked whether all that we have acknowledged stands in the file
        self._answered = 0  # of these, how many have been answered by writing what it lacked
        self._pid = os.getpid()
        self._thread_lock = threading.RLock()
        self._begin()

    @property
    def session(self) -> str:
        """The id that our records carry."""
        return self._reader.report.session or self._name

    @property
    def state(self) -> ModelState:
        """The state after the last whole event, an unterminated one included."""
        if self._behind:
            with self.mutex():
                self._fold_own()
        return self._state

    @property
    def position(self) -> int:
        """The position of the last event: that of the state, which is not folded for it."""
        with self.mutex():
            return self._position

    @property
    def report(self) -> Report:
        """The condition of the file, as far as it has been read."""
        if self._behind:
            with self.mutex():
                self._fold_own()
        return self._now.report

    def known(self) -> ModelState | None:
        """The state as of the last look at the file; None if it could be told only once another thread is done."""
        if self._behind:
            if not self._thread_lock.acquire(blocking=False):  # in a forked child it may be held for ever
                return None
            try:
                self._fold_own()
            finally:
                self._thread_lock.release()
        return self._state

    def current(self) -> bool:
        """Whether the file stands as it was last read: one ``lstat``, and no lock that a sync could hold."""
        found = file.identify_path(self.path)
        if found is None:
            return self._identity is None and self._size == 0  # else it is gone, and the next append brings it back
        return found.same_file(self._identity) and found.size == self._size

    def refresh(self) -> None:
        """Fold what others have written. One ``lstat`` where nobody has."""
        with self.mutex():
            if self.current():
                return
            if self._open(create=False) is not None:
                self._catch_up()

    def append(self, decide: Callable[[ModelState], Iterable[Event]]) -> list[Recorded]:
        """Write the events that ``decide`` makes of the state, once it is up to date and the file is locked.

        Returns them where they stand, after they are durable. Raises OSError if the disk refuses, MisuseError if an
        event has no place in the format; what was written before stays.
        """
        with self.mutex():
            try:
                self._begin_append()
                return [self._write(event) for event in decide(self.state)]
            finally:
                if self._fd is not None:  # else closed, its lock with it; its number may be somebody else's by now
                    file.unlock(self._fd)

    def add(self, event: Event) -> Recorded:
        """:meth:`append` for an event that is the same whatever the state, so that nothing has to be folded first.

        The caller holds :meth:`mutex`.
        """
        try:
            self._begin_append()
            return self._write(event)
        finally:
            if self._fd is not None:
                file.unlock(self._fd)

    def write(self, line: Mapping[str, object]) -> None:
        """Write a line of the host's own, in the same way; ``parentId`` is added if it has an ``id`` and none.

        Raises OSError if the disk refuses: the host knows better than we what to do with its line.
        """
        if line.get("type") in OUR_TYPES or "seal" in line:
            raise MisuseError(f"a line of type {line.get('type')!r} is none of the host's")
        with self.mutex():
            try:
                self._catch_up(self._lock())
                fd = self._fd
                if fd is None:
                    raise FileNotFoundError(self.path)
                lead = self._end_of_torn(fd)
                entry = "id" in line and "parentId" not in line and line.get("type") != "session"
                chained = {"parentId": self._before(fd)[0]} if entry else {}
                self._put(fd, lead, codec.dumps({**line, **chained}))
            finally:
                if self._fd is not None:
                    file.unlock(self._fd)

    def acknowledged(self, event: Event) -> bool:
        """Whether the event's line is durable, as far as we know."""
        return event.id in self._acknowledged

    def holds(self, event: Event) -> bool:
        """Whether the event's line stands in the file, durable or not."""
        return event.id is not None and (event.id in self._behind or self._now.knows(event.id))

    def close(self) -> None:
        """Give the descriptor back; the next use opens the file anew."""
        with self.mutex():
            self._forget()

    def _begin(self) -> None:
        """Forget what was read: the file will be read from its first byte."""
        self._reader = Reader(self._name, self._base.position, self.protection)
        self._now = self._reader
        self._folded = self._state = self._base  # the first is the state after the last line that has its newline
        self._behind: dict[str, codec.Record] = {}  # own records that are not folded yet, by id
        self._position = self._base.position
        self._last: tuple[str | None, str | None] | None = None  # id and seal of our record that is the last line
        self._size = 0
        self._doubts += 1
        self._edge = b""

    def mutex(self) -> threading.RLock:
        """This process's own lock: ``flock`` does not keep its threads apart. A forked child starts with new ones."""
        if self._pid != os.getpid():
            self._pid, self._thread_lock = os.getpid(), threading.RLock()
            self._forget()  # the parent's lock on this descriptor would count as ours
            self._identity = None  # what another thread was reading then is half read: from the first byte again
        return self._thread_lock

    def _forget(self) -> None:
        if self._fd is not None:
            file.close(self._fd)
        self._fd = None

    def _open(self, *, create: bool) -> int | None:
        """The descriptor of the file that the path names now; None if there is none and it is not to be made."""
        named = file.identify_path(self.path)
        if self._fd is not None and named is not None and named.same_file(self._identity):
            return self._fd
        self._forget()
        if named is None:
            self._identity = None  # the number of a file that is gone may be the next one's
            if not create:
                return None
        self._fd = file.open_append(self.path, create=create)
        self._name_durable = False  # also of the file that we know: a new one may have got its number
        identity = file.identify(self._fd)
        if not identity.same_file(self._identity):
            self._begin()
        self._identity = identity
        return self._fd

    def _begin_append(self) -> None:
        """Lock the file, read what is new, and write what we have acknowledged and it lacks."""
        self._catch_up(self._lock())
        if self._answered != self._doubts:
            doubts = self._doubts  # a host that cuts the file in the meantime raises another
            for event in self._missing():
                self._write(event)
            self._answered = doubts

    def _lock(self) -> file.Identity:
        """Open and lock the file that the path names, and how it stands: it may be replaced while we wait."""
        fd = self._fd  # one that we have is tried first: that it is still the file is seen under the lock anyway
        while True:
            if fd is None and (fd := self._open(create=True)) is None:
                raise FileNotFoundError(self.path)
            file.lock(fd)
            named = file.identify_path(self.path)
            if named is not None and named.same_file(self._identity):
                return named
            file.unlock(fd)
            fd = None

    def _catch_up(self, found: file.Identity | None = None) -> None:
        """Read and fold what has been appended since; all of it if the file was cut or written anew.

        ``found``: how the file stands, if somebody has just looked.
        """
        fd = self._fd
        if fd is None:
            return
        self._identity = found or file.identify(fd)
        size = self._identity.size
        if size < self._size or file.read_at(fd, self._size - len(self._edge), len(self._edge)) != self._edge:
            self._begin()
        elif size == self._size:
            return
        while block := file.read_at(fd, self._size, min(file.BLOCK, size - self._size)):
            self._take(block)
        self._look_ahead()

    def _take(self, block: bytes) -> None:
        self._fold_own()
        self._last = None
        self._size += len(block)
        self._edge = (self._edge + block)[-_EDGE:]
        found = self._reader.feed(block)
        self._folded = fold(found, self._folded)

    def _take_own(self, data: bytes, record: codec.Record) -> None:
        """:meth:`_take` of a line that we have just written behind whole lines: nobody needs to read it to know it."""
        event_id = record.id
        if (
            not isinstance(event_id, str)
            or len(event_id) > LONGEST_ID
            or event_id in self._behind
            or self._reader.knows(event_id)
        ):
            self._take(data)  # what an id that is none, too long or taken already means, the reader says
            self._look_ahead()
            return
        if len(self._behind) >= _BEHIND:
            self._fold_own()
        self._behind[event_id] = record
        self._last = (event_id, record.seal)
        self._position += 1
        self._edge = data[-_EDGE:]
        self._size += len(data)  # last of all: who looks without the lock must not take the state before for this one

    def _fold_own(self) -> None:
        """Read and fold what we have written ourselves."""
        if self._behind:
            records = list(self._behind.values())
            # To read many at once costs half of what to take in each of them does; to read one, twice as much.
            lines = b"".join([record.data + b"\n" for record in records])
            found = self._reader.own(records[0]) if len(records) == 1 else self._reader.feed(lines)
            self._folded = fold(found, self._folded)
            self._now, self._state = self._reader, self._folded
            self._behind = {}  # last of all, as above

    def _look_ahead(self) -> None:
        """The state with the unterminated last line, which may still turn out to be something else."""
        self._now, found = self._reader.ahead() if self._reader.open_end else (self._reader, [])
        self._state = fold(found, self._folded)
        self._position = self._state.position

    def _missing(self) -> list[Event]:
        """What we have acknowledged and this file lacks: it was replaced by an older copy, or cut."""
        self._fold_own()
        return [event for key, event in self._acknowledged.items() if key is not None and not self._reader.knows(key)]

    def _write(self, event: Event) -> Recorded:
        fd = self._fd
        if fd is None:
            raise FileNotFoundError(self.path)
        # First of all: it may wait for the host, and what that wrote is our parent. Behind our own line nobody waits.
        lead = self._lead(fd, event) if self._last is None else b""
        parent, prev = self._before(fd)
        record = codec.encode(event, session=self.session, parent_id=parent, prev=prev, protection=self.protection)
        offset = self._put(fd, lead, record.data, record)
        self._acknowledged[event.id] = event
        if len(self._acknowledged) > REMEMBERED:
            self._acknowledged.popitem(last=False)
        return Recorded(event, self._position, offset)

    def _put(self, fd: int, lead: bytes, line: bytes, record: codec.Record | None = None) -> int:
        """Write the line, durably; the offset at which it stands. ``record``: what it is, if it is ours."""
        data = lead + line + b"\n"
        before = self._size
        written = file.write(fd, data)
        if written < len(data):
            # The rest alone would be no line. What was written is a torn one now; the whole line goes behind it.
            again = b"\n" + line + b"\n" if written < len(data) - 1 else b"\n"
            if (taken := file.write(fd, again)) < len(again):
                raise OSError(f"short write: {taken} of {len(again)} bytes")
            written, data, record = written + taken, data[:written] + again, None
        if self.durability == "disk":
            self._sync(fd)
        end = file.written_to(fd)
        if end != before + written:  # a host that doesn't lock has written, or cut the file, in between
            self._catch_up()
            self._doubts += 1
        elif record is None or lead:
            self._take(data)
            self._look_ahead()
        else:
            self._take_own(data, record)
        return end - 1 - len(line)

    def _sync(self, fd: int) -> None:
        try:
            file.sync(fd)
        except OSError:
            self._forget()  # after a failed sync the system may call lost pages clean: never trust it again
            raise
        if not self._name_durable:  # whoever made the file may have crashed before its name was on the disk
            file.sync_folder(self.path.parent)
            self._name_durable = True

    def _lead(self, fd: int, event: Event) -> bytes:
        """What has to stand before the record: a new file's header, or the end of somebody's torn line."""
        end = self._end_of_torn(fd)
        if self._size == 0:
            stamp = format_time(event.timestamp) if event.timestamp is not None else ""
            return codec.header(self.session, stamp, file.working_folder()) + b"\n"
        return end

    def _end_of_torn(self, fd: int) -> bytes:
        if self._reader.open_end and self._reader.hosted:
            self._wait_for_host(fd)
        return b"\n" if self._reader.open_end else b""

    def _wait_for_host(self, fd: int) -> None:
        """An unfinished line in a host's file may be one that it is writing right now."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            identity = file.identify(fd)
            # A time far ahead is that of a clock which was set back since: nobody has written just now.
            if identity.size == self._size and abs(time.time() - identity.modified_ns / 1e9) >= STILL:
                return
            time.sleep(STILL / 10)
            self._catch_up()
            if not self._reader.open_end:
                return
        raise BlockingIOError(f"{self.path}: its host is still writing its last line")

    def _before(self, fd: int) -> tuple[str | None, str | None]:
        """What the next record names: the last entry, whoever wrote it, and the seal of the last record."""
        if self._last is not None:
            return self._last
        parent = self._now.last_entry(lambda offset, length: file.read_at(fd, offset, length))
        return parent, self._now.report.last_seal
