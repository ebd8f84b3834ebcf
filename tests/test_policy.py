"""Chains, cooldowns and policies are checked when they are made; a failed loop tells everything it knows."""

import pickle
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import BLAMING, DAY, HOUR, MINUTE, NOW, cooldowns, models, stamps

from replay import AllModelsFailed, Chain, Cooldown, Policy, Skipped
from replay.policy import COOLDOWNS


def test_a_chain_is_its_models_in_order() -> None:
    chain = Chain("kimi/kimi2.5", "local/qwen2.5:14b", "solo")
    assert tuple(chain) == chain.models == ("kimi/kimi2.5", "local/qwen2.5:14b", "solo")
    assert len(chain) == 3
    assert repr(chain) == "Chain('kimi/kimi2.5', 'local/qwen2.5:14b', 'solo')"


def test_chains_of_the_same_models_are_equal() -> None:
    assert Chain("a/x", "b/y") == Chain.parse(" a/x, b/y ")
    assert len({Chain("a/x", "b/y"), Chain("a/x", "b/y"), Chain("b/y", "a/x")}) == 2
    assert Chain("a/x") != ("a/x",)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "the chain is empty"),
        (("a/x", ""), "model 2 of the chain has no name: ''"),
        ((" ",), "model 1 of the chain has no name: ' '"),
        ((None,), "model 1 of the chain has no name: None"),
        (("a/x", "b/y", "a/x"), "the chain names 'a/x' twice"),
    ],
)
def test_a_chain_that_cannot_be_used_is_refused(names: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Chain(*names)


@pytest.mark.parametrize("text", ["", ",", "a/x,,b/y", "a/x,a/x"])
def test_a_chain_that_cannot_be_parsed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="chain"):
        Chain.parse(text)


@pytest.mark.parametrize(
    ("base", "cap"),
    [(-MINUTE, HOUR), (HOUR, MINUTE), (MINUTE, DAY + MINUTE), (-HOUR, -MINUTE)],
)
def test_a_cooldown_that_cannot_be_meant_is_refused(base: timedelta, cap: timedelta) -> None:
    with pytest.raises(ValueError, match="0 <= base <= cap <= 24 h"):
        Cooldown(base, cap)


@pytest.mark.parametrize(("base", "cap"), [(MINUTE * 0, MINUTE * 0), (MINUTE * 0, DAY), (DAY, DAY)])
def test_the_edges_of_a_cooldown_are_allowed(base: timedelta, cap: timedelta) -> None:
    assert Cooldown(base, cap).wait(1) == base


@given(cooldowns(), st.integers(1, 20))
def test_a_wait_doubles_up_to_its_cap(cooldown: Cooldown, count: int) -> None:
    """``base x 2^(count-1)``, never more than the cap."""
    assert cooldown.wait(count) == min(cooldown.base * 2 ** (count - 1), cooldown.cap)


def test_a_long_row_of_failures_waits_for_the_cap() -> None:
    """However long an outage lasts, and whatever an operator has chosen."""
    for cooldown in (*COOLDOWNS.values(), Cooldown(timedelta(microseconds=1), DAY), Cooldown(DAY, DAY)):
        for count in (38, 40, 41, 100, 10**6):
            assert cooldown.wait(count) == cooldown.cap


@pytest.mark.parametrize(
    ("reason", "base", "cap"),
    [
        ("rate_limit", 5 * MINUTE, HOUR),
        ("timeout", 2 * MINUTE, HOUR),
        ("server_error", MINUTE, 30 * MINUTE),
        ("overloaded", MINUTE, 30 * MINUTE),
        ("network", MINUTE / 2, 10 * MINUTE),
        ("auth", 30 * MINUTE, 2 * HOUR),
        ("billing", 30 * MINUTE, 2 * HOUR),
        ("model_not_found", 30 * MINUTE, 6 * HOUR),
        ("unknown", MINUTE, HOUR),
    ],
)
def test_the_default_cooldowns(reason: str, base: timedelta, cap: timedelta) -> None:
    assert Policy().cooldown(reason) == COOLDOWNS[reason] == Cooldown(base, cap)


def test_there_is_a_cooldown_for_every_reason_that_blames() -> None:
    assert COOLDOWNS.keys() == set(BLAMING)


def test_a_policy_overrides_reason_by_reason() -> None:
    own = Cooldown(MINUTE, HOUR)
    policy = Policy(cooldowns={"auth": own})
    assert policy.cooldown("auth") == own
    assert policy.cooldown("billing") == COOLDOWNS["billing"]


def test_the_default_policy() -> None:
    policy = Policy()
    assert (policy.return_to_primary, policy.force, policy.probe_timeout) == (True, True, MINUTE)


@pytest.mark.parametrize("reason", ["aborted", "cosmic_rays", "Auth"])
def test_a_cooldown_for_a_reason_that_cools_nothing_is_refused(reason: str) -> None:
    with pytest.raises(ValueError, match=f"no such reason to cool for: {reason} "):
        Policy(cooldowns={reason: Cooldown(MINUTE, HOUR)})


def test_all_models_failed_names_each_model_and_the_soonest_retry() -> None:
    skipped = (
        Skipped("kimi/kimi2.5", "rate_limit", NOW + MINUTE, 7, insists=True),
        Skipped("solo", "excluded"),
    )
    failed = AllModelsFailed(skipped, NOW + MINUTE)
    assert str(failed) == (
        "no model is left: kimi/kimi2.5 (rate_limit until 05:01:00 UTC); solo (excluded)"
        " (soonest retry 2026-04-02 05:01:00 UTC)"
    )
    assert str(AllModelsFailed(skipped[1:], None)) == "no model is left: solo (excluded)"


skips = st.builds(Skipped, models, st.sampled_from(("auth", "probing")), stamps, st.integers(1, 9), st.booleans())


@given(st.lists(skips, max_size=3).map(tuple), stamps)
def test_all_models_failed_survives_pickling(skipped: tuple[Skipped, ...], retry_at: datetime | None) -> None:
    """An error crosses process borders whole: workers raise it, their parents read it."""
    failed = AllModelsFailed(skipped, retry_at)
    again = pickle.loads(pickle.dumps(failed))  # noqa: S301 - our own bytes
    assert type(again) is AllModelsFailed
    assert (again.skipped, again.retry_at, str(again)) == (skipped, retry_at, str(failed))
