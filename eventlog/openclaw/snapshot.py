"""One state of an OpenClaw database, read so that its gateway isn't disturbed and its folder stays as it was.

Law: writes nothing beside the database: no lock file, no log, no index, not one byte. What is told is one state that
was committed, or an UnreadableError. SQLite alone would leave files behind, even where it is told to read only, so the
way in depends on what lies there:

- With a log (``-wal``) and its index (``-shm``), left by a kill or in use: through both, the index read-only. SQLite
  then takes its locks if a gateway is there, and else makes an index of its own in memory.
- With neither: as a file that nobody changes, which has to be so afterwards; if not, it is read again.
- With a log but no index, or an unfinished transaction to be rolled back: from a copy in a temporary folder.
- In the older mode, without a log: under SQLite's shared lock. While it is read a writer has to wait.

Limits: locks don't reach through the shared folder of a virtual machine, a store that is used on both sides of one can
change while it is read. A gateway that stops in the instant between our look and our opening makes SQLite leave an
empty ``-wal`` (with the owner and the rights of the database), which means nothing.
"""

import os
import shutil
import sqlite3
import stat as modes
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Final, TypeVar
from urllib.parse import quote

from eventlog import file
from eventlog.errors import UnreadableError

MAGIC: Final = b"SQLite format 3\0"
LARGEST: Final = 64 << 20
"""No value is larger, in bytes: the host's own limit is 4 MiB, and a hostile one must not fill the memory."""
WAIT: Final = 2.0
"""How long another's lock is waited for, in seconds."""
_LOG_MAGIC: Final = bytes.fromhex("377f06")  # and a last byte for either order of bytes
_RECOVER: Final = "read what `sqlite3 FILE .recover` makes of it"
_HEADER: Final = 20
_READ_VERSION: Final = 19
_WITH_LOG: Final = 2
_TRIES: Final = 3
_LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NOT_IN_PLACE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL)
"""What SQLite says where it would have to write: make an index, a new one (said after ten seconds), or roll back."""

T = TypeVar("T")

# POSIX takes away all of a process's locks on a file as soon as *one* descriptor of it closes. A peek at the header
# would so leave a connection of ours without its lock, and a gateway that stops would remove the log under it. Hence
# nobody peeks at a file that is connected to; its header is remembered.
_guard: Final = RLock()  # a generator that is thrown away may close its connection at any moment, also in here
_connected: Final[dict[tuple[int, int], list[bytes]]] = {}


class _ChangedError(Exception):
    """The file was written to, although nobody seemed to use it."""


def header(path: Path) -> bytes:
    """The first bytes of a file, as far as SQLite's own are concerned. Raises OSError, or UnreadableError."""
    with _guard:
        return _header(path)


def read(path: Path, query: Callable[[sqlite3.Connection], Iterable[T]]) -> Iterator[T]:
    """What ``query`` tells, of one state of the database. ``query`` may be asked anew as long as nothing was told."""
    told = False
    for _ in range(_TRIES):
        try:
            with _opened(path) as (connection, check):
                for part in query(connection):
                    check()
                    told = True
                    yield part
                check()
        except _ChangedError:
            if told:
                break
        else:
            return
    raise UnreadableError(path, "was written to while it was read", "read it again")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[sqlite3.Connection, Callable[[], None]]]:
    with ExitStack() as stack:
        check: Callable[[], None] = _nothing
        try:
            with _guard:
                connection, check = _open(_real(path), stack)
            yield connection, check
        except sqlite3.Error as error:
            check()
            raise _unreadable(path, error) from None
        except UnicodeDecodeError:  # from Python's sqlite3: a message of SQLite's that quotes what is damaged
            check()
            raise UnreadableError(path, "is damaged", _RECOVER) from None
        except OSError as error:
            remedy = "read it as its owner" if isinstance(error, PermissionError) else ""
            raise UnreadableError(path, (error.strerror or str(error)).lower(), remedy) from None


def _real(path: Path) -> Path:
    """The file itself: SQLite, too, looks for the log beside it, not beside a link to it."""
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # a NUL in the name
        raise UnreadableError(path, str(error)) from None


def _open(real: Path, stack: ExitStack) -> tuple[sqlite3.Connection, Callable[[], None]]:
    before = file.identify_path(real)
    head = _header(real)
    if not head.startswith(MAGIC):
        raise UnreadableError(real, "is no SQLite database")
    log, index, _ = (_size(_beside(real, ending)) for ending in ("-wal", "-shm", "-journal"))
    if len(head) == _HEADER and head[_READ_VERSION] == _WITH_LOG and (log is None or (not log and index is None)):

        def unchanged() -> None:
            if file.identify_path(real) != before:
                raise _ChangedError

        try:
            return _connect(real, "mode=ro&immutable=1", stack), unchanged
        except sqlite3.Error:
            unchanged()
            raise
    if log and not _peek(_beside(real, "-wal"), len(_LOG_MAGIC)).startswith(_LOG_MAGIC):
        # What a power cut left is no log. Beside an index SQLite would hope for ten seconds that it becomes one.
        return _connect(_copy(real, stack), "mode=rw", stack), _nothing
    try:
        connection = _connect(real, "mode=ro&readonly_shm=1", stack)
    except sqlite3.Error as error:
        if _code(error) not in _NOT_IN_PLACE:
            raise
        return _connect(_copy(real, stack), "mode=rw", stack), _nothing
    _remember(real, head, stack)
    return connection, _nothing


def _nothing() -> None:
    """Locks, or a file of our own, see to it that nothing changes."""


def _connect(path: Path, how: str, stack: ExitStack) -> sqlite3.Connection:
    """A connection within a transaction of its own, whose texts are bytes as they are stored."""
    uri = f"file://{quote(os.fsencode(path))}?{how}"
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = bytes
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        connection.execute("PRAGMA trusted_schema=OFF")  # a planted schema runs nothing
        connection.execute("PRAGMA cell_size_check=ON")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # here the state is chosen
    except BaseException:
        connection.close()
        raise
    stack.callback(connection.close)
    return connection


def _copy(real: Path, stack: ExitStack) -> Path:
    """The database, with its log or its journal, where SQLite may do as it likes. The three are of one moment."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="switchlog-", ignore_cleanup_errors=True)))
    files = [real, _beside(real, "-wal"), _beside(real, "-journal")]
    for _ in range(_TRIES):
        before = [file.identify_path(one) for one in files]
        for one, found in zip(files, before, strict=True):
            (folder / one.name).unlink(missing_ok=True)
            if found is not None:
                shutil.copyfile(one, folder / one.name)
        if [file.identify_path(one) for one in files] == before:
            return folder / real.name
    raise _ChangedError


def _remember(real: Path, head: bytes, stack: ExitStack) -> None:
    found = real.stat()
    heads = _connected.setdefault((found.st_dev, found.st_ino), [])
    heads.append(head)

    def forget() -> None:
        with _guard:
            heads.pop()
            if not heads:
                _connected.pop((found.st_dev, found.st_ino), None)

    stack.callback(forget)  # runs just before the connection is closed, when nothing is read through it any more


def _header(path: Path) -> bytes:
    found = path.stat()
    if heads := _connected.get((found.st_dev, found.st_ino)):
        return heads[-1]
    return _peek(path, _HEADER)


def _peek(path: Path, size: int) -> bytes:
    fd = file.open_read(path)
    try:
        return file.read_at(fd, 0, size)
    finally:
        file.close(fd)


def _beside(real: Path, ending: str) -> Path:
    return real.with_name(real.name + ending)


def _size(path: Path) -> int | None:
    """Its size; None if there is none. SQLite would wait for ever at a pipe that somebody planted."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not modes.S_ISREG(found.st_mode):
        raise UnreadableError(path, "is no regular file")
    return found.st_size


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it are details


def damaged(error: sqlite3.Error) -> bool:
    """Does it blame what is stored, and not the disk or another program?"""
    return _code(error) in _DAMAGED


def too_large(error: sqlite3.Error) -> bool:
    return _code(error) == sqlite3.SQLITE_TOOBIG


def _unreadable(path: Path, error: sqlite3.Error) -> UnreadableError:
    if _code(error) in _LOCKED:
        return UnreadableError(path, "is locked by another program", "read it again when that is done")
    if damaged(error):
        return UnreadableError(path, f"is damaged: {error}", _RECOVER)
    return UnreadableError(path, f"can't be read: {error}")
