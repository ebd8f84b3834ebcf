"""A provider that speaks OpenAI's language on the loopback, and LiteLLM's proxy as a process that can be killed."""

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loopback import PATIENCE, Answer, Provider, free_port

KIMI: Final = "kimi"
GLM: Final = "glm"
QWEN: Final = "qwen"
MODELS: Final = (KIMI, GLM, QWEN)
FALLBACKS: Final = [{KIMI: [GLM]}, {GLM: [QWEN]}]
"""As LiteLLM walks them: kimi, glm, qwen."""

STARTS: Final = 120.0
"""Seconds in which a proxy has to be there; LiteLLM's own import takes most of them."""

HELPER: Final = """
from pathlib import Path

from eventlog.gateways import litellm_requests
from litellm.proxy._types import UserAPIKeyAuth

MODELS = {"sk-all": [], "sk-kimi": ["kimi"], "sk-ends": ["kimi", "qwen"]}


async def who(request, api_key):
    return UserAPIKeyAuth(api_key=api_key, models=MODELS[api_key])


def may_break(name):
    real = getattr(litellm_requests, name)

    def either(*args, **options):
        if Path("bug").exists() and Path("bug").read_text() == name:
            raise RuntimeError("a bug of ours")
        return real(*args, **options)

    setattr(litellm_requests, name, either)


for name in ("glance", "choose", "is_news", "answered", "of_exception", "off_loop"):
    may_break(name)
"""
"""Beside the proxy's config.yaml: whose key may use what, and a file ``bug`` that names a function of ours to break."""


def said(text: str) -> Answer:
    """A completion, as OpenAI's API gives it."""
    message = {"role": "assistant", "content": text}
    body = {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return Answer(headers={"content-type": "application/json"}, body=json.dumps(body))


def refused(status: int, text: str, **headers: str) -> Answer:
    """A refusal, as OpenAI's API words it."""
    body = json.dumps({"error": {"message": text, "code": status}})
    return Answer(status, {"content-type": "application/json", **headers}, body)


def limited(retry_after: int | None = None) -> Answer:
    """Too many requests."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return refused(429, "Rate limit reached", **headers)


def streamed(*words: str, fails: str = "") -> Answer:
    """A stream of these words. One that fails says so behind them; without words it breaks before its first byte."""
    lines = [_chunk({"role": "assistant", "content": word}) for word in words]
    if fails:
        lines.append({"error": {"message": fails, "type": "server_error", "code": "server_error"}})
    else:
        lines.append(_chunk({}, "stop"))
    body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
    kind = {"content-type": "text/event-stream"}
    return Answer(headers=kind, body=body if words else "", promised=None if words else 100)


def _chunk(delta: dict[str, str], end: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": end}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


class Upstream(Provider):
    """All the models' provider. ``answers`` is what each one says now, ``waits`` what it waits for before it does."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.answers: dict[str, Answer] = {}
        self.waits: dict[str, Callable[[], bool]] = {}
        self._news = threading.Condition()

    def _answer(self, path: str) -> Answer:
        model = path.partition("/")[0]
        with self._news:
            self._news.notify_all()
            if model in self.waits:
                self._news.wait_for(self.waits[model], PATIENCE)
        return self.answers.get(model, said(f"I am {model}"))

    def asked(self) -> dict[str, int]:
        """How often each model was asked."""
        with self._lock:
            paths = [path.partition("/")[0] for path in self.requests]
        return {model: paths.count(model) for model in MODELS}


@contextmanager
def counting(upstream: Upstream) -> Iterator[dict[str, int]]:
    """What each model was asked inside the block; filled in at its end."""
    before, counts = upstream.asked(), dict.fromkeys(MODELS, 0)
    yield counts
    counts.update({model: count - before[model] for model, count in upstream.asked().items()})


def deployments(url: str) -> list[dict[str, Any]]:
    """One deployment for each group, as in ``model_list``."""
    return [
        {
            "model_name": model,
            "litellm_params": {"model": f"openai/{model}", "api_base": f"{url}/{model}", "api_key": "none"},
            "model_info": {"id": f"{model}-1"},
        }
        for model in MODELS
    ]


def config(url: str, **extra: Any) -> dict[str, Any]:
    """The proxy's configuration; ours is the line of the callbacks, and where the sessions lie."""
    return {
        "model_list": deployments(url),
        "litellm_settings": {
            "callbacks": ["eventlog.gateways.litellm.memory"],
            "fallbacks": FALLBACKS,
            "enable_post_custom_auth_checks": True,
            "use_chat_completions_url_for_anthropic_messages": True,
        },
        "callback_settings": {"switchlog": {"sessions": "memory"}},
        "general_settings": {
            "custom_auth": "world.who",
            "custom_auth_run_common_checks": True,
            "master_key": f"sk-{secrets.token_hex(32)}",
        },
        **extra,
    }


@dataclass
class Reply:
    """What a client of the proxy sees."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def says(self) -> str:
        """The answer, of a stream or in one piece."""
        if not self.text.startswith("data:"):
            answer = json.loads(self.text)
            anthropic = "content" in answer
            return str(answer["content"][0]["text"] if anthropic else answer["choices"][0]["message"]["content"])
        lines = [line[6:] for line in self.text.splitlines() if line.startswith("data: {")]
        deltas = [choice["delta"] for line in lines for choice in json.loads(line).get("choices", [])]
        return "".join(delta.get("content") or "" for delta in deltas)


class Proxy:
    """``litellm --config``, in a process group of its own."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], workers: int = 1) -> None:
        self.folder = folder
        self.port = free_port()
        (folder / "world.py").write_text(HELPER)
        (folder / "config.yaml").write_text(json.dumps(settings))  # JSON is YAML
        command = [str(Path(sys.executable).parent / "litellm"), "--config", "config.yaml", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--num_workers", str(workers)]
        command += ["--run_gunicorn"] * (workers > 1)  # imports LiteLLM once, where uvicorn does for each worker
        environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*", "LITELLM_TELEMETRY": "0"}
        self.output = folder / f"proxy-{self.port}.log"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def wait(self) -> "Proxy":
        """Until it answers."""
        end = time.monotonic() + STARTS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                if self.get("/health/liveliness").status == 200:
                    return self
            time.sleep(0.1)
        raise AssertionError(f"no proxy: {self.output.read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL, to it and its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)

    def get(self, path: str) -> Reply:
        return self._send("GET", path, None, {})

    def ask(
        self,
        session: str | None = None,
        model: str = KIMI,
        *,
        key: str = "sk-all",
        headers: Mapping[str, str] | None = None,
        path: str = "/v1/chat/completions",
        **body: Any,
    ) -> Reply:
        """One turn of a session."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **body}
        if session is not None:
            body.setdefault("metadata", {"session_id": session})
        return self._send("POST", path, body, {"authorization": f"Bearer {key}", **(headers or {})})

    def together(self, turns: int, session: str, **body: Any) -> list[Reply]:
        """So many turns of one session at once."""
        with ThreadPoolExecutor(turns) as pool:
            return [turn.result() for turn in [pool.submit(self.ask, session, **body) for _ in range(turns)]]

    def _send(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = {"content-type": "application/json", **headers}
            connection.request(method, path, None if body is None else json.dumps(body), content)
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, response.read().decode(), told)
        finally:
            connection.close()
