"""The decision: which model to ask now, and why not the others.

Law: pure. The same state, chain, time and policy give the same decision; writing the switch it asks for and deciding
again says ``keep``.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from replay.policy import Chain, Policy
from replay.reasons import OVERLOADED, PROVIDER_WIDE, RATE_LIMIT, provider_of
from replay.state import Failure, ModelState

AHEAD: Final = timedelta(seconds=60)
"""A failure stamped further in the future comes from a clock that was wrong; it can't say when its wait ends."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A model that is not asked now.

    ``why`` is the reason that cools it longest, ``probing`` (another run is asking it) or ``excluded`` (this loop has
    tried it). ``until`` is when it is free again, ``position`` the event that says so. ``insists``: the provider's
    own Retry-After still runs, so not even a forced attempt may go there. ``session``: it is another session's log that
    says so.
    """

    model: str
    why: str
    until: datetime | None = None
    position: int | None = None
    insists: bool = False
    session: str | None = None


Elsewhere = Mapping[str, tuple[Skipped, ...]]
"""What other sessions' logs say of a model: their :func:`bearing`, with ``session`` set."""

NOWHERE: Final[Elsewhere] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Decision:
    """Ask ``model`` (None: nothing is left).

    ``cause`` is what the switch to it will be called: ``initial keep fallback probe pin config``; ``keep`` needs no
    switch. ``order`` is every model that may be asked now, best first, ``skipped`` the rest of them in chain order.
    ``retry_at`` is when the first of those is free again. ``forced``: all of them cool, this one is asked anyway.
    """

    model: str | None
    cause: str | None
    order: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    retry_at: datetime | None
    forced: bool = False


class AllModelsFailed(Exception):
    """Every model of the chain failed or still cools.

    ``skipped`` says of each why and until when, ``retry_at`` is the soonest moment at which one is free again.
    """

    def __init__(self, skipped: tuple[Skipped, ...], retry_at: datetime | None) -> None:
        told = "; ".join(_tell(one) for one in skipped)
        soonest = f" (soonest retry {retry_at:%Y-%m-%d %H:%M:%S} UTC)" if retry_at is not None else ""
        super().__init__(f"no model is left: {told}{soonest}")
        self.skipped = skipped
        self.retry_at = retry_at

    def __reduce__(self) -> tuple[type["AllModelsFailed"], tuple[object, ...]]:
        return type(self), (self.skipped, self.retry_at)


def decide(
    state: ModelState,
    chain: Chain,
    now: datetime,
    policy: Policy | None = None,
    exclude: AbstractSet[str] = frozenset(),
    elsewhere: Elsewhere = NOWHERE,
) -> Decision:
    """Choose a model for a request that starts at ``now`` (an aware datetime).

    ``exclude`` names models that the same request has already tried. ``elsewhere`` counts for the models of which this
    session knows nothing itself. Costs one pass over the tried set.
    """
    if not exclude and not elsewhere and _all_is_well(state, chain):
        return _keep(chain.models)
    policy = policy or Policy()
    candidates = tuple(_candidates(state, chain, policy))
    causes = {model: [*bearing(state, model, now, policy), *_lent(state, model, elsewhere)] for model in candidates}
    skipped = {model: one for model in candidates if (one := _skip(model, causes[model], exclude)) is not None}
    order = tuple(model for model in candidates if model not in skipped)
    forced = False
    if not order and policy.force:
        soonest = _least_bad(tuple(skipped.values()))
        if soonest is not None:
            order, forced = (soonest,), True
            del skipped[soonest]
    model = order[0] if order else None
    rest = tuple(skipped.values())
    retry_at = min((one.until for one in rest if one.until is not None), default=None)
    return Decision(model, _cause(state, model, rest, causes), order, rest, retry_at, forced)


def _all_is_well(state: ModelState, chain: Chain) -> bool:
    """Whether nothing speaks against the model that comes first, which is the one in use: nearly every request."""
    quiet = not state.tried and not state.probing and state.pinned is None
    return quiet and state.current == chain.models[0]


@lru_cache(maxsize=64)
def _keep(models: tuple[str, ...]) -> Decision:
    """The decision where all is well. It is always the same one, and to make it costs more than all the rest."""
    return Decision(models[0], "keep", models, (), None)


def bearing(state: ModelState, model: str, now: datetime, policy: Policy) -> Iterator[Skipped]:
    """What bears on a model: its failures and its provider's, cooling (``until`` set) or over, and a running probe."""
    for reason, failure in _failures(state, model):
        yield _cooling(model, reason, failure, now, policy)
    probe = state.probing.get(model)
    if probe is not None and probe.at is not None and -AHEAD <= now - probe.at < policy.probe_timeout:
        yield Skipped(model, "probing", _after(probe.at, policy.probe_timeout), probe.position)


def _candidates(state: ModelState, chain: Chain, policy: Policy) -> Iterator[str]:
    first = [state.pinned]
    if not policy.return_to_primary and state.current in chain.models:
        first.append(state.current)
    return iter(dict.fromkeys(model for model in (*first, *chain) if model is not None))


def _lent(state: ModelState, model: str, elsewhere: Elsewhere) -> Iterable[Skipped]:
    """What others say of a model with which this session has no experience, and that nobody pinned here."""
    known = model in state.tried or model in (state.last_good, state.pinned)
    return () if known else elsewhere.get(model, ())


def _failures(state: ModelState, model: str) -> Iterator[tuple[str, Failure]]:
    yield from state.tried.get(model, {}).items()
    provider = provider_of(model)
    for other, failures in state.tried.items():
        if other != model and not PROVIDER_WIDE.isdisjoint(failures) and provider_of(other) == provider:
            yield from ((reason, failure) for reason, failure in failures.items() if reason in PROVIDER_WIDE)


def _cooling(model: str, reason: str, failure: Failure, now: datetime, policy: Policy) -> Skipped:
    if failure.at is None or failure.at - now > AHEAD:
        return Skipped(model, reason, None, failure.position)
    wish = failure.retry_after
    wait = policy.cooldown(reason).wait(failure.count)
    if wish is not None and (wish > wait or (failure.hinted and failure.count == 1 and reason in _HINT_REPLACES)):
        wait = wish
    until = _after(failure.at, wait)
    return Skipped(
        model,
        reason,
        until if until > now else None,
        failure.position,
        wish is not None and _after(failure.at, wish) > now,
    )


def _after(at: datetime, span: timedelta) -> datetime:
    try:
        return at + span
    except OverflowError:  # the last day that a time can hold
        return _NEVER


_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_HINT_REPLACES: Final = frozenset({RATE_LIMIT, OVERLOADED})
"""For these a provider knows better than our base when it will answer again."""


def _skip(model: str, causes: list[Skipped], exclude: AbstractSet[str]) -> Skipped | None:
    cooling = [one for one in causes if one.until is not None]
    if model in exclude:
        return Skipped(model, "excluded")
    if not cooling:
        return None
    longest = max(cooling, key=_until)
    insists = any(one.insists for one in cooling)
    return Skipped(model, longest.why, longest.until, longest.position, insists, longest.session)


def _least_bad(skipped: tuple[Skipped, ...]) -> str | None:
    """The model to force: the soonest to be free, never one whose provider asked for peace, none twice in a loop."""
    choices = [one for one in skipped if one.until is not None and not one.insists]
    return min(choices, key=_until).model if choices else None


def _until(one: Skipped) -> datetime:
    return one.until or _NEVER


def _cause(
    state: ModelState, model: str | None, skipped: tuple[Skipped, ...], causes: dict[str, list[Skipped]]
) -> str | None:
    if model is None:
        return None
    if state.current is None:
        return "initial"
    if model == state.current:
        return "keep"
    if any(one.model == state.current for one in skipped):
        return "fallback"
    known = causes[model]
    if known and all(one.until is None for one in known):
        return "probe"
    return "pin" if model == state.pinned else "config"


def _tell(one: Skipped) -> str:
    until = f" until {one.until:%H:%M:%S} UTC" if one.until is not None else ""
    return f"{one.model} ({one.why}{until})"
