"""The only way in: from what a person or a program names to a log, or to all logs of a place.

Law: finds and judges nothing; how a log's bytes are read is :mod:`eventlog.raw`'s matter. A name is a file, a folder
(its newest session), ``-`` (standard input), a database or a home of OpenClaw's, or the beginning of a session id in
the folder one stands in; where there are several sessions, an id, its beginning or a host's key says which. What is not
there, or can't be looked into, raises UnreadableError, with what to do.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventlog import file, raw
from eventlog.errors import UnreadableError
from eventlog.names import COMPANION, SUFFIX, companion, session_name

if TYPE_CHECKING:
    from eventlog.openclaw.home import Home

__all__ = [
    "COMPANION",
    "STDIN",
    "SUFFIX",
    "Source",
    "companion",
    "locate",
    "resolve",
    "session_name",
    "several",
    "stored_transcript",
    "transcript",
    "transcripts",
]

STDIN: Final = "-"
_ID_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Source:
    """One log, found. ``path``: its file, None for standard input; ``stored``: its session, in a database's file."""

    path: Path | None
    stored: str | None = None

    @property
    def name(self) -> str | None:
        """The session id that the place of the log tells."""
        return self.stored or (None if self.path is None else session_name(self.path))

    def __str__(self) -> str:
        named = STDIN if self.path is None else str(self.path)
        return named if self.stored is None else f"{named}, session {self.stored}"

    @property
    def transcript(self) -> Path | None:
        """Where the session's transcript is, or for a stored one would be: what we write goes there, or beside it."""
        if self.path is None or self.stored is None:
            return self.path
        return stored_transcript(self.path, self.stored)

    @property
    def beside(self) -> Path | None:
        """The companion file, if there is one."""
        transcript = self.transcript
        # By its name as a text: paths cost more than the question, and a folder of ten thousand asks it as often.
        if transcript is None or not file.exists(f"{transcript}{COMPANION}"):
            return None
        return companion(transcript)

    def blocks(self) -> Iterator[bytes]:
        """The lines, in blocks; none if there is nothing but a companion."""
        if self.path is not None and self.stored is not None:
            from eventlog.openclaw import database  # here and below: who reads a file needs no SQLite

            return database.blocks(self.path, self.stored)
        if self.path is not None and not file.exists(self.path) and self.beside is not None:
            return iter(())
        return raw.blocks(self.path)


def locate(where: str | Path, session: str | None = None) -> Source:
    """The log that ``where`` names, and where that holds several sessions, ``session``: the newest if it is None."""
    path = None if where == STDIN else Path(where)
    if path is None:
        return Source(None)
    try:
        if path.is_dir():
            home = _home(path)
            if home is not None:
                one = home.newest() if session is None else home.find(session)
                return Source(one.path, one.id if one.stored else None)
            return Source(_newest(path) if session is None else _by_prefix(path, session))
        if _is_database(path):
            from eventlog.openclaw.home import find_stored

            return Source(path, find_stored(path, session).id)
    except (OSError, ValueError) as error:
        raise UnreadableError(path, raw.reason(error), raw.remedy(error)) from None
    return Source(resolve(path))


def resolve(where: str | Path) -> Path | None:
    """The file that ``where`` names; None for standard input."""
    if where == STDIN:
        return None
    path = Path(where)
    try:
        if path.is_dir():
            return _newest(path)
        if os.path.lexists(path) or companion(path).exists():
            return path
        if _ID_PREFIX.fullmatch(str(where)):
            return _by_prefix(Path(), str(where))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UnreadableError(path, raw.reason(error)) from None
    raise UnreadableError(path, "there is no such file", "name a transcript, a folder of them, or `-` for a pipe")


def transcript(where: str, session: str | None = None, *, create: bool = False) -> Path:
    """The transcript that ``where`` names, to write to. One that is not there yet is named only with ``create``."""
    if where == STDIN:
        raise UnreadableError(where, "standard input can't be written to", "name a transcript")
    if create and where.endswith(SUFFIX) and not os.path.lexists(where):
        return Path(where)
    source = locate(where, session)
    if source.transcript is None or raw.log_form(next(source.blocks(), b"")) is not None:
        raise UnreadableError(where, "is a gateway's log, no transcript", "import it first, then name the transcript")
    return source.transcript


def stored_transcript(store: Path, session: str) -> Path:
    """The file that a session of a database had before it moved in there, and its companion has still.

    ``agents/<agent>/agent/openclaw-agent.sqlite`` stands beside ``agents/<agent>/sessions/``; a copy of a database that
    stands elsewhere has its companions beside it.
    """
    sessions = store.parent.parent / "sessions"
    folder = sessions if store.parent.name == "agent" and sessions.is_dir() else store.parent
    return folder / f"{session}{SUFFIX}"


def several(path: Path) -> Sequence[Path | Source] | None:
    """All logs of a folder, of a database or of a home, in the order of their names; None: it is one log."""
    if path.is_dir():
        home = _home(path)
        if home is not None:
            held = sorted((Source(one.path, one.id) if one.stored else one.path for one in home.sessions()), key=str)
            if not held:
                raise UnreadableError(path, "no session in this OpenClaw home")
            return held
        named = sorted(transcripts(path))
        if not named:
            raise UnreadableError(path, f"no transcript (*{SUFFIX}) in this folder")
        return named
    if _is_database(path):
        from eventlog.openclaw import database

        return [Source(path, one.id) for one in database.sessions(path)]
    return None


def transcripts(folder: Path) -> Iterator[Path]:
    """The live transcripts of a folder: its ``*.jsonl`` files, not its archives.

    A companion whose transcript lies elsewhere (in a database) or was removed stands for it.
    """
    return (folder / name for name, _ in _entries(folder))


def _entries(folder: Path) -> "Iterator[tuple[str, os.DirEntry[str]]]":
    """Transcripts' names and their files; of 100,000 sessions: a Path for each would cost more than looking at them."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                yield entry.name, entry
            elif entry.name.endswith(SUFFIX + COMPANION) and entry.is_file(follow_symlinks=False):
                name = entry.name.removesuffix(COMPANION)
                if not os.path.lexists(folder / name):
                    yield name, entry


def _home(folder: Path) -> "Home | None":
    from eventlog.openclaw.home import find_home

    return find_home(folder)


def _is_database(path: Path) -> bool:
    if path.suffix in (SUFFIX, ".log") or not path.is_file():  # most are what they are called
        return False
    from eventlog.openclaw import database

    return database.is_database(path)


def _newest(folder: Path) -> Path:
    newest: tuple[int, str] | None = None
    for name, entry in _entries(folder):
        with suppress(FileNotFoundError):  # removed since the folder was read
            age = entry.stat(follow_symlinks=False).st_mtime_ns, name
            newest = age if newest is None else max(newest, age)
    if newest is None:
        raise UnreadableError(folder, f"no transcript (*{SUFFIX}) in this folder")
    return folder / newest[1]


def _by_prefix(folder: Path, prefix: str) -> Path:
    found = sorted(folder / name for name, _ in _entries(folder) if name.startswith(prefix))
    if not found:
        raise UnreadableError(prefix, "there is no such file, and no session of this folder begins so")
    if len(found) > 1:
        names = ", ".join(session_name(path) for path in found[:5])
        raise UnreadableError(prefix, f"{len(found)} sessions begin so: {names}", "name more of the id")
    return found[0]
