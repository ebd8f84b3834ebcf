"""Extreme logs, scaled down: the commands read them in memory that doesn't grow with them (``torture/sizes.py``)."""

import json
import platform
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from commands import ROOT
from hypothesis import given
from hypothesis import strategies as st
from logs import hosted, message, ten_events
from torture import sizes
from torture.rows import Row
from torture.sizes import MIB, Ended, Size

from eventlog.lines import Piece
from eventlog.look import OUR_TYPES, is_candidate
from eventlog.scan import pieces
from eventlog.split import Splitter, Stretch

SCALE: Final = 0.01
LEEWAY_MB: Final = 24.0
"""What reading may take beyond the program itself: blocks, a line of 1 MiB, ids. The big logs are all longer."""

_RUN: Final = f"""{sizes.PEAK}
import json
import eventlog.scan, eventlog.split
from cli.app import main

eventlog.scan.LONGEST = eventlog.split.LONGEST = int(sys.argv[2])
for arguments in json.loads(sys.argv[1]):
    sys.argv, code = ["switchlog", *arguments], None
    try:
        main()
    except SystemExit as ending:
        code = ending.code
    print("ended", code, peak(), file=sys.stderr)
"""


def run(*commands: list[str], longest: int = MIB) -> tuple[list[int], list[float], bytes, bytes]:
    """Run them one after the other in one process: their codes, its peak after each, and all that was printed."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(commands), str(longest)],
        capture_output=True,
        cwd=ROOT,
        check=False,
        timeout=100,
    )
    ends = [line.split() for line in done.stderr.splitlines() if line.startswith(b"ended ")]
    assert len(ends) == len(commands), done
    return [int(end[1]) for end in ends], [int(end[2]) / 1024 for end in ends], done.stdout, done.stderr


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tiny") / "tiny.jsonl"
    path.write_bytes(sizes.HEADER + b"".join(sizes.records(2)))
    return str(path)


def test_every_size_is_read_as_it_should_in_flat_memory(tmp_path: Path, tiny: str) -> None:
    """One process reads them all, so the memory of one would be seen with the next."""
    commands, codes, said = [["show", tiny], ["verify", tiny]], [(0,), (0,)], []
    for number, size in enumerate(sizes.sizes(SCALE)):
        if size.pipe is None:
            folder = tmp_path / str(number)
            folder.mkdir()
            path = size.make(folder)
            commands += [[*command, str(path), *size.beyond] for command in size.commands]
            codes += [size.codes] * len(size.commands)
            said.append(size.says)
    ended, peaks, out, err = run(*commands)
    assert b"Traceback" not in err
    for command, code, allowed in zip(commands, ended, codes, strict=True):
        assert code in allowed, (command, code)
    for words in said:
        assert words in out, words
    before = peaks[1]
    assert peaks[-1] < before + LEEWAY_MB, list(zip(peaks, commands, strict=True))


def test_a_pipe_is_read_in_flat_memory() -> None:
    (size,) = (one for one in sizes.sizes(SCALE) if one.pipe is not None)
    row = size.measure()
    assert (row.faults, row.notes) == (0, [])
    assert row.tried == 50 * MIB


def test_the_bound_would_show_a_line_that_is_kept(tmp_path: Path, tiny: str) -> None:
    path = sizes.written(tmp_path, (b"x" * MIB for _ in range(50)))
    for longest, kept in ((MIB, False), (1 << 40, True)):
        _, peaks, *_ = run(["show", tiny], ["show", str(path)], longest=longest)
        assert (peaks[1] > peaks[0] + LEEWAY_MB) is kept


def test_a_size_that_fails_is_a_fault() -> None:
    size = Size("x", 1, lambda folder: folder, says=b"all of it", bound_mb=50)
    row = Row("sizes", "x")
    for code, err, peak, out in ((0, b"", 50, b"all of it"), (4, b"", 9, b"all of it"), (0, b"", 51, b"all of it")):
        size._judge(row, "show", Ended(code, out, err, peak, 0.0))
    size._judge(row, "show", Ended(0, b"some", b"", 9, 0.0))
    assert (row.raised, row.silent) == (2, 1)


_FAULTS: Final = """
import resource, sys
from eventlog import read_events
from replay import fold

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fold(read_events(sys.argv[1]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_a_large_log_is_read_into_the_same_memory_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as log:
        log.write(ten_events().data)
        for number in range(64):
            log.write(message(f"{number:08x}", text="x" * (MIB - 200)))
    done = subprocess.run([sys.executable, "-c", _FAULTS, path], capture_output=True, cwd=ROOT, check=True)
    pages = 64 * MIB // 4096
    assert int(done.stdout) < pages // 40, "the memory of each block was given back and taken anew"


def test_a_process_tells_its_own_peak_and_not_its_parents() -> None:
    ballast = bytes(150 * MIB).replace(b"\0", b"x")  # written to, so that it is really held
    ended = sizes.run("--version")
    assert ended.code == 0
    assert 5 < ended.peak_mb < 140 < len(ballast) / MIB


# The fast path and the slow one


def split(data: bytes, cuts: list[int]) -> list[Piece]:
    """The pieces of the data, fed in blocks that end at the cuts."""
    splitter, found = Splitter(), []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        for text in splitter.feed(data[start:end]):
            found += pieces(text)
    rest = splitter.rest()
    return found + (list(pieces(rest)) if rest is not None else [])


lines = st.lists(
    st.sampled_from(
        [
            *(line.removesuffix(b"\n") for line in (*hosted().lines[:6], *ten_events().lines[:4])),
            *(
                b"",
                b" \t\r",
                b"x",
                b"{",
                b'{"',
                b'{"type',
                b'{"type":"',
                b'{"type":"mod',
                b'{"type":"model_switch"',
                b"\0",
            ),
            *(b"\0\0", b"a\0", b"\0b", b"a\0\0b", b'{"type":"message"}', b'{"type":"attribute"}', b'{"id":"\\u0061"}'),
            b'{"type":"me","seal":"' + b"0" * 32 + b'"}',
            b'x,"seal":"' + b"0" * 32 + b'"}',
            b'x,"seal":"' + b"g" * 32 + b'"}',
        ]
    )
    | st.binary(max_size=50),
    max_size=30,
).map(b"\n".join)


@given(lines, st.lists(st.integers(0, 5_000), max_size=10))
def test_lines_taken_at_once_are_the_same_pieces_as_one_by_one(data: bytes, cuts: list[int]) -> None:
    slow = split(data, list(range(len(data))))  # a byte at a time: there no stretch is ever seen
    assert split(data, []) == slow
    assert split(data, cuts) == slow


def test_foreign_lines_are_taken_at_once_and_only_within_a_block() -> None:
    host = sizes.MESSAGE * 100
    assert [type(text) for text in Splitter().feed(host)][1:] == [Stretch]
    assert not any(isinstance(text, Stretch) for at in range(len(host)) for text in Splitter().feed(host[at : at + 1]))
    stretch = next(text for text in Splitter().feed(host) if isinstance(text, Stretch))
    places = [(one.offset, one.length, one.data) for one in stretch.texts()]
    size = len(sizes.MESSAGE)
    assert places == [(size * number, size, sizes.MESSAGE) for number in range(1, 100)]


def test_a_line_that_names_one_of_our_types_is_looked_at_wherever_it_stands() -> None:
    for name in OUR_TYPES:
        assert is_candidate(b'{"x":1,"type":"%b"}' % name.encode())
        assert is_candidate(name.encode())
        spelled = "".join(f"\\u{ord(char):04x}" for char in name)
        assert is_candidate(b'{"type":"%b"}' % spelled.encode())
    assert not is_candidate(b'{"x":1,"type":"message","snake_case":"\\n"}')
