"""What reading a log found out about the log itself.

Law: counts and findings, nothing that reads or judges. Damage never raises; it is told here. Bounded: of a log with a
million damaged lines, all are counted and the first thousand are named.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eventlog.lines import DAMAGE, Kind

MOST_FINDINGS: Final = 1_000


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

    def add(self, companion: "Report") -> None:
        """Take in the condition of the companion file, which is read behind this one."""
        self.pieces.update(companion.pieces)
        self.unsealed += companion.unsealed
        self.gaps += companion.gaps
        self.size += companion.size
        self.last_seal = companion.last_seal or self.last_seal
        for one in companion.findings:
            self.find(one.what, one.line, one.offset, one.length, f"in the companion file: {one.told}")
        self.unnamed += companion.unnamed

    @property
    def damaged(self) -> bool:
        """Whether the log holds what no crash leaves behind: altered, corrupt, misplaced, conflict or a gap."""
        return self.gaps > 0 or any(self.pieces[kind.value] for kind in DAMAGE)

    @property
    def counts(self) -> Mapping[str, int]:
        """The pieces by class, all classes, in the order of their definition."""
        return {kind.value: self.pieces[kind.value] for kind in Kind}
