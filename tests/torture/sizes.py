"""Logs of extreme size and shape, read by the real command in a process of its own.

Law: whatever the size, a command ends as it should, in memory that doesn't grow with the log (what must grow, a word
for each event's id and for each file of a folder, has its own bound). Peaks are of the process itself.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torture.rows import Job, Plan, Row

SECTION: Final = "sizes"
ROOT: Final = Path(__file__).resolve().parent.parent.parent
MIB: Final = 1 << 20
FLAT_MB: Final = 120.0
"""Enough for the program (40 MB) and a few blocks and lines of 1 MiB; far too little for any of these logs."""

HEADER: Final = b'{"type":"session","version":3,"id":"big","timestamp":"2026-04-02T04:55:40.889Z","cwd":"/"}\n'
MESSAGE: Final = (
    b'{"type":"message","id":"c0ffee01","parentId":"27e045ff","timestamp":"2026-04-02T04:55:40.889Z",'
    b'"message":{"role":"user","content":"hello"}}\n'
)

PEAK: Final = """
import resource, sys

def peak():
    try:
        with open("/proc/self/status") as status:  # getrusage would also count what its parent held at the fork
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except OSError:  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (10 if sys.platform == "darwin" else 0)
"""
"""For a process that is asked for its own peak, in KiB."""

_RUN: Final = f"""{PEAK}
from cli.app import main
try:
    main()
finally:
    sys.stdout.flush()
    print("peak", peak(), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it took."""

    code: int
    out: bytes
    err: bytes
    peak_mb: float
    seconds: float


def run(*arguments: str | Path, feed: Iterator[bytes] | None = None, patience: float = 600) -> Ended:
    """Run ``switchlog`` to its end; ``feed`` is what comes through its pipe."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with subprocess.Popen(
            [sys.executable, "-c", _RUN, *map(str, arguments)],
            stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd=ROOT,
        ) as process:
            if process.stdin is not None and feed is not None:
                with suppress(BrokenPipeError):  # it died: that is told by its code
                    for part in feed:
                        process.stdin.write(part)
                    process.stdin.close()
            code = process.wait(patience)
        seconds = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        told, _, peak = err.read().rpartition(b"peak ")
        return Ended(code, out.read(4096), told, int(peak or 0) / 1024, seconds)


# What is read


def stretch(line: bytes, lines: int) -> Iterator[bytes]:
    """Many times the same line, in blocks of about a mebibyte."""
    many = max(1, MIB // len(line))
    block = line * many
    for _ in range(lines // many):
        yield block
    yield line * (lines % many)


def records(count: int, session: str = "big") -> Iterator[bytes]:
    """So many sealed records in their chain, in blocks."""
    prev, parent, block = b"null", b"null", []
    for number in range(count):
        body = (
            b'{"type":"attempt_failed","id":"%016x","parentId":%b,"timestamp":"2026-04-02T04:55:40.889Z",'
            b'"session":"%b","turn":"t-42","model":"kimi/kimi2.5","reason":"rate_limit","status":429,"v":1,"prev":%b'
        ) % (number, parent, session.encode(), prev)
        seal = hashlib.sha256(body).hexdigest()[:32].encode()
        block.append(body + b',"seal":"' + seal + b'"}\n')
        prev, parent = b'"' + seal + b'"', b'"%016x"' % number
        if len(block) == 4096:
            yield b"".join(block)
            block.clear()
    yield b"".join(block)


def deep(depth: int, head: bytes) -> Iterator[bytes]:
    """An object that begins so and nests so deep, as a line."""
    yield head + b"[" * depth + b"]" * depth + b"}\n"


def written(folder: Path, parts: Iterator[bytes], name: str = "big.jsonl") -> Path:
    path = folder / name
    with path.open("wb") as file:
        file.writelines(parts)
    return path


def sessions(folder: Path, count: int) -> Path:
    """So many short transcripts, of which the last is the newest."""
    folder = folder / "sessions"
    folder.mkdir()
    for number in range(count):
        name = f"s-{number:06d}"
        path = folder / f"{name}.jsonl"
        path.write_bytes(HEADER.replace(b'"big"', f'"{name}"'.encode()) + b"".join(records(2, name)))
    os.utime(folder / f"{name}.jsonl", (1 << 32, 1 << 32))
    return folder


# The sizes: what is made, what reads it, and what must come out


@dataclass(frozen=True, slots=True)
class Size:
    """One extreme log. ``make`` gives the arguments' last one, and what comes through the pipe, if it is ``-``."""

    name: str
    tried: int
    """Lines, records or files, or, where there is one line, its bytes."""
    make: Callable[[Path], Path]
    commands: tuple[tuple[str, ...], ...] = (("show",), ("verify",))
    says: bytes = b""
    """What ``show`` must print: that it did read all of it."""
    pipe: Callable[[], Iterator[bytes]] | None = None
    bound_mb: float = FLAT_MB
    codes: tuple[int, ...] = (0,)
    beyond: tuple[str, ...] = ()
    """Arguments behind the log's name."""

    def measure(self) -> Row:
        row = Row(SECTION, self.name, tried=self.tried)
        with scratch() as folder:
            path = self.make(folder)
            for command in self.commands:
                feed = self.pipe() if self.pipe is not None else None
                ended = run(*command, "-" if feed is not None else path, *self.beyond, feed=feed)
                row.seconds += ended.seconds
                row.peak_mb = max(row.peak_mb, ended.peak_mb)
                self._judge(row, " ".join(command), ended)
        return row

    def _judge(self, row: Row, command: str, ended: Ended) -> None:
        if ended.code not in self.codes or b"Traceback" in ended.err:
            row.raised += 1
            row.note(f"{self.name}: {command} ended with {ended.code}: {ended.err[-300:]!r}")
        if ended.peak_mb > self.bound_mb:
            row.raised += 1
            row.note(f"{self.name}: {command} took {ended.peak_mb:.0f} MB, more than {self.bound_mb:.0f}")
        if command == "show" and self.says not in ended.out:
            row.silent += 1
            row.note(f"{self.name}: {command} did not say {self.says!r} but {ended.out!r}")


@contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="switchlog-sizes-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sizes(scale: float) -> list[Size]:
    """Every size; ``scale`` 1 is the real one. What grows with the scale is the length, never the bound, except where
    memory must grow a little."""

    def few(count: int) -> int:
        return max(1, int(count * scale))

    block, mebibytes = b"x" * MIB, few(5_000)
    lines, own, files, runs = few(10_000_000), few(1_000_000), few(100_000), few(100_000)
    say = "{:,} other lines".format
    depth = 100_000
    # Both read alike: at full size one of them is enough for the patience of whoever waits.
    both: tuple[tuple[str, ...], ...] = (("show",), ("verify",)) if scale <= 0.1 else (("show",),)

    def line(length: int) -> Callable[[Path], Path]:
        return lambda folder: written(folder, iter([HEADER, b"x" * (length - 1), b"\n"]))

    def nested(head: bytes, name: str = "big.jsonl") -> Callable[[Path], Path]:
        return lambda folder: written(folder, iter([HEADER if name == "big.jsonl" else b"", *deep(depth, head)]), name)

    def nowhere(folder: Path) -> Path:
        return folder

    return [
        Size(
            "5 GB line",
            mebibytes * MIB,
            lambda folder: written(folder, (block for _ in range(mebibytes))),
            both,
            f"1 other line ({mebibytes * MIB:,} bytes)".encode(),
        ),
        Size(
            "5 GB line, a pipe",
            mebibytes * MIB,
            nowhere,
            (("show",),),
            f"1 other line ({mebibytes * MIB:,} bytes)".encode(),
            lambda: (block for _ in range(mebibytes)),
        ),
        Size(
            "10 M lines of a host",
            lines,
            lambda folder: written(folder, stretch(MESSAGE, lines)),
            both,
            say(lines).encode(),
        ),
        Size(
            "10 M lines of any text",
            lines,
            lambda folder: written(folder, stretch(b"not JSON\n", lines)),
            (("show",),),
            say(lines).encode(),
        ),
        Size(
            "a million events",
            own,
            lambda folder: written(folder, iter([HEADER, *records(own)])),
            both,
            f"{own:,} events, 1 other line".encode(),
            bound_mb=FLAT_MB + 200 * own / 1_000_000,
        ),
        Size(
            "100,000 sessions, newest",
            files,
            lambda folder: sessions(folder, files),
            (("show",),),
            f"s-{files - 1:06d}".encode(),
        ),
        Size(
            "sessions, verified",
            files // 5,
            lambda folder: sessions(folder, files // 5),
            (("verify",),),
        ),
        Size(
            "runs of NULs",
            runs,
            lambda folder: written(folder, stretch(b"\0" * 100 + MESSAGE, runs)),
            says=f"{runs:,} runs of NULs".encode(),
        ),
        *(
            Size(f"a line of 1 MiB {told}", length, line(length), says=b"2 other lines")
            for told, length in (("less one", MIB - 1), ("sharp", MIB), ("and one", MIB + 1), ("and two", MIB + 2))
        ),
        Size(
            "a header of 1 MB",
            MIB - 100,
            lambda folder: written(folder, iter([HEADER.replace(b'"/"', b'"' + b"x" * (MIB - 200) + b'"')])),
            says=b"session  big\n",
        ),
        Size("a host's line, nested", depth, nested(b'{"type":"message","x":'), says=b"2 other lines"),
        Size("a line of ours, nested", depth, nested(b'{"type":"attempt_failed","model":"a/b","x":'), codes=(0, 1, 4)),
        Size("a header, nested", depth, nested(b'{"type":"session","id":"x","x":', "nested.jsonl")),
        Size("a gateway's log, nested", depth, nested(b'{"0":"x","time":"x","_meta":', "big.log")),
        Size(
            "a configuration, nested",
            depth,
            nested(b'{"agents":', "openclaw.json"),
            (("next", "--config"),),
            codes=(2,),
            beyond=("-",),
        ),
        Size(
            "a TOML config, nested",
            depth,
            lambda folder: written(folder, iter([b"chain = ", b"[" * depth]), "switchlog.toml"),
            (("next", "--config"),),
            codes=(2,),
            beyond=("-",),
        ),
    ]


def measure(number: int, scale: float) -> list[Row]:
    """One size; a number and not the Size itself, which no other process can be given."""
    return [sizes(scale)[number].measure()]


def jobs(plan: Plan) -> list[Job]:
    """The big ones alone, for they need memory, the disk and both cores."""
    alone = 8
    scale = min(plan.scale, 1.0)
    return [
        Job(SECTION, measure, (number, scale), alone=number < alone and scale > 0.1)
        for number in range(len(sizes(scale)))
    ]
