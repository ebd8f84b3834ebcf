"""Every kind of finding fires where it should and is silent where it nearly should; and what holds of any history.

Law: a history here is written as an operator would tell it, and the numbers expected of it are counted by hand.
"""

from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import MINUTE, NOW, SECOND, chains, histories, odd_events, policies

from replay import (
    AttemptFailed,
    AttemptSucceeded,
    Chain,
    Event,
    FailureCleared,
    ModelSwitch,
    Policy,
    Recorded,
    decide,
    evolve,
)
from replay.audit import MOST_FINDINGS, Audit
from replay.filters import Filter
from replay.findings import KINDS, SEVERITIES, Finding
from replay.state import INITIAL

A, B, C, D = "p/a", "q/b", "r/c", "s/d"
CHAIN = Chain(A, B, C, D)


def failed(model: str, seconds: float, reason: str = "rate_limit", **more: object) -> Event:
    return AttemptFailed(model=model, reason=reason, timestamp=NOW + seconds * SECOND, **more)  # type: ignore[arg-type]


def answered(model: str, seconds: float, **more: object) -> Event:
    return AttemptSucceeded(model=model, timestamp=NOW + seconds * SECOND, **more)  # type: ignore[arg-type]


def switch(from_: str | None, to: str, seconds: float, cause: str | None = "fallback") -> Event:
    return ModelSwitch(from_=from_, to=to, timestamp=NOW + seconds * SECOND, cause=cause)


def cleared(model: str) -> Event:
    return FailureCleared(model=model, timestamp=NOW)


def audited(
    events: Iterable[Event],
    chain: Chain | None = CHAIN,
    restarts: Iterable[int] = (),
    policy: Policy | None = None,
    wanted: Filter | None = None,
) -> Audit:
    audit = Audit(chain, policy, restarts=list(restarts), wanted=wanted or Filter())
    for position, event in enumerate(events, 1):
        audit.feed(Recorded(event, position))
    audit.finish()
    return audit


def found(kind: str, events: Iterable[Event], chain: Chain | None = CHAIN, **more: object) -> list[Finding]:
    return [one for one in audited(events, chain, **more).findings if one.kind == kind]  # type: ignore[arg-type]


def only(kind: str, events: Iterable[Event], **more: object) -> Finding:
    (one,) = found(kind, events, **more)  # type: ignore[arg-type]
    assert one.kind in KINDS
    assert one.severity in SEVERITIES
    assert one.told
    assert one.remedy
    return one


# Attempted while cooling: a rate limit cools for five minutes, the second in a row for ten


def test_a_model_that_is_asked_while_it_cools() -> None:
    one = only("attempted_while_cooling", [failed(A, 0), failed(A, 100), failed(A, 200)])
    assert (one.count, one.positions, one.models, one.severity) == (2, (2, 3), (A,), "warning")
    assert (one.first, one.last) == (NOW + 100 * SECOND, NOW + 200 * SECOND)


def test_many_such_attempts_are_critical_and_those_of_a_later_hour_a_finding_of_their_own() -> None:
    row = [failed(A, 10 * number) for number in range(6)]
    later = [failed(A, 20_000, "timeout"), failed(A, 20_010, "timeout")]
    first, second = found("attempted_while_cooling", [*row, *later])
    assert (first.count, first.severity) == (5, "critical")
    assert (second.count, second.positions) == (1, (8,))


@pytest.mark.parametrize(
    "events",
    [
        [failed(A, 0), failed(A, 301)],  # its cooldown was over: a probe
        [failed(A, 0), switch(B, A, 10, "user"), failed(A, 20)],  # a person chose it
        [failed(A, 0), answered(A, 400), failed(A, 500)],  # it had worked in between
        [failed(A, 0), cleared(A), failed(A, 20)],  # somebody mended it
        [failed(A, 0), failed(A, 1, seen=0)],  # two runs that met one incident
        [failed(A, 0), failed(A, 310, duration_ms=5_000)],  # began at 305
        [failed(A, 0), failed(A, 9, duration_ms=9_500)],  # began before the failure
        [failed(A, 0, "context_overflow"), failed(A, 1)],  # blames nobody
        [failed(A, 0), failed(A, 1, "redirected"), failed(A, 2, "aborted")],  # no request, or a person's stop
        [failed(A, 0), replace(failed(A, 1), timestamp=None)],  # nobody knows when
        [failed(m, n) for n, m in enumerate((A, B, C, D))] + [failed(A, 10, turn="t")],  # nothing else was left
    ],
    ids=str,
)
def test_these_are_no_waste(events: list[Event]) -> None:
    audit = audited(events)
    assert audit.kinds["attempted_while_cooling"] == 0
    assert (audit.accounts.total.wasted, audit.accounts.total.saved) == (0, 0)


def test_an_attempt_that_ended_after_the_cooldown_but_began_within_it() -> None:
    assert only("attempted_while_cooling", [failed(A, 0), failed(A, 301, duration_ms=10_000)]).positions == (2,)


def test_forced_is_only_the_one_that_is_soonest_free() -> None:
    row = [failed(m, n) for n, m in enumerate((A, B, C, D))]
    assert only("attempted_while_cooling", [*row, failed(D, 10, turn="t")]).positions == (5,)
    assert audited([*row, failed(A, 10, turn="t")]).accounts.models[A].forced == 1


def test_without_a_chain_the_models_that_were_named_are_it() -> None:
    assert not found("attempted_while_cooling", [failed(A, 0), failed(A, 100)], None)  # perhaps there was no other
    assert found("attempted_while_cooling", [failed(A, 0), switch(A, B, 1), failed(A, 100)], None)


# Hammering


def test_four_failures_of_a_model_within_a_minute() -> None:
    one = only("hammering", [failed(A, 20 * number) for number in range(5)])
    assert (one.count, one.positions, one.severity) == (5, (1, 2, 3, 4, 5), "warning")
    assert only("hammering", [failed(A, number) for number in range(20)]).severity == "critical"


@pytest.mark.parametrize(
    "events",
    [
        [failed(A, 20 * number) for number in range(3)],
        [failed(A, 21 * number) for number in range(4)],
        [failed(m, n) for n, m in enumerate((A, B) * 3)],
        [failed(A, number, "redirected") for number in range(9)],
    ],
)
def test_less_is_no_hammering(events: list[Event]) -> None:
    assert not found("hammering", events)


# Cascades and exhausted chains


def test_three_models_that_fail_within_seconds() -> None:
    one = only("cascade", [failed(A, 0), failed(B, 9), failed(C, 18), answered(D, 19)])
    assert (one.count, one.models, one.positions) == (3, (A, B, C), (1, 2, 3))


@pytest.mark.parametrize(
    "events",
    [
        [failed(A, 0), failed(B, 1), answered(C, 2)],
        [failed(A, 0), failed(B, 1), failed(C, 12)],
        [failed(A, 0), failed(B, 1), answered(B, 2), failed(C, 3)],
        [failed(A, 0), failed(B, 1), failed(C, 2, "aborted")],
    ],
)
def test_less_is_no_cascade(events: list[Event]) -> None:
    assert not found("cascade", events)
    assert not found("chain_exhausted", events)


def test_every_model_of_the_chain_fails() -> None:
    row = [failed(m, n) for n, m in enumerate((A, B, C, D))]
    one = only("chain_exhausted", row)
    assert (one.count, one.severity, one.models) == (4, "critical", (A, B, C, D))
    assert not found("cascade", row)
    slow = [failed(m, 100 * n, turn="t") for n, m in enumerate((A, B, C, D))]
    assert only("chain_exhausted", slow).positions == (1, 2, 3, 4)
    assert not found("chain_exhausted", row[:3])
    assert not found("chain_exhausted", [*row[:3], answered(D, 4)], None)
    assert "all that this log had named" in only("chain_exhausted", row[:3], chain=None).told


# Reverted fallbacks


def test_fallbacks_that_are_put_back_before_any_request() -> None:
    events = [switch(m, A, n / 50, "reverted") for n, m in enumerate((B, C, D))]
    one = only("reverted_fallback", events)
    assert (one.count, one.models, one.severity) == (3, (B, C, D), "critical")
    assert "without one request" in one.told
    assert "live session model switch detected before attempt" in one.remedy
    assert only("cascade", events).count == 3
    apart = found("reverted_fallback", [events[0], switch(C, A, 60, "reverted")])
    assert [one.positions for one in apart] == [(1,), (2,)]


def test_a_fallback_that_answered_and_is_put_back_to_a_model_that_cools() -> None:
    events = [failed(A, 0), switch(A, B, 1), answered(B, 2), switch(B, A, 60, "reverted")]
    one = only("reverted_fallback", events)
    assert (one.count, one.models, one.positions, one.severity) == (1, (A,), (4,), "warning")


@pytest.mark.parametrize(
    "last", [switch(B, A, 400, "reverted"), switch(B, A, 60, "user"), switch(B, A, 400, "probe"), switch(B, C, 60)]
)
def test_to_come_back_when_it_is_free_is_right(last: Event) -> None:
    assert not found("reverted_fallback", [failed(A, 0), switch(A, B, 1), answered(B, 2), last])


# Amnesia


def test_after_a_restart_a_model_that_cools_is_asked_again() -> None:
    events = [failed(A, 0), switch(A, B, 1), answered(B, 2), failed(A, 50), failed(A, 55)]
    one = only("amnesia", events, restarts=[3])
    assert (one.count, one.positions, one.models, one.severity) == (1, (4,), (A,), "critical")
    assert not found("amnesia", events)
    assert not found("amnesia", events, restarts=[0])  # nothing is known of what was before
    assert not found("amnesia", [*events[:3], failed(A, 400)], restarts=[3])  # it was free again
    assert not found("amnesia", [*events[:3], answered(B, 40), failed(A, 101)], restarts=[3])  # a minute later


def test_after_a_restart_what_was_put_back_is_put_back_again() -> None:
    events = [switch(B, A, 0, "reverted"), switch(C, A, 1, "reverted"), switch(B, A, 100, "reverted")]
    assert only("amnesia", events, restarts=[2]).models == (B,)
    assert not found("amnesia", [*events[:2], switch(D, A, 100, "reverted")], restarts=[2])
    assert not found("amnesia", [*events[:2], answered(B, 50), events[2]], restarts=[3])


# Flapping


def test_to_and_fro() -> None:
    events = [switch(*((A, B) if n % 2 == 0 else (B, A)), 60 * n) for n in range(5)]
    one = only("flapping", events)
    assert (one.count, one.positions, set(one.models)) == (5, (1, 2, 3, 4, 5), {A, B})
    assert not found("flapping", events[:3])
    assert not found("flapping", [replace(one, timestamp=NOW + n * 4 * MINUTE) for n, one in enumerate(events[:4])])
    probed = [switch(B, A, 60 * n, "probe") if n % 2 else one for n, one in enumerate(events)]
    assert not found("flapping", probed)
    assert not found("flapping", [switch(A, B, 0), switch(B, C, 1), switch(C, A, 2), switch(A, B, 3)])


# Stuck on a fallback


def test_still_on_a_fallback_an_hour_after_the_primary_was_free() -> None:
    start = [failed(A, 0), switch(A, B, 1)]  # free again at 300 s
    one = only("stuck_on_fallback", [*start, answered(B, 3900), failed(B, 4000)])
    assert (one.positions, one.models) == ((3, 4), (A, B))
    assert not found("stuck_on_fallback", [*start, answered(B, 3899)])
    assert not found("stuck_on_fallback", [*start, switch(B, A, 400, "probe"), answered(A, 401), answered(B, 9000)])
    assert not found("stuck_on_fallback", [*start, switch(A, B, 2, "user"), answered(B, 9000)])
    sticky = Policy(return_to_primary=False)
    assert not found("stuck_on_fallback", [*start, answered(B, 9000)], policy=sticky)
    assert found("stuck_on_fallback", [*start, answered(B, 9000)], None)  # the session's first model


# A pin


def test_a_switch_away_from_a_pin_that_works() -> None:
    pinned: list[Event] = [switch(A, B, 0, "user"), answered(B, 1)]
    one = only("pin_overridden", [*pinned, switch(B, A, 2, "config")])
    assert (one.positions, one.models) == ((3,), (B, A))
    for rest in (
        [failed(B, 2), switch(B, A, 3)],
        [failed(B, 2, "context_overflow"), switch(B, A, 3)],
        [switch(B, C, 2, "user")],
        [switch(B, B, 2, "unpin"), switch(B, A, 3, "config")],
    ):
        assert not found("pin_overridden", [*pinned, *rest])


# The clock, and damage


def test_a_clock_that_was_set_back() -> None:
    one = only("clock_backwards", [answered(A, 100), answered(A, 39), answered(A, 50)])
    assert (one.count, one.positions, one.severity) == (1, (1, 2), "info")
    assert not found("clock_backwards", [answered(A, 100), answered(A, 40), answered(A, 39)])


def test_damage_is_told() -> None:
    audit = Audit()
    audit.finish({"altered": 2, "gaps": 0, "corrupt": 1})
    (one,) = audit.findings
    assert (one.kind, one.severity, one.count) == ("damaged_log", "critical", 3)
    assert "2 altered, 1 corrupt" in one.told
    whole = Audit()
    whole.finish({"altered": 0})
    assert (whole.findings, whole.worst) == ([], None)


# Filters and bounds


def test_a_filter_chooses_what_is_told_and_never_what_is_judged() -> None:
    events = [failed(A, 0), failed(A, 100), failed(B, 200, "timeout"), failed(B, 210, "timeout")]
    for wanted, models in (
        (Filter(models=frozenset({B})), {B}),
        (Filter(providers=frozenset({"p"})), {A}),
        (Filter(reasons=frozenset({"timeout"})), {B}),
        (Filter(since=NOW + 50 * SECOND), {A, B}),
        (Filter(until=NOW + 50 * SECOND), set()),
    ):
        audit = audited(events, wanted=wanted)
        told = {model for one in audit.findings for model in one.models if one.kind == "attempted_while_cooling"}
        assert told == models
        assert set(audit.accounts.models) == (models or {A})


def test_of_very_many_findings_the_first_are_kept_and_all_are_counted() -> None:
    events = [answered(A, -100 * number) for number in range(MOST_FINDINGS + 51)]
    audit = audited(events)
    assert (len(audit.findings), audit.kinds["clock_backwards"]) == (MOST_FINDINGS, MOST_FINDINGS + 50)


def test_very_many_models_cost_no_more_than_their_number() -> None:
    audit = audited((failed(f"p{number}/m", number) for number in range(3000)), None)
    assert len(audit.accounts.models) <= 257
    assert audit.accounts.total.attempts == 3000


# Figures


def test_the_figures_of_a_history() -> None:
    events = [
        switch(None, A, 0, "initial"),
        failed(A, 10),
        switch(A, B, 10),
        answered(B, 20),
        failed(A, 30, "timeout"),
        answered(A, 60),
        failed(B, 61, "redirected"),
        switch(B, A, 110, "reverted"),
    ]
    accounts = audited(events).accounts
    a, b = accounts.models[A], accounts.models[B]
    assert (a.attempts, dict(a.failures), a.wasted, a.recovery) == (3, {"rate_limit": 1, "timeout": 1}, 2, 50)
    assert (b.attempts, b.failed, b.redirected) == (1, 0, 1)
    assert (accounts.share(a), accounts.share(b)) == (10 / 110, 100 / 110)
    assert (accounts.switches, accounts.fallbacks, accounts.reverted) == (3, 1, 1)
    assert accounts.providers["p"].attempts == 3


def test_with_the_memory_an_outage_costs_its_probes_only() -> None:
    # A rate limit, asked every minute for an hour: asked at 0, 5 (one cooldown of 5 min), 15 (10), 35 (20); the next
    # would be at 75. Each made attempt of these fails; the other 57 of 61 would not have been made.
    audit = audited([failed(A, 60 * minute) for minute in range(61)])
    assert audit.accounts.models[A].saved == 61 - 4
    assert audit.accounts.models[A].wasted == 60


def test_with_the_memory_an_answer_may_be_missed() -> None:
    account = audited([failed(A, 0), answered(A, 100), failed(A, 150)]).accounts.models[A]
    assert (account.saved, account.missed, account.wasted) == (1, 1, 1)


# Laws

_events = histories(max_size=14) | st.lists(odd_events(), max_size=10)


@given(_events, chains | st.none(), policies(), st.lists(st.integers(-1, 15), max_size=3))
def test_no_history_raises_and_all_is_counted(
    events: list[Event], chain: Chain | None, policy: Policy, restarts: list[int]
) -> None:
    audit = audited(events, chain, restarts, policy)
    assert audit.kinds.total() == len(audit.findings) == audit.severities.total()
    for one in audit.findings:
        assert set(one.positions) <= set(range(1, len(events) + 1))
        assert one.count >= 1
    total = audit.accounts.total
    assert total.wasted + total.forced <= total.attempts
    assert total.saved <= total.failed
    assert total.attempts == sum(
        isinstance(event, AttemptSucceeded)
        or (isinstance(event, AttemptFailed) and event.reason not in ("redirected", "aborted"))
        for event in events
    )


@given(_events, chains | st.none(), st.integers(0, 14))
def test_what_is_found_in_a_part_stands_first_in_the_whole(events: list[Event], chain: Chain | None, cut: int) -> None:
    part, whole = Audit(chain, restarts=[3]), Audit(chain, restarts=[3])
    for position, event in enumerate(events, 1):
        whole.feed(Recorded(event, position))
        if position <= cut:
            part.feed(Recorded(event, position))
    whole.finish()
    assert whole.findings[: len(part.findings)] == part.findings


def remembering(choice: Random, chain: Chain, policy: Policy, *, timed: bool) -> list[Event]:
    """The log of a gateway that decides by it: every loop as DESIGN has it, at most one forced attempt in each."""
    log: list[Event] = []
    state, now = INITIAL, NOW

    def record(event: Event) -> None:
        nonlocal state
        log.append(event)
        state = evolve(state, event)

    reasons = ("rate_limit", "auth", "timeout", "network", "context_overflow", "server_error")
    for turn in range(12):
        now += timedelta(seconds=choice.choice((1, 20, 70, 400, 4000)))
        tried: set[str] = set()
        forced = False
        while True:
            decision = decide(state, chain, now, policy, frozenset(tried))
            if decision.model is None or (decision.forced and forced):
                break
            model, forced = decision.model, forced or decision.forced
            if decision.cause not in ("keep", None):
                record(ModelSwitch(from_=state.current, to=model, cause=decision.cause, timestamp=now, turn=f"t{turn}"))
            seen, took = state.position, choice.choice((5, 1_000, 60_000))
            now += timedelta(milliseconds=took)
            ended = {"timestamp": now, "turn": f"t{turn}", "seen": seen, "duration_ms": took if timed else None}
            if choice.random() < 0.4:
                record(AttemptSucceeded(model=model, **ended))  # type: ignore[arg-type]
                break
            hint = choice.choice((None, None, 7_000, 900_000))
            reason = choice.choice(reasons)
            record(AttemptFailed(model=model, reason=reason, retry_after_ms=hint, **ended))  # type: ignore[arg-type]
            tried.add(model)
    return log


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([Chain(A), Chain(A, B), CHAIN]), policies(), st.booleans(), st.booleans())
def test_a_gateway_that_asks_its_log_wastes_nothing(
    seed: int, chain: Chain, policy: Policy, timed: bool, named: bool
) -> None:
    log = remembering(Random(seed), chain, policy, timed=timed)
    turns = [place for place in range(1, len(log)) if log[place].turn != log[place - 1].turn]
    audit = audited(log, chain if named else None, turns[::2], policy)
    account = audit.accounts.total
    assert (account.wasted, account.saved, account.missed) == (0, 0, 0)
    for kind in ("attempted_while_cooling", "amnesia", "reverted_fallback", "pin_overridden"):
        assert audit.kinds[kind] == 0


def test_the_same_gateway_without_its_memory_does() -> None:
    log = remembering(Random(7), CHAIN, Policy(), timed=True)
    again = [replace(event, timestamp=NOW + number * SECOND) for number, event in zip(count(), log, strict=False)]
    assert audited(again).accounts.total.wasted > 0
