"""What once broke a law, and what past faults taught, against every law; and a few inputs nobody has seen before.

Law: each file of `fixtures/corpus/` goes through all targets of :mod:`fuzz` and through the commands; and the laws
themselves are tried against broken code, for a check that can't fail shows nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

import fuzz
import pytest
from fuzz import CORPUS, KNOWN, TARGETS
from msgspec.structs import replace

from cli import safe_text, times
from eventlog import anchors, config, importer, inference, keys, mending, outcomes, reader, scan
from eventlog.append import Log
from eventlog.choosing import new_id
from eventlog.lines import Kind, Piece
from eventlog.openclaw import database
from eventlog.verify import Verdict
from replay import Event, classify

pytestmark = pytest.mark.once

FILES = sorted(path for path in CORPUS.iterdir() if path.name != "README.md")
SHORT = {
    "reader": 60,
    "import": 40,
    "repair": 40,
    "verify": 150,
    "session": 40,
    "anchors": 400,
    "keys": 400,
    "config": 200,
    "answer": 300,
    "outcome": 150,
    "commands": 40,
    "words": 80,
    "hosted": 60,
    "store": 100,
}
"""Inputs that take less than half a second for each target."""


def broken_by(path: Path) -> Iterator[str]:
    """What the file breaks, each told in a line."""
    data = path.read_bytes()
    for target in TARGETS.keys() - {"commands"}:
        for salt in ("1", "2"):
            error = fuzz.once(target, salt, data)
            if error is not None:
                yield fuzz.Fault(target, salt, data, error).told
    with fuzz.scratch() as folder:
        try:
            fuzz.all_commands(data, folder)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
            yield fuzz.Fault("commands", "", data, error).told


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_of_the_corpus_breaks_no_law(path: Path) -> None:
    told = list(broken_by(path))
    if path.name in KNOWN:
        assert told, "it is mended: take it out of fuzz.KNOWN"
        assert not [one for one in told if not re.search(KNOWN[path.name], one)]
        pytest.xfail("; ".join(told))
    assert not told


def test_the_corpus_says_of_each_file_what_it_teaches() -> None:
    told = re.findall(r"^- `([^`]+)`: \S", (CORPUS / "README.md").read_text(), re.MULTILINE)
    assert told == [path.name for path in FILES]
    assert set(KNOWN) <= set(told)


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_that_nobody_has_seen_before_break_no_law(target: str) -> None:
    tally = fuzz.run(target, 1, SHORT[target])
    assert not tally.faults, "\n".join(f"{fault.told}\n{fault.again}" for fault in tally.faults)
    assert tally.tried == SHORT[target]


# Broken code, each in one place


def _blank_lines_dropped(text: scan.Text | scan.Stretch) -> Iterator[Piece]:
    return (piece for piece in scan.pieces(text) if piece.kind is not Kind.BLANK)


def _any_seal(line: bytes) -> str | None:
    return line[-34:-2].decode() if scan.seal.is_sealed(line) else None


def _glued_is_foreign(offset: int, data: bytes, _: bytes) -> Iterator[Piece]:
    yield Piece(offset, len(data), Kind.FOREIGN)


def _torn_ones_go(text: scan.Text) -> Iterator[object]:
    for piece in scan.pieces(text):
        if piece.kind is None and piece.fields is None:
            yield mending.Edit(piece.offset, zeros=piece.length)


def _any_anchor(known: dict[str, object], *read: object) -> None:
    known[json.loads(cast(bytes, read[-1]))["file"]] = None


def _any_number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+", text) else None


def _another_id(_: object, event: Event) -> Event:
    return replace(event, id=new_id())


def _given(value: object, *_: object, **__: object) -> object:
    return value


def _lines_of_each_block(blocks: Iterable[bytes], _: int) -> Iterator[tuple[int, bytes]]:
    return ((0, line) for block in blocks for line in block.split(b"\n"))


BROKEN: list[tuple[str, object, str, object]] = [
    ("reader", reader, "pieces", _blank_lines_dropped),
    ("reader", scan.seal, "seal_of", _any_seal),
    ("reader", scan, "_glued", _glued_is_foreign),
    ("import", Log, "holds", lambda *_: False),
    ("import", importer.Importer, "_ours", _another_id),
    ("repair", mending, "_of_text", _torn_ones_go),
    ("verify", Verdict, "anchor_lost", None),
    ("session", Log, "_end_of_torn", lambda *_: b""),
    ("anchors", anchors, "_take", _any_anchor),
    ("keys", keys, "_KEY", re.compile(r"(\S+)\s+(\S+)")),
    ("config", config, "_seconds", _given),
    ("answer", classify, "_number", _any_number),
    ("outcome", outcomes, "_text", str),
    ("commands", safe_text, "_spelled", _given),
    ("words", times, "time_of", lambda *_: datetime(2026, 1, 1)),  # noqa: DTZ001  (without its zone)
    ("hosted", inference, "_lines", _lines_of_each_block),
    ("store", database, "_bytes", _given),
]


@pytest.mark.parametrize(
    ("target", "room", "name", "instead"), BROKEN, ids=[f"{target}-{name}" for target, _, name, _ in BROKEN]
)
def test_broken_code_breaks_the_law(
    monkeypatch: pytest.MonkeyPatch, target: str, room: object, name: str, instead: object
) -> None:
    monkeypatch.setattr(room, name, instead)
    for first in range(0, 1_500, 20):
        if fuzz.run(target, 2, 20, first, smaller=False).faults:
            return
    pytest.fail("nothing noticed")
