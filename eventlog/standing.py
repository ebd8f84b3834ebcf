"""Where a session stands: its log, read into a row of a table, for a folder of ten thousand.

Law: reads a log once and keeps little of it, however much it tells. What can't be read is told in the row and raises
nothing. What a row holds: :mod:`eventlog.row`.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from eventlog import file
from eventlog.errors import UnreadableError
from eventlog.follow import Step
from eventlog.reading import Events
from eventlog.row import EPOCH, Listed, Question, Standing, Tried
from eventlog.stuck import is_stuck, last_used
from replay import INITIAL, AttemptFailed, ModelState, ModelSwitch, Policy, Recorded, evolve, fold
from replay.decide import bearing
from replay.events import Event
from replay.filters import EVERYTHING, Filter, models_of
from replay.reasons import blames, provider_of

MOST: Final = 100
"""Tried models that a row tells of; all of them are counted."""


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
    used = max(hosts or EPOCH, watch.last or EPOCH)
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
