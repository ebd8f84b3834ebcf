"""The one descriptor by which this process holds a log file, and the locks that go with it.

Law: it is locked only as the file that the path names. It belongs to the process that opened it: a forked child opens
its own, since ``flock`` on a shared one would count for both. After a failed sync it is never used again.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from eventlog import file


class Descriptor:
    """The file that a path names, held open between appends. Whoever uses it holds its :meth:`mutex`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.creates = True
        """Whether a file that is not there is ours to make."""
        self.fd: int | None = None
        self.identity: file.Identity | None = None
        """Which file it is, and how it stood when it was last looked at."""
        self.thread_lock = threading.RLock()
        """What :meth:`mutex` gives; in a forked child it may be held for ever."""
        self._name_durable = False
        self._pid = os.getpid()

    def mutex(self) -> threading.RLock:
        """This process's own lock: ``flock`` does not keep its threads apart. A forked child starts with new ones."""
        if self._pid != os.getpid():
            self._pid, self.thread_lock = os.getpid(), threading.RLock()
            self.forget()  # the parent's lock on this descriptor would count as ours
            self.identity = None  # what another thread was reading then is half read: from the first byte again
        return self.thread_lock

    def forget(self) -> None:
        """Close it, its lock with it; the next use opens the file anew."""
        if self.fd is not None:
            file.close(self.fd)
        self.fd = None

    def opened(self) -> int:
        """The descriptor of a file that has been opened. Raises FileNotFoundError if it is closed."""
        if self.fd is None:
            raise FileNotFoundError(self.path)
        return self.fd

    def open(self, begin: Callable[[], None], *, create: bool) -> int | None:
        """The descriptor of the file that the path names now; None if there is none and it is not to be made.

        ``begin`` is called if that is another file than before: nothing that was read of it holds any more.
        """
        named = file.identify_path(self.path)
        if self.fd is not None and named is not None and named.same_file(self.identity):
            return self.fd
        self.forget()
        if named is None:
            self.identity = None  # the number of a file that is gone may be the next one's
            if not create:
                return None
        self.fd = file.open_append(self.path, create=create)
        self._name_durable = False  # also of the file that we know: a new one may have got its number
        identity = file.identify(self.fd)
        if not identity.same_file(self.identity):
            begin()
        self.identity = identity
        return self.fd

    def lock(self, begin: Callable[[], None]) -> file.Identity:
        """:meth:`open` and lock the file that the path names, and how it stands: it may be replaced while we wait."""
        fd = self.fd  # one that we have is tried first: that it is still the file is seen under the lock anyway
        while True:
            if fd is None and (fd := self.open(begin, create=self.creates)) is None:
                raise FileNotFoundError(self.path)
            file.lock(fd)
            named = file.identify_path(self.path)
            if named is not None and named.same_file(self.identity):
                return named
            file.unlock(fd)
            fd = None

    def unlock(self) -> None:
        """Give the file's lock back."""
        if self.fd is not None:  # else closed, its lock with it; its number may be somebody else's by now
            file.unlock(self.fd)

    def sync(self) -> None:
        """Return once what was written is on the disk, and the file's name."""
        try:
            file.sync(self.opened())
        except OSError:
            self.forget()  # after a failed sync the system may call lost pages clean: never trust it again
            raise
        if not self._name_durable:  # whoever made the file may have crashed before its name was on the disk
            file.sync_folder(self.path.parent)
            self._name_durable = True
