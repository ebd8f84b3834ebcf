"""Twenty kills at random moments of a run of sixty turns, for each gateway with its memory.

Law: judged by two witnesses that know nothing of each other, the provider's list of requests and the session's log. A
failure after which the gateway asked somebody else was acknowledged, and has to be in the log; a request is wasted if
the log could have spared it (DESIGN's definition, as `replay.waste` has it).
"""

import itertools
import random
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.gateway_child import CHAIN
from benchmarks.gateway_provider import Asked, Provider
from benchmarks.gateways import start
from eventlog import read_events
from replay import AttemptFailed, Chain
from replay.waste import Request, wasted

TURNS: Final = 60
KILLS: Final = 20
PACE: Final = 0.1


@dataclass(frozen=True)
class Verdict:
    """What came of a run."""

    requests: int
    failures: int
    lost: int
    wasted: int
    damaged: bool
    unanswered: int


def refuses(model: str) -> bool:
    """The first model is limited every other half second, the second one every third."""
    now = int(time.time() * 2)
    return (model == CHAIN[0] and now % 2 == 0) or (model == CHAIN[1] and now % 3 == 0)


def run(kind: str, seed: int) -> Verdict:
    """The run; each kill falls somewhere within a turn."""
    chance = random.Random(seed)  # noqa: S311  (a benchmark)
    deaths = set(chance.sample(range(1, TURNS), KILLS))
    unanswered = 0
    with Provider() as provider, tempfile.TemporaryDirectory(prefix="switchlog-bench-") as name:
        provider.refuses, provider.retry_after, provider.hold = refuses, 1, 0.02
        gateway = start(kind, "switchlog", Path(name), provider)
        try:
            for turn in range(TURNS):
                provider.turn = str(turn)
                if turn in deaths:
                    doomed = threading.Thread(target=_quietly, args=(gateway.turns, "s1", 1))
                    doomed.start()
                    time.sleep(chance.uniform(0, 0.12))
                    gateway.kill()
                    doomed.join()
                    gateway = start(kind, "switchlog", Path(name), provider)
                elif gateway.turns("s1", 1)[0] not in CHAIN:
                    unanswered += 1
                time.sleep(PACE)
        finally:
            gateway.kill()
        return judge(provider.asked, Path(name) / "sessions" / "s1.jsonl", unanswered)


def judge(asked: list[Asked], log: Path, unanswered: int) -> Verdict:
    """The provider's list and the log, side by side."""
    events = read_events(log)
    recorded = list(events)
    told = Counter(one.event.model for one in recorded if isinstance(one.event, AttemptFailed))
    owed = Counter(
        one.model for one, following in itertools.pairwise(asked) if one.status == 429 and following.turn == one.turn
    )
    requests = [Request(one.model, one.began, one.ended, one.status, one.turn) for one in asked]
    return Verdict(
        requests=len(asked),
        failures=sum(told.values()),
        lost=sum((owed - told).values()),
        wasted=len(wasted(requests, recorded, Chain(*CHAIN))),
        damaged=events.report.damaged,
        unanswered=unanswered,
    )


def _quietly(turns: object, session: str, count: int) -> None:
    try:
        turns(session, count)  # type: ignore[operator]
    except (OSError, RuntimeError, ValueError):  # it was killed under our hands
        return
