"""Runs of real faults: each breaks gateways in one way, again and again, and says what it found wrong.

Law: a run tries, counts and judges; it neither asserts nor skips. The tests ask that it found nothing, the torture
table adds it up. Each fault names the case that shows it again: the call, the byte, the seed's number.
"""

import errno
import os
import random
import re
import selectors
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from faults import (
    DESTROYED,
    KILLED,
    NAME,
    Call,
    Fault,
    Nursery,
    Scene,
    goes_on,
    host_lines,
    judge,
    small_disk,
    told,
    traced,
    wrong_answers,
)
from logs import kinds, message

from eventlog import read_events
from eventlog.append import REMEMBERED

ERRORS: Final = {
    "write": ("ENOSPC", "EIO", "EDQUOT"),
    "fdatasync": ("EIO", "ENOSPC"),
    "openat": ("EACCES", "EROFS", "EMFILE", "EIO"),
    "mkdir": ("ENOSPC", "EACCES"),
    "flock": ("ENOLCK",),
}
"""What these calls may say. All others say EIO."""

Answers = list[list[object]]


@dataclass(slots=True)
class Run:
    """What was tried, and what was found wrong."""

    tried: int = 0
    faults: list[str] = field(default_factory=list)
    """In words, each with its case."""
    kinds: Counter[str] = field(default_factory=Counter)
    """How many of each kind (see faults.Fault)."""
    facts: Counter[str] = field(default_factory=Counter)
    """What the run came upon: that it did what it was for."""

    def found(self, case: object, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.kinds[fault.kind] += 1
            self.faults.append(f"{case}: {fault.kind}: {fault.told}")

    def expect(self, case: object, kind: str, what: str, *, holds: bool) -> None:
        if not holds:
            self.found(case, [Fault(kind, what)])


def labels(path: Path) -> list[str]:
    """The labels of the events, in the order of the file."""
    return [one.event.turn or "" for one in read_events(path)] if path.exists() else []


def refused(answers: Iterable[Sequence[object]]) -> list[object]:
    return [words[0] for words in answers if len(words) == 3 and words[1] is False]


# killed


def kill_at_each_call(nursery: Nursery, scene: Scene, folder: Path) -> Run:
    """Killed on entry of each system call of the scene, each time on a fresh log; then the next process goes on."""
    run = Run()
    for call, path in _each_call(nursery, scene, folder, run):
        host = scene.prepare(path)
        inject = ("-e", f"trace={call.name}", "-e", f"inject={call.name}:signal=SIGKILL:when={call.nth}")
        answers, ended = _act(nursery, scene, path, inject)
        run.expect(call, "silent", f"it was to die here: {ended}", holds=ended == KILLED)
        owed = told(answers)
        run.found(call, [*wrong_answers(answers), *judge(path, owed, scene.made, host)])
        if not any(words[0] in DESTROYED or words[0] == "limit" for words in scene.commands):
            found = [label for label in labels(path) if label in scene.made]
            run.expect(
                call,
                "lost",
                f"before this call it had written {call.writes}: {found}",
                holds=found == scene.made[: call.writes],
            )
            run.expect(call, "lost", f"{owed} told after {call.syncs} syncs", holds=len(owed) <= call.syncs)
        run.found(call, goes_on(path))
        run.found(call, judge(path, [*owed, "next.0"], [*scene.made, "next.0"], host))
    return run


def _each_call(nursery: Nursery, scene: Scene, folder: Path, run: Run) -> Iterator[tuple[Call, Path]]:
    """Each system call of the scene, and a place in which to see it again."""
    for number, call in enumerate(scene.calls(nursery, folder / "traced" / "sessions" / NAME)):
        place = folder / f"{number}"
        place.mkdir()
        run.tried += 1
        run.facts[call.name] += 1
        yield call, place / "sessions" / NAME


def _act(nursery: Nursery, scene: Scene, path: Path, options: Sequence[str]) -> tuple[Answers, int]:
    with nursery.child() as child:
        with traced(child, path, *options):
            scene.say(child, path)
            answers = child.rest()
        return answers, child.end()


def kill_in_mid_write(shimmed: Nursery, folder: Path, chance: random.Random, kills: int) -> Run:
    """Killed at a random byte of a write, again and again on one log. A new log now and then."""
    run = Run()
    path, owed, made = folder / "0" / NAME, list[str](), list[str]()
    for number in range(kills):
        if number % 20 == 0:
            path, owed, made = folder / str(number) / NAME, [], []
        tiny = chance.random() < 0.02  # `{"type":"` may be anybody's: who mends that one waits for a host
        nth, most = (
            chance.randint(1, 3),
            chance.choice([0, 2**20, *[chance.randint(1, 11) if tiny else chance.randint(12, 420)] * 6]),
        )
        with shimmed.child() as child:
            child.say("shim", f"kill {nth} {most}")
            child.say("open", str(path))
            child.say("fails", f"w{number}", 3)
            answers = child.rest()
        case = f"kill {number}, in write {nth} after {most} bytes"
        kept = told(answers)
        run.expect(case, "silent", f"it was to die: {child.ended}", holds=child.ended == KILLED)
        run.expect(case, "silent", f"it told of {kept}", holds=len(kept) == nth - 1)
        owed += kept
        made += [f"w{number}.{one}" for one in range(3)]
        run.tried += 1
        run.facts["torn"] += path.read_bytes()[-1:] not in (b"", b"\n")
        run.found(case, [*wrong_answers(answers), *judge(path, owed, made)])
        if number % 20 == 19 or number == kills - 1:
            run.found(case, goes_on(path))
    return run


def kill_from_outside(nursery: Nursery, path: Path, chance: random.Random, kills: int, writers: int) -> Run:
    """So many gateways at once on one log, each killed at a moment drawn for it, a new one in its place."""
    run = Run()
    answers: dict[str, Answers] = {}
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:

        def start() -> None:
            child = stack.enter_context(nursery.child())
            name = f"w{len(answers)}"
            answers[name] = []
            child.say("open", str(path))
            child.say("fails", name, 1_000_000)
            waiting.register(child.told, selectors.EVENT_READ, (child, name, chance.randint(1, 12)))

        for _ in range(writers):
            start()
        while waiting.get_map():
            for key, _ in waiting.select():
                child, name, enough = key.data
                got = child.take()
                answers[name] += got
                if not got:
                    waiting.unregister(child.told)
                    run.expect(name, "silent", f"it was to be killed: {child.end()}", holds=child.end() == KILLED)
                    if len(answers) < kills:
                        start()
                elif len(answers[name]) > enough:
                    child.kill()
    run.tried = len(answers)
    everything = labels(path)
    for name, all_told in answers.items():
        run.found(name, wrong_answers(all_told))
        owed, own = told(all_told), [label for label in everything if label.startswith(f"{name}.")]
        run.facts["acknowledged"] += len(owed)
        run.expect(name, "lost", f"acknowledged {owed}, read {own}", holds=own[: len(owed)] == owed)
        run.expect(name, "accepted", f"{own} of which one was in the making", holds=len(own) - len(owed) <= 1)
        run.facts["in the making"] += len(own) - len(owed)
    run.found("all", judge(path, [], everything))
    run.found("all", goes_on(path))
    return run


# the disk refuses


def error_at_each_call(nursery: Nursery, scene: Scene, folder: Path, *, every: bool = False) -> Run:
    """Each system call says an error, once: all is on the disk in the end, and nobody was told so before."""
    run = Run()
    for call, path in _each_call(nursery, scene, folder, run):
        errors = ERRORS.get(call.name, ("EIO",))
        for error in errors if every else errors[call.nth % len(errors) :][:1]:
            place = path.parent.parent / error / "sessions" / NAME
            place.parent.parent.mkdir()
            _one_error(nursery, scene, place, call, error, run)
            run.tried += every and error != errors[0]
    return run


def _one_error(nursery: Nursery, scene: Scene, path: Path, call: Call, error: str, run: Run) -> None:
    host = scene.prepare(path)
    inject = ("-e", f"trace={call.name}", "-e", f"inject={call.name}:error={error}:when={call.nth}")
    answers, ended = _act(nursery, scene, path, inject)
    case = f"{call} {error}"
    run.expect(case, "raised", f"ended with {ended}", holds=ended == 0)
    run.found(case, [*wrong_answers(answers), *judge(path, scene.made, scene.made, host, again=True)])
    run.expect(case, "lost", f"degraded at the end: {answers[-1]}", holds=answers[-1] == ["close", None])
    if call.name in ("write", "fdatasync") and not any(
        words[0] in DESTROYED or words[0] == "limit" for words in scene.commands
    ):
        held = refused(answers)
        run.expect(case, "silent", f"not acknowledged: {held}", holds=held == [scene.made[call.nth - 1]])


def refuse_for_good(nursery: Nursery, scene: Scene, path: Path, name: str, nth: int, error: str) -> Run:
    """From the ``nth`` call of that name on, all of them say so."""
    run = Run(tried=1)
    case = f"{name}:{nth}+ {error}"
    host = scene.prepare(path)
    inject = ("-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={nth}+")
    answers, ended = _act(nursery, scene, path, inject)
    run.expect(case, "raised", f"ended with {ended}", holds=ended == 0)
    run.found(case, [*wrong_answers(answers), *judge(path, told(answers), scene.made, host, again=True)])
    run.facts["acknowledged"] = len(told(answers))
    run.facts["degraded"] = answers[-1][1] is not None
    run.found(case, goes_on(path))
    return run


def short_writes(nursery: Nursery, folder: Path, rooms: Iterable[int]) -> Run:
    """The kernel's own: a file that may not grow further takes what fits, then says EFBIG."""
    run = Run()
    with nursery.child() as child:
        for room in rooms:
            for before in ([], ["a.0"]):
                path = folder / f"{room}-{len(before)}" / NAME
                case = f"room for {room} bytes behind {len(before)} events"
                answers = [child.ask("open", str(path)), *[child.ask("fail", label) for label in before]]
                size = path.stat().st_size if before else 0
                child.ask("limit", size + room)
                made = [*before, "b.0", "b.1", "b.2"]
                answers += [child.ask("fail", "b.0"), child.ask("fail", "b.1")]
                grown = path.stat().st_size - size
                again = whole_without_newline(path)
                run.found(f"{case}, at once", judge(path, told(answers), made))
                run.expect(case, "silent", f"it took {grown} bytes", holds=grown <= room)
                run.facts["short"] += 0 < grown == room
                for number, label in enumerate(refused(answers), start=1):
                    why = next(str(words[2]) for words in answers if words[0] == label)
                    plain = os.strerror(errno.EFBIG) in why and f"({number} events wait" in why
                    run.expect(case, "silent", f"{label}: {why}", holds=plain)
                child.ask("limit", None)
                answers.append(child.ask("fail", "b.2"))
                run.expect(case, "lost", f"{answers}", holds=answers[-1] == ["b.2", True, None])
                run.found(case, [*wrong_answers(answers), *judge(path, made, made, again=again)])
                run.tried += 1
    return run


def whole_without_newline(path: Path) -> bool:
    """Whether all of the last record is there but its newline: it is not acknowledged, and will stand there twice."""
    return re.search(rb',"seal":"[0-9a-f]{32}"}\Z', path.read_bytes()) is not None


def full_disk(folder: Path, chance: random.Random, rounds: int) -> Run:
    """A small tmpfs, full and freed again and again. It gives pages: what a page has no room for is a short write."""
    run = Run(tried=rounds)
    made, twice = list[str](), False
    folder.mkdir(exist_ok=True)
    with small_disk(folder, f"size={128 + 16 * rounds}k") as nursery, nursery.child() as child:
        path = folder / NAME
        seen = Path(f"{nursery.root}{path}")
        ballast = seen.with_name("ballast")
        child.ask("open", str(path))
        for number in range(rounds):
            _fill(ballast, leave=chance.randint(0, 1))
            held, again = list[str](), False
            for _ in range(chance.randint(20, 40)):
                made.append(f"a.{len(made)}")
                _, kept, why = answer = child.ask("fail", made[-1])
                run.found(number, wrong_answers([answer]))
                again |= whole_without_newline(seen)
                if kept is not True:
                    held.append(made[-1])
                    plain = os.strerror(errno.ENOSPC) in str(why) and f"({len(held)} events wait" in str(why)
                    run.expect(number, "silent", str(why), holds=plain or "short write" in str(why))
            run.expect(
                number, "lost", "what does not wait is on the disk", holds=labels(seen) == made[: len(made) - len(held)]
            )
            run.facts["held"] += len(held)
            ballast.unlink()
            made.append(f"a.{len(made)}")
            answer = child.ask("fail", made[-1])
            run.expect(number, "lost", f"the disk works again: {answer}", holds=answer == [made[-1], True, None])
            run.expect(number, "lost", "what waited is not there in its order", holds=labels(seen) == made)
            twice |= again
            run.found(number, judge(seen, made, made, again=twice))
        log = read_events(seen)
        run.facts["events"] = len(list(log))
        run.facts["torn"] = kinds(log.report).get("torn", 0)
        run.found("the end", goes_on(seen))
    return run


def _fill(ballast: Path, leave: int) -> None:
    """Fill the disk, but for so many pages."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - 4096 * leave))


def lose_at_sync(shimmed: Nursery, folder: Path, nths: Iterable[int]) -> Run:
    """The worst disks drop what they could not write, and say EIO once."""
    run = Run()
    with shimmed.child() as child:
        for nth in nths:
            path = folder / str(nth) / NAME
            child.ask("open", str(path))
            child.ask("shim", "")
            answers = [child.ask("fail", "a.0")]
            child.ask("shim", f"unsynced {nth} 0")
            made = [f"a.{number}" for number in range(nth + 3)]
            answers += [child.ask("fail", label) for label in made[1:]]
            run.found(nth, wrong_answers(answers))
            run.expect(nth, "silent", f"not acknowledged: {refused(answers)}", holds=refused(answers) == [f"a.{nth}"])
            run.found(nth, judge(path, made, made))
            run.tried += 1
    return run


def short_once(shimmed: Nursery, folder: Path, rooms: Iterable[int]) -> Run:
    """A short write, and then the disk goes on: one event, at once."""
    run = Run()
    with shimmed.child() as child:
        for room in rooms:
            path = folder / str(room) / NAME
            nth = 1 + room % 2  # the one with the header too
            child.ask("open", str(path))
            child.ask("shim", f"short {nth} {room}")
            made = ["a.0", "a.1", "a.2"]
            answers: Answers = []
            for label in made:
                answers.append(child.ask("fail", label))
                run.found(f"{room}, at once", judge(path, told(answers), made))  # a later one may mend it
            child.ask("shim", "")
            data = path.read_bytes()
            run.facts["short"] += data.count(b"\n") > 4
            run.expect(room, "lost", f"{answers}", holds=answers == [[one, True, None] for one in made])
            run.found(room, [*wrong_answers(answers), *judge(path, made, made)])
            run.tried += 1
    return run


# forks


FORKS: Final = (("fork", "f", 20, False), ("fork", "f", 15, True), ("process", "f", 20))


def fork(nursery: Nursery, path: Path, how: Sequence[object], *, waiting: bool) -> Run:
    """It forks with an open session. ``waiting``: and with an event in memory, which both have then to write."""
    run = Run(tried=1)
    case = f"{how}, waiting: {waiting}"
    with nursery.child() as child:
        answers = [child.ask("open", str(path)), child.ask("fail", "a.0")]
        owed = ["a.0"]
        if waiting:
            child.ask("limit", path.stat().st_size + 50)
            answers.append(child.ask("fail", "a.1"))
            run.expect(case, "silent", f"the disk was full: {answers[-1]}", holds=answers[-1][1] is False)
            child.ask("limit", None)
            owed.append("a.1")
        child.say(*how)
        child.say("fail", "z.0")
        answers += child.rest()
    run.found(case, wrong_answers(answers))
    found = labels(path)
    owed = sorted({*owed, *told(answers)})
    run.facts["acknowledged"] = len(owed)
    run.expect(case, "lost", f"{sorted(set(owed) ^ set(found))} in one of the two only", holds=sorted(found) == owed)
    for name in {label.rpartition(".")[0] for label in owed}:
        own = [label for label in found if label.rpartition(".")[0] == name]
        run.expect(case, "lost", f"out of order: {own}", holds=own == [f"{name}.{one}" for one in range(len(own))])
    run.found(case, judge(path, [], found, again=waiting))
    run.found(case, goes_on(path))
    return run


# a host that replaces the file


class Host:
    """It copies, renames over, cuts and deletes the log of a gateway that does not stop writing."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.path, self.chance = path, chance
        self.lines: list[bytes] = []
        """Complete lines that must be in the file that there is now."""
        self.copies: list[bytes] = []
        self.did: Counter[str] = Counter()

    def act(self, what: str) -> None:
        self.did[what] += 1
        data = self.path.read_bytes() if self.path.exists() else b""
        data = data[: data.rfind(b"\n") + 1]
        match what:
            case "say" if data:
                self.lines.append(self._line())
                with self.path.open("ab", buffering=0) as file:
                    file.write(self.lines[-1] + b"\n")
            case "copy":
                self.copies.append(data)
            case "replace":
                new = self.chance.choice([data, *self.copies[-5:]])
                new += self._line() + b"\n" if new else b""
                beside = self.path.with_name("copy")
                beside.write_bytes(new)
                beside.replace(self.path)
                self.lines = host_lines(new)
            case "cut" if data:
                size = self.chance.choice([found.end() for found in re.finditer(rb"\n", data)][-30:])
                os.truncate(self.path, size)
                self.lines = host_lines(data[:size])
            case "delete":
                self.path.unlink(missing_ok=True)
                self.lines = []

    def _line(self) -> bytes:
        return message(f"c0ffee{self.did.total():04x}").rstrip(b"\n")


def replace_in_a_loop(nursery: Nursery, path: Path, chance: random.Random, count: int, actions: Sequence[str]) -> Run:
    """A session records without a pause while the host acts; when it is still, one append brings back the rest.

    A cut in the middle of an append may take what that append goes on from: then there is a gap, and it is told.
    """
    host, answers, run = Host(path, chance), Answers(), Run()
    with nursery.child() as child:
        child.ask("open", str(path))
        answers.append(child.ask("fail", "b.0"))
        for number in range(count // 10):  # by tens: however fast it is, the host comes in between
            child.say("fails", f"a{number}", 10)
            host.act(actions[number % len(actions)])
            while answers.count(["fails"]) <= number and (got := child.take()):
                answers += got
                if chance.random() < 0.2:
                    host.act(chance.choice(actions))
        host.act("say")
        answers.append(child.ask("fail", "z.0"))
    run.tried, run.facts = host.did.total(), host.did
    kept = told(answers)
    case = f"{dict(host.did)}"
    run.found(case, wrong_answers(answers))
    run.expect(case, "lost", "not all are acknowledged", holds=len(kept) == count + 2)
    if "cut" not in actions:
        run.found(case, judge(path, kept[-REMEMBERED:], kept, host.lines))
        run.found(case, goes_on(path))
        return run
    found = labels(path)
    missing = set(kept[-REMEMBERED:]) - set(found)
    run.expect(case, "lost", f"{missing}", holds=not missing)
    run.expect(case, "accepted", "events twice", holds=len(found) == len(set(found)))
    log = read_events(path)
    pieces = kinds(log.report) if [*log] else {}
    run.expect(case, "silent", f"{pieces}", holds=pieces.keys() <= {"event", "foreign"})
    there = [line for line in path.read_bytes().split(b"\n") if line in host.lines]
    run.expect(case, "foreign", f"{len(there)} of {len(host.lines)}", holds=there == host.lines)
    return run


def replace_between(nursery: Nursery, path: Path, chance: random.Random, count: int) -> Run:
    """The host acts between two appends only: then nothing at all is missing, ever."""
    host, made, run = Host(path, chance), list[str](), Run(tried=count)
    with nursery.child() as child:
        child.ask("open", str(path))
        for number in range(count):
            made.append(f"a.{number}")
            answer = child.ask("fail", made[-1])
            run.expect(number, "lost", f"{answer}", holds=answer == [made[-1], True, None])
            run.found(number, judge(path, made[-REMEMBERED:], made, host.lines))
            host.act(chance.choice(["say", "say", "copy", "replace", "cut", "cut", "delete"]))
    run.facts = host.did
    return run
