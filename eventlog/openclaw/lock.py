"""OpenClaw's own lock on a transcript, held by its rules.

Law: while we hold it OpenClaw waits, so it is held for the time of a write and a sync, and nobody waits here for longer
than the patience asked for. Only our own lock is given back, only a dead owner's is taken away, and never two of us
believe that it is theirs. It shuts out OpenClaw and us; ``flock``, taken within it, still keeps us in order besides.

The lock is a file ``<transcript>.lock`` in the real folder, whose name only one can make. It tells who made it::

    {"pid": 19411, "createdAt": "2026-11-22T14:35:17.117Z", "starttime": 148664}

``starttime`` (field 22 of ``/proc/<pid>/stat``) tells a process from a later one with its number. OpenClaw polls every
second at the latest, gives up after ten, and takes a dead owner's lock away at once: so do we.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from eventlog import clock, codec, file
from eventlog.errors import UnreadableError
from replay.events import format_time, parse_time

PATIENCE: Final = 1.0
"""Seconds to wait for a lock that is held. OpenClaw keeps it for a whole turn, which no request of ours waits for."""

STALE: Final = 1800.0
"""Seconds after which OpenClaw takes any lock away, whoever holds it."""

SUFFIX: Final = ".lock"
_LONGEST: Final = 4096
_SHORTEST_WAIT: Final = 0.001
_LONGEST_WAIT: Final = 0.02
_STARTED: Final = 22 - 3  # fields of /proc/<pid>/stat, counted from the one behind the name in brackets


class LockedError(BlockingIOError):
    """The host holds the lock of its transcript, and went on holding it: a turn is running."""


@contextlib.contextmanager
def held(transcript: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the transcript's lock. Raises LockedError if it stays taken, OSError where no lock can be made."""
    path = path_of(transcript)
    fd, owner = _take(path, patience), os.getpid()
    try:
        yield
    finally:
        if owner == os.getpid():  # a child forked meanwhile has nothing to give back
            _give_back(path, fd)
        file.close(fd)


def path_of(transcript: Path) -> Path:
    """The lock's path, as OpenClaw makes it: in the folder's real place, so that two ways to it meet in one lock."""
    return Path(os.path.realpath(transcript.parent), transcript.name + SUFFIX)


def started(pid: int) -> int | None:
    """When the process was started, in ticks since the machine was; None if that can't be told (not on Linux)."""
    fields = _status(pid)
    return int(fields[_STARTED]) if len(fields) > _STARTED else None


def lives(pid: int) -> bool:
    """Whether there is such a process. One that has ended and waits to be reaped holds no lock any more."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return _status(pid)[:1] not in ([b"Z"], [b"X"])


def _status(pid: int) -> list[bytes]:
    """The fields of a process behind its name, which may hold blanks and brackets of its own."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _take(path: Path, patience: float) -> int:
    """Make the lock; a descriptor of it, open for as long as it is held: so its inode can't become another file's."""
    deadline, wait = time.monotonic() + patience, _SHORTEST_WAIT
    fd, draft = file.draft(path)
    try:
        file.write(fd, _content())
        while True:
            with contextlib.suppress(FileExistsError):
                file.publish(draft, path, fd)  # whole from the first moment, so that nobody finds it empty
                return fd
            if _clear(path):
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(wait, left))
            wait = min(2 * wait, _LONGEST_WAIT)
    except BaseException:
        file.close(fd)
        raise
    finally:
        file.discard(draft)
    file.close(fd)
    raise LockedError(f"{path} is held: a turn of the session is running")


def _content() -> bytes:
    pid = os.getpid()
    fields: dict[str, object] = {"pid": pid, "createdAt": format_time(clock.now())}
    ticks = started(pid)
    if ticks is not None:
        fields["starttime"] = ticks
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2)


def _give_back(path: Path, fd: int) -> None:
    with contextlib.suppress(OSError):  # what was written under it is written; a lock left behind ends with our process
        named = file.identify_path(path)
        if named is not None and named.same_file(file.identify(fd)):  # else it was taken from us, and is another's
            file.discard(path)


def _clear(path: Path) -> bool:
    """Take a dead owner's lock away; whether that was done.

    Of several that find it, one may: who holds ``flock`` on it, and sees that the name is still that file's. OpenClaw
    knows nothing of ``flock``. So it is moved aside, looked at once more, and put back if it was another one's.
    """
    try:
        fd = file.open_read(path)
    except (FileNotFoundError, PermissionError, UnreadableError):  # gone; or what can't be judged, so it counts as held
        return False
    try:
        found = file.identify(fd)
        if not _stale(file.read_at(fd, 0, _LONGEST), found) or not file.try_lock(fd):
            return False
        named = file.identify_path(path)
        if named is None or not named.same_file(found):
            return False
        return _move_away(path, found)
    finally:
        file.close(fd)


def _move_away(path: Path, stale: file.Identity) -> bool:
    aside = file.aside(path)  # its name ends as a lock's: if we are killed now, OpenClaw clears it away when it starts
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        moved = file.identify_path(aside)
        right = moved is not None and moved.same_file(stale)
        if not right:
            with contextlib.suppress(FileExistsError):
                file.publish(aside, path)
        file.discard(aside)
        return right
    return False


def _stale(content: bytes, found: file.Identity) -> bool:
    """Whether the lock's owner is gone, by OpenClaw's own rules: two that judge differently would take turns stealing.

    What can't be read may be a lock that OpenClaw makes this very moment (it creates the file, then fills it): held,
    until it is old enough.
    """
    fields, now = codec.decode(content) or {}, clock.now()
    pid, ticks, stamp = _number(fields.get("pid")), _number(fields.get("starttime")), fields.get("createdAt")
    made = parse_time(stamp) if isinstance(stamp, str) else None
    if made is not None and (now - made).total_seconds() > STALE:
        return True
    if pid and (not lives(pid) or (ticks is not None and started(pid) not in (None, ticks))):
        return True
    told = pid and made is not None
    return not told and now.timestamp() - found.modified_ns / 1e9 > STALE


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
