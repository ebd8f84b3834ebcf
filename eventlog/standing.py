"""Where a session stands, in a few values: a row of a table, for a folder of ten thousand.

Law: reads a log once and keeps little of it, however much it tells; the values can be sent to another process. What
can't be read is told in the row and raises nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from eventlog import file
from eventlog.errors import UnreadableError
from eventlog.follow import Step
from eventlog.protection import OPEN, Protection
from eventlog.reading import Events
from eventlog.sources import Source
from eventlog.stuck import is_stuck, last_used
from replay import INITIAL, AttemptFailed, Chain, ModelState, ModelSwitch, Policy, Recorded, evolve, fold
from replay.decide import bearing
from replay.events import Event
from replay.filters import EVERYTHING, Filter, models_of
from replay.reasons import blames, provider_of

MOST: Final = 100
"""Tried models that a row tells of; all of them are counted."""

_POLICY: Final = Policy()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

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


def standing(listed: Listed, question: Question) -> Standing:
    """Read the session and say where it stands."""
    watch = _Watch()
    try:
        events = Events(listed.source, protection=question.protection)
        state = fold(watch.seen(events))
        return told(listed, events, state, watch, _updated(listed, events.beside), question)
    except UnreadableError as error:
        return _unreadable(listed, question, str(error))
    except (OSError, ValueError) as error:
        return _unreadable(listed, question, f"{listed.source}: {str(error).lower()}")


def steps(listed: Listed, question: Question) -> Iterator[Step]:
    """Each of its events, with the states around it; none of what can't be read."""
    state = INITIAL
    try:
        for recorded in Events(listed.source, protection=question.protection):
            before, state = state, evolve(state, recorded)
            yield Step(recorded, before, state)
    except (UnreadableError, OSError, ValueError):  # gone again; the next look at it says so
        return


def told(
    listed: Listed, events: Events, state: ModelState, watch: "_Watch", updated: float, question: Question
) -> Standing:
    """A log that was read, as a row."""
    report, policy, now = events.report, question.policy, question.now
    first = watch.first if question.chain is None else question.chain.models[0]
    away = state.current not in (None, first)
    hosts = last_used(listed.source, listed.updated) if away else None
    used = max(hosts or _EPOCH, watch.last or _EPOCH)
    row = Standing(
        listed,
        report.session or listed.name,
        state.current,
        state.switched_at,
        state.pinned,
        state.last_good,
        first,
        tuple(tried_models(state, now, policy)),
        len(state.tried),
        state.position,
        watch.failures,
        watch.last,
        watch.last_id,
        updated,
        report.size,
        events.inferred,
        is_stuck(state, first, min(used, now), policy),
        max(sum(report.damage.values()), 1) if report.damaged else 0,
    )
    return row if _is_wanted(row, state, question.wanted) else _unwanted(row)


class _Watch:
    """What a fold forgets and a row tells."""

    def __init__(self) -> None:
        self.first: str | None = None
        self.failures = 0
        self.last: datetime | None = None
        self.last_id: str | None = None

    def seen(self, events: Iterable[Recorded]) -> Iterator[Recorded]:
        for recorded in events:
            event = recorded.event
            if self.first is None:
                self.first = _first(event)
            self.failures += isinstance(event, AttemptFailed) and blames(event.reason)
            self.last_id = event.id
            if event.timestamp is not None and (self.last is None or event.timestamp > self.last):
                self.last = event.timestamp
            yield recorded


def _first(event: Event) -> str | None:
    if isinstance(event, ModelSwitch) and event.from_ is not None:
        return event.from_
    return next(iter(models_of(event)), None)


def tried_models(state: ModelState, now: datetime, policy: Policy) -> Iterator[Tried]:
    """The tried set's first hundred, each with the reason that matters most now."""
    for model in list(state.tried)[:MOST]:
        own = state.tried[model]
        cooling = [one for one in bearing(state, model, now, policy) if one.until is not None and one.why in own]
        longest = max(cooling, key=lambda one: one.until or now, default=None)
        reason = max(own, key=lambda reason: own[reason].position) if longest is None else longest.why
        until = None if longest is None else longest.until
        yield Tried(model, reason, own[reason].count, own[reason].at, until)


def _is_wanted(row: Standing, state: ModelState, wanted: Filter) -> bool:
    models = {one for one in (state.current, state.pinned, *state.tried) if one is not None}
    reasons = {reason for failures in state.tried.values() for reason in failures}
    return (
        wanted.covers(row.moved)
        and not (wanted.models and wanted.models.isdisjoint(models))
        and not (wanted.providers and wanted.providers.isdisjoint(map(provider_of, models)))
        and not (wanted.reasons and wanted.reasons.isdisjoint(reasons))
    )


def _unwanted(row: Standing) -> Standing:
    """It is only counted."""
    return Standing(row.listed, row.session, damage=row.damage, stuck=row.stuck, tried=row.tried, wanted=False)


def _unreadable(listed: Listed, question: Question, why: str) -> Standing:
    wanted = question.wanted == EVERYTHING
    return Standing(listed, listed.name, updated=listed.updated or 0.0, error=why, wanted=wanted)


def _updated(listed: Listed, beside: Path | None) -> float:
    """When it was last written to; of a transcript with a companion, the later of the two."""
    if listed.source.stored is not None and listed.updated is not None:
        return listed.updated
    paths = [path for path in (listed.source.path, beside) if path is not None]
    found = [one.modified_ns / 1e9 for path in paths if (one := file.identify_path(path)) is not None]
    return max(found, default=listed.updated or 0.0)


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return _EPOCH
