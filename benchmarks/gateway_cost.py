"""What the memory costs a request that needs none, and what a failure costs beside a bare synced write.

Law: pairs of the same work done in turn, with and without; each pair checks that both did it, and that a healthy
session wrote nothing.
"""

import argparse
import http.client
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.gateway_provider import Provider
from benchmarks.gateways import versions, write
from eventlog import Chain, Session

PAIRS: Final = 10
FAILURES: Final = 100


def healthy(hold: float, requests: int) -> tuple[str, list[float]]:
    """A request to a provider on this machine that takes ``hold`` seconds, through `call` against directly."""
    with Provider() as provider, tempfile.TemporaryDirectory(prefix="switchlog-bench-") as name:
        provider.hold = hold
        session = Session.open(Path(name) / "s.jsonl", chain=Chain("kimi", "glm"))
        connection = http.client.HTTPConnection("127.0.0.1", provider.port)

        def ask(model: str) -> str:
            connection.request("POST", "/v1/chat/completions", json.dumps({"model": model, "messages": []}))
            return str(json.loads(connection.getresponse().read())["model"])

        def with_memory() -> None:
            for _ in range(requests):
                assert session.call(ask) == "kimi"

        def without() -> None:
            for _ in range(requests):
                assert ask("kimi") == "kimi"

        with_memory()
        size = session.path.stat().st_size
        ratios = pairs(with_memory, without)
        assert session.path.stat().st_size == size, "a healthy session wrote something"
        connection.close()
        session.close()
    taking = f"that takes {hold * 1000:.0f} ms" if hold else "that takes no time"
    return f"healthy request to a provider {taking}", ratios


def failing() -> tuple[str, list[float]]:
    """A failed attempt, recorded, against a bare write and fdatasync of the same bytes."""
    with tempfile.TemporaryDirectory(prefix="switchlog-bench-", dir=".") as name:
        session = Session.open(Path(name) / "s.jsonl", chain=Chain("kimi", "glm"))
        assert session.failed("kimi", reason="rate_limit", status=429, error="Rate limit reached")
        line = session.path.read_bytes().splitlines(keepends=True)[-1]
        bare = os.open(Path(name) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def with_memory() -> None:
            for _ in range(FAILURES):
                assert session.failed("kimi", reason="rate_limit", status=429, error="Rate limit reached")

        def without() -> None:
            for _ in range(FAILURES):
                assert os.write(bare, line) == len(line)
                os.fdatasync(bare)

        ratios = pairs(with_memory, without)
        os.close(bare)
        session.close()
    return "failed attempt recorded / bare write and fdatasync", ratios


def costs() -> Iterator[str]:
    """The table: the mean of ten ratios, and the interval in which it lies at 95 %."""
    yield f"{'cost, ten pairs in turn':<58}{'ratio':>7}  95 % interval"
    for told, ratios in (healthy(0.02, 50), healthy(0, 300), failing()):
        middle, half = statistics.fmean(ratios), 2.262 * statistics.stdev(ratios) / len(ratios) ** 0.5
        yield f"{told:<58}{middle:>6.3f}×  {middle - half:.3f} to {middle + half:.3f}"


def main() -> None:
    """Print the table; ``--write FILE`` also puts it between the marks of a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE")
    options, told = parser.parse_args(), []
    for line in (*costs(), "", versions()):
        print(line, flush=True)
        told.append(line)
    if options.write is not None:
        write(options.write, "gateway-costs", told)


def pairs(ours: Callable[[], None], bare: Callable[[], None]) -> list[float]:
    """The ratios of ten pairs, done in turn; one before them warms up."""
    timed(ours), timed(bare)
    found = []
    for number in range(PAIRS):
        first, second = (ours, bare) if number % 2 else (bare, ours)
        times = {first: timed(first), second: timed(second)}
        found.append(times[ours] / times[bare])
    return found


def timed(body: Callable[[], None]) -> float:
    began = time.perf_counter()
    body()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
