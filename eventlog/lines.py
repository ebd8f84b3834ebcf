"""The classes of a log's pieces.

Law: names and their meaning only. A line may fall into several pieces (a run of NULs, a fragment glued to a record);
the pieces of a file tile it, and each has exactly one class. Their counts are part of every answer.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a piece of a log is."""

    EVENT = "event"
    """One of our events; applied."""
    FOREIGN = "foreign"
    """The host's line. Whether it is valid is not our business."""
    NEWER = "newer"
    """A whole record of ours of a type or version that this program doesn't know: in the chain, not applied."""
    BLANK = "blank"
    """An empty line."""
    TORN = "torn"
    """The rest of a write that a crash cut short. A normal state, not damage."""
    UNTERMINATED = "unterminated"
    """The last line, whole but without its newline. An event in it is applied."""
    ZEROS = "zeros"
    """A run of NUL bytes: what ext4 and XFS leave after a power cut."""
    CORRUPT = "corrupt"
    """Damaged: it should be a record of ours and can't be read."""
    ALTERED = "altered"
    """It can be read, but its seal is wrong or missing; not applied."""
    MISPLACED = "misplaced"
    """Its seal is right, but it belongs to another session; not applied."""
    DUPLICATE = "duplicate"
    """A second copy of an event; applied once."""
    CONFLICT = "conflict"
    """A second event under an id that is taken; the first one stands."""


DAMAGE: Final = frozenset({Kind.CORRUPT, Kind.ALTERED, Kind.MISPLACED, Kind.CONFLICT})
"""The classes that a healthy log doesn't have, whatever crashed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a log as its bytes alone tell.

    ``kind`` is None where the neighbours have a say (see judge, tally): with ``fields``, a decoded record or bare event
    (``seal``: its right seal); without, the beginning of a record that was cut short.
    """

    offset: int
    length: int
    kind: Kind | None
    fields: dict[str, object] | None = None
    seal: str | None = None
    record: bytes = b""
    """The sealed record's bytes, from which its proof is told."""
