"""What reading a log found out about the log itself.

Law: counts and findings, nothing that reads or judges. Damage never raises; it is told here. Bounded: of a log with a
million damaged lines, all are counted and the first thousand are named.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eventlog.lines import DAMAGE, Kind
from replay import LogRepaired

MOST_FINDINGS: Final = 1_000

_DAMAGE: Final = tuple(kind.value for kind in Kind if kind in DAMAGE)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one place of the log: ``what`` is a class of lines, ``gap``, ``header`` or ``session``."""

    what: str
    line: int
    offset: int
    length: int
    told: str


@dataclass(slots=True)
class Report:
    """The condition of a log, as far as it has been read."""

    session: str | None = None
    """The session's id: the header's, or the file's name where no header can be read."""
    pieces: Counter[str] = field(default_factory=Counter)
    """How many pieces of each class (see :class:`eventlog.lines.Kind`)."""
    unsealed: int = 0
    """Events without a seal: applied, but nothing shows that they are whole."""
    unproven: int = 0
    """Events that are sealed and carry no proof, or that of a key which isn't there: applied, and anybody's word."""
    proven: int = 0
    """Records whose proof was made with one of our keys."""
    gaps: int = 0
    """Places where a sealed record does not follow on the one before it: something is missing between them."""
    restarts: int = 0
    """Starts of the gateway that a console log tells of."""
    skipped: int = 0
    """Candidates that a console log says were passed over without a request."""
    size: int = 0
    """Bytes read."""
    last_seal: str | None = None
    """The seal of the last whole record: kept elsewhere, it shows later that the end was cut off."""
    known: Counter[str] = field(default_factory=Counter)
    """Damage that the last repair knew of, by kind: it is told, and no news."""
    repairs: int = 0
    """Repairs that the log records."""
    before_last: int = 0
    """How many events stand before the last sealed record."""
    seals: dict[str, int] = field(default_factory=dict)
    """Of the seals that somebody looks for: how many events stand before the record that bears it."""
    findings: list[Finding] = field(default_factory=list)
    unnamed: int = 0
    """Findings beyond the first thousand."""

    def count(self, kind: Kind) -> None:
        self.pieces[kind.value] += 1

    def find(self, what: str, line: int, offset: int, length: int, told: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(what, line, offset, length, told))
        else:
            self.unnamed += 1

    def repaired(self, event: LogRepaired) -> None:
        """A repair stands here: what it found is known, if that is what is found again."""
        self.repairs += 1
        counted = {kind: getattr(event, kind) or 0 for kind in self.damage}
        if counted == self.damage:
            self.known = Counter(counted)

    def add(self, companion: "Report") -> None:
        """Take in the condition of the companion file, which is read behind this one."""
        self.pieces.update(companion.pieces)
        self.unsealed += companion.unsealed
        self.unproven += companion.unproven
        self.proven += companion.proven
        self.repairs += companion.repairs
        self.known.update(companion.known)
        self.gaps += companion.gaps
        self.size += companion.size
        if companion.last_seal is not None:
            self.last_seal, self.before_last = companion.last_seal, companion.before_last
        self.seals.update(companion.seals)
        for one in companion.findings:
            self.find(one.what, one.line, one.offset, one.length, f"in the companion file: {one.told}")
        self.unnamed += companion.unnamed

    @property
    def damage(self) -> dict[str, int]:
        """What no crash leaves behind, by kind: altered, corrupt, misplaced, conflict, and gaps."""
        return {**{kind: self.pieces[kind] for kind in _DAMAGE}, "gaps": self.gaps}

    @property
    def damaged(self) -> bool:
        """Whether the log holds damage that no repair knew of."""
        return any(count != self.known[kind] for kind, count in self.damage.items())

    @property
    def figures(self) -> dict[str, int]:
        """All counts, as `--json` has them."""
        more = {"unsealed": self.unsealed, "unproven": self.unproven, "gaps": self.gaps, "repairs": self.repairs}
        return {**self.counts, **more, "bytes": self.size}

    @property
    def counts(self) -> Mapping[str, int]:
        """The pieces by class, all classes, in the order of their definition."""
        return {kind.value: self.pieces[kind.value] for kind in Kind}
