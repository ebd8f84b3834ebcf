"""The provider that OpenClaw is measured against: on this machine only, it keeps every history that it is sent.

Law: believes nobody. A request is written down when it arrives, before anything is answered. OpenAI's form of chat
completions, as a stream where one is asked for; to ``question 7`` the answer is ``answer 7``.
"""

import json
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

SUMMARY: Final = "summary of what was said"
"""What is answered to a host that wants its history made shorter."""

SPOKEN: Final = re.compile(rf"(?:question|answer) \d+|{SUMMARY}")
"""What the users and the models of the benchmark say, between what the host adds."""


class Message(NamedTuple):
    """One message of a history, as the model sees it."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    model: str
    history: tuple[Message, ...]
    """What was said by users and models, the newest last; no instructions of the host."""


class Provider:
    """A server in threads of this process; ``asked`` holds each request, in the order of arrival."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.hold = 0.0
        """Seconds that an answer takes."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one packet

            def do_POST(self) -> None:
                body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
                name = self.path.strip("/").split("/")[0]  # each provider has a path of its own
                asked = Asked(f"{name}/{body['model']}", tuple(_said(body["messages"])))
                provider.asked.append(asked)
                time.sleep(provider.hold)
                provider.answer(self, asked, stream=bool(body.get("stream")))

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Hosts are killed here; that they are gone is no news."""

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

    def url(self, name: str) -> str:
        """The address of one of the providers that this one plays."""
        return f"http://127.0.0.1:{self.port}/{name}/v1"

    def answer(self, to: BaseHTTPRequestHandler, asked: Asked, *, stream: bool) -> None:
        """Answer one request."""
        text, model = reply(asked.history), asked.model.partition("/")[2]
        usage = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
        if not stream:
            message = {"role": "assistant", "content": text}
            send(to, 200, "application/json", _whole("chat.completion", model, "message", message, "stop", usage))
            return
        delta = {"role": "assistant", "content": text}
        parts = [
            _whole("chat.completion.chunk", model, "delta", delta, None, None),
            _whole("chat.completion.chunk", model, "delta", {}, "stop", usage),
            b"[DONE]",
        ]
        send(to, 200, "text/event-stream", b"".join(b"data: " + part + b"\n\n" for part in parts))


def reply(history: tuple[Message, ...]) -> str:
    """What is answered."""
    newest = history[-1].text
    if "<conversation>" in newest:
        return SUMMARY
    spoken = SPOKEN.findall(newest)
    return str(spoken[-1]).replace("question", "answer") if spoken else "what?"


def send(to: BaseHTTPRequestHandler, status: int, kind: str, data: bytes) -> None:
    """One answer."""
    to.send_response(status)
    to.send_header("content-type", kind)
    to.send_header("content-length", str(len(data)))
    to.end_headers()
    to.wfile.write(data)
    to.wfile.flush()


def _said(messages: list[dict[str, Any]]) -> list[Message]:
    """Users' and models' messages."""
    found = []
    for one in messages:
        if one["role"] in ("user", "assistant"):
            content = one.get("content") or ""
            parts = content if isinstance(content, list) else [{"text": content}]
            found.append(Message(one["role"], "".join(str(part.get("text", "")) for part in parts)))
    return found


def _whole(kind: str, model: str, key: str, said: object, finish: str | None, usage: object) -> bytes:
    choice = {"index": 0, key: said, "finish_reason": finish}
    answer = {"id": "c", "object": kind, "created": 1, "model": model, "choices": [choice]}
    return json.dumps(answer if usage is None else {**answer, "usage": usage}).encode()
