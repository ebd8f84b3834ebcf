"""A session keeps its promise: what failed is remembered by everybody, over every restart, and costs nothing else."""

import errno
import gc
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gateway import CHAIN, GLM, KIMI, LOCAL, Clock, Disk, RefusedError, agrees, events, folded, told
from loopback import PATIENCE, Answer, Provider, healthy, limits

import replay
from eventlog import AllModelsFailed, Chain, MisuseError, Policy, Session, Sessions, SwitchlogError, read_events
from eventlog.choosing import choose
from eventlog.degraded import Backlog
from eventlog.sessions import HELD
from replay import AttemptFailed, Event, FailureCleared, ModelState, ModelSwitch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions" / "17a309d8.jsonl"


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session.open(path, chain=CHAIN) as session:
        yield session


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(healthy) as provider:
        yield provider


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk().install(monkeypatch)


def refused(model: str) -> str:
    raise RefusedError


def answered(model: str) -> str:
    return model


def but(*models: str) -> Callable[[str], str]:
    """A client that these models refuse, and whom the others answer with their name."""
    return lambda model: refused(model) if model in models else model


def noting(asked: list[str], request: Callable[[str], str]) -> Callable[[str], str]:
    """The same client, that notes whom it asks."""

    def ask(model: str) -> str:
        asked.append(model)
        return request(model)

    return ask


# The promise: a failed model is not asked again.


def test_the_next_turn_does_not_ask_the_model_that_failed(session: Session, provider: Provider) -> None:
    provider.script = limits(KIMI)
    assert session.call(provider.ask, turn="t-1") == "a fine answer"
    assert session.call(provider.ask, turn="t-2") == "a fine answer"
    assert provider.requests == [KIMI, GLM, GLM]


def test_a_reopened_session_does_not_ask_the_model_that_failed(path: Path, provider: Provider) -> None:
    provider.script = limits(KIMI, GLM)
    with Session.open(path, chain=CHAIN) as before:
        before.call(provider.ask)
    with Session.open(path, chain=CHAIN) as after:
        after.call(provider.ask)
    assert provider.requests == [KIMI, GLM, LOCAL, LOCAL]


GATEWAY = """
import sys, urllib.request
from eventlog import Chain, Session

path, url, *models = sys.argv[1:]
session = Session.open(path, chain=Chain(*models))
def ask(model):
    with urllib.request.urlopen(f"{url}/{model}", data=b"{}") as reply:
        return model
print(session.call(ask, turn="t-2"))
"""


def run_gateway(path: Path, provider: Provider) -> str:
    """A turn of a gateway in a process of its own; the model that answered it."""
    command = [sys.executable, "-c", GATEWAY, str(path), provider.url, *CHAIN]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout.strip()


def test_a_new_process_does_not_ask_the_model_that_failed(session: Session, provider: Provider) -> None:
    provider.script = limits(KIMI)
    session.call(provider.ask)
    assert run_gateway(session.path, provider) == GLM
    assert provider.requests == [KIMI, GLM, GLM]


def test_what_another_process_learned_counts_at_once(session: Session, provider: Provider) -> None:
    session.call(provider.ask)
    provider.script = limits(KIMI)
    assert run_gateway(session.path, provider) == GLM
    session.call(provider.ask)
    assert provider.requests == [KIMI, KIMI, GLM, GLM]
    assert agrees(session)


def test_a_second_open_session_does_not_ask_the_model_that_failed(session: Session, provider: Provider) -> None:
    with Session.open(session.path, chain=CHAIN) as second:
        second.call(provider.ask)
        provider.script = limits(KIMI)
        session.call(provider.ask)
        second.call(provider.ask)
        assert provider.requests == [KIMI, KIMI, GLM, GLM]
        assert second.state == session.state


def test_a_file_of_another_name_is_another_session(session: Session, tmp_path: Path) -> None:
    session.call(but(KIMI))
    with Session.open(tmp_path / "other.jsonl", chain=CHAIN) as other:
        assert other.call(answered) == KIMI


def test_an_edited_chain_counts_at_once(session: Session) -> None:
    """The chain is an argument, never state: neither a removed model nor an old order lives on in the log."""
    session.call(but(KIMI))
    assert session.call(answered, chain=Chain(LOCAL, GLM)) == LOCAL
    session.chain = Chain(GLM)
    assert session.call(answered) == GLM
    assert session.decide(chain=Chain("new/model", GLM)).model == "new/model"


def test_a_session_without_a_chain_can_record_but_not_ask(path: Path) -> None:
    with Session.open(path) as session:
        assert session.failed(KIMI, reason="rate_limit")
        for ask in (session.decide, session.attempts, lambda: session.call(answered)):
            with pytest.raises(MisuseError, match=r"no chain: Session\.open\(path, chain=Chain"):
                ask()
        assert session.call(answered, chain=CHAIN) == GLM


def test_the_answer_is_what_the_request_returned(session: Session) -> None:
    reply: dict[str, object] = {"choices": []}
    assert session.call(lambda _: reply) is reply
    assert session.call(lambda _: None) is None


# What stands in the file, and when.


def test_opening_a_session_makes_no_file(session: Session) -> None:
    assert session.state == ModelState()
    assert session.decide().model == KIMI
    assert session.degraded is None
    assert not session.path.parent.exists()


def test_the_first_switch_is_on_disk_before_the_first_request(session: Session) -> None:
    """So a crash in mid-request shows that the model was being asked."""

    def request(model: str) -> str:
        (switch,) = events(session.path)
        assert isinstance(switch, ModelSwitch)
        assert (switch.to, switch.from_, switch.cause, switch.turn) == (model, None, "initial", "t-1")
        return "done"

    assert session.call(request, turn="t-1") == "done"


def test_the_failure_and_the_switch_are_on_disk_before_the_next_request(session: Session) -> None:
    def request(model: str) -> str:
        if model == KIMI:
            refused(model)
        *_, failure, switch = events(session.path)
        assert isinstance(failure, AttemptFailed)
        assert (failure.model, failure.reason, failure.status, failure.turn) == (KIMI, "rate_limit", 429, "t-1")
        assert failure.seen == 1
        assert failure.duration_ms is not None
        assert isinstance(switch, ModelSwitch)
        assert (switch.to, switch.from_, switch.cause) == (GLM, KIMI, "fallback")
        return "done"

    assert session.call(request, turn="t-1") == "done"


def test_a_healthy_session_writes_nothing_per_request(session: Session, disk: Disk) -> None:
    session.call(answered)
    before = session.path.read_bytes()
    disk.calls.clear()
    for number in range(100):
        session.call(answered, turn=f"t-{number}")
    assert disk.calls == []
    assert session.path.read_bytes() == before


def test_a_success_that_another_session_has_recorded_is_not_recorded_again(session: Session) -> None:
    with Session.open(session.path, chain=CHAIN) as other:
        other.call(answered)
    before = session.path.read_bytes()
    assert session.succeeded(KIMI)
    assert session.path.read_bytes() == before


def test_a_session_on_its_fallback_writes_nothing_per_request(session: Session, disk: Disk) -> None:
    session.call(but(KIMI))
    before = session.path.read_bytes()
    disk.calls.clear()
    for _ in range(20):
        session.call(but(KIMI))
    assert disk.calls == []
    assert session.path.read_bytes() == before


def test_an_event_is_synced_after_it_was_written_and_before_it_is_acknowledged(session: Session, disk: Disk) -> None:
    assert session.failed(KIMI, reason="timeout")
    assert disk.calls == ["lock", "write", "sync"]


def test_durability_process_never_syncs(path: Path, disk: Disk) -> None:
    with Session.open(path, chain=CHAIN, durability="process") as session:
        assert session.call(but(KIMI)) == GLM
    assert disk.syncs == 0
    assert folded(path).current == GLM


def test_decide_records_nothing(session: Session) -> None:
    session.call(but(KIMI))
    before = session.path.read_bytes()
    assert session.decide().model == GLM
    assert session.decide(datetime.now(UTC) + timedelta(hours=2)).model == KIMI
    assert session.decide(exclude={GLM}).model == LOCAL
    assert session.path.read_bytes() == before


def test_decide_looks_at_the_time_that_it_is_given(session: Session, clock: Clock) -> None:
    session.failed(KIMI, reason="rate_limit")
    assert session.decide(clock.now + timedelta(seconds=299)).model == GLM
    assert session.decide(clock.now + timedelta(seconds=300)).model == KIMI


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.call(answered),
        lambda session: session.call(but(KIMI, GLM)),
        lambda session: session.failed(GLM, reason="auth", status=401, error="no", deployment="eu", phase="connect"),
        lambda session: session.failed(KIMI, reason="a reason of tomorrow"),
        lambda session: session.succeeded(KIMI, turn="t", duration_ms=12),
        lambda session: session.switch(LOCAL),
        lambda session: session.switch(LOCAL, cause="config", turn="t"),
        lambda session: session.switch(LOCAL) and session.unpin("t"),
        lambda session: session.clear(KIMI, by="operator", note="topped up"),
        lambda session: session.clear(provider="kimi"),
    ],
)
def test_the_session_knows_exactly_what_its_log_says(session: Session, act: Callable[[Session], object]) -> None:
    session.failed(KIMI, reason="rate_limit", retry_after_ms=7_000)
    session.failed(KIMI, reason="timeout")
    assert act(session)
    assert agrees(session)
    with Session.open(session.path, chain=CHAIN) as reopened:
        assert reopened.state == session.state
        assert reopened.decide() == session.decide(reopened.state.switched_at) or reopened.decide() == session.decide()


def test_the_file_is_private(session: Session) -> None:
    session.call(answered)
    assert session.path.stat().st_mode & 0o777 == 0o600
    assert session.path.parent.stat().st_mode & 0o777 == 0o700


# A person's hand.


def test_a_users_switch_pins_and_lifts_what_cools(session: Session) -> None:
    session.failed(KIMI, reason="auth")
    session.failed(GLM, reason="rate_limit")
    assert session.switch(KIMI)
    state = session.state
    assert (state.current, state.pinned, list(state.tried)) == (KIMI, KIMI, [GLM])
    assert session.call(answered) == KIMI


def test_a_pin_comes_before_the_chain_and_outside_of_it(session: Session) -> None:
    session.call(answered)
    session.switch("brand/new", turn="t-7")
    assert session.call(answered) == "brand/new"
    switch = events(session.path)[-2]
    assert isinstance(switch, ModelSwitch)
    assert (switch.to, switch.from_, switch.cause, switch.turn) == ("brand/new", KIMI, "user", "t-7")
    assert session.call(but("brand/new")) == KIMI
    assert session.state.pinned == "brand/new"


def test_a_switch_of_another_cause_does_not_pin(session: Session) -> None:
    session.failed(KIMI, reason="rate_limit")
    session.switch(KIMI, cause="reverted")
    assert session.state.current == KIMI
    assert session.state.pinned is None
    assert session.call(answered) == GLM


def test_unpin_goes_back_to_the_chain(session: Session) -> None:
    session.switch(LOCAL)
    assert session.unpin("t-9")
    assert session.state.pinned is None
    switch = events(session.path)[-1]
    assert isinstance(switch, ModelSwitch)
    assert (switch.to, switch.from_, switch.cause, switch.turn) == (LOCAL, LOCAL, "unpin", "t-9")
    assert session.call(answered) == KIMI


def test_unpin_without_a_pin_writes_nothing(session: Session) -> None:
    session.call(answered)
    before = session.path.read_bytes()
    assert session.unpin()
    assert session.path.read_bytes() == before


def test_unpin_takes_away_a_pin_that_another_session_has_just_made(session: Session) -> None:
    with Session.open(session.path, chain=CHAIN) as other:
        other.switch(LOCAL)
    assert session.unpin()
    assert session.state.pinned is None


def test_clear_forgets_a_models_failures(session: Session) -> None:
    session.failed(KIMI, reason="rate_limit")
    session.failed(GLM, reason="timeout")
    assert session.clear(KIMI, by="operator", note="topped up")
    assert list(session.state.tried) == [GLM]
    cleared = events(session.path)[-1]
    assert isinstance(cleared, FailureCleared)
    assert (cleared.model, cleared.by, cleared.note) == (KIMI, "operator", "topped up")
    assert session.call(answered) == KIMI


def test_clear_forgets_a_providers_failures(session: Session) -> None:
    for model in ("kimi/a", "kimi/b", GLM):
        session.failed(model, reason="billing")
    assert session.clear(provider="kimi")
    assert list(session.state.tried) == [GLM]


def test_clear_names_one_thing(session: Session) -> None:
    with pytest.raises(MisuseError, match="a model or a provider"):
        session.clear()
    with pytest.raises(MisuseError, match="a model or a provider"):
        session.clear(KIMI, provider="kimi")
    assert not session.path.exists()


def test_a_field_that_the_format_has_no_place_for_is_the_callers_mistake(session: Session) -> None:
    """It raises at once, and leaves neither a line nor a session that can't go on."""
    with pytest.raises(MisuseError, match="durationMs"):
        session.failed(KIMI, duration_ms=1.5)  # type: ignore[arg-type]
    with pytest.raises(MisuseError, match="shorten its 'turn'"):
        session.switch(LOCAL, turn="t" * 20_000)
    assert events(session.path) == [] if session.path.exists() else True
    assert session.degraded is None
    assert session.call(answered) == KIMI


# Who knew what.


@pytest.mark.parametrize("shared", [True, False], ids=["one session", "a session each"])
def test_an_older_attempts_success_does_not_lift_a_newer_failure(session: Session, shared: bool) -> None:
    attempt = next(session.attempts())
    with Session.open(session.path, chain=CHAIN) as other:
        (session if shared else other).failed(KIMI, reason="rate_limit")
    with attempt:
        pass
    assert attempt.model == KIMI
    assert list(session.state.tried[KIMI]) == ["rate_limit"]
    assert session.state.last_good == KIMI
    assert session.call(answered) == GLM


def test_an_attempt_that_began_after_the_failure_lifts_it(session: Session, clock: Clock) -> None:
    session.failed(KIMI, reason="rate_limit")
    clock.forward(minutes=6)
    assert session.call(answered) == KIMI
    assert session.state.tried == {}


def test_without_seen_an_outcome_knows_what_the_session_had_folded(session: Session) -> None:
    """What another wrote in the meantime, this session's caller can't have known."""
    session.call(answered)
    with Session.open(session.path, chain=CHAIN) as other:
        other.failed(KIMI, reason="rate_limit")
    session.succeeded(KIMI)
    assert KIMI in session.state.tried
    session.succeeded(KIMI)
    assert KIMI not in session.state.tried


def test_an_outcome_may_name_what_it_knew(session: Session) -> None:
    session.failed(KIMI, reason="rate_limit")
    session.failed(KIMI, reason="rate_limit", seen=0)
    assert session.state.tried[KIMI]["rate_limit"].count == 1
    session.failed(KIMI, reason="rate_limit", seen=2)
    assert session.state.tried[KIMI]["rate_limit"].count == 2
    session.succeeded(KIMI, seen=1)
    assert KIMI in session.state.tried
    session.succeeded(KIMI, seen=3)
    assert KIMI not in session.state.tried


def test_a_failure_that_comes_while_an_attempt_is_chosen_is_not_known_to_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was chosen without it: an attempt that had known would have gone elsewhere."""
    session.call(answered)
    real, others = replay.decide, list[threading.Thread]()

    def deciding(*arguments: object) -> object:
        decision = real(*arguments)  # type: ignore[arg-type]
        if not others:
            others.append(threading.Thread(target=session.failed, args=[KIMI], kwargs={"reason": "rate_limit"}))
            others[0].start()
            others[0].join(0.3)
        return decision

    monkeypatch.setattr("eventlog.choosing.decide", deciding)
    with next(session.attempts()) as attempt:
        others[0].join(PATIENCE)
        raise RefusedError
    assert attempt.model == KIMI
    assert session.state.tried[KIMI]["rate_limit"].count == 1


@pytest.mark.parametrize(
    ("act", "chosen", "log"),
    [
        (
            lambda other: other.failed(KIMI, reason="rate_limit"),
            (GLM, "initial"),
            [f"attempt_failed {KIMI}", f"model_switch {GLM}"],
        ),
        (lambda other: other.call(answered), (KIMI, "keep"), [f"model_switch {KIMI}", f"attempt_succeeded {KIMI}"]),
        (
            lambda other: [other.failed(model, reason="auth", retry_after_ms=60_000) for model in CHAIN],
            (None, None),
            [f"attempt_failed {model}" for model in CHAIN],
        ),
    ],
    ids=["a failure", "the same switch", "the end of all"],
)
def test_what_another_process_writes_before_the_switch_is_decided_upon_again(
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Session], object],
    chosen: tuple[str | None, str | None],
    log: list[str],
) -> None:
    """The switch is decided under the file's lock: nobody can come between."""
    other, real, decisions = Session.open(session.path, chain=CHAIN), replay.decide, list[replay.Decision]()

    def deciding(*arguments: object) -> replay.Decision:
        decisions.append(real(*arguments))  # type: ignore[arg-type]
        if len(decisions) == 1:
            act(other)
        return decisions[0] if len(decisions) == 1 else real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("eventlog.choosing.decide", deciding)
    decision, seen = choose(session._memory, CHAIN, session.policy, frozenset(), None)
    assert (decision.model, decision.cause) == chosen
    assert told(session.path) == log
    assert seen == len(log)


@pytest.mark.parametrize("shared", [True, False], ids=["one session", "a session each"])
def test_parallel_requests_that_meet_one_incident_are_one_failure(
    session: Session, provider: Provider, shared: bool
) -> None:
    """Eight failures stand in the log; the model cools as for one."""
    session.call(answered)
    meeting = threading.Barrier(8)

    def script(model: str) -> Answer:
        if model != KIMI:
            return Answer()
        meeting.wait(PATIENCE)
        return Answer(429)

    provider.script = script

    def turn(_: int) -> str:
        if shared:
            return session.call(provider.ask)
        with Session.open(session.path, chain=CHAIN) as own:
            return own.call(provider.ask)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(turn, range(8))) == ["a fine answer"] * 8
    assert provider.count(KIMI) == 8
    assert provider.count(GLM) == 8
    assert [type(event) for event in events(session.path)].count(AttemptFailed) == 8
    assert session.state.tried[KIMI]["rate_limit"].count == 1
    assert agrees(session)
    provider.requests.clear()
    session.call(provider.ask)
    assert provider.requests == [GLM]


# The end of a cooldown.


@pytest.mark.parametrize("shared", [True, False], ids=["one session", "a session each"])
def test_one_request_of_eight_probes_the_primary_at_the_end_of_its_cooldown(
    session: Session, provider: Provider, clock: Clock, shared: bool
) -> None:
    """The seven others go on with the fallback while it is asked; afterwards the primary is back."""
    provider.script = limits(KIMI)
    session.call(provider.ask)
    clock.forward(minutes=5)
    provider.requests.clear()
    seven = threading.Event()

    def script(model: str) -> Answer:
        if model == KIMI:
            assert seven.wait(PATIENCE)
        elif provider.count(GLM) == 7:
            seven.set()
        return Answer(body=model)

    provider.script = script

    def turn(_: int) -> str:
        if shared:
            return session.call(provider.ask)
        with Session.open(session.path, chain=CHAIN) as own:
            return own.call(provider.ask)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(turn, range(8))) == [KIMI] + [GLM] * 7
    assert provider.count(KIMI) == 1
    assert session.state.tried == {}
    assert session.call(provider.ask) == KIMI
    assert session.state.current == KIMI
    assert agrees(session)


def test_a_probe_that_fails_cools_longer(session: Session, clock: Clock) -> None:
    session.call(but(KIMI))
    clock.forward(minutes=5)
    asked: list[str] = []
    session.call(noting(asked, but(KIMI)))
    assert asked == [KIMI, GLM]
    clock.forward(minutes=9, seconds=59)
    assert session.decide().model == GLM
    clock.forward(seconds=1)
    assert session.decide().model == KIMI


def test_a_killed_probe_keeps_the_others_away_for_a_minute(session: Session, clock: Clock) -> None:
    session.call(but(KIMI))
    clock.forward(minutes=5)
    killed = next(session.attempts())
    assert (killed.model, killed.decision.cause) == (KIMI, "probe")
    clock.forward(seconds=59)
    assert session.decide().model == GLM
    clock.forward(seconds=1)
    assert session.decide().model == KIMI


def test_a_sticky_policy_stays_with_what_works(path: Path, clock: Clock) -> None:
    with Session.open(path, chain=CHAIN, policy=Policy(return_to_primary=False)) as session:
        session.call(but(KIMI))
        clock.forward(hours=2)
        assert session.call(answered) == GLM


# The handle.


def test_a_session_can_be_used_after_it_was_closed(path: Path) -> None:
    with Session.open(path, chain=CHAIN) as session:
        session.call(but(KIMI))
    assert session.call(answered) == GLM
    assert session.failed(GLM, reason="timeout")
    session.close()
    session.close()
    assert folded(path).tried.keys() == {KIMI, GLM}


def test_leaving_the_context_lets_an_error_through(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Session.open(path, chain=CHAIN):
        raise ZeroDivisionError


def test_a_session_names_its_file_and_its_id(session: Session) -> None:
    assert session.id == "17a309d8"
    assert session.path.name == "17a309d8.jsonl"


def test_the_id_is_the_headers_where_file_and_header_disagree(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"type":"session","version":3,"id":"named-inside","timestamp":"2026-04-02T04:55:40.889Z"}\n')
    with Session.open(path, chain=CHAIN) as session:
        assert session.id == "named-inside"
        session.call(but(KIMI))
    with Session.open(path, chain=CHAIN) as again:
        assert again.call(answered) == GLM


def test_a_network_file_system_is_warned_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("eventlog.file.network_file_system", lambda _: "nfs4")
    Session.open(path, chain=CHAIN)
    assert "lies on nfs4" in caplog.text


# A folder of sessions.


def test_a_folder_gives_the_same_session_while_it_is_held(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "sessions", chain=CHAIN, policy=Policy(force=False))
    one = sessions.open("17a309d8")
    assert sessions.open("17a309d8") is one
    assert sessions.open("another") is not one
    assert one.chain is CHAIN
    assert not one.policy.force
    one.call(but(KIMI))
    del one
    gc.collect()
    assert sessions.open("17a309d8").call(answered) == GLM


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files, which needs /proc")
def test_sessions_keep_only_the_last_files_open(tmp_path: Path) -> None:
    """A gateway opens one for each request; it must not run out of files."""
    sessions = Sessions(tmp_path, chain=CHAIN)
    sessions.open("a").call(answered)
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(HELD + 20):
        sessions.open("a").call(answered)
        sessions.open(f"b{number}").call(but(KIMI))
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + HELD - 1


def test_sessions_remember_one_that_waits_for_the_disk_though_nobody_holds_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sessions = Sessions(tmp_path / "file" / "below", chain=CHAIN)
    asked: list[str] = []
    for _ in range(2):
        sessions.open("a").call(noting(asked, but(KIMI)))
        for number in range(HELD + 1):
            sessions.open(f"b{number}")
        gc.collect()
    assert asked == [KIMI, GLM, GLM]


def test_threads_that_open_one_session_at_once_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, meeting, real = Sessions(tmp_path, chain=CHAIN), threading.Barrier(2), Session.open

    def opening(*arguments: object, **options: object) -> Session:
        session = real(*arguments, **options)  # type: ignore[arg-type]
        meeting.wait(PATIENCE)
        return session

    monkeypatch.setattr(Session, "open", opening)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(sessions.open, ["a", "a"])
    assert one is other


def test_a_folders_file_lies_in_the_folder(tmp_path: Path) -> None:
    sessions = Sessions(str(tmp_path / "sessions"), chain=CHAIN)
    for session_id in ("17a309d8", "a", "A.b_c-d", "0" * 128, "x..y"):
        session = sessions.open(session_id)
        session.call(answered)
        assert session.path.resolve().parent == (tmp_path / "sessions").resolve()
        assert session.path.is_file()
        assert session.id == session_id


@pytest.mark.parametrize(
    "session_id",
    [
        "",
        "../../etc/x",
        "a/b",
        "/etc/passwd",
        "..",
        ".",
        ".hidden",
        "-rf",
        "_",
        "a\\b",
        "a b",
        "a\n",
        "a\0",
        "é",
        "x" * 129,
        "x" * 200,
    ],
)
def test_an_id_that_is_no_plain_name_is_refused(tmp_path: Path, session_id: str) -> None:
    with pytest.raises(MisuseError, match="no session id"):
        Sessions(tmp_path / "sessions", chain=CHAIN).open(session_id)
    assert list(tmp_path.iterdir()) == []


# A disk that refuses: the request goes on, the memory is kept, nothing is called recorded that is not.


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("not a folder")
    return tmp_path / "file" / "sessions" / "a.jsonl"


def a_folder(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").mkdir()
    return tmp_path / "a.jsonl"


def a_pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "a.jsonl")
    return tmp_path / "a.jsonl"


def a_link(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    return tmp_path / "a.jsonl"


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (below_a_file, "exists|directory"),
        (a_folder, "no regular file"),
        (a_pipe, "named pipe"),
        (a_link, "symbolic link"),
    ],
)
def test_a_place_that_can_hold_no_log_fails_no_request(
    tmp_path: Path, where: Callable[[Path], Path], why: str, provider: Provider
) -> None:
    """The session says why, and remembers what failed all the same."""
    provider.script = limits(KIMI)
    with Session.open(where(tmp_path), chain=CHAIN) as session:
        for _ in range(3):
            assert session.call(provider.ask) == "a fine answer"
        assert provider.requests == [KIMI, GLM, GLM, GLM]
        assert session.degraded is not None
        assert re.search(why, session.degraded)
        assert not session.failed(GLM, reason="timeout")
        assert session.state.tried.keys() == {KIMI, GLM}
    assert not (tmp_path / "elsewhere.jsonl").exists()


def test_a_full_disk_is_told_and_the_failure_remembered(
    session: Session, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    session.call(answered)
    before = session.path.read_bytes()
    disk.fill()
    assert session.degraded is None
    assert session.call(but(KIMI)) == GLM
    assert session.degraded is not None
    assert "No space left on device" in session.degraded
    assert session.state.current == GLM
    asked: list[str] = []
    session.call(lambda model: asked.append(model))
    assert asked == [GLM]
    assert not session.failed(GLM, reason="rate_limit")
    assert not session.switch(LOCAL)
    assert session.path.read_bytes() == before
    assert caplog.text.count("going on in memory") == 1


def test_what_waited_is_written_with_its_own_ids_and_times(session: Session, disk: Disk, clock: Clock) -> None:
    began = clock.now
    disk.fill()
    session.failed(KIMI, reason="rate_limit")
    clock.forward(seconds=30)
    session.failed(GLM, reason="timeout", turn="t-2")
    clock.forward(seconds=30)
    session.switch(LOCAL)
    remembered = session.state
    assert not session.path.exists() or events(session.path) == []
    disk.cure()
    clock.forward(minutes=10)
    assert session.clear("other/model")
    assert session.degraded is None
    first, second, third, fourth = events(session.path)
    assert [event.timestamp for event in (first, second, third, fourth)] == [
        began + timedelta(seconds=seconds) for seconds in (0, 30, 60, 660)
    ]
    assert len({event.id for event in (first, second, third, fourth)}) == 4
    assert (remembered.tried, remembered.current) == (session.state.tried, session.state.current)
    assert agrees(session)


def test_what_is_remembered_is_what_will_be_read_back(session: Session, disk: Disk) -> None:
    """Down to the millisecond, which is all that a file holds."""
    disk.fill()
    session.failed(KIMI, reason="rate_limit")
    session.switch(GLM)
    remembered = session.state
    disk.cure()
    session.close()
    assert session.degraded is None
    assert session.state == remembered == folded(session.path)


def test_a_switch_behind_one_that_waits_comes_from_it(session: Session, disk: Disk) -> None:
    disk.fill()
    session.switch(GLM)
    disk.cure()
    session.switch(LOCAL)
    first, second = events(session.path)
    assert isinstance(first, ModelSwitch)
    assert isinstance(second, ModelSwitch)
    assert (first.from_, first.to, second.from_, second.to) == (None, GLM, GLM, LOCAL)


def test_what_waits_is_written_by_the_next_request_though_it_changes_nothing(session: Session, disk: Disk) -> None:
    """The first healthy request after the cure is the moment: the process may be killed before the next failure."""
    session.call(answered)
    disk.fill()
    session.call(but(KIMI))
    disk.cure()
    session.call(answered)
    assert session.degraded is None
    assert folded(session.path).tried.keys() == {KIMI}
    assert agrees(session)


def test_closing_writes_what_waits(session: Session, disk: Disk) -> None:
    disk.fill()
    session.call(but(KIMI))
    disk.cure()
    session.close()
    assert folded(session.path).tried.keys() == {KIMI}


def test_closing_on_a_full_disk_raises_nothing(session: Session, disk: Disk) -> None:
    disk.fill()
    session.call(but(KIMI))
    session.close()
    assert session.degraded is not None
    assert session.state.tried.keys() == {KIMI}


def test_a_failed_sync_is_not_acknowledged(session: Session, disk: Disk) -> None:
    """The line may be in the file or lost with the power: it is written again under its id, and counts once."""
    session.call(answered)
    disk.sync_refuses = errno.EIO
    assert not session.failed(KIMI, reason="rate_limit")
    assert "Input/output error" in str(session.degraded)
    disk.cure()
    assert session.clear("other/model")
    assert session.degraded is None
    assert told(session.path)[-2:] == [f"attempt_failed {KIMI}", "failure_cleared other/model"]
    assert agrees(session)


def test_what_reached_the_file_in_spite_of_a_failed_sync_counts_once(session: Session, disk: Disk) -> None:
    """It waits, and it stands in the file: what the session knows is what the file tells, position and all."""
    session.call(answered)
    disk.sync_refuses = errno.EIO
    assert not session.failed(KIMI, reason="rate_limit")
    assert session.degraded is not None
    assert f"attempt_failed {KIMI}" in told(session.path)
    assert agrees(session)


def test_events_wait_in_order_behind_those_already_waiting(session: Session, disk: Disk) -> None:
    """A disk that takes two events and is full again: these two are not written twice, the third still waits."""
    disk.fill()
    models = ["a/1", "a/2", "a/3"]
    for model in models:
        session.failed(model)
    disk.cure()
    disk.left = 2
    assert not session.failed("a/4")
    assert [event.model for event in events(session.path) if isinstance(event, AttemptFailed)] == models[:2]
    assert session.state.position == 4
    assert list(session.state.tried) == [*models, "a/4"]
    disk.cure()
    assert session.failed("a/5")
    assert [event.model for event in events(session.path) if isinstance(event, AttemptFailed)] == [
        *models,
        "a/4",
        "a/5",
    ]
    assert agrees(session)
    assert read_report(session.path).pieces["duplicate"] == 0


def read_report(path: Path):  # type: ignore[no-untyped-def]
    log = read_events(path)
    list(log)
    return log.report


def test_a_queue_longer_than_what_is_remembered_is_not_written_twice(
    session: Session, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of it the disk took before it was full again."""
    monkeypatch.setattr("eventlog.append.REMEMBERED", 5)
    disk.fill()
    for number in range(20):
        session.failed(f"a/{number}")
    disk.cure()
    disk.left = 15
    session.failed("b/1")
    assert session.state.position == 21
    disk.cure()
    session.failed("b/2")
    assert read_report(session.path).pieces["duplicate"] == 0
    assert len(events(session.path)) == 22
    assert agrees(session)


def test_a_mistake_while_events_wait_leaves_them_written_once(session: Session, disk: Disk) -> None:
    disk.fill()
    session.failed(KIMI, reason="rate_limit")
    disk.cure()
    with pytest.raises(MisuseError):
        session.failed(GLM, deployment=["eu"])  # type: ignore[arg-type]
    assert agrees(session)
    assert session.degraded is None
    session.failed(LOCAL, reason="timeout")
    assert agrees(session)
    assert read_report(session.path).pieces["duplicate"] == 0


def test_a_mistake_while_the_disk_refuses_is_raised_and_does_not_wait(session: Session, disk: Disk) -> None:
    """Else it would come back at somebody else's call."""
    disk.fill()
    with pytest.raises(MisuseError):
        session.failed(GLM, deployment=["eu"])  # type: ignore[arg-type]
    session.failed(KIMI, reason="rate_limit")
    disk.cure()
    assert session.failed(LOCAL)
    assert len(events(session.path)) == 2


def test_an_event_that_only_just_fits_is_not_taken_into_the_queue_and_refused_later(
    session: Session, disk: Disk
) -> None:
    """In the file it gets a parent and a predecessor besides."""
    session.call(answered)
    disk.fill()
    for size in range(15_900, 16_384, 10):
        try:
            session.failed(KIMI, deployment="x" * size)
        except MisuseError:
            break
    else:
        raise AssertionError("one of these is too long")
    disk.cure()
    assert session.failed(GLM)
    assert session.degraded is None


def test_a_log_that_can_be_read_again_is_no_longer_told_of(session: Session) -> None:
    session.path.parent.mkdir()
    os.mkfifo(session.path)
    assert session.state == ModelState()
    assert session.degraded is not None
    session.path.unlink()
    assert session.state == ModelState()
    assert session.degraded is None


def test_threads_may_look_while_another_remembers(
    session: Session, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state in the middle of being folded must not meet an event that comes to wait."""
    disk.fill()
    session.failed(KIMI)
    session.failed(GLM)
    real, others = replay.fold, list[threading.Thread]()

    def folding(waiting, state):  # type: ignore[no-untyped-def]
        def slowly() -> Iterator[Event]:
            for event in waiting:
                yield event
                if not others:
                    others.append(threading.Thread(target=session.failed, args=[LOCAL]))
                    others[0].start()
                    others[0].join(0.3)

        return real(slowly(), state)

    monkeypatch.setattr("eventlog.degraded.fold", folding)
    assert session.state.tried.keys() == {KIMI, GLM}
    others[0].join(PATIENCE)
    assert session.state.tried.keys() == {KIMI, GLM, LOCAL}


def test_a_full_queue_drops_the_oldest_and_says_so(path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventlog.degraded.MOST", 20)
    session = Session.open(path)
    disk.fill()
    for number in range(23):
        session.switch(f"a/{number}", cause="config")
    assert "20 events wait in memory, 3 older ones were dropped" in str(session.degraded)
    assert session.state.current == "a/22"
    disk.cure()
    assert session.switch("b/1", cause="config")
    assert session.degraded is None
    assert told(path) == [*(f"model_switch a/{number}" for number in range(3, 23)), "model_switch b/1"]


def test_a_thousand_events_may_wait() -> None:
    backlog = Backlog()
    assert backlog.told is None
    backlog.hold([ModelSwitch(to=KIMI)], "first")
    backlog.hold([ModelSwitch(to=GLM)] * 999, "full")
    assert backlog.told == "full (1000 events wait in memory)"
    backlog.hold([ModelSwitch(to=GLM)] * 2, "full")
    assert backlog.told == "full (1000 events wait in memory, 2 older ones were dropped)"
    assert ModelSwitch(to=KIMI) not in backlog.events
    backlog.settle()
    assert backlog.told is not None
    backlog.events.clear()
    backlog.settle()
    assert (backlog.told, backlog.dropped) == (None, 0)


def test_every_error_of_this_room_has_one_root(session: Session) -> None:
    with pytest.raises(SwitchlogError):
        session.clear()
    assert not issubclass(AllModelsFailed, SwitchlogError)
