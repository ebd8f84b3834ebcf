"""What differs between two histories, or between two moments of one: the states, what failed, and where they part.

Law: pure. A history compared with itself differs in nothing; exchanging the two exchanges the sides of every
difference and changes nothing else. A state's difference names exactly the fields that differ, so that it turns the
one state into the other; a position is a place in one log and no part of what a state says.

The common beginning is walked in step and not kept; what comes after the parting is kept until both have ended.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Final, Generic, TypeVar, get_args

from msgspec.structs import replace

from replay.decide import Skipped, bearing
from replay.events import AttemptFailed, Event, Recorded
from replay.policy import Policy
from replay.state import INITIAL, Failure, ModelState, Probe, fold

__all__ = ["Both", "Comparison", "History", "StateDifference", "compare", "compare_states", "cooling"]

T = TypeVar("T")

_FRAME: Final = frozenset({"parentId", "v", "prev", "mac", "seal"})
_ATTRIBUTES: Final[Mapping[type, tuple[str, ...]]] = {
    kind: tuple(name for name in kind.__struct_fields__ if name != "extra") for kind in get_args(Event)
}
_PLAIN: Final = ("current", "pinned", "last_good", "switched_at")


@dataclass(frozen=True, slots=True)
class Both(Generic[T]):
    """Something of the one and of the other, which are not the same."""

    one: T
    other: T

    @property
    def swapped(self) -> "Both[T]":
        return Both(self.other, self.one)


@dataclass(frozen=True, slots=True)
class StateDifference:
    """The fields in which two states differ; what is the same is left out."""

    plain: Mapping[str, Both[object]]
    """``current pinned last_good switched_at`` by name."""
    tried: Mapping[tuple[str, str], Both[Failure | None]]
    """By model and reason."""
    probing: Mapping[str, Both[Probe | None]]

    @property
    def names(self) -> frozenset[str]:
        """The fields that differ."""
        named = {"tried": self.tried, "probing": self.probing}
        return frozenset(self.plain) | {name for name, found in named.items() if found}


@dataclass(slots=True)
class History:
    """One of the two: what it comes to."""

    state: ModelState = INITIAL
    events: int = 0
    last: Recorded | None = None
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Failed attempts by model and reason, as they were written down."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two histories."""

    histories: Both[History]
    state: StateDifference
    failures: Mapping[tuple[str, str], Both[int]]
    """By model and reason, where the numbers differ."""
    common: int
    """So many events, from the first on, are the same."""
    parted: Both[Recorded | None] | None
    """The first events that are not (None: this one has ended); None where the histories are the same."""
    only: Both[tuple[Recorded, ...]]
    """Events that the other doesn't have, wherever it could."""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.parted is None and not self.state.names and not self.failures


def compare(one: Iterable[Recorded], other: Iterable[Recorded]) -> Comparison:
    """The differences of two histories, each read once from its beginning."""
    first, second = History(), History()
    common, parted = 0, None
    rests: Both[list[Recorded]] = Both([], [])
    for ours, theirs in zip_longest(_told(one, first), _told(other, second)):
        if parted is None:
            if ours is not None and theirs is not None and identity(ours.event) == identity(theirs.event):
                common += 1
                continue
            parted = Both(ours, theirs)
        if ours is not None:
            rests.one.append(ours)
        if theirs is not None:
            rests.other.append(theirs)
    only = Both(tuple(_lacking(rests.one, rests.other)), tuple(_lacking(rests.other, rests.one)))
    numbers = sorted(first.failures.keys() | second.failures.keys())
    failures = {key: Both(first.failures[key], second.failures[key]) for key in numbers}
    return Comparison(
        Both(first, second),
        compare_states(first.state, second.state),
        {key: both for key, both in failures.items() if both.one != both.other},
        common,
        parted,
        only,
    )


def compare_states(one: ModelState, other: ModelState) -> StateDifference:
    """The fields in which two states differ."""
    plain: dict[str, Both[object]] = {name: Both(getattr(one, name), getattr(other, name)) for name in _PLAIN}
    tried = _differing(_failures(one), _failures(other))
    return StateDifference(
        {name: both for name, both in plain.items() if both.one != both.other},
        tried,
        _differing(dict(one.probing), dict(other.probing)),
    )


def identity(event: Event) -> Hashable:
    """What makes two events the same one: their fields, without those that a file adds where they stand in it."""
    said = tuple(getattr(event, name) for name in _ATTRIBUTES[type(event)])
    extra = {key: value for key, value in event.extra.items() if key not in _FRAME}
    return type(event), said, _hashable(extra)


def cooling(state: ModelState, now: datetime, policy: Policy) -> dict[str, Skipped]:
    """Of each model that failed and still cools at ``now``: the reason that cools it longest."""
    found: dict[str, Skipped] = {}
    for model in state.tried:
        for one in bearing(state, model, now, policy):
            longest = found.get(model)
            if one.until is not None and (longest is None or longest.until is None or one.until > longest.until):
                found[model] = one
    return found


def _told(events: Iterable[Recorded], history: History) -> Iterator[Recorded]:
    """The events, noting down what they come to. The fold goes by the hundred: one state an event costs too much."""
    batch: list[Recorded] = []
    for recorded in events:
        event = recorded.event
        history.events += 1
        history.last = recorded
        if isinstance(event, AttemptFailed):
            history.failures[event.model, event.reason] += 1
        batch.append(recorded)
        if len(batch) == 100:
            history.state = fold(batch, history.state)
            batch.clear()
        yield recorded
    history.state = fold(batch, history.state)


def _lacking(one: Iterable[Recorded], other: Iterable[Recorded]) -> Iterator[Recorded]:
    """Those of the one that the other doesn't have; of several alike, as many as are too many."""
    there = Counter(identity(recorded.event) for recorded in other)
    for recorded in one:
        known = identity(recorded.event)
        if there[known]:
            there[known] -= 1
        else:
            yield recorded


def _failures(state: ModelState) -> dict[tuple[str, str], Failure]:
    return {(model, reason): one for model, failures in state.tried.items() for reason, one in failures.items()}


K = TypeVar("K")
V = TypeVar("V", Failure, Probe)


def _differing(one: Mapping[K, V], other: Mapping[K, V]) -> dict[K, Both[V | None]]:
    """Where the two differ in more than the position, in the order of the one and then of the other."""
    keys = dict.fromkeys((*one, *other))
    return {key: Both(one.get(key), other.get(key)) for key in keys if _said(one.get(key)) != _said(other.get(key))}


def _said(one: Failure | Probe | None) -> Failure | Probe | None:
    return None if one is None else replace(one, position=0)


def _hashable(value: object) -> Hashable:
    """A value of JSON as one that a dict can hold; numbers that only look alike (1, 1.0, true) stay apart."""
    if isinstance(value, Mapping):
        return "object", frozenset((str(key), _hashable(one)) for key, one in value.items())
    if isinstance(value, list | tuple):
        return "list", tuple(_hashable(one) for one in value)
    return type(value).__name__, value if isinstance(value, str | int | None) else repr(value)
