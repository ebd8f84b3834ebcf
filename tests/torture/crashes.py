"""The power goes, at any moment and with any loss that a disk allows, and the log goes on.

Law: what was acknowledged is there, nothing is there that was not written, what is wrong is told and what is normal is
not called wrong, the host's lines stay, and the next append works: after each crash, and after a crash of the healing.
A lying disk may lose what it called synced. Even then nothing is altered, and only a lost *end* goes unseen: nothing
in a file can show that it was once longer. That takes an anchor kept elsewhere.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator
from random import Random
from typing import Final, NamedTuple

from disk import Disk, Image, Point

from torture import laws, states
from torture.history import Broken, History, Promise, host_line, other_sessions_log
from torture.machine import Machine
from torture.rows import MOST_NOTES, Job, Plan, Row
from torture.states import Chooser

SECTION: Final = "crashes"
LEAST: Final = 5_000
"""Distinct images of each kind in a plan of scale 1."""
LEAST_IN_ALL: Final = 300_000


class Kind(NamedTuple):
    """A kind of fault: what the crash leaves of the log's file, and how much is tried in a plan of scale 1."""

    choose: Chooser
    histories: int
    crashes: int
    """Of each history."""


KINDS: Final[dict[str, Kind]] = {
    "prefix loss": Kind(states.prefix, 1_000, 20),
    "torn end": Kind(states.torn, 300, 80),
    "zero tail": Kind(states.zero_tail, 340, 80),
    "zeros inside": Kind(states.zeros_inside, 900, 60),
    "hole then valid": Kind(states.hole_then_valid, 900, 40),
    "stale records": Kind(states.stale_records, 450, 80),
    "lost file": Kind(states.anything, 900, 60),
    "phantom write": Kind(states.anything, 420, 80),
    "short write": Kind(states.anything, 420, 80),
    "ENOSPC": Kind(states.anything, 420, 80),
    "EIO on sync": Kind(states.anything, 420, 80),
    "rename": Kind(states.anything, 550, 80),
    "jumping clock": Kind(states.anything, 420, 80),
}

_SHARE: Final = 30
_NAME: Final = "17a309d8.jsonl"


def jobs(plan: Plan) -> list[Job]:
    first, found = plan.seed * 1_000_000, []
    for fault, kind in KINDS.items():
        count = max(1, round(kind.histories * plan.scale))
        found += [
            Job(SECTION, work, (fault, first + start, min(_SHARE, count - start), kind.crashes))
            for start in range(0, count, _SHARE)
        ]
    return found


def work(fault: str, first: int, histories: int, crashes: int) -> list[Row]:
    """A row of one kind: so many histories, each with so many crashes."""
    row, start = Row(SECTION, fault), time.process_time()
    for seed in range(first, first + histories):
        run(row, seed, fault, range(crashes))
    row.seconds = time.process_time() - start
    return [row]


def check(seed: int, fault: str, crash: int) -> None:
    """One crash of one history, as a note names it; raises at a law that is broken."""
    row = Row(SECTION, fault)
    run(row, seed, fault, [crash])
    assert not row.faults, row.notes


def run(row: Row, seed: int, fault: str, crashes: Iterable[int]) -> None:
    """Live through the history once, and try each of its crashes."""
    machine = Machine()
    with machine.running():
        try:
            history = live(machine, seed, fault)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
            _count(row, error, f"live(Machine(), seed={seed}, fault={fault!r})")
            return
        points, block = list(history.disk.points), history.disk.block
        tried: dict[int, frozenset[str]] = {}
        for crash in crashes:
            chance = Random(f"{seed}/{fault}/{crash}")
            machine.seed(seed, fault, crash)
            try:
                for hashed in _generations(history.fork(), points, block, fault, chance, tried):
                    row.tried += 1
                    row.images.add(hashed)
            except Exception as error:  # noqa: BLE001
                _count(row, error, f"check(seed={seed}, fault={fault!r}, crash={crash})")


def live(machine: Machine, seed: int, fault: str) -> History:
    """The history of a seed, up to where its crashes are tried."""
    chance = Random(f"{seed}/{fault}")
    machine.seed(seed, fault)
    block = chance.choice((512, 1024, 4096) if fault == "stale records" else (64, 64, 128, 256, 512, 4096))
    disk = machine.disk = Disk(block=block)
    hosted = chance.random() < 0.5 or fault == "hole then valid"
    companion = chance.random() < {"lost file": 0.85, "rename": 0}.get(fault, 0.05)
    history = History(machine, disk, _NAME, companion=companion)
    if hosted or companion:
        header = b'{"type":"session","version":3,"id":"17a309d8","timestamp":"2026-04-02T04:55:40.889Z","cwd":"/"}\n'
        if chance.random() < 0.8:
            history.host(header)
        for _ in range(chance.randint(0, 4 if fault == "lost file" else 2)):
            history.host(host_line(chance))
        if chance.random() < 0.5 and _NAME in disk.image() and fault != "lost file":
            disk.settle(_NAME)
    weak = fault in ("prefix loss", "hole then valid") and chance.random() < 0.5
    sessions = [
        history.open("process" if weak and chance.random() < 0.7 else "disk") for _ in range(chance.randint(1, 3))
    ]
    steps = chance.randint(2, 5)
    struck = chance.randrange(steps)
    for step in range(steps):
        if step >= struck:
            _strike(history, fault, chance, first=step == struck)
        if hosted and chance.random() < 0.4:
            for _ in range(chance.randint(1, 4 if fault == "hole then valid" else 2)):
                history.host(host_line(chance))
        history.ask(chance.choice(sessions), chance)
    return history


def _strike(history: History, fault: str, chance: Random, *, first: bool) -> None:
    """The fault comes, and may come again or go."""
    disk = history.disk
    match fault:
        case "phantom write":
            history.lying = True
            disk.lies = chance.choice(("late", "never", "")) if not first else chance.choice(("late", "never"))
        case "short write" if first or chance.random() < 0.3:
            disk.short = chance.randrange(1, 500)
        case "ENOSPC":
            disk.room = chance.randrange(700) if first or chance.random() < 0.2 else None
        case "EIO on sync" if first or chance.random() < 0.2:
            history.loose = True
            disk.sync_fails = chance.choice(("clean", "gone", ""))
            disk.folder_sync_fails = not disk.sync_fails
        case "rename" if first or chance.random() < 0.3:
            if chance.random() < 0.15:
                history.remove()
            else:
                history.replace(chance)
        case "jumping clock":
            disk.jump(chance.choice((-1, 1)) * chance.choice((1, 150, 61_000, 3_600_000, 86_400_000 * 365 * 20)))
        case "lost file" if first and chance.random() < 0.3:
            history.replace(chance)


def _generations(
    history: History, points: list[Point], block: int, fault: str, chance: Random, tried: dict[int, frozenset[str]]
) -> Iterator[int]:
    """Crash, heal, go on, and perhaps crash again; gives the hash of each image."""
    for generation in range(3):
        picked = _crash(history, points, block, fault, chance)
        if picked is None:
            return
        image, promise, before, wall_ms = picked
        hashed = _hash(image)
        yield hashed
        if hashed in tried and promise.must <= tried[hashed]:
            return  # this very image was tried, with promises no smaller
        seen = laws.look(history, image, promise, before, fault)
        laws.restart(history, image, block, seen, wall_ms)
        session = history.open()
        laws.opened(seen, session)
        laws.heal(history, image, seen, session, kept=history.ask(session, chance, kinds=0.5))
        tried[hashed] = promise.must
        if seen.alarm:
            raise Broken("wrong", seen.alarm)
        if generation == 2 or chance.random() < 0.6:
            return
        if not history.companion and chance.random() < 0.3:
            history.host(host_line(chance))
        history.ask(history.open() if chance.random() < 0.5 else session, chance)
        points = list(history.disk.points)


def _crash(
    history: History, points: list[Point], block: int, fault: str, chance: Random
) -> tuple[Image, Promise, Image, int] | None:
    """A moment, and what the crash leaves then: the image, what is promised, what the files held before, the time."""
    open_points = [point for point in points if len(point.names) > 1] if fault == "lost file" else []
    open_points = open_points or [point for point in points if _unsynced(point, history.log_name)] or points
    for _ in range(6):
        point = chance.choice(open_points if chance.random() < 0.85 else points)
        now = point.names[-1]
        names = chance.choice(point.names) if fault in ("lost file", "rename") or chance.random() < 0.1 else now
        if fault == "lost file" and (names is now or (not names and chance.random() < 0.95)):
            continue  # nothing at all is one image, however often
        image: Image | None = {}
        for name, inode in names.items():
            held = point.held[inode]
            choose = KINDS[fault].choose if name == history.log_name else states.anything
            data = choose(chance, held, block, other_sessions_log())
            if data is None and name != history.log_name:
                data = states.prefix(chance, held, block, b"")
            image = None if data is None or image is None else {**image, name: data}
        if image is None or (KINDS[fault].choose is not states.anything and history.log_name not in image):
            continue
        inode = names.get(history.log_name)
        promise = point.promised.get(inode) or Promise(point.promised[None].must)
        before = {name: point.held[inode].cache for name, inode in names.items()}
        return image, promise, before, history.disk.wall_ms
    return None


def _unsynced(point: Point, name: str) -> bool:
    inode = point.names[-1].get(name)
    return inode is not None and bool(point.held[inode].dirty)


def _hash(image: Image) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for name, data in sorted(image.items()):
        digest.update(f"{name} {len(data)} ".encode() + data)
    return int.from_bytes(digest.digest())


def _count(row: Row, error: Exception, again: str) -> None:
    column, count = (error.column, error.count) if isinstance(error, Broken) else ("raised", 1)
    before = getattr(row, column)
    setattr(row, column, before + count)
    text = f"{again}  # {type(error).__name__}: {error}"[:600]
    if before:
        row.note(text)
    else:  # the first of its sort is always kept
        row.notes[:] = [text, *row.notes][:MOST_NOTES]
