"""The provider that the gateways are measured against: on this machine only, it counts what it is really asked.

Law: believes nobody. Every request is written down when it arrives, before anything is answered. OpenAI's form of chat
completions; ``POST /control`` says which models are limited.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(slots=True)
class Asked:
    """One request, as it came."""

    model: str
    turn: str
    began: datetime
    ended: datetime | None = None
    status: int | None = None


class Provider:
    """A server in threads of this process; ``asked`` holds each request, in the order of arrival."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.turn = ""
        """What the requests that come now belong to."""
        self.limited: set[str] = set()
        self.refuses: Callable[[str], bool] = lambda model: model in self.limited
        self.retry_after = 5
        self.hold = 0.0
        """Seconds that an answer takes."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one packet: two would wait for each other's acknowledgement, 40 ms
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
                model = str(body["model"])
                asked = Asked(model, provider.turn, datetime.now(UTC))
                provider.asked.append(asked)
                time.sleep(provider.hold)
                refused = provider.refuses(model)
                asked.status = 429 if refused else 200
                try:
                    self._answer(model, refused=refused)
                finally:
                    asked.ended = datetime.now(UTC)

            def _answer(self, model: str, *, refused: bool) -> None:
                if refused:
                    error = {"error": {"message": "Rate limit reached", "type": "rate_limit_error", "code": "429"}}
                    self._send(429, error, {"retry-after": str(provider.retry_after)})
                    return
                message = {"role": "assistant", "content": f"answer of {model}"}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                answer = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
                self._send(200, {**answer, "usage": usage}, {})

            def _send(self, status: int, body: object, headers: dict[str, str]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Clients are killed here; that they are gone is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def count(self, model: str, since: int = 0) -> int:
        """Requests to the model among those that came after the first ``since``."""
        return sum(one.model == model for one in self.asked[since:])
