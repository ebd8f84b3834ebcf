"""One log file: open, lock, read, write, sync.

Law: the only system calls of the log stand here, as plain functions without any memory, so that a test can put
another disk behind them. What to do with their errors is the caller's business: everything raises OSError as it comes,
except for what is no log file at all (UnreadableError).

Descriptors are O_APPEND (every write goes to the end, whoever else writes), O_CLOEXEC, and O_NOFOLLOW where we write:
a link planted in a sessions folder must not lead our writes elsewhere. ``flock`` and not ``lockf``, whose lock is lost
as soon as *any* descriptor of the file closes.
"""

import contextlib
import errno
import fcntl
import os
import stat as modes
import sys
from pathlib import Path
from typing import Final

from msgspec import Struct

from eventlog.errors import UnreadableError

BLOCK: Final = 1 << 19
"""How much is read at once, in bytes: what is looked at should still lie in the processor's own memory."""


def _keep_freed_memory() -> None:
    """Have glibc keep the memory of a block that was read, for the next one.

    It gives what is free at the heap's end back to the system, beyond twice the largest piece that was ever mapped for
    itself and freed; and each page that it then takes anew costs a fault: a third of the time of reading a large log.
    Here is a large piece, mapped and freed without being touched, which takes 30 µs. Elsewhere it does nothing.
    """
    bytes(8 * BLOCK)


_keep_freed_memory()


class Identity(Struct, frozen=True, gc=False):
    """Which file this is, and how it stands."""

    device: int
    inode: int
    size: int
    modified_ns: int

    def same_file(self, other: "Identity | None") -> bool:
        return other is not None and self.inode == other.inode and self.device == other.device


def open_append(path: Path, *, create: bool) -> int:
    """A descriptor to read and append with; the file is made (0600, in a folder 0700) if ``create``."""
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    if create:
        _make_folder(path.parent)
        flags |= os.O_CREAT
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnreadableError(path, "is a symbolic link", "name the file that it points to") from None
        if error.errno in (errno.EISDIR, errno.ENXIO):
            raise UnreadableError(path, "is no regular file") from None
        raise
    return _regular(fd, path)


def open_new(path: Path, like: int) -> int:
    """A descriptor of a new file, with the owner and the rights of the open file ``like``; what was there goes."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        model, made = os.fstat(like), os.fstat(fd)
        if (model.st_uid, model.st_gid) != (made.st_uid, made.st_gid):
            os.fchown(fd, model.st_uid, model.st_gid)
        os.fchmod(fd, modes.S_IMODE(model.st_mode))
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def replace(path: Path, new: Path, keep: Path) -> None:
    """``new`` takes the place of ``path``, whose file stays under the name ``keep``. At no moment is there none.

    Raises FileExistsError if there is a ``keep`` already; then nothing has happened.
    """
    os.link(path, keep, follow_symlinks=False)
    try:
        sync_folder(path.parent)
        new.replace(path)
    except OSError:
        keep.unlink()
        raise
    sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """Make the folder (0700) and those above it, each one's name durable."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def open_read(path: Path) -> int:
    """A descriptor to read with. Links are followed: reading through one can't harm what it points to."""
    return _regular(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), path)


def _regular(fd: int, path: Path) -> int:
    mode = os.fstat(fd).st_mode
    if modes.S_ISREG(mode):
        return fd
    os.close(fd)
    kinds = ((modes.S_ISDIR, "a folder"), (modes.S_ISFIFO, "a named pipe"), (modes.S_ISSOCK, "a socket"))
    kind = next((name for test, name in kinds if test(mode)), "a device")
    raise UnreadableError(path, f"is {kind}, not a file", "pipe it into `-`" if kind == "a named pipe" else "")


def close(fd: int) -> None:
    """Close, whatever it says: nothing of ours depends on a close that works."""
    with contextlib.suppress(OSError):
        os.close(fd)


def lock(fd: int) -> None:
    """Wait for the file's exclusive lock. Between processes; threads of one need a lock of their own besides."""
    fcntl.flock(fd, fcntl.LOCK_EX)


def unlock(fd: int) -> None:
    """Give the lock back."""
    try:  # no contextlib.suppress: each append comes through here, and it costs as much as the call
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:  # a descriptor that went bad has lost its lock already
        return


def try_lock(fd: int) -> bool:
    """Take the file's exclusive lock if it is free now, and if such a file can be locked at all."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def identify(fd: int) -> Identity:
    """Which file the descriptor is, and its size now."""
    found = os.fstat(fd)
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def identify_path(path: Path) -> Identity | None:
    """Which file the path names now; None if there is none."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def exists(path: str | Path) -> bool:
    """Whether there is something of this name, as far as we may look."""
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False


def read_at(fd: int, offset: int, size: int) -> bytes:
    """At most ``size`` bytes from ``offset``; fewer only at the end of the file."""
    parts = list[bytes]()
    while size > 0 and (part := os.pread(fd, min(size, BLOCK), offset)):
        if len(part) == size and not parts:
            return part  # nearly always: in one piece
        parts.append(part)
        offset += len(part)
        size -= len(part)
    return b"".join(parts)


def write(fd: int, data: bytes) -> int:
    """One ``write`` to the end of the file; how many bytes the system took."""
    return os.write(fd, data)


def written_to(fd: int) -> int:
    """Where our last ``write`` ended: O_APPEND sets the descriptor's own position behind what it wrote."""
    return os.lseek(fd, 0, os.SEEK_CUR)


def sync(fd: int) -> None:
    """Return once the file's data and size are on the disk.

    macOS has no ``fdatasync``, and its ``fsync`` stops at the drive's cache: F_FULLFSYNC is what reaches the disk.
    """
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_folder(folder: Path) -> None:
    """Make a new file's name durable: without this, a crash loses the file (60 of 60 in a test with real disks)."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def draft(path: Path) -> tuple[int, Path]:
    """A new file that is to get the name ``path`` once it is filled: a descriptor, and where it is to be found now.

    On Linux it has no name until then, so that not even a kill leaves it behind.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a file system that makes none without a name, or no /proc to name it from
            Path("/proc/self/fd").stat()
            fd = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o644)
            return fd, Path(f"/proc/self/fd/{fd}")
    name = aside(path)
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644), name


def publish(draft: Path, path: Path, fd: int | None = None) -> None:
    """Give a file this name too. ``fd``: its descriptor, where it may have no name yet.

    Raises FileExistsError if the name is taken.
    """
    os.link(draft, path, src_dir_fd=fd, follow_symlinks=fd is not None)


def aside(path: Path) -> Path:
    """A name beside ``path``, ending in its own, that nobody else uses."""
    return path.with_name(f".{os.getpid()}-{os.urandom(4).hex()}.{path.name}")


def discard(path: Path) -> None:
    """Take this name of a file away, if it is one of its own: a draft may have none."""
    if not path.is_relative_to("/proc/self"):
        path.unlink(missing_ok=True)


def working_folder() -> str:
    """Where the process stands; empty if that folder is gone."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""


def network_file_system(path: Path) -> str | None:
    """The name of the network file system that holds ``path`` (appends there are not atomic), or None."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux: nothing is known
        return None
    folder, best, kind = os.path.realpath(path.parent), "", ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split(" ")[4].replace("\\040", " ") if left.count(" ") >= 4 else ""
        inside = folder == mount or folder.startswith(mount.rstrip("/") + "/")
        if mount and inside and len(mount) >= len(best):
            best, kind = mount, right.split(" ", 1)[0]
    return kind if kind.startswith(("nfs", "cifs", "smb", "9p", "fuse.sshfs")) else None
