"""OpenClaw's own store since 2026.7.2: the sessions in an agent's SQLite database, and each one's transcript.

Law: what the store holds, as it holds it. An event is one line, byte for byte, in the order of its ``seq``; what
can't be had of one event is told in a line of its own, and never ends the session. Memory holds one event and one
block, however long the session is. How the file is opened without a trace is snapshot's matter.

An event's line is ``event_json``, or what ``event_zstd`` unpacks to (one frame without a dictionary: the host packs
what is between 1 KiB and 4 MiB). Three cases the host never writes:

- a newline in it becomes a space, so that one event stays one line: where JSON allows a newline, that means the same;
- neither of the two: a blank line;
- damaged, not to be unpacked, or over 64 MiB: ``(event 17 of this session: why)``, which no reader takes for JSON.
"""

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from eventlog.errors import UnreadableError
from eventlog.openclaw import snapshot
from eventlog.openclaw.snapshot import LARGEST

NAME: Final = "openclaw-agent.sqlite"
BLOCK: Final = 1 << 18
"""A block has at least so many bytes, unless it is the last."""
_WINDOW_LOG: Final = LARGEST.bit_length() - 1

# The last event's time without reading all the others': the counting needs no more than the index.
_SESSIONS: Final = """
SELECT each.id, each.events, event.created_at
FROM (SELECT session_id AS id, count(*) AS events, max(seq) AS last FROM transcript_events GROUP BY session_id) AS each
LEFT JOIN transcript_events AS event ON event.session_id = each.id AND event.seq = each.last"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A session of the store that has events."""

    id: str
    key: str | None
    updated: datetime | None
    events: int


def is_database(path: Path) -> bool:
    """Whether it is an SQLite file, by its first bytes."""
    try:
        return snapshot.header(path).startswith(snapshot.MAGIC)
    except (OSError, ValueError, UnreadableError):
        return False


def sessions(path: Path) -> list[Stored]:
    """The sessions of the store. An earlier one of a key that was reset has its key, too, where the store tells it.

    Raises UnreadableError for a file that is no such store, is damaged, locked, or may not be read.
    """
    [found] = snapshot.read(path, lambda store: [_sessions(path, store)])
    return found


def blocks(path: Path, session: str) -> Iterator[bytes]:
    """The session's lines, joined to blocks. Raises UnreadableError as ``sessions`` does, and for no such session."""
    return snapshot.read(path, lambda store: _joined(_lines(path, store, session)))


def lines(path: Path, session: str) -> Iterator[bytes]:
    """The session's lines, each with its newline."""
    for block in blocks(path, session):
        for line in block[:-1].split(b"\n"):
            yield line + b"\n"


def _sessions(path: Path, store: sqlite3.Connection) -> list[Stored]:
    _demand_events(path, store)
    keys: dict[str, str] = {}
    updates: dict[str, object] = {}
    if {b"session_id", b"session_key"} <= _columns(store, "session_windows"):
        for session, key in store.execute("SELECT session_id, session_key FROM session_windows"):
            keys[_text(session)] = _text(key)
    if {b"session_key", b"current_session_id", b"updated_at"} <= _columns(store, "session_nodes"):
        nodes = "SELECT current_session_id, session_key, updated_at FROM session_nodes ORDER BY updated_at"
        for session, key, updated in store.execute(nodes):
            keys[_text(session)], updates[_text(session)] = _text(key), updated
    found = {}
    for session, events, created in store.execute(_SESSIONS):
        name = _text(session)
        found[name] = Stored(name, keys.get(name) or None, _time(updates.get(name) or created), events)
    return list(found.values())


def _lines(path: Path, store: sqlite3.Connection, session: str) -> Iterator[bytes]:
    _demand_events(path, store)
    packed = "event_zstd" if b"event_zstd" in _columns(store, "transcript_events") else "NULL"
    number = 0
    rows: Iterable[tuple[int]] = ()
    with suppress(UnicodeEncodeError):  # half a letter is none to SQLite
        rows = store.execute("SELECT rowid FROM transcript_events WHERE session_id = ? ORDER BY seq", (session,))
    # The rows one by one, and not all in one query: an error ends a query, and here only one event.
    one = f"SELECT event_json, {packed} FROM transcript_events WHERE rowid = ?"  # noqa: S608  (a column of two)
    for number, row in enumerate(rows, 1):
        try:
            line = _line(store.execute(one, row).fetchone())
        except sqlite3.DatabaseError as error:
            if not (snapshot.damaged(error) or snapshot.too_large(error)):
                raise
            line = f"(event {number} of this session: {error})".encode()
        except ValueError as error:
            line = f"(event {number} of this session: {error})".encode()
        yield line.replace(b"\n", b" ") + b"\n"
    if not number:
        raise UnreadableError(path, f"holds no session {session!r}")


def _line(row: tuple[object, object] | None) -> bytes:
    if row is None:
        raise ValueError("the index names it, but it is not there")
    plain, packed = row
    return _unpacked(_bytes(packed)) if plain is None and packed is not None else _bytes(plain)


def _unpacked(frame: bytes) -> bytes:
    """What the frame holds. Raises ValueError for what can't be unpacked, or is too large."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise ValueError(f"it is packed, and can't be unpacked here: {error}") from None
    unpacker = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    try:
        data = unpacker.decompress(frame, LARGEST + 1)
    except zstd.ZstdError as error:  # damaged, of a dictionary, a window beyond all measure, or no frame at all
        raise ValueError(f"it can't be unpacked: {error}") from None
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
    if not unpacker.eof:
        raise ValueError("it can't be unpacked: its end is missing")
    return data


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    size = 0
    for line in lines:
        parts.append(line)
        size += len(line)
        if size >= BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def _demand_events(path: Path, store: sqlite3.Connection) -> None:
    """A view of this name is none: what it would run is not known."""
    sought = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'transcript_events'"
    if store.execute(sought).fetchone() is None:
        raise UnreadableError(path, "is a database, but no store of OpenClaw's: it has no table transcript_events")


def _columns(store: sqlite3.Connection, table: str) -> frozenset[bytes]:
    """Its columns; none if there is no such table. Earlier and later stores have others."""
    return frozenset(_bytes(row[1]) for row in store.execute(f"PRAGMA table_info({table})"))


def _bytes(value: object) -> bytes:
    """A value as text: in SQLite any column may hold a value of any kind."""
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode()


def _text(value: object) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _time(milliseconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if isinstance(milliseconds, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None
