"""`make bench-gateways`: what a restart costs each gateway, with and without a memory that survives.

Law: counted at the provider, which believes nobody. Every cell is the same story: three sessions of three turns while
the primary is limited, SIGKILL, restart, a first turn of each session, two more of each; then the provider has peace
again, its own Retry-After is over, and eight turns of one session come at once. Figures are requests to the primary.

A gateway that is not installed, and Redis where there is none, is a line that says so.
"""

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from benchmarks.gateway_child import CHAIN
from benchmarks.gateway_provider import Provider

PRIMARY: Final = CHAIN[0]
SESSIONS: Final = ("s1", "s2", "s3")
VARIANTS: Final = {"alone": "as it comes", "best": "its own best settings", "switchlog": "with switchlog"}
NEEDS: Final = {"plain": "openai", "pydantic": "pydantic_ai", "router": "litellm", "proxy": "litellm"}
NAMES: Final = {
    "plain": "openai client",
    "pydantic": "pydantic-ai",
    "router": "LiteLLM Router",
    "proxy": "LiteLLM proxy",
}
COOLDOWN: Final = {"plain": 6.0, "pydantic": 8.0, "router": 20.0, "proxy": 75.0}
"""Seconds that the provider asks for: longer than the gateway takes to restart and play its turns."""


class Gateway(Protocol):
    """A gateway that runs."""

    def turns(self, session: str, count: int) -> list[str]: ...
    def kill(self) -> None: ...


class Child:
    """One that lives in our own process of a few lines."""

    def __init__(self, kind: str, variant: str, folder: Path, provider: Provider) -> None:
        environment = {**os.environ, "COOLDOWN": str(provider.retry_after)}
        self._process = subprocess.Popen(  # noqa: S603  (our own module)
            [sys.executable, "-m", "benchmarks.gateway_child", kind, variant, str(folder), provider.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._line()

    def turns(self, session: str, count: int) -> list[str]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{session} {count}\n")
        self._process.stdin.flush()
        return self._line()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the gateway ended: {self._process.wait()}")
        found: list[str] = json.loads(line)
        return found


class Proxy:
    """LiteLLM's proxy: a configuration and the command that its users run."""

    def __init__(self, variant: str, folder: Path, provider: Provider) -> None:
        folder.mkdir(exist_ok=True)
        config = folder / "config.yaml"
        config.write_text(proxy_config(variant, provider))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process = subprocess.Popen(  # noqa: S603  (LiteLLM's own command)
            [
                Path(sys.executable).with_name("litellm"),
                "--config",
                config,
                "--port",
                str(self._port),
                "--host",
                "127.0.0.1",
            ],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "SWITCHLOG_SESSIONS": str(folder / "sessions")},
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self._request("/health/liveliness", None)
                return
            time.sleep(0.2)
        self.kill()
        raise RuntimeError("the proxy did not start within two minutes")

    def turns(self, session: str, count: int) -> list[str]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self._turn(session), range(count)))

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _turn(self, session: str) -> str:
        body = {
            "model": PRIMARY,
            "messages": [{"role": "user", "content": "hello"}],
            "metadata": {"session_id": session},
        }
        try:
            reply = json.loads(self._request("/v1/chat/completions", body))
        except OSError as error:
            return type(error).__name__
        return str(reply["choices"][0]["message"]["content"]).removeprefix("answer of ")

    def _request(self, path: str, body: object) -> bytes:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": "Bearer sk-bench"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  (this machine)
            data: bytes = answer.read()
            return data


def proxy_config(variant: str, provider: Provider) -> str:
    """What its user writes; JSON is YAML."""
    settings: dict[str, object] = {"fallbacks": [{PRIMARY: list(CHAIN[1:])}], "num_retries": 0}
    if variant == "best":
        settings |= {"allowed_fails": 0, "cooldown_time": provider.retry_after}
    config: dict[str, object] = {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_base": provider.url, "api_key": "none"},
            }
            for name in CHAIN
        ],
        "router_settings": settings,
        "general_settings": {"master_key": "sk-bench"},
    }
    if variant == "switchlog":
        config["litellm_settings"] = {"callbacks": ["eventlog.gateways.litellm.memory"]}
    return json.dumps(config)


@dataclass
class Cell:
    """What one gateway did in one variant."""

    before: int = 0
    first: int = 0
    later: int = 0
    end: int = 0
    back: bool = False
    strange: list[str] = field(default_factory=list)


def play(kind: str, variant: str) -> Cell:
    """The story."""
    with Provider() as provider, tempfile.TemporaryDirectory(prefix="switchlog-bench-") as name:
        provider.limited, provider.retry_after = {PRIMARY}, int(COOLDOWN[kind])
        cell, gateway = Cell(), start(kind, variant, Path(name), provider)
        try:
            cell.before = turns(gateway, provider, cell, 3)
            told = time.time()  # the last moment at which the provider can have asked for peace
            gateway.kill()
            gateway = start(kind, variant, Path(name), provider)
            cell.first = turns(gateway, provider, cell, 1)
            cell.later = turns(gateway, provider, cell, 2)
            if variant != "switchlog":
                told = time.time()
            if time.time() > told + provider.retry_after:
                cell.strange.append(f"the cooldown of {provider.retry_after} s was over before its turns were")
            time.sleep(max(0.0, told + provider.retry_after + 1 - time.time()))
            provider.limited, provider.hold = set(), 0.5
            since = len(provider.asked)
            gateway.turns(SESSIONS[0], 8)
            cell.end = provider.count(PRIMARY, since)
            cell.back = gateway.turns(SESSIONS[0], 1) == [PRIMARY]
        finally:
            gateway.kill()
    return cell


def start(kind: str, variant: str, folder: Path, provider: Provider) -> Gateway:
    if kind == "proxy":
        return Proxy(variant, folder, provider)
    return Child(kind, variant, folder / "sessions", provider)


def turns(gateway: Gateway, provider: Provider, cell: Cell, each: int) -> int:
    """So many turns of each session; the requests that the primary got."""
    since = len(provider.asked)
    for _ in range(each):
        for session in SESSIONS:
            (answered,) = gateway.turns(session, 1)
            if answered not in CHAIN:
                cell.strange.append(answered)
    return provider.count(PRIMARY, since)


def rows(kinds: list[str]) -> Iterator[str]:
    """The table, line by line as it is played."""
    yield f"{'requests to the limited primary':<44}{'before':>8}{'first':>7}{'later':>7}{'end':>5}  back"
    yield f"{'(9 turns, SIGKILL, restart, 3 turns, 6 turns, 8 at once)':<60}"
    for kind in kinds:
        if importlib.util.find_spec(NEEDS[kind]) is None:
            yield f"{NAMES[kind]}: {NEEDS[kind]} is not installed"
            continue
        for variant, told in VARIANTS.items():
            if (kind, variant) == ("pydantic", "best"):
                yield f"{NAMES[kind]}, {told}: it has none that remember"
                continue
            cell = play(kind, variant)
            figures = f"{cell.before:>8}{cell.first:>7}{cell.later:>7}{cell.end:>5}  {'yes' if cell.back else 'no'}"
            yield f"{NAMES[kind] + ', ' + told:<44}{figures}" + (f"  {set(cell.strange)}" if cell.strange else "")
    if set(kinds) & {"router", "proxy"}:
        yield "LiteLLM with Redis: none is used here; it keeps cooldowns over a restart while their TTL lives"


def killed(kinds: list[str]) -> Iterator[str]:
    """The second table: kills at random moments."""
    from benchmarks.gateway_kills import KILLS, TURNS, run

    title = f"{KILLS} kills in {TURNS} turns, with switchlog"
    yield f"{title:<44}{'requests':>9}{'failures':>9}{'lost':>6}{'wasted':>8}"
    for kind in kinds:
        if importlib.util.find_spec(NEEDS[kind]) is not None:
            verdict = run(kind, seed=1)
            figures = f"{verdict.requests:>9}{verdict.failures:>9}{verdict.lost:>6}{verdict.wasted:>8}"
            faults = "  DAMAGED" * verdict.damaged + f"  {verdict.unanswered} unanswered" * bool(verdict.unanswered)
            yield f"{NAMES[kind]:<44}{figures}{faults}"


def versions() -> str:
    """When, where and with what."""
    from importlib.metadata import version

    packages = ("litellm", "pydantic-ai-slim", "openai")
    known = [
        f"{one} {version(one)}" for one in packages if importlib.util.find_spec(one.split("-slim")[0].replace("-", "_"))
    ]
    return f"{date.today():%Y-%m-%d}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, {', '.join(known)}"  # noqa: DTZ011


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *NAMES], help="these only")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the tables between the marks of a page")
    options = parser.parse_args()
    kinds, told = options.kinds or list(NAMES), []
    parts = (rows(kinds), [""], killed(kinds), [""], [versions()])
    for line in itertools.chain.from_iterable(parts):
        print(line, flush=True)
        told.append(line)
    if options.write is not None:
        write(options.write, "bench-gateways", told)


def write(page: Path, mark: str, told: list[str]) -> None:
    """Put the lines between a page's marks."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")
    _, end, after = rest.partition(f"<!-- /{mark} -->")
    if not begin or not end:
        raise SystemExit(f"{page}: no <!-- {mark} --> … <!-- /{mark} --> to write between")
    table = "\n".join(told)
    page.write_text(f"{before}{begin}\n```text\n{table}\n```\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
