"""The append protocol: one event becomes one durable line behind everything that others have written.

Law: an event is acknowledged (``append`` returns) only when its line is on the disk. Nothing in the file is ever
overwritten or cut off. Errors of the system pass through as OSError; what to do without a disk is the session's
business.

Under the file's lock, for each call: see that the path still names this file, fold what has come, let the caller
decide again, then for each event one ``write`` and one ``fdatasync``. If the last byte is no newline, somebody
crashed in mid-line: our line starts with one, in the same write.

How the file is read is the business of :mod:`eventlog.view`, and which file it is and who holds it, of
:mod:`eventlog.descriptor`.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from eventlog import codec, file
from eventlog.errors import MisuseError
from eventlog.look import OUR_TYPES
from eventlog.protection import OPEN, Protection
from eventlog.view import View
from replay import INITIAL, Event, ModelState, Recorded
from replay.events import format_time

Durability = Literal["disk", "process"]
"""``disk``: synced before it is acknowledged. ``process``: survives the process, not the machine."""

REMEMBERED: Final = 256
"""So many of the last acknowledged events are written again where a file was replaced by one without them."""

STILL: Final = 0.2
"""Seconds for which a host's file must have stood still before we end its unfinished line."""

_PATIENCE: Final = 2.0


class Log(View):
    """One log file of this process: what it says so far, and a way to add to it. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        durability: Durability = "disk",
        base: ModelState = INITIAL,
        protection: Protection = OPEN,
    ) -> None:
        self.durability = durability
        self._acknowledged: OrderedDict[str | None, Event] = OrderedDict()  # the last of them, oldest first
        self._doubts = 0  # how often it had to be asked whether all that we have acknowledged stands in the file
        self._answered = 0  # of these, how many have been answered by writing what it lacked
        super().__init__(path, base, protection)  # last of all: it begins, which is the first doubt

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

    def _begin(self) -> None:
        super()._begin()
        self._doubts += 1  # what we have acknowledged may not be in what is read now

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
