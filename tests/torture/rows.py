"""What a torture run is made of: jobs, which run in processes of their own, and the rows that they give.

Law: values only. A row counts what was tried and what went wrong; rows of one name are added up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

MOST_NOTES = 5
"""Faults of a row that are kept in full, each with what makes it happen again."""


@dataclass(slots=True)
class Row:
    """One kind of fault: how often it was tried, and what came of it."""

    section: str
    name: str
    tried: int = 0
    """States, kills, inputs: whatever this kind consists of."""
    images: set[int] = field(default_factory=set)
    """64-bit hashes of the disk images that were tried: how many of them differ. Empty where there are none."""
    lost: int = 0
    """Acknowledged events that could not be read afterwards."""
    accepted: int = 0
    """Altered or foreign records that were applied."""
    silent: int = 0
    """Times that something was wrong with a log and its report said nothing."""
    raised: int = 0
    """Exceptions that came out where none may."""
    foreign: int = 0
    """Complete lines of the host's that were lost or changed."""
    wrong: int = 0
    """Any other law that was broken: a false alarm, a state that is not the file's fold, an append refused."""
    peak_mb: float = 0.0
    """The highest memory that a process of this row held, in MB; 0 where nobody looked."""
    seconds: float = 0.0
    skipped: str = ""
    """Why this machine can't do it. A skipped row shows nothing."""
    notes: list[str] = field(default_factory=list)
    """How to see a fault again: the seed, the call, the failing assertion."""

    @property
    def faults(self) -> int:
        return self.lost + self.accepted + self.silent + self.raised + self.foreign + self.wrong

    def note(self, text: str) -> None:
        if len(self.notes) < MOST_NOTES:
            self.notes.append(text)

    def add(self, other: "Row") -> None:
        """Take in another row of the same name."""
        self.tried += other.tried
        self.images |= other.images
        self.lost += other.lost
        self.accepted += other.accepted
        self.silent += other.silent
        self.raised += other.raised
        self.foreign += other.foreign
        self.wrong += other.wrong
        self.peak_mb = max(self.peak_mb, other.peak_mb)
        self.seconds += other.seconds
        self.skipped = self.skipped or other.skipped
        for text in other.notes:
            self.note(text)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is tried. ``scale`` 1 is the run of minutes; ``TORTURE=long`` is about fifteen times that."""

    seed: int = 1
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """A share of a section's work that fits into a process: ``work(*arguments)``, a function of a module's top level.

    ``alone``: it needs both cores to itself, and runs when all others are done.
    """

    section: str
    work: Callable[..., list[Row]]
    arguments: tuple[object, ...] = ()
    alone: bool = False


Section = Callable[[Plan], list[Job]]
"""What a module of this folder offers as ``jobs``."""
