"""The demo's gateway: turns come in on stdin, answers go out on stdout. A real one, as short as it gets.

Law: an example to read. All that makes it remember is ``Session.open`` and ``session.call``.

    python -m cli.demo_gateway --provider http://127.0.0.1:8080 --transcript session.jsonl
    {"turn": "t-1", "text": "hello"}                                    one line in ...
    {"turn": "t-1", "ms": 412, "model": "zhipu/glm-5.1", "text": "…"}   ... and one out

``--memory ram`` is for comparison: the same gateway, but each start begins a new log (``session.1.jsonl``,
``session.2.jsonl`` …), so that what it has learned dies with the process.
"""

import argparse
import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from eventlog import AllModelsFailed, Chain, Session

CHAIN = Chain("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")

# No proxy: the demo's provider listens on this machine.
web = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(provider: str, model: str, turn: dict[str, str], session: str) -> dict[str, Any]:
    """One request to one model. A 429 raises HTTPError, which the session knows how to read."""
    body = {"model": model, "messages": [{"role": "user", "content": turn["text"]}]}
    headers = {"content-type": "application/json", "x-session": session, "x-turn": turn["turn"]}
    request = urllib.request.Request(f"{provider}/v1/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
    with web.open(request, timeout=60) as response:
        reply: dict[str, Any] = json.load(response)
    return {"model": reply["model"], "text": reply["choices"][0]["message"]["content"]}


def answer(provider: str, session: Session, turn: dict[str, str]) -> dict[str, Any]:
    """The answer to a turn, from the best model that isn't known to fail."""
    try:
        return session.call(lambda model: ask(provider, model, turn, session.id), turn=turn["turn"])
    except AllModelsFailed as error:
        return {"error": str(error)}


def serve(provider: str, session: Session) -> None:
    """Answer turn after turn, until stdin ends."""
    for line in sys.stdin:
        turn = json.loads(line)
        began = time.monotonic()
        reply = answer(provider, session, turn)
        ms = round((time.monotonic() - began) * 1000)
        print(json.dumps({"turn": turn["turn"], "ms": ms, **reply}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo_gateway", description="A gateway with a memory, for the demo.")
    parser.add_argument("--provider", required=True)
    parser.add_argument("--transcript", required=True, type=Path)
    parser.add_argument("--memory", choices=["ram", "switchlog"], default="switchlog")
    options = parser.parse_args()
    path: Path = options.transcript
    if options.memory == "ram":
        path = path.with_suffix(f".{1 + len(list(path.parent.glob(f'{path.stem}.*.jsonl')))}.jsonl")
    serve(options.provider, Session.open(path, chain=CHAIN))


if __name__ == "__main__":
    main()
