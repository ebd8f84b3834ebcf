"""A writer process, killed with SIGKILL at random moments and in the middle of its appends.

Law: what ``failed()`` acknowledged before the kill is in the log afterwards, in order; what it didn't is there whole or
not at all; the log is not damaged, and the next process goes on from it.
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from logs import CRASH_STATES, SESSION, header, kinds, message, read

from eventlog import Session, read_events
from replay import fold

pytestmark = pytest.mark.once

WRITER = Path(__file__).with_name("writer.py")
RUNS = 8
"""Logs, each of which sees so many kills within an append, and so many at any moment, one after the other."""
WITHIN = 5
OUTSIDE = 2
SOMEWHERE = (1, 330)
"""Bytes of a write, when it is to stop within the line."""


ENDLESS = "1000000"
"""More failures than a writer gets to write: it ends by a kill or not at all."""


@dataclass
class Story:
    """What has happened to one log so far."""

    path: Path
    kills: int = 0
    within: int = 0
    torn: int = 0
    acknowledged: list[str] = field(default_factory=list)


def start(story: Story, name: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(WRITER), str(story.path), name, ENDLESS, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def acknowledgements(process: "subprocess.Popen[str]") -> Iterator[str]:
    """The labels as they come, and those that were still in the pipe when it died."""
    assert process.stdout is not None
    for line in process.stdout:
        assert line.endswith("\n"), "an acknowledgement is one write"
        yield line.rstrip("\n")


def deaths(chance: random.Random) -> list[tuple[str, int]]:
    """Where in an append the five of a run die: three at a random byte, one at an edge of its line, one behind it."""
    edge = chance.choice([("write", 0), ("write", -1)])
    behind = chance.choice([("write", 2**20), ("before-sync", 0), ("after-sync", 0)])
    return [*(("write", chance.randint(*SOMEWHERE)) for _ in range(WITHIN - 2)), edge, behind]


def kill_within_an_append(story: Story, name: str, chance: random.Random, death: tuple[str, int]) -> None:
    """The writer dies by itself, at a point of its own append that was drawn beforehand."""
    place, most = death
    nth = chance.randint(1, 4)
    with start(story, name, "--die", place, str(nth), str(most)) as process:
        acknowledged = list(acknowledgements(process))
    assert process.returncode == -9
    assert len(acknowledged) == nth - 1, "it died within the append that it was to die in"
    story.acknowledged += acknowledged
    story.within += 1
    story.torn += story.path.read_bytes()[-1:] not in (b"", b"\n")


def kill_from_outside(story: Story, name: str, chance: random.Random) -> None:
    """It is killed wherever it happens to be, after a random number of acknowledgements."""
    enough = chance.randint(0, 40)
    with start(story, name) as process:
        for number, label in enumerate(acknowledgements(process)):
            story.acknowledged.append(label)
            if number == enough:
                process.kill()
    assert process.returncode == -9, "it was killed, and had not ended before"


def check(story: Story) -> None:
    """The law, after each kill."""
    events = read_events(story.path)
    labels = [one.event.turn or "" for one in events]
    told = set(story.acknowledged)
    assert [label for label in labels if label in told] == story.acknowledged, "acknowledged, and lost or out of order"
    assert len(labels) == len(set(labels))
    assert len(labels) - len(told) <= story.kills, "at most one event a kill was not acknowledged yet"
    assert not events.report.damaged, events.report.findings
    assert kinds(events.report).keys() <= CRASH_STATES
    assert events.report.pieces["torn"] <= story.kills


@pytest.mark.parametrize("seed", range(RUNS))
def test_what_was_acknowledged_survives_any_kill(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    story = Story(tmp_path / "sessions" / f"{SESSION}.jsonl")
    plan = [*deaths(chance), *[None] * OUTSIDE]
    chance.shuffle(plan)
    for number, death in enumerate(plan):
        if death is None:
            kill_from_outside(story, f"w{number}", chance)
        else:
            kill_within_an_append(story, f"w{number}", chance, death)
        story.kills += 1
        check(story)
    assert (story.kills, story.within) == (WITHIN + OUTSIDE, WITHIN)
    assert story.torn >= 2, "too few kills of this run left half a line"
    with Session.open(story.path) as session:
        before = session.state.position
        assert session.failed("kimi/kimi2.5", reason="timeout", turn="the next session") is True
        state = session.state
    found, report = read(story.path.read_bytes())
    assert state == fold(found)
    assert len(found) == before + 1
    assert found[-1].event.turn == "the next session"
    assert not report.damaged
    print(f"seed {seed}: {story.kills} kills, {story.within} within an append, {story.torn} torn lines left")


def test_at_least_fifty_kills_and_twenty_within_an_append() -> None:
    assert RUNS * (WITHIN + OUTSIDE) >= 50
    assert RUNS * WITHIN >= 20


def test_a_kill_beside_a_host_costs_neither_of_them_a_line(tmp_path: Path) -> None:
    """The host writes on between the kills; a torn line of ours is ended before its own."""
    story = Story(tmp_path / f"{SESSION}.jsonl")
    story.path.write_bytes(header() + message("c0ffee01"))
    for number, most in enumerate((100, -1)):
        with start(story, f"w{number}", "--die", "write", "2", str(most)) as process:
            story.acknowledged += acknowledgements(process)
        assert process.returncode == -9
        story.kills += 1
        check(story)
        with Session.open(story.path) as session:
            assert session.failed("kimi/kimi2.5", reason="network", turn=f"heal {number}") is True
        with story.path.open("ab") as host:
            host.write(message(f"c0ffee1{number}"))
        story.acknowledged.append(f"heal {number}")
        story.kills += 1
        check(story)
    lines = story.path.read_bytes().splitlines(keepends=True)
    assert [line for line in lines if line.startswith(b'{"type":"message"')] == [
        message("c0ffee01"),
        message("c0ffee10"),
        message("c0ffee11"),
    ]
