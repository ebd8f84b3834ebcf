"""A real OpenClaw gateway of our own: configured, started, spoken with, killed.

Law: touches nothing of the user's. Home, temporary files and logs lie in a folder that the caller gives and takes away;
the environment holds nothing but what is named here, so that no key and no proxy of the user's gets in; everything
listens on this machine only. What was started is gone when :meth:`Host.stop` returns.
"""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchmarks.openclaw_install import Programs
from benchmarks.openclaw_provider import Provider

CHAIN: Final = ("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")
_TOKEN: Final = "of-this-run-only"  # noqa: S105  (a gateway that nobody else reaches)
_CLIENT: Final = Path(__file__).with_name("openclaw_client.mjs")
_ASIDE: Final = (
    "import fs from 'node:fs'; const look = fs.lstatSync;"
    "fs.lstatSync = (path, ...rest) => look(path === '/tmp/openclaw' ? '/dev/null' : path, ...rest)"
)
"""Its log lies in /tmp/openclaw whatever is configured, unless that is no folder: it must not go into the user's."""

_START: Final = 120.0
_TURN: Final = 90.0
_QUIET: Final = 15
"""Looks without a lock, 20 ms apart, after which nothing is being written."""


class Host:
    """One OpenClaw with a folder of its own; :meth:`start` it as often as it is to live."""

    def __init__(self, programs: Programs, folder: Path, provider: Provider, **defaults: object) -> None:
        """``defaults``: more of ``agents.defaults`` of its configuration."""
        self._programs, self._home = programs, folder / "home"
        self._log = folder / "gateway.log"
        self._gateway: subprocess.Popen[bytes] | None = None
        self._client: subprocess.Popen[str] | None = None
        self._heard: queue.Queue[dict[str, Any]] = queue.Queue()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        for name in ("home/.openclaw", "home/ws", "tmp"):
            (folder / name).mkdir(parents=True)
        self._environment = {
            "HOME": str(self._home),
            "TMPDIR": str(folder / "tmp"),
            "PATH": f"{programs.node.parent}{os.pathsep}{os.defpath}",
            "TZ": "UTC",
            "NO_COLOR": "1",
            "OPENCLAW_GATEWAY_TOKEN": _TOKEN,
            "OPENCLAW_SKIP_CHANNELS": "1",
            "OPENCLAW_NO_RESPAWN": "1",
            "OPENCLAW_DISABLE_BONJOUR": "1",
        }
        config = configuration(self._port, provider, self._home / "ws", defaults)
        (self._home / ".openclaw" / "openclaw.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
        self._configured = False

    def start(self) -> None:
        """Until it answers."""
        if not self._configured:  # once by its own command, as everybody's: that leaves its version in the file
            self._gateway = self._run("config", "set", "update.checkOnStart", "false")
            self._configured = self._gateway.wait(_START) == 0
        self._gateway = self._run("gateway", "run", "--port", str(self._port))
        deadline = time.monotonic() + _START
        while not self._connect():
            if self._gateway.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"OpenClaw did not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.3)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill it, or ask it to go; nothing of it is left either way."""
        if self._client is not None:
            self._client.kill()
            self._client.wait()
        if self._gateway is not None:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                self._gateway.send_signal(how)
                self._gateway.wait(30)
            with contextlib.suppress(ProcessLookupError):  # whatever it has started itself
                os.killpg(self._gateway.pid, signal.SIGKILL)
            self._gateway.wait()
        self._client = self._gateway = None

    def turn(self, key: str, text: str) -> tuple[str, str]:
        """Say something and wait for the end of the turn: its state (``final``, ``error``, ``aborted``) and text."""
        return self.wait(self.send(key, text))

    def send(self, key: str, text: str) -> str:
        """Begin a turn; what :meth:`wait` needs."""
        run = str(uuid.uuid4())
        self.request("chat.send", {"sessionKey": key, "message": text, "idempotencyKey": run})
        return run

    def wait(self, run: str, timeout: float = _TURN) -> tuple[str, str]:
        """The end of a turn."""
        deadline = time.monotonic() + timeout
        while True:
            payload = self._hear(deadline).get("payload") or {}
            if payload.get("runId") == run and "state" in payload:
                message = payload.get("message") or {}
                said = "".join(str(part.get("text", "")) for part in message.get("content") or [])
                return payload["state"], said or str(payload.get("errorMessage", ""))

    def request(self, method: str, params: dict[str, object]) -> dict[str, Any]:
        """One request to the gateway; its answer."""
        assert self._client is not None
        assert self._client.stdin is not None
        name = str(uuid.uuid4())
        self._client.stdin.write(json.dumps({"id": name, "method": method, "params": params}) + "\n")
        self._client.stdin.flush()
        deadline = time.monotonic() + _TURN
        aside = []
        while (heard := self._hear(deadline)).get("id") != name:
            aside.append(heard)
        for one in aside:  # ends of turns that somebody will wait for
            self._heard.put(one)
        if not heard["ok"]:
            raise RuntimeError(f"{method}: {heard.get('error')}")
        payload: dict[str, Any] = heard.get("payload") or {}
        return payload

    def transcript(self, key: str) -> Path:
        """The file of a session that has begun."""
        folder = self._home / ".openclaw" / "agents" / "main" / "sessions"
        entry = json.loads((folder / "sessions.json").read_text(encoding="utf-8"))[key]
        return folder / f"{entry['sessionId']}.jsonl"

    def rest(self, transcript: Path) -> None:
        """Until the host has been done with its session files for a while."""
        deadline, quiet = time.monotonic() + _TURN, 0
        while quiet < _QUIET:
            quiet = 0 if any(transcript.parent.glob("*.lock")) else quiet + 1
            if time.monotonic() > deadline:
                raise RuntimeError(f"{transcript.parent}: still locked")
            time.sleep(0.02)

    def _run(self, *words: str) -> subprocess.Popen[bytes]:
        """A command of OpenClaw's."""
        node, openclaw = map(str, self._programs)
        command = [node, "--import", f"data:text/javascript,{quote(_ASIDE)}", openclaw, *words]
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603  (installed above)
                command, stdout=log, stderr=log, cwd=self._home, env=self._environment, start_new_session=True
            )

    def _connect(self) -> bool:
        """Whether the gateway has let our operator in."""
        self._client = subprocess.Popen(  # noqa: S603  (our own)
            [str(self._programs.node), str(_CLIENT), str(self._port), _TOKEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            text=True,
        )
        self._heard = queue.Queue()
        threading.Thread(target=_listen, args=(self._client, self._heard), daemon=True).start()
        try:
            return bool(self._hear(time.monotonic() + 15).get("ok"))
        except RuntimeError:
            self._client.kill()
            self._client.wait()
            return False

    def _hear(self, deadline: float) -> dict[str, Any]:
        try:
            heard = self._heard.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            heard = {}
        if not heard:
            raise RuntimeError(f"the gateway says nothing more:\n{self._log.read_text(errors='replace')[-3000:]}")
        return heard


def _listen(client: "subprocess.Popen[str]", heard: "queue.Queue[dict[str, Any]]") -> None:
    assert client.stdout is not None
    for line in client.stdout:
        heard.put(json.loads(line))
    heard.put({})


def configuration(port: int, provider: Provider, workspace: Path, defaults: dict[str, object]) -> dict[str, object]:
    """What an operator writes: a chain of models, all played by ``provider``."""
    models: dict[str, list[str]] = {}
    for model in CHAIN:
        name, _, model_id = model.partition("/")
        models.setdefault(name, []).append(model_id)
    free = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}
    common = {"reasoning": False, "input": ["text"], "cost": free, "contextWindow": 128000, "maxTokens": 4096}
    providers = {
        name: {
            "baseUrl": provider.url(name),
            "apiKey": "none",
            "api": "openai-completions",
            "models": [{"id": one, "name": one, **common} for one in ids],
        }
        for name, ids in models.items()
    }
    agents = {
        "workspace": str(workspace),
        "skipBootstrap": True,
        "timeoutSeconds": 60,
        "model": {"primary": CHAIN[0], "fallbacks": list(CHAIN[1:])},
        "heartbeat": {"every": "0m"},
        **defaults,
    }
    return {
        "gateway": {"mode": "local", "bind": "loopback", "port": port, "auth": {"mode": "token", "token": _TOKEN}},
        "models": {"mode": "merge", "providers": providers},
        "agents": {"defaults": agents},
        "update": {"checkOnStart": False},
    }
