"""What a history shows that should not be: the words that every finding is told in, and when one is worth telling.

Law: pure values. A finding names the events that show it (positions that `replay --at` opens) and claims nothing beyond
them; what is only likely is not told. Bounded: of many events the first are named and all are counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from replay.events import AttemptFailed, AttemptSucceeded, Event, Recorded
from replay.filters import EVERYTHING, Filter, models_of
from replay.reasons import ABORTED, REDIRECTED

__all__ = [
    "KINDS",
    "SEVERITIES",
    "Evidence",
    "Finding",
    "Thresholds",
    "is_attempt",
    "lasted",
    "listed",
]

SEVERITIES: Final = ("info", "warning", "critical")
"""The mildest first."""

KINDS: Final = (
    "damaged_log",
    "reverted_fallback",
    "chain_exhausted",
    "amnesia",
    "attempted_while_cooling",
    "hammering",
    "cascade",
    "pin_overridden",
    "stuck_on_fallback",
    "flapping",
    "clock_backwards",
)

MOST_NAMED: Final = 20
"""Positions and models that a finding names."""
MOST_WATCHED: Final = 256
"""Models that are told apart where something is kept of each: a hostile log may name a million."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When something is worth telling."""

    together: timedelta = timedelta(seconds=10)
    """Failures of several models with no more between them are one burst."""
    cascade: int = 3
    """So many models that fail or are put back in one burst."""
    hammering: int = 4
    """So many failures of one model …"""
    hammering_within: timedelta = timedelta(seconds=60)
    """… in so short a time."""
    flapping: int = 4
    """So many moves there and back between two models …"""
    flapping_within: timedelta = timedelta(minutes=10)
    """… in so short a time."""
    after_restart: timedelta = timedelta(seconds=60)
    """So long after the first event behind a restart, what is asked is asked because of it."""
    incident: timedelta = timedelta(hours=1)
    """Attempts of one model with no more between them are one finding."""
    stuck: timedelta = timedelta(hours=1)
    """So long after the end of the primary's cooldown a session should be back."""
    backwards: timedelta = timedelta(seconds=60)
    """A clock that goes back further was set: what parallel writers differ by is less."""
    many: int = 5
    """So many wasted attempts of a model in one finding are critical."""
    flood: int = 20
    """So many failures in one hammering are critical."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not be. ``positions`` and ``models`` name the first of them, ``count`` counts all."""

    kind: str
    severity: str
    told: str
    remedy: str
    count: int
    positions: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    first: datetime | None = None
    last: datetime | None = None


@dataclass(slots=True)
class Evidence:
    """A finding in the making: the events that show it."""

    wanted: Filter = EVERYTHING
    count: int = 0
    positions: list[int] = field(default_factory=list)
    models: dict[str, None] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    taken: bool = False
    """Whether any of the events is one that somebody wants to see."""

    def add(self, recorded: Recorded, *models: str) -> None:
        """One more event; ``models``: those that it is about here."""
        event = recorded.event
        self.count += 1
        if len(self.positions) < MOST_NAMED:
            self.positions.append(recorded.position)
        for model in models:
            if len(self.models) < MOST_NAMED:
                self.models.setdefault(model)
        if event.timestamp is not None:
            self.first = event.timestamp if self.first is None else min(self.first, event.timestamp)
            self.last = event.timestamp if self.last is None else max(self.last, event.timestamp)
        self.taken = self.taken or self.wanted.takes(event)

    def near(self, event: Event, gap: timedelta) -> bool:
        """Whether the event is no more than ``gap`` away from the last; where a time is not known, it is."""
        return event.timestamp is None or self.last is None or abs(event.timestamp - self.last) <= gap

    def found(self, kind: str, severity: str, told: str, remedy: str, count: int | None = None) -> Finding | None:
        """The finding; None if nobody wants to see any of its events."""
        if not self.taken:
            return None
        return Finding(
            kind,
            severity,
            told,
            remedy,
            self.count if count is None else count,
            tuple(self.positions),
            tuple(self.models),
            self.first,
            self.last,
        )


def is_attempt(event: Event) -> bool:
    """Whether it tells how a request ended: not one that was never sent, nor one that somebody stopped."""
    if isinstance(event, AttemptFailed):
        return event.reason not in (REDIRECTED, ABORTED)
    return isinstance(event, AttemptSucceeded)


def named(event: Event) -> str:
    """The model that it is mainly about."""
    return next(reversed(models_of(event)), "")


def lasted(evidence: Evidence) -> str:
    """How long it took, in words; nothing where the times are not known."""
    if evidence.first is None or evidence.last is None or evidence.count < 2:
        return ""
    seconds = (evidence.last - evidence.first).total_seconds()
    if seconds < 0.01:
        return " at once"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f" within {seconds / size:.1f} {unit}"
    return f" within {seconds:.2f} s" if seconds < 10 else f" within {seconds:.0f} s"


def listed(models: Iterable[str], most: int = 5) -> str:
    """Some models' names, and how many more there are."""
    names = list(models)
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def times(count: int) -> str:
    """How often, in words."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
