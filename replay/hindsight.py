"""What a log knew when an attempt began: whether its model cooled then, by its own recorded failures.

Law: pure, total and in doubt silent. An attempt is said to have begun while its model cooled only where the fold of
what it can have known says so; not the probe after a cooldown, a person's pin, or the one attempt that is forced
because nothing else was left.

A log tells when an attempt ended. It began ``durationMs`` earlier; without that it is judged as of its end, when less
still cools. It knew what stood at ``seen``, so parallel runs that meet one incident don't waste anything; whatever
stands further back than the states that are kept is not judged. Where the chain is not known, it is taken to be the
models that the log has named so far.
"""

from collections import deque
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from replay.decide import bearing
from replay.events import AttemptFailed, AttemptSucceeded, Recorded
from replay.policy import Chain, Policy
from replay.reasons import provider_of
from replay.state import INITIAL, ModelState, evolve

__all__ = ["COOLING", "FORCED", "FREE", "MODELS", "UNKNOWN", "Memory", "cools"]

FREE: Final = "free"
COOLING: Final = "cooling"
FORCED: Final = "forced"
"""It cooled, and so did all others."""
UNKNOWN: Final = "unknown"

MODELS: Final = 64
"""Models of which the failures are kept: to judge an attempt, all of them are compared with each other."""
_KEPT: Final = 64
"""States that are kept: so far back ``seen`` may point."""


class Memory:
    """The fold of a log, with its last states."""

    def __init__(self, policy: Policy) -> None:
        self.state = INITIAL
        self._policy = policy
        self._past: deque[tuple[ModelState, datetime | None]] = deque([(INITIAL, None)], maxlen=_KEPT)

    def copy(self) -> "Memory":
        """Another that goes on from here by itself."""
        other = Memory(self._policy)
        other.state, other._past = self.state, deque(self._past, maxlen=_KEPT)
        return other

    def apply(self, recorded: Recorded) -> None:
        """Go on by one event."""
        self.state = _bounded(evolve(self.state, recorded))
        self._past.append((self.state, recorded.event.timestamp or self._past[-1][1]))

    def pass_over(self, recorded: Recorded) -> None:
        """Go on by an event that did not happen here."""
        self.state = replace(self.state, position=max(self.state.position, recorded.position))
        self._past.append((self.state, self._past[-1][1]))

    def verdict(self, recorded: Recorded, chain: Chain | None, asked: AbstractSet[str]) -> str:
        """How it stood with the model of an attempt when that began. ``asked``: what the same turn had tried before."""
        event = recorded.event
        if not isinstance(event, AttemptFailed | AttemptSucceeded) or event.timestamp is None:
            return UNKNOWN
        found = self._as_of(recorded.position - 1 if event.seen is None else event.seen)
        if found is None:
            return UNKNOWN
        state, spoke = found
        if not state.tried:  # the usual session: nothing ever failed
            return FREE
        model = event.model
        began = _before(event.timestamp, event.duration_ms)
        if not cools(state, model, began, self._policy) or model == state.pinned or model in state.probing:
            return FREE
        if chain is None:
            return COOLING
        moments = [began] if event.duration_ms is not None or spoke is None else [began, min(began, spoke)]
        return FORCED if any(self._forced(state, model, chain, one, asked) for one in moments) else COOLING

    def _forced(self, state: ModelState, model: str, chain: Chain, now: datetime, asked: AbstractSet[str]) -> bool:
        """Whether :func:`replay.decide` would have forced it: nothing is free, and no other is free sooner.

        Asked one by one, as most answers come from the first model that is free; of two that are free at the same time
        either may be forced. A model that has left the chain since counts as a part of it.
        """
        until, insists = _end(state, model, now, self._policy)
        if not self._policy.force or insists:
            return False
        for other in (*chain, *([] if state.pinned is None else [state.pinned])):
            if other == model or other in asked:
                continue
            end, insists = _end(state, other, now, self._policy)
            if end is None or (not insists and until is not None and end < until):
                return False
        return True

    def _as_of(self, seen: int) -> tuple[ModelState, datetime | None] | None:
        """The state that stood at the position; None if it is not kept any more."""
        for state, spoke in reversed(self._past):
            if state.position <= seen:
                return state, spoke
        return None


def cools(state: ModelState, model: str, began: datetime, policy: Policy) -> bool:
    """Whether a failure that had happened by then keeps the model from being asked (a running probe is none)."""
    waits = {
        one.position for one in bearing(state, model, began, policy) if one.until is not None and one.why != "probing"
    }
    return bool(waits) and any(
        failure.position in waits and failure.at is not None and failure.at <= began
        for other, failures in state.tried.items()
        if other == model or provider_of(other) == provider_of(model)
        for failure in failures.values()
    )


def _end(state: ModelState, model: str, now: datetime, policy: Policy) -> tuple[datetime | None, bool]:
    """Until when it cools (None: it is free), and whether its provider insists on that."""
    waits = [one for one in bearing(state, model, now, policy) if one.until is not None]
    return max((one.until for one in waits if one.until is not None), default=None), any(one.insists for one in waits)


def _before(ended: datetime, duration_ms: int | None) -> datetime:
    try:
        return ended - timedelta(milliseconds=max(duration_ms or 0, 0))
    except OverflowError:
        return ended


def _bounded(state: ModelState) -> ModelState:
    """Of very many models those that failed longest ago are forgotten: nothing more is claimed of them."""
    if len(state.tried) <= MODELS:
        return state
    youngest = sorted(state.tried, key=lambda model: max(one.position for one in state.tried[model].values()))
    kept = frozenset(youngest[-MODELS // 2 :])
    return replace(
        state, tried=MappingProxyType({model: value for model, value in state.tried.items() if model in kept})
    )
