"""What a row of the sessions' table holds: a session, what is asked of it, and where it stands.

Law: values; nothing here reads a log. A row can be sent to another process, and tells little of a session, however long
its log is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct

from eventlog.protection import OPEN, Protection
from eventlog.sources import Source
from replay import Chain, Policy
from replay.filters import EVERYTHING, Filter

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that nothing tells: earlier than all that are told."""

_POLICY: Final = Policy()

Health = Literal["ok", "cooling", "stuck", "damaged", "unreadable"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A session that is there. ``updated``: when it was last written to, if the place of it tells, in seconds."""

    source: Source
    agent: str | None = None
    key: str | None = None
    updated: float | None = None

    @property
    def name(self) -> str:
        """The session's id, as its place tells it."""
        return self.source.name or ""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every session."""

    now: datetime
    policy: Policy = _POLICY
    chain: Chain | None = None
    protection: Protection = OPEN
    wanted: Filter = EVERYTHING
    """Of state: a model that is in use, pinned or tried; a reason for which one is. Of time: the last event's."""


class Tried(Struct, frozen=True, gc=False):
    """What a model's failures have come to: the reason that matters most."""

    model: str
    reason: str
    failures: int
    at: datetime | None
    until: datetime | None
    """None: it cools no more."""


class Standing(Struct, frozen=True):
    """Where one session stands. A struct, as these travel between processes: in a tenth of a dataclass's time."""

    listed: Listed
    session: str
    current: str | None = None
    since: datetime | None = None
    pinned: str | None = None
    last_good: str | None = None
    first: str | None = None
    """The model that it should come back to: the chain's first, or where there is no chain, the session's own first."""
    tried: tuple[Tried, ...] = ()
    """The first hundred."""
    tried_count: int = 0
    events: int = 0
    failures: int = 0
    """Attempts that failed and blame a model, in the whole log."""
    last: datetime | None = None
    """The latest event's time."""
    last_id: str | None = None
    updated: float = 0.0
    """When its file was last written to, in seconds since the epoch."""
    size: int = 0
    inferred: bool = False
    stuck: bool = False
    damage: int = 0
    error: str | None = None
    """Why it can't be read."""
    wanted: bool = True
    """Whether it is what was asked for."""

    def cooling(self, now: datetime) -> list[Tried]:
        """The models that cool at that moment, the one that is free first in front."""
        found = [one for one in self.tried if one.until is not None and one.until > now]
        return sorted(found, key=lambda one: one.until or now)

    def health(self, now: datetime) -> Health:
        """Its condition in a word: of several the worst."""
        if self.error is not None:
            return "unreadable"
        if self.damage:
            return "damaged"
        if self.stuck:
            return "stuck"
        return "cooling" if self.cooling(now) else "ok"

    @property
    def moved(self) -> datetime:
        """When something happened last."""
        return self.last or _moment(self.updated)

    @property
    def written(self) -> datetime | None:
        """When its file was last written to."""
        return _moment(self.updated) if self.updated else None


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return EPOCH
