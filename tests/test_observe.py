"""The hook for metrics.

Law: each request, failure, switch and saved attempt is told once, with its model and why; an observer that raises costs
nothing.
"""

import asyncio
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from eventlog import AllModelsFailed, Chain, Observation, Session, Sessions

A, B = "kimi/kimi2.5", "zhipu/glm-5.1"


class Counting:
    def __init__(self) -> None:
        self.told: list[Observation] = []

    def __call__(self, one: Observation) -> None:
        self.told.append(one)

    @property
    def counts(self) -> Counter[tuple[str, str, str]]:
        return Counter((one.kind, one.model, one.why) for one in self.told)


def limited(model: str) -> object:
    return SimpleNamespace(status_code=429, headers={}, text="slow down") if model == A else model


def test_everything_that_happens_is_told_once(tmp_path: Path) -> None:
    counting = Counting()
    sessions = Sessions(tmp_path, chain=Chain(A, B), observe=counting)
    session = sessions.open("s")
    assert session.call(limited) == B
    assert session.call(limited) == B
    assert counting.counts == {
        ("switch", A, "initial"): 1,
        ("attempt", A, "initial"): 1,
        ("failure", A, "rate_limit"): 1,
        ("switch", B, "fallback"): 1,
        ("attempt", B, "fallback"): 1,
        ("attempt", B, "keep"): 1,
        ("saved", A, "rate_limit"): 1,
    }
    assert {one.session for one in counting.told} == {"s"}


def test_an_attempt_that_another_session_saved_is_told_too(tmp_path: Path) -> None:
    counting = Counting()
    sessions = Sessions(tmp_path, chain=Chain(A, B), observe=counting)
    sessions.open("one").failed(A, reason="rate_limit")
    sessions.open("two").call(limited)
    assert counting.counts["saved", A, "rate_limit"] == 1
    assert counting.counts["attempt", A, "initial"] == 0


def test_a_disk_that_refuses_changes_no_figure(tmp_path: Path) -> None:
    counting = Counting()
    (tmp_path / "file").write_text("")
    session = Session.open(tmp_path / "file" / "s.jsonl", chain=Chain(A, B), observe=counting)
    assert session.call(limited) == B
    assert session.degraded is not None
    assert counting.counts["failure", A, "rate_limit"] == 1
    session.close()
    assert counting.counts["failure", A, "rate_limit"] == 1


def test_asyncio_tells_the_same(tmp_path: Path) -> None:
    counting = Counting()
    session = Session.open(tmp_path / "s.jsonl", chain=Chain(A, B), observe=counting)

    async def ask(model: str) -> object:
        return limited(model)

    async def turns() -> None:
        assert await session.acall(ask) == B
        assert await session.acall(ask) == B

    asyncio.run(turns())
    assert sum(counting.counts.values()) == 7


def test_an_observer_that_raises_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Observation) -> None:
        raise RuntimeError("no metrics today")

    session = Session.open(tmp_path / "s.jsonl", chain=Chain(A, B), observe=broken)
    assert session.call(limited) == B
    assert "no metrics today" in caplog.text


def test_nothing_left_to_ask_is_no_attempt(tmp_path: Path) -> None:
    counting = Counting()
    session = Session.open(tmp_path / "s.jsonl", chain=Chain(A), observe=counting)
    session.failed(A, reason="rate_limit", retry_after_ms=3_600_000)
    counting.told.clear()
    with pytest.raises(AllModelsFailed):
        session.call(limited)
    assert counting.told == []
