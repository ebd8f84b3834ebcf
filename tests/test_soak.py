"""Two processes with eight tasks each on one session, for a while, with random failures and people's pins.

Law: no line is lost or interleaved, what was acknowledged stands in the log once, both processes end in the state that
a fresh fold of the log gives, and the pin is what the last person said, by the order of the file.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pytest

from eventlog import Session, read_events
from replay import AttemptFailed, AttemptSucceeded, FailureCleared, ModelSwitch, fold

SOAKER = Path(__file__).with_name("soaker.py")
NAMES = ("a", "b")


def start(path: Path, name: str, seed: int, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, str(SOAKER), str(path), name, str(seed), str(seconds)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def lines(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        assert line.endswith("\n")
        yield line[:-1]


def until_done(told: Iterator[str]) -> list[str]:
    return list(iter(told.__next__, "done"))


def soak(path: Path, seed: int, seconds: float) -> tuple[Counter[str], list[str]]:
    """What was acknowledged to whom (label to number), and the states in which they ended."""
    acknowledged: Counter[str] = Counter()
    states: list[str] = []
    with ExitStack() as stack:
        processes = [stack.enter_context(start(path, name, seed, seconds)) for name in NAMES]
        told = [lines(process) for process in processes]
        assert [next(one) for one in told] == ["ready", "ready"]
        for process in processes:
            go(process)
        with ThreadPoolExecutor() as pool:  # both at once: a full pipe must not hold up who writes to it
            for line in chain.from_iterable(pool.map(until_done, told)):
                label, _, number = line.partition(" ")
                assert label not in acknowledged, "an acknowledgement is told once"
                acknowledged[label] = int(number)
        for process in processes:
            go(process)
        for one in told:
            states += one
    assert [process.returncode for process in processes] == [0, 0]
    return acknowledged, states


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_two_processes_with_eight_tasks_each_lose_and_tear_nothing(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "sessions" / "17a309d8.jsonl"
    acknowledged, states = soak(path, seed=seconds, seconds=seconds)

    log = read_events(path)
    recorded = list(log)
    events = [one.event for one in recorded]
    labels = Counter(
        event.note if isinstance(event, FailureCleared) else event.turn
        for event in events
        if isinstance(event, AttemptFailed | FailureCleared)
        or (isinstance(event, ModelSwitch) and event.cause == "user")
    )
    assert labels == acknowledged, "acknowledged and recorded are the same events, each of them once"
    assert len({event.id for event in events}) == len(events)

    assert not log.report.damaged, log.report.findings
    assert +log.report.pieces == {"foreign": 1, "event": len(events)}, "the header, and one whole record a line"
    assert all(json.loads(line) for line in path.read_bytes().splitlines())

    state = fold(recorded)
    assert states == [f"state None {state}"] * 2
    with Session.open(path) as session:
        assert session.state == state
    persons = [event for event in events if isinstance(event, ModelSwitch) and event.cause in ("user", "unpin")]
    assert state.pinned == (persons[-1].to if persons[-1].cause == "user" else None)

    kinds = Counter(type(event) for event in events)
    causes = Counter(event.cause for event in events if isinstance(event, ModelSwitch))
    assert min(kinds[kind] for kind in (AttemptFailed, AttemptSucceeded, FailureCleared, ModelSwitch)) > 0
    assert causes.keys() >= {"initial", "fallback", "user", "unpin"}
    for name in NAMES:
        assert sum(label.startswith(name) for label in acknowledged) > 5 * seconds, "both had their share"
    print(f"{seconds} s: {len(events)} events, {dict(causes)}")
