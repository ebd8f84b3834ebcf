"""Inputs of every kind for all that reads what others wrote: one row for each target of :mod:`fuzz`.

Law: same seed, same inputs; whatever breaks is told as the call that shows it again, made smaller.
"""

import time
from typing import Final

import fuzz

from torture.rows import Job, Plan, Row

SECTION: Final = "fuzz"
INPUTS: Final = {
    "reader": 3_600,
    "import": 2_000,
    "repair": 2_000,
    "verify": 4_000,
    "session": 1_600,
    "anchors": 4_000,
    "keys": 4_000,
    "config": 2_500,
    "answer": 5_000,
    "outcome": 2_500,
    "commands": 1_000,
    "words": 1_500,
    "hosted": 1_500,
    "store": 2_500,
}
"""At scale 1: tens of thousands in a minute of one core, most where most bytes come from others."""
_SHARES: Final = 4


def jobs(plan: Plan) -> list[Job]:
    found = []
    for name, inputs in INPUTS.items():
        share = max(1, round(inputs * plan.scale) // _SHARES)
        found += [Job(SECTION, work, (name, plan.seed, share, part * share)) for part in range(_SHARES)]
    return found


def work(name: str, seed: int, count: int, first: int) -> list[Row]:
    row, began = Row(SECTION, name), time.perf_counter()
    tally = fuzz.run(name, seed, count, first)
    row.tried = tally.tried
    for fault in tally.faults:
        column = {fuzz.Lost: "lost", fuzz.Accepted: "accepted", fuzz.Silent: "silent"}.get(type(fault.error))
        column = column or ("wrong" if type(fault.error) is AssertionError else "raised")
        setattr(row, column, getattr(row, column) + 1)
        row.note(f"{fault.again}  # {fault.told}")
    if tally.known:
        row.note(f"{name}: {tally.known} inputs met what fuzz.KNOWN lists; not counted")
    row.seconds = time.perf_counter() - began
    return [row]
