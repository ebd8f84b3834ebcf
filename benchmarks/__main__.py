"""`make bench`: what the log costs beside the bare thing.

Law: every row is a ratio of two things done in turn on the same machine in the same run, its median over the pairs with
the smallest and the largest; each pair checks that both did the same work.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from eventlog import Chain, Session, read_events
from replay import fold

PAIRS = 9
CHAIN = Chain("kimi/kimi2.5", "zhipu/glm-5.1")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="switchlog-bench-") as name:
        folder = Path(name)
        print(f"{'work':<58}{'median':>8}{'least':>8}{'most':>8}")
        row("durable append / bare write+fdatasync of the same bytes", *appends(folder, "disk"))
        row('append with durability="process" / bare os.write', *appends(folder, "process"))
        row("fold of a 20 MB transcript / orjson.loads of each line", *folds(folder))
        print(f"healthy request through call: {healthy(folder):.0f} µs")


def row(work: str, ours: Callable[[], None], bare: Callable[[], None]) -> None:
    """One ratio, from pairs measured in turn."""
    ratios = [timed(ours) / timed(bare) for _ in range(PAIRS + 1)][1:]  # the first pair warms up
    print(f"{work:<58}{statistics.median(ratios):>7.2f}×{min(ratios):>7.2f}×{max(ratios):>7.2f}×")


def timed(body: Callable[[], None]) -> float:
    began = time.perf_counter()
    body()
    return time.perf_counter() - began


def appends(folder: Path, durability: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """100 failures through a session, and 100 lines of the same length by hand."""
    path = folder / f"{durability}.jsonl"
    session = Session.open(path, chain=CHAIN, durability="disk" if durability == "disk" else "process")
    fd = os.open(folder / f"{durability}.bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def ours() -> None:
        for _ in range(100):
            assert session.failed("kimi/kimi2.5", reason="rate_limit", status=429, error="Rate limit reached")

    ours()
    line = path.read_bytes().splitlines(keepends=True)[-1]

    def bare() -> None:
        for _ in range(100):
            assert os.write(fd, line) == len(line)
            if durability == "disk":
                os.fdatasync(fd)

    return ours, bare


def folds(folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """A transcript whose lines are the host's, mostly; 3 % of the bytes are ours."""
    path = folder / "mixed.jsonl"
    session = Session.open(path, chain=CHAIN, durability="process")
    dice = random.Random(60466)  # noqa: S311  (seeded data, no secret)
    with path.open("ab") as file:
        while path.stat().st_size < 20 * 2**20:
            for _ in range(20):
                text = "x" * dice.randint(200, 8000)
                file.write(orjson.dumps({"type": "message", "id": f"{dice.getrandbits(32):08x}", "text": text}) + b"\n")
            file.flush()
            session.failed("kimi/kimi2.5", reason="rate_limit")
            session.failed("zhipu/glm-5.1", reason="timeout")
    expected = session.state

    def ours() -> None:
        assert fold(read_events(path)) == expected

    def bare() -> None:
        with path.open("rb") as file:
            found = sum(orjson.loads(line)["type"] == "attempt_failed" for line in file)
        assert found == expected.position

    return ours, bare


def healthy(folder: Path) -> float:
    """Microseconds of `call` around a request that costs nothing and succeeds."""
    session = Session.open(folder / "healthy.jsonl", chain=CHAIN)
    session.call(len)
    size = session.path.stat().st_size
    best = min(timed(lambda: [session.call(len) for _ in range(2000)] and None) for _ in range(5))
    assert session.path.stat().st_size == size
    return best / 2000 * 1e6


if __name__ == "__main__":
    main()
