"""A simulated disk behind the log's own system calls, and the states that a power cut can leave on it.

Law: the real code of ``Session``, ``Log`` and ``read_events`` runs on it, and nothing of the real disk is touched. What
was synced survives every crash (unless the disk lies); of all else any block, any length and any name may be lost. No
chance in here: who asks for a crash says which one.

A file is what the page cache holds, what the platter holds, and which blocks differ. Appends only, as the log's own:
so a block's older versions are beginnings of its newest one. A folder is its names, and those it may fall back to.
"""

import errno
import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from eventlog import file

ROOT: Final = Path("/switchlog-simulated-disk")
"""Where the simulated folder is. There is no such folder on a real disk."""

Image = dict[str, bytes]
"""What a crash leaves: the files of the folder and their bytes."""

EPOCH: Final = datetime(2026, 4, 2, 4, 55, tzinfo=UTC)
_descriptors: Final = itertools.count(1 << 30)  # never one of the real ones, and none is used again
_MILLISECOND: Final = 1_000_000
_PREFIX: Final = f"{ROOT}/"


class Held(NamedTuple):
    """A file as memory and platter hold it. A block of ``dirty`` may be on the platter in any version since."""

    cache: bytes = b""
    platter: bytes = b""
    dirty: frozenset[int] = frozenset()
    ends: tuple[int, ...] = ()
    """Where each write since the last sync ended."""

    def surviving(self, block: int, size: int, reached: Mapping[int, int], stale: bytes = b"") -> bytes:
        """The bytes after a crash: ``size`` of them; of each dirty block what was written up to ``reached[number]``.

        The rest of a block is what the platter held, zeros where that was nothing, or ``stale``: what the blocks
        belonged to before.
        """
        parts = []
        for number in range(-(-size // block)):
            start, end = number * block, (number + 1) * block
            written = min(reached.get(number, end), end) if number in self.dirty else 0
            if written > max(start, len(self.platter)):  # else older than what is on the platter
                part = self.cache[start:written]
            elif number in self.dirty and start >= len(self.platter):
                part = stale[start:end]
            else:
                part = self.platter[start:end]
            parts.append(part + bytes(block - len(part)))
        return b"".join(parts)[:size]


class Inode:
    """A file, whatever its name."""

    def __init__(self, number: int, held: Held, modified_ns: int) -> None:
        self.number, self.held, self.modified_ns = number, held, modified_ns
        self.locked: int | None = None

    def sync(self, block: int) -> None:
        """What memory holds is on the platter, but for pages that an earlier failed sync called clean."""
        held = self.held
        if held.dirty or len(held.platter) < len(held.cache):
            platter = held.surviving(block, len(held.cache), {})
            self.held = Held(held.cache, platter)


class Point(NamedTuple):
    """A moment at which the power may go: all that is needed to say what a crash leaves."""

    names: tuple[dict[str, Inode], ...]
    """What the folder may hold afterwards; the last is what it holds now."""
    held: dict[Inode, Held]
    promised: Any
    """What the tester noted: the promises that stand at this moment."""


class Disk:
    """One folder of files, its clock and its faults. Each change adds a :class:`Point`."""

    def __init__(self, files: Mapping[str, bytes] | None = None, block: int = 512, wall_ms: int = 0) -> None:
        self.block = block
        self.points: list[Point] = []
        self.promised: Any = None
        self.on_write: Callable[[bytes], None] = lambda _: None
        self.short: int | None = None  # so many bytes of the next write are taken
        self.room: int | None = None  # bytes that are free
        self.sync_fails = ""  # the next sync fails and its pages are then "clean" or "gone"
        self.folder_sync_fails = False
        self.lies = ""  # a sync does nothing: the data comes with the next honest one ("late") or never does
        self.wall_ms = wall_ms
        self.monotonic_ms = 0
        self._opened: dict[int, Inode] = {}
        self._positions: dict[int, int] = {}
        self._names: dict[str, Inode] = {}
        for name, data in (files or {}).items():
            self._names[name] = Inode(self._number(), Held(data, data), self._now_ns())
        self._versions: tuple[dict[str, Inode], ...] = (self._names,)
        self.note()

    # What a host or an operator does, without lock or sync of their own.

    def note(self) -> None:
        """The power may go now."""
        inodes = {inode for names in self._versions for inode in names.values()}
        self.points.append(Point(self._versions, {inode: inode.held for inode in inodes}, self.promised))

    def read(self, name: str) -> bytes:
        return self._names[name].held.cache

    def image(self) -> Image:
        """What the files hold now, as any process sees them."""
        return {name: inode.held.cache for name, inode in self._names.items()}

    def add(self, name: str, data: bytes) -> None:
        """Append as a host does."""
        if name not in self._names:
            self._create(name)
        self._add(self._names[name], data)

    def settle(self, name: str) -> None:
        """A host syncs its file and the folder."""
        self._names[name].sync(self.block)
        self._versions = (self._names,)
        self.note()

    def replace(self, name: str, data: bytes, *, synced: bool) -> None:
        """Another file takes the name, as an editor or a compacting host does it: written aside, then renamed."""
        inode = Inode(self._number(), Held(), self._now_ns())
        inode.held = Held(data, data) if synced else self._grown(inode.held, data)
        self._rename({**self._names, name: inode})

    def remove(self, name: str) -> None:
        self._rename({key: inode for key, inode in self._names.items() if key != name})

    def jump(self, milliseconds: int) -> None:
        """The wall clock is set anew."""
        self.wall_ms += milliseconds

    def pass_time(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.monotonic_ms += round(seconds * 1000)

    # The functions of eventlog.file.

    def open_append(self, path: Path, *, create: bool) -> int:
        name = self._name(path)
        if name not in self._names:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
            if self.room is not None and self.room <= 0:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            self._create(name)
        return self.open_read(path)

    def open_read(self, path: Path) -> int:
        name = self._name(path)
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        fd = next(_descriptors)
        self._opened[fd] = self._names[name]
        return fd

    def close(self, fd: int) -> None:
        self.unlock(fd)
        self._opened.pop(fd, None)
        self._positions.pop(fd, None)

    def lock(self, fd: int) -> None:
        inode = self._inode(fd)
        assert inode.locked in (None, fd), "a lock that nobody gives back"
        inode.locked = fd

    def unlock(self, fd: int) -> None:
        inode = self._opened.get(fd)
        if inode is not None and inode.locked == fd:
            inode.locked = None

    def identify(self, fd: int) -> file.Identity:
        return self._identity(self._inode(fd))

    def identify_path(self, path: Path) -> file.Identity | None:
        inode = self._names.get(self._name(path))
        return None if inode is None else self._identity(inode)

    def read_at(self, fd: int, offset: int, size: int) -> bytes:
        return self._inode(fd).held.cache[offset : offset + max(size, 0)]

    def write(self, fd: int, data: bytes) -> int:
        inode = self._inode(fd)
        assert inode.locked == fd, "written without the lock"
        self.on_write(data)
        most = len(data)
        if self.short is not None:
            most, self.short = min(self.short, most), None
        if self.room is not None:
            most = min(most, self.room)
            if most <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.room -= most
        self._add(inode, data[:most])
        self._positions[fd] = len(inode.held.cache)
        return most

    def written_to(self, fd: int) -> int:
        self._inode(fd)
        return self._positions[fd]

    def sync(self, fd: int) -> None:
        inode = self._inode(fd)
        if self.sync_fails:
            mode, self.sync_fails = self.sync_fails, ""
            clean = inode.held._replace(dirty=frozenset(), ends=())
            inode.held = clean if mode == "clean" else clean._replace(cache=self._lost(clean))
            self.note()
            raise OSError(errno.EIO, "Input/output error")
        if self.lies == "never":
            inode.held = inode.held._replace(dirty=frozenset(), ends=())
        elif not self.lies:
            inode.sync(self.block)
        self.note()

    def sync_folder(self, folder: Path) -> None:
        assert folder == ROOT, folder
        if self.folder_sync_fails:
            self.folder_sync_fails = False
            raise OSError(errno.EIO, "Input/output error")
        if not self.lies:
            self._versions = (self._names,)
        self.note()

    def exists(self, path: Path) -> bool:
        return path == ROOT or self._name(path) in self._names

    # Inside.

    def _now_ns(self) -> int:
        return int(EPOCH.timestamp()) * 1_000 * _MILLISECOND + self.wall_ms * _MILLISECOND

    def _number(self) -> int:
        """The lowest number that is free: a new file soon has that of one that is gone."""
        taken = {inode.number for inode in (*self._names.values(), *self._opened.values())}
        return next(number for number in itertools.count(11) if number not in taken)

    def _name(self, path: Path) -> str:
        assert inside(path), path
        return str(path)[len(_PREFIX) :]

    def _inode(self, fd: int) -> Inode:
        if fd not in self._opened:
            raise OSError(errno.EBADF, "Bad file descriptor")
        return self._opened[fd]

    def _identity(self, inode: Inode) -> file.Identity:
        return file.Identity(1, inode.number, len(inode.held.cache), inode.modified_ns)

    def _create(self, name: str) -> None:
        self._rename({**self._names, name: Inode(self._number(), Held(), self._now_ns())})

    def _rename(self, names: dict[str, Inode]) -> None:
        self._names = names
        self._versions = (*self._versions, names)
        self.note()

    def _grown(self, held: Held, data: bytes) -> Held:
        start, end = len(held.cache), len(held.cache) + len(data)
        touched = range(start // self.block, -(-end // self.block))
        return Held(held.cache + data, held.platter, held.dirty | set(touched), (*held.ends, end))

    def _lost(self, clean: Held) -> bytes:
        """The file as it is read once the pages that could not be written are dropped."""
        return clean.platter[: len(clean.cache)].ljust(len(clean.cache), b"\0")

    def _add(self, inode: Inode, data: bytes) -> None:
        self.pass_time(0.001)
        inode.held = self._grown(inode.held, data)
        inode.modified_ns = self._now_ns()
        self.note()


def inside(path: Path) -> bool:
    """Whether the path is the simulated folder or in it."""
    text = str(path)
    return text.startswith(_PREFIX) or text == _PREFIX[:-1]
