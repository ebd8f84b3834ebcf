"""LiteLLM's Router and proxy with a memory, the real ones, before a provider that counts what it is asked."""

import asyncio
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from gateway import Clock, events, told
from litellm_world import (
    FALLBACKS,
    GLM,
    KIMI,
    QWEN,
    Proxy,
    Upstream,
    config,
    counting,
    deployments,
    limited,
    refused,
    said,
    streamed,
)

from eventlog import Sessions, read_events
from replay import AttemptFailed, Chain, ModelSwitch, fold

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    litellm = pytest.importorskip("litellm", reason="litellm is not installed: pip install 'switchlog[litellm]'")
    from litellm import Router

    from eventlog.gateways import litellm_requests
    from eventlog.gateways.litellm import MemoryRouter
    from eventlog.gateways.litellm_config import alone, chain_of, may_use, session_id

litellm.disable_aiohttp_transport = True  # aiohttp complains, long after the test, of sessions that LiteLLM leaves open
pytestmark = pytest.mark.filterwarnings("ignore")  # LiteLLM's own, and those of what it needs

ALL: Final = Chain(KIMI, GLM, QWEN)
HELLO: Final = [{"role": "user", "content": "hello"}]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as provider:
        yield provider


def is_back(log: Path) -> bool:
    """Whether the session is on its primary, and holds nothing against it."""
    state = fold(read_events(log))
    return state.current == KIMI and KIMI not in state.tried and not state.probing


# The Router, in this process.


class Gateway:
    """A Router with a memory, asked in each of its four ways."""

    def __init__(self, upstream: Upstream, folder: Path, way: str, **options: Any) -> None:
        self.way = way
        self.folder = folder
        options = {"fallbacks": FALLBACKS, "disable_cooldowns": True, **options}  # so that each count is ours
        options.setdefault("model_list", deployments(upstream.url))
        self.router = MemoryRouter(Router(**options), Sessions(folder, share_failures=False))

    def ask(self, session: str | None = "s-1", **options: Any) -> str:
        """What the user reads; all of a stream."""
        return asyncio.run(self.aask(session, **options))

    async def aask(self, session: str | None = "s-1", **options: Any) -> str:
        if session is not None:
            options["metadata"] = {"session_id": session}
        if "stream" in self.way:
            options["stream"] = True
        if self.way.startswith("async"):
            reply = await self.router.acompletion(KIMI, HELLO, **options)
            parts = [chunk async for chunk in reply] if "stream" in self.way else []
        else:
            reply = self.router.completion(KIMI, HELLO, **options)
            parts = list(reply) if "stream" in self.way else []
        if "stream" in self.way:
            return "".join(part.choices[0].delta.content or "" for part in parts)
        return str(reply.choices[0].message.content)

    @property
    def log(self) -> Path:
        return self.folder / "s-1.jsonl"


def answers(way: str, *words: str) -> Any:
    return streamed(*words) if "stream" in way else said("".join(words))


@pytest.fixture(params=["sync", "async", "sync stream", "async stream"])
def gateway(request: pytest.FixtureRequest, upstream: Upstream, tmp_path: Path) -> Gateway:
    for model in (KIMI, GLM, QWEN):
        upstream.answers[model] = answers(request.param, "I am ", model)
    return Gateway(upstream, tmp_path / "sessions", request.param)


def restarted(gateway: Gateway, upstream: Upstream) -> Gateway:
    """The same, knowing only what the disk knows."""
    return Gateway(upstream, gateway.folder, gateway.way)


def test_what_failed_is_not_asked_again_not_even_by_the_next_process(
    gateway: Gateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    upstream.answers[KIMI] = limited()
    with counting(upstream) as first:
        assert [gateway.ask() for _ in range(3)] == ["I am glm"] * 3
    assert first == {KIMI: 1, GLM: 3, QWEN: 0}  # and none of LiteLLM's retries
    gateway = restarted(gateway, upstream)
    clock.forward(minutes=4.9)
    with counting(upstream) as second:
        assert [gateway.ask() for _ in range(2)] == ["I am glm"] * 2
    assert second == {KIMI: 0, GLM: 2, QWEN: 0}
    clock.forward(minutes=1)
    upstream.answers[KIMI] = answers(gateway.way, "I am back")
    assert [gateway.ask(), gateway.ask()] == ["I am back"] * 2
    assert told(gateway.log) == [
        "model_switch kimi",
        "attempt_failed kimi",
        "model_switch glm",
        "attempt_succeeded glm",
        "model_switch kimi",
        "attempt_succeeded kimi",
    ]
    failure = next(event for event in events(gateway.log) if isinstance(event, AttemptFailed))
    assert (failure.reason, failure.status, failure.deployment) == ("rate_limit", 429, "kimi-1")


def test_without_a_session_id_the_router_is_as_it_was(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers[KIMI] = limited()
    with counting(upstream) as counts:
        assert [gateway.ask(None, num_retries=0) for _ in range(2)] == ["I am glm"] * 2
    assert counts == {KIMI: 2, GLM: 2, QWEN: 0}
    assert not gateway.folder.exists()


def test_all_that_the_router_can_do_is_still_there(gateway: Gateway) -> None:
    assert gateway.router.get_model_list(model_name=KIMI)[0]["model_info"]["id"] == "kimi-1"
    assert set(gateway.router.get_model_names()) == {KIMI, GLM, QWEN}


@pytest.mark.parametrize("name", ["choose", "glance", "of_exception", "answered", "Request"])
def test_a_bug_of_ours_fails_no_request(
    gateway: Gateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(litellm_requests, name, bug)
    monkeypatch.setattr("eventlog.gateways.litellm_router.Request", litellm_requests.Request)
    assert gateway.ask() == "I am kimi"
    upstream.answers[KIMI] = limited()
    assert gateway.ask(num_retries=0) == "I am glm"
    for _ in range(2):
        assert gateway.ask(num_retries=0) == "I am glm"


def test_when_nobody_is_left_the_caller_gets_what_the_router_raises(gateway: Gateway, upstream: Upstream) -> None:
    for model in ALL:
        upstream.answers[model] = limited(600)
    with counting(upstream) as first, pytest.raises(litellm.RateLimitError):
        gateway.ask()
    assert first == {KIMI: 1, GLM: 1, QWEN: 1}
    with counting(upstream) as second, pytest.raises(litellm.RateLimitError):
        gateway.ask()  # each provider asked for ten minutes: one request instead of three
    assert sum(second.values()) == 1


def test_a_folder_that_cannot_be_written_costs_no_request(gateway: Gateway, upstream: Upstream) -> None:
    gateway.folder.mkdir()
    gateway.log.mkdir()
    upstream.answers[KIMI] = limited()
    with counting(upstream) as counts:
        assert [gateway.ask() for _ in range(3)] == ["I am glm"] * 3
    assert counts == {KIMI: 1, GLM: 3, QWEN: 0}  # remembered all the same, as long as the process lives


def test_a_wrong_request_is_wrong_for_every_model(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers[KIMI] = refused(400, "messages: at least one is needed")
    with counting(upstream) as counts, pytest.raises(litellm.BadRequestError):
        gateway.ask()
    assert counts == {KIMI: 1, GLM: 0, QWEN: 0}
    assert not fold(read_events(gateway.log)).tried


@pytest.mark.parametrize("way", ["sync stream", "async stream"])
def test_a_stream_that_breaks_before_its_first_byte_goes_on(way: str, upstream: Upstream, tmp_path: Path) -> None:
    gateway = Gateway(upstream, tmp_path / "sessions", way)
    upstream.answers |= {KIMI: streamed(), GLM: streamed("I am ", "glm")}
    with counting(upstream) as counts:
        assert [gateway.ask(), gateway.ask()] == ["I am glm"] * 2
    assert counts == {KIMI: 1, GLM: 2, QWEN: 0}
    assert told(gateway.log)[1:3] == ["attempt_failed kimi", "model_switch glm"]


@pytest.mark.parametrize("way", ["sync stream", "async stream"])
def test_a_stream_that_breaks_later_is_recorded_and_raised(way: str, upstream: Upstream, tmp_path: Path) -> None:
    gateway = Gateway(upstream, tmp_path / "sessions", way)
    upstream.answers |= {KIMI: streamed("one ", "two ", fails="Internal error"), GLM: streamed("I am ", "glm")}
    with counting(upstream) as counts, pytest.raises(litellm.APIConnectionError):
        gateway.ask()
    assert counts == {KIMI: 1, GLM: 0, QWEN: 0}
    failure = events(gateway.log)[-1]
    assert isinstance(failure, AttemptFailed)
    assert (failure.model, failure.phase, failure.reason) == (KIMI, "mid_stream", "network")
    with counting(upstream) as after:
        assert gateway.ask() == "I am glm"
    assert after == {KIMI: 0, GLM: 1, QWEN: 0}


def test_eight_turns_at_the_end_of_a_cooldown_send_one_probe(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    gateway = Gateway(upstream, tmp_path / "sessions", "async")
    upstream.answers[KIMI] = limited(30)
    assert gateway.ask() == "I am glm"
    upstream.answers[KIMI] = said("I am back")
    clock.forward(seconds=31)

    async def together() -> list[str]:
        return await asyncio.gather(*[gateway.aask() for _ in range(8)])

    before = upstream.asked()[GLM]
    upstream.waits[KIMI] = lambda: upstream.asked()[GLM] == before + 7  # or there would be no turns at once
    with counting(upstream) as counts:
        assert sorted(asyncio.run(together())) == ["I am back"] + ["I am glm"] * 7
    assert counts == {KIMI: 1, GLM: 7, QWEN: 0}
    assert [event.cause for event in events(gateway.log) if isinstance(event, ModelSwitch)].count("probe") == 1
    assert gateway.ask() == "I am back"
    assert is_back(gateway.log)


def test_a_stream_that_nobody_reads_to_its_end_keeps_no_probe_waiting(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    gateway = Gateway(upstream, tmp_path / "sessions", "async stream")
    upstream.answers |= {KIMI: limited(30), GLM: streamed("I am ", "glm")}
    assert gateway.ask() == "I am glm"
    upstream.answers[KIMI] = streamed("I ", "am ", "back")
    clock.forward(seconds=31)

    async def leave() -> None:
        stream = await gateway.router.acompletion(KIMI, HELLO, stream=True, metadata={"session_id": "s-1"})
        async for _ in stream:
            break
        await stream.aclose()

    asyncio.run(leave())
    state = fold(read_events(gateway.log))
    assert (state.current, dict(state.probing)) == (KIMI, {})
    assert gateway.ask() == "I am back"


def test_two_deployments_of_a_group_are_one_model(upstream: Upstream, tmp_path: Path) -> None:
    first, *others = deployments(upstream.url)
    first["litellm_params"]["weight"] = 1
    twin = {**first, "litellm_params": {**first["litellm_params"], "weight": 0}, "model_info": {"id": "kimi-2"}}
    twin["litellm_params"]["api_base"] = f"{upstream.url}/{QWEN}"
    gateway = Gateway(upstream, tmp_path / "sessions", "async", model_list=[first, twin, *others], num_retries=1)
    assert not alone(gateway.router.router, ALL)
    upstream.answers[KIMI] = limited()
    for _ in range(4):  # LiteLLM's retry goes to the twin, sooner or later, or all of the group has failed
        assert gateway.ask() in ("I am qwen", "I am glm")
    failures = [event for event in events(gateway.log) if isinstance(event, AttemptFailed)]
    assert {failure.model for failure in failures} <= {KIMI}


# What LiteLLM's configuration says.


@pytest.mark.parametrize(
    ("options", "given", "chain"),
    [
        ({"fallbacks": FALLBACKS}, None, Chain(KIMI, GLM, QWEN)),
        ({"fallbacks": [{KIMI: [GLM, QWEN]}, {GLM: [QWEN, KIMI]}]}, None, Chain(KIMI, GLM, QWEN)),
        ({"fallbacks": [{KIMI: [QWEN]}]}, None, Chain(KIMI, QWEN)),
        ({"default_fallbacks": [QWEN]}, None, Chain(KIMI, QWEN)),
        ({"fallbacks": FALLBACKS, "max_fallbacks": 1}, None, Chain(KIMI, GLM)),
        ({"fallbacks": [{GLM: [QWEN]}]}, None, None),
        ({}, None, None),
        ({}, [QWEN, {"model": GLM}], Chain(KIMI, QWEN, GLM)),
        ({"fallbacks": FALLBACKS}, [{KIMI: [QWEN]}], Chain(KIMI, QWEN)),
        ({"fallbacks": FALLBACKS}, [{"model": GLM, "messages": HELLO}], None),
        ({"fallbacks": [{KIMI: [{"model": GLM, "temperature": 0}]}]}, None, None),
        ({"fallbacks": FALLBACKS}, [object()], None),
        ({"fallbacks": FALLBACKS}, "glm", None),
    ],
)
def test_the_chain_is_what_litellm_would_walk(options: dict[str, Any], given: object, chain: Chain | None) -> None:
    assert chain_of(Router(model_list=deployments("http://127.0.0.1:1"), **options), KIMI, given) == chain


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"metadata": {"session_id": "s-1"}}, "s-1"),
        ({"litellm_metadata": {"session_id": "s-1"}}, "s-1"),
        ({"litellm_session_id": "s-1"}, "s-1"),
        ({"metadata": {"session_id": "s-1"}, "litellm_session_id": "s-2"}, "s-1"),
        ({"litellm_trace_id": "t-1", "metadata": {"trace_id": "t-1"}}, None),
        ({"metadata": {"session_id": "x", "litellm_session_id_generated": True}, "litellm_session_id": "x"}, None),
        ({"metadata": {"session_id": 7}}, None),
        ({"metadata": {"session_id": ""}}, None),
        ({"metadata": None}, None),
        ({}, None),
    ],
)
def test_the_session_is_the_one_that_the_caller_names(data: dict[str, Any], found: str | None) -> None:
    assert session_id(data) == found


@pytest.mark.parametrize(("headers", "found"), [({"X-LiteLLM-Session-Id": "s-1"}, "s-1"), ({}, None)])
def test_a_trace_is_no_session(headers: dict[str, str], found: str | None) -> None:
    """LiteLLM puts the trace's id where the session's belongs."""
    told = {"x-litellm-trace-id": "t-1", **headers}
    data = {"proxy_server_request": {"headers": told}, "metadata": {"session_id": "t-1"}, "litellm_session_id": "t-1"}
    assert session_id(data) == found


@pytest.mark.parametrize(
    ("key", "may"),
    [
        ({}, {KIMI, GLM, QWEN}),
        ({"models": [KIMI]}, {KIMI}),
        ({"models": ["*"]}, {KIMI, GLM, QWEN}),
        ({"models": ["all-proxy-models"]}, {KIMI, GLM, QWEN}),
        ({"models": ["cheap"]}, {QWEN}),
        ({"models": ["all-team-models"], "team_id": "t", "team_models": [KIMI, GLM]}, {KIMI, GLM}),
        ({"models": [KIMI, GLM], "team_id": "t", "team_models": [KIMI]}, {KIMI}),
    ],
)
def test_a_key_may_use_what_litellm_says(key: dict[str, Any], may: set[str]) -> None:
    from litellm.proxy._types import UserAPIKeyAuth

    listed = deployments("http://127.0.0.1:1")
    listed[2]["model_info"]["access_groups"] = ["cheap"]
    router = Router(model_list=listed)

    async def allowed() -> set[str]:
        return {model for model in (*ALL, "gone") if await may_use(model, UserAPIKeyAuth(**key), {}, router)}

    assert asyncio.run(allowed()) == may


# The proxy, a process of its own. LiteLLM's own cooldowns are off, so that each count is ours.

QUIET: Final = {"router_settings": {"disable_cooldowns": True}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Upstream]:
    with Upstream() as provider:
        yield provider


@pytest.fixture(scope="module")
def running(shared: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One proxy for all tests that don't kill it. No session tells another, for they are of different tests."""
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "switchlog.toml").write_text("share_failures = false\n")
    proxy = Proxy(folder, config(shared.url, **QUIET))
    try:
        yield proxy.wait()
    finally:
        proxy.kill()


@pytest.fixture
def proxy(running: Proxy, shared: Upstream) -> Iterator[Proxy]:
    yield running
    shared.answers.clear()
    shared.waits.clear()


def log_of(proxy: Proxy, session: str) -> Path:
    return proxy.folder / "memory" / f"{session}.jsonl"


@pytest.mark.slow
def test_a_killed_proxy_remembers_and_so_do_all_its_workers(upstream: Upstream, tmp_path: Path) -> None:
    """Three sessions, three turns each; killed; four workers; killed; a cooldown that ends."""
    names = ["s-1", "s-2", "s-3"]
    settings = config(upstream.url, **QUIET)
    upstream.answers[KIMI] = limited()
    proxy = Proxy(tmp_path, settings).wait()
    try:
        with counting(upstream) as before:
            assert [proxy.ask(name).says for name in names for _ in range(3)] == ["I am glm"] * 9
        assert before == {KIMI: 1, GLM: 9, QWEN: 0}  # by the first of the sessions; the others read its log
        proxy.kill()
        proxy = Proxy(tmp_path, settings, workers=4).wait()
        with counting(upstream) as after:
            assert [proxy.ask(name).says for name in names for _ in range(4)] == ["I am glm"] * 12
            assert {reply.says for reply in proxy.together(8, "s-1")} == {"I am glm"}
        assert after == {KIMI: 0, GLM: 20, QWEN: 0}

        upstream.answers[KIMI] = limited(retry_after=3)
        with Sessions(tmp_path / "memory").open("s-1") as session:
            session.clear(KIMI)  # it seems to be mended; a proxy that runs follows
            with counting(upstream) as failing:
                assert [proxy.ask("s-1").says for _ in range(3)] == ["I am glm"] * 3
            assert failing == {KIMI: 1, GLM: 3, QWEN: 0}
            (waiting,) = [one for one in session.decide(chain=ALL).skipped if one.model == KIMI]
        upstream.answers[KIMI] = said("I am back")
        assert waiting.until is not None
        while (left := (waiting.until - datetime.now(UTC)).total_seconds()) > -0.01:
            time.sleep(max(left, 0) + 0.02)
        reached = upstream.asked()[GLM] + 7
        upstream.waits[KIMI] = lambda: upstream.asked()[GLM] == reached
        with counting(upstream) as probing:
            assert sorted(reply.says for reply in proxy.together(8, "s-1")) == ["I am back"] + ["I am glm"] * 7
        assert probing == {KIMI: 1, GLM: 7, QWEN: 0}
        upstream.waits.clear()
        with counting(upstream) as back:
            assert {proxy.ask("s-1").says for _ in range(4)} == {"I am back"}
        assert back == {KIMI: 4, GLM: 0, QWEN: 0}
        assert is_back(log_of(proxy, "s-1"))
    finally:
        proxy.kill()


@pytest.mark.slow
def test_who_names_no_session_is_left_alone(proxy: Proxy, shared: Upstream) -> None:
    shared.answers[KIMI] = limited()
    before = set((proxy.folder / "memory").glob("*"))
    with counting(shared) as counts:
        for headers in ({}, {"x-litellm-trace-id": "t-1"}):
            assert [proxy.ask(num_retries=0, headers=headers).says for _ in range(2)] == ["I am glm"] * 2
        for name in ("../../etc/x", "a/b", ".hidden", "", "x" * 200):
            assert proxy.ask(name, num_retries=0).says == "I am glm"
    assert counts == {KIMI: 9, GLM: 9, QWEN: 0}
    assert set((proxy.folder / "memory").glob("*")) == before
    assert not list(proxy.folder.parent.glob("**/x.jsonl"))
    assert proxy.output.read_text().count("no session id") == 1  # it says so, once


@pytest.mark.slow
@pytest.mark.parametrize("given", ["header", "metadata", "body"])
def test_a_session_is_named_in_litellms_ways(proxy: Proxy, shared: Upstream, given: str) -> None:
    name = f"named-{given}"
    options: dict[str, Any] = {
        "header": {"headers": {"x-litellm-session-id": name}},
        "metadata": {"metadata": {"session_id": name}},
        "body": {"litellm_session_id": name},
    }[given]
    shared.answers[KIMI] = limited()
    with counting(shared) as counts:
        assert [proxy.ask(**options).says for _ in range(2)] == ["I am glm"] * 2
    assert counts == {KIMI: 1, GLM: 2, QWEN: 0}
    assert log_of(proxy, name).exists()


@pytest.mark.slow
def test_a_key_is_never_served_by_a_model_that_it_may_not_use(proxy: Proxy, shared: Upstream) -> None:
    """Keys of the proxy's custom auth; LiteLLM itself refuses them the model, and falls back to it all the same."""
    assert proxy.ask(model=GLM, key="sk-ends").status == 403
    shared.answers[KIMI] = limited()
    proxy.ask("keys")
    with counting(shared) as ends:  # kimi cools, and glm is not for this key
        assert proxy.ask("keys", key="sk-ends").says == "I am qwen"
    assert ends == {KIMI: 0, GLM: 0, QWEN: 1}
    with counting(shared) as only:  # nothing can be put in kimi's place: LiteLLM's own walk
        assert proxy.ask("keys", key="sk-kimi").says == "I am glm"
    assert only == {KIMI: 1, GLM: 1, QWEN: 0}
    with counting(shared) as whole:
        assert proxy.ask("keys").says == "I am glm"
    assert whole == {KIMI: 0, GLM: 1, QWEN: 0}


@pytest.mark.slow
def test_a_stream_of_the_proxy(proxy: Proxy, shared: Upstream) -> None:
    shared.answers |= {KIMI: limited(), GLM: streamed("I am ", "glm")}
    with counting(shared) as refused_at_once:
        assert [proxy.ask("stream-1", stream=True).says for _ in range(2)] == ["I am glm"] * 2
    assert refused_at_once == {KIMI: 1, GLM: 2, QWEN: 0}

    shared.answers[KIMI] = streamed()
    with counting(shared) as before_the_first_byte:
        assert [proxy.ask("stream-2", stream=True).says for _ in range(2)] == ["I am glm"] * 2
    assert before_the_first_byte == {KIMI: 1, GLM: 2, QWEN: 0}
    assert told(log_of(proxy, "stream-2"))[1:3] == ["attempt_failed kimi", "model_switch glm"]

    shared.answers[KIMI] = streamed("one ", "two ", fails="Internal error")
    with counting(shared) as later:
        broken = proxy.ask("stream-3", stream=True)
    assert (broken.says, "error" in broken.text) == ("one two ", True)
    assert later == {KIMI: 1, GLM: 0, QWEN: 0}
    failure = events(log_of(proxy, "stream-3"))[-1]
    assert isinstance(failure, AttemptFailed)
    assert (failure.model, failure.phase, failure.deployment) == (KIMI, "mid_stream", "kimi-1")
    with counting(shared) as after:
        assert proxy.ask("stream-3", stream=True).says == "I am glm"
    assert after == {KIMI: 0, GLM: 1, QWEN: 0}

    shared.answers[KIMI] = streamed("I am ", "kimi")
    assert proxy.ask("stream-4", stream=True).says == "I am kimi"
    assert told(log_of(proxy, "stream-4")) == ["model_switch kimi", "attempt_succeeded kimi"]


@pytest.mark.slow
def test_a_pin_is_followed_where_it_names_a_model_of_the_proxy(proxy: Proxy, shared: Upstream) -> None:
    assert proxy.ask("pin").says == "I am kimi"
    with Sessions(proxy.folder / "memory").open("pin") as session:
        session.switch(QWEN)
        assert proxy.ask("pin").says == "I am qwen"
        assert proxy.ask("pin", key="sk-kimi").says == "I am kimi"
        session.switch("gone")
        assert proxy.ask("pin").says == "I am kimi"


@pytest.mark.slow
def test_the_messages_api_has_the_same_memory(proxy: Proxy, shared: Upstream) -> None:
    """``/v1/messages``, as Claude Code asks; its session comes in a header. Inside, LiteLLM calls itself."""
    shared.answers[KIMI] = limited()
    options: dict[str, Any] = {"headers": {"x-litellm-session-id": "messages"}, "max_tokens": 10}
    with counting(shared) as counts:
        assert [proxy.ask(path="/v1/messages", **options).says for _ in range(3)] == ["I am glm"] * 3
        assert proxy.ask("messages").says == "I am glm"
    assert counts == {KIMI: 1, GLM: 4, QWEN: 0}
    assert told(log_of(proxy, "messages")) == [
        "model_switch kimi",
        "attempt_failed kimi",
        "model_switch glm",
        "attempt_succeeded glm",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["glance", "choose", "is_news", "answered", "of_exception", "off_loop"])
def test_a_bug_of_ours_fails_no_request_of_the_proxy(proxy: Proxy, shared: Upstream, name: str) -> None:
    bug = proxy.folder / "bug"
    bug.write_text(name)
    try:
        shared.answers[KIMI] = limited()
        for _ in range(2):
            assert proxy.ask(f"bug-{name}", num_retries=0).says == "I am glm"
        shared.answers[GLM] = streamed("I am ", "glm")
        assert proxy.ask(f"bug-{name}", num_retries=0, stream=True).says == "I am glm"
    finally:
        bug.unlink()
    assert "a bug of ours" in proxy.output.read_text()


@pytest.mark.slow
def test_a_log_that_cannot_be_written_costs_the_proxy_no_request(proxy: Proxy, shared: Upstream) -> None:
    log_of(proxy, "blocked").mkdir(parents=True)
    shared.answers[KIMI] = limited()
    with counting(shared) as counts:
        assert [proxy.ask("blocked").says for _ in range(3)] == ["I am glm"] * 3
    assert counts == {KIMI: 1, GLM: 3, QWEN: 0}


@pytest.mark.slow
def test_the_last_model_is_asked_whatever_is_known_of_it(proxy: Proxy, shared: Upstream) -> None:
    shared.answers |= dict.fromkeys(ALL, limited(600))
    with counting(shared) as first:
        assert proxy.ask("nobody").status == 429
    assert first == {KIMI: 1, GLM: 1, QWEN: 1}
    with counting(shared) as second:
        assert proxy.ask("nobody").status == 429
    assert sum(second.values()) == 1
