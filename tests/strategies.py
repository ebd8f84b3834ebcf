"""What the laws are tried on: models, times, events, histories, chains and policies.

The one place for hypothesis strategies. Everything happens around a fixed ``NOW``: decisions are made at it or later,
sensible stamps are at most 60 s ahead of it, odd ones are missing, of the year 1 or 9999, or of a clock that is wrong.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from replay import (
    AttemptFailed,
    AttemptSucceeded,
    Chain,
    Cooldown,
    Event,
    FailureCleared,
    ModelState,
    ModelSwitch,
    Policy,
    fold,
)
from replay.events import MAX_INTEGER

NOW: Final = datetime(2026, 4, 2, 5, 0, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

MODELS: Final = ("kimi/kimi2.5", "kimi/k2:free", "openrouter/meta/llama-3:70b", "openrouter/kimi/k2", "solo")
PROVIDERS: Final = ("kimi", "openrouter", "solo")
# The design's lists, written down once more: a law that asks the code for them can't tell when they are wrong.
BLAMING: Final = (
    "auth",
    "billing",
    "model_not_found",
    "network",
    "overloaded",
    "rate_limit",
    "server_error",
    "timeout",
    "unknown",
)
BLAMELESS: Final = ("aborted", "content_filter", "context_overflow", "invalid_request", "redirected")
PROVIDER_WIDE: Final = ("auth", "billing")
UNHEARD_OF: Final = ("cosmic_rays", "Rate_Limit", "auth ")
DECIDED: Final = ("initial", "fallback", "probe", "pin", "config")
AUTOMATIC: Final = (*DECIDED, "reverted", "whim", None)
CAUSES: Final = (*AUTOMATIC, "user", "unpin")


models: Final = st.sampled_from(MODELS)
# One draw each, where it can be: a history takes a hundred of them.
turns: Final = st.sampled_from((None, "t-1", "t-2", "t-3"))
blaming: Final = st.sampled_from((*BLAMING, *PROVIDER_WIDE, "rate_limit"))
blameless: Final = st.sampled_from(BLAMELESS)
reasons: Final = st.sampled_from((*PROVIDER_WIDE, *BLAMING, *BLAMELESS, *UNHEARD_OF))


def spans(shortest: timedelta, longest: timedelta) -> SearchStrategy[timedelta]:
    """Spans of whole milliseconds, as the file has them."""
    unit = timedelta(milliseconds=1)
    return st.integers(shortest // unit, longest // unit).map(lambda number: number * unit)


def times(earliest: datetime, latest: datetime) -> SearchStrategy[datetime]:
    """Times of whole milliseconds from ``earliest`` to ``latest``."""
    return spans(timedelta(0), latest - earliest).map(lambda span: earliest + span)


ODD_TIMES: Final = (
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=timezone(timedelta(hours=-14))),
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
    NOW + MINUTE + timedelta(milliseconds=1),
    NOW + 2 * DAY,
    NOW + 20 * 365 * DAY,
)
_AGES: Final = (
    *(timedelta(milliseconds=number) for number in (0, 1, 2, 999, 1000, 7000)),
    *(timedelta(seconds=number) for number in (20, 30, 59, 60, 61, 90, 120, 200, 300, 301, 450, 599)),
    *(timedelta(minutes=number) for number in (15, 29, 30, 31, 45, 59, 60, 61, 90, 119, 120, 121, 360)),
    *(timedelta(hours=number) for number in (12, 23, 24, 25, 36, 48, 49, 72)),
)
_AHEAD: Final = tuple(timedelta(milliseconds=number) for number in (-60_000, -59_999, -30_000, -1))
recent_times: Final = times(NOW - 3 * MINUTE, NOW + MINUTE)
sensible_times: Final = st.sampled_from([NOW - age for age in (*_AGES, *_AHEAD)])
sensible_stamps: Final = st.sampled_from([*(NOW - age for age in (*_AGES, *_AHEAD)), None, None])
stamps: Final = st.sampled_from([*(NOW - age for age in (*_AGES, *_AHEAD)), None, None, *ODD_TIMES])
"""Mostly sensible, sometimes none, sometimes odd."""
nows: Final = st.one_of(times(NOW, NOW + 10 * MINUTE), times(NOW, NOW + 3 * HOUR), times(NOW, NOW + 2 * DAY))
"""Moments of deciding. Every sensible stamp is at most 60 s ahead of each."""
soon: Final = times(NOW, NOW + MINUTE) | times(NOW, NOW + 5 * MINUTE)
"""Moments of deciding while what failed recently still cools."""

HINTS: Final = (0, 1, 1000, 7000, 20_000, 90_000, 8 * 60_000, 20 * 60_000, 3_600_000, 3 * 3_600_000, 86_400_000)
hints: Final = st.sampled_from((None,) * 6 + HINTS + (86_400_001, 30 * 86_400_000, MAX_INTEGER))
"""Values of ``retryAfterMs``: none, short, longer than any cap, absurd."""
seens: Final = st.sampled_from((None,) * 8 + tuple(range(14)) + (MAX_INTEGER, 10**30, -1))
"""What an attempt knew: all before it, little, or something impossible."""


def failures(
    models: SearchStrategy[str] = models,
    reasons: SearchStrategy[str] = reasons,
    times: SearchStrategy[datetime | None] = stamps,
    seens: SearchStrategy[int | None] = seens,
    hints: SearchStrategy[int | None] = hints,
) -> SearchStrategy[AttemptFailed]:
    return st.builds(
        AttemptFailed, model=models, reason=reasons, timestamp=times, retry_after_ms=hints, seen=seens, turn=turns
    )


def successes(
    models: SearchStrategy[str] = models,
    times: SearchStrategy[datetime | None] = stamps,
    seens: SearchStrategy[int | None] = seens,
) -> SearchStrategy[AttemptSucceeded]:
    return st.builds(AttemptSucceeded, model=models, timestamp=times, seen=seens, turn=turns)


def switches(
    causes: Sequence[str | None] = CAUSES,
    models: SearchStrategy[str] = models,
    times: SearchStrategy[datetime | None] = stamps,
) -> SearchStrategy[ModelSwitch]:
    origin = st.sampled_from((None, *MODELS))
    return st.builds(ModelSwitch, to=models, from_=origin, cause=st.sampled_from(causes), timestamp=times, turn=turns)


def clearances(times: SearchStrategy[datetime | None] = stamps) -> SearchStrategy[FailureCleared]:
    mended = [(model, None) for model in MODELS] + [(None, provider) for provider in PROVIDERS] + [("solo", "kimi")]
    return st.builds(
        lambda what, time, turn: FailureCleared(model=what[0], provider=what[1], timestamp=time, turn=turn),
        st.sampled_from(mended),
        times,
        turns,
    )


def automatic_events(times: SearchStrategy[datetime | None] = stamps) -> SearchStrategy[Event]:
    """Events that no person's decision stands behind; a cleared failure is one here, for it says nothing of a pin."""
    return st.one_of(failures(times=times), successes(times=times), switches(AUTOMATIC, times=times), clearances(times))


def events(times: SearchStrategy[datetime | None] = stamps) -> SearchStrategy[Event]:
    """Events of the four types, failures more often than the others."""
    return st.one_of(
        failures(times=times),
        failures(reasons=blaming, times=times),
        successes(times=times),
        switches(times=times),
        st.one_of(switches(DECIDED, times=times), clearances(times)),
    )


def troubles(times: SearchStrategy[datetime | None] = stamps) -> SearchStrategy[Event]:
    """Events of two models of one provider, that fail again and again for a reason or two."""
    ill = st.sampled_from(MODELS[:2])
    why = st.sampled_from(("auth", "rate_limit"))
    return st.one_of(
        failures(ill, why, times),
        failures(ill, st.just("rate_limit"), times),
        failures(ill, why, times, st.none()),
        st.one_of(successes(ill, times), switches(models=ill, times=times)),
    )


def histories(
    times: SearchStrategy[datetime | None] = stamps, min_size: int = 0, max_size: int = 10
) -> SearchStrategy[list[Event]]:
    """Bare events in the order of a log: a bit of everything, or much of the same."""
    mixed = st.lists(events(times), min_size=min_size, max_size=max_size)
    return mixed | st.lists(troubles(times), min_size=min_size, max_size=max_size)


family_troubles: Final[SearchStrategy[list[Event]]] = st.lists(
    st.one_of(
        failures(st.sampled_from(MODELS[:2]), st.sampled_from(("auth", "timeout")), seens=st.none()),
        failures(st.sampled_from(MODELS[:2]), st.sampled_from(("auth", "billing", "timeout")), seens=st.none()),
        successes(st.sampled_from(MODELS[:2]), seens=st.none()),
        successes(st.sampled_from(MODELS[:2])),
    ),
    max_size=6,
)
"""Two models of one provider, which fail now for themselves, now for both."""

relapses: Final = failures(
    st.just(MODELS[0]),
    st.just("rate_limit"),
    st.one_of(recent_times, st.just(NOW), st.none()),
    seens=st.sampled_from((None, 0, 0)),
    hints=st.sampled_from((None, None, 0, 1000, 3_600_000, 3_600_000)),
)
"""One model that fails again and again for one reason, often without knowing that it did, often told to wait."""
late_successes: Final = successes(st.sampled_from(MODELS[:2]), seens=st.integers(0, 4))
"""Answers to attempts that began long ago."""
one_failure_more: Final = st.one_of(
    st.tuples(histories(), failures(times=sensible_stamps), nows),
    st.tuples(st.lists(relapses, min_size=1, max_size=4), relapses, soon),
)
"""A history, one more failure, and a moment at which that is no more than 60 s ahead."""


def odd_events() -> SearchStrategy[Event]:
    """Events whose fields hold whatever their types allow and a host may come up with."""
    text = st.text(max_size=4) | models
    number = st.none() | st.integers(0, MAX_INTEGER) | st.sampled_from((2**57, 10**30, -1, -(10**30)))
    seen = st.none() | st.integers(-(2**70), 2**70)
    common = {
        "turn": st.none() | text,
        "timestamp": st.sampled_from((None, *ODD_TIMES)) | st.datetimes(timezones=st.just(UTC)),
    }
    return st.one_of(
        st.builds(AttemptFailed, model=text, reason=text | reasons, retry_after_ms=number, seen=seen, **common),
        st.builds(AttemptSucceeded, model=text, seen=seen, **common),
        st.builds(ModelSwitch, to=text, from_=st.none() | text, cause=st.none() | text, **common),
        st.builds(FailureCleared, model=st.none() | text, provider=st.none() | text, **common),
    )


_CHAINS: Final = {size: [Chain(*names) for names in permutations(MODELS, size)] for size in (1, 2, 3, 4)}
chains: Final = st.sampled_from([*_CHAINS[1] * 12, *_CHAINS[2] * 3, *_CHAINS[3], *_CHAINS[4]])
excludes: Final[SearchStrategy[frozenset[str]]] = st.frozensets(models, max_size=2) | st.just(frozenset())


@st.composite
def cooldowns(draw: st.DrawFn) -> Cooldown:
    cap = draw(spans(timedelta(0), DAY) | spans(timedelta(0), HOUR))
    return Cooldown(draw(spans(timedelta(0), min(cap, HOUR))), cap)


def policies(force: SearchStrategy[bool] | None = None) -> SearchStrategy[Policy]:
    """The default policy and others: own cooldowns, sticky, patient, without force."""
    own = st.builds(
        Policy,
        cooldowns=st.dictionaries(blaming, cooldowns(), max_size=3),
        return_to_primary=st.booleans(),
        force=st.booleans() if force is None else force,
        probe_timeout=st.just(MINUTE) | spans(timedelta(0), 10 * MINUTE),
    )
    return own if force is not None else st.just(Policy()) | own


def states(times: SearchStrategy[datetime | None] = stamps) -> SearchStrategy[ModelState]:
    return histories(times).map(fold)


_setbacks: Final[SearchStrategy[Event | None]] = st.one_of(
    failures(reasons=blaming, times=recent_times, seens=st.none()),
    failures(reasons=blaming, times=recent_times),
    switches(("probe",), times=recent_times),
    st.none(),
)


@st.composite
def outages(draw: st.DrawFn, times: SearchStrategy[datetime | None] = stamps) -> tuple[ModelState, Chain]:
    """A state in which most models of the chain failed a moment ago or are being probed, and that chain."""
    chain = draw(chains)
    history = draw(histories(times, max_size=3))
    for model in chain:
        match draw(_setbacks):
            case AttemptFailed() as failed:
                history.append(replace(failed, model=model))
            case ModelSwitch() as probe:
                history.append(replace(probe, to=model))
    return fold(history), chain
