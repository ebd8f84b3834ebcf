"""The attempts of one request: what goes on down the chain, what is the caller's own, and what the log says of it."""

import asyncio
import errno
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway import CHAIN, GLM, KIMI, LOCAL, Clock, Disk, RefusedError, agrees, events, told
from hypothesis import given
from hypothesis import strategies as st

from eventlog import AllModelsFailed, Attempt, Chain, MisuseError, Policy, Session, SwitchlogError, redact
from eventlog.choosing import choose
from eventlog.outcomes import ResponseRefused
from replay import AttemptFailed, AttemptSucceeded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "17a309d8.jsonl"


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session.open(path, chain=CHAIN) as session:
        yield session


def failures(session: Session) -> list[AttemptFailed]:
    return [event for event in events(session.path) if isinstance(event, AttemptFailed)]


def last_failure(session: Session) -> AttemptFailed:
    return failures(session)[-1]


def ask(session: Session, *errors: BaseException | None) -> list[str]:
    """A request by the loop, whose attempts end in these errors, one after the other; the models that were asked."""
    asked, ends = [], iter(errors)
    for attempt in session.attempts():
        with attempt:
            asked.append(attempt.model)
            if (error := next(ends, None)) is not None:
                raise error
    return asked


def refusing(asked: list[str], error: Exception | None = None) -> Callable[[str], None]:
    """A request that no model answers; it notes who was asked."""

    def request(model: str) -> None:
        asked.append(model)
        raise error or RefusedError(503)

    return request


# The loop.


def test_the_loop_ends_with_the_first_answer(session: Session) -> None:
    assert ask(session) == [KIMI]
    assert told(session.path) == [f"model_switch {KIMI}", f"attempt_succeeded {KIMI}"]


def test_the_loop_goes_on_over_recognised_errors(session: Session) -> None:
    assert ask(session, RefusedError(429), TimeoutError()) == [KIMI, GLM, LOCAL]
    assert [(one.model, one.reason) for one in failures(session)] == [(KIMI, "rate_limit"), (GLM, "timeout")]
    assert session.state.current == session.state.last_good == LOCAL


def test_an_attempt_tells_what_it_is_and_how_it_ended(session: Session) -> None:
    first, second = list_attempts(session, RefusedError(503), None)
    assert (first.model, first.decision.cause, first.settled) == (KIMI, "initial", True)
    assert first.outcome is not None
    assert (first.outcome.reason, first.outcome.status) == ("overloaded", 503)
    assert isinstance(first.error, RefusedError)
    assert (second.model, second.decision.cause, second.outcome, second.error) == (GLM, "fallback", None, None)


def list_attempts(session: Session, *errors: BaseException | None) -> list[Attempt]:
    attempts, ends = [], iter(errors)
    for attempt in session.attempts():
        attempts.append(attempt)
        with attempt:
            if (error := next(ends)) is not None:
                raise error
    return attempts


def test_no_model_is_asked_twice_in_one_loop(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one whose cooldown ends, or that a person clears, while the loop still runs."""
    clock, asked = Clock(monkeypatch), []

    def request(model: str) -> None:
        asked.append(model)
        clock.forward(days=2)
        session.clear(KIMI)
        raise RefusedError

    with pytest.raises(AllModelsFailed):
        session.call(request)
    assert asked == [KIMI, GLM, LOCAL]


def test_a_pin_made_during_the_loop_counts_in_it(session: Session) -> None:
    asked = []
    for attempt in session.attempts():
        with attempt:
            asked.append(attempt.model)
            if attempt.model == KIMI:
                session.switch(LOCAL)
                raise RefusedError
    assert asked == [KIMI, LOCAL]


def test_an_attempt_that_was_not_settled_is_a_mistake(session: Session) -> None:
    attempts = session.attempts()
    next(attempts)
    with pytest.raises(MisuseError, match="never settled"):
        next(attempts)
    with pytest.raises(MisuseError, match="never settled"):
        for _ in session.attempts():
            pass


def test_an_attempt_inside_of_another_is_not_settled_yet(session: Session) -> None:
    attempts = session.attempts()
    with next(attempts), pytest.raises(MisuseError, match="never settled"):
        next(attempts)


def test_an_attempt_is_used_once(session: Session) -> None:
    """Each ends in exactly one outcome."""
    attempt = next(session.attempts())
    with attempt:
        pass
    before = session.path.read_bytes()
    with pytest.raises(MisuseError, match="over"), attempt:
        raise RefusedError
    assert session.path.read_bytes() == before


def test_a_loop_may_be_left_and_asked_for_no_more(session: Session) -> None:
    for attempt in session.attempts():
        with attempt:
            break
    attempts = session.attempts()
    with next(attempts):
        pass
    assert list(attempts) == []
    assert list(attempts) == []


def test_attempts_need_a_chain(path: Path) -> None:
    session = Session.open(path)
    with pytest.raises(MisuseError, match="no chain"):
        session.attempts()
    assert next(session.attempts(chain=Chain(LOCAL))).model == LOCAL


def test_the_turn_stands_in_every_event_and_decides_nothing(session: Session) -> None:
    for _ in range(2):
        for attempt in session.attempts(turn="t-1"):
            with attempt:
                if attempt.model == KIMI:
                    raise RefusedError
    recorded = events(session.path)
    assert {event.turn for event in recorded} == {"t-1"}
    assert told(session.path) == [
        f"model_switch {KIMI}",
        f"attempt_failed {KIMI}",
        f"model_switch {GLM}",
        f"attempt_succeeded {GLM}",
    ]


def test_how_long_an_attempt_took_is_counted_from_its_block(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    time = [100.0]
    monkeypatch.setattr("eventlog.attempts.time", SimpleNamespace(monotonic=lambda: time[0]))
    for attempt in session.attempts():
        time[0] += 50  # whatever the author does before the request
        with attempt:
            time[0] += 1.25
            if attempt.model == KIMI:
                raise RefusedError
    assert last_failure(session).duration_ms == 1250
    success = events(session.path)[-1]
    assert isinstance(success, AttemptSucceeded)
    assert success.duration_ms == 1250


# Whose error it is.


@pytest.mark.parametrize(
    "error",
    [
        KeyError("choices"),
        ValueError("no number"),
        AttributeError("no such thing"),
        ZeroDivisionError(),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        StopIteration(),
        RecursionError(),
        AssertionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_authors_own_is_raised_at_once_and_blames_none(session: Session, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        ask(session, error)
    assert raised.value is error
    assert told(session.path) == [f"model_switch {KIMI}"]
    assert session.state.tried == {}
    assert session.decide().model == KIMI


def test_an_error_of_the_authors_own_settles_its_attempt(session: Session) -> None:
    """Who catches it outside of the block has no more attempts: nobody knows whether the request was answered."""
    attempts = session.attempts()
    attempt = next(attempts)
    with pytest.raises(KeyError), attempt:
        raise KeyError
    assert attempt.settled
    assert isinstance(attempt.error, KeyError)
    assert list(attempts) == []


def test_call_lets_an_error_of_the_authors_own_through(session: Session) -> None:
    replies: dict[str, str] = {}
    with pytest.raises(KeyError):
        session.call(replies.__getitem__)
    assert failures(session) == []


@pytest.mark.parametrize("status", [400, 422])
def test_an_invalid_request_is_raised_at_once_and_not_blamed(session: Session, status: int) -> None:
    """It would fail everywhere."""
    error = RefusedError(status, "messages: at least one is required")
    with pytest.raises(RefusedError) as raised:
        ask(session, error)
    assert raised.value is error
    assert (last_failure(session).model, last_failure(session).reason) == (KIMI, "invalid_request")
    assert session.state.tried == {}
    assert session.decide().model == KIMI


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RefusedError(400, "This model's maximum context length is 8192 tokens"), "context_overflow"),
        (RefusedError(413, "too large"), "context_overflow"),
        (RefusedError(400, "rejected by the content_filter"), "content_filter"),
    ],
)
def test_what_another_model_may_take_goes_on_but_is_not_blamed(session: Session, error: Exception, reason: str) -> None:
    assert ask(session, error) == [KIMI, GLM]
    assert last_failure(session).reason == reason
    assert session.state.tried == {}
    assert ask(session) == [KIMI]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_an_interruption_is_recorded_as_aborted_and_raised(session: Session, interruption: type[BaseException]) -> None:
    with pytest.raises(interruption):
        ask(session, interruption())
    assert (last_failure(session).model, last_failure(session).reason) == (KIMI, "aborted")
    assert session.state.tried == {}
    assert session.decide().model == KIMI


def test_subclasses_are_what_their_base_is(session: Session) -> None:
    class OurTimeoutError(TimeoutError):
        pass

    class OurRefusedError(RefusedError):
        pass

    class OurConnectionError(ConnectionResetError):
        pass

    with pytest.raises(AllModelsFailed):
        ask(session, OurTimeoutError(), OurRefusedError(500), OurConnectionError())
    assert [one.reason for one in failures(session)] == ["timeout", "server_error", "network"]


def test_what_the_provider_says_is_recorded(session: Session) -> None:
    ask(session, RefusedError(429, "slow down", retry_after="7"))
    failure = last_failure(session)
    assert (failure.status, failure.retry_after_ms, failure.error) == (429, 7000, "slow down")
    assert (failure.seen, failure.phase) == (1, None)


# The author's own table.


def test_the_hook_is_asked_first(path: Path) -> None:
    asked: list[BaseException] = []

    def hook(error: BaseException) -> str | None:
        asked.append(error)
        return "overloaded" if isinstance(error, KeyError) else None

    session, error = Session.open(path, chain=CHAIN, classify=hook), KeyError("busy")
    assert ask(session, error, TimeoutError("slow")) == [KIMI, GLM, LOCAL]
    assert asked[0] is error
    assert [(one.reason, one.error) for one in failures(session)] == [("overloaded", "'busy'"), ("timeout", "slow")]


def test_a_hooks_reason_leaves_status_and_retry_after_as_they_are(path: Path) -> None:
    """It names the reason, not the rest: a provider's wish for peace still counts."""
    session = Session.open(path, chain=CHAIN, classify=lambda _: "rate_limit")
    ask(session, RefusedError(403, "quota", retry_after="20"))
    failure = last_failure(session)
    assert (failure.reason, failure.status, failure.retry_after_ms) == ("rate_limit", 403, 20_000)


@pytest.mark.parametrize(("reason", "tried"), [("invalid_request", False), ("cosmic_rays", True)])
def test_a_hooks_reason_means_what_every_reason_means(path: Path, reason: str, tried: bool) -> None:
    session = Session.open(path, chain=CHAIN, classify=lambda _: reason)
    if tried:
        assert ask(session, KeyError()) == [KIMI, GLM]
    else:
        with pytest.raises(KeyError):
            ask(session, KeyError())
    assert last_failure(session).reason == reason
    assert (KIMI in session.state.tried) is tried


def test_a_hook_is_asked_about_a_returned_response_too(path: Path) -> None:
    def hook(error: BaseException) -> str | None:
        assert isinstance(error, ResponseRefused)
        return "billing"

    session = Session.open(path, chain=CHAIN, classify=hook)
    refusal = SimpleNamespace(status_code=418, headers={}, text="a teapot")
    assert session.call(lambda model: refusal if model == KIMI else model) == GLM
    assert (last_failure(session).reason, last_failure(session).error) == ("billing", "HTTP 418: a teapot")


def test_a_hook_that_fails_is_told_and_the_table_counts(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in it must neither hide the error of the request nor end the request."""
    session = Session.open(path, chain=CHAIN, classify=lambda error: error.no_such_thing)  # type: ignore[attr-defined]
    assert ask(session, RefusedError(429)) == [KIMI, GLM]
    assert last_failure(session).reason == "rate_limit"
    assert "hook" in caplog.text
    with pytest.raises(KeyError):
        ask(session, KeyError("own"))


# Clients that don't raise.


def response(status: int, body: str = "", **headers: str) -> SimpleNamespace:
    """What httpx and requests return, as far as we look at it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(status_code=status, headers=named, text=body)


def test_a_refusing_response_leaves_the_block_and_goes_on(session: Session) -> None:
    answers = iter([response(429, "limit", retry_after="9"), response(200, "fine")])
    asked, went_on = [], []
    for attempt in session.attempts():
        with attempt:
            asked.append(attempt.model)
            reply = attempt.response(next(answers))
            went_on.append(reply)
    assert asked == [KIMI, GLM]
    assert [reply.text for reply in went_on] == ["fine"]
    failure = last_failure(session)
    assert (failure.reason, failure.status, failure.retry_after_ms, failure.error) == (
        "rate_limit",
        429,
        9000,
        "HTTP 429: limit",
    )


@pytest.mark.parametrize("status", [200, 204, 302, 399])
def test_a_response_below_400_is_given_back(session: Session, status: int) -> None:
    reply = response(status)
    with next(session.attempts()) as attempt:
        assert attempt.response(reply) is reply
    assert failures(session) == []


def test_call_looks_at_returned_responses(session: Session) -> None:
    replies = {KIMI: response(503), GLM: response(200, "fine")}
    assert session.call(replies.__getitem__).text == "fine"
    assert (last_failure(session).model, last_failure(session).error) == (KIMI, "HTTP 503")


def test_call_takes_anything_else_for_an_answer(session: Session) -> None:
    """A value with a status but without headers is the author's own."""
    values = [None, 429, "429", {"status": 429}, SimpleNamespace(status=429), SimpleNamespace(code=503, text="")]
    for value in values:
        assert session.call(lambda _: value) is value  # noqa: B023  (it is called at once)
    assert failures(session) == []


def test_an_invalid_request_by_response_is_raised_with_the_response(session: Session) -> None:
    """There is no error of the client's to raise again; ours says what the provider said."""
    refusal = response(400, "messages: required")
    with pytest.raises(ResponseRefused, match="HTTP 400: messages: required") as raised:
        session.call(lambda _: refusal)
    assert raised.value.response is refusal
    assert isinstance(raised.value, SwitchlogError)
    assert last_failure(session).reason == "invalid_request"
    assert session.state.tried == {}


def test_a_response_that_was_not_read_is_judged_by_its_status(session: Session) -> None:
    class Streamed:
        status_code = 429
        headers = {"Retry-After-Ms": "1500"}  # noqa: RUF012

        @property
        def text(self) -> str:
            raise RuntimeError("attempted to access streaming response content without having called read()")

    assert session.call(lambda model: Streamed() if model == KIMI else model) == GLM
    assert (last_failure(session).error, last_failure(session).retry_after_ms) == ("HTTP 429", 1500)


# Streams.


def test_a_failure_after_the_first_byte_is_recorded_and_raised(session: Session) -> None:
    """The user has seen half an answer: another model's must not come behind it."""
    asked, error = [], ConnectionResetError("in the middle")

    def stream() -> None:
        for attempt in session.attempts():
            with attempt:
                asked.append(attempt.model)
                attempt.first_byte()
                raise error

    with pytest.raises(ConnectionResetError) as raised:
        stream()
    assert raised.value is error
    assert asked == [KIMI]
    assert (last_failure(session).reason, last_failure(session).phase) == ("network", "mid_stream")
    assert session.decide().model == GLM


def test_a_failure_before_the_first_byte_goes_on(session: Session) -> None:
    asked = []
    for attempt in session.attempts():
        with attempt:
            asked.append(attempt.model)
            if attempt.model == KIMI:
                raise ConnectionResetError
            attempt.first_byte()
    assert asked == [KIMI, GLM]
    assert last_failure(session).phase is None


def test_who_catches_a_failure_in_mid_stream_may_go_on(session: Session) -> None:
    """That is asking for it."""
    asked = []
    for attempt in session.attempts():
        asked.append(attempt.model)
        with suppress(ConnectionResetError), attempt:
            attempt.first_byte()
            if attempt.model == KIMI:
                raise ConnectionResetError
    assert asked == [KIMI, GLM]


def test_an_answer_that_was_streamed_to_its_end_is_a_success(session: Session) -> None:
    with next(session.attempts()) as attempt:
        attempt.first_byte()
    assert session.state.last_good == KIMI
    assert failures(session) == []


# Nothing left.


def test_when_all_cool_one_is_asked_the_soonest_to_be_free(session: Session) -> None:
    session.failed(KIMI, reason="rate_limit")
    session.failed(GLM, reason="network")
    session.failed(LOCAL, reason="timeout")
    asked: list[str] = []
    error = RefusedError(503, "still down")
    with pytest.raises(AllModelsFailed) as raised:
        session.call(refusing(asked, error))
    assert asked == [GLM]
    assert raised.value.__cause__ is error
    skipped = {one.model: one for one in raised.value.skipped}
    assert {model: one.why for model, one in skipped.items()} == {
        KIMI: "rate_limit",
        GLM: "overloaded",
        LOCAL: "timeout",
    }
    assert all(one.until is not None for one in skipped.values())
    assert raised.value.retry_at == min(one.until for one in skipped.values() if one.until is not None)
    assert raised.value.retry_at == skipped[GLM].until
    for part in (KIMI, GLM, LOCAL, "rate_limit", "overloaded", "timeout", "soonest retry"):
        assert part in str(raised.value)


def test_a_forced_attempt_that_is_answered_brings_the_model_back(session: Session) -> None:
    for model, reason in ((KIMI, "rate_limit"), (GLM, "network"), (LOCAL, "timeout")):
        session.failed(model, reason=reason)
    (attempt,) = list_attempts(session, None)
    assert (attempt.model, attempt.decision.forced) == (GLM, True)
    assert GLM not in session.state.tried
    assert ask(session) == [GLM]


def test_after_a_loop_of_failures_the_one_that_cooled_before_is_forced(session: Session) -> None:
    """One forced attempt a loop, and none on a model that this loop has asked."""
    session.failed(LOCAL, reason="rate_limit")
    asked: list[str] = []
    with pytest.raises(AllModelsFailed):
        session.call(refusing(asked))
    assert asked == [KIMI, GLM, LOCAL]


def test_no_attempt_is_forced_where_the_provider_asked_for_peace(session: Session) -> None:
    session.failed(KIMI, reason="network", retry_after_ms=60_000)
    session.failed(GLM, reason="network", retry_after_ms=40_000)
    session.failed(LOCAL, reason="timeout")
    asked: list[str] = []
    with pytest.raises(AllModelsFailed):
        session.call(refusing(asked))
    assert asked == [LOCAL]
    session.failed(LOCAL, reason="rate_limit", retry_after_ms=90_000)
    before = session.path.read_bytes()
    with pytest.raises(AllModelsFailed) as raised:
        session.call(asked.append)
    assert asked == [LOCAL]
    assert raised.value.__cause__ is None
    until = {one.model: one.until for one in raised.value.skipped}
    assert raised.value.retry_at == until[GLM]
    assert session.path.read_bytes() == before


def test_force_is_a_setting(path: Path) -> None:
    session = Session.open(path, chain=Chain(KIMI), policy=Policy(force=False))
    session.failed(KIMI, reason="network")
    asked: list[str] = []
    with pytest.raises(AllModelsFailed):
        session.call(asked.append)
    assert asked == []


def test_every_models_reason_is_named_also_of_those_not_blamed(session: Session) -> None:
    last = ConnectionRefusedError()
    with pytest.raises(AllModelsFailed) as raised:
        ask(session, RefusedError(400, "maximum context length"), RefusedError(401), last)
    assert {one.model: one.why for one in raised.value.skipped} == {
        KIMI: "context_overflow",
        GLM: "auth",
        LOCAL: "network",
    }
    assert raised.value.__cause__ is last
    until = {one.model: one.until for one in raised.value.skipped}
    assert until[KIMI] is None
    assert until[GLM] is not None
    assert raised.value.retry_at == until[LOCAL]


def test_after_a_loop_of_failures_every_model_says_until_when(session: Session) -> None:
    with pytest.raises(AllModelsFailed) as raised:
        ask(session, RefusedError(429), RefusedError(500), ConnectionResetError())
    until = {one.model: one.until for one in raised.value.skipped}
    assert set(until) == {KIMI, GLM, LOCAL}
    assert None not in until.values()
    assert raised.value.retry_at == until[LOCAL]


def test_the_last_response_is_the_cause_where_clients_dont_raise(session: Session) -> None:
    with pytest.raises(AllModelsFailed) as raised:
        session.call(lambda _: response(500, "broken"))
    assert isinstance(raised.value.__cause__, ResponseRefused)
    assert str(raised.value.__cause__) == "HTTP 500: broken"


def test_a_model_that_came_free_at_the_last_moment_has_no_reason_to_tell(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cooled when the loop decided; the error is made a moment later."""
    clock = Clock(monkeypatch)

    def choosing(*arguments: Any) -> Any:
        chosen = choose(*arguments)
        clock.forward(seconds=2)
        return chosen

    monkeypatch.setattr("eventlog.attempts.choose", choosing)
    session.failed(KIMI, reason="rate_limit", retry_after_ms=1_000)
    with pytest.raises(AllModelsFailed) as raised:
        session.call(lambda _: pytest.fail("nobody is asked"), chain=Chain(KIMI))
    assert [(one.model, one.why) for one in raised.value.skipped] == [(KIMI, "unknown")]


# Odd errors.


def test_an_exception_that_cant_be_told_is_recorded_by_its_class(session: Session) -> None:
    class MuteTimeoutError(TimeoutError):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert ask(session, MuteTimeoutError()) == [KIMI, GLM]
    assert (last_failure(session).reason, last_failure(session).error) == ("timeout", "MuteTimeoutError")


def test_an_exception_whose_attributes_raise_is_the_authors_own(session: Session) -> None:
    class Trap(Exception):
        @property
        def status_code(self) -> int:
            raise RuntimeError("not yet")

        response = headers = status_code

    error = Trap()
    with pytest.raises(Trap) as raised:
        ask(session, error)
    assert raised.value is error
    assert raised.value.__context__ is None
    assert session.call(lambda _: error) is error


def test_a_megabyte_of_error_text_becomes_a_short_record(session: Session) -> None:
    assert ask(session, RefusedError(500, "x" * 1_000_000), TimeoutError("\N{SNOWMAN}" * 1_000_000)) == [
        KIMI,
        GLM,
        LOCAL,
    ]
    for failure in failures(session):
        assert failure.error is not None
        assert len(failure.error) == 2_000
        assert failure.error.endswith("…")
    assert max(len(line) for line in session.path.read_bytes().splitlines()) < 16 * 1024
    assert agrees(session)


def test_a_megabyte_of_response_body_becomes_a_short_record(session: Session) -> None:
    assert session.call(lambda model: response(500, "x" * 1_000_000) if model == KIMI else model) == GLM
    assert len(str(last_failure(session).error)) <= 2_000


@pytest.mark.parametrize("text", ["\ud83d", "a\0b", "\x1b[31mred\x07", "\u2028", '"}\n{"type":"x"}'])
def test_whatever_an_error_says_the_record_holds_it(session: Session, text: str) -> None:
    assert ask(session, RefusedError(429, text)) == [KIMI, GLM]
    assert KIMI in session.state.tried
    assert agrees(session)
    assert all(json.loads(line) for line in session.path.read_bytes().splitlines())


def test_a_failure_that_cant_be_recorded_does_not_end_the_request(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its reason came from the author's hook and is too long for a record."""
    session = Session.open(path, chain=CHAIN, classify=lambda _: "r" * 20_000)
    assert ask(session, KeyError()) == [KIMI, GLM]
    assert "could not be recorded" in caplog.text
    assert failures(session) == []


def test_a_status_of_an_enumeration_is_a_number(session: Session) -> None:
    assert ask(session, RefusedError(HTTPStatus.TOO_MANY_REQUESTS)) == [KIMI, GLM]
    assert last_failure(session).status == 429


def test_no_outcome_is_lost_on_a_full_disk(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk().install(monkeypatch)
    disk.fill()
    assert ask(session, RefusedError(429), RefusedError(500)) == [KIMI, GLM, LOCAL]
    assert ask(session) == [LOCAL]
    disk.cure()
    session.close()
    assert [one.reason for one in failures(session)] == ["rate_limit", "server_error"]
    assert agrees(session)


# Secrets.

QUOTED = "Zm9vYmFyMTIzNDU2Nzg5MA"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {QUOTED}",
        f"header bearer {QUOTED} refused",
        f"Incorrect API key provided: sk-{QUOTED}. You can find",
        f"key sk-proj-{QUOTED}",
        f"sk_{QUOTED} pk_{QUOTED}",
        f"api_key={QUOTED}&model=x",
        f'{{"api_key": "{QUOTED}"}}',
        f"{{'api-key': '{QUOTED}'}}",
        f"KIMI_API_KEY={QUOTED}",
        f"x-api-key: {QUOTED}",
        f"access_token={QUOTED};",
        f"https://host/v1?key={QUOTED}",
        f"token : {QUOTED}",
        f"password='{QUOTED}'",
        f"hf_{QUOTED}",
        f"AIza{QUOTED}",
        f"xai-{QUOTED}",
        f"gsk_{QUOTED}",
    ],
)
def test_secrets_leave_no_trace_in_the_log(session: Session, text: str) -> None:
    ask(session, RefusedError(401, text))
    assert QUOTED.encode() not in session.path.read_bytes()
    assert "[redacted]" in str(last_failure(session).error)
    session.failed(GLM, error=text)
    assert QUOTED.encode() not in session.path.read_bytes()
    assert session.call(lambda model: response(401, text) if model == GLM else model, chain=Chain(GLM, LOCAL)) == LOCAL
    assert QUOTED.encode() not in session.path.read_bytes()


@pytest.mark.parametrize("before", [480, 495, 1_990, 7_980, 9_990])
def test_a_secret_where_the_text_is_cut_is_not_cut_into_the_open(session: Session, before: int) -> None:
    text = f"{'x ' * (before // 2)}sk-{QUOTED} end"
    assert session.call(lambda model: response(500, text) if model == KIMI else model) == GLM
    session.failed(GLM, error=text)
    for failure in failures(session):
        assert QUOTED[:4] not in str(failure.error)


@pytest.mark.parametrize(
    "model",
    [
        "kimi/kimi2.5",
        "acme/turbo-key:preview-2026",
        "acme/fast-token:free-of-charge",
        "acme/sk-large-instruct-v1",
        "hf-internal-testing/tiny-random-llama",
        "openrouter/secret:horizon-alpha",
        "bearer/12345678",
        "solo-key:preview",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "The model {} does not exist",
        "The model `{}` does not exist",
        "model={}&n=1",
        "unknown model: {}.",
        "no such key: {}",
        '{{"model":"{}"}}',
        "{}: not found; {}",
        "POST https://host/v1beta/models/{}:generateContent failed",
        "model:{}",
    ],
)
def test_a_model_id_is_never_masked(model: str, text: str) -> None:
    """Neither with its provider nor without."""
    for name in (model, model.partition("/")[2] or model):
        told = text.format(name, name)
        assert redact.clean(told, model) == told


def test_the_id_of_the_failed_model_stands_in_its_record(path: Path) -> None:
    model = "acme/turbo-key:preview-2026"
    session = Session.open(path, chain=Chain(model, LOCAL))
    ask(session, RefusedError(404, f"The model {model} does not exist, api_key={QUOTED}"))
    assert last_failure(session).model == model
    assert last_failure(session).error == f"The model {model} does not exist, api_key=[redacted]"


@pytest.mark.parametrize("model", ["acme/key", "local/token", "secret", "a/sk", KIMI])
@pytest.mark.parametrize("text", ["key: {}", "api_key={}", "token={}", "secret={}", "sk-{}", "password: {}"])
def test_a_model_named_like_a_secret_does_not_open_one(model: str, text: str) -> None:
    assert QUOTED not in redact.clean(text.format(QUOTED), model)


@pytest.mark.parametrize("between", ["", "-", "/", ".", "+", "_"])
def test_a_secret_that_begins_with_a_models_name_is_a_secret(between: str) -> None:
    for model in ("acme/solo", "solo"):
        assert redact.clean(f"api_key=solo{between}{QUOTED}", model) == "api_key=[redacted]"


def test_ordinary_words_are_no_secrets() -> None:
    for text in (
        "skyscrapers and monkeys",
        "max_tokens: 100000 exceeds the limit",
        "The hf-internal-testing organisation",
        "Rate limit reached for tokens per minute (TPM): Limit 30000, Used 29000",
        "key not found",
        "keyboard: interrupted",
        "monkey: capuchin",
    ):
        assert redact.clean(text) == text


@given(st.text(max_size=300), st.sampled_from(["", KIMI, "a/b", "x"]))
def test_cleaning_twice_is_cleaning_once_and_never_too_long(text: str, model: str) -> None:
    once = redact.clean(text * 30, model)
    assert len(once) <= redact.LONGEST
    assert redact.clean(once, model) == once
