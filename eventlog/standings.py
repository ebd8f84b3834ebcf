"""All sessions of a place, and where each of them stands.

Law: lists and reads; every session that is there is told once, whatever became of it. Many are read by several
processes at once, in bounded memory: what comes back of each is a row.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from eventlog import sources
from eventlog.errors import UnreadableError
from eventlog.row import Listed, Question, Standing
from eventlog.sources import STDIN, Source
from eventlog.standing import standing

MANY: Final = 1_500
"""Sessions from which on several processes are worth their start (a fifth of a second; a session takes 0.5 ms)."""

LARGE: Final = 128 << 20
"""The same of bytes."""

_PORTION: Final = 50


def listed(where: str | Path) -> tuple[list[Listed], UnreadableError | None]:
    """The sessions of a folder, a home or a database, or the one of a file; and what of it could not be listed.

    Raises UnreadableError where there is nothing at all to list.
    """
    path = Path(where)
    if str(where) == STDIN:
        return [Listed(Source(None))], None
    try:
        return _listed(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise UnreadableError(path, why) from None


def are_several(where: str | Path) -> bool:
    """Whether it is a place of sessions, and not one log."""
    path = Path(where)
    try:
        if path.is_dir():
            return True
        if path.suffix in (sources.SUFFIX, ".log") or not path.is_file():
            return False
    except (OSError, ValueError):
        return False
    from eventlog.openclaw import database

    return database.is_database(path)


def _listed(path: Path) -> tuple[list[Listed], UnreadableError | None]:
    from eventlog.openclaw.home import find_home

    if path.is_dir():
        home = find_home(path)
        if home is None:
            found = [Listed(Source(one)) for one in sorted(sources.transcripts(path))]
            if not found:
                raise UnreadableError(path, f"no transcript (*{sources.SUFFIX}) in this folder")
            return found, None
        trouble, held = None, list[Listed]()
        try:
            for one in home.sessions():
                source = Source(one.path, one.id if one.stored else None)
                held.append(Listed(source, one.agent, one.key, one.updated))
        except UnreadableError as error:
            trouble = error
        if not held:
            raise trouble or UnreadableError(path, "no session in this OpenClaw home")
        return held, trouble
    several = sources.several(path) if path.exists() else None
    if several is None:
        return [Listed(sources.locate(path))], None
    from eventlog.openclaw import database

    return [
        Listed(Source(path, one.id), None, one.key, None if one.updated is None else one.updated.timestamp())
        for one in database.sessions(path)
    ], None


def standings(sessions: Sequence[Listed], question: Question, workers: int | None = None) -> Iterator[Standing]:
    """Where each of them stands, in their order. ``workers``: so many processes; if left out, as many as are worth
    it."""
    if workers is None:
        workers = min(os.cpu_count() or 1, 8) if _are_many(sessions) else 1
    if workers < 2:
        for one in sessions:
            yield standing(one, question)
        return
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(workers, initializer=_begin, initargs=(sessions, question))
    portions = [range(at, min(at + _PORTION, len(sessions))) for at in range(0, len(sessions), _PORTION)]
    try:
        for portion, rows in zip(portions, pool.map(_standings, portions), strict=True):
            for at, row in zip(portion, rows, strict=True):
                yield replace(row, listed=sessions[at])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _are_many(sessions: Sequence[Listed]) -> bool:
    if len(sessions) >= MANY:
        return True
    size = 0
    for one in sessions if len(sessions) > 1 else ():
        try:
            size += 0 if one.source.path is None else one.source.path.stat().st_size
        except OSError:
            continue
    return size >= LARGE


_NOWHERE: Final = Listed(Source(None))
"""Stands for the session itself in a row that travels: who asked knows which it was."""

_asked: list[tuple[Sequence[Listed], Question]] = []
"""A worker's sessions and its question: handed over once, when it is made."""


def _begin(sessions: Sequence[Listed], question: Question) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of them; the parent ends them
    _asked[:] = [(sessions, question)]


def _standings(portion: range) -> list[Standing]:
    sessions, question = _asked[0]
    return [replace(standing(sessions[at], question), listed=_NOWHERE) for at in portion]
