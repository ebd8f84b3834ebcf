"""What files are called: a transcript, its companion, and the session that both tell of.

Law: names only; nothing here looks at a disk.
"""

from pathlib import Path
from typing import Final

SUFFIX: Final = ".jsonl"
COMPANION: Final = ".switchlog"


def companion(transcript: Path) -> Path:
    """The file for our events beside a transcript that its host keeps for itself. The two are read as one."""
    return transcript.with_name(transcript.name + COMPANION)


def session_name(path: Path) -> str:
    """The session id that a file's name tells: all up to the first ``.jsonl``, also of a backup or an archive."""
    return path.name.split(SUFFIX, 1)[0] or path.name
