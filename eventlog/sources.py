"""The only way in: from what a person or a program names to a log's bytes.

Law: finds and reads, judges nothing. A name is a file, a folder (its newest session), ``-`` (standard input) or the
beginning of a session id in the folder one stands in. What can't be read raises UnreadableError, with what to do.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from eventlog import codec, file
from eventlog.errors import UnreadableError
from replay.dialects import is_console_line, is_file_line

LogForm = Literal["console", "file"]
"""The forms of a gateway's log: what it prints, and the JSON that it keeps."""

STDIN: Final = "-"
SUFFIX: Final = ".jsonl"
COMPANION: Final = ".switchlog"
_HEAD: Final = 1 << 16
_ID_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


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
        raise UnreadableError(path, _reason(error)) from None
    raise UnreadableError(path, "there is no such file", "name a transcript, a folder of them, or `-` for a pipe")


def transcript(where: str, *, create: bool = False) -> Path:
    """The transcript that ``where`` names, to write to. One that is not there yet is named only with ``create``."""
    if where == STDIN:
        raise UnreadableError(where, "standard input can't be written to", "name a transcript")
    if create and where.endswith(SUFFIX) and not os.path.lexists(where):
        return Path(where)
    path = resolve(where)
    if path is None or log_form(next(blocks(path), b"")) is not None:
        raise UnreadableError(where, "is a gateway's log, no transcript", "import it first, then name the transcript")
    return path


def log_form(block: bytes) -> LogForm | None:
    """Which form of OpenClaw's log a file is that begins so; None: none of them, a transcript for all we know."""
    for line in block[:_HEAD].split(b"\n"):
        if line.startswith(b"{"):
            fields = codec.decode(line)
            if fields is not None:
                return "file" if is_file_line(fields) else None
        elif is_console_line(line.decode("utf-8", "replace")):
            return "console"
    return None


def companion(transcript: Path) -> Path:
    """The file for our events beside a transcript that its host keeps for itself. The two are read as one."""
    return transcript.with_name(transcript.name + COMPANION)


def session_name(path: Path) -> str:
    """The session id that a file's name tells: all up to the first ``.jsonl``, also of a backup or an archive."""
    return path.name.split(SUFFIX, 1)[0] or path.name


def blocks(path: Path | None) -> Iterator[bytes]:
    """The log's bytes in blocks, as far as they reach now; of standard input until it ends."""
    if path is None:
        yield from _stdin()
        return
    try:
        fd = file.open_read(path)
    except OSError as error:
        raise UnreadableError(path, _reason(error), _remedy(error)) from None
    offset = 0
    try:
        while block := file.read_at(fd, offset, file.BLOCK):
            yield block
            offset += len(block)
    except OSError as error:
        raise UnreadableError(path, f"{_reason(error)} at byte {offset}") from None
    finally:
        file.close(fd)


def transcripts(folder: Path) -> Iterator[Path]:
    """The live transcripts of a folder: its ``*.jsonl`` files, not its archives."""
    return (Path(entry.path) for entry in _entries(folder))


def _entries(folder: Path) -> "Iterator[os.DirEntry[str]]":
    """Of a hundred thousand sessions: a Path for each would cost more than looking at them."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                yield entry


def _newest(folder: Path) -> Path:
    newest: tuple[int, str] | None = None
    for entry in _entries(folder):
        with suppress(FileNotFoundError):  # removed since the folder was read
            age = entry.stat(follow_symlinks=False).st_mtime_ns, entry.name
            newest = age if newest is None else max(newest, age)
    if newest is None:
        raise UnreadableError(folder, f"no transcript (*{SUFFIX}) in this folder")
    return folder / newest[1]


def _by_prefix(folder: Path, prefix: str) -> Path:
    found = sorted(Path(entry.path) for entry in _entries(folder) if entry.name.startswith(prefix))
    if not found:
        raise UnreadableError(prefix, "there is no such file, and no session of this folder begins so")
    if len(found) > 1:
        names = ", ".join(session_name(path) for path in found[:5])
        raise UnreadableError(prefix, f"{len(found)} sessions begin so: {names}", "name more of the id")
    return found[0]


def _stdin() -> Iterator[bytes]:
    while block := sys.stdin.buffer.read(file.BLOCK):
        yield block


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def _remedy(error: OSError) -> str:
    return "read it as its owner" if isinstance(error, PermissionError) else ""
