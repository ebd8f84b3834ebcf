"""The fold: from a log's events to what a gateway has to know.

Law: pure and total. Any sequence of events folds to a state; nothing here raises, reads a clock or a policy, and an
event at or before ``state.position`` changes nothing, so that reading on after a crash is always safe.

Order is the position in the log, never the timestamp: clocks jump, files don't.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from replay.events import AttemptFailed, AttemptSucceeded, Event, FailureCleared, ModelSwitch, Recorded
from replay.reasons import PROVIDER_WIDE, UNKNOWN, blames, canonical, provider_of

REST: Final = timedelta(hours=24)
"""So long without a reason, and its next failure counts as a first one. No wait is longer than this."""

_OVER: Final = timedelta(0)


class Failure(Struct, frozen=True, gc=False):
    """What a model's failures for one reason have come to.

    ``at`` is the latest of their times (None: none was readable), ``count`` the number of incidents, ``retry_after``
    the provider's own wish counted from ``at`` (at most 24 h), ``position`` that of the latest event. ``hinted``:
    every failure of a first incident named such a wish, so that it may stand in for the policy's own base.
    """

    at: datetime | None
    count: int
    retry_after: timedelta | None
    position: int
    hinted: bool = False


class Probe(Struct, frozen=True, gc=False):
    """A run is asking a model that had failed; until its outcome is known, the others don't."""

    at: datetime | None
    position: int


Tried = Mapping[str, Mapping[str, Failure]]


class ModelState(Struct, frozen=True):
    """Where a session stands: the result of :func:`fold`.

    ``tried`` maps a model to its failures by reason, in the order in which the models failed. ``failing`` is the
    model whose failure was the last event, if it was one.
    """

    current: str | None = None
    pinned: str | None = None
    tried: Tried = field(default_factory=lambda: MappingProxyType({}))
    probing: Mapping[str, Probe] = field(default_factory=lambda: MappingProxyType({}))
    last_good: str | None = None
    switched_at: datetime | None = None
    position: int = 0
    failing: str | None = None

    @property
    def attempted(self) -> tuple[str, ...]:
        """The models of the tried set in order of failing, then the current one."""
        earlier = tuple(model for model in self.tried if model != self.current)
        return earlier if self.current is None else (*earlier, self.current)


INITIAL: Final = ModelState()


def fold(events: Iterable[Event | Recorded], state: ModelState = INITIAL) -> ModelState:
    """The state after ``events``, going on from ``state``.

    Recorded events bring their position; bare ones count on from ``state.position``. Folding a prefix and going on
    with the rest gives the same state as folding the whole.
    """
    draft = _Draft(state)
    for event in events:
        draft.apply(event)
    return draft.state()


def evolve(state: ModelState, event: Event | Recorded) -> ModelState:
    """The state after one more event."""
    return fold((event,), state)


def scan(events: Iterable[Event | Recorded], state: ModelState = INITIAL) -> Iterator[ModelState]:
    """The state after each of ``events``; the last one equals :func:`fold`."""
    for event in events:
        state = evolve(state, event)
        yield state


def changes(state: ModelState, event: Event) -> bool:
    """Whether the event would tell the state anything new; what only counts on doesn't."""
    healthy = isinstance(event, AttemptSucceeded) and state.current is not None and state.last_good == event.model
    if healthy and not state.tried and not state.probing:
        return False  # the usual request: nothing to compare
    after = evolve(state, event)
    return replace(after, position=state.position, failing=state.failing) != state


class _Draft:
    """A state in the making. Outer dicts are its own; the inner ones are shared with states and replaced, not changed.

    A fold over a whole log with immutable states would copy the tried set for each event: quadratic in a log that
    names many models.
    """

    def __init__(self, state: ModelState) -> None:
        self.current = state.current
        self.pinned = state.pinned
        self.tried = dict(state.tried)
        self.probing = dict(state.probing)
        self.last_good = state.last_good
        self.switched_at = state.switched_at
        self.position = state.position
        self.failing = state.failing
        # provider -> its models with provider-wide failures, so that a success need not look through all models
        self.wide: dict[str, set[str]] = {}
        for model, failures in self.tried.items():
            self._index(model, failures)

    def state(self) -> ModelState:
        return ModelState(
            self.current,
            self.pinned,
            MappingProxyType(self.tried),
            MappingProxyType(self.probing),
            self.last_good,
            self.switched_at,
            self.position,
            self.failing,
        )

    def apply(self, item: Event | Recorded) -> None:
        if isinstance(item, Recorded):
            event, position = item.event, item.position
            if position <= self.position:
                return
        else:
            event, position = item, self.position + 1
        before, self.failing = self.failing, None
        if isinstance(event, AttemptFailed):
            self._failed(event, position)
        elif isinstance(event, AttemptSucceeded):
            self._succeeded(event, position)
        elif isinstance(event, ModelSwitch):
            self._switched(event, position, before)
        elif isinstance(event, FailureCleared):
            self._cleared(event)
        # A log_repaired tells of the log, not of models.
        self.position = position

    def _failed(self, event: AttemptFailed, position: int) -> None:
        self.failing = event.model
        seen = _known(event.seen, position)
        self._settle(event.model, seen)
        if blames(event.reason):
            self._blame(event.model, canonical(event.reason), event.timestamp, event.retry_after_ms, seen, position)

    def _succeeded(self, event: AttemptSucceeded, position: int) -> None:
        seen = _known(event.seen, position)
        self._settle(event.model, seen)
        self._forgive(event.model, seen)
        self.last_good = event.model
        if self.current is None:
            self.current, self.switched_at = event.model, event.timestamp

    def _switched(self, event: ModelSwitch, position: int, before: str | None) -> None:
        if event.cause is None and event.from_ is not None and event.from_ not in (before, event.to):
            # Another tool's bare switch: it left `from` for a reason, which nobody wrote down.
            self._blame(event.from_, UNKNOWN, event.timestamp, None, position - 1, position)
        if event.to != self.current:
            self.current, self.switched_at = event.to, event.timestamp
        if event.cause == "user":
            self.pinned = event.to
            self._forgive(event.to, position)
        elif event.cause == "unpin":
            self.pinned = None
        elif event.cause == "probe":
            self.probing[event.to] = Probe(event.timestamp, position)

    def _cleared(self, event: FailureCleared) -> None:
        if event.model is not None:
            self._forgive(event.model, None)
        if event.provider is not None:
            for model in [model for model in self.tried if provider_of(model) == event.provider]:
                del self.tried[model]
            self.wide.pop(event.provider, None)

    def _settle(self, model: str, seen: int) -> None:
        """An outcome ends the probe that it knew of; a run that began before the probe doesn't."""
        probe = self.probing.get(model)
        if probe is not None and probe.position <= seen:
            del self.probing[model]

    def _blame(
        self, model: str, reason: str, at: datetime | None, retry_after_ms: int | None, seen: int, position: int
    ) -> None:
        failures = self.tried.get(model, {})
        retry_after = None if retry_after_ms is None else _wish(retry_after_ms)
        joined = _join(failures.get(reason), at, retry_after, seen, position)
        self.tried[model] = {**failures, reason: joined}
        if reason in PROVIDER_WIDE:
            self._index(model, self.tried[model])

    def _forgive(self, model: str, seen: int | None) -> None:
        """Drop the model's failures up to ``seen`` (None: all), and its provider's provider-wide ones."""
        self._drop(model, seen, None)
        if self.wide:
            for other in self.wide.pop(provider_of(model), set()):
                self._drop(other, seen, PROVIDER_WIDE)

    def _drop(self, model: str, seen: int | None, reasons: frozenset[str] | None) -> None:
        failures = self.tried.get(model)
        if failures is None:
            return
        kept = {
            reason: failure
            for reason, failure in failures.items()
            if (seen is not None and failure.position > seen) or (reasons is not None and reason not in reasons)
        }
        if kept:
            self.tried[model] = kept
            self._index(model, kept)
        else:
            del self.tried[model]

    def _index(self, model: str, failures: Mapping[str, Failure]) -> None:
        if not PROVIDER_WIDE.isdisjoint(failures):
            self.wide.setdefault(provider_of(model), set()).add(model)


def _known(seen: int | None, position: int) -> int:
    """The last position that an attempt can have known: an absent or impossible ``seen`` means all before it."""
    return position - 1 if seen is None or seen >= position else seen


@lru_cache(1024)  # providers ask for a few round spans, and to make one costs as much as the rest of a failure
def _wish(retry_after_ms: int) -> timedelta:
    return timedelta(milliseconds=min(max(retry_after_ms, 0), REST // timedelta(milliseconds=1)))


def _join(
    earlier: Failure | None, at: datetime | None, retry_after: timedelta | None, seen: int, position: int
) -> Failure:
    """One more failure for the same reason. It never ends a wait sooner than the earlier ones did."""
    if earlier is None:
        return Failure(at, 1, retry_after, position, retry_after is not None)
    if at is None:
        # No readable time: it can add to the count, but says nothing of when.
        hinted = earlier.hinted and retry_after is not None
        return Failure(earlier.at, _count(earlier, seen), earlier.retry_after, position, hinted)
    if earlier.at is None or at - earlier.at > REST:
        count = 1 if earlier.at is not None else _count(earlier, seen)
        return Failure(at, count, retry_after, position, retry_after is not None)
    latest = max(at, earlier.at)
    wish, before = _left(retry_after, at, latest), _left(earlier.retry_after, earlier.at, latest)
    if wish is None or (before is not None and before > wish):
        wish = before
    return Failure(latest, _count(earlier, seen), wish, position, earlier.hinted and retry_after is not None)


def _left(wish: timedelta | None, since: datetime, now: datetime) -> timedelta | None:
    """What is left of a wait. Never ``since + wish``: a stamp of the year 9999 must not overflow."""
    return None if wish is None else max(wish - (now - since), _OVER)


def _count(earlier: Failure, seen: int) -> int:
    """Parallel runs that meet one incident are one failure: only an attempt that knew of it makes it another."""
    return earlier.count + (seen >= earlier.position)
