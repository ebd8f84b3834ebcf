"""The wait for what happens around a name: in its folder, or to the files that are read by it.

Law: whoever begins before its first look misses nothing that the system tells; whoever waits is woken by what the
system tells, by the growth of a file, or by ``stop``, whichever is first. Nothing is read here, and what woke it is not
said: that is for the next look to find out.

The system's word alone would not do: it comes a step late, for more might follow, and some changes go untold (of a file
with two names, what is done by the other one). Where it tells nothing at all, only ``stop`` wakes: there one has to
look now and then.
"""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventlog import file

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

STEP: Final = 3
"""Milliseconds between two looks: at what the system told, and whether the file that is read has grown. Growth is seen
at the next look, 1.5 ms later in the middle; all else at the one after that, for what was told is grouped over a step.
The looks cost 2 % of a core. They are no rarer after a rest: events are seldom, and most come after one."""

End = tuple[int, int]
"""An open file, and where it ended when that was asked last."""


class Watch:
    """What the system tells of a name: ``begin``, and where it ``tells``, ``wait``."""

    def __init__(self, where: Path, stop: threading.Event, *, folder: bool, polling: bool | None) -> None:
        """``folder``: what is meant may be within ``where``. ``polling``: don't let the system tell; if left out, only
        on a network file system, where it would not tell what others do."""
        self._where = where
        self._stop = stop
        self._folder = folder
        self._polling = file.network_file_system(where) is not None if polling is None else polling
        self._watcher: RustNotify | None = None
        self._watched: list[tuple[str, file.Identity | None]] = []

    @property
    def tells(self) -> bool:
        """Whether the system tells of changes now."""
        return self._watcher is not None

    def begin(self) -> bool:
        """Let the system tell of changes in the folders concerned; whether that has begun only now.

        Call it before each wait: a folder may have come, or another one have taken its place.
        """
        if self._polling:
            return False
        folder = self._where if self._folder and self._where.is_dir() else self._where.parent
        # A name may be a link to today's file, and what happens to that one is told where it is.
        target = folder if folder == self._where else Path(os.path.realpath(self._where)).parent
        folders = sorted({os.path.realpath(folder), str(target.absolute())})
        wanted = [(name, _identity(name)) for name in folders]
        if wanted == self._watched:
            return False
        from watchfiles._rust_notify import RustNotify

        self.close()
        self._watched = wanted
        there = [name for name, found in wanted if found is not None]
        with suppress(OSError, RuntimeError):  # gone again, or the system's watches are used up: then it is polled
            self._watcher = RustNotify(there, False, False, 300, False, True) if there else None
        return self.tells

    def wait(self, seconds: float, ends: Sequence[End] = ()) -> None:
        """Return as soon as the system tells of something or one of the files has grown; after ``seconds`` in any case.

        Where it ``tells`` nothing, only ``stop`` is waited for.
        """
        if self._watcher is None:
            self._stop.wait(seconds)
            return
        stirred = _Stirred(self._stop, ends)
        if self._watcher.watch(2 * STEP, STEP, max(1, round(seconds * 1000)), stirred) == "signal":
            raise KeyboardInterrupt

    def close(self) -> None:
        """Give back what the system lent."""
        if self._watcher is not None:
            self._watcher.close()
        self._watcher = None


class _Stirred:
    """What watchfiles asks at each step whether to stop waiting: ``stop`` is set, or one of the files has grown.

    What the system tells is handed on a step later, for more might come; whoever only wants to read need not wait for
    that. What had grown before is left to the system's word: who has no room to read it would else never wait. The end
    of a file is the cheapest question about it (``fstat`` costs three times as much).
    """

    def __init__(self, stop: threading.Event, ends: Sequence[End]) -> None:
        self._stop = stop
        self._ends = ends

    def is_set(self) -> bool:
        if self._stop.is_set():
            return True
        for fd, end in self._ends:  # noqa: SIM110  (asked 300 times a second: a generator costs as much again)
            if end_of(fd) != end:
                return True
        return False


def end_of(fd: int) -> int:
    """Where a file ends; it is read by offset, so that nobody minds where its descriptor stands."""
    try:
        return os.lseek(fd, 0, os.SEEK_END)
    except OSError:  # a network's file gone stale: the reading tells
        return -1


def _identity(folder: str) -> file.Identity | None:
    """Which folder this is; its size and times change with what is in it."""
    try:
        found = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return file.Identity(found.st_dev, found.st_ino, 0, 0)
