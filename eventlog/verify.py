"""Verifying a log: what it shows of accidents, what of tampering, and what it can't show.

Law: reads, changes nothing, and says no more than it can prove. Four kinds of evidence, each stronger than the one
before: seals (a line is whole), the chain (none is missing between two others), keys (who wrote it), an anchor (a seal
that was kept elsewhere: all before it is still what it was, and the end is not cut off before it).
"""

from dataclasses import dataclass
from pathlib import Path

from eventlog.deep import deep
from eventlog.protection import Protection
from eventlog.reading import Events
from eventlog.report import MOST_FINDINGS, Finding, Report
from eventlog.sources import Source


@dataclass(frozen=True, slots=True)
class Anchor:
    """The seal that a log's last record had once, and, if that was noted too, how many events stood before it."""

    seal: str
    before: int | None = None
    taken: str = ""
    """When, as the anchor file says it."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a log in which nothing was found: its name, session, last seal, and how many events stood before."""

    file: str
    session: str
    seal: str
    before: int


@dataclass(slots=True)
class Verdict:
    """What verifying a log found."""

    path: Path | None
    report: Report
    protection: Protection
    anchor: Anchor | None = None
    anchored: int | None = None
    """How many events stand before the record that bears the anchor; None if it is not there."""
    backwards: int = 0
    """How often an event is stamped earlier than the one before it: a clock was set back. No damage."""
    deep: list[Finding] | None = None
    """What ``--deep`` found besides, the first thousand; None if nobody asked."""
    deep_unnamed: int = 0

    @property
    def anchor_lost(self) -> str | None:
        """What is wrong with the anchor, in words; None if nothing is."""
        if self.anchor is None:
            return None
        if self.anchored is None:
            return f"no record has the anchor's seal {self.anchor.seal}: the log was cut, replaced or written anew"
        if self.anchor.before is not None and self.anchor.before != self.anchored:
            then, now = self.anchor.before, self.anchored
            return f"{then} events stood before the anchor's record, now {now}: some without a seal came or went"
        return None

    @property
    def unproven(self) -> int:
        """Events that anybody can have written, where a key should show who did."""
        if self.protection.keys is None or self.protection.accept_unsealed:
            return 0
        return self.report.unproven + self.report.unsealed

    @property
    def end(self) -> End | None:
        """What an anchor file notes of this log; None where there is nothing to note, or something was found."""
        seal = self.report.last_seal
        if self.path is None or seal is None or not self.intact:
            return None
        return End(self.path.name, self.report.session or "", seal, self.report.before_last)

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not (self.report.damaged or self.anchor_lost or self.unproven or self.deep)


def verify(
    where: str | Path | Source,
    *,
    anchor: Anchor | None = None,
    thorough: bool = False,
    protection: Protection | None = None,
) -> Verdict:
    """Read one log to its end and judge it. Raises UnreadableError."""
    wanted = () if anchor is None else (anchor.seal,)
    events = Events(where, infer=False, protection=protection, wanted=wanted)
    verdict = Verdict(events.path, events.report, events.protection, anchor)
    last = None
    for recorded in events:
        time = recorded.event.timestamp
        verdict.backwards += time is not None and last is not None and time < last
        last = time or last
    verdict.report = events.report
    if anchor is not None:
        verdict.anchored = events.report.seals.get(anchor.seal)
    if thorough and events.form == "transcript" and events.path is not None:
        verdict.deep = []
        for finding in deep(events.source.blocks()):
            if len(verdict.deep) < MOST_FINDINGS:
                verdict.deep.append(finding)
            else:
                verdict.deep_unnamed += 1
    return verdict
