"""The bytes of a file that goes on growing, through everything that happens to files.

Law: every byte that stood in a followed file is given once and in order, as far as a reader can know: a file that was
renamed or deleted is read to its end before the one that took its name; a file that was cut or written anew begins
anew. Nothing is interpreted. What can't be read now is told by ``trouble`` and tried again; it never ends the tail.

What no reader can know: bytes cut off before they were read (copytruncate), and a file that came and went between two
looks, which are milliseconds apart where the system tells of changes (inotify, FSEvents) and a quarter of a second
where it doesn't (network file systems). How one waits for the next look is :mod:`eventlog.watch`'s matter.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from eventlog import file
from eventlog.errors import UnreadableError
from eventlog.watch import End, Watch, end_of

NET: Final = 1.0
"""Seconds after which one looks without having been told to: a change may go untold (bind mounts, links, a new
folder in the place of the watched one)."""

POLL: Final = 0.25
"""Seconds between two looks where nothing tells of changes."""

STILL: Final = 0.25
"""Seconds for which a renamed file must have stood still before the next one is read: it may have another writer."""

PATIENCE: Final = 5.0
"""Seconds after which the next one is read in any case: somebody has gone on writing to it."""

_EDGE: Final = 64


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a file. ``begins_anew``: the first of a file; what was left of a line before them never gets its end."""

    data: bytes
    begins_anew: bool


class Tail:
    """The growing file that a name stands for: ``for chunk in Tail(path): …`` until ``stop`` is set.

    Or by hand, for whoever has to do something in between: ``read`` never waits, ``wait`` waits for a reason to read.
    ``where`` need not be there yet. With a ``pattern`` it may be a folder, and the file that is meant is the last by
    its name (``openclaw-????-??-??.log``: today's). ``rotated``: begin with the part that was renamed last
    (``<name>.1``, or the last but one of the folder), if it is there.
    """

    def __init__(
        self,
        where: Path,
        stop: threading.Event | None = None,
        *,
        pattern: str | None = None,
        rotated: bool = False,
        polling: bool | None = None,
    ) -> None:
        """``polling``: look now and then instead of being told; if left out, only on a network file system."""
        self.stop = threading.Event() if stop is None else stop
        self.trouble: str | None = None
        """Why the file can't be read now; None if all is well."""
        self.ended = False
        self._where = where
        self._pattern = pattern
        self._files: deque[int] = deque()  # the one that is read, and those that took its name since
        self._offset = 0
        self._dry = False  # whether it was read to its end
        self._edge = b""
        self._succeeded: float | None = None  # since when somebody writes to a later one
        self._watch = Watch(where, self.stop, folder=pattern is not None, polling=polling)
        self._watch.begin()  # before the first look: what comes after it is told
        if rotated and (before := self._before()) is not None:
            self._open(before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Chunk]:
        while not self.stop.is_set():
            chunk = self.read()
            if chunk is not None:
                yield chunk
            else:
                self.wait()

    def close(self) -> None:
        """Give back what the system lent."""
        while self._files:
            file.close(self._files.popleft())
        self._watch.close()

    def read(self) -> Chunk | None:
        """The next bytes; None if there are none now."""
        while True:
            self._look()  # first of all: a file that was read after another had taken its name has been read whole
            if not self._files:
                return None
            try:
                data = self._next(self._files[0])
                if data:
                    return data
                if not self._over():
                    return None
            except OSError as error:  # a network's file may go stale: its name is opened again
                self.trouble = _why(error)
                if len(self._files) == 1:
                    self._leave()
                    return None
            self._leave()

    def wait(self, seconds: float | None = None, beside: "Tail | None" = None) -> None:
        """Return as soon as there may be something to read; after ``seconds``, or a second, in any case.

        ``beside``: another one in the same folder, that is waited for too.
        """
        longest = min(NET, seconds if seconds is not None else NET)
        if len(self._files) > 1:
            longest = min(longest, STILL / 2)
        if self._watch.begin():
            return  # a new folder: nobody has told of what came into it before
        if self._watch.tells:
            self._watch.wait(longest, self._ends() + ([] if beside is None else beside._ends()))
        else:
            self._watch.wait(min(POLL, longest))
        self._look()  # who doesn't read now, for want of room, still sees each file that takes the name

    def _look(self) -> None:
        """Open the file that the name stands for now, if it is another one than before."""
        with suppress(FileNotFoundError, NotADirectoryError):  # not there yet, or between two names
            try:
                path = self._named()
                if path is None:
                    return
                found = os.stat(path)  # noqa: PTH116  (the link's target: a name may be a link to today's file)
                newest = file.identify(self._files[-1]) if self._files else None
                if newest is None or (newest.device, newest.inode) != (found.st_dev, found.st_ino):
                    self._open(path)
            except (FileNotFoundError, NotADirectoryError):
                raise
            except (OSError, UnreadableError) as error:
                self.trouble = _why(error)
                return
            self.trouble = None

    def _named(self) -> Path | None:
        if self._pattern is None or not self._where.is_dir():
            return self._where
        return max(self._where.glob(self._pattern), key=lambda path: path.name, default=None)

    def _before(self) -> Path | None:
        if self._pattern is not None and self._where.is_dir():
            found = sorted(self._where.glob(self._pattern), key=lambda path: path.name)
            return found[-2] if len(found) > 1 else None
        path = self._where.with_name(self._where.name + ".1")
        return path if path.is_file() else None

    def _open(self, path: Path) -> None:
        fd = file.open_read(path)
        newest = file.identify(self._files[-1]) if self._files else None
        if file.identify(fd).same_file(newest):  # renamed there and back since it was looked at
            file.close(fd)
            return
        self._files.append(fd)

    def _next(self, fd: int) -> Chunk | None:
        """What stands behind what was read; all of it if that is not there any more."""
        data = file.read_at(fd, self._offset - len(self._edge), len(self._edge) + file.BLOCK)
        if not data.startswith(self._edge):
            self._offset, self._edge = 0, b""
            data = file.read_at(fd, 0, file.BLOCK)
        new = data[len(self._edge) :]
        self._dry = not new
        if self._dry:
            return None
        chunk = Chunk(new, self._offset == 0)
        self._offset += len(new)
        self._edge = data[-_EDGE:]
        return chunk

    def _ends(self) -> list[End]:
        """The files, and where each of them ended: what was read to its end, there, whatever has come since."""
        ends = [(fd, end_of(fd)) for fd in self._files]
        if ends and self._dry:
            ends[0] = (self._files[0], self._offset)
        self._dry = False  # told once: who waits again without reading has no room to read it
        return ends

    def _over(self) -> bool:
        """Whether the file that is read is done: others write to the next one, and nobody to this one any more."""
        if not any(file.identify(later).size for later in list(self._files)[1:]):
            return False  # its writer may hold it long after it was renamed
        now = time.monotonic()
        if self._succeeded is None:
            self._succeeded = now
        quiet = abs(time.time() - file.identify(self._files[0]).modified_ns / 1e9)
        return quiet >= STILL or now - self._succeeded >= PATIENCE

    def _leave(self) -> None:
        file.close(self._files.popleft())
        self._offset, self._edge, self._dry, self._succeeded = 0, b"", False, None


def _why(error: OSError | UnreadableError) -> str:
    if isinstance(error, UnreadableError):
        return error.why
    return f"can't be read: {(error.strerror or str(error)).lower()}"
