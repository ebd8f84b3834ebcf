"""Real faults on the real file system, and the judgement of what they left.

Law: nothing of ``eventlog`` is replaced here. Calls fail because the kernel, strace, or a shim before the C library
makes them fail; processes die because they are killed. What a machine forbids is said in words (``no_strace()`` and the
like), never passed over. The judgement reads the file twice: as a stranger with ``json`` and ``hashlib``, and as ours.

Killed "at" a call means: on its entry, so that the call is not made (the kernel does not enter a call with a SIGKILL
pending). The file system changes in calls only; so the deaths on entry of each call, and after the last, are all the
states that a death between calls can leave. Deaths in the middle of a write are the shim's.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from fault_writer import LENGTH
from logs import CRASH_STATES, SESSION, header, hosted, kinds, message

from eventlog import Chain, Policy, Session, read_events
from replay import fold

WRITER: Final = Path(__file__).with_name("fault_writer.py")
CHAIN: Final = Chain("kimi/kimi2.5", "zhipu/glm-5.1")
NAME: Final = f"{SESSION}.jsonl"
KILLED: Final = -9

SHIM: Final = r"""
/* Counts the writes to regular files, and the syncs, since FAULT was set. FAULT is "WHAT NTH BYTES":
   kill: the NTH write takes BYTES bytes, then the process dies;   short: it takes BYTES bytes and says so;
   unsynced: the NTH sync fails and, as the worst disks do, what was written since the last good one is gone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static char plan[64], what[16];
static int writes, syncs, nth;
static long bytes;
static off_t synced;
static int due(const char *kind, int *calls) {
    const char *now = getenv("FAULT") ? getenv("FAULT") : "";
    if (strcmp(plan, now)) {
        snprintf(plan, sizeof plan, "%s", now), writes = syncs = nth = 0, *what = 0;
        sscanf(now, "%15s %d %ld", what, &nth, &bytes);
    }
    ++*calls;
    return !strcmp(what, kind) && *calls == nth;
}
ssize_t write(int fd, const void *data, size_t size) {
    struct stat found;
    if (fstat(fd, &found) || !S_ISREG(found.st_mode)) return syscall(SYS_write, fd, data, size);
    int kill_now = due("kill", &writes);
    --writes;
    int short_now = due("short", &writes);
    size_t most = (kill_now || short_now) && (size_t)bytes < size ? (size_t)bytes : size;
    ssize_t taken = most ? syscall(SYS_write, fd, data, most) : 0;
    if (kill_now) kill(getpid(), SIGKILL);
    return taken;
}
int fdatasync(int fd) {
    struct stat found;
    int lost = due("unsynced", &syncs);
    if (lost) return ftruncate(fd, synced), errno = EIO, -1;
    int done = syscall(SYS_fdatasync, fd);
    if (!done && !fstat(fd, &found)) synced = found.st_size;
    return done;
}
"""


class Refused(Exception):
    """This machine can't do it."""


# what a machine forbids


@cache
def no_strace() -> str:
    """Why no process can be traced here; empty if one can."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        return "there is no strace"
    try:
        with tempfile.TemporaryDirectory() as folder, Nursery() as nursery:
            path = Path(folder) / NAME
            with nursery.child() as child, traced(child, path, "-e", "inject=flock:error=EIO:when=1"):
                child.say("open", str(path))
                child.say("fail", "probe.0")
                answers = child.rest()
            if answers[1][:2] != ["probe.0", False]:
                return f"strace injects nothing: {answers}"
    except Refused as error:
        return str(error)
    return ""


@cache
def _shim() -> tuple[Path | None, str]:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if sys.platform != "linux" or compiler is None:
        return None, "there is no C compiler" if compiler is None else "the shim is for Linux"
    folder = (
        Path(tempfile.gettempdir()) / f"switchlog-shim-{os.getuid()}-{hashlib.sha256(SHIM.encode()).hexdigest()[:16]}"
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / "shim.so"
    if folder.stat().st_uid != os.getuid():
        return None, f"{folder} is somebody else's"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as place:  # several test processes may build it at once
            source, built = Path(place) / "shim.c", Path(place) / "shim.so"
            source.write_text(SHIM, encoding="ascii")
            command = [compiler, "-shared", "-fPIC", "-O1", "-w", "-o", str(built), str(source), "-ldl"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return None, f"the C compiler builds no library: {done.stderr.strip()[-200:]}"
            built.replace(library)
    return library, ""


def no_shim() -> str:
    """Why no shim can stand before the C library here; empty if one can."""
    return _shim()[1]


MOUNTS: Final = (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount"))
"""A mount of our own that goes with the process, and that nobody else sees: as root, and as anybody."""


@cache
def _mounter() -> tuple[tuple[str, ...], str]:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return (), "there is no unshare"
    told = ""
    with tempfile.TemporaryDirectory() as folder:
        for prefix in MOUNTS:
            command = [*prefix, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return prefix, ""
            told = done.stderr.strip()
    return (), f"no mount is allowed: {told}"


def no_mount() -> str:
    """Why there can't be a small disk here; empty if there can."""
    return _mounter()[1]


# processes to be broken


@dataclass
class Child:
    """A gateway in a process of its own, driven line by line."""

    pid: int
    gate: int
    told: int
    nursery: "Nursery"
    buffer: bytes = b""
    ended: int | None = None

    def say(self, *command: object) -> None:
        try:
            os.write(self.gate, json.dumps(command).encode() + b"\n")
        except BrokenPipeError:  # dead, as it was meant to be
            return

    def no_more(self) -> None:
        """That was the last command."""
        if self.gate >= 0:
            os.close(self.gate)
        self.gate = -1

    def take(self) -> list[list[object]]:
        """The next answers; none when it is dead. Waits for at least one."""
        while b"\n" not in self.buffer:
            part = os.read(self.told, 1 << 16)
            if not part:
                assert not self.buffer, "an answer is one write"
                return []
            self.buffer += part
        whole, _, self.buffer = self.buffer.rpartition(b"\n")
        return [json.loads(line) for line in whole.split(b"\n")]

    def ask(self, *command: object) -> list[object]:
        """One command with one answer."""
        self.say(*command)
        answers = self.take()
        assert len(answers) == 1, answers
        return answers[0]

    def rest(self) -> list[list[object]]:
        """All answers to come, until it ends."""
        self.no_more()
        found: list[list[object]] = []
        while answers := self.take():
            found += answers
        self.end()
        return found

    def kill(self) -> None:
        if self.ended is None:
            os.kill(self.pid, 9)

    def end(self) -> int:
        """How it ended; waits for that."""
        if self.ended is None:
            self.ended = self.nursery.wait(self.pid)
        return self.ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.no_more()
        self.kill()
        self.end()
        os.close(self.told)


class Nursery:
    """A process that has imported everything and forks children for us. ``prefix``: a command that starts it."""

    def __init__(self, prefix: Sequence[str] = (), *, shim: bool = False) -> None:
        self._ours, theirs = socket.socketpair()
        environment = dict(os.environ)
        if shim:
            library, why = _shim()
            if library is None:
                raise Refused(why)
            environment["LD_PRELOAD"] = str(library)
        with theirs:
            command = [*prefix, sys.executable, str(WRITER), str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)

    def run(self, *command: str) -> None:
        """Run a command that sees what this process sees."""
        within = ["nsenter", "--mount", "--target", str(self._process.pid)]
        user = ["--user", "--preserve-credentials"] if "--user" in _mounter()[0] else []
        subprocess.run([*within, *user, *command], check=True)

    @property
    def root(self) -> Path:
        """The file system as this process sees it, its own mounts included."""
        return Path(f"/proc/{self._process.pid}/root")

    def child(self) -> Child:
        gate_out, gate = os.pipe()
        told, told_in = os.pipe()
        try:
            socket.send_fds(self._ours, [LENGTH.pack(0)], [gate_out, told_in])
        finally:
            os.close(gate_out)
            os.close(told_in)
        return Child(self._answer(), gate, told, self)

    def wait(self, pid: int) -> int:
        self._ours.sendall(LENGTH.pack(pid))
        return self._answer()

    def _answer(self) -> int:
        message = b""
        while len(message) < LENGTH.size:
            part = self._ours.recv(LENGTH.size - len(message))
            if not part:
                raise Refused("the nursery did not start")
            message += part
        number: int = LENGTH.unpack(message)[0]
        return number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._process.wait()


@contextmanager
def small_disk(folder: Path, options: str = "size=64k") -> Iterator[Nursery]:
    """A nursery that sees a tmpfs of that size in ``folder``; others don't, and it goes with it."""
    prefix, why = _mounter()
    if why:
        raise Refused(why)
    mount = f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"'
    with Nursery([*prefix, "sh", "-c", mount, str(folder)]) as nursery:
        nursery.child().__exit__()  # it is there, and so is its disk
        yield nursery


# the system calls of an append


@dataclass(frozen=True, slots=True)
class Call:
    """The ``nth`` call of that name on the log or its folders. ``writes``, ``syncs``: of the log, before it."""

    name: str
    nth: int
    writes: int
    syncs: int

    def __str__(self) -> str:
        return f"{self.name}:{self.nth}"


@contextmanager
def traced(child: Child, path: Path, *options: str, into: Path | None = None) -> Iterator[None]:
    """strace the child, from before its next command: its calls on the log, the folder, and the folder above it."""
    places = [option for place in (path, path.parent, path.parent.parent) for option in ("-P", str(place))]
    command = ["strace", "-f", "-p", str(child.pid), *places, "-o", str(into or os.devnull), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        first = next((line for line in tracer.stderr if "Requested path" not in line), "it said nothing")
        if "attached" not in first:
            tracer.wait()
            raise Refused(f"strace: {first.strip()}")
        try:
            yield
        finally:
            child.no_more()  # it goes through what it was told, and ends; so does strace then


@dataclass(frozen=True, slots=True)
class Scene:
    """What a gateway does, and to which file: the commands after ``open``, on a log that ``prepare`` has made."""

    name: str
    commands: tuple[tuple[object, ...], ...]
    prepare: Callable[[Path], list[bytes]] = lambda _: []
    """Makes the file; the host's complete lines that must stay."""

    @property
    def made(self) -> list[str]:
        return [str(words[1]) for words in self.commands if words[0] == "fail"]

    def say(self, child: Child, path: Path) -> None:
        child.say("open", str(path))
        for command in self.commands:
            child.say(*command)

    def calls(self, nursery: Nursery, path: Path) -> list[Call]:
        """All system calls that it makes on the log and its folders."""
        into = path.parent.parent / "trace"
        into.parent.mkdir(parents=True)
        self.prepare(path)
        with nursery.child() as child, traced(child, path, into=into):
            self.say(child, path)
            answers = child.rest()
        assert child.ended == 0
        assert [words[:2] for words in answers if words[0] in self.made][-1][1] is True, answers
        return list(_counted(into.read_text(encoding="utf-8")))


def _counted(trace: str) -> Iterator[Call]:
    seen: Counter[str] = Counter()
    for line in trace.splitlines():
        name = re.match(r"\d+ +(\w+)\(", line)
        if name:
            seen[name[1]] += 1
            yield Call(name[1], seen[name[1]], seen["write"] - (name[1] == "write"), seen["fdatasync"])


def failures(*numbers: int) -> tuple[tuple[object, ...], ...]:
    return tuple(("fail", f"a.{number}") for number in numbers)


def old(path: Path) -> None:
    """The host wrote long ago: nobody waits for it."""
    os.utime(path, (1_700_000_000, 1_700_000_000))


def a_hosts_torn_file(path: Path) -> list[bytes]:
    """A transcript with lines of the host's, events of ours, and an end that a crash tore."""
    draft = hosted()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(draft.data + draft.failed("local/qwen2.5:14b")[:100])
    old(path)
    return host_lines(draft.data)


def an_older_copy(path: Path) -> list[bytes]:
    """A log of ours, and beside it the host's copy that will replace it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copy = path.with_name("copy")
    copy.write_bytes(header() + message("c0ffee01"))
    return []


SCENES: Final = (
    Scene("new", (*failures(0, 1, 2), ("close",))),
    Scene("torn", (*failures(0, 1), ("close",)), a_hosts_torn_file),
    Scene("replaced", (*failures(0, 1), ("replace", "copy"), *failures(2, 3), ("close",)), an_older_copy),
    Scene("full", (*failures(0), ("limit", 500), *failures(1, 2), ("limit", None), *failures(3), ("close",))),
)


# the judgement


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not be. ``kind`` is a column of the torture table: lost accepted silent raised foreign."""

    kind: str
    told: str


def host_lines(data: bytes) -> list[bytes]:
    """The complete lines that are not ours, as a stranger finds them."""
    return [line for line in data.split(b"\n")[:-1] if line and b',"seal":"' not in line]


def chain_faults(data: bytes) -> Iterator[Fault]:
    """Each whole record's seal computed by hand, and its ``prev`` the seal before it."""
    prev: object = None
    for line in data.split(b"\n"):
        body, mark, rest = line.rpartition(b',"seal":"')
        if mark and rest.endswith(b'"}') and len(rest) == 34:
            seal = hashlib.sha256(body).hexdigest()[:32]
            if rest != seal.encode() + b'"}':
                yield Fault("accepted", f"a wrong seal: {line[:80]!r}")
            elif json.loads(line)["prev"] != prev:
                yield Fault("accepted", f"a broken chain: {line[:80]!r}")
            prev = seal


def subsequence(some: Iterable[str], of: Iterable[str]) -> bool:
    rest = iter(of)
    return all(one in rest for one in some)


def judge(
    path: Path, acknowledged: Sequence[str], made: Sequence[str], host: Sequence[bytes] = (), *, again: bool = False
) -> list[Fault]:
    """What is wrong with the log of one writer, or with one writer's part of it.

    ``acknowledged``: the labels that it was told are durable, ``made``: all that it tried, in order. ``again``: lines
    may stand twice (after a failed sync, and where two processes had the same event to write).
    """
    faults: list[Fault] = []
    if not path.exists():
        return [Fault("lost", f"{len(acknowledged)} acknowledged, and no file")] if acknowledged or host else []
    data, log, labels = path.read_bytes(), read_events(path), []
    try:
        labels = [one.event.turn or "" for one in log]
    except Exception as error:  # noqa: BLE001  (whichever it is, it is a fault)
        faults.append(Fault("raised", f"reading: {error!r}"))
    report = log.report
    ours = [label for label in labels if label in set(made)]
    missing = [label for label in acknowledged if label not in set(labels)]
    faults += [Fault("lost", f"{label} was acknowledged") for label in missing]
    if not missing and not subsequence(acknowledged, ours):
        faults.append(Fault("lost", f"out of order: {acknowledged} read as {ours}"))
    if not subsequence(ours, made):
        faults.append(Fault("accepted", f"twice, or not in the order of their making: {ours}"))
    allowed = CRASH_STATES | {"blank"} | ({"duplicate"} if again else set())
    if report.damaged or not kinds(report).keys() <= allowed:
        faults.append(Fault("silent", f"a crash is called damage: {kinds(report)} {report.findings}"))
    faults += chain_faults(data)
    whole = [line for line in data.split(b"\n")[:-1] if line in set(host)]
    if whole != list(host):
        faults.append(Fault("foreign", f"{len(host)} lines of the host's, of which there are {len(whole)}"))
    return faults


def goes_on(path: Path, label: str = "next.0") -> list[Fault]:
    """Whether the next process goes on from what is there."""
    faults: list[Fault] = []
    before = path.read_bytes() if path.exists() else b""
    try:
        with Session.open(path, chain=CHAIN, policy=Policy()) as session:
            kept = session.failed("kimi/next", reason="timeout", turn=label)
            state, told = session.state, session.degraded
    except Exception as error:  # noqa: BLE001  (whichever it is, it is a fault)
        return [Fault("raised", f"the next process: {error!r}")]
    if not kept or told is not None:
        faults.append(Fault("lost", f"the next process can't go on: {kept} {told}"))
    after = list(read_events(path))
    if not after or after[-1].event.turn != label or fold(after) != state:
        faults.append(Fault("lost", "the next process does not stand where the log does"))
    if not path.read_bytes().startswith(before):
        faults.append(Fault("foreign", "bytes that were there have changed"))
    return faults


DESTROYED: Final = frozenset({"replace", "cut", "delete"})


def told(answers: Iterable[Sequence[object]]) -> list[str]:
    """The labels that were acknowledged, and that the log still owes.

    What the host itself took away is owed again once the session has appended behind that.
    """
    owed: list[str] = []
    taken = 0
    for words in answers:
        if words[0] in DESTROYED:
            taken = len(owed)
        elif len(words) == 3 and words[1] is True:
            owed.append(str(words[0]))
            taken = 0
    return owed[taken:]


def wrong_answers(answers: Iterable[Sequence[object]]) -> Iterator[Fault]:
    """What no answer may be: an exception; an event that is neither acknowledged nor said to wait."""
    for words in answers:
        if words[0] == "raised":
            yield Fault("raised", str(words[1]))
        elif len(words) == 3 and (words[1] is True) != (words[2] is None):
            yield Fault("silent", f"{words[0]}: acknowledged is {words[1]}, and degraded {words[2]}")
