"""A provider for the demo: speaks like OpenAI's chat completions, on 127.0.0.1, in a process of its own.

Law: an independent witness. Imports nothing of ours, knows nothing of failover, and writes down what was really asked
of it: a line when a request begins, before anything is answered, and one when it ends.

    python -m cli.demo_provider --log provider.ndjson --seed 1

prints its port, and then ``held TURN`` for each request that it withholds (``--hold``: the first request of that turn
gets no answer, so that its gateway can be killed while it waits). Ends when its standard input does: nobody is left
behind, whatever happens to who started it.
"""

import argparse
import contextlib
import json
import random
import socketserver
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REFUSES = (0.25, 0.45)
ANSWERS = (0.20, 0.35)
"""Seconds from a request to its answer; which, is up to the seed."""


class Provider(ThreadingHTTPServer):
    """The server with its script (who is rate limited, how long it takes) and its request log."""

    daemon_threads = True

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.options = options
        self.holding = {turn for turn in options.hold.split(",") if turn}
        self._requests = 0
        self._lock = threading.Lock()
        self._log = Path(options.log).open("a", encoding="utf-8")  # noqa: SIM115  (as long as the process)

    def server_bind(self) -> None:
        """Without HTTPServer's look at the host's name, which takes seconds where no name server answers."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def begin(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._requests += 1
            asked = {"number": self._requests, **request}
            self._write("begin", asked)
        return asked

    def end(self, asked: dict[str, Any], status: int) -> None:
        with self._lock:
            self._write("end", {**asked, "status": status})

    def takes(self, asked: dict[str, Any], span: tuple[float, float]) -> None:
        """Let the time of an answer pass: the same for the same seed, turn and model, however often it is asked."""
        script = random.Random(f"{self.options.seed} {asked['turn']} {asked['model']}")  # noqa: S311  (no secret)
        time.sleep(script.uniform(*span) / self.options.speed)

    def holds(self, turn: str) -> bool:
        """Whether this request is to be withheld: true once for each turn of ``--hold``."""
        with self._lock:
            held = turn in self.holding
            self.holding.discard(turn)
        return held

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._log.write(json.dumps({"event": event, "time": now, **fields}) + "\n")
        self._log.flush()


class Handler(BaseHTTPRequestHandler):
    """One request: write it down, let the time pass, write down the end, answer."""

    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        try:
            model = str(json.loads(body)["model"])
        except (ValueError, KeyError, TypeError):
            return self._answer(400, {"error": {"message": "no JSON object with a model"}})
        if self.path != "/v1/chat/completions":
            return self._answer(404, {"error": {"message": f"no such path: {self.path}"}})
        turn = self.headers.get("x-turn", "")
        asked = self.server.begin({"session": self.headers.get("x-session", ""), "turn": turn, "model": model})
        if self.server.holds(turn):
            return self._withhold(turn)
        limited = model == self.server.options.limited
        self.server.takes(asked, REFUSES if limited else ANSWERS)
        # The end is written before the answer is sent: who has the answer finds the whole story in the log.
        self.server.end(asked, 429 if limited else 200)
        if limited:
            refusal = {"message": f"Rate limit reached for {model}", "type": "rate_limit_exceeded"}
            return self._answer(429, {"error": refusal}, {"retry-after": str(self.server.options.retry_after)})
        message = {"role": "assistant", "content": f"reply {asked['number']} from {model}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return self._answer(200, {"object": "chat.completion", "model": model, "choices": [choice]})

    def _withhold(self, turn: str) -> None:
        print("held", turn, flush=True)
        with contextlib.suppress(OSError):
            self.rfile.read(1)  # returns when the client is gone
        self.close_connection = True

    def _answer(self, status: int, fields: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(fields).encode()
        with contextlib.suppress(OSError):  # the client may be gone by now
            self.send_response(status)
            for name, value in {"content-type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The request log says it all."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo_provider", description="A loopback LLM provider for the demo.")
    parser.add_argument("--log", required=True, help="its request log (NDJSON)")
    parser.add_argument("--seed", default="1", help="of its delays")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times faster than life")
    parser.add_argument("--limited", default="kimi/kimi2.5", help="the model that answers 429")
    parser.add_argument("--retry-after", type=int, default=300, help="what the 429 asks for, in seconds")
    parser.add_argument("--hold", default="", help="turns (comma-separated) whose first request gets no answer")
    provider = Provider(parser.parse_args())
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    print(provider.server_port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
