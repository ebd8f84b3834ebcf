"""The model for pydantic-ai, with the real package: in the order of the memory, and the memory kept."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from gateway import CHAIN, GLM, KIMI, LOCAL, Clock, agrees, events, told
from loopback import free_port
from providers import DONE, Host, Reply, Script, chat, delta, event, said, streamed

from eventlog import AllModelsFailed, Chain, MisuseError, Session, Sessions
from replay import AttemptFailed

pytest.importorskip("pydantic_ai", reason="pydantic-ai is not installed")
pytest.importorskip("openai", reason="openai is not installed")

import httpx
import openai
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider

from eventlog.gateways.pydantic_ai import RememberingModel

pytestmark = pytest.mark.filterwarnings("default")  # what these packages warn of is not ours

LIMIT = said(429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, retry_after="7")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session.open(tmp_path / "17a309d8.jsonl", chain=CHAIN) as session:
        yield session


def failures(session: Session) -> list[tuple[str, str, int | None, str | None]]:
    return [
        (one.model, one.reason, one.status, one.phase) for one in events(session.path) if isinstance(one, AttemptFailed)
    ]


@asynccontextmanager
async def models(url: str) -> AsyncIterator[dict[str, OpenAIChatModel]]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        yield {name: OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client)) for name in CHAIN}


def answering(**replies: Reply) -> Script:
    """What kimi says, and zhipu, and local; a fine answer from whom nothing is said."""
    return lambda model: replies.get(model.split("/")[0], chat(f"from {model}", model))


async def ask(session: Session | Callable[[], Session], host: Host) -> str:
    async with models(host.url) as given:
        return str((await Agent(RememberingModel(session, given)).run("hi")).output)


# Requests.


def test_a_refusal_is_remembered_and_the_next_model_answers(session: Session) -> None:
    with Host(answering(kimi=LIMIT)) as host:
        assert asyncio.run(ask(session, host)) == f"from {GLM}"
        assert host.requests == [KIMI, GLM]
        with Session.open(session.path, chain=CHAIN) as again:  # as after a restart
            assert asyncio.run(ask(again, host)) == f"from {GLM}"
        assert host.requests == [KIMI, GLM, GLM]
    assert failures(session) == [(KIMI, "rate_limit", 429, None)]
    assert [one.retry_after_ms for one in events(session.path) if isinstance(one, AttemptFailed)] == [7_000]


def test_a_healthy_session_writes_nothing_per_request(session: Session) -> None:
    with Host(answering()) as host:
        asyncio.run(ask(session, host))
        before = session.path.read_bytes()
        asyncio.run(ask(session, host))
    assert session.path.read_bytes() == before
    assert told(session.path) == [f"model_switch {KIMI}", f"attempt_succeeded {KIMI}"]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (said(503, {"error": {"message": "busy"}}), ("overloaded", 503)),
        (said(401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}), ("auth", 401)),
        (said(429, {"error": {"code": "insufficient_quota", "message": "no quota"}}), ("billing", 429)),
        (said(404, {"error": {"message": "no such model", "code": "model_not_found"}}), ("model_not_found", 404)),
        (said(400, {"error": {"code": "context_length_exceeded", "message": "."}}), ("context_overflow", 400)),
        (Reply(ends="reset", pieces=()), ("network", None)),
    ],
)
def test_what_a_provider_says_is_what_is_recorded(session: Session, reply: Reply, outcome: tuple[Any, ...]) -> None:
    with Host(answering(kimi=reply)) as host:
        assert asyncio.run(ask(session, host)) == f"from {GLM}"
    assert failures(session) == [(KIMI, *outcome, None)]


def test_a_provider_that_is_not_there_is_the_network(session: Session) -> None:
    async def main() -> str:
        async with models(f"http://127.0.0.1:{free_port()}") as dead, models(host.url) as given:
            result = await Agent(RememberingModel(session, {**given, KIMI: dead[KIMI]})).run("hi")
            return result.output

    with Host(answering()) as host:
        assert asyncio.run(main()) == f"from {GLM}"
    assert failures(session) == [(KIMI, "network", None, None)]


def test_a_malformed_request_goes_back_to_the_caller_as_it_is(session: Session) -> None:
    with Host(answering(kimi=said(400, {"error": {"message": "messages: required"}}))) as host:
        with pytest.raises(ModelHTTPError, match="messages: required") as raised:
            asyncio.run(ask(session, host))
        assert host.requests == [KIMI]
    assert isinstance(raised.value.__cause__, openai.BadRequestError)
    assert session.state.tried == {}


def test_when_nothing_is_left_every_reason_is_told(session: Session) -> None:
    with Host(LIMIT) as host, pytest.raises(AllModelsFailed) as raised:
        asyncio.run(ask(session, host))
    assert [(one.model, one.why) for one in raised.value.skipped] == [(name, "rate_limit") for name in CHAIN]


def test_an_error_of_the_authors_own_blames_no_model(session: Session) -> None:
    def mine(messages: list[ModelMessage], info: AgentInfo) -> Any:
        raise KeyError("mine")

    given = {KIMI: FunctionModel(mine), GLM: TestModel(), LOCAL: TestModel()}
    with pytest.raises(KeyError):
        asyncio.run(Agent(RememberingModel(session, given)).run("hi"))
    assert failures(session) == []


def test_eight_turns_at_the_end_of_a_cooldown_are_one_probe(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, meeting = Clock(monkeypatch), threading.Event()

    def script(model: str) -> Reply:
        if model == KIMI:
            assert meeting.wait(20)
        return chat(f"from {model}", model)

    async def turns() -> list[str]:
        waiting = [asyncio.create_task(ask(session, host)) for _ in range(8)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 7:
            more, _ = await asyncio.wait(set(waiting) - done, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        meeting.set()
        return sorted(await asyncio.gather(*waiting))

    with Host(answering(kimi=LIMIT)) as host:
        asyncio.run(ask(session, host))
        host.script = script
        host.requests.clear()
        clock.forward(hours=2)
        assert asyncio.run(turns()) == [f"from {KIMI}"] + [f"from {GLM}"] * 7
    assert host.requests.count(KIMI) == 1
    assert session.decide().model == KIMI
    assert agrees(session)


# Streams.


async def stream(session: Session, host: Host, seen: list[str]) -> None:
    async with models(host.url) as given, Agent(RememberingModel(session, given)).run_stream("hi") as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            seen.append(piece)  # noqa: PERF401  (what was seen before it breaks)


FINE = streamed(delta("one "), delta("two"), delta("", "stop"), DONE)


def test_a_stream_that_fails_before_its_first_event_goes_on(session: Session) -> None:
    for broken in (LIMIT, streamed(event({"error": {"message": "x", "code": "server_error"}}))):
        seen: list[str] = []
        with Host(answering(kimi=broken, zhipu=FINE)) as host:
            asyncio.run(stream(session, host, seen))
            assert host.requests == [KIMI, GLM]
        assert "".join(seen) == "one two"
        session.clear(KIMI)
        session.switch(KIMI, "config")
    assert [(model, reason, phase) for model, reason, _, phase in failures(session)] == [
        (KIMI, "rate_limit", None),
        (KIMI, "server_error", None),
    ]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (streamed(delta("one "), ends="hang-up"), "network"),
        (streamed(delta("one "), event({"error": {"message": "x", "code": "server_error"}})), "server_error"),
        (streamed(delta("one "), event({"error": {"message": "slow", "code": "rate_limit_exceeded"}})), "rate_limit"),
    ],
)
def test_a_stream_that_breaks_is_recorded_raised_and_not_doubled(session: Session, broken: Reply, reason: str) -> None:
    seen: list[str] = []
    with Host(answering(kimi=broken, zhipu=FINE)) as host:
        with pytest.raises((ModelHTTPError, httpx.RemoteProtocolError)):
            asyncio.run(stream(session, host, seen))
        assert host.requests == [KIMI]
        assert seen == ["one "]
        assert [(model, why, phase) for model, why, _, phase in failures(session)] == [(KIMI, reason, "mid_stream")]
        asyncio.run(stream(session, host, seen))
        assert host.requests == [KIMI, GLM]


def test_a_stream_read_to_its_end_is_a_success(session: Session) -> None:
    with Host(answering(kimi=FINE)) as host:
        asyncio.run(stream(session, host, []))
    assert told(session.path) == [f"model_switch {KIMI}", f"attempt_succeeded {KIMI}"]


def test_who_reads_the_stream_and_fails_blames_no_model(session: Session) -> None:
    """Not even with a timeout or a status of his own, which the table would know."""

    async def handler(_: object, told: AsyncIterator[object]) -> None:
        async for _ in told:
            raise TimeoutError("my own database")

    async def main() -> None:
        async with models(host.url) as given:
            with pytest.raises(TimeoutError):
                await Agent(RememberingModel(session, given)).run("hi", event_stream_handler=handler)

    with Host(answering(kimi=FINE)) as host:
        asyncio.run(main())
    assert session.state.tried == {}
    assert [reason for _, reason, _, _ in failures(session)] in ([], ["aborted"])


# How it is made.


def test_one_agent_serves_many_sessions(tmp_path: Path) -> None:
    sessions, current = Sessions(tmp_path, CHAIN, share_failures=False), ["a"]
    with Host(answering(kimi=LIMIT)) as host:
        for current[0] in ("a", "b"):
            assert asyncio.run(ask(lambda: sessions.open(current[0]), host)) == f"from {GLM}"
        assert host.requests == [KIMI, GLM, KIMI, GLM]
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {"a.jsonl", "b.jsonl"}


def test_models_and_chain_must_agree(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MisuseError, match=LOCAL):
        RememberingModel(session, {KIMI: TestModel(), GLM: TestModel()})
    with pytest.raises(MisuseError, match="no models"):
        RememberingModel(session, {})
    model = RememberingModel(lambda: session, {GLM: TestModel(custom_output_text="glm")})
    assert asyncio.run(Agent(model).run("hi")).output == "glm"
    assert f"no model stands behind {KIMI}, {LOCAL} of the chain" in caplog.text


def test_a_pin_on_a_model_that_is_not_there_goes_on(session: Session) -> None:
    session.switch("other/model")
    with Host(answering()) as host:
        assert asyncio.run(ask(session, host)) == f"from {KIMI}"
    assert failures(session) == [("other/model", "model_not_found", 404, None)]


def test_a_session_without_a_chain_uses_the_order_of_the_models(tmp_path: Path) -> None:
    with Session.open(tmp_path / "x.jsonl") as session:
        model = RememberingModel(session, {LOCAL: TestModel(custom_output_text="local"), KIMI: TestModel()})
        assert asyncio.run(Agent(model).run("hi")).output == "local"
        assert session.decide(chain=Chain(LOCAL, KIMI)).cause == "keep"
