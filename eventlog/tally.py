"""What becomes of a log's pieces in its report: each is counted, and where it is odd, it is named with its place.

Law: no bytes and no judgement but one; it is told what a piece is, and every piece is counted once. The one: a piece
that begins like ours and can't be read is *torn* if it looks cut off and the chain goes on over it (a crash, healed by
the next append), else *corrupt*. So it waits for the next record.
"""

import copy
from collections import Counter
from typing import Final

from eventlog.lines import Kind, Piece
from eventlog.report import MOST_FINDINGS, Report
from eventlog.split import Text

_TOLD: Final = {
    Kind.CORRUPT: "should be a record of ours and can't be read",
    Kind.ALTERED: "its seal is wrong or missing: it was changed after it was written; not applied",
    Kind.MISPLACED: "a record of another session; not applied",
    Kind.CONFLICT: "another event under an id that is taken; the first one stands",
    Kind.DUPLICATE: "a second copy of an event; applied once",
    Kind.NEWER: "written by a newer switchlog; not applied",
    Kind.TORN: "the rest of a write that a crash cut short",
    Kind.UNTERMINATED: "the last line has no newline yet",
    Kind.ZEROS: "a run of NUL bytes, as a power cut leaves them",
}

_NO_PROOF: Final = "does not prove that it was written with one of the keys; not applied"


class Tally:
    """The report of one log while it is read, and what still waits to be told there."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.line = 1
        """The number of the line that is read."""
        self._waiting: list[tuple[Piece, int]] = []

    def ahead(self) -> "Tally":
        """This tally to go on with, while it stays as it is."""
        clone = copy.copy(self)
        clone.report = copy.copy(self.report)
        clone.report.pieces = Counter(self.report.pieces)
        clone.report.findings = list(self.report.findings)
        clone._waiting = list(self._waiting)
        return clone

    def wait(self, piece: Piece) -> None:
        """A piece that was cut short or is damaged: the next record shows which."""
        if len(self._waiting) >= MOST_FINDINGS:  # nobody crashed that often: bounded memory comes first
            self.settle(goes_on=True)
        self._waiting.append((piece, self.line))

    def settle(self, *, goes_on: bool) -> None:
        """Count what waited. ``goes_on``: whether the chain does, over all of it."""
        waiting, self._waiting = self._waiting, []
        for piece, line in waiting:
            self.count(Kind.TORN if goes_on else Kind.CORRUPT, piece, line)

    def count(self, kind: Kind, piece: Piece, line: int | None = None) -> None:
        """``line`` where it is not the one that is read."""
        self.report.count(kind)
        if kind in _TOLD:
            told = _NO_PROOF if kind is Kind.ALTERED and piece.fields is not None else _TOLD[kind]
            self.find(kind.value, piece, told, line)

    def find(self, what: str, place: Piece | Text, told: str, line: int | None = None) -> None:
        self.report.find(what, self.line if line is None else line, place.offset, place.length, told)
