"""Real processes on the real file system, killed and refused: at every system call, in mid-write, by the hundred.

Law: nothing is replaced, nothing simulated; what this machine forbids is a skipped row, with the reason. The runs are
those of the tests (``faults_runs``), with other seeds and more of them.
"""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import faults
import faults_runs as runs
from faults import NAME, SCENES, Nursery, Scene
from faults_runs import Run

from torture.rows import Job, Plan, Row

SECTION: Final = "real faults"
COLUMNS: Final = {"lost", "accepted", "silent", "raised", "foreign"}
SHARE: Final = 3
"""Jobs of a kind that is drawn by lot: so many processes can share it."""

Work = Callable[[Path, random.Random], Run]


def jobs(plan: Plan) -> list[Job]:
    """The whole section. What is not drawn by lot is repeated for ``scale`` > 1: the moments differ."""
    seeds = [plan.seed * 1000 + number for number in range(SHARE)]
    rounds = max(1, round(plan.scale))
    some = [Job(SECTION, drawn, (seed, rounds)) for seed in seeds for drawn in (mid_write, outside, disk, hosts)]
    each = [
        Job(SECTION, work, (scene.name,))
        for _ in range(rounds)
        for scene in SCENES
        for work in (killed_at_each_call, refused_at_each_call)
    ]
    return [*each, *[Job(SECTION, forks, (rounds,))], *some]


def row(name: str, why: Callable[[], str], work: Work, *, seed: int = 0, times: int = 1) -> Row:
    """Run it so often, each time in a folder of its own, and add up what it found."""
    total = Row(SECTION, name, skipped=why())
    began = time.monotonic()
    for number in range(0 if total.skipped else times):
        with tempfile.TemporaryDirectory(prefix="switchlog-") as folder:
            run = work(Path(folder), random.Random(seed * 1_000_003 + number))
        total.tried += run.tried
        for kind, count in run.kinds.items():
            assert kind in COLUMNS
            setattr(total, kind, getattr(total, kind) + count)
        for told in run.faults:
            total.note(f"seed {seed}, round {number}: {told}")
    total.seconds = time.monotonic() - began
    return total


def possible() -> str:
    return ""


def _scene(name: str) -> Scene:
    return next(scene for scene in SCENES if scene.name == name)


def killed_at_each_call(name: str) -> list[Row]:
    """SIGKILL on entry of every system call of a scene, by strace."""

    def work(folder: Path, chance: random.Random) -> Run:
        with Nursery() as nursery:
            return runs.kill_at_each_call(nursery, _scene(name), folder)

    return [row(f"kill at each call, {name}", faults.no_strace, work)]


def refused_at_each_call(name: str) -> list[Row]:
    """Every error that a system call may say, once each, by strace."""

    def work(folder: Path, chance: random.Random) -> Run:
        with Nursery() as nursery:
            return runs.error_at_each_call(nursery, _scene(name), folder, every=True)

    return [row(f"each call's errors, {name}", faults.no_strace, work)]


def mid_write(seed: int, times: int) -> list[Row]:
    """Deaths, short writes and lost syncs, by the shim."""

    def die(folder: Path, chance: random.Random) -> Run:
        with Nursery(shim=True) as nursery:
            return runs.kill_in_mid_write(nursery, folder, chance, 100)

    def come_short(folder: Path, chance: random.Random) -> Run:
        with Nursery(shim=True) as nursery:
            return runs.short_once(nursery, folder, sorted(chance.sample(range(420), 100)))

    def lose(folder: Path, chance: random.Random) -> Run:
        with Nursery(shim=True) as nursery:
            return runs.lose_at_sync(nursery, folder, range(1, 8))

    return [
        row("killed in mid-write", faults.no_shim, die, seed=seed, times=times),
        row("a short write", faults.no_shim, come_short, seed=seed, times=times),
        row("EIO, its data lost", faults.no_shim, lose, seed=seed, times=times),
    ]


def outside(seed: int, times: int) -> list[Row]:
    """Killed from outside, at moments that nobody chose."""

    def one(folder: Path, chance: random.Random) -> Run:
        with Nursery() as nursery:
            return runs.kill_from_outside(nursery, folder / NAME, chance, 60, 1)

    def eight(folder: Path, chance: random.Random) -> Run:
        with Nursery() as nursery:
            return runs.kill_from_outside(nursery, folder / NAME, chance, 80, 8)

    return [
        row("kills, one writer", possible, one, seed=seed, times=times),
        row("kills, eight writers", possible, eight, seed=seed, times=times),
    ]


def disk(seed: int, times: int) -> list[Row]:
    """Disks without room, and files that may not grow."""

    def full(folder: Path, chance: random.Random) -> Run:
        return runs.full_disk(folder / "disk", chance, 10)

    def bounded(folder: Path, chance: random.Random) -> Run:
        with Nursery() as nursery:
            return runs.short_writes(nursery, folder, sorted(chance.sample(range(420), 60)))

    return [
        row("ENOSPC, a small disk", faults.no_mount, full, seed=seed, times=times),
        row("short write, then EFBIG", possible, bounded, seed=seed, times=times),
    ]


def hosts(seed: int, times: int) -> list[Row]:
    """A host that renames over, cuts and deletes the log while a session appends."""

    def loop(*actions: str) -> Work:
        def work(folder: Path, chance: random.Random) -> Run:
            with Nursery() as nursery:
                return runs.replace_in_a_loop(nursery, folder / NAME, chance, 150, actions)

        return work

    def between(folder: Path, chance: random.Random) -> Run:
        with Nursery() as nursery:
            return runs.replace_between(nursery, folder / NAME, chance, 60)

    return [
        row("replaced in a loop", possible, loop("say", "copy", "replace", "delete"), seed=seed, times=times),
        row("cut in a loop", possible, loop("say", "cut"), seed=seed, times=times),
        row("replaced between appends", possible, between, seed=seed, times=times),
    ]


def forks(rounds: int) -> list[Row]:
    """Forks with an open session, with and without events that wait in memory."""

    def work(folder: Path, chance: random.Random) -> Run:
        total = Run()
        with Nursery() as nursery:
            for number in range(2):
                for how in runs.FORKS:
                    for waiting in (False, True):
                        place = folder / f"{number}{how}{waiting}" / NAME
                        run = runs.fork(nursery, place, how, waiting=waiting)
                        total.tried += run.tried
                        total.kinds += run.kinds
                        total.faults += run.faults
        return total

    return [row("forked, session open", possible, work, times=rounds)]
