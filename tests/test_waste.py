"""Which requests count as wasted, case by case in the words of the design."""

from datetime import UTC, datetime, timedelta

from replay import AttemptFailed, AttemptSucceeded, Chain, Event, FailureCleared, ModelSwitch, Policy, Recorded
from replay.waste import Request, joined, wasted

A, B, C = "one/a", "two/b", "two/c"
CHAIN = Chain(A, B)
START = datetime(2026, 4, 2, 4, 55, 40, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def failed(model: str, when: float, reason: str = "rate_limit", retry_after_ms: int | None = None) -> AttemptFailed:
    return AttemptFailed(model=model, reason=reason, retry_after_ms=retry_after_ms, timestamp=at(when))


def asked(model: str, began: float, took: float | None = 0.3, turn: str | None = None) -> Request:
    return Request(model, at(began), None if took is None else at(began + took), None if took is None else 200, turn)


def waste(
    requests: list[Request], events: list[Event], chain: Chain = CHAIN, policy: Policy | None = None
) -> list[int]:
    """The wasted ones of the requests, by their place."""
    found = wasted(requests, events, chain, policy)
    return [place for place, one in enumerate(requests) if one in found]


def test_a_first_failure_is_not_wasted() -> None:
    assert waste([asked(A, 0)], [failed(A, 0.3)]) == []


def test_asking_again_while_it_cools_is() -> None:
    assert waste([asked(A, 0), asked(A, 1), asked(B, 2)], [failed(A, 0.3)]) == [1]


def test_a_failure_counts_from_its_very_moment() -> None:
    events = [failed(A, 0.3)]
    assert waste([asked(A, 0.299)], events) == []
    assert waste([asked(A, 0.3)], events) == [0]


def test_the_probe_after_the_cooldown_is_not() -> None:
    events = [failed(A, 0, retry_after_ms=7000)]
    assert waste([asked(A, 6.999)], events) == [0]
    assert waste([asked(A, 7)], events) == []


def test_another_runs_probe_cools_nothing() -> None:
    events = [failed(A, 0, retry_after_ms=1000), ModelSwitch(to=A, from_=B, cause="probe", timestamp=at(2))]
    assert waste([asked(A, 2.1), asked(A, 2.2)], events) == []


def test_a_request_in_flight_at_a_kill_is_not() -> None:
    assert waste([asked(A, 1, took=None)], [failed(A, 0.3)]) == []


def test_what_somebody_mended_may_be_asked() -> None:
    assert waste([asked(A, 2)], [failed(A, 0.3), FailureCleared(model=A, timestamp=at(1))]) == []


def test_a_failed_key_cools_all_models_of_its_provider() -> None:
    assert waste([asked(C, 1)], [failed(B, 0.3, "auth")]) == [0]


def test_a_forced_attempt_is_not() -> None:
    """Both cool, B is the sooner to be free: asking it is the one attempt that is forced, asking A is none."""
    events = [failed(A, 0), failed(B, 1, "overloaded")]
    assert waste([asked(B, 2, turn="t")], events) == []
    assert waste([asked(A, 2, turn="t")], events) == [0]
    assert waste([asked(B, 2, turn="t")], events, Chain(A, B, "three/free")) == [0]
    assert waste([asked(B, 2, turn="t")], events, policy=Policy(force=False)) == [0]


def test_what_the_same_turn_has_asked_already_is_no_way_out_of_being_forced() -> None:
    """A cools, B is asked and fails: now A is all that is left, though B will be free sooner."""
    events = [failed(A, 0), failed(B, 1.3, "network")]
    assert waste([asked(B, 1, turn="t"), asked(A, 1.4, turn="t")], events) == []
    assert waste([asked(B, 1, turn="t"), asked(A, 1.4, turn="u")], events) == [1]
    assert waste([asked(B, 1, took=None, turn="t"), asked(A, 1.4, turn="t")], events) == [1]


def test_an_event_can_not_be_known_before_those_in_front_of_it() -> None:
    """It was written behind an event of 5.0, so it was on the disk no sooner, whatever its own stamp."""
    events = [failed(B, 5), failed(A, 0.3)]
    assert waste([asked(A, 1), asked(A, 6)], events, Chain(A, B, "three/free")) == [1]


def test_an_event_without_a_time_is_known_with_the_one_before_it() -> None:
    events = [failed(A, 0.3), FailureCleared(model=A)]
    assert waste([asked(A, 1)], events) == []


def test_requests_may_come_in_any_order_and_events_recorded() -> None:
    events = [Recorded(failed(A, 0.3), 1, 0)]
    late, early = asked(A, 2), asked(A, 1)
    assert wasted([late, early], events, CHAIN) == [early, late]


def test_generations_join_as_if_they_had_written_one_log() -> None:
    """So a success of the second one ends what the first one had against the model."""
    first = [Recorded(failed(A, 0), 1), Recorded(failed(A, 1), 2)]
    second: list[Event] = [
        ModelSwitch(to=A, cause="initial", timestamp=at(2)),
        AttemptSucceeded(model=A, seen=1, timestamp=at(3)),
        AttemptFailed(model=B, reason="network", seen=None, timestamp=at(4)),
    ]
    events = list(joined([first, [], second]))
    assert [getattr(event, "seen", None) for event in events] == [None, None, None, 3, None]
    assert waste([asked(A, 2), asked(A, 3.5)], events) == [0]


def test_no_log_and_no_requests_waste_nothing() -> None:
    assert waste([asked(A, 0)], []) == []
    assert wasted([], [failed(A, 0)], CHAIN) == []
