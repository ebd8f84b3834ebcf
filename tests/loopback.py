"""A provider on 127.0.0.1 that answers as it is told, and keeps its own log of what it was asked."""

import http.client
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

PATIENCE: Final = 20.0
"""Seconds after which a test that waits for something has failed."""


@dataclass(frozen=True)
class Answer:
    """What the provider says; ``promised`` bytes of body are announced, whatever is sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = "a fine answer"
    promised: int | None = None


LIMITED: Final = Answer(429, body="Rate limit reached")

Script = Callable[[str], Answer]


class _Server(ThreadingHTTPServer):
    request_queue_size = 64  # of more connections at once than this, some would wait for a second


class Provider:
    """Serves ``POST /<model>``: ``script(model)`` decides the answer, ``requests`` names the models asked, in order."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[str] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, model: str) -> int:
        with self._lock:
            return self.requests.count(model)

    def ask(self, model: str) -> str:
        """What a gateway's client does; raises HTTPError on a refusal."""
        try:
            with urllib.request.urlopen(f"{self.url}/{model}", data=b"{}", timeout=PATIENCE) as reply:  # noqa: S310
                return reply.read().decode()
        except urllib.error.HTTPError as error:
            error.close()
            raise

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                model = self.path.lstrip("/")
                with provider._lock:
                    provider.requests.append(model)
                answer = provider.script(model)
                body = answer.body.encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body) if answer.promised is None else answer.promised))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def healthy(_model: str) -> Answer:
    return Answer()


def limits(*models: str, answer: Answer = LIMITED) -> Script:
    """A script that refuses these models and answers for all others."""
    return lambda model: answer if model in models else Answer()


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def get(port: int, *, timeout: float = PATIENCE) -> bytes:
    """A request by http.client, bare."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", "/kimi/kimi2.5", body=json.dumps({}))
        return connection.getresponse().read()
    finally:
        connection.close()
