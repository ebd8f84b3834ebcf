"""Where our events go: into the transcript, or, where its host would not bear them, into a file beside it.

Law: looks, writes nothing, and asks neither environment nor home folder: the path tells all. In doubt beside: a
companion is always read with its transcript, while a line in a host's file can cost its user the history or the turn.

OpenClaw up to 2026.4 bears chained lines in its transcripts, once there is an assistant message; what stood there
before, it erases. From 2026.5 it looks at the file's size and times across a model call, and a line of somebody else's
ends the turn. From 2026.7 its sessions lie in a database, and the JSONL files are what is left of an older version.
"""

import re
from pathlib import Path
from typing import Final

from eventlog import codec, file, sources
from eventlog.errors import MisuseError, UnreadableError

STORE: Final = "sessions.json"
CONFIG: Final = "openclaw.json"
DATABASE: Final = Path("agent", "openclaw-agent.sqlite")
"""Where an agent's folder keeps what newer versions write."""

FIRST_THAT_CHECKS: Final = (2026, 5)
TRANSCRIPT_VERSION: Final = 3
"""What the header says that goes with the versions which bear our lines."""

_LONGEST_CONFIG: Final = 4 << 20
_SESSION_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION: Final = re.compile(r"v?(\d{4})\.(\d{1,2})\b")
_OVERLAP: Final = 1024
_ASSISTANT: Final = re.compile(rb'\n\{"type":"message",[^\n]{0,800}?"message":\{"role":"assistant"')
"""As JSON.stringify writes the line's first fields. Within a text the quotes would be escaped."""


def place(path: Path) -> Path:
    """The file that the events of the session in ``path`` go to now: ``path`` itself, or its companion."""
    if path.name.endswith(sources.COMPANION):
        return path
    beside = sources.companion(path)
    if file.exists(beside):
        return beside
    return beside if of_host(path) and not _bears_lines(path) else path


def of_host(path: Path) -> bool:
    """Whether the transcript is OpenClaw's own: in the folder of an agent's sessions, or beside a session store."""
    return _home(path) is not None or file.exists(path.with_name(STORE))


def companion_of_stored(database: Path, session_id: str) -> Path:
    """The companion of a session that lies in OpenClaw's database (``agents/<agent>/agent/….sqlite``).

    It is that of the transcript which the session has, or had, in an older version: the memory outlives the move.
    """
    if not _SESSION_ID.fullmatch(session_id) or sources.SUFFIX in session_id:
        raise MisuseError(f"no session id: {session_id[:200]!r} (letters, digits, . _ - only, at most 128)")
    folder = absolute(database).parent.parent / "sessions"
    return sources.companion(folder / f"{session_id}{sources.SUFFIX}")


def _home(path: Path) -> Path | None:
    """The folder of OpenClaw's that holds ``agents/<agent>/sessions/<path>``; None if the path is of another form."""
    parents = absolute(path).parents
    ours = len(parents) > 3 and parents[0].name == "sessions" and parents[2].name == "agents"
    return parents[3] if ours else None


def absolute(path: Path) -> Path:
    """The path from the root, where that can be told."""
    try:
        return path.absolute()
    except FileNotFoundError:  # a process whose folder is gone
        return path


def _bears_lines(path: Path) -> bool:
    """Whether this version of the host bears lines of ours in its file, and this file is so far."""
    home = _home(path)
    if home is None:
        return False
    try:
        moved = file.exists(absolute(path).parents[1] / DATABASE)  # the configuration may be older than the version
        return not moved and _before_checks(home / CONFIG) and _has_answer(path)
    except (OSError, UnreadableError):
        return False


def _before_checks(config: Path) -> bool:
    """Whether the configuration was last written by a version that doesn't check its transcripts."""
    fd = file.open_read(config)
    try:
        fields = codec.decode(file.read_at(fd, 0, _LONGEST_CONFIG)) or {}
    finally:
        file.close(fd)
    meta = fields.get("meta")
    told = meta.get("lastTouchedVersion") if isinstance(meta, dict) else None
    found = _VERSION.match(told) if isinstance(told, str) else None
    return found is not None and (int(found[1]), int(found[2])) < FIRST_THAT_CHECKS


def _has_answer(path: Path) -> bool:
    """Whether the transcript begins as one of those versions and holds an assistant message."""
    fd = file.open_read(path)
    try:
        offset, block = 0, file.read_at(fd, 0, 1 << 16)  # most answer early
        header = codec.decode(block.partition(b"\n")[0]) or {}
        if header.get("type") != "session" or header.get("version") != TRANSCRIPT_VERSION:
            return False
        while block:
            if _ASSISTANT.search(block):
                return True
            offset += max(len(block) - _OVERLAP, 1)
            block = file.read_at(fd, offset, file.BLOCK) if len(block) > _OVERLAP else b""
    finally:
        file.close(fd)
    return False
