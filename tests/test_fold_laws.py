"""The laws of the fold, each tried on many histories."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from strategies import (
    AUTOMATIC,
    BLAMELESS,
    BLAMING,
    CAUSES,
    DAY,
    HOUR,
    MODELS,
    NOW,
    PROVIDER_WIDE,
    PROVIDERS,
    UNHEARD_OF,
    automatic_events,
    blameless,
    blaming,
    clearances,
    events,
    failures,
    family_troubles,
    hints,
    histories,
    late_successes,
    models,
    nows,
    odd_events,
    one_failure_more,
    policies,
    relapses,
    sensible_times,
    spans,
    stamps,
    states,
    successes,
    switches,
    times,
    turns,
)
from views import provider, wait_of, waits

from replay import (
    INITIAL,
    AttemptFailed,
    AttemptSucceeded,
    Event,
    FailureCleared,
    ModelState,
    ModelSwitch,
    Policy,
    Probe,
    Recorded,
    changes,
    evolve,
    fold,
    scan,
)
from replay.policy import COOLDOWNS

MILLISECOND = timedelta(milliseconds=1)
EDGES = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def recorded(history: Iterable[Event], gaps: Iterable[int]) -> list[Recorded]:
    """The history as a log holds it: each event ``gap`` positions behind the one before."""
    position, records = 0, []
    for event, gap in zip(history, gaps, strict=False):
        position += gap
        records.append(Recorded(event, position, offset=100 * position))
    return records


gaps = st.lists(st.integers(1, 3), min_size=12, max_size=12)
logs = st.builds(recorded, histories(), gaps)


def same(one: ModelState, other: ModelState) -> bool:
    """Equal, down to the order of the tried set."""
    return one == other and list(one.tried) == list(other.tried) and one.attempted == other.attempted


def position_of(state: ModelState, model: str, reason: str) -> int | None:
    failure = state.tried.get(model, {}).get(reason)
    return None if failure is None else failure.position


# Folding: the same state however a log is read.


@given(histories() | family_troubles, states())
def test_fold_is_the_last_state_of_scan(history: list[Event], start: ModelState) -> None:
    """``fold(events) == last(INITIAL, *scan(events))``, from any state on."""
    ended = [*history, AttemptFailed(model="kimi/a", reason="auth"), AttemptSucceeded(model="kimi/b")]
    for events_of in (history, ended):
        assert same(fold(events_of), [INITIAL, *scan(events_of)][-1])
    assert same(fold(history, start), [start, *scan(history, start)][-1])


@given(histories())
def test_a_prefix_continued_with_the_rest_folds_like_the_whole(history: list[Event]) -> None:
    """A log may be folded in two goes, wherever it is cut."""
    whole = fold(history)
    for cut in range(len(history) + 1):
        assert same(fold(history[cut:], fold(history[:cut])), whole), cut


@given(histories())
def test_bare_events_count_on_from_the_position(history: list[Event]) -> None:
    """A bare event stands one position behind the state's; so does its recorded twin."""
    whole = fold(history)
    assert whole.position == len(history)
    assert same(fold(recorded(history, [1] * len(history))), whole)


@given(logs, st.lists(st.integers(0, 11), max_size=6), events(), st.integers(0, 40))
def test_an_event_at_or_before_the_position_changes_nothing(
    log: list[Recorded], again: list[int], event: Event, position: int
) -> None:
    """Reading a log again, in part, twice, or with other events at its positions, is safe."""
    state = fold(log)
    assert same(fold([*log, *log]), state)
    assert same(fold([log[index] for index in again if index < len(log)], state), state)
    assert same(evolve(state, Recorded(event, min(position, state.position))), state)


@given(histories(), st.lists(odd_events(), max_size=6), histories(max_size=4))
def test_the_fold_is_total(before: list[Event], odd: list[Event], after: list[Event]) -> None:
    """Whatever fields events hold, folding them gives a state and never raises."""
    history = [*before, *odd, *after]
    assert fold(history).position == len(history)


@given(failures(reasons=blaming, times=sensible_times, seens=st.none()), st.sampled_from(EDGES))
def test_the_fold_is_total_at_the_edges_of_the_calendar(failure: AttemptFailed, edge: datetime) -> None:
    """Neither a stamp nor a wish, however absurd, can push a time over them."""
    day = replace(failure, timestamp=edge, retry_after_ms=86_400_000)
    assert fold([day, day, failure, day]).position == 4
    for wish in (10**18, 10**30, -(10**18), -(10**30)):
        assert fold([replace(failure, retry_after_ms=wish), failure]).position == 2


@given(histories(), st.randoms(use_true_random=False))
def test_order_is_the_position_never_the_timestamp(history: list[Event], random: Random) -> None:
    """Times dealt out anew change neither the current model, the pin, the last good one nor what is tried."""
    stamps_of = [event.timestamp for event in history]
    random.shuffle(stamps_of)
    dealt = [replace(event, timestamp=stamp) for event, stamp in zip(history, stamps_of, strict=True)]
    one, other = fold(history), fold(dealt)
    assert (one.current, one.pinned, one.last_good) == (other.current, other.pinned, other.last_good)
    assert list(one.tried) == list(other.tried)
    for model, reasons in one.tried.items():
        assert {reason: failure.position for reason, failure in reasons.items()} == {
            reason: failure.position for reason, failure in other.tried[model].items()
        }
    assert {model: probe.position for model, probe in one.probing.items()} == {
        model: probe.position for model, probe in other.probing.items()
    }


@given(states(), events(), models)
def test_what_changes_nothing_need_not_be_written(state: ModelState, event: Event, model: str) -> None:
    """``changes`` says whether an event tells the state anything; its position and what failed last are no news."""
    healthy = ModelState(current=model, last_good=model)
    answered = AttemptSucceeded(model=model)
    probing = evolve(healthy, ModelSwitch(to=model, cause="probe"))
    failed = evolve(healthy, AttemptFailed(model=model, reason="timeout"))
    for before, told in (
        (state, event),
        (healthy, event),
        (healthy, answered),
        (probing, answered),
        (failed, answered),
    ):
        after = replace(evolve(before, told), position=before.position, failing=before.failing)
        assert changes(before, told) == (after != before)


@given(histories(), st.lists(turns, min_size=12, max_size=12))
def test_the_turn_decides_nothing(history: list[Event], labels: list[str | None]) -> None:
    """Turns may be re-used, mixed up or missing: the state is the same."""
    relabelled = [replace(event, turn=label) for event, label in zip(history, labels, strict=False)]
    assert same(fold(relabelled), fold(history))


# Failures: what joins the tried set, and how failures for one reason add up.


@given(states(), models, blaming | st.sampled_from(UNHEARD_OF), stamps)
def test_a_blaming_failure_joins_the_tried_set(
    state: ModelState, model: str, reason: str, stamp: datetime | None
) -> None:
    """It is noted under its reason, an unheard-of one under ``unknown``, and nothing else is touched."""
    after = evolve(state, AttemptFailed(model=model, reason=reason, timestamp=stamp))
    noted = reason if reason in BLAMING else "unknown"
    assert noted in after.tried.get(model, {})
    assert after.tried[model][noted].position == after.position
    assert {other: reasons for other, reasons in after.tried.items() if other != model} == {
        other: reasons for other, reasons in state.tried.items() if other != model
    }
    assert {other: failure for other, failure in after.tried[model].items() if other != noted} == {
        other: failure for other, failure in state.tried.get(model, {}).items() if other != noted
    }
    assert (after.current, after.last_good, after.switched_at) == (state.current, state.last_good, state.switched_at)


@given(states(), failures(reasons=blameless))
def test_a_blameless_failure_never_enters_the_tried_set(state: ModelState, failure: AttemptFailed) -> None:
    """A request that was too long, wrong or stopped says nothing about the model."""
    assert evolve(state, failure).tried == state.tried


@given(histories(), models, st.sampled_from(UNHEARD_OF) | st.text(min_size=1, max_size=9))
def test_the_tried_set_holds_blaming_reasons_only(history: list[Event], model: str, unheard_of: str) -> None:
    """Whatever a log names as reasons, the tried set knows those that rules are written for; no model has none."""
    history = [*history, AttemptFailed(model=model, reason=unheard_of)]
    for failures_of in fold(history).tried.values():
        assert failures_of
        assert failures_of.keys() <= set(BLAMING)
        assert failures_of.keys().isdisjoint(BLAMELESS)


@given(one_failure_more, policies(force=st.just(value=False)))
def test_one_more_failure_never_shortens_a_wait(
    drawn: tuple[list[Event], AttemptFailed, datetime], policy: Policy
) -> None:
    """No model is free earlier because something failed once more, and no provider's own wish is forgotten.

    Failures stamped more than 60 s ahead of the decision are left out, for they don't cool: the fold has no clock, so
    it can't know them, and ``at`` never moves back. Of the history before, any stamp will do.
    """
    history, failure, now = drawn
    before = fold(history)
    after = evolve(before, failure)
    later = waits(after, now, policy)
    for model, one in waits(before, now, policy).items():
        assert one.until is not None
        assert model in later
        assert (until := later[model].until) is not None
        assert until >= one.until
        if failure.timestamp is None or failure.timestamp <= now:
            assert later[model].insists or not one.insists


@given(
    states(),
    models,
    blaming,
    st.lists(st.tuples(times(NOW - HOUR, NOW), hints), min_size=2, max_size=8),
    st.integers(-2, 0),
)
def test_parallel_runs_that_meet_one_incident_are_one_failure(
    state: ModelState, model: str, reason: str, meetings: list[tuple[datetime, int | None]], behind: int
) -> None:
    """Eight runs, none of which knew of the others' failures: the count is 1 and the longest wait stands."""
    assume(reason not in state.tried.get(model, {}))
    hinted = [hint for _, hint in meetings if hint is not None]
    known = state.position + behind
    met = [
        AttemptFailed(model=model, reason=reason, timestamp=at, retry_after_ms=hint, seen=known)
        for at, hint in meetings
    ]
    after = fold(met, state)
    joined = after.tried[model][reason]
    assert joined.count == 1
    assert joined.at == max(at for at, _ in meetings)
    assert joined.position == after.position
    unknown = [replace(one, seen=0) for one in met]
    singles = [wait_of(fold([one]), model, NOW) for one in unknown]
    together = wait_of(fold(unknown), model, NOW)
    if len(hinted) in (0, len(met)) or reason not in ("rate_limit", "overloaded"):
        assert together == max(singles)
    else:  # some named no wait, so the policy's own counts from the latest of them
        assert together >= max(singles)


@given(models, st.sampled_from(("rate_limit", "overloaded")), spans(timedelta(0), HOUR))
def test_a_retry_after_of_one_run_does_not_shorten_anothers_wait(model: str, reason: str, wish: timedelta) -> None:
    """It may replace the base only where every run that met the incident was given one."""
    told = AttemptFailed(model=model, reason=reason, timestamp=NOW, retry_after_ms=wish // MILLISECOND, seen=0)
    untold = replace(told, retry_after_ms=None)
    timeless = replace(untold, timestamp=None)
    shorter = replace(told, retry_after_ms=0)
    for met in ([told, shorter], [shorter, told]):
        assert wait_of(fold(met), model, NOW) == wish
    base = COOLDOWNS[reason].base
    for met in ([told, untold], [untold, told], [told, timeless], [untold, told, timeless]):
        assert wait_of(fold(met), model, NOW) == max(base, wish)
    told_some_time = replace(told, timestamp=None)  # counted from when?
    assert wait_of(fold([untold, told_some_time]), model, NOW) == base


def test_parallel_wishes_of_no_wait_are_no_wait() -> None:
    """Two runs are told ``Retry-After: 0``: like one of them alone, that cools nothing."""
    told = AttemptFailed(model="solo", reason="rate_limit", timestamp=NOW, retry_after_ms=0, seen=0)
    assert wait_of(fold([told]), "solo", NOW) == timedelta(0)
    assert wait_of(fold([told, told]), "solo", NOW) == timedelta(0)


@given(states(), models, blaming, st.lists(spans(timedelta(0), DAY), max_size=12), times(NOW - 2 * DAY, NOW))
def test_a_failure_that_knew_of_the_last_one_raises_the_count(
    state: ModelState, model: str, reason: str, pauses: list[timedelta], start: datetime
) -> None:
    """Failures one after the other, none more than 24 h after the last, count up one by one."""
    assume(reason not in state.tried.get(model, {}))
    at = start
    state = evolve(state, AttemptFailed(model=model, reason=reason, timestamp=at))
    for number, pause in enumerate(pauses, 2):
        at += pause
        knows_just = state.tried[model][reason].position
        state = evolve(state, ModelSwitch(to=model, cause="fallback"))
        state = evolve(state, AttemptFailed(model=model, reason=reason, timestamp=at, seen=knows_just))
        assert state.tried[model][reason].count == number
        assert state.tried[model][reason].at == at


@given(models, blaming, st.integers(1, 6), spans(DAY + MILLISECOND, 30 * DAY), hints, st.none() | st.integers(0, 12))
def test_24_hours_without_a_reason_restart_its_count(
    model: str, reason: str, number: int, pause: timedelta, hint: int | None, seen: int | None
) -> None:
    """The next failure counts as a first one, whatever failed for other reasons meanwhile."""
    other = "timeout" if reason != "timeout" else "network"
    first = AttemptFailed(model=model, reason=reason, timestamp=NOW, retry_after_ms=3_600_000)
    between = AttemptFailed(model=model, reason=other, timestamp=NOW + 20 * HOUR)
    old = fold([first] * number + [between])
    assert old.tried[model][reason].count == number
    next_one = AttemptFailed(model=model, reason=reason, timestamp=NOW + pause, retry_after_ms=hint, seen=seen)
    fresh = evolve(old, next_one).tried[model][reason]
    alone = evolve(ModelState(), next_one).tried[model][reason]
    assert (fresh.at, fresh.count) == (NOW + pause, 1)
    assert (fresh.retry_after, fresh.hinted) == (alone.retry_after, alone.hinted)
    on_time = evolve(old, replace(next_one, timestamp=NOW + DAY, seen=None)).tried[model][reason]
    assert on_time.count == number + 1


@given(histories() | st.lists(relapses, max_size=6))
def test_the_time_of_a_failure_never_moves_back(history: list[Event]) -> None:
    """Of two times the later stands; a failure without a readable time takes none away."""
    before = INITIAL
    for event, after in zip(history, scan(history), strict=True):
        for model, reasons in before.tried.items():
            for reason, old in reasons.items():
                new = after.tried.get(model, {}).get(reason)
                if new is not None and old.at is not None:
                    assert new.at is not None
                    assert new.at >= old.at
                    if new.position == after.position and event.timestamp is not None:
                        assert new.at == max(old.at, event.timestamp)
        before = after


# Successes: what they clear.


@given(histories() | family_troubles, st.sampled_from(MODELS[:2]) | models, st.none() | st.integers(0, 12), stamps)
def test_a_success_clears_the_failures_that_it_knew(
    history: list[Event], model: str, seen: int | None, stamp: datetime | None
) -> None:
    """The model's own and its provider's provider-wide ones, at or before ``seen``: these and no others."""
    sibling = f"{provider(model)}/sibling"
    history = [*(AttemptFailed(model=sibling, reason=reason) for reason in ("auth", "timeout")), *history]
    before = fold(history)
    after = evolve(before, AttemptSucceeded(model=model, seen=seen, timestamp=stamp))
    known = before.position if seen is None else seen
    assert after.tried == {
        other: kept
        for other, reasons in before.tried.items()
        if (
            kept := {
                reason: failure
                for reason, failure in reasons.items()
                if failure.position > known
                or (other != model and (reason not in PROVIDER_WIDE or provider(other) != provider(model)))
            }
        )
    }
    assert after.last_good == model
    assert after.pinned == before.pinned


@given(histories(), successes() | late_successes, nows, policies(force=st.just(value=False)))
def test_a_late_success_never_uncools_a_newer_failure(
    history: list[Event], success: AttemptSucceeded, now: datetime, policy: Policy
) -> None:
    """What failed after the attempt had begun cools on exactly as before, though its answer came in."""
    sibling = f"{provider(success.model)}/sibling"
    before = fold([*history, AttemptFailed(model=sibling, reason="auth", timestamp=now)])
    after = evolve(before, success)
    known = before.position if success.seen is None else success.seen
    for model, reasons in before.tried.items():
        for reason, failure in reasons.items():
            if failure.position > known:
                assert after.tried.get(model, {}).get(reason) == failure
    later = waits(after, now, policy)
    for model, one in waits(before, now, policy).items():
        if one.position is not None and one.position > known:
            assert model in later
            assert (later[model].until, later[model].why) == (one.until, one.why)


@given(states(), successes())
def test_a_success_sets_current_only_where_there_is_none(state: ModelState, success: AttemptSucceeded) -> None:
    """A late answer of the model before must not switch the session back."""
    after = evolve(state, success)
    if state.current is None:
        assert (after.current, after.switched_at) == (success.model, success.timestamp)
    else:
        assert (after.current, after.switched_at) == (state.current, state.switched_at)


# Switches, pins, probes and people.


@given(states(), automatic_events())
def test_no_automatic_event_touches_the_pin(state: ModelState, event: Event) -> None:
    """Only a person's ``user`` and ``unpin`` change what is pinned."""
    assert evolve(state, event).pinned == state.pinned
    pinned = evolve(state, ModelSwitch(to="my/pin", cause="user"))
    assert evolve(pinned, event).pinned == "my/pin"
    for cause in AUTOMATIC:
        assert evolve(pinned, ModelSwitch(to="solo", cause=cause)).pinned == "my/pin"


@given(states(), switches())
def test_a_switch_sets_current(state: ModelState, switch: ModelSwitch) -> None:
    """Whatever its cause; ``switched_at`` tells when the current model became it."""
    for before in (state, evolve(state, AttemptSucceeded(model=switch.to))):
        after = evolve(before, switch)
        assert after.current == switch.to
        assert after.switched_at == (before.switched_at if switch.to == before.current else switch.timestamp)
        assert after.last_good == before.last_good


@given(states(), switches(("user",)), nows)
def test_a_users_switch_pins_and_lifts_what_cools(state: ModelState, switch: ModelSwitch, now: datetime) -> None:
    """``to`` is pinned and free at once, provider-wide failures included; nothing else is forgotten."""
    state = evolve(state, AttemptFailed(model=f"{provider(switch.to)}/sibling", reason="auth", timestamp=now))
    assert switch.to in waits(state, now)
    after = evolve(state, switch)
    assert after.pinned == switch.to
    assert switch.to not in after.tried
    assert switch.to not in waits(after, now)
    for model, reasons in state.tried.items():
        if model != switch.to:
            assert after.tried.get(model, {}) == {
                reason: failure
                for reason, failure in reasons.items()
                if reason not in PROVIDER_WIDE or provider(model) != provider(switch.to)
            }


@given(states(), switches(("unpin",)))
def test_unpin_clears_the_pin_and_nothing_else(state: ModelState, switch: ModelSwitch) -> None:
    """The next decision follows the chain again; what failed stays known."""
    for before in (state, evolve(state, ModelSwitch(to="my/pin", cause="user"))):
        after = evolve(before, switch)
        assert after.pinned is None
        assert (after.tried, after.probing) == (before.tried, before.probing)


@given(states(), switches(("probe",)), failures() | successes(), st.integers(0, 3), st.integers(0, 10), events())
def test_a_probe_lasts_until_an_outcome_that_knew_of_it(
    state: ModelState,
    switch: ModelSwitch,
    outcome: AttemptFailed | AttemptSucceeded,
    more: int,
    less: int,
    other: Event,
) -> None:
    """Success or failure of any reason ends it; an attempt that began before the probe does not."""
    model = switch.to
    probing = evolve(state, switch)
    position = probing.position
    assert probing.probing == {**state.probing, model: Probe(switch.timestamp, position)}
    assert probing.tried == state.tried
    for seen in (None, position + more):
        assert model not in evolve(probing, replace(outcome, model=model, seen=seen)).probing
    late = replace(outcome, model=model, seen=max(position - 1 - less, 0))
    assert evolve(probing, late).probing == probing.probing
    if not isinstance(other, AttemptFailed | AttemptSucceeded) or other.model != model:
        assert model in evolve(probing, other).probing


@given(states(), switches(tuple(cause for cause in CAUSES if cause != "probe")))
def test_no_other_switch_is_a_probe(state: ModelState, switch: ModelSwitch) -> None:
    """Only a switch that says so keeps others away from its model."""
    assert evolve(state, switch).probing == state.probing


@given(states(), models, nows)
def test_clearing_a_model_removes_what_cools_it(state: ModelState, model: str, now: datetime) -> None:
    """Its own failures, and provider-wide ones, for else it would cool on; the other models' own failures stay."""
    state = evolve(state, AttemptFailed(model=f"{provider(model)}/sibling", reason="billing", timestamp=now))
    assert model in waits(state, now)
    after = evolve(state, FailureCleared(model=model))
    assert model not in after.tried
    assert model not in waits(after, now)
    for other, reasons in state.tried.items():
        if other != model:
            own = {reason: failure for reason, failure in reasons.items() if reason not in PROVIDER_WIDE}
            same_provider = provider(other) == provider(model)
            assert after.tried.get(other, {}) == (own if same_provider else reasons)


@given(states(), blaming)
def test_clearing_a_provider_removes_the_failures_of_its_models(state: ModelState, reason: str) -> None:
    """All of them, and no other provider's, whatever its models are called."""
    state = fold([AttemptFailed(model=model, reason=reason) for model in MODELS], state)
    for mended in PROVIDERS:
        after = evolve(state, FailureCleared(provider=mended))
        assert after.tried == {model: reasons for model, reasons in state.tried.items() if provider(model) != mended}


@given(states(), clearances())
def test_clearing_failures_changes_nothing_else(state: ModelState, cleared: FailureCleared) -> None:
    """A mended model is not a chosen one."""
    after = evolve(state, cleared)
    assert replace(after, tried=state.tried, position=state.position, failing=state.failing) == state


# Another tool's bare switch.


@given(states(), models, models, stamps)
def test_a_bare_switch_counts_as_an_unknown_failure_of_from(
    state: ModelState, from_: str, to: str, stamp: datetime | None
) -> None:
    """It was left for some reason. Only a first switch (no ``from``) and one to itself say nothing."""
    state = evolve(state, FailureCleared(model="somebody/else"))  # so that no failure stands before the switch
    after = evolve(state, ModelSwitch(to=to, from_=from_, timestamp=stamp))
    told = evolve(state, AttemptFailed(model=from_, reason="unknown", timestamp=stamp))
    assert after.tried == (told.tried if from_ != to else state.tried)
    assert evolve(state, ModelSwitch(to=to, timestamp=stamp)).tried == state.tried


@given(states(), failures(), models, stamps)
def test_a_bare_switch_behind_a_failure_of_from_adds_none(
    state: ModelState, failure: AttemptFailed, to: str, stamp: datetime | None
) -> None:
    """The failure is known already, whatever its reason; a failure of another model doesn't count."""
    failed = evolve(state, failure)
    assert evolve(failed, ModelSwitch(to=to, from_=failure.model, timestamp=stamp)).tried == failed.tried
    other = next(model for model in MODELS if model not in (failure.model, to))
    after = evolve(failed, ModelSwitch(to=to, from_=other, timestamp=stamp))
    assert position_of(after, other, "unknown") == after.position
    between = evolve(failed, FailureCleared(provider="nobody"))
    if failure.model != to:
        later = evolve(between, ModelSwitch(to=to, from_=failure.model, timestamp=stamp))
        assert position_of(later, failure.model, "unknown") == later.position


@given(states(), switches(tuple(cause for cause in CAUSES if cause not in (None, "user"))))
def test_a_switch_with_a_cause_leaves_the_tried_set_alone(state: ModelState, switch: ModelSwitch) -> None:
    """Who says why has written down what failed."""
    assert evolve(state, switch).tried == state.tried
