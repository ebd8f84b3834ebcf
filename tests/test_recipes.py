"""Every recipe of the page runs, with the real package: extracted from the file, so that the two can't part."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from gateway import GLM, KIMI, LOCAL, told
from providers import DONE, Host, Reply, chat, delta, said, streamed

ROOT: Final = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.filterwarnings("default")  # what these packages warn of is not ours

LIMIT: Final = said(429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, retry_after="7")


def blocks() -> dict[str, str]:
    """The first block under each heading, and under "Recipes" what they share."""
    found: dict[str, str] = {}
    heading, inside = "", False
    for line in recipes().splitlines(keepends=True):
        if line.startswith("```"):
            inside = line.startswith("```python") and heading not in found
            if inside:
                found[heading] = ""
        elif inside:
            found[heading] += line
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
    return found


def recipes() -> str:
    """The page's part from the heading on, wherever it lies."""
    for page in sorted((ROOT / "docs").glob("gateways*.md")):
        _, found, rest = page.read_text(encoding="utf-8").partition("## Recipes\n")
        if found:
            return found + re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return ""


BLOCKS: Final = blocks()


class Gateway:
    """Runs a recipe where kimi is limited."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.names: dict[str, Any] = {"url": host.url}

    def run(self, recipe: str, *packages: str) -> dict[str, Any]:
        for package in packages:
            pytest.importorskip(package, reason=f"{package} is not installed")
        for name in ("Recipes", recipe):
            exec(compile(BLOCKS[name], name, "exec"), self.names)  # noqa: S102  (our own page)
        return self.names


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    def script(model: str) -> Reply:
        return LIMIT if model == KIMI else chat(f"from {model}", model)

    with Host(script) as host:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{host.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        gateway = Gateway(host)
        yield gateway
        for name in ("session", "client"):
            close = getattr(gateway.names.get(name), "close", None)
            if close is not None and not asyncio.iscoroutinefunction(close):
                close()


REMEMBERED: Final = [
    f"model_switch {KIMI}",
    f"attempt_failed {KIMI}",
    f"model_switch {GLM}",
    f"attempt_succeeded {GLM}",
]


def test_the_page_holds_the_recipes() -> None:
    assert len(BLOCKS) >= 10, BLOCKS.keys()


@pytest.mark.parametrize("name", BLOCKS)
def test_a_recipe_is_short(name: str) -> None:
    assert len(BLOCKS[name].splitlines()) <= 15
    assert max(map(len, BLOCKS[name].splitlines())) <= 120


@pytest.mark.parametrize(
    ("recipe", "package", "text"),
    [
        ("openai", "openai", lambda reply: reply.choices[0].message.content),
        ("httpx", "httpx", lambda reply: reply["choices"][0]["message"]["content"]),
        ("requests", "requests", lambda reply: reply["choices"][0]["message"]["content"]),
    ],
)
def test_a_plain_request(gateway: Gateway, recipe: str, package: str, text: Callable[[Any], str]) -> None:
    assert text(gateway.run(recipe, package)["reply"]) == f"from {GLM}"
    assert gateway.host.requests == [KIMI, GLM]
    assert told(Path("sessions/17a309d8.jsonl")) == REMEMBERED


def test_openai_with_asyncio(gateway: Gateway) -> None:
    reply = asyncio.run(gateway.run("openai, asyncio", "openai")["answer"]())
    assert reply.choices[0].message.content == f"from {GLM}"
    assert told(Path("sessions/17a309d8.jsonl")) == REMEMBERED


def test_openai_streaming(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.host.script = lambda model: LIMIT if model == KIMI else streamed(delta("one "), delta("two"), DONE)
    gateway.run("openai, streaming", "openai")
    assert capsys.readouterr().out == "one two"
    assert gateway.host.requests == [KIMI, GLM]
    assert told(Path("sessions/17a309d8.jsonl")) == REMEMBERED


def test_openai_streaming_with_asyncio(gateway: Gateway) -> None:
    gateway.host.script = lambda model: LIMIT if model == KIMI else streamed(delta("one "), delta("two"), DONE)
    names = gateway.run("openai, streaming with asyncio", "openai")

    async def main() -> str:
        async with names["client"]:
            return "".join([chunk.choices[0].delta.content async for chunk in await names["answer"]()])

    assert asyncio.run(main()) == "one two"
    assert told(Path("sessions/17a309d8.jsonl")) == REMEMBERED


def test_fastapi(gateway: Gateway) -> None:
    names = gateway.run("FastAPI", "fastapi", "openai")
    httpx = pytest.importorskip("httpx", reason="httpx is not installed")

    async def main() -> list[Any]:
        transport = httpx.ASGITransport(app=names["app"], raise_app_exceptions=False)
        async with names["client"], httpx.AsyncClient(transport=transport, base_url="http://gateway") as user:
            asked = {"json": {"messages": names["messages"]}}
            answers = [
                await user.post("/chat", headers={"x-session-id": name}, **asked) for name in ("a", "../../etc/x")
            ]
            gateway.host.script = lambda _: LIMIT
            return [*answers, await user.post("/chat", headers={"x-session-id": "b"}, **asked)]

    fine, bad, failed = asyncio.run(main())
    assert (fine.status_code, fine.json()["choices"][0]["message"]["content"]) == (200, f"from {GLM}")
    assert bad.status_code == 422
    assert failed.status_code == 503
    assert 1 <= int(failed.headers["retry-after"]) <= 7
    assert {path.name for path in Path("sessions").glob("*.jsonl")} == {"a.jsonl", "b.jsonl"}


def test_pydantic_ai(gateway: Gateway) -> None:
    names = gateway.run("pydantic-ai", "pydantic_ai", "openai")

    async def main() -> str:
        async with names["provider"].client:
            return str((await names["agent"].run("hello")).output)

    assert asyncio.run(main()) == f"from {GLM}"
    assert told(Path("sessions/17a309d8.jsonl")) == REMEMBERED


def test_the_hook(gateway: Gateway) -> None:
    names = gateway.run("What the table does not know")

    def ask(model: str) -> str:
        if model != LOCAL:
            raise ValueError("no quota")
        return model

    assert names["session"].call(ask) == LOCAL
    assert set(names["session"].state.tried[KIMI]) == {"billing"}


def limited(model: str) -> object:
    return SimpleNamespace(status_code=429, headers={}, text="slow down") if model == KIMI else model


def test_prometheus(gateway: Gateway) -> None:
    names = gateway.run("Prometheus", "prometheus_client")
    for _ in range(3):
        assert names["sessions"].open("s-1").call(limited) == GLM
    client = pytest.importorskip("prometheus_client")
    text = client.generate_latest(client.REGISTRY).decode()
    client.REGISTRY.unregister(names["happened"])
    assert f'switchlog_total{{kind="saved",model="{KIMI}",why="rate_limit"}} 2.0' in text
    assert f'switchlog_total{{kind="failure",model="{KIMI}",why="rate_limit"}} 1.0' in text


def test_opentelemetry(gateway: Gateway) -> None:
    pytest.importorskip("opentelemetry.sdk.metrics", reason="opentelemetry-sdk is not installed")
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    names = gateway.run("OpenTelemetry", "opentelemetry")
    for _ in range(3):
        assert names["sessions"].open("s-1").call(limited) == GLM
    data: Any = reader.get_metrics_data()
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    counted = {
        (point.attributes["switchlog.kind"], point.attributes["gen_ai.request.model"]): point.value for point in points
    }
    assert counted["saved", KIMI] == 2
    assert counted["failure", KIMI] == 1
