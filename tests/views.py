"""What the laws look at: a decision seen from outside, and the design's rules for cooling written down once more.

The rules here are plain and slow on purpose; where they and ``replay`` disagree, one of them is wrong.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from msgspec.structs import replace as changed
from strategies import DAY, MINUTE, MODELS, PROVIDER_WIDE

from replay import Chain, Decision, Failure, ModelState, Policy, Skipped, decide


def provider(model: str) -> str:
    """A model is ``provider/model-id``, split at the first ``/``; without one it is its own provider."""
    return model.split("/")[0]


@dataclass(frozen=True)
class Bearing:
    """A failure that bears on a model, its own or one of its provider's. ``until`` is None where it doesn't cool."""

    reason: str
    position: int
    until: datetime | None
    insists: bool


def bearing(state: ModelState, model: str, now: datetime, policy: Policy) -> list[Bearing]:
    """Each failure that bears on ``model``, by the words of the design."""
    return [
        weigh(reason, failure, now, policy)
        for other, failures in state.tried.items()
        for reason, failure in failures.items()
        if other == model or (reason in PROVIDER_WIDE and provider(other) == provider(model))
    ]


def weigh(reason: str, failure: Failure, now: datetime, policy: Policy) -> Bearing:
    if failure.at is None or failure.at > now + MINUTE:
        return Bearing(reason, failure.position, None, insists=False)
    cooldown = policy.cooldown(reason)
    wait = min(cooldown.base * 2 ** (failure.count - 1), cooldown.cap)
    wish = failure.retry_after
    if wish is not None:
        assert wish <= DAY
        replaces = failure.hinted and failure.count == 1 and reason in ("rate_limit", "overloaded")
        wait = wish if replaces else max(wish, wait)
    until = failure.at + wait
    insists = wish is not None and failure.at + wish > now
    return Bearing(reason, failure.position, until if until > now else None, insists)


def probed_until(state: ModelState, model: str, now: datetime, policy: Policy) -> datetime | None:
    """When another run's probe of ``model`` stops keeping the others away; None if there is none."""
    probe = state.probing.get(model)
    if probe is None or probe.at is None or probe.at > now + MINUTE:
        return None
    until = probe.at + policy.probe_timeout
    return until if until > now else None


def busy_until(state: ModelState, model: str, now: datetime, policy: Policy) -> datetime | None:
    """When ``model`` is free again; None if it is free."""
    untils = [one.until for one in bearing(state, model, now, policy)]
    untils.append(probed_until(state, model, now, policy))
    return max((until for until in untils if until is not None), default=None)


def insists(state: ModelState, model: str, now: datetime, policy: Policy) -> bool:
    """Whether a Retry-After that bears on ``model`` still runs."""
    return any(one.insists for one in bearing(state, model, now, policy))


def candidates(state: ModelState, chain: Chain, policy: Policy) -> list[str]:
    """The pin, then the chain; a sticky session's current model right after the pin."""
    first = [] if state.pinned is None else [state.pinned]
    if not policy.return_to_primary:
        first += [model for model in chain if model == state.current]
    return list(dict.fromkeys([*first, *chain]))


def names(skipped: tuple[Skipped, ...]) -> list[str]:
    return [one.model for one in skipped]


def choose(
    state: ModelState,
    chain: Chain,
    now: datetime,
    policy: Policy | None = None,
    exclude: AbstractSet[str] = frozenset(),
) -> Decision:
    """A decision without force: a model that can't be asked is simply skipped."""
    return decide(state, chain, now, replace(policy or Policy(), force=False), exclude)


def waits(state: ModelState, now: datetime, policy: Policy | None = None) -> dict[str, Skipped]:
    """What cools each model at ``now``, as a decision tells it. Probes are left out: they keep away, but don't cool."""
    quiet = changed(state, probing={})
    return {one.model: one for one in choose(quiet, Chain(*MODELS), now, policy).skipped}


def wait_of(state: ModelState, model: str, now: datetime, policy: Policy | None = None) -> timedelta:
    """How much longer ``model`` cools at ``now``."""
    one = waits(state, now, policy).get(model)
    return timedelta(0) if one is None or one.until is None else one.until - now
