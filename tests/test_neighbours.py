"""The folder's view: what fails now in one session is not tried first by one that knows nothing of it.

Law: a view, never a second truth: what counts is what the other logs say now. A session's own experience and a person's
pin come first. Whatever is wrong with the view costs an attempt, never a request.
"""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import switchlog
from hypothesis import given
from strategies import chains, nows, policies, states

from eventlog import AllModelsFailed, Chain, Session, Sessions, clock, neighbours
from eventlog.neighbours import HINTS, WATCHED
from replay import ModelState, Policy, Skipped, decide

A, B, C = "kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b"
CHAIN = Chain(A, B, C)


class Provider:
    """Counts the requests; ``limited`` models are refused."""

    def __init__(self, *limited: str) -> None:
        self.limited = set(limited)
        self.asked: Counter[str] = Counter()

    def __call__(self, model: str) -> object:
        self.asked[model] += 1
        if model in self.limited:
            return SimpleNamespace(status_code=429, headers={}, text="slow down")
        return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


def skipped(session: Session, model: str) -> Skipped | None:
    return next((one for one in session.decide().skipped if one.model == model), None)


@pytest.mark.parametrize(("share", "requests"), [(True, 1), (False, 100)])
def test_a_hundred_new_sessions_ask_a_limited_primary_once(folder: Path, share: bool, requests: int) -> None:
    provider, sessions = Provider(A), Sessions(folder, chain=CHAIN, share_failures=share)
    for number in range(100):
        assert sessions.open(f"s{number}").call(provider) == B
    for number in range(100):
        assert sessions.open(f"s{number}").call(provider) == B
    assert provider.asked == {A: requests, B: 200}


def test_other_processes_share_the_view(folder: Path) -> None:
    code = (
        "import sys; from eventlog import Sessions, Chain\n"
        f"session = Sessions(sys.argv[1], chain=Chain({A!r}, {B!r})).open(sys.argv[2])\n"
        "print(session.decide().model)\n"
        "if sys.argv[3:]: session.failed(sys.argv[3], reason='rate_limit')\n"
    )

    def run(*arguments: str | Path) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        ).stdout

    assert run(folder, "one", A) == f"{A}\n"
    assert run(folder, "two") == f"{B}\n"
    assert Sessions(folder, chain=CHAIN).open("three").decide().model == B


def test_it_says_which_session_knows_and_where(folder: Path) -> None:
    sessions = Sessions(folder, chain=CHAIN)
    sessions.open("knows").call(Provider(A))
    one = skipped(sessions.open("new"), A)
    assert one is not None
    assert (one.why, one.session, one.position) == ("rate_limit", "knows", 2)
    shown = switchlog("next", folder / "new.jsonl", "--chain", f"{A},{B}").stdout
    assert "says event 2 of session knows" in shown
    told = json.loads(switchlog("next", folder / "new.jsonl", "--chain", f"{A},{B}", "--json").stdout)
    assert (told["model"], told["skipped"][0]["session"]) == (B, "knows")
    (folder / "switchlog.toml").write_text("share_failures = false\n")
    assert json.loads(switchlog("next", folder / "new.jsonl", "--chain", f"{A},{B}", "--json").stdout)["model"] == A


def test_ones_own_experience_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, sessions = Provider(), Sessions(folder, chain=CHAIN)
    own = sessions.open("own")
    own.call(provider)
    sessions.open("other").failed(A, reason="rate_limit")
    assert own.decide().model == A
    own.switch(B, "config")
    own.succeeded(B)
    monkeypatch.setattr(neighbours, "PATIENCE", 0)  # with experience of its own a look of the last second would do
    assert own.decide().model == B, "its last experience with A is older than what the other one says"


def test_a_pin_comes_first(folder: Path) -> None:
    sessions = Sessions(folder, chain=CHAIN)
    sessions.open("other").failed(A, reason="rate_limit")
    own = sessions.open("own")
    assert own.decide().model == B
    own.switch(A)
    assert own.decide().model == A


def test_what_is_mended_there_is_mended_here_at_once(folder: Path) -> None:
    sessions = Sessions(folder, chain=CHAIN)
    other, new = sessions.open("other"), sessions.open("new")
    other.failed(A, reason="auth", status=401)
    assert new.decide().model == B
    assert switchlog("clear", other.path, "--provider", "kimi").returncode == 0
    assert new.decide().model == A
    other.failed(A, reason="auth")
    assert new.decide().model == B, "and what fails again is known again"


def test_a_provider_wide_failure_elsewhere_is_one_here(folder: Path) -> None:
    sessions = Sessions(folder, chain=Chain("kimi/other", B))
    sessions.open("other").failed(A, reason="billing")
    assert sessions.open("new").decide().model == B


def test_at_the_end_of_the_cooldown_one_turn_of_the_session_looks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, provider = Sessions(folder, chain=CHAIN), Provider(A)
    sessions.open("other").call(provider)
    own = sessions.open("own")
    assert own.call(provider) == B
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=6)
    monkeypatch.setattr(clock, "now", lambda: later)
    turns = [own.attempts() for _ in range(8)]
    assert [next(turn).model for turn in turns] == [A] + [B] * 7
    assert own.state.probing.keys() == {A}


def test_all_cooling_elsewhere_is_told_as_that(folder: Path) -> None:
    sessions = Sessions(folder, chain=Chain(A, B))
    other = sessions.open("other")
    for model in (A, B):
        other.failed(model, reason="rate_limit", retry_after_ms=3_600_000)
    with pytest.raises(AllModelsFailed, match="no model is left") as raised:
        sessions.open("new").call(Provider())
    assert {one.session for one in raised.value.skipped} == {"other"}


def spoil(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "a folder":
        path.unlink()
        path.mkdir()
    elif how == "a link to nowhere":
        path.unlink()
        path.symlink_to("nowhere")
    elif how == "hostile":
        path.write_bytes(
            b"../../etc/passwd\n/etc/passwd\n\0\n" + b"x" * 300 + b"\n.hidden\n\xff\n" + b"nobody.jsonl\n" * 9
        )
    else:
        path.write_bytes(b"other")


@pytest.mark.parametrize("how", ["gone", "a folder", "a link to nowhere", "hostile", "cut"])
def test_a_spoilt_view_costs_an_attempt_and_no_request(folder: Path, how: str) -> None:
    sessions, provider = Sessions(folder, chain=CHAIN), Provider(A)
    sessions.open("other").call(provider)
    spoil(folder / HINTS, how)
    fresh = Sessions(folder, chain=CHAIN)
    assert fresh.open("new").call(provider) == B
    assert fresh.open("newer").call(provider) == B
    assert provider.asked[A] <= 3
    names = {path.name for path in folder.iterdir()} - {HINTS}
    assert names == {"other.jsonl", "new.jsonl", "newer.jsonl"}


def test_only_the_latest_logs_are_watched_and_the_file_of_names_stays_small(folder: Path) -> None:
    sessions = Sessions(folder, chain=CHAIN, durability="process")
    for number in range(WATCHED + 10):
        sessions.open(f"s{number}").failed(f"model/{number}", reason="timeout")
    assert sessions.neighbours is not None
    now, policy = datetime.now(UTC), sessions.policy
    models = [f"model/{number}" for number in range(WATCHED + 10)]
    assert len(sessions.neighbours.elsewhere("x", models, now, policy)) == WATCHED
    (folder / HINTS).write_bytes(b"gone.jsonl\n" * 9_000)
    sessions.open("last").failed(A, reason="timeout")
    assert (folder / HINTS).read_bytes() == b"last.jsonl\n"
    assert A in sessions.neighbours.elsewhere("x", [A], datetime.now(UTC), policy)


def test_a_session_on_its_own_never_looks_at_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(folder, chain=CHAIN)
    sessions.open("other").failed(A, reason="rate_limit")
    assert Session.open(folder / "alone.jsonl", chain=CHAIN).decide().model == A


def test_a_healthy_session_on_its_primary_does_not_look(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(folder, chain=CHAIN)
    session = sessions.open("healthy")
    session.call(Provider())

    def look(*_: object, **__: object) -> None:
        raise AssertionError("it looked")

    monkeypatch.setattr(sessions.neighbours, "elsewhere", look)
    session.call(Provider())


@given(states(), chains, nows, policies())
def test_what_is_known_of_other_models_changes_nothing(
    state: ModelState, chain: Chain, now: datetime, policy: Policy
) -> None:
    strange = {"no/model": (Skipped("no/model", "auth", now + timedelta(hours=1), 1, session="x"),)}
    assert decide(state, chain, now, policy, elsewhere=strange) == decide(state, chain, now, policy)


@given(states(), chains, nows, policies())
def test_only_models_without_experience_and_pin_are_left_alone(
    state: ModelState, chain: Chain, now: datetime, policy: Policy
) -> None:
    cooling = {model: (Skipped(model, "auth", now + timedelta(days=1), 1, True, "x"),) for model in (*chain, A)}
    alone, informed = decide(state, chain, now, policy), decide(state, chain, now, policy, elsewhere=cooling)
    lent = {one.model for one in informed.skipped if one.session is not None}
    assert lent.isdisjoint({*state.tried, state.last_good, state.pinned})
    assert (
        [model for model in alone.order if model not in lent][:1] == [*informed.order][:1]
        or alone.forced
        or (informed.forced)
    )
    assert {one for one in informed.skipped if one.session is None} <= {*alone.skipped} or alone.forced


def test_a_session_that_went_beside_its_transcript_is_no_neighbour_of_its_own(folder: Path) -> None:
    sessions = Sessions(folder, chain=CHAIN)
    with sessions.open("one") as one:
        assert one.failed(A, reason="rate_limit")
    view = neighbours.Neighbours(folder)
    with Session.open(folder / "one.jsonl", CHAIN, companion=True, neighbours=view) as beside:
        assert beside.failed(B, reason="rate_limit")
        beside.clear(A)
        beside.clear(B)
        assert beside.decide().model == A
        assert skipped(beside, A) is None
    with sessions.open("two") as two:
        assert two.decide().model == A, "the pair is read as one: its failures are cleared"
