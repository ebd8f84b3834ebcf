"""A gateway under load: eight asyncio tasks on one session, a provider that fails at random, and a user who pins.

    soaker.py LOG NAME SEED SECONDS

It waits for a line of input, so that several begin together, and again when it is done, so that all end together.
Each event that was acknowledged to it is named on its standard output by its label (``turn``, or ``note`` of a cleared
failure), one line each; the last line is ``state`` and what the session knew when nobody wrote any more.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from datetime import timedelta

from eventlog import AllModelsFailed, Chain, Cooldown, Policy, Session
from replay.reasons import BLAMING

CHAIN = Chain("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")
TASKS = 8
SHORT = Cooldown(timedelta(milliseconds=5), timedelta(milliseconds=40))
"""So that in a second every model fails, cools and is probed many times."""


class RefusedError(Exception):
    """What the provider says at random."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status} }} \N{SNOWMAN}" * (status % 7))
        self.status_code = status


def tell(words: str) -> None:
    os.write(sys.stdout.fileno(), f"{words}\n".encode())  # one write a line, and none that waits in a buffer


async def requests(session: Session, name: str, chance: random.Random, until: float) -> None:
    """Turn after turn. A turn's attempts that blamed a model were recorded before it ended: so they are told."""
    number = 0
    while time.monotonic() < until:
        number += 1
        blamed = 0
        turn = f"{name}.{number}"
        try:
            async for attempt in session.attempts(turn=turn):
                async with attempt:
                    await asyncio.sleep(chance.random() / 500)
                    if chance.random() < 0.4:
                        blamed += 1
                        raise RefusedError(chance.choice((429, 500, 503)))
        except AllModelsFailed:
            await asyncio.sleep(SHORT.base.total_seconds())
        if blamed and session.degraded is None:
            tell(f"{turn} {blamed}")
        await person(session, f"{turn}-person", chance)


async def person(session: Session, label: str, chance: random.Random) -> None:
    """Now and then somebody pins, unpins, clears or records a failure by hand."""
    model, what = chance.choice(CHAIN.models), chance.random()
    if what < 0.05:
        done = await asyncio.to_thread(session.switch, model, turn=label)
    elif what < 0.07:
        done = await asyncio.to_thread(session.clear, model, note=label)
    elif what < 0.09:
        done = await asyncio.to_thread(session.failed, model, reason="timeout", turn=label)
    else:
        if what < 0.13:
            await asyncio.to_thread(session.unpin, turn=label)  # written only if there is a pin: not told
        return
    if done:
        tell(f"{label} 1")


async def soak(session: Session, name: str, seed: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(TASKS):
            chance = random.Random(f"{seed} {name} {number}")
            group.create_task(requests(session, f"{name}-{number}", chance, until))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("name")
    parser.add_argument("seed", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    policy = Policy(cooldowns=dict.fromkeys(BLAMING, SHORT))
    with Session.open(options.log, chain=CHAIN, policy=policy) as session:
        tell("ready")
        sys.stdin.readline()
        asyncio.run(soak(session, options.name, options.seed, options.seconds))
        tell("done")
        sys.stdin.readline()
        tell(f"state {session.degraded} {session.state}")


if __name__ == "__main__":
    main()
