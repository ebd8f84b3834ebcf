"""A log's bytes as they lie there, and whose form they have.

Law: bytes out, none of them changed; of what they mean only the form is told. A file gives what it holds by now, a pipe
all until it ends. What can't be read raises UnreadableError, with what to do.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from eventlog import codec, file
from eventlog.errors import UnreadableError
from replay.dialects.openclaw_forms import is_console_line, is_file_line

LogForm = Literal["console", "file"]
"""The forms of a gateway's log: what it prints, and the JSON that it keeps."""

_HEAD: Final = 1 << 16
"""Bytes in which the line that tells a log's form is looked for."""

_MORE: Final = 1 << 12
"""Bytes to ask for behind what was the end when the file was opened: it may have grown."""


def blocks(path: Path | None) -> Iterator[bytes]:
    """The log's bytes in blocks, as far as they reach now; of standard input (None) until it ends."""
    if path is None:
        yield from _stdin()
        return
    try:
        fd = file.open_read(path)
    except OSError as error:
        raise UnreadableError(path, reason(error), remedy(error)) from None
    offset = 0
    try:
        size = file.identify(fd).size  # a file of a few kilobytes needs no block of a megabyte
        while block := file.read_at(fd, offset, min(file.BLOCK, max(size - offset, _MORE))):
            yield block
            offset += len(block)
    except OSError as error:
        raise UnreadableError(path, f"{reason(error)} at byte {offset}") from None
    finally:
        file.close(fd)


def _stdin() -> Iterator[bytes]:
    while block := sys.stdin.buffer.read(file.BLOCK):
        yield block


def log_form(block: bytes) -> LogForm | None:
    """Which form of OpenClaw's log a file is that begins so; None: none of them, a transcript for all we know."""
    for line in _lines(block[:_HEAD]):
        if line.startswith(b"{"):
            fields = codec.decode(line)
            if fields is not None:
                return "file" if is_file_line(fields) else None
        elif is_console_line(line.decode("utf-8", "replace")):
            return "console"
    return None


def _lines(head: bytes) -> Iterator[bytes]:
    """One after the other: mostly the first one decides."""
    at = 0
    while at <= len(head):
        end = head.find(b"\n", at)
        yield head[at:end] if end >= 0 else head[at:]
        at = end + 1 if end >= 0 else len(head) + 1


def reason(error: Exception) -> str:
    """Why something can't be read, in the system's own words, as part of a sentence."""
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def remedy(error: Exception) -> str:
    """What to do about it, if anything can be done."""
    return "read it as its owner" if isinstance(error, PermissionError) else ""
