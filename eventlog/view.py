"""One log file as this process sees it: what it says, brought up to date by reading what was added, and no more.

Law: nothing is written here. The file that the path names now is the one that counts: what was read of another, or of
one that was cut or written anew since, is forgotten, and that one is read from its first byte. Where the path names
none any more, what was read still stands.

Which file that is and who holds it is the business of :mod:`eventlog.descriptor`; what its lines say, of
:mod:`eventlog.known`. Here the bytes go from the one to the other.
"""

import contextlib
import threading
from pathlib import Path

from eventlog import file, sources
from eventlog.descriptor import Descriptor
from eventlog.known import Known
from eventlog.protection import OPEN, Protection
from eventlog.report import Report
from replay import INITIAL, Event, ModelState


class View:
    """What a log file says so far. Safe to use from several threads; what adds to the file is :class:`append.Log`."""

    def __init__(self, path: Path, base: ModelState = INITIAL, protection: Protection = OPEN) -> None:
        with contextlib.suppress(FileNotFoundError):  # a process whose folder is gone
            path = path.absolute()  # one that goes elsewhere must not begin a second log there
        self._descriptor = Descriptor(path)
        self.protection = protection
        self._base = base  # what another file tells, which comes before this one
        self._name = sources.session_name(path)
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
