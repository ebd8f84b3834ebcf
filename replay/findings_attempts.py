"""Findings about attempts: made while the model cooled, made again and again, made again after a restart.

Law: pure. What is known of an attempt's beginning comes from :mod:`replay.hindsight`; here it is only counted.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from replay.events import AttemptFailed, AttemptSucceeded, Event, ModelSwitch, Recorded
from replay.filters import Filter
from replay.findings import MOST_WATCHED, Evidence, Finding, Thresholds, lasted, listed, times
from replay.hindsight import COOLING
from replay.reasons import REDIRECTED, blames
from replay.state import ModelState

__all__ = ["Amnesia", "Hammering", "WhileCooling"]

_V = TypeVar("_V")

_REMEMBER = (
    "let the gateway ask the log first (eventlog's Session, or `switchlog next`): it knows until when the model cools"
)


@dataclass(slots=True)
class WhileCooling:
    """Attempts on a model that its own earlier failures still cooled; those of a model within an hour are one finding.

    Not these: a probe, a person's pin, the attempt that was forced because every model cooled.
    """

    limits: Thresholds
    wanted: Filter
    _open: dict[str, Evidence] = field(default_factory=dict)
    _answered: dict[str, int] = field(default_factory=dict)

    def see(self, recorded: Recorded, verdict: str) -> Iterator[Finding]:
        event = recorded.event
        if not isinstance(event, AttemptFailed | AttemptSucceeded) or verdict != COOLING:
            return
        model = event.model
        found = self._open.get(model)
        if found is not None and not found.near(event, self.limits.incident):
            yield from self._close(model)
        if model not in self._open and len(self._open) >= MOST_WATCHED:
            yield from self._close(next(iter(self._open)))
        self._open.setdefault(model, Evidence(self.wanted)).add(recorded, model)
        self._answered[model] = self._answered.get(model, 0) + isinstance(event, AttemptSucceeded)

    def finish(self) -> Iterator[Finding]:
        for model in list(self._open):
            yield from self._close(model)

    def _close(self, model: str) -> Iterator[Finding]:
        found, answered = self._open.pop(model), self._answered.pop(model, 0)
        severity = "critical" if found.count >= self.limits.many else "warning"
        ended = f"; {answered} of them answered" if answered else ""
        told = f"{model} was asked {times(found.count)} while its own failures still cooled it{lasted(found)}{ended}"
        yield from _one(found.found("attempted_while_cooling", severity, told, _REMEMBER))


@dataclass(slots=True)
class Hammering:
    """One model that fails many times within a short time."""

    limits: Thresholds
    wanted: Filter
    _recent: dict[str, deque[Recorded]] = field(default_factory=dict)
    _open: dict[str, Evidence] = field(default_factory=dict)

    def see(self, recorded: Recorded) -> Iterator[Finding]:
        event = recorded.event
        if not isinstance(event, AttemptFailed) or not blames(event.reason) or event.timestamp is None:
            return
        model = event.model
        found = self._open.get(model)
        if found is not None:
            if found.near(event, self.limits.hammering_within):
                found.add(recorded, model)
                return
            yield from self._close(model)
        recent = _kept(self._recent, model, deque(maxlen=self.limits.hammering))
        recent.append(recorded)
        first = recent[0].event.timestamp or event.timestamp
        if len(recent) == self.limits.hammering and abs(event.timestamp - first) <= self.limits.hammering_within:
            if len(self._open) >= MOST_WATCHED:
                yield from self._close(next(iter(self._open)))
            self._open[model] = found = Evidence(self.wanted)
            for one in recent:
                found.add(one, model)
            del self._recent[model]

    def finish(self) -> Iterator[Finding]:
        for model in list(self._open):
            yield from self._close(model)

    def _close(self, model: str) -> Iterator[Finding]:
        found = self._open.pop(model)
        severity = "critical" if found.count >= self.limits.flood else "warning"
        told = f"{model} failed {times(found.count)}{lasted(found)}, none of the failures kept the next one away"
        remedy = "turn to the next model after the first failure; where the host retries by itself, lower its retries"
        yield from _one(found.found("hammering", severity, told, remedy))


@dataclass(slots=True)
class Amnesia:
    """A restart, and what the log had shown before it was tried once more right behind it.

    That is: a model is asked that its failures from before the restart still cooled, or a fallback is walked to and put
    back again that was put back before. Each model counts once a restart. What happened before the log begins is not
    known, so the first restart of a log often shows nothing.
    """

    limits: Thresholds
    wanted: Filter
    _put_back: dict[str, None] = field(default_factory=dict)
    _before: tuple[frozenset[str], frozenset[str]] | None = None
    """Models that had failed and models that had been put back, at the restart behind which we are."""
    _since: datetime | None = None
    _found: Evidence | None = None
    _failed: dict[str, None] = field(default_factory=dict)
    _again: dict[str, None] = field(default_factory=dict)

    def see(self, recorded: Recorded, verdict: str, before: ModelState, *, restarted: bool) -> Iterator[Finding]:
        event = recorded.event
        if restarted:
            yield from self._close()
            self._before, self._since = (frozenset(before.tried), frozenset(self._put_back)), event.timestamp
        if self._before is not None:
            if self._late(event):
                yield from self._close()
            else:
                self._judge(recorded, verdict, *self._before)
        turned = _turned_away(event)
        if turned is not None:
            _kept(self._put_back, turned, None)
        elif isinstance(event, AttemptSucceeded):
            self._put_back.pop(event.model, None)

    def finish(self) -> Iterator[Finding]:
        yield from self._close()

    def _late(self, event: Event) -> bool:
        if event.timestamp is None or self._since is None:
            return False
        return abs(event.timestamp - self._since) > self.limits.after_restart

    def _judge(self, recorded: Recorded, verdict: str, failed: frozenset[str], put_back: frozenset[str]) -> None:
        event = recorded.event
        if isinstance(event, AttemptFailed | AttemptSucceeded) and verdict == COOLING and event.model in failed:
            self._add(recorded, event.model, self._failed)
        turned = _turned_away(event)
        if turned in put_back and turned is not None:
            self._add(recorded, turned, self._again)

    def _add(self, recorded: Recorded, model: str, models: dict[str, None]) -> None:
        if model not in self._failed and model not in self._again:
            self._found = self._found or Evidence(self.wanted)
            self._found.add(recorded, model)
            models[model] = None

    def _close(self) -> Iterator[Finding]:
        found, failed, again = self._found, list(self._failed), list(self._again)
        self._before, self._found, self._failed, self._again = None, None, {}, {}
        if found is None:
            return
        parts = []
        if failed:
            parts.append(f"{listed(failed)}: asked again, though earlier failures still cooled {_them(failed)}")
        if again:
            parts.append(f"{listed(again)}: turned to and put back unasked once more")
        told = f"after a restart the gateway did not know what had happened before it: {'; '.join(parts)}"
        remedy = "keep the failover memory on disk: open the session's log at the start and decide with what it tells"
        yield from _one(found.found("amnesia", "critical", told, remedy))


def _turned_away(event: Event) -> str | None:
    """The model that the host turned to and put back, if the event tells so."""
    if isinstance(event, ModelSwitch) and event.cause == "reverted":
        return event.from_
    if isinstance(event, AttemptFailed) and event.reason == REDIRECTED:
        return event.model
    return None


def _them(models: list[str]) -> str:
    return "it" if len(models) == 1 else "them"


def _kept(table: dict[str, _V], key: str, value: _V) -> _V:
    """What the table holds for the key, ``value`` if nothing; the oldest entry is forgotten beyond the bound."""
    if key not in table and len(table) >= MOST_WATCHED:
        del table[next(iter(table))]
    return table.setdefault(key, value)


def _one(found: Finding | None) -> Iterator[Finding]:
    if found is not None:
        yield found
