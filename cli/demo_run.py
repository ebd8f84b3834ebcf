"""The demo's driver: starts a provider and a gateway, plays the turns, kills the gateway and starts it again.

Law: what happens is told as it happens, nothing is printed here, and the children end with ``play``, however that
ends. A kill hits in mid-attempt: the provider withholds the answer until its client is gone.
"""

import json
import random
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from cli.demo_child import Child, DemoError
from cli.demo_count import Files, count

PAUSE: Final = 0.25
"""Seconds that the user takes before the next turn."""

LINGER: Final = (0.10, 0.20)
"""Seconds from the beginning of an attempt to the kill; which, is up to the seed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A turn has its answer: from ``model``, after ``ms``, with so many ``requests``, of which ``wasted``."""

    turn: int
    model: str
    ms: int
    requests: int
    wasted: int


@dataclass(frozen=True, slots=True)
class Killed:
    """The gateway was killed while it waited for the answer to a request of this turn."""

    turn: int


@dataclass(frozen=True, slots=True)
class Restarted:
    """The gateway runs again, and the user asks again."""

    turn: int


Progress = Answered | Killed | Restarted


@dataclass(slots=True)
class Run:
    """A run as it went. Its figures are counted from its files; this is what only the gateway could tell."""

    files: Files
    answered: list[Answered] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    restarts: int = 0

    @property
    def turn_ms(self) -> list[int]:
        """How long each turn took, without the gateway's own start."""
        return [one.ms for one in self.answered]

    @property
    def restart_ms(self) -> list[int]:
        """Of these, the turns that were asked again after a restart."""
        return [one.ms for one in self.answered if one.turn in self.killed]

    def follow(self, progress: Iterable[Progress]) -> Iterator[Progress]:
        """Pass on what happens, keeping it."""
        for step in progress:
            match step:
                case Answered():
                    self.answered.append(step)
                case Killed():
                    self.killed.append(step.turn)
                case Restarted():
                    self.restarts += 1
            yield step


def kill_turns(seed: int, turns: int, kills: int) -> list[int]:
    """In which turns the gateway is killed.

    Not in the first, when there is nothing to forget yet, nor in the last or in two that follow each other: between
    two kills everybody can see that a memory in RAM is a memory, too.
    """
    chosen = random.Random(seed).sample(range(turns - kills - 1), kills)  # noqa: S311  (no secret)
    return [2 + turn + place for place, turn in enumerate(sorted(chosen))]


def play(files: Files, *, seed: int, turns: int, kills: int, speed: float) -> Generator[Progress, None, None]:
    """Play one run and tell what happens. Use it within ``contextlib.closing``: leaving early ends the children."""
    script = random.Random(seed)  # noqa: S311  (no secret)
    doomed = kill_turns(seed, turns, kills)
    with ExitStack() as children:
        provider = children.enter_context(
            Child(
                *("cli.demo_provider", "--log", str(files.provider_log), "--seed", str(seed), "--speed", str(speed)),
                *("--hold", ",".join(map(_label, doomed))),
            )
        )
        gateway_command = (
            *("cli.demo_gateway", "--provider", f"http://127.0.0.1:{int(provider.line())}"),
            *("--transcript", str(files.transcript), "--memory", files.memory),
        )
        gateway = children.enter_context(Child(*gateway_command))
        asked = wasted = 0
        for turn in range(1, turns + 1):
            _ask(gateway, turn)
            if turn in doomed:
                if (told := provider.line()) != f"held {_label(turn)}":
                    raise DemoError(f"the provider should hold turn {turn}, but says {told!r}")
                time.sleep(script.uniform(*LINGER) / speed)
                gateway.kill()
                asked += 1  # the request in flight
                yield Killed(turn)
                gateway = children.enter_context(Child(*gateway_command))
                yield Restarted(turn)
                _ask(gateway, turn)
            answer = json.loads(gateway.line())
            if "model" not in answer:
                raise DemoError(f"turn {turn} was not answered: {answer.get('error')}")
            now = count(files)
            requests, waste = len(now.requests) - asked, len(now.wasted) - wasted
            asked, wasted = len(now.requests), len(now.wasted)
            yield Answered(turn, answer["model"], answer["ms"], requests, waste)
            time.sleep(PAUSE / speed if turn < turns else 0)


def _ask(gateway: Child, turn: int) -> None:
    gateway.say(json.dumps({"turn": _label(turn), "text": f"question {turn}"}))


def _label(turn: int) -> str:
    return f"t-{turn}"
