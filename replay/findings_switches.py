"""Findings about switches: put back, to and fro; and about the clock that they are stamped with.

Law: pure. Only what a host or a decision did by itself is judged: a person's choice, its end and a probe are nobody's
mistake.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from replay.decide import bearing
from replay.events import AttemptFailed, AttemptSucceeded, Event, ModelSwitch, Recorded
from replay.filters import Filter
from replay.findings import Evidence, Finding, Thresholds, is_attempt, lasted, listed, times
from replay.policy import Policy
from replay.state import ModelState

__all__ = ["Clock", "Flapping", "Reverted", "waits"]


@dataclass(slots=True)
class Reverted:
    """A fallback that the host undid: before anybody asked the model (critical), or while the old one still cooled.

    A host that comes back to a model that is free again does right.
    """

    limits: Thresholds
    wanted: Filter
    policy: Policy
    _heard: str | None = None
    """The model that was heard of since the last switch."""
    _unasked: Evidence | None = None
    _undone: Evidence | None = None
    _to: str = ""

    def see(self, recorded: Recorded, before: ModelState) -> Iterator[Finding]:
        event = recorded.event
        if isinstance(event, AttemptFailed | AttemptSucceeded) and is_attempt(event):
            self._heard = event.model
        if not isinstance(event, ModelSwitch):
            return
        heard, self._heard = self._heard, None
        if event.cause != "reverted" or event.from_ is None or event.from_ == event.to:
            return
        if heard != event.from_:
            if self._unasked is not None and (
                not self._unasked.near(event, self.limits.together) or self._to != event.to
            ):
                yield from self._close_unasked()
            self._unasked, self._to = self._unasked or Evidence(self.wanted), event.to
            self._unasked.add(recorded, event.from_)
        elif event.timestamp is not None and waits(before, event.to, event.timestamp, self.policy):
            if self._undone is not None and not self._undone.near(event, self.limits.incident):
                yield from self._close_undone()
            self._undone = self._undone or Evidence(self.wanted)
            self._undone.add(recorded, event.to)

    def finish(self) -> Iterator[Finding]:
        yield from self._close_unasked()
        yield from self._close_undone()

    def _close_unasked(self) -> Iterator[Finding]:
        found, self._unasked = self._unasked, None
        if found is None:
            return
        burnt = len(found.models) >= self.limits.cascade
        ending = ": the chain burned down without one request" if burnt else ""
        told = (
            f"{found.count} {'fallback was' if found.count == 1 else 'fallbacks were'} put back to {self._to}"
            f"{lasted(found)}, before any request reached {listed(found.models)}{ending}"
        )
        remedy = (
            "the host compares each candidate with the session's persisted model and lets that win (OpenClaw 2026.3.28:"
            ' "live session model switch detected before attempt"): set the session\'s own model to a fallback '
            "(sessions.patch) when its model fails, or upgrade; a restart does not help"
        )
        one = found.found("reverted_fallback", "critical", told, remedy)
        if one is not None:
            yield one

    def _close_undone(self) -> Iterator[Finding]:
        found, self._undone = self._undone, None
        if found is None:
            return
        told = (
            f"the session was put back to {listed(found.models)} {times(found.count)}{lasted(found)} while that still "
            "cooled, away from a fallback that had been asked"
        )
        remedy = "start a turn with what the log says is free (`switchlog next`), not with the configured primary"
        one = found.found("reverted_fallback", "warning", told, remedy)
        if one is not None:
            yield one


@dataclass(slots=True)
class Flapping:
    """There and back between two models, again and again. Probes and a person's choices are no part of it."""

    limits: Thresholds
    wanted: Filter
    _run: deque[Recorded] = field(default_factory=deque)
    _open: Evidence | None = None

    def see(self, recorded: Recorded) -> Iterator[Finding]:
        event = recorded.event
        if not isinstance(event, ModelSwitch) or event.from_ == event.to:
            return
        last = self._run[-1].event if self._run else None
        returns = isinstance(last, ModelSwitch) and (last.from_, last.to) == (event.to, event.from_)
        automatic = event.cause in ("fallback", "reverted", None) and event.timestamp is not None
        if not automatic or not returns or last is None or not self._soon(last, event):
            yield from self._close()
            self._run.clear()
        if not automatic:
            return
        self._run.append(recorded)
        if self._open is not None:
            self._open.add(recorded)
        elif len(self._run) >= self.limits.flapping and self._soon(self._run[0].event, event):
            self._open = Evidence(self.wanted)
            for one in self._run:
                self._open.add(one, event.to, event.from_ or "")
        while len(self._run) >= self.limits.flapping:
            self._run.popleft()

    def finish(self) -> Iterator[Finding]:
        yield from self._close()

    def _soon(self, one: Event, other: Event) -> bool:
        if one.timestamp is None or other.timestamp is None:
            return False
        return abs(other.timestamp - one.timestamp) <= self.limits.flapping_within

    def _close(self) -> Iterator[Finding]:
        found, self._open = self._open, None
        if found is None:
            return
        told = f"{found.count} moves to and fro between {' and '.join(found.models)}{lasted(found)}"
        remedy = "stay with the model that answers until the other's cooldown is over, then probe it once"
        one = found.found("flapping", "warning", told, remedy)
        if one is not None:
            yield one


@dataclass(slots=True)
class Clock:
    """An event that is stamped well before the one in front of it."""

    limits: Thresholds
    wanted: Filter
    _last: Recorded | None = None

    def see(self, recorded: Recorded) -> Iterator[Finding]:
        at = recorded.event.timestamp
        if at is None:
            return
        before, self._last = self._last, recorded
        earlier = None if before is None else before.event.timestamp
        if before is None or earlier is None or earlier - at <= self.limits.backwards:
            return
        found = Evidence(self.wanted)
        found.add(before)
        found.add(recorded)
        seconds = (earlier - at).total_seconds()
        told = f"event {recorded.position} is stamped {seconds:,.0f} s before event {before.position} in front of it"
        remedy = "keep the clocks of all writers in step (NTP): cooldowns are counted by their stamps"
        one = found.found("clock_backwards", "info", told, remedy, 1)
        if one is not None:
            yield one


def waits(state: ModelState, model: str, now: datetime, policy: Policy) -> bool:
    return any(one.until is not None for one in bearing(state, model, now, policy))
