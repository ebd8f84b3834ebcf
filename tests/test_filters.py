"""What a filter takes: the laws, on histories of every kind, and the few cases that a law doesn't spell out."""

from dataclasses import fields, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MODELS, NOW, PROVIDERS, events, models, odd_events, reasons, sensible_times, turns

from replay import AttemptFailed, AttemptSucceeded, Event, FailureCleared, LogRepaired, ModelSwitch
from replay.filters import EVERYTHING, Filter, models_of
from replay.reasons import provider_of

SECOND = timedelta(seconds=1)
named_turns = turns.map(lambda turn: turn or "t-0")
filters = st.builds(
    Filter,
    since=st.none() | sensible_times,
    until=st.none() | sensible_times,
    models=st.frozensets(models, max_size=2),
    providers=st.frozensets(st.sampled_from(PROVIDERS), max_size=2),
    reasons=st.frozensets(reasons, max_size=2),
    turns=st.frozensets(named_turns, max_size=2),
)
any_event = events() | odd_events() | st.builds(LogRepaired, turn=turns)


@given(any_event)
def test_a_filter_of_nothing_takes_everything(event: Event) -> None:
    assert EVERYTHING.takes(event)
    assert Filter() == EVERYTHING


@given(filters, any_event)
def test_a_filter_takes_what_each_of_its_parts_takes(whole: Filter, event: Event) -> None:
    parts = [replace(EVERYTHING, **{one.name: getattr(whole, one.name)}) for one in fields(Filter)]
    assert whole.takes(event) is all(part.takes(event) for part in parts)


@given(st.sampled_from(("models", "providers", "reasons", "turns")), filters, any_event)
def test_several_names_of_a_kind_are_any_of_them(kind: str, whole: Filter, event: Event) -> None:
    names = getattr(whole, kind)
    singles = [replace(EVERYTHING, **{kind: frozenset((name,))}) for name in names]
    together = replace(EVERYTHING, **{kind: names})
    assert together.takes(event) is (not names or any(one.takes(event) for one in singles))


@given(filters, filters, any_event)
def test_who_asks_for_less_gets_no_more(one: Filter, other: Filter, event: Event) -> None:
    narrower = replace(one, models=one.models & other.models or one.models, since=max_of(one.since, other.since))
    assert not narrower.takes(event) or one.takes(event)


def max_of(one: object, other: object) -> object:
    return max(one, other) if one is not None and other is not None else one or other  # type: ignore[type-var]


@given(sensible_times, any_event)
def test_every_stamped_event_is_before_a_moment_or_from_it_on(moment: datetime, event: Event) -> None:
    before, after = Filter(until=moment), Filter(since=moment)
    if event.timestamp is None:
        assert not before.takes(event)
        assert not after.takes(event)
    else:
        assert before.takes(event) is not after.takes(event)


@given(any_event)
def test_a_model_is_one_of_its_providers(event: Event) -> None:
    for model in models_of(event):
        assert Filter(models=frozenset((model,))).takes(event)
        assert Filter(providers=frozenset((provider_of(model),))).takes(event)


@pytest.mark.parametrize(
    ("one", "event", "taken"),
    [
        (Filter(since=NOW), AttemptSucceeded(model="a", timestamp=NOW), True),
        (Filter(until=NOW), AttemptSucceeded(model="a", timestamp=NOW), False),
        (Filter(until=NOW), AttemptSucceeded(model="a", timestamp=NOW - SECOND), True),
        (Filter(models=frozenset(("a/b",))), ModelSwitch(to="c/d", from_="a/b"), True),
        (Filter(models=frozenset(("c/d",))), ModelSwitch(to="c/d", from_="a/b"), True),
        (Filter(models=frozenset(("e/f",))), ModelSwitch(to="c/d", from_="a/b"), False),
        (Filter(models=frozenset(("a",))), AttemptFailed(model="a/b", reason="auth"), False),
        (Filter(providers=frozenset(("a",))), FailureCleared(provider="a"), True),
        (Filter(providers=frozenset(("a",))), FailureCleared(model="a/b"), True),
        (Filter(reasons=frozenset(("auth",))), AttemptFailed(model="a/b", reason="auth"), True),
        (Filter(reasons=frozenset(("auth",))), AttemptFailed(model="a/b", reason="billing"), False),
        (Filter(reasons=frozenset(("auth",))), AttemptSucceeded(model="a/b"), False),
        (Filter(turns=frozenset(("t-1",))), LogRepaired(turn="t-1"), True),
        (Filter(turns=frozenset(("t-1",))), AttemptSucceeded(model="a/b"), False),
        (Filter(models=frozenset(MODELS)), LogRepaired(), False),
    ],
)
def test_what_a_filter_takes(one: Filter, event: Event, taken: bool) -> None:
    assert one.takes(event) is taken
