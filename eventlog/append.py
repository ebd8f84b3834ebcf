"""The append protocol: one event becomes one durable line behind everything that others have written.

Law: an event is acknowledged (``append`` returns) only when its line is on the disk. Nothing in the file is ever
overwritten or cut off. Errors of the system pass through as OSError; what to do without a disk is the session's
business.

Under the file's lock, for each call: see that the path still names this file, fold what has come, let the caller
decide again, then for each event one ``write`` and one ``fdatasync``. If the last byte is no newline, somebody
crashed in mid-line: our line starts with one, in the same write.

Which file that is and who holds it is the business of :mod:`eventlog.descriptor`; what its lines say, of
:mod:`eventlog.known`.
"""

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from eventlog import codec, file, sources
from eventlog.descriptor import Descriptor
from eventlog.errors import MisuseError
from eventlog.known import Known
from eventlog.look import OUR_TYPES
from eventlog.protection import OPEN, Protection
from eventlog.report import Report
from replay import INITIAL, Event, ModelState, Recorded
from replay.events import format_time

Durability = Literal["disk", "process"]
"""``disk``: synced before it is acknowledged. ``process``: survives the process, not the machine."""

REMEMBERED: Final = 256
"""So many of the last acknowledged events are written again where a file was replaced by one without them."""

STILL: Final = 0.2
"""Seconds for which a host's file must have stood still before we end its unfinished line."""

_PATIENCE: Final = 2.0


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
        self._descriptor = Descriptor(path)
        self.durability = durability
        self.protection = protection
        self._base = base  # what another file tells, which comes before this one
        self._name = sources.session_name(path)
        self._acknowledged: OrderedDict[str | None, Event] = OrderedDict()
        self._doubts = 0  # how often it had to be asked whether all that we have acknowledged stands in the file
        self._answered = 0  # of these, how many have been answered by writing what it lacked
        self._begin()

    @property
    def path(self) -> Path:
        """Where the log is."""
        return self._descriptor.path

    @property
    def session(self) -> str:
        """The id that our records carry."""
        return self._known.reader.report.session or self._name

    @property
    def state(self) -> ModelState:
        """The state after the last whole event, an unterminated one included."""
        if self._known.behind:
            with self.mutex():
                self._known.fold_own()
        return self._known.state

    @property
    def position(self) -> int:
        """The position of the last event: that of the state, which is not folded for it."""
        with self.mutex():
            return self._known.position

    @property
    def report(self) -> Report:
        """The condition of the file, as far as it has been read."""
        if self._known.behind:
            with self.mutex():
                self._known.fold_own()
        return self._known.now.report

    def known(self) -> ModelState | None:
        """The state as of the last look at the file; None if it could be told only once another thread is done."""
        if self._known.behind:
            lock = self._descriptor.thread_lock
            if not lock.acquire(blocking=False):  # in a forked child it may be held for ever
                return None
            try:
                self._known.fold_own()
            finally:
                lock.release()
        return self._known.state

    def current(self) -> bool:
        """Whether the file stands as it was last read: one ``lstat``, and no lock that a sync could hold."""
        descriptor = self._descriptor
        found = file.identify_path(descriptor.path)
        if found is None:  # if it was read it is gone, and the next append brings it back
            return descriptor.identity is None and self._known.size == 0
        return found.same_file(descriptor.identity) and found.size == self._known.told

    def refresh(self) -> None:
        """Fold what others have written. One ``lstat`` where nobody has."""
        with self.mutex():
            if self.current():
                return
            if self._descriptor.open(self._begin, create=False) is not None:
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
                self._descriptor.unlock()

    def add(self, event: Event) -> Recorded:
        """:meth:`append` for an event that is the same whatever the state, so that nothing has to be folded first.

        The caller holds :meth:`mutex`.
        """
        try:
            self._begin_append()
            return self._write(event)
        finally:
            self._descriptor.unlock()

    def write(self, line: Mapping[str, object]) -> None:
        """Write a line of the host's own, in the same way; ``parentId`` is added if it has an ``id`` and none.

        Raises OSError if the disk refuses: the host knows better than we what to do with its line.
        """
        if line.get("type") in OUR_TYPES or "seal" in line:
            raise MisuseError(f"a line of type {line.get('type')!r} is none of the host's")
        with self.mutex():
            try:
                self._catch_up(self._lock())
                lead = self._end_of_torn()
                entry = "id" in line and "parentId" not in line and line.get("type") != "session"
                chained = {"parentId": self._known.before(self._read)[0]} if entry else {}
                self._put(lead, codec.dumps({**line, **chained}))
            finally:
                self._descriptor.unlock()

    def acknowledged(self, event: Event) -> bool:
        """Whether the event's line is durable, as far as we know."""
        return event.id in self._acknowledged

    def holds(self, event: Event) -> bool:
        """Whether the event's line stands in the file, durable or not."""
        return self._known.holds(event)

    def close(self) -> None:
        """Give the descriptor back; the next use opens the file anew."""
        with self.mutex():
            self._descriptor.forget()

    def mutex(self) -> threading.RLock:
        """This process's own lock, which each method takes; by holding it one makes one step of several."""
        return self._descriptor.mutex()

    def _begin(self) -> None:
        """Forget what was read: the file will be read from its first byte."""
        self._known = Known(self._name, self._base, self.protection)
        self._doubts += 1

    def _begin_append(self) -> None:
        """Lock the file, read what is new, and write what we have acknowledged and it lacks."""
        self._catch_up(self._lock())
        if self._answered != self._doubts:
            doubts = self._doubts  # a host that cuts the file in the meantime raises another
            for event in self._missing():
                self._write(event)
            self._answered = doubts

    def _lock(self) -> file.Identity:
        """Open and lock the file that the path names, and how it stands."""
        return self._descriptor.lock(self._begin)

    def _catch_up(self, found: file.Identity | None = None) -> None:
        """Read and fold what has been appended since; all of it if the file was cut or written anew.

        ``found``: how the file stands, if somebody has just looked.
        """
        fd = self._descriptor.fd
        if fd is None:
            return
        identity = self._descriptor.identity = found or file.identify(fd)
        size, edge = self._known.size, self._known.edge
        if identity.size < size or file.read_at(fd, size - len(edge), len(edge)) != edge:
            self._begin()
        elif identity.size == self._known.told:
            return
        known = self._known
        while block := file.read_at(fd, known.size, min(file.BLOCK, identity.size - known.size)):
            known.take(block)
        known.look_ahead()

    def _missing(self) -> list[Event]:
        """What we have acknowledged and this file lacks: it was replaced by an older copy, or cut."""
        self._known.fold_own()
        knows = self._known.reader.knows
        return [event for key, event in self._acknowledged.items() if key is not None and not knows(key)]

    def _write(self, event: Event) -> Recorded:
        # First of all: it may wait for the host, and what that wrote is our parent. Behind our own line nobody waits.
        lead = self._lead(event) if self._known.last is None else b""
        parent, prev = self._known.before(self._read)
        record = codec.encode(event, session=self.session, parent_id=parent, prev=prev, protection=self.protection)
        offset = self._put(lead, record.data, record)
        self._acknowledged[event.id] = event
        if len(self._acknowledged) > REMEMBERED:
            self._acknowledged.popitem(last=False)
        return Recorded(event, self._known.position, offset)

    def _put(self, lead: bytes, line: bytes, record: codec.Record | None = None) -> int:
        """Write the line, durably; the offset at which it stands. ``record``: what it is, if it is ours."""
        fd, known = self._descriptor.opened(), self._known
        data = lead + line + b"\n"
        before = known.size
        written = file.write(fd, data)
        if written < len(data):
            # The rest alone would be no line. What was written is a torn one now; the whole line goes behind it.
            again = b"\n" + line + b"\n" if written < len(data) - 1 else b"\n"
            if (taken := file.write(fd, again)) < len(again):
                raise OSError(f"short write: {taken} of {len(again)} bytes")
            written, data, record = written + taken, data[:written] + again, None
        if self.durability == "disk":
            self._descriptor.sync()
        end = file.written_to(fd)
        if end != before + written:  # a host that doesn't lock has written, or cut the file, in between
            self._catch_up()
            self._doubts += 1
        elif record is None or lead:
            known.take(data)
            known.look_ahead()
        else:
            known.take_own(data, record)
        return end - 1 - len(line)

    def _lead(self, event: Event) -> bytes:
        """What has to stand before the record: a new file's header, or the end of somebody's torn line."""
        end = self._end_of_torn()
        if self._known.size == 0:
            stamp = format_time(event.timestamp) if event.timestamp is not None else ""
            return codec.header(self.session, stamp, file.working_folder()) + b"\n"
        return end

    def _end_of_torn(self) -> bytes:
        if self._known.reader.open_end and self._known.reader.hosted:
            self._wait_for_host()
        return b"\n" if self._known.reader.open_end else b""

    def _wait_for_host(self) -> None:
        """An unfinished line in a host's file may be one that it is writing right now."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            identity = file.identify(self._descriptor.opened())
            # A time far ahead is that of a clock which was set back since: nobody has written just now.
            if identity.size == self._known.size and abs(time.time() - identity.modified_ns / 1e9) >= STILL:
                return
            time.sleep(STILL / 10)
            self._catch_up()
            if not self._known.reader.open_end:
                return
        raise BlockingIOError(f"{self.path}: its host is still writing its last line")

    def _read(self, offset: int, length: int) -> bytes:
        return file.read_at(self._descriptor.opened(), offset, length)
