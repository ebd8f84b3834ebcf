"""The laws of the decision, each tried on many states."""

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import (
    BLAMING,
    DAY,
    HOUR,
    MINUTE,
    MODELS,
    NOW,
    PROVIDER_WIDE,
    SECOND,
    blaming,
    chains,
    excludes,
    failures,
    models,
    nows,
    outages,
    policies,
    sensible_stamps,
    soon,
    spans,
    states,
    times,
)
from views import bearing, busy_until, candidates, choose, insists, names, probed_until, provider, wait_of, waits

from replay import (
    INITIAL,
    AttemptFailed,
    AttemptSucceeded,
    Chain,
    Cooldown,
    Decision,
    ModelState,
    ModelSwitch,
    Policy,
    decide,
    evolve,
    fold,
)
from replay.policy import COOLDOWNS

MILLISECOND = timedelta(milliseconds=1)
INSTANT = Cooldown(timedelta(0), timedelta(0))
situations = outages() | st.tuples(states(), chains)
unforced = policies(force=st.just(value=False))


def failed(model: str, reason: str, at: datetime | None, retry_after_ms: int | None = None) -> AttemptFailed:
    return AttemptFailed(model=model, reason=reason, timestamp=at, retry_after_ms=retry_after_ms)


# Which models may be asked.


@given(situations, soon | nows, policies(), excludes)
def test_only_free_models_are_asked_unless_forced(
    situation: tuple[ModelState, Chain], now: datetime, policy: Policy, exclude: AbstractSet[str]
) -> None:
    """What is excluded, cools or is being probed is skipped, and nothing else is."""
    state, chain = situation
    decision = decide(state, chain, now, policy, exclude)
    busy = {
        model
        for model in candidates(state, chain, policy)
        if model in exclude or busy_until(state, model, now, policy) is not None
    }
    if decision.forced:
        assert busy == {decision.model, *names(decision.skipped)}
    else:
        assert busy == set(names(decision.skipped))
        assert decision.model == (decision.order[0] if decision.order else None)
        assert decision.model not in busy


@given(situations, soon | nows, policies(), excludes)
def test_order_and_skipped_partition_the_candidates(
    situation: tuple[ModelState, Chain], now: datetime, policy: Policy, exclude: AbstractSet[str]
) -> None:
    """Each candidate is in one of them, once, and both keep the candidates' order."""
    state, chain = situation
    decision = decide(state, chain, now, policy, exclude)
    wanted = candidates(state, chain, policy)
    skipped = names(decision.skipped)
    assert sorted([*decision.order, *skipped]) == sorted(wanted)
    assert list(decision.order) == [model for model in wanted if model in decision.order]
    assert skipped == [model for model in wanted if model in skipped]
    assert decision.model == (decision.order[0] if decision.order else None)


@given(st.none() | models, st.none() | models, chains, nows)
def test_candidates_are_the_pin_then_the_chain(
    current: str | None, pinned: str | None, chain: Chain, now: datetime
) -> None:
    """A pinned model is asked first even where the chain lacks it; a sticky session's current one comes next."""
    state = ModelState(current=current, pinned=pinned)
    first = () if pinned is None else (pinned,)
    behind = tuple(model for model in chain if model != pinned)
    assert decide(state, chain, now).order == (*first, *behind)
    sticky = decide(state, chain, now, Policy(return_to_primary=False))
    if current in behind:
        assert sticky.order == (*first, current, *(model for model in behind if model != current))
    else:
        assert sticky.order == (*first, *behind)


@given(situations, soon | nows, unforced, excludes)
def test_each_skipped_model_tells_why(
    situation: tuple[ModelState, Chain], now: datetime, policy: Policy, exclude: AbstractSet[str]
) -> None:
    """The reason that keeps it away longest, until when, and the position of the event that says so."""
    state, chain = situation
    for one in decide(state, chain, now, policy, exclude).skipped:
        if one.model in exclude:
            assert one.why == "excluded"
            continue
        assert one.until == busy_until(state, one.model, now, policy)
        assert one.insists == insists(state, one.model, now, policy)
        if one.why == "probing":
            assert one.until == probed_until(state, one.model, now, policy)
            assert one.position == state.probing[one.model].position
        else:
            told = [(cause.reason, cause.position, cause.until) for cause in bearing(state, one.model, now, policy)]
            assert (one.why, one.position, one.until) in told


@given(states(), chains, chains, nows, policies())
def test_an_edited_chain_counts_at_once(
    state: ModelState, before: Chain, edited: Chain, now: datetime, policy: Policy
) -> None:
    """The chain is an argument: no decision remembers another one's, and only the pin stands outside it."""
    decide(state, before, now, policy)
    decision = decide(state, edited, now, policy)
    assert {*decision.order, *names(decision.skipped)} == {*edited, *([state.pinned] if state.pinned else [])}
    healthy = ModelState(current=state.current, last_good=state.last_good)
    assert decide(healthy, before, now).model == before.models[0]
    assert decide(healthy, edited, now).model == edited.models[0]


@given(states(), chains, nows)
def test_an_edited_policy_counts_at_once(state: ModelState, chain: Chain, now: datetime) -> None:
    """Cooldowns are an argument too: without any, only what providers wish for still cools."""
    none = Policy(cooldowns=dict.fromkeys(BLAMING, INSTANT), probe_timeout=timedelta(0), force=False)
    for one in decide(state, chain, now, none).skipped:
        assert one.until is not None
        assert one.insists or one.until <= now + MINUTE  # a clock that was a little ahead


@given(chains, st.lists(models | st.just("pin"), max_size=5), nows, policies(), st.booleans())
def test_a_healthy_session_keeps_its_model(
    chain: Chain, answered: list[str], now: datetime, policy: Policy, pinned: bool
) -> None:
    """The first candidate is current and nothing has failed: keep it, skip none."""
    model = "my/pin" if pinned else chain.models[0]
    begun = ModelSwitch(to=model, cause="user" if pinned else "initial", timestamp=now)
    state = fold([begun, *(AttemptSucceeded(model=name) for name in answered)])
    decision = decide(state, chain, now, policy)
    order = tuple(candidates(state, chain, policy))
    assert decision == Decision(model, "keep", order, (), retry_at=None, forced=False)


# How long a failure cools.


@given(models, blaming, st.integers(1, 12), spans(timedelta(0), HOUR), unforced)
def test_a_failure_cools_until_its_time_plus_the_doubled_base(
    model: str, reason: str, number: int, pause: timedelta, policy: Policy
) -> None:
    """``at + base x 2^(count-1)``, capped: skipped until then, free from that very moment on."""
    history = [failed(model, reason, NOW + turn * pause) for turn in range(number)]
    at = NOW + (number - 1) * pause
    cooldown = policy.cooldown(reason)
    wait = min(cooldown.base * 2 ** (number - 1), cooldown.cap)
    state = fold(history)
    assert wait_of(state, model, at, policy) == wait
    assert choose(state, Chain(model), at + wait, policy).model == model
    if wait:
        decision = choose(state, Chain(model), at + wait - MILLISECOND / 2, policy)
        assert decision.model is None
        assert [(one.why, one.until, one.position) for one in decision.skipped] == [(reason, at + wait, number)]


@given(
    models,
    blaming | st.sampled_from(("rate_limit", "overloaded")),
    st.integers(1, 6),
    spans(timedelta(0), HOUR) | spans(HOUR, 30 * DAY),
    unforced,
    st.booleans(),
)
def test_a_retry_after_counts_if_it_is_longer(
    model: str, reason: str, number: int, wish: timedelta, policy: Policy, always: bool
) -> None:
    """No earlier than the provider asks, capped at 24 h; but never earlier than the policy's own doubled base."""
    hint = wish // MILLISECOND
    history = [failed(model, reason, NOW, retry_after_ms=hint if always else None) for _ in range(number - 1)]
    history.append(failed(model, reason, NOW, retry_after_ms=hint))
    wait = policy.cooldown(reason).wait(number)
    if number == 1 and reason in ("rate_limit", "overloaded"):
        wait = timedelta(0)  # see test_a_retry_after_replaces_the_base_of_a_first_failure
    assert wait_of(fold(history), model, NOW, policy) == max(wait, min(wish, DAY))


@given(models, st.sampled_from(("rate_limit", "overloaded")), spans(timedelta(0), HOUR), policies(), blaming)
def test_a_retry_after_replaces_the_base_of_a_first_failure(
    model: str, reason: str, wish: timedelta, policy: Policy, other: str
) -> None:
    """For rate_limit and overloaded the provider knows better than the policy; for other reasons it doesn't."""
    hint = wish // MILLISECOND
    assert wait_of(fold([failed(model, reason, NOW, retry_after_ms=hint)]), model, NOW, policy) == wish
    if other not in ("rate_limit", "overloaded"):
        assert wait_of(fold([failed(model, other, NOW, retry_after_ms=hint)]), model, NOW, policy) == max(
            wish, policy.cooldown(other).base
        )


@given(models, blaming, spans(DAY, 10**8 * DAY), st.integers(1, 4))
def test_a_retry_after_is_capped_at_24_hours(model: str, reason: str, wish: timedelta, number: int) -> None:
    """A provider that says "next year" is asked again tomorrow."""
    state = fold([failed(model, reason, NOW, retry_after_ms=wish // MILLISECOND)] * number)
    assert wait_of(state, model, NOW) == DAY


@given(models, st.lists(st.tuples(blaming, times(NOW - MINUTE / 2, NOW)), min_size=2, max_size=5), policies())
def test_a_model_cools_until_the_latest_of_its_reasons(
    model: str, incidents: list[tuple[str, datetime]], policy: Policy
) -> None:
    """Each reason has its own count and its own end; the model is free when the last of them has passed."""
    incidents = list({reason: (reason, at) for reason, at in incidents}.values())
    state = fold([failed(model, reason, at) for reason, at in incidents])
    alone = [wait_of(fold([failed(model, reason, at)]), model, NOW, policy) for reason, at in incidents]
    assert wait_of(state, model, NOW, policy) == max(alone)


@pytest.mark.parametrize("reason", BLAMING)
def test_auth_and_billing_cool_the_provider(reason: str) -> None:
    """A bad key or an empty account fails every model behind it; other reasons are the model's own."""
    for model, other in product(MODELS, repeat=2):
        state = fold([failed(model, reason, NOW)])
        shared = other == model or (reason in PROVIDER_WIDE and provider(other) == provider(model))
        assert wait_of(state, other, NOW) == (COOLDOWNS[reason].base if shared else timedelta(0))


@given(models, blaming, spans(-DAY, DAY), nows)
def test_a_failure_stamped_ahead_or_without_time_does_not_cool(
    model: str, reason: str, ahead: timedelta, now: datetime
) -> None:
    """60 s of difference between clocks are forgiven; a stamp further ahead can't say when its wait ends."""
    wait = COOLDOWNS[reason].base
    assert model not in waits(fold([failed(model, reason, None)]), now)
    expected = ahead + wait if ahead <= MINUTE and ahead + wait > timedelta(0) else timedelta(0)
    assert wait_of(fold([failed(model, reason, now + ahead)]), model, now) == expected
    edge = fold([failed(model, reason, now + MINUTE)])
    assert wait_of(edge, model, now) == MINUTE + wait
    assert model not in waits(edge, now - MILLISECOND)


@given(
    outages(sensible_stamps) | st.tuples(states(sensible_stamps), chains),
    failures(reasons=blaming, seens=st.none()),
    st.sampled_from([number * MINUTE / 4 for number in range(-4, 5)]),
    nows,
    st.sampled_from([number * MINUTE / 4 for number in (1, 2, 3, 4, 6, 8, 12, 20, 60, 240, 2000)]),
    unforced,
)
def test_a_free_model_stays_free(
    situation: tuple[ModelState, Chain],
    failure: AttemptFailed,
    ahead: timedelta,
    now: datetime,
    more: timedelta,
    policy: Policy,
) -> None:
    """As long as nothing happens, time only frees models.

    Failures stamped more than 60 s ahead are left out: they begin to cool when their time draws near.
    """
    state, chain = situation
    state = evolve(state, replace(failure, model=chain.models[0], timestamp=now + ahead))
    assert set(decide(state, chain, now, policy).order) <= set(decide(state, chain, now + more, policy).order)


def test_an_outage_may_last() -> None:
    """After any number of failures in a row there is a decision, and the wait is the cap."""
    for reason in BLAMING:
        state, at = INITIAL, NOW
        for _ in range(120):
            state = evolve(state, failed("solo", reason, at))
            at += HOUR
        assert state.tried["solo"][reason].count == 120
        assert wait_of(state, "solo", at - HOUR) == COOLDOWNS[reason].cap


# Probes.


@given(
    states(),
    models,
    spans(-MINUTE, 3 * MINUTE) | st.sampled_from([number * MINUTE / 4 for number in range(-4, 9)]),
    nows,
    unforced,
)
def test_a_young_probe_keeps_the_others_away(
    state: ModelState, model: str, age: timedelta, now: datetime, policy: Policy
) -> None:
    """Younger than the timeout (60 s), another run's probe skips its model; then its run may have been killed."""
    for rules in (policy, Policy(force=False)):
        probing = evolve(state, ModelSwitch(to=model, cause="probe", timestamp=now - age))
        skipped = {one.model: one for one in decide(probing, Chain(model), now, rules).skipped}
        quiet = replace(probing, probing={})
        cools = {one.model: one for one in decide(quiet, Chain(model), now, rules).skipped}
        if age < rules.probe_timeout:
            end = now - age + rules.probe_timeout
            assert model in skipped
            assert skipped[model].until == max(end, busy_until(quiet, model, now, rules) or end)
        else:
            assert skipped.get(model) == cools.get(model)
    fresh = evolve(INITIAL, ModelSwitch(to=model, cause="probe", timestamp=now - age))
    assert (decide(fresh, Chain(model), now, Policy(force=False)).model is None) == (age < MINUTE)


# The cause, and what writing the decided switch does.


@given(situations, soon | nows, policies(), excludes)
def test_the_cause_follows_the_table(
    situation: tuple[ModelState, Chain], now: datetime, policy: Policy, exclude: AbstractSet[str]
) -> None:
    """In this order: initial, keep, fallback, probe, pin, config; none where no model is left."""
    state, chain = situation
    decision = decide(state, chain, now, policy, exclude)
    told = bearing(state, decision.model or "", now, policy)
    if decision.model is None:
        expected = None
    elif state.current is None:
        expected = "initial"
    elif decision.model == state.current:
        expected = "keep"
    elif state.current in names(decision.skipped):
        expected = "fallback"
    elif told and busy_until(state, decision.model, now, policy) is None:
        expected = "probe"
    elif decision.model == state.pinned:
        expected = "pin"
    else:
        expected = "config"
    assert decision.cause == expected


OLD = failed("a/x", "timeout", NOW - DAY)
NEW = failed("b/y", "timeout", NOW)


@pytest.mark.parametrize(
    ("history", "model", "cause"),
    [
        ([], "a/x", "initial"),
        ([OLD], "a/x", "initial"),
        ([ModelSwitch(to="a/x", cause="initial")], "a/x", "keep"),
        ([ModelSwitch(to="a/x", cause="initial"), OLD], "a/x", "keep"),
        ([ModelSwitch(to="a/x", cause="initial"), failed("a/x", "timeout", NOW)], "b/y", "fallback"),
        ([OLD, ModelSwitch(to="b/y", cause="fallback"), NEW], "a/x", "fallback"),
        ([OLD, ModelSwitch(to="b/y", cause="fallback")], "a/x", "probe"),
        ([OLD, ModelSwitch(to="a/x", cause="user"), ModelSwitch(to="b/y", cause="reverted")], "a/x", "pin"),
        ([ModelSwitch(to="c/z", cause="user"), ModelSwitch(to="b/y", cause="reverted")], "c/z", "pin"),
        ([ModelSwitch(to="b/y", cause="fallback")], "a/x", "config"),
        ([ModelSwitch(to="gone/w", cause="initial"), failed("gone/w", "timeout", NOW)], "a/x", "config"),
        ([ModelSwitch(to="gone/w", cause="initial"), failed("a/x", "timeout", NOW)], "b/y", "config"),
    ],
)
def test_causes(history: list[AttemptFailed | ModelSwitch], model: str, cause: str) -> None:
    """The table of causes, by example: the chain is a/x, b/y."""
    decision = decide(fold(history), Chain("a/x", "b/y"), NOW + MINUTE)
    assert (decision.model, decision.cause) == (model, cause)


@given(situations, soon | nows, policies(), excludes)
def test_writing_the_decided_switch_settles_it(
    situation: tuple[ModelState, Chain], now: datetime, policy: Policy, exclude: AbstractSet[str]
) -> None:
    """Pin and tried set stay as they are, and deciding again says keep: after a probe, once its outcome is in."""
    state, chain = situation
    decision = decide(state, chain, now, policy, exclude)
    assume(decision.cause != "keep")
    assume(decision.model is not None)
    assert decision.model is not None
    written = ModelSwitch(from_=state.current, to=decision.model, cause=decision.cause, timestamp=now)
    after = evolve(state, written)
    assert after.current == decision.model
    assert (after.pinned, after.tried) == (state.pinned, state.tried)
    if decision.cause == "probe":
        after = evolve(after, AttemptSucceeded(model=decision.model, timestamp=now))
    else:
        assert after.probing == state.probing
    again = decide(after, chain, now, policy, exclude)
    assert (again.model, again.cause, again.forced) == (decision.model, "keep", decision.forced)


# Nothing left.


@given(outages(), soon, policies(), excludes)
def test_force_goes_once_to_the_soonest_to_be_free(
    situation: tuple[ModelState, Chain], now: datetime, policy: Policy, exclude: AbstractSet[str]
) -> None:
    """Only where every candidate is skipped, never where a Retry-After still runs, never in ``exclude`` again."""
    state, chain = situation
    decision = decide(state, chain, now, policy, exclude)
    wanted = [model for model in candidates(state, chain, policy) if model not in exclude]
    busy = {model: until for model in wanted if (until := busy_until(state, model, now, policy)) is not None}
    open_to_force = {model: until for model, until in busy.items() if not insists(state, model, now, policy)}
    if len(busy) == len(wanted) and open_to_force and policy.force:
        assert decision.forced
        assert decision.model is not None
        assert decision.order == (decision.model,)
        assert decision.model not in exclude
        assert open_to_force.get(decision.model) == min(open_to_force.values())
        assert decision.model not in names(decision.skipped)
    else:
        assert not decision.forced
        assert set(decision.order) == set(wanted) - busy.keys()
        assert (decision.model is None) == (len(busy) == len(wanted))


@given(st.permutations(MODELS), st.integers(1, len(MODELS)), st.sampled_from(("timeout", "unknown", "rate_limit")))
def test_force_goes_to_the_model_that_failed_first(models: list[str], number: int, reason: str) -> None:
    """Of equal waits, the one that began first ends first, wherever the model stands in the chain."""
    chain = Chain(*(model for model in MODELS if model in models[:number]))
    state = fold([failed(model, reason, NOW + place * SECOND) for place, model in enumerate(models[:number])])
    decision = decide(state, chain, NOW + 10 * SECOND)
    assert (decision.model, decision.forced) == (models[0], True)
    rest = names(decision.skipped)
    assert decide(state, chain, NOW + 10 * SECOND, exclude={models[0]}).model == (models[1] if rest else None)


@given(models, st.sampled_from(("rate_limit", "timeout", "auth")), spans(MILLISECOND, 4 * MINUTE))
def test_force_waits_out_a_retry_after_to_its_end(model: str, reason: str, wish: timedelta) -> None:
    """Not a moment before; from then on the policy's own, longer wait may be cut short."""
    told = failed(model, reason, NOW, retry_after_ms=wish // MILLISECOND)
    for history in ([told], [told, told], [told, told, failed(model, "unknown", NOW)]):
        state = fold(history)
        early = decide(state, Chain(model), NOW + wish - MILLISECOND)
        assert (early.model, early.forced) == (None, False)
        assert [one.insists for one in early.skipped] == [True]
        on_time = decide(state, Chain(model), NOW + wish)
        assert (on_time.model, on_time.forced) == (model, wait_of(state, model, NOW) > wish)


@given(outages(), soon, excludes)
def test_a_policy_without_force_never_forces(
    situation: tuple[ModelState, Chain], now: datetime, exclude: AbstractSet[str]
) -> None:
    """Then nothing is left when everything cools."""
    state, chain = situation
    decision = decide(state, chain, now, Policy(force=False), exclude)
    assert not decision.forced
    if all(model in exclude or busy_until(state, model, now, Policy()) for model in candidates(state, chain, Policy())):
        assert (decision.model, decision.cause, decision.order) == (None, None, ())


@given(outages(), soon, policies(), excludes)
def test_retry_at_is_the_soonest_end_of_a_wait(
    situation: tuple[ModelState, Chain], now: datetime, policy: Policy, exclude: AbstractSet[str]
) -> None:
    """The first moment at which one of the skipped models is free again."""
    state, chain = situation
    decision = decide(state, chain, now, policy, exclude)
    untils = [one.until for one in decision.skipped if one.until is not None]
    assert decision.retry_at == (min(untils) if untils else None)
    assert all(until > now for until in untils)


@given(outages(), soon)
def test_a_loop_that_excludes_what_it_tried_ends(situation: tuple[ModelState, Chain], now: datetime) -> None:
    """No model is asked twice in one loop, so that it ends after at most one attempt on each candidate."""
    state, chain = situation
    tried: set[str] = set()
    for _ in candidates(state, chain, Policy()):
        model = decide(state, chain, now, exclude=frozenset(tried)).model
        assert model not in tried
        if model is not None:
            tried.add(model)
    assert decide(state, chain, now, exclude=frozenset(tried)).model is None
