"""A provider on 127.0.0.1 that speaks as the real ones do: their paths, error bodies, headers and event streams."""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from loopback import PATIENCE


@dataclass(frozen=True)
class Reply:
    """What is sent: a ``body``, or an event stream's ``pieces``. ``ends``: as it should, or by a hang-up or a reset."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Sequence[str] | None = None
    ends: str = "well"


Script = Callable[[str], Reply]


def said(status: int, error: object, /, **headers: str) -> Reply:
    """A refusal with a JSON body; ``retry_after="7"`` is the header ``retry-after``."""
    return Reply(status, json.dumps(error), {name.replace("_", "-"): value for name, value in headers.items()})


def chat(text: str = "fine", model: str = "m") -> Reply:
    """A chat completion as OpenAI's."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    told = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}
    return Reply(body=json.dumps(told))


def delta(text: str, finish: str | None = None) -> str:
    """One event of OpenAI's stream."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    told = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(told)}\n\n"


def event(told: object, name: str | None = None) -> str:
    """Any event of a stream."""
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(told)}\n\n"


DONE: Final = "data: [DONE]\n\n"


def streamed(*pieces: str, ends: str = "well") -> Reply:
    return Reply(pieces=pieces, ends=ends)


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that was reset or has timed out is gone


class Host:
    """Answers every POST by ``script(model)``; ``requests`` names the models asked, in order."""

    def __init__(self, script: Script | Reply) -> None:
        self.script: Script = (lambda _: script) if isinstance(script, Reply) else script
        self.requests: list[str] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                told = self.rfile.read(int(self.headers.get("content-length", 0)))
                model = _model(self.path, told)
                with host._lock:
                    host.requests.append(model)
                reply = host.script(model)
                if reply.ends == "silent":
                    self.rfile.read(1)  # until the client hangs up
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.pieces is None:
                    self._whole(reply)
                else:
                    self._streamed(reply, reply.pieces)
                if reply.ends == "reset":
                    self.wfile.flush()
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True

            def _whole(self, reply: Reply) -> None:
                body = reply.body.encode()
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _streamed(self, reply: Reply, pieces: Sequence[str]) -> None:
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(f"{len(piece.encode()):x}\r\n{piece}\r\n".encode())
                if reply.ends == "well":
                    self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _model(path: str, body: bytes) -> str:
    found = re.search(r"/models/([^:/]+):", path)  # Google's
    try:
        told: Any = json.loads(body)
    except ValueError:
        told = {}
    return found[1] if found else str(told.get("model") or path.strip("/"))
